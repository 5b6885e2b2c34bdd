"""The kernels of prediction give the bytes of the plain twin, for every forest and every image size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.packing import MAX_EDGES, compile_forest, float32_edges
from underbrush.core.forest.predict import bin_block, predict_binned, predict_block, predict_rows
from underbrush.core.forest.reference import predict_reference
from underbrush.errors import ProjectError

fixed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _assert_same_bytes(forest: Forest, x: np.ndarray) -> None:
    packed = compile_forest(forest)
    out = np.full((forest.n_classes, *x.shape[1:]), np.nan, np.float32)
    predict_block(packed, x, out)
    rows = np.ascontiguousarray(x.reshape(len(x), -1).T)
    expected = predict_reference(forest, rows).T.reshape(out.shape)
    assert out.tobytes() == np.ascontiguousarray(expected).tobytes()
    again = np.full_like(out, np.nan)
    bins, finite = bin_block(packed, x)
    predict_binned(packed, bins, finite, again)
    assert again.tobytes() == out.tobytes()


@fixed
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 130),
    n_classes=st.integers(1, 6),
    impure=st.sampled_from([0.0, 0.002, 0.5, 1.0]),
    levels=st.sampled_from([0, 1, 7]),
    seed=st.integers(0, 10**6),
)
def test_kernel_equals_twin(forest_of, values_for, height, width, n_classes, impure, levels, seed):
    forest = forest_of(n_classes=n_classes, impure=impure, levels=levels, seed=seed)
    _assert_same_bytes(forest, values_for(forest, height, width, seed))


@pytest.mark.parametrize("width", [*range(1, 18), 63, 64, 65, 127, 128, 129, 130])
def test_every_width(forest_of, values_for, width):
    forest = forest_of(impure=0.1, seed=width)
    _assert_same_bytes(forest, values_for(forest, 9, width))


@pytest.mark.parametrize("height", [1, 2, 3, 7, 8, 9, 16, 17, 64, 200])
def test_columns_of_one_pixel(forest_of, values_for, height):
    forest = forest_of(seed=height)
    _assert_same_bytes(forest, values_for(forest, height, 1))


@pytest.mark.parametrize(
    "shape",
    [
        {"n_trees": 1},
        {"n_trees": 252},
        {"n_trees": 253, "depth": 2},
        {"n_trees": 1000, "depth": 2, "impure": 0.0005},
        {"n_trees": 3, "depth": 12, "n_features": 2},
        {"n_classes": 99, "n_trees": 40},
        {"n_classes": 255, "n_trees": 20, "impure": 0.02},
        {"n_features": 700, "n_trees": 30, "depth": 8},
        {"depth": 0, "n_trees": 5},
        {"depth": 0, "n_trees": 5, "impure": 1.0},
        {"n_trees": 100, "depth": 8, "n_features": 2},
    ],
    ids=lambda s: " ".join(f"{k}={v}" for k, v in s.items()),
)
def test_large_forests(forest_of, values_for, shape):
    forest = forest_of(**shape)
    _assert_same_bytes(forest, values_for(forest, 11, 70))


def test_a_few_impure_leaves_take_the_way_of_single_pixels(forest_of, values_for):
    """Both ways to sum are really taken: most pixels by counting, some in the order of trees."""
    forest = forest_of(n_trees=30, depth=9, impure=0.002, seed=3)
    packed = compile_forest(forest)
    assert not packed.in_order
    assert len(packed.share) > packed.n_classes
    _assert_same_bytes(forest, values_for(forest, 30, 40))
    assert compile_forest(forest_of(impure=0.5)).in_order


@pytest.mark.parametrize("row", [0, 1], ids=["impure", "certain"])
def test_counts_do_not_overflow_where_all_trees_agree(row):
    """512 bare leaves that all arrive at one row of votes: a count of 8 bits would be 0 again."""
    votes = np.eye(3)[np.full(300, 1)]
    votes[0] = [0.25, 0.5, 0.25]
    own = np.full(512, row, np.int32)
    forest = Forest(
        np.arange(512, dtype=np.int32), np.full(512, LEAF, np.int32), np.zeros(512), own, own, votes,
        np.ones(300), np.array([1, 2, 3], np.uint32), 1,
    )  # fmt: skip
    assert not compile_forest(forest).in_order
    _assert_same_bytes(forest, np.zeros((1, 3, 70), np.float32))


def test_deep_chain_of_one_branch():
    """A tree of 3,000 levels: nothing may recurse, and every pixel leaves at its own level."""
    n = 3000
    threshold = np.concatenate([np.arange(1, n + 1, dtype=np.float64), np.zeros(n + 1)])
    feature = np.concatenate([np.zeros(n, np.int32), np.full(n + 1, LEAF, np.int32)])
    left = np.concatenate([n + np.arange(n), np.arange(n + 1)]).astype(np.int32)
    right = np.concatenate([np.arange(1, n), [2 * n], np.arange(n + 1)]).astype(np.int32)
    votes = np.eye(3)[np.arange(n + 1) % 3]
    forest = Forest(
        np.zeros(1, np.int32), feature, threshold, left, right, votes, np.ones(n + 1),
        np.array([1, 2, 5], np.uint32), 1,
    )  # fmt: skip
    x = np.arange(3072, dtype=np.float32).reshape(1, 48, 64)
    _assert_same_bytes(forest, x)


def test_more_thresholds_than_16_bits_are_spread_over_columns():
    """70,000 stumps' worth of thresholds on one feature, as a balanced tree."""
    n = 1 << 17
    feature = np.concatenate([np.zeros(n - 1, np.int32), np.full(n, LEAF, np.int32)])
    node = np.arange(n - 1)
    depth = np.floor(np.log2(node + 1)).astype(int)
    width = n >> depth
    threshold = (node + 1 - (1 << depth)) * width + width // 2
    left = np.concatenate([2 * node + 1, np.arange(n)]).astype(np.int32)
    right = np.concatenate([2 * node + 2, np.arange(n)]).astype(np.int32)
    forest = Forest(
        np.zeros(1, np.int32), feature, np.append(threshold, np.zeros(n)).astype(np.float64), left, right,
        np.eye(5)[np.arange(n) % 5], np.ones(n), np.arange(1, 6, dtype=np.uint32), 1,
    )  # fmt: skip
    packed = compile_forest(forest)
    assert packed.source.tolist() == [0] * -(-(n - 1) // MAX_EDGES)
    x = np.random.default_rng(0).integers(-5, n + 5, (1, 40, 50)).astype(np.float32)
    _assert_same_bytes(forest, x)


@fixed
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30))
def test_float32_edge_of_a_double_threshold_decides_alike(thresholds):
    values = np.array(thresholds)
    edges = float32_edges(values)
    with np.errstate(over="ignore", under="ignore"):
        near = values.astype(np.float32)
        x = np.concatenate(
            [near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))]
        )
    x = x[np.isfinite(x)]
    assert ((x[:, None] < edges) == (x[:, None].astype(np.float64) < values)).all()


def test_views_read_only_and_strided_blocks_give_the_same(forest_of, values_for):
    forest = forest_of(n_features=4)
    packed = compile_forest(forest)
    big = values_for(forest, 40, 90)
    inner = big[:, 3:30, 5:77]
    expected = np.empty((2, 27, 72), np.float32)
    predict_block(packed, np.ascontiguousarray(inner), expected)
    target = np.zeros((2, 50, 100), np.float32)
    predict_block(packed, inner, target[:, 10:37, 20:92])
    assert (target[:, 10:37, 20:92] == expected).all()
    target[:, 10:37, 20:92] = 0
    assert not target.any(), "nothing is written outside the block"
    still = inner.copy()
    still.flags.writeable = False
    turned = np.asfortranarray(inner)
    for features in (still, turned, np.ascontiguousarray(inner[:, ::-1])[:, ::-1]):
        out = np.empty((27, 72, 2), np.float32).transpose(2, 0, 1)
        predict_block(packed, features, out)
        assert (out == expected).all()


def test_rows_of_samples(forest_of, values_for):
    forest = forest_of(n_features=4, n_classes=3, impure=0.2)
    x = np.ascontiguousarray(values_for(forest, 1, 1001)[:, 0].T)
    assert predict_rows(compile_forest(forest), x).tobytes() == predict_reference(forest, x).tobytes()
    assert predict_rows(compile_forest(forest), x[:0]).shape == (0, 3)


def test_packed_forests_are_equal_by_digest(forest_of):
    a, b, c = (compile_forest(forest_of(seed=s)) for s in (0, 0, 1))
    assert a == b
    assert hash(a) == hash(b)
    assert a != c


@pytest.mark.parametrize(
    ("field", "index", "value", "what"),
    [
        ("left", 0, 10**6, "nowhere"),
        ("right", 0, -1, "nowhere"),
        ("right", 0, 0, "back"),
        ("roots", 0, 10**6, "root"),
        ("feature", 0, 99, "feature"),
        ("feature", 0, -2, "feature"),
        ("threshold", 0, np.nan, "threshold"),
        ("votes", (0, 0), np.nan, "vote"),
        ("votes", (0, 0), -0.5, "vote"),
        ("classes", 0, 9, "order"),
    ],
)
def test_damaged_forests_are_refused(forest_of, field, index, value, what):
    forest = forest_of(seed=2, depth=4)
    assert forest.feature[0] != LEAF
    array = getattr(forest, field).copy()
    array[index] = value
    with pytest.raises(ProjectError, match=what):
        compile_forest(dataclasses.replace(forest, **{field: array}))


def test_a_leaf_without_votes_and_a_forest_without_trees_are_refused(forest_of):
    forest = forest_of(seed=2)
    with pytest.raises(ProjectError, match="leaf"):
        compile_forest(dataclasses.replace(forest, votes=forest.votes[:-1]))
    with pytest.raises(ProjectError, match="no tree"):
        compile_forest(dataclasses.replace(forest, roots=forest.roots[:0]))


def test_blocks_that_do_not_fit_are_refused(forest_of):
    packed = compile_forest(forest_of(n_features=3))
    out = np.empty((2, 4, 5), np.float32)
    for features in (np.zeros((2, 4, 5), np.float32), np.zeros((3, 4, 5)), np.zeros((3, 20), np.float32)):
        with pytest.raises(ValueError, match="features"):
            predict_block(packed, features, out)
    with pytest.raises(ValueError, match="out"):
        predict_block(packed, np.zeros((3, 4, 6), np.float32), out)
