"""One tile: a block of an image and a recipe become probabilities."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.catalog import reach
from underbrush.core.features.compute import compute_features
from underbrush.core.features.selection import FeatureSelection, FeatureTerm
from underbrush.core.forest.nodes import Forest
from underbrush.core.forest.packing import PackedForest, compile_forest
from underbrush.core.forest.predict import predict_block
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

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the user should be told, if anything."""
        said = []
        if self.not_finite:
            pixels = "1 pixel is" if self.not_finite == 1 else f"{self.not_finite} pixels are"
            said.append(
                f"{pixels} NaN, infinite or beyond float32; there and within reach the probabilities are 0."
            )
        if self.rounded:
            said.append("Values beyond 2^24 are rounded to float32.")
        return tuple(said)

    def __add__(self, other: TileReport) -> TileReport:
        return TileReport(self.not_finite + other.not_finite, self.rounded or other.rounded)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a tile must know of the whole image."""

    volume: bool
    """It has more than one slice."""
    offset: float = 0.0
    """A value near those of its pixels; see `features.compute.compute_features`."""


def predict_tile(
    block: NDArray[Any], tile: Tile, recipe: Recipe, scene: Scene, step: tuple[int, int, int] = (1, 1, 1)
) -> tuple[NDArray[np.float32], TileReport]:
    """Probabilities of the valid part of a tile, on the calling thread.

    Parameters
    ----------
    block
        The pixels of ``tile.read``, t c z y x, all channels of the image, any real dtype.
    step
        Along z, y, x: only each such pixel of the valid part is wanted; the values are those that all
        pixels would have had.

    Returns
    -------
    (t, n_classes, z, y, x) float32, and what was noticed. Pixels that are not finite, and all within
    reach of one, are 0 for every class.
    """
    used = block[:, list(recipe.pick(block.shape[1]))]
    frames, _, *sizes = tile.valid.shape
    depth, height, width = (-(-n // s) for n, s in zip(sizes, step, strict=True))
    out = np.zeros((frames, recipe.n_classes, depth, height, width), np.float32)
    where = np.asarray(recipe.forest.classes, np.intp) - 1
    packed = _packed(recipe.forest)
    votes = np.empty((len(where), depth * height, width), np.float32)
    report = TileReport()
    for t, frame in enumerate(used):
        features, unusable, noticed = feature_frame(frame, tile, recipe.selection, scene, step)
        report = report + noticed
        predict_block(packed, features.reshape(len(features), depth * height, width), votes)
        out[t, where] = votes.reshape(-1, depth, height, width)
        if unusable is not None:
            out[t, :, unusable] = 0
    return out, report


_PACKED: dict[str, PackedForest] = {}
_PACKING = threading.Lock()
_PACKED_KEPT = 16


def _packed(forest: Forest) -> PackedForest:
    """The forest as its kernel wants it; packing takes longer than a small tile: the last ones are kept."""
    with _PACKING:
        packed = _PACKED.get(forest.digest)
        if packed is None:
            packed = compile_forest(forest)
            while len(_PACKED) >= _PACKED_KEPT:
                del _PACKED[next(iter(_PACKED))]
            _PACKED[forest.digest] = packed
    return packed


def tile_cost(
    selection: FeatureSelection, forest: Forest | None, n_classes: int, itemsize: int, image: Shape5
) -> TileCost:
    """Bytes that `predict_tile` holds for each pixel that it reads and makes, features included.

    ``itemsize`` is that of the image's pixels, ``image`` its sizes in t c z y x; without a forest it is
    the cost of the features alone.
    """
    terms = selection.terms(image[2] > 1)
    n_features = selection.count(image[1], image[2] > 1) if forest is None else forest.n_features
    deep = any(not t.in_2d for t in terms)
    # A block as read and as float32, and what the kernels keep of one channel (`compute.scratch_bytes`).
    read = image[1] * (itemsize + 5) + (12 if deep else 18)
    return TileCost(read=read, valid=4 * n_features + 8 * n_classes + 24, fixed=2e6)


def feature_frame(
    frame: NDArray[Any],
    tile: Tile,
    selection: FeatureSelection,
    scene: Scene,
    step: tuple[int, int, int] = (1, 1, 1),
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None, TileReport]:
    """Features of one time frame of a tile, of each ``step``-th pixel along z, y, x.

    ``frame`` is (c, z, y, x). Gives (n_features, z, y, x) float32 of the valid part; the pixels of it
    whose features depend on a value that is not finite, (z, y, x) bool, or None; and what was noticed.
    """
    inner = tile.valid.relative_to(tile.read).slices
    valid = (inner[2], inner[3], inner[4])
    terms = selection.terms(scene.volume)
    values, broken = finite_values(frame)
    report = TileReport(rounded=_is_rounded(frame))
    unusable = None
    if broken is not None:
        report = report + TileReport(not_finite=int(np.count_nonzero(broken[valid])))
        z, y, x = step
        unusable = within_reach(broken, terms)[valid][::z, ::y, ::x]
    return compute_features(values, terms, valid, step, offset=scene.offset), unusable, report


def finite_values(frame: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """``frame`` (c, z, y, x) with 0 for what is not finite; and where that was, (z, y, x), or None.

    Floats become float32, integers stay as they are. A float64 too large for float32 counts as not finite.
    """
    if frame.dtype.kind in "biu":
        return frame, None
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
