"""Plan, then do: an image becomes tiles that fit the memory. Pure; the scheduler only executes."""

from __future__ import annotations

from dataclasses import dataclass

from underbrush.core.geometry import Box, Halo, Shape5, TileGrid
from underbrush.errors import ResourceError

LARGEST_EDGE = 1024
SMALLEST_EDGE = 16


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


def plan_tiles(box: Box, image: Shape5, halo: Halo, cost: TileCost, budget: float) -> TileGrid:
    """The tiling of ``box`` whose tiles waste least on their halo while each costs at most ``budget`` bytes.

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

    Raises
    ------
    ResourceError
        Not even the smallest tile fits.
    """
    _, c, z, y, x = box.shape
    best: tuple[float, Shape5] | None = None
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
                grown = _grown(tile, halo, image)
                waste = grown / (depth * height * width)
                score = (waste, -depth * height * width)
                if best is None or score < (best[0], -_product(best[1][2:])):
                    best = (waste, tile)
    if best is None:
        raise ResourceError(
            f"the smallest tile needs {cheapest / 1e6:.0f} MB and {budget / 1e6:.0f} MB are left for each",
            remedy="allow more memory (--memory), fewer jobs (--jobs), or use fewer or smaller features",
        )
    return TileGrid(box, best[1], halo, image)


def _edges(n: int) -> list[int]:
    edges = [e for e in (16, 32, 64, 128, 256, 512, 1024) if SMALLEST_EDGE <= e < min(n, LARGEST_EDGE + 1)]
    return [*edges, n] if n <= LARGEST_EDGE else edges


def _grown(tile: Shape5, halo: Halo, image: Shape5) -> int:
    edges = (halo.z, halo.y, halo.x)
    return _product([min(n + 2 * h, full) for n, h, full in zip(tile[2:], edges, image[2:], strict=True)])


def _product(sizes: tuple[int, ...] | list[int]) -> int:
    total = 1
    for n in sizes:
        total *= n
    return total
