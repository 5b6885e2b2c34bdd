"""Which of several images in one file: what is shown of each, so that a person can choose."""

from __future__ import annotations

import itertools
import math
import re
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
    base = several.where.partition("#")[0].rstrip("/\\")
    names = several.names or [a.removeprefix(base).strip("/") or a for a in several.choices]
    pairs = zip(several.choices[:MOST], names, strict=False)
    rows = [_row(address, name, until) for address, name in pairs]
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


def level_choices(address: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Data of the part ``ImageChoice`` for the levels of a pyramid on the net; None where it has one only.

    Only what describes the image is read; what cannot be read is told when it is added. In a thread.
    """
    from underbrush.web.panels.image_acts import at_level  # noqa: PLC0415
    from underbrush.web.panels.image_facts import peeked_file  # noqa: PLC0415

    peeked = peeked_file(address)
    if peeked is None or not peeked.level_shapes or address != at_level(address, 0):
        return None
    item = peeked.dtype.itemsize
    rows = [
        {
            "address": at_level(address, n),
            "name": f"Level {n}, full resolution" if n == 0 else f"Level {n}",
            "axes": peeked.axes,
            "shape": list(shape),
            "dtype": peeked.dtype.name,
            "bytes": math.prod(shape) * item,
            "problem": "",
        }
        for n, shape in enumerate(peeked.level_shapes)
    ]
    name = address.partition("#")[0].rstrip("/").rsplit("/", 1)[-1] or address
    return {
        "asked": next(_asked),
        "title": f"Which resolution of {name}?",
        "note": "The full one is shown and read in pieces, whatever its size; strokes belong to one level.",
        "file": name,
        "where": address,
        "rows": rows,
        "left": 0,
        "single": True,
        "first": rows[0]["address"],
        "wanted": {**wanted, "levelled": True},
    }


def _row(address: str, name: str, until: float) -> dict[str, Any]:
    from underbrush.sources.opening import open_image  # noqa: PLC0415  (late: readers are heavy)

    number = re.search(r"series=(\d+)$", address)
    # The image is called by its number later on, which need not be that in its name.
    called = "" if number is None else f"series {number[1]}"
    row = {"address": address, "name": name, "axes": "", "shape": [], "dtype": "", "problem": ""}
    row["called"] = "" if called == name else called
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
