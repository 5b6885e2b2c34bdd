"""The metadata of OME-Zarr: axes, pixel sizes, channels with colours, classes with colours, provenance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from underbrush.sinks.base import OutputSpec
from underbrush.sinks.calibration import known_sizes
from underbrush.sinks.colors import distinct
from underbrush.sinks.pyramid import by_names

UNITS = {
    "km": "kilometer",
    "m": "meter",
    "dm": "decimeter",
    "cm": "centimeter",
    "mm": "millimeter",
    "µm": "micrometer",
    "nm": "nanometer",
    "Å": "angstrom",
    "pm": "picometer",
    "in": "inch",
    "ft": "foot",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
    "µs": "microsecond",
    "ns": "nanosecond",
}
"""Units as OME writes them -> the words of OME-Zarr."""
_TYPES = {"t": "time", "c": "channel"}
_WHITE = (255, 255, 255)


def group_attributes(
    spec: OutputSpec,
    axes: str,
    levels: Sequence[tuple[str, tuple[int, ...]]],
    version: str,
    extremes: Callable[[], Sequence[tuple[float, float]]],
) -> dict[str, Any]:
    """The attributes of the group.

    Parameters
    ----------
    levels
        Path of each array, and how many pixels of the first one of its has along each axis.
    extremes
        Smallest and largest values of the channels; asked only where nothing else tells them.
    """
    told: dict[str, Any] = {"version": version} if version != "0.4" else {}
    inner = {"version": version} if version == "0.4" else {}
    told["multiscales"] = [
        {
            **inner,
            "name": spec.kind,
            "axes": _axes(spec, axes),
            "datasets": [_dataset(spec, axes, path, factors) for path, factors in levels],
            **({"type": "nearest" if by_names(spec.kind) else "mean"} if len(levels) > 1 else {}),
        }
    ]
    if by_names(spec.kind) and spec.shape[1] == 1 and spec.dtype.kind in "iu":
        told["image-label"] = {**inner, **_image_label(spec)}
    else:
        told["omero"] = {**inner, "channels": _channels(spec, extremes), "rdefs": {"model": "color"}}
    own = {
        "underbrush": {
            "result": spec.kind,
            **({"channels": list(spec.channel_names)} if spec.channel_names else {}),
            **({"classes": list(spec.class_names)} if spec.class_names else {}),
            **({"provenance": dict(spec.provenance)} if spec.provenance else {}),
        }
    }
    return {**told, **own} if version == "0.4" else {"ome": told, **own}


def _axes(spec: OutputSpec, axes: str) -> list[dict[str, str]]:
    sizes = known_sizes(spec.pixel_size)
    found = []
    for axis in axes:
        unit = UNITS.get(sizes[axis][1]) if axis in sizes and axis != "c" else None
        entry = {"name": axis, "type": _TYPES.get(axis, "space")}
        found.append({**entry, "unit": unit} if unit else entry)
    return found


def _dataset(spec: OutputSpec, axes: str, path: str, factors: tuple[int, ...]) -> dict[str, Any]:
    sizes = known_sizes(spec.pixel_size)
    one = [sizes[a][0] if a in sizes and a != "c" else 1.0 for a in axes]
    scale = [size * factor for size, factor in zip(one, factors, strict=True)]
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if not by_names(spec.kind) and max(factors) > 1:
        # The mean of pixels lies in the middle between them.
        shift = [size * (factor - 1) / 2 for size, factor in zip(one, factors, strict=True)]
        transforms.append({"type": "translation", "translation": shift})
    return {"path": path, "coordinateTransformations": transforms}


def _image_label(spec: OutputSpec) -> dict[str, Any]:
    """Colours and names of the values; of objects neither: there may be millions."""
    if spec.kind == "objects":
        return {}
    count = max(len(spec.class_names), len(spec.class_colors))
    colors = [*spec.class_colors, *(distinct(k) for k in range(len(spec.class_colors), count))]
    names = spec.class_names
    label: dict[str, Any] = {}
    if colors:
        label["colors"] = [{"label-value": k, "rgba": [*color, 255]} for k, color in enumerate(colors, 1)]
    if names:
        label["properties"] = [{"label-value": k, "class": name} for k, name in enumerate(names, 1)]
    return label


def _channels(
    spec: OutputSpec, extremes: Callable[[], Sequence[tuple[float, float]]]
) -> list[dict[str, Any]]:
    n = spec.shape[1]
    if spec.value_range is not None:
        ranges: Sequence[tuple[float, float]] = [spec.value_range] * n
    elif spec.dtype.kind in "iu":
        limits = np.iinfo(spec.dtype)
        ranges = [(float(limits.min), float(limits.max))] * n
    else:
        ranges = extremes()
    colors = spec.class_colors if len(spec.class_colors) == n else ()
    found = []
    for k, (low, high) in enumerate(ranges):
        top = high if high > low else low + 1
        red, green, blue = colors[k] if colors else _WHITE if n == 1 else distinct(k)
        found.append(
            {
                "label": spec.channel_names[k] if k < len(spec.channel_names) else spec.kind,
                "color": f"{red:02X}{green:02X}{blue:02X}",
                "active": k < 4 or n == 1,
                "window": {"min": low, "max": top, "start": low, "end": top},
            }
        )
    return found
