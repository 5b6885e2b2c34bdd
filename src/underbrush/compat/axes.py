"""ilastik's rules for axes: which order an image is read in, and the order in which it is cut and named."""

from __future__ import annotations

from underbrush.core.geometry import Shape5, parse_axes
from underbrush.errors import AxesError
from underbrush.project.schema import Project
from underbrush.sources.base import Image


def internal_axes(shape: Shape5) -> str:
    """The order in which ilastik holds an image of ``shape`` (t c z y x), and in which regions are given.

    y, x and c always; t and z where they have more than one pixel.
    """
    t, _, z, _, _ = shape
    return ("t" if t > 1 else "") + ("z" if z > 1 else "") + "yxc"


def with_channel(axes: str) -> str:
    """The axes, c at the end where there is none."""
    return axes if "c" in axes else axes + "c"


def trained_axes(project: Project, mask: bool = False) -> str | None:
    """The axis order of the project's last image (or its mask), which ilastik expects of all others."""
    if not project.lanes:
        return None
    last = project.lanes[-1]
    source = last.mask if mask else last.raw
    return None if source is None else source.axes


def read_as(image: Image, axes: str | None, said_by: str) -> tuple[Image, str]:
    """The image read in the order ``axes`` (None: its own), and that order as ilastik counts it.

    ilastik counts the one channel of a grey picture and we do not: a c of one pixel more or less than the
    image has is left out or added. So are other axes of one pixel where the file says what its axes are and
    they come in this order.

    Raises
    ------
    AxesError
        It is no axis order, or has not as many letters as the image has axes; ``said_by`` says whose it is.
    """
    if axes is None:
        return image, image.axes
    try:
        axes = parse_axes(axes)
    except AxesError as error:
        raise AxesError(
            f"{error.problem} ({said_by})", where=image.info.location, remedy=error.remedy
        ) from None
    kept = axes
    if len(axes) == len(image.axes) + 1:
        kept = axes.replace("c", "")
    elif len(axes) == len(image.axes) - 1 and "c" not in axes and 1 in image.shape:
        place = len(image.shape) - 1 - image.shape[::-1].index(1)
        kept = axes[:place] + "c" + axes[place:]
    if len(kept) != len(image.axes) and _agrees(image, axes):
        return image, axes if len(axes) > len(image.axes) else image.axes
    if len(kept) != len(image.axes):
        sizes = " x ".join(str(n) for n in image.shape)
        raise AxesError(
            f"{said_by} {axes!r} name {len(axes)} axes, the image has {len(image.axes)} ({sizes})",
            where=image.info.location,
            remedy="give --input_axes, or --ignore_training_axistags to read it as the file says",
        )
    return image.with_axes(kept), axes


def _agrees(image: Image, axes: str) -> bool:
    """Whether the file's own axes are ``axes`` but for some of one pixel that only one of them names."""
    if not image.info.axes_known:
        return False
    shared = [a for a in image.axes if a in axes]
    sizes = dict(zip(image.axes, image.shape, strict=True))
    return shared == [a for a in axes if a in image.axes] and all(
        n == 1 for a, n in sizes.items() if a not in axes
    )
