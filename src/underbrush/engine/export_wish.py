"""What a person wants written: result, classifier, format, type, scaling, axes, region, path."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from underbrush.core.results import RESULTS
from underbrush.engine.naming import Naming, nickname_of, output_path
from underbrush.errors import CommandError, UnderbrushError, UsageError
from underbrush.files import safe_name
from underbrush.project.schema import ExportSettings
from underbrush.sinks.base import ResultKind
from underbrush.sinks.formats import FORMATS, find_format, suffix_of

Range = tuple[float, float]
Existing = Literal["replace", "keep", "cancel"]

KINDS = (*RESULTS, "labels")
DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
PATTERN = "{project}_results/{nickname}_{result}"
"""Where results go, seen from the folder of the project."""
FREE_AXES = ("compressed hdf5", "hdf5", "npy", "compressed n5", "n5")
"""Formats whose files have the order of axes that was asked for; others have one of their own."""
_MOST_TEXT = 1000
_SUFFIX = re.compile(
    r"(?:" + "|".join(re.escape(s) for f in FORMATS for s in f.suffixes) + r")$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Wish:
    """All that a person chooses of an export, the images excepted."""

    result: ResultKind = "segmentation"
    classifier: str | None = None
    """Name of a kept classifier; None: the current one."""
    format: str = "tiff"
    dtype: str | None = None
    """numpy name of the type in the file; None: that of the result."""
    rescale: tuple[Range, Range] | None = None
    axes: str | None = None
    """Order of the axes in the file; None: that of the image."""
    region: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    """Start and stop for some of t, z, y, x."""
    pattern: str = PATTERN
    """The path without its ending; relative to the folder of the project."""
    existing: Existing = "keep"
    objects: tuple[int, ...] = ()
    """Ids of the classes that objects are made of; none: all but the first."""

    @property
    def suffix(self) -> str:
        """Ending of the files, with its dot."""
        return suffix_of(self.format)

    @property
    def stored_dtype(self) -> np.dtype[Any] | None:
        """The type in the file; None: that of the result. Scaled values without a type are float32."""
        if self.dtype is None:
            return None if self.ranges is None else np.dtype(np.float32)
        return np.dtype(self.dtype)

    @property
    def ranges(self) -> tuple[Range, Range] | None:
        """The scaling in force: whole numbers for a result from 0 to 1 fill their type by default."""
        if self.result in ("segmentation", "labels", "objects"):
            return None
        natural = self.result in ("probabilities", "uncertainty")
        if self.rescale is None and natural and self.dtype is not None and np.dtype(self.dtype).kind in "iu":
            return (0.0, 1.0), (0.0, float(np.iinfo(self.dtype).max))
        return self.rescale

    def to_json(self) -> dict[str, Any]:
        """For the browser and for run.json."""
        ranges = self.rescale
        return {
            "result": self.result,
            "classifier": self.classifier,
            "format": self.format,
            "dtype": self.dtype,
            "rescale": None if ranges is None else [list(ranges[0]), list(ranges[1])],
            "axes": self.axes,
            "region": {axis: list(ends) for axis, ends in self.region.items()},
            "pattern": self.pattern,
            "existing": self.existing,
            "objects": list(self.objects),
        }


def wish_from_json(said: object) -> Wish:
    """The wish of `Wish.to_json`; what is not said is as by default.

    Raises
    ------
    CommandError
        Something is of a wrong kind or not known.
    """
    if not isinstance(said, dict):
        raise CommandError("the export is no object")
    plain = Wish()
    try:
        result, existing = said.get("result", plain.result), said.get("existing", plain.existing)
        dtype = said.get("dtype")
        _among("result", result, KINDS)
        _among("answer to existing files", existing, ("replace", "keep", "cancel"))
        if dtype is not None:
            _among("type", dtype, DTYPES)
        return Wish(
            cast("ResultKind", result),
            _text("classifier", said.get("classifier")),
            find_format(_text("format", said.get("format")) or plain.format).name,
            dtype,
            _ranges(said.get("rescale")),
            _text("axis order", said.get("axes")) or None,
            _region(said.get("region") or {}),
            bare_pattern(_text("path", said.get("pattern")) or plain.pattern),
            cast("Existing", existing),
            _class_ids(said.get("objects")),
        )
    except UnderbrushError as error:
        raise CommandError(error.problem, remedy=error.remedy) from None


def _among(what: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise CommandError(f"there is no {what} {str(value)[:40]!r}", remedy=f"use one of {', '.join(known)}")


def _text(what: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MOST_TEXT or "\0" in value:
        raise CommandError(f"the {what} is no text of up to {_MOST_TEXT} characters")
    return value


def _ranges(value: object) -> tuple[Range, Range] | None:
    if value is None:
        return None
    try:
        (a, b), (c, d) = cast("Any", value)
        found = (float(a), float(b)), (float(c), float(d))
    except (TypeError, ValueError):
        raise CommandError("the scaling is no pair of ranges") from None
    if not (found[0][0] < found[0][1] and np.isfinite(np.array(found)).all()):
        raise CommandError("the scaling has an empty range", remedy="give a range such as 0 to 1")
    return found


def _region(value: object) -> dict[str, tuple[int | None, int | None]]:
    if not isinstance(value, dict):
        raise CommandError("the region is no object")
    found: dict[str, tuple[int | None, int | None]] = {}
    for axis, ends in value.items():
        proper = isinstance(ends, list | tuple) and len(ends) == 2
        if axis not in ("t", "z", "y", "x") or not proper or not all(map(_whole_or_none, ends)):
            raise CommandError("the region is no start and stop for some of t, z, y, x")
        if ends[0] is not None or ends[1] is not None:
            found[axis] = (ends[0], ends[1])
    return found


def _class_ids(value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    if (
        not isinstance(value, list)
        or len(value) > 255
        or not all(type(k) is int and 0 <= k < 256 for k in value)
    ):
        raise CommandError("the classes of objects are no list of ids")
    return tuple(sorted(set(value)))


def _whole_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**40)


def bare_pattern(pattern: str) -> str:
    """A pattern without the ending of a format: the format gives it."""
    return _SUFFIX.sub("", pattern.strip())


# -- the settings that a project keeps ------------------------------------------------------------------


def wish_of(settings: ExportSettings, axes: str, usual: Wish | None = None) -> Wish:
    """What a project's settings say; ``axes`` is the order in which they count a region.

    The settings of a project in which nobody chose anything give ``usual``, by default our own defaults.
    """
    if replace(settings, objects=()) == ExportSettings():
        return replace(usual or Wish(), objects=settings.objects)
    region: dict[str, tuple[int | None, int | None]] = {}
    order = axes if "c" in axes else axes + "c"
    if len(settings.region_start) == len(settings.region_stop) == len(order):
        pairs = zip(order, settings.region_start, settings.region_stop, strict=True)
        region = {a: (p, q) for a, p, q in pairs if a != "c" and (p is not None or q is not None)}
    spans = settings.input_range, settings.export_range
    try:
        format_name = find_format(settings.format).name
    except UnderbrushError:  # a format of ilastik's that we do not write
        format_name = Wish().format
    return Wish(
        format=format_name,
        dtype=settings.dtype if settings.dtype in DTYPES else None,
        rescale=None if spans[0] is None or spans[1] is None else (spans[0], spans[1]),
        axes=settings.axes,
        region=region,
        pattern=bare_pattern(settings.filename.replace("{result_type}", "{result}")),
        objects=settings.objects,
    )


def settings_of(wish: Wish, before: ExportSettings, axes: str, project: str) -> ExportSettings:
    """The settings that keep a wish in the project file, in the words that ilastik has for them.

    Result, classifier and what becomes of existing files are not among them: ilastik asks each time too.
    """
    order = axes if "c" in axes else axes + "c"
    region = wish.region
    ends = {a: region.get(a, (None, None)) for a in order}
    return replace(
        before,
        format=wish.format,
        filename=wish.pattern.replace("{result}", "{result_type}").replace("{project}", project),
        axes=wish.axes,
        dtype=wish.dtype,
        region_start=tuple(ends[a][0] for a in order) if region else (),
        region_stop=tuple(ends[a][1] for a in order) if region else (),
        input_range=None if wish.rescale is None else wish.rescale[0],
        export_range=None if wish.rescale is None else wish.rescale[1],
        objects=wish.objects,
    )


# -- paths ----------------------------------------------------------------------------------------------


def full_pattern(wish: Wish) -> str:
    """The pattern as the command line takes it: absolute, without an ending, with the region filled in.

    Beside the placeholders of `output_path` those of ilastik: ``{result_type}`` is ``{result}``,
    ``{x_start}`` and ``{x_stop}`` the ends of the region along an axis, ``{roi}`` all of them in short, as in
    ``y20-80_x10-50``.

    Raises
    ------
    UsageError
        The end of an axis is named and the region does not say it.
    """
    pattern = _PLACES.sub(lambda found: _place_text(found, wish.region), wish.pattern)
    pattern = pattern.replace("{result_type}", "{result}")
    absolute = pattern.startswith(("{project_dir}", "{dataset_dir}")) or Path(pattern).is_absolute()
    return pattern if absolute else "{project_dir}/" + pattern


_PLACES = re.compile(r"\{(roi|([tzyx])_(start|stop))\}")


def _place_text(found: re.Match[str], region: Mapping[str, tuple[int | None, int | None]]) -> str:
    if found[1] == "roi":
        named = [(axis, region.get(axis, (None, None))) for axis in "tzyx"]
        texts = [f"{a}{p or 0}-{'' if q is None else q}" for a, (p, q) in named if p or q is not None]
        return "_".join(texts) or "whole"
    first, last = region.get(found[2], (None, None))
    if found[3] == "start":
        return str(first or 0)
    if last is None:
        raise UsageError(
            f"{found[0]} in the path needs a region that ends somewhere along {found[2]}",
            remedy=f"choose a region, or leave {found[0]} out",
        )
    return str(last)


def check_order(axes: str | None, format_name: str) -> None:
    """Refuse an order of axes that a format would not regard.

    Raises
    ------
    UsageError
        Its files have an order of their own.
    """
    # A sequence has the axis first along which it steps.
    if axes is None or format_name in FREE_AXES or format_name.endswith(" sequence"):
        return
    names = ", ".join(FREE_AXES)
    raise UsageError(
        f"--output-axes is not for {format_name}, which has an order of its own",
        remedy=f"leave it out, or write one of {names}",
    )


def result_path(wish: Wish, project: Path, address: str, nickname: str | None = None) -> Path:
    """The file of one image; ``nickname`` is its name in the project, by default that of its file.

    Raises
    ------
    UnderbrushError
        The pattern has an unknown placeholder, or gives no name for a file.
    """
    pattern = full_pattern(wish)
    if nickname is not None and nickname != nickname_of(address):
        plain = nickname.replace("{", "(").replace("}", ")")
        pattern = pattern.replace("{nickname}", str(safe_name(plain)))
    ending = "" if pattern.endswith(("/", os.sep)) else wish.suffix  # the name of a folder is refused there
    return output_path(pattern + ending, address, Naming(project, wish.result), wish.suffix)
