"""A small picture of what an export would write, computed as the export computes it, at every few pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from underbrush.core import results
from underbrush.core.looking import Place, level_size, plane_size, tiles
from underbrush.engine.products import ForestProduct
from underbrush.engine.scenes import scene_of
from underbrush.engine.teaching import kept_lesson

if TYPE_CHECKING:
    from underbrush.core.geometry import Shape5
    from underbrush.engine.session import Session

EDGE = 256
"""Columns and rows of a picture at most."""
MOST = 1 << 22
"""Pixels of the image that a picture stands for at most; of a larger plane it shows the middle."""
BUDGET = 100e6
"""Bytes that one tile may take, about."""
OUTSIDE = (8, 9, 10)
"""Where a mask leaves nothing."""
Colours = NDArray[np.uint8]
"""(n, 3) RGB."""


def preview(session: Session, lane: str, kind: str, classifier: str | None) -> NDArray[np.uint8] | None:
    """The middle plane of an image as (rows, columns, 3) uint8 RGB; None where there is nothing to be shown.

    ``kind`` is ``segmentation``, ``probabilities`` (class colours, as strong as they are likely) or
    ``uncertainty``; ``classifier`` the name of a kept one, None the one in force. Every pixel is one that the
    export writes: the same forest, at every 2^k-th pixel.

    Raises
    ------
    UnderbrushError
        The image or its mask cannot be read, or does not fit the classifier.
    """
    document = session.document
    frozen = None if classifier is None else document.frozen.get(classifier)
    lesson = session.lesson if frozen is None else kept_lesson(document, frozen)
    if lesson is None or kind not in ("segmentation", "probabilities", "uncertainty"):
        return None
    image, mask = session.image(lane), session.mask(lane)
    product = ForestProduct(lesson.recipe, mask=mask)
    product.check(image)
    whole, scene = middle(image.shape5), scene_of(image)
    values = np.full((lesson.recipe.n_classes, whole.height, whole.width), np.nan, np.float32)
    box = (whole.x, whole.y, whole.x + whole.width, whole.y + whole.height)
    size = plane_size(image.shape5, whole.plane, whole.level)
    for place in tiles(box, whole, size, product.edges(image, whole, BUDGET)):
        found = product.values(image, place, scene)
        x, y = place.x - whole.x, place.y - whole.y
        rows = slice(max(0, y), min(whole.height, y + place.height))
        columns = slice(max(0, x), min(whole.width, x + place.width))
        values[:, rows, columns] = found[
            :, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x
        ]
    classes = document.classes
    colours = [classes[k].info.colour if k in classes else OUTSIDE for k in lesson.classes]
    return drawn(values, kind, np.array(colours, np.uint8).reshape(-1, 3))


def middle(shape: Shape5) -> Place:
    """The part of the middle slice of the first time point that a picture shows: all of it, or its middle."""
    sizes = shape[4], shape[3]
    if sizes[0] * sizes[1] > MOST:
        sizes = min(sizes[0], int(MOST**0.5)), min(sizes[1], int(MOST**0.5))
    level = 0
    while max(sizes) > EDGE << level:
        level += 1
    whole = plane_size(shape, "xy", level)
    wide, high = (min(n, level_size(size, 1 << level)) for n, size in zip(whole, sizes, strict=True))
    x, y = (whole[0] - wide) // 2, (whole[1] - high) // 2
    return Place(0, "xy", shape[2] // 2, level, x, y, wide, high)


def drawn(values: NDArray[np.float32], kind: str, colours: Colours) -> NDArray[np.uint8]:
    """Probabilities (n_classes, rows, columns) as (rows, columns, 3) RGB; NaN and all 0: nothing is there."""
    none = np.isnan(values[0]) | (np.nan_to_num(values).sum(axis=0) == 0)
    known = np.nan_to_num(values)
    if kind == "segmentation":
        picture = colours[np.argmax(known, axis=0)]
    elif kind == "uncertainty":
        found = results.uncertainty(known[None, :, None])[0, 0, 0]
        picture = np.repeat((255 * found + 0.5).astype(np.uint8)[..., None], 3, axis=2)
    else:
        picture = np.tensordot(known, colours[: len(known)].astype(np.float32), axes=(0, 0))
        picture = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return np.where(none[..., None], np.array(OUTSIDE, np.uint8), picture).astype(np.uint8)
