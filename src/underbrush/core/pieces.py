"""A result of many pieces (files of their own), cut into shares and tiles: no piece is made twice. Pure.

pieces   |.|.|.|.|.|.|    the smallest that is written at once
blocks   | . . | . . |    whole pieces; the same on every machine, so that shares can be dealt out
tiles    | | | | | | |    what one thread computes at a time; fits the memory of this machine
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from underbrush.core.geometry import Box, Halo, Shape5, Tile, TileGrid
from underbrush.core.plan import TileCost, plan_tiles
from underbrush.errors import ResourceError

BLOCKS_A_SHARE = 4
"""Blocks are made smaller until each share has about so many, so that shares are about as large."""


class Share(NamedTuple):
    """One of several parts of the work, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def spans(self, count: int) -> range:
        """Which of ``count`` things in a row belong to this share."""
        return range(count * (self.number - 1) // self.of, count * self.number // self.of)


WHOLE = Share(1, 1)


@dataclass(frozen=True, slots=True)
class PieceGrid:
    """The tiles of a share of a box; iterating leaves out what is done.

    Parameters
    ----------
    box
        What is wanted of the image, t c z y x; pieces are counted from its start.
    blocks
        The box cut into whole pieces.
    tiles
        A block -> its tiles.
    share
        Which of the blocks are meant.
    done
        Whether all pieces that meet a box of the image are there; asked when a tile's turn comes.
    """

    box: Box
    blocks: TileGrid
    tiles: Callable[[Box], TileGrid]
    share: Share = WHOLE
    done: Callable[[Box], bool] = lambda box: False

    @property
    def tile(self) -> Shape5:
        """Size of a tile in t c z y x."""
        return self.tiles(next(iter(self.blocks)).valid).tile

    @property
    def pixels(self) -> int:
        """Pixels of the share."""
        return sum(block.valid.size // block.valid.shape[1] for block in self._mine())

    def __len__(self) -> int:
        return sum(len(self.tiles(block.valid)) for block in self._mine())

    def __iter__(self) -> Iterator[Tile]:
        for block in self._mine():
            if not self.done(block.valid):
                yield from (tile for tile in self.tiles(block.valid) if not self.done(tile.valid))

    def _mine(self) -> Iterator[Tile]:
        wanted = self.share.spans(len(self.blocks))
        return (block for n, block in enumerate(self.blocks) if n in wanted)


def plan_blocks(box: Box, unit: Shape5, image: Shape5, halo: Halo, shares: int, edges: Shape5) -> TileGrid:
    """The box cut into blocks of whole pieces, about as large as ``edges``; the same for equal arguments.

    Parameters
    ----------
    box, image
        What is wanted, and the sizes of the image, t c z y x.
    unit
        Sizes of a piece, t c z y x.
    halo
        What the computation needs around a tile.
    shares
        How many shares are dealt out.
    edges
        A good size of a tile, t c z y x, that depends on no machine.
    """
    wanted = BLOCKS_A_SHARE * shares if shares > 1 else 1
    size = [max(1, e // u) * u for e, u in zip(edges, unit, strict=True)]

    def grid() -> TileGrid:
        t, _, z, y, x = size
        return TileGrid(box, (t, box.shape[1], z, y, x), halo, image)

    while len(grid()) < wanted:
        # The longest first, so that blocks stay compact.
        longer = [a for a in (4, 3, 2, 0) if min(size[a], box.shape[a]) > unit[a]]
        if not longer:
            break
        axis = max(longer, key=lambda a: min(size[a], box.shape[a]) / unit[a])
        size[axis] = -(-min(size[axis], box.shape[axis]) // unit[axis]) // 2 * unit[axis]
    return grid()


def tiles_of(
    image: Shape5, halo: Halo, cost: TileCost, budgets: tuple[float, float]
) -> Callable[[Box], TileGrid]:
    """How a block is cut into tiles; remembers it for blocks of one size.

    ``budgets`` are the bytes that a tile should take, and those that it may. The function that is given
    raises `ResourceError` where not even the smallest tile fits.
    """
    known: dict[Shape5, Shape5] = {}

    def cut(block: Box) -> TileGrid:
        if block.shape not in known:
            try:
                known[block.shape] = plan_tiles(block, image, halo, cost, budgets[0]).tile
            except ResourceError:
                known[block.shape] = plan_tiles(block, image, halo, cost, budgets[1]).tile
        return TileGrid(block, known[block.shape], halo, image)

    return cut


def fixed_edges(box: Box, image: Shape5, halo: Halo, cost: TileCost, budget: float) -> Shape5:
    """A good size of tiles that depends on the work alone, not on the machine."""
    try:
        return plan_tiles(box, image, halo, cost, budget).tile
    except ResourceError:  # features of very many channels; each machine then cuts as small as it must
        return (1, box.shape[1], 1, 64, 64)
