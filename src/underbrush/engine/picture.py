"""A picture for people: image, strokes and result side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]
Picture = NDArray[np.uint8]
"""(y, x, 3) uint8."""

BACKDROP: Colour = (16, 20, 18)
CAPTION: Colour = (205, 214, 208)
FILL = 0.35
"""Share of the class colour where a segmentation is filled."""
GAP = 12
HEAD = 34
STRETCH = (0.1, 99.9)
"""Percentiles that become black and white."""


def grey_picture(pixels: NDArray[np.generic]) -> Picture:
    """(y, x) of any real dtype, stretched between its percentiles, as a grey picture."""
    values = pixels.astype(np.float64)
    low, high = np.percentile(values, STRETCH)
    grey = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.repeat((grey * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)


def with_strokes(picture: Picture, strokes: NDArray[np.uint8], colours: Sequence[Colour]) -> Picture:
    """The picture with strokes (y, x; 0 none, else the class) painted over it."""
    painted = (picture * 0.75).astype(np.uint8)
    for k, colour in enumerate(colours, start=1):
        painted[strokes == k] = colour
    return painted


def with_segmentation(picture: Picture, classes: NDArray[np.uint8], colours: Sequence[Colour]) -> Picture:
    """The picture with every class but the first filled lightly and outlined in its colour."""
    shown = picture.astype(np.float64)
    for k, colour in enumerate(colours[1:], start=2):
        inside = classes == k
        shown[inside] = (1 - FILL) * shown[inside] + FILL * np.array(colour)
        shown[inside & ~_eroded(inside)] = colour
    return (shown + 0.5).astype(np.uint8)


def side_by_side(panels: Sequence[Picture], captions: Sequence[str], scale: int = 1) -> Picture:
    """Panels of one size with a caption above each, each pixel drawn ``scale`` pixels wide."""
    panels = [np.repeat(np.repeat(p, scale, axis=0), scale, axis=1) for p in panels]
    height, width, _ = panels[0].shape
    n = len(panels)
    sheet = Pillow.new("RGB", (n * width + (n + 1) * GAP, height + HEAD + GAP), BACKDROP)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for i, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        left = GAP + i * (width + GAP)
        draw.text((left, HEAD / 2), caption, fill=CAPTION, font=font, anchor="lm")
        sheet.paste(Pillow.fromarray(panel), (left, HEAD))
    return np.asarray(sheet)


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose four neighbours all belong; those beyond the border count as belonging."""
    padded = np.pad(mask, 1, constant_values=True)
    middle = slice(1, -1)
    return np.asarray(
        mask & padded[:-2, middle] & padded[2:, middle] & padded[middle, :-2] & padded[middle, 2:]
    )
