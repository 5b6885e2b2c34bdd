"""Compiled half of training: one tree from bins, on one thread.

Rows in the bag stand in an order that is partitioned in place, so that a node is a range of it:

    order:  [ left part of left child | right part of left child | right child ... ]
    packed: weight << 8 | class, in the same order (weight: how often the bootstrap drew the row)

All counts are integers, so the split that is found does not depend on the order in which rows are
counted. A split is scored by left^2 / n_left + right^2 / n_right, where left^2 is the sum over classes of
the squared weight on the left: this grows as the weighted Gini impurity falls (Breiman 2001; the same
order as scikit-learn's and vigra's Gini). Fractions are compared crosswise, without dividing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from underbrush.jit import kernel

SMALL = 24
"""Nodes of at most this many rows are sorted instead of counted."""
HISTOGRAM_ROWS = 128
"""Nodes of more than this many rows for each class have a histogram; between, rows are chained by bin."""
MAX_ROWS = 1 << 23
"""A row's weight has 23 bits."""
IN_BAG = 255
"""In out-of-bag predictions: the tree was trained on this row."""
SMALLEST_GAIN = 1.0 + 1e-12
"""A split improves if its score is above the node's own by this factor: rounding is no gain."""

_GOLDEN, _MIX1, _MIX2 = (np.uint64(v) for v in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
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
    weight[:] = 0
    for _ in range(n):
        if balance:
            k = below(state, len(class_starts) - 1)
            first = class_starts[k]
            weight[class_rows[first + below(state, class_starts[k + 1] - first)]] += 1
        else:
            weight[below(state, n)] += 1


@kernel()
def try_sorted(column: Any, node: Any, rows: Any, keys: Any, best: Any) -> Any:
    """Score all cuts of a small node; True and an update of ``best`` if one beats it.

    ``node`` is (first, end, totals (n_classes,) int64, squares, n); ``rows`` is (order, packed);
    ``best`` (3,) float64 holds the score as numerator and denominator, and the limit.
    """
    first, end, totals, squares, n = node
    order, packed = rows
    m = end - first
    for i in range(m):
        key = (np.int64(column[order[first + i]]) << 32) | packed[first + i]
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key
    if keys[0] >> 32 == keys[m - 1] >> 32:
        return False
    left, found = np.zeros(len(totals), np.int64), False
    n_left, left2, right2 = np.int64(0), np.int64(0), squares
    for i in range(m - 1):
        w, k = (keys[i] >> 8) & 0xFFFFFF, keys[i] & 255
        left2 += w * (2 * left[k] + w)
        right2 -= w * (2 * (totals[k] - left[k]) - w)
        left[k] += w
        n_left += w
        low, high = keys[i] >> 32, keys[i + 1] >> 32
        if low != high:
            n_right = n - n_left
            top = np.float64(left2) * n_right + np.float64(right2) * n_left
            under = np.float64(n_left) * n_right
            if top * best[1] > best[0] * under:
                best[0], best[1], best[2] = top, under, (low + high) >> 1
                found = True
    return found


@kernel()
def try_two_classes(column: Any, node: Any, rows: Any, counts: Any, best: Any) -> Any:
    """The same for a large node of a forest of two classes; ``counts`` (256,) int64 is 0 between calls.

    A bin's count holds the weight of class 0 in its low half and of class 1 in its high half.
    """
    first, end, totals, _, n = node
    order, packed = rows
    lowest, highest = np.int64(255), np.int64(0)
    for i in range(first, end):
        v = np.int64(column[order[i]])
        p = np.int64(packed[i])
        counts[v] += (p >> 8) << ((p & 1) << 5)
        lowest, highest = min(lowest, v), max(highest, v)
    found, previous = False, np.int64(-1)
    left0, left1 = np.int64(0), np.int64(0)
    for b in range(lowest, highest + 1):
        c = counts[b]
        if c == 0:
            continue
        counts[b] = 0
        if previous >= 0:
            right0, right1 = totals[0] - left0, totals[1] - left1
            n_left = left0 + left1
            n_right = n - n_left
            left2, right2 = left0 * left0 + left1 * left1, right0 * right0 + right1 * right1
            top = np.float64(left2) * n_right + np.float64(right2) * n_left
            under = np.float64(n_left) * n_right
            if top * best[1] > best[0] * under:
                best[0], best[1], best[2] = top, under, (previous + b) >> 1
                found = True
        left0 += c & 0xFFFFFFFF
        left1 += c >> 32
        previous = np.int64(b)
    return found


@kernel()
def try_histogram(column: Any, node: Any, rows: Any, counts: Any, best: Any) -> Any:
    """The same for a large node; ``counts`` (256, n_classes + 1) int64 is 0 between calls.

    The last entry of a bin is its weight of all classes.
    """
    first, end, totals, squares, n = node
    order, packed = rows
    n_classes = len(totals)
    lowest, highest = np.int64(255), np.int64(0)
    for i in range(first, end):
        v = np.int64(column[order[i]])
        counts[v, packed[i] & 255] += packed[i] >> 8
        counts[v, n_classes] += packed[i] >> 8
        lowest, highest = min(lowest, v), max(highest, v)
    left, found, previous = np.zeros(n_classes, np.int64), False, np.int64(-1)
    n_left, left2, right2 = np.int64(0), np.int64(0), squares
    for b in range(lowest, highest + 1):
        if counts[b, n_classes] == 0:
            continue
        if previous >= 0:
            n_right = n - n_left
            top = np.float64(left2) * n_right + np.float64(right2) * n_left
            under = np.float64(n_left) * n_right
            if top * best[1] > best[0] * under:
                best[0], best[1], best[2] = top, under, (previous + b) >> 1
                found = True
        for k in range(n_classes):
            w = counts[b, k]
            left2 += w * (2 * left[k] + w)
            right2 -= w * (2 * (totals[k] - left[k]) - w)
            left[k] += w
            counts[b, k] = 0
        n_left += counts[b, n_classes]
        counts[b, n_classes] = 0
        previous = np.int64(b)
    return found


@kernel()
def try_chained(column: Any, node: Any, rows: Any, chains: Any, best: Any) -> Any:
    """The same for a node between: the rows of a bin are a chain, so that classes not there cost nothing.

    ``chains`` is (heads (256,) int32, -1 between calls; next (n_rows,) int32).
    """
    first, end, totals, squares, n = node
    order, packed = rows
    heads, following = chains
    lowest, highest = np.int64(255), np.int64(0)
    for j in range(first, end):
        v = np.int64(column[order[j]])
        following[j] = heads[v]
        heads[v] = j
        lowest, highest = min(lowest, v), max(highest, v)
    left, found, previous = np.zeros(len(totals), np.int64), False, np.int64(-1)
    n_left, left2, right2 = np.int64(0), np.int64(0), squares
    for b in range(lowest, highest + 1):
        i = heads[b]
        if i < 0:
            continue
        heads[b] = -1
        if previous >= 0:
            n_right = n - n_left
            top = np.float64(left2) * n_right + np.float64(right2) * n_left
            under = np.float64(n_left) * n_right
            if top * best[1] > best[0] * under:
                best[0], best[1], best[2] = top, under, (previous + b) >> 1
                found = True
        while i >= 0:
            w, k = np.int64(packed[i] >> 8), packed[i] & 255
            left2 += w * (2 * left[k] + w)
            right2 -= w * (2 * (totals[k] - left[k]) - w)
            left[k] += w
            n_left += w
            i = following[i]
        previous = np.int64(b)
    return found


@kernel()
def find_split(bins: Any, node: Any, rows: Any, draw: Any, buffers: Any, best: Any) -> Any:
    """The best cut of ``mtry`` columns drawn anew, or of the first further one that improves, or -1.

    ``draw`` is (mtry, columns (n_columns,) int32, state): columns is any permutation and stays one. The
    cut is left in ``best``. Of equal cuts the first that was tried is taken, in a column the lowest.
    """
    first, end, totals, squares, n = node
    keys, packed_counts, counts, chains = buffers
    mtry, columns, state = draw
    n_columns, n_classes = len(columns), len(totals)
    chosen = -1
    best[0], best[1] = np.float64(squares) * SMALLEST_GAIN, np.float64(n)
    for tried in range(n_columns):
        if tried >= mtry and chosen >= 0:
            break
        j = tried + below(state, n_columns - tried)
        c = columns[j]
        columns[j] = columns[tried]
        columns[tried] = c
        column = bins[c]
        if end - first <= SMALL:
            found = try_sorted(column, node, rows, keys, best)
        elif n_classes == 2:
            found = try_two_classes(column, node, rows, packed_counts, best)
        elif end - first > HISTOGRAM_ROWS * n_classes:
            found = try_histogram(column, node, rows, counts, best)
        else:
            found = try_chained(column, node, rows, chains, best)
        if found:
            chosen = c
    return chosen


@kernel()
def grow(bins: Any, y: Any, sizes: Any, state: Any, weight: Any, tree: Any, gains: Any) -> Any:
    """Grow one tree until its leaves are pure or nothing improves; (number of inner nodes, of leaves).

    ``bins`` (n_columns, n) uint8, ``y`` (n,) uint8 class indices, ``sizes`` (n_classes, mtry), ``weight``
    (n,) int32 from ``draw_bag``. ``tree`` is filled: (limit uint8, column int32, left int32, right int32,
    leaf_starts int32, packed int32), each n + 1 long: a bin <= limit goes left; a child >= 0 is an inner
    node, -1 - k is leaf k, whose rows are ``packed[leaf_starts[k]:leaf_starts[k + 1]]``. Inner nodes
    come in the order root, left, right. ``gains`` (n_columns,) float64 gets the falls of impurity by column.
    """
    n_classes, mtry = sizes
    limit, split_column, left, right, leaf_starts, packed = tree
    n = len(y)
    order = np.empty(n, np.int32)
    m = 0
    for i in range(n):
        if weight[i] > 0:
            order[m] = i
            packed[m] = (weight[i] << 8) | y[i]
            m += 1
    rows = (order, packed)
    spare_order, spare_packed = np.empty(m, np.int32), np.empty(m, np.int32)
    columns = np.arange(len(bins)).astype(np.int32)
    chains = (np.full(256, -1, np.int32), np.empty(m, np.int32))
    counts = np.zeros((256, n_classes + 1), np.int64)
    buffers = (np.empty(SMALL + 1, np.int64), np.zeros(256, np.int64), counts, chains)
    waiting = np.empty((m + 2, 3), np.int32)
    best, totals = np.empty(3), np.empty(n_classes, np.int64)
    # (first, end, parent * 2 + is right); the left child is put on top.
    waiting[0, 0], waiting[0, 1], waiting[0, 2] = 0, m, -1
    depth, n_inner, n_leaves = 1, 0, 0
    while depth > 0:
        depth -= 1
        first, end, parent = waiting[depth, 0], waiting[depth, 1], waiting[depth, 2]
        totals[:] = 0
        for i in range(first, end):
            totals[packed[i] & 255] += packed[i] >> 8
        total, squares = totals.sum(), (totals * totals).sum()
        chosen = -1
        if squares != total * total:
            node = (np.int64(first), np.int64(end), totals, squares, total)
            chosen = find_split(bins, node, rows, (mtry, columns, state), buffers, best)
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
        cut = np.uint8(best[2])
        limit[me], split_column[me] = cut, chosen
        gains[chosen] += best[0] / best[1] - np.float64(squares) / np.float64(total)
        column = bins[chosen]
        p, q = first, np.int32(0)
        for i in range(first, end):
            row, value = order[i], packed[i]
            above = np.int32(column[row] > cut)
            order[p], packed[p] = row, value
            spare_order[q], spare_packed[q] = row, value
            p += np.int32(1) - above
            q += above
        for i in range(q):
            order[p + i], packed[p + i] = spare_order[i], spare_packed[i]
        waiting[depth, 0], waiting[depth, 1], waiting[depth, 2] = p, end, 2 * me + 1
        waiting[depth + 1, 0], waiting[depth + 1, 1], waiting[depth + 1, 2] = first, p, 2 * me
        depth += 2
    leaf_starts[n_leaves] = m
    return n_inner, n_leaves


@kernel()
def count_leaves(packed: Any, leaf_starts: Any, votes: Any, weights: Any) -> Any:
    """Fractions ``votes`` (n_leaves, n_classes) float64, zero before, and in-bag ``weights`` of leaves."""
    for leaf in range(len(votes)):
        for i in range(leaf_starts[leaf], leaf_starts[leaf + 1]):
            votes[leaf, packed[i] & 255] += packed[i] >> 8
        weights[leaf] = votes[leaf].sum()
        votes[leaf] /= weights[leaf]


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
