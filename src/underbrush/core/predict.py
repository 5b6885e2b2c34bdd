"""One tile: a block of an image and a recipe become probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.catalog import reach
from underbrush.core.features.reference import features_reference
from underbrush.core.features.selection import FeatureSelection, FeatureTerm
from underbrush.core.forest.nodes import Forest
from underbrush.core.forest.reference import predict_reference
from underbrush.core.geometry import Shape5, Tile
from underbrush.core.plan import TileCost
from underbrush.core.recipe import Recipe

EXACT_LIMIT = 2.0**24
"""Integers beyond it are rounded when they become float32."""


@dataclass(frozen=True, slots=True)
class TileReport:
    """What was noticed in the valid part of a tile."""

    not_finite: int = 0
    """Pixels with a NaN or infinity in a channel that is used."""
    rounded: bool = False
    """Integers so large that float32 cannot hold them all."""

    def __add__(self, other: TileReport) -> TileReport:
        return TileReport(self.not_finite + other.not_finite, self.rounded or other.rounded)


def predict_tile(
    block: NDArray[Any], tile: Tile, recipe: Recipe, volume: bool
) -> tuple[NDArray[np.float32], TileReport]:
    """Probabilities of the valid part of a tile.

    Parameters
    ----------
    block
        The pixels of ``tile.read``, t c z y x, all channels of the image, any real dtype.
    volume
        Whether the image (not the tile) has more than one slice.

    Returns
    -------
    (t, n_classes, z, y, x) float32, and what was noticed. Pixels that are not finite, and all within
    reach of one, are 0 for every class.
    """
    used = block[:, list(recipe.pick(block.shape[1]))]
    shape = tile.valid.shape
    out = np.zeros((shape[0], recipe.n_classes, *shape[2:]), np.float32)
    where = np.asarray(recipe.forest.classes, np.intp) - 1
    report = TileReport()
    for t, frame in enumerate(used):
        features, unusable, noticed = feature_frame(frame, tile, recipe.selection, volume)
        report = report + noticed
        rows = features.reshape(len(features), -1).T
        votes = predict_reference(recipe.forest, rows)
        if unusable is not None:
            votes[unusable.ravel()] = 0
        out[t, where] = votes.T.reshape(-1, *shape[2:])
    return out, report


def tile_cost(
    selection: FeatureSelection, forest: Forest | None, n_classes: int, itemsize: int, image: Shape5
) -> TileCost:
    """Bytes that `predict_tile` holds for each pixel that it reads and makes, features included.

    ``itemsize`` is that of the image's pixels, ``image`` its sizes in t c z y x; without a forest it is
    the cost of the features alone.
    """
    volume = image[2] > 1
    terms = selection.terms(volume)
    n_features = selection.count(image[1], volume) if forest is None else forest.n_features
    smoothed = len({(t.scale, t.in_2d) for t in terms}) * image[1]
    deep = any(not t.in_2d for t in terms)
    read = image[1] * (itemsize + 12) + smoothed * 8 + (300 if deep else 140)
    return TileCost(read=read, valid=8 * n_features + 12 * n_classes + 80)


def feature_frame(
    frame: NDArray[Any], tile: Tile, selection: FeatureSelection, volume: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None, TileReport]:
    """Features of one time frame of a tile.

    ``frame`` is (c, z, y, x). Gives (n_features, z, y, x) float32 of the valid part; the pixels of it
    whose features depend on a value that is not finite, (z, y, x) bool, or None; and what was noticed.
    """
    inner = tile.valid.relative_to(tile.read).slices
    valid = (inner[2], inner[3], inner[4])
    terms = selection.terms(volume)
    values, broken = finite_float32(frame)
    report = TileReport(rounded=_is_rounded(frame))
    unusable = None
    if broken is not None:
        report = report + TileReport(not_finite=int(np.count_nonzero(broken[valid])))
        unusable = within_reach(broken, terms)[valid]
    return features_reference(values, terms, valid), unusable, report


def finite_float32(frame: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """``frame`` (c, z, y, x) as float32 with 0 for what is not finite; and where, (z, y, x), or None.

    A float64 too large for float32 counts as not finite.
    """
    if frame.dtype.kind in "biu":
        return frame.astype(np.float32), None
    with np.errstate(over="ignore", invalid="ignore"):
        values = frame.astype(np.float32)
    finite = np.isfinite(values)
    if finite.all():
        return values, None
    values[~finite] = 0
    return values, np.asarray(~finite.all(axis=0))


def within_reach(broken: NDArray[np.bool_], terms: tuple[FeatureTerm, ...]) -> NDArray[np.bool_]:
    """Pixels (z, y, x) with a feature that depends on one of the ``broken`` ones."""
    flat = max((reach(t.filter_id, t.scale) for t in terms if t.in_2d), default=0)
    deep = max((reach(t.filter_id, t.scale) for t in terms if not t.in_2d), default=0)
    return dilated(broken, (0, flat, flat)) | dilated(broken, (deep, deep, deep))


def dilated(mask: NDArray[np.bool_], radius: tuple[int, int, int]) -> NDArray[np.bool_]:
    """``mask`` (z, y, x) grown by a box of ``radius`` pixels to both sides of each axis."""
    for axis, r in enumerate(radius):
        if r == 0:
            continue
        n = mask.shape[axis]
        counts = np.zeros((n + 1, *np.delete(mask.shape, axis)), np.int64)
        np.cumsum(np.moveaxis(mask, axis, 0), axis=0, out=counts[1:])
        low = np.maximum(np.arange(n) - r, 0)
        high = np.minimum(np.arange(n) + r + 1, n)
        mask = np.moveaxis(counts[high] > counts[low], 0, axis)
    return mask


def _is_rounded(frame: NDArray[Any]) -> bool:
    if frame.dtype.kind not in "iu" or frame.dtype.itemsize < 4 or frame.size == 0:
        return False
    return float(frame.max()) > EXACT_LIMIT or float(frame.min()) < -EXACT_LIMIT
