"""Commands: what they do, and that undo leads back from all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from desk import EXPORT, LINE, SELECTION, Desk, desk_with_image, image, same, small_forest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.core.runs import Runs, pack_bytes
from underbrush.errors import CommandError
from underbrush.project.commands import (
    COMMANDS,
    AddClass,
    AddLane,
    ClearClass,
    DeleteClass,
    DeleteFrozen,
    DeleteStroke,
    EditClass,
    EditLane,
    Fill,
    FreezeClassifier,
    ImportLabels,
    Lasso,
    MergeClass,
    MoveClass,
    MoveLane,
    Paint,
    Redo,
    RelabelStroke,
    RemoveLane,
    RenameFrozen,
    ReplaceSource,
    SetAxes,
    SetChannels,
    SetExport,
    SetFeatures,
    SetMask,
    SetTraining,
    Undo,
)
from underbrush.project.document import document_of, project_of
from underbrush.project.entries import FrozenClassifier
from underbrush.project.history import History, history_of
from underbrush.project.schema import Source
from underbrush.project.values_json import frozen_from_json, frozen_to_json


def test_every_command_is_known_by_its_type():
    assert len(COMMANDS) == 31
    assert all(name == kind.TYPE for name, kind in COMMANDS.items())


def test_locked_classes_are_neither_painted_nor_painted_over():
    desk = desk_with_image()
    desk.do(Paint("a1", LINE, 1))
    desk.do(EditClass(1, locked=True))
    desk.do(Paint("a1", Runs.from_array([[0, 0, 3, 0, 20]]), 2))
    desk.do(Paint("a1", Runs.from_array([[0, 0, 3, 0, 5]]), 0))
    assert desk.document.labels["a1"].counts == {1: 10, 2: 8}
    for command in (
        Paint("a1", LINE, 1),
        ClearClass(1),
        DeleteClass(1),
        MergeClass(1, 2),
        MergeClass(2, 1),
        DeleteStroke("a1", 0, 0, 3, 4),
        RelabelStroke("a1", 0, 0, 3, 15, 1),
        Fill("a1", 0, 0, 0, 0, 1),
    ):
        with pytest.raises(CommandError, match="locked"):
            desk.do(command)
    desk.do(EditClass(1, locked=False))
    desk.do(ClearClass(1))
    assert desk.document.labels["a1"].counts == {2: 8}


def test_classes_keep_their_ids_and_values_follow_the_order():
    desk = desk_with_image()
    desk.do(Paint("a1", LINE, 2))
    key = desk.document.training_key
    desk.do(AddClass())
    desk.do(AddClass("Foreground"))
    assert [e.info.name for e in desk.document.classes.values()][2:] == ["Class 3", "Foreground 2"]
    assert desk.document.classes[3].info.colour == (245, 130, 48)
    assert desk.document.training_key == key
    desk.do(MoveClass(2, 0))
    assert desk.document.class_order == (2, 1, 3, 4)
    assert desk.document.labels["a1"].counts == {2: 10}
    assert desk.document.training_key != key
    desk.do(MergeClass(2, 4))
    assert desk.document.labels["a1"].counts == {4: 10}
    assert desk.document.class_order == (1, 3, 4)
    desk.do(DeleteClass(4))
    desk.do(AddClass())
    assert desk.document.class_order == (1, 3, 5)
    for class_id in (1, 3):
        desk.do(DeleteClass(class_id))
    with pytest.raises(CommandError, match="last class"):
        desk.do(DeleteClass(5))
    for _ in range(8):
        desk.do(Undo())
    assert desk.document.training_key == key
    desk.do(Undo())
    same(desk.document, desk.first)


def test_a_class_can_be_moved_between_two_others_without_end():
    desk = desk_with_image()
    desk.do(AddClass())
    for _ in range(120):
        order = desk.document.class_order
        desk.do(MoveClass(order[2], 1))
        assert desk.document.class_order == (order[0], order[2], order[1])


def test_fill_by_label_and_by_value():
    desk = desk_with_image()
    values = np.zeros((1, 1, 1, 12, 20), np.uint8)
    values[..., 2:6, 3:9] = 200
    values[..., 4, 5] = 190
    desk.images["a1"] = values
    desk.do(Fill("a1", 0, 0, 3, 4, 2, by="value", tolerance=5))
    assert desk.document.labels["a1"].counts == {2: 23}
    desk.do(Fill("a1", 0, 0, 4, 5, 1))
    assert desk.document.labels["a1"].counts == {2: 23, 1: 1}
    desk.do(Fill("a1", 0, 0, 3, 4, 1))
    assert desk.document.labels["a1"].counts == {1: 24}
    desk.do(RelabelStroke("a1", 0, 0, 3, 4, 2))
    assert desk.document.labels["a1"].counts == {2: 24}
    desk.do(DeleteStroke("a1", 0, 0, 3, 4))
    assert not desk.document.labels


def test_axes_there_and_back():
    desk = desk_with_image("zyx", (4, 12, 20))
    rows = Runs.from_array([[0, z, 2 + z, 3, 5] for z in range(4)])
    desk.do(Paint("a1", rows, 1))
    painted = desk.document
    edit = desk.do(SetAxes("a1", "cyx"))
    assert "15 labelled pixels have no place" in edit.notices[0]
    assert desk.document.labels["a1"].counts == {1: 5}
    assert desk.document.shape("a1") == (1, 4, 1, 12, 20)
    edit = desk.do(SetAxes("a1", "yxz"))
    assert desk.document.shape("a1") == (1, 1, 20, 4, 12)
    assert desk.document.labels["a1"].positions()[0][:6].tolist() == [
        [0, 3, 0, 2],
        [0, 3, 1, 3],
        [0, 3, 2, 4],
        [0, 3, 3, 5],
        [0, 4, 0, 2],
        [0, 4, 1, 3],
    ]
    assert "15 labelled pixels of 'a' are back" in edit.notices[0]
    desk.do(SetAxes("a1", "tyx"))
    desk.do(SetAxes("a1", "zyx"))
    same(desk.document, painted)
    for _ in range(5):
        desk.do(Undo())
    same(desk.document, desk.first)
    for _ in range(5):
        desk.do(Redo())
    same(desk.document, painted)
    same(desk.replayed(), desk.document)


def test_what_was_painted_while_labels_were_parked_wins_and_nothing_is_lost():
    desk = desk_with_image("zyx", (4, 12, 20))
    desk.do(Paint("a1", Runs.from_array([[0, 1, 2, 3, 5]]), 1))
    desk.do(SetAxes("a1", "cyx"))
    desk.do(SetAxes("a1", "tyx"))
    desk.do(SetAxes("a1", "cyx"))
    desk.do(Paint("a1", Runs.from_array([[0, 0, 2, 3, 5]]), 2))
    desk.do(SetAxes("a1", "zyx"))
    assert desk.document.labels["a1"].counts == {1: 5, 2: 5}
    desk.do(DeleteClass(1))
    assert desk.document.labels["a1"].counts == {2: 5}


def test_another_file_keeps_what_fits_and_parks_the_rest():
    desk = desk_with_image()
    desk.do(Paint("a1", LINE, 1))
    desk.do(ReplaceSource("a1", image("small.tif", shape=(12, 8))))
    assert desk.document.labels["a1"].counts == {1: 6}
    assert desk.document.lanes["a1"].parked[0].runs.tolist() == [[0, 0, 3, 8, 4]]
    again = document_of(project_of(desk.document))
    assert again.lanes["a1"].parked == desk.document.lanes["a1"].parked
    desk.do(ReplaceSource("a1", image("large.tif", shape=(50, 80))))
    assert desk.document.labels["a1"].counts == {1: 10}
    assert desk.document.lanes["a1"].parked == ()


def test_kept_classifiers():
    desk = desk_with_image()
    desk.do(FreezeClassifier("fig 2", "for the paper"))
    desk.do(FreezeClassifier("fig 2"))
    desk.do(RenameFrozen("fig 2 2", "old"))
    assert list(desk.document.frozen) == ["fig 2", "old"]
    kept = desk.document.frozen["fig 2"]
    assert (kept.created, kept.note) == ("2026-01-01T00:00:00Z", "for the paper")
    assert kept.forest.digest == desk.trained.digest
    assert document_of(project_of(desk.document)).frozen == desk.document.frozen
    desk.do(DeleteFrozen("old"))
    desk.trained = None
    with pytest.raises(CommandError, match="no classifier yet"):
        desk.do(FreezeClassifier("x"))
    for _ in range(4):
        desk.do(Undo())
    same(desk.document, desk.first)


def test_a_damaged_classifier_is_refused():
    good = frozen_to_json(FrozenClassifier("x", small_forest()))
    assert frozen_from_json(good).forest.digest == small_forest().digest
    ints = {
        k: pack_bytes(np.array(v, "<i4").tobytes()) for k, v in {"loop": [0, 0, 1], "far": [9, 0, 1]}.items()
    }
    for wrong in (
        {"left": ints["loop"]},
        {"left": ints["far"]},
        {"roots": pack_bytes(b"\xff" * 4)},
        {"votes": pack_bytes(b"")},
        {"n_features": 0},
        {"feature": pack_bytes(b"123")},
        {"weights": None},
        {"name": 3},
    ):
        with pytest.raises(CommandError):
            frozen_from_json({**good, **wrong})


def test_an_image_without_sizes_is_asked_for_them():
    desk = Desk()
    desk.sizes["b.h5"] = ("tzyxc", (2, 3, 12, 20, 4))
    desk.do(AddLane(Source("file", "b.h5")))
    assert desk.document.shape("a1") == (2, 4, 3, 12, 20)
    assert desk.document.lanes["a1"].nickname == "b"
    desk.do(SetChannels((3, 1, 1)))
    assert desk.document.settings.channels == (1, 3)
    with pytest.raises(CommandError, match="no channel 4"):
        desk.do(SetChannels((4,)))
    with pytest.raises(CommandError, match="there is no c"):
        desk.do(AddLane(Source("file", "c.h5")))


def test_masks_are_as_large_as_their_image():
    desk = desk_with_image()
    desk.do(SetMask("a1", image("m.png")))
    assert desk.document.lanes["a1"].mask.stored == "m.png"
    with pytest.raises(CommandError, match="mask"):
        desk.do(SetMask("a1", image("m.png", shape=(12, 21))))
    desk.do(SetMask("a1", None))
    assert desk.document.lanes["a1"].mask is None


def test_lanes_are_ordered_and_their_ids_never_used_again():
    desk = Desk()
    for name in "abc":
        desk.do(AddLane(image(f"{name}.tif")))
    desk.do(AddLane(image("a.tif"), place=1))
    assert [desk.document.lanes[k].nickname for k in desk.document.lane_order] == ["a", "a 2", "b", "c"]
    desk.do(MoveLane("a1", 3))
    assert desk.document.lane_order == ("a4", "a2", "a3", "a1")
    desk.do(RemoveLane("a4"))
    desk.do(AddLane(image("d.tif"), place=0))
    assert desk.document.lane_order == ("a5", "a2", "a3", "a1")
    for _ in range(70):
        desk.do(MoveLane(desk.document.lane_order[2], 1))


# -- undo of everything -----------------------------------------------------------------------------------


@st.composite
def any_command(draw):
    lane = draw(st.sampled_from(["a1", "a2"]))
    class_id = draw(st.integers(1, 4))
    t, z, y, x = (draw(st.integers(0, n)) for n in (1, 2, 11, 19))
    n = draw(st.integers(1, 20))
    runs = Runs.from_array([[t, z, y, x, n], [t, 0, min(y + 1, 11), x, n]])
    block = make_block(
        Box((0, 0, 0, y, x), (1, 1, 1, y + 1, x + 1)), np.full((1, 1, 1, 1, 1), class_id, np.uint8)
    )
    return draw(
        st.sampled_from(
            [
                *[Paint(lane, runs, class_id)] * 3,
                Paint(lane, runs, 0),
                Lasso(lane, ((x, y), (x + 5, y), (x, 12)), class_id),
                Fill(lane, 0, z, y, x, class_id),
                AddClass(),
                EditClass(class_id, f"n{n}", (n, y, x), n > 10),
                MoveClass(class_id, z),
                MergeClass(class_id, z + 1),
                ClearClass(class_id),
                ClearClass(class_id, lane),
                DeleteClass(class_id),
                SetFeatures(SELECTION),
                SetFeatures(None),
                SetChannels((0,)),
                SetChannels(None),
                SetTraining(n, y, n > 10),
                SetExport(EXPORT),
                AddLane(image(f"{n}.tif", "zyx", (3, 12, 20)), place=z),
                RemoveLane(lane),
                MoveLane(lane, z),
                EditLane(lane, f"i{n}", "rgb", (0, n), True, {"x": (0.5, "µm")}),
                SetAxes(lane, draw(st.sampled_from(["zyx", "cyx", "tyx", "yxz", "xyt"]))),
                ReplaceSource(lane, image("r.tif", "zyx", (n, 10, 12))),
                SetMask(lane, image("m.tif", "zyx", (3, 12, 20))),
                ImportLabels(lane, (block,), "Imported"),
                DeleteStroke(lane, t, z, y, x),
                RelabelStroke(lane, t, z, y, x, class_id),
                FreezeClassifier(f"f{z}"),
                DeleteFrozen("f1"),
                RenameFrozen("f1", "f2"),
                *[Undo()] * 3,
                *[Redo()] * 2,
            ]
        )
    )


def desk_with_volumes():
    desk = Desk()
    for name in ("a", "b"):
        desk.do(AddLane(image(f"{name}.tif", "zyx", (3, 12, 20))), "setup")
    desk.trained = small_forest()
    desk.first, desk.history = desk.document, History()
    desk.edits.clear()
    return desk


def attempt(desk, command, client="A"):
    before = desk.document
    try:
        desk.do(command, client)
    except CommandError as error:
        assert str(error).endswith(".")
        assert desk.document is before


def check(desk):
    same(desk.replayed(), desk.document)
    again = document_of(project_of(desk.document))
    assert again.bound
    # Rows and columns of the table follow the choice in a file.
    table = {n: getattr(desk.document.settings, n) for n in ("feature_ids", "scales")}
    same(replace(again, settings=replace(again.settings, **table)), desk.document)
    # Blocks follow the image, so that undo can give equal maps.
    assert all(m.volume == desk.document.lanes[k].volume for k, m in desk.document.labels.items())
    history = history_of(desk.history.texts(), bound=True)
    assert history == desk.history


@given(st.lists(any_command(), max_size=25))
@settings(max_examples=60, deadline=None)
def test_undo_leads_back_from_everything_and_redo_there_again(commands):
    desk = desk_with_volumes()
    for command in commands:
        attempt(desk, command)
    check(desk)
    done = desk.document
    n = len(desk.history.undo.get("A", ()))
    for _ in range(n):
        assert desk.do(Undo()).notices == ()
    same(desk.document, desk.first)
    for _ in range(n):
        desk.do(Redo())
    same(desk.document, done)
    check(desk)


@given(st.lists(st.tuples(any_command(), st.sampled_from("ABC")), max_size=30))
@settings(max_examples=60, deadline=None)
def test_several_clients_and_any_commands_keep_one_document(steps):
    desk = desk_with_volumes()
    for command, client in steps:
        attempt(desk, command, client)
    check(desk)
    classes = {0, *desk.document.classes}
    assert all(set(m.counts) <= classes for m in desk.document.labels.values())
    assert set(desk.document.labels) <= set(desk.document.lanes)
