"""Planes of an image at any zoom: which pixels are shown, and in which tiles. Pure.

A plane has columns and rows: ``xy`` x and y, ``xz`` x and z, ``zy`` z and y; the third axis stands still at a
slice. Level k shows every 2^k-th pixel of x and y; z is never thinned out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, Halo, Shape5
from underbrush.core.plan import CACHED, TileCost

Plane = Literal["xy", "xz", "zy"]
PlaneBox = tuple[int, int, int, int]
"""Columns and rows of a plane at a level: x0, y0, x1, y1, start inclusive, stop exclusive."""
PLANES: dict[Plane, tuple[str, str, str]] = {
    "xy": ("x", "y", "z"),
    "xz": ("x", "z", "y"),
    "zy": ("z", "y", "x"),
}
"""The axes of columns, of rows, and the one that stands still."""
MAX_LEVEL = 20
EDGES = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Edges of tiles, in pixels that are shown."""
WIDEST = 1024
"""Pixels of the image along the edge of a tile; beyond it a tile takes long before anything is seen."""
WIDEST_DEEP = 128
"""The same where features reach through slices: such a pixel costs several times as much."""


def first_pixel(n: int, step: int) -> int:
    """Of ``n`` pixels in groups of ``step``, which one of each group stands for it.

    The one in the middle; where the last group is cut short, the last pixel that it has, in all groups, so
    that the pixels lie ``step`` apart and none outside.
    """
    return min(step // 2, (n - 1) % step)


def level_size(n: int, step: int) -> int:
    """Groups of ``step`` among ``n`` pixels; the last one may be cut short."""
    return -(-n // step)


def plane_steps(plane: Plane, level: int) -> tuple[int, int]:
    """Pixels of the image from one column to the next, and from one row to the next."""
    columns, rows, _ = PLANES[plane]
    return (1 if columns == "z" else 1 << level), (1 if rows == "z" else 1 << level)


def plane_size(shape: Shape5, plane: Plane, level: int) -> tuple[int, int]:
    """Columns and rows of a plane at a level, of an image of ``shape`` (t c z y x)."""
    columns, rows, _ = PLANES[plane]
    a, b = plane_steps(plane, level)
    return level_size(shape[AXES.index(columns)], a), level_size(shape[AXES.index(rows)], b)


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of a plane at a level."""

    t: int
    plane: Plane
    slice: int
    """Index along the axis that stands still."""
    level: int
    x: int
    """First column, in pixels of the level."""
    y: int
    width: int
    height: int

    def pixels(self, shape: Shape5) -> Pixels:
        """Where its pixels lie in an image of ``shape`` (t c z y x)."""
        columns, rows, still = PLANES[self.plane]
        a, b = plane_steps(self.plane, self.level)
        box = Box.whole(shape).replace(t=(self.t, self.t + 1), **{still: (self.slice, self.slice + 1)})
        steps = {still: 1, columns: a, rows: b}
        for axis, start, n, step in ((columns, self.x, self.width, a), (rows, self.y, self.height, b)):
            first = start * step + first_pixel(shape[AXES.index(axis)], step)
            box = box.replace(**{axis: (first, first + (n - 1) * step + 1)})
        return Pixels(box, (steps["z"], steps["y"], steps["x"]))

    def turned(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (n, z, y, x) of the pixels of the place as (n, rows, columns), a view."""
        if self.plane == "xy":
            return values[:, 0]
        return values[:, :, 0] if self.plane == "xz" else values[:, :, :, 0].transpose(0, 2, 1)


@dataclass(frozen=True, slots=True)
class Pixels:
    """Every ``step``-th pixel along z, y, x of a box, from its start on."""

    box: Box
    step: tuple[int, int, int]

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """These pixels of an array (..., z, y, x) of the box, a view."""
        z, y, x = self.step
        return values[..., ::z, ::y, ::x]


def inside(box: PlaneBox, shape: Shape5, plane: Plane, level: int) -> PlaneBox:
    """The part of a box that lies in the plane; empty (x0 >= x1 or y0 >= y1) where there is none."""
    columns, rows = plane_size(shape, plane, level)
    return max(0, box[0]), max(0, box[1]), min(columns, box[2]), min(rows, box[3])


def covered(box: PlaneBox, plane: Plane, level: int) -> int:
    """Pixels of the image that a box of a plane covers at full resolution."""
    a, b = plane_steps(plane, level)
    return max(0, box[2] - box[0]) * a * max(0, box[3] - box[1]) * b


def tile_edges(
    plane: Plane, level: int, image: Shape5, halo: Halo, limits: tuple[TileCost, float]
) -> tuple[int, int]:
    """Columns and rows of a tile: large ones waste less on the halo, small ones are seen sooner.

    They depend on what is computed and on the level alone, not on where somebody looks, so that all views
    share their tiles. ``limits`` are the cost of a tile and the bytes that one may take; if none fits it is
    one pixel.
    """
    cost, budget = limits
    a, b = plane_steps(plane, level)
    widest = WIDEST_DEEP << level if halo.z else WIDEST
    for edge in EDGES:
        one: Shape5 = (1, image[1], 1, 1, 1)
        place = Place(0, plane, 0, level, 0, 0, edge, edge)
        spans = dict(zip("tczyx", one, strict=True))
        columns, rows, _ = PLANES[place.plane]
        spans[columns], spans[rows] = edge * a, edge * b
        sizes: Shape5 = (1, image[1], spans["z"], spans["y"], spans["x"])
        made = cost.valid * edge * edge
        read = cost.of(sizes, halo, image) - cost.valid * spans["z"] * spans["y"] * spans["x"]
        if edge * max(a, b) <= widest and made <= CACHED and made + read <= budget:
            return edge, edge
    return EDGES[-1], EDGES[-1]


def tiles(box: PlaneBox, place: Place, size: tuple[int, int], edges: tuple[int, int]) -> tuple[Place, ...]:
    """The tiles of the grid that a box touches, those in its middle first.

    ``place`` says which plane, slice and level, ``size`` columns and rows of the whole plane, ``edges`` of a
    tile. Tiles at the border are smaller.
    """
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        return ()
    across, down = (
        np.arange(x0 // edges[0], -(-x1 // edges[0])),
        np.arange(y0 // edges[1], -(-y1 // edges[1])),
    )
    dx = (across + 0.5) * edges[0] - (x0 + x1) / 2
    dy = (down + 0.5) * edges[1] - (y0 + y1) / 2
    order = np.argsort((dy[:, None] ** 2 + dx[None] ** 2).reshape(-1), kind="stable")
    found = []
    for k in order.tolist():
        x, y = int(across[k % len(across)]) * edges[0], int(down[k // len(across)]) * edges[1]
        width, height = min(edges[0], size[0] - x), min(edges[1], size[1] - y)
        found.append(Place(place.t, place.plane, place.slice, place.level, x, y, width, height))
    return tuple(found)
