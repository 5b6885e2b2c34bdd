"""Very many labels are thinned evenly, the same way for window and command line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from engine.live_scenes import wait_until
from underbrush.api.pixel_classifier import PixelClassifier
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions
from underbrush.engine import row_bound
from underbrush.engine.building import Sample, project_of, trained
from underbrush.engine.lanes import open_lane
from underbrush.engine.live_rows import LabelledPixels, LiveRows
from underbrush.engine.row_bound import RowBound
from underbrush.engine.sample import sample_images
from underbrush.engine.trainer import Trainer, TrainingDone, TrainingJob
from underbrush.engine.training import labelled_positions


def pixels_of(rng, n, n_classes=3):
    where = np.unique(rng.integers(0, [3, 4, 500, 500], (n, 4)), axis=0)
    return where, rng.integers(1, n_classes + 1, len(where)).astype(np.uint8)


@given(st.integers(0, 5), st.integers(1, 400), st.integers(0, 2**64))
def test_at_most_the_limit_of_each_class_whatever_the_order(seed, limit, number):
    rng = np.random.default_rng(seed)
    parts = [pixels_of(rng, n) for n in (700, 30, 500)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_bound, "MOST_OF_A_CLASS", limit)
        bound = row_bound.row_bound(parts, number)
        other = row_bound.row_bound(parts[::-1], number)
    kept = [bound.kept(part) for part in parts]
    y, all_y = np.concatenate([k[1] for k in kept]), np.concatenate([p[1] for p in parts])
    for value in (1, 2, 3):
        n, there = np.count_nonzero(y == value), np.count_nonzero(all_y == value)
        assert n == there if there <= limit else limit - 3 <= n <= limit
        assert any(f"Class {value} has" in said for said in bound.notices) == (there > limit)
    assert other.below == bound.below


def test_the_choice_is_even_and_stays_when_a_stroke_is_added(monkeypatch):
    monkeypatch.setattr(row_bound, "MOST_OF_A_CLASS", 16_000)
    where = np.argwhere(np.ones((1, 1, 400, 400)))
    y = np.ones(len(where), np.uint8)
    kept, _ = row_bound.row_bound([(where, y)], 0).kept((where, y))
    counts, _, _ = np.histogram2d(kept[:, 2], kept[:, 3], bins=4, range=[[0, 400], [0, 400]])
    assert counts.min() > 900 and counts.max() < 1100
    fewer = where[:-2000]
    before, _ = row_bound.row_bound([(fewer, y[:-2000])], 0).kept((fewer, y[:-2000]))
    same = len(set(map(tuple, before.tolist())) & set(map(tuple, kept.tolist())))
    assert same > 15_700
    another, _ = row_bound.row_bound([(where, y)], 1).kept((where, y))
    assert len(set(map(tuple, another.tolist())) & set(map(tuple, kept.tolist()))) < 2_500


def test_without_many_labels_nothing_is_touched():
    part = pixels_of(np.random.default_rng(0), 100)
    bound = row_bound.row_bound([part], 0)
    assert bound == RowBound() and bound.kept(part)[0] is part[0]


def test_window_library_and_command_line_train_the_same_forest_of_thinned_labels(tmp_path, monkeypatch):
    limit = 300
    monkeypatch.setattr(row_bound, "MOST_OF_A_CLASS", limit)
    samples = []
    for sample in sample_images():
        paths = [str(tmp_path / f"{sample.name}{end}.tif") for end in ("", "_labels")]
        tifffile.imwrite(paths[0], sample.pixels, photometric="minisblack")
        tifffile.imwrite(paths[1], sample.strokes, photometric="minisblack")
        samples.append(Sample(*paths))
    project, selection = project_of(samples), FeatureSelection.all((1.0,))
    options = TrainingOptions(n_trees=5, seed=3)
    _, forest, rows = trained(project, selection, options)
    assert np.bincount(rows.y).tolist() == [0, limit, limit] and len(rows.notices) == 2
    classifier = PixelClassifier(scales=[1.0], n_trees=5, seed=3)
    with pytest.warns(UserWarning, match="evenly chosen") as said:
        classifier.fit([s.pixels for s in sample_images()], [s.strokes for s in sample_images()])
    assert [str(w.message) for w in said] == list(rows.notices)
    assert classifier.forest_.digest == forest.forest.digest
    turned = replace(project, lanes=project.lanes[::-1])
    assert trained(turned, selection, options)[1].forest.digest == forest.forest.digest
    images = [open_lane(lane, project) for lane in project.lanes]
    parts = tuple(
        LabelledPixels(lane.nickname, image, *labelled_positions(lane.labels, image.shape5))
        for lane, image in zip(project.lanes, images, strict=True)
    )
    heard = []
    worker = Trainer(LiveRows(10_000_000), 2, heard.append)
    worker.submit(TrainingJob("k", lambda: parts, selection, None, options))
    wait_until(lambda: len(heard) == 2)
    worker.close()
    for image in images:
        image.close()
    done = heard[1]
    assert isinstance(done, TrainingDone) and done.notices == rows.notices
    assert done.trained.forest.digest == forest.forest.digest


def test_the_limit_is_below_what_a_training_can_take():
    assert row_bound.row_limit(1) == row_bound.MOST_OF_A_CLASS
    assert all(n * row_bound.row_limit(n) <= row_bound.MOST_OF_ALL < 8_388_607 for n in range(256))


def test_few_labels_are_not_even_looked_at():
    def parts():
        raise AssertionError
        yield

    assert row_bound.row_bound(parts(), 3, {1: 1000, 2: 5}) == RowBound(3)


@pytest.mark.parametrize("seed", [-1, 2**70])
def test_any_seed(seed, monkeypatch):
    monkeypatch.setattr(row_bound, "MOST_OF_A_CLASS", 10)
    part = pixels_of(np.random.default_rng(0), 100)
    bound = row_bound.row_bound([part], seed)
    assert len(bound.kept(part)[1]) <= 30
