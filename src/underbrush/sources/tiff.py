"""TIFF in its dialects: plain, BigTIFF, OME, ImageJ, whole-slide pyramids, and what else tifffile knows.

tifffile tells what the pages mean and how a strip or tile is decoded; the pixels are read by our own
lines (`underbrush.sources.tiffpages`), only those that a box touches.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from underbrush.errors import ImageError, UnderbrushError
from underbrush.sources import tiffdecoders as decoders
from underbrush.sources.address import Address, level_remedy
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.cache import SegmentCache
from underbrush.sources.childdecoder import ChildDecoder
from underbrush.sources.claims import check_decoded
from underbrush.sources.raw import RawArray
from underbrush.sources.tiffaxes import read_axes
from underbrush.sources.tiffmeta import SeriesMeta, series_meta
from underbrush.sources.tiffpages import Frame, PagedLevel, PageLayout, piece_bytes
from underbrush.sources.tiffstructure import check_structure

# What tifffile notices goes to the log of whoever wants it, never to the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


_SMALLER = 4
"""A series that has fewer pixels than the first by this factor is a label or a small picture of it."""


@dataclass(frozen=True, slots=True)
class _Dims:
    """The axes of a series, and those that the image shows."""

    letters: str
    """As `tiffaxes.AxesReading.letters`."""
    shape: tuple[int, ...]

    @property
    def merges(self) -> bool:
        """Whether channels and samples both count, so that they become one axis of channels."""
        return "s" in self.letters and "c" in self.letters

    @property
    def axes(self) -> str:
        plain = "".join(a for a in self.letters if a != "-")
        return plain.replace("c", "").replace("s", "") + "c" if self.merges else plain.replace("s", "c")

    def own(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """``shape`` of the series as the image shows it."""
        sizes = dict(zip(self.letters, shape, strict=True))
        if self.merges:
            sizes["c"] *= sizes["s"]
        elif "s" in sizes:
            sizes["c"] = sizes["s"]
        return tuple(sizes[a] for a in self.axes)

    def read(self, level: RawArray | PagedLevel, where: tuple[slice, ...]) -> NDArray[Any]:
        """The part of the series at ``where``, one slice for each axis of the image."""
        parts = dict(zip(self.axes, where, strict=True))
        if not self.merges:
            if "s" in self.letters:
                parts["s"] = parts.pop("c")
            block = level.read(tuple(parts.get(a, slice(0, 1)) for a in self.letters))
            return block.reshape([s.stop - s.start for s in where])
        samples = self.shape[self.letters.index("s")]
        wanted = parts["c"]
        parts["s"], parts["c"] = slice(0, samples), slice(wanted.start // samples, -(-wanted.stop // samples))
        block = level.read(tuple(parts.get(a, slice(0, 1)) for a in self.letters))
        kept = [a for a in self.letters if a != "-"]
        block = block.reshape([n for a, n in zip(self.letters, block.shape, strict=True) if a != "-"])
        block = np.moveaxis(block, [kept.index("c"), kept.index("s")], [-2, -1])
        block = block.reshape(*block.shape[:-2], -1)
        first = wanted.start - parts["c"].start * samples
        return block[..., first : first + wanted.stop - wanted.start]


class TiffImage(Image):
    """A series of a TIFF file."""

    def __init__(
        self,
        info: ImageInfo,
        dims: _Dims,
        levels: list[RawArray | PagedLevel],
        opened: list[BytesFile | ChildDecoder],
    ) -> None:
        self.info = info
        self._dims = dims
        self._levels = levels
        self._opened = opened

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        if not self._levels:
            raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
        return self._dims.read(self._levels[level], where)

    def close(self) -> None:
        """See `Image.close`."""
        self._levels = []
        for item in self._opened:
            item.close()


def open_source(address: Address) -> Image:
    """Open a TIFF file; see `underbrush.sources.open_image`."""
    if address.inner or address.scene:
        raise ImageError(
            f"there is no {address.inner or address.scene!r} in a TIFF file",
            where=address.location,
            remedy="name the file only, or one of its series with #series=N",
        )
    file = BytesFile(address.path, address.location)
    opened: list[BytesFile | ChildDecoder] = [file]
    try:
        check_structure(file)
        with _parsed(address) as tif:
            return _open(tif, file, address, opened)
    except BaseException:
        for item in opened:
            item.close()
        raise


@contextmanager
def _parsed(address: Address) -> Iterator[tifffile.TiffFile]:
    """The file as tifffile understands it; what it cannot take becomes our error."""
    try:
        with tifffile.TiffFile(address.path) as tif:
            yield tif
    except UnderbrushError:
        raise
    except Exception as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise ImageError(
            f"the TIFF file cannot be understood ({reason:.160})",
            where=address.location,
            remedy="export it again, as plain or OME TIFF",
        ) from error


def _open(
    tif: tifffile.TiffFile, file: BytesFile, address: Address, opened: list[BytesFile | ChildDecoder]
) -> TiffImage:
    groups = _grouped(tif, address.location)
    number = address.series or 0
    if number >= len(groups):
        raise ImageError(
            f"there is no series {number}; the file holds {len(groups)}",
            where=address.location,
            remedy=f"use #series=0 to {len(groups) - 1}",
        )
    group = groups[number]
    base = group[0]
    names = _alike(groups) if address.series is None else ()
    meta = series_meta(tif, base, number, len(groups), address)
    reading = read_axes(base.axes, tuple(base.shape), address.location)
    dims = _Dims(reading.letters, tuple(base.shape))
    same = [level for level in group if _matches(level, base)]
    if address.level >= len(same):
        raise ImageError(
            f"there is no level {address.level}; the image has {len(same)}",
            where=address.location,
            remedy=level_remedy(len(same)),
        )
    same = same[address.level :]
    dims = _Dims(dims.letters, tuple(same[0].shape))
    cache = SegmentCache()
    levels = [_level(tif, level, file, address, (cache, opened)) for level in same]
    return TiffImage(
        replace(_info(address, dims, same, meta, (reading.known, reading.problems)), series=names),
        dims,
        levels,
        opened,
    )


def _info(
    address: Address,
    dims: _Dims,
    levels: list[Any],
    meta: SeriesMeta,
    doubts: tuple[bool, tuple[str, ...]],
) -> ImageInfo:
    base, axes = levels[0], dims.axes
    shape = dims.own(tuple(base.shape))
    full = meta.full_shape
    scale = {a: n / m for a, n, m in zip(dims.letters, full, base.shape, strict=True)}
    channels = meta.channels if len(meta.channels) == dict(zip(axes, shape, strict=True)).get("c", 1) else ()
    return ImageInfo(
        location=address.location,
        axes=axes,
        shape=shape,
        dtype=np.dtype(base.dtype).newbyteorder("="),
        axes_known=doubts[0],
        pixel_size={a: (n * scale[a], unit) for a, (n, unit) in meta.pixel_size.items() if a in axes},
        levels=tuple(dims.own(tuple(level.shape)) for level in levels),
        channels=channels,
        alpha=meta.alpha if not dims.merges else None,
        problems=(*doubts[1], *meta.problems),
    )


def _grouped(tif: tifffile.TiffFile, location: str) -> list[list[Any]]:
    """The series of a file, each with its levels; reduced copies that follow an image are levels of it."""
    groups: list[list[Any]] = []
    for series in tif.series:
        if series.keyframe is None or not all(series.shape):
            continue
        follows = bool(groups) and series.keyframe.is_reduced and _matches(series, groups[-1][0])
        if follows and math.prod(series.shape) < math.prod(groups[-1][-1].shape):
            groups[-1].append(series)
        else:
            groups.append([level for level in series.levels if all(level.shape)])
    if not groups:
        raise ImageError("the TIFF file holds no image", where=location, remedy="export it again")
    return groups


def _alike(groups: list[list[Any]]) -> tuple[str, ...]:
    """Names of the series, where others may be meant as well as the first; none beside a small picture of it.

    Whole slides come with a thumbnail, a label and an overview: nobody has to be asked about those.
    """
    pixels = [math.prod(group[0].shape) for group in groups]
    if max(pixels[1:], default=0) * _SMALLER < pixels[0]:
        return ()
    return tuple(
        str(group[0].name).strip() if re.search(r"\w", str(group[0].name)) else f"series {i}"
        for i, group in enumerate(groups)
    )


def _matches(level: Any, base: Any) -> bool:
    """Whether ``level`` is a smaller ``base``: same type, and smaller in z, y and x at most."""
    return (
        level.axes == base.axes
        and level.dtype == base.dtype
        and all(
            n == m or (a in "ZYX" and 0 < n <= m)
            for a, n, m in zip(level.axes, level.shape, base.shape, strict=True)
        )
    )


def _level(
    tif: tifffile.TiffFile,
    series: Any,
    file: BytesFile,
    address: Address,
    shared: tuple[SegmentCache, list[BytesFile | ChildDecoder]],
) -> RawArray | PagedLevel:
    shape, page = tuple(series.shape), series.keyframe
    if page.dtype is None or np.dtype(page.dtype).kind not in "biuf":
        raise ImageError(
            f"its pixels are of a type that is not read ({page.sampleformat}, {page.bitspersample} bits)",
            where=address.location,
            remedy="export it with integers or real numbers",
        )
    offset = series.dataoffset
    if offset is not None and not series.is_multifile:
        stored = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        return RawArray(file, int(offset), shape, stored)
    own = tuple(page.shape)
    frame_shape = shape[: len(shape) - len(own)]
    frames = [_frame(p) for p in series.pages]
    if shape[len(frame_shape) :] != own or math.prod(frame_shape) != len(frames):
        raise ImageError(
            f"the file is cut off or damaged: it names {shape} pixels (axes {series.axes}) but holds"
            f" {len(frames)} pages of {own}",
            where=address.location,
            remedy="copy or export it again",
        )
    layout = _layout(page, shared[1])
    _check_claims(frames, layout, page, address.location)
    level = PagedLevel(file, address.path, frames, frame_shape, layout, shared[0])
    level.check_first_and_last()
    return level


def _frame(page: Any) -> Frame | None:
    if page is None:
        return None
    return Frame(
        Path(page.parent.filehandle.path),
        tuple(page.dataoffsets),
        tuple(page.databytecounts),
        page.jpegtables,
    )


def _check_claims(frames: list[Frame | None], layout: PageLayout, page: Any, location: str) -> None:
    """Refuse strips or tiles that are too large to decode, or larger than their bytes can be unpacked to."""
    frame = next((f for f in frames if f is not None), None)
    if frame is None:
        raise ImageError(
            "none of its pages is there", where=location, remedy="copy all files of the set again"
        )
    if layout.plain is not None or not frame.counts:
        return
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 1
    ratio = decoders.RATIOS.get(int(page.compression), decoders.UNBOUNDED) * -(
        -8 * layout.dtype.itemsize // max(1, bits)
    )
    check_decoded(piece_bytes(layout), max(frame.counts), ratio, location)


def _layout(page: Any, opened: list[BytesFile | ChildDecoder]) -> PageLayout:
    tiled = bool(page.is_tiled)
    separate, depth, rows, columns, samples = page.shaped
    piece = (
        (max(1, page.tiledepth), page.tilelength, page.tilewidth)
        if tiled
        else (1, min(page.rowsperstrip or rows, rows), columns)
    )
    compression = int(page.compression)
    simple = (
        compression == decoders.NONE
        and not tiled
        and page.predictor in {0, 1}
        and page.fillorder == 1
        and page.bitspersample == page.dtype.itemsize * 8
    )
    size = math.prod(piece) * samples * page.dtype.itemsize
    return PageLayout(
        letters=page.axes,
        shaped=(separate, depth, rows, columns, samples),
        piece=piece,
        tiled=tiled,
        dtype=np.dtype(page.dtype).newbyteorder("="),
        plain=np.dtype(page.dtype).newbyteorder(page.parent.byteorder) if simple else None,
        fill=page.nodata,
        decode=_decoder(page, piece, size, opened),
    )


def _decoder(
    page: Any, piece: tuple[int, int, int], size: int, opened: list[BytesFile | ChildDecoder]
) -> decoders.Decode:
    """The function that decodes a piece of pages like ``page``; see `tiffdecoders` for where it runs."""
    decode, header = page.decode, page.jpegheader
    if page.compression in decoders.IN_PROCESS:
        return lambda data, index, tables: decode(data, index)[0]
    child = ChildDecoder(Path(page.parent.filehandle.path), page.offset, size)
    opened.append(child)
    if page.compression != decoders.JPEG or header is not None:
        return child.decode

    def jpeg(data: bytes, index: int, tables: bytes | None) -> NDArray[Any]:
        if not decoders.is_plain_jpeg(data, piece[1], piece[2]):
            return child.decode(data, index, tables)
        pixels: NDArray[Any] = decode(data, index, jpegtables=tables)[0]
        return pixels

    return jpeg
