"""Closing for all windows, earlier versions in the dialog, a copy elsewhere, without a browser."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from session_scenes import new_project, stroke
from underbrush.engine.session import Session
from underbrush.errors import UnderbrushError
from underbrush.project.commands import AddClass
from underbrush.project.lock import lock_project
from underbrush.project.read import read_project
from underbrush.web.browse import Roots
from underbrush.web.hub import Hub, Settings
from underbrush.web.panels.version_acts import copy_place, restore_named, save_copy, version_data


@pytest.fixture
def file(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return new_project(home)


@pytest.fixture
def hub(file, tmp_path):
    hub = Hub(Settings(1, 1 << 30, Roots([file.parent]), state=tmp_path / "state"))
    yield hub
    hub.close_all()


def test_closing_saves_unlocks_and_is_not_undone_by_other_windows(hub, file):
    ident = hub.open(file)
    session = asyncio.run(hub.ready(ident))
    session.apply("tab", 1, AddClass("Third"))
    hub.leave(ident)
    assert len(read_project(file).classes) == 3
    assert not file.with_name(file.name + ".journal").exists()
    lock_project(file).release()  # nobody has it
    with pytest.raises(UnderbrushError, match="closed in another window"):
        asyncio.run(hub.ready(ident))
    hub.visit(ident)
    assert asyncio.run(hub.ready(ident)) is not session


def test_what_cannot_be_saved_is_not_closed(hub, file, monkeypatch):
    ident = hub.open(file)
    session = asyncio.run(hub.ready(ident))
    session.apply("tab", 1, stroke(10, 10))

    def full():
        raise UnderbrushError("the disk is full")

    monkeypatch.setattr(session, "save", full)
    with pytest.raises(UnderbrushError, match="full"):
        hub.leave(ident)
    assert asyncio.run(hub.ready(ident)) is session
    session.apply("tab", 2, stroke(20, 10))


def test_the_dialog_lists_versions_and_restores_by_name(file):
    with Session.open(file, idle=1000) as session:
        assert version_data(session) == {"versions": [], "aside": [], "readOnly": False}
        session.apply("tab", 1, AddClass("Third"))
        session.save()
        (one,) = version_data(session)["versions"]
        assert one["size"] > 1000 and one["when"].endswith("+00:00")
        assert "kept as a version" in restore_named(session, one["name"])
        assert len(session.document.classes) == 2
        with pytest.raises(UnderbrushError, match="no earlier version"):
            restore_named(session, "../../etc/passwd")


def test_a_copy_stays_within_the_folders_that_may_be_seen(file, tmp_path):
    roots = Roots([file.parent])
    (tmp_path / "outside").mkdir()
    with Session.open(file, idle=1000) as session:
        place = copy_place(session, roots)
        said = save_copy(session, place, roots)
        assert place in said and len(read_project(place).classes) == 2
        assert str(file.with_name("beside.ilp")) in save_copy(session, "beside", roots)
        with pytest.raises(UnderbrushError, match="this is a folder"):
            save_copy(session, str(file.parent / "."), roots.with_folder(tmp_path))
        for wrong in (
            None,
            " ",
            "../outside/copy.ilp",
            str(tmp_path / "outside" / "copy.ilp"),
            str(file),
            "/x" * 5000,
        ):
            with pytest.raises(UnderbrushError):
                save_copy(session, wrong, roots)
        assert not list((tmp_path / "outside").iterdir())


def test_restoring_is_refused_read_only(file):
    with Session.open(file, read_only=True) as session:
        assert version_data(session)["readOnly"]
        with pytest.raises(UnderbrushError, match="reading only"):
            session.restore(SimpleNamespace())
