"""Training: labelled rows become a random forest, the same bytes on any number of threads.

The forest is ilastik's kind: bootstrap of n out of n, floor(sqrt(columns) + 0.5) columns drawn for each
split, Gini, grown until leaves are pure or no split improves. Splits are searched among at most
255 edges a column, which are midpoints of neighbouring values of the training rows; the stored threshold
is an edge itself: of those that part the rows of a node alike, the one in the middle of the values.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest import train_kernels
from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.quantizer import Quantizer, place_edges, quantise
from underbrush.errors import ResourceError, UsageError
from underbrush.jit import example


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train; all but ``n_threads`` change the forest."""

    n_trees: int = 100
    seed: int = 0
    """Any integer; taken modulo 2 ** 64."""
    balance: bool = False
    """Draw each tree's rows from all classes alike, however many rows they have."""
    n_threads: int = 1


@dataclass(frozen=True)
class TrainedForest:
    """A forest and what training learned on the way."""

    forest: Forest
    quantizer: Quantizer
    """Edges of all columns; every threshold is one of them."""
    oob_score: float
    """Share of rows whose class the trees that were not trained on them say right; NaN without such rows."""
    importances: NDArray[np.float64]
    """(n_features,) mean decrease of Gini impurity, adding up to 1 (or 0 where no tree has a split)."""


@dataclass(frozen=True)
class _Task:
    """What all trees share."""

    bins: NDArray[np.uint8]
    quantizer: Quantizer
    centres: NDArray[np.float32]
    y: NDArray[np.uint8]
    class_rows: NDArray[np.int64]
    class_starts: NDArray[np.int64]
    options: TrainingOptions

    @property
    def n_classes(self) -> int:
        return len(self.class_starts) - 1

    @property
    def mtry(self) -> int:
        return max(1, math.floor(math.sqrt(len(self.bins)) + 0.5))


@dataclass(frozen=True)
class _Tree:
    """One tree as it grew; children < 0 are leaves -1 - k."""

    limit: NDArray[np.uint8]
    column: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    votes: NDArray[np.float64]
    weights: NDArray[np.float64]
    gains: NDArray[np.float64]


def train_forest(
    x: NDArray[np.float32],
    labels: NDArray[np.uint8],
    options: TrainingOptions | None = None,
    stop: Callable[[], bool] | None = None,
) -> TrainedForest:
    """Train a random forest.

    Parameters
    ----------
    x
        (n_features, n) float32, finite, one row of training data a column. The order of rows is part of
        the result, for the bootstrap draws by position: the caller puts them in an order of its own.
    labels
        (n,) uint8, 1 to 255.
    options
        None for the defaults.
    stop
        Asked between trees; training ends when it says True.

    Returns
    -------
    The same bytes for the same arguments, whatever ``n_threads``. Beside ``x`` and the forest itself about
    n_features + 4 * n_classes + 20 + 60 * n_threads bytes are held for each row.

    Raises
    ------
    UsageError
        No rows, no features, or no trees.
    ResourceError
        More than 8,388,607 rows.
    ValueError
        Arrays of another shape or type, a label 0, or values that are not finite.
    concurrent.futures.CancelledError
        ``stop`` said True.
    """
    options = options or TrainingOptions()
    _check(x, labels, options)
    classes, y = np.unique(labels, return_inverse=True)
    quantizer, bins = _binned(x, labels.copy(), options.n_threads)
    order = np.argsort(y, kind="stable").astype(np.int64)
    starts = np.searchsorted(y[order], np.arange(len(classes) + 1)).astype(np.int64)
    task = _Task(bins, quantizer, bin_centres(x, bins), y.astype(np.uint8), order, starts, options)
    trees, tally = _grow_all(task, stop)
    forest = _assembled(trees, classes.astype(np.uint32), quantizer)
    counted = tally.any(axis=1)
    right = tally.argmax(axis=1)[counted] == y[counted]
    oob_score = float(right.mean()) if len(right) else math.nan
    return TrainedForest(forest, quantizer, oob_score, _importances(trees, len(x)))


def tree_state(seed: int, tree: int) -> NDArray[np.uint64]:
    """The state, (1,) uint64, that random numbers of a tree start from."""
    with np.errstate(over="ignore"):
        start = _mixed(np.array([seed % 2**64], np.uint64)) + np.uint64(tree)
        return _mixed(start)


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """As ``train_kernels.mixed``, for arrays."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _check(x: NDArray[np.float32], labels: NDArray[np.uint8], options: TrainingOptions) -> None:
    if x.ndim != 2 or x.dtype != np.float32:
        raise ValueError(f"training data are {x.dtype} {x.shape}, not float32 (n_features, n)")
    if labels.shape != x.shape[1:] or labels.dtype != np.uint8:
        raise ValueError(f"labels are {labels.dtype} {labels.shape}, not uint8 {x.shape[1:]}")
    if len(labels) == 0:
        raise UsageError("there are no labelled pixels to train on", remedy="paint strokes of each class")
    if len(x) == 0:
        raise UsageError("there are no features to train on", remedy="choose features")
    if options.n_trees < 1:
        raise UsageError(f"a forest of {options.n_trees} trees cannot be", remedy="ask for at least 1")
    if len(labels) >= train_kernels.MAX_ROWS:
        raise ResourceError(
            f"{len(labels)} labelled pixels are more than {train_kernels.MAX_ROWS - 1}",
            remedy="train on fewer",
        )
    if not labels.all():
        raise ValueError("label 0 means unlabelled; leave such rows out")
    if not all(np.isfinite(column).all() for column in x):
        raise ValueError("training data hold values that are not finite; leave such rows out")


def _binned(
    x: NDArray[np.float32], labels: NDArray[np.uint8], n_threads: int
) -> tuple[Quantizer, NDArray[np.uint8]]:
    """Edges of all columns and the bins of all values, (n_features, n) uint8."""
    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        quantizer = Quantizer.from_columns(list(pool.map(lambda column: place_edges(column, labels), x)))
    bins = quantise(quantizer, x)
    return quantizer, bins.astype(np.uint8, copy=False)


def bin_centres(x: NDArray[np.float32], bins: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean value of the rows in each bin, (n_columns, 256) float32; 0 where there are none."""
    centres = np.zeros((len(x), 256), np.float32)
    for own, column, where in zip(centres, x, bins, strict=True):
        sums, counts = np.bincount(where, column, 256), np.bincount(where, minlength=256)
        own[:] = sums / np.maximum(counts, 1)
    return centres


def _grow_all(task: _Task, stop: Callable[[], bool] | None) -> tuple[list[_Tree], NDArray[np.uint32]]:
    """All trees, and how often each row, out of the bag, was given each class: (n, n_classes)."""
    n_trees = task.options.n_trees
    trees: dict[int, _Tree] = {}
    tally = np.zeros((len(task.y), task.n_classes), np.uint32)
    numbers, lock = itertools.count(), threading.Lock()

    def work() -> None:
        predicted = np.empty(len(task.y), np.uint8)
        while (number := next(numbers)) < n_trees:
            if stop is not None and stop():
                raise CancelledError
            trees[number] = _grow_tree(task, number, predicted)
            with lock:
                train_kernels.add_votes(predicted, tally)

    n_threads = min(max(1, task.options.n_threads), n_trees)
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(work) for _ in range(n_threads)]:
            done.result()
    return [trees[t] for t in range(n_trees)], tally


def _grow_tree(task: _Task, number: int, predicted: NDArray[np.uint8]) -> _Tree:
    """Grow tree ``number``; ``predicted`` gets its out-of-bag predictions."""
    n = len(task.y)
    state, weight = tree_state(task.options.seed, number), np.empty(n, np.int32)
    train_kernels.draw_bag(state, task.class_rows, task.class_starts, task.options.balance, weight)
    gains = np.zeros(len(task.bins))
    tree = train_kernels.empty_tree(n)
    sizes = (task.n_classes, task.mtry)
    table = (task.bins, task.quantizer.edges, task.quantizer.starts, task.centres)
    n_inner, n_leaves = train_kernels.grow(table, task.y, sizes, state, weight, tree, gains)
    votes, weights = np.zeros((n_leaves, task.n_classes)), np.empty(n_leaves)
    train_kernels.count_leaves(tree[5], tree[4], votes, weights)
    train_kernels.predict_out_of_bag(task.bins, weight, tree, votes, predicted)
    limit, column, left, right = (a[:n_inner].copy() for a in tree[:4])
    return _Tree(limit, column, left, right, votes, weights, gains / n)


def _assembled(trees: list[_Tree], classes: NDArray[np.uint32], quantizer: Quantizer) -> Forest:
    """All trees in flat arrays: of each tree first the inner nodes, then the leaves."""
    inner = np.array([len(t.limit) for t in trees])
    leaves = np.array([len(t.votes) for t in trees])
    base = np.concatenate([[0], np.cumsum(inner + leaves)])
    leaf_base = np.concatenate([[0], np.cumsum(leaves)])
    n = int(base[-1])
    feature, threshold = np.full(n, LEAF, np.int32), np.zeros(n)
    left, right = np.empty(n, np.int32), np.empty(n, np.int32)
    for i, tree in enumerate(trees):
        own = slice(base[i], base[i] + inner[i])
        feature[own] = tree.column
        threshold[own] = quantizer.edges[quantizer.starts[tree.column] + tree.limit]
        for side, child in ((left, tree.left), (right, tree.right)):
            side[own] = base[i] + np.where(child >= 0, child, inner[i] - 1 - child)
            side[own.stop : base[i + 1]] = np.arange(leaf_base[i], leaf_base[i + 1])
    return Forest(
        roots=base[:-1].astype(np.int32),
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        votes=np.concatenate([t.votes for t in trees]),
        weights=np.concatenate([t.weights for t in trees]),
        classes=classes,
        n_features=quantizer.n_columns,
    )


def _importances(trees: list[_Tree], n_features: int) -> NDArray[np.float64]:
    """Each tree's falls of impurity scaled to add up to 1, then their mean, scaled again."""
    total = np.zeros(n_features)
    for tree in trees:
        own = float(tree.gains.sum())
        if own > 0:
            total += tree.gains / own
    return total / total.sum() if total.any() else total


@example
def _training() -> object:
    rows = np.arange(40, dtype=np.float32)[None]
    return train_forest(rows, np.repeat(np.array([1, 2], np.uint8), 20), TrainingOptions(n_trees=1))
