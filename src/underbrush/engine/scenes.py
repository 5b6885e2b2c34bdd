"""What tiles must know of the whole image they are cut from."""

from __future__ import annotations

import numpy as np

from underbrush.core.geometry import Box, Shape5
from underbrush.core.predict import Scene
from underbrush.sources.base import Image

SAMPLE = 16
"""Edge of the block in the middle of the image that its offset is taken from, in pixels."""


def scene_of(image: Image) -> Scene:
    """The scene of an image: depends on its pixels alone, not on what is asked of it.

    The offset is the median of a small block in the middle of the first frame, so that an image far above
    zero (a camera offset of 32768) loses no digits in float32. Bytes have no need of one.
    """
    shape = image.shape5
    volume = shape[2] > 1
    if image.dtype.itemsize == 1:
        return Scene(volume)
    values = image.read(_middle(shape)).astype(np.float64)
    finite = values[np.abs(values) <= np.finfo(np.float32).max]
    return Scene(volume, float(np.float32(np.median(finite))) if finite.size else 0.0)


def _middle(shape: Shape5) -> Box:
    starts = [0, 0, shape[2] // 2, *(max(0, (n - SAMPLE) // 2) for n in shape[3:])]
    stops = [
        1,
        shape[1],
        shape[2] // 2 + 1,
        *(min(n, a + SAMPLE) for n, a in zip(shape[3:], starts[3:], strict=True)),
    ]
    return Box(
        (starts[0], starts[1], starts[2], starts[3], starts[4]),
        (stops[0], stops[1], stops[2], stops[3], stops[4]),
    )
