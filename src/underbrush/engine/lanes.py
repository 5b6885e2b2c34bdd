"""The image of a lane, opened as its project understands it."""

from __future__ import annotations

import os
from dataclasses import replace

from underbrush.errors import AxesError, ProjectError, UnderbrushError
from underbrush.project.paths import linked_source
from underbrush.project.resolve import Found, resolve_source
from underbrush.project.schema import Lane, Project, Source
from underbrush.sources.address import absolute_address, split_options
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image
from underbrush.sources.sequence import open_stack, stack_files
from underbrush.sources.units import normal_unit


def open_lane(lane: Lane, project: Project) -> Image:
    """The image of a lane with the axes, the sizes of pixels and at the level that the project says.

    Close it after use.

    Raises
    ------
    ProjectError
        The image cannot be found.
    ImageError
        It cannot be read, or has no such level.
    AxesError
        It has other axes than the project says.
    """
    found = resolve_source(lane.raw, project)
    if found.address is None:
        raise ProjectError(found.problem.rstrip("."), where=project.path or "")
    if lane.raw.kind == "stack":
        return _sized(_open_stack(lane.raw, found), lane.raw)
    image = open_image(lane_address(lane.raw, found))
    try:
        return _sized(image.with_axes(stored_axes(lane.raw, image)), lane.raw)
    except BaseException:
        image.close()
        raise


def told_sizes(source: Source) -> dict[str, tuple[float, str]]:
    """The sizes of pixels that a project says of an image; one without a unit says nothing."""
    return {
        a: (s, unit) for a, (s, text) in source.pixel_size.items() if s > 0 and (unit := normal_unit(text))
    }


def _sized(image: Image, source: Source) -> Image:
    """The image with the sizes that the project says; of other axes it keeps its own."""
    told = {a: size for a, size in told_sizes(source).items() if a in image.axes}
    if told:
        image.info = replace(image.info, pixel_size={**image.info.pixel_size, **told})
    return image


def lane_address(source: Source, found: Found) -> str:
    """What to open for a source that was found: its address with the level that the project stores.

    Raises
    ------
    ProjectError
        The image was not found.
    """
    if found.address is None:
        raise ProjectError(found.problem.rstrip("."))
    if not source.level:
        return found.address
    text, options = split_options(found.address)
    others = [o for o in options.split(",") if o and not o.startswith(("level=", "scale="))]
    return f"{text}#{','.join([*others, f'scale={source.level}'])}"


def lane_files(project: Project) -> list[str]:
    """What the images of a project and their masks lie in, if it is there: none of it is written over."""
    sources = [s for lane in project.lanes for s in (lane.raw, lane.mask) if s is not None]
    found = [address for s in sources if (address := resolve_source(s, project).address)]
    return [file for address in found for file in files_of(address)]


def files_of(address: str) -> tuple[str, ...]:
    """The files of a stack, or the one address that it is; a stack that is not there has none."""
    try:
        return stack_files(address) or (address,)
    except UnderbrushError:
        return ()


def _open_stack(source: Source, found: Found) -> Image:
    """The files of a stack along the axis by which the project's axes differ from theirs.

    ilastik does not store the axis. Where it cannot be told it is guessed as for files outside of projects.
    """
    files: list[str] = []
    for file in found.files:
        address = f"{file}/{found.inner}" if found.inner else str(file)
        files += stack_files(address) or (address,)
    with open_image(files[0]) as first:
        along = _stacked_axis(source, first, len(files))
    image = open_stack(found.address or files[0], files, open_image, along)
    try:
        if source.axes is None or sorted(source.axes) == sorted(image.axes):
            # The files know better than the project in which order their axes are stored.
            return image if source.axes is None else image.with_axes(image.axes)
        return image.with_axes(stored_axes(source, image))
    except BaseException:
        image.close()
        raise


def _stacked_axis(source: Source, first: Image, count: int) -> str:
    sizes = dict(zip(source.axes or "", source.shape or (), strict=False))
    own = dict(zip(first.axes, first.shape, strict=True))
    new = [a for a in "ztc" if a in sizes and a not in own]
    fitting = [a for a in new if sizes[a] == count] or [
        a for a in "ztc" if a in own and a in sizes and sizes[a] > own[a]
    ]
    if fitting:
        return fitting[0]
    axes = [a for a in "ztc" if a in (source.axes or "") and a not in own]
    return axes[0] if not source.shape and len(axes) == 1 else ""


def linked_image(address: str, image: Image) -> Source:
    """A source for an image that was opened as ``address``: a link, files named one by one, with its level.

    Axes, shape and pixel sizes are those of ``image``.
    """
    files = stack_files(address)
    text, options = split_options(address)
    if files:
        stored = os.pathsep.join(absolute_address(file) for file in files)
    else:
        leveled = image.info.level_names if "level=" in options or "scale=" in options else ()
        kept = ",".join(o for o in options.split(",") if not (leveled and o.startswith(("level=", "scale="))))
        stored = absolute_address(text) + (f"#{kept}" if kept else "")
        if leveled:
            source = linked_source(stored, image.axes, image.shape)
            return replace(source, level=leveled[0], pixel_size=dict(image.pixel_size))
    return replace(linked_source(stored, image.axes, image.shape), pixel_size=dict(image.pixel_size))


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
