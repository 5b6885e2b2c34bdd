"""The images of a project file: where they are and how their axes are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from underbrush.core.geometry import AXES, parse_axes
from underbrush.errors import AxesError, ProjectError
from underbrush.project.axistags import parse_axistags, parse_json
from underbrush.project.paths import Place, linked, name_of
from underbrush.project.schema import Source
from underbrush.project.storage import Node

RAW, MASK = "Raw Data", "Prediction Mask"
_EMBEDDED = ("ProjectInternalDatasetInfo", "PreloadedArrayDatasetInfo")
_EMBEDDED_PLACES = ("ProjectInternal", "PreloadedArray")
_MAX_SIZE = 2**40


def read_sources(root: Node, problems: list[str]) -> list[tuple[Source, Source | None]]:
    """Raw image and mask of every lane, in the order of the lanes."""
    inputs = root.group("Input Data")
    infos = None if inputs is None else inputs.group("infos")
    if inputs is None or infos is None:
        return []
    local = inputs.group("local_data")
    roles = inputs.texts("Role Names")
    lanes = []
    for name, lane in infos.groups():
        if roles is None or lane.value("filePath") is not None:
            # the oldest layout: the fields lie in the lane itself
            roots: tuple[Node | None, Node | None] = (lane, None)
        else:
            first, second = [*roles, "", ""][:2]
            roots = (
                lane.group(RAW) or (lane.group(first) if first else None),
                lane.group(MASK) or (lane.group(second) if second else None),
            )
        raw, mask = roots
        source = None if raw is None else _read_source(raw, local, problems)
        if source is None:
            problems.append(f"The project's image {name} has no raw data.")
            source = Source("file", "", name=name)
        lanes.append((source, None if mask is None else _read_source(mask, local, problems)))
    return lanes


def _read_source(info: Node, local: Node | None, problems: list[str]) -> Source | None:
    """One image, or None where the role is empty."""
    try:
        stored = info.text("filePath")
        if not stored:
            return None
        name = info.text("nickname") or name_of(stored)
        embedded = (info.text("__class__") or "") in _EMBEDDED or (
            info.value("__class__") is None and (info.text("location") or "") in _EMBEDDED_PLACES
        )
        kind, files, inner = _embedded(info, local) if embedded else linked(stored)
        axes, sizes = _read_axes(info, name, problems)
        shape = _read_shape(info)
        if embedded:
            axes, shape = _embedded_extent(local, inner, axes, shape)
        if axes is not None and shape is not None and len(axes) != len(shape):
            problems.append(f"Image {name!r}: {len(shape)} sizes are stored for the axes {axes}.")
            shape = None
        return Source(
            kind,
            stored,
            name=name,
            files=files,
            inner=inner,
            axes=axes,
            shape=shape,
            display_mode=info.text("display_mode") or "default",
            display_range=_read_range(info),
            normalize_display=info.flag("normalizeDisplay"),
            level=info.text("working_scale") or "",
            level_locked=bool(info.flag("scale_locked")),
            pixel_size=_pixel_size(sizes, info.text("axis_units")),
            dataset_id=info.text("datasetId") or "",
        )
    except ProjectError as error:
        raise ProjectError(
            f"the description of an image is damaged: {error.problem}", where=info.where, remedy=error.remedy
        ) from error


def _embedded(info: Node, local: Node | None) -> Place:
    """The dataset inside the project; old files tell it by its identity alone."""
    inner = (info.text("inner_path") or "").strip("/")
    ident = info.text("datasetId") or ""
    if not inner and local is not None and ident:
        inner = next((f"Input Data/local_data/{n}" for n in local.names() if n.endswith(ident)), "")
    return "embedded", (), inner or (info.text("filePath") or "").strip("/")


def _embedded_extent(
    local: Node | None, inner: str, axes: str | None, shape: tuple[int, ...] | None
) -> tuple[str | None, tuple[int, ...] | None]:
    """Axes and shape as the embedded array itself has them, where the project does not say."""
    name = inner.rpartition("/")[2]
    data = None if local is None or not name else local.dataset(name)
    if data is None or local is None:
        return axes, shape
    tags = parse_axistags(local.attribute(name, "axistags"))
    if axes is None and tags is not None:
        axes = tags[0]
    return axes, tuple(int(n) for n in data.shape)


def _read_axes(info: Node, name: str, problems: list[str]) -> tuple[str | None, Mapping[str, float]]:
    text = info.text("axistags")
    tags = parse_axistags(text)
    letters, sizes = tags if tags is not None else (info.text("axisorder"), {})
    if letters is None:
        if text:
            problems.append(
                f"Image {name!r}: its stored axes cannot be understood; those of the file are used."
            )
        return None, {}
    try:
        return parse_axes(letters), sizes
    except AxesError:
        problems.append(
            f"Image {name!r}: its stored axes {letters[:20]!r} are not used; those of the file are."
        )
        return None, {}


def _read_shape(info: Node) -> tuple[int, ...] | None:
    values = info.numbers("shape")
    if values is None or values.ndim != 1 or not 2 <= len(values) <= 5:
        return None
    if not np.isfinite(values).all() or (values < 1).any() or (values > _MAX_SIZE).any():
        return None
    return tuple(int(n) for n in values)


def _read_range(info: Node) -> tuple[float, float] | None:
    values = info.numbers("drange")
    if values is None or values.shape != (2,) or not all(math.isfinite(float(v)) for v in values):
        return None
    return float(values[0]), float(values[1])


def _pixel_size(sizes: Mapping[str, float], units_text: str | None) -> Mapping[str, tuple[float, str]]:
    units: Any = parse_json(units_text)
    units = units if isinstance(units, dict) else {}
    found = {}
    for axis in AXES:
        if axis in sizes and axis != "c":
            unit = units.get(axis)
            found[axis] = (sizes[axis], unit[:40] if isinstance(unit, str) else "")
    return MappingProxyType(found)
