"""The live loop: a stroke more on 5,000 labelled pixels until its result is on the screen.

    python benchmarks/live_loop.py --data FOLDER [--rounds 5]

First a 1024 x 1024 view of a real image, all 49 features, 2 threads, 100 trees: the new stroke's features,
training in the background, first tile, whole view; in turns with vigra (its training and its prediction, with
and without computing the features of the image again). Then three views of a volume of 64 x 256 x 256, all
features in 3D, and one slice further. Last how long a small job with a synced write takes, as an
acknowledgement is, while nothing and while everything is computed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import tifffile
from features import Vigra as VigraFeatures
from forest_data import IMAGE, labelled_image
from forest_speed import N_THREADS
from forest_speed import Vigra as VigraForest
from stroke_to_view import LABELLED, strokes

from underbrush.core.features.reference import correlate, gaussian_taps
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.core.recipe import Recipe
from underbrush.engine.lane_images import OpenLane
from underbrush.engine.live import Live
from underbrush.engine.live_rows import LabelledPixels, LiveRows
from underbrush.engine.trainer import Trainer, TrainingDone, TrainingJob
from underbrush.engine.training import labelled_positions
from underbrush.engine.views import TileDone, View
from underbrush.sources.array import ArrayImage

CACHE = 512_000_000
VOLUME = (64, 256, 256)


class Loop:
    """An image that is looked at and painted on."""

    def __init__(self, image, labels, selection):
        self.image, self.labels, self.selection = image, labels, selection
        self.number = 0
        self.tiles = []
        self.done = {}
        self.trained = None
        self.live = Live(self, N_THREADS, CACHE, self.hear)
        self.trainer = Trainer(LiveRows(CACHE), N_THREADS, self.learn)

    def get(self, lane):
        return OpenLane("image", self.image)

    def hear(self, event):
        if isinstance(event, TileDone):
            self.tiles.append((time.perf_counter(), event.key))

    def learn(self, event):
        if isinstance(event, TrainingDone):
            self.trained = event
            recipe = Recipe(self.selection, event.trained.forest, 2)
            self.done[event.key] = (time.perf_counter(), recipe.key, event)
            self.live.set_recipe(recipe)

    def stroke(self):
        """A stroke of 40 x 3 pixels somewhere; gives its number."""
        r = np.random.default_rng(self.number)
        where = [int(r.integers(0, n - m)) for n, m in zip(self.labels.shape[2:], (0, 3, 40), strict=True)]
        box = (0, 0, where[0], slice(where[1], where[1] + 3), slice(where[2], where[2] + 40))
        here = self.labels[box]
        here[...] = 1 + (self.image.read()[box] > np.median(self.image.read()[box]))
        self.number += 1
        block = make_block(Box.whole(self.labels.shape), self.labels)
        where, y = labelled_positions([block], self.image.shape5)
        part = LabelledPixels("image", self.image, where, y)
        key = str(self.number)
        begun = time.perf_counter()
        options = TrainingOptions(n_threads=N_THREADS)
        self.trainer.submit(TrainingJob(key, lambda: (part,), self.selection, None, options))
        return key, begun

    def settle(self):
        while self.trainer.busy or not self.live.idle:
            time.sleep(0.001)

    def times(self):
        """Seconds from a stroke to the end of its rows, training, its first tile, its last."""
        self.tiles.clear()
        key, begun = self.stroke()
        while key not in self.done:
            time.sleep(0.001)
        self.settle()
        at, recipe, event = self.done[key]
        own = [t - begun for t, k in self.tiles if k == recipe]
        return event.rows_seconds, event.training_seconds, at - begun, min(own), max(own)

    def close(self):
        self.trainer.close()
        self.live.close()


def flat(a):
    pixels = tifffile.imread(a.data / f"{IMAGE}.tif")
    known = labelled_image(a.data, 2)
    labels = strokes(known.truth, LABELLED)
    loop = Loop(ArrayImage(pixels, "yx"), labels[None, None, None].copy(), FeatureSelection.all())
    loop.live.look(View("b", "main", "a", 0, "xy", 0, 0, (0, 0, *pixels.shape[::-1]), ("segmentation",)))
    loop.times()
    loop.times()
    at = labels.ravel() > 0
    x = np.ascontiguousarray(known.features.reshape(len(known.features), -1)[:, at].T)
    ours, learned, seen = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = {"x": x, "y": labels.ravel()[at].astype(np.uint32), "features": known.features}
        for file, array in {**arrays, "truth": known.truth}.items():
            np.save(folder / f"{file}.npy", array)
        features, forest = VigraFeatures(pixels, N_THREADS, folder), VigraForest("/usr/bin/python3", folder)
        features.run()
        for _ in range(a.rounds):
            ours.append(loop.times())
            seen.append(features.run())
            learned.append(forest.ask(f"train {len(x)}") + forest.ask("predict"))
        features.close()
        forest.close()
    rows, training, done, first, whole = (1e3 * median(t) for t in zip(*ours, strict=True))
    theirs, again = 1e3 * median(learned), 1e3 * median(seen)
    print(
        f"a stroke more on {len(x)} labelled pixels, 1024 x 1024: rows {rows:.0f} ms, "
        f"training {training:.0f}, recipe after {done:.0f}, first tile {first:.0f}, whole view {whole:.0f}; "
        f"vigra {theirs:.0f} ms "
        f"({theirs / whole:.1f}x), with its features anew {theirs + again:.0f} ms "
        f"({(theirs + again) / whole:.1f}x)",
        flush=True,
    )
    return loop


def volume():
    r = np.random.default_rng(0)
    noise = r.normal(size=VOLUME)
    taps = gaussian_taps(3.0, 0, 3.5)
    for axis in range(3):
        noise = correlate(noise, taps, axis)
    pixels = (noise / noise.std() * 30 + r.normal(size=VOLUME) * 10 + 120).clip(0, 255).astype(np.uint8)
    labels = np.zeros((1, 1, *VOLUME), np.uint8)
    for _ in range(LABELLED // 120):
        z, y, x = (int(r.integers(0, n - m)) for n, m in zip(VOLUME, (0, 3, 40), strict=True))
        labels[0, 0, z, y : y + 3, x : x + 40] = 1 + (pixels[z, y : y + 3, x : x + 40] > 120)
    return Loop(ArrayImage(pixels, "zyx"), labels, FeatureSelection.all())


def orthogonal(rounds):
    loop = volume()
    depth, height, width = VOLUME

    def look(z, y, x):
        layers = ("segmentation",)
        loop.live.look(View("b", "xy", "a", 0, "xy", z, 0, (0, 0, width, height), layers))
        loop.live.look(View("b", "xz", "a", 0, "xz", y, 0, (0, 0, width, depth), layers))
        loop.live.look(View("b", "zy", "a", 0, "zy", x, 0, (0, 0, depth, height), layers))

    def timed(z, y, x):
        loop.tiles.clear()
        begun = time.perf_counter()
        look(z, y, x)
        loop.settle()
        return [t - begun for t, _ in loop.tiles]

    look(32, 128, 128)
    loop.times()
    loop.times()
    rows, training, done, first, whole = (
        1e3 * median(t) for t in zip(*[loop.times() for _ in range(rounds)], strict=True)
    )
    print(
        f"volume {VOLUME}, {len(loop.selection.names(1, True))} features in 3D, three views: "
        f"rows {rows:.0f} ms, training {training:.0f}, recipe after {done:.0f}, first tile {first:.0f}, "
        f"all three {whole:.0f} ms",
        flush=True,
    )
    for name, step in (("z", (1, 0, 0)), ("y", (0, 1, 0)), ("x", (0, 0, 1))):
        found = [timed(*(n + k * s for n, s in zip((32, 128, 128), step, strict=True))) for k in range(1, 6)]
        last = 1e3 * median([max(t) for t in found])
        back = 1e3 * max(timed(*(n + s for n, s in zip((32, 128, 128), step, strict=True))))
        print(f"  one slice further in {name}: {last:.0f} ms; back again {back:.0f} ms", flush=True)
    loop.close()


def small_jobs(seconds):
    """Seconds that a small job takes that is due every 20 ms: as JSON into a file, synced."""
    taken = []
    with tempfile.TemporaryFile() as file:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            due = time.perf_counter() + 0.02
            time.sleep(0.02)
            file.write(json.dumps({"runs": list(range(300))}).encode())
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - due)
    return taken


def latency(loop, rounds):
    """Quiet and busy seconds in turns, so that both meet the same machine."""
    quiet, busy = [], []
    forests = tiles = 0
    for _ in range(rounds):
        loop.settle()
        quiet += small_jobs(1)
        over = threading.Event()

        def paint(over=over):
            while not over.wait(0.15):
                loop.stroke()

        painter = threading.Thread(target=paint)
        loop.tiles.clear()
        before = len(loop.done)
        painter.start()
        busy += small_jobs(2)
        forests, tiles = forests + len(loop.done) - before, tiles + len(loop.tiles)
        over.set()
        painter.join()
    print("a small job with a synced write (an acknowledgement)")
    for name, taken in (("while nothing is computed", quiet), ("while it trains and predicts", busy)):
        cuts = [1e3 * t for t in quantiles(taken, n=100)]
        print(f"  {name}: median {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms", flush=True)
    rates = f"{forests / 2 / rounds:.1f} forests and {tiles / 2 / rounds:.0f} tiles a second"
    print(f"  meanwhile, a stroke every 150 ms: {rates}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    loop = flat(a)
    latency(loop, a.rounds)
    loop.close()
    orthogonal(a.rounds)


if __name__ == "__main__":
    main()
