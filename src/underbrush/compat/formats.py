"""ilastik's names of file formats: their endings, and what writes them here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from underbrush.errors import OutputError
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.formats import check_sink, open_sink
from underbrush.sinks.plane import PLANE_FORMATS, open_plane
from underbrush.sinks.plane_sequence import open_sequence, sequence_axes

_PICTURES = (
    "bmp", "gif", "hdr", "jpg", "jpeg", "pbm", "pgm", "png", "pnm", "ppm", "ras", "tif", "tiff",
)  # fmt: skip
_OTHERS = {
    "hdf5": "h5",
    "compressed hdf5": "h5",
    "n5": "n5",
    "compressed n5": "n5",
    "single-scale OME-Zarr": "zarr",
    "multi-scale OME-Zarr": "zarr",
    "numpy": "npy",
    "multipage tiff": "tiff",
    "multipage tiff sequence": "tiff",
    "dvid": "",
    "blockwise hdf5": "json",
}
ENDINGS = {**{p: p for p in _PICTURES}, **{f"{p} sequence": p for p in _PICTURES}, **_OTHERS}
"""Every name that ilastik takes -> the ending of its files."""
_OURS = {"numpy": "npy", "multipage tiff": "ome-tiff"}


def opener(name: str, first: Mapping[str, int]) -> Callable[[OutputSpec], Sink]:
    """What opens a file of a format; ``first`` is the first pixel of each axis, for the numbers of slices.

    Raises
    ------
    OutputError
        ilastik knows the name, but this version does not write it.
    """
    if name in ("hdf5", "compressed hdf5"):
        return partial(_hdf5, compressed=name == "compressed hdf5")
    if name in _OURS:
        return partial(_checked, format=_OURS[name])
    if name in PLANE_FORMATS:
        return partial(open_plane, format=name)
    if name.removesuffix(" sequence") in PLANE_FORMATS:
        return partial(_sequence, format=name.removesuffix(" sequence"), first=first)
    known = ", ".join(["hdf5", "compressed hdf5", *_OURS, *PLANE_FORMATS, "png sequence and the like"])
    problem = f"this version does not write {name!r}" if name in ENDINGS else f"there is no format {name!r}"
    raise OutputError(problem, remedy=f"use one of {known}")


def _sequence(spec: OutputSpec, format: str, first: Mapping[str, int]) -> Sink:
    return open_sequence(spec, format, first[sequence_axes(spec)[0]])


def _hdf5(spec: OutputSpec, compressed: bool) -> Sink:
    from underbrush.sinks.hdf5 import Hdf5Sink  # noqa: PLC0415 - a png needs no HDF5

    check_sink(spec, "hdf5")
    return Hdf5Sink(spec, compressed=compressed, keep=True)


def _checked(spec: OutputSpec, format: str) -> Sink:
    check_sink(spec, format)
    return open_sink(spec, format)
