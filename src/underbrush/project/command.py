"""What all commands share: their fields as JSON, what they may ask, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest.nodes import Forest
from underbrush.core.geometry import Box, Shape5
from underbrush.errors import CommandError
from underbrush.project.document import Document
from underbrush.project.edits import Change
from underbrush.project.entries import ClassEntry, LaneEntry
from underbrush.project.history import History
from underbrush.project.schema import Project, Source
from underbrush.project.values_json import Json, flag, shown, text, whole


class Context(Protocol):
    """What a command may ask beyond the document."""

    @property
    def history(self) -> History:
        """Who can undo what."""

    def shape(self, lane: str) -> Shape5 | None:
        """Sizes t c z y x of an image where the project does not know them; None: it cannot be read."""

    def read(self, lane: str, box: Box) -> NDArray[Any]:
        """Values of an image, t c z y x; raises UnderbrushError where it cannot be read."""

    def forest(self) -> Forest | None:
        """The forest that is in force now."""

    def sized(self, source: Source) -> Source:
        """The source with axes and shape as its image says; raises UnderbrushError if it cannot be read."""

    def other(self, path: Path) -> tuple[Project, str]:
        """Another project as it is now, and the name of its workflow; raises UnderbrushError."""


@dataclass(frozen=True, slots=True)
class Author:
    """Whose command it is, and when."""

    client: str
    number: int = 0
    time: str = ""
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command comes to."""

    title: str
    changes: tuple[Change, ...]
    notices: tuple[str, ...] = ()
    undoes: int | None = None
    redoes: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of field: how it is checked when it comes, and how it is sent."""

    read: Callable[[object, str], Any]
    write: Callable[[Any], Any] = lambda value: value
    own: type | None = None
    """A class that checked itself when it was made."""


def optional(kind: Kind) -> Kind:
    """The same, or None."""
    return Kind(
        lambda v, w: None if v is None else kind.read(v, w),
        lambda v: None if v is None else kind.write(v),
        kind.own,
    )


TEXT = Kind(text)
FLAG = Kind(flag)
LANE = Kind(lambda v, w: text(v, w, 100))
CLASS = Kind(lambda v, w: whole(v, w, 1, 255))
CLASS_OR_NONE = Kind(lambda v, w: whole(v, w, 0, 255))
INDEX = Kind(whole)

C = TypeVar("C", bound="Command")


@dataclass(frozen=True)
class Command:
    """Something that a person can do; see `outcome`."""

    TYPE: ClassVar[str] = ""
    """Its name in JSON."""
    KINDS: ClassVar[Mapping[str, Kind]] = {}
    """Attribute -> kind."""
    KEYS: ClassVar[Mapping[str, str]] = {"class_id": "class"}
    """Attribute -> name in JSON, where it is another."""

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """What it does to ``document``.

        Raises
        ------
        CommandError
            It is not possible.
        """
        raise NotImplementedError

    def to_json(self) -> Json:
        """As a JSON object with ``type``."""
        said: Json = {"type": self.TYPE}
        for name, kind in self.KINDS.items():
            said[self.KEYS.get(name, name)] = kind.write(getattr(self, name))
        return said

    @classmethod
    def read_json(cls: type[C], said: Mapping[str, Any]) -> C:
        """The command of `to_json`, every field checked; raises CommandError."""
        keys = {cls.KEYS.get(name, name): name for name in cls.KINDS}
        unknown = [k for k in said if k not in keys and k != "type"]
        if unknown:
            raise CommandError(f"{cls.TYPE} has no field {shown(unknown[0])}", remedy=_AGAIN)
        defaults = {f.name: f.default is not MISSING for f in fields(cls)}
        found = {}
        for key, name in keys.items():
            if key in said:
                found[name] = cls.KINDS[name].read(said[key], f"{cls.TYPE}: {key}")
            elif not defaults[name]:
                raise CommandError(f"{cls.TYPE} lacks the field {key!r}", remedy=_AGAIN)
        return cls(**found)

    def check(self) -> None:
        """Hold every field against its kind; raises CommandError. For commands made in Python."""
        for name, kind in self.KINDS.items():
            value = getattr(self, name)
            if kind.own is not None and isinstance(value, kind.own):
                continue
            try:
                said = kind.write(value)
            except (AttributeError, TypeError, ValueError):
                raise CommandError(
                    f"{self.TYPE}: {name} is {shown(value)}", remedy="give a value of its kind"
                ) from None
            kind.read(said, f"{self.TYPE}: {name}")


_AGAIN = "send the command as it is described"


def lane_of(document: Document, lane: str) -> LaneEntry:
    """The lane, or a CommandError."""
    entry = document.lanes.get(lane)
    if entry is None:
        raise CommandError(
            f"there is no image {shown(lane)} in this project", remedy="choose one of its images"
        )
    return entry


def class_of(document: Document, class_id: int, *, unlocked: bool = False) -> ClassEntry:
    """The class, or a CommandError, also where it is locked and must not be."""
    entry = document.classes.get(class_id)
    if entry is None:
        raise CommandError(
            f"there is no class {class_id} in this project", remedy="choose one of its classes"
        )
    if unlocked and entry.locked:
        raise CommandError(f"the class {entry.info.name!r} is locked", remedy="unlock it first")
    return entry


def shape_of(document: Document, context: Context, lane: str) -> Shape5:
    """Sizes of an image in t c z y x, or a CommandError."""
    entry = lane_of(document, lane)
    shape = entry.raw.shape5 or context.shape(lane)
    if shape is None:
        raise CommandError(
            f"the size of {entry.nickname!r} is not known, for its file is missing",
            remedy="find the file again first",
        )
    return shape


def locked_ids(document: Document) -> NDArray[np.bool_]:
    """(256,) by class id: labels that are not painted over."""
    found = np.zeros(256, np.bool_)
    for class_id, entry in document.classes.items():
        found[class_id] = entry.locked
    return found


def unique_name(wanted: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken."""
    others = set(taken)
    if wanted not in others:
        return wanted
    return next(name for k in range(2, len(others) + 3) if (name := f"{wanted} {k}") not in others)


def rank_at(ranks: list[float], place: int) -> float | None:
    """A rank that is ``place`` (from 0) among sorted ``ranks``; None where no number lies between."""
    place = min(max(place, 0), len(ranks))
    if not ranks:
        return 1.0
    if place == 0:
        return ranks[0] - 1.0
    if place == len(ranks):
        return ranks[-1] + 1.0
    low, high = ranks[place - 1], ranks[place]
    middle = (low + high) / 2
    return middle if low < middle < high else None
