"""ilastik's names of file formats: their endings, and what writes them here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from underbrush.errors import OutputError
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.formats import check_sink, open_sink

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
_ZARR = {"single-scale OME-Zarr": False, "multi-scale OME-Zarr": True}
"""Name -> whether smaller copies are written."""
_N5 = ("n5", "compressed n5")
FOLDERS = (*_ZARR, *_N5)
"""Those that are folders of many files."""
_PLANES = tuple(p for p in _PICTURES if p not in ("hdr", "ras"))
"""Those of `sinks.plane`, which is imported only where one of them is written: an HDF5 file needs no TIFF."""
REFUSED = ("hdr", "ras", "hdr sequence", "ras sequence", "dvid", "blockwise hdf5")
"""Those that ilastik has and this program does not write."""
WRITTEN = tuple(name for name in ENDINGS if name not in REFUSED)


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
    if name in _ZARR:
        return partial(_zarr, pyramid=_ZARR[name])
    if name in _N5:
        return partial(_n5, compressed=name == "compressed n5")
    if name == "multipage tiff sequence":
        return partial(_sequence, format="multipage tiff", first=first)
    if name in _PLANES:
        return partial(_plane, format=name)
    if name.removesuffix(" sequence") in _PLANES:
        return partial(_sequence, format=name.removesuffix(" sequence"), first=first)
    others = [*_OURS, *_ZARR, *_N5, *_PLANES, "png sequence and the like"]
    known = ", ".join(["hdf5", "compressed hdf5", *others])
    problem = f"this version does not write {name!r}" if name in ENDINGS else f"there is no format {name!r}"
    raise OutputError(problem, remedy=f"use one of {known}")


def _plane(spec: OutputSpec, format: str) -> Sink:
    from underbrush.sinks.plane import open_plane  # noqa: PLC0415

    return open_plane(spec, format)


def _sequence(spec: OutputSpec, format: str, first: Mapping[str, int]) -> Sink:
    from underbrush.sinks.plane_sequence import open_sequence, sequence_axes  # noqa: PLC0415

    return open_sequence(spec, format, first[sequence_axes(spec)[0]])


def _zarr(spec: OutputSpec, pyramid: bool) -> Sink:
    from underbrush.sinks.zarr import OmeZarrSink, Style  # noqa: PLC0415 - a png needs no Zarr

    check_sink(spec, "ome-zarr")
    # As ilastik lays it out: all five axes, arrays s0, s1, ..., halved along every axis in space.
    return OmeZarrSink(spec, Style(pyramid=pyramid, axes="tczyx", prefix="s", evenly=True, told=True))


def _n5(spec: OutputSpec, compressed: bool) -> Sink:
    from underbrush.sinks.n5 import N5Sink  # noqa: PLC0415 - a png needs no N5

    check_sink(spec, "n5")
    return N5Sink(spec, compressed=compressed, keep=True)


def _hdf5(spec: OutputSpec, compressed: bool) -> Sink:
    from underbrush.sinks.hdf5 import Hdf5Sink  # noqa: PLC0415 - a png needs no HDF5

    check_sink(spec, "hdf5")
    return Hdf5Sink(spec, compressed=compressed, keep=True)


def _checked(spec: OutputSpec, format: str) -> Sink:
    check_sink(spec, format)
    return open_sink(spec, format)
