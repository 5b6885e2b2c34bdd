"""What OME-Zarr and N5 share: blocks become pieces, pieces files of a folder, the folder gets its name."""

from __future__ import annotations

import itertools
import os
import threading
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box
from underbrush.errors import OutputError
from underbrush.files import WorkFolder, explain
from underbrush.sinks.base import OutputSpec, PiecedSink
from underbrush.sinks.blocks import check_block, in_file_order
from underbrush.sinks.pieces import PiecedArray, unit_of
from underbrush.sinks.spool import TileJoiner, TileLayout, incomplete, overlapping
from underbrush.sinks.stash import Stash

MOST_THREADS = 4
"""That make the smaller levels."""
_MARKS = (".zgroup", ".zattrs", ".zarray", "zarr.json", "attributes.json")


class FolderSink(PiecedSink):
    """A result of one array, perhaps with smaller copies, in a folder.

    Parameters
    ----------
    spec
        What is written.
    axes
        Order of the axes of the arrays.
    folder, array
        The folder that will get the name, and the array in it at full resolution.
    partial
        Whether it is left and joined.
    """

    def __init__(
        self, spec: OutputSpec, axes: str, folder: WorkFolder, array: PiecedArray, *, partial: bool
    ) -> None:
        self.spec, self.partial, self.joined = spec, partial, folder.found
        self.unit = unit_of(axes, array.piecing.piece)
        self._axes, self._folder, self._array = axes, folder, array
        plain = array.piecing.inner == array.piecing.piece
        self._joiner = (_Pieces if plain else _Parts)(array, spec, partial)
        self._open = True

    @abstractmethod
    def _finish(self, threads: int) -> None:
        """Write what remains when all pieces are there: smaller levels and metadata."""

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        self._joiner.write(*in_file_order(self._axes, box, block))

    def finished(self, box: Box) -> bool:
        """See `PiecedSink.finished`."""
        start = tuple(box.start[AXES.index(a)] for a in self._axes)
        shape = tuple(box.shape[AXES.index(a)] for a in self._axes)
        return all(self._array.has(number) for number in self._array.touched(start, shape))

    def missing(self) -> Iterator[Box]:
        """See `PiecedSink.missing`."""
        layout = self._array.layout
        for number in self._array.missing():
            index = layout.index(number)
            sides = zip(layout.start(index), layout.valid_shape(index), strict=True)
            ends = dict(zip(self._axes, ((a, a + n) for a, n in sides), strict=True))
            yield Box.whole((1, 1, 1, 1, 1)).replace(**ends)

    def commit(self) -> None:
        """See `Sink.commit`."""
        if not self._open:
            raise ValueError("the result was already committed, left or aborted")
        missing = sum(1 for _ in itertools.islice(self._array.missing(), 1_000_000))
        if missing:
            raise incomplete(self.spec.path, f"{missing} pieces")
        self._finish(_threads())
        self._folder.commit()
        self._close()

    def leave(self) -> None:
        """See `PiecedSink.leave`."""
        self._close()

    def abort(self) -> None:
        """See `Sink.abort`."""
        if self._open:
            self._close()
            self._folder.remove()

    def _close(self) -> None:
        self._open = False
        self._joiner.close()


class _Pieces(TileJoiner):
    """Pieces that are compressed as a whole: each is written as soon as it is full."""

    def __init__(self, array: PiecedArray, spec: OutputSpec, partial: bool) -> None:
        super().__init__(spec.path, array.layout)
        self._array, self._partial = array, partial

    def _complete(self, number: int, tile: NDArray[Any]) -> None:
        if not self._array.has(number):
            self._array.put(number, tile)
        elif not self._partial:
            raise overlapping(self.layout.index(number))


class _Parts(TileJoiner):
    """Shards: the parts of one wait, compressed lightly, until all are there."""

    def __init__(self, array: PiecedArray, spec: OutputSpec, partial: bool) -> None:
        piecing = array.piecing
        super().__init__(spec.path, TileLayout(piecing.shape, piecing.inner, piecing.dtype, padded=False))
        self._array, self._partial = array, partial
        self._stash = Stash(spec.path)
        self._there: dict[int, dict[tuple[int, ...], int]] = {}
        self._guard = threading.Lock()

    def _complete(self, number: int, tile: NDArray[Any]) -> None:
        index = self.layout.index(number)
        start, whole = self.layout.start(index), self._array.layout
        piece = whole.number(tuple(a // n for a, n in zip(start, whole.tile, strict=True)))
        if self._array.has(piece):
            if self._partial:
                return
            raise overlapping(index)
        key = self._stash.put(tile)
        with self._guard:
            there = self._there.setdefault(piece, {})
            if index in there:
                raise overlapping(index)
            there[index] = key
            if len(there) < self._parts(piece):
                return
            del self._there[piece]
        self._array.put(piece, self._assembled(piece, there))

    def _parts(self, piece: int) -> int:
        """How many parts a piece has."""
        whole = self._array.layout
        sizes = zip(whole.valid_shape(whole.index(piece)), self.layout.tile, strict=True)
        return int(np.prod([-(-n // t) for n, t in sizes]))

    def _assembled(self, piece: int, there: dict[tuple[int, ...], int]) -> NDArray[Any]:
        whole = self._array.layout
        index = whole.index(piece)
        origin = whole.start(index)
        pixels = np.empty(whole.valid_shape(index), whole.dtype)
        for part, key in there.items():
            start, shape = self.layout.start(part), self.layout.valid_shape(part)
            sides = zip(start, origin, shape, strict=True)
            pixels[tuple(slice(a - o, a - o + n) for a, o, n in sides)] = self._stash.take(key)
        return pixels

    def close(self) -> None:
        """See `TileJoiner.close`."""
        super().close()
        self._stash.close()


def check_replaceable(spec: OutputSpec, format: str) -> None:
    """Refuse to put a result in the place of a folder of somebody else's.

    Raises
    ------
    OutputError
        There is a folder of this name that holds other things.
    """
    path = spec.path
    try:
        foreign = path.is_dir() and not any((path / name).exists() for name in _MARKS) and any(path.iterdir())
    except OSError as error:
        raise explain(error, path) from error
    if foreign:
        raise OutputError(
            f"a folder of this name is in the way, and it is no {format}",
            where=path,
            remedy="choose another name, or remove it yourself",
        )


def _threads() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_THREADS, usable)
