"""A forest made ready to predict: checked, ranked by its thresholds, nodes packed in 16 bytes.

Every forest takes this way, whether trained here, loaded, or made by another program: the distinct
thresholds of a column become the edges of a quantiser, and a node compares a bin with a small integer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.quantizer import Quantizer
from underbrush.errors import ProjectError

LEAF_BIT = 1 << 31
"""In a child word: it is a leaf, the other bits are its number."""
MAX_EDGES = 65535
"""Edges of one bin column; a column with more thresholds is spread over several."""
MANY_IMPURE = 0.005
"""Share of leaves with several classes above which nearly every pixel meets one in some tree."""


@dataclass(frozen=True, eq=False)
class PackedForest:
    """What the kernels walk. Equal, and hashed, by the forest's digest; immutable."""

    digest: str
    n_features: int
    n_classes: int
    quantizer: Quantizer
    """Edges of the bin columns, in order of ``source``."""
    source: NDArray[np.int32]
    """(n_bin_columns,) the feature of each bin column, never decreasing; unused features have none."""
    nodes: NDArray[np.uint64]
    """(n_nodes, 2): limit in bits 0-15 and bin column above; left child in bits 0-31, right child above.

    A bin <= limit goes left. A child is a row of ``nodes``, or LEAF_BIT + leaf: leaf k < n_classes is
    certain of class k, leaf n_classes + i is row i of the impure leaves."""
    roots: NDArray[np.uint32]
    """(n_trees,) rows of ``nodes``."""
    impure_starts: NDArray[np.int64]
    """(n_classes + n_impure + 1,) where a leaf's shares begin; certain leaves have one share of 1."""
    share_class: NDArray[np.int32]
    """(n_shares,) class of each share."""
    share: NDArray[np.float32]
    """(n_shares,) what a leaf adds to that class."""
    in_order: bool
    """So many leaves are impure that the float32 sums are done for all pixels at once."""

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedForest) and other.digest == self.digest

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def nbytes(self) -> int:
        """Memory that it holds, in bytes."""
        table = sum(a.nbytes for a in self.quantizer.guesses.arrays)
        shares = self.share.nbytes + self.share_class.nbytes + self.impure_starts.nbytes
        return self.nodes.nbytes + self.roots.nbytes + table + shares


def compile_forest(forest: Forest) -> PackedForest:
    """Make ``forest`` ready for ``predict_block``.

    Raises
    ------
    ProjectError
        The forest is damaged: indices that lead nowhere or back, values that are not numbers.
    """
    check_forest(forest)
    inner = np.flatnonzero(forest.feature != LEAF)
    edges = float32_edges(forest.threshold[inner])
    quantizer, source, column, limit = _rank(forest.feature[inner], edges)
    children, leaf_number = _leaf_numbers(forest)
    place = np.zeros(len(forest.feature), np.uint64)
    place[inner] = np.arange(len(inner), dtype=np.uint64)
    place[forest.feature == LEAF] = leaf_number[forest.left[forest.feature == LEAF]]
    # A tree that is only a leaf becomes a node whose two ways lead there.
    bare = forest.roots[forest.feature[forest.roots] == LEAF]
    nodes = np.zeros((len(inner) + len(bare), 2), np.uint64)
    nodes[: len(inner), 0] = limit.astype(np.uint64) | (column.astype(np.uint64) << np.uint64(16))
    left, right = place[forest.left[inner]], place[forest.right[inner]]
    nodes[: len(inner), 1] = left | (right << np.uint64(32))
    nodes[len(inner) :, 1] = place[bare] | (place[bare] << np.uint64(32))
    roots = place[forest.roots].astype(np.uint32)
    roots[forest.feature[forest.roots] == LEAF] = np.arange(len(inner), len(nodes), dtype=np.uint32)
    starts, share_class, share = children
    n_impure = len(starts) - 1 - forest.n_classes
    return PackedForest(
        digest=forest.digest,
        n_features=forest.n_features,
        n_classes=forest.n_classes,
        quantizer=quantizer,
        source=source,
        nodes=nodes,
        roots=roots,
        impure_starts=starts,
        share_class=share_class,
        share=share,
        in_order=n_impure > MANY_IMPURE * len(forest.votes),
    )


def float32_edges(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """For each threshold the smallest float32 that is not below it: x < threshold is x < edge."""
    with np.errstate(over="ignore", under="ignore"):
        edges = thresholds.astype(np.float32)
        low = edges.astype(np.float64) < thresholds
        edges[low] = np.nextafter(edges[low], np.float32(np.inf))
    return edges + np.float32(0)


def _rank(
    feature: NDArray[np.int32], edges: NDArray[np.float32]
) -> tuple[Quantizer, NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Quantiser and source of the bin columns; bin column and limit of each inner node."""
    # The bits of a float32, as an integer that grows with it.
    bits = edges.view(np.int32).astype(np.int64)
    grows = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    keys, node_key = np.unique((feature.astype(np.int64) << 32) + grows + (1 << 31), return_inverse=True)
    example = np.empty(len(keys), np.int64)
    example[node_key] = np.arange(len(feature))
    key_feature, key_edge = feature[example], edges[example]
    first = np.flatnonzero(np.diff(key_feature, prepend=-1))
    rank = np.arange(len(keys)) - np.repeat(first, np.diff(np.append(first, len(keys))))
    new_column = rank % MAX_EDGES == 0
    key_column = np.cumsum(new_column) - 1
    starts = np.append(np.flatnonzero(new_column), len(keys)).astype(np.int64)
    quantizer = Quantizer(key_edge, starts) if len(keys) else Quantizer.from_columns([])
    source = key_feature[starts[:-1]].astype(np.int32) if len(keys) else np.empty(0, np.int32)
    return quantizer, source, key_column[node_key], (rank % MAX_EDGES)[node_key]


def _leaf_numbers(
    forest: Forest,
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]], NDArray[np.uint64]]:
    """Shares of all leaves as packed, and the child word of each row of ``forest.votes``."""
    k = forest.n_classes
    shares = forest.votes.astype(np.float32)
    certain = (shares == 1).any(axis=1) & ((shares != 0).sum(axis=1) == 1)
    impure = shares[~certain]
    number = np.empty(len(shares), np.uint64)
    number[certain] = shares[certain].argmax(axis=1)
    number[~certain] = k + np.arange(len(impure))
    row, column = np.nonzero(impure)
    per_leaf = np.concatenate([np.ones(k, np.int64), np.bincount(row, minlength=len(impure))])
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(per_leaf)])
    share_class = np.concatenate([np.arange(k), column]).astype(np.int32)
    share = np.concatenate([np.ones(k, np.float32), impure[row, column]])
    return (starts, share_class, share), number | np.uint64(LEAF_BIT)


def check_forest(forest: Forest) -> None:
    """Refuse a forest that a walk could leave or never end in.

    Raises
    ------
    ProjectError
        With the first thing that is wrong.
    """
    n, k = len(forest.feature), forest.n_classes
    leaf = forest.feature == LEAF
    inner = np.flatnonzero(~leaf)
    left, right = forest.left[inner], forest.right[inner]
    rows = forest.left[leaf]
    wrong = [
        (forest.n_trees == 0, "has no tree"),
        (k == 0 or k > 255, f"has {k} classes, not 1 to 255"),
        (bool((np.diff(forest.classes.astype(np.int64)) <= 0).any()), "has classes out of order"),
        (
            len({n, len(forest.threshold), len(forest.left), len(forest.right)}) > 1,
            "has lists of unequal length",
        ),
        (forest.votes.ndim != 2 or forest.votes.shape[1] != k, f"has votes of shape {forest.votes.shape}"),
        (_outside(forest.roots, n), "has a tree without a root"),
        (_outside(forest.feature[inner], forest.n_features), "asks for a feature that it does not have"),
        (_outside(left, n) or _outside(right, n), "has a branch that leads nowhere"),
        (_outside(rows, len(forest.votes)), "has a leaf without votes"),
        (bool(np.isnan(forest.threshold[inner]).any()), "has a threshold that is not a number"),
        (
            not np.isfinite(forest.votes).all() or bool((forest.votes < 0).any()),
            "has a vote below 0 or not finite",
        ),
    ]
    for is_wrong, what in wrong:
        if is_wrong:
            raise ProjectError(f"the classifier is damaged: it {what}", remedy="train it again")
    if _has_a_ring(forest, inner):
        raise ProjectError("the classifier is damaged: a branch leads back", remedy="train it again")


def _outside(index: NDArray[np.int32], n: int) -> bool:
    return bool(len(index)) and (int(index.min()) < 0 or int(index.max()) >= n)


def _has_a_ring(forest: Forest, inner: NDArray[np.int64]) -> bool:
    """Whether any walk may come back: no node may be the child of two nodes, nor a root be a child."""
    children = np.concatenate([forest.left[inner], forest.right[inner], forest.roots])
    return bool((np.bincount(children, minlength=len(forest.feature)) > 1).any())
