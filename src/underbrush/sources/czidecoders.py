"""How the tiles of a Zeiss CZI file are packed, and what unpacks them."""

from __future__ import annotations

import math
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.childdecoder import ChildDecoder
from underbrush.sources.claims import check_decoded
from underbrush.sources.czi import Subblock, pixel_bytes
from underbrush.sources.tiffdecoders import is_plain_jpeg

PIXEL_TYPES: dict[int, tuple[np.dtype[Any], int]] = {
    0: (np.dtype("<u1"), 1),
    1: (np.dtype("<u2"), 1),
    2: (np.dtype("<f4"), 1),
    3: (np.dtype("<u1"), 3),
    4: (np.dtype("<u2"), 3),
    8: (np.dtype("<f4"), 3),
    9: (np.dtype("<u1"), 4),
    12: (np.dtype("<i4"), 1),
}
"""Number of a type of pixels -> type and number of its samples; colours are stored blue first."""
_JPEG, _LZW, _JPEG_XR, _ZSTD, _ZSTD_WITH_HEADER = 1, 2, 4, 5, 6
_NAMES = {_JPEG: "JPEG", _LZW: "LZW", _JPEG_XR: "JPEG XR", _ZSTD: "zstd", _ZSTD_WITH_HEADER: "zstd"}
RATIOS = {0: 1, _JPEG: 1600, _LZW: 3000, _JPEG_XR: 1 << 40, _ZSTD: 40_000, _ZSTD_WITH_HEADER: 40_000}
"""How many times smaller each makes constant bytes at the very best, as in `tiffdecoders.RATIOS`."""


class TileDecoder:
    """Unpacks subblocks of ``file``; thread-safe. JPEG XR and rare kinds of JPEG run in ``child``."""

    def __init__(self, file: BytesFile, child: ChildDecoder) -> None:
        self._file, self._child = file, child

    def decoded(self, block: Subblock) -> NDArray[Any]:
        """The pixels (rows, columns, samples), red first.

        Raises
        ------
        ImageError
            They are damaged, or packed in a way that is not known.
        """
        dtype, samples = PIXEL_TYPES[block.pixel_type]
        if block.compression not in _NAMES:
            raise ImageError(
                f"its tiles are packed in way {block.compression} of CZI (as cameras do), which is not read",
                where=self._file.location,
                remedy="save it in ZEN with zstd, JPEG XR or without compression",
            )
        at, count = pixel_bytes(self._file, block.position)
        shape = (*block.stored, samples)
        size = math.prod(shape) * dtype.itemsize
        check_decoded(size, count, RATIOS[block.compression], self._file.location)
        data = self._file.read_at(at, count)
        try:
            found = self._unpacked(data, block, size)
        except ImageError as error:
            raise self.damaged(block, error.problem) from error
        except MemoryError:
            raise self.damaged(block, "needs more memory than there is") from None
        except Exception as error:
            reason = str(error).strip().rstrip(".") or type(error).__name__
            raise self.damaged(block, f"cannot be unpacked ({reason:.120})") from error
        if isinstance(found, bytes):
            if len(found) < size:
                raise self.damaged(block, f"unpacks to {len(found)} bytes, not {size}")
            pixels = np.frombuffer(found, dtype, math.prod(shape)).reshape(shape)
            return (
                pixels[..., ::-1] if samples == 3 else pixels[..., [2, 1, 0, 3]] if samples == 4 else pixels
            )
        if found.size != math.prod(shape) or found.shape[:2] != shape[:2] or found.dtype.kind != dtype.kind:
            raise self.damaged(block, f"unpacks to {found.shape} pixels ({found.dtype}), not {shape}")
        return found.reshape(shape)

    def _unpacked(self, data: bytes, block: Subblock, size: int) -> bytes | NDArray[Any]:
        """Bytes as stored without compression, or pixels with red first from codecs that know colours."""
        way = block.compression
        if way == _LZW:
            return bytes(imagecodecs.lzw_decode(data, out=size))
        if way == _ZSTD:
            return bytes(imagecodecs.zstd_decode(data, out=size))
        if way == _ZSTD_WITH_HEADER:
            return _with_header(data, size)
        if way == _JPEG and is_plain_jpeg(data, *block.stored):
            pixels: NDArray[Any] = imagecodecs.jpeg8_decode(data)
            return pixels
        return self._child.decode_as("jpeg" if way == _JPEG else "jpegxr", data)

    def damaged(self, block: Subblock, what: str) -> ImageError:
        """The error of one tile."""
        return ImageError(
            f"the CZI file is damaged: the tile at byte {block.position} {what}",
            where=self._file.location,
            remedy="copy or export it again",
        )


def _with_header(data: bytes, size: int) -> bytes:
    """zstd behind one byte (the number 1) or three: 3, 1, and whether low and high bytes were put apart."""
    length = data[0] if data else 0
    if length not in {1, 3} or (length == 3 and (len(data) < 3 or data[1] != 1)):
        raise ImageError("has a head of zstd that is not known")
    plain = bytes(imagecodecs.zstd_decode(data[length:], out=size))
    if length == 1 or not data[2] & 1:
        return plain
    half = len(plain) // 2
    pairs = np.frombuffer(plain, np.uint8, 2 * half).reshape(2, half)
    return np.ascontiguousarray(pairs.T).tobytes()
