"""What the panels say of a project: pure, from its document and what training told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from underbrush.core.features.catalog import BY_ID, DEFAULT_SCALES, required_size
from underbrush.core.features.selection import OFFERED, FeatureSelection
from underbrush.core.geometry import Shape5
from underbrush.project.values_json import selection_to_json

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNBALANCED = 1.5
"""From this ratio of pixels on, the sentence names it."""


def balance_sentence(pixels: Sequence[tuple[str, int]]) -> str:
    """How unevenly the classes are painted; empty unless two or more have strokes.

    ``pixels`` holds the name and the number of painted pixels of each class.
    """
    painted = sorted((p for p in pixels if p[1]), key=lambda p: p[1])
    if len(painted) < 2:
        return ""
    (least, few), (most, many) = painted[0], painted[-1]
    ratio = many / few
    if ratio < UNBALANCED:
        return "The classes have about as many painted pixels as each other."
    return (
        f"{most} has {ratio:.0f} times the pixels of {least}."
        if ratio >= 9.95
        else (f"{most} has {ratio:.1f} times the pixels of {least}.")
    )


def presets(shapes: Sequence[Shape5], channels: int) -> dict[str, FeatureSelection | None]:
    """None, Recommended and All for images of these shapes (t c z y x); the first one decides."""
    shape = shapes[0] if shapes else (1, 1, 1, 512, 512)
    seen = (shape[0], channels, *shape[2:])
    sizes = (shape[3], shape[4], shape[2]) if shape[2] > 1 else (shape[3], shape[4])
    fits = tuple(s for s in DEFAULT_SCALES if required_size(s) <= min(sizes))
    return {
        "Recommended": FeatureSelection.recommended(seen),
        "All": FeatureSelection.all(fits or DEFAULT_SCALES[:1]),
        "None": None,
    }


def same_features(a: FeatureSelection | None, b: FeatureSelection | None, volume: bool) -> bool:
    """Whether two selections compute the same, however they are written."""
    return (a.terms(volume) if a else ()) == (b.terms(volume) if b else ())


def feature_data(
    selection: FeatureSelection | None, shapes: Sequence[Shape5], channels: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data of the parts ``Presets`` and ``FeatureTable``."""
    volume = any(shape[2] > 1 for shape in shapes)
    count = selection.count(channels, volume) if selection else 0
    rows = []
    chosen = ""
    for name, preset in presets(shapes, channels).items():
        if same_features(preset, selection, volume):
            chosen = chosen or name
        rows.append(
            {
                "name": name,
                "count": preset.count(channels, volume) if preset else 0,
                "selection": selection_to_json(preset) if preset else None,
                "tip": _TIPS[name],
            }
        )
    data = {
        "presets": rows,
        "chosen": chosen,
        "selection": selection_to_json(selection) if selection else None,
        "count": count,
        "channels": channels,
    }
    return data, feature_table(selection, shapes, channels)


_TIPS = {
    "Recommended": "A good choice for these images",
    "All": "Every filter at every scale that fits the images",
    "None": "No features: nothing is trained",
}


def feature_table(
    selection: FeatureSelection | None, shapes: Sequence[Shape5], channels: int
) -> dict[str, Any]:
    """Data of the part ``FeatureTable``: the filters, what is ticked, and what the images allow."""
    volume = any(shape[2] > 1 for shape in shapes)
    scales = tuple(selection.scales) if selection else DEFAULT_SCALES
    ticked: dict[str, list[bool]] = {ident: [False] * len(scales) for ident in OFFERED}
    if selection is not None:
        ticked |= {f: list(row) for f, row in zip(selection.filters, selection.matrix, strict=True)}
    flat = (selection.in_2d if selection else None) or (not volume,) * len(scales)
    order = sorted(range(len(scales)), key=lambda j: scales[j])
    return {
        "filters": [
            {
                "id": ident,
                "name": _sentence_case(BY_ID[ident].name),
                "group": BY_ID[ident].group.replace("Color", "Colour"),
                "tensor": BY_ID[ident].tensor,
                "min": BY_ID[ident].min_scale,
            }
            for ident in OFFERED
        ],
        "chosen": {
            "scales": [scales[j] for j in order],
            "cells": {ident: [row[j] for j in order] for ident, row in ticked.items()},
            "flat": [bool(flat[j]) or not volume for j in order],
        },
        "sizes": {
            axis: min((s[k] for s in shapes), default=512) for axis, k in (("z", 2), ("y", 3), ("x", 4))
        },
        "channels": channels,
        "volume": volume,
        "vigra": selection is not None and selection.vigra_structure,
    }


def feature_images(
    selection: FeatureSelection | None, channels: Sequence[int], volume: bool
) -> list[dict[str, Any]]:
    """Data of the part ``FeatureImages``: each feature that can be looked at, in their order.

    ``channels`` are those of the image that feed the features.
    """
    if selection is None or not channels:
        return []
    rows = [
        {
            "id": term.filter_id.partition("/")[0],
            "scale": term.scale,
            "flat": term.in_2d or not volume,
            "channel": channel,
            "part": part,
        }
        for term in selection.terms(volume)
        for channel in channels
        for part in range(BY_ID[term.filter_id].channels(2 if term.in_2d else 3))
    ]
    names = selection.names(len(channels), volume)
    return [{"name": name, **row} for name, row in zip(names, rows, strict=True)]


def _sentence_case(name: str) -> str:
    first, *rest = name.split()
    return " ".join([first, *(word if word in {"Gaussian", "Gaussians"} else word.lower() for word in rest)])


def importance_rows(
    names: Sequence[str], importances: Sequence[float], in_2d_only: bool = True
) -> list[tuple[str, float]]:
    """Importance of each filter at each scale, channels and eigenvalues added up, largest first.

    ``names`` are those of `FeatureSelection.names`; importances add up to 1.
    """
    sums: dict[str, float] = {}
    for name, value in zip(names, importances, strict=True):
        base = name.split(" [", maxsplit=1)[0]
        filter_name, _, rest = base.partition(" (σ=")
        scale, _, flat = rest.partition(")")
        where = "" if in_2d_only else flat
        key = f"{scale} {_sentence_case(filter_name)}{where}"
        sums[key] = sums.get(key, 0.0) + float(value)
    return sorted(sums.items(), key=lambda row: -row[1])


def classifier_rows(frozen: Mapping[str, Any], now: datetime) -> list[dict[str, str]]:
    """The kept classifiers, newest first: name, day, note. Their ``created`` is UTC, ISO 8601."""
    rows = sorted(frozen.values(), key=lambda one: one.created, reverse=True)
    return [{"name": one.name, "date": short_day(one.created, now), "note": one.note} for one in rows]


def short_day(text: str, now: datetime) -> str:
    """``12 Nov``, with the year where it is another one; empty for what is no time."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(now.tzinfo)
    except ValueError:
        return ""
    day = f"{time.day} {_MONTHS[time.month - 1]}"
    return day if time.year == now.year else f"{day} {time.year}"
