"""The command that brings images, classes, strokes and features of another project: one edit, one undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.labels import make_block
from underbrush.errors import CommandError, UnderbrushError
from underbrush.project.class_commands import AddClass
from underbrush.project.command import FLAG, TEXT, Author, Command, Context, Kind, Outcome
from underbrush.project.document import Document
from underbrush.project.edits import CellChange, Change, forward
from underbrush.project.entries import ClassEntry
from underbrush.project.label_commands import ImportLabels
from underbrush.project.lane_commands import MAX_LANES, AddLane
from underbrush.project.other_project import Coming, Other, other_project
from underbrush.project.setting_commands import SetFeatures
from underbrush.project.values_json import listed, whole

PLACES = Kind(lambda v, w: tuple(whole(k, w) for k in listed(v, w, MAX_LANES)), list)
MOST_TOLD = 5
"""Images of which it is told that they were left out."""


@dataclass
class _Import:
    """The document so far, and how it came about."""

    document: Document
    context: Context
    author: Author
    changes: list[Change] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def make(self, changes: Iterable[Change]) -> None:
        """Changes that were made on exactly this document."""
        made = tuple(changes)
        self.document = forward(self.document, made)
        self.changes += made

    def carry_out(self, command: Command) -> tuple[Change, ...]:
        """What a command comes to; raises what it raises, and nothing has changed."""
        outcome = command.outcome(self.document, self.context, self.author)
        self.make(outcome.changes)
        self.notices += outcome.notices
        return outcome.changes

    def classes(self, other: Other) -> NDArray[np.uint8]:
        """Bring the classes; gives the id here (256,) of each value there."""
        ids = np.zeros(256, np.uint8)
        for value, info in enumerate(other.project.classes, 1):
            ident = other.classes[value]
            if ident is None:
                (new,) = self.carry_out(AddClass(info.name, info.colour))
                assert isinstance(new, CellChange)
                ident = int(new.path[1])
            elif other.fresh:
                locked = self.document.classes[ident].locked
                self._set_class(ident, ClassEntry(float(value), info, locked))
            ids[value] = ident
        if other.fresh:
            # Behind those of the other project, whose values are to be the same here.
            rest = [k for k in self.document.class_order if k not in ids]
            for place, ident in enumerate(rest, len(other.project.classes) + 1):
                entry = self.document.classes[ident]
                self._set_class(ident, ClassEntry(float(place), entry.info, entry.locked))
        return ids

    def _set_class(self, ident: int, entry: ClassEntry) -> None:
        before = self.document.classes[ident]
        if entry != before:
            self.make((CellChange(("class", str(ident)), before, entry),))

    def image(self, one: Coming) -> str:
        """Bring one image unless it is here; gives its lane, empty where it cannot be taken."""
        if one.here or one.source is None:
            return one.here
        try:
            made = self.carry_out(AddLane(one.source, one.lane.nickname, one.mask))
        except UnderbrushError as error:
            self.notices.append(f"{one.lane.nickname} was left out: {error.sentence}")
            return ""
        assert isinstance(made[-1], CellChange)
        return made[-1].path[1]

    def strokes(self, lane: str, one: Coming, ids: NDArray[np.uint8]) -> bool:
        """Paint the strokes of one image; whether that changed something."""
        blocks = tuple(make_block(block.box, ids[block.values]) for block in one.lane.labels)
        if not blocks:
            return False
        try:
            return bool(self.carry_out(ImportLabels(lane, blocks)))
        except CommandError as error:
            self.notices.append(f"Strokes in {one.lane.nickname} were left out: {error.sentence}")
            return False

    def features(self, selection: FeatureSelection | None) -> None:
        """Choose features: those of the other project, else some for images that came into an empty one."""
        document = self.document
        shapes = [entry.raw.shape5 for entry in document.lanes.values()]
        known = [shape for shape in shapes if shape is not None]
        if selection is None and document.settings.selection is None and known:
            t, c, z, y, x = (min(sizes) for sizes in zip(*known, strict=True))
            selection = FeatureSelection.recommended((t, c, z, y, x))
        if selection is not None and selection != document.settings.selection:
            self.carry_out(SetFeatures(selection))


@dataclass(frozen=True)
class ImportProject(Command):
    """Images, classes, strokes and features of another project come into this one."""

    file: str
    """Its path, absolute."""
    images: tuple[int, ...]
    """Which of its images are taken, by their places there from 0."""
    features: bool = False
    """Its choice of features takes the place of that here."""

    TYPE: ClassVar[str] = "import_project"
    KINDS: ClassVar[Mapping[str, Kind]] = {"file": TEXT, "images": PLACES, "features": FLAG}

    def looked(self, document: Document, context: Context) -> Other:
        """What it would bring, as it is now.

        Raises
        ------
        UnderbrushError
            It cannot be read, or is the project itself.
        """
        path, own = Path(self.file), document.base.path
        if own is not None and path.resolve() == own.resolve():
            raise CommandError("this is the project that is open", where=path, remedy="choose another one")
        return other_project(context.other(path), path, document, document.base.folder, lambda source: None)

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; what cannot be taken is left out and told."""
        other = self.looked(document, context)
        wanted = set(self.images)
        coming = [one for at, one in enumerate(other.images) if at in wanted and one.is_taken]
        work = _Import(document, context, author)
        ids = work.classes(other)
        lanes, added, painted = [], 0, 0
        for one in coming:
            lane = work.image(one)
            lanes.append((lane, one))
            added += bool(lane) and not one.here
        work.features(other.project.selection if self.features else None)
        for lane, one in lanes:
            painted += bool(lane) and work.strokes(lane, one, ids)
        if not work.changes:
            raise CommandError(
                "it brings nothing that is not here already", where=self.file, remedy="choose another project"
            )
        left = work.notices[:MOST_TOLD]
        if len(work.notices) > MOST_TOLD:
            left.append(f"And {len(work.notices) - MOST_TOLD} more of this kind.")
        notices = (*_summary(added, painted), *left)
        return Outcome(f"Import from {other.path.name}", tuple(work.changes), notices)


def _summary(added: int, painted: int) -> tuple[str, ...]:
    """What came, as a sentence; none where it were classes and features alone."""
    parts = [
        f"{added} {'image' if added == 1 else 'images'} added" if added else "",
        f"strokes in {painted} {'image' if painted == 1 else 'images'}" if painted else "",
    ]
    said = ", ".join(part for part in parts if part)
    return (f"{said[0].upper()}{said[1:]}.",) if said else ()


COMMANDS: tuple[type[Command], ...] = (ImportProject,)
