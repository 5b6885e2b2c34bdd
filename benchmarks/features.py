"""How fast the features are, against vigra as ilastik drives it, in one interleaved run.

Usage: ``python benchmarks/features.py [2d] [3d] [--runs 7] [--threads 2] [--tile 1 256 256]``. Medians; both
sides compute all features of one image with the same number of threads. vigra is the system's
(`/usr/bin/python3`, Debian's python3-vigra); without it only our own time is printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from underbrush.core.features.compute import compute_features
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box, TileGrid

VIGRA = Path(__file__).parent / "vigra_features.py"
IMAGES = {"2d": (1024, 1024), "3d": (64, 256, 256)}
TARGETS = {"2d": 35, "3d": 15}


class Ours:
    """All features of an image, tile by tile on threads; all kept, or each tile's over the last one's."""

    def __init__(self, image, threads, tile, keep):
        self.volume = image.ndim == 3
        self.selection = FeatureSelection.all()
        self.terms = self.selection.terms(self.volume)
        self.image = image.reshape((1, 1, *((1,) * (3 - image.ndim)), *image.shape))
        shape = self.image.shape
        grid = TileGrid(Box.whole(shape), (1, 1, *tile), self.selection.halo(self.volume), shape)
        self.tiles = list(grid)
        self.count = self.selection.count(1, self.volume)
        self.pool = ThreadPoolExecutor(threads)
        self.local = threading.local()
        self.results = [self.fresh(k) for k in range(len(self.tiles))] if keep else None

    def fresh(self, k):
        return np.zeros((self.count, *self.tiles[k].valid.shape[2:]), np.float32)

    def result(self, k):
        if self.results is not None:
            return self.results[k]
        if getattr(self.local, "out", np.empty(0)).shape[1:] != self.tiles[k].valid.shape[2:]:
            self.local.out = self.fresh(k)
        return self.local.out

    def work(self, k):
        t = self.tiles[k]
        compute_features(
            self.image[t.read.slices][0],
            self.terms,
            t.valid.relative_to(t.read).slices[2:],
            out=self.result(k),
        )

    def run(self):
        begin = time.perf_counter()
        list(self.pool.map(self.work, range(len(self.tiles))))
        return time.perf_counter() - begin


class Vigra:
    """The same in a process of the system's Python."""

    def __init__(self, image, threads, folder):
        np.save(folder / "image.npy", image)
        command = ["/usr/bin/python3", str(VIGRA), str(folder / "image.npy"), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return float(answer) if answer else float("nan")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def scikit_image(image, threads):
    """Seconds of scikit-image's own filter bank: other filters, so only the order of magnitude compares."""
    from skimage.feature import multiscale_basic_features

    begin = time.perf_counter()
    features = multiscale_basic_features(image, sigma_min=0.7, sigma_max=10, num_sigma=6, workers=threads)
    return time.perf_counter() - begin, features.shape[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=["2d", "3d"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skimage", action="store_true", help="scikit-image too, once")
    parser.add_argument("--tile", type=int, nargs="*")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    for kind in args.kinds:
        image = rng.integers(0, 256, IMAGES[kind]).astype(np.uint8)
        tile = {"2d": (1, 256, 256), "3d": (64, 128, 256)}[kind] if args.tile is None else tuple(args.tile)
        ours = Ours(image, args.threads, tile, keep=True)
        passing = Ours(image, args.threads, tile, keep=False)
        ours.run()
        passing.run()
        with tempfile.TemporaryDirectory() as folder:
            vigra = Vigra(image, args.threads, Path(folder))
            vigra.run()
            times = [(ours.run(), vigra.run(), ours.run(), passing.run()) for _ in range(args.runs)]
            vigra.close()
        mine = statistics.median([t for a, _, b, _ in times for t in (a, b)])
        theirs = statistics.median([t for _, t, _, _ in times])
        best = min(t for a, _, b, _ in times for t in (a, b))
        fleeting = statistics.median([t for _, _, _, t in times])
        nanoseconds = mine / image.size * 1e9
        print(
            f"{kind} {image.shape}, {ours.count} features, {args.threads} threads, tile {tile}: "
            f"ours {mine * 1e3:.1f} ms (best {best * 1e3:.1f}, {nanoseconds:.1f} ns/pixel), "
            f"vigra {theirs * 1e3:.0f} ms: {theirs / mine:.1f}x (target {TARGETS[kind]}x); "
            f"ours without keeping the features: {fleeting * 1e3:.1f} ms",
            flush=True,
        )
        if args.skimage:
            seconds, count = scikit_image(image, args.threads)
            print(
                f"  scikit-image, its {count} features: {seconds * 1e3:.0f} ms; for each feature "
                f"{seconds / count / (mine / ours.count):.0f}x ours",
                flush=True,
            )


if __name__ == "__main__":
    main()
