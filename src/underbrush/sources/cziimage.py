"""The pixels of a Zeiss CZI file: of each plane the tiles that a box touches are decoded and put together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.address import Address, level_remedy
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.cache import SegmentCache
from underbrush.sources.childdecoder import ChildDecoder
from underbrush.sources.claims import check_decoded
from underbrush.sources.czi import CziMeta, Subblock, pixel_bytes
from underbrush.sources.czidecoders import PIXEL_TYPES, RATIOS, TileDecoder
from underbrush.sources.raw import RawArray
from underbrush.sources.selection import chosen_image

_PLANES = "TCZ"
Place = tuple[int, int, int]
"""Time, channel and slice, counted from 0."""


@dataclass(frozen=True, slots=True)
class _Level:
    """One resolution of an image."""

    height: int
    width: int
    planes: dict[Place, tuple[NDArray[np.int64], list[Subblock]]]
    """For each plane its tiles, the lowest first, and their (y, x, rows, columns)."""


@dataclass(frozen=True, slots=True)
class _Pixels:
    dtype: np.dtype[Any]
    samples: int


def open_czi(file: BytesFile, blocks: Sequence[Subblock], meta: CziMeta, address: Address) -> Image:
    """The image that ``address`` wants of those in ``file``.

    Raises
    ------
    ImageError
        There is no such image, or it is of a kind that is not read.
    """
    groups, names = _images(blocks, meta)
    chosen = chosen_image(names, address, "CZI")
    own = groups[chosen.number]
    pixels = _pixels(own, file)
    first = {letter: min(b.places.get(letter, 0) for b in own) for letter in _PLANES}
    counts = [max(b.places.get(a, 0) for b in own) - first[a] + 1 for a in _PLANES]
    levels = _levels(own, first)
    if address.level >= len(levels):
        raise ImageError(
            f"there is no level {address.level}; the image has {len(levels)}",
            where=address.location,
            remedy=level_remedy(len(levels)),
        )
    problems = chosen.problems + _holes(levels[0], math.prod(counts))
    shapes = [_shape(counts, level, pixels.samples) for level in levels]
    axes = "".join(a for a, n in zip("tczyx", shapes[0], strict=True) if n > 1 or a in "yx")
    if pixels.samples > 1:
        axes = axes.replace("c", "") + "c"
    scale = {"y": levels[0].height / levels[address.level].height}
    scale["x"] = levels[0].width / levels[address.level].width
    order = ["tczyx".index(a) for a in axes]
    own_shapes = tuple(tuple(shape[i] for i in order) for shape in shapes[address.level :])
    named = len(meta.channels) == shapes[0][1]
    info = ImageInfo(
        location=address.location,
        axes=axes,
        shape=own_shapes[0],
        dtype=pixels.dtype,
        pixel_size={a: (n * scale.get(a, 1), u) for a, (n, u) in meta.pixel_size.items() if a in axes},
        levels=own_shapes,
        channels=meta.channels if named else (),
        alpha=3 if pixels.samples == 4 and shapes[0][1] == 4 else None,
        series=chosen.series,
        problems=problems,
    )
    return CziImage(info, levels[address.level :], pixels, file)


def _images(blocks: Sequence[Subblock], meta: CziMeta) -> tuple[list[list[Subblock]], list[str]]:
    """The blocks of each image, and its name: scenes, and what differs in other axes than T, C, Z."""
    values: dict[str, set[int]] = defaultdict(set)
    for block in blocks:
        for letter, place in block.places.items():
            values[letter].add(place)
    apart = [a for a in sorted(values, key="SBVRIH".find) if a not in _PLANES and len(values[a]) > 1]
    groups: dict[tuple[int, ...], list[Subblock]] = defaultdict(list)
    for block in blocks:
        groups[tuple(block.places.get(a, 0) for a in apart)].append(block)
    keys = sorted(key for key, own in groups.items() if any(_factor(b) == 1 for b in own))
    return [groups[key] for key in keys], [_name(apart, key, meta) for key in keys]


def _name(letters: list[str], key: tuple[int, ...], meta: CziMeta) -> str:
    parts = [
        meta.scenes.get(place, f"S{place}") if letter == "S" else f"{letter}{place}"
        for letter, place in zip(letters, key, strict=True)
    ]
    return " ".join(parts) or "image"


def _pixels(blocks: Sequence[Subblock], file: BytesFile) -> _Pixels:
    kinds = {block.pixel_type for block in blocks}
    unknown = kinds - PIXEL_TYPES.keys()
    if unknown:
        raise ImageError(
            f"its pixels are of type {min(unknown)} of CZI (complex numbers or unknown), which is not read",
            where=file.location,
            remedy="export it with integers or real numbers",
        )
    samples = {PIXEL_TYPES[kind][1] for kind in kinds}
    if len(samples) > 1:
        raise ImageError(
            "some of its channels are in colour and others are not",
            where=file.location,
            remedy="export the channels apart in ZEN",
        )
    dtype = np.result_type(*(PIXEL_TYPES[kind][0] for kind in kinds))
    largest: dict[int, int] = defaultdict(int)
    for block in blocks:
        size = math.prod(block.stored) * PIXEL_TYPES[block.pixel_type][1] * dtype.itemsize
        largest[block.compression] = max(size, largest[block.compression])
    for compression, size in largest.items():
        if compression or size > file.size:
            # One that is not packed is read row by row.
            check_decoded(size, file.size, RATIOS.get(compression, 1 << 40), file.location)
    return _Pixels(dtype, samples.pop())


def _factor(block: Subblock) -> int:
    """How many pixels along x a stored one stands for."""
    rows, columns = block.stored
    return max(1, round(max(block.width / columns, block.height / rows)))


def _levels(blocks: Sequence[Subblock], first: dict[str, int]) -> list[_Level]:
    """The full resolution and those smaller copies that have all its planes."""
    by_factor: dict[int, list[Subblock]] = defaultdict(list)
    for block in blocks:
        by_factor[_factor(block)].append(block)
    base = by_factor.pop(1)
    left, top = min(b.x for b in base), min(b.y for b in base)
    width, height = max(b.x + b.width for b in base) - left, max(b.y + b.height for b in base) - top
    levels = [_level(base, 1, (top, left, height, width), first)]
    for factor, copies in sorted(by_factor.items()):
        level = _level(copies, factor, (top, left, height, width), first)
        smaller = level.height < levels[-1].height or level.width < levels[-1].width
        if smaller and level.planes.keys() == levels[0].planes.keys() and not _gaps(level, levels[0], factor):
            levels.append(level)
    return levels


def _level(
    blocks: Sequence[Subblock], factor: int, whole: tuple[int, int, int, int], first: dict[str, int]
) -> _Level:
    top, left, height, width = whole
    planes: dict[Place, list[Subblock]] = defaultdict(list)
    for block in blocks:
        t, c, z = (block.places.get(a, 0) - first[a] for a in _PLANES)
        planes[t, c, z].append(block)
    found = {}
    for place, tiles in planes.items():
        # The order is stable: without numbers of a mosaic, later ones lie on top.
        tiles.sort(key=lambda b: b.mosaic)
        boxes = [((b.y - top) // factor, (b.x - left) // factor, *b.stored) for b in tiles]
        found[place] = (np.array(boxes, np.int64), tiles)
    return _Level(-(-height // factor), -(-width // factor), found)


def _gaps(level: _Level, base: _Level, factor: int) -> bool:
    """Whether much of a smaller copy is missing; tiles of the full size overlap, and may leave gaps too."""
    whole = base.height * base.width
    return any(
        _covered(level, place) * factor**2 < 0.75 * min(whole, _covered(base, place))
        for place in level.planes
    )


def _covered(level: _Level, place: Place) -> int:
    boxes = level.planes[place][0]
    return int((boxes[:, 2] * boxes[:, 3]).sum())


def _holes(level: _Level, count: int) -> tuple[str, ...]:
    said = []
    if count > len(level.planes):
        said.append(
            f"{count - len(level.planes)} of {count} planes are not in the file (an acquisition that was"
            " stopped?) and read as 0."
        )
    area = level.height * level.width
    if any(_covered(level, place) < area for place in level.planes):
        said.append("The tiles do not cover the whole image; where there is none it reads as 0.")
    return tuple(said)


def _shape(counts: Sequence[int], level: _Level, samples: int) -> tuple[int, ...]:
    t, c, z = counts
    return t, c * samples, z, level.height, level.width


class CziImage(Image):
    """A scene of a CZI file."""

    def __init__(self, info: ImageInfo, levels: list[_Level], pixels: _Pixels, file: BytesFile) -> None:
        self.info = info
        self._levels, self._pixels, self._file = levels, pixels, file
        self._cache = SegmentCache()
        self._child = ChildDecoder.of_codecs(
            max(
                math.prod(b.stored) * pixels.samples * pixels.dtype.itemsize
                for level in levels
                for _, tiles in level.planes.values()
                for b in tiles
            )
        )
        self._decoder = TileDecoder(file, self._child)

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        if not self._levels:
            raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
        parts = dict(zip(self.axes, where, strict=True))
        one = slice(0, 1)
        t, c, z = (parts.get(a, one) for a in "tcz")
        y, x = parts["y"], parts["x"]
        n = self._pixels.samples
        channels = range(c.start // n, -(-c.stop // n))
        shape = (t.stop - t.start, len(channels), z.stop - z.start, y.stop - y.start, x.stop - x.start, n)
        out = np.zeros(shape, self.dtype)
        for i, j, k in product(range(shape[0]), range(shape[1]), range(shape[2])):
            place = (t.start + i, channels.start + j, z.start + k)
            self._fill(out[i, j, k], self._levels[level], place, (y, x))
        if n == 1:
            return out.reshape([s.stop - s.start for s in where])
        merged = np.moveaxis(out, 1, -2).reshape(shape[0], shape[2], shape[3], shape[4], -1)
        skip = c.start - channels.start * n
        merged = merged[..., skip : skip + c.stop - c.start]
        return merged.reshape([s.stop - s.start for s in where])

    def _fill(self, target: NDArray[Any], level: _Level, place: Place, window: tuple[slice, slice]) -> None:
        """Put the tiles of a plane that meet ``window`` into ``target`` (y, x, samples)."""
        if place not in level.planes:
            return
        boxes, tiles = level.planes[place]
        (y, x) = window
        meets = (
            (boxes[:, 0] < y.stop)
            & (boxes[:, 0] + boxes[:, 2] > y.start)
            & (boxes[:, 1] < x.stop)
            & (boxes[:, 1] + boxes[:, 3] > x.start)
        )
        for i in np.flatnonzero(meets):
            top, left, rows, columns = (int(v) for v in boxes[i])
            inner = (
                slice(max(y.start, top) - top, min(y.stop, top + rows) - top),
                slice(max(x.start, left) - left, min(x.stop, left + columns) - left),
            )
            into = tuple(
                slice(part.start + at - w.start, part.stop + at - w.start)
                for part, at, w in zip(inner, (top, left), window, strict=True)
            )
            target[into] = self._part(tiles[i], inner)

    def _part(self, block: Subblock, inner: tuple[slice, slice]) -> NDArray[Any]:
        """Part of a tile (rows, columns, samples), of an uncompressed one only the rows wanted."""
        dtype, samples = PIXEL_TYPES[block.pixel_type]
        if block.compression:
            tile = self._cache.get(block.position, lambda: self._decoder.decoded(block))
            return tile[inner]
        at, count = pixel_bytes(self._file, block.position)
        shape = (*block.stored, samples)
        if math.prod(shape) * dtype.itemsize > count:
            raise self._decoder.damaged(block, f"holds {count} bytes for {shape} pixels")
        part = RawArray(self._file, at, shape, dtype).read((*inner, slice(0, samples)))
        return part[..., ::-1] if samples == 3 else part[..., [2, 1, 0, 3]] if samples == 4 else part

    def close(self) -> None:
        """See `Image.close`."""
        self._levels = []
        self._cache.clear()
        self._child.close()
        self._file.close()
