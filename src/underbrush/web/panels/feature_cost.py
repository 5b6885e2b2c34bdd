"""What a choice of features costs on this computer: measured, on a small piece of noise."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.errors import UnderbrushError
from underbrush.project.values_json import selection_from_json

FLAT = (1, 384, 384)
DEEP = (24, 80, 80)
"""z, y, x of the piece for images and for volumes: large enough for the default scales."""
ENOUGH = 0.25
"""Seconds after which it is not measured once more."""
_ONE_AT_A_TIME = threading.Lock()


def feature_cost(selection: FeatureSelection, volume: bool) -> float:
    """Milliseconds on one core for a million pixels of one channel, the faster of two runs.

    The first use of a filter may compile it: what that takes does not count, but is waited for.
    """
    from underbrush.core.features.compute import compute_features  # noqa: PLC0415  (numba: after the first page)

    shape = DEEP if volume else FLAT
    block = np.random.default_rng(0).integers(0, 255, (1, *shape), np.uint8).astype(np.float32)
    terms = selection.terms(volume)
    valid = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    best = float("inf")
    with _ONE_AT_A_TIME:
        compute_features(block, terms, valid)
        for _ in range(2):
            start = time.perf_counter()
            compute_features(block, terms, valid)
            best = min(best, time.perf_counter() - start)
            if best > ENOUGH:
                break
    return best * 1e9 / block.size


def told_cost(wanted: dict[str, Any], channels: int, volume: bool) -> dict[str, Any] | None:
    """What the part `FeatureTable` is told of what it asked for; None where it asked for nothing that can be.

    Its ``key`` comes back, so that an answer to an older draft is not taken for one to this.
    """
    try:
        selection = selection_from_json(wanted.get("selection"))
    except UnderbrushError:
        return None
    if not selection.terms(volume) or not isinstance(wanted.get("key"), str):
        return None
    return {"key": wanted["key"], "ms": feature_cost(selection, volume) * channels}
