"""The plain numpy twins of the forest's kernels: short, and the definition of every byte.

Rules of prediction: a sample goes left where float64(value) < threshold; a class gets the float32 sum
of its leaf fractions over the trees in stored order, divided by float32(number of trees); a sample with
any value that is not finite gets 0 for every class. vigra's random forest follows the same rules, its
order of trees within a forest included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest.nodes import LEAF, Forest


def predict_reference(forest: Forest, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Class probabilities of samples.

    Parameters
    ----------
    forest
        At least one tree.
    x
        (n, forest.n_features) float32, one sample a row.

    Returns
    -------
    (n, forest.n_classes) float32; rows sum to 1 up to rounding, or are 0 where a value is not finite.

    Raises
    ------
    ValueError
        ``x`` has another shape or dtype, or the forest has no tree.
    """
    if x.ndim != 2 or x.shape[1] != forest.n_features or x.dtype != np.float32:
        raise ValueError(f"samples are {x.dtype} {x.shape}, not float32 (n, {forest.n_features})")
    if forest.n_trees == 0:
        raise ValueError("the forest has no tree")
    fractions = forest.votes.astype(np.float32)
    total = np.zeros((len(x), forest.n_classes), np.float32)
    for root in forest.roots:
        total += fractions[leaf_rows(forest, int(root), x)]
    total /= np.float32(forest.n_trees)
    total[~np.isfinite(x).all(axis=1)] = 0
    return total


def leaf_rows(forest: Forest, root: int, x: NDArray[np.float32]) -> NDArray[np.int32]:
    """The row of ``forest.votes`` that each sample reaches in the tree that starts at node ``root``.

    ``x`` is (n, n_features) float32; the result is (n,) int32. NaN goes right.
    """
    reached = np.empty(len(x), np.int32)
    samples = np.arange(len(x))
    nodes = np.full(len(x), root, np.int32)
    while len(samples):
        column = forest.feature[nodes]
        leaf = column == LEAF
        if leaf.any():
            reached[samples[leaf]] = forest.left[nodes[leaf]]
            samples, nodes, column = samples[~leaf], nodes[~leaf], column[~leaf]
        goes_left = x[samples, column].astype(np.float64) < forest.threshold[nodes]
        nodes = np.where(goes_left, forest.left[nodes], forest.right[nodes])
    return reached
