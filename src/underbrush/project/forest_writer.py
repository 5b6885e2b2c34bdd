"""Writing a forest in the layout that `forest_layout` reads, such that vigra and ilastik read it too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.project.forest_layout import LEAF_TAG, ROOT

Tree = tuple[NDArray[np.int32], NDArray[np.float64]]
"""``topology`` and ``parameters`` of one tree."""

_OPTIONS = {
    "mtry_switch_": 6, "mtry_": 0, "mtry_func_": 0, "min_split_node_size_": 1, "sample_with_replacement_": 1,
    "training_set_calc_switch_": 1, "training_set_proportion_": 1, "training_set_size_": 0,
    "training_set_func_": 0, "stratification_method_": 3, "predict_weighted_": 0,
    "prepare_online_learning_": 0,
}  # fmt: skip
"""ilastik's settings; vigra demands every one of them. ``tree_count_`` is added."""


def write_forests(group: Any, forest: Forest, parts: tuple[int, ...]) -> None:
    """Write ``forest`` into an h5py group as Forest0000 ... with ``parts`` trees each, and its classes."""
    trees = stored_trees(forest)
    first = 0
    for number, count in enumerate(parts):
        part = group.create_group(f"Forest{number:04}")
        part.attrs["vigra_random_forest_version"] = np.array([0.1])
        _write_numbers(part.create_group("_options"), {**_OPTIONS, "tree_count_": count})
        own = part.create_group("_ext_param")
        _write_numbers(own, _parameters(forest, trees[first]))
        own["class_weights_"] = np.ones(forest.n_classes)
        own["labels"] = forest.classes.astype(np.uint32)
        digits = len(str(count - 1))
        for i, (topology, parameters) in enumerate(trees[first : first + count]):
            tree = part.create_group(f"Tree_{i:0{digits}}")
            tree["topology"], tree["parameters"] = topology, parameters
        first += count
    group["known_labels"] = forest.classes.astype(np.uint32)


def _write_numbers(group: Any, values: dict[str, float]) -> None:
    for name, value in values.items():
        group[name] = np.array([value], np.float64)


def _parameters(forest: Forest, tree: Tree) -> dict[str, float]:
    rows = float(_leaf_weights(tree).sum())
    return {
        "column_count_": forest.n_features,
        "class_count_": forest.n_classes,
        "row_count_": rows,
        "actual_mtry_": math.floor(math.sqrt(forest.n_features) + 0.5),
        "actual_msample_": rows,
        "problem_type_": 1,
        "used_": 1,
        "is_weighted_": 1,
        "precision_": 0,
        "response_size_": 1,
    }


def _leaf_weights(tree: Tree) -> NDArray[np.float64]:
    """In-bag samples of the leaves of one tree."""
    topology, parameters = tree
    found = []
    at = ROOT
    while at < len(topology):
        if topology[at] == LEAF_TAG:
            found.append(parameters[topology[at + 1]])
            at += 2
        else:
            at += 5
    return np.array(found)


def stored_trees(forest: Forest) -> list[Tree]:
    """Every tree as its two arrays, root first, then the other nodes in their order.

    Raises
    ------
    ValueError
        Two links lead to the same node: not a forest of trees.
    """
    tree = _tree_of_nodes(forest)
    n_trees, k = forest.n_trees, forest.n_classes
    is_root = np.zeros(len(tree), bool)
    is_root[forest.roots] = True
    used = np.flatnonzero(tree >= 0)
    order = used[np.lexsort((used, ~is_root[used], tree[used]))]
    leaf = forest.feature[order] == LEAF
    address, ints = _positions(np.where(leaf, 2, 5), tree[order], n_trees, ROOT)
    numbers, doubles = _positions(np.where(leaf, 1 + k, 2), tree[order], n_trees, 0)
    where = np.zeros(len(tree), np.int64)
    where[order] = address
    int_base = np.concatenate(([0], np.cumsum(ints)))
    double_base = np.concatenate(([0], np.cumsum(doubles)))
    topology = np.zeros(int_base[-1], np.int32)
    parameters = np.zeros(double_base[-1], np.float64)
    topology[int_base[:-1]], topology[int_base[:-1] + 1] = forest.n_features, k
    at = int_base[tree[order]] + address
    p = double_base[tree[order]] + numbers
    topology[at] = np.where(leaf, LEAF_TAG, 0)
    topology[at + 1] = numbers
    inner, node = at[~leaf], order[~leaf]
    topology[inner + 2] = where[forest.left[node]]
    topology[inner + 3] = where[forest.right[node]]
    topology[inner + 4] = forest.feature[node]
    parameters[p[~leaf]] = 1.0
    parameters[p[~leaf] + 1] = forest.threshold[node]
    rows = forest.left[order[leaf]]
    parameters[p[leaf]] = forest.weights[rows]
    parameters[p[leaf][:, None] + np.arange(1, k + 1)] = forest.votes[rows]
    return [
        (topology[int_base[i] : int_base[i + 1]], parameters[double_base[i] : double_base[i + 1]])
        for i in range(n_trees)
    ]


def _tree_of_nodes(forest: Forest) -> NDArray[np.int64]:
    """For each node the tree that it belongs to, or -1."""
    tree = np.full(len(forest.feature), -1, np.int64)
    front = forest.roots.astype(np.int64)
    number = np.arange(forest.n_trees)
    while len(front):
        if (tree[front] >= 0).any() or len(np.unique(front)) != len(front):
            raise ValueError("two links of the forest lead to the same node")
        tree[front] = number
        inner = forest.feature[front] != LEAF
        front, number = front[inner], number[inner]
        front = np.concatenate([forest.left[front], forest.right[front]]).astype(np.int64)
        number = np.concatenate([number, number])
    return tree


def _positions(
    lengths: NDArray[np.int64], tree: NDArray[np.int64], n_trees: int, first: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where entries of ``lengths`` start within their tree (from ``first``), and the size of each tree."""
    sums = np.bincount(tree, weights=lengths, minlength=n_trees).astype(np.int64)
    before = np.concatenate(([0], np.cumsum(sums)[:-1]))
    starts = np.cumsum(lengths) - lengths - before[tree] + first
    return starts, sums + first
