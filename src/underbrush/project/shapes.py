"""Sizes that old projects do not store, taken from the images themselves."""

from __future__ import annotations

from dataclasses import replace

from underbrush.errors import UnderbrushError
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Lane, Project, Source
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image


def with_known_shapes(project: Project) -> Project:
    """The project with axes and shape of every raw image that can be opened.

    Projects before ilastik 1.3.2 do not store shapes, yet the order in which labels are stored depends on
    them. Nothing is fetched from the net.
    """
    return replace(project, lanes=tuple(_known(lane, project) for lane in project.lanes))


def _known(lane: Lane, project: Project) -> Lane:
    source = lane.raw
    if source.shape5 is not None or source.kind in {"url", "stack"}:
        return lane
    address = resolve_source(source, project).address
    if address is None:
        return lane
    try:
        with open_image(address) as image:
            return replace(lane, raw=_sized(source, image))
    except UnderbrushError:
        return lane  # whoever reads its pixels will say what is wrong with it


def _sized(source: Source, image: Image) -> Source:
    axes = source.axes
    if axes is None:
        return replace(source, axes=image.axes, shape=image.shape)
    if len(axes) == len(image.axes):
        return replace(source, shape=image.shape)
    sizes = dict(zip(image.axes, image.shape, strict=True))
    if any(n > 1 and a not in axes for a, n in sizes.items()):
        return source
    return replace(source, shape=tuple(sizes.get(a, 1) for a in axes))
