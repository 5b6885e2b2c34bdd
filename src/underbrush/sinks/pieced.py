"""What OME-Zarr and N5 share: blocks become pieces, pieces files of a folder, the folder gets its name."""

from __future__ import annotations

import itertools
import os
import threading
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box
from underbrush.errors import OutputError
from underbrush.files import OutputFile, WorkFolder, scratch_file
from underbrush.sinks.base import OutputSpec, PiecedSink
from underbrush.sinks.blocks import check_block, in_file_order
from underbrush.sinks.pieces import PiecedArray, unit_of
from underbrush.sinks.spool import TileJoiner, TileLayout, incomplete, overlapping

STASHED_BYTES = 32 << 20
"""Compressed parts of pieces that are kept in memory; more go to a scratch file."""
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
        self._stash = _Stash(spec)
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
            pixels[tuple(slice(a - o, a - o + n) for a, o, n in sides)] = self._stash.take(key, shape)
        return pixels

    def close(self) -> None:
        """See `TileJoiner.close`."""
        super().close()
        self._stash.close()


class _Stash:
    """Arrays put away compressed, in memory and beyond `STASHED_BYTES` in a scratch file."""

    def __init__(self, spec: OutputSpec) -> None:
        self._spec = spec
        self._dtype = spec.dtype.newbyteorder("<")
        self._kept: dict[int, bytes] = {}
        self._stored: dict[int, tuple[int, int]] = {}
        self._bytes = self._end = self._next = 0
        self._scratch: OutputFile | None = None
        self._lock = threading.Lock()

    def put(self, values: NDArray[Any]) -> int:
        """A key to take them back with."""
        data = bytes(
            imagecodecs.blosc_encode(
                values,  # type: ignore[arg-type]
                level=1,
                compressor="lz4",
                shuffle="shuffle",
                typesize=values.itemsize,
                numthreads=1,
            )
        )
        with self._lock:
            key = self._next
            self._next += 1
            if self._bytes + len(data) <= STASHED_BYTES:
                self._kept[key] = data
                self._bytes += len(data)
                return key
            if self._scratch is None:
                self._scratch = scratch_file(self._spec.path)
            self._scratch.seek(self._end)
            self._scratch.write(data)
            self._stored[key] = (self._end, len(data))
            self._end += len(data)
            return key

    def take(self, key: int, shape: tuple[int, ...]) -> NDArray[Any]:
        """The array of a key, which is forgotten."""
        with self._lock:
            data: bytes | bytearray | None = self._kept.pop(key, None)
            if data is not None:
                self._bytes -= len(data)
            else:
                assert self._scratch is not None
                offset, size = self._stored.pop(key)
                data = bytearray(size)
                self._scratch.seek(offset)
                if self._scratch.readinto(data) != size:
                    raise OutputError(
                        "a scratch file was cut short",
                        where=self._spec.path,
                        remedy="check the disk and try again",
                    )
                if not self._stored:  # nothing waits there: it need not grow for ever
                    self._end = 0
        return np.frombuffer(imagecodecs.blosc_decode(bytes(data), numthreads=1), self._dtype).reshape(shape)

    def close(self) -> None:
        """Drop everything."""
        self._kept.clear()
        if self._scratch is not None:
            self._scratch.close()


def check_replaceable(spec: OutputSpec, format: str) -> None:
    """Refuse to put a result in the place of a folder of somebody else's.

    Raises
    ------
    OutputError
        There is a folder of this name that holds other things.
    """
    path = spec.path
    if path.is_dir() and not any((path / name).exists() for name in _MARKS) and any(path.iterdir()):
        raise OutputError(
            f"a folder of this name is in the way, and it is no {format}",
            where=path,
            remedy="choose another name, or remove it yourself",
        )


def _threads() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_THREADS, usable)
