"""How good a segmentation is: overlap with the truth, counted over pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Overlap:
    """Counts of pixels by true and predicted class; add them up over tiles and images."""

    table: NDArray[np.int64]
    """(n + 1, n + 1): row = true class, column = predicted class, 0 in both = none. Row 0 is ignored."""

    @classmethod
    def count(cls, truth: NDArray[np.uint8], predicted: NDArray[np.uint8], n_classes: int) -> Overlap:
        """Count two uint8 arrays of one shape; classes beyond ``n_classes`` in the truth are counted as 0."""
        size = n_classes + 1
        known = np.where(truth > n_classes, 0, truth).astype(np.int64)
        pairs = known * size + np.minimum(predicted, n_classes)
        return cls(np.bincount(pairs.ravel(), minlength=size * size).reshape(size, size))

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(self.table + other.table)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.table) - 1

    def dice(self, value: int) -> float | None:
        """2 |T and P| / (|T| + |P|) of a class where truth is known (Dice 1945); None if both are empty."""
        both, true, predicted = self._sizes(value)
        return 2 * both / (true + predicted) if true + predicted else None

    def iou(self, value: int) -> float | None:
        """|T and P| / |T or P| of a class where the truth is known (Jaccard 1912); None if both are empty."""
        both, true, predicted = self._sizes(value)
        return both / (true + predicted - both) if true + predicted else None

    @property
    def scores(self) -> dict[str, dict[str, float | None]]:
        """Class value as text -> ``{"dice": ..., "iou": ...}``, as `evaluate --json` prints it."""
        return {str(k): {"dice": self.dice(k), "iou": self.iou(k)} for k in range(1, self.n_classes + 1)}

    def _sizes(self, value: int) -> tuple[int, int, int]:
        known = self.table[1:]
        return int(self.table[value, value]), int(self.table[value].sum()), int(known[:, value].sum())
