"""The formats of results: their names (ours and ilastik's), suffixes, and which can hold what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from underbrush.core.geometry import AXES, Shape5, parse_axes
from underbrush.errors import AxesError, OutputError, UsageError
from underbrush.sinks.base import OutputSpec, PiecedSink, Sink
from underbrush.sinks.places import SLICE

if TYPE_CHECKING:
    import os


@dataclass(frozen=True, slots=True)
class Format:
    """One way to store a result."""

    name: str
    suffixes: tuple[str, ...]
    """Endings of file names in lower case, the usual one first."""
    module: str
    """Module of `underbrush.sinks` that writes it."""
    aliases: tuple[str, ...] = ()
    folder: bool = False
    """Whether it is a folder of many files, that can be written in parts (`unit_of`)."""


_SEQUENCE = "plane_sequence"
FORMATS = (
    Format("ome-tiff", (".ome.tif", ".ome.tiff"), "tiff", ("multipage tiff", "ome tiff", "ometiff")),
    Format("tiff", (".tif", ".tiff"), "tiff", ("tif",)),
    Format("compressed hdf5", (".h5", ".hdf5", ".hdf"), "hdf5", ("compressed-hdf5", "h5")),
    Format("hdf5", (".h5", ".hdf5", ".hdf"), "hdf5"),
    Format("png", (".png",), "picture"),
    Format("jpg", (".jpg", ".jpeg"), "picture", ("jpeg",)),
    Format("bmp", (".bmp",), "picture"),
    Format("npy", (".npy",), "npy", ("numpy",)),
    Format(
        "ome-zarr", (".ome.zarr", ".zarr"), "zarr", ("zarr", "multi-scale ome-zarr", "ome-zarr-0.4"), True
    ),
    Format("ome-zarr-0.5", (".ome.zarr", ".zarr"), "zarr", ("zarr3",), True),
    Format("single-scale ome-zarr", (".ome.zarr", ".zarr"), "zarr", (), True),
    Format("png sequence", (".png",), _SEQUENCE),
    Format("jpg sequence", (".jpg", ".jpeg"), _SEQUENCE, ("jpeg sequence",)),
    Format("bmp sequence", (".bmp",), _SEQUENCE),
    Format("tiff sequence", (".tif", ".tiff"), _SEQUENCE, ("tif sequence",)),
    Format("multipage tiff sequence", (".tiff", ".tif"), _SEQUENCE),
    Format("compressed n5", (".n5",), "n5", ("compressed-n5",), True),
    Format("n5", (".n5",), "n5", (), True),
)
"""In the order in which suffixes are tried: the first format of a suffix is taken."""


_ENDING = re.compile(r"(?<=[^/\\])\.[A-Za-z][A-Za-z0-9]{0,4}$")


class _SinkModule(Protocol):
    """What each module that writes a format has."""

    def check(self, spec: OutputSpec, format: str) -> None:
        """Refuse what the format cannot hold."""

    def open_sink(self, spec: OutputSpec, format: str) -> Sink:
        """A sink for what `check` let pass."""


@runtime_checkable
class _PiecedModule(Protocol):
    """What each module of a format of many files has as well."""

    def unit(self, spec: OutputSpec, format: str) -> Shape5:
        """Size of the pieces in t c z y x."""

    def open_part(self, spec: OutputSpec, format: str, key: str) -> PiecedSink:
        """A sink for what `check` let pass, that can be left and joined."""


def find_format(name: str) -> Format:
    """The format of this name, ours or ilastik's, in any case.

    Raises
    ------
    OutputError
        There is no such format.
    """
    wanted = " ".join(name.lower().split())
    for known in FORMATS:
        if wanted == known.name or wanted in known.aliases:
            return known
    names = ", ".join(f.name for f in FORMATS)
    raise OutputError(f"results cannot be written as {name!r}", remedy=f"use one of {names}")


def format_of(path: str | os.PathLike[str]) -> str:
    """Name of the format that a file's suffix stands for.

    Raises
    ------
    OutputError
        The suffix is none of a format that can be written.
    """
    name = Path(path).name.lower()
    for known in FORMATS:
        if name.endswith(known.suffixes):
            return known.name
    suffixes = ", ".join(dict.fromkeys(f.suffixes[0] for f in FORMATS))
    raise OutputError(
        f"the suffix {Path(path).suffix!r} stands for no format that can be written",
        where=path,
        remedy=f"end the name with one of {suffixes}, or name the format",
    )


def check_ending(output: str) -> None:
    """Refuse a name that ends like a file of no format, as ``o.xyz``, where no format was named.

    What is no ending of letters and digits (``plate_v1.2``) or comes from a placeholder is part of the name.

    Raises
    ------
    UsageError
        It ends so.
    """
    found = _ENDING.search(output)
    if found is None or output.lower().endswith(tuple(s for f in FORMATS for s in f.suffixes)):
        return
    suffixes = ", ".join(dict.fromkeys(s for f in FORMATS for s in f.suffixes))
    raise UsageError(
        f"the ending {found[0]!r} stands for no format that can be written",
        where=output,
        remedy=f"end the name with one of {suffixes}, or name the format",
    )


def suffix_of(format: str) -> str:
    """The usual suffix of a format, with its dot; ``.tiff`` for ilastik's ``multipage tiff``.

    Names of sequences end with the number of the slice: ``_{slice_index}.png``.
    """
    known = find_format(format)
    if known.name == "ome-tiff" and "multipage" in format.lower():
        return ".tiff"
    return f"_{SLICE}{known.suffixes[0]}" if known.module == _SEQUENCE else known.suffixes[0]


def check_sink(spec: OutputSpec, format: str) -> None:
    """Refuse, before anything is computed, a result that the format cannot hold.

    Raises
    ------
    OutputError
        No such format, or not for this dtype, these axes or this size; with the reason and what to do.
    AxesError
        The axes are no axis order, or leave out an axis of more than one pixel.
    """
    known = find_format(format)
    _check_axes(spec)
    _check_suffix(spec, known)
    if spec.dtype.kind not in "uif" or spec.dtype.itemsize > 8:
        raise OutputError(
            f"values of type {spec.dtype} cannot be stored",
            where=spec.path,
            remedy="convert them to integers or floats of up to 64 bits",
        )
    _module(known).check(spec, known.name)


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink that writes ``spec.path`` in a format, after `check_sink`.

    Raises
    ------
    OutputError
        The format cannot hold the result, or nothing can be written at this place.
    AxesError
        See `check_sink`.
    """
    check_sink(spec, format)
    known = find_format(format)
    return _module(known).open_sink(spec, known.name)


def unit_of(spec: OutputSpec, format: str) -> Shape5 | None:
    """Size of the pieces (t c z y x) that several processes can write side by side, or one after another.

    None where the format is a single file, which one process writes from its beginning to its end.
    """
    known = find_format(format)
    module = _module(known)
    return module.unit(spec, known.name) if isinstance(module, _PiecedModule) else None


def open_part(spec: OutputSpec, format: str, key: str) -> PiecedSink:
    """A sink of a result that several processes write, or one after an interruption; see `sinks.base`.

    The pieces lie in a folder beside ``spec.path`` until one process calls ``commit``. ``key`` says what is
    computed (image, recipe, region, how it is written): with it all that is finished there is kept. What lies
    there of other keys is left alone, and goes when a result takes the name.

    Raises
    ------
    OutputError
        The format is a single file (`unit_of`), cannot hold the result, or nothing can be written here.
    AxesError
        See `check_sink`.
    """
    check_sink(spec, format)
    known = find_format(format)
    module = _module(known)
    if not isinstance(module, _PiecedModule):
        pieced = ", ".join(f.name for f in FORMATS if f.folder)
        raise OutputError(
            f"{known.name} is one file, which cannot be written in parts",
            where=spec.path,
            remedy=f"choose one of {pieced}",
        )
    return module.open_part(spec, known.name, key)


def _module(known: Format) -> _SinkModule:
    """Imported late, so that a png needs no HDF5."""
    return cast("_SinkModule", import_module(f"underbrush.sinks.{known.module}"))


def _check_axes(spec: OutputSpec) -> None:
    try:
        parse_axes(spec.axes)
    except AxesError as error:
        raise AxesError(error.problem, where=spec.path, remedy=error.remedy) from None
    lost = [f"{a} ({n})" for a, n in zip(AXES, spec.shape, strict=True) if n != 1 and a not in spec.axes]
    if lost:
        raise AxesError(
            f"axes {spec.axes!r} would lose {', '.join(lost)}",
            where=spec.path,
            remedy="add them to the axis order",
        )
    if min(spec.shape) < 1:
        raise OutputError(
            f"the result is empty, its shape is {spec.shape}",
            where=spec.path,
            remedy="choose a larger region",
        )


def _check_suffix(spec: OutputSpec, known: Format) -> None:
    """A png called .tif would be opened by nothing."""
    name = spec.path.name.lower()
    others = [f for f in FORMATS if name.endswith(f.suffixes)]
    if others and known.module not in {f.module for f in others}:
        raise OutputError(
            f"the name ends with {spec.path.suffix!r} but the format is {known.name}",
            where=spec.path,
            remedy=f"end the name with {known.suffixes[0]} or choose another format",
        )
    if known.module in ("picture", _SEQUENCE) and others and known not in others:
        raise OutputError(
            f"the name ends with {spec.path.suffix!r} but the format is {known.name}",
            where=spec.path,
            remedy=f"end the name with {known.suffixes[0]} or choose another format",
        )
