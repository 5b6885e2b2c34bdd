"""Eigenvalues of symmetric 3 x 3 matrices, vector by vector, without iteration.

For a matrix A without trace and the part N of A A without trace, the eigenvalues are
2 p cos(phi + 2 pi k / 3) with p = sqrt(A.A / 6) and 3 phi the angle between A and N (inner products of all
nine entries, because A.N = 3 det A and |A| |N| = 6 p^3). The usual way takes the arc cosine of
det A / (2 p^3), whose error is the root of the machine's precision when two eigenvalues are close. Here the
sine of the angle is computed as well, from the 2 x 2 minors of A and N (Lagrange's identity:
|A|^2 |N|^2 - (A.N)^2 is the sum of their squares), so that the error stays below 1e-6 of the largest entry,
always.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from underbrush.core.features.kernels_vector import (
    absolute,
    fma,
    inverse_power_below,
    larger,
    power_below,
    splat,
    sqrt,
    where_negative,
)
from underbrush.jit import kernel


def _sine_of_third() -> tuple[np.float32, ...]:
    """Coefficients c of sin(2/3 atan u) = u * sum(c[k] * u**(2 k)) on 0 <= u <= 1, to 1e-8."""
    v = (1 - np.cos(np.pi * (np.arange(64) + 0.5) / 64)) / 2
    u = np.sqrt(v)
    fit = np.polynomial.Polynomial.fit(v, np.sin(2 / 3 * np.arctan(u)) / u, 9, domain=[0, 1], window=[0, 1])
    return tuple(np.float32(c) for c in fit.coef)


C0, C1, C2, C3, C4, C5, C6, C7, C8, C9 = _sine_of_third()


@kernel(forceinline=True)
def _polynomial(v: Any) -> Any:
    s = fma(splat(C9), v, splat(C8))
    s = fma(s, v, splat(C7))
    s = fma(s, v, splat(C6))
    s = fma(s, v, splat(C5))
    s = fma(s, v, splat(C4))
    s = fma(s, v, splat(C3))
    s = fma(s, v, splat(C2))
    s = fma(s, v, splat(C1))
    return fma(s, v, splat(C0))


@kernel(forceinline=True)
def _pair(x: Any, n: Any, a: Any, b: Any, na: Any, nb: Any) -> Any:
    """Squares of the minors of an entry off the diagonal with the three on it, halved."""
    u = fma(a, n, -(x * na))
    v = fma(b, n, -(x * nb))
    return fma(u, u, fma(v, v, u * v))


@kernel(forceinline=True)
def eigenvalues(xx: Any, xy: Any, xz: Any, yy: Any, yz: Any, zz: Any) -> Any:
    """Three vectors, largest first."""
    one, tiny = splat(np.float32(1)), splat(np.float32(1e-37))
    third, sixth = splat(np.float32(1 / 3)), splat(np.float32(1 / 6))
    mean = ((xx + yy) + zz) * third
    a, b, c = xx - mean, yy - mean, zz - mean
    size = larger(larger(absolute(a), absolute(b)), larger(absolute(c), absolute(xy)))
    size = larger(larger(size, tiny), larger(absolute(xz), absolute(yz)))
    unit, size = inverse_power_below(size), power_below(size)
    a, b, c, d, e, f = a * unit, b * unit, c * unit, xy * unit, xz * unit, yz * unit
    dd, ee, ff = d * d, e * e, f * f
    na, nb, nc = fma(a, a, dd + ee), fma(b, b, dd + ff), fma(c, c, ee + ff)
    total = (na + nb) + nc
    middle = total * third
    na, nb, nc = na - middle, nb - middle, nc - middle
    nd, ne, nf = fma(e, f, -(c * d)), fma(d, f, -(b * e)), fma(d, e, -(a * f))
    off = fma(d, nd, fma(e, ne, f * nf))
    dot = fma(a, na, fma(b, nb, fma(c, nc, off + off)))
    m, de, df, ef = a * nb - b * na, d * ne - e * nd, d * nf - f * nd, e * nf - f * ne
    outside = fma(de, de, fma(df, df, ef * ef))
    mixed = _pair(d, nd, a, b, na, nb) + _pair(e, ne, a, b, na, nb) + _pair(f, nf, a, b, na, nb)
    mixed = mixed + outside
    sine = sqrt(fma(splat(np.float32(3)) * m, m, splat(np.float32(4)) * mixed))
    p = sqrt(total * sixth)
    u = sine / larger(fma(total, p, absolute(dot)), tiny)
    s = u * _polynomial(u * u)
    half = p * sqrt(one - s * s)
    apart = splat(np.float32(np.sqrt(3.0))) * p * s
    far = half + half
    low = where_negative(dot, -far, -(half + apart))
    centre = where_negative(dot, half - apart, apart - half)
    high = where_negative(dot, half + apart, far)
    return fma(high, size, mean), fma(centre, size, mean), fma(low, size, mean)
