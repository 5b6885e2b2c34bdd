"""Rows of labelled pixels equal the features of the whole image at those pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.engine.arrays import features_array
from underbrush.engine.training import Alike, Rows, joined, labelled_rows
from underbrush.errors import MismatchError
from underbrush.sources.array import ArrayImage


def scene(kind, rng):
    shape, axes = {
        "2d": ((300, 260), "yx"),
        "3d": ((12, 50, 45), "zyx"),
        "movie": ((3, 150, 140, 2), "tyxc"),
    }[kind]
    image = ArrayImage(rng.normal(100, 20, shape).astype(np.float32), axes)
    t, _, z, y, x = image.shape5
    labels = np.where(rng.random((t, 1, z, y, x)) < 0.002, rng.integers(1, 4, (t, 1, z, y, x)), 0)
    return image, labels.astype(np.uint8)


def blocks_of(labels, cut):
    """The labels as blocks of ``cut`` pixels in y and x."""
    t, _, z, y, x = labels.shape
    for k in range(t):
        for j in range(0, y, cut):
            for i in range(0, x, cut):
                box = Box((k, 0, 0, j, i), (k + 1, 1, z, min(y, j + cut), min(x, i + cut)))
                yield make_block(box, labels[box.slices])


@pytest.mark.parametrize("kind", ["2d", "3d", "movie"])
@settings(max_examples=3, deadline=None)
@given(cut=st.integers(20, 300), seed=st.integers(0, 9))
def test_rows_are_features_at_the_labels_in_order(kind, cut, seed):
    image, labels = scene(kind, np.random.default_rng(seed))
    selection = FeatureSelection.all((0.7, 1.6))
    rows = labelled_rows(image, blocks_of(labels, cut), selection, threads=2)
    whole = features_array(image, selection)
    t, _, z, y, x = np.nonzero(labels)
    assert np.array_equal(rows.y, labels[labels > 0])
    assert np.array_equal(rows.x, whole[t, :, z, y, x].T)


def test_labels_near_broken_pixels_are_left_out_and_counted():
    image, labels = scene("2d", np.random.default_rng(0))
    pixels = image.read()[0, 0, 0].copy()
    pixels[100, 100] = np.inf
    labels[0, 0, 0, 98, 101] = 1
    selection = FeatureSelection.all((0.7,))
    rows = labelled_rows(ArrayImage(pixels, "yx"), blocks_of(labels, 300), selection)
    assert rows.not_finite >= 1
    assert len(rows.y) + rows.not_finite == np.count_nonzero(labels)
    assert np.isfinite(rows.x).all()


def test_labels_outside_the_image_are_ignored():
    image, _ = scene("2d", np.random.default_rng(0))
    block = make_block(Box((0, 0, 0, 295, 250), (1, 1, 1, 305, 270)), np.ones((1, 1, 1, 10, 20), np.uint8))
    rows = labelled_rows(image, [block], FeatureSelection.all((0.7,)))
    assert len(rows.y) == 5 * 10


def test_no_labels():
    image, _ = scene("2d", np.random.default_rng(0))
    rows = labelled_rows(image, [], FeatureSelection.all((0.7,)))
    assert rows.x.shape == (8, 0) and len(joined([], 8).y) == 0


def test_joined_rows_do_not_depend_on_the_order_of_the_images():
    rng = np.random.default_rng(0)
    parts = [
        Rows(rng.normal(size=(5, n)).astype(np.float32), rng.integers(1, 4, n).astype(np.uint8))
        for n in (7, 1, 30)
    ]
    parts.append(Rows(np.zeros((5, 4), np.float32), np.array([1, 2, 2, 1], np.uint8)))
    one, other = joined(parts, 5), joined(parts[::-1], 5)
    assert np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y)
    pairs = lambda rows: sorted(zip(rows.y.tolist(), map(tuple, rows.x.T.tolist()), strict=True))  # noqa: E731
    everything = Rows(np.concatenate([p.x for p in parts], axis=1), np.concatenate([p.y for p in parts]))
    assert pairs(one) == pairs(everything), "no row is lost or changed"


@pytest.mark.parametrize(
    ("first", "other", "says"),
    [
        ("plain", "two_channels", "it has 2 channels, .* has 1"),
        ("plain", "volume", "it is a volume, .* is flat"),
        ("volume", "plain", "it is flat, .* is a volume"),
    ],
)
def test_images_from_which_no_forest_learns_are_named(first, other, says):
    shapes = {"plain": ("yx", (9, 9)), "two_channels": ("cyx", (2, 9, 9)), "volume": ("zyx", (9, 9, 9))}
    images = {
        name: ArrayImage(np.zeros(shape, np.uint8), axes, name) for name, (axes, shape) in shapes.items()
    }
    alike = Alike(FeatureSelection(("StructureTensorEigenvalues",), (1.0,), ((True,),)), None)
    alike.check(images[first])
    with pytest.raises(MismatchError, match=f"^{other}: {says}"):
        alike.check(images[other])
    smooth = Alike(FeatureSelection(("GaussianSmoothing",), (0.3,), ((True,),)), (0,))
    for image in images.values():
        smooth.check(image)
