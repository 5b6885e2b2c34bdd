"""Fill and lasso give the pixels that a plain rule names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core import filling
from underbrush.core.filling import fill_equal, fill_similar, lasso
from underbrush.core.runs import Runs
from underbrush.errors import CommandError

SHAPE = (2, 1, 9, 11, 13)
PLANES = {"xy": (3, 4, 2), "xz": (2, 4, 3), "zy": (3, 2, 4)}
"""Plane -> axes of rows, of columns and the hidden one in t c z y x."""


def reader(array):
    def read(box):
        assert all(0 <= a < b <= n for a, b, n in zip(box.start, box.stop, array.shape, strict=True))
        return array[box.slices]

    return read


def in_image(plane, mask, t, hidden):
    rows, columns, other = PLANES[plane]
    out = []
    for r, c in np.argwhere(mask):
        place = [t, 0, 0, 0, 0]
        place[rows], place[columns], place[other] = int(r), int(c), hidden
        out.append((place[0], *place[2:]))
    return sorted(out)


def even_odd(points, height, width):
    """One pixel at a time: how many edges lie to the left of its centre on its line."""
    mask = np.zeros((height, width), bool)
    for r in range(height):
        y, cuts = r + 0.5, []
        for a, b in zip(points, [*points[1:], points[0]], strict=True):
            if b[1] < a[1]:
                a, b = b, a  # noqa: PLW2901
            (x0, y0), (x1, y1) = a, b
            if y0 <= y < y1:
                cuts.append(x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        for c in range(width):
            mask[r, c] = sum(cut - 0.5 <= c for cut in cuts) % 2 == 1
    return mask


number = st.one_of(st.integers(-6, 36).map(lambda v: v / 2), st.floats(-5, 18, width=32))


@given(
    st.lists(st.tuples(number, number), min_size=1, max_size=9),
    st.sampled_from(sorted(PLANES)),
    st.integers(0, 1),
    st.integers(0, 8),
)
@settings(deadline=None)
def test_a_lasso_holds_the_pixels_whose_centres_it_encloses(points, plane, t, hidden):
    rows, columns, _ = PLANES[plane]
    runs = lasso(np.array(points, np.float64), plane, t, hidden, SHAPE)
    mask = even_odd(points, SHAPE[rows], SHAPE[columns])
    assert [tuple(p) for p in runs.positions().tolist()] == in_image(plane, mask, t, hidden)


def test_a_lasso_along_pixel_borders_holds_just_those_pixels():
    square = np.array([[2, 3], [5, 3], [5, 7], [2, 7]], np.float64)
    assert lasso(square, "xy", 0, 0, SHAPE).array.tolist() == [[0, 0, y, 2, 3] for y in range(3, 7)]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1e30])
def test_a_lasso_far_away_is_refused(wrong):
    with pytest.raises(CommandError, match="far outside"):
        lasso(np.array([[0, 0], [wrong, 3], [3, 3]]), "xy", 0, 0, SHAPE)


def test_a_lasso_that_is_too_large_is_refused():
    shape = (1, 1, 1, 10**5, 10**5)
    whole = np.array([[0, 0], [1e5, 0], [1e5, 1e5], [0, 1e5]])
    with pytest.raises(CommandError, match="10000000000 pixels"):
        lasso(whole, "xy", 0, 0, shape)
    with pytest.raises(CommandError, match="too long"):
        lasso(np.array([[k, 0 if k % 2 else 1e5] for k in range(100)], np.float64), "xy", 0, 0, shape)


def flooded(mask, r, c, corners):
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)] + [(-1, -1), (-1, 1), (1, -1), (1, 1)] * corners
    out, todo = np.zeros_like(mask), [(r, c)]
    out[r, c] = True
    while todo:
        y, x = todo.pop()
        for dy, dx in steps:
            v, w = y + dy, x + dx
            if 0 <= v < mask.shape[0] and 0 <= w < mask.shape[1] and mask[v, w] and not out[v, w]:
                out[v, w] = True
                todo.append((v, w))
    return out


def plane_of(array, plane, t, hidden):
    rows, columns, other = PLANES[plane]
    found = np.take(array[t, 0], hidden, axis=other - 2)
    return found if rows < columns else found.T


@given(st.integers(0, 10**6), st.sampled_from(sorted(PLANES)), st.integers(0, 1))
@settings(deadline=None)
def test_fills_are_connected_in_their_plane(seed, plane, window):
    rng = np.random.default_rng(seed)
    t, z, y, x = (int(rng.integers(0, n)) for n in (2, 9, 11, 13))
    place = (t, 0, z, y, x)
    rows, columns, other = PLANES[plane]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "_FIRST_WINDOW", 1 if window else 128)
        labels = (rng.random(SHAPE) < 0.5).astype(np.uint8) * 3
        found = fill_equal(reader(labels), (t, z, y, x), plane, SHAPE)
        flat = plane_of(labels, plane, t, place[other])
        mask = flooded(flat == labels[place], place[rows], place[columns], bool(labels[place]))
        assert not found.capped
        assert [tuple(p) for p in found.runs.positions().tolist()] == in_image(plane, mask, t, place[other])

        shape = (2, 3, 9, 11, 13)
        values = rng.integers(0, 4, shape).astype(np.uint8)
        found = fill_similar(reader(values), (t, z, y, x), plane, shape, 2)
        own = values[t, :, z, y, x].astype(int)
        alike = (np.abs(values.astype(int) - own[None, :, None, None, None]) <= 2).all(1, keepdims=True)
        mask = flooded(plane_of(alike, plane, t, place[other]), place[rows], place[columns], False)
        assert [tuple(p) for p in found.runs.positions().tolist()] == in_image(plane, mask, t, place[other])


def test_a_fill_without_end_says_so_and_stays_within_its_limit():
    def read(box):
        return np.zeros(box.shape, np.uint16)

    found = fill_similar(read, (0, 0, 50_000, 50_000), "xy", (1, 1, 1, 10**5, 10**5), 0)
    assert found.capped
    assert found.runs.size == 513 * 513
    whole = fill_similar(read, (0, 0, 5, 5), "xy", (1, 1, 1, 1000, 1000), 0)
    assert (whole.capped, whole.runs.size) == (False, 10**6)


def test_a_pixel_that_is_no_number_fills_itself_alone():
    image = np.full((1, 1, 1, 5, 5), np.nan, np.float32)
    found = fill_similar(reader(image), (0, 0, 2, 2), "xy", (1, 1, 1, 5, 5), 10)
    assert found.runs == Runs.from_positions([[0, 0, 2, 2]])
