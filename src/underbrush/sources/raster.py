"""png, jpg, bmp, gif, pnm and other plain pictures, decoded whole by Pillow.

They have no tiles, so a picture is decoded when it is first read and kept until it is closed. What it
claims to hold is checked first: Pillow's own guard warns at a fixed number of pixels, ours compares the
claim with the bytes that are there and with what can be decoded in one piece.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import imagecodecs
import numpy as np
import PIL.BmpImagePlugin
import PIL.GifImagePlugin
import PIL.Image
import PIL.JpegImagePlugin
import PIL.PngImagePlugin
import PIL.PpmImagePlugin
import PIL.SunImagePlugin
import PIL.WebPImagePlugin
from numpy.typing import NDArray

from underbrush.errors import ImageError, UnderbrushError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import unreadable
from underbrush.sources.claims import check_decoded, check_plain, large_piece_problem

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "SUN")
"""Those of Pillow's decoders that may see a file; others call programs or are little used."""
_PIXELS_IN_A_BYTE = {"PNG": 8 * 1040, "GIF": 3000, "BMP": 300, "PPM": 8, "SUN": 800, "WEBP": 1_000_000}
"""How many constant pixels a format can pack into a byte at the very best; 1100 for JPEG."""
_ORIENTATION = 0x0112
_BAND = 16 << 20
"""Pixels that are taken over from Pillow at once."""


class _Layout:
    """What is known of a picture before it is decoded."""

    def __init__(self, picture: PIL.Image.Image, head: bytes, indexed: bool) -> None:
        self.name = picture.format or ""
        self.mode = "P" if indexed and picture.mode == "P" else _target_mode(picture)
        self.width, self.height = picture.size
        # MPO is a photo with a preview or a second view behind it, not a series.
        self.frames = 1 if self.name == "MPO" else int(getattr(picture, "n_frames", 1))
        self.deep = _deep_png(head)
        if self.deep:
            self.channels, self.dtype = self.deep, np.dtype(np.uint16)
        else:
            self.channels = len(PIL.Image.new(self.mode, (1, 1)).getbands())
            self.dtype = _dtype(self.mode, self.name)

    @property
    def alpha(self) -> int | None:
        """Index of the alpha channel."""
        has = self.deep in {2, 4} if self.deep else self.mode in {"LA", "RGBA"}
        return self.channels - 1 if has else None

    @property
    def axes(self) -> str:
        return ("t" if self.frames > 1 else "") + "yx" + ("c" if self.channels > 1 else "")

    @property
    def shape(self) -> tuple[int, ...]:
        sizes = {"t": self.frames, "y": self.height, "x": self.width, "c": self.channels}
        return tuple(sizes[a] for a in self.axes)

    @property
    def frame_bytes(self) -> int:
        return self.height * self.width * self.channels * self.dtype.itemsize


def open_source(address: Address) -> Image:
    """Open a picture; see `underbrush.sources.open_image`."""
    check_plain(address, address.path.suffix.lstrip(".") or "picture")
    try:
        with address.path.open("rb") as file:
            head = file.read(64)
        with _unguarded(), PIL.Image.open(address.path, formats=FORMATS) as picture:
            layout = _Layout(picture, head, address.indexed)
            _check(layout, address)
            # What the decoder holds, and the array that is made of it.
            size = 2 * layout.frame_bytes
            problems = (*_problems(picture), *large_piece_problem("It is decoded whole, which takes", size))
    except UnderbrushError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise unreadable(error, address.location) from None
        raise _damaged(address, error) from None
    except Exception as error:
        # Pillow raises many kinds for a broken header.
        raise _damaged(address, error) from error
    return RasterImage(address, layout, problems)


def _check(layout: _Layout, address: Address) -> None:
    if not math.prod(layout.shape):
        raise ImageError("the picture holds no pixels", where=address.location, remedy="save it again")
    stored = address.path.stat().st_size
    ratio = _PIXELS_IN_A_BYTE.get(layout.name, 1100) * layout.channels * layout.dtype.itemsize
    check_decoded(layout.frame_bytes, stored, ratio, address.location)


class RasterImage(Image):
    """A picture, or the frames of an animation as time points, of which the last read is kept."""

    def __init__(self, address: Address, layout: _Layout, problems: tuple[str, ...]) -> None:
        self._address, self._layout = address, layout
        self._lock = threading.Lock()
        self._picture: PIL.Image.Image | None = None
        self._kept: tuple[int, NDArray[Any]] | None = None
        self._closed = False
        self.info = ImageInfo(
            location=address.location,
            axes=layout.axes,
            shape=layout.shape,
            dtype=layout.dtype,
            levels=(layout.shape,),
            alpha=layout.alpha,
            problems=problems,
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        with self._lock:
            if self._closed:
                raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
            if self._layout.frames == 1:
                return self._frame(0)[where].copy()
            return np.stack([self._frame(t)[where[1:]] for t in range(where[0].start, where[0].stop)])

    def _frame(self, number: int) -> NDArray[Any]:
        if self._kept is None or self._kept[0] != number:
            self._kept = None
            self._kept = (number, self._decode(number))
            if self._layout.frames == 1:
                self._let_go()
        return self._kept[1]

    def _decode(self, number: int) -> NDArray[Any]:
        try:
            if self._layout.deep:
                pixels: NDArray[Any] = imagecodecs.png_decode(self._address.path.read_bytes())
            else:
                pixels = self._by_pillow(number)
        except MemoryError:
            raise ImageError(
                "there is not enough memory to decode it",
                where=self.info.location,
                remedy="save it as tiled TIFF",
            ) from None
        except Exception as error:
            raise _damaged(self._address, error) from error
        shape = self.info.shape[-pixels.ndim :]
        if pixels.shape != shape:
            problem = f"frame {number + 1} is {pixels.shape} pixels large, not {shape}"
            raise ImageError(problem, where=self.info.location, remedy="save it again")
        return pixels.astype(self._layout.dtype, copy=False)

    def _by_pillow(self, number: int) -> NDArray[Any]:
        with _unguarded():
            if self._picture is None:
                self._picture = PIL.Image.open(self._address.path, formats=FORMATS)
            if self._layout.frames > 1:
                self._picture.seek(number)
        self._picture.load()
        return _array_of(self._picture, self._layout.mode)

    def _let_go(self) -> None:
        picture, self._picture = self._picture, None
        if picture is not None:
            picture.close()

    def close(self) -> None:
        """See `Image.close`."""
        with self._lock:
            self._closed, self._kept = True, None
            self._let_go()


def _array_of(picture: PIL.Image.Image, mode: str) -> NDArray[Any]:
    """The pixels in a mode of Pillow, band by band: at once they would be held three times."""
    width, height = picture.size
    band = max(1, _BAND // width)
    out: NDArray[Any] | None = None
    for top in range(0, height, band):
        bottom = min(height, top + band)
        part = picture if band >= height else picture.crop((0, top, width, bottom))
        pixels = np.asarray(part if part.mode == mode else part.convert(mode))
        if out is None:
            out = np.empty((height, *pixels.shape[1:]), pixels.dtype)
        out[top:bottom] = pixels
    assert out is not None  # a picture has at least one row
    return out


_PILLOW = threading.Lock()


@contextmanager
def _unguarded() -> Iterator[None]:
    """Pillow without its guard of sizes, which ours replaces, and without its warnings for programmers.

    Both are settings of the whole process, so only one thread at a time is in here, and never to decode.
    """
    with _PILLOW, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        guard, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = guard


def _target_mode(picture: PIL.Image.Image) -> str:
    """The mode of Pillow that holds the picture's values: colours for palettes, else as stored."""
    mode = picture.mode
    clear = "transparency" in picture.info
    if mode in {"P", "PA"}:
        return "RGBA" if clear or mode == "PA" else "RGB"
    if mode in {"CMYK", "YCbCr", "LAB", "HSV", "RGBX"}:
        return "RGB"
    return {"RGBa": "RGBA", "La": "LA"}.get(mode, mode)


def _dtype(mode: str, name: str) -> np.dtype[Any]:
    if mode == "I" and name in {"PPM", "PNG"}:
        # Pillow widens their 16 bits.
        return np.dtype(np.uint16)
    special = {"1": np.bool_, "I": np.int32, "F": np.float32}
    if mode.startswith("I;16"):
        return np.dtype(np.uint16)
    return np.dtype(special.get(mode, np.uint8))


def _deep_png(head: bytes) -> int:
    """Channels of a png of 16 bits and more than one channel, which Pillow would cut to 8 bits; else 0.

    Bytes 24 and 25 of a png are the bits of a sample and the type of colour (PNG specification, IHDR).
    """
    if head[:4] != b"\x89PNG" or len(head) < 26 or head[24] != 16:
        return 0
    return {2: 3, 4: 2, 6: 4}.get(head[25], 0)


def _problems(picture: PIL.Image.Image) -> tuple[str, ...]:
    found = []
    # Not of a png: there Pillow would decode the picture to look behind it.
    turned = picture.getexif().get(_ORIENTATION, 1) if picture.format in {"JPEG", "MPO", "WEBP"} else 1
    if turned not in {0, 1}:
        found.append(f"The photo asks to be shown turned (EXIF orientation {turned}); it is read as stored.")
    if picture.mode in {"CMYK", "YCbCr", "LAB"}:
        found.append(f"The colours are stored as {picture.mode} and are converted to RGB.")
    if picture.format == "MPO":
        found.append("The file holds several photos; the first is read.")
    return tuple(found)


def _damaged(address: Address, error: Exception) -> ImageError:
    reason = str(error).replace(repr(str(address.path)), "").strip().rstrip(".") or type(error).__name__
    return ImageError(
        f"the picture is damaged or cut off ({reason:.120})",
        where=address.location,
        remedy="copy or export it again",
    )
