"""One picture file for each slice, as ilastik's "png sequence" and the like are.

The files step along the first axis of more than one pixel. Planes are encoded as they become complete and
are written under their names at the end, one after the other.
"""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, from_internal
from underbrush.errors import OutputError
from underbrush.files import Replacing, layer
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block
from underbrush.sinks.plane import MOST_BYTES, check_channels, picture_bytes, tiff_options
from underbrush.sinks.spool import TileLayout, TileSpool

SLICE = "{slice_index}"
"""What the name must hold; becomes the number of the slice, with as many digits as the last has."""


def sequence_axes(spec: OutputSpec) -> str:
    """The axis that is stepped along, then rows, columns and channels, letters of tczyx.

    Raises
    ------
    OutputError
        The result has not three axes of more than one pixel beside its channels.
    """
    sizes = dict(zip(AXES, spec.shape, strict=True))
    long = [a for a in spec.axes if sizes[a] > 1]
    plane = [a for a in long[1:] if a != "c"]
    if len(plane) != 2:
        named = ", ".join(f"{a} {sizes[a]}" for a in long) or "one pixel"
        raise OutputError(
            f"a sequence of pictures needs slices of two axes, the result has {named}",
            where=spec.path,
            remedy="write hdf5 or multipage tiff, or cut out a part",
        )
    # As vigra writes pictures: x along a row, and z above y.
    return long[0] + "".join(sorted(plane, key="tzyx".index)) + ("c" if long[0] != "c" else "")


def open_sequence(spec: OutputSpec, format: str, first: int = 0) -> Sink:
    """A sink of files named by ``spec.path``, which holds `SLICE`; the first has the number ``first``.

    Raises
    ------
    OutputError
        The result is no sequence, the format cannot hold a slice of it, or the name lacks `SLICE`.
    """
    if SLICE not in spec.path.name:
        raise OutputError(
            f"the name of a sequence lacks {SLICE}", where=spec.path, remedy=f"put {SLICE} into the name"
        )
    axes = sequence_axes(spec)
    if axes[0] != "c":
        check_channels(spec, format)
    return PlaneSequenceSink(spec, axes, format, first)


class PlaneSequenceSink(Sink):
    """See the module."""

    def __init__(self, spec: OutputSpec, axes: str, format: str, first: int) -> None:
        self.spec, self._axes, self._format = spec, axes, format
        shape = tuple(spec.shape[AXES.index(a)] for a in axes)
        self._shape = shape if "c" in axes[1:] else (*shape, 1)
        if math.prod(self._shape[1:]) * spec.dtype.itemsize > MOST_BYTES:
            raise OutputError(
                f"a slice of {math.prod(self._shape[1:])} values is too large for a picture",
                where=spec.path,
                remedy="write hdf5 or multipage tiff",
            )
        digits = math.ceil(math.log10(first + self._shape[0] + 1))
        numbers = (str(first + k).zfill(digits) for k in range(self._shape[0]))
        self.paths = [spec.path.with_name(spec.path.name.replace(SLICE, n)) for n in numbers]
        Replacing(self.paths[0]).abort()  # fails now, not after hours, where nothing can be written
        layout = TileLayout(self._shape, (1, *self._shape[1:]), spec.dtype.newbyteorder("<"), padded=False)
        self._spool = TileSpool(self.paths[0], layout, self._encoded)

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        start = [box.start[AXES.index(a)] for a in self._axes]
        values = from_internal(block, self._axes)
        if values.ndim < len(self._shape):
            start, values = [*start, 0], values[..., np.newaxis]
        self._spool.write(tuple(start), values)

    def _encoded(self, tile: NDArray[Any]) -> bytes:
        plane = np.ascontiguousarray(tile[0])
        if self._format not in ("tif", "tiff"):
            return picture_bytes(plane, self._format)
        layout = TileLayout(plane.shape, plane.shape, plane.dtype, padded=False)
        options = tiff_options(self.spec, layout)
        del options["shape"], options["dtype"], options["rowsperstrip"]
        file = io.BytesIO()
        tifffile.imwrite(file, plane if plane.shape[2] > 1 else plane[..., 0], shaped=False, **options)
        return file.getvalue()

    def commit(self) -> None:
        """See `Sink.commit`; where a file cannot be written, those written before are taken away again."""
        self._spool.check_complete()
        written: list[Path] = []
        try:
            for path, data in zip(self.paths, self._spool.encoded(), strict=True):
                with Replacing(path) as file:
                    file.write(data)
                written.append(path)
        except BaseException:
            for path in written:
                with contextlib.suppress(OSError):
                    layer().remove(path)
            raise
        self._spool.close()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._spool.close()
