"""Planes at any zoom: every pixel shown is a pixel of the image, and tiles cover what is looked at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbrush.core.geometry import Box, Halo
from underbrush.core.looking import (
    Place,
    covered,
    first_pixel,
    inside,
    level_size,
    plane_size,
    tile_edges,
    tiles,
)
from underbrush.core.plan import TileCost

planes = st.sampled_from(["xy", "xz", "zy"])


@given(st.integers(1, 500), st.integers(0, 8))
def test_one_pixel_stands_for_each_group_and_lies_in_it(n, level):
    step = 1 << level
    at = np.arange(level_size(n, step)) * step + first_pixel(n, step)
    assert at[-1] < n and (at // step == np.arange(len(at))).all()
    if n % step == 0:
        assert first_pixel(n, step) == step // 2, "the middle one, where nothing is cut short"


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 70)), planes, st.integers(0, 4), st.data()
)
def test_pixels_of_a_place_are_those_of_the_thinned_plane(zyx, plane, level, data):
    shape = (2, 3, *zyx)
    image = np.arange(np.prod(shape)).reshape(shape)
    still = {"xy": 2, "xz": 3, "zy": 4}[plane]
    index = data.draw(st.integers(0, shape[still] - 1))
    columns, rows = plane_size(shape, plane, level)
    x, y = data.draw(st.integers(0, columns - 1)), data.draw(st.integers(0, rows - 1))
    place = Place(
        1,
        plane,
        index,
        level,
        x,
        y,
        data.draw(st.integers(1, columns - x)),
        data.draw(st.integers(1, rows - y)),
    )
    pixels = place.pixels(shape)
    assert Box.whole(shape).contains(pixels.box)
    got = place.turned(pixels.of(image[pixels.box.slices][0]))
    whole = np.take(image[1], index, axis=still - 1)
    if plane == "zy":
        whole = whole.transpose(0, 2, 1)
    step = 1 << level
    for axis, thinned in ((1, plane != "xz"), (2, plane != "zy")):
        if thinned:
            first = first_pixel(whole.shape[axis], step)
            whole = np.take(whole, range(first, whole.shape[axis], step), axis=axis)
    assert whole.shape[1:] == (rows, columns)
    assert np.array_equal(got, whole[:, place.y : place.y + place.height, place.x : place.x + place.width])


@given(planes, st.integers(0, 3), st.tuples(*[st.integers(-50, 900)] * 4), st.sampled_from([32, 64, 256]))
def test_tiles_cover_a_box_once_and_begin_in_its_middle(plane, level, box, edge):
    shape = (1, 1, 40, 700, 900)
    box = inside(box, shape, plane, level)
    size = plane_size(shape, plane, level)
    found = tiles(box, Place(0, plane, 3, level, 0, 0, 1, 1), size, (edge, edge))
    seen = np.zeros(size[::-1], int)
    for p in found:
        assert p.x % edge == 0 and p.y % edge == 0 and p.width > 0 and p.height > 0
        seen[p.y : p.y + p.height, p.x : p.x + p.width] += 1
    assert seen.max() <= 1
    x0, y0, x1, y1 = box
    if x0 < x1 and y0 < y1:
        assert (seen[y0:y1, x0:x1] == 1).all()
        away = [(p.x + edge / 2 - (x0 + x1) / 2) ** 2 + (p.y + edge / 2 - (y0 + y1) / 2) ** 2 for p in found]
        assert away == sorted(away)
    else:
        assert not found


@pytest.mark.parametrize("level", range(7))
@pytest.mark.parametrize("plane", ["xy", "xz", "zy"])
def test_tiles_fit_their_budget(plane, level):
    shape = (1, 40, 64, 4000, 4000)
    cost = TileCost(read=40 * 6 + 18, valid=4 * 1960)
    small, _ = tile_edges(plane, level, shape, Halo(0, 38, 38), (cost, 80e6))
    large, _ = tile_edges(plane, level, (1, 1, *shape[2:]), Halo(0, 38, 38), (TileCost(24, 200), 80e6))
    assert small <= large
    if level == 0:
        assert (small, large) == (32 if plane != "xy" else 64, 256)


def test_covered_area_counts_pixels_of_the_image():
    assert covered((0, 0, 100, 50), "xy", 3) == 800 * 400
    assert covered((0, 0, 100, 50), "xz", 3) == 800 * 50
    assert covered((5, 5, 5, 9), "xy", 0) == 0
