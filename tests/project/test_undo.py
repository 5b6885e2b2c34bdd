"""Undo and redo of several clients, against a dense model and against each other's order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from desk import SHAPE, Desk, image, same
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from underbrush.core.runs import Runs
from underbrush.errors import CommandError
from underbrush.project.commands import (
    AddClass,
    AddLane,
    DeleteClass,
    EditClass,
    Lasso,
    Paint,
    Redo,
    RemoveLane,
    SetAxes,
    SetTraining,
    Undo,
)

clients = st.sampled_from(["A", "B", "C"])


@st.composite
def stroke(draw):
    y, x = draw(st.integers(0, 11)), draw(st.integers(0, 19))
    h, w = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    return Runs.from_array([[0, 0, k, x, w] for k in range(y, y + h)]).clipped(SHAPE)


class Strokes(RuleBasedStateMachine):
    """Labels are those of the newest edit in force at each pixel, whatever was undone in which order."""

    @initialize()
    def start(self):
        self.desk = Desk()
        self.desk.do(AddLane(image()), "setup")
        self.desk.do(AddClass("Third"), "setup")
        self.own = []  # [touched, after, in force]
        self.undo = {c: [] for c in "ABC"}
        self.redo = {c: [] for c in "ABC"}

    def _painted(self, client, command):
        before = self.desk.dense()
        self.desk.do(command, client)
        after = self.desk.dense()
        if (before != after).any():
            self.own.append([before != after, after, True])
            self.undo[client].append(len(self.own) - 1)
            self.redo[client] = []

    @rule(client=clients, runs=stroke(), class_id=st.integers(0, 3))
    def paint(self, client, runs, class_id):
        self._painted(client, Paint("a1", runs, class_id))

    @rule(client=clients, class_id=st.integers(0, 3), y=st.integers(0, 6), x=st.integers(0, 12))
    def lasso(self, client, class_id, y, x):
        self._painted(client, Lasso("a1", ((x, y), (x + 7, y), (x + 3, y + 5)), class_id))

    @precondition(lambda self: any(self.undo.values()))
    @rule(data=st.data())
    def take_back(self, data):
        client = data.draw(st.sampled_from([c for c, u in self.undo.items() if u]))
        self.desk.do(Undo(), client)
        number = self.undo[client].pop()
        self.own[number][2] = False
        self.redo[client].append(number)

    @precondition(lambda self: any(self.redo.values()))
    @rule(data=st.data())
    def do_again(self, data):
        client = data.draw(st.sampled_from([c for c, r in self.redo.items() if r]))
        self.desk.do(Redo(), client)
        number = self.redo[client].pop()
        self.own[number][2] = True
        self.undo[client].append(number)

    @invariant()
    def labels_are_the_newest_in_force(self):
        expected = np.zeros((1, 1, 12, 20), np.uint8)
        for touched, after, in_force in getattr(self, "own", ()):
            if in_force:
                expected[touched] = after[touched]
        assert np.array_equal(self.desk.dense(), expected)

    def teardown(self):
        if not hasattr(self, "desk"):
            return
        same(self.desk.replayed(), self.desk.document)
        for client, stack in self.undo.items():
            for _ in stack:
                self.desk.do(Undo(), client)
            with pytest.raises(CommandError, match="nothing to undo"):
                self.desk.do(Undo(), client)
        assert not self.desk.document.labels


TestStrokes = Strokes.TestCase
TestStrokes.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


@given(st.lists(st.tuples(clients, stroke(), st.integers(0, 2)), min_size=2, max_size=6), st.randoms())
@settings(max_examples=15, deadline=None)
def test_the_order_of_undos_of_several_clients_makes_no_difference(strokes, random):
    found = []
    for _ in range(3):
        desk = Desk()
        desk.do(AddLane(image()), "setup")
        for client, runs, class_id in strokes:
            desk.do(Paint("a1", runs, class_id), client)
        undos = [e.client for e in desk.edits[1:] if e.changes]
        undos = undos[: len(undos) // 2 + 1]
        random.shuffle(undos)
        for client in undos:
            desk.do(Undo(), client)
        found.append(desk.document)
    for other in found[1:]:
        same(found[0], other)


@pytest.mark.parametrize("order", list(permutations("ABC")), ids="".join)
def test_what_lies_under_an_undone_stroke_that_was_undone_before_stays_away(order):
    desk = Desk()
    desk.do(AddLane(image()), "setup")
    desk.do(AddClass("Third"), "setup")
    for k, client in enumerate("ABC", start=1):
        desk.do(Paint("a1", Runs.from_array([[0, 0, 3, k, 6]]), k), client)
    for client in order:
        desk.do(Undo(), client)
    assert not desk.document.labels


def test_a_stroke_that_somebody_painted_over_says_so_and_comes_back_below():
    desk = Desk()
    desk.do(AddLane(image()), "setup")
    desk.do(Paint("a1", Runs.from_array([[0, 0, 3, 0, 10]]), 1), "A")
    desk.do(Paint("a1", Runs.from_array([[0, 0, 3, 4, 2]]), 2), "B")
    edit = desk.do(Undo(), "A")
    assert edit.notices == ("2 pixels were changed since and stay as they are.",)
    assert desk.document.labels["a1"].counts == {2: 2}
    desk.do(Redo(), "A")
    desk.do(Undo(), "B")
    assert desk.document.labels["a1"].counts == {1: 10}


def test_an_image_or_class_that_others_painted_in_stays():
    desk = Desk()
    desk.do(AddLane(image()), "A")
    desk.do(AddClass("Third"), "A")
    desk.do(Paint("a1", Runs.from_array([[0, 0, 3, 0, 10]]), 3), "B")
    assert "painted with it" in desk.do(Undo(), "A").notices[0]
    assert "strokes of somebody else" in desk.do(Undo(), "A").notices[0]
    assert 3 in desk.document.classes
    assert desk.document.labels["a1"].size == 10
    desk.do(Undo(), "B")
    assert not desk.document.labels


def test_labels_of_a_removed_image_or_class_do_not_come_back_alone():
    desk = Desk()
    desk.do(AddLane(image()), "setup")
    runs = Runs.from_array([[0, 0, 3, 0, 10]])
    desk.do(Paint("a1", runs, 2), "A")
    desk.do(Paint("a1", runs, 0), "A")
    desk.do(DeleteClass(2), "B")
    assert "class that was deleted" in desk.do(Undo(), "A").notices[0]
    assert not desk.document.labels
    desk.do(Paint("a1", runs, 1), "A")
    desk.do(RemoveLane("a1"), "B")
    assert "removed since" in desk.do(Undo(), "A").notices[0]
    desk.do(Undo(), "B")
    assert "a1" in desk.document.lanes
    assert not desk.document.labels  # for the stroke was undone meanwhile


def test_a_cell_that_somebody_else_set_stays():
    desk = Desk()
    desk.do(SetTraining(n_trees=50), "A")
    desk.do(SetTraining(n_trees=60), "B")
    assert "n_trees" in desk.do(Undo(), "A").notices[0]
    assert desk.document.settings.n_trees == 60
    desk.do(EditClass(1, name="Sky"), "A")
    desk.do(Undo(), "A")
    assert desk.document.classes[1].info.name == "Background"


def test_strokes_of_others_follow_the_axes_back():
    desk = Desk()
    desk.do(AddLane(image(axes="zyx", shape=(3, 12, 20))), "setup")
    desk.do(Paint("a1", Runs.from_array([[0, 0, 2, 0, 4], [0, 2, 3, 0, 10]]), 1), "A")
    before = desk.document
    desk.do(SetAxes("a1", "tyx"), "A")
    assert desk.document.labels["a1"].rows()[0].tolist() == [[0, 0, 2, 0, 4], [2, 0, 3, 0, 10]]
    desk.do(Paint("a1", Runs.from_array([[1, 0, 5, 5, 2]]), 2), "B")
    desk.do(Undo(), "A")
    assert desk.document.lanes == before.lanes
    assert desk.document.labels["a1"].rows()[0].tolist() == [
        [0, 0, 2, 0, 4], [0, 1, 5, 5, 2], [0, 2, 3, 0, 10]
    ]  # fmt: skip
    assert "axes" in desk.do(Undo(), "B").notices[0]
    desk.do(Redo(), "A")
    assert desk.document.labels["a1"].rows()[0].tolist() == [
        [0, 0, 2, 0, 4], [1, 0, 5, 5, 2], [2, 0, 3, 0, 10]
    ]  # fmt: skip
    same(desk.replayed(), desk.document)


def test_what_was_redone_lies_over_what_is_older():
    """A redone edit that changes nothing to see still is newer than what lies below it."""
    state = Strokes()
    state.start()
    one = Runs.from_array([(0, 0, 0, 0, 1)])
    state.desk.do(Paint("a1", one, 1), "B")
    state.desk.do(Paint("a1", one, 0), "A")
    state.desk.do(Undo(), "A")
    state.desk.do(Paint("a1", one, 0), "B")
    state.desk.do(Redo(), "A")
    state.desk.do(Undo(), "B")
    assert not state.desk.dense().any()
    state.desk.do(Undo(), "A")
    assert state.desk.dense().sum() == 1
