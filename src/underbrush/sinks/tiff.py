"""TIFF for Fiji and everything else, and OME-TIFF: deflate-compressed pages, c fastest, then z, then t.

A plain TIFF is in strips and described for ImageJ where that can hold its values, so that Fiji opens it by
drag and drop with its pixel size, names and colours; otherwise, and in OME-TIFF, the description is OME-XML.
OME-TIFF, and planes too large for ImageJ, are in tiles. Beyond 4 GB it is a BigTIFF.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box
from underbrush.errors import OutputError
from underbrush.files import Replacing
from underbrush.sinks import imagej, ome
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block, in_file_order
from underbrush.sinks.calibration import METRES, common_length, known_sizes
from underbrush.sinks.colors import has_palette, palette
from underbrush.sinks.spool import TileLayout, TileSpool

ORDER = "tzcyx"
"""Order of the pages, and of the pixels in them, in every TIFF."""
TILE = 512
"""Length and width of tiles."""
STRIP_BYTES = 1 << 18
"""About the size of a strip."""
STRIPED_PIXELS = 1 << 28
"""Larger planes are tiled: programs then show a part without reading whole rows."""
BIG_BYTES = (1 << 32) - (1 << 25)
"""Files that may become larger need the 64-bit offsets of BigTIFF."""
PAGE_BYTES = 4096
"""More than the tags of a page need, without its list of segments and its palette."""
_LEVELS = {"f": 1, "i": 4, "u": 4}
"""zlib's level for each kind of dtype: higher ones are far slower and gain little."""


def check(spec: OutputSpec, format: str) -> None:
    """Refuse values that TIFF readers do not know."""
    if spec.dtype.name not in ome.PIXEL_TYPES:
        remedy = (
            "convert it to float32" if spec.dtype.kind == "f" else "convert it to uint32 or write hdf5 or npy"
        )
        raise OutputError(f"tiff readers do not know values of {spec.dtype}", where=spec.path, remedy=remedy)


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink for ``tiff`` or ``ome-tiff``."""
    return TiffSink(spec, is_ome=format == "ome-tiff")


class TiffSink(Sink):
    """One series of pages; ``spec.axes`` is not asked, as TIFF has an order of its own (t z c y x)."""

    def __init__(self, spec: OutputSpec, *, is_ome: bool) -> None:
        self.spec = spec
        self._is_ome = is_ome or spec.dtype.name not in imagej.DTYPES
        self._layout = _layout(spec, tiled=is_ome or spec.shape[3] * spec.shape[4] > STRIPED_PIXELS)
        level = _LEVELS[spec.dtype.kind]
        Replacing(spec.path).abort()  # fails now, not after hours, where nothing can be written
        self._spool = TileSpool(spec.path, self._layout, lambda tile: zlib.compress(tile.data, level))

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        self._spool.write(*in_file_order(ORDER, box, block))

    def commit(self) -> None:
        """See `Sink.commit`."""
        self._spool.check_complete()
        pages, segments = math.prod(self._layout.shape[:3]), math.prod(self._layout.counts)
        expected = self._spool.encoded_bytes + PAGE_BYTES * pages + 32 * segments
        with (
            Replacing(self.spec.path) as file,
            tifffile.TiffWriter(file, bigtiff=expected > BIG_BYTES, byteorder="<", shaped=False) as writer,
        ):
            writer.write(self._segments(), **self._options(pages))
        self._spool.close()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._spool.close()

    def _segments(self) -> Iterator[bytes]:
        return self._spool.encoded()

    def _options(self, pages: int) -> dict[str, Any]:
        """The arguments of `tifffile.TiffWriter.write`."""
        spec, layout = self.spec, self._layout
        options: dict[str, Any] = {
            "shape": (pages, *layout.shape[3:]),
            "dtype": layout.dtype,
            "photometric": "minisblack",
            "compression": "zlib",
            "description": ome.ome_xml(spec) if self._is_ome else imagej.description(spec),
            "software": "Underbrush",
            "metadata": None,
            "extratags": [] if self._is_ome else imagej.extra_tags(spec),
        }
        if layout.padded:
            options["tile"] = layout.tile[3:]
        else:
            options["rowsperstrip"] = layout.tile[3]
        if has_palette(spec):
            options["photometric"] = "palette"
            # TIFF counts colours from 0 to 65535; 257 = 65535 / 255.
            options["colormap"] = palette(spec.class_colors).T.astype(np.uint16) * 257
        resolution = self._resolution()
        if resolution is not None:
            options["resolution"], options["resolutionunit"] = resolution
        return options

    def _resolution(self) -> tuple[tuple[tuple[int, int], tuple[int, int]], str] | None:
        """Pixels per unit along x and y: centimetres, or for ImageJ the unit that its description names."""
        if self._is_ome:
            known = known_sizes(self.spec.pixel_size).items()
            sizes = {a: value * METRES[u] * 100 for a, (value, u) in known if u in METRES}
            unit = "centimeter"
        else:
            sizes, _ = common_length(self.spec.pixel_size)
            unit = "none"
        x, y = (_inverse(sizes[a]) if a in sizes else None for a in "xy")
        return None if x is None or y is None else ((x, y), unit)


def _layout(spec: OutputSpec, *, tiled: bool) -> TileLayout:
    shape = tuple(spec.shape[AXES.index(a)] for a in ORDER)
    y, x = shape[3:]
    if tiled:
        segment = (min(TILE, -(-y // 16) * 16), min(TILE, -(-x // 16) * 16))
    else:
        rows = max(1, STRIP_BYTES // (x * spec.dtype.itemsize))
        segment = (min(y, 1 << (rows.bit_length() - 1)), x)  # a power of 2, as the blocks mostly are
    return TileLayout(shape, (1, 1, 1, *segment), spec.dtype.newbyteorder("<"), padded=tiled)


def _inverse(size: float) -> tuple[int, int] | None:
    """1 / ``size`` as a fraction of two 32-bit numbers, or None where it is too large or small for that."""
    most = (1 << 32) - 1
    if not 1 / most < size < most:
        return None
    if size >= 1:
        fraction = Fraction(size).limit_denominator(max(1, int(most / (size + 1))))
        return fraction.denominator, fraction.numerator
    fraction = Fraction(1 / size).limit_denominator(max(1, int(most / (1 / size + 1))))
    exact = Fraction(size).limit_denominator(1_000_000)
    if exact and abs(float(exact) - size) <= 1e-12 * size:
        return exact.denominator, exact.numerator
    return fraction.numerator, fraction.denominator
