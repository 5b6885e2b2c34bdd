"""Segmentation, uncertainty and rescaling follow ilastik's rules."""

from __future__ import annotations

import numpy as np
import pytest

from underbrush.core import results


def _p(*classes):
    return np.array(classes, np.float32).reshape(1, len(classes), 1, 1, -1)


def test_segmentation_takes_the_lower_class_of_a_tie_and_1_for_zeros():
    p = _p([0.2, 0.5, 0.0, 0.4], [0.8, 0.5, 0.0, 0.2], [0.0, 0.0, 0.0, 0.4])
    seg = results.segmentation(p)
    assert seg.dtype == np.uint8 and seg.shape == (1, 1, 1, 1, 4)
    assert seg.ravel().tolist() == [2, 1, 1, 1]


def test_uncertainty_is_one_minus_the_margin():
    p = _p([0.2, 0.5, 1.0], [0.7, 0.5, 0.0], [0.1, 0.0, 0.0])
    u = results.uncertainty(p)
    assert u.dtype == np.float32 and u.shape == (1, 1, 1, 1, 3)
    assert u.ravel().tolist() == pytest.approx([0.5, 1.0, 0.0])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 255])
def test_both_equal_a_plain_search_at_each_pixel(n):
    rng = np.random.default_rng(n)
    p = (rng.integers(0, 4, (2, n, 3, 5, 7)) / np.float32(3)).astype(np.float32)
    assert np.array_equal(results.segmentation(p)[:, 0], p.argmax(axis=1) + 1)
    top = np.sort(p, axis=1)
    margin = top[:, -1:] - top[:, -2:-1] if n > 1 else top
    assert np.array_equal(results.uncertainty(p), np.float32(1) - margin)


def test_uncertainty_of_one_class():
    assert results.uncertainty(_p([0.25])).ravel().tolist() == [0.75]


def test_rescaled_rounds_to_nearest_even_and_clips():
    v = np.array([0.0, 0.5, 1.0, 0.1, 2.0, -1.0], np.float32)
    out = results.rescaled(v, np.dtype(np.uint8), (0, 1), (0, 255))
    assert out.dtype == np.uint8
    assert out.tolist() == [0, 128, 255, 26, 255, 0]


def test_rescaled_float32_is_reckoned_in_float32_as_ilastik_does():
    out = results.rescaled(np.array([0.3, 0.9], np.float32), np.dtype(np.uint8), (0, 1), (0, 255))
    assert out.tolist() == [76, 230]


def test_nan_becomes_zero_in_integers():
    values = np.array([np.nan, 1, np.inf, -np.inf], np.float32)
    np.testing.assert_array_equal(
        results.rescaled(values, np.dtype(np.uint8), (0, 1), (0, 255)), np.array([0, 255, 255, 0], np.uint8)
    )
