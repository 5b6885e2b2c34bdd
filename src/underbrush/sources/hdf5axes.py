"""What the axes of an HDF5 dataset mean and how large its pixels are, by the attributes that programs write.

* ``axistags``, JSON of vigra: ``{"axes": [{"key": "y", "resolution": 0.65, ...}, ...]}`` in stored order.
  ilastik adds ``axis_units``, JSON that maps keys to units.
* ``axes``, names of the axes in reversed (Fortran) order, as N5 and Java programs count them.
* the labels of HDF5's dimension scales.
* ``element_size_um``, three sizes in µm in the order z, y, x, of Fiji's HDF5 plug-in.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from underbrush.core.geometry import default_axes, parse_axes
from underbrush.errors import AxesError
from underbrush.sources.claims import guessed_axes_problem
from underbrush.sources.units import sizes


def dataset_axes(dataset: Any, location: str) -> tuple[str, bool, tuple[str, ...]]:
    """The axes, whether the file says so, and what is odd about it."""
    ndim = len(dataset.shape)
    told = {
        "axistags": "".join(key for key, _ in _axistags(dataset)),
        "axes": _reversed_axes(dataset),
        "dimension labels": "".join(d.label for d in dataset.dims),
    }
    problems: list[str] = []
    for source, letters in told.items():
        if not letters:
            continue
        try:
            return parse_axes(letters, ndim), True, tuple(problems)
        except AxesError:
            problems.append(f"The {source} {letters!r} do not fit {ndim} axes and are not used.")
    shape = tuple(int(n) for n in dataset.shape)
    axes = default_axes(shape)
    return axes, ndim == 2, (*guessed_axes_problem(shape, axes), *problems)


def dataset_sizes(dataset: Any) -> dict[str, tuple[float, str]]:
    """Axis -> (pixel size, unit)."""
    found = {}
    element = _attribute(dataset, "element_size_um")
    try:
        values = [float(v) for v in np.ravel(element)] if element is not None else []
    except (TypeError, ValueError):
        values = []
    if len(values) == 3:
        found = sizes({axis: (v, "µm") for axis, v in zip("zyx", values, strict=True)})
    units = _json(dataset, "axis_units")
    units = units if isinstance(units, dict) else {}
    found.update(sizes({key: (size, units.get(key, "")) for key, size in _axistags(dataset)}))
    return found


def _axistags(dataset: Any) -> list[tuple[str, Any]]:
    tags = _json(dataset, "axistags")
    entries = tags.get("axes") if isinstance(tags, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        return []
    return [(str(e.get("key", "")), e.get("resolution")) for e in entries]


def _reversed_axes(dataset: Any) -> str:
    value = _attribute(dataset, "axes")
    if isinstance(value, np.ndarray):
        value = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in value.ravel()]
    return "".join(value)[::-1] if isinstance(value, str | list) else ""


def _json(dataset: Any, name: str) -> Any:
    text = _attribute(dataset, name)
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _attribute(dataset: Any, name: str) -> Any:
    """The value, text always as str; None if it is not there or cannot be read."""
    try:
        value = dataset.attrs.get(name)
    except (OSError, TypeError, ValueError, RuntimeError):
        return None
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "OSU":
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
