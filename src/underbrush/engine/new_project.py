"""A new project made from images: two classes, the recommended features, nothing painted."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Shape5
from underbrush.engine.building import class_colour, linked_from
from underbrush.engine.lanes import linked_image
from underbrush.engine.naming import nickname_of
from underbrush.errors import MismatchError, UsageError
from underbrush.files import layer
from underbrush.project.recovery import PROJECT_ID
from underbrush.project.schema import ClassInfo, Lane, Project
from underbrush.project.write import write_project
from underbrush.sources.opening import open_image
from underbrush.sources.selection import check_named

CLASSES = ("Background", "Foreground")


def write_new_project(path: Path, addresses: Sequence[str], *, ask: bool = False) -> None:
    """Write a new project with these images, or none, to ``path`` (an empty file, as of `reserving`).

    Where that fails nothing stays. ``ask`` as in `project_from_images`.

    Raises
    ------
    UnderbrushError
        An image cannot be read, the images have different numbers of channels, or the disk is full.
    """
    try:
        project = project_from_images(addresses, ask=ask) if addresses else _project((), None)
        write_project(linked_from(project, path.parent), path)
    except BaseException:
        with contextlib.suppress(OSError):
            if path.stat().st_size == 0:
                layer().remove(path)
        raise


def project_from_images(addresses: Sequence[str], *, ask: bool = False) -> Project:
    """A project with a lane for each image, two classes and the features recommended for the images.

    Of a file with several images the first is taken, where they are of the kind of which most hold one only;
    with ``ask`` somebody is there to say which.

    Raises
    ------
    UsageError
        No image.
    SeveralImagesError
        A file holds several images, and its address names none.
    ImageError, AxesError
        One cannot be read.
    MismatchError
        They have different numbers of channels, or some are flat and some volumes.
    """
    if not addresses:
        raise UsageError("a project needs an image", remedy="name one")
    lanes: list[Lane] = []
    shapes: list[Shape5] = []
    for address in addresses:
        lane, shape = _lane(address, ask)
        lanes.append(lane)
        shapes.append(shape)
        first = shapes[0]
        if shape[1] != first[1]:
            raise MismatchError(
                f"it has {shape[1]} channels and {addresses[0]} has {first[1]}",
                where=address,
                remedy="make a project for each kind of image",
            )
        if (shape[2] > 1) != (first[2] > 1):
            kinds = ("a volume", "flat") if shape[2] > 1 else ("flat", "a volume")
            raise MismatchError(
                f"it is {kinds[0]} and {addresses[0]} is {kinds[1]}",
                where=address,
                remedy="make a project for each kind of image",
            )
    smallest = tuple(min(sizes) for sizes in zip(*shapes, strict=True))
    t, c, z, y, x = smallest
    return _project(_with_distinct_names(lanes), FeatureSelection.recommended((t, c, z, y, x)))


def _project(lanes: tuple[Lane, ...], selection: FeatureSelection | None) -> Project:
    """A project with these images and features, two classes, and nothing painted."""
    return Project(
        lanes=lanes,
        classes=tuple(ClassInfo(n, class_colour(i), class_colour(i)) for i, n in enumerate(CLASSES)),
        selection=selection,
        feature_ids=() if selection is None else selection.filters,
        scales=() if selection is None else selection.scales,
        own=MappingProxyType({PROJECT_ID: uuid.uuid4().hex}),  # so that it is known as ours, not as ilastik's
    )


def _lane(address: str, ask: bool) -> tuple[Lane, Shape5]:
    with open_image(address) as image:
        if ask:
            check_named(image.info, address)
        source = linked_image(address, image)
        shape = image.shape5
    return Lane(nickname=nickname_of(address), raw=source), shape


def _with_distinct_names(lanes: Sequence[Lane]) -> tuple[Lane, ...]:
    taken: set[str] = set()
    named = []
    for lane in lanes:
        name, number = lane.nickname, 2
        while name in taken:
            name, number = f"{lane.nickname} {number}", number + 1
        taken.add(name)
        named.append(replace(lane, nickname=name))
    return tuple(named)
