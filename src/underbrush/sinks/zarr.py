"""OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3, in shards), with or without smaller copies.

NAME.ome.zarr/  .zgroup .zattrs  0/.zarray 0/t/c/z/y/x  1/...        0.4: a file for each chunk
NAME.ome.zarr/  zarr.json        0/zarr.json 0/c/t/c/z/y/x  1/...    0.5: a file for each shard of chunks
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from underbrush.core.geometry import AXES, Shape5
from underbrush.files import WorkFolder
from underbrush.sinks.base import OutputSpec, PiecedSink, Sink
from underbrush.sinks.calibration import common_length, known_sizes
from underbrush.sinks.hdf5 import axistags
from underbrush.sinks.ngff import group_attributes
from underbrush.sinks.pieced import FolderSink, check_replaceable
from underbrush.sinks.pieces import (
    Driver,
    PiecedArray,
    Piecing,
    check_type,
    grown_chunk,
    json_bytes,
    unit_of,
)
from underbrush.sinks.pyramid import Level, by_names, fill_level, levels_of

CHUNK_BYTES = 1 << 20
"""About the size of a chunk before it is compressed, where each is a file."""
INNER_BYTES = 1 << 18
"""The same where many are in a shard: what a viewer reads at once."""
SHARD_BYTES = 1 << 24
"""About the size of a shard before it is compressed. It is held in memory once while it is written."""
COMPRESSION = {"cname": "zstd", "clevel": 1}
"""Level 1: higher ones are far slower and hardly smaller."""
TYPES = frozenset(
    f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
) | {"float16", "float32", "float64"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """How an OME-Zarr is laid out."""

    version: Literal["0.4", "0.5"] = "0.4"
    pyramid: bool = True
    axes: str = ""
    """Order of the axes; empty: those of the result in the order tczyx."""
    prefix: str = ""
    """Of the names of the arrays, which are numbered from 0."""
    evenly: bool = False
    """Whether all axes in space are halved, whatever the size of the pixels."""
    told: bool = False
    """Whether each array says its axes and range, too, as ilastik's do."""

    @property
    def driver(self) -> Driver:
        """Tensorstore's name of the Zarr version."""
        return "zarr" if self.version == "0.4" else "zarr3"


STYLES = {
    "ome-zarr": Style(),
    "ome-zarr-0.5": Style(version="0.5"),
    "single-scale ome-zarr": Style(pyramid=False),
}


def check(spec: OutputSpec, format: str) -> None:
    """Refuse types of values that Zarr has not, and folders of somebody else's."""
    check_type(spec, TYPES, "OME-Zarr")
    check_replaceable(spec, "Zarr")


def unit(spec: OutputSpec, format: str) -> Shape5:
    """Size of the pieces in t c z y x."""
    style = STYLES[format]
    return unit_of(axes_of(spec, style), piecing_of(spec, style, file_shape(spec, style)).piece)


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink for one of `STYLES`."""
    return OmeZarrSink(spec, STYLES[format])


def open_part(spec: OutputSpec, format: str, key: str) -> PiecedSink:
    """The same, to be left and joined."""
    return OmeZarrSink(spec, STYLES[format], key)


def axes_of(spec: OutputSpec, style: Style) -> str:
    """Order of the axes in the file."""
    return style.axes or "".join(a for a in AXES if a in spec.axes)


def file_shape(spec: OutputSpec, style: Style) -> tuple[int, ...]:
    """Sizes of the result in that order."""
    return tuple(spec.shape[AXES.index(a)] for a in axes_of(spec, style))


def piecing_of(spec: OutputSpec, style: Style, shape: tuple[int, ...]) -> Piecing:
    """How an array of ``shape`` is cut: 1 along t and c, nearly cubic in space."""
    axes, size = axes_of(spec, style), spec.dtype.itemsize
    one = (1,) * len(axes)
    if style.version == "0.4":
        chunk = grown_chunk(shape, axes, one, CHUNK_BYTES // size)
        return Piecing(shape, chunk, chunk, spec.dtype)
    chunk = grown_chunk(shape, axes, one, INNER_BYTES // size)
    return Piecing(shape, grown_chunk(shape, axes, chunk, SHARD_BYTES // size), chunk, spec.dtype)


class OmeZarrSink(FolderSink):
    """See the module; ``key`` is that of `formats.open_part`."""

    def __init__(self, spec: OutputSpec, style: Style, key: str | None = None) -> None:
        self._style = style
        axes, shape = axes_of(spec, style), file_shape(spec, style)
        cut = piecing_of(spec, style, shape)
        said = (key, style, axes, shape, cut.piece, cut.inner, spec.dtype.str, spec.kind)
        identity = None if key is None else repr(said)
        folder = WorkFolder(spec.path, identity)
        self._sizes = {} if style.evenly else common_length(spec.pixel_size)[0]
        try:
            first = self._new_array(spec, folder, 0, shape)
            super().__init__(spec, axes, folder, first, partial=key is not None)
            first.describe()
        except BaseException:
            if key is None:
                folder.remove()
            raise

    def _new_array(
        self, spec: OutputSpec, folder: WorkFolder, number: int, shape: tuple[int, ...]
    ) -> PiecedArray:
        piecing = piecing_of(spec, self._style, shape)
        make = _metadata_2 if self._style.version == "0.4" else _metadata_3
        name = f"{self._style.prefix}{number}"
        metadata = make(piecing, axes_of(spec, self._style), _shuffled(spec))
        return PiecedArray(folder, name, piecing, self._style.driver, metadata)

    def _finish(self, threads: int) -> None:
        levels = self._levels()
        arrays = [self._array]
        names = by_names(self.spec.kind)
        for number, level in enumerate(levels[1:], 1):
            arrays.append(self._new_array(self.spec, self._folder, number, level.shape))
            arrays[-1].describe()
            fill_level(arrays[-2], arrays[-1], names, threads)
        attributes = group_attributes(
            self.spec,
            self._axes,
            [(f"{self._style.prefix}{k}", level.factors) for k, level in enumerate(levels)],
            self._style.version,
            lambda: _extremes(arrays[-1], self._axes),
        )
        if self._style.version == "0.4":
            self._folder.put(".zgroup", json_bytes({"zarr_format": 2}))
            self._folder.put(".zattrs", json_bytes(attributes))
            if self._style.told:
                for k in range(len(levels)):
                    self._folder.put(f"{self._style.prefix}{k}/.zattrs", json_bytes(self._told()))
        else:
            group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
            self._folder.put("zarr.json", json_bytes(group))

    def _told(self) -> dict[str, Any]:
        """What ilastik says at each array, beside the metadata of the group."""
        spec, told = self.spec, {"axistags": axistags(self._axes, known_sizes(self.spec.pixel_size))}
        drange = () if spec.value_range is None else np.asarray(spec.value_range).astype(spec.dtype).tolist()
        mode = "default" if spec.kind in {"labels", "image"} else "grayscale"
        return {**told, "display_mode": mode, **({"drange": drange} if drange else {})}

    def _levels(self) -> list[Level]:
        piecing = self._array.piecing
        small = _within(piecing.inner)
        if not self._style.pyramid:
            return [Level(piecing.shape, (1,) * len(piecing.shape))]
        return levels_of(piecing.shape, self._axes, self._sizes, lambda shape: small(shape, self._axes))


def _within(chunk: tuple[int, ...]) -> Callable[[tuple[int, ...], str], bool]:
    """Whether an array has one chunk for each time and channel."""

    def small(shape: tuple[int, ...], axes: str) -> bool:
        return all(n <= c for n, c, a in zip(shape, chunk, axes, strict=True) if a in "zyx")

    return small


def _extremes(array: PiecedArray, axes: str) -> list[tuple[float, float]]:
    """Smallest and largest value of each channel, in a piece in the middle: what to show it from and to."""
    reader, layout = array.reader(), array.layout
    channels = layout.counts[axes.index("c")] if "c" in axes else 1
    found = []
    for channel in range(channels):
        index = tuple(
            channel if a == "c" else 0 if a == "t" else n // 2
            for a, n in zip(axes, layout.counts, strict=True)
        )
        sides = zip(layout.start(index), layout.valid_shape(index), strict=True)
        values = np.asarray(reader[tuple(slice(a, a + n) for a, n in sides)].read().result())
        usable = values[np.isfinite(values)]
        found.append((float(usable.min()), float(usable.max())) if usable.size else (0.0, 1.0))
    return found


def _shuffled(spec: OutputSpec) -> bool:
    """Whether the bytes of the numbers are sorted before they are compressed.

    That helps where neighbours differ a little. Votes of trees are few different numbers, which repeat whole:
    they become a third smaller without.
    """
    return spec.dtype.itemsize > 1 and spec.kind not in ("probabilities", "uncertainty")


def _metadata_2(piecing: Piecing, axes: str, shuffled: bool) -> dict[str, Any]:
    size = piecing.dtype.itemsize
    return {
        "zarr_format": 2,
        "shape": piecing.shape,
        "chunks": piecing.piece,
        "dtype": piecing.dtype.newbyteorder("<").str if size > 1 else f"|{piecing.dtype.str[1:]}",
        "compressor": {"id": "blosc", **COMPRESSION, "shuffle": int(shuffled), "blocksize": 0},
        "fill_value": 0,
        "filters": None,
        "order": "C",
        "dimension_separator": "/",
    }


def _metadata_3(piecing: Piecing, axes: str, shuffled: bool) -> dict[str, Any]:
    size = piecing.dtype.itemsize
    shuffle = {"shuffle": "shuffle" if shuffled else "noshuffle", "typesize": size, "blocksize": 0}
    codecs: list[dict[str, Any]] = [
        {"name": "bytes", **({"configuration": {"endian": "little"}} if size > 1 else {})},
        {"name": "blosc", "configuration": {**COMPRESSION, **shuffle}},
    ]
    shards = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": piecing.inner,
            "codecs": codecs,
            "index_codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
            "index_location": "end",
        },
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": piecing.shape,
        "data_type": piecing.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": piecing.piece}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [shards],
        "dimension_names": list(axes),
        "fill_value": 0,
        "attributes": {},
    }
