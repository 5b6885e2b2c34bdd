"""Rows of labelled pixels are those of batch training, in bytes, and a pixel is computed once."""

from __future__ import annotations

import numpy as np
import pytest

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.engine import live_rows
from underbrush.engine.live_rows import LabelledPixels, LiveRows
from underbrush.engine.scheduler import Cancelled
from underbrush.engine.training import labelled_positions, labelled_rows
from underbrush.errors import FeatureError, MismatchError
from underbrush.sources.array import ArrayImage

KINDS = {
    "2d": ((300, 260), "yx", np.uint8),
    "3d": ((12, 50, 45), "zyx", np.uint8),
    "movie": ((3, 150, 140, 2), "tyxc", np.float32),
    "rgb": ((200, 190, 3), "yxc", np.uint8),
    "offset": ((300, 260), "yx", np.uint16),
}


def scene(kind, seed=0):
    rng = np.random.default_rng(seed)
    shape, axes, dtype = KINDS[kind]
    pixels = rng.normal(100, 20, shape) + (32768 if kind == "offset" else 0)
    image = ArrayImage(pixels.clip(0, 65000 if kind == "offset" else 255).astype(dtype), axes)
    t, _, z, y, x = image.shape5
    labels = np.where(rng.random((t, 1, z, y, x)) < 0.004, rng.integers(1, 4, (t, 1, z, y, x)), 0)
    return image, labels.astype(np.uint8)


def block_of(labels):
    return make_block(Box.whole(labels.shape), labels)


def labelled(image, labels, key="a"):
    return LabelledPixels(key, image, *labelled_positions([block_of(labels)], image.shape5))


def same(rows, image, labels, selection, channels=None):
    want = labelled_rows(image, [block_of(labels)], selection, 1, channels)
    assert rows.x.tobytes() == want.x.tobytes() and rows.x.shape == want.x.shape
    assert rows.y.tobytes() == want.y.tobytes()
    assert rows.not_finite == want.not_finite


@pytest.fixture
def computed(monkeypatch):
    """Number of pixels whose features are computed, call by call."""
    found = []
    real = live_rows.pixel_features

    def counting(image, where, *rest):
        found.append(len(where))
        return real(image, where, *rest)

    monkeypatch.setattr(live_rows, "pixel_features", counting)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cap", [10_000_000, 3_000, 0])
def test_any_history_of_strokes_gives_the_rows_of_batch_training(kind, cap):
    image, labels = scene(kind)
    rng = np.random.default_rng(1)
    selection = FeatureSelection.all((0.7, 1.6))
    rows = LiveRows(cap)
    now = np.where(rng.random(labels.shape) < 0.5, labels, 0)
    for _ in range(6):
        same(rows.rows(labelled(image, now), selection, threads=2), image, now, selection)
        assert rows.bytes <= cap
        change = rng.random(labels.shape) < 0.1
        now = np.where(change, np.where(now > 0, rng.integers(0, 4, now.shape), labels), now).astype(np.uint8)


def test_only_new_pixels_are_computed(computed):
    image, labels = scene("2d")
    selection, rows = FeatureSelection.all((0.7,)), LiveRows(10_000_000)
    half = labels.copy()
    half[..., 130:] = 0
    rows.rows(labelled(image, half), selection)
    rows.rows(labelled(image, labels), selection)
    n, m = np.count_nonzero(half), np.count_nonzero(labels)
    assert computed == [n, m - n]
    erased = np.where(labels == 2, 0, labels)
    recoloured = np.where(labels > 0, 3, 0).astype(np.uint8)
    for now in (erased, recoloured, half, labels):
        same(rows.rows(labelled(image, now), selection), image, now, selection)
    assert sum(computed) == m, "erasing, painting over and undo cost nothing"


def test_images_features_and_channels_are_kept_apart():
    image, labels = scene("rgb")
    other, _ = scene("rgb", 5)
    rows = LiveRows(10_000_000)
    small, large = FeatureSelection.all((0.7,)), FeatureSelection.all((0.7, 1.6))
    for _ in range(2):
        for key, one in (("a", image), ("b", other)):
            for selection in (small, large):
                for channels in (None, (1,), (2, 0)):
                    got = rows.rows(labelled(one, labels, key), selection, channels)
                    same(got, one, labels, selection, channels)


def test_pixels_that_are_not_finite_are_left_out_each_time():
    image, labels = scene("movie")
    pixels = image.read().copy()
    pixels[1, 0, 0, 50:60, 50:60] = np.nan
    labels[1, 0, 0, 40:70, 40:70] = 1
    image = ArrayImage(pixels, "tczyx")
    selection, rows = FeatureSelection.all((0.7,)), LiveRows(10_000_000)
    for _ in range(2):
        got = rows.rows(labelled(image, labels), selection)
        assert got.not_finite > 100
        same(got, image, labels, selection)


def test_what_was_computed_before_a_cancel_is_remembered(computed):
    image, labels = scene("2d")
    selection, rows = FeatureSelection.all((0.7,)), LiveRows(10_000_000)
    asked = 0

    def cancelled():
        nonlocal asked
        asked += 1
        return asked > 4

    with pytest.raises(Cancelled):
        rows.rows(labelled(image, labels), selection, None, 1, cancelled)
    same(rows.rows(labelled(image, labels), selection), image, labels, selection)
    assert 0 < computed[1] < computed[0] == np.count_nonzero(labels)


def test_forgotten_images_and_the_oldest_beyond_the_cap_go(computed):
    image, labels = scene("2d")
    selection, rows = FeatureSelection.all((0.7,)), LiveRows(0)
    n = np.count_nonzero(labels)
    rows.rows(labelled(image, labels), selection)
    one = LiveRows(10_000_000)
    one.rows(labelled(image, labels), selection)
    rows = LiveRows(int(one.bytes * 2.5))
    computed.clear()
    for key in "abcab":
        rows.rows(labelled(image, labels, key), selection)
    assert computed == [n] * 5, "two fit; the third lets the oldest go"
    rows.forget("b")
    rows.rows(labelled(image, labels, "a"), selection)
    assert len(computed) == 6 and computed[-1] == 0
    rows.rows(labelled(image, labels, "b"), selection)
    assert computed[-1] == n


def test_no_labels_small_images_and_missing_channels():
    image, labels = scene("rgb")
    rows, selection = LiveRows(1000), FeatureSelection.all((0.7,))
    assert rows.rows(labelled(image, labels * 0), selection).x.shape == (24, 0)
    with pytest.raises(MismatchError, match="channel 7"):
        rows.rows(labelled(image, labels), selection, (7,))
    with pytest.raises(FeatureError):
        rows.rows(labelled(image, labels), FeatureSelection.all((500.0,)))
