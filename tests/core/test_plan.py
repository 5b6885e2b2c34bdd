"""Plans fit the memory and waste little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbrush.core.geometry import Box, Halo
from underbrush.core.plan import TileCost, plan_tiles
from underbrush.errors import ResourceError


@given(
    st.tuples(
        st.integers(1, 3), st.integers(1, 3), st.integers(1, 80), st.integers(1, 3000), st.integers(1, 3000)
    ),
    st.integers(0, 40),
    st.floats(5e6, 1e9),
)
def test_every_tile_fits_the_budget(shape, reach, budget):
    halo = Halo(reach if shape[2] > 1 else 0, reach, reach)
    cost = TileCost(read=60, valid=400)
    try:
        grid = plan_tiles(Box.whole(shape), shape, halo, cost, budget)
    except ResourceError:
        smallest = (1, shape[1], min(16, shape[2]), min(16, shape[3]), min(16, shape[4]))
        assert cost.of(smallest, halo, shape) > budget
        return
    assert cost.of(grid.tile, halo, shape) <= budget


def test_more_memory_never_wastes_more():
    shape = (1, 1, 1, 4096, 4096)
    halo, cost = Halo(0, 38, 38), TileCost(50, 250)

    def waste(budget):
        grid = plan_tiles(Box.whole(shape), shape, halo, cost, budget)
        return sum(t.read.size for t in grid) / (4096 * 4096)

    wastes = [waste(b) for b in (4e6, 2e7, 1e8, 1e9)]
    assert wastes == sorted(wastes, reverse=True)
    assert wastes[-1] < 1.6


def test_every_thread_has_its_share():
    shape = (1, 1, 1, 700, 700)
    halo, cost = Halo(0, 38, 38), TileCost(50, 250)
    for threads in (2, 4):
        grid = plan_tiles(Box.whole(shape), shape, halo, cost, 1e9, threads)
        assert len(grid) >= threads


def test_a_tile_stays_in_the_cache():
    shape = (1, 1, 1, 8192, 8192)
    grid = plan_tiles(Box.whole(shape), shape, Halo(0, 38, 38), TileCost(50, 240), 1e9)
    assert grid.tile[3] * grid.tile[4] * 240 <= 40e6


def test_too_little_memory_says_so():
    shape = (1, 1, 64, 512, 512)
    with pytest.raises(ResourceError, match=r"needs \d+ MB.*--memory"):
        plan_tiles(Box.whole(shape), shape, Halo(38, 38, 38), TileCost(1000, 5000), 1e6)


def test_a_small_image_is_one_tile():
    shape = (1, 3, 1, 300, 260)
    assert len(plan_tiles(Box.whole(shape), shape, Halo(0, 38, 38), TileCost(100, 500), 1e9)) == 1
