"""Which decoder takes a strip or tile, and what is checked before it does.

Decoders of the packing kind (LZW, deflate, PackBits, Zstandard, LZMA) get a buffer of the expected
size from us and fill it, so a lie costs an error. JPEG says its own size, which is compared with the
size of the piece before a decoder sees it. All other codecs (old-style and lossless JPEG, JPEG 2000,
JPEG XR, WebP, LERC, ...) are rare, large, of less well trodden code, and size their memory by what
the data say: they run in a child process with limits (`underbrush.sources.childdecoder`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from underbrush.errors import ImageError

NONE = 1
JPEG = 7
RATIOS = {
    NONE: 1,
    5: 3000,  # LZW: a code of 12 bits names at most 4096 bytes
    8: 1040,  # deflate: 258 bytes in 2 bits
    32946: 1040,
    32773: 64,  # PackBits: 128 bytes in 2
    50000: 40_000,  # Zstandard: 128 KiB in 4 bytes
    34926: 40_000,
    34925: 40_000,  # LZMA
    JPEG: 1600,
}
"""Compression -> how many times smaller it can make constant bytes."""
UNBOUNDED = 1 << 40
"""The same for CCITT, wavelets and others, which know no bound."""
IN_PROCESS = frozenset({NONE, 5, 8, 32946, 32773, 50000, 34926, 34925})
"""None, LZW, deflate (both numbers), PackBits, Zstandard (both), LZMA."""

_BASELINE = {0xC0, 0xC1, 0xC2}
Decode = Callable[[bytes, int, bytes | None], NDArray[Any]]


def jpeg_claim(data: bytes) -> tuple[int, int, int, int] | None:
    """Marker, rows, columns and components of a JPEG stream's frame header; None if there is none.

    Markers as in ITU-T T.81, table B.1.
    """
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in {0x01, *range(0xD0, 0xD9)}:
            at += 2
            continue
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            if at + 10 > len(data):
                return None
            rows, columns, components = struct.unpack(">HHB", data[at + 5 : at + 10])
            return marker, rows, columns, components
        if marker == 0xDA or length < 2:
            return None
        at += 2 + length
    return None


def is_plain_jpeg(data: bytes, rows: int, columns: int) -> bool:
    """Whether a JPEG strip or tile is of the common kind and about as large as the piece it is to fill.

    Raises
    ------
    ImageError
        There is no frame header, or it claims another size.
    """
    claim = jpeg_claim(data)
    if claim is None:
        raise ImageError("holds no JPEG image")
    marker, height, width, components = claim
    if marker not in _BASELINE:
        return False
    # A last strip may be stored at the full height of a strip, a tile never larger than a tile.
    if height > rows or width > columns or components > 4:
        raise ImageError(
            f"claims {height} x {width} pixels of {components} components, not {rows} x {columns}"
        )
    return True
