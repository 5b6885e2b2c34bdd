"""Labels that come as an image file: what is in it is shown first, then it is painted as commands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Halo, Shape5, TileGrid
from underbrush.core.labels import LabelBlock, make_block, trimmed
from underbrush.engine.label_images import LABEL_TILE, open_beside
from underbrush.errors import ImageError, MismatchError
from underbrush.project.commands import ImportLabels
from underbrush.sources.base import Image

MOST_VALUES = 255
"""Different values of a file; more are objects, not classes."""
MOST_TEXT = 3_000_000
"""Letters of one command; larger imports are several."""
MOST_PIXELS = 1 << 27
"""Pixels of the blocks of one command."""
Offset = tuple[int, int, int, int]
"""t, z, y, x of the file's first pixel in the image; may be negative."""


@dataclass(frozen=True)
class LabelFile:
    """What a file of labels holds, and where it would lie."""

    axes: str
    shape: tuple[int, ...]
    """In the order of ``axes``."""
    values: tuple[tuple[int, int], ...]
    """(value, pixels inside the image), without 0, smallest value first."""
    outside: int
    """Labelled pixels that the image has no place for."""


def look_at_labels(address: str, image: Image, axes: str = "", offset: Offset = (0, 0, 0, 0)) -> LabelFile:
    """What the file at ``address`` would bring; reads it once, piece by piece.

    ``axes`` says what its stored axes mean, empty: as it says itself, or as the image's where the sizes are
    the same.

    Raises
    ------
    ImageError, AxesError, MismatchError
        It cannot be read, has several channels, or holds what are no labels.
    """
    counts: Counter[int] = Counter()
    total = 0
    with _opened(address, image, axes) as labels:
        for where, values in _pieces(labels):
            total += int(np.count_nonzero(values))
            inside = _inside(where, offset, image.shape5)
            if inside is None:
                continue
            found, number = np.unique(values[inside[0].slices], return_counts=True)
            counts.update(dict(zip(found.tolist(), number.tolist(), strict=True)))
            if len(counts) > MOST_VALUES + 1:
                raise ImageError(
                    f"it has more than {MOST_VALUES} different values",
                    where=address,
                    remedy="give an image of classes, not of single objects",
                )
        counts.pop(0, None)
        kept = tuple(sorted((int(v), n) for v, n in counts.items()))
        return LabelFile(labels.axes, labels.shape, kept, total - sum(n for _, n in kept))


def import_commands(
    address: str, lane: str, image: Image, mapping: Mapping[int, int], place: Placing
) -> list[ImportLabels]:
    """The commands that paint the labels of a file; ``mapping`` has the class id of each value, 0: left out.

    Raises
    ------
    ImageError, AxesError, MismatchError
        See `look_at_labels`.
    """
    commands: list[ImportLabels] = []
    waiting: list[LabelBlock] = []
    title = f"Labels of {place.title} imported"
    size = pixels = 0
    with _opened(address, image, place.axes) as labels:
        for where, values in _pieces(labels):
            block = _block(where, values, mapping, (place.offset, image.shape5))
            if block is None:
                continue
            text = len(json.dumps(ImportLabels(lane, (block,)).to_json()))
            if waiting and (size + text > MOST_TEXT or pixels + block.box.size > MOST_PIXELS):
                commands.append(ImportLabels(lane, tuple(waiting), title))
                waiting, size, pixels = [], 0, 0
            waiting.append(block)
            size, pixels = size + text, pixels + block.box.size
    if waiting:
        commands.append(ImportLabels(lane, tuple(waiting), title))
    return commands


@dataclass(frozen=True)
class Placing:
    """How a file of labels is laid upon an image."""

    axes: str = ""
    offset: Offset = (0, 0, 0, 0)
    title: str = "a file"


def _opened(address: str, image: Image, axes: str) -> Image:
    labels = open_beside(address, image, classes=True)
    try:
        labels = labels.with_axes(axes) if axes else labels
        if labels.shape5[1] != 1:
            raise MismatchError(
                f"it has {labels.shape5[1]} channels (axes {labels.axes}, shape {labels.shape})",
                where=address,
                remedy="say its axes, or give an image of class numbers with one channel",
            )
    except BaseException:
        labels.close()
        raise
    return labels


def _pieces(labels: Image) -> Iterator[tuple[Box, NDArray[np.int64]]]:
    shape = labels.shape5
    tile = (1, 1, 1 if shape[2] == 1 else 64, LABEL_TILE, LABEL_TILE)
    for part in TileGrid(Box.whole(shape), tile, Halo(), shape):
        values = labels.read(part.valid)
        whole = values.dtype.kind in "biu" or bool(
            np.isfinite(values).all() and (values == np.rint(values)).all()
        )
        if not whole or values.min() < 0 or values.max() > 1 << 31:
            raise ImageError(
                "it holds values that are no labels (negative, with fractions, or not finite)",
                where=labels.info.location,
                remedy="give whole numbers, 0 for unlabelled",
            )
        yield part.valid, values.astype(np.int64)


def _inside(where: Box, offset: Offset, shape: Shape5) -> tuple[Box, Box] | None:
    """The part of a piece that lies in the image: in the piece, and in the image; None: nothing."""
    moved = (offset[0], 0, *offset[1:])
    low = [max(0, a + d) for a, d in zip(where.start, moved, strict=True)]
    high = [min(n, b + d) for b, d, n in zip(where.stop, moved, (shape[0], 1, *shape[2:]), strict=True)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return None
    there = Box((low[0], low[1], low[2], low[3], low[4]), (high[0], high[1], high[2], high[3], high[4]))
    back = [-d + -a for d, a in zip(moved, where.start, strict=True)]
    start = [a + d for a, d in zip(low, back, strict=True)]
    stop = [b + d for b, d in zip(high, back, strict=True)]
    here = Box(
        (start[0], start[1], start[2], start[3], start[4]), (stop[0], stop[1], stop[2], stop[3], stop[4])
    )
    return here, there


def _block(
    where: Box, values: NDArray[np.int64], mapping: Mapping[int, int], place: tuple[Offset, Shape5]
) -> LabelBlock | None:
    inside = _inside(where, *place)
    if inside is None:
        return None
    here, there = inside
    part = values[here.slices]
    ids = np.zeros(part.shape, np.uint8)
    for value, class_id in mapping.items():
        if class_id and value:
            ids[part == value] = class_id
    return trimmed(make_block(there, ids))
