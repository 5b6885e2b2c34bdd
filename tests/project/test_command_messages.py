"""Commands and edits as messages: the same after JSON, and what is malformed is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from desk import EXPORT, LINE, SELECTION, desk_with_image, image, same

from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.core.runs import MAX_RUNS, Runs, pack_bytes
from underbrush.errors import CommandError
from underbrush.project.commands import (
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
    command_from_json,
    command_to_json,
    resolve,
)
from underbrush.project.document import document_of, project_of
from underbrush.project.edits import from_json, to_json

GOOD = [
    Paint("a1", LINE, 2),
    Fill("a1", 0, 0, 1, 1, 2),
    Lasso("a1", ((1, 1), (9, 1), (5, 9)), 2),
    AddClass("x", (1, 2, 3)),
    EditClass(1, "y"),
    MoveClass(1, 1),
    MergeClass(1, 2),
    ClearClass(1, "a1"),
    DeleteClass(1),
    SetFeatures(SELECTION),
    SetChannels((0,)),
    SetTraining(10, 1, True),
    SetExport(EXPORT),
    AddLane(image("z.tif")),
    RemoveLane("a1"),
    MoveLane("a1", 0),
    EditLane("a1", "n"),
    SetAxes("a1", "xy"),
    ReplaceSource("a1", image("z.tif")),
    SetMask("a1", image("m.tif")),
    DeleteStroke("a1", 0, 0, 3, 3),
    RelabelStroke("a1", 0, 0, 3, 3, 2),
    FreezeClassifier("f"),
    DeleteFrozen("g"),
    RenameFrozen("g", "h"),
    Undo(),
    Redo(),
    ImportLabels("a1", (make_block(Box((0,) * 5, (1,) * 5), np.ones((1,) * 5, np.uint8)),)),
]
WRONG = [
    None,
    True,
    -1,
    256,
    2**31,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "a\0",
    "y" * 5000,
    [],
    [1],
    [[1]],
    {},
    {"a": 1},
    [[float("nan"), 1]],
    [None] * 10,
    "#12345",
    "\ud800",
    [0, 0, 3, 2],
    [0, 0, 3, 2, -1],
    [0, 0, 3, 2, 10**9],
    [2**40] * 5,
    "AAAA",
    pack_bytes(b"\0" * (20 * (MAX_RUNS + 1))),
    [{}],
    [{"start": [0] * 5, "stop": [2**40] * 5, "values": ""}],
    {"kind": "file"},
    {"kind": "pipe", "stored": "x"},
    {"filters": ["rm"], "scales": [1], "matrix": [[True]]},
    {"kind": "file", "stored": "x", "axes": "yx", "shape": [0, 2]},
]


@pytest.mark.parametrize("command", GOOD, ids=lambda c: c.TYPE)
def test_a_command_is_the_same_after_json(command):
    said = json.loads(json.dumps(command_to_json(command)))
    assert command_to_json(command_from_json(said)) == command_to_json(command)


@pytest.mark.parametrize("command", GOOD, ids=lambda c: c.TYPE)
def test_a_malformed_command_is_refused_and_changes_nothing(command):
    desk = desk_with_image()
    desk.do(Paint("a1", Runs.from_array([[0, 0, 3, 0, 20]]), 1))
    desk.do(FreezeClassifier("g"))
    before = desk.document
    good = json.loads(json.dumps(command_to_json(command)))
    tried = [{**good, "type": w} for w in WRONG] + [{**good, "surprise": 1}]
    tried += [{k: v for k, v in good.items() if k != key} for key in good]
    tried += [{**good, key: wrong} for key in good if key != "type" for wrong in WRONG]
    for said in tried:
        try:
            desk.do(command_from_json(said))
        except CommandError as error:
            assert str(error).endswith(".")
            assert len(str(error)) < 400
            assert desk.document is before
        else:  # a value that happens to be right
            desk.document = before


@pytest.mark.parametrize("wrong", [None, 3, "paint", [], {"type": "paint"}, {"type": ["paint"]}, {1: 2}, {}])
def test_what_is_no_command_is_refused(wrong):
    with pytest.raises(CommandError):
        command_from_json(wrong)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Paint("a9", LINE, 1), "no image 'a9'"),
        (Paint("a1", LINE, 7), "no class 7"),
        (Paint("a1", Runs.from_array([[0, 0, 3, 15, 6]]), 1), "leaves the image"),
        (Paint("a1", Runs.from_array([[0, 1, 3, 1, 6]]), 1), "leaves the image"),
        (Lasso("a1", ((1, 1), (1.2, 1), (1, 1.2)), 1), "holds no pixel"),
        (Lasso("a1", ((1, 1), (9, 1), (1, 9)), 1, index=1), "outside"),
        (DeleteStroke("a1", 0, 0, 11, 0), "no stroke"),
        (DeleteStroke("a1", 0, 0, 12, 0), "outside"),
        (SetAxes("a1", "zyx"), "axes zyx are 3"),
        (MergeClass(1, 1), "itself"),
        (Undo(), "nothing to undo"),
        (Redo(), "nothing to redo"),
        (DeleteFrozen("?"), "no classifier is kept"),
        (EditClass(1, "  "), "needs a name"),
        (
            ImportLabels(
                "a1", (make_block(Box((0,) * 5, (1, 1, 1, 1, 30)), np.ones((1, 1, 1, 1, 30), np.uint8)),)
            ),
            "outside",
        ),
    ],
)
def test_what_is_not_possible_is_said(command, words):
    desk = desk_with_image()
    with pytest.raises(CommandError, match=words):
        desk.do(command)


@pytest.mark.parametrize(
    "command",
    [Paint("a1", "runs", 1), Paint(5, LINE, 1), Paint("a1", LINE, "1"), EditLane("a1", pixel_size=3)],
    ids=lambda c: repr(c)[:20],
)
def test_fields_of_commands_made_in_python_are_checked_too(command):
    desk = desk_with_image()
    with pytest.raises(CommandError):
        resolve(desk.document, command, desk, 1, "A")


def test_a_damaged_edit_is_refused():
    desk = desk_with_image()
    good = to_json(desk.do(Paint("a1", LINE, 2)))
    change = good["changes"][0]
    wrongs = [
        None,
        [],
        {**good, "sequence": 0},
        {**good, "changes": 3},
        {**good, "changes": [{"path": ["setting", "base"]}]},
        {**good, "changes": [{"path": ["class", "0"]}]},
        {**good, "changes": [{"path": ["lane"]}]},
        {**good, "changes": [{**change, "before": pack_bytes(b"12")}]},
        {**good, "changes": [{**change, "runs": "x"}]},
        {**good, "changes": [{**change, "lane": None}]},
        {**good, "time": 3},
    ]
    for wrong in wrongs:
        with pytest.raises(CommandError):
            from_json(wrong)


def test_an_image_of_a_hundred_thousand_squared():
    desk = desk_with_image(shape=(100_000, 100_000))
    desk.do(Paint("a1", Runs.from_array([[0, 0, 99_999, 99_990, 10]]), 1))
    desk.do(Lasso("a1", ((90_000, 90_000), (90_300, 90_000), (90_000, 90_300)), 2))
    desk.do(Fill("a1", 0, 0, 99_999, 99_995, 2))
    # Centres strictly left of the slanted edge: 299 in the first row, 0 in the last.
    assert desk.document.labels["a1"].counts == {2: 10 + 299 * 300 // 2}
    again = document_of(project_of(desk.document))
    same(again, desk.document)
    edit = desk.do(Fill("a1", 0, 0, 0, 0, 1))
    assert "there would be more" in edit.notices[0]
    for _ in range(4):
        desk.do(Undo())
    same(desk.document, desk.first)
