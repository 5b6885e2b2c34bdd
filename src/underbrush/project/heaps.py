"""The text heaps of an HDF5 file, read without libhdf5.

HDF5 keeps texts in collections ("GCOL", HDF5 file format specification III.E): a header of 16 bytes, then
objects, each with a header of 16 bytes (index, count, reserved, size). libhdf5 trusts these sizes: on damaged
ones it never ends (free space of size 0, as zeroed sectors make it) or crashes. So the texts of datasets are
read here (`TextHeap`). Those of attributes are left to libhdf5, which is shown the file with impossible sizes
replaced (`find_patches`); nothing is refused for them, for abandoned space of a sound file may look the same.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
_PART = 1 << 22
_MAX_KNOWN = 256


class TextHeap:
    """Texts of variable length, by where their references lie in the file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._known: dict[int, dict[int, bytes]] = {}

    def texts(self, offset: int, count: int) -> list[bytes]:
        """``count`` texts whose references (16 bytes each) start at ``offset``.

        Raises
        ------
        ValueError
            A reference leads nowhere.
        """
        self._file.seek(offset)
        raw = self._file.read(count * _HEADER)
        if len(raw) != count * _HEADER:
            raise ValueError("a list of texts lies beyond the end of the file")
        found = []
        for length, address, index in struct.iter_unpack("<IQI", raw):
            text = self._collection(address).get(index) if length else b""
            if text is None or len(text) < length:
                raise ValueError(f"there is no text {index} of {length} bytes at {address}")
            found.append(text[:length])
        return found

    def _collection(self, address: int) -> dict[int, bytes]:
        known = self._known.get(address)
        if known is None:
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()
            known = self._known[address] = dict(self._objects(address))
        return known

    def _objects(self, address: int) -> Iterator[tuple[int, bytes]]:
        if address + _HEADER > self._size:
            raise ValueError(f"a text lies beyond the end of the file, at {address}")
        self._file.seek(address)
        head = self._file.read(_HEADER)
        size = int.from_bytes(head[8:], "little")
        if not head.startswith(_MAGIC) or address + size > self._size:
            raise ValueError(f"there are no texts at {address}")
        text = head + self._file.read(max(0, size - _HEADER))
        at = _HEADER
        while at + _HEADER <= len(text):
            index, length = struct.unpack_from("<H6xQ", text, at)
            if index == 0:  # free space, at the end
                return
            yield index, text[at + _HEADER : at + _HEADER + length]
            at += _step(index, length)


def has_usual_sizes(head: bytes) -> bool:
    """Whether the file that starts with ``head`` has addresses of 8 bytes, counted from its start."""
    version = head[8]
    sizes = head[13:15] if version < 2 else head[9:11]
    base = head[24:32] if version == 0 else head[28:36] if version == 1 else head[12:20]
    return head.startswith(b"\x89HDF\r\n\x1a\n") and version <= 3 and sizes == b"\x08\x08" and not any(base)


def _step(index: int, length: int) -> int:
    """Bytes from an object's header to the next one's."""
    return length if index == 0 else _HEADER + -(-length // 8) * 8


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
    """Where a collection has an object of impossible size, the size that ends it."""
    file.seek(start + 8)
    size = int.from_bytes(file.read(8), "little")
    if not _HEADER < size <= file_size - start:
        return None  # libhdf5 refuses it by itself
    file.seek(start)
    text = file.read(size)
    at = _HEADER
    while at + _HEADER <= len(text):
        index, length = struct.unpack_from("<H6xQ", text, at)
        step = _step(index, length)
        if step == 0 or at + step > len(text):
            rest = len(text) - at
            return start + at + 8, struct.pack("<Q", rest if index == 0 else rest - _HEADER)
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
