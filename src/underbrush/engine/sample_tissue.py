"""The second sample: a made-up section of tissue in the colours of haematoxylin and eosin, from one seed.

Drawn by this program: fibres, glands with an open middle and a wall of cells, lone nuclei between, and bare
glass in cracks. Light goes through two dyes (absorbance adds up), so that colours mix as they do on a slide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.engine.sample import smooth
from underbrush.engine.sample_strokes import Centre, grown, strokes_between, strokes_inside

SIZE = (400, 520)
CLASSES = ("stroma", "glass", "nucleus")
"""The first class is not filled in the window, so that most of the image stays visible."""
COLOURS = ((0, 130, 200), (255, 225, 25), (245, 130, 48))
HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.12, 0.92, 0.24)
"""Absorbance of each dye for red, green and blue light."""
STROMA, GLASS, NUCLEUS = 1, 2, 3

Field = NDArray[np.float64]
"""(y, x)."""


@dataclass(frozen=True, slots=True)
class TissueImage:
    """The made-up section with what is known of it."""

    name: str
    pixels: NDArray[np.uint8]
    """(y, x, c) uint8: red, green, blue."""
    truth: NDArray[np.uint8]
    """(y, x) uint8: 1 stroma, 2 glass, 3 nucleus."""
    strokes: NDArray[np.uint8]
    """(y, x) uint8: 0 no label, else the class."""


def tissue_image(seed: int = 11) -> TissueImage:
    """The section of the sample; the same for the same seed."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float64)
    glands = _glands(rng)
    open_middle, wall = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    for cy, cx, radius in glands:
        away = np.hypot(yy - cy, xx - cx) * (1 + 0.12 * np.sin(3 * np.arctan2(yy - cy, xx - cx) + cy))
        open_middle |= away < radius
        wall |= (away >= radius) & (away < radius + 19)
    cracks = _grain(rng, 9.0) > 1.75
    glass = (open_middle | cracks) & ~wall
    nuclei, dye, centres = _nuclei(glands, glass | wall, rng)
    glass &= ~nuclei
    fibres = _fibres(yy, xx, rng)
    eosin = np.where(glass, 0.015, 0.26 + 0.11 * fibres + 0.10 * wall) * np.where(nuclei, 0.55, 1.0)
    soft = smooth(eosin, 0.9), smooth(dye, 0.9)
    pixels = _light(soft[0], soft[1], rng)
    truth = np.full(SIZE, STROMA, np.uint8)
    truth[glass] = GLASS
    truth[nuclei] = NUCLEUS
    return TissueImage("tissue", pixels, truth, _strokes(truth, centres, rng))


def _grain(rng: np.random.Generator, sigma: float) -> Field:
    """Smooth noise of mean 0 and deviation 1."""
    noise = smooth(rng.normal(size=SIZE), sigma)
    return np.asarray(noise / noise.std())


def _fibres(yy: Field, xx: Field, rng: np.random.Generator) -> Field:
    """Wavy bundles, about -1 to 1."""
    bend = np.zeros(SIZE)
    for _ in range(6):
        down, across = rng.uniform(-0.035, 0.035, 2)
        bend += 11 * np.sin(down * yy + across * xx + rng.uniform(0, 2 * np.pi))
    waves = np.sin((0.8 * yy + 0.35 * xx + bend) / 3.1) + 0.6 * np.sin((0.7 * yy + 0.5 * xx + bend) / 7.3)
    return np.asarray(0.55 * waves + 0.45 * _grain(rng, 1.2))


def _glands(rng: np.random.Generator) -> list[Centre]:
    found: list[Centre] = []
    for _ in range(1000):
        if len(found) == 5:
            break
        cy, cx, radius = rng.uniform(40, SIZE[0] - 40), rng.uniform(40, SIZE[1] - 40), rng.uniform(17, 34)
        if all(np.hypot(cy - y, cx - x) > radius + r + 52 for y, x, r in found):
            found.append((cy, cx, radius))
    return found


def _nuclei(
    glands: list[Centre], taken: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Field, list[Centre]]:
    """Where nuclei are, how much dye they hold, the middle of each: in walls of glands, then between."""
    where, dye, centres = np.zeros(SIZE, bool), np.zeros(SIZE), []
    grain = 1 + 0.22 * _grain(rng, 1.3)
    for cy, cx, radius in glands:
        round_it = radius + 9.5
        number = int(2 * np.pi * round_it / 15)
        for angle in np.linspace(0, 2 * np.pi, number, endpoint=False) + rng.uniform(0, 1):
            off = round_it + rng.uniform(-1.5, 1.5)
            middle = cy + off * np.sin(angle), cx + off * np.cos(angle)
            centres.append(_nucleus((where, dye), middle, (rng.uniform(5.2, 6.6), 1.35, angle), grain, rng))
    free = ~grown(taken, 9)
    for _ in range(95):
        places = np.argwhere(free)
        if not len(places):
            break
        y, x = rng.choice(places)
        shape = rng.uniform(3.6, 5.0), rng.uniform(1.5, 3.2), rng.normal(-0.6, 0.25)
        centres.append(_nucleus((where, dye), (float(y), float(x)), shape, grain, rng))
        free[max(0, y - 14) : y + 15, max(0, x - 14) : x + 15] = False
    return where, dye * grain, centres


def _nucleus(
    drawn: tuple[NDArray[np.bool_], Field],
    middle: tuple[float, float],
    shape: tuple[float, float, float],
    grain: Field,
    rng: np.random.Generator,
) -> Centre:
    """Draw one, of ``shape`` (radius, how long for its width, direction)."""
    where, dye = drawn
    radius, stretch, angle = shape
    cy, cx = middle
    reach = int(radius * stretch) + 3
    top, left = max(0, int(cy) - reach), max(0, int(cx) - reach)
    part = np.s_[top : int(cy) + reach, left : int(cx) + reach]
    yy, xx = (axis + corner for axis, corner in zip(np.indices(where[part].shape), (top, left), strict=True))
    along = (yy - cy) * np.sin(angle) + (xx - cx) * np.cos(angle)
    across = (yy - cy) * np.cos(angle) - (xx - cx) * np.sin(angle)
    inside = np.hypot(along / stretch**0.5, across * stretch**0.5) < radius * (0.9 + 0.1 * grain[part])
    where[part] |= inside
    dye[part] = np.where(inside, rng.uniform(0.55, 1.0), dye[part])
    return cy, cx, radius


def _light(eosin: Field, haematoxylin: Field, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What is seen through the dyes, with the noise of a camera: (y, x, c) uint8."""
    absorbed = eosin[..., None] * np.array(EOSIN) + haematoxylin[..., None] * np.array(HAEMATOXYLIN)
    seen = 243.0 * 10 ** -np.maximum(absorbed, 0.0)
    noisy: NDArray[np.uint8] = np.clip(seen + rng.normal(0, 3.5, seen.shape), 0, 255).astype(np.uint8)
    return noisy


def _strokes(truth: NDArray[np.uint8], centres: list[Centre], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Some of each class: in every sixth nucleus, on bare glass, in the stroma."""
    strokes = np.zeros(truth.shape, np.uint8)
    inside = [c for c in centres if 8 < c[0] < SIZE[0] - 8 and 8 < c[1] < SIZE[1] - 8]
    strokes_inside(strokes, truth == NUCLEUS, inside[::6], NUCLEUS, rng)
    strokes_between(strokes, ~grown(truth != GLASS, 2), (6, 26), GLASS, rng)
    strokes_between(strokes, ~grown(truth != STROMA, 2), (12, 30), STROMA, rng)
    return strokes
