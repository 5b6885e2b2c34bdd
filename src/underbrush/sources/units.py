"""Units of pixel sizes, spelled in one way."""

from __future__ import annotations

import math
from typing import Any

_MICRO = {"um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres", "µm", "μm"}
_NAMES = {
    "nanometer": "nm",
    "nanometre": "nm",
    "nanometers": "nm",
    "millimeter": "mm",
    "millimetre": "mm",
    "millimeters": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "meter": "m",
    "metre": "m",
    "angstrom": "Å",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "millisecond": "ms",
    "milliseconds": "ms",
    "minute": "min",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
    "inches": "inch",
}
_NONE = {"", "pixel", "pixels", "px", "voxel", "voxels", "reference frame", "none", "null"}


def normal_unit(text: Any) -> str:
    """The unit in its short spelling ("µm" for micron, um, ...), empty if ``text`` is no unit.

    ImageJ writes the micro sign as the six letters ``\\u00B5``; that is undone here.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        return ""
    unit = text.replace("\\u00B5", "µ").replace("\\u00b5", "µ").strip().strip("\0").strip()
    if unit.lower() in _NONE or len(unit) > 40:
        return ""
    if unit in _MICRO or unit.lower() in _MICRO:
        return "µm"
    return _NAMES.get(unit.lower(), unit)


def sizes(raw: dict[str, tuple[Any, Any]]) -> dict[str, tuple[float, str]]:
    """Axis -> (size, unit) for those of ``raw`` that are finite, positive and have a unit."""
    found = {}
    for axis, (value, unit_text) in raw.items():
        unit = normal_unit(unit_text)
        try:
            size = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if unit and math.isfinite(size) and size > 0:
            found[axis] = (size, unit)
    return found
