"""The numpy twin of prediction, against forests worked out by hand and against vigra's order of sums."""

from __future__ import annotations

import numpy as np
import pytest

from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.reference import leaf_rows, predict_reference


def _stump(threshold: float = 0.5) -> Forest:
    """One split on column 1: left is class 3 for certain, right is two thirds class 7."""
    return Forest(
        roots=np.array([0], np.int32),
        feature=np.array([1, LEAF, LEAF], np.int32),
        threshold=np.array([threshold, 0, 0]),
        left=np.array([1, 0, 1], np.int32),
        right=np.array([2, 0, 1], np.int32),
        votes=np.array([[1.0, 0.0], [1 / 3, 2 / 3]]),
        weights=np.array([4.0, 3.0]),
        classes=np.array([3, 7], np.uint32),
        n_features=2,
    )


def test_a_value_equal_to_the_threshold_goes_right():
    x = np.array([[9, 0.5], [9, np.nextafter(np.float32(0.5), np.float32(0))]], np.float32)
    assert leaf_rows(_stump(), 0, x).tolist() == [1, 0]


def test_thresholds_are_compared_in_double():
    """0.1 in float32 lies above 0.1 in float64, so float32(0.1) is not less than it."""
    x = np.array([[0, 0.1]], np.float32)
    assert leaf_rows(_stump(0.1), 0, x).tolist() == [1]
    assert leaf_rows(_stump(float(np.float32(0.1)) + 1e-12), 0, x).tolist() == [0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 1])
def test_a_value_that_is_not_finite_gives_zeros_even_in_a_column_never_asked(bad, column):
    x = np.zeros((2, 2), np.float32)
    x[0, column] = bad
    assert predict_reference(_stump(), x).tolist() == [[0, 0], [1, 0]]


def test_fractions_are_added_as_float32_in_the_order_of_trees():
    fractions = np.array([[0.1, 0.9], [0.3, 0.7], [0.7, 0.3], [0.6, 0.4]])
    forest = Forest(
        roots=np.arange(4, dtype=np.int32),
        feature=np.full(4, LEAF, np.int32),
        threshold=np.zeros(4),
        left=np.array([2, 0, 3, 1], np.int32),
        right=np.array([2, 0, 3, 1], np.int32),
        votes=fractions,
        weights=np.ones(4),
        classes=np.array([1, 2], np.uint32),
        n_features=1,
    )
    total = np.zeros(2, np.float32)
    for row in (2, 0, 3, 1):
        total = total + fractions[row].astype(np.float32)
    got = predict_reference(forest, np.zeros((1, 1), np.float32))
    assert got.dtype == np.float32
    assert got.tobytes() == (total / np.float32(4)).tobytes()


@pytest.mark.parametrize("x", [np.zeros((3, 1), np.float32), np.zeros((3, 2)), np.zeros(2, np.float32)])
def test_samples_of_another_shape_or_type_are_refused(x):
    with pytest.raises(ValueError, match="float32"):
        predict_reference(_stump(), x)


def test_no_samples_give_no_rows():
    assert predict_reference(_stump(), np.zeros((0, 2), np.float32)).shape == (0, 2)
