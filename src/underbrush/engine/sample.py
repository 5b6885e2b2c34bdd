"""The images of the sample: made-up nuclei, two with strokes of both classes and two that nobody saw.

The images are drawn by this program: round nuclei with a grainy inside, dim cell bodies around them, an
uneven lamp, and the noise of a camera. Brightness alone does not separate them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.reference import correlate, gaussian_taps
from underbrush.engine.sample_strokes import Centre, grown, strokes_between, strokes_inside

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


def unseen_images(seed: int = 7) -> tuple[SampleImage, ...]:
    """Two more images of the same kind, without strokes: what a trained classifier is tried on."""
    rng = np.random.default_rng([seed, 1])
    drawn = (_draw(f"nuclei_{k}", rng) for k in (3, 4))
    return tuple(replace(image, strokes=np.zeros(SIZE, np.uint8)) for image in drawn)


def smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Values (y, x) under a Gaussian of ``sigma`` pixels."""
    taps = gaussian_taps(sigma, 0, 3.5)
    return correlate(correlate(values, taps, 0), taps, 1)


def _draw(name: str, rng: np.random.Generator) -> SampleImage:
    height, width = SIZE
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float64)
    inside = np.zeros(SIZE)
    glow = np.zeros(SIZE)
    brightness = np.zeros(SIZE)
    centres: list[Centre] = []
    for _ in range(2000):
        if len(centres) == 46:
            break
        cy, cx, radius = rng.uniform(6, height - 6), rng.uniform(6, width - 6), rng.uniform(9, 15)
        if any((cy - y) ** 2 + (cx - x) ** 2 < (radius + r + 3) ** 2 for y, x, r in centres):
            continue
        centres.append((cy, cx, radius))
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.45)
        # Farther away than this its glow is nothing, to the last bit of what is added up.
        reach = int(6.3 * radius)
        near = np.s_[
            max(0, int(cy) - reach) : int(cy) + reach + 2, max(0, int(cx) - reach) : int(cx) + reach + 2
        ]
        u = (yy[near] - cy) * np.cos(angle) + (xx[near] - cx) * np.sin(angle)
        v = (xx[near] - cx) * np.cos(angle) - (yy[near] - cy) * np.sin(angle)
        away = np.sqrt((u * np.sqrt(stretch)) ** 2 + (v / np.sqrt(stretch)) ** 2)
        nucleus = away < radius * (1 + 0.06 * np.sin(3 * np.arctan2(v, u) + angle))
        inside[near][nucleus] = 1
        brightness[near][nucleus] = rng.uniform(0.45, 1.0)
        glow[near] += 0.35 * rng.uniform(0.4, 1.0) * np.exp(-((away / (2.1 * radius)) ** 4))
    grain = smooth(rng.normal(size=SIZE), 1.6)
    grain /= grain.std()
    lamp = 0.75 + 0.45 * np.exp(-(((yy / height - 0.4) / 0.6) ** 2) - ((xx / width - 0.65) / 0.7) ** 2)
    bright = smooth(brightness * inside * (1 + 0.22 * grain), 1.1)
    dust = np.where(rng.random(SIZE) < 0.0006, 2.0, 0.0)
    light = lamp * (0.16 + 0.9 * bright + 0.55 * glow * (1 - inside) + smooth(dust, 1.0))
    photons = rng.poisson(np.maximum(light, 0) * 420.0)
    pixels = np.clip(100 + 9.0 * photons + rng.normal(0, 18, SIZE), 0, 65535).astype(np.uint16)
    truth = (1 + inside).astype(np.uint8)
    return SampleImage(name, pixels, truth, _strokes(truth, centres, rng))


def _strokes(truth: NDArray[np.uint8], centres: list[Centre], rng: np.random.Generator) -> NDArray[np.uint8]:
    """In some nuclei, and in the gaps between."""
    strokes = np.zeros(truth.shape, np.uint8)
    nuclei = truth == 2
    strokes_inside(strokes, nuclei, centres[::5], 2, rng)
    strokes_between(strokes, ~grown(nuclei, 2), (11, 46), 1, rng)
    return strokes
