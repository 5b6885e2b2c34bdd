"""Which of several images in one file: what is shown of each, so that a person can choose."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from underbrush.errors import SeveralImagesError, UnderbrushError

MOST = 500
"""Images that are listed."""
PATIENCE = 3.0
"""Seconds in which the images are looked into; those that are left are listed by name."""
ONE = frozenset({"replace", "repair", "labels"})
"""What is done with one image only."""
_asked = itertools.count(1)


def image_choices(several: SeveralImagesError, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Data of the part ``ImageChoice``: the images of a file, and what was wanted of them.

    ``wanted`` is what a part asked for, with ``paths`` as they were opened: the address of the file among
    them gives way to those that are chosen. Opens files: call it in a thread.
    """
    until = time.monotonic() + PATIENCE
    rows = [_row(address, several, until) for address in several.choices[:MOST]]
    return {
        # A number of its own each time: the same file may be asked about twice.
        "asked": next(_asked),
        "file": PurePath(several.where).name or several.where,
        "where": several.where,
        "rows": rows,
        "left": max(0, len(several.choices) - MOST),
        "single": wanted.get("name") in ONE or (wanted.get("name") == "mask" and _lanes(wanted) < 2),
        "wanted": dict(wanted),
    }


def _row(address: str, several: SeveralImagesError, until: float) -> dict[str, Any]:
    from underbrush.sources.opening import open_image  # noqa: PLC0415  (late: readers are heavy)

    base = several.where.partition("#")[0].rstrip("/\\")
    name = address.removeprefix(base).strip("/") or address
    row = {"address": address, "name": name, "axes": "", "shape": [], "dtype": "", "problem": ""}
    if time.monotonic() > until:
        return row
    try:
        with open_image(address) as image:
            return {**row, "axes": image.axes, "shape": list(image.shape), "dtype": str(image.dtype)}
    except UnderbrushError as error:
        return {**row, "problem": error.sentence}


def _lanes(wanted: Mapping[str, Any]) -> int:
    lanes = wanted.get("lanes")
    return len(lanes) if isinstance(lanes, list) else 0
