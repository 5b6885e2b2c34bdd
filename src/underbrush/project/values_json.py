"""The values of a project as JSON and back, every field checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.core.geometry import parse_axes
from underbrush.core.runs import pack_bytes, pack_rows, unpack_bytes, unpack_rows
from underbrush.errors import AxesError, CommandError, FeatureError
from underbrush.project.entries import ClassEntry, FrozenClassifier, LaneEntry, Parked, Use
from underbrush.project.schema import ClassInfo, Colour, ExportSettings, Source

T = TypeVar("T")
Json = dict[str, Any]
MAX_TEXT = 4096
MAX_ROWS = 1 << 26
"""Runs of one label change that are read back."""
_MAX_FOREST = 1 << 30
_KINDS = ("file", "stack", "embedded", "url")
_AGAIN = "send it again as it was made"


def number(value: object, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from ``low`` to ``high``; raises CommandError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CommandError(f"{what} is {shown(value)}, not a number", remedy="give a number")
    if not low <= value <= high:
        raise CommandError(f"{what} is {value}", remedy=f"give a number from {low:g} to {high:g}")
    return float(value)


def whole(value: object, what: str, low: int = 0, high: int = (1 << 31) - 1) -> int:
    """A whole number from ``low`` to ``high``; raises CommandError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise CommandError(f"{what} is {shown(value)}, not a whole number", remedy="give a whole number")
    if not low <= value <= high:
        raise CommandError(f"{what} is {shown(value)}", remedy=f"give a number from {low} to {high}")
    return value


def text(value: object, what: str, longest: int = MAX_TEXT) -> str:
    """A text of at most ``longest`` characters without NUL; raises CommandError for anything else."""
    if not isinstance(value, str):
        raise CommandError(f"{what} is {shown(value)}, not a text", remedy="give a text")
    if len(value) > longest or "\0" in value:
        raise CommandError(
            f"{what} {shown(value)} has {len(value)} characters or a NUL in it",
            remedy=f"give at most {longest} characters",
        )
    return value


def flag(value: object, what: str) -> bool:
    """True or False; raises CommandError for anything else."""
    if not isinstance(value, bool):
        raise CommandError(f"{what} is {shown(value)}, not true or false", remedy="give true or false")
    return value


def listed(value: object, what: str, longest: int = 1 << 20) -> list[Any]:
    """A list (or tuple) of at most ``longest``; raises CommandError for anything else."""
    if not isinstance(value, list | tuple) or len(value) > longest:
        raise CommandError(f"{what} is {shown(value)}, not a list of at most {longest}", remedy=_AGAIN)
    return list(value)


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """A JSON object; raises CommandError for anything else."""
    if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
        raise CommandError(f"{what} is {shown(value)}, not an object with named fields", remedy=_AGAIN)
    return value


def maybe(read: Callable[[object, str], T], value: object, what: str) -> T | None:
    """None, or what ``read`` makes of it."""
    return None if value is None else read(value, what)


def shown(value: object) -> str:
    """A value as it may stand in a sentence: short."""
    said = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return said if len(said) <= 40 else said[:37] + "..."


def colour(value: object, what: str) -> Colour:
    """Red, green, blue from 0 to 255, as a list or as ``#RRGGBB``."""
    if isinstance(value, str):
        digits = value.removeprefix("#")
        if len(digits) == 6 and all(d in "0123456789abcdefABCDEF" for d in digits):
            return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    elif isinstance(value, list | tuple) and len(value) == 3:
        r, g, b = (whole(v, what, 0, 255) for v in value)
        return r, g, b
    raise CommandError(f"{what} is {shown(value)}", remedy="give it as #RRGGBB")


def axes(value: object, what: str) -> str:
    """An order of axes."""
    try:
        return parse_axes(text(value, what, 16))
    except AxesError as error:
        raise CommandError(error.problem, remedy=error.remedy) from None


def source_to_json(source: Source) -> Json:
    """A source as JSON; fields that say nothing are left out."""
    said: Json = {
        "kind": source.kind, "stored": source.stored, "name": source.name, "files": list(source.files),
        "inner": source.inner, "axes": source.axes, "shape": _list(source.shape),
        "display_mode": source.display_mode, "display_range": _list(source.display_range),
        "normalize_display": source.normalize_display, "level": source.level,
        "level_locked": source.level_locked,
        "pixel_size": {a: [s, u] for a, (s, u) in source.pixel_size.items()},
        "dataset_id": source.dataset_id,
    }  # fmt: skip
    empty = Source("file", "")
    plain: Json = {"files": [], "pixel_size": {}}
    return {
        k: v for k, v in said.items()
        if k in ("kind", "stored") or v != plain.get(k, getattr(empty, k))
    }  # fmt: skip


def source_from_json(value: object, what: str = "the image") -> Source:
    """The source of `source_to_json`."""
    said = mapping(value, what)
    _only(said, Source.__dataclass_fields__, what)
    kind = said.get("kind", "file")
    if kind not in _KINDS:
        raise CommandError(f"{what} is of the kind {shown(kind)}", remedy=f"use one of {', '.join(_KINDS)}")
    order = maybe(axes, said.get("axes"), f"{what}: axes")
    shape = said.get("shape")
    sizes = None if shape is None else tuple(whole(n, f"{what}: size", 1) for n in listed(shape, what, 5))
    if order is not None and sizes is not None and len(order) != len(sizes):
        raise CommandError(f"{what}: {len(sizes)} sizes for the axes {order}", remedy="give one size an axis")
    return Source(
        kind,
        text(said.get("stored", ""), f"{what}: address"),
        name=text(said.get("name", ""), f"{what}: name"),
        files=tuple(text(f, f"{what}: file") for f in listed(said.get("files", []), what)),
        inner=text(said.get("inner", ""), f"{what}: inner path"),
        axes=order,
        shape=sizes,
        display_mode=text(said.get("display_mode", "default"), f"{what}: display mode", 100),
        display_range=maybe(span, said.get("display_range"), f"{what}: display range"),
        normalize_display=maybe(flag, said.get("normalize_display"), f"{what}: normalize"),
        level=text(said.get("level", ""), f"{what}: level"),
        level_locked=flag(said.get("level_locked", False), f"{what}: level locked"),
        pixel_size=pixel_size(said.get("pixel_size", {}), f"{what}: pixel size"),
        dataset_id=text(said.get("dataset_id", ""), f"{what}: id"),
    )


def span(value: object, what: str) -> tuple[float, float]:
    """Two numbers."""
    pair = listed(value, what, 2)
    if len(pair) != 2:
        raise CommandError(f"{what} has {len(pair)} numbers", remedy="give the lowest and the highest")
    return number(pair[0], what), number(pair[1], what)


def pixel_size(value: object, what: str) -> Mapping[str, tuple[float, str]]:
    """Axis letter -> (size, unit), from letter -> [size, unit]."""
    found = {}
    for letter, pair in mapping(value, what).items():
        if letter not in ("t", "z", "y", "x"):
            raise CommandError(f"{what}: the axis {shown(letter)} has no size", remedy="use t, z, y, x")
        size, unit = (*listed(pair, what, 2), "", "")[:2]
        found[letter] = number(size, what, 1e-30, 1e30), text(unit, what, 40)
    return MappingProxyType(found)


def selection_to_json(selection: FeatureSelection) -> Json:
    """A selection as JSON."""
    return {
        "filters": list(selection.filters),
        "scales": list(selection.scales),
        "matrix": [[bool(v) for v in row] for row in selection.matrix],
        "in_2d": _list(selection.in_2d),
        "vigra_structure": selection.vigra_structure,
    }


def selection_from_json(value: object, what: str = "the features") -> FeatureSelection:
    """The selection of `selection_to_json`."""
    said = mapping(value, what)
    _only(said, FeatureSelection.__dataclass_fields__, what)
    in_2d = said.get("in_2d")
    try:
        return FeatureSelection(
            tuple(text(f, what, 100) for f in listed(said.get("filters"), what, 100)),
            tuple(number(s, f"{what}: scale", 0, 1e4) for s in listed(said.get("scales"), what, 1000)),
            tuple(
                tuple(flag(v, what) for v in listed(row, what, 1000))
                for row in listed(said.get("matrix"), what, 100)
            ),
            None if in_2d is None else tuple(flag(v, what) for v in listed(in_2d, what, 1000)),
            flag(said.get("vigra_structure", False), what),
        )
    except FeatureError as error:
        raise CommandError(error.problem, where=error.where, remedy=error.remedy) from None


def export_to_json(export: ExportSettings) -> Json:
    """Export settings as JSON."""
    return {k: _list(getattr(export, k)) for k in ExportSettings.__dataclass_fields__}


def export_from_json(value: object, what: str = "the export") -> ExportSettings:
    """The settings of `export_to_json`; what is not said is as by default."""
    said = mapping(value, what)
    _only(said, ExportSettings.__dataclass_fields__, what)
    default = ExportSettings()

    def region(name: str) -> tuple[int | None, ...]:
        found = listed(said.get(name, []), f"{what}: region", 5)
        return tuple(None if v is None else whole(v, f"{what}: region") for v in found)

    return ExportSettings(
        format=text(said.get("format", default.format), f"{what}: format", 100),
        filename=text(said.get("filename", default.filename), f"{what}: file name"),
        internal_path=text(said.get("internal_path", default.internal_path), f"{what}: inner path"),
        axes=maybe(axes, said.get("axes"), f"{what}: axes"),
        dtype=maybe(lambda v, w: text(v, w, 20), said.get("dtype"), f"{what}: type"),
        region_start=region("region_start"),
        region_stop=region("region_stop"),
        input_range=maybe(span, said.get("input_range"), f"{what}: range"),
        export_range=maybe(span, said.get("export_range"), f"{what}: range"),
        objects=tuple(
            sorted({whole(k, f"{what}: class", 0, 255) for k in listed(said.get("objects", []), what, 255)})
        ),
    )


def lane_to_json(entry: LaneEntry) -> Json:
    """A lane as JSON."""
    return {
        "rank": entry.rank,
        "nickname": entry.nickname,
        "raw": source_to_json(entry.raw),
        "mask": None if entry.mask is None else source_to_json(entry.mask),
        "parked": [parked_to_json(p) for p in entry.parked],
    }


def lane_from_json(value: object, what: str = "the image") -> LaneEntry:
    """The lane of `lane_to_json`."""
    said = mapping(value, what)
    return LaneEntry(
        number(said.get("rank"), f"{what}: rank"),
        text(said.get("nickname"), f"{what}: nickname"),
        source_from_json(said.get("raw"), what),
        maybe(source_from_json, said.get("mask"), f"{what}: mask"),
        tuple(parked_from_json(p) for p in listed(said.get("parked", []), what)),
    )


def parked_to_json(parked: Parked) -> Json:
    """Parked labels as JSON."""
    return {"axes": parked.axes, "runs": pack_rows(parked.runs), "ids": pack_bytes(parked.ids.tobytes())}


def parked_from_json(value: object) -> Parked:
    """The labels of `parked_to_json`."""
    said = mapping(value, "parked labels")
    runs, (ids,) = labels_from_json(said, ("ids",))
    return Parked(maybe(axes, said.get("axes"), "parked labels: axes"), runs, ids)


def labels_from_json(said: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, list[Any]]:
    """``runs`` (n, 5) int32, checked to be sorted and disjoint, and the class ids (n,) under ``names``."""
    wide = unpack_rows(said.get("runs"), 5, MAX_ROWS)
    runs = wide.astype(np.int32)
    ids = [np.frombuffer(unpack_bytes(said.get(name), len(runs)), np.uint8) for name in names]
    if any(len(i) != len(runs) for i in ids):
        raise CommandError("labels and runs are not as many", remedy=_AGAIN)
    if len(wide):
        step = np.diff(wide[:, :4], axis=0)
        first = (step != 0).argmax(axis=1)
        up = step[np.arange(len(step)), first]
        apart = np.where(first == 3, wide[1:, 3] - wide[:-1, 3] - wide[:-1, 4], 0)
        ends = wide[:, 3] + wide[:, 4]
        if (
            wide.min() < 0
            or wide[:, 4].min() < 1
            or ends.max() >= 1 << 31
            or (up <= 0).any()
            or (apart < 0).any()
        ):
            raise CommandError("the runs of labels are not in order", remedy=_AGAIN)
    runs.flags.writeable = False
    return runs, ids


def class_to_json(entry: ClassEntry) -> Json:
    """A class as JSON."""
    return {
        "rank": entry.rank, "name": entry.info.name, "colour": list(entry.info.colour),
        "probability_colour": list(entry.info.probability_colour), "locked": entry.locked,
    }  # fmt: skip


def class_from_json(value: object, what: str = "the class") -> ClassEntry:
    """The class of `class_to_json`."""
    said = mapping(value, what)
    info = ClassInfo(
        text(said.get("name"), f"{what}: name"),
        colour(said.get("colour"), f"{what}: colour"),
        colour(said.get("probability_colour"), f"{what}: colour"),
    )
    return ClassEntry(number(said.get("rank"), f"{what}: rank"), info, flag(said.get("locked"), what))


_FOREST = {
    "roots": "<i4", "feature": "<i4", "threshold": "<f8", "left": "<i4", "right": "<i4", "votes": "<f8",
    "weights": "<f8", "classes": "<u4",
}  # fmt: skip


def frozen_to_json(frozen: FrozenClassifier) -> Json:
    """A kept classifier as JSON."""
    forest = frozen.forest
    arrays = {k: pack_bytes(np.asarray(getattr(forest, k), d).tobytes()) for k, d in _FOREST.items()}
    return {
        "name": frozen.name, "created": frozen.created, "note": frozen.note,
        "use": None if frozen.use is None else use_to_json(frozen.use),
        "n_features": forest.n_features, **arrays,
    }  # fmt: skip


def use_to_json(use: Use) -> Json:
    """What a forest needs beside itself as JSON."""
    return {
        "selection": selection_to_json(use.selection),
        "channels": _list(use.channels),
        "classes": [class_to_json(ClassEntry(0.0, info)) for info in use.classes],
    }


def use_from_json(value: object, what: str = "the classifier") -> Use:
    """The use of `use_to_json`."""
    said = mapping(value, what)
    channels = said.get("channels")
    return Use(
        selection_from_json(said.get("selection"), f"{what}: features"),
        None
        if channels is None
        else tuple(whole(c, f"{what}: channel") for c in listed(channels, what, 10_000)),
        tuple(class_from_json(c, f"{what}: class").info for c in listed(said.get("classes"), what, 255)),
    )


def frozen_from_json(value: object, what: str = "the classifier") -> FrozenClassifier:
    """The classifier of `frozen_to_json`."""
    said = mapping(value, what)
    found = {k: np.frombuffer(unpack_bytes(said.get(k), _MAX_FOREST), np.uint8) for k in _FOREST}
    if any(len(a) % np.dtype(_FOREST[k]).itemsize for k, a in found.items()):
        raise CommandError(f"{what} is damaged", remedy=_AGAIN)
    arrays: dict[str, Any] = {k: a.view(_FOREST[k]) for k, a in found.items()}
    n, leaves = len(arrays["classes"]), len(arrays["weights"])
    nodes = {len(arrays[k]) for k in ("feature", "threshold", "left", "right")}
    if not n or not leaves or len(arrays["votes"]) != n * leaves or len(nodes) != 1:
        raise CommandError(f"{what} is damaged", remedy=_AGAIN)
    arrays["votes"] = arrays["votes"].reshape(leaves, n)
    n_features = whole(said.get("n_features"), f"{what}: features", 1)
    size, inner = nodes.pop(), arrays["feature"] >= 0
    sons = np.concatenate([arrays["left"][inner], arrays["right"][inner], arrays["roots"]])
    rows = arrays["left"][~inner]
    if (sons < 0).any() or (sons >= size).any() or (rows < 0).any() or (rows >= leaves).any():
        raise CommandError(f"{what} is damaged", remedy=_AGAIN)
    # Each node has one way to it, so that no walk from a root goes on for ever.
    if (arrays["feature"] >= n_features).any() or np.bincount(sons, minlength=size).max() > 1:
        raise CommandError(f"{what} is damaged", remedy=_AGAIN)
    native = {k: a.astype(np.dtype(_FOREST[k]).newbyteorder("=")) for k, a in arrays.items()}
    return FrozenClassifier(
        text(said.get("name"), f"{what}: name"),
        Forest(**native, n_features=n_features),
        text(said.get("created", ""), f"{what}: date", 100),
        text(said.get("note", ""), f"{what}: note"),
        maybe(use_from_json, said.get("use"), what),
    )


def _list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _only(said: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    unknown = [k for k in said if k not in known]
    if unknown:
        raise CommandError(f"{what} has the unknown field {shown(unknown[0])}", remedy=_AGAIN)
