"""A feature's bytes do not depend on the tile it is computed in, on the step, or on the thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.features.catalog import VIGRA_STRUCTURE
from underbrush.core.features.compute import compute_features
from underbrush.core.features.kernels_vector import LANES
from underbrush.core.features.selection import FeatureSelection, FeatureTerm
from underbrush.core.geometry import Box, TileGrid

ALL = (slice(None),) * 3
FLAT = FeatureSelection.all()
DEEP = FeatureSelection.all((0.3, 0.7, 1.0, 2.0))


def terms_of(selection, volume):
    """Its terms, and its structure tensors in the order of old projects as well."""
    terms = selection.terms(volume)
    tensors = [t for t in terms if t.filter_id == "StructureTensorEigenvalues"]
    return (*terms, *(FeatureTerm(VIGRA_STRUCTURE, t.scale, t.in_2d) for t in tensors))


def make(shape, selection, seed=0):
    """An image, its terms, and its features as a whole."""
    image = (np.random.default_rng(seed).random(shape) * 300).astype(np.float32)
    terms = terms_of(selection, shape[1] > 1)
    return image, terms, compute_features(image, terms, ALL)


@pytest.fixture(scope="module")
def plane():
    return make((1, 1, 140, 150), FLAT)


@pytest.fixture(scope="module")
def volume():
    return make((1, 40, 41, 80), DEEP)


def tile_of(image, selection, terms, start, stop, step=(1, 1, 1)):
    """Features of ``image[start:stop]`` from a block with no more than the halo that is stated."""
    halo = selection.halo(image.shape[1] > 1)
    around = (halo.z, halo.y, halo.x)
    lo = [max(0, a - h) for a, h in zip(start, around, strict=True)]
    hi = [min(n, b + h) for n, b, h in zip(image.shape[1:], stop, around, strict=True)]
    block = image[(slice(None), *(slice(a, b) for a, b in zip(lo, hi, strict=True)))]
    valid = tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, lo, strict=True))
    return compute_features(block.copy(), terms, valid, step)


def assert_same_bytes(got, want):
    different = got.view(np.uint32) != want.view(np.uint32)
    assert got.shape == want.shape and not different.any(), f"{different.sum()} of {got.size} values differ"


def cuts(n):
    return st.tuples(st.integers(0, n - 1), st.integers(1, n)).map(lambda p: (p[0], min(n, p[0] + p[1])))


steps = st.sampled_from([1, 1, 2, 4, 8, 16])


@settings(max_examples=50, deadline=None)
@given(y=cuts(140), x=cuts(150), step_y=steps, step_x=steps)
def test_any_tile_of_a_plane_equals_the_whole(plane, y, x, step_y, step_x):
    image, terms, whole = plane
    got = tile_of(image, FLAT, terms, (0, y[0], x[0]), (1, y[1], x[1]), (1, step_y, step_x))
    assert_same_bytes(got, whole[:, :, y[0] : y[1] : step_y, x[0] : x[1] : step_x])


@settings(max_examples=30, deadline=None)
@given(z=cuts(40), y=cuts(41), x=cuts(80), step=st.tuples(steps, steps, steps))
def test_any_tile_of_a_volume_equals_the_whole(volume, z, y, x, step):
    image, terms, whole = volume
    got = tile_of(image, DEEP, terms, (z[0], y[0], x[0]), (z[1], y[1], x[1]), step)
    want = whole[:, z[0] : z[1] : step[0], y[0] : y[1] : step[1], x[0] : x[1] : step[2]]
    assert_same_bytes(got, want)


@pytest.mark.parametrize("offset", [0, 1, 3, 51])
def test_tiles_of_every_width_up_to_two_vectors(plane, volume, offset):
    for width in range(1, 2 * LANES + 2):
        image, terms, whole = plane
        got = tile_of(image, FLAT, terms, (0, 5, offset), (1, 8, offset + width))
        assert_same_bytes(got, whole[:, :, 5:8, offset : offset + width])
    for width in range(1, min(2 * LANES + 2, 80 - offset), 4):
        image, terms, whole = volume
        got = tile_of(image, DEEP, terms, (3, 5, offset), (4, 7, offset + width))
        assert_same_bytes(got, whole[:, 3:4, 5:7, offset : offset + width])


def test_more_halo_than_needed_changes_nothing(plane):
    image, terms, whole = plane
    at = 0
    for term in terms:
        got = compute_features(image, [term], (slice(0, 1), slice(60, 90), slice(61, 99)))
        assert_same_bytes(got, whole[at : at + len(got), :, 60:90, 61:99])
        at += len(got)


@pytest.mark.parametrize("threads", [1, 4])
def test_tiles_on_threads_equal_the_whole(plane, threads):
    image, terms, whole = plane
    shape = (1, *image.shape)
    tiles = list(TileGrid(Box.whole(shape), (1, 1, 1, 37, 45), FLAT.halo(False), shape))
    got = np.full_like(whole, np.nan)

    def work(tile):
        values = compute_features(
            image[tile.read.slices[1:]], terms, tile.valid.relative_to(tile.read).slices[2:]
        )
        got[(slice(None), *tile.valid.slices[2:])] = values

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, tiles * 2))
    assert_same_bytes(got, whole)


def test_a_computation_between_others_is_not_disturbed_by_what_they_left_in_the_buffers(plane, volume):
    image, terms, whole = plane
    deep, deep_terms, deep_whole = volume
    poison = np.full((1, 20, 60, 60), np.nan, np.float32)
    for _ in range(2):
        compute_features(poison, deep_terms, ALL)
        assert_same_bytes(tile_of(image, FLAT, terms, (0, 9, 60), (1, 30, 107)), whole[:, :, 9:30, 60:107])
        compute_features(poison, terms_of(FLAT, True), (slice(0, 1), slice(20, 40), slice(20, 40)))
        got = tile_of(deep, DEEP, deep_terms, (3, 4, 5), (9, 23, 39))
        assert_same_bytes(got, deep_whole[:, 3:9, 4:23, 5:39])
