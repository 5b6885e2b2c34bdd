"""Plan, then do: an image becomes tiles that fit the memory. Pure; the scheduler only executes."""

from __future__ import annotations

from dataclasses import dataclass

from underbrush.core.geometry import Box, Halo, Shape5, TileGrid
from underbrush.errors import ResourceError

LARGEST_EDGE = 1024
CACHED = 40e6
"""Bytes of a tile that a processor's last cache still holds, and an allocator gives back and takes again."""
PER_READ, PER_MADE, UNCACHED = 0.4, 0.6, 1.15
"""Time of a pixel that is read, of one that is made, and how much longer all takes out of the cache.

Measured on images and volumes with all features and forests of 5,000 labels; only their ratio counts, and
being wrong by half changes a plan's time by a few percent.
"""


@dataclass(frozen=True, slots=True)
class TileCost:
    """Bytes that a tile holds while it is worked on: fixed, and for each pixel read and each pixel made."""

    read: float
    valid: float
    fixed: float = 0.0

    def of(self, valid: Shape5, halo: Halo, image: Shape5) -> float:
        """Bytes of a tile whose valid part has the sizes ``valid`` (t c z y x)."""
        sizes = valid[2:]
        grown = [
            min(n + 2 * h, full)
            for n, h, full in zip(sizes, (halo.z, halo.y, halo.x), image[2:], strict=True)
        ]
        frames = valid[0]
        return self.fixed + frames * (self.read * _product(grown) + self.valid * _product(sizes))


def plan_tiles(
    box: Box, image: Shape5, halo: Halo, cost: TileCost, budget: float, threads: int = 1
) -> TileGrid:
    """The tiling of ``box`` that is done soonest, with tiles that each cost at most ``budget`` bytes.

    Large tiles waste less on their halo, small ones stay in the cache and give each thread its share.

    Parameters
    ----------
    box
        What is wanted, t c z y x; all its channels belong to every tile.
    image
        Sizes of the whole image, t c z y x.
    halo
        What the computation needs around a tile.
    cost, budget
        Bytes of one tile, and how many one tile may take.
    threads
        Tiles that are worked on side by side.

    Raises
    ------
    ResourceError
        Not even the smallest tile fits.
    """
    _, c, z, y, x = box.shape
    best: tuple[float, int, Shape5] | None = None
    cheapest = float("inf")
    for depth in _edges(z):
        for height in _edges(y):
            for width in _edges(x):
                if not (width == x or height == y or height <= width <= 4 * height):
                    continue
                tile: Shape5 = (1, c, depth, height, width)
                bytes_needed = cost.of(tile, halo, image)
                cheapest = min(cheapest, bytes_needed)
                if bytes_needed > budget:
                    continue
                score = (_time(box, tile, halo, image, cost, threads), -depth * height * width)
                if best is None or score < best[:2]:
                    best = (*score, tile)
    if best is None:
        raise ResourceError(
            f"the smallest tile needs {cheapest / 1e6:.0f} MB and {budget / 1e6:.0f} MB are left for each",
            remedy="allow more memory (--memory), fewer jobs (--jobs), or use fewer or smaller features",
        )
    return TileGrid(box, best[2], halo, image)


def _time(box: Box, tile: Shape5, halo: Halo, image: Shape5, cost: TileCost, threads: int) -> float:
    """Time that a tiling takes, in no particular unit."""
    count = _product([-(-n // m) for n, m in zip(box.shape, tile, strict=True)])
    made = _product(tile[2:])
    one = PER_READ * _grown(tile, halo, image) + PER_MADE * made
    slower = UNCACHED if cost.valid * made > CACHED else 1.0
    return one * slower * -(-count // threads)


def _edges(n: int) -> list[int]:
    edges = [e for e in (16, 32, 64, 128, 256, 512, 1024) if e < n]
    return [*edges, n] if n <= LARGEST_EDGE else edges


def _grown(tile: Shape5, halo: Halo, image: Shape5) -> int:
    edges = (halo.z, halo.y, halo.x)
    return _product([min(n + 2 * h, full) for n, h, full in zip(tile[2:], edges, image[2:], strict=True)])


def _product(sizes: tuple[int, ...] | list[int]) -> int:
    total = 1
    for n in sizes:
        total *= n
    return total
