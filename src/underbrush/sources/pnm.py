"""Netpbm's grey and colour pictures (P2, P3, P5, P6), with their values as stored.

Format: a text header of magic, width, height and largest value, '#' starting comments, then the
samples, binary ones big-endian and of 2 bytes where the largest value is above 255 (netpbm's manual,
pgm and ppm). Pillow would stretch values of other depths than 8 and 16 bits, hence our own lines.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.claims import DECODED_LIMIT, check_plain
from underbrush.sources.raw import RawArray

_HEADER = re.compile(rb"P([2356])" + rb"(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,9})" * 3 + rb"(?:\s*#[^\n]*\n|\s)")
_CHANNELS = {"2": 0, "3": 3, "5": 0, "6": 3}
"""Magic -> channels, 0 for none."""


def open_source(address: Address) -> Image:
    """Open a picture of netpbm; see `underbrush.sources.open_image`."""
    check_plain(address, "pnm")
    file = BytesFile(address.path, address.location)
    try:
        return PnmImage(file, address)
    except BaseException:
        file.close()
        raise


class PnmImage(Image):
    """A netpbm picture, of which only the rows wanted are read if it is binary."""

    def __init__(self, file: BytesFile, address: Address) -> None:
        self._file = file
        head = file.read_at(0, min(file.size, 4096))
        match = _HEADER.match(head)
        if match is None:
            raise self._damaged("its header makes no sense")
        magic, width, height, largest = (int(g) for g in match.groups())
        if not 0 < largest < 65536 or not width or not height:
            raise self._damaged(f"it claims {width} x {height} pixels up to {largest}")
        channels = _CHANNELS[str(magic)]
        shape = (height, width, 3) if channels else (height, width)
        stored = np.dtype(">u2" if largest > 255 else "u1")
        self._array = (
            RawArray(file, match.end(), shape, stored)
            if magic > 3
            else self._text(match.end(), shape, stored)
        )
        self.info = ImageInfo(
            location=address.location,
            axes="yxc" if channels else "yx",
            shape=shape,
            dtype=stored.newbyteorder("="),
            levels=(shape,),
        )

    def _text(self, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        if self._file.size > DECODED_LIMIT // 8:
            raise self._damaged("it is text and too large to be read as such")
        words = re.sub(rb"#[^\n]*", b"", self._file.read_at(start, self._file.size - start)).split()
        count = int(np.prod(shape, dtype=object))
        try:
            values = np.array(words[:count], dtype=np.int64)
        except (ValueError, OverflowError):
            raise self._damaged("its values are no numbers") from None
        if len(values) < count:
            raise self._damaged(f"it is cut off: {len(values)} of {count} values are there")
        if values.min() < 0 or values.max() > np.iinfo(dtype).max:
            raise self._damaged("its values leave their range")
        return values.astype(dtype).reshape(shape)

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        if isinstance(self._array, RawArray):
            return self._array.read(where)
        self._file.read_at(0, 1)
        return self._array[where].copy()

    def _damaged(self, what: str) -> ImageError:
        return ImageError(
            f"the picture is damaged: {what}", where=self._file.location, remedy="copy or export it again"
        )

    def close(self) -> None:
        """See `Image.close`."""
        self._file.close()
