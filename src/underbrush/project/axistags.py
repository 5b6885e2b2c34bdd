"""Axis descriptions of ilastik: a JSON text with one entry an axis, outermost first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from underbrush.core.geometry import AXES, Shape5

_TYPE_FLAGS = {"c": 1, "z": 2, "y": 2, "x": 2, "t": 8}
_MAX_TEXT = 100_000


def parse_json(text: str | None) -> Any:
    """The JSON value of a text from a file, or None where it is none."""
    if text is None or len(text) > _MAX_TEXT:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_axistags(text: str | None) -> tuple[str, dict[str, float]] | None:
    """Axis letters and pixel sizes (where positive) of an axistags text; None where it is no such text."""
    value = parse_json(text)
    entries = value.get("axes") if isinstance(value, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= 5:
        return None
    letters = ""
    sizes = {}
    for entry in entries:
        key = entry.get("key") if isinstance(entry, dict) else None
        if not isinstance(key, str) or len(key) != 1 or key not in AXES or key in letters:
            return None
        letters += key
        size = entry.get("resolution")
        if isinstance(size, int | float) and 0 < size < 1e30:
            sizes[key] = float(size)
    return letters, sizes


def axistags_text(axes: str, sizes: Mapping[str, float] | None = None) -> str:
    """The text for axes such as ``zyxc``; a pixel size that is not a whole number is written as a float."""
    known = {} if sizes is None else sizes
    entries = []
    for a in axes:
        size = known.get(a, 0)
        entries.append(
            {
                "key": a,
                "typeFlags": _TYPE_FLAGS[a],
                "resolution": int(size) if size == int(size) else size,
                "description": "",
            }
        )
    return json.dumps({"axes": entries}, indent=2)


def label_axes(shape: Shape5) -> str:
    """The axis order that ilastik works in for an image of ``shape`` (t c z y x), and stores labels in.

    The shortest of yxc, three of t z y x with c, and tzyxc that holds every axis of more than one pixel;
    of equally short ones the first in the order tzy, tzx, tyx, zyx.
    """
    needed = {a for a, n in zip(AXES, shape, strict=True) if n > 1 and a != "c"}
    for order in ("yx", "tzy", "tzx", "tyx", "zyx"):
        if needed <= set(order):
            return order + "c"
    return "tzyxc"
