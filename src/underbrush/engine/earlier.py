"""Earlier versions of an open project, and recovery files that were kept aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from underbrush.engine.context import SessionContext
from underbrush.engine.current import document_now
from underbrush.engine.safekeeping import Safekeeping
from underbrush.errors import ProjectError, UnderbrushError
from underbrush.project.differences import label_difference
from underbrush.project.document import Document
from underbrush.project.edits import LabelChange
from underbrush.project.history import History
from underbrush.project.kept_versions import KeptVersion, restore
from underbrush.project.lock import ProjectLock
from underbrush.project.places import places_of
from underbrush.project.recovered_commands import fitting
from underbrush.project.recovery import recover
from underbrush.project.recovery_files import read_recovered


@dataclass(frozen=True, slots=True)
class KeptAside:
    """A recovery file that was kept aside, and what of it can be brought back."""

    path: Path
    created: str
    """UTC, ISO 8601; empty where it cannot be read."""
    edits: int
    """Readable changes in it."""
    fit: int
    """Of these fit the images and classes as they are now."""
    lacking: bool
    """Whether bringing them back would change anything."""
    problem: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True)
class Exchanged:
    """The project after a version took its place."""

    document: Document
    history: History
    notices: tuple[str, ...]


class LostJournalError(ProjectError):
    """Neither the old state nor the version can be written to any more."""


def exchange(
    path: Path, version: KeptVersion, safe: Safekeeping, lock: ProjectLock, history: History
) -> Exchanged:
    """Make a version the project. The caller holds `Safekeeping.resting` and lets no command in.

    What is there is saved first, so that it is kept whole as a version. If a version cannot be brought
    back the project is as it was, and goes on.

    Raises
    ------
    LostJournalError
        The disk fails so that nothing can be kept from now on; nothing is lost.
    UnderbrushError
        What is there cannot be saved, or the version cannot be read.
    """
    with safe.resting() as journal:
        if safe.lacking:
            safe.fold()
        journal.close()
        failure: UnderbrushError | None = None
        notices: tuple[str, ...] = ()
        try:
            notices = restore(path, version, lock).notices
        except UnderbrushError as error:
            failure = error
        try:
            found = recover(path)
            document, then = document_now(found.project, found.records)
        except UnderbrushError as error:
            raise LostJournalError(error.problem, where=error.where, remedy=error.remedy) from error
        safe.go_on(found.journal)
        if failure is not None:
            raise failure
    said = (*notices, *found.notices, *document.notices, *found.project.problems)
    return Exchanged(document, _begun_anew(history, then), said)


def _begun_anew(before: History, then: History) -> History:
    """Nothing to undo; numbers go on, so that no command is done twice and revisions never fall."""
    numbers = {**then.numbers}
    for client, number in before.numbers.items():
        numbers[client] = max(number, numbers.get(client, 0))
    return replace(History(), numbers=MappingProxyType(numbers), last=max(before.last, then.last) + 1)


def label_changes(before: Document, after: Document) -> Iterator[LabelChange]:
    """What differs in the labels of images that both have."""
    for lane in after.lanes:
        change = label_difference(lane, before.map_of(lane), after.map_of(lane))
        if change is not None:
            yield change


def kept_aside(path: Path, document: Document, context: SessionContext) -> tuple[KeptAside, ...]:
    """The recovery files beside a project that were kept aside, newest first."""
    found = []
    for file in reversed(places_of(path).all_recovered()):
        try:
            read = read_recovered(file)
            fits = fitting(document, read.records, context)
        except UnderbrushError as error:
            found.append(KeptAside(file, "", 0, 0, False, str(error)))
            continue
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            found.append(KeptAside(file, read.created, 0, 0, False, f"It cannot be understood ({error})."))
            continue
        problem = f"At least {read.lost} more in it cannot be read." if read.lost else ""
        edits = len(read.records)
        found.append(KeptAside(file, read.created, edits, fits.applied, bool(fits.changes), problem))
    return tuple(found)


def version_named(versions: tuple[KeptVersion, ...], name: str, path: Path) -> KeptVersion:
    """The version whose file has this name.

    Raises
    ------
    ProjectError
        There is none (any more).
    """
    for one in versions:
        if one.path.name == name:
            return one
    raise ProjectError(
        f"there is no earlier version {name[:60]!r}", where=path, remedy="look at the list of versions again"
    )
