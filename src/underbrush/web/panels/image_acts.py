"""What is done to images of a project: a path, or a wish, becomes commands of the tab that asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from underbrush.errors import MismatchError, UsageError
from underbrush.project.paths import linked_source
from underbrush.project.resolve import resolve_source
from underbrush.project.values_json import selection_to_json, source_to_json
from underbrush.sources.address import split_options

if TYPE_CHECKING:
    from underbrush.engine.session import Session
    from underbrush.project.document import Document
    from underbrush.project.schema import Source

Json = dict[str, Any]
KindOfFile = tuple[str, str, tuple[int, ...]]
"""Suffix, axes as guessed, and the sizes of those beside y and x: what is asked about once."""


def near(source: Source, folder: Path) -> Source:
    """The source with a link relative to ``folder`` where its file lies below it."""
    stored = Path(source.stored)
    where = folder.absolute()
    if source.kind != "file" or not stored.is_absolute() or not stored.is_relative_to(where):
        return source
    short = linked_source(stored.relative_to(where).as_posix())
    return replace(source, stored=short.stored, files=short.files, inner=short.inner)


def far(source: Source, document: Document) -> Source:
    """The source with the whole path of its file.

    Raises
    ------
    UsageError
        The file is not there.
    """
    found = resolve_source(source, document.base)
    if found.address is None:
        raise UsageError("the file is missing", where=source.stored, remedy="find it again first")
    whole = linked_source(os.path.abspath(found.address))  # noqa: PTH100  (resolve would follow links)
    return replace(source, stored=whole.stored, files=whole.files, inner=whole.inner)


def read_source(address: str, folder: Path, *, ask: bool = False) -> tuple[Source, str]:
    """The source of an image at ``address``, as near to ``folder`` as can be, and a nickname.

    Raises
    ------
    ImageError, AxesError
        It cannot be read, or (with ``ask``) is one of several, of which none is named.
    """
    from underbrush.engine.new_project import project_from_images  # noqa: PLC0415  (numba: late)

    lane = project_from_images([address], ask=ask).lanes[0]
    return near(lane.raw, folder), lane.nickname


def adding(
    paths: Sequence[str], folder: Path, answered: Mapping[KindOfFile, str] | None = None
) -> list[Json]:
    """An ``add_lane`` command for each path.

    ``answered`` has the axes that were said of files that do not say their own, by their kind: others of
    that kind are understood in the same way.
    """
    from underbrush.web.panels.image_facts import kind_of_file, peeked_file  # noqa: PLC0415

    commands = []
    for path in paths:
        source, name = read_source(path, folder, ask=True)
        peeked = peeked_file(path) if answered and source.kind == "file" else None
        axes = None
        if answered and peeked is not None and not peeked.known:
            axes = answered.get(kind_of_file(source.stored, peeked))
        if axes is not None and source.axes is not None and len(axes) == len(source.axes):
            sizes = {a: s for a, s in source.pixel_size.items() if axes.find(a) == source.axes.find(a)}
            source = replace(source, axes=axes, pixel_size=sizes)
        commands.append({"type": "add_lane", "source": source_to_json(source), "nickname": name})
    return commands


def sequencing(paths: Sequence[str], axis: str) -> list[Json]:
    """One ``add_lane`` command for all paths as one image, put together along ``axis``.

    Raises
    ------
    UsageError
        Fewer than two files, or no axis.
    ImageError, AxesError
        They cannot be read, or do not fit each other.
    """
    from underbrush.sources.opening import open_image  # noqa: PLC0415

    if len(paths) < 2:
        raise UsageError("a sequence needs several files", remedy="choose more, or a pattern with *")
    if axis not in {"z", "t", "c"}:
        raise UsageError(f"files are not put together along {axis!r}", remedy="choose z, t or c")
    stored = os.pathsep.join(paths)
    with open_image(paths[0]) as first:
        if axis in first.axes:
            # As a project has it, a sequence is put together along an axis that its files do not have.
            raise UsageError(
                f"the files have an axis {axis} already ({first.axes})",
                where=paths[0],
                remedy="choose another",
            )
    with open_image(f"{stored}#stack={axis}") as image:
        source = linked_source(stored, image.axes, image.shape)
        source = replace(source, kind="stack", files=tuple(paths), pixel_size=dict(image.pixel_size))
    name = _common_name(paths)
    return [{"type": "add_lane", "source": source_to_json(replace(source, name=name)), "nickname": name}]


def first_features(document: Document, commands: Sequence[Json]) -> list[Json]:
    """The ``set_features`` command that goes with the first images of a project: those recommended."""
    if document.lanes or document.settings.selection is not None:
        return []
    from underbrush.core.features.selection import FeatureSelection  # noqa: PLC0415  (late: much is loaded)
    from underbrush.core.geometry import shape_to_internal  # noqa: PLC0415

    sources = [one["source"] for one in commands if one["type"] == "add_lane"]
    known = [s for s in sources if s.get("shape") and s.get("axes")]
    shapes = [shape_to_internal(tuple(s["shape"]), s["axes"]) for s in known]
    if not shapes:
        return []
    t, c, z, y, x = (min(sizes) for sizes in zip(*shapes, strict=True))
    selection = FeatureSelection.recommended((t, c, z, y, x))
    return [{"type": "set_features", "selection": selection_to_json(selection)}]


def _common_name(paths: Sequence[str]) -> str:
    stems = [PurePath(path).stem for path in paths]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*stems, strict=False))
    common = "".join(letters[0] for letters in same).rstrip("0123456789_- .")
    return common or PurePath(paths[0]).parent.name or stems[0]


def replacing(session: Session, lane: str, path: str) -> list[Json]:
    """The ``replace_source`` command for another file."""
    _entry(session, lane)
    source, _ = read_source(path, session.path.parent, ask=True)
    return [{"type": "replace_source", "id": lane, "source": source_to_json(source)}]


def stacking(session: Session, lane: str, paths: Sequence[str]) -> list[Json]:
    """The ``replace_source`` command for several files as one image, along an axis that they do not have.

    Raises
    ------
    UnderbrushError
        They cannot be read, or do not fit each other.
    """
    from underbrush.sources.opening import open_image  # noqa: PLC0415

    with open_image(paths[0]) as first:
        free = [a for a in "ztc" if a not in first.axes]
    had = _entry(session, lane).raw.axes or ""
    axis = next((a for a in free if a in had), next(iter(free), "z"))
    (command,) = sequencing(paths, axis)
    return [{"type": "replace_source", "id": lane, "source": command["source"]}]


def leveling(session: Session, lane: str, level: int) -> list[Json]:
    """The ``replace_source`` command for another level of the pyramid that an image is; 0 is the finest.

    Raises
    ------
    UsageError
        It has strokes, which would lie elsewhere, or is no image in levels.
    ImageError
        It has no such level.
    """
    entry = _entry(session, lane)
    raw = entry.raw
    if session.document.labels.get(lane):
        raise UsageError(
            "this image has strokes, which would lie elsewhere in another level",
            where=entry.nickname,
            remedy="clear them first, or add the image once more and choose the level there",
        )
    found = resolve_source(raw, session.document.base)
    if raw.kind not in {"file", "url"} or found.address is None:
        raise UsageError("its level cannot be changed", where=entry.nickname, remedy="use Replace")
    new, _ = read_source(at_level(found.address, level), session.path.parent)
    if raw.axes is not None and new.axes is not None and len(raw.axes) == len(new.axes):
        kept = {a: s for a, s in new.pixel_size.items() if raw.axes.find(a) == new.axes.find(a)}
        new = replace(new, axes=raw.axes, pixel_size=kept)
    new = replace(new, display_range=raw.display_range, normalize_display=raw.normalize_display)
    return [{"type": "replace_source", "id": lane, "source": source_to_json(new)}]


def at_level(address: str, level: int) -> str:
    """An address with another level than it may name; the finest is not named."""
    text, options = split_options(address)
    kept = [one for one in options.split(",") if one and not one.startswith(("level=", "scale="))]
    if level:
        kept.append(f"level={level}")
    return f"{text}#{','.join(kept)}" if kept else text


def masking(session: Session, lanes: Sequence[str], paths: Sequence[str]) -> list[Json]:
    """``set_mask`` commands: masks and images are paired in their order.

    Raises
    ------
    UsageError
        They are not as many.
    """
    if len(lanes) != len(paths):
        raise UsageError(
            f"{len(paths):,} masks were chosen for {len(lanes):,} images",
            remedy="select the images and choose as many masks, in the same order",
        )
    commands = []
    for lane, path in zip(lanes, paths, strict=True):
        entry = _entry(session, lane)
        source = near(_mask_source(path, entry.raw), session.path.parent)
        commands.append({"type": "set_mask", "id": lane, "source": source_to_json(source)})
    return commands


def _mask_source(path: str, raw: Source) -> Source:
    from underbrush.sources.opening import open_image  # noqa: PLC0415

    with open_image(path, indexed=True) as mask:
        axes = mask.axes
        if not mask.info.axes_known and raw.axes is not None:
            own = "".join(a for a in raw.axes if a != "c")
            axes = own if len(own) == len(axes) else axes
        return linked_source(os.path.abspath(path), axes, mask.shape)  # noqa: PTH100


def linking(session: Session, lanes: Sequence[str], relative: bool) -> list[Json]:
    """``replace_source`` commands that store the links otherwise; the images stay the same."""
    commands = []
    for lane in lanes:
        raw = _entry(session, lane).raw
        if raw.kind != "file":
            continue
        whole = far(raw, session.document)
        new = near(whole, session.path.parent) if relative else whole
        if relative and new is whole:
            raise UsageError(
                "the file does not lie below the folder of the project",
                where=raw.stored,
                remedy="keep the absolute link, or move the file",
            )
        if new.stored != raw.stored:
            commands.append({"type": "replace_source", "id": lane, "source": source_to_json(new)})
    return commands


def repairing(session: Session, lane: str, path: str) -> tuple[list[Json], str]:
    """Commands that mend ``lane`` by the file at ``path``, and all others that moved with its folder.

    Returns the commands and a sentence. A file of another size than the project knows is not taken: it is
    another image.

    Raises
    ------
    MismatchError
        The chosen file has another size than the missing one.
    """
    document, folder = session.document, session.path.parent
    lost = missing_sources(document)
    if (lane, "raw") not in lost:
        raise UsageError("this image is not missing", remedy="use Replace for another file")
    commands, refused = [], 0
    for (one, role), source in lost.items():
        there = path if (one, role) == (lane, "raw") else moved(lost[lane, "raw"], path, source)
        if there is None or not Path(split_options(there)[0]).exists():
            continue
        try:
            new = _checked(source, there, folder)
        except MismatchError:
            if (one, role) == (lane, "raw"):
                raise
            refused += 1
            continue
        kind = "replace_source" if role == "raw" else "set_mask"
        commands.append({"type": kind, "id": one, "source": source_to_json(new)})
    left = len(lost) - len(commands)
    said = (
        f"{len(commands):,} found again."
        if not left
        else f"{len(commands):,} found again, {left:,} still missing."
    )
    return commands, said + (f" {refused} of another size were not taken." if refused else "")


def missing_sources(document: Document) -> Mapping[tuple[str, str], Source]:
    """The sources whose files are not there, by (lane, "raw" or "mask")."""
    found = {}
    for lane in document.lane_order:
        entry = document.lanes[lane]
        for role, source in (("raw", entry.raw), ("mask", entry.mask)):
            if source is not None and resolve_source(source, document.base).address is None:
                found[lane, role] = source
    return found


def moved(old: Source, now: str, other: Source) -> str | None:
    """Where ``other`` lies if it moved as ``old`` did, whose file is ``now``; None where that says nothing.

    The ends that both paths of ``old`` share are taken off: what is left are the folders that moved.
    """
    if not old.files or not other.files:
        return None
    was, found = _parts(old.files[0]), list(PurePath(split_options(now)[0]).parts)
    while was and found and was[-1] == found[-1]:
        was.pop()
        found.pop()
    theirs = _parts(other.files[0])
    if theirs[: len(was)] != was:
        # Renamed on the way: at least the same folder.
        folder = _parts(old.files[0])[:-1]
        if theirs[:-1] != folder:
            return None
        return str(PurePath(now).parent / theirs[-1])
    return str(PurePath(*found, *theirs[len(was) :]))


def _parts(stored: str) -> list[str]:
    return list(PurePath(split_options(stored)[0].replace("\\", "/")).parts)


def _checked(source: Source, path: str, folder: Path) -> Source:
    """``source`` at its new place, with all that the project said of it."""
    file, options = split_options(path)
    # Which image of the file it was: another one of the same size would be taken for it.
    options = options or split_options(source.stored)[1]
    address = (f"{file}/{source.inner}" if source.inner else file) + (f"#{options}" if options else "")
    new, _ = read_source(address, folder)
    if source.shape is not None and new.shape is not None and _sizes(source.shape) != _sizes(new.shape):
        raise MismatchError(
            f"it has the shape {new.shape}, the missing image had {source.shape}",
            where=path,
            remedy="choose the same image, or use Replace",
        )
    return replace(source, kind=new.kind, stored=new.stored, files=new.files, inner=new.inner)


def _sizes(shape: tuple[int, ...]) -> list[int]:
    return sorted(n for n in shape if n != 1)


def acted(session: Session, wanted: Mapping[str, Any], paths: Sequence[str]) -> tuple[list[Json], str]:
    """The commands for what a part of step 1 asked for, and what is said when they are done.

    ``wanted`` has ``name`` and, by name, ``lanes``, ``axis`` or ``relative``; ``paths`` are those that were
    chosen, as real paths below the roots. Reads files: call it in a thread.

    Raises
    ------
    UnderbrushError
        It is not possible; the sentence says why.
    """
    name, lanes = wanted["name"], _texts(wanted.get("lanes"))
    if name == "sequence":
        return sequencing(paths, str(wanted.get("axis"))), f"{len(paths):,} files added as one image."
    if name == "link":
        commands = linking(session, lanes, wanted.get("relative") is True)
        return commands, "Links changed." if commands else "The links are so already."
    if not lanes:
        raise UsageError("no image is selected", remedy="select one in the table")
    if name == "level":
        level = wanted.get("level")
        if len(lanes) != 1 or not isinstance(level, int) or isinstance(level, bool) or level < 0:
            raise UsageError("a level is chosen for one image", remedy="select one in the table")
        return leveling(session, lanes[0], level), ""
    if name == "mask":
        return masking(session, lanes, paths), "Mask set." if len(
            lanes
        ) == 1 else f"{len(lanes):,} masks set."
    if name == "replace" and len(lanes) == 1 and len(paths) > 1:
        return stacking(session, lanes[0], paths), f"{len(paths):,} files are the image now."
    if len(paths) != 1 or len(lanes) != 1:
        raise UsageError("one file takes the place of one image", remedy="choose one")
    if name == "repair":
        return repairing(session, lanes[0], paths[0])
    return replacing(session, lanes[0], paths[0]), ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _entry(session: Session, lane: str) -> Any:
    entry = session.document.lanes.get(lane)
    if entry is None:
        raise UsageError("this image is not in the project (any more)", remedy="choose another")
    return entry
