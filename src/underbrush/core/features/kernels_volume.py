"""The filters in three dimensions: planes stream through a ring, as rows do in two.

Smoothing along z is done first, for all planes; each is then smoothed along x and y into the ring of the last
five, from which the filters of the plane in the middle are computed line by line: across the planes, down
the lines, along the line. Gradients go through a ring of five planes of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from underbrush.core.features.kernels_eigen import eigenvalues
from underbrush.core.features.kernels_flat import (
    INNER,
    OFFSET,
    OUTER,
    REACH,
    RING,
    TENSOR_REACH,
    aim,
    along,
    along_products,
    direct,
    down_ring,
    down_wide,
    emit,
    excess,
    keep_slots,
    mirror_line,
    neighbour,
    part_of_row,
    product_reach,
    slope,
    slope_along,
    symmetric,
    wide_taps,
)
from underbrush.core.features.kernels_smooth import (
    Scratch,
    Window,
    reflect_rows,
    reflected,
    smooth_near,
    smooth_plane,
)
from underbrush.core.features.kernels_vector import LANES, after, before, fma, load, splat, sqrt, store
from underbrush.jit import kernel

SMOOTHED, LAPLACE, MAGNITUDE, DIFFERENCE, TENSOR, HESSIAN, SLOTS = 0, 1, 2, 3, 4, 7, 10
"""Places of a scale's outputs: tensor and Hessian have three each, the largest eigenvalue first."""
ACROSS = 5
"""What is made of five planes, along z: smoothed, sloped, bent, narrowly smoothed, and the difference of the
two smoothed ones."""
GRADIENT = 3
"""x, y, z."""
PRODUCTS = 6
"""xx, xy, xz, yy, yz, zz."""


class Depth(NamedTuple):
    """The third axis of a `Window`."""

    depth: int
    """Planes of the valid part."""
    front: int
    """Where it starts in the block."""
    deep: int
    """Planes of the block."""
    step: int
    """Only each such plane is wanted."""
    stride: int
    """Values from plane to plane of the block, turned."""
    across: int
    """Values from plane to plane, smoothed along z."""
    first: int
    """First turned row of the block that this scale needs."""
    lane: int
    """First lane of the block that this scale needs."""
    length: int
    """Length of a turned row, smoothed along z."""
    result: int
    """Values of a slice of a result."""


class VolumeBuffers(NamedTuple):
    """Buffers of one thread for the filters of volumes; flat."""

    across: Any
    """float32: planes smoothed along z, turned, from ``-halo`` to ``depth + halo``."""
    zs: Any
    """int64 offsets of planes, mirrored."""
    smoothed: Any
    """float32: ``RING`` smoothed planes, in lines."""
    lines: Any
    """float32: ``RING`` times ``PRODUCTS`` lines, combined across planes."""
    gradients: Any
    """float32: ``RING`` times ``GRADIENT`` planes of ``height + 2 * REACH`` lines."""
    stage: Any
    """float32: twice ``SLOTS`` lines, where not each pixel of a row is wanted."""


@kernel()
def smooth_depth(volume: Any, d: Depth, w: Window, turned: int, pre: Any, buffers: VolumeBuffers) -> None:
    """Smooth the turned rows of all planes along z; in ``volume`` their length is ``turned``."""
    radius = len(pre) - 1
    reflect_rows(buffers.zs, d.front - w.halo - radius, len(buffers.zs), d.deep, d.stride)
    for x in range(w.wide):
        smooth_near(
            volume, buffers.zs, d.depth, w.halo, d.step, (d.first + x) * turned + d.lane, w.lanes, pre,
            buffers.across, x * d.length, d.across,
        )  # fmt: skip


@kernel()
def across_row(p: Any, o: Any, n: int, taps: Any, lines: Any, at: int, line: int) -> None:
    """The ``ACROSS`` combinations along z of the lines at ``p[o[k]]``, ``n`` values of each."""
    g1, g2, s1, s2 = splat(taps[1]), splat(taps[2]), splat(taps[3]), splat(taps[4])
    b1, b2, n1 = splat(taps[5]), splat(taps[6]), splat(taps[7])
    o0, o1, o2, o3, o4 = o[0], o[1], o[2], o[3], o[4]
    for k in range(0, n, LANES):
        u, v, c, x, y = load(p, o0 + k), load(p, o1 + k), load(p, o2 + k), load(p, o3 + k), load(p, o4 + k)
        near, far = excess(c, v, x, u, y)
        wide, narrow = fma(g1, near, g2 * far), n1 * near
        store(lines, at + k, c + wide)
        store(lines, at + line + k, slope(v, x, u, y, s1, s2))
        store(lines, at + 2 * line + k, fma(b1, near, b2 * far))
        store(lines, at + 3 * line + k, c + narrow)
        store(lines, at + 4 * line + k, wide - narrow)


@kernel(forceinline=True)
def down_lines(q: Any, o: int, r: Any, line: int, f: Any) -> Any:
    """Along y, of five lines of each combination made along z; the names of orders are z y."""
    a2, a1, c, b1, b2 = (
        load(q, o + r[0]),
        load(q, o + r[1]),
        load(q, o + r[2]),
        load(q, o + r[3]),
        load(q, o + r[4]),
    )
    near, far = excess(c, a1, b1, a2, b2)
    wide = fma(f[1], near, f[2] * far)
    s00, s01, s02 = c + wide, slope(a1, b1, a2, b2, f[3], f[4]), fma(f[5], near, f[6] * far)
    o += line
    a2, a1, c, b1, b2 = (
        load(q, o + r[0]),
        load(q, o + r[1]),
        load(q, o + r[2]),
        load(q, o + r[3]),
        load(q, o + r[4]),
    )
    s10 = symmetric(c, a1, b1, a2, b2, f[0], f[1], f[2])
    s11 = slope(a1, b1, a2, b2, f[3], f[4])
    o += line
    a2, a1, c, b1, b2 = (
        load(q, o + r[0]),
        load(q, o + r[1]),
        load(q, o + r[2]),
        load(q, o + r[3]),
        load(q, o + r[4]),
    )
    s20 = symmetric(c, a1, b1, a2, b2, f[0], f[1], f[2])
    o += line
    c = load(q, o + r[2])
    narrow = f[7] * ((load(q, o + r[1]) + load(q, o + r[3])) - (c + c))
    difference = load(q, o + line + r[2]) + (wide - narrow)
    return s00, s01, s02, s10, s11, s20, c + narrow, difference


@kernel()
def volume_row(
    q: Any, rows: Any, line: int, n: int, taps: Any, target: Any, at: Any, start: int
) -> None:  # fmt: skip
    """All filters but the structure tensor for ``n`` pixels from ``start`` on, in whole vectors.

    ``rows`` are five offsets in ``q`` of pixel 0 of a row; ``at[slot] + start`` is where in ``target`` an
    output is written, a negative ``at`` is not wanted.
    """
    if n == 0:
        return
    target, q = target[start:], q[start:]
    f = (
        splat(taps[0]), splat(taps[1]), splat(taps[2]), splat(taps[3]), splat(taps[4]),
        splat(taps[5]), splat(taps[6]), splat(taps[7]),
    )  # fmt: skip
    g0, g1, g2, s1, s2 = f[0], f[1], f[2], f[3], f[4]
    offset = splat(taps[OFFSET])
    r = (rows[0], rows[1], rows[2], rows[3], rows[4])
    smoothed, laplace, magnitude, difference = at[SMOOTHED], at[LAPLACE], at[MAGNITUDE], at[DIFFERENCE]
    high, centre, low = at[HESSIAN], at[HESSIAN + 1], at[HESSIAN + 2]
    u0, v0, w0, a0, b0, c0, d0, _ = down_lines(q, -LANES, r, line, f)
    u1, v1, w1, a1, b1, c1, d1, e1 = down_lines(q, 0, r, line, f)
    for k in range(0, n, LANES):
        u2, v2, w2, a2, b2, c2, d2, e2 = down_lines(q, k + LANES, r, line, f)
        near, far = excess(u1, before(u0, u1, 1), after(u1, u2, 1), before(u0, u1, 2), after(u1, u2, 2))
        if smoothed >= 0 or difference >= 0:
            wide = fma(g1, near, g2 * far)
            if smoothed >= 0:
                store(target, smoothed + k, (u1 + wide) + offset)
            if difference >= 0:
                narrow = f[7] * ((before(d0, d1, 1) + after(d1, d2, 1)) - (d1 + d1))
                store(target, difference + k, e1 + (wide - narrow))
        if magnitude >= 0:
            gx = slope_along(u0, u1, u2, s1, s2)
            gy, gz = along(v0, v1, v2, g0, g1, g2), along(a0, a1, a2, g0, g1, g2)
            store(target, magnitude + k, sqrt(fma(gx, gx, fma(gy, gy, gz * gz))))
        if laplace >= 0 or high >= 0:
            xx = fma(f[5], near, f[6] * far)
            yy, zz = along(w0, w1, w2, g0, g1, g2), along(c0, c1, c2, g0, g1, g2)
            if laplace >= 0:
                store(target, laplace + k, (xx + yy) + zz)
            if high >= 0:
                xy, xz = slope_along(v0, v1, v2, s1, s2), slope_along(a0, a1, a2, s1, s2)
                yz = along(b0, b1, b2, g0, g1, g2)
                largest, middle, smallest = eigenvalues(xx, xy, xz, yy, yz, zz)
                store(target, high + k, largest)
                store(target, centre + k, middle)
                store(target, low + k, smallest)
        u0, v0, w0, a0, b0, c0, d0 = u1, v1, w1, a1, b1, c1, d1
        u1, v1, w1, a1, b1, c1, d1, e1 = u2, v2, w2, a2, b2, c2, d2, e2


@kernel(forceinline=True)
def gradient_columns(p: Any, o: Any, k: int, line: int, g0: Any, g1: Any, s1: Any) -> Any:
    """Of three lines in three planes: smoothed twice; sloped along y; sloped along z."""
    a, c, b = load(p, o[0] + k - line), load(p, o[1] + k - line), load(p, o[2] + k - line)
    u0, v0 = fma(g0, c, g1 * (a + b)), s1 * (b - a)
    a, c, b = load(p, o[0] + k), load(p, o[1] + k), load(p, o[2] + k)
    u1, v1 = fma(g0, c, g1 * (a + b)), s1 * (b - a)
    a, c, b = load(p, o[0] + k + line), load(p, o[1] + k + line), load(p, o[2] + k + line)
    u2, v2 = fma(g0, c, g1 * (a + b)), s1 * (b - a)
    return fma(g0, u1, g1 * (u0 + u2)), s1 * (u2 - u0), fma(g0, v1, g1 * (v0 + v2))


@kernel()
def gradient_row(
    p: Any, offsets: Any, line: int, n: int, taps: Any, gradients: Any, at: int, plane: int
) -> None:
    """The gradient for ``n`` values (whole vectors) of the lines at ``p[offsets[k]]``.

    Its x, y and z are written from ``at``, ``at + plane`` and ``at + 2 * plane`` on.
    """
    g0, g1, s1 = splat(taps[INNER]), splat(taps[INNER + 1]), splat(taps[INNER + 3])
    o = (offsets[0], offsets[1], offsets[2])
    x0, y0, z0 = gradient_columns(p, o, 0, line, g0, g1, s1)
    x1, y1, z1 = x0, y0, z0
    for k in range(0, n, LANES):
        x2, y2, z2 = gradient_columns(p, o, k + LANES, line, g0, g1, s1)
        gx = s1 * (after(x1, x2, 1) - before(x0, x1, 1))
        gy = fma(g0, y1, g1 * (before(y0, y1, 1) + after(y1, y2, 1)))
        gz = fma(g0, z1, g1 * (before(z0, z1, 1) + after(z1, z2, 1)))
        store(gradients, at + k, gx)
        store(gradients, at + plane + k, gy)
        store(gradients, at + 2 * plane + k, gz)
        x0, y0, z0, x1, y1, z1 = x1, y1, z1, x2, y2, z2


@kernel(forceinline=True)
def wide_gradient_columns(p: Any, o: Any, k: int, line: int, f: Any) -> Any:
    """`gradient_columns` of five lines in five planes."""
    u0, v0 = down_wide(p, o[0] + k, line, f)
    u1, v1 = down_wide(p, o[1] + k, line, f)
    u2, v2 = down_wide(p, o[2] + k, line, f)
    u3, v3 = down_wide(p, o[3] + k, line, f)
    u4, v4 = down_wide(p, o[4] + k, line, f)
    smoothed = symmetric(u2, u1, u3, u0, u4, f[0], f[1], f[2])
    return smoothed, symmetric(v2, v1, v3, v0, v4, f[0], f[1], f[2]), slope(u1, u3, u0, u4, f[3], f[4])


@kernel()
def wide_gradient_row(
    p: Any, offsets: Any, line: int, n: int, taps: Any, gradients: Any, at: int, plane: int
) -> None:
    """`gradient_row` with a derivative of five taps."""
    f = wide_taps(taps)
    o = (offsets[0], offsets[1], offsets[2], offsets[3], offsets[4])
    x0, y0, z0 = wide_gradient_columns(p, o, 0, line, f)
    x1, y1, z1 = x0, y0, z0
    for k in range(0, n, LANES):
        x2, y2, z2 = wide_gradient_columns(p, o, k + LANES, line, f)
        store(gradients, at + k, slope_along(x0, x1, x2, f[3], f[4]))
        store(gradients, at + plane + k, along(y0, y1, y2, f[0], f[1], f[2]))
        store(gradients, at + 2 * plane + k, along(z0, z1, z2, f[0], f[1], f[2]))
        x0, y0, z0, x1, y1, z1 = x1, y1, z1, x2, y2, z2


@kernel(forceinline=True)
def add_products(x: Any, y: Any, z: Any, w: Any, sums: Any) -> Any:
    """``sums`` (xx, xy, xz, yy, yz, zz) with the products of a gradient, times ``w``, added."""
    wx, wy = w * x, w * y
    return (
        fma(wx, x, sums[0]),
        fma(wx, y, sums[1]),
        fma(wx, z, sums[2]),
        fma(wy, y, sums[3]),
        fma(wy, z, sums[4]),
        fma(w * z, z, sums[5]),
    )


@kernel()
def across_products(
    gradients: Any, o: Any, plane: int, n: int, taps: Any, lines: Any, at: int, line: int
) -> None:
    """Products of gradients smoothed along z: ``n`` values of the lines at ``o[k]`` of five planes.

    Gradients are kept instead of their products, because half as much memory is then read five times.
    """
    w0, w1, w2 = splat(taps[OUTER]), splat(taps[OUTER + 1]), splat(taps[OUTER + 2])
    zero = splat(np.float32(0))
    o0, o1, o2, o3, o4 = o[0], o[1], o[2], o[3], o[4]
    for k in range(0, n, LANES):
        y, z = plane + k, 2 * plane + k
        s = (zero, zero, zero, zero, zero, zero)
        s = add_products(load(gradients, o0 + k), load(gradients, o0 + y), load(gradients, o0 + z), w2, s)
        s = add_products(load(gradients, o4 + k), load(gradients, o4 + y), load(gradients, o4 + z), w2, s)
        s = add_products(load(gradients, o1 + k), load(gradients, o1 + y), load(gradients, o1 + z), w1, s)
        s = add_products(load(gradients, o3 + k), load(gradients, o3 + y), load(gradients, o3 + z), w1, s)
        s = add_products(load(gradients, o2 + k), load(gradients, o2 + y), load(gradients, o2 + z), w0, s)
        store(lines, at + k, s[0])
        store(lines, at + line + k, s[1])
        store(lines, at + 2 * line + k, s[2])
        store(lines, at + 3 * line + k, s[3])
        store(lines, at + 4 * line + k, s[4])
        store(lines, at + 5 * line + k, s[5])


@kernel()
def volume_tensor_row(
    q: Any, rows: Any, line: int, n: int, taps: Any, target: Any, at: Any, start: int
) -> None:  # fmt: skip
    """Eigenvalues of the smoothed products for ``n`` pixels from ``start`` on, as in `volume_row`."""
    if n == 0:
        return
    target, q = target[start:], q[start:]
    g0, g1, g2 = splat(taps[OUTER]), splat(taps[OUTER + 1]), splat(taps[OUTER + 2])
    near = product_reach(taps) < REACH
    r = (rows[0], rows[1], rows[2], rows[3], rows[4])
    o1, o2, o3, o4, o5 = line, 2 * line, 3 * line, 4 * line, 5 * line
    a0, a1 = down_ring(q, -LANES, r, g0, g1, g2), down_ring(q, 0, r, g0, g1, g2)
    b0, b1 = down_ring(q, o1 - LANES, r, g0, g1, g2), down_ring(q, o1, r, g0, g1, g2)
    c0, c1 = down_ring(q, o2 - LANES, r, g0, g1, g2), down_ring(q, o2, r, g0, g1, g2)
    d0, d1 = down_ring(q, o3 - LANES, r, g0, g1, g2), down_ring(q, o3, r, g0, g1, g2)
    e0, e1 = down_ring(q, o4 - LANES, r, g0, g1, g2), down_ring(q, o4, r, g0, g1, g2)
    f0, f1 = down_ring(q, o5 - LANES, r, g0, g1, g2), down_ring(q, o5, r, g0, g1, g2)
    for k in range(0, n, LANES):
        m = k + LANES
        a2, b2 = down_ring(q, m, r, g0, g1, g2), down_ring(q, o1 + m, r, g0, g1, g2)
        c2, d2 = down_ring(q, o2 + m, r, g0, g1, g2), down_ring(q, o3 + m, r, g0, g1, g2)
        e2, f2 = down_ring(q, o4 + m, r, g0, g1, g2), down_ring(q, o5 + m, r, g0, g1, g2)
        xx = along_products(a0, a1, a2, g0, g1, g2, near)
        xy = along_products(b0, b1, b2, g0, g1, g2, near)
        xz = along_products(c0, c1, c2, g0, g1, g2, near)
        yy = along_products(d0, d1, d2, g0, g1, g2, near)
        yz = along_products(e0, e1, e2, g0, g1, g2, near)
        zz = along_products(f0, f1, f2, g0, g1, g2, near)
        high, centre, low = eigenvalues(xx, xy, xz, yy, yz, zz)
        store(target, at[TENSOR] + k, high)
        store(target, at[TENSOR + 1] + k, centre)
        store(target, at[TENSOR + 2] + k, low)
        a0, b0, c0, d0, e0, f0 = a1, b1, c1, d1, e1, f1
        a1, b1, c1, d1, e1, f1 = a2, b2, c2, d2, e2, f2


@kernel(forceinline=True)
def near_step(r: int, step: int, reach: int) -> bool:
    """Whether row or plane ``r`` is within ``reach`` of a wanted one."""
    rest = r % step
    return rest <= reach or step - rest <= reach


@kernel()
def point_plane(
    z: int, planes: Any, d: Depth, w: Window, taps: Any, at: Any, buffers: VolumeBuffers, out: Any
) -> None:
    """All filters but the structure tensor for plane ``z``; ``planes``: offsets of five smoothed planes."""
    line = w.line
    count = 2 * LANES + -(-w.width // LANES) * LANES
    o, rows = np.empty(RING, np.int64), np.empty(RING, np.int64)
    spot, here = np.empty(SLOTS, np.int64), np.empty(SLOTS, np.int64)
    for slot in range(SLOTS):
        here[slot] = at[slot] + (z // d.step) * d.result if at[slot] >= 0 else -1
    target = out if direct(w) else buffers.stage
    for r in range(-REACH, w.height + REACH):
        if near_step(r, w.step_y, REACH):
            for k in range(RING):
                o[k] = planes[k] + (r + w.halo) * line
            across_row(buffers.smoothed, o, count, taps, buffers.lines, (r % RING) * ACROSS * line, line)
        y = r - REACH
        if y >= 0 and y % w.step_y == 0:
            for k in range(RING):
                rows[k] = ((y + k - REACH) % RING) * ACROSS * line + LANES
            aim(spot, here, w, y)
            for part in range(2):
                start, n = part_of_row(w, part)
                volume_row(buffers.lines, rows, line, n, taps, target, spot, start)
            emit(buffers.stage, w, y - w.step_y, here, out)
    emit(buffers.stage, w, (w.height - 1) // w.step_y * w.step_y, here, out)


@kernel()
def tensor_plane(z: int, d: Depth, w: Window, taps: Any, at: Any, buffers: VolumeBuffers, out: Any) -> None:
    """The structure tensor's eigenvalues for plane ``z``, from the ring of gradients."""
    line, reach = w.line, product_reach(taps)
    plane = (w.height + 2 * REACH) * line
    count = 2 * LANES + -(-w.width // LANES) * LANES
    planes, o, rows = np.empty(RING, np.int64), np.empty(RING, np.int64), np.empty(RING, np.int64)
    spot, here = np.empty(SLOTS, np.int64), np.empty(SLOTS, np.int64)
    for slot in range(SLOTS):
        here[slot] = at[slot] + (z // d.step) * d.result if at[slot] >= 0 else -1
    for k in range(RING):
        mirrored = reflected(d.front + z + neighbour(k, reach), d.deep) - d.front
        planes[k] = (mirrored % RING) * GRADIENT * plane
    target = out if direct(w) else buffers.stage
    for r in range(-reach, w.height + reach):
        if 0 <= w.top + r < w.tall and near_step(r, w.step_y, reach):
            for k in range(RING):
                o[k] = planes[k] + (r + REACH) * line
            across_products(
                buffers.gradients, o, plane, count, taps, buffers.lines, (r % RING) * PRODUCTS * line, line
            )
        y = r - reach
        if y >= 0 and y % w.step_y == 0:
            for k in range(RING):
                row = reflected(w.top + y + neighbour(k, reach), w.tall) - w.top
                rows[k] = (row % RING) * PRODUCTS * line + LANES
            aim(spot, here, w, y)
            for part in range(2):
                start, n = part_of_row(w, part)
                volume_tensor_row(buffers.lines, rows, line, n, taps, target, spot, start)
            emit(buffers.stage, w, y - w.step_y, here, out)
    emit(buffers.stage, w, (w.height - 1) // w.step_y * w.step_y, here, out)


@kernel()
def gradient_plane(z: int, planes: Any, w: Window, taps: Any, buffers: VolumeBuffers) -> None:
    """The gradient of plane ``z`` into its ring; ``planes`` are offsets of three or five smoothed planes."""
    line, reach = w.line, product_reach(taps)
    plane = (w.height + 2 * REACH) * line
    wide = -(-(LANES + w.width + REACH) // LANES) * LANES
    o = np.empty(RING, np.int64)
    for r in range(-reach, w.height + reach):
        if 0 <= w.top + r < w.tall and near_step(r, w.step_y, reach):
            for k in range(RING):
                o[k] = planes[k] + (r + w.halo) * line
            start = (z % RING) * GRADIENT * plane + (r + REACH) * line
            if reach == REACH:
                gradient_row(buffers.smoothed, o, line, wide, taps, buffers.gradients, start, plane)
            else:
                wide_gradient_row(buffers.smoothed, o, line, wide, taps, buffers.gradients, start, plane)
            for k in range(GRADIENT):
                mirror_line(buffers.gradients, start + k * plane + LANES, w)


@kernel()
def volume_scale(
    d: Depth, w: Window, pre: Any, taps: Any, at: Any, scratch: Scratch, buffers: VolumeBuffers, out: Any
) -> None:
    """All features of one scale of a block that `smooth_depth` has smoothed along z.

    Parameters are those of `kernels_flat.flat_scale`; the window counts rows and lanes of ``buffers.across``.
    """
    radius = len(pre) - 1
    reflect_rows(scratch.xs, w.left - w.halo - radius, len(scratch.xs), w.wide, d.length)
    size = (w.height + 2 * w.halo + 4) * w.line
    points, tensors = np.empty(SLOTS, np.int64), np.empty(SLOTS, np.int64)
    point = keep_slots(at, TENSOR, HESSIAN, False, points)
    tensor = keep_slots(at, TENSOR, HESSIAN, True, tensors)
    planes, reach = np.empty(RING, np.int64), product_reach(taps)
    slopes = TENSOR_REACH - reach
    for i in range(d.depth + 2 * w.halo):
        z = i - w.halo
        rest = z % d.step
        if rest <= w.halo or d.step - rest <= w.halo:
            slot = (i % RING) * size
            smooth_plane(
                buffers.across[i * d.across :], w, pre, scratch, buffers.smoothed[slot : slot + size]
            )
        z = i - w.halo - slopes
        wanted = 0 <= d.front + z < d.deep and near_step(z, d.step, reach)
        if tensor and wanted and -reach <= z < d.depth + reach:
            for k in range(2 * slopes + 1):
                planes[k] = ((i - 2 * slopes + k) % RING) * size
            gradient_plane(z, planes, w, taps, buffers)
        z = i - w.halo - REACH
        if point and 0 <= z < d.depth and z % d.step == 0:
            for k in range(RING):
                planes[k] = ((i - 4 + k) % RING) * size
            point_plane(z, planes, d, w, taps, points, buffers, out)
        z = i - w.halo - TENSOR_REACH
        if tensor and z >= 0 and z % d.step == 0:
            tensor_plane(z, d, w, taps, tensors, buffers, out)
