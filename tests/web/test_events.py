"""The websocket of a project against the real session: what is said, by whom, and what is answered."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time

import numpy as np
import psutil
import pytest
import tifffile
from served import Served, serving
from small_project import SIZE, make_project
from websockets.exceptions import ConnectionClosed

from underbrush.core.looking import Place
from underbrush.engine.views import TileDone
from underbrush.files import FileLayer, using
from underbrush.project.lock import lock_project
from underbrush.project.read import read_project

WAIT = 200


@pytest.fixture
def folder(tmp_path):
    pixels = np.full(SIZE, 20, np.uint8)
    pixels[10:30, 15:40] = 200
    tifffile.imwrite(tmp_path / "cells.tif", pixels)
    make_project(tmp_path / "p.ilp")
    return tmp_path


@pytest.fixture
def served(folder):
    with serving(folder) as running:
        running.project = running.hub.open(folder / "p.ilp")
        yield running


class Tab:
    """A browser tab: says hello, sends commands, reads until something comes."""

    def __init__(self, served: Served, client: str, hello: bool = True, **more):
        self.client = client
        self.line = served.websocket(f"/api/p/{served.project}/ws?client={client}", max_size=None, **more)
        self.ws = self.line.__enter__()
        self.seen: list = []
        if hello:
            self.say({"type": "hello", "client": client, "last": 0})
            self.welcome = self.until("welcome")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.line.__exit__(*error)

    def say(self, message):
        self.ws.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def paint(self, number, runs=(0, 0, 12, 17, 5), class_id=2, **more):
        command = {"type": "paint", "lane": "a1", "class": class_id, "runs": list(runs)}
        self.say({"type": "command", "number": number, "command": {**command, **more}})

    def look(self, layers, **more):
        view = {"view": "main", "lane": "a1", "t": 0, "plane": "xy", "slice": 0, "level": 0}
        self.say({"type": "view", **view, "box": [0, 0, 57, 48], "layers": list(layers), **more})

    def until(self, kind, **wanted):
        """The next message of a type with these fields; what came before is in ``seen``."""
        deadline = time.monotonic() + WAIT
        while True:
            data = self.ws.recv(timeout=max(0.1, deadline - time.monotonic()))
            if isinstance(data, bytes):
                n = struct.unpack("<I", data[:4])[0]
                message = {**json.loads(data[4 : 4 + n]), "payload": data[4 + n :]}
            else:
                message = json.loads(data)
            self.seen.append(message)
            if message["type"] == kind and all(message.get(k) == v for k, v in wanted.items()):
                return message


def test_a_stroke_is_acknowledged_and_seen_by_all(served):
    with Tab(served, "one") as one, Tab(served, "two") as two:
        one.paint(1)
        ack = one.until("ack", number=1)
        assert ack["title"] == "Stroke in nucleus"
        assert ack["undo"] == "Stroke in nucleus"
        told = two.until("labels")
        assert told["changes"] == [0, 0, 12, 17, 5, 2]
        assert told["box"] == [0, 0, 12, 17, 1, 1, 13, 22]
        assert told["client"] == "one"
        assert told["revision"] == ack["revision"]
        state = two.until("state", revision=ack["revision"])
        assert state["lanes"][0]["strokes"] == {"2": [1, 5]}
        assert state["undo"] is None  # what one did is not two's to undo


def test_what_was_acknowledged_is_in_the_project_after_the_server_has_left(folder):
    with serving(folder) as served:
        served.project = served.hub.open(folder / "p.ilp")
        with Tab(served, "one") as tab:
            tab.paint(1)
            tab.until("ack", number=1)
    assert read_project(folder / "p.ilp").lanes[0].label_counts == {2: 5}


def test_the_same_number_is_answered_again_and_done_once(served):
    with Tab(served, "one") as tab:
        tab.paint(1)
        first = tab.until("ack", number=1)
    with Tab(served, "one") as again:
        assert again.welcome["last"] == 1
        again.paint(1, (0, 0, 40, 1, 9))
        assert again.until("ack", number=1)["revision"] == first["revision"]
        again.paint(2, class_id=1)
        again.until("ack", number=2)
        state = served.get(f"/api/p/{served.project}/state?client=one").json()
        assert state["lanes"][0]["strokes"] == {"1": [1, 5]}


def test_undo_is_the_client_s_own(served):
    with Tab(served, "one") as one, Tab(served, "two") as two:
        one.paint(1)
        one.until("ack")
        two.say({"type": "command", "number": 1, "command": {"type": "undo"}})
        assert "nothing to undo" in two.until("refused", number=1)["sentence"]
        one.say({"type": "command", "number": 2, "command": {"type": "undo"}})
        assert one.until("ack", number=2)["redo"] == "Stroke in nucleus"
        assert two.until("labels", number=2)["changes"] == [0, 0, 12, 17, 5, 0]


def test_other_changes_send_the_state(served):
    with Tab(served, "one") as one, Tab(served, "two") as two:
        one.until("state") if False else None
        one.say(
            {
                "type": "command",
                "number": 1,
                "command": {"type": "add_class", "name": "Membrane", "colour": None},
            }
        )
        answer = one.until("ack")
        state = two.until("state", revision=answer["revision"])
        assert [c["name"] for c in state["classes"]][-1] == "Membrane"


VIEW = {
    "type": "view", "view": "main", "lane": "a1", "t": 0, "plane": "xy", "slice": 0, "level": 0,
    "box": [0, 0, 1, 1], "layers": [],
}  # fmt: skip
BAD_VIEWS = [
    {"t": -1}, {"plane": "xx"}, {"plane": ["xy"]}, {"level": 99}, {"box": [0, 0, 1]}, {"box": [0, 0, 1, 1e9]},
    {"box": "all"}, {"layers": ["x"]}, {"layers": "segmentation"}, {"layers": ["probability:x"]},
    {"layers": ["segmentation"] * 100}, {"lane": None}, {"view": "a" * 50}, {"slice": True},
]  # fmt: skip
MALFORMED = [
    "",
    "no json",
    "[1]",
    '"text"',
    "null",
    "[" * 100_000,
    '{"type": 3}',
    '{"type": "nothing"}',
    '{"type": "view"}',
    '{"type": "live", "on": 1}',
    '{"type": "unview"}',
    '{"type": "hello", "client": "../../etc"}',
    *(json.dumps({**VIEW, **bad}) for bad in BAD_VIEWS),
]


@pytest.mark.parametrize("text", MALFORMED, ids=lambda t: t[:60])
def test_what_cannot_be_understood_gets_a_sentence_and_the_line_stays(served, text):
    with Tab(served, "one") as tab:
        tab.say(text)
        notice = tab.until("notice")
        assert notice["level"] == "error"
        assert notice["sentence"].endswith(".")
        tab.paint(1)
        tab.until("ack", number=1)


REFUSED = [
    {"type": "paint", "lane": "a9", "class": 2, "runs": [0, 0, 0, 0, 1]},
    {"type": "paint", "lane": "a1", "class": 99, "runs": [0, 0, 0, 0, 1]},
    {"type": "paint", "lane": "a1", "class": 2, "runs": [0, 0, 0, 0, 10_000]},
    {"type": "paint", "lane": "a1", "class": 2, "runs": [0, 0, -1, 0, 1]},
    {"type": "paint", "lane": "a1", "class": 2, "runs": [0, 0, 0]},
    {"type": "paint", "lane": "a1", "class": 2, "runs": "many"},
    {"type": "paint"},
    {"type": "no_such_command"},
    {},
    {"type": "add_lane", "source": {"kind": "file", "stored": "/etc/passwd", "files": ["/etc/passwd"]}},
    {"type": "undo"},
]


@pytest.mark.parametrize("command", REFUSED, ids=lambda c: json.dumps(c)[:70])
def test_a_command_that_cannot_be_is_refused_under_its_number(served, command):
    with Tab(served, "one") as tab:
        tab.say({"type": "command", "number": 7, "command": command})
        assert tab.until("refused", number=7)["sentence"]
        tab.paint(8)
        tab.until("ack", number=8)


@pytest.mark.parametrize("number", [0, -1, 1.5, "1", None, True, 2**60])
def test_a_number_that_is_none_is_no_command(served, number):
    with Tab(served, "one") as tab:
        tab.paint(number)
        tab.until("notice", level="error")


def test_an_image_outside_of_the_roots_cannot_be_added(served, folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "cells.tif"
    outside.write_bytes((folder / "cells.tif").read_bytes())
    (folder / "link.tif").symlink_to(outside)
    with Tab(served, "one") as tab:
        for number, stored in enumerate((str(outside), "link.tif", f"../{outside.parent.name}/cells.tif"), 1):
            source = {"kind": "file", "stored": stored, "files": [stored]}
            tab.say({"type": "command", "number": number, "command": {"type": "add_lane", "source": source}})
            assert "may be opened" in tab.until("refused", number=number)["sentence"]


def test_a_command_that_is_too_long_is_refused_under_its_number(served):
    with Tab(served, "one") as tab:
        tab.paint(1, [0, 0, 0, 0, 1] * 600_000)
        assert "too long" in tab.until("refused", number=1)["sentence"]
        tab.paint(2)
        tab.until("ack", number=2)


def test_a_binary_message_gets_a_sentence(served):
    with Tab(served, "one") as tab:
        tab.say(b"\x00\x01")
        tab.until("notice", level="error")


def test_on_a_full_disk_a_stroke_waits_and_is_then_taken(served, faulty_disk):
    with Tab(served, "one") as tab:
        tab.paint(1)
        tab.until("ack", number=1)
        with using(faulty_disk(1, ("write", "fsync", "open"))):
            tab.paint(2, (0, 0, 20, 1, 3))
            assert "disk is full" in tab.until("later", number=2)["sentence"]
        tab.paint(2, (0, 0, 20, 1, 3))
        tab.until("ack", number=2)
        strokes = served.get(f"/api/p/{served.project}/state").json()["lanes"][0]["strokes"]
        assert strokes == {"2": [2, 8]}


def test_a_slow_disk_holds_up_nobody_else(served):
    class Slow(FileLayer):
        """A disk whose syncing takes until it is let go."""

        go = threading.Event()
        waits = threading.Event()

        def fsync(self, descriptor):
            self.waits.set()
            assert self.go.wait(WAIT)
            super().fsync(descriptor)

    with Tab(served, "one") as tab:
        tab.paint(1)
        tab.until("ack", number=1)
        with using(Slow()):
            try:
                tab.paint(2, (0, 0, 20, 1, 3))
                assert Slow.waits.wait(WAIT)
                # The event loop and the pixels go on while the disk does not.
                assert served.get("/api/browse").status_code == 200
                path = f"/api/p/{served.project}/lanes/a1/tile?plane=xy&x=0&y=0&w=9&h=9"
                assert served.get(path).status_code == 200
                assert "ack" not in [m["type"] for m in tab.seen if m.get("number") == 2]
            finally:
                Slow.go.set()
            tab.until("ack", number=2)


def test_what_is_looked_at_comes_as_tiles_of_class_ids_and_bytes(served):
    with Tab(served, "one") as tab:
        tab.look(["segmentation", "probability:2", "uncertainty"])
        tiles = {}
        while len(tiles) < 3:
            tile = tab.until("tile", view="main")
            tiles[tile["layer"]] = tile
        segmentation = tiles["segmentation"]
        assert (segmentation["w"], segmentation["h"], segmentation["dtype"]) == (57, 48, "uint8")
        ids = np.frombuffer(segmentation["payload"], np.uint8).reshape(48, 57)
        assert ids[20, 25] == 2
        assert ids[2, 2] == 1
        second = np.frombuffer(tiles["probability:2"]["payload"], np.uint8).reshape(48, 57)
        assert second[20, 25] == 191  # 0.75 * 255 = 191.25
        assert second[2, 2] == 0
        value = served.get(f"/api/p/{served.project}/lanes/a1/value?y=20&x=25").json()
        assert value == {"values": [200], "probabilities": [0.25, 0.75], "label": 0}


def test_tiles_name_classes_by_id_when_the_order_has_changed(served):
    with Tab(served, "one") as tab:
        tab.say({"type": "command", "number": 1, "command": {"type": "move_class", "id": 2, "place": 0}})
        tab.until("ack", number=1)
        tab.look(["segmentation", "probability:2"])
        # The stored forest was trained for the old order: only after training there is a result again.
        tab.paint(2, (0, 0, 12, 17, 5), class_id=2)
        tab.paint(3, (0, 0, 2, 2, 5), class_id=1)
        tab.say({"type": "live", "on": True})
        tab.until("training", state="done")
        segmentation = tab.until("tile", layer="segmentation")
        ids = np.frombuffer(segmentation["payload"], np.uint8).reshape(48, 57)
        assert ids[12, 18] == 2
        assert ids[2, 3] == 1
        second = np.frombuffer(tab.until("tile", layer="probability:2")["payload"], np.uint8).reshape(48, 57)
        assert second[12, 18] > 128 > second[2, 3]


def test_nobody_knows_a_project_that_was_never_opened(served):
    with served.websocket("/api/p/zzzzzzzz/ws?client=one") as ws:
        assert json.loads(ws.recv(timeout=WAIT))["type"] == "notice"
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=WAIT)
        assert closed.value.rcvd.code == 4404


@pytest.mark.parametrize("client", ["", "a%20b", "x" * 81, "%2e%2e/x", "a%00"])
def test_a_client_without_a_proper_id_is_sent_away(served, client):
    with served.websocket(f"/api/p/{served.project}/ws?client={client}") as ws:
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=WAIT)
        assert closed.value.rcvd.code == 4403


def test_a_client_that_is_killed_leaves_nothing_behind(served):
    """Its line is cut in the middle of a frame, ten times, while another paints."""
    with Tab(served, "one") as tab:
        for number in range(1, 11):
            killed = Tab(served, "killed")
            killed.look(["segmentation"])
            raw = killed.ws.socket
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.sendall(b"\x81\xfe\x10\x00")  # the head of a frame that never comes
            raw.shutdown(socket.SHUT_RDWR)
            tab.paint(number, (0, 0, number, 1, 3))
            tab.until("ack", number=number)
            killed.ws.protocol.receive_eof()
        session = served.hub.get(served.project)
        deadline = time.monotonic() + WAIT
        while session._live._views and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not session._live._views


def test_a_tab_that_does_not_read_costs_little_and_hinders_nobody(served):
    """A gigabyte of tiles is made for it; it gets the newest of each place when it reads again."""
    size = 512
    with Tab(served, "slow") as slow, Tab(served, "one") as one:
        session = served.hub.get(served.project)
        before = psutil.Process().memory_info().rss
        array = np.zeros((size, size), np.uint8)
        for k in range(256):
            for x in range(16):
                place = Place(0, "xy", 0, 0, x * size, 0, size, size)
                session._emit(TileDone((("slow", "main"),), "uncertainty", "a1", f"k{k}", place, array, 0, 1))
            if k % 16 == 0:
                one.paint(1 + k // 16, (0, 0, 1 + k // 16, 1, 3))
                one.until("ack", number=1 + k // 16)
        assert psutil.Process().memory_info().rss - before < 200e6
        newest = {}
        while len(newest) < 16:
            tile = slow.until("tile")
            if tile["key"] == "k255":
                newest[tile["x"]] = tile
            slow.seen.clear()
        slow.paint(1, (0, 0, 40, 1, 3))
        slow.until("ack", number=1)


def test_the_stroke_of_a_dead_tab_is_handed_in_under_its_own_id(served):
    with Tab(served, "dead") as dead:
        dead.paint(1)
        dead.until("ack", number=1)
    with Tab(served, "heir") as heir:
        command = {"type": "paint", "lane": "a1", "class": 2, "runs": [0, 0, 30, 1, 3]}
        for number in (1, 2):
            heir.say({"type": "command", "client": "dead", "number": number, "command": command})
            heir.until("ack", number=number)
        assert served.hub.get(served.project).last_number("dead") == 2
        assert served.hub.get(served.project).last_number("heir") == 0


def test_a_project_is_opened_again_after_a_restart_under_the_same_id(folder):
    with serving(folder) as first:
        first.project = first.hub.open(folder / "p.ilp")
        with Tab(first, "one") as tab:
            tab.paint(1)
            tab.until("ack", number=1)
    with serving(folder) as second:
        second.project = first.project
        with Tab(second, "one") as tab:
            assert tab.welcome["last"] == 1
            assert second.get(f"/api/p/{first.project}/state").json()["lanes"][0]["strokes"] == {"2": [1, 5]}


def test_a_project_that_is_closed_under_a_tab_is_found_again_by_it(served):
    with Tab(served, "one") as tab:
        tab.paint(1)
        tab.until("ack", number=1)
        served.hub.close(served.project)
        tab.paint(2, (0, 0, 30, 1, 3))
        with pytest.raises(ConnectionClosed):
            tab.until("never")
        assert not [m for m in tab.seen if m.get("number") == 2 and m["type"] in {"refused", "ack"}]
    with Tab(served, "one") as again:
        assert again.welcome["last"] == 1
        again.paint(2, (0, 0, 30, 1, 3))
        again.until("ack", number=2)


def test_strokes_for_a_project_that_somebody_else_has_now_wait_and_are_then_taken(folder):
    with serving(folder) as served:
        with lock_project(folder / "p.ilp"):
            served.project = served.hub.open(folder / "p.ilp")
            with Tab(served, "one") as tab:
                tab.paint(
                    1
                )  # painted before a restart, say, and never refused: that would take it from the browser
                assert "reading only" in tab.until("later", number=1)["sentence"]
                tab.say({"type": "command", "number": 2, "command": {"type": "add_class", "name": "a"}})
                assert "reading only" in tab.until("refused", number=2)["sentence"]
                served.hub.close(served.project)
                tab.paint(1)
                with pytest.raises(ConnectionClosed):
                    tab.until("never")
        with Tab(served, "one") as again:
            assert again.welcome["last"] == 0
            again.paint(1)
            again.until("ack", number=1)


def test_other_windows_are_told_when_a_project_is_closed(served):
    with Tab(served, "tab-one") as tab:
        served.hub.leave(served.project)
        said = tab.until("notice")
        assert "closed in another window" in said["sentence"]
        with pytest.raises(ConnectionClosed) as ended:
            while True:
                tab.ws.recv(timeout=WAIT)
        assert ended.value.rcvd.code == 4404
        # It is not opened again because this window asks.
        with pytest.raises(ConnectionClosed) as refused, Tab(served, "tab-one", hello=False) as again:
            while True:
                again.ws.recv(timeout=WAIT)
        assert refused.value.rcvd.code == 4404


def test_a_restored_version_reaches_the_browser_as_labels_and_state(served, folder):
    with Tab(served, "tab-one") as tab:
        session = served.hub.get(served.project)
        tab.paint(1)
        tab.until("ack")
        session.save()
        painted = session.labels("a1").size
        revision = session.revision
        session.restore(session.versions[0])
        assert session.labels("a1").size != painted
        said = tab.until("labels", client="underbrush")
        assert said["revision"] > revision and said["lane"] == "a1"
        state = tab.until("state", revision=session.revision)
        assert state["undo"] is None
