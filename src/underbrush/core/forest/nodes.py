"""A forest as flat arrays: the one form that own, stored and foreign forests share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAF = -1
"""In ``feature``: the node is a leaf."""


@dataclass(frozen=True)
class Forest:
    """Decision trees, all nodes in flat arrays; immutable once built.

    A sample goes **left where float64(value) < threshold**, otherwise right. A leaf adds its class
    fractions; the probability is the float32 sum over trees in order, divided by float32(n_trees).
    """

    roots: NDArray[np.int32]
    """(n_trees,) node index of each tree's root; the order of trees is the order of the sum."""
    feature: NDArray[np.int32]
    """(n_nodes,) column that is compared, or LEAF."""
    threshold: NDArray[np.float64]
    """(n_nodes,) 0 for leaves."""
    left: NDArray[np.int32]
    """(n_nodes,) node index of the left child; for leaves the row of ``votes``."""
    right: NDArray[np.int32]
    """(n_nodes,) node index of the right child; for leaves the row of ``votes``."""
    votes: NDArray[np.float64]
    """(n_leaves, n_classes) class fractions, each row sums to 1."""
    weights: NDArray[np.float64]
    """(n_leaves,) in-bag samples of each leaf, with repeats; kept for files, not used in prediction."""
    classes: NDArray[np.uint32]
    """(n_classes,) strictly increasing class values (1-based labels) of the columns of ``votes``."""
    n_features: int

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def n_classes(self) -> int:
        """Number of classes that the forest was trained on."""
        return len(self.classes)

    @cached_property
    def digest(self) -> str:
        """A hash of everything that prediction depends on."""
        h = hashlib.sha256(f"{self.n_features}".encode())
        parts: tuple[NDArray[Any], ...] = (
            self.roots, self.feature, self.threshold, self.left, self.right, self.votes, self.classes
        )  # fmt: skip
        for a in parts:
            h.update(f"{a.dtype.str}{a.shape}".encode())
            h.update(np.ascontiguousarray(a).tobytes())
        return h.hexdigest()
