"""Small pictures of results: which pixels of an image they show, and how."""

from __future__ import annotations

import numpy as np
import pytest

from session_scenes import both_classes, new_project, wait_for
from underbrush.engine import preview as previewing
from underbrush.engine.export_wish import Wish
from underbrush.engine.preview import EDGE, MOST, OUTSIDE, drawn, middle, preview
from underbrush.engine.products import ForestProduct
from underbrush.engine.scenes import scene_of
from underbrush.engine.session import Session
from underbrush.project.commands import FreezeClassifier

COLOURS = np.array([(0, 130, 200), (255, 225, 25)], np.uint8)


@pytest.mark.parametrize(
    ("shape", "level", "box"),
    [
        ((1, 1, 1, 96, 120), 0, (0, 0, 120, 96)),
        ((1, 1, 1, 257, 120), 1, (0, 0, 60, 129)),
        ((3, 11, 30, 500, 500), 1, (0, 0, 250, 250)),
        ((1, 1, 1, 100_000, 60_000), 3, (3622, 6122, 256, 256)),
        ((1, 1, 1, 1_000, 60_000), 3, (3622, 0, 256, 125)),
    ],
)
def test_it_is_small_and_the_middle_of_what_is_large(shape, level, box):
    place = middle(shape)
    assert place.level == level and place.slice == shape[2] // 2
    assert (place.x, place.y, place.width, place.height) == box
    assert max(place.width, place.height) <= EDGE and place.width * place.height << 2 * level <= MOST


def test_outside_of_a_mask_and_without_finite_values_nothing_is_drawn():
    values = np.array([[[0.9, np.nan, 0]], [[0.1, np.nan, 0]]], np.float32)
    for kind in ("segmentation", "probabilities", "uncertainty"):
        picture = drawn(values, kind, COLOURS)
        assert picture.shape == (1, 3, 3) and picture.dtype == np.uint8
        assert (picture[0, 1:] == OUTSIDE).all()
    assert tuple(drawn(values, "segmentation", COLOURS)[0, 0]) == (0, 130, 200)
    assert tuple(drawn(values, "probabilities", COLOURS)[0, 0]) == (26, 140, 183)


def test_tiles_make_one_picture_and_a_kept_classifier_has_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(previewing, "BUDGET", 1.5e7)
    array = np.tile(np.random.default_rng(0).integers(0, 90, (96, 120), np.uint8), (7, 6))
    with Session.open(new_project(tmp_path, array=array), threads=2) as session:
        assert preview(session, "a1", "segmentation", None) is None
        session.set_live(True)
        number = both_classes(session)
        wait_for(lambda: session.training.state == "done")
        seen = preview(session, "a1", "segmentation", None)
        image, place = session.image("a1"), middle(session.image("a1").shape5)
        product = ForestProduct(session.lesson.recipe)
        assert product.edges(image, place, previewing.BUDGET)[0] < place.height, "several tiles"
        whole = product.values(image, place, scene_of(image))
        assert np.array_equal(seen, drawn(whole, "segmentation", COLOURS))
        session.apply("tab", number, FreezeClassifier("fig 2"))
        assert np.array_equal(preview(session, "a1", "segmentation", "fig 2"), seen)
        assert preview(session, "a1", Wish(result="labels").result, None) is None
