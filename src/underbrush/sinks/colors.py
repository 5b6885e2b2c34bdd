"""Colours of classes as the palettes of files, so that a segmentation is never all black."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from underbrush.sinks.base import OutputSpec

Color = tuple[int, int, int]


def has_palette(spec: OutputSpec) -> bool:
    """Whether the values of a result are numbers of classes that a palette of 256 colours can show."""
    return spec.kind in {"segmentation", "labels"} and spec.dtype == np.uint8 and spec.shape[1] == 1


def palette(colors: tuple[Color, ...]) -> NDArray[np.uint8]:
    """(256, 3) uint8: value 0 black, values 1 to N the colours, beyond them colours of our own choice."""
    table = np.zeros((256, 3), np.uint8)
    table[1:] = [distinct(number) for number in range(255)]
    known = colors[:255]
    if known:
        table[1 : len(known) + 1] = known
    return table


def ramp(color: Color) -> NDArray[np.uint8]:
    """(3, 256) uint8: red, green and blue of values from black to the colour."""
    return np.linspace((0, 0, 0), color, 256).round().astype(np.uint8).T.copy()


def distinct(number: int) -> Color:
    """Bright colours far apart: each hue a golden angle on from the last."""
    red, green, blue = colorsys.hsv_to_rgb((0.12 + number * 0.6180339887498949) % 1, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
