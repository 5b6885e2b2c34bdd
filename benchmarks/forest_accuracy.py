"""Accuracy of forests trained on scribbles, ours against scikit-learn's, on real images.

    python benchmarks/forest_accuracy.py --data FOLDER [--seeds 3]

Trains on the scribbles of each flat grey image of the test data, all 49 features, and scores all pixels
against its truth. Prints the mean of the seeds for both, and the mean difference in percentage points.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile
from sklearn.ensemble import RandomForestClassifier

from underbrush.core.features.compute import compute_features
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.packing import compile_forest
from underbrush.core.forest.predict import predict_block
from underbrush.core.forest.train import TrainingOptions, train_forest


def scores(image: np.ndarray, scribble: np.ndarray, truth: np.ndarray, seeds: int) -> tuple[float, float]:
    window = (slice(0, 1), *(slice(0, s) for s in image.shape))
    features = compute_features(image[None, None], FeatureSelection.all().terms(False), window)[:, 0]
    pixels = np.ascontiguousarray(features.reshape(len(features), -1).T)
    at = np.flatnonzero(scribble)
    x, y = np.ascontiguousarray(pixels[at].T), scribble.ravel()[at].astype(np.uint8)
    judged = truth.ravel() > 0
    ours, theirs = [], []
    for seed in range(seeds):
        forest = train_forest(x, y, TrainingOptions(seed=seed, n_threads=2)).forest
        out = np.empty((forest.n_classes, *image.shape), np.float32)
        predict_block(compile_forest(forest), features, out)
        guess = forest.classes[out.argmax(axis=0)].ravel()
        ours.append((guess == truth.ravel())[judged].mean())
        model = RandomForestClassifier(100, n_jobs=2, random_state=seed).fit(x.T, y)
        theirs.append((model.predict(pixels) == truth.ravel())[judged].mean())
    return float(np.mean(ours)), float(np.mean(theirs))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of test data")
    parser.add_argument("--seeds", type=int, default=3)
    a = parser.parse_args()
    differences = []
    for path in sorted(a.data.glob("images/*/*_scribble.tif")):
        base = path.with_name(path.name.removesuffix("_scribble.tif"))
        image = tifffile.imread(f"{base}.tif")
        if image.ndim != 2 or image.size > 400_000:
            continue
        ours, theirs = scores(image, tifffile.imread(path), tifffile.imread(f"{base}_gt.tif"), a.seeds)
        differences.append(100 * (ours - theirs))
        print(
            f"{base.name:40s} ours {ours:.4f}  scikit-learn {theirs:.4f}  {differences[-1]:+.2f} points",
            flush=True,
        )
    print(f"mean difference {np.mean(differences):+.3f} points over {len(differences)} images")


if __name__ == "__main__":
    main()
