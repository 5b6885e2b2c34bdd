"""A small picture of what an export would write, computed as the export computes it, at every few pixels."""

from __future__ import annotations

from collections.abc import Mapping
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
Region = Mapping[str, tuple[int | None, int | None]]
Colours = NDArray[np.uint8]
"""(n, 3) RGB."""


def preview(
    session: Session, lane: str, kind: str, classifier: str | None, region: Region | None = None
) -> NDArray[np.uint8] | None:
    """The middle plane of an image as (rows, columns, 3) uint8 RGB; None where there is nothing to be shown.

    ``kind`` is ``segmentation``, ``probabilities`` (class colours, as strong as they are likely) or
    ``uncertainty``; ``classifier`` the name of a kept one, None the one in force; ``region`` start and stop
    for some of t, z, y, x: then it is the middle plane of that part, and nothing outside of it. Every pixel
    is one that the export writes: the same forest, at every 2^k-th pixel.

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
    whole, scene = middle(image.shape5, region), scene_of(image)
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


def middle(shape: Shape5, region: Region | None = None) -> Place:
    """What a picture shows of an image (t c z y x), or of a region of it: the middle slice of its first time.

    All of that plane, or its middle where it is too large.
    """
    ends = _ends_of(shape, region)
    sizes = extent(shape, region)
    if sizes[0] * sizes[1] > MOST:
        sizes = min(sizes[0], int(MOST**0.5)), min(sizes[1], int(MOST**0.5))
    level = 0
    while max(sizes) > EDGE << level:
        level += 1
    whole = plane_size(shape, "xy", level)
    wide, high = (min(n, level_size(size, 1 << level)) for n, size in zip(whole, sizes, strict=True))
    x, y = (
        min(n - size, ((a + b) >> level) - size + 1 >> 1)
        for n, size, (a, b) in zip(whole, (wide, high), (ends["x"], ends["y"]), strict=True)
    )
    return Place(ends["t"][0], "xy", sum(ends["z"]) // 2, level, max(0, x), max(0, y), wide, high)


def extent(shape: Shape5, region: Region | None = None) -> tuple[int, int]:
    """Columns and rows of a region of an image (t c z y x)."""
    ends = _ends_of(shape, region)
    return ends["x"][1] - ends["x"][0], ends["y"][1] - ends["y"][0]


def _ends_of(shape: Shape5, region: Region | None) -> dict[str, tuple[int, int]]:
    return {a: _ends((region or {}).get(a), shape["tczyx".index(a)]) for a in "tzyx"}


def _ends(told: tuple[int | None, int | None] | None, size: int) -> tuple[int, int]:
    """First pixel and the one behind the last, inside of an axis, at least one pixel apart."""
    first, last = told or (None, None)
    start = min(max(0, first or 0), size - 1)
    return start, max(start + 1, min(size, size if last is None else last))


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
