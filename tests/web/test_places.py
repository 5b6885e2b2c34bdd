"""A project in a place of one's own: new and empty, under another name, packed and unpacked."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tifffile

from session_scenes import both_classes, new_project
from underbrush.engine.packing import pack, packing_of
from underbrush.engine.session import Session
from underbrush.errors import OutputError, UnderbrushError
from underbrush.project.commands import command_from_json
from underbrush.project.read import read_project
from underbrush.web.browse import Roots, kind_of_name
from underbrush.web.hub import Hub, Settings
from underbrush.web.panels.image_acts import adding, first_features
from underbrush.web.panels.place_acts import chosen_place
from underbrush.web.routes import open_paths


@pytest.fixture
def hub(tmp_path):
    made = Hub(
        Settings(1, 1 << 30, Roots([tmp_path]), new_projects=tmp_path / "new", state=tmp_path / "state")
    )
    yield made
    made.close_all()


def ready(hub, ident):
    return asyncio.run(hub.ready(ident))


def test_an_empty_project_lies_where_it_was_wished_and_its_first_images_choose_features(hub, tmp_path):
    (tmp_path / "study").mkdir()
    session = ready(hub, hub.start_project(tmp_path / "study" / "mine"))
    assert session.path == tmp_path / "study" / "mine.ilp"
    document = session.document
    assert not document.lanes and len(document.classes) == 2 and document.settings.selection is None
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.integers(0, 255, (60, 70), np.uint8))
    first = adding([str(tmp_path / "one.tif")], session.path.parent)
    commands = [*first, *first_features(document, first)]
    assert [one["type"] for one in commands] == ["add_lane", "set_features"]
    for number, command in enumerate(commands, 1):
        session.apply("tab", number, command_from_json(command))
    selection = session.document.settings.selection
    assert selection is not None and selection.count(1, False) == 49
    more = adding([str(tmp_path / "two.tif")], session.path.parent)
    assert first_features(session.document, more) == []
    with pytest.raises(OutputError, match="there is a file"):
        hub.start_project(tmp_path / "study" / "mine.ilp")
    with pytest.raises(OutputError, match="no such folder"):
        hub.start_project(tmp_path / "nowhere" / "mine.ilp")
    (tmp_path / "study" / "old.ilp.journal").write_bytes(b"strokes of another")
    with pytest.raises(OutputError, match=r"old\.ilp\.journal"):
        hub.start_project(tmp_path / "study" / "old.ilp")


def test_links_follow_a_project_that_is_saved_elsewhere(tmp_path):
    for folder in ("here", "here/deeper", "there"):
        (tmp_path / folder).mkdir()
    file = new_project(tmp_path / "here" / "deeper")
    with Session.open(file) as session:
        both_classes(session)
        above, beside = (
            session.save_copy(tmp_path / "here" / "above"),
            session.save_copy(tmp_path / "there" / "x"),
        )
        same = session.save_copy(tmp_path / "here" / "deeper" / "again.ilp")
        wanted = session.image("a1").read()
    links = [read_project(one).lanes[0].raw.stored for one in (above, beside, same)]
    assert links == ["deeper/image0.tif", str(tmp_path / "here" / "deeper" / "image0.tif"), "image0.tif"]
    for one in (above, beside, same):
        with Session.open(one) as session:
            assert np.array_equal(session.image("a1").read(), wanted)
            assert session.undo_title("tab") is not None


def test_a_pack_is_a_project_that_is_unpacked_beside_itself(hub, tmp_path):
    (tmp_path / "home").mkdir()
    made = pack(packing_of(read_project(new_project(tmp_path / "home"))), tmp_path / "sent")
    assert kind_of_name(made.name) == "project" and kind_of_name("x.zip") != "project"
    session = ready(hub, open_paths(hub, [str(made)]))
    assert session.path == tmp_path / "sent" / "sent.ilp"
    assert session.image("a1").shape5 == (1, 1, 1, 96, 120)
    assert ready(hub, open_paths(hub, [str(made)])).path == tmp_path / "sent 2" / "sent.ilp"
    with pytest.raises(UnderbrushError, match="opened alone"):
        open_paths(hub, [str(made), str(tmp_path / "home" / "p.ilp")])


def test_a_place_is_a_name_in_a_folder_that_may_be_seen(tmp_path):
    (tmp_path / "seen").mkdir()
    roots = Roots([tmp_path / "seen"])
    assert chosen_place(f" {tmp_path}/seen/a b.ilp ", roots) == tmp_path / "seen" / "a b.ilp"
    for wrong in (
        None,
        "",
        "a.ilp",
        f"{tmp_path}/a.ilp",
        f"{tmp_path}/seen/.a.ilp",
        f"{tmp_path}/seen/../a.ilp",
    ):
        with pytest.raises(UnderbrushError):
            chosen_place(wrong, roots)
