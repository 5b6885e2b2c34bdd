"""TIFF for ImageJ and Fiji, and OME-TIFF for readers of microscope images; large ones with smaller copies.

The smaller copies (SubIFDs of each page) are made as the tiles come: each full tile is halved and becomes a
block of the level below.
"""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, from_internal
from underbrush.errors import OutputError
from underbrush.files import Replacing
from underbrush.sinks import imagej, ome
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block, in_file_order
from underbrush.sinks.pyramid import by_names, halved
from underbrush.sinks.spool import TileLayout, TileSpool
from underbrush.sinks.tifftags import color_options, options_of, segment_options

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
PLAIN_SIDE = 2048
"""Planes of OME-TIFF up to this length and width have no smaller copies, and strips, which ImageJ opens."""
SMALLEST_SIDE = 512
"""About the length of the smallest copy."""
_EFFORTS = {"f": 1, "i": 4, "u": 4}
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
        levels = _levels(spec) if is_ome else 1
        tiled = levels > 1 or spec.shape[3] * spec.shape[4] > STRIPED_PIXELS
        Replacing(spec.path).abort()  # fails now, not after hours, where nothing can be written
        self._spools: list[_Spool] = []
        try:
            for number in reversed(range(levels)):
                lower = self._spools[0] if self._spools else None
                self._spools.insert(0, _Spool(spec, _layout(spec, tiled, 1 << number), lower))
        except BaseException:
            self.abort()
            raise

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        self._spools[0].write(*in_file_order(ORDER, box, block))

    def commit(self) -> None:
        """See `Sink.commit`."""
        first, *smaller = self._spools
        for spool in self._spools:
            spool.check_complete()
        expected = sum(spool.expected_bytes for spool in self._spools)
        with (
            Replacing(self.spec.path) as file,
            tifffile.TiffWriter(file, bigtiff=expected > BIG_BYTES, byteorder="<", shaped=False) as writer,
        ):
            subifds = {"subifds": len(smaller)} if smaller else {}
            writer.write(
                first.encoded(), **options_of(self.spec, first.layout, is_ome=self._is_ome), **subifds
            )
            for spool in smaller:
                shown = {**segment_options(spool.layout), **color_options(self.spec)}
                writer.write(spool.encoded(), **shown, subfiletype=1)
        self.abort()

    def abort(self) -> None:
        """See `Sink.abort`."""
        for spool in self._spools:
            spool.close()


class _Spool(TileSpool):
    """The segments of one level, which hands on what it has to the next one."""

    def __init__(self, spec: OutputSpec, layout: TileLayout, lower: _Spool | None) -> None:
        effort = _EFFORTS[spec.dtype.kind]
        super().__init__(spec.path, layout, lambda tile: zlib.compress(tile.data, effort))
        self._names, self._lower = by_names(spec.kind), lower

    def _complete(self, number: int, tile: NDArray[Any]) -> None:
        super()._complete(number, tile)
        if self._lower is None:
            return
        index = self.layout.index(number)
        valid = tile[tuple(slice(n) for n in self.layout.valid_shape(index))]
        t, z, c, y, x = self.layout.start(index)
        small = halved(valid, (False, False, False, True, True), self._names)
        self._lower.write((t, z, c, y // 2, x // 2), small)

    @property
    def expected_bytes(self) -> int:
        """About what they take in the file."""
        pages, segments = math.prod(self.layout.shape[:3]), math.prod(self.layout.counts)
        return self.encoded_bytes + PAGE_BYTES * pages + 32 * segments


def _levels(spec: OutputSpec) -> int:
    """How many levels an OME-TIFF has."""
    side = max(spec.shape[3:])
    return 1 if side <= PLAIN_SIDE else 1 + math.ceil(math.log2(side / SMALLEST_SIDE))


def whole_tiff(spec: OutputSpec, pixels: NDArray[Any], *, is_ome: bool) -> bytes:
    """A complete TIFF of ``pixels`` (t c z y x), in memory; names and sizes are those of ``spec``."""
    t, c, z, y, x = pixels.shape
    part = replace(spec, shape=(t, c, z, y, x))
    is_ome = is_ome or spec.dtype.name not in imagej.DTYPES
    layout = _layout(part, tiled=False, factor=1)
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=pixels.nbytes > BIG_BYTES, byteorder="<", shaped=False) as writer:
        planes = np.ascontiguousarray(from_internal(pixels, ORDER), layout.dtype)
        writer.write(planes.reshape(-1, y, x), **options_of(part, layout, is_ome=is_ome))
    return file.getvalue()


def _layout(spec: OutputSpec, tiled: bool, factor: int) -> TileLayout:
    """Of the level of which a pixel stands for ``factor`` along x and y."""
    t, z, c, y, x = (spec.shape[AXES.index(a)] for a in ORDER)
    y, x = -(-y // factor), -(-x // factor)
    if tiled:
        segment = (min(TILE, -(-y // 16) * 16), min(TILE, -(-x // 16) * 16))
    else:
        rows = max(1, STRIP_BYTES // (x * spec.dtype.itemsize))
        segment = (min(y, 1 << (rows.bit_length() - 1)), x)  # a power of 2, as the blocks mostly are
    return TileLayout((t, z, c, y, x), (1, 1, 1, *segment), spec.dtype.newbyteorder("<"), padded=tiled)
