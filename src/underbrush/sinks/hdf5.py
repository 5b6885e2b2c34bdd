"""HDF5 as ilastik exports it: one dataset with axis tags, value range and dimension labels.

Chunks are compressed outside of libhdf5, by the threads that bring the blocks, and are written in order when
all are there. So threads compress side by side, outside its one lock, and the bytes of the file depend on the
pixels alone.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box
from underbrush.errors import OutputError
from underbrush.files import Replacing, replacing_hdf5
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block, file_shape, in_file_order
from underbrush.sinks.calibration import known_sizes
from underbrush.sinks.spool import TileLayout, TileSpool

CHUNK_BYTES = 512_000
"""About the size of a chunk, as in ilastik's exports."""
GZIP_LEVEL = 1
"""ilastik's level; higher ones are far slower and hardly smaller on probabilities."""
ATTRIBUTE_BYTES = 60_000
"""HDF5 keeps attributes of up to 64 kB beside the dataset."""

_TYPE_FLAGS = {"c": 1, "t": 8}  # vigra's flags; 2 is space


def axistags(axes: str, sizes: dict[str, tuple[float, str]]) -> str:
    """The JSON text in which vigra and ilastik describe axes, outermost first.

    ``resolution`` is the size of a pixel, 0 where it is not known; whole numbers are written as integers, as
    some readers insist on them.
    """
    entries = []
    for axis in axes:
        size = sizes[axis][0] if axis in sizes else 0
        entries.append(
            {
                "key": axis,
                "typeFlags": _TYPE_FLAGS.get(axis, 2),
                "resolution": int(size) if float(size).is_integer() else size,
                "description": "",
            }
        )
    return json.dumps({"axes": entries}, indent=2)


def chunk_shape(shape: tuple[int, ...], axes: str, itemsize: int) -> tuple[int, ...]:
    """A chunk of about `CHUNK_BYTES`: 1 along t and c, nearly cubic in space, never larger than the data."""
    budget = CHUNK_BYTES // itemsize
    sizes = dict(zip(axes, shape, strict=True))
    chunk = dict.fromkeys(axes, 1)
    spatial = [a for a in "xyz" if a in sizes]
    while growing := [a for a in spatial if chunk[a] < sizes[a]]:
        axis = min(growing, key=chunk.__getitem__)
        larger = {**chunk, axis: min(2 * chunk[axis], sizes[axis])}
        if math.prod(larger.values()) > budget:
            break
        chunk = larger
    return tuple(chunk[a] for a in axes)


def check(spec: OutputSpec, format: str) -> None:
    """Everything fits but an unusable dataset name."""
    parts = spec.inner_path.strip("/").split("/")
    if not all(parts) or any(p in {".", ".."} for p in parts) or "\0" in spec.inner_path:
        raise OutputError(
            f"{spec.inner_path!r} is no name of a dataset",
            where=spec.path,
            remedy="use a name such as exported_data or group/data",
        )


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink for ``hdf5`` or ``compressed hdf5``."""
    return Hdf5Sink(spec, compressed=format == "compressed hdf5")


class Hdf5Sink(Sink):
    """One dataset in a new file; see the module.

    With ``keep`` all else that a file of this name holds is in the new one as well, as ilastik leaves it; a
    file of 0 bytes holds nothing.

    Raises
    ------
    OutputError
        Nothing can be written at this place; with ``keep``, what is there is no HDF5 file.
    """

    def __init__(self, spec: OutputSpec, *, compressed: bool, keep: bool = False) -> None:
        self.spec = spec
        self._compressed = compressed
        self._keep = keep and _holds_something(spec.path)
        if self._keep:
            _copy_others(spec, None)  # fails now, not after hours
        shape = file_shape(spec)
        layout = TileLayout(
            shape,
            chunk_shape(shape, spec.axes, spec.dtype.itemsize),
            spec.dtype.newbyteorder("<"),
            padded=True,
        )
        Replacing(spec.path).abort()  # fails now, not after hours, where nothing can be written
        self._spool = TileSpool(spec.path, layout, _deflate if compressed else _raw)

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        self._spool.write(*in_file_order(self.spec.axes, box, block))

    def commit(self) -> None:
        """See `Sink.commit`."""
        self._spool.check_complete()
        layout = self._spool.layout
        with replacing_hdf5(self.spec.path) as file:
            if self._keep:
                _copy_others(self.spec, file)
            data = file.create_dataset(
                self.spec.inner_path.strip("/"),
                shape=layout.shape,
                dtype=layout.dtype,
                chunks=layout.tile,
                compression="gzip" if self._compressed else None,
                compression_opts=GZIP_LEVEL if self._compressed else None,
                track_times=False,
            )
            for number, encoded in enumerate(self._spool.encoded()):
                data.id.write_direct_chunk(layout.start(layout.index(number)), encoded)
            self._describe(data)
        self._spool.close()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._spool.close()

    def _describe(self, data: Any) -> None:
        spec = self.spec
        sizes = known_sizes(spec.pixel_size)
        for number, axis in enumerate(spec.axes):
            data.dims[number].label = axis
        data.attrs["axistags"] = axistags(spec.axes, sizes)
        if sizes:
            units = {a: sizes[a][1] if a in sizes else "" for a in spec.axes if a != "c"}
            data.attrs["axis_units"] = json.dumps(units)
        data.attrs["display_mode"] = "default" if spec.kind in {"labels", "image"} else "grayscale"
        if spec.value_range is not None:
            data.attrs["drange"] = np.asarray(spec.value_range).astype(spec.dtype)
        if spec.class_names:
            _add_text(data, "class_names", spec.class_names)
        if spec.class_colors:
            data.attrs["class_colors"] = np.array(spec.class_colors, np.uint8)
        if spec.channel_names:
            _add_text(data, "channel_names", spec.channel_names)
        if spec.provenance:
            _add_text(data, "provenance", dict(spec.provenance))


def _holds_something(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _copy_others(spec: OutputSpec, target: h5py.File | None) -> None:
    """Copy what the file holds beside the dataset of ``spec``; without ``target`` only look if it can."""
    try:
        # A Python file takes no lock: others may read it meanwhile.
        with spec.path.open("rb") as plain, h5py.File(plain, "r") as old:
            _copy_members(old, target, spec.inner_path.strip("/").split("/"), spec)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise OutputError(
            f"what is there already cannot be kept: it is no HDF5 file, or damaged ({error})",
            where=spec.path,
            remedy="delete it or choose another name",
        ) from error


def _copy_members(old: h5py.Group, new: h5py.Group | None, way: list[str], spec: OutputSpec) -> None:
    """Everything of a group except what lies at the end of ``way``."""
    if new is not None:
        for key, value in old.attrs.items():
            new.attrs[key] = value
    for name in old:
        link = old.get(name, getlink=True)
        hard = isinstance(link, h5py.HardLink)
        if name == way[0] and len(way) == 1:
            continue
        if name == way[0]:
            inner = old[name]
            if not isinstance(inner, h5py.Group):
                raise OutputError(
                    f"{name!r} in it is a dataset, so that there can be no {spec.inner_path!r}",
                    where=spec.path,
                    remedy="choose another dataset or another file",
                )
            _copy_members(inner, None if new is None else new.create_group(name), way[1:], spec)
        elif new is not None and hard:
            old.copy(name, new, name)
        elif new is not None:
            new[name] = link


def _add_text(data: Any, name: str, value: Any) -> None:
    """As JSON; cut texts would be wrong, so what has no room is left out."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text.encode()) <= ATTRIBUTE_BYTES:
        data.attrs[name] = text.replace("\\u0000", "")


def _deflate(tile: NDArray[Any]) -> bytes:
    # libdeflate: the same format as zlib's, in two thirds of the time and a little smaller.
    return bytes(imagecodecs.deflate_encode(tile, level=GZIP_LEVEL))  # type: ignore[arg-type]


def _raw(tile: NDArray[Any]) -> bytes:
    return tile.tobytes()
