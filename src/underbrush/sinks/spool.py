"""Blocks of any cut and order become the tiles of a file, encoded, in the file's own order.

A block usually fills some tiles wholly and touches others. Whole tiles are encoded at once, in the thread
that brought them; a touched tile waits in memory until it is full. Encoded tiles lie in a nameless scratch
file until the sink writes them in order, so that a file's bytes depend on its pixels alone:

    blocks    |  a  |  b  |        tiles   |1 |2 |3 |     scratch   3 1 2   ->   file   1 2 3

Memory stays bounded: above ``WAITING_BYTES`` the tile that was touched longest ago goes to a second scratch
file.
"""

from __future__ import annotations

import itertools
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import OutputError
from underbrush.files import OutputFile, scratch_file

WAITING_BYTES = 64 << 20
"""Most bytes of tiles that wait in memory to be completed."""


@dataclass(frozen=True, slots=True)
class TileLayout:
    """How an array in the order of a file is cut into tiles; the first tile starts at the origin."""

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    dtype: np.dtype[Any]
    padded: bool
    """Whether tiles at the far edges are filled up with zeros to the full size (else they are smaller)."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each axis."""
        return tuple(-(-n // t) for n, t in zip(self.shape, self.tile, strict=True))

    def number(self, index: tuple[int, ...]) -> int:
        """Position of a tile in C order."""
        return int(np.ravel_multi_index(index, self.counts))

    def index(self, number: int) -> tuple[int, ...]:
        """The tile at a position in C order."""
        return tuple(int(i) for i in np.unravel_index(number, self.counts))

    def start(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """First pixel of a tile."""
        return tuple(i * t for i, t in zip(index, self.tile, strict=True))

    def stored_shape(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Size of a tile as it is stored."""
        return self.tile if self.padded else self.valid_shape(index)

    def valid_shape(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Size of the part of a tile that lies inside the array."""
        sizes = zip(self.shape, self.tile, self.start(index), strict=True)
        return tuple(min(t, n - a) for n, t, a in sizes)

    def touched(self, start: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """The tiles that a block meets."""
        sides = zip(start, shape, self.tile, strict=True)
        return itertools.product(*(range(a // t, -(-(a + n) // t)) for a, n, t in sides))


class TileJoiner(ABC):
    """Takes blocks from several threads and hands on each tile when its last pixel has come (`_complete`).

    Parameters
    ----------
    beside
        Name of the file to come; the scratch file lies on the same disk.
    layout
        How the file is cut.
    """

    def __init__(self, beside: Path, layout: TileLayout) -> None:
        self.layout = layout
        self._path = beside
        self._lock = threading.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._waiting_bytes = 0
        self._parked: dict[int, tuple[int, int]] = {}
        self._free_slots: list[int] = []
        self._slots = 0
        self._parking: OutputFile | None = None

    @abstractmethod
    def _complete(self, number: int, tile: NDArray[Any]) -> None:
        """Take a complete tile, C-contiguous, of its stored shape. Called from several threads."""

    def write(self, start: tuple[int, ...], block: NDArray[Any]) -> None:
        """Take a block whose first pixel is at ``start``; axes in the order of the file.

        Raises
        ------
        OutputError
            The disk is full or gone.
        """
        for index in self.layout.touched(start, block.shape):
            origin, valid = self.layout.start(index), self.layout.valid_shape(index)
            inside, part = [], []
            for a, n, o, v in zip(start, block.shape, origin, valid, strict=True):
                first, last = max(a, o), min(a + n, o + v)
                inside.append(slice(first - a, last - a))
                part.append(slice(first - o, last - o))
            piece = block[tuple(inside)]
            tile = self._whole(index, piece) if piece.shape == valid else self._join(index, part, piece)
            if tile is not None:
                self._complete(self.layout.number(index), tile)

    def _whole(self, index: tuple[int, ...], piece: NDArray[Any]) -> NDArray[Any]:
        stored = self.layout.stored_shape(index)
        if piece.shape == stored:
            return np.ascontiguousarray(piece, self.layout.dtype)
        tile = np.zeros(stored, self.layout.dtype)
        tile[tuple(slice(n) for n in piece.shape)] = piece
        return tile

    def _join(self, index: tuple[int, ...], part: list[slice], piece: NDArray[Any]) -> NDArray[Any] | None:
        """Add a piece to a waiting tile; the tile when that completes it."""
        number = self.layout.number(index)
        with self._lock:
            waiting = self._take(number, index)
            waiting.pixels[tuple(part)] = piece
            waiting.filled += piece.size
            if waiting.filled >= math.prod(self.layout.valid_shape(index)):
                return waiting.pixels
            self._waiting[number] = waiting
            self._waiting_bytes += waiting.pixels.nbytes
            while self._waiting_bytes > WAITING_BYTES and len(self._waiting) > 1:
                self._park()
            return None

    def _take(self, number: int, index: tuple[int, ...]) -> _Waiting:
        """The waiting tile, out of memory or the parking file, or a new one."""
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self._waiting_bytes -= waiting.pixels.nbytes
            return waiting
        stored = self.layout.stored_shape(index)
        if number not in self._parked or self._parking is None:
            return _Waiting(np.zeros(stored, self.layout.dtype), 0)
        slot, filled = self._parked[number]
        pixels = np.empty(stored, self.layout.dtype)
        self._parking.seek(slot * self._slot_bytes)
        _fill(self._parking, pixels.reshape(-1).view(np.uint8), self._path)
        del self._parked[number]
        self._free_slots.append(slot)
        return _Waiting(pixels, filled)

    def _park(self) -> None:
        """Move the tile that was touched longest ago out of memory."""
        if self._parking is None:
            self._parking = scratch_file(self._path)
        number, waiting = next(iter(self._waiting.items()))
        slot = self._free_slots[-1] if self._free_slots else self._slots
        self._parking.seek(slot * self._slot_bytes)
        self._parking.write(waiting.pixels.reshape(-1).view(np.uint8))
        if self._free_slots:
            self._free_slots.pop()
        else:
            self._slots += 1
        self._parked[number] = slot, waiting.filled
        del self._waiting[number]
        self._waiting_bytes -= waiting.pixels.nbytes

    @property
    def _slot_bytes(self) -> int:
        return math.prod(self.layout.tile) * self.layout.dtype.itemsize

    def close(self) -> None:
        """Drop everything; may be called twice."""
        self._waiting.clear()
        if self._parking is not None:
            self._parking.close()


class TileSpool(TileJoiner):
    """Takes blocks from several threads and gives back encoded tiles.

    Parameters
    ----------
    beside
        Name of the file to come; scratch files lie on the same disk.
    layout
        How the file is cut.
    encode
        A C-contiguous tile -> the bytes that the file stores. Called from several threads.
    """

    def __init__(
        self, beside: Path, layout: TileLayout, encode: Callable[[NDArray[Any]], bytes | memoryview]
    ) -> None:
        super().__init__(beside, layout)
        self._encode = encode
        count = math.prod(layout.counts)
        self._offsets = np.full(count, -1, np.int64)
        self._sizes = np.zeros(count, np.int64)
        self._end = 0
        self._scratch = scratch_file(beside)

    def _complete(self, number: int, tile: NDArray[Any]) -> None:
        data = self._encode(tile)
        with self._lock:
            if self._offsets[number] >= 0:
                raise overlapping(self.layout.index(number))
            self._scratch.seek(self._end)
            self._scratch.write(data)
            self._offsets[number] = self._end
            self._sizes[number] = len(data)
            self._end += len(data)

    @property
    def encoded_bytes(self) -> int:
        """Bytes of all encoded tiles until now."""
        return self._end

    def check_complete(self) -> None:
        """Refuse to go on while tiles are missing.

        Raises
        ------
        OutputError
            Not every pixel was written.
        """
        missing = int((self._offsets < 0).sum())
        if missing:
            raise incomplete(self._path, f"{missing} of {len(self._offsets)} tiles")

    def encoded(self) -> Iterator[bytes]:
        """The encoded tiles in C order of their index."""
        for offset, size in zip(self._offsets.tolist(), self._sizes.tolist(), strict=True):
            data = np.empty(size, np.uint8)
            self._scratch.seek(offset)
            _fill(self._scratch, data, self._path)
            yield data.tobytes()

    def close(self) -> None:
        """See `TileJoiner.close`."""
        super().close()
        self._scratch.close()


@dataclass(slots=True)
class _Waiting:
    pixels: NDArray[Any]
    filled: int


def overlapping(index: tuple[int, ...]) -> ValueError:
    """The error for a tile that comes a second time: a defect of the caller."""
    return ValueError(f"tile {index} was written twice: blocks overlap")


def incomplete(path: Path, missing: str) -> OutputError:
    """The error for a result of which pixels never came."""
    return OutputError(
        f"the result is not complete: {missing} were never computed", where=path, remedy="compute it again"
    )


def _fill(file: OutputFile, target: NDArray[np.uint8], path: Path) -> None:
    if file.readinto(target.data) != target.size:
        raise OutputError("a scratch file was cut short", where=path, remedy="check the disk and try again")
