"""Compiled half of training: one tree from bins, on one thread.

Rows in the bag stand in an order that is partitioned in place, so that a node is a range of it:

    order:  [ left part of left child | right part of left child | right child ... ]
    packed: weight << 8 | class, in the same order (weight: how often the bootstrap drew the row)

All counts are integers, so the split that is found does not depend on the order in which rows are
counted. A split is scored by left^2 / n_left + right^2 / n_right, where left^2 is the sum over classes of
the squared weight on the left: this grows as the weighted Gini impurity falls (Breiman 2001; the same
order as scikit-learn's and vigra's Gini).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.jit import kernel

SMALL = 24
"""Nodes of at most this many rows are sorted instead of counted."""
HISTOGRAM_ROWS = 32
"""Nodes of more than this many rows for each class have a histogram; between, rows are chained by bin."""
MAX_ROWS = 1 << 23
"""A row's weight has 23 bits."""
IN_BAG = 255
"""In out-of-bag predictions: the tree was trained on this row."""
SMALLEST_GAIN = 1.0 + 1e-12
"""A split improves if its score is above the node's own by this factor: rounding is no gain."""

_GOLDEN, _MIX1, _MIX2 = (np.uint64(v) for v in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_W1, _W5, _W8, _W255 = (np.uint32(v) for v in (1, 5, 8, 255))
_S27, _S30, _S31, _S32 = (np.uint64(v) for v in (27, 30, 31, 32))


@kernel()
def mixed(z: Any) -> Any:
    """The output function of splitmix64 (Steele, Lea and Flood 2014): uint64 -> uint64."""
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return z ^ (z >> _S31)


@kernel()
def below(state: Any, n: Any) -> Any:
    """A number 0 ... n - 1, n < 2 ** 32, by splitmix64; ``state`` (1,) uint64 advances."""
    state[0] += _GOLDEN
    return np.int64(((mixed(state[0]) >> _S32) * np.uint64(n)) >> _S32)


@kernel()
def draw_bag(state: Any, class_rows: Any, class_starts: Any, balance: Any, weight: Any) -> Any:
    """Draw as many rows as there are, with repeats: ``weight`` (n,) int32 is how often each came.

    With ``balance`` each draw first picks a class, all alike, then one of its rows: class k has
    ``class_rows[class_starts[k]:class_starts[k + 1]]``.
    """
    n = len(weight)
    for i in range(n):
        weight[i] = 0
    for _ in range(n):
        if balance:
            k = below(state, len(class_starts) - 1)
            first = class_starts[k]
            weight[class_rows[first + below(state, class_starts[k + 1] - first)]] += 1
        else:
            weight[below(state, n)] += 1


@kernel()
def try_sorted(column: Any, node: Any, rows: Any, buffers: Any) -> Any:
    """The best cut of a small node: (score, low << 8 | high), score -1 where there is none.

    No row has a bin between ``low``, which goes left, and ``high``, which goes right.

    ``node`` is (totals (n_classes,) int64, squares, n), ``rows`` is (order, packed) of the node alone,
    ``buffers`` is (keys (SMALL,) int64, left (n_classes,) int64).
    """
    totals, squares, n = node
    order, packed = rows
    keys, left = buffers
    m = len(order)
    for i in range(m):
        key = (np.int64(column[order[i]]) << 32) | np.int64(packed[i])
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key
    best, cut = -1.0, np.int64(0)
    if keys[0] >> 32 == keys[m - 1] >> 32:
        return best, cut
    for k in range(len(left)):
        left[k] = 0
    n_left, left2, right2 = np.int64(0), np.int64(0), squares
    for i in range(m - 1):
        key = keys[i]
        w, k = (key >> 8) & 0xFFFFFF, key & 255
        left2 += w * (2 * left[k] + w)
        right2 -= w * (2 * (totals[k] - left[k]) - w)
        left[k] += w
        n_left += w
        low, high = key >> 32, keys[i + 1] >> 32
        if low != high:
            score = scored(left2, right2, n_left, n)
            if score > best:
                best, cut = score, (low << 8) | high
    return best, cut


@kernel()
def scored(left2: Any, right2: Any, n_left: Any, n: Any) -> Any:
    """left2 / n_left + right2 / n_right, by one division."""
    n_right = n - n_left
    top = np.float64(left2) * np.float64(n_right) + np.float64(right2) * np.float64(n_left)
    return top / (np.float64(n_left) * np.float64(n_right))


@kernel()
def try_two_classes(column: Any, node: Any, rows: Any, buffers: Any) -> Any:
    """The same for a large node of a forest of two classes.

    ``buffers`` is (counts (256,) int64, 0 between calls; sums (256,) int64; present (256,) int64; scores
    (256,) float64). A count holds the weight of class 0 in its low half and of class 1 in its high half.
    """
    totals, _, n = node
    order, packed = rows
    counts, sums, present, scores = buffers
    for i in range(len(order)):
        weight = packed[i]
        counts[np.uint64(column[order[i]])] += np.int64(weight >> _W8) << ((weight & _W1) << _W5)
    m, total = np.uint64(0), np.int64(0)
    for b in range(256):
        count = counts[b]
        counts[b] = 0
        total += count
        present[m] = b
        sums[m] = total
        m += np.uint64(count != 0)
    # All operands are integers below 2 ** 53, so this is the arithmetic of ``scored``.
    all0, all1, n_all = np.float64(totals[0]), np.float64(totals[1]), np.float64(n)
    for j in range(np.int64(m) - 1):
        left0, left1 = np.float64(sums[j] & 0xFFFFFFFF), np.float64(sums[j] >> 32)
        right0, right1 = all0 - left0, all1 - left1
        n_left = left0 + left1
        n_right = n_all - n_left
        top = (left0 * left0 + left1 * left1) * n_right + (right0 * right0 + right1 * right1) * n_left
        scores[j] = top / (n_left * n_right)
    best, cut = -1.0, np.int64(0)
    for j in range(np.int64(m) - 1):
        if scores[j] > best:
            best, cut = scores[j], (present[j] << 8) | present[j + 1]
    return best, cut


@kernel()
def try_histogram(column: Any, node: Any, rows: Any, buffers: Any) -> Any:
    """The same for a large node; ``buffers`` is (counts, 0 between calls; left (n_classes,) int64).

    ``counts`` (256 * (n_classes + 1),) int64 has for each bin the weight of each class and of all.
    """
    totals, squares, n = node
    order, packed = rows
    counts, left = buffers
    n_classes = len(totals)
    width = np.uint64(n_classes + 1)
    for i in range(len(order)):
        at, weight = np.uint64(column[order[i]]) * width, np.int64(packed[i] >> _W8)
        counts[at + np.uint64(packed[i] & _W255)] += weight
        counts[at + np.uint64(n_classes)] += weight
    best, cut, previous = -1.0, np.int64(0), np.int64(-1)
    for k in range(len(left)):
        left[k] = 0
    n_left, left2, right2 = np.int64(0), np.int64(0), squares
    for b in range(256):
        own = counts[b * (n_classes + 1) : (b + 1) * (n_classes + 1)]
        if own[n_classes] == 0:
            continue
        if previous >= 0:
            score = scored(left2, right2, n_left, n)
            if score > best:
                best, cut = score, (previous << 8) | b
        n_left += own[n_classes]
        for k in range(n_classes):
            w = own[k]
            left2 += w * (2 * left[k] + w)
            right2 -= w * (2 * (totals[k] - left[k]) - w)
            left[k] += w
        for k in range(n_classes + 1):
            own[k] = 0
        previous = np.int64(b)
    return best, cut


@kernel()
def try_chained(column: Any, node: Any, rows: Any, buffers: Any) -> Any:
    """The same for a node between: the rows of a bin are a chain, so that classes not there cost nothing.

    ``buffers`` is (heads (256,) uint32, 0 between calls; following (n_rows,) uint32; left (n_classes,)
    int64); links are positions plus 1, 0 ends a chain.
    """
    totals, squares, n = node
    order, packed = rows
    heads, following, left = buffers
    for i in range(len(order)):
        at = np.uint64(column[order[i]])
        following[i] = heads[at]
        heads[at] = np.uint32(i + 1)
    best, cut, previous = -1.0, np.int64(0), np.int64(-1)
    for k in range(len(left)):
        left[k] = 0
    n_left, left2, right2 = np.int64(0), np.int64(0), squares
    for b in range(256):
        link = heads[b]
        if link == 0:
            continue
        heads[b] = 0
        if previous >= 0:
            score = scored(left2, right2, n_left, n)
            if score > best:
                best, cut = score, (previous << 8) | b
        while link != 0:
            weight = packed[link - _W1]
            w, k = np.int64(weight >> _W8), weight & _W255
            left2 += w * (2 * left[k] + w)
            right2 -= w * (2 * (totals[k] - left[k]) - w)
            left[k] += w
            n_left += w
            link = following[link - _W1]
        previous = np.int64(b)
    return best, cut


@kernel()
def find_split(bins: Any, node: Any, rows: Any, draw: Any, buffers: Any) -> Any:
    """The best cut of ``mtry`` columns drawn anew, or of the first further one that improves.

    ``draw`` is (mtry, columns (n_columns,) int32, state): columns is any permutation and stays one.
    Returns (column, low << 8 | high as in `try_sorted`, score); column -1 where nothing improves. Of equal
    cuts the first that was tried is taken, in a column the lowest.
    """
    totals, squares, n = node
    mtry, columns, state = draw
    for_sorting, for_two, for_histogram, for_chains = buffers
    n_columns, n_classes, m = len(columns), len(totals), len(rows[0])
    best, chosen, cut = np.float64(squares) * SMALLEST_GAIN / np.float64(n), -1, np.int64(0)
    for tried in range(n_columns):
        if tried >= mtry and chosen >= 0:
            break
        j = tried + below(state, n_columns - tried)
        c = columns[j]
        columns[j] = columns[tried]
        columns[tried] = c
        if m <= SMALL:
            score, where = try_sorted(bins[c], node, rows, for_sorting)
        elif n_classes == 2:
            score, where = try_two_classes(bins[c], node, rows, for_two)
        elif m > HISTOGRAM_ROWS * n_classes:
            score, where = try_histogram(bins[c], node, rows, for_histogram)
        else:
            score, where = try_chained(bins[c], node, rows, for_chains)
        if score > best:
            best, chosen, cut = score, c, where
    return chosen, cut, best


@kernel()
def middle_edge(edges: Any, centres: Any, low: Any, high: Any) -> Any:
    """The edge nearest to the middle between bin ``low`` and bin ``high``, the lower of two that are as near.

    Where no row of a node lies between the two bins, all edges between them part its rows alike. The middle
    is that of the values, as in other forests: that of the ranks would lie where the rows of other nodes are
    dense, far to one side in features whose values are skewed (a dark image with few bright objects).
    """
    first, last = low, high - 1
    middle = 0.5 * (np.float64(centres[low]) + np.float64(centres[high]))
    a, b = first, last
    while a < b:
        half = (a + b) >> 1
        if np.float64(edges[half]) < middle:
            a = half + 1
        else:
            b = half
    if a > first and middle - np.float64(edges[a - 1]) <= np.float64(edges[a]) - middle:
        a -= 1
    return a


@kernel()
def make_buffers(n_classes: Any, n_rows: Any) -> Any:
    """What the searches for a cut write in, one set a tree."""
    left = np.zeros(n_classes, np.int64)
    counts, sums, present = np.zeros(256, np.int64), np.empty(256, np.int64), np.empty(256, np.int64)
    histogram = np.zeros(256 * (n_classes + 1), np.int64)
    return (
        (np.empty(SMALL, np.int64), left),
        (counts, sums, present, np.empty(256)),
        (histogram, left),
        (np.zeros(256, np.uint32), np.empty(n_rows, np.uint32), left),
    )


@kernel()
def grow(table: Any, y: Any, sizes: Any, state: Any, weight: Any, tree: Any, gains: Any) -> Any:
    """Grow one tree until its leaves are pure or nothing improves; (number of inner nodes, of leaves).

    ``table`` is (bins (n_columns, n) uint8, edges float32 of all columns, starts (n_columns + 1,) int64 of
    each column's edges, centres (n_columns, 256) float32 of its bins), ``y`` (n,) uint8 class indices,
    ``sizes`` (n_classes, mtry), ``weight`` (n,) int32 from ``draw_bag``. ``tree`` is filled: (limit uint8,
    column int32, left int32, right int32, leaf_starts int32, packed uint32), each n + 1 long: a bin <= limit
    goes left; a child >= 0 is an inner node, -1 - k is leaf k, whose rows are
    ``packed[leaf_starts[k]:leaf_starts[k + 1]]``. Inner nodes come in the order root, left, right. ``gains``
    (n_columns,) float64 gets the falls of impurity by column.
    """
    bins, edges, starts, centres = table
    n_classes, mtry = sizes
    limit, split_column, left, right, leaf_starts, packed = tree
    n = len(y)
    order = np.empty(n, np.uint32)
    m = 0
    for i in range(n):
        if weight[i] > 0:
            order[m] = i
            packed[m] = np.uint32((weight[i] << 8) | y[i])
            m += 1
    spare_order, spare_packed = np.empty(m, np.uint32), np.empty(m, np.uint32)
    draw = (mtry, np.arange(len(bins)).astype(np.int32), state)
    buffers = make_buffers(n_classes, m)
    totals = np.empty(n_classes, np.int64)
    waiting = np.empty((m + 2, 3), np.int32)
    # (first, end, parent * 2 + is right); the left child is put on top.
    waiting[0, 0], waiting[0, 1], waiting[0, 2] = 0, m, -1
    depth, n_inner, n_leaves = 1, 0, 0
    while depth > 0:
        depth -= 1
        first, end, parent = waiting[depth, 0], waiting[depth, 1], waiting[depth, 2]
        own_order, own_packed = order[first:end], packed[first:end]
        for k in range(n_classes):
            totals[k] = 0
        for i in range(len(own_packed)):
            totals[own_packed[i] & _W255] += np.int64(own_packed[i] >> _W8)
        total, squares = np.int64(0), np.int64(0)
        for k in range(n_classes):
            total += totals[k]
            squares += totals[k] * totals[k]
        chosen, cut, score = np.int64(-1), np.int64(0), 0.0
        if squares != total * total:
            node = (totals, squares, total)
            chosen, cut, score = find_split(bins, node, (own_order, own_packed), draw, buffers)
        me = n_inner if chosen >= 0 else -1 - n_leaves
        if parent >= 0:
            if parent & 1:
                right[parent >> 1] = me
            else:
                left[parent >> 1] = me
        if chosen < 0:
            leaf_starts[n_leaves] = first
            n_leaves += 1
            continue
        n_inner += 1
        limit[me] = middle_edge(
            edges[starts[chosen] : starts[chosen + 1]], centres[chosen], cut >> 8, cut & 255
        )
        split_column[me] = chosen
        gains[chosen] += score - np.float64(squares) / np.float64(total)
        column, highest = bins[chosen], limit[me]
        p, q = np.uint64(0), np.uint64(0)
        for i in range(len(own_order)):
            row, value = own_order[i], own_packed[i]
            above = np.uint64(column[row] > highest)
            own_order[p], own_packed[p] = row, value
            spare_order[q], spare_packed[q] = row, value
            p += np.uint64(1) - above
            q += above
        for i in range(np.int64(q)):
            own_order[p + np.uint64(i)], own_packed[p + np.uint64(i)] = spare_order[i], spare_packed[i]
        middle = np.int64(p) + first
        waiting[depth, 0], waiting[depth, 1], waiting[depth, 2] = middle, end, 2 * me + 1
        waiting[depth + 1, 0], waiting[depth + 1, 1], waiting[depth + 1, 2] = first, middle, 2 * me
        depth += 2
    leaf_starts[n_leaves] = m
    return n_inner, n_leaves


def empty_tree(n: int) -> tuple[NDArray[Any], ...]:
    """Room for a tree of ``n`` rows, as ``grow`` fills it."""
    links = (np.empty(n + 1, np.int32) for _ in range(4))
    return np.empty(n + 1, np.uint8), *links, np.empty(n + 1, np.uint32)


@kernel()
def count_leaves(packed: Any, leaf_starts: Any, votes: Any, weights: Any) -> Any:
    """Fractions ``votes`` (n_leaves, n_classes) float64, zero before, and in-bag ``weights`` of leaves."""
    for leaf in range(len(votes)):
        for i in range(leaf_starts[leaf], leaf_starts[leaf + 1]):
            votes[leaf, packed[i] & 255] += packed[i] >> 8
        total = 0.0
        for k in range(votes.shape[1]):
            total += votes[leaf, k]
        weights[leaf] = total
        for k in range(votes.shape[1]):
            votes[leaf, k] /= total


@kernel()
def predict_out_of_bag(bins: Any, weight: Any, tree: Any, votes: Any, predicted: Any) -> Any:
    """The class index that a tree gives to rows it was not trained on; IN_BAG for the others.

    ``tree`` as for ``grow``, ``votes`` (n_leaves, n_classes), ``predicted`` (n,) uint8 is filled.
    """
    limit, split_column, left, right, _, _ = tree
    bare = len(votes) == 1
    for i in range(len(weight)):
        if weight[i] > 0:
            predicted[i] = IN_BAG
            continue
        at = np.int32(-1 if bare else 0)
        while at >= 0:
            at = left[at] if bins[split_column[at], i] <= limit[at] else right[at]
        leaf = -1 - at
        top = 0
        for k in range(1, votes.shape[1]):
            if votes[leaf, k] > votes[leaf, top]:
                top = k
        predicted[i] = top


@kernel()
def add_votes(predicted: Any, tally: Any) -> Any:
    """Count one tree's out-of-bag predictions in ``tally`` (n, n_classes) uint32."""
    for i in range(len(predicted)):
        if predicted[i] != IN_BAG:
            tally[i, predicted[i]] += np.uint32(1)
