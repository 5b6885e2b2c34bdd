"""The skeleton of a TIFF file, read by our own few lines before any library sees the file.

What is checked: every list of tags (IFD) lies in the file and none is met twice; the values of the
tags that say where pixels are lie in the file; the first page's size fits the number of its pieces
and the bytes they have. So a cut, looping or lying file is refused at once and in little memory.

Layout: TIFF 6.0 (Adobe, 1992), and BigTIFF for magic number 43. An IFD is a count, that many entries
(code, type, count, value or offset) and the offset of the next IFD.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from underbrush.errors import ImageError
from underbrush.sources.bytesfile import BytesFile

_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_MAX_TAGS = 4096
_MAX_PAGES = 10_000_000
_NEEDED = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 330, 339}
"""Tags without which pixels cannot be found or understood; damage of others is harmless."""
_NDPI = 65420
_USUAL = 512
"""Bytes of an IFD of many tags."""


_Entries = Mapping[int, Sequence[Any]]
"""Code -> type, count, and the bytes of the value or of its offset."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Byte order and widths in bytes: classic TIFF or BigTIFF."""

    endian: Literal["little", "big"]
    width: int
    """Of the count of tags."""
    size: int
    """Of an entry."""
    link: int
    """Of an offset."""

    @property
    def order(self) -> str:
        return "<" if self.endian == "little" else ">"

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.link == 8 else "HHI4s")


def _dialect(head: bytes) -> _Dialect:
    endian: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    if int.from_bytes(head[2:4], endian) == 43:
        return _Dialect(endian, 8, 20, 8)
    return _Dialect(endian, 2, 12, 4)


def check_structure(file: BytesFile) -> int:
    """Walk all pages of a TIFF file and give back their number.

    Raises
    ------
    ImageError
        The file is cut off, its list of pages runs in a circle, or the first page is impossible.
    """
    head = file.read_at(0, 16) if file.size >= 16 else file.read_at(0, 8)
    dialect = _dialect(head)
    if dialect.link == 8 and len(head) < 16:
        raise file.too_short(16)
    # The first offset stands behind as many bytes as it has itself.
    offset = int.from_bytes(head[dialect.link : 2 * dialect.link], dialect.endian)
    if offset == 0:
        raise _damaged(file, "it names no page")
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise _damaged(file, f"its list of pages runs in a circle after page {len(seen)}")
        if len(seen) >= _MAX_PAGES:
            raise _damaged(file, f"it has more than {_MAX_PAGES} pages")
        seen.add(offset)
        block, offset = _read_ifd(file, offset, dialect, len(seen))
        if len(seen) == 1:
            entries = {code: rest for code, *rest in struct.iter_unpack(dialect.entry, block)}
            _check_first(file, entries, dialect)
            if _NDPI in entries:
                # Hamamatsu's offsets have 64 bits in a 32-bit file: only tifffile knows how to follow them.
                break
    return len(seen)


def _read_ifd(file: BytesFile, offset: int, dialect: _Dialect, page: int) -> tuple[bytes, int]:
    """The entries of the IFD at ``offset``, and the offset of the next one or 0."""
    width, link = dialect.width, dialect.link
    if offset < 8 or offset + width > file.size:
        raise _cut(file, page, offset + width)
    # One call to the system reads most IFDs whole; there may be a hundred thousand.
    block = file.read_at(offset, min(_USUAL, file.size - offset))
    count = int.from_bytes(block[:width], dialect.endian)
    if not 0 < count <= _MAX_TAGS:
        raise _damaged(file, f"page {page} has {count} tags")
    end = width + count * dialect.size
    if offset + end > file.size:
        raise _cut(file, page, offset + end)
    if end + link > len(block):
        # The link to the next page may be missing at the very end of sloppy files; then there is none.
        block = file.read_at(offset, min(end + link, file.size - offset))
    tail = block[end : end + link]
    return block[width:end], int.from_bytes(tail, dialect.endian) if len(tail) == link else 0


def _check_first(file: BytesFile, entries: _Entries, dialect: _Dialect) -> None:
    for code in _NEEDED & entries.keys():
        kind, number, value = entries[code]
        size = _TYPE_BYTES.get(kind, 1) * number
        if size > len(value):
            end = int.from_bytes(value, dialect.endian) + size
            if end > file.size:
                raise _cut(file, 1, end)
    width, length = _number(entries, 256, dialect), _number(entries, 257, dialect)
    if width < 1 or length < 1:
        raise _damaged(file, f"its first page is {width} x {length} pixels large")
    where = entries.get(324) or entries.get(273)
    if where is None:
        raise _damaged(file, "its first page does not say where its pixels are")
    if _NDPI in entries:
        return
    pieces = _pieces(entries, dialect, width, length)
    # Planar files have one list for all samples; more pieces than needed are harmless.
    if pieces > where[1] and not _number(entries, 32997, dialect) > 1:
        raise _damaged(
            file,
            f"its first page of {width} x {length} pixels needs {pieces} pieces but lists {where[1]}",
        )


def _pieces(entries: _Entries, dialect: _Dialect, width: int, length: int) -> int:
    across, down = _number(entries, 322, dialect), _number(entries, 323, dialect)
    if across and down:
        return -(-width // across) * -(-length // down)
    rows = _number(entries, 278, dialect) or length
    return -(-length // min(rows, length))


def _number(entries: _Entries, code: int, dialect: _Dialect) -> int:
    """The single whole number of a tag, 0 if there is none."""
    kind, number, value = entries.get(code, (0, 0, b""))
    form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
    if number != 1 or form is None or struct.calcsize(form) > len(value):
        return 0
    found: int = struct.unpack(dialect.order + form, value[: struct.calcsize("=" + form)])[0]
    return found


def _cut(file: BytesFile, page: int, needed: int) -> ImageError:
    return ImageError(
        f"the file is cut off or damaged: page {page} reaches byte {needed}, the file ends at {file.size}",
        where=file.location,
        remedy="copy or export it again",
    )


def _damaged(file: BytesFile, what: str) -> ImageError:
    return ImageError(
        f"this TIFF file is damaged: {what}", where=file.location, remedy="copy or export it again"
    )
