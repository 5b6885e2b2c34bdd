"""The filters in two dimensions: one pass over a smoothed plane gives all features of a scale.

Down the columns first (five neighbouring lines), then along the line, where the neighbours are lanes slid
out of two vectors; nothing between the smoothed plane and the features is written to memory, save the
products of gradients, whose last five lines are kept in a ring.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from underbrush.core.features.kernels_smooth import (
    Scratch,
    Window,
    reflect_rows,
    reflected,
    smooth_plane,
)
from underbrush.core.features.kernels_vector import (
    LANES,
    absolute,
    after,
    before,
    evens,
    fma,
    inverse_power_below,
    larger,
    load,
    power_below,
    splat,
    sqrt,
    store,
)
from underbrush.jit import kernel

SMOOTHED, LAPLACE, MAGNITUDE, DIFFERENCE, TENSOR, HESSIAN, SLOTS = 0, 1, 2, 3, 4, 6, 8
"""Places of a scale's outputs: tensor and Hessian have two each, the largest eigenvalue first."""
REACH = 2
"""Half the length of a filter, at most."""
TENSOR_REACH = 3
"""The same for the structure tensor: derivative 1, then smoothing 2; or the other way round."""
RING = 2 * REACH + 1
PRODUCTS = 3
INNER, OUTER, OFFSET, TAPS = 8, 13, 16, 17
"""Places of taps: derivative and smoothing of the structure tensor, and what is added in the end."""


class FlatBuffers(NamedTuple):
    """Buffers of one thread for the flat filters, flat float32; see `Window` for the sizes."""

    smoothed: Any
    """The smoothed plane, in lines."""
    ring: Any
    """``RING`` times ``PRODUCTS`` lines: xx, xy, yy of the last rows."""
    stage: Any
    """Twice ``SLOTS`` lines, where not each pixel of a row is wanted."""


@kernel(forceinline=True)
def symmetric(c: Any, a1: Any, b1: Any, a2: Any, b2: Any, w0: Any, w1: Any, w2: Any) -> Any:
    """A symmetric filter of five taps."""
    return fma(w0, c, fma(w1, a1 + b1, w2 * (a2 + b2)))


@kernel(forceinline=True)
def slope(a1: Any, b1: Any, a2: Any, b2: Any, w1: Any, w2: Any) -> Any:
    """An antisymmetric filter of five taps; a before, b behind the centre."""
    return fma(w1, b1 - a1, w2 * (b2 - a2))


@kernel(forceinline=True)
def excess(c: Any, a1: Any, b1: Any, a2: Any, b2: Any) -> Any:
    """What the two nearest and the two next neighbours together have more than twice the centre.

    Second derivatives, and the change that smoothing makes, are sums of these: an offset cancels before it
    can cost digits.
    """
    twice = c + c
    return (a1 + b1) - twice, (a2 + b2) - twice


@kernel(forceinline=True)
def put_eigenvalues(target: Any, first: int, second: int, k: int, xx: Any, xy: Any, yy: Any) -> None:
    """Store the eigenvalues of [[xx, xy], [xy, yy]], the larger one at ``first``."""
    half, tiny = splat(np.float32(0.5)), splat(np.float32(1e-37))
    mean, apart = half * (xx + yy), half * (xx - yy)
    size = larger(larger(absolute(apart), absolute(xy)), tiny)
    unit = inverse_power_below(size)  # the tensor has squares of pixels: their squares again leave float32
    apart, xy = apart * unit, xy * unit
    root = power_below(size) * sqrt(fma(apart, apart, xy * xy))
    store(target, first + k, mean + root)
    store(target, second + k, mean - root)


@kernel(forceinline=True)
def down(p: Any, o: int, line: int, f: Any) -> Any:
    """Along y: smoothed, sloped, bent, narrowly smoothed, and the difference of the two smoothed ones."""
    a2, a1, c = load(p, o - 2 * line), load(p, o - line), load(p, o)
    b1, b2 = load(p, o + line), load(p, o + 2 * line)
    near, far = excess(c, a1, b1, a2, b2)
    wide, narrow = fma(f[1], near, f[2] * far), f[7] * near
    return c + wide, slope(a1, b1, a2, b2, f[3], f[4]), fma(f[5], near, f[6] * far), c + narrow, wide - narrow


@kernel()
def point_row(p: Any, o: int, line: int, n: int, taps: Any, target: Any, at: Any, start: int) -> None:
    """All filters but the structure tensor for ``n`` pixels of the line at ``p[o]``, in whole vectors.

    ``at[slot] + start`` is where in ``target`` they are written; a negative ``at`` is not wanted.
    """
    if n == 0:
        return
    f = (
        splat(taps[0]), splat(taps[1]), splat(taps[2]), splat(taps[3]), splat(taps[4]),
        splat(taps[5]), splat(taps[6]), splat(taps[7]),
    )  # fmt: skip
    offset = splat(taps[OFFSET])
    smoothed, laplace, magnitude, difference = at[SMOOTHED], at[LAPLACE], at[MAGNITUDE], at[DIFFERENCE]
    hessian, second = at[HESSIAN], at[HESSIAN + 1]
    target = target[start:]
    u0, v0, w0, d0, _ = down(p, o - LANES, line, f)
    u1, v1, w1, d1, e1 = down(p, o, line, f)
    for k in range(0, n, LANES):
        u2, v2, w2, d2, e2 = down(p, o + k + LANES, line, f)
        ua, ub, uc, ud = before(u0, u1, 2), before(u0, u1, 1), after(u1, u2, 1), after(u1, u2, 2)
        va, vb, vc, vd = before(v0, v1, 2), before(v0, v1, 1), after(v1, v2, 1), after(v1, v2, 2)
        near, far = excess(u1, ub, uc, ua, ud)
        if smoothed >= 0 or difference >= 0:
            wide = fma(f[1], near, f[2] * far)
            if smoothed >= 0:
                store(target, smoothed + k, (u1 + wide) + offset)
            if difference >= 0:
                narrow = f[7] * ((before(d0, d1, 1) + after(d1, d2, 1)) - (d1 + d1))
                store(target, difference + k, e1 + (wide - narrow))
        if magnitude >= 0:
            gx = slope(ub, uc, ua, ud, f[3], f[4])
            gy = symmetric(v1, vb, vc, va, vd, f[0], f[1], f[2])
            store(target, magnitude + k, sqrt(fma(gx, gx, gy * gy)))
        if laplace >= 0 or hessian >= 0:
            wa, wb, wc, wd = before(w0, w1, 2), before(w0, w1, 1), after(w1, w2, 1), after(w1, w2, 2)
            xx = fma(f[5], near, f[6] * far)
            yy = symmetric(w1, wb, wc, wa, wd, f[0], f[1], f[2])
            if laplace >= 0:
                store(target, laplace + k, xx + yy)
            if hessian >= 0:
                xy = slope(vb, vc, va, vd, f[3], f[4])
                put_eigenvalues(target, hessian, second, k, xx, xy, yy)
        u0, v0, w0, d0 = u1, v1, w1, d1
        u1, v1, w1, d1, e1 = u2, v2, w2, d2, e2


@kernel(forceinline=True)
def product_reach(taps: Any) -> int:
    """Half the length of the smoothing of products: 1 if their derivative has five taps, else `REACH`."""
    return TENSOR_REACH - 2 if taps[INNER + 4] != 0 else REACH


@kernel(forceinline=True)
def down_narrow(p: Any, o: int, line: int, g0: Any, g1: Any, s1: Any) -> Any:
    """Smoothed and sloped along y with three taps."""
    a, c, b = load(p, o - line), load(p, o), load(p, o + line)
    return fma(g0, c, g1 * (a + b)), s1 * (b - a)


@kernel()
def product_row(p: Any, o: int, line: int, n: int, taps: Any, ring: Any, at: int) -> None:
    """Products xx, xy, yy of the gradient for ``n`` values (whole vectors) of the line at ``p[o]``."""
    g0, g1, s1 = splat(taps[INNER]), splat(taps[INNER + 1]), splat(taps[INNER + 3])
    u0, v0 = down_narrow(p, o, line, g0, g1, s1)
    u1, v1 = u0, v0
    for k in range(0, n, LANES):
        u2, v2 = down_narrow(p, o + k + LANES, line, g0, g1, s1)
        gx = s1 * (after(u1, u2, 1) - before(u0, u1, 1))
        gy = fma(g0, v1, g1 * (before(v0, v1, 1) + after(v1, v2, 1)))
        store(ring, at + k, gx * gx)
        store(ring, at + line + k, gx * gy)
        store(ring, at + 2 * line + k, gy * gy)
        u0, v0, u1, v1 = u1, v1, u2, v2


@kernel(forceinline=True)
def down_wide(p: Any, o: int, line: int, f: Any) -> Any:
    """Smoothed and sloped along y with the five taps of the structure tensor."""
    a2, a1, c = load(p, o - 2 * line), load(p, o - line), load(p, o)
    b1, b2 = load(p, o + line), load(p, o + 2 * line)
    return symmetric(c, a1, b1, a2, b2, f[0], f[1], f[2]), slope(a1, b1, a2, b2, f[3], f[4])


@kernel(forceinline=True)
def wide_taps(taps: Any) -> Any:
    """The derivative of the structure tensor, as vectors: Gaussian 3, slope 2."""
    return (
        splat(taps[INNER]), splat(taps[INNER + 1]), splat(taps[INNER + 2]),
        splat(taps[INNER + 3]), splat(taps[INNER + 4]),
    )  # fmt: skip


@kernel()
def wide_product_row(p: Any, o: int, line: int, n: int, taps: Any, ring: Any, at: int) -> None:
    """`product_row` with a derivative of five taps."""
    f = wide_taps(taps)
    u0, v0 = down_wide(p, o, line, f)
    u1, v1 = u0, v0
    for k in range(0, n, LANES):
        u2, v2 = down_wide(p, o + k + LANES, line, f)
        gx, gy = slope_along(u0, u1, u2, f[3], f[4]), along(v0, v1, v2, f[0], f[1], f[2])
        store(ring, at + k, gx * gx)
        store(ring, at + line + k, gx * gy)
        store(ring, at + 2 * line + k, gy * gy)
        u0, v0, u1, v1 = u1, v1, u2, v2


@kernel(forceinline=True)
def down_ring(ring: Any, o: int, r: Any, w0: Any, w1: Any, w2: Any) -> Any:
    """Five lines of one product, smoothed along y."""
    return symmetric(
        load(ring, o + r[2]), load(ring, o + r[1]), load(ring, o + r[3]),
        load(ring, o + r[0]), load(ring, o + r[4]), w0, w1, w2,
    )  # fmt: skip


@kernel(forceinline=True)
def along(a: Any, c: Any, b: Any, w0: Any, w1: Any, w2: Any) -> Any:
    """Smoothed along the line: a vector between its neighbours."""
    return symmetric(c, before(a, c, 1), after(c, b, 1), before(a, c, 2), after(c, b, 2), w0, w1, w2)


@kernel(forceinline=True)
def along_products(a: Any, c: Any, b: Any, w0: Any, w1: Any, w2: Any, near: bool) -> Any:
    """`along`, or if ``near`` with three taps: farther neighbours have not been computed."""
    if near:
        return fma(w0, c, w1 * (before(a, c, 1) + after(c, b, 1)))
    return along(a, c, b, w0, w1, w2)


@kernel(forceinline=True)
def slope_along(a: Any, c: Any, b: Any, w1: Any, w2: Any) -> Any:
    """Sloped along the line: a vector between its neighbours."""
    return slope(before(a, c, 1), after(c, b, 1), before(a, c, 2), after(c, b, 2), w1, w2)


@kernel()
def tensor_row(
    ring: Any, rows: Any, line: int, n: int, taps: Any, target: Any, at: Any, start: int
) -> None:  # fmt: skip
    """Eigenvalues of the smoothed products for ``n`` pixels from ``start`` on, as in `point_row`.

    ``rows`` are five offsets in the ring of pixel 0 of a row.
    """
    if n == 0:
        return
    target, ring = target[start:], ring[start:]
    w0, w1, w2 = splat(taps[OUTER]), splat(taps[OUTER + 1]), splat(taps[OUTER + 2])
    near = product_reach(taps) < REACH
    r = (rows[0], rows[1], rows[2], rows[3], rows[4])
    first, second = at[TENSOR], at[TENSOR + 1]
    x0, x1 = down_ring(ring, -LANES, r, w0, w1, w2), down_ring(ring, 0, r, w0, w1, w2)
    y0, y1 = down_ring(ring, line - LANES, r, w0, w1, w2), down_ring(ring, line, r, w0, w1, w2)
    z0, z1 = down_ring(ring, 2 * line - LANES, r, w0, w1, w2), down_ring(ring, 2 * line, r, w0, w1, w2)
    for k in range(0, n, LANES):
        x2 = down_ring(ring, k + LANES, r, w0, w1, w2)
        y2 = down_ring(ring, line + k + LANES, r, w0, w1, w2)
        z2 = down_ring(ring, 2 * line + k + LANES, r, w0, w1, w2)
        xx = along_products(x0, x1, x2, w0, w1, w2, near)
        xy = along_products(y0, y1, y2, w0, w1, w2, near)
        yy = along_products(z0, z1, z2, w0, w1, w2, near)
        put_eigenvalues(target, first, second, k, xx, xy, yy)
        x0, y0, z0, x1, y1, z1 = x1, y1, z1, x2, y2, z2


@kernel(forceinline=True)
def neighbour(k: int, reach: int) -> int:
    """How far the ``k``-th of five rows lies from the centre; the outer ones no farther than ``reach``.

    What is multiplied by 0 must have been computed: NaN would stay.
    """
    return min(max(k - REACH, -reach), reach)


@kernel(forceinline=True)
def mirror_line(ring: Any, start: int, w: Window) -> None:
    """Values of a line beyond the border of the plane, where smoothing reaches them, become mirrored ones.

    ``start`` is the offset of column 0 of the valid part.
    """
    for k in range(1, REACH + 1):
        if k > w.left:
            ring[start - k] = ring[start - w.left + reflected(w.left - k, w.wide)]
        right = w.width - 1 + k
        if w.left + right >= w.wide:
            ring[start + right] = ring[start - w.left + reflected(w.left + right, w.wide)]


@kernel(forceinline=True)
def direct(w: Window) -> bool:
    """Whether rows are written to the result itself: no pixel is skipped, and a vector fits in.

    Otherwise they go to a stage, from which `emit` copies what is wanted.
    """
    return w.step_x == 1 and w.width >= LANES


@kernel(forceinline=True)
def part_of_row(w: Window, part: int) -> Any:
    """Where a part of a row starts and how long it is: whole vectors, then one more that ends with the row.

    The second part computes some pixels again, to the same bytes; it is empty where the first covers all.
    """
    if not direct(w):
        return 0, w.width if part == 0 else 0
    rest = w.width % LANES
    if part == 0:
        return 0, w.width - rest
    return w.width - LANES, LANES if rest else 0


@kernel()
def emit(stage: Any, w: Window, y: int, at: Any, out: Any) -> None:
    """Copy each ``step_x``-th pixel of the staged rows of pixel row ``y`` to their places in ``out``.

    A row is copied when the next one has been staged (the stage holds two): to read what was written just now
    would wait until all that is on its way to memory has arrived. Nothing is done for rows before the first.
    """
    if y < 0 or direct(w):
        return
    n = -(-w.width // w.step_x)
    for slot in range(len(at)):
        if at[slot] >= 0:
            start = staged(w, y, slot, len(at))
            row, step = at[slot] + (y // w.step_y) * n, w.step_x
            while (
                step % 2 == 0 and n >= LANES
            ):  # every second value, by whole vectors, until none is left out
                step //= 2
                for k in range(0, -(-w.width // (w.step_x // step)), LANES):
                    pair = load(stage, start + 2 * k), load(stage, start + 2 * k + LANES)
                    store(stage, start + k, evens(pair[0], pair[1]))
            whole = n // LANES * LANES if step == 1 else 0
            for k in range(0, whole, LANES):
                store(out, row + k, load(stage, start + k))
            for k in range(whole, n):
                out[row + k] = stage[start + k * step]


@kernel(forceinline=True)
def staged(w: Window, y: int, slot: int, slots: int) -> int:
    """Where on the stage the row of an output lies."""
    return ((y // w.step_y) % 2 * slots + slot) * w.line


@kernel(forceinline=True)
def aim(spot: Any, at: Any, w: Window, y: int) -> None:
    """Where the rows of pixel row ``y`` go: into ``out`` itself, or to the stage if pixels are skipped."""
    for slot in range(len(at)):
        if at[slot] < 0:
            spot[slot] = -1
        elif direct(w):
            spot[slot] = at[slot] + (y // w.step_y) * w.width
        else:
            spot[slot] = staged(w, y, slot, len(at))


@kernel()
def keep_slots(at: Any, first: int, last: int, inside: bool, target: Any) -> bool:
    """Copy ``at`` with only the slots inside (or outside) ``first`` ... ``last`` wanted; is there any?"""
    found = False
    for slot in range(len(at)):
        target[slot] = at[slot] if (first <= slot < last) == inside else -1
        found = found or target[slot] >= 0
    return found


@kernel()
def flat_scale(
    turned: Any, w: Window, pre: Any, taps: Any, at: Any, scratch: Scratch, buffers: FlatBuffers, out: Any
) -> None:
    """All features of one scale of one plane.

    Parameters
    ----------
    turned
        Flat float32, the plane with rows for x and lanes for y, lanes mirrored.
    pre
        (radius + 1,) float32: taps of the smoothing.
    taps
        (TAPS,) float32: Gaussian 3, its slope 2, its bend 2, narrow Gaussian 1; of the structure tensor's
        derivative Gaussian 3 and slope 2, of its smoothing 3; each from the centre (slopes, bends and the
        narrow one from its neighbour) outwards, 0 where a kernel is shorter. Derivative and smoothing reach
        `TENSOR_REACH` together. The last is added to the smoothed image: what was taken off the pixels.
    at
        (SLOTS,) int64: where in ``out`` each output starts, negative where it is not wanted.
    out
        Flat float32.
    """
    radius = len(pre) - 1
    reflect_rows(scratch.xs, w.left - w.halo - radius, len(scratch.xs), w.wide, w.turned)
    smooth_plane(turned, w, pre, scratch, buffers.smoothed)
    p, ring, line = buffers.smoothed, buffers.ring, w.line
    spot, points, tensors = np.empty(SLOTS, np.int64), np.empty(SLOTS, np.int64), np.empty(SLOTS, np.int64)
    point = keep_slots(at, TENSOR, HESSIAN, False, points)
    tensor = keep_slots(at, TENSOR, HESSIAN, True, tensors)
    rows, reach = np.empty(RING, np.int64), product_reach(taps)
    wide = -(-(LANES + w.width + REACH) // LANES) * LANES
    target = out if direct(w) else buffers.stage
    for r in range(-reach, w.height + reach):
        o = (r + w.halo) * line
        near = r % w.step_y
        if tensor and 0 <= w.top + r < w.tall and (near <= reach or w.step_y - near <= reach):
            start = (r % RING) * PRODUCTS * line
            if reach == REACH:
                product_row(p, o, line, wide, taps, ring, start)
            else:
                wide_product_row(p, o, line, wide, taps, ring, start)
            for k in range(PRODUCTS):
                mirror_line(ring, start + k * line + LANES, w)
        if point and 0 <= r < w.height and near == 0:
            aim(spot, points, w, r)
            for part in range(2):
                start, n = part_of_row(w, part)
                point_row(p, o + LANES + start, line, n, taps, target, spot, start)
            emit(buffers.stage, w, r - w.step_y, points, out)
        y = r - reach
        if tensor and y >= 0 and y % w.step_y == 0:
            for k in range(RING):
                row = reflected(w.top + y + neighbour(k, reach), w.tall) - w.top
                rows[k] = (row % RING) * PRODUCTS * line + LANES
            aim(spot, tensors, w, y)
            for part in range(2):
                start, n = part_of_row(w, part)
                tensor_row(ring, rows, line, n, taps, target, spot, start)
            emit(buffers.stage, w, y - w.step_y, tensors, out)
    last = (w.height - 1) // w.step_y * w.step_y
    emit(buffers.stage, w, last, points, out)
    emit(buffers.stage, w, last, tensors, out)
