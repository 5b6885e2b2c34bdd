"""A look at the text heaps of an HDF5 file before libhdf5 sees them.

HDF5 keeps texts in collections ("GCOL", HDF5 file format specification III.E): a header of 16 bytes, then
objects, each with a header of 16 bytes (index, count, reserved, size). libhdf5 never ends when it meets
free space (index 0) of size 0, as the zeroed sectors of a damaged disk make it. Abandoned space of a sound
file may look the same and does no harm; so nothing is refused here: libhdf5 is shown the file with that
free space reaching to the end of its collection, and says itself if a text is missing.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
_PART = 1 << 22


def find_patches(path: Path) -> dict[int, bytes]:
    """Position -> bytes to be shown there; empty for a sound file.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        found = (_patch(file, at, size) for at in _collections(file))
        return dict(p for p in found if p is not None)


def _collections(file: BinaryIO) -> list[int]:
    """Where collections start, to all appearances."""
    found = []
    base, tail = 0, b""
    while part := file.read(_PART):
        text = tail + part
        at = text.find(_MAGIC)
        while at >= 0:
            found.append(base - len(tail) + at)
            at = text.find(_MAGIC, at + 1)
        base += len(part)
        tail = text[1 - len(_MAGIC) :]
    return found


def _patch(file: BinaryIO, start: int, file_size: int) -> tuple[int, bytes] | None:
    """Where a collection has free space of size 0, the size that ends it."""
    file.seek(start + 8)
    size = int.from_bytes(file.read(8), "little")
    if not _HEADER < size <= file_size - start:
        return None  # libhdf5 refuses it by itself
    file.seek(start)
    text = file.read(size)
    at = _HEADER
    while at + _HEADER <= len(text):
        index, length = struct.unpack_from("<H6xQ", text, at)
        step = length if index == 0 else _HEADER + -(-length // 8) * 8
        if step == 0:
            return start + at + 8, struct.pack("<Q", len(text) - at)
        at += step
    return None


class PatchedFile(io.RawIOBase):
    """A file to read from, with other bytes in a few places."""

    def __init__(self, path: Path, patches: dict[int, bytes]) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._patches = patches

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer``."""
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        count = self._file.readinto(view)
        for at, patch in self._patches.items():
            for i, byte in enumerate(patch, at - start):
                if 0 <= i < count:
                    view[i] = byte
        return count

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._file.close()
        super().close()
