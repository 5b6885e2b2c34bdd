"""Recovery files that were kept aside: what of them still fits the project, and bringing that back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from underbrush.errors import CommandError, ProjectError
from underbrush.project.command import TEXT, Author, Command, Context, Kind, Outcome
from underbrush.project.differences import label_difference
from underbrush.project.document import Document
from underbrush.project.edits import CellChange, Change, LabelChange, cell, from_json, with_cell, with_labels
from underbrush.project.places import places_of
from underbrush.project.recovery_files import counted, read_recovered


@dataclass(frozen=True)
class Fitting:
    """What of a recovery file can be brought back into a document."""

    changes: tuple[Change, ...]
    """What turns the document into the one that has it; empty where nothing is lacking."""
    applied: int
    """Edits of the file that fit."""
    left: int
    """Edits that do not, or in part only: their image or class is gone or is another one."""


@dataclass
class _Fitter:
    """The document so far, and the cells that are not as the edits need them."""

    document: Document
    context: Context | None
    other: set[tuple[str, str]] = field(default_factory=set)

    def take(self, changes: Iterable[Change]) -> bool:
        """Make what fits; whether all did."""
        taken = [self._cell(c) if isinstance(c, CellChange) else self._labels(c) for c in changes]
        return all(taken)

    def _cell(self, change: CellChange) -> bool:
        now = cell(self.document, change.path)
        if now == change.before:
            self.document = with_cell(self.document, change.path, change.after)
        elif now != change.after:
            # What was painted later in this class or image was meant for another one.
            self.other.add(change.path)
            return False
        self.other.discard(change.path)
        return True

    def _labels(self, change: LabelChange) -> bool:
        document, lane = self.document, change.lane
        if lane not in document.lanes or ("lane", lane) in self.other or not self._is_inside(change):
            return False
        known = np.zeros(256, np.bool_)
        known[[0, *(k for k in document.classes if ("class", str(k)) not in self.other)]] = True
        fits = known[change.after]
        if fits.any():
            self.document, _ = with_labels(document, lane, change.runs[fits], change.after[fits])
        return bool(fits.all())

    def _is_inside(self, change: LabelChange) -> bool:
        if not len(change.runs):
            return True
        shape = self.document.lanes[change.lane].raw.shape5
        if shape is None and self.context is not None:
            shape = self.context.shape(change.lane)
        if shape is None:
            return True
        sizes = shape[0], shape[2], shape[3], shape[4]
        return all(last <= size for last, size in zip(change.bounds[1], sizes, strict=True))


def fitting(document: Document, records: Iterable[Mapping[str, Any]], context: Context | None) -> Fitting:
    """What of the edits ``records``, oldest first, fits ``document``.

    Cells (classes, images, settings) are changed where they are as they were before the edit; labels where
    their image and class are there. Where the project has other labels there now, those of the edits win.

    Raises
    ------
    CommandError
        A record is no edit.
    """
    fitter, applied, left = _Fitter(document, context), 0, 0
    paths: dict[tuple[str, str], None] = {}
    for record in records:
        edit = from_json(record)
        paths |= {c.path: None for c in edit.changes if isinstance(c, CellChange)}
        fits = fitter.take(edit.changes)
        applied, left = applied + fits, left + (not fits)
    then = fitter.document
    cells = [CellChange(path, cell(document, path), cell(then, path)) for path in paths]
    cells = [one for one in cells if one.before != one.after]
    labels = (label_difference(lane, document.map_of(lane), then.map_of(lane)) for lane in then.lanes)
    gone = (
        label_difference(lane, document.map_of(lane), then.map_of(lane))
        for lane in document.lanes
        if lane not in then.lanes
    )
    changes: list[Change] = [one for one in (*labels, *gone) if one is not None]
    new: list[Change] = [one for one in cells if one.before is None]
    old: list[Change] = [one for one in cells if one.before is not None]
    return Fitting((*new, *changes, *old), applied, left)


@dataclass(frozen=True)
class ApplyRecovered(Command):
    """What of a recovery file that was kept aside still fits is brought back, as one edit."""

    file: str
    """Its name, beside the project."""

    TYPE: ClassVar[str] = "apply_recovered"
    KINDS: ClassVar[Mapping[str, Kind]] = {"file": TEXT}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        path = document.base.path
        known = {} if path is None else {one.name: one for one in places_of(path).all_recovered()}
        if self.file not in known:
            raise CommandError(
                f"there is no recovery file {self.file[:100]!r} beside this project",
                remedy="look at the list of earlier versions again",
            )
        found = _fitting_of(known[self.file], document, context)
        if not found.changes:
            raise CommandError(
                f"nothing of {self.file} can be brought back",
                remedy="what it has is there already, or its images and classes are not",
            )
        notices = [f"{counted(found.applied)} brought back from {self.file}."]
        if found.left:
            notices.append(f"{counted(found.left)} did not fit the images and classes as they are now.")
        return Outcome("Strokes brought back", found.changes, tuple(notices))


def _fitting_of(file: Path, document: Document, context: Context) -> Fitting:
    try:
        return fitting(document, read_recovered(file).records, context)
    except ProjectError as error:
        raise CommandError(error.problem, where=file, remedy=error.remedy) from error
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise CommandError(f"a change in it cannot be understood ({error})", where=file) from error


COMMANDS: tuple[type[Command], ...] = (ApplyRecovered,)
