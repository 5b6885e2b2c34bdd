"""Images and labels as a script gives them: one of each or lists, arrays or opened images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from underbrush.core.features.catalog import DEFAULT_SCALES
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Shape5
from underbrush.core.labels import LabelBlock
from underbrush.engine.label_images import label_blocks
from underbrush.errors import ArgumentError, ArgumentTypeError, MismatchError
from underbrush.sources.array import ArrayImage
from underbrush.sources.base import Image

ImageLike: TypeAlias = ArrayLike | Image
"""An array of 2 to 5 axes, or an image from `open_image`."""


def as_image(value: ImageLike, axes: str | None, name: str) -> Image:
    """An array or an opened image as an image with the axes ``axes``.

    Raises
    ------
    ArgumentError
        Rows of different lengths.
    UnderbrushError
        It is empty, not of numbers, or ``axes`` do not fit.
    """
    if isinstance(value, Image):
        return value if axes is None else value.with_axes(axes)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"it is no array ({error})", where=name, remedy="give an array") from None
    return ArrayImage(array, axes, name)


def as_images(images: ImageLike | Sequence[ImageLike], axes: str | None) -> list[Image]:
    """One image or a list of them, all with the same number of channels.

    Raises
    ------
    ArgumentError
        The list is empty.
    MismatchError
        Another number of channels than the first.
    """
    if not isinstance(images, list | tuple):
        return [as_image(cast("ImageLike", images), axes, "image")]
    if not images:
        raise ArgumentError("the list of images is empty", remedy="give at least one image")
    opened = [as_image(image, axes, f"image {k}") for k, image in enumerate(images, 1)]
    channels = [image.shape5[1] for image in opened]
    for image, n in zip(opened, channels, strict=True):
        if n != channels[0]:
            raise MismatchError(
                f"it has {n} channels and the first image has {channels[0]}",
                where=image.info.location,
                remedy="train on images with the same channels, or name their axes",
            )
    return opened


def as_labels(
    labels: ArrayLike | Sequence[ArrayLike], images: Sequence[Image], listed: bool
) -> list[tuple[LabelBlock, ...]]:
    """The labelled pixels of each image; ``listed`` says that ``labels`` is a list.

    Raises
    ------
    ArgumentTypeError
        ``labels`` is no list where images are one.
    ArgumentError
        Another number of labels than of images.
    MismatchError
        Labels have not the sizes of their image.
    ImageError
        A label is not a whole number from 0 to 255.
    """
    if not listed:
        return [_blocks(cast("ArrayLike", labels), images[0], "labels")]
    if not isinstance(labels, list | tuple):
        raise ArgumentTypeError(
            "there is a list of images but no list of labels",
            remedy="give one array of labels for each image",
        )
    if len(labels) != len(images):
        raise ArgumentError(
            f"there are {len(images)} images and {len(labels)} arrays of labels", remedy="give one for each"
        )
    return [
        _blocks(one, image, f"labels {k}")
        for k, (one, image) in enumerate(zip(labels, images, strict=True), 1)
    ]


def _blocks(labels: ArrayLike, image: Image, name: str) -> tuple[LabelBlock, ...]:
    try:
        array = np.asarray(labels)
    except ValueError as error:
        raise ArgumentError(f"they are no array ({error})", where=name, remedy="give an array") from None
    flat = image.axes.replace("c", "")
    axes = flat if array.ndim == len(flat) else image.axes
    if array.ndim != len(axes):
        raise MismatchError(
            f"they have shape {array.shape}, their image {image.shape} ({image.axes})",
            where=name,
            remedy="give one label for each pixel, with the axes of the image without c",
        )
    return tuple(label_blocks(ArrayImage(array, axes, name), image))


def chosen_features(
    features: object, scales: Sequence[float] | None, in_2d: object, shapes: Sequence[Shape5]
) -> FeatureSelection:
    """The features for images of ``shapes`` (t c z y x), with 2D or 3D settled for each scale.

    Raises
    ------
    ArgumentError
        No such choice; scales where the choice brings its own; 2D images together with volumes whose
        features are computed in 3D.
    FeatureError
        A scale that cannot be, or that is too large for an image.
    """
    selection = _named(features, scales, shapes)
    if isinstance(in_2d, bool | np.bool_):
        selection = selection.with_in_2d(bool(in_2d))
    elif in_2d is not None:
        if not isinstance(in_2d, list | tuple | np.ndarray):
            raise ArgumentTypeError(f"in_2d is {in_2d!r}", remedy="give True, False, None or a bool a scale")
        selection = replace(selection, in_2d=tuple(bool(flat) for flat in in_2d))
    kinds = {shape[2] > 1 for shape in shapes}
    if selection.in_2d is None and len(kinds) == 1:
        selection = selection.with_in_2d(not next(iter(kinds)))
    if len(kinds) == 2 and selection.terms(True) != selection.terms(False):
        raise ArgumentError(
            "there are 2D images and volumes, and features in 3D", remedy="give in_2d=True, or one kind"
        )
    # A forest trained anew takes today's structure tensor.
    return replace(selection, vigra_structure=False)


def _named(features: object, scales: Sequence[float] | None, shapes: Sequence[Shape5]) -> FeatureSelection:
    if isinstance(features, str) and features == "all":
        try:
            sigmas = DEFAULT_SCALES if scales is None else tuple(float(s) for s in scales)
        except (TypeError, ValueError):
            raise ArgumentTypeError(
                f"scales is {scales!r}", remedy="give a list of sigmas in pixels"
            ) from None
        return FeatureSelection.all(sigmas)
    if scales is not None:
        raise ArgumentError(
            f"scales are given but features is {features!r}, which brings its own",
            remedy="give scales together with features='all'",
        )
    if isinstance(features, FeatureSelection):
        return features
    if isinstance(features, str) and features == "recommended":
        z = min(shape[2] for shape in shapes)
        y, x = (min(shape[axis] for shape in shapes) for axis in (3, 4))
        flat = z == 1 and any(shape[2] > 1 for shape in shapes)
        selection = FeatureSelection.recommended((1, shapes[0][1], z, y, x))
        return selection.with_in_2d(True) if flat else selection
    raise ArgumentError(f"features is {features!r}", remedy="give 'all', 'recommended' or a FeatureSelection")
