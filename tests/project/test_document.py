"""A project as a document and back, through a file, with ids, and without what others changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from desk import Desk, image, same, small_forest

from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.core.runs import Runs
from underbrush.project import history as history_module
from underbrush.project.commands import (
    AddClass,
    AddLane,
    DeleteClass,
    EditClass,
    EditLane,
    MoveClass,
    MoveLane,
    Paint,
    RemoveLane,
    SetAxes,
    SetChannels,
    SetTraining,
    Undo,
)
from underbrush.project.document import document_of, new_document, project_of
from underbrush.project.edits import forward
from underbrush.project.entries import Trained
from underbrush.project.history import history_of
from underbrush.project.own import HISTORY
from underbrush.project.read import read_project
from underbrush.project.schema import ClassifierInfo
from underbrush.project.write import write_project

LINE = Runs.from_array([[0, 0, 3, 2, 10], [0, 0, 5, 2, 3]])


def busy_desk():
    desk = Desk()
    for name in "abc":
        desk.do(AddLane(image(f"{name}.tif", "zyx", (4, 12, 20))))
    desk.do(AddClass("Third"))
    desk.do(AddClass("Fourth"))
    desk.do(DeleteClass(2))
    desk.do(MoveClass(4, 0))
    desk.do(EditClass(3, locked=True))
    desk.do(Paint("a1", LINE, 4))
    desk.do(Paint("a3", Runs.from_array([[0, 2, 3, 2, 10]]), 1), "B")
    desk.do(RemoveLane("a2"))
    desk.do(MoveLane("a3", 0))
    desk.do(SetAxes("a3", "cyx"))
    desk.do(SetChannels((0,)))
    desk.do(SetTraining(20, 7, True))
    return desk


def test_ids_order_parked_labels_and_history_survive_a_file(tmp_path):
    desk = busy_desk()
    project = project_of(desk.document, own=desk.history.texts())
    write_project(project, tmp_path / "p.ilp")
    read = read_project(tmp_path / "p.ilp")
    assert read.problems == ()
    document = document_of(read)
    assert document.bound
    assert document.notices == ()
    assert document.lane_order == ("a3", "a1")
    assert document.class_order == (4, 1, 3)
    table = {n: getattr(desk.document.settings, n) for n in ("feature_ids", "scales")}
    same(replace(document, settings=replace(document.settings, **table)), desk.document)
    history = history_of(read.own, document.bound)
    assert history == desk.history
    again = Desk(document)
    again.history = history
    before = document.labels
    again.do(Undo())
    again.do(Undo())
    again.do(Undo())
    assert again.document.labels["a3"].counts == {1: 10}
    again.do(Undo(), "B")
    assert "a3" not in again.document.labels
    assert again.document.labels["a1"] == before["a1"]
    again.do(AddLane(image("d.tif")))
    again.do(AddClass())
    assert again.document.lane_order[-1] == "a4"
    assert again.document.class_order[-1] == 5


def test_labels_that_another_program_changed_start_anew():
    desk = busy_desk()
    project = project_of(desk.document, own=desk.history.texts())
    block = make_block(Box((0, 0, 0, 0, 0), (1, 1, 1, 1, 1)), np.ones((1, 1, 1, 1, 1), np.uint8))
    lanes = (replace(project.lanes[0], labels=(block,)), *project.lanes[1:])
    document = document_of(replace(project, lanes=lanes))
    assert not document.bound
    assert "changed by another program" in document.notices[0]
    assert document.lane_order == ("a1", "a2")
    assert document.class_order == (1, 2, 3)
    assert document.labels["a1"].counts == {1: 1}
    assert document.labels["a2"].counts == {1: 13}
    history = history_of(project.own, document.bound)
    assert history.undoable("A") is None
    assert history.numbers == desk.history.numbers
    assert history.last == desk.history.last


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"lanes": 3}', '{"lanes": ["a1", "a1"]}', "[" * 100_000]
)
def test_damaged_texts_cost_no_label(text):
    project = project_of(busy_desk().document)
    for name in ("ids", "parked", "frozen"):
        document = document_of(replace(project, own={**project.own, name: text}))
        assert sum(m.size for m in document.labels.values()) == 13
    for name in ("history", "clients"):
        assert history_of({name: text}, True).undoable("A") is None


def test_undo_back_to_the_opened_state_brings_the_stored_forest_back(tmp_path):
    desk = Desk()
    desk.do(AddLane(image("a.tif")))
    desk.do(Paint("a1", LINE, 1))
    desk.do(Paint("a1", Runs.from_array([[0, 0, 8, 2, 10]]), 2))
    key = desk.document.training_key
    stored = Trained(key, small_forest(), ClassifierInfo("forest", 1, (1,)))
    project = project_of(desk.document, stored)
    assert project.forest is not None
    document = document_of(project)
    assert document.forest is project.forest
    assert document.opened_key == document.training_key == key
    desk = Desk(document)
    desk.do(Paint("a1", LINE, 2))
    assert desk.document.forest is None
    stale = project_of(desk.document, stored)
    assert (stale.forest, stale.classifier.kind) == (None, "none")
    desk.do(EditLane("a1", "other name"))
    desk.do(Undo())
    desk.do(Undo())
    assert desk.document.forest is project.forest
    assert project_of(desk.document).forest is project.forest


def test_the_training_key_is_of_what_a_forest_depends_on_and_of_nothing_else():
    def built(order, shift):
        desk = Desk(new_document() if not shift else shifted())
        for name in order:
            desk.do(AddLane(image(f"{name}.tif")))
        for name, class_id in (("a", 1), ("b", 2)):
            lane = next(k for k, e in desk.document.lanes.items() if e.raw.stored == f"{name}.tif")
            desk.do(Paint(lane, LINE, desk.document.class_order[class_id - 1]))
        return desk

    def shifted():
        desk = Desk()
        desk.do(AddClass("New"))
        desk.do(DeleteClass(1))
        return desk.document

    one, other = built("abc", False), built("cba", True)
    key = one.document.training_key
    assert other.document.training_key == key
    assert other.document.class_order != one.document.class_order
    one.do(EditLane("a1", "renamed"))
    one.do(AddClass())
    one.do(RemoveLane("a3"))
    assert one.document.training_key == key
    one.do(SetTraining(seed=4))
    assert one.document.training_key != key
    one.do(Undo())
    one.do(Paint("a2", LINE, 1))
    assert one.document.training_key != key


def test_an_unknown_classifier_is_kept_until_something_is_painted():
    desk = Desk()
    desk.do(AddLane(image("a.tif")))
    project = replace(project_of(desk.document), classifier=ClassifierInfo("other", 50))
    document = document_of(project)
    assert project_of(document).classifier == ClassifierInfo("other", 50)
    desk = Desk(document)
    desk.do(Paint("a1", LINE, 1))
    assert project_of(desk.document).classifier == ClassifierInfo("none", 50)


def test_the_history_of_a_file_keeps_the_newest_edits(monkeypatch):
    desk = busy_desk()
    monkeypatch.setattr(history_module, "MAX_TEXT", 3000)
    texts = desk.history.texts()
    assert len(texts[HISTORY]) < 3200
    history = history_of(texts, True)
    kept = list(history.edits)
    assert 1 < len(kept) < len(desk.history.edits)
    assert kept == list(desk.history.edits)[-len(kept) :]
    assert (history.last, history.numbers) == (desk.history.last, desk.history.numbers)
    document = desk.document
    for _ in kept:
        edit = history.undoable("A")
        if edit is not None:
            again = Desk(document)
            again.history = history
            again.do(Undo())
            document, history = again.document, again.history


def test_a_history_that_is_too_large_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(history_module, "MAX_BYTES", 5000)
    desk = Desk()
    desk.do(AddLane(image("a.tif")))
    for y in range(12):
        desk.do(Paint("a1", Runs.from_array([[0, 0, y, 0, 5]]), 1))
    assert len(desk.history.edits) < 12
    while desk.history.undoable("A"):
        desk.do(Undo())
    assert desk.document.labels["a1"].size > 0
    assert forward(desk.first, [c for e in desk.edits for c in e.changes]) == desk.document
