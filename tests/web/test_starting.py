"""Start and end of the server as a process of its own: address, port, signals; nothing is lost."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
import zarr
from small_project import SIZE, make_project
from test_events import Tab

from sources.image_server import ImageServer
from underbrush.cli.main import run, with_command
from underbrush.errors import UsageError
from underbrush.project.read import read_project
from underbrush.project.recovery import pending
from underbrush.web.starting import Options, bind, check_certificate, run_server, shown_host, warnings_for

WAIT = 240


@pytest.fixture
def home(tmp_path):
    """Environment of a user who has never used it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return {
        **os.environ,
        "HOME": str(folder),
        "UNDERBRUSH_CONFIG": str(folder / "config" / "config.toml"),
        "UNDERBRUSH_LOG_DIR": str(folder / "log"),
        "UNDERBRUSH_STATE_DIR": str(folder / "state"),
    }


@pytest.fixture
def folder(tmp_path):
    pixels = np.full(SIZE, 20, np.uint8)
    pixels[10:30, 15:40] = 200
    tifffile.imwrite(tmp_path / "cells.tif", pixels)
    make_project(tmp_path / "p.ilp")
    return tmp_path


class Running:
    """`underbrush ...` as a process; what `Served` offers, for real."""

    def __init__(self, home, cwd, *arguments):
        command = [sys.executable, "-m", "underbrush.cli.main", *map(str, arguments), "--no-browser"]
        self.process = subprocess.Popen(
            command, env=home, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.line = self.process.stdout.readline()
        found = re.search(r"at (https?)://([^/]+):(\d+)/\?token=(\S+) ", self.line)
        if found is None:
            raise AssertionError(self.line + self.process.stderr.read())
        self.scheme, self.name, self.port, self.token = found[1], found[2], int(found[3]), found[4]
        self.host = f"{self.name}:{self.port}"
        self.project = ""

    @property
    def cookie(self):
        return {"cookie": f"underbrush_{self.port}={self.token}"}

    def get(self, path, **more):
        return httpx.get(f"http://{self.host}{path}", headers=self.cookie, timeout=WAIT, **more)

    def websocket(self, path, **more):
        from websockets.sync.client import connect

        return connect(f"ws://{self.host}{path}", additional_headers=self.cookie, open_timeout=WAIT, **more)

    def end(self, number=signal.SIGTERM):
        """Signal, then exit status and what was said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, err


@pytest.fixture
def start(home, folder):
    started = []

    def begin(*arguments):
        started.append(Running(home, folder, *arguments))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate(timeout=WAIT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_what_is_open_and_ends(start, folder, number):
    running = start(folder / "p.ilp", "--port", "0")
    landed = httpx.get(f"http://{running.host}/?token={running.token}", timeout=WAIT)
    running.project = landed.headers["location"].removeprefix("/p/")
    with Tab(running, "one") as tab:
        tab.paint(1)
        tab.until("ack", number=1)
        status, out, err = running.end(number)
    assert status == 0, err
    assert "Saving what is open" in out
    assert "Traceback" not in err
    assert read_project(folder / "p.ilp").lanes[0].label_counts == {2: 5}
    assert not (folder / "p.ilp.journal").exists() or not pending(folder / "p.ilp").records


def test_a_server_that_is_killed_loses_no_acknowledged_stroke(start, folder):
    running = start(folder / "p.ilp", "--port", "0")
    landed = httpx.get(f"http://{running.host}/?token={running.token}", timeout=WAIT)
    running.project = landed.headers["location"].removeprefix("/p/")
    with Tab(running, "one") as tab:
        for number in range(1, 6):
            tab.paint(number, (0, 0, number, 1, 3))
            tab.until("ack", number=number)
        running.end(signal.SIGKILL)
    again = start("--port", "0")
    again.project = running.project  # as the tab that stayed open asks for it
    with Tab(again, "one") as tab:
        assert tab.welcome["last"] == 5
        state = again.get(f"/api/p/{running.project}/state").json()
        assert state["lanes"][0]["strokes"]["2"][1] == 15


def test_token_and_port_are_the_same_after_a_restart_and_the_next_port_is_taken_if_it_is_in_use(start):
    first = start()
    second = start()
    assert second.port != first.port
    assert second.token == first.token
    first.end()
    third = start()
    assert (third.port, third.token) == (first.port, first.token)


def test_images_begin_a_project_in_the_folder_of_the_user(start, home, folder):
    running = start(folder / "cells.tif", "--port", "0")
    landed = httpx.get(f"http://{running.host}/?token={running.token}", timeout=WAIT)
    ident = landed.headers["location"].removeprefix("/p/")
    state = running.get(f"/api/p/{ident}/state").json()
    assert state["path"] == f"{home['HOME']}/Underbrush/cells.ilp"
    assert running.get("/").status_code == 200
    assert running.get(f"/p/{ident}").status_code == 200


def test_an_address_on_the_net_begins_a_project(start, home, folder):
    zarr.save_array(folder / "www" / "plate.zarr", np.full((40, 50), 7, np.uint8))
    with ImageServer(folder / "www") as server:
        running = start(f"{server.url}/plate.zarr", "--port", "0")
        landed = httpx.get(f"http://{running.host}/?token={running.token}", timeout=WAIT)
        ident = landed.headers["location"].removeprefix("/p/")
        state = running.get(f"/api/p/{ident}/state").json()
    assert state["path"] == f"{home['HOME']}/Underbrush/plate.ilp"
    (lane,) = read_project(Path(state["path"])).lanes
    assert lane.raw.shape == (40, 50) and lane.raw.stored == f"{server.url}/plate.zarr"


def test_an_address_on_the_net_needs_that_no_roots_are_named(folder, capfd):
    assert run(["https://host.invalid/a.zarr", "--root", str(folder), "--no-browser"]) == 2
    assert "https://host.invalid/a.zarr: images on the net are not opened here" in capfd.readouterr().err
    assert run(["https://host.invalid/a.zarr", str(folder / "p.ilp"), "--no-browser"]) == 2
    assert "opened alone" in capfd.readouterr().err


def test_a_project_that_cannot_be_opened_is_told_in_the_window(start, folder):
    (folder / "bad.ilp").write_bytes(b"no project at all")
    running = start(folder / "bad.ilp", "--port", "0")
    landed = httpx.get(f"http://{running.host}/?token={running.token}", timeout=WAIT)
    ident = landed.headers["location"].removeprefix("/p/")
    answer = running.get(f"/api/p/{ident}/state")
    assert answer.status_code == 404
    assert "bad.ilp" in answer.json()["sentence"]
    assert running.end()[0] == 0


def test_nothing_is_imported_that_computes_before_the_address_is_printed():
    code = (
        "import sys, underbrush.cli.main, underbrush.cli.app, underbrush.web.starting;"
        "import underbrush.engine.memory;"
        "print([m for m in ('numba', 'nicegui', 'fastapi', 'numpy', 'uvicorn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WAIT
    )
    assert done.stdout.strip() == "[]"


# -- words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ["app"]),
        (["p.ilp"], ["app", "p.ilp"]),
        (["--port", "0"], ["app", "--port", "0"]),
        (["info", "a.tif"], ["info", "a.tif"]),
        (["--help"], ["--help"]),
        (["--version"], ["--version"]),
        (["./info"], ["app", "./info"]),
    ],
)
def test_a_first_word_that_is_no_command_is_a_file(given, meant):
    assert with_command(given) == meant


@pytest.mark.parametrize("word", ["predcit", "nothing.ilp", "."])
def test_what_is_neither_file_nor_command_is_a_sentence(word, capfd):
    assert run([word]) == 2
    err = capfd.readouterr().err
    assert err.startswith(f"underbrush: {word}: this is ")
    assert "see underbrush --help" in err


def refused(folder, **options):
    with pytest.raises(UsageError) as error:
        run_server(Options(**options), print)
    return str(error.value)


def test_options_that_cannot_be_are_refused_before_anything_starts(folder):
    (folder / "bad.pem").write_text("no certificate")
    both = (folder / "p.ilp", folder / "cells.tif")
    assert "opened alone" in refused(folder, paths=both)
    assert "needs --certfile" in refused(folder, key=folder / "bad.pem")
    assert "cannot be used" in refused(folder, certificate=folder / "bad.pem")
    assert "cannot be used" in refused(folder, certificate=folder / "none.pem")
    assert "is no port" in refused(folder, port=70_000)
    assert "no address of this machine" in refused(folder, host="no such host", port=0)
    assert "not there" in refused(folder, roots=(folder / "none",), port=0)


def test_the_next_port_is_taken_where_one_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        with bind("127.0.0.1", wanted) as found:
            assert found.getsockname()[1] > wanted
    with bind("127.0.0.1", 0) as found:
        assert found.getsockname()[1] > 0


def test_who_lets_other_machines_in_is_warned_and_told_of_the_tunnel(folder):
    assert warnings_for(Options(), 8642, [folder]) == []
    said = " ".join(warnings_for(Options(host="0.0.0.0"), 8642, [folder]))
    assert "other machines can reach" in said
    assert str(folder) in said
    assert "ssh -L 8642:127.0.0.1:8642" in said
    encrypted = warnings_for(Options(host="0.0.0.0", certificate=folder / "c.pem"), 8642, [folder])
    assert len(encrypted) == 1


def test_addresses_are_shown_as_they_are_typed():
    assert shown_host("127.0.0.1") == "127.0.0.1"
    assert shown_host("::1") == "[::1]"
    assert shown_host("0.0.0.0") not in {"0.0.0.0", ""}


def test_without_a_key_no_certificate_is_needed():
    check_certificate(Options())
