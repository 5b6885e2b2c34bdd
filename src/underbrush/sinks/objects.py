"""A segmentation becomes objects: what hangs together in one class gets a number of its own.

Blocks come in any cut and order. Of each the runs of pixels along x are kept, labelled within the block, and
its outer faces; when all are there, the faces of blocks that meet say which labels are one object. So nothing
is ever held as a whole image, and the numbers do not depend on the cut: objects count in the order of their
first pixel, t before z before y before x.

    block 1      block 2         faces that meet      objects
    a a . b   |  b . c c         b|b, e|f             1 1 . 2 | 2 . 3 3
    . . e e   |  f f . .                              . . 4 4 | 4 4 . .
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.components import connected, roots
from underbrush.core.geometry import Box
from underbrush.errors import OutputError
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.spool import incomplete, overlapping
from underbrush.sinks.stash import Stash

_SPACE = (2, 3, 4)
"""The axes of t c z y x along which pixels hang together."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What is kept of a block; the arrays are keys of the stash. Labels count from 0 within the block."""

    box: Box
    count: int
    """How many labels it has."""
    runs: int
    """(n, 6) int32: t z y x length label."""
    first: int
    """(count,) int64: the number of the first pixel of each label in the whole image."""
    classes: int
    """(count,) uint8."""


@dataclass(frozen=True, slots=True)
class _Face:
    """The outermost pixels of a block on one side."""

    box: Box
    part: int
    labels: int
    """Key of the labels from 1, 0 where there is none: uint32, in the shape of the box; -1: all are 0."""

    def across(self, axis: int) -> tuple[int, ...]:
        """Where it lies along the other axes."""
        start, stop = self.box.start, self.box.stop
        return (*start[:axis], *start[axis + 1 :], *stop[:axis], *stop[axis + 1 :])


class ObjectSink(Sink):
    """Takes a segmentation (uint8, one channel) and writes objects, 1 to N, and 0 where there is none.

    Pixels hang together that have an edge (in volumes a face) in common, are of one class and of one time.
    Some 30 bytes of memory are needed for each object of each block.

    Parameters
    ----------
    spec
        The objects as they are written: of one channel and whole numbers.
    classes
        Values of the segmentation of which objects are made.
    open_file
        Opens the file for ``spec``.
    """

    def __init__(
        self, spec: OutputSpec, classes: tuple[int, ...], open_file: Callable[[OutputSpec], Sink]
    ) -> None:
        self.spec = spec
        self._wanted = np.zeros(256, np.bool_)
        self._wanted[list(classes)] = True
        self._stash = Stash(spec.path)
        self._parts: list[_Part] = []
        self._ends: dict[tuple[int, int], list[_Face]] = {}
        self._starts: dict[tuple[int, int], list[_Face]] = {}
        self._left = math.prod(spec.shape)
        self._lock = threading.Lock()
        self._file = open_file(spec)  # fails now, not after hours, where nothing can be written
        self.count = 0
        """How many objects there are, after `commit`."""

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """Take a block of the segmentation, uint8, t c z y x.

        Raises
        ------
        OutputError
            The disk is full or gone.
        """
        if block.shape != box.shape or block.dtype != np.uint8 or box.shape[1] != 1:
            raise ValueError(f"a block of {block.dtype} {block.shape} came for a box of uint8 {box.shape}")
        runs, ids = _runs(np.where(self._wanted[block[:, 0]], block[:, 0], np.uint8(0)), box)
        first, label = np.unique(connected(runs, ids, corners=False), return_inverse=True)
        labelled = np.column_stack([runs, label.astype(np.int32)])
        sizes = np.array([self.spec.shape[axis] for axis in _SPACE], np.int64)
        t, z, y, x = runs[first, :4].T.astype(np.int64)
        number = ((t * sizes[0] + z) * sizes[1] + y) * sizes[2] + x
        put = self._stash.put
        part = _Part(box, len(first), put(labelled), put(number), put(ids[first]))
        faces = self._faces(box, labelled)
        with self._lock:
            self._left -= block.size
            if self._left < 0:
                raise overlapping(box.start)
            index = len(self._parts)
            self._parts.append(part)
            for sides, place, face, key in faces:
                sides.setdefault(place, []).append(_Face(face, index, key))

    def commit(self) -> None:
        """See `Sink.commit`.

        Raises
        ------
        OutputError
            The disk is full or gone, or there are more objects than the type of the values can count.
        """
        if self._left:
            raise incomplete(self.spec.path, f"{self._left} pixels")
        number, offsets = self._numbers()
        for part, offset in zip(self._parts, offsets, strict=False):
            values = _filled(part.box, self._stash.take(part.runs), number[offset : offset + part.count])
            self._file.write(part.box, values)
        self._file.commit()
        self._stash.close()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._stash.close()
        self._file.abort()

    def _numbers(self) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """The number of the object of each label of each block, and where the labels of each block begin."""
        offsets = np.concatenate([[0], np.cumsum([part.count for part in self._parts])]).astype(np.intp)
        none = np.zeros(0, np.int64)
        first = np.concatenate([none, *(self._stash.take(part.first) for part in self._parts)])
        ids = np.concatenate([none, *(self._stash.take(part.classes) for part in self._parts)]).astype(
            np.uint8
        )
        a, b = self._meetings(offsets)
        alike = ids[a] == ids[b]
        root = roots(len(first), a[alike], b[alike])
        lowest = np.full(len(first), np.iinfo(np.int64).max)
        np.minimum.at(lowest, root, first)
        owners = np.flatnonzero(root == np.arange(len(root)))
        self.count = len(owners)
        if self.count > np.iinfo(self.spec.dtype).max:
            raise OutputError(
                f"there are {self.count} objects, more than {self.spec.dtype} can count",
                where=self.spec.path,
                remedy="write them as uint32",
            )
        number = np.zeros(len(root), self.spec.dtype)
        number[owners[np.argsort(lowest[owners])]] = np.arange(1, self.count + 1)
        return number[root], offsets

    def _faces(
        self, box: Box, runs: NDArray[np.int32]
    ) -> Iterator[tuple[dict[tuple[int, int], list[_Face]], tuple[int, int], Box, int]]:
        """The faces inside the image: where they belong, axis and position, box, key of the labels."""
        count = int(runs[:, 5].max()) + 1 if len(runs) else 0
        labels = _filled(box, runs, np.arange(1, count + 1, dtype=np.uint32)) if count else None
        for axis in _SPACE:
            name = "tczyx"[axis]
            for sides, edge, inner in (
                (self._starts, box.start[axis], 0),
                (self._ends, box.stop[axis], -1),
            ):
                if edge in (0, self.spec.shape[axis]):
                    continue
                face = box.replace(**{name: (edge, edge + 1)})
                key = -1
                if labels is not None:
                    key = self._stash.put(np.ascontiguousarray(np.take(labels, [inner], axis)))
                yield sides, (axis, edge), face, key

    def _meetings(self, offsets: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of labels on the two sides of the cuts, whatever their classes."""
        pairs = [np.zeros((0, 2), np.intp)]
        for place, before in self._ends.items():
            axis = place[0]
            behind = self._starts.get(place, [])
            exact = {face.across(axis): face for face in behind}
            if all(face.across(axis) in exact for face in before):  # a regular cut: one pair at a time
                for face in before:
                    pairs.append(self._pair(face, exact[face.across(axis)], offsets))
                continue
            mine, others = (
                [(f, self._stash.take(f.labels)) for f in faces if f.labels >= 0]
                for faces in (before, behind)
            )
            for (face, here), (other, there) in itertools.product(mine, others):
                both = face.box.intersection(other.box)
                if both.size:
                    cut = (here[both.relative_to(face.box).slices], there[both.relative_to(other.box).slices])
                    pairs.append(_met(*cut, int(offsets[face.part]), int(offsets[other.part])))
        found = np.concatenate(pairs)
        return found[:, 0], found[:, 1]

    def _pair(self, face: _Face, other: _Face, offsets: NDArray[np.intp]) -> NDArray[np.intp]:
        if min(face.labels, other.labels) < 0:
            return np.zeros((0, 2), np.intp)
        here, there = self._stash.take(face.labels), self._stash.take(other.labels)
        return _met(here, there, int(offsets[face.part]), int(offsets[other.part]))


def _met(here: NDArray[np.uint32], there: NDArray[np.uint32], offset: int, other: int) -> NDArray[np.intp]:
    """The different pairs (n, 2) of labels that lie beside each other, counted in the whole."""
    inside = (here > 0) & (there > 0)
    one, two = here[inside].astype(np.int64), there[inside].astype(np.int64)
    pairs = np.unique(one << 32 | two)
    return np.column_stack([(pairs >> 32) - 1 + offset, (pairs & 0xFFFFFFFF) - 1 + other]).astype(np.intp)


def _runs(values: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Pixels that are not 0 as runs (n, 5) t z y x length of the image, sorted, and their values (n,).

    ``values`` are t z y x.
    """
    _, _, _, _, width = box.shape
    flat = values.reshape(-1, width)
    change = np.ones((flat.shape[0], width + 1), np.bool_)
    change[:, 1:-1] = flat[:, 1:] != flat[:, :-1]
    row, column = np.nonzero(change[:, :-1])
    value = flat[row, column]
    # Runs of a row follow each other, so each ends where the next begins, or with the row.
    following = np.append(column[1:], width)
    last = np.append(row[1:] != row[:-1], True)
    length = np.where(last, width, following) - column
    kept = value > 0
    row, column, length, value = row[kept], column[kept], length[kept], value[kept]
    t, _, z, y, x = box.start
    place = np.unravel_index(row, values.shape[:3])
    runs = np.column_stack([place[0] + t, place[1] + z, place[2] + y, column + x, length]).astype(np.int32)
    return runs, value


def _filled(box: Box, runs: NDArray[np.int32], numbers: NDArray[Any]) -> NDArray[Any]:
    """A block t c z y x with the number of the label of each run, 0 elsewhere; dtype of ``numbers``."""
    t, _, z, y, x = box.start
    _, _, depth, height, width = box.shape
    flat = np.zeros(box.size, numbers.dtype)
    rows = ((runs[:, 0] - t).astype(np.int64) * depth + runs[:, 1] - z) * height + runs[:, 2] - y
    start, length = rows * width + runs[:, 3] - x, runs[:, 4].astype(np.int64)
    ends = np.cumsum(length)
    pixels = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - (ends - length), length)
    flat[pixels] = np.repeat(numbers[runs[:, 5]], length)
    return flat.reshape(box.shape)
