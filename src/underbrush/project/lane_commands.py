"""Commands about images: added, removed, understood otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from underbrush.errors import CommandError
from underbrush.project.command import (
    FLAG,
    INDEX,
    LANE,
    Author,
    Command,
    Context,
    Kind,
    Outcome,
    lane_of,
    optional,
    rank_at,
    shape_of,
    unique_name,
)
from underbrush.project.document import Document, lane_number
from underbrush.project.edits import CellChange, Change, LabelChange, geometry_changes
from underbrush.project.entries import LaneEntry
from underbrush.project.paths import name_of
from underbrush.project.schema import Source
from underbrush.project.values_json import (
    axes,
    pixel_size,
    source_from_json,
    source_to_json,
    span,
    text,
)

MAX_LANES = 100_000
NICKNAME = Kind(lambda v, w: text(v, w, 500))
SOURCE = Kind(source_from_json, source_to_json)
PIXEL_SIZE = Kind(pixel_size, lambda sizes: {a: list(pair) for a, pair in sizes.items()})
AXES = Kind(axes)
SPAN = Kind(span, list)


def _cell(document: Document, lane: str, entry: LaneEntry | None) -> CellChange:
    return CellChange(("lane", lane), document.lanes.get(lane), entry)


def _nickname(document: Document, wanted: str, but: str = "") -> str:
    name = wanted.strip()
    if not name:
        raise CommandError("an image needs a name", remedy="type one")
    return unique_name(name, (e.nickname for k, e in document.lanes.items() if k != but))


def _known(source: Source, context: Context) -> Source:
    """The source with axes and sizes."""
    if not source.stored:
        raise CommandError("the image has no address", remedy="choose a file")
    found = source if source.shape5 is not None else context.sized(source)
    if found.shape5 is None:
        raise CommandError(
            f"the size of {found.stored!r} is not known", remedy="choose a file that can be read"
        )
    return found


@dataclass(frozen=True)
class AddLane(Command):
    """One more image, at the end or at a place from 0."""

    source: Source
    nickname: str | None = None
    """None: as the file is called."""
    mask: Source | None = None
    place: int | None = None

    TYPE: ClassVar[str] = "add_lane"
    KINDS: ClassVar[Mapping[str, Kind]] = {
        "source": SOURCE, "nickname": optional(NICKNAME), "mask": optional(SOURCE), "place": optional(INDEX),
    }  # fmt: skip

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; axes and sizes are taken from the image where the source does not say them."""
        if len(document.lanes) >= MAX_LANES:
            raise CommandError(f"there are {MAX_LANES} images already", remedy="start another project")
        source = _known(self.source, context)
        wanted = self.nickname or source.name or name_of(source.stored)
        name = _nickname(document, wanted)
        mask = None if self.mask is None else _fitting_mask(_known(self.mask, context), source)
        number = max(document.last_lane, *map(lane_number, document.lanes), 0) + 1
        order = document.lane_order
        place = len(order) if self.place is None else self.place
        rank = rank_at([document.lanes[k].rank for k in order], place)
        changes: tuple[Change, ...] = ()
        if rank is None:
            changes = tuple(
                _cell(document, k, replace(document.lanes[k], rank=float(i + 1 + (i >= place))))
                for i, k in enumerate(order)
            )
            rank = place + 1.0
        entry = LaneEntry(rank, name, replace(source, name=name), mask)
        return Outcome(f"Image {name} added", (*changes, _cell(document, f"a{number}", entry)))


@dataclass(frozen=True)
class RemoveLane(Command):
    """An image goes with its labels; its file stays."""

    id: str

    TYPE: ClassVar[str] = "remove_lane"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": LANE}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = lane_of(document, self.id)
        runs, ids = document.map_of(self.id).rows()
        labels = (LabelChange(self.id, runs, ids, np.zeros(len(ids), np.uint8)),) if len(runs) else ()
        return Outcome(f"Image {entry.nickname} removed", (*labels, _cell(document, self.id, None)))


@dataclass(frozen=True)
class MoveLane(Command):
    """An image to another place in the order, from 0."""

    id: str
    place: int

    TYPE: ClassVar[str] = "move_lane"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": LANE, "place": INDEX}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = lane_of(document, self.id)
        title = f"Image {entry.nickname} moved"
        others = [k for k in document.lane_order if k != self.id]
        order = [*others[: self.place], self.id, *others[self.place :]]
        if order == list(document.lane_order):
            return Outcome(title, ())
        rank = rank_at([document.lanes[k].rank for k in others], self.place)
        if rank is not None:
            return Outcome(title, (_cell(document, self.id, replace(entry, rank=rank)),))
        ranked = [(k, replace(document.lanes[k], rank=float(i + 1))) for i, k in enumerate(order)]
        return Outcome(title, tuple(_cell(document, k, e) for k, e in ranked if e != document.lanes[k]))


@dataclass(frozen=True)
class EditLane(Command):
    """How an image is called and shown; None: as it is."""

    id: str
    nickname: str | None = None
    display_mode: str | None = None
    display_range: tuple[float, float] | None = None
    normalize_display: bool | None = None
    pixel_size: Mapping[str, tuple[float, str]] | None = None
    """Axis letter -> (size, unit), instead of all that is said now; empty: as the file says."""

    TYPE: ClassVar[str] = "edit_lane"
    KINDS: ClassVar[Mapping[str, Kind]] = {
        "id": LANE, "nickname": optional(NICKNAME), "display_mode": optional(NICKNAME),
        "display_range": optional(SPAN), "normalize_display": optional(FLAG),
        "pixel_size": optional(PIXEL_SIZE),
    }  # fmt: skip

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = lane_of(document, self.id)
        raw = entry.raw
        if self.pixel_size is not None and raw.axes is None:
            raw = _known(raw, context)  # sizes are stored with the axes
        names = ("display_mode", "display_range", "normalize_display", "pixel_size")
        said = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        nickname = entry.nickname
        if self.nickname is not None:
            nickname = _nickname(document, self.nickname, self.id)
            said["name"] = nickname
        new = replace(entry, nickname=nickname, raw=replace(raw, **said))
        changes = () if new == entry else (_cell(document, self.id, new),)
        return Outcome(f"Image {nickname} edited", changes)


@dataclass(frozen=True)
class SetAxes(Command):
    """The stored axes of an image are understood otherwise; labels stay on their stored pixels."""

    id: str
    axes: str

    TYPE: ClassVar[str] = "set_axes"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": LANE, "axes": AXES}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; one letter for each axis of the file."""
        entry = lane_of(document, self.id)
        raw = entry.raw if entry.raw.shape5 is not None else _known(entry.raw, context)
        if raw.shape is None or len(raw.shape) != len(self.axes):
            raise CommandError(
                f"the axes {self.axes} are {len(self.axes)}, {entry.nickname!r} has {len(raw.shape or ())}",
                remedy="name each axis of the file once",
            )
        title = f"Axes of {entry.nickname} set to {self.axes}"
        if self.axes == raw.axes:
            return Outcome(title, ())
        # Sizes of pixels belong to stored axes too.
        stored = dict(zip(raw.axes or "", self.axes, strict=True))
        sizes = {stored[a]: v for a, v in raw.pixel_size.items() if stored.get(a, "c") != "c"}
        start = replace(document, lanes={**document.lanes, self.id: replace(entry, raw=raw)})
        new = replace(entry, raw=replace(raw, axes=self.axes, pixel_size=sizes))
        return _carried(start, document, self.id, new, title)


@dataclass(frozen=True)
class ReplaceSource(Command):
    """Another file for an image; labels keep their t, z, y and x."""

    id: str
    source: Source

    TYPE: ClassVar[str] = "replace_source"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": LANE, "source": SOURCE}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = lane_of(document, self.id)
        source = replace(_known(self.source, context), name=entry.nickname)
        title = f"File of {entry.nickname} replaced"
        return _carried(document, document, self.id, replace(entry, raw=source), title)


@dataclass(frozen=True)
class SetMask(Command):
    """The mask of an image, or none."""

    id: str
    source: Source | None = None

    TYPE: ClassVar[str] = "set_mask"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": LANE, "source": optional(SOURCE)}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; the mask is as large as the image."""
        entry = lane_of(document, self.id)
        if self.source is None:
            changes = () if entry.mask is None else (_cell(document, self.id, replace(entry, mask=None)),)
            return Outcome(f"Mask of {entry.nickname} removed", changes)
        image = replace(entry.raw, axes="tczyx", shape=shape_of(document, context, self.id))
        mask = _fitting_mask(_known(self.source, context), image)
        return Outcome(
            f"Mask of {entry.nickname} set", (_cell(document, self.id, replace(entry, mask=mask)),)
        )


def _fitting_mask(mask: Source, image: Source) -> Source:
    one, other = mask.shape5, image.shape5
    if one is None or other is None or one[0] not in (1, other[0]) or one[2:] != other[2:]:
        raise CommandError(
            f"the mask is {one}, the image {other} (t, c, z, y, x)", remedy="choose a mask of the same size"
        )
    return mask


def _carried(start: Document, document: Document, lane: str, new: LaneEntry, title: str) -> Outcome:
    """Labels and parked labels of a lane carried over to ``new``, and what is to be said of it."""
    steps = geometry_changes(start, lane, new)
    # The cell as the document has it: the start may know sizes that the project does not.
    before = document.lanes[lane]
    changes = tuple(CellChange(s.path, before, s.after) if isinstance(s, CellChange) else s for s in steps)
    after: LaneEntry = next(c.after for c in changes if isinstance(c, CellChange))
    was, now = sum(p.size for p in before.parked), sum(p.size for p in after.parked)
    notices = []
    if now > was:
        notices.append(
            f"{now - was} labelled pixels have no place in {new.nickname!r} as it is now; they are kept and"
            " come back when it is changed back."
        )
    if now < was:
        notices.append(f"{was - now} labelled pixels of {new.nickname!r} are back in their place.")
    return Outcome(title, changes, tuple(notices))


COMMANDS: tuple[type[Command], ...] = (
    AddLane, RemoveLane, MoveLane, EditLane, SetAxes, ReplaceSource, SetMask,
)  # fmt: skip
