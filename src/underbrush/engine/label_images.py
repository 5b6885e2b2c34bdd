"""Labels and truth that come as images: 0 is none, 1..N are the classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Halo, TileGrid
from underbrush.core.labels import LabelBlock, make_block, trimmed
from underbrush.errors import ImageError, MismatchError
from underbrush.sources.base import Image
from underbrush.sources.geojson import is_outlines, open_outlines
from underbrush.sources.opening import open_image

LABEL_TILE = 1024


def open_beside(address: str, image: Image, *, classes: bool = False) -> Image:
    """Labels, a truth or a mask of an image; close it after use. A mask may be outlines in GeoJSON.

    A file that does not say what its axes mean is read in the order of its image, where the sizes are the
    same: a stack of frames is labelled by a stack of frames.

    Raises
    ------
    UnderbrushError
        It cannot be read, or outlines are given where ``classes`` are wanted.
    """
    if is_outlines(address):
        if classes:
            raise ImageError(
                "outlines say inside and outside, but no classes",
                where=address,
                remedy="use them as a mask, or give an image with a value for each class",
            )
        return open_outlines(address, image)
    labels = open_image(address, indexed=True)
    pairs = [(a, n) for a, n in zip(image.axes, image.shape, strict=True) if a != "c"]
    if labels.info.axes_known or labels.shape != tuple(n for _, n in pairs):
        return labels
    return labels.with_axes("".join(a for a, _ in pairs))


def class_values(values: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Labels or truth as uint8.

    Raises
    ------
    ImageError
        A value is not a whole number from 0 to 255.
    """
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if np.isnan(values.min()):
        raise ImageError(
            "the labels hold NaN",
            where=where,
            remedy="give whole numbers, 0 for unlabelled and 1, 2, ... for the classes",
        )
    low, high = values.min(), values.max()
    fractions = values.dtype.kind == "f" and bool((values != np.rint(values)).any())
    if not (low >= 0 and high <= 255) or fractions:
        raise ImageError(
            f"the labels go from {low} to {high}{', with fractions' if fractions else ''}",
            where=where,
            remedy="give whole numbers, 0 for unlabelled and 1, 2, ... for the classes",
        )
    return values.astype(np.uint8)


def check_same_size(labels: Image, image: Image, what: str) -> None:
    """Refuse a label image that has not one value for each pixel of its image.

    Raises
    ------
    MismatchError
        Names both shapes; ``what`` is the word for the label image.
    """
    have, need = labels.shape5, image.shape5
    if (have[0], *have[2:]) != (need[0], *need[2:]) or have[1] != 1:
        raise MismatchError(
            f"the {what} has shape {labels.shape} ({labels.axes}), its image {image.shape} ({image.axes})",
            where=labels.info.location,
            remedy="give one value for each pixel of the image",
        )


def label_blocks(labels: Image, image: Image) -> Iterator[LabelBlock]:
    """The labels of an image as blocks, read piece by piece.

    Raises
    ------
    MismatchError
        They do not have the size of the image.
    ImageError
        A value is not a whole number from 0 to 255.
    """
    check_same_size(labels, image, "label image")
    shape = labels.shape5
    tile = (1, 1, 1 if shape[2] == 1 else 64, LABEL_TILE, LABEL_TILE)
    for part in TileGrid(Box.whole(shape), tile, Halo(), shape):
        values = class_values(labels.read(part.valid), labels.info.location)
        block = trimmed(make_block(part.valid, values))
        if block is not None:
            yield block
