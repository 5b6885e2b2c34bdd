"""A project's segmentation of images against their truth."""

from __future__ import annotations

import numpy as np

from underbrush.core import results
from underbrush.core.evaluate import Overlap
from underbrush.core.geometry import Box, Tile
from underbrush.core.plan import plan_tiles
from underbrush.core.predict import TileReport, predict_tile, tile_cost
from underbrush.engine.batch import Limits, tile_budget
from underbrush.engine.label_images import check_same_size, class_values, open_beside
from underbrush.engine.model import Model
from underbrush.engine.scenes import scene_of
from underbrush.engine.scheduler import run_side_by_side
from underbrush.engine.stages import staged_image
from underbrush.errors import MismatchError
from underbrush.sources.opening import open_image


def evaluate_image(
    model: Model, address: str, truth: str, limits: Limits, axes: str | None = None
) -> tuple[Overlap, tuple[str, ...]]:
    """Classify an image tile by tile and count its pixels against a truth image of the same size.

    In the truth 0 is to be ignored, 1..N are the classes. Gives the counts, and sentences about what was
    noticed in the image.

    Raises
    ------
    UnderbrushError
        An image cannot be read, does not fit the project, or the two differ in size.
    """
    with open_image(address, axes) as given, open_beside(truth, given, classes=True) as known:
        check_same_size(known, given, "truth")
        image = staged_image(given, model.before)
        shape = image.shape5
        volume = shape[2] > 1
        recipe, trimmed = model.fitted_to(image.info, shape[1], volume)
        recipe.selection.check(shape, image.info.location)
        cost = tile_cost(recipe.selection, recipe.forest, recipe.n_classes, image.dtype.itemsize, shape)
        grid = plan_tiles(
            Box.whole(shape), shape, recipe.selection.halo(volume), cost, tile_budget(limits), limits.threads
        )

        scene = scene_of(image)

        def work(tile: Tile) -> tuple[Overlap, TileReport]:
            probabilities, report = predict_tile(image.read(tile.read), tile, recipe, scene)
            there = class_values(known.read(tile.valid.replace(c=(0, 1))), known.info.location)
            if (highest := int(there.max())) > recipe.n_classes:
                raise MismatchError(
                    f"the truth holds class {highest}, the project has {recipe.n_classes} classes",
                    where=known.info.location,
                    remedy="give 0 for what is to be ignored and 1, 2, ... for the classes of the project",
                )
            return Overlap.count(there, results.segmentation(probabilities), recipe.n_classes), report

        total = Overlap(np.zeros((recipe.n_classes + 1,) * 2, np.int64))
        noticed = TileReport()
        for part, report in run_side_by_side(grid, work, limits.threads):
            total, noticed = total + part, noticed + report
        notices = (*([trimmed] if trimmed else []), *(f"{address}: {said}" for said in noticed.sentences))
    return total, notices
