"""Values to bins: the one place where a float32 becomes a small integer.

A column has strictly increasing float32 **edges**; the bin of a value is the number of edges <= it. The
comparison "value < edge k" is therefore the same as "bin <= k", bit for bit, whatever the edges are. Our
own training places at most 255 edges a column and splits only at edges; a stored forest is ranked by its
distinct thresholds. Either way prediction compares integers and is exact.

Bins are found by a table of guesses, one for each of ``n_cells`` cells of a squashed value, and then
corrected by comparisons with the edges themselves. The table can only make this slow, never wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest import quantise_kernels

MAX_TRAINING_EDGES = 255
"""Edges a column that training places, so that bins fit 8 bits."""

Bins = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Quantizer:
    """Edges of all columns, one column after another; immutable."""

    edges: NDArray[np.float32]
    """(n_edges,) strictly increasing within a column, no NaN, no -0."""
    starts: NDArray[np.int64]
    """(n_columns + 1,) column c owns ``edges[starts[c]:starts[c + 1]]``."""

    @classmethod
    def from_columns(cls, columns: Sequence[NDArray[np.float32]]) -> Quantizer:
        """One array of edges for each column.

        Raises
        ------
        ValueError
            Edges that do not strictly increase, or NaN, or more than 65,535 in a column.
        """
        for c, edges in enumerate(columns):
            if np.isnan(edges).any() or not (np.diff(edges) > 0).all():
                raise ValueError(f"edges of column {c} do not strictly increase")
            if len(edges) > np.iinfo(np.uint16).max:
                raise ValueError(f"column {c} has {len(edges)} edges, more than 65535")
        flat = np.concatenate([np.empty(0, np.float32), *columns]).astype(np.float32) + np.float32(0)
        return cls(flat, np.cumsum([0, *(len(e) for e in columns)], dtype=np.int64))

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.starts) - 1

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """uint8 where every column has at most 255 edges, else uint16."""
        few = self.n_columns == 0 or int(np.diff(self.starts).max()) <= np.iinfo(np.uint8).max
        return np.dtype(np.uint8) if few else np.dtype(np.uint16)

    def column(self, c: int) -> NDArray[np.float32]:
        """The edges of column ``c``."""
        return self.edges[self.starts[c] : self.starts[c + 1]]

    @cached_property
    def guesses(self) -> GuessTable:
        """The table that the kernels start from; built at the first use."""
        return build_guesses(self)


@dataclass(frozen=True)
class GuessTable:
    """For each column: how to find a cell of a value, and where the search starts in that cell.

    A search covers ``2 ** steps - 1`` edges from its start, so every column's edges are followed by
    infinities enough for it to stay inside.
    """

    centre: NDArray[np.float32]
    """(n_columns,) value of the middle cell."""
    scale: NDArray[np.float32]
    """(n_columns,) positive and finite: t = (value - centre) * scale."""
    steps: NDArray[np.int32]
    """(n_columns,) halving steps that correct the guess."""
    edges: NDArray[np.float32]
    """All edges with their padding."""
    edge_starts: NDArray[np.int64]
    """(n_columns,) where a column begins in ``edges``."""
    first: NDArray[np.uint16]
    """(n_columns, n_cells) number of edges that lie in lower cells."""

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The fields, in this order, as kernels take them."""
        return self.centre, self.scale, self.steps, self.edges, self.edge_starts, self.first


def cells_reference(
    x: NDArray[np.float32], centre: np.float32, scale: np.float32, n_cells: int
) -> NDArray[np.int32]:
    """The cell of finite values, int32 of the same shape.

    t = (x - centre) * scale is squashed to (-1, 1) by sign(t) * (1 - 1 / (1 + |t|)), which spends cells
    on the bulk and still reaches far tails. Every step rounds monotonically, so the cell never decreases
    where the value grows: that is all the search relies on.
    """
    one, half = np.float32(1), np.float32(n_cells // 2)
    with np.errstate(over="ignore"):
        t = (x - centre) * scale
    squashed = np.copysign(one - one / (one + np.abs(t)), t)
    cells: NDArray[np.int32] = np.clip(((squashed + one) * half).astype(np.int32), 0, n_cells - 1)
    return cells


def build_guesses(quantizer: Quantizer) -> GuessTable:
    """The table for ``quantizer``; cells grow with the longest column."""
    n = quantizer.n_columns
    counts = np.diff(quantizer.starts)
    longest = int(counts.max()) if n else 0
    n_cells = min(1 << max(6, (4 * longest).bit_length()), 1 << 15)
    centre, scale = np.zeros(n, np.float32), np.ones(n, np.float32)
    first, steps = np.zeros((n, n_cells), np.uint16), np.zeros(n, np.int32)
    for c in range(n):
        centre[c], scale[c], steps[c] = quantise_kernels.fit_column(quantizer.column(c), n_cells, first[c])
    room = counts + (1 << steps.astype(np.int64))
    edge_starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(room)])[:n]
    padded = np.full(int(room.sum()), np.inf, np.float32)
    for c in range(n):
        padded[edge_starts[c] : edge_starts[c] + counts[c]] = quantizer.column(c)
    return GuessTable(centre, scale, steps, padded, edge_starts, first)


def quantise_reference(quantizer: Quantizer, x: NDArray[np.float32]) -> Bins:
    """The twin of the kernel: bins of finite values, (n_columns, n) float32 -> (n_columns, n) bins."""
    bins = np.empty(x.shape, quantizer.dtype)
    for c in range(quantizer.n_columns):
        bins[c] = np.searchsorted(quantizer.column(c), x[c], side="right")
    return bins


def quantise(quantizer: Quantizer, x: NDArray[np.float32]) -> Bins:
    """Bins of finite values, (n_columns, n) float32 -> (n_columns, n) bins; without the GIL."""
    bins = np.empty(x.shape, quantizer.dtype)
    # Read-only or not is part of a compiled signature: all values come as read-only, to compile once.
    values = np.ascontiguousarray(x).view()
    values.flags.writeable = False
    quantise_kernels.quantise_rows(values, quantizer.guesses.arrays, bins)
    return bins


def midpoints(low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
    """The edge between neighbouring values low < high: low < edge <= high, their middle as float32."""
    middle = (0.5 * (low.astype(np.float64) + high.astype(np.float64))).astype(np.float32)
    return np.where(middle > low, middle, high) + np.float32(0)


def place_edges(
    values: NDArray[np.float32], labels: NDArray[np.uint8], max_edges: int = MAX_TRAINING_EDGES
) -> NDArray[np.float32]:
    """Edges for one column of training rows; the order of rows does not matter.

    Parameters
    ----------
    values
        (n,) float32, finite.
    labels
        (n,) uint8, the class of each row.
    max_edges
        Where there are more distinct values, half of the edges are quantiles of the rows and half are
        quantiles of the borders of classes, so that few sharp borders are kept exactly.

    Returns
    -------
    (k,) float32, k <= max_edges, strictly increasing, each between two neighbouring values.
    """
    keys, cuts = np.empty(len(values), np.int64), np.empty(max_edges, np.int64)
    quantise_kernels.sort_keys(values + np.float32(0), labels, keys)
    keys.sort()
    cuts = cuts[: quantise_kernels.choose_cuts(keys, cuts)]
    return midpoints(_values_of(keys[cuts - 1]), _values_of(keys[cuts]))


def _values_of(keys: NDArray[np.int64]) -> NDArray[np.float32]:
    """The values that `sort_keys` made keys of."""
    grows = keys >> 8
    return np.where(grows < 0, grows ^ 0x7FFFFFFF, grows).astype(np.int32).view(np.float32)
