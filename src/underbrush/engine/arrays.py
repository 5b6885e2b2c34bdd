"""Prediction and features of arrays in memory, tile by tile, in the same bytes as files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box, Halo, Tile
from underbrush.core.plan import TileCost, plan_tiles
from underbrush.core.predict import TileReport, feature_frame, predict_tile, tile_cost
from underbrush.core.recipe import Recipe
from underbrush.engine.scenes import scene_of
from underbrush.engine.scheduler import run_side_by_side
from underbrush.errors import ResourceError
from underbrush.sources.base import Image

WORKING_MEMORY = 400_000_000
"""Bytes for the tiles in flight, beside the arrays that come in and go out."""


def predict_array(
    image: Image, recipe: Recipe, threads: int = 1, working: int = WORKING_MEMORY
) -> tuple[NDArray[np.float32], TileReport]:
    """Probabilities of a whole image, (t, n_classes, z, y, x) float32, and what was noticed.

    Raises
    ------
    UnderbrushError
        The image does not fit the recipe, or is too small for its features.
    """
    shape = image.shape5
    out = np.empty((shape[0], recipe.n_classes, *shape[2:]), np.float32)
    return out, _predict_into(out, image, recipe, lambda values: values, (threads, working))


def result_array(
    image: Image,
    recipe: Recipe,
    result: Callable[[NDArray[np.float32]], NDArray[Any]],
    threads: int = 1,
    working: int = WORKING_MEMORY,
) -> tuple[NDArray[Any], TileReport]:
    """What ``result`` makes of the probabilities of each tile, (t, 1, z, y, x), and what was noticed.

    The probabilities of the whole image are never held. ``result`` takes and gives t c z y x, pixel by
    pixel, and gives c of size 1 (as those in `core.results`).

    Raises
    ------
    UnderbrushError
        The image does not fit the recipe, or is too small for its features.
    """
    shape = image.shape5
    dtype = result(np.zeros((1, recipe.n_classes, 1, 1, 1), np.float32)).dtype
    out = np.empty((shape[0], 1, *shape[2:]), dtype)
    return out, _predict_into(out, image, recipe, result, (threads, working))


def _predict_into(
    out: NDArray[Any],
    image: Image,
    recipe: Recipe,
    result: Callable[[NDArray[np.float32]], NDArray[Any]],
    limits: tuple[int, int],
) -> TileReport:
    shape = image.shape5
    volume = shape[2] > 1
    recipe.check(shape[1], volume, image.info.location)
    recipe.selection.check(shape, image.info.location)

    scene = scene_of(image)

    def work(tile: Tile) -> TileReport:
        values, report = predict_tile(image.read(tile.read), tile, recipe, scene)
        out[tile.valid.replace(c=(0, out.shape[1])).slices] = result(values)
        return report

    cost = tile_cost(recipe.selection, recipe.forest, recipe.n_classes, image.dtype.itemsize, shape)
    return _run(image, recipe.selection.halo(volume), cost, work, limits)


def features_array(
    image: Image,
    selection: FeatureSelection,
    threads: int = 1,
    cap: int | None = None,
    working: int = WORKING_MEMORY,
) -> NDArray[np.float32]:
    """Features of a whole image, (t, n_features, z, y, x) float32; NaN within reach of what is not finite.

    Raises
    ------
    ResourceError
        The features alone would need more than ``cap`` bytes.
    FeatureError
        The image is too small for a scale.
    """
    shape = image.shape5
    volume = shape[2] > 1
    selection.check(shape, image.info.location)
    full = (shape[0], selection.count(shape[1], volume), *shape[2:])
    size = 4 * int(np.prod(full, dtype=np.int64))
    if cap is not None and size > cap:
        raise ResourceError(
            f"the features of this image are {size / 1e9:.1f} GB and {cap / 1e9:.1f} GB are allowed",
            where=image.info.location,
            remedy="compute them for parts of the image, choose fewer, or allow more memory",
        )
    out = np.empty(full, np.float32)
    scene = scene_of(image)

    def work(tile: Tile) -> TileReport:
        report = TileReport()
        where = tile.valid.replace(c=(0, full[1]))
        for values, frame in zip(out[where.slices], image.read(tile.read), strict=True):
            features, unusable, noticed = feature_frame(frame, tile, selection, scene)
            if unusable is not None:
                features[:, unusable] = np.nan
            values[...] = features
            report = report + noticed
        return report

    cost = tile_cost(selection, None, 0, image.dtype.itemsize, shape)
    _run(image, selection.halo(volume), cost, work, (threads, working))
    return out


def _run(
    image: Image, halo: Halo, cost: TileCost, work: Callable[[Tile], TileReport], limits: tuple[int, int]
) -> TileReport:
    threads, working = limits
    shape = image.shape5
    report = TileReport()
    for noticed in run_side_by_side(
        plan_tiles(Box.whole(shape), shape, halo, cost, working / threads, threads), work, threads
    ):
        report = report + noticed
    return report
