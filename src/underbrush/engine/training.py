"""Rows of labelled pixels: what a forest is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box, Shape5, Tile
from underbrush.core.labels import LabelBlock
from underbrush.core.predict import feature_frame
from underbrush.engine.row_bound import RowBound
from underbrush.engine.scenes import scene_of
from underbrush.engine.scheduler import Cancelled, run_side_by_side
from underbrush.errors import MismatchError
from underbrush.sources.base import Image

CELL_2D = 128
CELL_3D = 40
"""Edges of the cells whose labelled pixels are computed together, in pixels."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Features and classes of labelled pixels, in the order t z y x of each image."""

    x: NDArray[np.float32]
    """(n_features, n) float32, one pixel a column."""
    y: NDArray[np.uint8]
    """(n,) class values 1..N."""
    not_finite: int = 0
    """Labelled pixels that were left out: they or a pixel within reach are NaN or infinite."""
    notices: tuple[str, ...] = ()
    """Sentences about labelled pixels that are not trained on because there are very many."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """Labelled pixels that lie near each other in one frame."""

    box: Box
    """Around the pixels; c covers all channels of the image."""
    where: NDArray[np.intp]
    """(n, 4) t z y x of each pixel."""
    order: NDArray[np.intp]
    """(n,) place of each pixel in the order of the whole image."""


@dataclass(frozen=True, slots=True)
class Found:
    """Features of some of the pixels that were asked for."""

    order: NDArray[np.intp]
    """(n,) which ones of those asked for."""
    x: NDArray[np.float32]
    """(n_features, n) float32."""
    usable: NDArray[np.bool_]
    """(n,) False where a pixel, or one within reach, is NaN or infinite."""


def labelled_rows(
    image: Image,
    blocks: Iterable[LabelBlock],
    selection: FeatureSelection,
    threads: int = 1,
    channels: tuple[int, ...] | None = None,
    bound: RowBound | None = None,
) -> Rows:
    """Features of the labelled pixels of one image; ``channels`` feed them, None: all.

    Only the surroundings of labels are read and computed. Labels outside the image are ignored: reading
    a project reports them. ``bound`` says which labelled pixels of very many are used.

    Raises
    ------
    UnderbrushError
        The image cannot be read, or is too small for the features.
    """
    where, y = labelled_positions(blocks, image.shape5)
    if bound is not None:
        where, y = bound.kept((where, y))
    x = np.empty((n_features(image, selection, channels), len(y)), np.float32)
    keep = np.ones(len(y), np.bool_)
    for found in pixel_features(image, where, selection, channels, threads):
        x[:, found.order] = found.x
        keep[found.order] = found.usable
    return usable_rows(x, y, keep)


def usable_rows(x: NDArray[np.float32], y: NDArray[np.uint8], keep: NDArray[np.bool_]) -> Rows:
    """Rows without those that cannot be used, which are counted."""
    left_out = int(len(keep) - np.count_nonzero(keep))
    return Rows(x[:, keep], y[keep], left_out) if left_out else Rows(x, y)


def n_features(image: Image, selection: FeatureSelection, channels: tuple[int, ...] | None) -> int:
    """Number of features of each pixel of an image.

    Raises
    ------
    FeatureError
        The image is too small for the features.
    MismatchError
        It has not all the channels.
    """
    shape = image.shape5
    selection.check(shape, image.info.location)
    used = range(shape[1]) if channels is None else channels
    if max(used) >= shape[1]:
        raise MismatchError(
            f"channel {max(used)} is to be used, the image has {shape[1]} (counted from 0)",
            where=image.info.location,
            remedy="choose channels that the image has",
        )
    return selection.count(len(used), shape[2] > 1)


def pixel_features(
    image: Image,
    where: NDArray[np.intp],
    selection: FeatureSelection,
    channels: tuple[int, ...] | None,
    threads: int,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Found]:
    """Features of the pixels at ``where`` ((n, 4) t z y x, inside the image), some at a time as they come.

    Raises
    ------
    UnderbrushError
        The image cannot be read.
    Cancelled
        ``cancelled`` said True; what came before stays good.
    """
    shape = image.shape5
    used = list(range(shape[1]) if channels is None else channels)
    halo = selection.halo(shape[2] > 1)
    scene = scene_of(image)

    def work(cell: _Cell) -> Found:
        if cancelled is not None and cancelled():
            raise Cancelled
        tile = Tile(cell.box, cell.box.grown(halo).clipped(shape))
        frame = image.read(tile.read)[0, used]
        values, unusable, _ = feature_frame(frame, tile, selection, scene)
        z, y, x = (cell.where[:, 1:] - np.array(cell.box.start[2:])).T
        usable = np.ones(len(z), np.bool_) if unusable is None else ~unusable[z, y, x]
        return Found(cell.order, values[:, z, y, x], usable)

    return run_side_by_side(_cells(where, shape), work, threads)


class Alike:
    """Refuses an image whose labelled pixels have other features than those of the first one."""

    def __init__(self, selection: FeatureSelection, channels: tuple[int, ...] | None) -> None:
        self._selection, self._channels = selection, channels
        self._first: Image | None = None

    def check(self, image: Image) -> Image:
        """Give the image back.

        Raises
        ------
        MismatchError
            No forest learns from both: they differ in channels, or one is a volume and the features differ.
        """
        if self._first is None:
            self._first = image
        first, (_, c, z, _, _) = self._first, image.shape5
        if self._channels is None and c != first.shape5[1]:
            raise MismatchError(
                f"it has {_channels(c)}, {first.info.location} has {first.shape5[1]}, and no forest learns"
                " from strokes in both",
                where=image.info.location,
                remedy="delete the strokes in one of them, or choose channels that both have",
            )
        count = self._selection.count
        if count(1, z > 1) != count(1, first.shape5[2] > 1):
            kinds = ("a volume", "flat") if z > 1 else ("flat", "a volume")
            raise MismatchError(
                f"it is {kinds[0]}, {first.info.location} is {kinds[1]}, and their features differ",
                where=image.info.location,
                remedy="choose features in 2D, or delete the strokes in one of them",
            )
        return image


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def joined(parts: Iterable[Rows], n_features: int) -> Rows:
    """The rows of several images in an order that depends on their values alone.

    The same strokes then train the same forest, in whatever order the images were added.
    """
    rows = list(parts)
    if not rows:
        return Rows(np.empty((n_features, 0), np.float32), np.empty(0, np.uint8))
    x = np.concatenate([r.x for r in rows], axis=1)
    y = np.concatenate([r.y for r in rows])
    order = np.lexsort((row_keys(x), y))
    return Rows(np.ascontiguousarray(x[:, order]), y[order], sum(r.not_finite for r in rows))


def row_keys(x: NDArray[np.float32]) -> NDArray[np.uint64]:
    """A number for each row (column of ``x``), (n,) uint64, that depends on all its values and their order.

    Multiplication and shift as in FNV and splitmix; rows that differ have the same key about once in 2^64.
    """
    keys = np.full(x.shape[1], 0xCBF29CE484222325, np.uint64)
    with np.errstate(over="ignore"):
        for column in x:
            keys ^= np.ascontiguousarray(column).view(np.uint32)
            keys *= np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(29)
    return keys


def labelled_positions(
    blocks: Iterable[LabelBlock], shape: Shape5
) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """(n, 4) positions t z y x of all labelled pixels inside the image, sorted, and their classes."""
    found: list[NDArray[np.intp]] = [np.empty((0, 4), np.intp)]
    classes: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]
    limit = np.array([shape[a] for a in (0, 2, 3, 4)])
    for block in blocks:
        hit = np.nonzero(block.values)
        where = np.stack([hit[a] + block.box.start[a] for a in (0, 2, 3, 4)], axis=1)
        inside = (where < limit).all(axis=1)
        found.append(where[inside])
        classes.append(block.values[hit][inside])
    where, y = np.concatenate(found), np.concatenate(classes)
    order = np.lexsort(where.T[::-1])
    return where[order], y[order]


def _cells(where: NDArray[np.intp], shape: Shape5) -> Iterator[_Cell]:
    if not len(where):
        return
    edges = np.array([1, CELL_3D, CELL_3D, CELL_3D] if shape[2] > 1 else [1, 1, CELL_2D, CELL_2D])
    _, group = np.unique(where // edges, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    ends = np.flatnonzero(np.diff(group[order])) + 1
    for members in np.split(order, ends):
        here = where[members]
        (t, *low), (_, *high) = here.min(axis=0).tolist(), (here.max(axis=0) + 1).tolist()
        box = Box((t, 0, low[0], low[1], low[2]), (t + 1, shape[1], high[0], high[1], high[2]))
        yield _Cell(box, here, members)
