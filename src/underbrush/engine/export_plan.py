"""From a wish and images to requests: where each result goes, and whether it can be, before computing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from underbrush.engine.batch import Limits, Manner, Request, predict_image
from underbrush.engine.comparing import Traits, traits_of
from underbrush.engine.export_wish import FREE_AXES, Wish, result_path
from underbrush.engine.label_export import label_spec
from underbrush.engine.label_images import open_beside
from underbrush.engine.lanes import lane_address, open_lane, told_sizes
from underbrush.engine.masks import open_mask
from underbrush.engine.model import Model, kept_model
from underbrush.errors import OutputError, ProjectError, UnderbrushError, UsageError
from underbrush.files.problems import resolved
from underbrush.project.document import Document
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Lane
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.formats import FORMATS, check_sink, suffix_of
from underbrush.sinks.places import is_there
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image

if TYPE_CHECKING:
    from underbrush.engine.session import Session

MOST_COPIES = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """One image that a result is wanted of."""

    address: str
    nickname: str | None = None
    """Its name in the project; None: that of its file."""
    lane: str | None = None
    axes: str | None = None
    """How it is read where the file says otherwise or nothing."""
    mask: str | None = None
    plain: bool = True
    """Whether address and axes alone give this image, without its project."""
    sizes: str = ""
    """What the project says of the sizes of its pixels."""


def lane_item(session: Session, lane: str) -> Item:
    """An image of the project, read as the project reads it.

    Raises
    ------
    UnderbrushError
        It is not there or cannot be read.
    """
    document = session.document
    entry = document.lanes.get(lane)
    if entry is None:
        raise ProjectError("this image is no longer in the project", where=lane, remedy="choose another")
    found = resolve_source(entry.raw, document.base)
    if found.address is None:
        raise ProjectError(found.problem.rstrip("."), where=session.path)
    mask = None if entry.mask is None else resolve_source(entry.mask, document.base)
    if mask is not None and mask.address is None:
        raise ProjectError(mask.problem.rstrip("."), where=session.path)
    address = lane_address(entry.raw, found)
    axes, plain = _as_named(address, session.image(lane))
    sizes = ", ".join(f"{a} {s!r} {unit}" for a, (s, unit) in sorted(told_sizes(entry.raw).items()))
    return Item(address, entry.nickname, lane, axes, None if mask is None else mask.address, plain, sizes)


def _as_named(address: str, meant: Image) -> tuple[str | None, bool]:
    """The axes to name so that an address alone gives the image that is meant, and whether it then does."""
    try:
        with open_image(address) as image:
            axes = None if meant.axes == image.axes and image.info.axes_known else meant.axes
            return axes, image.with_axes(meant.axes).shape5 == meant.shape5
    except UnderbrushError:  # files of a stack that only the project knows how to lay together
        return None, False


def opened_item(stack: ExitStack, session: Session, item: Item) -> tuple[Image, Image | None]:
    """The image and its mask, opened for as long as ``stack`` is entered.

    Raises
    ------
    UnderbrushError
        One of them cannot be read.
    """
    entry = None if item.lane is None else session.document.lanes.get(item.lane)
    if entry is None:
        image = open_image(item.address, item.axes)
    else:
        image = open_lane(Lane(entry.nickname, entry.raw), session.document.base)
    stack.enter_context(image)
    mask = opened_mask(session, item, image)
    return image, None if mask is None else stack.enter_context(mask)


def opened_mask(session: Session, item: Item, image: Image) -> Image | None:
    """The mask of an image, as its project reads it; close it after use.

    Raises
    ------
    UnderbrushError
        It cannot be read.
    """
    entry = None if item.lane is None else session.document.lanes.get(item.lane)
    if entry is not None and entry.mask is not None:
        return open_mask(entry.mask, session.document.base, image)
    return open_beside(item.mask, image) if item.mask else None


def file_item(address: str, mask: str | None, training_axes: Sequence[str]) -> Item:
    """A file that is not in the project; one that does not say its axes is read as the training images are.

    Raises
    ------
    UnderbrushError
        It cannot be read.
    """
    with open_image(address) as image:
        alike = [axes for axes in training_axes if len(axes) == len(image.axes)]
        axes = alike[0] if alike and not image.info.axes_known else None
    return Item(address, None, None, axes, mask)


def training_lanes(document: Document) -> list[str]:
    """Lanes that are learned from; all where nothing is painted."""
    return [k for k in document.lane_order if document.map_of(k)] or list(document.lane_order)


def training_traits(session: Session) -> list[Traits]:
    """Traits of the training images that can be read."""
    found = []
    for lane in training_lanes(session.document):
        try:
            found.append(traits_of(session.image(lane)))
        except UnderbrushError:
            continue  # a missing image is told on its own row of step 1
    return found


def request_of(wish: Wish, item: Item, output: Path, objects: tuple[str, ...] = ()) -> Request:
    """What `predict_file` takes; ``objects`` are the words of `Chosen`."""
    return Request(
        image=item.address,
        output=output,
        format=wish.format,
        result=wish.result,
        axes=item.axes,
        mask=item.mask,
        region=wish.region,
        dtype=wish.stored_dtype,
        rescale=wish.ranges,
        manner=Manner(axes=wish.axes if wish.format in FREE_AXES else None, objects=objects),
    )


# -- looking ahead --------------------------------------------------------------------------------------


class _Seen(Exception):
    """What a file would be."""

    def __init__(self, spec: OutputSpec) -> None:
        super().__init__()
        self.spec = spec


def inspected(
    model: Model | None,
    document: Document,
    request: Request,
    opened: tuple[Image, Image | None],
    limits: Limits,
) -> OutputSpec:
    """What the file would be, after all checks but that of the format (`check_sink`); nothing is written.

    ``model`` is None for labels.

    Raises
    ------
    UnderbrushError
        The image does not fit, or the memory does not do; with the reason.
    """
    if model is None:
        return label_spec(document, request, opened[0])

    def look(spec: OutputSpec) -> NoReturn:
        raise _Seen(spec)

    def sink(spec: OutputSpec) -> Sink:
        look(spec)

    try:
        predict_image(model, replace(request, manner=replace(request.manner, sink=sink)), opened, limits)
    except _Seen as seen:
        return seen.spec
    raise AssertionError("a request was carried out that was only to be looked at")


def refusals(spec: OutputSpec, suffix: str) -> dict[str, str]:
    """For each format why it cannot hold a result, or nothing; ``suffix`` is the ending of its path."""
    found = {}
    for known in FORMATS:
        name = spec.path.name.removesuffix(suffix) + suffix_of(known.name)
        axes = spec.axes if known.name in FREE_AXES else known_axes(spec)
        try:
            check_sink(replace(spec, path=spec.path.with_name(name), axes=axes), known.name)
            found[known.name] = ""
        except UnderbrushError as error:
            found[known.name] = in_window(type(error)(error.problem, remedy=error.remedy))
    return found


def known_axes(spec: OutputSpec) -> str:
    """Axes that hold all that a result has: formats with an order of their own do not ask for one."""
    sizes = dict(zip("tczyx", spec.shape, strict=True))
    return "".join(a for a in "tzyxc" if sizes[a] > 1 or a in "yx")


def model_in_force(session: Session, name: str | None) -> Model:
    """The model as it is now, without training: to look ahead with.

    Raises
    ------
    ProjectError
        There is none.
    """
    if name is not None:
        return kept_model(session.project(), name)
    lesson = session.lesson
    if lesson is None:
        raise ProjectError("there is no classifier yet", remedy="paint a stroke in each class first")
    document = session.document
    infos = [document.classes[k].info for k in document.class_order]
    return Model(session.path, lesson.recipe, tuple(c.name for c in infos), tuple(c.colour for c in infos))


# -- where results go -----------------------------------------------------------------------------------


def outputs_of(wish: Wish, project: Path, items: Sequence[Item]) -> list[Path]:
    """The file of each image; existing ones are left out of account, see `free_outputs`.

    Raises
    ------
    UnderbrushError
        The pattern gives no path, or two images the same one and ``wish.existing`` does not keep both.
    """
    paths = [result_path(wish, project, item.address, item.nickname) for item in items]
    seen: dict[Path, str] = {}
    for item, path in zip(items, paths, strict=True):
        key = resolved(path)
        if key in seen and wish.existing != "keep":
            raise UsageError(
                f"the results of {seen[key]} and {item.address} would both be {path}",
                remedy="choose Keep both, rename one of the images, or put {dataset_dir} into the path",
            )
        seen.setdefault(key, item.address)
    return paths


def free_outputs(wish: Wish, paths: Sequence[Path], own: Iterable[Path] = ()) -> list[Path]:
    """The paths as they will be written: numbered where both are kept.

    ``own`` are files that may be written again, e.g. those of a run that goes on.

    Raises
    ------
    OutputError
        Files are there already and ``wish.existing`` is ``cancel``.
    """
    mine = {resolved(path) for path in own}
    there = [path for path in paths if is_there(path) and resolved(path) not in mine]
    if wish.existing == "cancel" and there:
        count = "1 file is" if len(there) == 1 else f"{len(there)} files are"
        raise OutputError(
            f"{count} there already, so nothing was written", where=there[0],
            remedy="choose Replace or Keep both, or another path",
        )  # fmt: skip
    if wish.existing != "keep":
        return list(paths)
    taken: set[Path] = set()
    found = []
    for path in paths:
        free = _free(path, wish.suffix, taken, mine)
        taken.add(resolved(free))
        found.append(free)
    return found


def _free(path: Path, suffix: str, taken: set[Path], mine: set[Path]) -> Path:
    stem = path.name.removesuffix(suffix)
    for number in range(1, MOST_COPIES):
        one = path if number == 1 else path.with_name(f"{stem}_{number}{suffix}")
        key = resolved(one)
        if key not in taken and (key in mine or not is_there(one)):
            return one
    raise OutputError(
        f"there are {MOST_COPIES} results of this name", where=path, remedy="choose another path"
    )


_FLAGS = (
    (re.compile(r"--dtype (\w+) alone"), r"the type \1 alone"),
    (re.compile(r" \(--dtype uint8 --rescale 0:1,0:255\)"), " to whole numbers (Type)"),
    (re.compile(r"add --rescale 0:1,0:255[^;.]*"), "choose a scaling"),
    (re.compile(r"--region"), "the region"),
    (re.compile(r"(in )?--output"), r"\1the path"),
    (re.compile(r"--memory"), "the memory"),
    (re.compile(r"name its axes"), "set its axes in step 1"),
)


def in_window(error: UnderbrushError) -> str:
    """The sentence of an error in the words of the window, which has no options of a command."""
    text = str(error)
    for pattern, words in _FLAGS:
        text = pattern.sub(words, text)
    return text


def spec_facts(spec: OutputSpec) -> dict[str, Any]:
    """What is shown of a file before it is written."""
    sizes = dict(zip("tczyx", spec.shape, strict=True))
    return {
        "shape": [sizes[a] for a in spec.axes],
        "axes": spec.axes,
        "dtype": spec.dtype.name,
        "bytes": int(np.prod(spec.shape)) * spec.dtype.itemsize,
        "channels": len(spec.channel_names) or spec.shape[1],
        "pixel_size": {a: list(size) for a, size in spec.pixel_size.items()},
        "range": None if spec.value_range is None else list(spec.value_range),
        "path": str(spec.path),
    }
