"""One plane with its channels side by side, as ilastik's picture formats are (``tiff``, ``png`` and so on).

TIFF holds any number of channels and any values, LZW-compressed. What a picture format has no room for is
stretched to 0..255 between the smallest and the largest value, as vigra does.
"""

from __future__ import annotations

import io
import math
import threading
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, from_internal
from underbrush.errors import OutputError
from underbrush.files import Replacing
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block
from underbrush.sinks.calibration import METRES, known_sizes
from underbrush.sinks.spool import TileLayout, TileSpool, incomplete

STRIP_BYTES = 1 << 18
MOST_BYTES = 1 << 30
"""Larger pictures other than TIFF are refused: they are held in memory until they are complete."""
BIG_BYTES = (1 << 32) - (1 << 25)
PICTURES = {
    "png": ("PNG", (1, 2, 3, 4)),
    "jpg": ("JPEG", (1, 3)),
    "jpeg": ("JPEG", (1, 3)),
    "bmp": ("BMP", (1, 3)),
    "gif": ("GIF", (1, 3)),
    "pgm": ("PPM", (1,)),
    "pbm": ("PPM", (1,)),
    "pnm": ("PPM", (1, 3)),
    "ppm": ("PPM", (3,)),
}
"""Format -> Pillow's name for it and the numbers of channels that it holds."""


def plane_axes(spec: OutputSpec) -> str:
    """Rows and columns of the plane and c, letters of tczyx.

    Raises
    ------
    OutputError
        The result is more than one plane.
    """
    sizes = dict(zip(AXES, spec.shape, strict=True))
    long = [a for a in "tzyx" if sizes[a] > 1]
    if len(long) > 2:
        named = ", ".join(f"{a} {sizes[a]}" for a in long)
        raise OutputError(
            f"a picture holds one plane, the result has {named}",
            where=spec.path,
            remedy="write hdf5 or multipage tiff, or cut out one plane",
        )
    if set(long) <= {"y", "x"}:
        return "yxc"
    return ("".join(long) if len(long) == 2 else "y" + long[0]) + "c"


def open_plane(spec: OutputSpec, format: str) -> Sink:
    """A sink for tif, tiff or one of `PICTURES`.

    Raises
    ------
    OutputError
        The format cannot hold the result, or nothing can be written at this place.
    """
    axes = plane_axes(spec)
    if format in ("tif", "tiff"):
        return PlaneTiffSink(spec, axes)
    check_channels(spec, format)
    if math.prod(spec.shape) * spec.dtype.itemsize > MOST_BYTES:
        raise OutputError(
            f"a plane of {math.prod(spec.shape)} values is too large for {format}",
            where=spec.path,
            remedy="write tiff or hdf5",
        )
    return PlanePictureSink(spec, axes, format)


def check_channels(spec: OutputSpec, format: str) -> None:
    """Refuse a number of channels that a picture format does not hold.

    Raises
    ------
    OutputError
        Says how many it holds.
    """
    channels = PICTURES[format][1] if format in PICTURES else (spec.shape[1],)
    if spec.shape[1] not in channels:
        held = " or ".join(str(n) for n in channels)
        raise OutputError(
            f"{format} holds {held} channel{'' if held == '1' else 's'}, the result has {spec.shape[1]}",
            where=spec.path,
            remedy="write tiff or hdf5, or cut out one channel",
        )


class PlaneTiffSink(Sink):
    """A TIFF of one page; 3 and 4 channels are colours for those who look at it."""

    def __init__(self, spec: OutputSpec, axes: str) -> None:
        self.spec, self._axes = spec, axes
        rows, columns, channels = (spec.shape[AXES.index(a)] for a in axes)
        height = max(1, min(rows, STRIP_BYTES // (columns * channels * spec.dtype.itemsize)))
        self._layout = TileLayout(
            (rows, columns, channels), (height, columns, channels), spec.dtype.newbyteorder("<"), padded=False
        )
        Replacing(spec.path).abort()  # fails now, not after hours, where nothing can be written
        self._spool = TileSpool(spec.path, self._layout, _packed)

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        start = tuple(box.start[AXES.index(a)] for a in self._axes)
        self._spool.write(start, from_internal(block, self._axes))

    def commit(self) -> None:
        """See `Sink.commit`."""
        self._spool.check_complete()
        with (
            Replacing(self.spec.path) as file,
            tifffile.TiffWriter(
                file, bigtiff=self._spool.encoded_bytes > BIG_BYTES, byteorder="<", shaped=False
            ) as writer,
        ):
            writer.write(self._spool.encoded(), **tiff_options(self.spec, self._layout))
        self._spool.close()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._spool.close()


def tiff_options(spec: OutputSpec, layout: TileLayout) -> dict[str, Any]:
    """The arguments of `tifffile.TiffWriter.write` for one plane whose strips are the tiles of ``layout``."""
    rows, columns, channels = layout.shape
    options: dict[str, Any] = {
        "shape": (rows, columns) if channels == 1 else (rows, columns, channels),
        "dtype": layout.dtype,
        "photometric": "rgb" if channels in (3, 4) else "minisblack",
        "compression": "lzw",
        "rowsperstrip": layout.tile[0],
        "metadata": None,
    }
    extra = {2: ("unassalpha",), 4: ("unassalpha",)}.get(channels, ("unspecified",) * (channels - 1))
    if channels > 1:
        options["planarconfig"] = "contig"
    if channels > 1 and channels != 3:
        options["extrasamples"] = extra
    known = known_sizes(spec.pixel_size)
    metres = [known[a][0] * METRES[known[a][1]] for a in "xy" if a in known and known[a][1] in METRES]
    if len(metres) == 2:
        options["resolution"] = (0.01 / metres[0], 0.01 / metres[1])
        options["resolutionunit"] = "centimeter"
    return options


class PlanePictureSink(Sink):
    """png, jpg and the like, held in memory until it is complete."""

    def __init__(self, spec: OutputSpec, axes: str, format: str) -> None:
        self.spec, self._axes, self._format = spec, axes, format
        self._replacing = Replacing(spec.path)
        self._pixels = np.zeros([spec.shape[AXES.index(a)] for a in axes], spec.dtype)
        self._left = self._pixels.size
        self._lock = threading.Lock()

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        where = tuple(box.slices[AXES.index(a)] for a in self._axes)
        self._pixels[where] = from_internal(block, self._axes)
        with self._lock:
            self._left -= block.size

    def commit(self) -> None:
        """See `Sink.commit`."""
        if self._left:
            raise incomplete(self.spec.path, f"{self._left} pixels")
        self._replacing.file.write(picture_bytes(self._pixels, self._format))
        self._replacing.commit()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._replacing.abort()


def picture_bytes(pixels: NDArray[Any], format: str) -> bytes:
    """A picture file of (rows, columns, channels) pixels, stretched where the format has not their type."""
    from PIL import Image  # noqa: PLC0415 - not needed before

    deep = pixels.dtype == np.uint16 and format == "png" and pixels.shape[2] == 1
    if pixels.dtype != np.uint8 and not deep:
        pixels = stretched(pixels)
    if pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    # Encoded in memory: Pillow would write past our file layer, straight to the descriptor.
    encoded = io.BytesIO()
    name = PICTURES[format][0]
    options = {"quality": 95, "subsampling": 0} if name == "JPEG" else {}
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, name, **options)
    return encoded.getvalue()


def stretched(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The values from smallest to largest as 0 to 255, uint8, same shape; NaN is 0."""
    values = np.nan_to_num(pixels.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(pixels.shape, np.uint8)
    return np.floor((values - low) * (255.0 / (high - low)) + 0.5).astype(np.uint8)


def _packed(strip: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.lzw_encode(strip.tobytes()))
