"""Boxes, tiles and axis orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbrush.core.geometry import (
    AXES,
    Box,
    Halo,
    TileGrid,
    default_axes,
    from_internal,
    parse_axes,
    shape_to_internal,
    to_internal,
)
from underbrush.errors import AxesError

sizes = st.tuples(*[st.integers(1, 9)] * 5)


@given(shape=sizes, tile=sizes, halo=st.tuples(*[st.integers(0, 4)] * 3))
def test_tiles_cover_the_box_once_and_read_inside_the_image(shape, tile, halo):
    count = np.zeros(shape, int)
    grid = TileGrid(Box.whole(shape), tile, Halo(*halo), shape)
    tiles = list(grid)
    for t in tiles:
        count[t.valid.slices] += 1
        assert Box.whole(shape).contains(t.read)
        assert t.read.contains(t.valid)
        for axis, reach in zip((2, 3, 4), halo, strict=True):
            assert t.read.start[axis] == max(0, t.valid.start[axis] - reach)
            assert t.read.stop[axis] == min(shape[axis], t.valid.stop[axis] + reach)
    assert (count == 1).all()
    assert len(tiles) == len(grid)


@given(st.permutations(AXES).flatmap(lambda p: st.sampled_from([p[:n] for n in range(2, 6)])), st.data())
def test_to_internal_and_back_is_the_same_array(letters, data):
    axes = "".join(letters)
    if "x" not in axes or "y" not in axes:
        return
    shape = tuple(data.draw(st.integers(1, 4)) for _ in axes)
    array = np.arange(np.prod(shape)).reshape(shape)
    inside = to_internal(array, axes)
    assert inside.shape == shape_to_internal(shape, axes)
    assert np.array_equal(from_internal(inside, axes), array)
    position = {a: data.draw(st.integers(0, n - 1)) for a, n in zip(axes, shape, strict=True)}
    assert inside[tuple(position.get(a, 0) for a in AXES)] == array[tuple(position[a] for a in axes)]


def test_from_internal_refuses_to_lose_an_axis():
    with pytest.raises(AxesError, match=r"lose c \(3\)"):
        from_internal(np.zeros((1, 3, 1, 2, 2)), "yx")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6), "yx"),
        ((5, 6, 4), "yxc"),
        ((5, 6, 5), "zyx"),
        ((1, 2, 3, 4), "zyxc"),
        ((1, 2, 3, 4, 5), "tzyxc"),
    ],
)
def test_default_axes(shape, axes):
    assert default_axes(shape) == axes


@pytest.mark.parametrize("shape", [(5,), (1, 2, 3, 4, 5, 6), ()])
def test_default_axes_refuses_other_ranks(shape):
    with pytest.raises(AxesError, match="2 to 5"):
        default_axes(shape)


@pytest.mark.parametrize(
    ("text", "ndim", "says"),
    [("zyq", None, "q"), ("yyx", None, "twice"), ("zx", None, "lack y or x"), ("yx", 3, "the data have 3")],
)
def test_parse_axes_says_what_is_wrong(text, ndim, says):
    with pytest.raises(AxesError, match=says):
        parse_axes(text, ndim)


def test_parse_axes_takes_capitals_and_blanks():
    assert parse_axes(" ZYX ", 3) == "zyx"


def test_box_arithmetic():
    a = Box((0, 0, 0, 2, 3), (1, 1, 1, 5, 9))
    b = Box((0, 0, 0, 4, 0), (1, 1, 1, 8, 4))
    assert a.shape == (1, 1, 1, 3, 6) and a.size == 18
    assert a.intersection(b) == Box((0, 0, 0, 4, 3), (1, 1, 1, 5, 4))
    assert b.relative_to(a).start == (0, 0, 0, 2, -3)
    assert a.intersection(Box((0, 0, 0, 6, 0), (1, 1, 1, 8, 4))).size == 0
    assert a.grown(Halo(0, 1, 2)) == Box((0, 0, 0, 1, 1), (1, 1, 1, 6, 11))
    assert a.replace(c=(0, 7)).shape == (1, 7, 1, 3, 6)
