"""A bin is the number of edges <= the value, whatever the edges and whatever the table guessed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.forest.quantise_kernels import fill_cells
from underbrush.core.forest.quantizer import (
    Quantizer,
    cells_reference,
    midpoints,
    place_edges,
    quantise,
    quantise_reference,
)

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def _distinct(values: list[float]) -> np.ndarray:
    return np.unique(np.array(values, np.float32) + np.float32(0))


def _around(edges: np.ndarray) -> np.ndarray:
    """Each edge, its two neighbours among floats, and the ends of the range."""
    inside = edges[np.isfinite(edges)]
    ends = np.array([0, -0.0, 1, -1, 3.4e38, -3.4e38, 1e-45, -1e-45], np.float32)
    with np.errstate(over="ignore", under="ignore"):
        below, above = np.nextafter(inside, np.float32(-np.inf)), np.nextafter(inside, np.float32(np.inf))
    x = np.concatenate([inside, below, above, ends])
    return x[np.isfinite(x)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(finite, max_size=40), min_size=1, max_size=4))
def test_kernel_equals_search_next_to_every_edge(columns):
    quantizer = Quantizer.from_columns([_distinct(c) for c in columns])
    x = np.concatenate([_around(quantizer.column(c)) for c in range(quantizer.n_columns)])
    block = np.ascontiguousarray(np.broadcast_to(x, (quantizer.n_columns, len(x))))
    got = quantise(quantizer, block)
    assert got.dtype == np.uint8
    assert got.tobytes() == quantise_reference(quantizer, block).tobytes()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 254, 255, 256, 700, 65535])
@pytest.mark.parametrize("shape", ["even", "heavy tail", "two heaps", "offset", "huge", "tiny"])
def test_kernel_equals_search_for_all_shapes_of_distribution(count, shape):
    r = np.random.default_rng(count)
    u = r.normal(size=2 * count)
    values = {
        "even": r.random(2 * count),
        "heavy tail": np.exp(6 * u),
        "two heaps": np.where(u > 0, 1e6 + u, 1e-6 * u),
        "offset": 33000 + 50 * u,
        "huge": 1e38 * u,
        "tiny": 1e-42 * u,
    }[shape]
    edges = _distinct([float(v) for v in np.clip(values, -3.4e38, 3.4e38)])[:count]
    quantizer = Quantizer.from_columns([edges])
    assert quantizer.dtype == (np.uint8 if len(edges) <= 255 else np.uint16)
    x = _around(edges)[None]
    assert quantise(quantizer, x).tobytes() == quantise_reference(quantizer, x).tobytes()


def test_infinite_edges_are_never_or_always_passed():
    quantizer = Quantizer.from_columns([np.array([-np.inf, 0, np.inf], np.float32)])
    x = np.array([[-3.4e38, -1, 0, 3.4e38]], np.float32)
    assert quantise(quantizer, x).tolist() == [[1, 1, 2, 2]]


def test_cells_of_kernel_and_twin_agree_and_never_decrease():
    x = np.sort(np.random.default_rng(0).standard_cauchy(20000).astype(np.float32))
    for centre, scale in ((0.0, 1.0), (3.0, 1e-3), (-1.0, 3e38), (0.1, 1.2e-38)):
        cells = np.empty(len(x), np.uint32)
        fill_cells(x, np.float32(centre), np.float32(scale), 1024, cells)
        assert (np.diff(cells.astype(int)) >= 0).all()
        assert cells.tolist() == cells_reference(x, np.float32(centre), np.float32(scale), 1024).tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(finite, st.integers(1, 3)), min_size=1, max_size=60), st.integers(1, 20))
def test_training_edges_lie_between_values_that_occur(rows, max_edges):
    x, labels = np.array([v for v, _ in rows], np.float32), np.array([k for _, k in rows], np.uint8)
    edges = place_edges(x, labels, max_edges)
    distinct = np.unique(x)
    assert len(edges) == min(max_edges, len(distinct) - 1)
    assert (np.diff(edges) > 0).all()
    for e in edges:
        k = int(np.searchsorted(distinct, e, side="left"))
        assert distinct[k - 1] < e <= distinct[k], "an edge separates two neighbouring values"
    other = np.random.default_rng(0).permutation(len(x))
    assert place_edges(x[other], labels[other], max_edges).tobytes() == edges.tobytes()


def test_sharp_borders_of_classes_are_kept_exactly():
    """Nine borders among 20,000 rows: an edge stands at each, however few rows a bin has."""
    x = np.random.default_rng(3).normal(size=20000).astype(np.float32)
    ordered = np.sort(x)
    borders = np.array([1, 7, 500, 501, 5000, 9999, 12345, 19000, 19999])
    labels = (1 + (np.searchsorted(borders, np.searchsorted(ordered, x), side="right"))).astype(np.uint8)
    edges = place_edges(x, labels)
    assert np.isin(midpoints(ordered[borders - 1], ordered[borders]), edges).all()


def test_values_of_several_classes_have_borders_on_both_sides():
    """Every second value is mixed, so that all positions are borders and edges are even."""
    x = np.repeat(np.arange(2000, dtype=np.float32), 2)
    labels = np.tile(np.array([1, 1, 1, 2], np.uint8), 1000)
    counts = np.bincount(np.searchsorted(place_edges(x, labels), x, side="right"), minlength=256)
    assert counts.min() >= 14
    assert counts.max() <= 18


def test_midpoint_of_neighbouring_floats_is_the_upper_one():
    low = np.array([1, np.float32(1e-45), -1], np.float32)
    high = np.nextafter(low, np.float32(np.inf))
    assert midpoints(low, high).tolist() == high.tolist()
    assert midpoints(np.float32([1]), np.float32([2])).tolist() == [1.5]


def test_a_value_of_many_rows_leaves_bins_for_the_others():
    """Half of all rows are 0; the other half still gets nearly all edges."""
    x = np.concatenate([np.zeros(5000), np.random.default_rng(1).random(5000) + 1]).astype(np.float32)
    edges = place_edges(x, np.ones(10000, np.uint8))
    assert len(edges) == 255
    counts = np.bincount(np.searchsorted(edges, x, side="right"))
    assert counts[0] == 5000
    assert counts[1:].max() <= 25


def test_bins_of_distinct_rows_are_even():
    x = np.random.default_rng(2).permutation(10000).astype(np.float32)
    counts = np.bincount(
        np.searchsorted(place_edges(x, np.ones(10000, np.uint8)), x, side="right"), minlength=256
    )
    assert counts.min() >= 35
    assert counts.max() <= 45


@pytest.mark.parametrize(
    "edges", [[1, 1], [2, 1], [float("nan")], list(range(65536))], ids=["equal", "falling", "nan", "too many"]
)
def test_bad_edges_are_refused(edges):
    with pytest.raises(ValueError, match="column 0"):
        Quantizer.from_columns([np.array(edges, np.float32)])


def test_no_columns_and_no_rows():
    empty = Quantizer.from_columns([])
    assert quantise(empty, np.zeros((0, 5), np.float32)).shape == (0, 5)
    some = Quantizer.from_columns([np.zeros(1, np.float32)])
    assert quantise(some, np.zeros((1, 0), np.float32)).shape == (1, 0)
