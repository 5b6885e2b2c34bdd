"""The kernels give the numbers of their numpy twin, whatever the block looks like.

Kernels calculate in float32, the twin in float64. The difference is rounding: at most TOLERANCE times the
largest pixel (less the offset), for the structure tensor times its square.
"""

import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.features import catalog, compute, kernels_flat, kernels_volume
from underbrush.core.features.catalog import BY_ID, VIGRA_STRUCTURE
from underbrush.core.features.compute import compute_features, scratch_bytes
from underbrush.core.features.reference import features_reference
from underbrush.core.features.selection import FeatureSelection, FeatureTerm

TOLERANCE = 2e-6
ALL = (slice(None),) * 3
DTYPES = ["u1", "i1", ">u2", "<i2", "<u4", ">i4", "<f4", ">f8", "<u8", "f2", "?"]


def tolerances(block, terms, offset=0.0):
    """The allowed difference of each feature, (n_features,)."""
    largest = max(float(np.abs(block.astype(np.float64) - offset).max()), 1e-6)
    found = []
    for t in terms:
        n = block.shape[0] * BY_ID[t.filter_id].channels(2 if t.in_2d else 3)
        found += [largest ** (2 if t.filter_id.startswith("Structure") else 1)] * n
    return TOLERANCE * np.array(found)[:, None, None, None]


def assert_equals_twin(block, terms, valid=ALL):
    got, want = compute_features(block, terms, valid), features_reference(block, terms, valid)
    assert got.shape == want.shape and got.dtype == np.float32
    excess = np.abs(got.astype(np.float64) - want) - tolerances(block, terms)
    assert excess.max() <= 0, f"feature {excess.reshape(len(got), -1).max(1).argmax()} differs"


def random_block(rng, shape, dtype):
    if dtype == "?":
        return rng.random(shape) < 0.5
    if dtype[-2] == "f":
        return (rng.standard_normal(shape) * 100).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -1000), min(info.max, 60000), shape, endpoint=True).astype(dtype)


def strided(block, layout):
    if layout == "F":
        return np.asfortranarray(block)
    if layout == "reversed":
        return np.ascontiguousarray(block[..., ::-1])[..., ::-1]
    if layout == "skipping":
        wide = np.repeat(block, 2, axis=-1)
        return wide[..., ::2]
    return block


filters = st.sampled_from(list(BY_ID))
terms_2d = st.builds(FeatureTerm, filters, st.floats(0.2, 9), st.just(True))
terms_any = st.builds(FeatureTerm, filters, st.floats(0.2, 4), st.booleans())


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 40), st.integers(1, 40)),
    terms=st.lists(terms_2d, min_size=1, max_size=4),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(["C", "F", "reversed", "skipping"]),
    seed=st.integers(0, 1000),
)
def test_flat_features_of_any_block_equal_the_twin(shape, terms, dtype, layout, seed):
    block = strided(random_block(np.random.default_rng(seed), shape, dtype), layout)
    block.flags.writeable = False
    assert_equals_twin(block, terms)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 14), st.integers(1, 20), st.integers(1, 36)),
    terms=st.lists(terms_any, min_size=1, max_size=4),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(["C", "F"]),
    seed=st.integers(0, 1000),
)
def test_volume_features_of_any_block_equal_the_twin(shape, terms, dtype, layout, seed):
    assert_equals_twin(strided(random_block(np.random.default_rng(seed), shape, dtype), layout), terms)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2), (3, 17), (40, 33)])
def test_all_flat_features_at_all_scales_even_of_tiny_images(shape, old):
    block = np.random.default_rng(1).integers(0, 256, (1, 1, *shape)).astype(np.uint8)
    assert_equals_twin(block, replace(FeatureSelection.all(), vigra_structure=old).terms(False))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 30), (1, 9, 9), (20, 21, 35)])
def test_all_volume_features_at_all_scales_even_of_tiny_volumes(shape, old):
    block = np.random.default_rng(2).integers(0, 256, (1, *shape)).astype(np.uint8)
    assert_equals_twin(block, replace(FeatureSelection.all(), vigra_structure=old).terms(True))


@pytest.mark.parametrize("in_2d", [True, False])
def test_both_orders_of_the_structure_tensor_at_one_scale_are_two_features(in_2d):
    block = np.random.default_rng(9).integers(0, 256, (2, 9, 30, 40)).astype(np.uint8)
    kinds = [VIGRA_STRUCTURE, "StructureTensorEigenvalues", "LaplacianOfGaussian", VIGRA_STRUCTURE]
    terms = [FeatureTerm(k, 1.6, in_2d) for k in kinds]
    assert_equals_twin(block, terms)
    got, n = compute_features(block, terms, ALL), 4 if in_2d else 6
    np.testing.assert_array_equal(got[:n], got[-n:])
    assert np.abs(got[:n] - got[n : 2 * n]).max() > 100 * TOLERANCE * 255**2


@pytest.mark.parametrize("kind", [VIGRA_STRUCTURE, "StructureTensorEigenvalues"])
def test_no_order_of_the_structure_tensor_sees_beyond_its_reach(kind):
    """Derivative and smoothing share the taps of their kernels; a 0 among them must not touch a NaN."""
    for in_2d, shape in ((True, (1, 1, 41, 60)), (False, (1, 17, 18, 60))):
        block = np.random.default_rng(10).random(shape).astype(np.float32)
        bad = block.copy()
        z, y, x = (n // 2 for n in shape[1:])
        bad[0, z, y, x] = np.nan
        term = FeatureTerm(kind, 1.0, in_2d)
        good, spoiled = (compute_features(b, [term], ALL) for b in (block, bad))
        far = np.ones(shape[1:], bool)
        r = catalog.reach(kind, 1.0)
        far[z if in_2d else slice(z - r, z + r + 1), y - r : y + r + 1, x - r : x + r + 1] = False
        np.testing.assert_array_equal(good[:, far], spoiled[:, far])
        assert np.isnan(spoiled[:, z, y, x + r]).any() and np.isnan(spoiled[:, z, y - r, x]).any()


@pytest.mark.parametrize(
    "name", ["nuclei_fluo_520x696/*_ecb36c90.tif", "cytology_brightfield_1024/*_76a372bf.tif"]
)
def test_8_bit_images_agree_within_a_small_part_of_each_features_range(data, name):
    block = tifffile.imread(next((data / "images").glob(name)))[None, None, :300, :300]
    terms = FeatureSelection.all().terms(False)
    want = features_reference(block, terms, ALL)
    span = np.ptp(want, axis=(1, 2, 3))
    small = np.array([float(n.split("σ=")[1].split(")")[0]) <= 3.5 for n in FeatureSelection.all().names()])
    for offset, fine, coarse in ((0.0, 1e-5, 1.5e-4), (float(np.median(block)), 5e-6, 5e-5)):
        part = np.abs(compute_features(block, terms, ALL, offset=offset) - want).max((1, 2, 3)) / span
        assert part[small].max() < fine
        assert part.max() < coarse


def test_a_large_background_loses_digits_unless_it_is_taken_off():
    rng = np.random.default_rng(3)
    block = (33000 + rng.integers(0, 200, (1, 1, 60, 70))).astype(np.uint16)
    terms = FeatureSelection.all().terms(False)
    want = features_reference(block, terms, ALL)
    linear = [k for k, n in enumerate(FeatureSelection.all().names()) if not n.startswith(("Gau", "Struc"))]
    errors = [
        np.abs(compute_features(block, terms, ALL, offset=o) - want)[linear].max() for o in (0.0, 33000.0)
    ]
    assert errors[0] < TOLERANCE * 33200
    assert errors[1] < TOLERANCE * 200


def test_mixed_2d_and_3d_scales_keep_the_order_of_the_terms():
    selection = FeatureSelection.all((0.7, 1.6), in_2d=(True, False))
    block = np.random.default_rng(4).integers(0, 99, (2, 9, 18, 20)).astype(np.uint8)
    terms = selection.terms(True)
    whole = compute_features(block, terms, ALL)
    assert len(whole) == selection.count(2, True)
    at = 0
    for term in terms:
        alone = compute_features(block, [term], ALL)
        np.testing.assert_array_equal(whole[at : at + len(alone)], alone)
        at += len(alone)


def test_a_term_that_is_asked_twice_is_given_twice():
    block = np.random.default_rng(5).random((1, 1, 20, 20))
    term = FeatureTerm("HessianOfGaussianEigenvalues", 1.6, True)
    got = compute_features(block, [term, term], ALL)
    np.testing.assert_array_equal(got[:2], got[2:])
    assert got.std() > 0


def test_pixels_that_are_not_finite_spoil_their_reach_and_nothing_else():
    selection = FeatureSelection.all((0.7, 1.6))
    for volume, shape in ((False, (1, 1, 60, 80)), (True, (1, 30, 31, 60))):
        block = np.random.default_rng(6).random(shape).astype(np.float32)
        bad = block.copy()
        bad[0, 0, 8, 9], bad[0, 0, 9, 9] = np.nan, np.inf
        terms, reach = selection.terms(volume), selection.halo(volume).x
        good, spoiled = compute_features(block, terms, ALL), compute_features(bad, terms, ALL)
        np.testing.assert_array_equal(good[:, :, :, 10 + reach :], spoiled[:, :, :, 10 + reach :])
        assert not np.isfinite(spoiled[:, 0, 8, 9]).any()


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("power", [-45, 45])
def test_units_of_the_pixels_do_not_matter(power, old):
    """A power of two times the image is exactly that times the features, or its square for the tensor."""
    for volume, shape in ((False, (1, 1, 30, 40)), (True, (1, 9, 20, 30))):
        block = np.random.default_rng(8).random(shape).astype(np.float32)
        selection = replace(FeatureSelection.all((0.7, 1.6)), vigra_structure=old)
        terms = selection.terms(volume)
        want, got = (compute_features(b, terms, ALL) for b in (block, block * np.float32(2.0**power)))
        factor = np.array([2.0**power] * len(want))
        factor[[n.startswith("Structure") for n in selection.names(1, volume)]] **= 2
        np.testing.assert_array_equal(got, want * factor.astype(np.float32)[:, None, None, None])


def test_huge_values_do_not_crash_and_do_not_warn():
    block = np.full((1, 1, 20, 20), 1e300)
    block[0, 0, ::2] = -1e300
    assert compute_features(block, FeatureSelection.all().terms(False), ALL).shape == (49, 1, 20, 20)


def test_an_empty_valid_part_gives_an_empty_result():
    got = compute_features(
        np.zeros((1, 1, 9, 9)), FeatureSelection.all().terms(False), (slice(0, 1),) * 2 + (slice(4, 4),)
    )
    assert got.shape == (49, 1, 1, 0)


@pytest.mark.parametrize(
    "out",
    [np.empty((49, 1, 9, 8), "f4"), np.empty((49, 1, 9, 9), "f8"), np.empty((49, 1, 9, 18), "f4")[..., ::2]],
)
def test_a_result_that_does_not_fit_is_refused(out):
    with pytest.raises(ValueError, match="out must be"):
        compute_features(np.zeros((1, 1, 9, 9)), FeatureSelection.all().terms(False), ALL, out=out)


def test_the_result_is_written_where_asked():
    block = np.random.default_rng(7).random((1, 1, 30, 30))
    terms = FeatureSelection.all().terms(False)
    out = np.full((49, 1, 30, 30), np.nan, np.float32)
    assert compute_features(block, terms, ALL, out=out) is out
    np.testing.assert_array_equal(out, compute_features(block, terms, ALL))


def test_no_kernel_is_compiled_twice_for_another_type_or_shape():
    for dtype in ("u1", ">f8"):
        for volume in (False, True):
            shape = (1, 3, 5, 40) if volume else (2, 1, 5, 40)
            terms = FeatureSelection.all((0.7, 3.5)).terms(volume)
            compute_features(np.zeros(shape, dtype), terms, ALL, step=(1, 1, 2))
    assert len(kernels_flat.flat_scale.signatures) == len(kernels_volume.volume_scale.signatures) == 1


@pytest.mark.parametrize("volume", [False, True])
def test_scratch_memory_is_what_was_announced(volume):
    size = (20, 30, 40) if volume else (1, 64, 70)
    terms = FeatureSelection.all().terms(volume)
    reach = FeatureSelection.all().halo(volume)
    shape = [n + 2 * h for n, h in zip(size, (reach.z, reach.y, reach.x), strict=True)]
    valid = tuple(slice(h, h + n) for n, h in zip(size, (reach.z, reach.y, reach.x), strict=True))
    used = []

    def work():
        compute_features(np.zeros((1, *shape), np.uint8), terms, valid)
        used.append(sum(b.nbytes for b in compute._LENDER.buffers.values()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    announced = scratch_bytes(size, terms)
    assert 0.9 * announced < used[0] <= announced
