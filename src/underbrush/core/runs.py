"""The pixels of a stroke as runs along x, in one canonical form."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from underbrush.core.geometry import Box, Shape5
from underbrush.errors import CommandError

MAX_PIXELS = 1 << 24
"""Pixels that one command may set."""
MAX_RUNS = 1 << 21
"""Runs that one command may have."""
_FAR = 1 << 31
_ROW = 1 << 33
"""Distance of two rows in a line of all pixels: more than any x, so that rows never touch."""


@dataclass(frozen=True, eq=False, slots=True)
class Runs:
    """Pixels of one image: sorted by t, z, y, x, disjoint, touching runs of one row merged.

    Two are equal when they hold the same pixels.
    """

    array: NDArray[np.int32]
    """(n, 5) t z y x length, read-only."""

    @classmethod
    def from_array(cls, array: ArrayLike) -> Runs:
        """Runs from (n, 5) whole numbers t z y x length, or the same as one flat list, in any order.

        Runs may overlap.

        Raises
        ------
        CommandError
            Not such an array, a negative position, a length below 1, a position at or beyond 2^31, more than
            `MAX_RUNS` runs or `MAX_PIXELS` pixels.
        """
        return cls(_frozen(_canonical(_checked(array))))

    @classmethod
    def from_positions(cls, positions: ArrayLike) -> Runs:
        """Runs of the pixels (n, 4) t z y x, in any order, repeated or not; errors as `from_array`."""
        found = np.asarray(positions, np.int64).reshape(-1, 4)
        return cls.from_array(np.column_stack([found, np.ones(len(found), np.int64)]))

    @classmethod
    def from_text(cls, text: str) -> Runs:
        """The runs of a `text`; errors as `from_array`, also for other texts or too long ones."""
        return cls.from_array(unpack_rows(text, 5, MAX_RUNS))

    @classmethod
    def empty(cls) -> Runs:
        """No pixels."""
        return cls(_frozen(np.zeros((0, 5), np.int32)))

    @property
    def text(self) -> str:
        """As ASCII text; see `from_text`."""
        return pack_rows(self.array)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(self.array[:, 4].sum(dtype=np.int64))

    @property
    def box(self) -> Box:
        """The smallest box that holds all pixels, c 0 to 1; empty at the origin where there are none."""
        if not len(self.array):
            return Box((0, 0, 0, 0, 0), (0, 0, 0, 0, 0))
        t, z, y, x = (int(v) for v in self.array[:, :4].min(axis=0))
        t1, z1, y1 = (int(v) + 1 for v in self.array[:, :3].max(axis=0))
        x1 = int((self.array[:, 3].astype(np.int64) + self.array[:, 4]).max())
        return Box((t, 0, z, y, x), (t1, 1, z1, y1, x1))

    def positions(self) -> NDArray[np.intp]:
        """The pixels, (size, 4) t z y x, sorted."""
        lengths = self.array[:, 4].astype(np.intp)
        out = np.repeat(self.array[:, :4].astype(np.intp), lengths, axis=0)
        out[:, 3] += _counting(lengths)
        return out

    def clipped(self, shape: Shape5) -> Runs:
        """The pixels inside an image of ``shape`` (t c z y x)."""
        t, _, z, y, x = shape
        a = self.array
        inside = (a[:, 0] < t) & (a[:, 1] < z) & (a[:, 2] < y) & (a[:, 3] < x)
        if inside.all() and (a[:, 3].astype(np.int64) + a[:, 4] <= x).all():
            return self
        kept = a[inside].copy()
        kept[:, 4] = np.minimum(kept[:, 4].astype(np.int64), x - kept[:, 3].astype(np.int64))
        return Runs(_frozen(kept))

    def union(self, others: Iterable[Runs]) -> Runs:
        """All pixels of these and of ``others``; errors as `from_array`."""
        return Runs.from_array(np.concatenate([self.array, *(o.array for o in others)]))

    def __len__(self) -> int:
        return len(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return hash(self.array.tobytes())


def sorted_order(columns: NDArray[Any]) -> NDArray[np.intp]:
    """The order that sorts the rows of ``columns`` (n, k; not negative) by first column, second, ..."""
    if not len(columns):
        return np.zeros(0, np.intp)
    sizes = [int(v) + 1 for v in columns.max(axis=0)]
    if math.prod(sizes) >= 1 << 62:
        return np.lexsort(columns.T[::-1])
    key = columns[:, 0].astype(np.int64)
    for axis in range(1, columns.shape[1]):
        key = key * sizes[axis] + columns[:, axis]
    return np.argsort(key, kind="stable")


def pack_rows(array: NDArray[Any]) -> str:
    """(n, k) int32 as text: base64 of deflated little-endian columns of differences from row to row."""
    steps = np.diff(array.astype("<i4"), axis=0, prepend=np.zeros((1, array.shape[1]), "<i4"))
    return pack_bytes(np.ascontiguousarray(steps.T).tobytes())


def unpack_rows(text: object, columns: int, limit: int) -> NDArray[np.int64]:
    """The (n, ``columns``) array of a text by `pack_rows`, of at most ``limit`` rows.

    Raises
    ------
    CommandError
        It is no such text, or holds more rows (which are then not unpacked).
    """
    data = unpack_bytes(text, 4 * columns * limit)
    if len(data) % (4 * columns):
        raise CommandError(f"{len(data)} bytes are not whole rows of {columns} numbers", remedy=_AGAIN)
    steps = np.frombuffer(data, "<i4").reshape(columns, -1).astype(np.int64)
    # Differences of int32 wrap where they overflow, and so must their sum.
    return np.ascontiguousarray(np.cumsum(steps, axis=1).astype(np.int32).T).astype(np.int64)


def pack_bytes(data: bytes) -> str:
    """Bytes as text: base64 of the deflated bytes."""
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii")


def unpack_bytes(text: object, limit: int) -> bytes:
    """The bytes of a text by `pack_bytes`, at most ``limit``.

    Raises
    ------
    CommandError
        It is no such text, or holds more.
    """
    if not isinstance(text, str):
        raise CommandError(f"packed data are a {type(text).__name__}, not text", remedy=_AGAIN)
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), limit + 1)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise CommandError(f"packed data are damaged ({error})", remedy=_AGAIN) from None
    if len(data) > limit:
        raise CommandError(
            f"packed data hold more than {limit} bytes", remedy="send them in several smaller commands"
        )
    if not unpacker.eof or unpacker.unused_data:
        raise CommandError("packed data are cut off or followed by something else", remedy=_AGAIN)
    return data


_AGAIN = "send the command again as it was made"


def _checked(array: ArrayLike) -> NDArray[np.int64]:
    try:
        found = np.asarray(array)
    except ValueError:
        raise CommandError("the runs are not rows of 5 numbers", remedy=_FIVE) from None
    if found.size == 0:
        return np.zeros((0, 5), np.int64)
    if found.dtype.kind not in "iu":
        raise CommandError(f"the runs hold {found.dtype} and not whole numbers", remedy=_FIVE)
    if found.ndim == 1 and found.size % 5 == 0:
        found = found.reshape(-1, 5)
    if found.ndim != 2 or found.shape[1] != 5:
        raise CommandError(f"the runs have the shape {found.shape} and not (n, 5)", remedy=_FIVE)
    if len(found) > MAX_RUNS:
        raise CommandError(f"the stroke has {len(found)} runs, at most {MAX_RUNS} are taken", remedy=_SMALLER)
    if found.min() < 0:
        raise CommandError("a run has a negative number", remedy=_FIVE)
    if found.max() >= _FAR:
        raise CommandError(f"a run has a number of {found.max()}, beyond 2^31", remedy=_FIVE)
    checked: NDArray[np.int64] = found.astype(np.int64)
    if checked[:, 4].min() < 1:
        raise CommandError("a run has the length 0", remedy="leave out runs without pixels")
    if (checked[:, 3] + checked[:, 4]).max() >= _FAR:
        raise CommandError("a run ends beyond 2^31", remedy=_FIVE)
    return checked


_FIVE = "give each run as t, z, y, x and length"
_SMALLER = "paint in several smaller strokes"


def _canonical(array: NDArray[np.int64]) -> NDArray[np.int32]:
    """Sorted, disjoint, merged; ``array`` is checked."""
    if len(array) > 1:
        step = np.diff(array[:, :4], axis=0)
        first = (step != 0).argmax(axis=1)
        if (step[np.arange(len(step)), first] <= 0).any():
            array = array[np.lexsort((array[:, 3], array[:, 2], array[:, 1], array[:, 0]))]
        row = np.cumsum((np.diff(array[:, :3], axis=0, prepend=array[:1, :3]) != 0).any(axis=1))
        start = row * _ROW + array[:, 3]
        reached = np.maximum.accumulate(start + array[:, 4])
        heads = np.flatnonzero(np.concatenate([[True], start[1:] > reached[:-1]]))
        tails = np.concatenate([heads[1:] - 1, [len(array) - 1]])
        array = np.column_stack([array[heads, :4], reached[tails] - start[heads]])
    size = int(array[:, 4].sum())
    if size > MAX_PIXELS:
        raise CommandError(f"the stroke has {size} pixels, at most {MAX_PIXELS} are taken", remedy=_SMALLER)
    return array.astype(np.int32)


def _frozen(array: NDArray[np.int32]) -> NDArray[np.int32]:
    array.flags.writeable = False
    return array


def _counting(lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """0, 1, ... length - 1 for each length, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.intp) - np.repeat(ends - lengths, lengths)
