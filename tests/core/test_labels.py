"""Label blocks: later ones win, borders go, nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbrush.core.geometry import Box
from underbrush.core.labels import (
    LabelBlock,
    clipped,
    count_classes,
    disjoint,
    make_block,
    paint,
    pieces,
    trimmed,
)

SHAPE = (2, 1, 3, 6, 7)


def _block(start, values) -> LabelBlock:
    return make_block(Box(start, tuple(a + n for a, n in zip(start, values.shape, strict=True))), values)


@st.composite
def blocks(draw) -> LabelBlock:
    start = [draw(st.integers(0, n - 1)) for n in SHAPE]
    size = [draw(st.integers(1, n - a)) for a, n in zip(start, SHAPE, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return _block(
        tuple(start), rng.integers(0, 4, size, np.uint8) * (rng.random(size) < draw(st.floats(0, 1)))
    )


some = st.lists(blocks(), max_size=5)


@given(some)
def test_disjoint_blocks_paint_the_same_and_count_each_pixel_once(many) -> None:
    apart = disjoint(many)
    whole = paint(many, SHAPE)
    assert np.array_equal(paint(apart, SHAPE), whole)
    assert np.array_equal(paint(apart[::-1], SHAPE), whole)
    values, counts = np.unique(whole[whole > 0], return_counts=True)
    assert count_classes(apart) == dict(zip(values.tolist(), counts.tolist(), strict=True))


@given(blocks(), st.integers(1, 40))
def test_pieces_are_small_and_paint_the_same(block, limit) -> None:
    parts = pieces(block, limit)
    assert all(p.box.size <= limit for p in parts)
    assert all(trimmed(p) == p for p in parts)
    assert np.array_equal(paint(parts, SHAPE), paint([block], SHAPE))


@given(blocks(), st.tuples(*[st.integers(1, n) for n in SHAPE]))
def test_clipping_keeps_exactly_what_lies_inside(block, shape) -> None:
    part = clipped(block, shape)
    assert part.values.shape == part.box.shape
    inside = tuple(slice(0, n) for n in shape)
    assert np.array_equal(paint([part], shape), paint([block], SHAPE)[inside])


def test_a_block_keeps_its_own_copy() -> None:
    values = np.ones((1, 1, 1, 2, 2), np.uint8)
    block = _block((0, 0, 0, 0, 0), values)
    values[:] = 2
    assert count_classes([block]) == {1: 4}
    with pytest.raises(ValueError, match="read-only"):
        block.values[...] = 3


def test_empty_blocks_vanish() -> None:
    assert trimmed(_block((0, 0, 0, 3, 3), np.zeros((1, 1, 1, 2, 2), np.uint8))) is None
    assert disjoint([]) == ()
