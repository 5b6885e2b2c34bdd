"""Units of pixel sizes: the many ways in which files write them, and lengths in one common unit."""

from __future__ import annotations

from collections.abc import Mapping

METRES = {
    "km": 1e3,
    "m": 1.0,
    "dm": 1e-1,
    "cm": 1e-2,
    "mm": 1e-3,
    "µm": 1e-6,
    "nm": 1e-9,
    "Å": 1e-10,
    "pm": 1e-12,
    "in": 0.0254,
    "ft": 0.3048,
}
"""Units of length as OME writes them (a closed list there), and their size in metres."""

SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
"""Units of time as OME writes them, and their size in seconds."""

_OTHER_SPELLINGS = {
    "um": "µm",
    "μm": "µm",  # Greek mu; the micro sign is the one of OME
    "\\u00b5m": "µm",
    "us": "µs",
    "μs": "µs",
    "micron": "µm",
    "microns": "µm",
    "micrometer": "µm",
    "micrometre": "µm",
    "nanometer": "nm",
    "nanometre": "nm",
    "millimeter": "mm",
    "millimetre": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "meter": "m",
    "metre": "m",
    "picometer": "pm",
    "angstrom": "Å",
    "\u212b": "Å",
    "inch": "in",
    "foot": "ft",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "millisecond": "ms",
    "microsecond": "µs",
    "nanosecond": "ns",
    "minute": "min",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
    "day": "d",
}


def canonical_unit(unit: str) -> str:
    """``unit`` as OME spells it where it is a known unit of length or time, else as it is."""
    unit = unit.strip()
    if unit in METRES or unit in SECONDS:
        return unit
    return _OTHER_SPELLINGS.get(unit.lower(), _OTHER_SPELLINGS.get(unit, unit))


def known_sizes(sizes: Mapping[str, tuple[float, str]]) -> dict[str, tuple[float, str]]:
    """The sizes that are positive and finite, with canonical units."""
    return {
        axis: (float(value), canonical_unit(unit))
        for axis, (value, unit) in sizes.items()
        if 0 < value < float("inf")
    }


def common_length(sizes: Mapping[str, tuple[float, str]]) -> tuple[dict[str, float], str]:
    """Sizes of x, y, z in the unit of the first of them that is known; ("", no sizes) where none is.

    Where units are no lengths that can be converted, only axes with that very unit are kept.
    """
    sizes = known_sizes(sizes)
    spatial = {a: sizes[a] for a in "xyz" if a in sizes}
    if not spatial:
        return {}, ""
    unit = next(iter(spatial.values()))[1]
    common = {}
    for axis, (value, own) in spatial.items():
        if own == unit:
            common[axis] = value
        elif own in METRES and unit in METRES:
            common[axis] = value * (METRES[own] / METRES[unit])
    return common, unit
