"""Radiance HDR pictures: red, green and blue as float32, decoded whole (Ward, Radiance file formats)."""

from __future__ import annotations

import re
import threading
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import unreadable
from underbrush.sources.claims import check_decoded, check_plain

_MAX_HEADER = 64 << 10
_SIZES = re.compile(rb"-Y (\d{1,9}) \+X (\d{1,9})\n")
_PIXELS_IN_A_BYTE = 127 / 8
"""At the very best a run of 127 pixels takes two bytes in each of four planes."""


def open_source(address: Address) -> Image:
    """Open a Radiance picture; see `underbrush.sources.open_image`."""
    check_plain(address, "hdr")
    try:
        with address.path.open("rb") as file:
            head = file.read(_MAX_HEADER)
        stored = address.path.stat().st_size
    except OSError as error:
        raise unreadable(error, address.location) from None
    height, width, start = _sizes(head, address.location)
    check_decoded(12 * height * width, stored, round(12 * _PIXELS_IN_A_BYTE) + 1, address.location)
    return RadianceImage(address, height, width, start)


def _sizes(head: bytes, location: str) -> tuple[int, int, int]:
    """Height and width, which stand behind the first empty line, and where the pixels begin.

    Raises
    ------
    ImageError
        Another way of colours, pixels in another order, none at all, or no header.
    """
    lines, _, rest = head.partition(b"\n\n")
    if b"32-bit_rle_xyze" in lines:
        raise ImageError("its colours are XYZ", where=location, remedy="save it as RGB or as TIFF")
    found = _SIZES.match(rest)
    if found is None:
        if re.match(rb"[-+][XY] \d+ [-+][XY] \d+\n", rest):
            raise ImageError("it is stored turned or mirrored", where=location, remedy="save it upright")
        raise ImageError("the header is damaged or cut off", where=location, remedy="copy it again")
    height, width = int(found[1]), int(found[2])
    if not height * width:
        raise ImageError("the picture holds no pixels", where=location, remedy="save it again")
    return height, width, len(lines) + 2 + found.end()


class RadianceImage(Image):
    """A picture with axes y, x, c, decoded when it is first read and kept until it is closed."""

    def __init__(self, address: Address, height: int, width: int, start: int) -> None:
        self._address, self._start = address, start
        self._lock = threading.Lock()
        self._pixels: NDArray[Any] | None = None
        self._closed = False
        shape = (height, width, 3)
        self.info = ImageInfo(
            location=address.location, axes="yxc", shape=shape, dtype=np.dtype(np.float32), levels=(shape,)
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        with self._lock:
            if self._closed:
                raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
            if self._pixels is None:
                self._pixels = self._decoded()
            return self._pixels[where].copy()

    def _decoded(self) -> NDArray[Any]:
        pixels = np.empty(self.info.shape, np.float32)
        try:
            # Without its header: the decoder knows only some of the lines that may stand in it.
            stored = self._address.path.read_bytes()[self._start :]
            imagecodecs.rgbe_decode(stored, header=False, rle=True, out=pixels)
        except OSError as error:
            raise unreadable(error, self.info.location) from None
        except (ValueError, RuntimeError) as error:
            problem = f"the picture is damaged or cut off ({str(error).rstrip('.'):.120})"
            raise ImageError(problem, where=self.info.location, remedy="copy or export it again") from None
        return pixels

    def close(self) -> None:
        """See `Image.close`."""
        with self._lock:
            self._closed, self._pixels = True, None
