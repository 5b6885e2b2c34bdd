"""Uncertain places over all images and slices, away from strokes; what the last strokes changed."""

from __future__ import annotations

import numpy as np
import pytest

from session_scenes import Heard, both_classes, new_project, stroke, wait_for
from underbrush.core.label_map import LabelMap
from underbrush.core.looking import Place
from underbrush.core.runs import Runs
from underbrush.engine.change_meter import Changed, ChangeMeter
from underbrush.engine.events import DocumentChanged, LabelsChanged, TrainingChanged
from underbrush.engine.session import Session
from underbrush.engine.uncertain import Window, best_spot, labelled_patches, sample_windows
from underbrush.engine.views import TileDone, View
from underbrush.errors import ProjectError
from underbrush.project.commands import DeleteFrozen, FreezeClassifier

NONE = np.zeros((16, 16), np.bool_)


def test_windows_lie_inside_and_every_image_has_one_before_any_has_two() -> None:
    lanes = [("a", (1, 1, 1, 300, 700)), ("b", (5, 2, 60, 128, 256)), ("c", (1, 1, 1, 10, 20))]
    windows = sample_windows(lanes, "seed", 60)
    assert [w.lane for w in windows[:3]] == ["a", "b", "c"]
    shapes = dict(lanes)
    for w in windows:
        t, _, z, y, x = shapes[w.lane]
        assert 0 <= w.t < t and 0 <= w.z < z
        assert w.y >= 0 and w.y + w.height <= y and w.x >= 0 and w.x + w.width <= x
    assert len(set(windows)) == len(windows)
    # All of a small image, and slices all over a volume in time.
    assert {(w.y, w.x) for w in windows if w.lane == "a"} == {(y, x) for y in (0, 44) for x in (0, 256, 444)}
    volume = [w for w in windows if w.lane == "b"]
    assert len({w.t for w in volume}) == 5 and max(w.z for w in volume) - min(w.z for w in volume) > 40
    assert sample_windows([], "seed") == []


def test_the_sample_of_a_huge_image_is_small_and_another_forest_looks_elsewhere() -> None:
    lanes = [("a", (1, 1, 1, 1_000_000, 1_000_000))]
    one, other = sample_windows(lanes, "one"), sample_windows(lanes, "other")
    assert len(one) == 96 and set(one) != set(other)
    assert len(sample_windows([(f"l{n}", (1, 1, 1, 99, 99)) for n in range(1000)], "s")) == 400


def test_a_patch_counts_more_than_a_line() -> None:
    values = np.zeros((64, 64), np.float32)
    values[:, 8] = 1.0
    values[40:44, 40:44] = 0.6
    spot = best_spot(Window("a", 2, 3, 100, 200, 256, 256), values, 4, lambda w: NONE)
    assert spot is not None
    assert (spot.t, spot.z, spot.y, spot.x) == (2, 3, 100 + 168, 200 + 168)
    assert spot.uncertainty == pytest.approx(0.6)


def test_where_a_stroke_is_nothing_is_asked_for() -> None:
    window = Window("a", 0, 0, 0, 0, 256, 256)
    values = np.zeros((64, 64), np.float32)
    values[40:44, 40:44] = 0.6
    labels, _ = LabelMap.empty().painted(Runs.from_array([(0, 0, 170, 150, 4)]), 1)
    assert labelled_patches(labels, window).sum() == 9
    assert best_spot(window, values, 4, lambda w: labelled_patches(labels, w)) is None


@pytest.fixture
def session(tmp_path):
    with Session.open(new_project(tmp_path, images=2), idle=1e9) as opened:
        opened.set_live(True)
        both_classes(opened)
        wait_for(lambda: opened.lesson is not None)
        wait_for(lambda: opened.training.state == "done")
        yield opened


def test_places_come_from_all_images_each_once_the_most_uncertain_first(session) -> None:
    spots = []
    while (spot := session.uncertain.next(60)) is not None:
        spots.append(spot)
        assert len(spots) < 50
    assert {spot.lane for spot in spots} == {"a1", "a2"}
    assert [s.uncertainty for s in spots] == sorted((s.uncertainty for s in spots), reverse=True)
    assert not any(a.near(b) for i, a in enumerate(spots) for b in spots[:i])
    assert session.uncertain.problem == ""
    for spot in spots:
        assert session.labels(spot.lane).at(spot.t, spot.z, spot.y, spot.x) == 0


def test_without_a_forest_there_is_no_place(tmp_path) -> None:
    with Session.open(new_project(tmp_path), idle=1e9) as opened:
        assert opened.uncertain.next(0.1) is None


def test_an_image_that_is_gone_is_said_and_the_others_are_looked_at(session, tmp_path) -> None:
    (tmp_path / "image1.tif").unlink()
    session._images.drop("a2")
    spot = session.uncertain.next(60)
    assert spot is not None and spot.lane == "a1"
    assert "a2" in session.uncertain.problem


def test_a_kept_classifier_is_looked_at_and_left_again(session) -> None:
    first = session.lesson.recipe.key
    session.apply("tab", session.last_number("tab") + 1, FreezeClassifier("fig 2"))
    session.apply("tab", session.last_number("tab") + 1, stroke(40, 4, class_id=1))
    wait_for(lambda: session.lesson.recipe.key != first)
    heard = Heard(session)
    view = View("tab", "main", "a1", 0, "xy", 0, 0, (0, 0, 96, 96))
    session.show_classifier("fig 2")
    assert session.shown_classifier == "fig 2" and heard.of(DocumentChanged)
    session.look(view)
    wait_for(lambda: heard.of(TileDone))
    tile = heard.of(TileDone)[-1]
    assert tile.key == first and session.class_ids(first)[:3].tolist() == [0, 1, 2]
    assert session.lesson.recipe.key != first  # training goes on meanwhile
    session.show_classifier(None)
    wait_for(lambda: heard.of(TileDone)[-1].key == session.lesson.recipe.key)
    with pytest.raises(ProjectError, match="no classifier 'nobody'"):
        session.show_classifier("nobody")
    session.show_classifier("fig 2")
    session.apply("tab", session.last_number("tab") + 1, DeleteFrozen("fig 2"))
    assert session.shown_classifier is None


def _tile(key: str, values: np.ndarray, x: int = 0) -> TileDone:
    place = Place(0, "xy", 0, 0, x, 0, values.shape[1], values.shape[0])
    return TileDone((("tab", "main"),), "segmentation", "a1", key, place, values, 1, 2)


def test_the_last_strokes_are_measured_against_the_result_before_them() -> None:
    meter = ChangeMeter()
    assert meter.changed is None
    for n in range(8):
        meter.heard(LabelsChanged("a1", n, "tab", n, None))  # type: ignore[arg-type]
        meter.heard(TrainingChanged("done", "", f"key{n}"))
        values = np.ones((100, 100), np.uint8)
        values[:n] = 2
        meter.heard(_tile(f"key{n}", values))
    assert meter.changed == Changed(5, 0.05)
    # A tile that is seen for the first time says nothing; one of an older forest neither.
    meter.heard(_tile("key7", np.ones((100, 100), np.uint8), x=100))
    assert meter.changed == Changed(5, 0.05)
    meter.heard(DocumentChanged(9, "Class added"))
    assert meter.changed is None


def test_what_lies_outside_of_a_mask_is_no_part_of_what_could_have_changed() -> None:
    meter = ChangeMeter()
    for n in range(2):
        meter.heard(LabelsChanged("a1", n, "tab", n, None))  # type: ignore[arg-type]
        meter.heard(TrainingChanged("done", "", f"key{n}"))
        values = np.zeros((100, 100), np.uint8)
        values[50:] = 1
        values[50 : 50 + 5 * n] = 2
        meter.heard(_tile(f"key{n}", values))
    assert meter.changed == Changed(1, 0.1)
