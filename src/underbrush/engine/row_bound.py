"""How many labelled pixels are trained on: all, or evenly chosen ones of a class that has very many.

Which ones is decided by a hash of position and seed, before any feature is computed: the choice does not
depend on the order of images or on history, and a stroke more exchanges only as many as it brings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST_OF_A_CLASS, MOST_OF_ALL = 200_000, 1_000_000
"""Labelled pixels that a forest is trained on at most, of all images together: of a class, and of all."""

Labelled = tuple[NDArray[np.intp], NDArray[np.uint8]]
"""(n, 4) positions t z y x, and their (n,) class values."""


@dataclass(frozen=True)
class RowBound:
    """Which labelled pixels are trained on."""

    seed: int = 0
    below: Mapping[int, int] = field(default_factory=dict)
    """Class value -> only pixels whose number is below this; a class that is not here keeps all."""
    notices: tuple[str, ...] = ()
    """Sentences about what is left out."""

    def kept(self, labelled: Labelled) -> Labelled:
        """The pixels of one image that are trained on, in the order they came."""
        where, y = labelled
        if not self.below:
            return labelled
        keep = np.ones(len(y), np.bool_)
        for value, limit in self.below.items():
            own = np.flatnonzero(y == value)
            keep[own] = numbers(where[own], self.seed) < np.uint64(limit)
        return where[keep], y[keep]


def row_limit(n_classes: int) -> int:
    """How many pixels of each of ``n_classes`` classes are trained on at most."""
    return min(MOST_OF_A_CLASS, MOST_OF_ALL // max(1, n_classes))


def row_bound(parts: Iterable[Labelled], seed: int, counted: Mapping[int, int] | None = None) -> RowBound:
    """The bound for all images of a training together.

    ``parts`` are all labelled pixels of each image. ``counted`` are labelled pixels of each class, some of
    which may lie outside their image, as far as that is known without looking at them: where they are few
    ``parts`` is not touched.
    """
    if counted is not None and max(counted.values(), default=0) <= row_limit(len(counted)):
        return RowBound(seed)
    found = list(parts)
    counts = np.zeros(256, np.int64)
    for _, y in found:
        counts += np.bincount(y, minlength=256)
    limit = row_limit(int(np.count_nonzero(counts)))
    below, notices = {}, []
    for value in np.flatnonzero(counts > limit).tolist():
        drawn = np.concatenate([numbers(where[y == value], seed) for where, y in found])
        # Pixels at the same position of two images have one number: of those at the border none is taken.
        below[value] = int(np.partition(drawn, limit)[limit])
        notices.append(
            f"Class {value} has {counts[value]:,} labelled pixels; {limit:,} of them, evenly chosen, are"
            " trained on."
        )
    return RowBound(seed, below, tuple(notices))


def numbers(where: NDArray[np.intp], seed: int) -> NDArray[np.uint64]:
    """A number for each position (n, 4) t z y x, (n,) uint64, even over all of its range (splitmix64)."""
    state = np.full(len(where), np.uint64(seed % 2**64))
    with np.errstate(over="ignore"):
        for column in where.T:
            state += np.uint64(0x9E3779B97F4A7C15) * (column.astype(np.uint64) + np.uint64(1))
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
    return state
