"""Strokes of the samples: thin bent lines as a person would paint them, all from one generator of chance."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from underbrush.core.predict import dilated

Centre = tuple[float, float, float]
"""Row and column of the middle of a round thing, and its radius, in pixels."""


def grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """A mask (y, x) with all that is within a square of ``by`` pixels of it."""
    wider: NDArray[np.bool_] = dilated(mask[None], (0, by, by))[0]
    return wider


def strokes_inside(
    strokes: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    centres: Iterable[Centre],
    value: int,
    rng: np.random.Generator,
) -> None:
    """One short stroke through each of the round things of a mask (y, x) that are named."""
    for cy, cx, radius in centres:
        angle = rng.uniform(0, 2 * np.pi)
        start = cy - 0.6 * radius * np.sin(angle), cx - 0.6 * radius * np.cos(angle)
        walk(strokes, ~grown(~mask, 1), (start, angle), int(1.3 * radius), value, rng)


def strokes_between(
    strokes: NDArray[np.uint8],
    allowed: NDArray[np.bool_],
    wanted: tuple[int, int],
    value: int,
    rng: np.random.Generator,
) -> None:
    """``wanted`` strokes (number, length in pixels) in a mask (y, x), away from those there are."""
    number, length = wanted
    for _ in range(number):
        places = np.argwhere(allowed & ~grown(strokes > 0, 12))
        if not len(places):
            return
        y, x = rng.choice(places)
        walk(strokes, allowed, ((float(y), float(x)), rng.uniform(0, 2 * np.pi)), length, value, rng)


def walk(
    strokes: NDArray[np.uint8],
    allowed: NDArray[np.bool_],
    begun: tuple[tuple[float, float], float],
    length: int,
    value: int,
    rng: np.random.Generator,
) -> None:
    """A stroke from ``begun`` (row and column, direction) that bends gently and turns where it may not go."""
    (y, x), angle = begun
    bend = rng.uniform(-0.05, 0.05)
    for _ in range(length):
        _dot(strokes, y, x, value)
        for turn in (0.0, 0.4, -0.4, 0.9, -0.9, 1.6, -1.6):
            v, u = y + np.sin(angle + turn), x + np.cos(angle + turn)
            inside = 2 <= v < allowed.shape[0] - 3 and 2 <= u < allowed.shape[1] - 3
            if inside and allowed[round(v), round(u)]:
                y, x, angle = v, u, angle + turn + bend
                break
        else:
            return


def _dot(strokes: NDArray[np.uint8], y: float, x: float, value: int) -> None:
    """A brush of 3 pixels."""
    strokes[max(0, round(y) - 1) : round(y) + 2, max(0, round(x) - 1) : round(x) + 2] = value
