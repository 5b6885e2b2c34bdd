"""Kernels that smooth: a symmetric sum over the rows of an array, and the turning that lets x be rows too.

Smoothing along an axis is always done across rows, where neighbours are whole aligned vectors. Images are
therefore turned once (rows become x), smoothed along x, turned back block by block, and smoothed along y.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from underbrush.core.features.kernels_vector import LANES, fma, load, splat, store, transpose_block
from underbrush.jit import kernel

ROWS = 4
"""Rows that `smooth` makes at a time; it may write up to ``ROWS - 1`` rows more than asked."""
COLUMNS = 2 * LANES
"""Columns that `smooth` makes at a time; it may write up to ``COLUMNS - 1`` columns more than asked."""


def rounded(n: int, unit: int = LANES) -> int:
    """The smallest multiple of ``unit`` that is not below ``n``."""
    return -(-n // unit) * unit


def row_length(n: int) -> int:
    """A length of rows (in values) for at least ``n`` values: an odd number of vectors.

    Rows of a power of two would all fall into the same lines of the first cache.
    """
    vectors = -(-n // LANES)
    return (vectors + 1 - vectors % 2) * LANES


@kernel()
def reflected(i: int, n: int) -> int:
    """Where index ``i`` of an axis of ``n`` pixels is found: mirrored without repeating the edge."""
    if n == 1:
        return 0
    i = abs(i) % (2 * (n - 1))
    return min(i, 2 * (n - 1) - i)


@kernel()
def reflect_rows(table: Any, first: int, count: int, n: int, stride: int) -> None:
    """Fill ``table[k]`` with the offset of row ``first + k``, mirrored into ``n`` rows ``stride`` apart."""
    for k in range(count):
        table[k] = reflected(first + k, n) * stride


@kernel()
def smooth(
    source: Any, table: Any, first: int, count: int, column: int, columns: int, taps: Any,
    target: Any, start: int, stride: int,
) -> None:  # fmt: skip
    """Rows ``first`` ... ``first + count`` of ``table``, each the sum of its neighbours times ``taps``.

    Parameters
    ----------
    source
        Flat float32.
    table
        int64 offsets of rows in ``source``; the neighbours of row k are k - radius ... k + radius.
    column, columns
        First column and their number.
    taps
        (radius + 1,) float32, the centre first. Summed from the outside inwards: small terms first.
    target, start, stride
        Flat float32; row ``first + k`` is written from ``start + k * stride`` on.

    Four rows by two vectors are summed side by side: rows share their loads, eight chains of sums hide
    the latency of the multiply-add.
    """
    radius = len(taps) - 1
    for c in range(0, columns, 2 * LANES):
        for k in range(0, count, 4):
            m = first + k
            x = column + c
            y = x + LANES
            p0, p1 = load(source, table[m - radius] + x), load(source, table[m + 1 - radius] + x)
            p2, p3 = load(source, table[m + 2 - radius] + x), load(source, table[m + 3 - radius] + x)
            q0, q1 = load(source, table[m + radius] + x), load(source, table[m + 1 + radius] + x)
            q2, q3 = load(source, table[m + 2 + radius] + x), load(source, table[m + 3 + radius] + x)
            r0, r1 = load(source, table[m - radius] + y), load(source, table[m + 1 - radius] + y)
            r2, r3 = load(source, table[m + 2 - radius] + y), load(source, table[m + 3 - radius] + y)
            s0, s1 = load(source, table[m + radius] + y), load(source, table[m + 1 + radius] + y)
            s2, s3 = load(source, table[m + 2 + radius] + y), load(source, table[m + 3 + radius] + y)
            a0 = splat(np.float32(0))
            a1, a2, a3, b0, b1, b2, b3 = a0, a0, a0, a0, a0, a0, a0
            for j in range(radius, 0, -1):
                w = splat(taps[j])
                a0, a1 = fma(w, p0 + q0, a0), fma(w, p1 + q1, a1)
                a2, a3 = fma(w, p2 + q2, a2), fma(w, p3 + q3, a3)
                b0, b1 = fma(w, r0 + s0, b0), fma(w, r1 + s1, b1)
                b2, b3 = fma(w, r2 + s2, b2), fma(w, r3 + s3, b3)
                low, high = table[m + 4 - j], table[m - 1 + j]
                p0, p1, p2, p3 = p1, p2, p3, load(source, low + x)
                q3, q2, q1, q0 = q2, q1, q0, load(source, high + x)
                r0, r1, r2, r3 = r1, r2, r3, load(source, low + y)
                s3, s2, s1, s0 = s2, s1, s0, load(source, high + y)
            w = splat(taps[0])
            at = start + k * stride + c
            store(target, at, fma(w, p0, a0))
            store(target, at + LANES, fma(w, r0, b0))
            store(target, at + stride, fma(w, p1, a1))
            store(target, at + stride + LANES, fma(w, r1, b1))
            store(target, at + 2 * stride, fma(w, p2, a2))
            store(target, at + 2 * stride + LANES, fma(w, r2, b2))
            store(target, at + 3 * stride, fma(w, p3, a3))
            store(target, at + 3 * stride + LANES, fma(w, r3, b3))


@kernel()
def mirror_ends(line: Any, start: int, n: int, before: int, after: int) -> None:
    """Continue ``n`` values at ``line[start]`` by ``before`` and ``after`` mirrored ones on either side."""
    for k in range(1, before + 1):
        line[start - k] = line[start + reflected(-k, n)]
    for k in range(after):
        line[start + n + k] = line[start + reflected(n + k, n)]


@kernel()
def turn_plane(
    plain: Any, stride: int, rows: int, columns: int, turned: Any, length: int, lane: int, ends: Any
) -> None:
    """Turn a plane and mirror its lanes.

    Parameters
    ----------
    plain
        Flat float32, rows of ``stride`` values; both numbers multiples of `LANES`, what lies beyond the
        plane's ``rows`` and ``columns`` is ignored.
    turned
        Flat float32, written: for each x a row of ``length`` values, that of y at ``lane + y``.
    ends
        int64: how many lanes to mirror before the first and behind the last.
    """
    for y in range(0, rows, LANES):
        for x in range(0, columns, LANES):
            transpose_block(plain, y * stride + x, stride, turned, x * length + lane + y, length)
    for x in range(columns):
        mirror_ends(turned, x * length + lane, rows, ends[0], ends[1])


class Window(NamedTuple):
    """Where things lie while one scale of one plane is computed. Numbers of pixels or values.

    A *turned* plane has a row for each x and, in it, a value for each y (a *lane*). A *line* is a row of
    the smoothed plane; its values start ``LANES`` before the valid part, so that this is aligned.
    """

    height: int
    width: int
    """Size of the valid part, which features are wanted for."""
    top: int
    left: int
    """Where the valid part starts in the plane."""
    tall: int
    wide: int
    """Size of the plane."""
    halo: int
    """Rows of the smoothed plane that are needed around the valid part."""
    step_y: int
    step_x: int
    """Only each such pixel of the valid part is wanted."""
    lane: int
    lanes: int
    """First lane, and number of lanes, of a turned row that this scale needs; multiples of `LANES`."""
    lead: int
    """The lane of the first valid row."""
    turned: int
    """Length of a turned row."""
    line: int
    """Length of a line."""


class Scratch(NamedTuple):
    """Buffers of one thread, reused from plane to plane; flat, their sizes are set by `Window`."""

    strip: Any
    """float32: some lanes, smoothed along x, still turned."""
    plane: Any
    """float32: all lanes, smoothed along x, turned back."""
    xs: Any
    """int64 offsets of turned rows, mirrored."""
    ys: Any
    """int64 offsets of lines."""


@kernel()
def smooth_near(
    source: Any, table: Any, n: int, halo: int, step: int, column: int, columns: int, taps: Any,
    target: Any, start: int, stride: int,
) -> None:  # fmt: skip
    """`smooth` rows ``-halo`` ... ``n + halo``; with a large ``step`` only those near a wanted row.

    ``table`` begins at row ``-halo - radius``. Row ``-halo`` is written at ``start``.
    """
    radius = len(taps) - 1
    if step < 2 * ROWS:
        smooth(source, table, radius, n + 2 * halo, column, columns, taps, target, start, stride)
        return
    for k in range(0, n, step):
        smooth(
            source, table, radius + k, 2 * halo + 1, column, columns, taps, target, start + k * stride, stride
        )


@kernel()
def smooth_plane(source: Any, w: Window, taps: Any, scratch: Scratch, target: Any) -> None:
    """Smooth a turned plane along x and y into lines.

    Line ``y + halo`` of ``target`` holds row y of the valid part, from ``-halo`` to ``height + halo``;
    its value ``LANES + x`` is column x.
    """
    radius = len(taps) - 1
    filled = LANES + w.width + w.halo
    for k in range(0, w.lanes, 2 * LANES):
        smooth_near(
            source, scratch.xs, w.width, w.halo, w.step_x, w.lane + k, 2 * LANES, taps,
            scratch.strip, (LANES - w.halo) * 2 * LANES, 2 * LANES,
        )  # fmt: skip
        for x in range(0, filled, LANES):
            for half in range(0, 2 * LANES, LANES):
                transpose_block(
                    scratch.strip,
                    x * 2 * LANES + half,
                    2 * LANES,
                    scratch.plane,
                    (k + half) * w.line + x,
                    w.line,
                )
    for k in range(len(scratch.ys)):
        scratch.ys[k] = min(w.lead - w.lane - w.halo - radius + k, w.lanes - 1) * w.line
    columns = -(-filled // (2 * LANES)) * 2 * LANES
    smooth_near(
        scratch.plane, scratch.ys, w.height, w.halo, w.step_y, 0, columns, taps, target, 0, w.line
    )  # fmt: skip
