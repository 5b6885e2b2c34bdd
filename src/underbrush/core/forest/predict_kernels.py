"""Compiled half of prediction: patches of 64 pixels walk the trees together.

A patch is 8 x 8 pixels (or 1 x 64 and the like in flat images). Its pixels that stand at one node are a
64-bit mask; the node's comparison splits the mask in two, and each part that is not empty goes on a queue,
or, where the child is a leaf, on a list of arrivals. Neighbouring pixels mostly take the same way, so that
a patch visits a few dozen nodes a tree instead of several hundred.

    group:   8 patches, walked together through 4 trees at a time, so that nodes and bins stay in cache
    bins:    bins[(column * 8 + patch) * 64 + lane], 8 or 16 bits, kept as bytes: only what walks and what
             fills them is compiled for both widths
    queue:   (node | patch << 32, mask), first in first out, in a ring
    arrival: (leaf | patch << 32, mask), behind the ring

Sums are those of ``predict_reference`` to the bit. Adding 1.0 is exact in float32, in any order, up to
2 ** 24 trees, so leaves of one class are counted in integers. A pixel that met an impure leaf is walked
again tree by tree, and its shares are added as float32 in the order of trees.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from underbrush.core.forest.lanes import add_one, add_value, lanes_not_above
from underbrush.core.forest.quantise_kernels import fill_bins, fill_cells
from underbrush.jit import kernel

PATCHES = 8
LANES = 64
GROUP = PATCHES * LANES
BATCH = 4
"""Trees that a group walks at a time."""
RING = 4096
"""At most PATCHES * BATCH * LANES parts wait at any time: each holds a pixel of its own."""
QUEUE = RING + PATCHES * BATCH * LANES + 2
COUNT_LIMIT = 252
"""Trees, a multiple of BATCH, after which 8-bit counts are emptied."""

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW32 = np.uint64(0xFFFFFFFF)
_HIGH32 = np.uint64(0xFFFFFFFF00000000)
_RING_MASK = np.uint64(RING - 1)
_RING = np.uint64(RING)
_LEAF_BIT = np.uint64(1 << 31)
_LEAF_NUMBER = np.uint64((1 << 31) - 1)
_LIMIT = np.uint64(0xFFFF)
_ZERO, _ONE, _S6, _S9, _S16, _S31, _S32 = (np.uint64(v) for v in (0, 1, 6, 9, 16, 31, 32))


@kernel()
def aligned(n: Any, example: Any) -> Any:
    """A one-dimensional scratch array of ``n`` elements like ``example``'s, on a cache line's border."""
    size = example.itemsize
    raw = np.empty(n + 64 // size, example.dtype)
    skip = (-raw.ctypes.data % 64) // size
    return raw[skip : skip + n]


@kernel()
def walk(bins: Any, nodes: Any, roots: Any, lanes: Any, skip: Any, queue: Any, masks: Any) -> Any:
    """Walk the trees of ``roots`` (at most BATCH) with the pixels of ``lanes`` (PATCHES,) uint64.

    Returns where the arrivals end, which lie in ``queue`` and ``masks`` from RING on, as leaf number |
    patch << 32; those at leaf ``skip`` (a uint64) are left out.
    """
    head, tail, arrived = _ZERO, _ZERO, _RING
    for t in range(len(roots)):
        for b in range(len(lanes)):
            queue[tail] = np.uint64(roots[t]) | (np.uint64(b) << _S32)
            masks[tail] = lanes[b]
            tail += np.uint64(lanes[b] != _ZERO)
    while head != tail:
        at = head & _RING_MASK
        head += _ONE
        entry, mask = queue[at], masks[at]
        node, patch = entry & _LOW32, entry >> _S32
        word, children = nodes[node, 0], nodes[node, 1]
        offset = ((word >> _S16) << _S9) + (patch << _S6)
        goes_left = lanes_not_above(bins, np.int64(offset), bins.dtype.type(word & _LIMIT))
        above = entry & _HIGH32
        # Both children are stored without asking; only what counts moves an end forward.
        part, child = mask & goes_left, children & _LOW32
        leaf = child >> _S31
        number = child & _LEAF_NUMBER
        there = np.uint64(part != _ZERO)
        place = arrived if leaf != _ZERO else tail & _RING_MASK
        queue[place] = number | above
        masks[place] = part
        arrived += there & leaf & np.uint64(number != skip)
        tail += there & (leaf ^ _ONE)
        part, child = mask & ~goes_left, children >> _S32
        leaf = child >> _S31
        number = child & _LEAF_NUMBER
        there = np.uint64(part != _ZERO)
        place = arrived if leaf != _ZERO else tail & _RING_MASK
        queue[place] = number | above
        masks[place] = part
        arrived += there & leaf & np.uint64(number != skip)
        tail += there & (leaf ^ _ONE)
    return arrived


@kernel()
def walk_batch(bins: Any, wide: Any, nodes: Any, roots: Any, lanes: Any, skip: Any, scratch: Any) -> Any:
    """``walk`` for bins kept as bytes, ``wide`` if they have 16 bits."""
    queue, masks = scratch
    if wide:
        return walk(bins.view(np.uint16), nodes, roots, lanes, skip, queue, masks)
    return walk(bins, nodes, roots, lanes, skip, queue, masks)


@kernel()
def load_patches(flat: Any, start: Any, row_stride: Any, place: Any, values: Any) -> Any:
    """Copy one plane's pixels of a group: flat[start + y * row_stride + x] -> values[patch * 64 + lane].

    Lanes outside the image are left as they are. ``place`` is (first patch, patch height, patch width,
    image height, image width).
    """
    first, ph, pw, height, width = place
    across = (width + pw - 1) // pw
    n = ((height + ph - 1) // ph) * across
    for b in range(min(PATCHES, n - first)):
        y0, x0 = ((first + b) // across) * ph, ((first + b) % across) * pw
        rows, columns = min(ph, height - y0), min(pw, width - x0)
        for y in range(rows):
            source = start + (y0 + y) * row_stride + x0
            target = b * LANES + y * pw
            # Slices, for their indices need no test for being negative; a fixed length, to be one move.
            if columns == 8 and pw == 8:
                line, lanes = flat[source : source + 8], values[target : target + 8]
                for x in range(8):
                    lanes[x] = line[x]
            else:
                line, lanes = flat[source : source + columns], values[target : target + columns]
                for x in range(columns):
                    lanes[x] = line[x]


@kernel()
def store_patches(values: Any, place: Any, flat: Any, start: Any, row_stride: Any) -> Any:
    """The way back: values[patch * 64 + lane] -> flat[start + y * row_stride + x]."""
    first, ph, pw, height, width = place
    across = (width + pw - 1) // pw
    n = ((height + ph - 1) // ph) * across
    for b in range(min(PATCHES, n - first)):
        y0, x0 = ((first + b) // across) * ph, ((first + b) % across) * pw
        rows, columns = min(ph, height - y0), min(pw, width - x0)
        for y in range(rows):
            source = b * LANES + y * pw
            target = start + (y0 + y) * row_stride + x0
            line, lanes = flat[target : target + columns], values[source : source + columns]
            for x in range(columns):
                line[x] = lanes[x]


@kernel()
def inside(place: Any, usable: Any) -> Any:
    """Set ``usable`` (GROUP,) uint8 to 1 for lanes inside the image, 0 outside."""
    first, ph, pw, height, width = place
    across = (width + pw - 1) // pw
    n = ((height + ph - 1) // ph) * across
    for i in range(GROUP):
        usable[i] = 0
    for b in range(min(PATCHES, n - first)):
        y0, x0 = ((first + b) // across) * ph, ((first + b) % across) * pw
        for y in range(min(ph, height - y0)):
            for x in range(min(pw, width - x0)):
                usable[b * LANES + y * pw + x] = 1


@kernel()
def set_aside(values: Any, usable: Any) -> Any:
    """Put 0 in place of values that are not finite, and take their lanes out of ``usable``."""
    for i in range(GROUP):
        finite = abs(values[i]) < np.float32(np.inf)
        usable[i] &= np.uint8(finite)
        values[i] = values[i] if finite else np.float32(0)


@kernel()
def lane_masks(usable: Any, lanes: Any) -> Any:
    """``usable`` (GROUP,) uint8 0 or 1 -> ``lanes`` (PATCHES,) uint64 masks."""
    for b in range(PATCHES):
        mask = _ZERO
        for i in range(LANES):
            mask |= np.uint64(usable[b * LANES + i]) << np.uint64(i)
        lanes[b] = mask


@kernel()
def count_certain(bins: Any, trees: Any, lanes: Any, usable: Any, scratch: Any, sums: Any) -> Any:
    """Sums of all lanes, exact where a lane met leaves of one class only; ``lanes`` keeps the others.

    ``sums`` is float32, sums[(patch * n_classes + class) * 64 + lane]. Class 0 is not counted: it is
    what the other classes leave of the number of trees.
    """
    nodes, roots, _, _, _, n_classes, wide = trees
    queue, masks, counts, _ = scratch
    n_trees = len(roots)
    impure = np.zeros(PATCHES, np.uint64)
    for t0 in range(0, n_trees, COUNT_LIMIT):
        for i in range(len(counts)):
            counts[i] = 0
        end = min(n_trees, t0 + COUNT_LIMIT)
        for t in range(t0, end, BATCH):
            batch = roots[t : min(end, t + BATCH)]
            last = walk_batch(bins, wide, nodes, batch, lanes, _ZERO, (queue, masks))
            for e in range(RING, np.int64(last)):
                # Row k - 1 counts class k, the last row leaves of several classes.
                row = min(np.int64(queue[e] & _LOW32), n_classes) - 1
                add_one(counts, (np.int64(queue[e] >> _S32) * n_classes + row) * LANES, masks[e])
        for b in range(PATCHES):
            at = b * n_classes * LANES
            for i in range((n_classes - 1) * LANES):
                sums[at + LANES + i] += np.float32(counts[at + i])
            for i in range(LANES):
                met = np.uint64(counts[at + (n_classes - 1) * LANES + i] != 0)
                impure[b] |= met << np.uint64(i)
    for b in range(PATCHES):
        at = b * n_classes * LANES
        for i in range(LANES):
            sums[at + i] = np.float32(n_trees) * np.float32(usable[b * LANES + i])
        for k in range(1, n_classes):
            for i in range(LANES):
                sums[at + i] -= sums[at + k * LANES + i]
        lanes[b] = impure[b]
        forget(impure[b], b, n_classes, sums)


@kernel()
def forget(mask: Any, patch: Any, n_classes: Any, sums: Any) -> Any:
    """Set the sums of the lanes of ``mask`` back to 0."""
    if mask == _ZERO:
        return
    for k in range(n_classes):
        at = (patch * n_classes + k) * LANES
        for i in range(LANES):
            if (mask >> np.uint64(i)) & _ONE:
                sums[at + i] = 0


@kernel()
def add_in_order(bins: Any, trees: Any, lanes: Any, scratch: Any, sums: Any) -> Any:
    """Add to ``sums`` of ``lanes`` the shares of the leaves they reach, tree by tree, as float32."""
    nodes, roots, starts, share_class, share, n_classes, wide = trees
    queue, masks, _, _ = scratch
    for t in range(len(roots)):
        last = walk_batch(bins, wide, nodes, roots[t : t + 1], lanes, _ALL, (queue, masks))
        for e in range(RING, np.int64(last)):
            leaf, row = np.int64(queue[e] & _LOW32), np.int64(queue[e] >> _S32) * n_classes
            for j in range(starts[leaf], starts[leaf + 1]):
                add_value(sums, (row + share_class[j]) * LANES, masks[e], share[j])


@kernel()
def predict_group(
    bins: Any, usable: Any, trees: Any, in_order: Any, scratch: Any, place: Any, out: Any
) -> Any:
    """Probabilities of a group of patches, from its bins into the image ``out`` (flat, strides)."""
    _, roots, _, _, _, n_classes, _ = trees
    _, _, _, sums = scratch
    flat, plane_stride, row_stride = out
    lanes = np.empty(PATCHES, np.uint64)
    lane_masks(usable, lanes)
    for i in range(len(sums)):
        sums[i] = 0
    if not in_order:
        count_certain(bins, trees, lanes, usable, scratch, sums)
    waiting = _ZERO
    for b in range(PATCHES):
        waiting |= lanes[b]
    if waiting != _ZERO:
        add_in_order(bins, trees, lanes, scratch, sums)
    n_trees = np.float32(len(roots))
    values = np.empty(GROUP, np.float32)
    for k in range(n_classes):
        for b in range(PATCHES):
            at = (b * n_classes + k) * LANES
            for i in range(LANES):
                values[b * LANES + i] = sums[at + i] / n_trees
        store_patches(values, place, flat, k * plane_stride, row_stride)


@kernel()
def make_scratch(n_classes: Any) -> Any:
    """Queue, masks, counts and sums for one thread."""
    size = PATCHES * n_classes * LANES
    queue, masks = np.empty(QUEUE, np.uint64), np.empty(QUEUE, np.uint64)
    return queue, masks, aligned(size, np.empty(0, np.uint8)), aligned(size, np.empty(0, np.float32))


@kernel()
def predict_values(
    image: Any, shape: Any, table: Any, column_starts: Any, trees: Any, in_order: Any, out: Any
) -> Any:
    """Probabilities of an image of feature values.

    ``image`` and ``out`` are (flat array, plane stride, row stride), ``shape`` is (patch height, patch
    width, image height, image width), ``table`` is ``GuessTable.arrays``, ``column_starts``
    (n_features + 1,) int64 says where each feature's bin columns begin, ``trees`` is (nodes, roots,
    impure_starts, share_class, share, n_classes, whether bins have 16 bits).
    """
    ph, pw, height, width = shape
    flat, plane_stride, row_stride = image
    centre, scale, steps, edges, edge_starts, first_guess = table
    n_patches = ((height + ph - 1) // ph) * ((width + pw - 1) // pw)
    scratch = make_scratch(trees[5])
    wide = trees[6]
    bins = aligned(max(1, len(centre)) * GROUP * (2 if wide else 1), np.empty(0, np.uint8))
    for i in range(len(bins)):
        bins[i] = 0
    values, cells = aligned(GROUP, np.empty(0, np.float32)), np.empty(GROUP, np.uint32)
    usable = np.empty(GROUP, np.uint8)
    for first in range(0, n_patches, PATCHES):
        place = (first, ph, pw, height, width)
        inside(place, usable)
        for i in range(GROUP):
            values[i] = 0
        for f in range(len(column_starts) - 1):
            load_patches(flat, f * plane_stride, row_stride, place, values)
            set_aside(values, usable)
            for c in range(column_starts[f], column_starts[f + 1]):
                fill_cells(values, centre[c], scale[c], first_guess.shape[1], cells)
                own = edges[edge_starts[c] :]
                if wide:
                    target = bins[2 * c * GROUP : 2 * (c + 1) * GROUP].view(np.uint16)
                    fill_bins(values, cells, first_guess[c], own, steps[c], target)
                else:
                    fill_bins(values, cells, first_guess[c], own, steps[c], bins[c * GROUP : (c + 1) * GROUP])
        predict_group(bins, usable, trees, in_order, scratch, place, out)


@kernel()
def predict_binned(binned: Any, finite: Any, shape: Any, trees: Any, in_order: Any, out: Any) -> Any:
    """Probabilities of an image that is binned already.

    ``binned`` is (n_bin_columns, height, width) and ``finite`` (height, width) uint8, both C order; the
    rest is as for ``predict_values``.
    """
    ph, pw, height, width = shape
    n_patches = ((height + ph - 1) // ph) * ((width + pw - 1) // pw)
    scratch = make_scratch(trees[5])
    flat, flat_finite = binned.reshape(-1), finite.reshape(-1)
    bins = aligned(max(1, binned.shape[0]) * GROUP, np.empty(0, binned.dtype))
    bins[:] = 0
    usable = np.empty(GROUP, np.uint8)
    for first in range(0, n_patches, PATCHES):
        place = (first, ph, pw, height, width)
        usable[:] = 0
        load_patches(flat_finite, 0, width, place, usable)
        for c in range(binned.shape[0]):
            load_patches(flat, c * height * width, width, place, bins[c * GROUP : (c + 1) * GROUP])
        predict_group(bins.view(np.uint8), usable, trees, in_order, scratch, place, out)
