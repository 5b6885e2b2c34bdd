"""The plain numpy twin of the feature kernels: slow, short, and the definition of every number.

Source of the formulas: ilastik's Pixel Classification (window-limited kernels, two smoothings). All sums
are in float64 in a fixed order of taps, so that a pixel's value does not depend on the block it is
computed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.catalog import (
    DOG_RATIO,
    FILTER_WINDOW,
    PRESMOOTH_WINDOW,
    filter_sigma,
    kernel_radius,
    presmooth_sigma,
    structure_sigmas,
)
from underbrush.core.features.selection import FeatureTerm

Volume = NDArray[np.float64]
"""(z, y, x) float64."""


def gaussian_taps(sigma: float, order: int, window: float) -> NDArray[np.float64]:
    """Taps of a Gaussian (order 0) or its first or second derivative, (2 * radius + 1,) float64.

    Order 0 sums to 1; order 1 answers 1 to the ramp x; order 2 has no mean and answers 1 to x * x / 2.
    """
    radius = kernel_radius(window, sigma)
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    g = np.exp(-x * x / (2.0 * sigma * sigma))
    if order == 0:
        return np.asarray(g / g.sum())
    if order == 1:
        d = x * g
        return np.asarray(d / (d * x).sum())
    d2 = (x * x / (sigma * sigma) - 1.0) * g
    d2 -= d2.mean()
    return np.asarray(d2 / (d2 * x * x / 2.0).sum())


def correlate(volume: Volume, taps: NDArray[np.float64], axis: int) -> Volume:
    """Sum of taps times neighbours along ``axis``, mirrored at the ends without repeating the edge."""
    radius = len(taps) // 2
    pad = [(0, 0)] * volume.ndim
    pad[axis] = (radius, radius)
    padded = np.pad(volume, pad, mode="reflect")
    n = volume.shape[axis]
    moved = np.moveaxis(padded, axis, 0)
    total = taps[0] * moved[0:n]
    for k in range(1, len(taps)):
        total = total + taps[k] * moved[k : k + n]
    return np.ascontiguousarray(np.moveaxis(total, 0, axis))


def _derive(
    volume: Volume, axes: Sequence[int], orders: Sequence[int], sigma: float, window: float
) -> Volume:
    for axis, order in zip(axes, orders, strict=True):
        volume = correlate(volume, gaussian_taps(sigma, order, window), axis)
    return volume


def presmooth(volume: Volume, scale: float, axes: Sequence[int]) -> Volume:
    """The image that all filters of a scale start from."""
    return _derive(volume, axes, [0] * len(axes), presmooth_sigma(scale), PRESMOOTH_WINDOW)


def filter_values(filter_id: str, p: Volume, scale: float, axes: Sequence[int]) -> list[Volume]:
    """The channels of one filter on a pre-smoothed image ``p``, filtered along ``axes``."""
    t = filter_sigma(scale)
    n = len(axes)
    zero = [0] * n

    def unit(*which: int) -> list[int]:
        return [sum(1 for w in which if w == a) for a in range(n)]

    if filter_id == "GaussianSmoothing":
        return [_derive(p, axes, zero, t, FILTER_WINDOW)]
    if filter_id == "LaplacianOfGaussian":
        pure = [_derive(p, axes, unit(a, a), t, FILTER_WINDOW) for a in range(n)]
        return [sum(pure[1:], start=pure[0])]
    if filter_id == "GaussianGradientMagnitude":
        first = [_derive(p, axes, unit(a), t, FILTER_WINDOW) for a in range(n)]
        return [np.sqrt(sum((d * d for d in first[1:]), start=first[0] * first[0]))]
    if filter_id == "DifferenceOfGaussians":
        wide = _derive(p, axes, zero, t, FILTER_WINDOW)
        return [wide - _derive(p, axes, zero, DOG_RATIO * t, FILTER_WINDOW)]
    pairs = [(a, b) for a in range(n) for b in range(a, n)]
    if filter_id.startswith("StructureTensorEigenvalues"):
        inner, outer = structure_sigmas(filter_id, scale)
        d = [_derive(p, axes, unit(a), inner, FILTER_WINDOW) for a in range(n)]
        entries = [_derive(d[a] * d[b], axes, zero, outer, FILTER_WINDOW) for a, b in pairs]
    else:
        entries = [_derive(p, axes, unit(a, b), t, FILTER_WINDOW) for a, b in pairs]
    return eigenvalues(entries)


def eigenvalues(entries: Sequence[Volume]) -> list[Volume]:
    """Eigenvalues, largest first, of symmetric matrices given by their upper triangle, row by row."""
    if len(entries) == 3:
        a, b, d = entries
        mean, half = (a + d) * 0.5, (a - d) * 0.5
        root = np.sqrt(half * half + b * b)
        return [mean + root, mean - root]
    xx, xy, xz, yy, yz, zz = entries
    matrix = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape((*xx.shape, 3, 3))
    values = np.linalg.eigvalsh(matrix)
    return [np.ascontiguousarray(values[..., k]) for k in (2, 1, 0)]


def features_reference(
    block: NDArray[Any], terms: Sequence[FeatureTerm], valid: tuple[slice, slice, slice]
) -> NDArray[np.float32]:
    """Features of the ``valid`` part of a block.

    Parameters
    ----------
    block
        (c, z, y, x), any real dtype and memory order, finite. Its edges are mirrored: they must be the
        image's own borders, or lie at least the reach of the features away from ``valid``.
    terms
        What to compute, in order; see `FeatureSelection.terms`.
    valid
        Slices of z, y, x inside the block.

    Returns
    -------
    (n_features, z, y, x) float32: for each term, for each channel, the eigenvalues or the one value.
    """
    raw = np.asarray(block).astype(np.float32).astype(np.float64)
    shape = tuple(len(range(*s.indices(n))) for s, n in zip(valid, raw.shape[1:], strict=True))
    smoothed: dict[tuple[float, bool, int], Volume] = {}
    out: list[NDArray[np.float32]] = []
    for term in terms:
        axes = (1, 2) if term.in_2d else (0, 1, 2)
        for channel in range(raw.shape[0]):
            key = (term.scale, term.in_2d, channel)
            if key not in smoothed:
                smoothed[key] = presmooth(raw[channel], term.scale, axes)
            for value in filter_values(term.filter_id, smoothed[key], term.scale, axes):
                out.append(value[valid].astype(np.float32))
    if not out:
        return np.empty((0, *shape), np.float32)
    return np.stack(out)
