"""One file for each slice: pictures, as ilastik's "png sequence" and the like are, or TIFFs of several pages.

The files step along the first axis of more than one pixel. Slices are encoded as they become complete and
are written under their names at the end, one after the other.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, from_internal, to_internal
from underbrush.errors import OutputError
from underbrush.files import Replacing, layer
from underbrush.sinks import picture
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block
from underbrush.sinks.places import SLICE
from underbrush.sinks.plane import MOST_BYTES, check_channels, picture_bytes, tiff_options
from underbrush.sinks.spool import TileLayout, TileSpool
from underbrush.sinks.tiff import check as check_tiff
from underbrush.sinks.tiff import whole_tiff

PAGES = "multipage tiff"
"""The format whose slices have more than one plane."""


Encode = Callable[[NDArray[Any]], bytes]
"""A slice of one pixel along the first axis, in the order of the axes of the sequence -> a file."""


def check(spec: OutputSpec, format: str) -> None:
    """Refuse what is no sequence, what a file of it cannot hold, and a name without `SLICE`."""
    kind = format.removesuffix(" sequence")
    _check_name(spec)
    axes = pages_axes(spec) if kind == PAGES else sequence_axes(spec)
    if kind in (PAGES, "tiff"):
        check_tiff(spec, "ome-tiff")
    elif axes[1:3] == "yx":
        picture.check(_slice_of(spec, axes[0]), kind)
    else:
        raise OutputError(
            f"the pictures would have {axes[1]} down and {axes[2]} across",
            where=spec.path,
            remedy="choose a region of more than one pixel in y and x, or write tiff or hdf5",
        )


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink for ``png sequence`` and the like, with colours and names as in the files of one picture."""
    kind = format.removesuffix(" sequence")
    axes = pages_axes(spec) if kind == PAGES else sequence_axes(spec)
    part = _slice_of(spec, axes[0])
    order = axes if "c" in axes else axes + "c"

    def encode(tile: NDArray[Any]) -> bytes:
        pixels = to_internal(tile, order)
        if kind in (PAGES, "tiff"):
            return whole_tiff(part, pixels, is_ome=kind == PAGES)
        return picture.encoded_picture(part, np.moveaxis(pixels[0, :, 0], 0, -1), kind)

    return PlaneSequenceSink(spec, axes, encode, 0)


def _slice_of(spec: OutputSpec, step: str) -> OutputSpec:
    """What each file of a sequence along ``step`` holds."""
    t, c, z, y, x = (1 if a == step else n for a, n in zip(AXES, spec.shape, strict=True))
    return replace(spec, shape=(t, c, z, y, x), channel_names=() if step == "c" else spec.channel_names)


def pages_axes(spec: OutputSpec) -> str:
    """The axis that TIFFs of several pages step along, then the others, letters of tczyx.

    Raises
    ------
    OutputError
        The result has only one plane for each channel, or does not begin with t or z.
    """
    sizes = dict(zip(AXES, spec.shape, strict=True))
    long = [a for a in spec.axes if sizes[a] > 1 and a != "c"]
    if len(long) < 3 or long[0] not in "tz":
        named = ", ".join(f"{a} {sizes[a]}" for a in long) or "one pixel"
        raise OutputError(
            f"a sequence of TIFFs steps along t or z, the result has {named}",
            where=spec.path,
            remedy="write one tiff, or put t or z first in the order of the axes",
        )
    return long[0] + "".join(a for a in "tzcyx" if a != long[0])


def _check_name(spec: OutputSpec) -> None:
    if SLICE not in spec.path.name:
        raise OutputError(
            f"the name of a sequence lacks {SLICE}", where=spec.path, remedy=f"put {SLICE} into the name"
        )


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
    _check_name(spec)
    if format == PAGES:
        axes = pages_axes(spec)
        part = _slice_of(spec, axes[0])
        return PlaneSequenceSink(
            spec, axes, lambda tile: whole_tiff(part, to_internal(tile, axes), is_ome=True), first
        )
    axes = sequence_axes(spec)
    if axes[0] != "c":
        check_channels(spec, format)
    return PlaneSequenceSink(spec, axes, lambda tile: _plane(spec, format, tile), first)


class PlaneSequenceSink(Sink):
    """See the module."""

    def __init__(self, spec: OutputSpec, axes: str, encode: Encode, first: int) -> None:
        self.spec, self._axes = spec, axes
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
        self._spool = TileSpool(self.paths[0], layout, encode)

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        start = [box.start[AXES.index(a)] for a in self._axes]
        values = from_internal(block, self._axes)
        if values.ndim < len(self._shape):
            start, values = [*start, 0], values[..., np.newaxis]
        self._spool.write(tuple(start), values)

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


def _plane(spec: OutputSpec, format: str, tile: NDArray[Any]) -> bytes:
    """A picture as ilastik writes it."""
    plane = np.ascontiguousarray(tile[0])
    if format not in ("tif", "tiff"):
        return picture_bytes(plane, format)
    layout = TileLayout(plane.shape, plane.shape, plane.dtype, padded=False)
    options = tiff_options(spec, layout)
    del options["shape"], options["dtype"], options["rowsperstrip"]
    file = io.BytesIO()
    tifffile.imwrite(file, plane if plane.shape[2] > 1 else plane[..., 0], shaped=False, **options)
    return file.getvalue()
