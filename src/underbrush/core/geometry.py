"""Boxes, halos and tiles: all arithmetic of positions, as frozen values.

Inside Underbrush every array has the five axes **t c z y x** in this order; sizes that an image does
not have are 1. A box is start inclusive, stop exclusive, in pixels of the level it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import AxesError

AXES = "tczyx"
"""The one order of axes inside."""

Shape5 = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Halo:
    """How far a computation reaches beyond a box, in pixels of each spatial axis."""

    z: int = 0
    y: int = 0
    x: int = 0

    def union(self, other: Halo) -> Halo:
        """The smallest halo that holds both."""
        return Halo(max(self.z, other.z), max(self.y, other.y), max(self.x, other.x))


@dataclass(frozen=True, slots=True)
class Box:
    """A block of an image: ``start`` inclusive, ``stop`` exclusive, in t c z y x."""

    start: Shape5
    stop: Shape5

    @classmethod
    def whole(cls, shape: Shape5) -> Box:
        """The box of a whole image of ``shape``."""
        return cls((0, 0, 0, 0, 0), shape)

    @property
    def shape(self) -> Shape5:
        """Number of pixels along t, c, z, y, x; never negative."""
        t, c, z, y, x = (max(0, b - a) for a, b in zip(self.start, self.stop, strict=True))
        return t, c, z, y, x

    @property
    def size(self) -> int:
        """Number of values."""
        t, c, z, y, x = self.shape
        return t * c * z * y * x

    @property
    def slices(self) -> tuple[slice, ...]:
        """To index an array whose first element lies at the origin."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def grown(self, halo: Halo) -> Box:
        """Larger by the halo on both sides of z, y and x; may leave the image."""
        by = (0, 0, halo.z, halo.y, halo.x)
        return Box(
            _five(a - h for a, h in zip(self.start, by, strict=True)),
            _five(b + h for b, h in zip(self.stop, by, strict=True)),
        )

    def intersection(self, other: Box) -> Box:
        """What both cover; empty (``size`` 0) where they do not meet."""
        return Box(
            _five(max(a, b) for a, b in zip(self.start, other.start, strict=True)),
            _five(min(a, b) for a, b in zip(self.stop, other.stop, strict=True)),
        )

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            _five(min(a, b) for a, b in zip(self.start, other.start, strict=True)),
            _five(max(a, b) for a, b in zip(self.stop, other.stop, strict=True)),
        )

    def clipped(self, shape: Shape5) -> Box:
        """The part inside an image of ``shape``."""
        return self.intersection(Box.whole(shape))

    def relative_to(self, outer: Box) -> Box:
        """The same pixels, counted from the start of ``outer``."""
        return Box(
            _five(a - o for a, o in zip(self.start, outer.start, strict=True)),
            _five(b - o for b, o in zip(self.stop, outer.start, strict=True)),
        )

    def contains(self, other: Box) -> bool:
        """Whether every pixel of ``other`` lies in this box."""
        return all(a <= b for a, b in zip(self.start, other.start, strict=True)) and all(
            a >= b for a, b in zip(self.stop, other.stop, strict=True)
        )

    def replace(self, **axes: tuple[int, int]) -> Box:
        """Another box with start and stop of the named axes (``c=(0, 3)``) exchanged."""
        start, stop = list(self.start), list(self.stop)
        for name, (a, b) in axes.items():
            start[AXES.index(name)], stop[AXES.index(name)] = a, b
        return Box(_five(start), _five(stop))


@dataclass(frozen=True, slots=True)
class Tile:
    """One piece of work: ``valid`` is computed, ``read`` is what that needs of the image."""

    valid: Box
    read: Box


@dataclass(frozen=True, slots=True)
class TileGrid:
    """An image cut into tiles that do not overlap, each with the halo that it reads.

    ``tile`` is the size of a tile in t c z y x; the last ones are smaller. Channels are never cut.
    """

    box: Box
    tile: Shape5
    halo: Halo
    image: Shape5

    def __iter__(self) -> Iterator[Tile]:
        steps = [
            range(a, b, max(1, n)) for a, b, n in zip(self.box.start, self.box.stop, self.tile, strict=True)
        ]
        c0, c1 = self.box.start[1], self.box.stop[1]
        for t in steps[0]:
            for z in steps[2]:
                for y in steps[3]:
                    for x in steps[4]:
                        start = (t, c0, z, y, x)
                        stop = _five(
                            min(a + n, b) for a, n, b in zip(start, self.tile, self.box.stop, strict=True)
                        )
                        valid = Box(start, stop).replace(c=(c0, c1))
                        yield Tile(valid, valid.grown(self.halo).clipped(self.image))

    def __len__(self) -> int:
        n = 1
        for axis, (size, tile) in enumerate(zip(self.box.shape, self.tile, strict=True)):
            n *= 1 if axis == 1 else -(-size // max(1, tile))
        return n


def parse_axes(text: str, ndim: int | None = None) -> str:
    """Check an axis order such as ``zyx`` or ``yxc`` and give it back in lower case.

    Raises
    ------
    AxesError
        A letter that is not one of t c z y x, a repeated one, no y or no x, or not ``ndim`` letters.
    """
    axes = text.strip().lower()
    unknown = sorted(set(axes) - set(AXES))
    if unknown:
        raise AxesError(f"axes {text!r} hold {', '.join(unknown)}", remedy="use the letters t, c, z, y, x")
    if len(set(axes)) != len(axes):
        raise AxesError(f"axes {text!r} name an axis twice", remedy="name each axis once, as in zyx")
    if "y" not in axes or "x" not in axes:
        raise AxesError(f"axes {text!r} lack y or x", remedy="every image has y and x, as in yx or zyx")
    if ndim is not None and len(axes) != ndim:
        raise AxesError(
            f"axes {text!r} name {len(axes)} axes but the data have {ndim}", remedy="name them all"
        )
    return axes


def default_axes(shape: Sequence[int]) -> str:
    """The axis order of an array that says nothing of it (ilastik's rule).

    Two axes are yx; three are yxc if the last is at most 4, else zyx; four zyxc; five tzyxc.

    Raises
    ------
    AxesError
        Fewer than two or more than five axes.
    """
    ndim = len(shape)
    if ndim == 3:
        return "yxc" if shape[2] <= 4 else "zyx"
    if ndim not in (2, 4, 5):
        raise AxesError(
            f"the data have {ndim} {'axis' if ndim == 1 else 'axes'}, shape {tuple(shape)}",
            remedy="give data of 2 to 5 axes",
        )
    return {2: "yx", 4: "zyxc", 5: "tzyxc"}[ndim]


def shape_to_internal(shape: Sequence[int], axes: str) -> Shape5:
    """``shape`` in the order ``axes`` as t c z y x, 1 where an axis is missing."""
    sizes = dict(zip(axes, (int(n) for n in shape), strict=True))
    return _five(sizes.get(a, 1) for a in AXES)


def to_internal(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """A view of ``array`` (order ``axes``) in t c z y x."""
    order = [axes.index(a) for a in AXES if a in axes]
    view = array.transpose(order)
    return view[tuple(slice(None) if a in axes else None for a in AXES)]


def from_internal(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """A view of ``array`` (t c z y x) in the order ``axes``; axes left out must have size 1.

    Raises
    ------
    AxesError
        An axis of more than one pixel is not among ``axes``.
    """
    lost = [f"{a} ({n})" for a, n in zip(AXES, array.shape, strict=True) if a not in axes and n != 1]
    if lost:
        raise AxesError(f"axes {axes!r} would lose {', '.join(lost)}", remedy="add them to the axis order")
    view = array[tuple(slice(None) if a in axes else 0 for a in AXES)]
    kept = [a for a in AXES if a in axes]
    return np.transpose(view, [kept.index(a) for a in axes])


def _five(values: Any) -> Shape5:
    t, c, z, y, x = (int(v) for v in values)
    return t, c, z, y, x
