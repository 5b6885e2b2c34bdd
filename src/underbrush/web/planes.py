"""What a browser shows of an image: boxes of its planes at a level, in numbers that a texture takes.

Which pixel stands for a pixel of a level is said in `core.looking`, once for pictures and predictions. Where
a file has a pyramid its own smaller images are taken instead as far as they go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, Shape5
from underbrush.core.label_map import LabelMap
from underbrush.core.looking import MAX_LEVEL, PLANES, Place, first_pixel, inside, plane_steps
from underbrush.errors import UsageError
from underbrush.sources.base import Image

TILE = 256
"""Edge of a tile of the viewer, in pixels of its level."""
MOST_VALUES = 16 << 20
"""Values that one answer may hold."""
BAND_BYTES = 32 << 20
"""What is read at once where most of it is thrown away again."""
DENSE = 4
"""Up to this step whole bands are read and thinned out; above it only the rows that are shown."""

Cancelled = Callable[[], bool]
Axis = NDArray[np.intp]
"""The indices that are wanted along an axis, ascending."""


class CancelledError(Exception):
    """Nobody waits for the answer any more."""


def levels_of(shape: Shape5) -> int:
    """How many levels the viewer has: at the last one y and x fit into one tile."""
    longest = max(shape[3], shape[4])
    return 1 + max(0, (-(-longest // TILE) - 1).bit_length())


def clipped(place: Place, shape: Shape5) -> Place:
    """The part of a place that lies inside an image of ``shape``.

    Raises
    ------
    UsageError
        Nothing of it does, or it is more than one answer may hold.
    """
    x0, y0, x1, y1 = inside(
        (place.x, place.y, place.x + place.width, place.y + place.height), shape, place.plane, place.level
    )
    still = shape[AXES.index(PLANES[place.plane][2])]
    there = 0 <= place.t < shape[0] and 0 <= place.slice < still and 0 <= place.level <= MAX_LEVEL
    if not there or x0 >= x1 or y0 >= y1:
        raise UsageError(
            f"the place {place} lies outside of the image {shape} (t c z y x)", remedy="ask for a part of it"
        )
    if (x1 - x0) * (y1 - y0) > MOST_VALUES:
        raise UsageError(f"{x1 - x0} x {y1 - y0} pixels are too much at once", remedy="ask for smaller boxes")
    return Place(place.t, place.plane, place.slice, place.level, x0, y0, x1 - x0, y1 - y0)


def read_plane(
    image: Image, place: Place, channels: Sequence[int], cancelled: Cancelled = lambda: False
) -> NDArray[Any]:
    """The pixels of a place inside the image as (c, rows, columns), little-endian uint8, uint16 or float32.

    Raises
    ------
    CancelledError
        ``cancelled`` said so.
    UsageError
        A channel that is not there, or too much at once.
    ImageError
        The file cannot be read.
    """
    count = image.shape5[1]
    if not channels or any(not 0 <= c < count for c in channels):
        raise UsageError(f"the channels {list(channels)} are asked for and there are {count}")
    if len(channels) * place.width * place.height > MOST_VALUES:
        raise UsageError(
            f"{place.width} x {place.height} pixels of {len(channels)} channels are too much at once",
            remedy="ask for smaller boxes",
        )
    level, wanted = wanted_pixels(image, place)
    parts = [_strided(image, level, wanted, run, cancelled) for run in _consecutive(channels)]
    whole = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    return shown(place.turned(whole[0]))


def read_outside(mask: Image, place: Place, cancelled: Cancelled = lambda: False) -> NDArray[np.uint8]:
    """1 outside of the mask and 0 inside, (rows, columns), of the pixels that `read_plane` gives of an image.

    Raises
    ------
    CancelledError, UsageError, ImageError
        As `read_plane`.
    """
    here = place if mask.shape5[0] > 1 else replace(place, t=0)
    values = read_plane(mask, here, range(mask.shape5[1]), cancelled)
    return np.ascontiguousarray(~(values > 0).any(axis=0), np.uint8)


def shown(values: NDArray[Any]) -> NDArray[Any]:
    """Values in a type that a texture takes: uint8 and uint16 stay, bool is 0 and 1, all else is float32."""
    if values.dtype.kind == "b" or values.dtype == np.uint8:
        kind = "<u1"
    elif values.dtype == np.uint16:
        kind = "<u2"
    else:
        kind = "<f4"
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32: infinite, and shown so
        return np.ascontiguousarray(values, dtype=kind)


def read_labels(labels: LabelMap, place: Place, shape: Shape5) -> NDArray[np.uint8]:
    """The class ids of a place inside an image of ``shape``, (rows, columns).

    Zoomed out, a pixel has a label as soon as one of the pixels that it stands for has: thin strokes stay in
    sight. Of several ids it is the highest.
    """
    if place.level == 0:
        read = labels.read(place.pixels(shape).box.replace(c=(0, 1)))
        return np.ascontiguousarray(place.turned(read[0])[0])
    across, down = plane_steps(place.plane, place.level)
    columns, rows, still = ("zyx".index(a) + 1 for a in PLANES[place.plane])
    runs, ids = labels.rows()
    ends = runs[:, :4].copy()
    ends[:, 3] += runs[:, 4] - 1
    # First and last pixel of each run in pixels of the level; only the x axis has any length.
    left, right = runs[:, columns] // across - place.x, ends[:, columns] // across - place.x
    line = runs[:, rows] // down - place.y
    hit = (runs[:, 0] == place.t) & (line >= 0) & (line < place.height)
    hit &= (runs[:, still] <= place.slice) & (ends[:, still] >= place.slice)
    hit &= (right >= 0) & (left < place.width)
    left, right = np.maximum(left[hit], 0), np.minimum(right[hit], place.width - 1)
    lengths = right - left + 1
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    out = np.zeros((place.height, place.width), np.uint8)
    where = (np.repeat(line[hit], lengths), np.repeat(left, lengths) + offset)
    np.maximum.at(out, where, np.repeat(ids[hit], lengths))
    return out


def wanted_pixels(image: Image, place: Place) -> tuple[int, list[Axis]]:
    """Which of the images of the file to read, and the wanted indices along its t, c (all), z, y and x.

    The smallest image that is no coarser than the level is taken; z is never halved but in the plane xy.
    """
    full = image.shape5
    level, factors = _stored_level(image, place)
    size = image.level_shape5(level)
    columns, rows, still = PLANES[place.plane]
    steps = dict(zip((columns, rows), plane_steps(place.plane, place.level), strict=True))
    starts = {columns: (place.x, place.width), rows: (place.y, place.height)}
    found: list[Axis] = [np.array([place.t]), np.arange(full[1])]
    for axis, factor in zip("zyx", factors, strict=True):
        n = size[AXES.index(axis)]
        if axis == still:
            indices = np.array([place.slice // factor])
        else:
            step = steps[axis] // factor
            start, count = starts[axis]
            indices = (start + np.arange(count)) * step + first_pixel(n, step)
        # A smaller image may lack the last, incomplete group: its last pixel stands for that.
        found.append(np.minimum(indices, n - 1).astype(np.intp))
    return level, found


def _stored_level(image: Image, place: Place) -> tuple[int, tuple[int, int, int]]:
    """The image of the file to read, and by how much it is smaller along z, y, x."""
    full = image.shape5
    best, factors = 0, (1, 1, 1)
    for index in range(1, len(image.levels)):
        size = image.level_shape5(index)
        factor, depth = _factor(full[3], size[3]), _factor(full[2], size[2])
        if factor is None or depth is None or size[:2] != full[:2]:
            continue
        fits = _divided(full[4], size[4], factor) and factors[1] < factor <= 1 << place.level
        if fits and (depth == 1 or place.plane == "xy"):
            reached = (depth, factor, factor)
            # In zy and xz the axis that stands still may have been halved as well: its index follows.
            best, factors = index, reached
    return best, factors


def _factor(full: int, small: int) -> int | None:
    """The power of two by which an axis was divided, rounded either way; None where it was not so."""
    factor = 1
    while factor <= full:
        if _divided(full, small, factor):
            return factor
        factor *= 2
    return None


def _divided(full: int, small: int, factor: int) -> bool:
    return small in {max(1, full // factor), -(-full // factor)}


def _consecutive(channels: Sequence[int]) -> list[tuple[int, int]]:
    """Channels as runs (first, behind the last), in the order asked for."""
    runs: list[tuple[int, int]] = []
    for c in channels:
        if runs and runs[-1][1] == c:
            runs[-1] = (runs[-1][0], c + 1)
        else:
            runs.append((c, c + 1))
    return runs


def _strided(
    image: Image, level: int, wanted: list[Axis], channels: tuple[int, int], cancelled: Cancelled
) -> NDArray[Any]:
    """The pixels at ``wanted`` as an array t c z y x, read in bands of bounded size."""
    axis = 3 if len(wanted[3]) > 1 else 2  # bands are cut along y, or along z where there is one y only
    lines = wanted[axis]
    step = int(np.diff(lines).max()) if len(lines) > 1 else 1
    line_bytes = image.dtype.itemsize * (channels[1] - channels[0])
    for a in {2, 3, 4} - {axis}:
        line_bytes *= int(wanted[a][-1] - wanted[a][0]) + 1
    at_once = max(1, BAND_BYTES // (line_bytes * max(1, step))) if step <= DENSE else 1
    parts = []
    for first in range(0, len(lines), at_once):
        if cancelled():
            raise CancelledError
        chosen = list(wanted)
        chosen[1] = np.arange(*channels)
        chosen[axis] = lines[first : first + at_once]
        parts.append(_thinned(image, level, chosen))
    return np.concatenate(parts, axis=axis) if len(parts) > 1 else parts[0]


def _thinned(image: Image, level: int, wanted: list[Axis]) -> NDArray[Any]:
    """Read the box around the wanted pixels and keep these."""
    t, c, z, y, x = ((int(w[0]), int(w[-1]) + 1) for w in wanted)
    block = image.read(Box((t[0], c[0], z[0], y[0], x[0]), (t[1], c[1], z[1], y[1], x[1])), level)
    for axis, indices in enumerate(wanted):
        if len(indices) != block.shape[axis] or (np.diff(indices) != 1).any():
            block = np.take(block, indices - indices[0], axis=axis)
    return block
