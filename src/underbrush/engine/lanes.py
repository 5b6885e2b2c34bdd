"""The image of a lane, opened as its project understands it."""

from __future__ import annotations

from underbrush.errors import AxesError, ProjectError
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Lane, Project, Source
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image


def open_lane(lane: Lane, project: Project) -> Image:
    """The image of a lane with the axes that the project says; close it after use.

    Raises
    ------
    ProjectError
        The image cannot be found.
    ImageError
        It cannot be read.
    AxesError
        It has other axes than the project says.
    """
    found = resolve_source(lane.raw, project)
    if found.address is None:
        raise ProjectError(found.problem.rstrip("."), where=project.path or "")
    image = open_image(found.address)
    try:
        return image.with_axes(stored_axes(lane.raw, image))
    except BaseException:
        image.close()
        raise


def stored_axes(source: Source, image: Image) -> str:
    """The project's axis order in as many letters as the image has axes.

    A project may count axes of one pixel that our reader leaves out, or the other way round: ilastik
    reads a grey picture as yxc, we as yx.

    Raises
    ------
    AxesError
        The image cannot be read in the project's order.
    """
    axes = source.axes
    if axes is None or len(axes) == len(image.axes):
        return axes or image.axes
    sizes = dict(zip(axes, source.shape or (), strict=False))
    kept = "".join(a for a in axes if sizes.get(a, 1 if a == "c" else 2) != 1 or a in "yx")
    if len(kept) == len(image.axes):
        return kept
    own = "".join(a for a, n in zip(image.axes, image.shape, strict=True) if n != 1 or a in "yx")
    if own == kept:
        return image.axes
    raise AxesError(
        f"the project reads it as {axes!r}, but it has the axes {image.axes!r}, shape {image.shape}",
        where=image.info.location,
        remedy="put the image that the project was made with in its place",
    )
