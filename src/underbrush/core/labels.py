"""Sparse labels: the brush strokes of one image as small blocks of class values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Shape5


@dataclass(frozen=True, eq=False, slots=True)
class LabelBlock:
    """Labels of one box: 0 is no label, k the k-th class (counted from 1)."""

    box: Box
    """Where, in t c z y x; c is always 0 to 1."""
    values: NDArray[np.uint8]
    """Array of ``box.shape`` in t c z y x, read-only, C order."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LabelBlock)
            and self.box == other.box
            and np.array_equal(self.values, other.values)
        )

    def __hash__(self) -> int:
        return hash((self.box, self.values.tobytes()))


def make_block(box: Box, values: NDArray[np.uint8]) -> LabelBlock:
    """A block with its own read-only copy of ``values`` (t c z y x, shape of ``box``)."""
    own = np.array(values, dtype=np.uint8, order="C")
    own.flags.writeable = False
    return LabelBlock(box, own)


def trimmed(block: LabelBlock) -> LabelBlock | None:
    """The block cut down to its labels, or None where it holds none."""
    if not block.values.any():
        return None
    start, stop = [], []
    for axis in range(5):
        hit = np.flatnonzero(block.values.any(axis=tuple(a for a in range(5) if a != axis)))
        start.append(int(hit[0]))
        stop.append(int(hit[-1]) + 1)
    if tuple(stop) == block.values.shape and not any(start):
        return block
    o = block.box.start
    box = Box(
        (o[0] + start[0], o[1] + start[1], o[2] + start[2], o[3] + start[3], o[4] + start[4]),
        (o[0] + stop[0], o[1] + stop[1], o[2] + stop[2], o[3] + stop[3], o[4] + stop[4]),
    )
    return make_block(box, block.values[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))])


def clipped(block: LabelBlock, shape: Shape5) -> LabelBlock:
    """The part of a block inside an image of ``shape`` (t c z y x); empty (``box.size`` 0) if none is."""
    image = Box.whole(shape).replace(c=(0, 1))
    if image.contains(block.box):
        return block
    common = block.box.intersection(image)
    part = block.values[common.relative_to(block.box).slices] if common.size else np.zeros(common.shape)
    return make_block(common, part.astype(np.uint8))


def pieces(block: LabelBlock, limit: int) -> list[LabelBlock]:
    """The block cut in halves along its longest axis until no piece has more than ``limit`` pixels.

    Pieces without labels are left out, the others cut down to their labels.
    """
    rest = trimmed(block)
    if rest is None:
        return []
    if rest.box.size <= limit:
        return [rest]
    axis = int(np.argmax(rest.box.shape))
    name = "tczyx"[axis]
    a, b = rest.box.start[axis], rest.box.stop[axis]
    found = []
    for span in ((a, (a + b) // 2), ((a + b) // 2, b)):
        box = rest.box.replace(**{name: span})
        found += pieces(make_block(box, rest.values[box.relative_to(rest.box).slices]), limit)
    return found


def disjoint(blocks: Iterable[LabelBlock]) -> tuple[LabelBlock, ...]:
    """The same labels with no pixel labelled by two blocks: a later label replaces an earlier one.

    Afterwards the order of the blocks means nothing and pixels can be counted block by block.
    """
    kept = [b for b in blocks if b.box.size]
    if not kept:
        return ()
    starts = np.array([b.box.start for b in kept])
    stops = np.array([b.box.stop for b in kept])
    result: list[LabelBlock] = []
    for i, block in enumerate(kept):
        meets = (starts[i + 1 :] < stops[i]).all(1) & (stops[i + 1 :] > starts[i]).all(1)
        later = np.flatnonzero(meets) + i + 1
        if len(later) == 0:
            result.append(block)
            continue
        values = block.values.copy()
        for j in later:
            common = block.box.intersection(kept[j].box)
            over = kept[j].values[common.relative_to(kept[j].box).slices]
            values[common.relative_to(block.box).slices][over != 0] = 0
        rest = trimmed(make_block(block.box, values))
        if rest is not None:
            result.append(rest)
    return tuple(result)


def count_classes(blocks: Iterable[LabelBlock]) -> dict[int, int]:
    """Labelled pixels of each class value, for blocks that are `disjoint`."""
    counts = np.zeros(256, np.int64)
    for block in blocks:
        counts += np.bincount(block.values.reshape(-1), minlength=256)
    return {k: int(n) for k, n in enumerate(counts) if k and n}


def paint(blocks: Iterable[LabelBlock], shape: Shape5) -> NDArray[np.uint8]:
    """All labels as one uint8 array t c z y x of ``shape`` (c of size 1); for small images and tests."""
    whole = np.zeros(shape, np.uint8)
    image = Box.whole(shape)
    for block in blocks:
        common = block.box.intersection(image)
        if common.size:
            part = block.values[common.relative_to(block.box).slices]
            view = whole[common.slices]
            view[part != 0] = part[part != 0]
    return whole
