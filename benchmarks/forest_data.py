"""Labelled pixels with real features, for the benchmarks of the forest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from underbrush.core.features.reference import features_reference
from underbrush.core.features.selection import FeatureSelection

IMAGE = "images/cytology_brightfield_1024/cytology_brightfield_1024_76a372bf"
DABS = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4) if dy * dy + dx * dx <= 9]


@dataclass(frozen=True)
class LabelledImage:
    """Features (n_features, height, width) float32 and the class of each pixel (height, width) uint8."""

    features: np.ndarray
    truth: np.ndarray

    def rows(self, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """``n`` pixels under small dabs of a brush, alike for all classes: (n_features, n), (n,) uint8."""
        r = np.random.default_rng(seed)
        height, width = self.truth.shape
        classes = np.unique(self.truth)
        taken: dict[int, None] = {}
        for i, k in enumerate(classes):
            centres = np.argwhere(self.truth == k)
            goal = len(taken) + (n - len(taken)) // (len(classes) - i)
            for y, x in centres[r.permutation(len(centres))]:
                for dy, dx in DABS:
                    yy, xx = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
                    if self.truth[yy, xx] == k and len(taken) < goal:
                        taken[int(yy * width + xx)] = None
                if len(taken) >= goal:
                    break
        at = r.permutation(np.array(list(taken)))
        return np.ascontiguousarray(self.features.reshape(len(self.features), -1)[:, at]), self.truth.ravel()[
            at
        ]


def labelled_image(data: Path, n_classes: int) -> LabelledImage:
    """All 49 features of a microscope image.

    Two classes are the image's own truth; of more, each is a band of grey values (smoothed, sigma 3.5)
    of one side of that truth.
    """
    image = tifffile.imread(data / f"{IMAGE}.tif")
    truth = tifffile.imread(data / f"{IMAGE}_gt.tif").astype(np.uint8)
    window = (slice(0, 1), *(slice(0, s) for s in image.shape))
    features = features_reference(image[None, None], FeatureSelection.all().terms(False), window)[:, 0]
    if n_classes > 2:
        smooth = features[FeatureSelection.all().names().index(_smooth_name())]
        cuts = np.quantile(smooth[truth == 1], np.linspace(0, 1, n_classes)[1:-1])
        truth = np.where(truth == 1, 1 + np.searchsorted(cuts, smooth), n_classes).astype(np.uint8)
    return LabelledImage(np.ascontiguousarray(features, np.float32), truth)


def _smooth_name() -> str:
    return next(
        n for n in FeatureSelection.all().names() if n.startswith("Gaussian Smoothing") and "3.5" in n
    )
