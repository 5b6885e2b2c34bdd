"""Work in pieces: dealt out without gaps and without anything twice, the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core.geometry import Box, Halo, TileGrid
from underbrush.core.pieces import PieceGrid, Share, fixed_edges, plan_blocks, tiles_of
from underbrush.core.plan import TileCost
from underbrush.errors import ResourceError

COST = TileCost(read=40.0, valid=200.0)


def grids(box, image, unit, shares, budget=2e6):
    halo = Halo(0, 7, 7)
    edges = fixed_edges(box, image, halo, COST, 1e7)
    blocks = plan_blocks(box, unit, image, halo, shares, edges)
    tiles = tiles_of(image, halo, COST, (budget, budget))
    return [PieceGrid(box, blocks, tiles, Share(k + 1, shares)) for k in range(shares)]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_shares_cover_the_box_once_in_whole_pieces(data):
    sizes = [data.draw(st.integers(1, n)) for n in (2, 3, 5, 300, 700)]
    image = tuple(n + data.draw(st.integers(0, 9)) for n in sizes)
    start = tuple(data.draw(st.integers(0, m - n)) for n, m in zip(sizes, image, strict=True))
    box = Box(start, tuple(a + n for a, n in zip(start, sizes, strict=True)))
    unit = (1, 1, *(data.draw(st.sampled_from(u)) for u in ((1, 2), (32, 64, 100), (32, 64, 100))))
    shares = data.draw(st.integers(1, 9))
    owner = np.zeros(box.shape, int)
    for number, grid in enumerate(grids(box, image, unit, shares), 1):
        for tile in grid:
            part = owner[tile.valid.relative_to(box).slices]
            assert not part.any(), "computed twice"
            part[...] = number
        assert grid.pixels == sum(t.valid.size for t in grid) // box.shape[1]
    assert owner.all(), "left out"
    for z in range(0, sizes[2], unit[2]):
        for y in range(0, sizes[3], unit[3]):
            for x in range(0, sizes[4], unit[4]):
                piece = owner[:, :, z : z + unit[2], y : y + unit[3], x : x + unit[4]]
                for t in range(sizes[0]):
                    assert len(np.unique(piece[t])) == 1, "a piece of two processes"


def test_who_owns_what_does_not_depend_on_the_memory_of_a_machine():
    box = Box.whole((1, 1, 1, 3000, 4000))
    small, large = (grids(box, box.shape, (1, 1, 1, 512, 512), 5, budget) for budget in (3e6, 1e9))
    for one, other in zip(small, large, strict=True):
        covered = [{t.valid for t in grid.blocks} for grid in (one, other)]
        assert covered[0] == covered[1]
        assert one.pixels == other.pixels
        assert len(one) > len(other)


def test_more_shares_than_pieces_leave_some_without_work():
    box = Box.whole((1, 1, 1, 500, 900))
    counts = [len(grid) for grid in grids(box, box.shape, (1, 1, 1, 512, 512), 7)]
    assert sum(n > 0 for n in counts) == 2


def test_what_is_done_is_left_out_when_its_turn_comes():
    box = Box.whole((1, 1, 1, 1000, 1000))
    (grid,) = grids(box, box.shape, (1, 1, 1, 100, 100), 1)
    done = set()
    again = PieceGrid(grid.box, grid.blocks, grid.tiles, grid.share, lambda b: b in done)
    seen = []
    for tile in again:
        seen.append(tile.valid)
        done.update(t.valid for t in grid if t.valid.start[3] >= 500)
    assert seen and not [t for t in seen[1:] if t.start[3] >= 500]
    assert {t.valid for t in grid} == done | set(seen)


def test_a_tile_that_cannot_fit_is_refused():
    image = (1, 1, 1, 600, 600)
    cut = tiles_of(image, Halo(0, 7, 7), COST, (100.0, 200.0))
    with pytest.raises(ResourceError):
        cut(Box.whole(image))
    assert isinstance(tiles_of(image, Halo(), COST, (1.0, 1e6))(Box.whole(image)), TileGrid)
