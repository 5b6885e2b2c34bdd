"""Commands about classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from underbrush.errors import CommandError
from underbrush.project.command import (
    CLASS,
    FLAG,
    INDEX,
    LANE,
    Author,
    Command,
    Context,
    Kind,
    Outcome,
    class_of,
    lane_of,
    optional,
    rank_at,
    unique_name,
)
from underbrush.project.document import DEFAULT_CLASSES, Document
from underbrush.project.edits import CellChange, Change, LabelChange
from underbrush.project.entries import ClassEntry, LaneEntry, Parked
from underbrush.project.schema import ClassInfo, Colour
from underbrush.project.settings_layout import default_colour
from underbrush.project.values_json import colour, text

MAX_CLASSES = 255
PALETTE: tuple[Colour, ...] = (
    *(c for _, c in DEFAULT_CLASSES), (245, 130, 48), (240, 50, 230), (70, 240, 240),
)  # fmt: skip
"""Colours of new classes: no red beside a green."""
NAME = Kind(lambda v, w: text(v, w, 200))
COLOUR = Kind(colour, list)


def _name(document: Document, wanted: str, but: int = 0) -> str:
    name = wanted.strip()
    if not name:
        raise CommandError("a class needs a name", remedy="type one")
    return unique_name(name, (e.info.name for k, e in document.classes.items() if k != but))


def _next_colour(document: Document) -> Colour:
    used = {e.info.colour for e in document.classes.values()}
    every = [*PALETTE, *(default_colour(k) for k in range(len(PALETTE), 18))]
    return next((c for c in every if c not in used), default_colour(len(document.classes)))


def _next_id(document: Document) -> int:
    """An id that was never used, or the lowest free one when all were."""
    if document.last_class < MAX_CLASSES:
        return max(document.last_class, *document.classes, 0) + 1
    free = (k for k in range(1, MAX_CLASSES + 1) if k not in document.classes)
    return next(free)


def _cell(document: Document, class_id: int, entry: ClassEntry | None) -> CellChange:
    return CellChange(("class", str(class_id)), document.classes.get(class_id), entry)


@dataclass(frozen=True)
class AddClass(Command):
    """A new class at the end."""

    name: str | None = None
    """None: numbered."""
    colour: Colour | None = None
    """None: one that is not in use."""

    TYPE: ClassVar[str] = "add_class"
    KINDS: ClassVar[Mapping[str, Kind]] = {"name": optional(NAME), "colour": optional(COLOUR)}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        if len(document.classes) >= MAX_CLASSES:
            raise CommandError(f"there are {MAX_CLASSES} classes already", remedy="delete one first")
        order = document.class_order
        if self.name is None and len(order) < len(DEFAULT_CLASSES):
            wanted = DEFAULT_CLASSES[len(order)][0]
        else:
            wanted = f"Class {len(order) + 1}" if self.name is None else self.name
        name = _name(document, wanted)
        new = _next_colour(document) if self.colour is None else self.colour
        rank = document.classes[order[-1]].rank + 1.0 if order else 1.0
        entry = ClassEntry(rank, ClassInfo(name, new, new))
        return Outcome(f"{name} added", (_cell(document, _next_id(document), entry),))


@dataclass(frozen=True)
class EditClass(Command):
    """Name, colour or lock of a class; None: as it is."""

    id: int
    name: str | None = None
    colour: Colour | None = None
    locked: bool | None = None

    TYPE: ClassVar[str] = "edit_class"
    KINDS: ClassVar[Mapping[str, Kind]] = {
        "id": CLASS, "name": optional(NAME), "colour": optional(COLOUR), "locked": optional(FLAG),
    }  # fmt: skip

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = class_of(document, self.id)
        info, said = entry.info, []
        if self.name is not None:
            info = replace(info, name=_name(document, self.name, self.id))
            said.append("renamed")
        if self.colour is not None:
            info = replace(info, colour=self.colour, probability_colour=self.colour)
            said.append("recoloured")
        locked = entry.locked
        if self.locked is not None:
            locked = self.locked
            said.append("locked" if locked else "unlocked")
        new = replace(entry, info=info, locked=locked)
        changes = () if new == entry else (_cell(document, self.id, new),)
        return Outcome(f"Class {info.name} {' and '.join(said) or 'edited'}", changes)


@dataclass(frozen=True)
class MoveClass(Command):
    """A class to another place in the order, from 0; values change with it."""

    id: int
    place: int

    TYPE: ClassVar[str] = "move_class"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": CLASS, "place": INDEX}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = class_of(document, self.id)
        title = f"Class {entry.info.name} moved"
        order = list(document.class_order)
        others = [k for k in order if k != self.id]
        others.insert(self.place, self.id)
        if others == order:
            return Outcome(title, ())
        rest = [document.classes[k].rank for k in others if k != self.id]
        rank = rank_at(rest, self.place)
        if rank is not None:
            return Outcome(title, (_cell(document, self.id, replace(entry, rank=rank)),))
        ranked = [(k, replace(document.classes[k], rank=float(i + 1))) for i, k in enumerate(others)]
        return Outcome(title, tuple(_cell(document, k, e) for k, e in ranked if e != document.classes[k]))


@dataclass(frozen=True)
class MergeClass(Command):
    """All labels of a class become another's, and the class goes."""

    id: int
    into: int

    TYPE: ClassVar[str] = "merge_class"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": CLASS, "into": CLASS}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = class_of(document, self.id, unlocked=True)
        into = class_of(document, self.into, unlocked=True)
        if self.id == self.into:
            raise CommandError("a class cannot be merged into itself", remedy="choose another one")
        changes = (*_exchanged(document, self.id, self.into), _cell(document, self.id, None))
        return Outcome(f"Class {entry.info.name} merged into {into.info.name}", changes)


@dataclass(frozen=True)
class ClearClass(Command):
    """All labels of a class go, in one image or in all."""

    id: int
    lane: str | None = None
    """None: in all."""

    TYPE: ClassVar[str] = "clear_class"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": CLASS, "lane": optional(LANE)}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = class_of(document, self.id, unlocked=True)
        if self.lane is not None:
            lane_of(document, self.lane)
        return Outcome(f"Class {entry.info.name} cleared", _exchanged(document, self.id, 0, self.lane))


@dataclass(frozen=True)
class DeleteClass(Command):
    """A class goes with all its labels; one class is left at least."""

    id: int

    TYPE: ClassVar[str] = "delete_class"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": CLASS}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        entry = class_of(document, self.id, unlocked=True)
        if len(document.classes) == 1:
            raise CommandError("the last class cannot be deleted", remedy="rename it instead")
        changes = (*_exchanged(document, self.id, 0), _cell(document, self.id, None))
        return Outcome(f"Class {entry.info.name} deleted", changes)


def _exchanged(document: Document, class_id: int, new: int, lane: str | None = None) -> tuple[Change, ...]:
    """The changes that give all labels of a class another id, also parked ones."""
    changes: list[Change] = []
    for key in document.lane_order if lane is None else (lane,):
        runs, ids = document.map_of(key).rows(class_id)
        if len(runs):
            changes.append(LabelChange(key, runs, ids, np.full(len(ids), new, np.uint8)))
        entry = document.lanes[key]
        parked = tuple(q for p in entry.parked if (q := _parked(p, class_id, new)) is not None)
        if parked != entry.parked:
            cell: LaneEntry = replace(entry, parked=parked)
            changes.append(CellChange(("lane", key), entry, cell))
    return tuple(changes)


def _parked(parked: Parked, class_id: int, new: int) -> Parked | None:
    ids = np.where(parked.ids == class_id, np.uint8(new), parked.ids)
    keep = ids != 0
    return Parked(parked.axes, parked.runs[keep], ids[keep]) if keep.any() else None


COMMANDS: tuple[type[Command], ...] = (AddClass, EditClass, MoveClass, MergeClass, ClearClass, DeleteClass)
