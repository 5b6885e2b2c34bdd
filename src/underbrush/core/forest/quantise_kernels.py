"""Compiled halves of the quantiser: cuts of sorted rows, cells, bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from underbrush.jit import kernel

_ONE, _TWO, _THREE, _FOUR = (np.uint64(v) for v in (1, 2, 3, 4))


@kernel()
def sort_keys(values: Any, labels: Any, keys: Any) -> Any:
    """Keys that sort by value, then label: ``keys`` (n,) int64 of finite float32, no -0, and uint8.

    The bits of a float32, read as an integer, grow with it where it is positive and fall where not.
    """
    as_bits = values.view(np.int32)
    for i in range(len(values)):
        bits = np.int64(as_bits[i])
        keys[i] = ((bits if bits >= 0 else bits ^ 0x7FFFFFFF) << 8) | np.int64(labels[i])


@kernel()
def choose_cuts(keys: Any, cuts: Any) -> Any:
    """Choose positions among sorted ``keys`` where a bin begins; their number, at most ``len(cuts)``.

    A bin may begin wherever a new value begins. Where there are more such positions than ``cuts`` has
    room for, half of the cuts are spread evenly over the rows, and half over the borders of classes, the
    positions where not all rows of both neighbouring values are of one class: no other can be the best
    split (Fayyad and Irani 1992). Each cut is the first position that gives its bin a fair share of what
    remains, so a value of many rows leaves the cuts it does not need to others.
    """
    n, room = len(keys), len(cuts)
    starts, is_border = np.empty(n + 1, np.int64), np.zeros(n + 1, np.uint8)
    m, first, pure_before, borders = 0, 0, np.int64(-1), 0
    # Keys are sorted by label within a value: it is pure if its first and last label agree.
    for i in range(1, n + 1):
        if i < n and keys[i] >> 8 == keys[first] >> 8:
            continue
        pure = keys[first] & 255 if keys[first] == keys[i - 1] else np.int64(-1)
        if first > 0:
            starts[m] = first
            is_border[m] = pure < 0 or pure != pure_before
            borders += is_border[m]
            m += 1
        first, pure_before = i, pure
    if m <= room:
        for i in range(m):
            cuts[i] = starts[i]
        return m
    weight = n / borders if borders > 0 else 0.0
    total, passed, last = n + weight * borders, 0.0, 0.0
    at = -1
    for i in range(room):
        remaining = room - i
        at += 1
        passed += weight * is_border[at]
        share = last + (total - last) / (remaining + 1)
        # As many positions must stay as there are cuts to come.
        while starts[at] + passed < share and at < m - remaining:
            at += 1
            passed += weight * is_border[at]
        cuts[i] = starts[at]
        last = starts[at] + passed
    return room


@kernel()
def fill_cells(x: Any, centre: Any, scale: Any, n_cells: Any, cells: Any) -> Any:
    """Cells of finite values: (n,) float32 -> (n,) uint32; the arithmetic of ``cells_reference``."""
    one = np.float32(1)
    half, top = np.float32(n_cells // 2), np.int32(n_cells - 1)
    for i in range(len(x)):
        t = (x[i] - centre) * scale
        r = one - one / (one + abs(t))
        s = -r if t < np.float32(0) else r
        cells[i] = np.uint32(min(np.int32((s + one) * half), top))


@kernel()
def count_cells(cells: Any, per_cell: Any) -> Any:
    """How often each cell occurs, into ``per_cell`` (n_cells,) int32; the largest of these numbers."""
    for c in range(len(per_cell)):
        per_cell[c] = 0
    most = np.int64(0)
    for i in range(len(cells)):
        per_cell[cells[i]] += 1
        most = max(most, np.int64(per_cell[cells[i]]))
    return most


@kernel()
def fit_column(edges: Any, n_cells: Any, first: Any) -> Any:
    """Choose how one column's values are squashed, so that few edges share a cell, and fill ``first``.

    ``edges`` (k,) float32 increasing, ``first`` (n_cells,) uint16. Returns centre, scale (positive and
    finite) and the halving steps that the fullest cell needs. Tried in turn: the middle edge and outer
    ones as centre, the spread of the middle half and parts of it as scale; the first that needs one step
    is taken, else the one with the fewest edges in its fullest cell.
    """
    k = len(edges)
    lo, hi = 0, k
    while lo < k and edges[lo] == -np.inf:
        lo += 1
    while hi > lo and edges[hi - 1] == np.inf:
        hi -= 1
    n = hi - lo
    centre, scale, fullest = np.float32(0), np.float32(1), np.int64(k + 1)
    cells, per_cell = np.empty(k, np.uint32), np.zeros(n_cells, np.int32)
    for place in (8, 4, 2, 0, 12, 14, 16):
        if n == 0 or fullest <= 1:
            break
        middle = edges[lo + min(n - 1, (n * place) // 16)]
        width = np.float64(edges[lo + (3 * n) // 4]) - np.float64(edges[lo + n // 4])
        for part in (0.5, 2.0, 8.0, 0.125, 32.0):
            wanted = part / width if width > 0 else 1.0
            trial = np.float32(min(max(wanted, 1.2e-38), 3.4e38))
            fill_cells(edges, middle, trial, n_cells, cells)
            most = count_cells(cells, per_cell)
            if most < fullest:
                centre, scale, fullest = middle, trial, most
            if fullest <= 1:
                break
    if n == 0:
        fullest = np.int64(k)
    fill_cells(edges, centre, scale, n_cells, cells)
    count_cells(cells, per_cell)
    below = 0
    for c in range(n_cells):
        first[c] = below
        below += per_cell[c]
    steps = 0
    while (1 << steps) <= fullest:
        steps += 1
    return centre, scale, steps


@kernel()
def fill_bins(x: Any, cells: Any, first: Any, edges: Any, steps: Any, bins: Any) -> Any:
    """Bins of finite values: the guess of each value's cell, then ``steps`` halvings over the edges.

    ``x`` (n,) float32, ``cells`` (n,) uint32, ``first`` (n_cells,) uint16, ``edges`` float32 padded with
    infinities, ``bins`` (n,) uint8 or uint16. One to three steps are written out and all indices are
    unsigned, which is what makes the loops fast; they are the same search.
    """
    if steps <= 1:
        for i in range(len(x)):
            b = np.uint64(first[cells[i]])
            bins[i] = b + np.uint64(edges[b] <= x[i])
    elif steps == 2:
        for i in range(len(x)):
            b = np.uint64(first[cells[i]])
            b += _TWO * np.uint64(edges[b + _ONE] <= x[i])
            bins[i] = b + np.uint64(edges[b] <= x[i])
    elif steps == 3:
        for i in range(len(x)):
            b = np.uint64(first[cells[i]])
            b += _FOUR * np.uint64(edges[b + _THREE] <= x[i])
            b += _TWO * np.uint64(edges[b + _ONE] <= x[i])
            bins[i] = b + np.uint64(edges[b] <= x[i])
    else:
        for i in range(len(x)):
            b = np.uint64(first[cells[i]])
            for s in range(steps - 1, -1, -1):
                step = _ONE << np.uint64(s)
                b += step * np.uint64(edges[b + step - _ONE] <= x[i])
            bins[i] = b


@kernel()
def quantise_rows(x: Any, table: Any, bins: Any) -> Any:
    """Bins of finite values: (n_columns, n) float32 -> ``bins`` (n_columns, n) uint8 or uint16.

    ``table`` is ``GuessTable.arrays``.
    """
    centre, scale, steps, edges, edge_starts, first = table
    chunk = 1024
    cells = np.empty(chunk, np.uint32)
    for c in range(x.shape[0]):
        e = edges[edge_starts[c] :]
        for i in range(0, x.shape[1], chunk):
            part = x[c, i : i + chunk]
            fill_cells(part, centre[c], scale[c], first.shape[1], cells)
            fill_bins(part, cells, first[c], e, steps[c], bins[c, i : i + chunk])
