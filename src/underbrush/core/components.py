"""Which runs of labels hang together: the strokes of a label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROW = 1 << 33


@dataclass(frozen=True, eq=False, slots=True)
class Strokes:
    """Connected pixels of one class each, corners included, in order of their first pixel."""

    ids: NDArray[np.uint8]
    """(n,) class ids."""
    pixels: NDArray[np.int64]
    """(n,) number of pixels."""
    start: NDArray[np.int32]
    """(n, 4) t z y x of the smallest box, inclusive."""
    stop: NDArray[np.int32]
    """(n, 4) t z y x of the smallest box, exclusive."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def by_class(self) -> Mapping[int, tuple[int, int]]:
        """Class id -> (number of strokes, number of pixels)."""
        count = np.bincount(self.ids, minlength=256)
        pixels = np.zeros(256, np.int64)
        np.add.at(pixels, self.ids, self.pixels)
        return {int(k): (int(count[k]), int(pixels[k])) for k in np.flatnonzero(count)}


def strokes_of(runs: NDArray[np.int32], ids: NDArray[np.uint8]) -> Strokes:
    """The strokes of labels as runs (n, 5) t z y x length, sorted, disjoint, and their ids (n,)."""
    root = connected(runs, ids)
    first, number = np.unique(root, return_inverse=True)
    n = len(first)
    pixels = np.zeros(n, np.int64)
    np.add.at(pixels, number, runs[:, 4])
    ends = runs[:, :4] + 1
    ends[:, 3] = runs[:, 3] + runs[:, 4]
    start = np.full((n, 4), np.iinfo(np.int32).max, np.int32)
    stop = np.zeros((n, 4), np.int32)
    for axis in range(4):
        np.minimum.at(start[:, axis], number, runs[:, axis])
        np.maximum.at(stop[:, axis], number, ends[:, axis])
    return Strokes(ids[first], pixels, start, stop)


def connected(runs: NDArray[np.int32], ids: NDArray[np.uint8], corners: bool = True) -> NDArray[np.intp]:
    """For each run the first of those that hang together with it (n,): same id, same t, neighbours in z y x.

    ``runs`` (n, 5) t z y x length are sorted and disjoint, touching ones of one id are one run. ``corners``:
    pixels that meet in an edge or a corner alone are neighbours too.
    """
    if len(runs) < 2:
        return np.arange(len(runs), dtype=np.intp)
    return roots(len(runs), *_neighbours(runs, ids, 1 if corners else 0))


def roots(n: int, a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each of ``n`` things the smallest of those that hang together with it (n,).

    Thing ``a[k]`` and thing ``b[k]`` hang together.
    """
    parent = np.arange(n, dtype=np.intp)
    while len(a):
        mine, theirs = parent[a], parent[b]
        apart = mine != theirs
        if not apart.any():
            break
        a, b, mine, theirs = a[apart], b[apart], mine[apart], theirs[apart]
        np.minimum.at(parent, np.maximum(mine, theirs), np.minimum(mine, theirs))
        while not np.array_equal(up := parent[parent], parent):
            parent = up
    return parent


def _neighbours(
    runs: NDArray[np.int32], ids: NDArray[np.uint8], reach: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of runs of one id that are neighbours in two rows."""
    t, z, y = (_close(runs[:, axis], 1 if axis == 0 else 2) for axis in range(3))
    height, depth = int(y.max()) + 3, int(z.max()) + 3
    row_key = (t * depth + z + 1) * height + y + 1
    keys, row = np.unique(row_key, return_inverse=True)
    start = row * _ROW + runs[:, 3]
    stop = start + runs[:, 4]
    # Each pair of rows once: the row above, and in volumes those of the slice before.
    steps = [-1]
    if depth > 3:
        steps += [-height - 1, -height, -height + 1] if reach else [-height]
    pairs = []
    for step in steps:
        at = np.searchsorted(keys, keys + step)
        there = np.where((at < len(keys)) & (keys[np.minimum(at, len(keys) - 1)] == keys + step), at, -1)[row]
        mine = np.flatnonzero(there >= 0)
        base = (there - row)[mine] * _ROW
        low = np.searchsorted(stop, start[mine] + base - reach, side="right")
        high = np.searchsorted(start, stop[mine] + base + reach, side="left")
        n = np.maximum(high - low, 0)
        left = np.repeat(mine, n)
        ends = np.cumsum(n)
        right = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - n, n) + np.repeat(low, n)
        same = ids[left] == ids[right]
        pairs.append((left[same], right[same]))
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _close(values: NDArray[np.int32], gap: int) -> NDArray[np.int64]:
    """The same order with gaps cut down to ``gap``: neighbours stay neighbours, numbers stay small."""
    found, number = np.unique(values, return_inverse=True)
    steps = np.minimum(np.diff(found.astype(np.int64), prepend=found[:1]), gap)
    closed: NDArray[np.int64] = np.cumsum(steps)[number]
    return closed
