"""Small looks at an image: its histogram, its contrast, one pixel, a thumbnail. All of bounded cost."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Shape5
from underbrush.core.looking import Place, level_size
from underbrush.errors import UsageError
from underbrush.sources.base import Image
from underbrush.web.planes import read_plane

BINS = 256
LOW, HIGH = 0.1, 99.9
"""Percentiles of the automatic contrast."""
THUMBNAIL = (128, 96)
"""Columns and rows that a thumbnail has at most."""
PICTURE = (960, 640)
"""Columns and rows of the picture below the table of images at most."""

_FRAMES = 6
_BLOCK = 64
_BLOCKS = 8
_WHOLE = 1 << 20
_CENTRE = 4096


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often which values come in a sample of one channel."""

    edges: NDArray[np.float64]
    """(bins + 1,)"""
    counts: NDArray[np.int64]
    """(bins,)"""
    auto: tuple[float, float]
    """The percentiles 0.1 and 99.9, low below high."""

    def to_json(self) -> dict[str, Any]:
        """For the browser."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist(), "auto": list(self.auto)}


def histogram(image: Image, channel: int, cancelled: Callable[[], bool] = lambda: False) -> Histogram:
    """The histogram of a sample of one channel; what is not finite is left out.

    Raises
    ------
    UsageError
        No such channel.
    ImageError
        The file cannot be read.
    """
    if not 0 <= channel < image.shape5[1]:
        raise UsageError(f"channel {channel} is asked for and there are {image.shape5[1]}")
    parts = []
    for box in sample_boxes(image.shape5, channel):
        if cancelled():
            break
        parts.append(image.read(box).reshape(-1))
    values = np.concatenate(parts) if parts else np.zeros(0)
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if values.size == 0:
        return Histogram(np.array([0.0, 1.0]), np.zeros(1, np.int64), (0.0, 1.0))
    values = values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    whole = image.dtype.kind in "bui" and high - low < BINS
    edges = np.arange(low, high + 2) if whole else np.linspace(low, _above(low, high), BINS + 1)
    counts, _ = np.histogram(values, edges)
    first, last = (float(v) for v in np.percentile(values, (LOW, HIGH)))
    return Histogram(edges, counts.astype(np.int64), (first, _above(first, last)))


def _above(low: float, high: float) -> float:
    """``high``, or something above ``low`` where both are the same."""
    return high if high > low else low + max(1.0, abs(low) * 1e-6)


def sample_boxes(shape: Shape5, channel: int) -> Iterator[Box]:
    """Where a sample of one channel is taken: whole frames if small, else 8 x 8 blocks of each of a few."""
    nt, _, nz, ny, nx = shape
    frames = [(t, z) for t in _spread(nt, 3) for z in _spread(nz, _FRAMES if nt == 1 else 2)]
    for t, z in frames:
        for y0, y1 in _pieces(ny, ny * nx):
            for x0, x1 in _pieces(nx, ny * nx):
                yield Box((t, channel, z, y0, x0), (t + 1, channel + 1, z + 1, y1, x1))


def _pieces(size: int, pixels: int) -> list[tuple[int, int]]:
    if pixels <= _WHOLE or size <= _BLOCK * _BLOCKS:
        return [(0, size)]
    return [(a, a + _BLOCK) for a in np.linspace(0, size - _BLOCK, _BLOCKS).astype(int).tolist()]


def _spread(size: int, most: int) -> list[int]:
    """At most ``most`` places among ``size``, evenly, never only the ends."""
    n = min(size, most)
    return [int((i + 0.5) * size / n) for i in range(n)]


def pixel(image: Image, where: tuple[int, int, int, int]) -> list[int | float | None]:
    """The values of all channels at t, z, y, x; None where one is not finite (JSON knows no NaN).

    Raises
    ------
    UsageError
        Outside of the image.
    """
    t, z, y, x = where
    box = Box((t, 0, z, y, x), (t + 1, image.shape5[1], z + 1, y + 1, x + 1))
    if not Box.whole(image.shape5).contains(box):
        raise UsageError(f"the pixel t {t}, z {z}, y {y}, x {x} lies outside of the image")
    values = image.read(box).reshape(-1)
    if values.dtype.kind == "f":
        return [float(v) if np.isfinite(v) else None for v in values]
    return [int(v) for v in values]


def is_rgb(image: Image) -> bool:
    """Whether the channels are the colours red, green and blue (with or without transparency)."""
    colours = image.shape5[1] - (image.info.alpha is not None)
    return colours == 3 and image.dtype == np.uint8 and not image.info.channels


def thumbnail(image: Image, cancelled: Callable[[], bool] = lambda: False) -> bytes:
    """A PNG of the middle slice of the first frame, at most 128 x 96, grey or in colours.

    Of images that are too large to be read whole for this, their middle.
    """
    shape = image.shape5
    level = _level_for(shape, THUMBNAIL)
    rows, columns = (level_size(n, 1 << level) for n in shape[3:])
    place = _readable(image, Place(0, "xy", shape[2] // 2, level, 0, 0, columns, rows))
    values = read_plane(image, place, (0, 1, 2) if is_rgb(image) else (0,), cancelled).astype(np.float64)
    return _png(values, (0.0, 255.0) if is_rgb(image) else _range(values[np.isfinite(values)]), THUMBNAIL)


def large_picture(
    image: Image, where: tuple[int, int, int], cancelled: Callable[[], bool] = lambda: False
) -> bytes:
    """A PNG of the plane at ``where`` (t, z, c), at most 960 x 640, of the contrast that a new image has.

    Images of colours are shown in colours, whatever channel is asked for. Of planes that are too large to be
    read whole for this, their middle.

    Raises
    ------
    UsageError
        There is no such plane.
    ImageError
        The file cannot be read.
    """
    (t, z, c), shape = where, image.shape5
    if not (t < shape[0] and z < shape[2] and c < shape[1]):
        raise UsageError(f"the plane t {t}, z {z}, c {c} lies outside of the image")
    level = _level_for(shape, PICTURE)
    rows, columns = (level_size(n, 1 << level) for n in shape[3:])
    place = _readable(image, Place(t, "xy", z, level, 0, 0, columns, rows))
    colours = is_rgb(image)
    values = read_plane(image, place, (0, 1, 2) if colours else (c,), cancelled).astype(np.float64)
    return _png(values, (0.0, 255.0) if colours else histogram(image, c, cancelled).auto, PICTURE)


def _readable(image: Image, place: Place) -> Place:
    """The whole plane at a level, or its middle where too much would have to be read for it."""
    shape, level = image.shape5, place.level
    if len(image.levels) > 1 or shape[3] * shape[4] <= 16 * _CENTRE**2:
        return place
    across, down = min(place.width, max(1, _CENTRE >> level)), min(place.height, max(1, _CENTRE >> level))
    x, y = (place.width - across) // 2, (place.height - down) // 2
    return Place(place.t, "xy", place.slice, level, x, y, across, down)


def _png(values: NDArray[np.float64], contrast: tuple[float, float], most: tuple[int, int]) -> bytes:
    """Channels x rows x columns, one or three channels, as a PNG of at most these columns and rows."""
    from PIL import Image as Pictures  # noqa: PLC0415  (not needed by who starts without one)

    low, high = contrast
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.clip((values - low) / (high - low) * 255.0, 0, 255)
    grey = np.nan_to_num(scaled).astype(np.uint8)
    picture = Pictures.fromarray(np.ascontiguousarray(grey.transpose(1, 2, 0)) if len(grey) == 3 else grey[0])
    picture.thumbnail(most, Pictures.Resampling.BOX)
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def _range(finite: NDArray[np.float64]) -> tuple[float, float]:
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, (LOW, HIGH)))
    return low, _above(low, high)


def _level_for(shape: Shape5, most: tuple[int, int]) -> int:
    """The coarsest level that still has as many pixels as a picture along one axis."""
    level = 0
    while any(level_size(n, 2 << level) >= edge for n, edge in zip(shape[4:2:-1], most, strict=True)):
        level += 1
    return level
