"""N5: one dataset in a folder, with the attributes that ilastik writes, and those of the N5 viewers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from underbrush.core.geometry import Shape5
from underbrush.errors import OutputError
from underbrush.files import WorkFolder
from underbrush.files.problems import resolved
from underbrush.sinks.base import OutputSpec, PiecedSink, Sink
from underbrush.sinks.blocks import file_shape
from underbrush.sinks.calibration import known_sizes
from underbrush.sinks.hdf5 import axistags
from underbrush.sinks.hdf5 import check as check_name
from underbrush.sinks.pieced import FolderSink, check_replaceable
from underbrush.sinks.pieces import PiecedArray, Piecing, check_type, grown_chunk, json_bytes, unit_of

VERSION = "2.2.0"
"""Of the N5 format. Later ones changed nothing of what is written here."""
BLOCK_BYTES = 1 << 20
"""About the size of a block before it is compressed."""
GZIP_LEVEL = 1
TYPES = frozenset(
    {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {"float32", "float64"}
)


def check(spec: OutputSpec, format: str) -> None:
    """Refuse types that N5 has not, unusable names of datasets, and folders of somebody else's."""
    check_type(spec, TYPES, "N5")
    check_name(spec, format)
    check_replaceable(spec, "N5")


def unit(spec: OutputSpec, format: str) -> Shape5:
    """Size of the pieces in t c z y x."""
    return unit_of(spec.axes, _piecing(spec).piece)


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink for ``n5`` or ``compressed n5``."""
    return N5Sink(spec, compressed=format == "compressed n5")


def open_part(spec: OutputSpec, format: str, key: str) -> PiecedSink:
    """The same, to be left and joined."""
    return N5Sink(spec, compressed=format == "compressed n5", key=key)


def _piecing(spec: OutputSpec) -> Piecing:
    shape = file_shape(spec)
    block = grown_chunk(shape, spec.axes, (1,) * len(shape), BLOCK_BYTES // spec.dtype.itemsize)
    return Piecing(shape, block, block, spec.dtype)


class N5Sink(FolderSink):
    """One dataset in a new folder; ``key`` is that of `formats.open_part`.

    With ``keep`` all else that an N5 of this name holds stays there, as ilastik leaves it.

    Raises
    ------
    OutputError
        Nothing can be written at this place.
    """

    def __init__(
        self, spec: OutputSpec, *, compressed: bool, keep: bool = False, key: str | None = None
    ) -> None:
        inner = spec.inner_path.strip("/")
        self._beside = keep and spec.path.is_dir()
        if self._beside:
            _check_beside(spec.path, inner)
        piecing = _piecing(spec)
        identity = (
            None
            if key is None
            else repr((key, compressed, inner, piecing.piece, spec.shape, spec.axes, spec.dtype.str))
        )
        folder = WorkFolder(spec.path / inner if self._beside else spec.path, identity)
        self._inner = "" if self._beside else inner
        metadata = {
            "dimensions": piecing.shape[::-1],
            "blockSize": piecing.piece[::-1],
            "dataType": spec.dtype.name,
            "compression": {"type": "gzip", "level": GZIP_LEVEL} if compressed else {"type": "raw"},
        }
        try:
            array = PiecedArray(folder, self._inner, piecing, "n5", metadata)
            super().__init__(spec, spec.axes, folder, array, partial=key is not None)
        except BaseException:
            if key is None:
                folder.remove()
            raise

    def _finish(self, threads: int) -> None:
        self._array.describe(_attributes(self.spec))
        if not self._beside:
            self._folder.put("attributes.json", json_bytes({"n5": VERSION}))


def _check_beside(path: Path, inner: str) -> None:
    """Refuse a dataset within a dataset, which would be neither."""
    place = resolved(path)
    for part in inner.split("/")[:-1]:
        place = place / part
        if "dimensions" in _told(place):
            raise OutputError(
                f"{part!r} in it is a dataset, so that there can be no {inner!r}",
                where=path,
                remedy="choose another dataset or another file",
            )


def _told(place: Path) -> dict[str, Any]:
    try:
        told = json.loads((place / "attributes.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _attributes(spec: OutputSpec) -> dict[str, Any]:
    """ilastik's, in the order of the array; and axes, resolution and units, x first as N5 counts."""
    sizes = known_sizes(spec.pixel_size)
    told: dict[str, Any] = {
        "axistags": axistags(spec.axes, sizes),
        "display_mode": "default" if spec.kind in {"labels", "image"} else "grayscale",
        "axes": list(spec.axes[::-1]),
    }
    if sizes:
        told["axis_units"] = json.dumps({a: sizes[a][1] if a in sizes else "" for a in spec.axes if a != "c"})
        told["resolution"] = [sizes[a][0] if a in sizes else 1.0 for a in spec.axes[::-1]]
        told["units"] = [sizes[a][1] if a in sizes else "" for a in spec.axes[::-1]]
    if spec.value_range is not None:
        told["drange"] = np.asarray(spec.value_range).astype(spec.dtype).tolist()
    named = {
        "channel_names": list(spec.channel_names),
        "class_names": list(spec.class_names),
        "class_colors": [list(color) for color in spec.class_colors],
        "provenance": dict(spec.provenance),
    }
    return {**told, **{name: value for name, value in named.items() if value}}
