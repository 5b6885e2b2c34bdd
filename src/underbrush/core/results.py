"""What is made of probabilities. All arrays are t c z y x, classes along c."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float32]

RESULTS = ("segmentation", "probabilities", "uncertainty", "features", "objects")
"""What can be asked for."""


def segmentation(probabilities: Probabilities) -> NDArray[np.uint8]:
    """The most probable class 1..N, uint8 with c of size 1; the lower class wins a tie.

    Where all are zero (a pixel that is not finite) it is class 1, as in ilastik's Simple Segmentation.
    """
    # Class after class, each pass over adjoining pixels: many times as fast as argmax across the planes.
    top = probabilities[:, :1].copy()
    best = np.ones(top.shape, np.uint8)
    for k in range(1, probabilities.shape[1]):
        plane = probabilities[:, k : k + 1]
        # A later class has the higher number: the larger number is the later of those that were on top.
        np.maximum(best, (plane > top) * np.uint8(k + 1), out=best)
        np.maximum(top, plane, out=top)
    return best


def uncertainty(probabilities: Probabilities) -> NDArray[np.float32]:
    """1 - (largest - second largest), float32 with c of size 1; 1 - largest for a single class."""
    if probabilities.shape[1] == 1:
        return np.float32(1) - probabilities
    first, second = probabilities[:, :1].copy(), np.full_like(probabilities[:, :1], -np.inf)
    for k in range(1, probabilities.shape[1]):
        plane = probabilities[:, k : k + 1]
        np.maximum(second, np.minimum(first, plane), out=second)
        np.maximum(first, plane, out=first)
    return np.float32(1) - (first - second)


def rescaled(
    values: NDArray[Any], dtype: np.dtype[Any], source: tuple[float, float], target: tuple[float, float]
) -> NDArray[Any]:
    """``source`` range mapped to ``target`` range in ``dtype``; integers are rounded to the nearest (rint).

    Values outside the source range go to the ends of what the dtype holds; NaN becomes 0 in integers. float32
    is reckoned in float32, as ilastik does: 255 x 0.3 is 76.5 there, which rint makes 76.
    """
    (a, b), (c, d) = source, target
    work = np.dtype(np.float32 if values.dtype == np.float32 and dtype.itemsize <= 2 else np.float64)
    low, factor, base = (work.type(v) for v in (a, (d - c) / (b - a), c))
    scaled: NDArray[Any] = (values.astype(work) - low) * factor + base
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        scaled = np.clip(np.rint(np.where(np.isnan(scaled), 0, scaled)), limits.min, limits.max)
    return scaled.astype(dtype)
