"""Masks: outside of one there is no result. One rule for files that are written and for what is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box
from underbrush.engine.label_images import open_beside
from underbrush.errors import MismatchError, ProjectError
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Project, Source
from underbrush.sources.base import Image


def open_mask(source: Source, project: Project, image: Image) -> Image:
    """The mask of an image of a project; close it after use.

    Raises
    ------
    UnderbrushError
        It is missing, cannot be read, or has not the size of the image.
    """
    found = resolve_source(source, project)
    if found.address is None:
        problem = found.problem.rstrip(".").replace("The image", "The mask", 1)
        raise ProjectError(problem, where=project.path or "", remedy="repair or remove it in step 1")
    mask = open_beside(found.address, image)
    try:
        if source.axes is not None and not mask.info.axes_known and len(source.axes) == len(mask.axes):
            mask = mask.with_axes(source.axes)
        check_mask(mask, image)
    except BaseException:
        mask.close()
        raise
    return mask


def check_mask(mask: Image, image: Image) -> None:
    """Refuse a mask that is not as large as its image; one of one time stands for all times.

    Raises
    ------
    MismatchError
        Names both sizes.
    """
    have, need = mask.shape5, image.shape5
    if have[0] not in (1, need[0]) or have[2:] != need[2:]:
        raise MismatchError(
            f"the mask is {_sizes(mask)}, the image {_sizes(image)}",
            where=mask.info.location,
            remedy="give a mask of the size of its image",
        )


def outside(mask: Image, box: Box) -> NDArray[np.bool_]:
    """Where a box of the image lies outside of its mask, (t, 1, z, y, x).

    Inside is what is above 0 in some channel of the mask.
    """
    shape = mask.shape5
    where = box.replace(c=(0, shape[1]))
    if shape[0] == 1:
        where = where.replace(t=(0, 1))
    hidden = ~(mask.read(where) > 0).any(axis=1, keepdims=True)
    return np.broadcast_to(hidden, (box.shape[0], *hidden.shape[1:]))


def _sizes(image: Image) -> str:
    return " x ".join(str(n) for n in image.shape) + f" ({image.axes})"
