"""The skeleton of a TIFF file, read by our own few lines before any library sees the file.

What is checked: every list of tags (IFD) lies in the file and none is met twice; the values of the
tags that say where pixels are lie in the file; the first page's size fits the number of its pieces
and the bytes they have. So a cut, looping or lying file is refused at once and in little memory.

Layout: TIFF 6.0 (Adobe, 1992), and BigTIFF for magic number 43. An IFD is a count, that many entries
(code, type, count, value or offset) and the offset of the next IFD.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Byte order and widths: classic TIFF or BigTIFF."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")


def check_structure(file: BytesFile) -> int:
    """Walk all pages of a TIFF file and give back their number.

    Raises
    ------
    ImageError
        The file is cut off, its list of pages runs in a circle, or the first page is impossible.
    """
    head = file.read_at(0, 16) if file.size >= 16 else file.read_at(0, 8)
    order = "<" if head[:2] == b"II" else ">"
    dialect = _Dialect(order, struct.unpack(order + "H", head[2:4])[0] == 43)
    if dialect.big and len(head) < 16:
        raise file.too_short(16)
    offset: int = struct.unpack(dialect.offset, head[8:16] if dialect.big else head[4:8])[0]
    if offset == 0:
        raise _damaged(file, "it names no page")
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise _damaged(file, f"its list of pages runs in a circle after page {len(seen)}")
        if len(seen) >= _MAX_PAGES:
            raise _damaged(file, f"it has more than {_MAX_PAGES} pages")
        seen.add(offset)
        entries, offset = _read_ifd(file, offset, dialect, len(seen))
        if len(seen) == 1:
            _check_first(file, entries, dialect)
            if _NDPI in entries:
                # Hamamatsu's offsets have 64 bits in a 32-bit file: only tifffile knows how to follow them.
                break
    return len(seen)


def _read_ifd(
    file: BytesFile, offset: int, dialect: _Dialect, page: int
) -> tuple[dict[int, tuple[int, int, bytes]], int]:
    width = struct.calcsize(dialect.count)
    if offset < 8 or offset + width > file.size:
        raise _cut(file, page, offset + width)
    count: int = struct.unpack(dialect.count, file.read_at(offset, width))[0]
    if not 0 < count <= _MAX_TAGS:
        raise _damaged(file, f"page {page} has {count} tags")
    size, link = struct.calcsize(dialect.entry), struct.calcsize(dialect.offset)
    end = offset + width + count * size
    if end > file.size:
        raise _cut(file, page, end)
    # The link to the next page may be missing at the very end of sloppy files; then there is none.
    block = file.read_at(offset + width, min(count * size + link, file.size - offset - width))
    entries = {code: rest for code, *rest in struct.iter_unpack(dialect.entry, block[: count * size])}
    tail = block[count * size :]
    following = struct.unpack(dialect.offset, tail)[0] if len(tail) == link else 0
    return {code: (kind, number, value) for code, (kind, number, value) in entries.items()}, following


def _check_first(file: BytesFile, entries: dict[int, tuple[int, int, bytes]], dialect: _Dialect) -> None:
    for code in _NEEDED & entries.keys():
        kind, number, value = entries[code]
        size = _TYPE_BYTES.get(kind, 1) * number
        if size > len(value):
            end = struct.unpack(dialect.offset, value)[0] + size
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


def _pieces(entries: dict[int, tuple[int, int, bytes]], dialect: _Dialect, width: int, length: int) -> int:
    across, down = _number(entries, 322, dialect), _number(entries, 323, dialect)
    if across and down:
        return -(-width // across) * -(-length // down)
    rows = _number(entries, 278, dialect) or length
    return -(-length // min(rows, length))


def _number(entries: dict[int, tuple[int, int, bytes]], code: int, dialect: _Dialect) -> int:
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
