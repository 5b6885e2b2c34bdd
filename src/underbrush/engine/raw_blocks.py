"""Pixels of volumes as they were read, kept in blocks: neighbouring tiles and slices read nearly the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Shape5
from underbrush.errors import UnderbrushError
from underbrush.sources.cache import SegmentCache

DEPTH, HEIGHT, WIDTH = 16, 64, 256
"""Size of a block where that is not too many bytes: wide, for files hold rows."""
BLOCK_BYTES = 1 << 21
Reader = Callable[[Box], NDArray[Any]]


class RawBlocks:
    """Reads boxes of volumes by way of blocks that are kept, ``limit`` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._kept = SegmentCache(limit)

    @property
    def bytes(self) -> int:
        """Bytes of all blocks that are kept."""
        return self._kept.bytes

    def read(self, key: str, box: Box, image: tuple[Shape5, np.dtype[Any]], reader: Reader) -> NDArray[Any]:
        """The pixels of ``box``, a new array t c z y x.

        ``key`` stands for image and level, ``image`` is the shape and type of that level, ``reader`` reads
        any box of it. Flat images, and boxes that would push out all else, are read as they are.
        """
        shape, dtype = image
        if shape[2] == 1 or box.size * dtype.itemsize > self._kept.limit // 4:
            return reader(box)
        sizes = _block_size(shape, box.shape[1] * dtype.itemsize)
        out = np.empty(box.shape, dtype)
        try:
            for whole in _blocks(box, sizes, shape):
                block = self._kept.get((key, whole), partial(_own, reader, whole))
                part = whole.intersection(box)
                out[part.relative_to(box).slices] = block[part.relative_to(whole).slices]
        except UnderbrushError:
            # What is damaged may lie beside the box, in a block that it only touches.
            return reader(box)
        return out


def _blocks(box: Box, sizes: tuple[int, int, int], shape: Shape5) -> Iterator[Box]:
    """The blocks of the grid that a box touches, slice after slice."""
    (c0, c1), (depth, height, width) = (box.start[1], box.stop[1]), sizes
    t, z, y, x = (
        range(box.start[axis] // n * n, box.stop[axis], n)
        for axis, n in ((0, 1), (2, depth), (3, height), (4, width))
    )
    for a, b, c, d in itertools.product(t, z, y, x):
        yield Box((a, c0, b, c, d), (a + 1, c1, b + depth, c + height, d + width)).clipped(shape)


def _own(reader: Reader, box: Box) -> NDArray[Any]:
    """The pixels in memory of their own: a view would keep all of what it is a view of."""
    values = reader(box)
    return np.array(values, order="C") if values.base is not None else values


def _block_size(shape: Shape5, bytes_a_pixel: int) -> tuple[int, int, int]:
    height, width = HEIGHT, WIDTH
    while width > 16 and DEPTH * height * width * bytes_a_pixel > BLOCK_BYTES:
        height, width = max(8, height // 2), width // 2
    return min(DEPTH, shape[2]), height, width
