"""Fill and lasso: from a seed or an outline to the pixels of a plane.

A plane is "xy" (rows y, columns x), "xz" (rows z, columns x) or "zy" (rows y, columns z). In outlines
pixel k covers k to k + 1, so its centre is k + 0.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from underbrush.core.components import connected
from underbrush.core.geometry import Box, Shape5
from underbrush.core.runs import MAX_PIXELS, Runs
from underbrush.errors import CommandError

Plane = Literal["xy", "xz", "zy"]
Pixel = tuple[int, int, int, int]
"""t, z, y, x."""
PLANES: dict[str, tuple[str, str, str]] = {
    "xy": ("y", "x", "z"),
    "xz": ("z", "x", "y"),
    "zy": ("y", "z", "x"),
}
"""Plane -> axis of its rows, of its columns, and the one that it does not show."""
FILL_LIMIT = 1 << 20
"""Pixels that a fill takes at most."""
_FIRST_WINDOW = 128
_LAST_WINDOW = 2048
"""How far from the seed a fill looks at first and at last, in pixels."""
MAX_CROSSINGS = 1 << 22

Reader = Callable[[Box], NDArray[Any]]
"""Values of a box, t c z y x."""


@dataclass(frozen=True, slots=True)
class Filled:
    """The pixels of a fill."""

    runs: Runs
    capped: bool
    """There would be more: the fill ended at its limit."""


def fill_equal(read: Reader, seed: Pixel, plane: Plane, shape: Shape5) -> Filled:
    """The pixels of the plane that have the seed's label and hang together with it.

    ``read`` gives class ids, c 0 to 1. Where there is a label pixels that meet in a corner hang together,
    so that thin slanted strokes stay whole; where there is none they do not, so that such strokes hold.
    """
    label = int(read(_at(seed)).item())

    def same(box: Box) -> NDArray[np.bool_]:
        equal: NDArray[np.bool_] = read(box) == label
        return equal

    return _grown(same, seed, plane, shape, label != 0)


def fill_similar(read: Reader, seed: Pixel, plane: Plane, shape: Shape5, tolerance: float) -> Filled:
    """The pixels of the plane whose values differ from the seed's by at most ``tolerance`` in each channel.

    They hang together with the seed by their edges. ``read`` gives an image of ``shape`` (t c z y x); of
    no more than one channel at once.
    """
    channels = [(k, k + 1) for k in range(shape[1])]
    values = [float(read(_at(seed).replace(c=c)).item()) for c in channels]

    def same(box: Box) -> NDArray[np.bool_]:
        alike = np.ones(box.shape, np.bool_)
        for c, value in zip(channels, values, strict=True):
            # Through float64: differences of unsigned numbers would wrap.
            alike &= np.abs(read(box.replace(c=c)).astype(np.float64) - value) <= tolerance
        return alike

    return _grown(same, seed, plane, shape, False)


def lasso(points: NDArray[np.float64], plane: Plane, t: int, slice_: int, shape: Shape5) -> Runs:
    """The pixels whose centres lie inside an outline, by the even-odd rule.

    Parameters
    ----------
    points
        (n, 2) column and row; the last is joined to the first.
    slice_
        Index along the axis that the plane does not show.

    The browser echoes the same pixels (`web/viewer/lasso.js`), so the rule is exact. A row of pixels is cut
    by the line through its centres, ``row + 0.5``. An edge is taken from its upper end (x0, y0) to its lower
    end (x1, y1) and cut where ``y0 <= row + 0.5 < y1``, at ``x0 + (row + 0.5 - y0) / (y1 - y0) * (x1 - x0)``
    in float64. Of the sorted cuts of a row each two hold the pixels from ``ceil(first - 0.5)`` to before
    ``ceil(second - 0.5)``.

    Raises
    ------
    CommandError
        Points that are not finite, too many cuts, or more pixels than a command may set.
    """
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > 1 << 31:
        raise CommandError("the outline has a point far outside", remedy="draw it inside the image")
    rows, columns, _ = PLANES[plane]
    height, width = _size(rows, shape), _size(columns, shape)
    ends_x, ends_y = np.stack([points, np.roll(points, -1, axis=0)]).transpose(2, 1, 0)
    down = np.argsort(ends_y, axis=1, kind="stable")
    (x0, x1), (y0, y1) = (np.take_along_axis(v, down, axis=1).T for v in (ends_x, ends_y))
    low = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
    high = np.clip(np.ceil(y1 - 0.5), 0, height).astype(np.int64)
    n = high - low
    if int(n.sum()) > MAX_CROSSINGS:
        raise CommandError("the outline is too long", remedy="draw a shorter or simpler one")
    edge = np.repeat(np.arange(len(n)), n)
    ends = np.cumsum(n)
    row = np.arange(len(edge)) - np.repeat(ends - n, n) + np.repeat(low, n)
    cut = x0[edge] + (row + 0.5 - y0[edge]) / (y1[edge] - y0[edge]) * (x1[edge] - x0[edge])
    order = np.lexsort((cut, row))
    row, first = row[order], np.clip(np.ceil(cut[order] - 0.5), 0, width).astype(np.int64)
    found = np.column_stack([row[::2], first[::2], first[1::2] - first[::2]])
    found = found[found[:, 2] > 0]
    if int(found[:, 2].sum()) > MAX_PIXELS:
        raise CommandError(
            f"the outline holds {int(found[:, 2].sum())} pixels, at most {MAX_PIXELS} are taken",
            remedy="draw a smaller one",
        )
    return _in_image(found, plane, t, slice_)


def _grown(
    same: Callable[[Box], NDArray[np.bool_]], seed: Pixel, plane: Plane, shape: Shape5, corners: bool
) -> Filled:
    """Look around the seed in windows of growing size until what is found ends inside of one."""
    rows, columns, hidden = PLANES[plane]
    place = dict(zip("tzyx", seed, strict=True))
    at, size = (place[rows], place[columns]), (_size(rows, shape), _size(columns, shape))
    reach = _FIRST_WINDOW
    found = np.array([[at[0], at[1], 1]], np.int64)
    while True:
        low = [max(0, a - reach) for a in at]
        high = [min(n, a + reach + 1) for a, n in zip(at, size, strict=True)]
        box = _at(seed).replace(**{rows: (low[0], high[0]), columns: (low[1], high[1])})
        window = same(box).reshape(box.shape)[0, 0]
        flat = np.squeeze(window, "zyx".index(hidden))
        # The image has z before y, this plane has rows y and columns z.
        flat = flat.T if plane == "zy" else flat
        grown = _component(flat, at[0] - low[0], at[1] - low[1], corners)
        if int(grown[:, 2].sum()) > FILL_LIMIT:
            return Filled(_in_image(found, plane, seed[0], place[hidden]), True)
        ends = grown[:, 1] + grown[:, 2]
        open_ = (
            (low[0] > 0 and bool((grown[:, 0] == 0).any()))
            or (low[1] > 0 and bool((grown[:, 1] == 0).any()))
            or (high[0] < size[0] and bool((grown[:, 0] == flat.shape[0] - 1).any()))
            or (high[1] < size[1] and bool((ends == high[1] - low[1]).any()))
        )
        found = grown + np.array([low[0], low[1], 0])
        if not open_ or reach >= _LAST_WINDOW:
            return Filled(_in_image(found, plane, seed[0], place[hidden]), open_)
        reach *= 2


def _component(mask: NDArray[np.bool_], row: int, column: int, corners: bool) -> NDArray[np.int64]:
    """The pixels of ``mask`` (rows, columns) that hang together with one, as (n, 3) row, column, length.

    The pixel itself always belongs to them.
    """
    if not mask[row, column]:
        return np.array([[row, column, 1]], np.int64)
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, stops = np.argwhere(edges == 1), np.argwhere(edges == -1)
    runs = np.zeros((len(starts), 5), np.int32)
    runs[:, 2:4] = starts
    runs[:, 4] = stops[:, 1] - starts[:, 1]
    root = connected(runs, np.ones(len(runs), np.uint8), corners)
    hit = np.flatnonzero(
        (runs[:, 2] == row) & (runs[:, 3] <= column) & (column < runs[:, 3].astype(np.int64) + runs[:, 4])
    )
    found: NDArray[np.int64] = runs[root == root[hit[0]]][:, 2:5].astype(np.int64)
    return found


def _in_image(found: NDArray[np.int64], plane: Plane, t: int, slice_: int) -> Runs:
    """Runs (n, 3) row, column, length of a plane as runs of the image."""
    row, column, length = found.T
    constant = np.full(len(found), slice_)
    time = np.full(len(found), t)
    if plane == "xy":
        return Runs.from_array(np.column_stack([time, constant, row, column, length]))
    if plane == "xz":
        return Runs.from_array(np.column_stack([time, row, constant, column, length]))
    ends = np.cumsum(length)
    z = np.arange(int(length.sum())) - np.repeat(ends - length, length) + np.repeat(column, length)
    y = np.repeat(row, length)
    return Runs.from_positions(np.column_stack([np.full(len(z), t), z, y, np.full(len(z), slice_)]))


def _at(pixel: Pixel) -> Box:
    t, z, y, x = pixel
    return Box((t, 0, z, y, x), (t + 1, 1, z + 1, y + 1, x + 1))


def _size(axis: str, shape: Shape5) -> int:
    return shape["tczyx".index(axis)]
