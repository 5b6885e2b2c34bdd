"""Forests made at random: every shape that a file may hold, not only those that training grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from underbrush.core.forest.nodes import LEAF, Forest


@dataclass(frozen=True)
class ForestShape:
    """What `make_forest` is to make."""

    n_trees: int = 7
    n_classes: int = 2
    n_features: int = 3
    depth: int = 5
    impure: float = 0.0
    """Share of leaves with fractions of several classes."""
    levels: int = 0
    """Thresholds are taken from this many values; 0: all different."""
    seed: int = 0


def make_forest(shape: ForestShape) -> Forest:
    """Trees with random splits; a branch ends early now and then, a tree may be a bare leaf."""
    r = np.random.default_rng(shape.seed)
    feature, threshold, left, right, votes, roots = [], [], [], [], [], []

    def leaf() -> int:
        share = np.zeros(shape.n_classes)
        if r.random() < shape.impure:
            some = r.random(shape.n_classes) * (r.random(shape.n_classes) < 0.6) + 1e-3
            share = some / some.sum()
        else:
            share[r.integers(shape.n_classes)] = 1
        votes.append(share)
        return node(LEAF, 0.0, len(votes) - 1, len(votes) - 1)

    def node(*values: float) -> int:
        for column, value in zip((feature, threshold, left, right), values, strict=True):
            column.append(value)
        return len(feature) - 1

    def grow(depth: int) -> int:
        if depth == 0 or r.random() < 0.15:
            return leaf()
        value = r.normal() if shape.levels == 0 else float(r.integers(shape.levels)) / 4
        me = node(int(r.integers(shape.n_features)), value, 0, 0)
        left[me], right[me] = grow(depth - 1), grow(depth - 1)
        return me

    for _ in range(shape.n_trees):
        roots.append(grow(shape.depth))
    return Forest(
        roots=np.array(roots, np.int32),
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold, np.float64),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        votes=np.array(votes),
        weights=np.ones(len(votes)),
        classes=np.arange(1, shape.n_classes + 1, dtype=np.uint32),
        n_features=shape.n_features,
    )


def make_values(forest: Forest, height: int, width: int, seed: int = 0) -> np.ndarray:
    """(n_features, height, width) float32: noise, exact thresholds, their neighbours, and bad values."""
    r = np.random.default_rng(seed)
    x = r.normal(size=(forest.n_features, height, width)).astype(np.float32)
    edges = forest.threshold.astype(np.float32)
    picked = r.choice(edges, x.shape)
    pick = r.random(x.shape)
    x = np.where(pick < 0.3, picked, x)
    x = np.where(pick < 0.2, np.nextafter(picked, np.float32(np.inf)), x)
    x = np.where(pick < 0.1, np.nextafter(picked, np.float32(-np.inf)), x)
    bad = r.random(x.shape) < 0.01
    x[bad] = r.choice(np.array([np.nan, np.inf, -np.inf], np.float32), int(bad.sum()))
    return x


@pytest.fixture
def forest_of():
    """``forest_of(n_trees=..., ...)`` makes a forest at random."""
    return lambda **shape: make_forest(ForestShape(**shape))


@pytest.fixture
def values_for():
    """``values_for(forest, height, width)`` makes features that hit its thresholds."""
    return make_values
