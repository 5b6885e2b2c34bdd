"""From a stroke to the new result on the screen: train on 5,000 labelled pixels, classify 1024 x 1024.

    python benchmarks/stroke_to_view.py --data FOLDER [--rounds 5]

Both sides have 2 threads and 100 trees on all 49 features of one real image, and take turns. Ours is what
the engine does: the features around the labels, training, then features and forest tile by tile. vigra's is
the sum of its steps: features of the image (used for both), training, prediction in 512 x 512 blocks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import tifffile
from features import Vigra as VigraFeatures
from forest_data import IMAGE, labelled_image
from forest_speed import N_THREADS
from forest_speed import Vigra as VigraForest

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.core.recipe import Recipe
from underbrush.engine.arrays import predict_array
from underbrush.engine.training import joined, labelled_rows
from underbrush.sources.array import ArrayImage

LABELLED = 5000


def strokes(truth, n):
    """Runs of 40 pixels along x inside one class, ``n`` pixels in all, half of each class."""
    r = np.random.default_rng(0)
    labels = np.zeros_like(truth)
    for k in np.unique(truth):
        inside = np.argwhere(truth == k)
        for y, x in inside[r.permutation(len(inside))]:
            run = (slice(y, y + 3), slice(x, x + 40))
            labels[run][truth[run] == k] = k
            if np.count_nonzero(labels == k) >= n // 2:
                break
    return labels


def ours(image, block, selection):
    begin = time.perf_counter()
    rows = joined([labelled_rows(image, [block], selection, N_THREADS)], 0)
    after_rows = time.perf_counter()
    forest = train_forest(rows.x, rows.y, TrainingOptions(n_threads=N_THREADS)).forest
    after_training = time.perf_counter()
    predict_array(image, Recipe(selection, forest, 2), N_THREADS)
    end = time.perf_counter()
    return end - begin, after_rows - begin, after_training - after_rows, end - after_training


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    pixels = tifffile.imread(a.data / f"{IMAGE}.tif")
    known = labelled_image(a.data, 2)
    labels = strokes(known.truth, LABELLED)
    block = make_block(Box.whole((1, 1, 1, *pixels.shape)), labels[None, None, None])
    image, selection = ArrayImage(pixels, "yx"), FeatureSelection.all()
    at = labels.ravel() > 0
    x = np.ascontiguousarray(known.features.reshape(len(known.features), -1)[:, at].T)
    ours(image, block, selection)
    times, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = {"x": x, "y": labels.ravel()[at].astype(np.uint32), "features": known.features}
        for file, array in {**arrays, "truth": known.truth}.items():
            np.save(folder / f"{file}.npy", array)
        features, forest = VigraFeatures(pixels, N_THREADS, folder), VigraForest("/usr/bin/python3", folder)
        features.run()
        for _ in range(a.rounds):
            times.append(ours(image, block, selection))
            theirs.append(features.run() + forest.ask(f"train {len(x)}") + forest.ask("predict"))
        features.close()
        forest.close()
    whole, rows, training, view = (1e3 * median(t) for t in zip(*times, strict=True))
    vigra = 1e3 * median(theirs)
    print(
        f"stroke to view, {len(x)} labelled pixels, 1024 x 1024: ours {whole:.0f} ms "
        f"(rows {rows:.0f}, training {training:.0f}, view {view:.0f}), "
        f"vigra {vigra:.0f} ms: {vigra / whole:.1f}x"
    )


if __name__ == "__main__":
    main()
