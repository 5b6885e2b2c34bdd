"""The plain twin of the training kernels: short, slow, and the definition of every byte of a tree."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_MASK = 2**64 - 1
SMALLEST_GAIN = 1.0 + 1e-12


@dataclass
class GrownTree:
    """A tree; a child >= 0 is an inner node, -1 - k is leaf k. Numbered root, left, right."""

    limit: list[int] = field(default_factory=list)
    """A bin <= limit goes left."""
    column: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    leaves: list[list[int]] = field(default_factory=list)
    """In-bag weight of each class in each leaf."""


class Numbers:
    """splitmix64 (Steele, Lea and Flood 2014), from a state of 64 bits."""

    def __init__(self, state: int) -> None:
        self.state = state

    def below(self, n: int) -> int:
        """A number 0 ... n - 1."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        return ((mixed_reference(self.state) >> 32) * n) >> 32


def mixed_reference(z: int) -> int:
    """The output function of splitmix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def draw_bag_reference(
    numbers: Numbers, y: NDArray[np.uint8], n_classes: int, balance: bool
) -> NDArray[np.int32]:
    """How often each of the n rows is drawn in n draws; with ``balance`` each draw first picks a class."""
    weight = np.zeros(len(y), np.int32)
    members = [np.flatnonzero(y == k) for k in range(n_classes)]
    for _ in range(len(y)):
        if balance:
            own = members[numbers.below(n_classes)]
            weight[own[numbers.below(len(own))]] += 1
        else:
            weight[numbers.below(len(y))] += 1
    return weight


Table = tuple[NDArray[np.uint8], list[NDArray[np.float32]], NDArray[np.float32]]
"""Bins (n_columns, n), the edges of each column, and the centres of their bins (n_columns, 256)."""


def middle_edge_reference(
    edges: NDArray[np.float32], centres: NDArray[np.float32], low: int, high: int
) -> int:
    """The edge between two bins that is nearest to the middle of their centres; of two the lower."""
    middle = 0.5 * (float(centres[low]) + float(centres[high]))
    return low + int(np.argmin(np.abs(edges[low:high].astype(np.float64) - middle)))


def grow_reference(
    table: Table,
    y: NDArray[np.uint8],
    sizes: tuple[int, int],
    numbers: Numbers,
    weight: NDArray[np.int32],
) -> GrownTree:
    """One tree of in-bag rows.

    ``y`` (n,) class indices, ``sizes`` (n_classes, columns drawn for a split), ``weight`` (n,) from
    `draw_bag_reference` with the same ``numbers``.
    """
    bins, edges, centres = table
    n_classes, mtry = sizes
    tree, columns = GrownTree(), list(range(len(bins)))

    def node(rows: NDArray[np.intp]) -> int:
        totals = [int(weight[rows][y[rows] == k].sum()) for k in range(n_classes)]
        cut = None
        if sum(t > 0 for t in totals) > 1:
            cut = _find_split(bins[:, rows], y[rows], weight[rows], totals, (columns, mtry, numbers))
        if cut is None:
            tree.leaves.append(totals)
            return -len(tree.leaves)
        me = len(tree.limit)
        tree.column.append(cut[0])
        tree.limit.append(middle_edge_reference(edges[cut[0]], centres[cut[0]], cut[1], cut[2]))
        tree.left.append(0)
        tree.right.append(0)
        goes_left = bins[cut[0], rows] <= tree.limit[me]
        tree.left[me] = node(rows[goes_left])
        tree.right[me] = node(rows[~goes_left])
        return me

    node(np.flatnonzero(weight))
    return tree


def _find_split(
    bins: NDArray[np.uint8],
    y: NDArray[np.uint8],
    weight: NDArray[np.int32],
    totals: list[int],
    draw: tuple[list[int], int, Numbers],
) -> tuple[int, int, int] | None:
    """Column and bins on both sides of the best cut of the drawn columns, or of the first that improves."""
    columns, mtry, numbers = draw
    n = sum(totals)
    best = float(sum(t * t for t in totals)) * SMALLEST_GAIN / float(n)
    chosen = None
    for tried in range(len(columns)):
        if tried >= mtry and chosen is not None:
            break
        j = tried + numbers.below(len(columns) - tried)
        columns[tried], columns[j] = columns[j], columns[tried]
        column = bins[columns[tried]]
        present = np.unique(column)
        left = [0] * len(totals)
        for low, high in zip(present[:-1].tolist(), present[1:].tolist(), strict=True):
            here = column == low
            left = [v + int(weight[here][y[here] == k].sum()) for k, v in enumerate(left)]
            n_left = sum(left)
            left2, right2 = (
                sum(v * v for v in left),
                sum((t - v) ** 2 for t, v in zip(totals, left, strict=True)),
            )
            score = (float(left2) * (n - n_left) + float(right2) * n_left) / (float(n_left) * (n - n_left))
            if score > best:
                best, chosen = score, (columns[tried], low, high)
    return chosen
