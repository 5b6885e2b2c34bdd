"""The random forests of a project file (vigra's layout) as flat arrays.

A tree is one int32 array ``topology`` and one float64 array ``parameters``. ``topology`` starts with the
number of columns and of classes; the root node stands at 2. A node at address a is

* a threshold: ``[0, p, left, right, column]``; ``parameters[p:p + 2] = [1, threshold]``;
* a leaf: ``[LEAF_TAG, p]``; ``parameters[p:p + 1 + K] = [weight, fraction of class 1 .. K]``.

Layout: vigra's ``rf_nodeproxy.hxx`` and ``random_forest_hdf5_impex.hxx``, read as a specification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.errors import ProjectError
from underbrush.project.storage import Node

LEAF_TAG = 0x40000000
ROOT = 2
_THRESHOLD_INTS, _LEAF_INTS = 5, 2
_KINDS = {1: "hyperplane", 2: "hypersphere", LEAF_TAG + 1: "log-regression"}
_MAX_CLASSES = 255


@dataclass(frozen=True)
class StoredTrees:
    """All trees of a project, one after the other in the order of their votes."""

    topology: NDArray[np.int64]
    """All topologies joined."""
    parameters: NDArray[np.float64]
    """All parameters joined."""
    ints: NDArray[np.int64]
    """(n_trees,) length of each topology."""
    doubles: NDArray[np.int64]
    """(n_trees,) number of parameters of each tree."""
    n_features: int
    n_classes: int
    where: str


def read_forest(forests: Node, names: list[str]) -> tuple[Forest, tuple[int, ...]]:
    """The sub-forests ``names`` of a group, joined in this order, and the number of trees of each.

    Raises
    ------
    ProjectError
        A link or count in it is wrong, or it has a kind of node or of vote that cannot be evaluated.
    """
    topologies: list[NDArray[np.int64]] = []
    parameters: list[NDArray[np.float64]] = []
    parts = []
    labels: NDArray[np.uint32] | None = None
    for name in names:
        group = forests.group(name)
        if group is None:
            raise _damaged(forests, f"{name} is not there")
        own_labels = _read_options(group)
        if labels is not None and own_labels is not None and not np.array_equal(labels, own_labels):
            raise _damaged(group, "it was trained on other classes than the forest before it")
        labels = own_labels if labels is None else labels
        trees = [n for n, _ in group.groups() if not n.startswith("_")]
        count = _option(group, "_options", "tree_count_")
        if not trees or (count is not None and count != len(trees)):
            raise _damaged(group, f"it has {len(trees)} trees and should have {count}")
        for tree in trees:
            topology, values = _read_tree(group, tree)
            topologies.append(topology)
            parameters.append(values)
        parts.append(len(trees))
    stored = _joined(forests, topologies, parameters)
    _check_extent(forests, stored, names)
    classes = _classes(forests, labels, stored.n_classes)
    return _assemble(stored, classes), tuple(parts)


def _damaged(node: Node, what: str) -> ProjectError:
    return ProjectError(
        f"the stored classifier is damaged: {node.path}: {what}",
        where=node.where,
        remedy="train again from the strokes",
    )


def _unsupported(node: Node, what: str) -> ProjectError:
    return ProjectError(
        f"the stored classifier {what}, which cannot be evaluated",
        where=node.where,
        remedy="train again from the strokes",
    )


def _option(group: Node, part: str, name: str) -> float | None:
    options = group.group(part)
    return None if options is None else options.number(name)


def _read_options(group: Node) -> NDArray[np.uint32] | None:
    """Check the settings that prediction depends on; the class values, where they are stored."""
    if _option(group, "_options", "predict_weighted_"):
        raise _unsupported(group, "weighs its leaves")
    problem = _option(group, "_ext_param", "problem_type_")
    if problem is not None and problem != 1:
        raise _unsupported(group, "predicts numbers, not classes")
    external = group.group("_ext_param")
    labels = None if external is None else external.numbers("labels")
    if labels is None or labels.dtype.kind not in "iuf" or labels.ndim != 1:
        return None
    if not np.isfinite(labels).all() or (labels < 0).any() or (labels > _MAX_CLASSES).any():
        raise _damaged(group, "its class values are not 1 to 255")
    return labels.astype(np.uint32)


def _read_tree(group: Node, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    tree = group.group(name)
    topology = None if tree is None else tree.numbers("topology")
    values = None if tree is None else tree.numbers("parameters")
    if topology is None or values is None or topology.ndim != 1 or values.ndim != 1:
        raise _damaged(group, f"{name} has no topology or no parameters")
    if topology.dtype.kind not in "iu" or len(topology) < ROOT + _LEAF_INTS:
        raise _damaged(group, f"the topology of {name} is not one of a tree")
    return topology.astype(np.int64), values.astype(np.float64)


def _joined(
    node: Node, topologies: list[NDArray[np.int64]], parameters: list[NDArray[np.float64]]
) -> StoredTrees:
    heads = np.array([t[:ROOT] for t in topologies])
    if (heads != heads[0]).any():
        raise _damaged(node, "its trees differ in their number of columns or classes")
    n_features, n_classes = int(heads[0, 0]), int(heads[0, 1])
    if not 1 <= n_classes <= _MAX_CLASSES or not 1 <= n_features < 2**31:
        raise _damaged(node, f"its trees claim {n_features} columns and {n_classes} classes")
    return StoredTrees(
        np.concatenate(topologies),
        np.concatenate(parameters),
        np.array([len(t) for t in topologies], np.int64),
        np.array([len(p) for p in parameters], np.int64),
        n_features,
        n_classes,
        node.where,
    )


def _check_extent(forests: Node, stored: StoredTrees, names: list[str]) -> None:
    for name in names:
        group = forests.group(name)
        assert group is not None
        for option, found in (("column_count_", stored.n_features), ("class_count_", stored.n_classes)):
            said = _option(group, "_ext_param", option)
            if said is not None and said != found:
                raise _damaged(group, f"{option} is {said:g}, its trees have {found}")


def _classes(node: Node, labels: NDArray[np.uint32] | None, n_classes: int) -> NDArray[np.uint32]:
    known = node.numbers("known_labels")
    if known is not None and known.ndim == 1 and known.dtype.kind in "iu" and len(known):
        labels = known
    if labels is None:
        return np.arange(1, n_classes + 1, dtype=np.uint32)
    if len(labels) != n_classes or len(set(labels.tolist())) != n_classes:
        raise _damaged(node, f"{len(labels)} class values are stored for {n_classes} classes")
    if int(labels.min()) < 1 or int(labels.max()) > _MAX_CLASSES:
        raise _damaged(node, "its class values are not 1 to 255")
    return labels.astype(np.uint32)


def _walk(stored: StoredTrees) -> NDArray[np.int64]:
    """Addresses (in the joined topology) of all nodes that can be reached, each once, in order.

    Goes down all trees at once, level by level. A node that is reached twice stops the walk, so a ring
    of links cannot hold it up.
    """
    node_error = _WalkError(stored.where)
    topology = stored.topology
    base_of_tree = np.concatenate(([0], np.cumsum(stored.ints)[:-1]))
    base = base_of_tree  # of the nodes in `front`
    end = base + stored.ints
    front = base + ROOT
    seen = np.zeros(len(topology), bool)
    found = []
    while len(front):
        if (front + _LEAF_INTS > end).any():
            raise node_error("a node lies beyond the end of its tree")
        ordered = np.sort(front)
        if seen[front].any() or (ordered[1:] == ordered[:-1]).any():
            raise node_error("two links lead to the same node")
        seen[front] = True
        found.append(front)
        kind = topology[front]
        inner = kind == 0
        odd = kind[~inner & (kind != LEAF_TAG)]
        if len(odd):
            name = _KINDS.get(int(odd[0]))
            raise (
                node_error(f"a node has the unknown kind {odd[0]}")
                if name is None
                else ProjectError(
                    f"the stored classifier has {name} nodes, which cannot be evaluated",
                    where=stored.where,
                    remedy="train again from the strokes",
                )
            )
        front, base, end = front[inner], base[inner], end[inner]
        if (front + _THRESHOLD_INTS > end).any():
            raise node_error("a node is cut short")
        children = np.concatenate([topology[front + 2], topology[front + 3]])
        base, end = np.concatenate([base, base]), np.concatenate([end, end])
        if (children < ROOT).any() or (children >= end - base).any():
            raise node_error("a link leads out of its tree")
        front = children + base
    return np.sort(np.concatenate(found))


class _WalkError:
    def __init__(self, where: str) -> None:
        self.where = where

    def __call__(self, what: str) -> ProjectError:
        return ProjectError(
            f"the stored classifier is damaged: {what}",
            where=self.where,
            remedy="train again from the strokes",
        )


def _assemble(stored: StoredTrees, classes: NDArray[np.uint32]) -> Forest:
    error = _WalkError(stored.where)
    address = _walk(stored)
    topology, values, k = stored.topology, stored.parameters, stored.n_classes
    base = np.concatenate(([0], np.cumsum(stored.ints)[:-1]))
    tree = np.searchsorted(base, address, side="right") - 1
    first = np.concatenate(([0], np.cumsum(stored.doubles)[:-1]))[tree]
    at = topology[address + 1]
    leaf = topology[address] == LEAF_TAG
    length = np.where(leaf, 1 + k, 2)
    if (at < 0).any() or (at + length > stored.doubles[tree]).any():
        raise error("a node's numbers lie beyond the end of its tree")
    inner = ~leaf
    number = np.full(len(topology), -1, np.int64)
    number[address] = np.arange(len(address))
    n = len(address)
    feature = np.full(n, LEAF, np.int32)
    threshold = np.zeros(n, np.float64)
    left, right = np.zeros(n, np.int32), np.zeros(n, np.int32)
    column = topology[address[inner] + 4]
    if (column < 0).any() or (column >= stored.n_features).any():
        raise error("a node compares a column that is not there")
    feature[inner] = column
    threshold[inner] = values[(first + at)[inner] + 1]
    left[inner] = number[topology[address[inner] + 2] + base[tree[inner]]]
    right[inner] = number[topology[address[inner] + 3] + base[tree[inner]]]
    left[leaf] = right[leaf] = np.arange(int(leaf.sum()))
    rows = (first + at)[leaf]
    votes = values[rows[:, None] + np.arange(1, k + 1)]
    if np.isnan(threshold).any() or not np.isfinite(votes).all():
        raise error("a threshold or a vote is not a number")
    if (votes < 0).any() or (np.abs(votes.sum(1) - 1) > 1e-6).any():
        raise error("the votes of a leaf are not fractions that sum to 1")
    order = np.argsort(classes)
    roots = number[base + ROOT].astype(np.int32)
    votes = np.ascontiguousarray(votes[:, order])
    result = (roots, feature, threshold, left, right, votes, values[rows].copy(), classes[order])
    for array in result:
        array.flags.writeable = False
    return Forest(*result, n_features=stored.n_features)
