"""The sample project: two made-up images of nuclei, strokes of both classes, all from one seed.

The images are drawn by this program: round nuclei with a grainy inside, dim cell bodies around them, an
uneven lamp, and the noise of a camera. Brightness alone does not separate them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.reference import correlate, gaussian_taps
from underbrush.core.predict import dilated

SIZE = (360, 480)
CLASSES = ("background", "nucleus")
COLOURS = ((0, 130, 200), (255, 225, 25))
PIXEL_SIZE = 0.65
"""Micrometres."""


@dataclass(frozen=True, slots=True)
class SampleImage:
    """One made-up image with what is known of it."""

    name: str
    pixels: NDArray[np.uint16]
    """(y, x) uint16."""
    truth: NDArray[np.uint8]
    """(y, x) uint8: 1 background, 2 nucleus."""
    strokes: NDArray[np.uint8]
    """(y, x) uint8: 0 no label, else the class."""


def sample_images(seed: int = 7) -> tuple[SampleImage, ...]:
    """The two images of the sample; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return tuple(_draw(f"nuclei_{k}", rng) for k in (1, 2))


def _smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    taps = gaussian_taps(sigma, 0, 3.5)
    return correlate(correlate(values, taps, 0), taps, 1)


def _draw(name: str, rng: np.random.Generator) -> SampleImage:
    height, width = SIZE
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float64)
    inside = np.zeros(SIZE)
    glow = np.zeros(SIZE)
    brightness = np.zeros(SIZE)
    centres: list[tuple[float, float, float]] = []
    for _ in range(2000):
        if len(centres) == 46:
            break
        cy, cx, radius = rng.uniform(6, height - 6), rng.uniform(6, width - 6), rng.uniform(9, 15)
        if any((cy - y) ** 2 + (cx - x) ** 2 < (radius + r + 3) ** 2 for y, x, r in centres):
            continue
        centres.append((cy, cx, radius))
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.45)
        u = (yy - cy) * np.cos(angle) + (xx - cx) * np.sin(angle)
        v = (xx - cx) * np.cos(angle) - (yy - cy) * np.sin(angle)
        away = np.sqrt((u * np.sqrt(stretch)) ** 2 + (v / np.sqrt(stretch)) ** 2)
        nucleus = away < radius * (1 + 0.06 * np.sin(3 * np.arctan2(v, u) + angle))
        inside[nucleus] = 1
        brightness[nucleus] = rng.uniform(0.45, 1.0)
        glow += 0.35 * rng.uniform(0.4, 1.0) * np.exp(-((away / (2.1 * radius)) ** 4))
    grain = _smooth(rng.normal(size=SIZE), 1.6)
    grain /= grain.std()
    lamp = 0.75 + 0.45 * np.exp(-(((yy / height - 0.4) / 0.6) ** 2) - ((xx / width - 0.65) / 0.7) ** 2)
    bright = _smooth(brightness * inside * (1 + 0.22 * grain), 1.1)
    dust = np.where(rng.random(SIZE) < 0.0006, 2.0, 0.0)
    light = lamp * (0.16 + 0.9 * bright + 0.55 * glow * (1 - inside) + _smooth(dust, 1.0))
    photons = rng.poisson(np.maximum(light, 0) * 420.0)
    pixels = np.clip(100 + 9.0 * photons + rng.normal(0, 18, SIZE), 0, 65535).astype(np.uint16)
    truth = (1 + inside).astype(np.uint8)
    return SampleImage(name, pixels, truth, _strokes(truth, centres, rng))


def _strokes(
    truth: NDArray[np.uint8], centres: list[tuple[float, float, float]], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Thin bent strokes as a person would paint: in some nuclei, and in the gaps between."""
    strokes = np.zeros(truth.shape, np.uint8)
    nuclei = truth == 2
    for cy, cx, radius in centres[::5]:
        angle = rng.uniform(0, 2 * np.pi)
        start = cy - 0.6 * radius * np.sin(angle), cx - 0.6 * radius * np.cos(angle)
        _walk(strokes, ~_grown(~nuclei, 1), start, angle, int(1.3 * radius), 2, rng)
    gaps = ~_grown(nuclei, 2)
    for _ in range(11):
        y, x = rng.choice(np.argwhere(gaps & ~_grown(strokes > 0, 12)))
        _walk(strokes, gaps, (float(y), float(x)), rng.uniform(0, 2 * np.pi), 46, 1, rng)
    return strokes


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    grown: NDArray[np.bool_] = dilated(mask[None], (0, by, by))[0]
    return grown


def _walk(
    strokes: NDArray[np.uint8],
    allowed: NDArray[np.bool_],
    start: tuple[float, float],
    angle: float,
    length: int,
    value: int,
    rng: np.random.Generator,
) -> None:
    """A stroke that bends gently and turns away where it may not go."""
    y, x = start
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
