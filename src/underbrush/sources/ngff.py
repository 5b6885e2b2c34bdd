"""What OME-Zarr (NGFF 0.1 to 0.5) says of an image, read from its attributes; nothing is opened here.

Only what is needed is looked at, and every value is checked: metadata come from anywhere. What is odd but
can be done without becomes a sentence in ``problems``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from underbrush.core.geometry import parse_axes
from underbrush.errors import AxesError
from underbrush.sources.units import sizes

_MOST_LEVELS = 64
_TYPES = {"time": "t", "channel": "c"}


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of an image."""

    path: str
    """Of its array, below the image."""
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Multiscale:
    """An image in several resolutions, full resolution first."""

    axes: str
    """Letters of tczyx, or empty where the metadata do not say them in a way that is understood."""
    levels: tuple[Level, ...]
    channels: tuple[str, ...] = ()
    display: tuple[tuple[float, float], ...] = ()
    """For each channel what to show as black and as white; empty if not told for all."""
    problems: tuple[str, ...] = ()


class NotNgffError(Exception):
    """The metadata break the rules so that the image cannot be found; the text says how."""


def ome_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes that OME-Zarr speaks of: below ``ome`` since 0.5, else all."""
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def multiscales(attributes: Mapping[str, Any]) -> int:
    """How many images the attributes of a group describe."""
    found = ome_attributes(attributes).get("multiscales")
    return len(found) if isinstance(found, list) else 0


def read_multiscale(attributes: Mapping[str, Any], number: int = 0) -> Multiscale:
    """Image ``number`` of a group.

    Raises
    ------
    NotNgffError
        Its levels cannot be told.
    """
    ome = ome_attributes(attributes)
    entry = ome["multiscales"][number]
    if not isinstance(entry, dict):
        raise NotNgffError("multiscales holds no object")
    datasets = entry.get("datasets")
    if not isinstance(datasets, list) or not datasets or len(datasets) > _MOST_LEVELS:
        raise NotNgffError("its list of datasets is missing, empty or too long")
    problems: list[str] = []
    letters, units = _axes(entry.get("axes"), problems)
    common = _scale(entry, letters)
    levels = []
    for dataset in datasets:
        path = dataset.get("path") if isinstance(dataset, dict) else None
        if not isinstance(path, str) or not is_inner(path):
            raise NotNgffError(f"the path {path!r:.80} of a dataset names no array in it")
        scale = _scale(dataset, letters)
        found = {a: (scale.get(a, 1.0) * common.get(a, 1.0), units[a]) for a in scale if a in units}
        levels.append(Level(path.strip("/"), sizes(dict(found))))
    channels, display = _omero(ome.get("omero"))
    return Multiscale(letters, tuple(levels), channels, display, tuple(problems))


def is_inner(path: str) -> bool:
    """Whether ``path`` leads to something below, and nowhere else."""
    parts = path.strip("/").split("/")
    return bool(path.strip("/")) and not any(p in {"", ".", ".."} or "\\" in p or "\0" in p for p in parts)


def _axes(entries: Any, problems: list[str]) -> tuple[str, dict[str, Any]]:
    """Letters and units. 0.3 lists names only; before that all images had all five axes."""
    if entries is None:
        return "tczyx", {}
    if not isinstance(entries, list) or not 2 <= len(entries) <= 5:
        problems.append("The axes in the metadata are no list of 2 to 5 and are not used.")
        return "", {}
    named = [e if isinstance(e, dict) else {"name": e} for e in entries]
    letters = [_letter(e) for e in named]
    # An unusual name of an axis in space is understood by its place: z, y and x are the last ones in order.
    space = [i for i, e in enumerate(named) if letters[i] == "" and e.get("type") == "space"]
    free = [a for a in "zyx" if a not in letters]
    if len(space) <= len(free):
        for i, letter in zip(space, free[len(free) - len(space) :], strict=True):
            letters[i] = letter
    text = "".join(letters)
    try:
        axes = parse_axes(text, len(entries))
    except AxesError:
        said = ", ".join(str(e.get("name"))[:20] for e in named)
        problems.append(f"The axes in the metadata ({said}) are not those of an image and are not used.")
        return "", {}
    return axes, {a: e.get("unit") for a, e in zip(axes, named, strict=True)}


def _letter(entry: Mapping[str, Any]) -> str:
    name = str(entry.get("name", "")).strip().lower()
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        return _TYPES[kind]
    return name if len(name) == 1 and name in "tczyx" else ""


def _scale(entry: Mapping[str, Any], letters: str) -> dict[str, float]:
    """Axis -> scale, of the transformations of a dataset or of all of them."""
    transforms = entry.get("coordinateTransformations")
    found = dict.fromkeys(letters, 1.0)
    told = False
    for transform in transforms if isinstance(transforms, list) else []:
        scale = transform.get("scale") if isinstance(transform, dict) else None
        if transform.get("type") != "scale" if isinstance(transform, dict) else True:
            continue
        if not isinstance(scale, list) or len(scale) != len(letters):
            continue
        told = True
        for axis, value in zip(letters, scale, strict=True):
            found[axis] *= number(value)
    return found if told else {}


def number(value: Any) -> float:
    """A finite number, or NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _omero(omero: Any) -> tuple[tuple[str, ...], tuple[tuple[float, float], ...]]:
    """Names of the channels and what they are shown from and to."""
    entries = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        return (), ()
    names = tuple(e["label"][:200] if isinstance(e.get("label"), str) else "" for e in entries)
    display = []
    for entry in entries:
        window = entry.get("window")
        if isinstance(window, dict):
            low, high = number(window.get("start")), number(window.get("end"))
            if math.isfinite(low) and math.isfinite(high) and low < high:
                display.append((low, high))
    return (names if any(names) else ()), (tuple(display) if len(display) == len(entries) else ())


@dataclass(frozen=True, slots=True)
class Choice:
    """A group that holds images but is none."""

    what: str
    """As in ``"a plate of 2 wells"``."""
    paths: tuple[str, ...]
    """Paths of the images below it, as far as they are told."""


def read_choice(attributes: Mapping[str, Any]) -> Choice | None:
    """What a group without an image of its own offers: a plate, a well, labels; None if nothing is told."""
    ome = ome_attributes(attributes)
    plate, well, labels = ome.get("plate"), ome.get("well"), ome.get("labels")
    if isinstance(plate, dict):
        # Fields lie in the well; the first one is called 0 by all that write plates.
        wells = _paths(plate.get("wells"))
        return Choice(f"a plate of {len(wells)} wells", tuple(f"{p}/0" for p in wells))
    if isinstance(well, dict):
        images = _paths(well.get("images"))
        return Choice(f"a well of {len(images)} images", images)
    if isinstance(labels, list):
        named = tuple(p for p in labels if isinstance(p, str) and is_inner(p))
        return Choice(f"a list of {len(named)} label images", named)
    return None


def bioformats_series(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the series in the group ``OME`` of what bioformats2raw writes."""
    series = ome_attributes(attributes).get("series")
    return tuple(p for p in series if isinstance(p, str) and is_inner(p)) if isinstance(series, list) else ()


def is_bioformats(attributes: Mapping[str, Any]) -> bool:
    """Whether it is a file with several series by bioformats2raw."""
    return "bioformats2raw.layout" in ome_attributes(attributes)


def _paths(entries: Any) -> tuple[str, ...]:
    found = (e.get("path") for e in entries if isinstance(e, dict)) if isinstance(entries, list) else ()
    return tuple(p.strip("/") for p in found if isinstance(p, str) and is_inner(p))
