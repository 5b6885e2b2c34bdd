"""The features as vigra computes them, for comparison; run by the system's Python that has vigra.

Usage: ``python3 vigra_features.py IMAGE.npy THREADS``: an image of two or three axes. For each line on
standard input all features are computed once, and the seconds are printed. Blocks of 512 x 512 pixels (of
volumes an equal part in x for each thread) with their halo are read, smoothed once a scale (window 3.5), and
filtered (window 2.0) on the part that is wanted, all through `vigra.filters`, which lets other threads run.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from math import ceil, sqrt

import numpy as np
import vigra.filters as vf

SCALES = (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
BLOCK = 512
HALO = ceil(3.5 * max(SCALES)) + ceil(3.5 * 0.7)


def features(block, start, stop, out):
    """All features of ``block[start:stop]`` (per axis), into ``out[k]``."""
    k = 0
    margin = [max(0, a - 6) for a in start], [min(n, b + 6) for n, b in zip(block.shape, stop, strict=True)]
    inside = (
        [a - m for a, m in zip(start, margin[0], strict=True)],
        [b - m for b, m in zip(stop, margin[0], strict=False)],
    )
    for s in SCALES:
        t = min(s, 1.0)
        sigma = sqrt(s * s - 1.0) if s > 1.0 else s
        p = vf.gaussianSmoothing(block, sigma, window_size=3.5, roi=margin)
        out[k] = vf.gaussianSmoothing(p, t, window_size=2.0, roi=inside)
        k += 1
        if s < 0.7:
            continue
        out[k] = vf.laplacianOfGaussian(p, t, window_size=2.0, roi=inside)
        out[k + 1] = vf.gaussianGradientMagnitude(p, t, window_size=2.0, roi=inside)
        out[k + 2] = vf.gaussianSmoothing(p, t, window_size=2.0, roi=inside)
        out[k + 2] -= vf.gaussianSmoothing(p, 0.66 * t, window_size=2.0, roi=inside)
        k += 3
        for values in (
            vf.structureTensorEigenvalues(p, t, 0.5 * t, window_size=2.0, roi=inside),
            vf.hessianOfGaussianEigenvalues(p, t, window_size=2.0, roi=inside),
        ):
            for e in range(values.shape[-1]):
                out[k] = values[..., e]
                k += 1
    return k


def work(image, size, out, corner):
    """One block, from its corner."""
    stop = [min(n, c + b) for n, c, b in zip(image.shape, corner, size, strict=True)]
    lo = [max(0, c - HALO) for c in corner]
    hi = [min(n, s + HALO) for n, s in zip(image.shape, stop, strict=True)]
    block = np.ascontiguousarray(
        image[tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))], dtype=np.float32
    )
    start = [c - a for c, a in zip(corner, lo, strict=True)]
    end = [s - a for s, a in zip(stop, lo, strict=True)]
    features(block, start, end, out[(slice(None), *(slice(a, b) for a, b in zip(corner, stop, strict=True)))])


def main():
    image, threads = np.load(sys.argv[1]), int(sys.argv[2])
    size = (BLOCK, BLOCK) if image.ndim == 2 else (*image.shape[:2], -(-image.shape[2] // threads))
    corners = [()]
    for n, b in zip(image.shape, size, strict=True):
        corners = [(*c, k) for c in corners for k in range(0, n, b)]
    count = 1 + (len(SCALES) - 1) * (4 + 2 * image.ndim)
    out = np.empty((count, *image.shape), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        for _ in sys.stdin:
            begin = time.perf_counter()
            list(pool.map(lambda c: work(image, size, out, c), corners))
            print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
