"""One tile: tiled equals whole in bytes, broken pixels cost their reach and no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.features.catalog import reach
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.geometry import Box, Tile, TileGrid
from underbrush.core.predict import Scene, dilated, finite_values, predict_tile
from underbrush.core.recipe import Recipe
from underbrush.errors import MismatchError


def random_forest(n_features, n_classes, rng, n_trees=7, depth=5, spread=40.0):
    """A forest of complete trees with random thresholds, as good as any to compare two ways of walking it."""
    feature, threshold, left, right, votes, roots = [], [], [], [], [], []

    def grow(level):
        node = len(feature)
        for column in (feature, threshold, left, right):
            column.append(0)
        if level == depth or rng.random() < 0.1:
            fractions = rng.dirichlet(np.ones(n_classes))
            feature[node], left[node], right[node] = LEAF, len(votes), len(votes)
            votes.append(fractions)
            return node
        feature[node] = int(rng.integers(n_features))
        threshold[node] = float(rng.normal(0, spread))
        left[node] = grow(level + 1)
        right[node] = grow(level + 1)
        return node

    for _ in range(n_trees):
        roots.append(grow(0))
    return Forest(
        np.array(roots, np.int32),
        np.array(feature, np.int32),
        np.array(threshold, np.float64),
        np.array(left, np.int32),
        np.array(right, np.int32),
        np.array(votes, np.float64),
        np.ones(len(votes)),
        np.arange(1, n_classes + 1, dtype=np.uint32),
        n_features,
    )


def predict_whole(image, recipe, tile):
    volume = image.shape[2] > 1
    out = np.empty((image.shape[0], recipe.n_classes, *image.shape[2:]), np.float32)
    for t in TileGrid(Box.whole(image.shape), tile, recipe.selection.halo(volume), image.shape):
        values, _ = predict_tile(image[t.read.slices], t, recipe, Scene(volume))
        out[t.valid.replace(c=(0, recipe.n_classes)).slices] = values
    return out


SELECTIONS = {
    "2d": (FeatureSelection.all((0.3, 0.7, 1.6, 3.5)), (2, 2, 1, 37, 41)),
    "3d": (FeatureSelection.all((0.3, 1.0, 1.6)), (1, 1, 9, 22, 19)),
    "mixed": (FeatureSelection.all((0.7, 1.0, 1.6), (True, False, True)), (1, 2, 9, 20, 23)),
}


@pytest.mark.parametrize("kind", SELECTIONS)
@settings(max_examples=12, deadline=None)
@given(tile=st.tuples(*[st.integers(1, 41)] * 3), seed=st.integers(0, 3))
def test_tiled_equals_whole_in_bytes(kind, tile, seed):
    selection, shape = SELECTIONS[kind]
    tile = tuple(max(n, -(-full // 4)) for n, full in zip(tile, shape[2:], strict=True))
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 30, shape).astype(np.float32)
    image[0, 0, 0, 5, 6] = np.nan
    n = selection.count(shape[1], shape[2] > 1)
    recipe = Recipe(selection, random_forest(n, 3, rng), 4)
    whole = predict_whole(image, recipe, shape)
    assert np.array_equal(predict_whole(image, recipe, (1, shape[1], *tile)), whole)
    assert whole.any() and not whole[:, 3].any(), "a class without samples keeps a channel of zeros"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_broken_pixel_zeroes_exactly_its_reach(bad):
    selection = FeatureSelection.all((0.7, 1.6))
    rng = np.random.default_rng(1)
    image = rng.normal(100, 30, (1, 2, 1, 60, 50)).astype(np.float32)
    recipe = Recipe(selection, random_forest(selection.count(2), 2, rng), 2)
    clean = predict_whole(image, recipe, image.shape)
    image[0, 1, 0, 20, 25] = bad
    whole = Box.whole(image.shape)
    values, report = predict_tile(image, Tile(whole, whole), recipe, Scene(False))
    assert report.not_finite == 1
    r = max(reach(t.filter_id, t.scale) for t in selection.terms(False))
    affected = np.zeros((60, 50), bool)
    affected[20 - r : 21 + r, 25 - r : 26 + r] = True
    assert not values[0, :, 0][:, affected].any()
    assert np.array_equal(values[0, :, 0][:, ~affected], clean[0, :, 0][:, ~affected])


def test_a_double_too_large_for_float32_counts_as_broken():
    frame = np.array([[[[1.0, 1e300]]]])
    values, broken = finite_values(frame)
    assert broken.tolist() == [[[False, True]]]
    assert values.ravel().tolist() == [1.0, 0.0]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8), st.integers(0, 7)), min_size=1, max_size=4),
    st.tuples(*[st.integers(0, 9)] * 3),
)
def test_dilated_is_a_box_around_each_pixel(pixels, radius):
    mask = np.zeros((5, 9, 8), bool)
    want = mask.copy()
    for p in pixels:
        mask[p] = True
        want[tuple(slice(max(0, i - r), i + r + 1) for i, r in zip(p, radius, strict=True))] = True
    assert np.array_equal(dilated(mask, radius), want)


def test_large_integers_are_noticed_and_others_not():
    selection = FeatureSelection.all((0.7,))
    recipe = Recipe(selection, random_forest(selection.count(1), 2, np.random.default_rng(0)), 2)
    image = np.zeros((1, 1, 1, 9, 9), np.uint32)
    whole = Box.whole(image.shape)
    assert not predict_tile(image, Tile(whole, whole), recipe, Scene(False))[1].rounded
    image[0, 0, 0, 3, 3] = 2**24 + 1
    assert predict_tile(image, Tile(whole, whole), recipe, Scene(False))[1].rounded


def test_an_image_with_other_channels_is_refused_with_both_numbers():
    selection = FeatureSelection.all((0.7, 1.0))
    recipe = Recipe(selection, random_forest(selection.count(3), 2, np.random.default_rng(0)), 2)
    recipe.check(3, volume=False)
    with pytest.raises(MismatchError, match=r"cells.tif: the image has 1 channel, .* trained on 3"):
        recipe.check(1, volume=False, where="cells.tif")
    with pytest.raises(MismatchError, match="volume gives"):
        recipe.check(3, volume=True)


def test_the_key_of_a_recipe_changes_with_everything_it_depends_on():
    rng = np.random.default_rng(0)
    selection = FeatureSelection.all((0.7, 1.0))
    forest = random_forest(selection.count(1), 2, rng)
    base = Recipe(selection, forest, 2)
    others = [
        Recipe(FeatureSelection.all((0.7, 1.1)), forest, 2),
        Recipe(selection, random_forest(selection.count(1), 2, rng), 2),
        Recipe(selection, forest, 3),
        Recipe(selection, forest, 2, channels=(0,)),
        Recipe(selection, forest, 2, level=1),
    ]
    assert len({r.key for r in [base, *others]}) == 6
    assert Recipe(selection, forest, 2).key == base.key


def test_an_image_that_lacks_a_chosen_channel_is_told_which():
    selection = FeatureSelection.all((1.0,))
    forest = random_forest(selection.count(2), 2, np.random.default_rng(0))
    with pytest.raises(MismatchError, match=r"has 1 channel, the project uses channel 2 "):
        Recipe(selection, forest, 2, channels=(2, 0)).check(1, False)


@pytest.mark.parametrize("volume", [False, True])
@pytest.mark.parametrize("step", [(1, 2, 2), (1, 8, 8), (1, 1, 4), (3, 5, 1)])
def test_every_second_or_eighth_pixel_has_the_value_that_it_has_among_all(volume, step):
    rng = np.random.default_rng(0)
    shape = (2, 2, 9, 50, 60) if volume else (1, 2, 1, 90, 110)
    image = rng.normal(100, 30, shape).astype(np.float32)
    image[0, 1, 0, 41, 30] = np.nan
    selection = FeatureSelection.all((0.7, 1.6))
    recipe = Recipe(selection, random_forest(selection.count(2, volume), 3, rng), 3)
    _, _, z, y, x = shape
    box = Box((0, 0, 0, 7, 5), (shape[0], 2, z, y - 3, x))
    tile = Tile(box, box.grown(selection.halo(volume)).clipped(shape))
    block = image[tile.read.slices]
    whole, _ = predict_tile(block, tile, recipe, Scene(volume))
    some, report = predict_tile(block, tile, recipe, Scene(volume), step)
    a, b, c = step
    assert np.array_equal(some, whole[:, :, ::a, ::b, ::c])
    assert report.not_finite == 1 and (whole == 0).all(axis=1).any()
