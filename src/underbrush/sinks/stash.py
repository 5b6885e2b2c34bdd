"""Arrays put away for a while, lightly compressed: in memory, beyond a limit in a nameless scratch file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import OutputError
from underbrush.files import OutputFile, scratch_file

STASHED_BYTES = 32 << 20
"""Compressed bytes that are kept in memory; more go to the scratch file."""


class Stash:
    """See the module; may be used from several threads.

    Parameters
    ----------
    beside
        The scratch file lies on the disk of this file.
    """

    def __init__(self, beside: Path) -> None:
        self._beside = beside
        self._kept: dict[int, bytes] = {}
        self._stored: dict[int, tuple[int, int]] = {}
        self._shapes: dict[int, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self._bytes = self._end = self._next = 0
        self._scratch: OutputFile | None = None
        self._lock = threading.Lock()

    def put(self, values: NDArray[Any]) -> int:
        """A key to take a C-contiguous array back with.

        Raises
        ------
        OutputError
            The disk is full or gone.
        """
        data = (
            b""
            if not values.size
            else bytes(
                imagecodecs.blosc_encode(
                    values,  # type: ignore[arg-type]
                    level=1,
                    compressor="lz4",
                    shuffle="shuffle",
                    typesize=values.itemsize,
                    numthreads=1,
                )
            )
        )
        with self._lock:
            key = self._next
            self._next += 1
            self._shapes[key] = values.shape, values.dtype
            if self._bytes + len(data) <= STASHED_BYTES:
                self._kept[key] = data
                self._bytes += len(data)
                return key
            if self._scratch is None:
                self._scratch = scratch_file(self._beside)
            self._scratch.seek(self._end)
            self._scratch.write(data)
            self._stored[key] = (self._end, len(data))
            self._end += len(data)
            return key

    def take(self, key: int) -> NDArray[Any]:
        """The array of a key, read-only; the key is forgotten.

        Raises
        ------
        OutputError
            It cannot be read.
        """
        with self._lock:
            shape, dtype = self._shapes.pop(key)
            data: bytes | bytearray | None = self._kept.pop(key, None)
            if data is not None:
                self._bytes -= len(data)
            else:
                data = self._read(*self._stored.pop(key))
                if not self._stored:  # nothing waits there: it need not grow for ever
                    self._end = 0
        if not data:
            return np.zeros(shape, dtype)
        return np.frombuffer(imagecodecs.blosc_decode(bytes(data), numthreads=1), dtype).reshape(shape)

    def _read(self, offset: int, size: int) -> bytearray:
        assert self._scratch is not None
        data = bytearray(size)
        self._scratch.seek(offset)
        if self._scratch.readinto(data) != size:
            raise OutputError(
                "a scratch file was cut short", where=self._beside, remedy="check the disk and try again"
            )
        return data

    def close(self) -> None:
        """Drop everything; may be called twice."""
        self._kept.clear()
        if self._scratch is not None:
            self._scratch.close()
