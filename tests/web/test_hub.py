"""Open projects, those opened before, and new ones from images."""

from __future__ import annotations

import asyncio
import json
import threading

import numpy as np
import pytest
import tifffile
from small_project import SIZE, make_project

from underbrush.engine.session import Session
from underbrush.errors import CommandError, OutputError, ProjectError, UnderbrushError
from underbrush.files import using
from underbrush.project.commands import command_from_json
from underbrush.project.read import read_project
from underbrush.web.browse import Roots
from underbrush.web.hub import Hub, Preparing, Settings
from underbrush.web.recent import KEPT, RecentList, project_id
from underbrush.web.tokens import Identity, claim_identity, identity_file, load_identity, store_identity


@pytest.fixture
def folder(tmp_path):
    pixels = np.full(SIZE, 20, np.uint8)
    pixels[10:30, 15:40] = 200
    tifffile.imwrite(tmp_path / "cells.tif", pixels)
    make_project(tmp_path / "p.ilp")
    return tmp_path


@pytest.fixture
def make_hub(folder):
    hubs = []

    def make(**more):
        settings = {"threads": 1, "memory": 1 << 30, "roots": Roots([folder]), **more}
        hub = Hub(Settings(new_projects=folder / "new", state=folder / "state", **settings))
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.close_all()


def ready(hub, ident):
    return asyncio.run(hub.ready(ident))


def test_a_project_is_opened_once_however_often_it_is_asked_for(make_hub, folder):
    hub = make_hub()
    (folder / "link.ilp").symlink_to(folder / "p.ilp")
    idents = {hub.open(folder / "p.ilp"), hub.open(folder / "link.ilp"), hub.open(folder / "." / "p.ilp")}
    assert len(idents) == 1
    sessions = {id(ready(hub, ident)) for ident in idents for _ in range(3)}
    assert len(sessions) == 1
    assert list(hub.projects()) == list(idents)


def test_the_id_is_eight_letters_and_the_same_after_a_restart(folder):
    assert project_id(folder / "p.ilp") == project_id(folder / "p.ilp")
    assert project_id(folder / "p.ilp") != project_id(folder / "q.ilp")
    assert project_id(folder / "p.ilp").isalpha()
    assert len(project_id(folder / "p.ilp")) == 8


def test_what_cannot_be_opened_is_a_sentence_and_can_be_tried_again(make_hub, folder):
    hub = make_hub()
    (folder / "bad.ilp").write_bytes(b"no project")
    ident = hub.open(folder / "bad.ilp")
    with pytest.raises(UnderbrushError):
        ready(hub, ident)
    with pytest.raises(ProjectError):
        hub.get(ident)
    (folder / "bad.ilp").write_bytes((folder / "p.ilp").read_bytes())
    assert isinstance(ready(hub, hub.open(folder / "bad.ilp")), Session)


def test_what_another_program_writes_is_opened_for_reading_and_says_who_has_it(make_hub, folder):
    with Session.open(folder / "p.ilp") as other:
        hub = make_hub()
        session = ready(hub, hub.open(folder / "p.ilp"))
        assert session.read_only is not None and "has it open for writing" in session.read_only
        rename = command_from_json({"type": "undo"})
        with pytest.raises(ProjectError, match="has it open for writing"):
            session.apply("a", 1, rename)
        assert other.read_only is None


def test_nobody_knows_an_id_that_was_never_opened(make_hub):
    with pytest.raises(ProjectError, match="no project is known"):
        ready(make_hub(), "aaaaaaaa")


def test_a_project_that_was_opened_before_is_opened_again(make_hub, folder):
    first = make_hub()
    ident = first.open(folder / "p.ilp")
    ready(first, ident)
    assert first.close_all() == []
    second = make_hub()
    assert ready(second, ident).path == folder / "p.ilp"


def test_with_given_roots_nothing_outside_is_reopened_or_shown(make_hub, folder):
    first = make_hub()
    ident = first.open(folder / "p.ilp")
    ready(first, ident)
    first.close_all()
    (folder / "small").mkdir()
    confined = make_hub(roots=Roots([folder / "small"]), confined=True)
    assert confined.recent() == []
    with pytest.raises(ProjectError):
        ready(confined, ident)


def test_with_given_roots_a_project_whose_images_lie_outside_is_refused(make_hub, folder):
    inner = folder / "small"
    inner.mkdir()
    make_project(inner / "p.ilp")  # its image cells.tif lies beside it: not there
    hub = make_hub(roots=Roots([inner]), confined=True)
    assert ready(hub, hub.open(inner / "p.ilp"))
    hub.close_all()
    (inner / "cells.tif").symlink_to(folder / "cells.tif")
    hub = make_hub(roots=Roots([inner]), confined=True)
    with pytest.raises(CommandError, match="may be opened"):
        ready(hub, hub.open(inner / "p.ilp"))


def test_recent_projects_are_five_with_the_missing_ones_told(make_hub, folder):
    for k in range(7):
        make_project(folder / f"p{k}.ilp")
    hub = make_hub()
    for k in range(7):
        ready(hub, hub.open(folder / f"p{k}.ilp"))
    hub.close_all()
    (folder / "p5.ilp").unlink()
    found = make_hub().recent()
    assert [one.path.name for one in found] == ["p6.ilp", "p5.ilp", "p4.ilp", "p3.ilp", "p2.ilp"]
    assert [one.missing for one in found] == [False, True, False, False, False]
    assert found[0].to_json()["opened"].endswith("Z")


def test_the_list_of_recent_projects_survives_damage_and_a_full_disk(tmp_path, faulty_disk):
    recent = RecentList(tmp_path)
    recent.add(tmp_path / "a.ilp")
    with using(faulty_disk(1)):
        recent.add(tmp_path / "b.ilp")
    assert [one.path.name for one in recent.all()] == ["a.ilp"]
    for damage in (b"", b"{", b"[1]", b'{"format": 1, "projects": [{"path": 3}]}', b"\xff", b'{"format": 9}'):
        (tmp_path / "recent.json").write_bytes(damage)
        assert recent.all() == []
    for k in range(KEPT + 5):
        recent.add(tmp_path / f"{k}.ilp")
    assert len(recent.all()) == KEPT
    recent.remove(project_id(tmp_path / "9.ilp"))
    assert recent.find(project_id(tmp_path / "9.ilp")) is None
    assert recent.find(project_id(tmp_path / "10.ilp")) == tmp_path / "10.ilp"


def test_new_projects_are_named_by_their_image_and_never_replace_one(make_hub, folder):
    hub = make_hub()
    names = []
    for _ in range(3):
        session = ready(hub, hub.start_project_from_images([folder / "cells.tif"]))
        names.append(session.path.name)
    assert names == ["cells.ilp", "cells 2.ilp", "cells 3.ilp"]
    assert [c.name for c in read_project(folder / "new" / "cells.ilp").classes] == [
        "Background",
        "Foreground",
    ]


def test_two_at_once_get_two_projects(make_hub, folder):
    hub = make_hub()
    idents = []
    threads = [
        threading.Thread(target=lambda: idents.append(hub.start_project_from_images([folder / "cells.tif"])))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(idents)) == 6
    assert len({ready(hub, ident).path for ident in idents}) == 6


def test_a_recovery_file_that_lost_its_project_is_not_taken_for_a_new_one(make_hub, folder):
    (folder / "new").mkdir()
    (folder / "new" / "cells.ilp.journal").write_bytes(b"somebody's strokes")
    hub = make_hub()
    assert ready(hub, hub.start_project_from_images([folder / "cells.tif"])).path.name == "cells 2.ilp"
    assert (folder / "new" / "cells.ilp.journal").read_bytes() == b"somebody's strokes"


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
def test_on_a_full_disk_no_half_project_stays(make_hub, folder, faulty_disk, nth):
    hub = make_hub()
    with using(faulty_disk(nth)), pytest.raises(OutputError):
        ready(hub, hub.start_project_from_images([folder / "cells.tif"]))
    assert list((folder / "new").glob("*.ilp")) == [] or nth == 0


def test_closing_saves_all(make_hub, folder):
    make_project(folder / "q.ilp")
    hub = make_hub()
    command = {"type": "paint", "lane": "a1", "class": 2, "runs": [0, 0, 12, 17, 5]}
    for name in ("p.ilp", "q.ilp"):
        ready(hub, hub.open(folder / name)).apply("tab", 1, command_from_json(command))
    assert hub.close_all() == []
    for name in ("p.ilp", "q.ilp"):
        assert read_project(folder / name).lanes[0].label_counts == {2: 5}
    with pytest.raises(ProjectError):
        hub.open(folder / "p.ilp")


def test_a_project_that_cannot_be_saved_is_told_and_the_others_are_closed(make_hub, folder, monkeypatch):
    make_project(folder / "q.ilp")
    hub = make_hub()
    command = {"type": "paint", "lane": "a1", "class": 2, "runs": [0, 0, 12, 17, 5]}
    sessions = [ready(hub, hub.open(folder / name)) for name in ("p.ilp", "q.ilp")]
    for session in sessions:
        session.apply("tab", 1, command_from_json(command))
    whole = sessions[0].close

    def failing(told=""):
        whole()
        raise OutputError("the disk is full", where=sessions[0].path)

    monkeypatch.setattr(sessions[0], "close", failing)
    sentences = hub.close_all()
    assert len(sentences) == 1
    assert "the disk is full" in sentences[0]
    assert read_project(folder / "q.ilp").lanes[0].label_counts == {2: 5}


def test_how_far_the_preparing_is_reaches_who_listens(make_hub):
    hub = make_hub()
    heard = []
    stop = hub.listen(heard.append)
    hub.say_preparing(Preparing("Preparing", 1, 3))
    stop()
    stop()
    hub.say_preparing(Preparing("", 0, 0))
    assert heard == [Preparing("Preparing", 1, 3)]
    assert not hub.preparing.running


# -- token and port -----------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(tmp_path / "settings" / "config.toml"))
    return tmp_path / "settings"


def test_token_and_port_are_the_same_at_the_next_start(home):
    first = claim_identity(4000)
    assert claim_identity(None) == first == Identity(first.token, 4000)
    assert claim_identity(5000) == Identity(first.token, 5000)
    assert claim_identity(0) == Identity(first.token, 5000)
    assert len(first.token) >= 43


def test_nobody_else_can_read_the_token(home):
    claim_identity(None)
    assert identity_file().stat().st_mode & 0o777 == 0o600
    assert not list(home.glob(".*"))


def test_a_token_that_others_could_read_is_thrown_away(home):
    first = claim_identity(None)
    identity_file().chmod(0o644)
    second = claim_identity(None)
    assert second.token != first.token
    assert identity_file().stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "said",
    ["", "{", "[]", "null", '{"token": 5, "port": 1}', '{"format": 1, "token": "short", "port": 1}', "\0"],
)
def test_a_damaged_file_gives_a_new_token(home, said):
    claim_identity(None)
    identity_file().write_text(said)
    identity_file().chmod(0o600)
    assert len(claim_identity(None).token) >= 43
    assert json.loads(identity_file().read_text())["format"] == 1


def test_where_the_token_cannot_be_kept_it_serves_this_run(home, faulty_disk, caplog):
    with using(faulty_disk(1)):
        assert len(claim_identity(None).token) >= 43
    assert not identity_file().exists()
    with using(faulty_disk(2)), pytest.raises(OutputError):
        store_identity(Identity("t" * 43, 1), identity_file())
    assert list(home.iterdir()) == []
    assert load_identity(identity_file()).port is None
