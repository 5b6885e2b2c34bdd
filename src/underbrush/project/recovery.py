"""Opening a project with what its recovery file adds, and what happens where the two do not fit."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underbrush.errors import ProjectError
from underbrush.files import layer
from underbrush.project.journal import Journal
from underbrush.project.journal_format import DamagedJournal, JournalContent, parse
from underbrush.project.places import Identity, Places, digest_of, identity_of, places_of
from underbrush.project.read import read_project
from underbrush.project.recovery_files import counted, read_journal, remove_journal, set_aside, sync_folder
from underbrush.project.schema import Project

PROJECT_ID = "project"
"""Name of the own text that holds the project's id."""
_TRIES = 10
_LEFT_BEHIND_S = 3600.0


@dataclass(frozen=True)
class Opened:
    """A project that was opened for writing."""

    project: Project
    """What the .ilp says."""
    journal: Journal
    """To append to; its ``project`` is the project's id."""
    records: tuple[dict[str, Any], ...]
    """Edits that the .ilp does not have, oldest first."""
    notices: tuple[str, ...]
    """Sentences for the user."""
    kept: tuple[Path, ...]
    """Recovery files kept aside now or earlier, to be offered; see `recovery_files.read_recovered`."""


@dataclass(frozen=True)
class Pending:
    """A project as who has it open for writing sees it, for readers."""

    project: Project
    """What the .ilp says."""
    records: tuple[dict[str, Any], ...]
    """Edits that the .ilp does not have, oldest first."""
    notices: tuple[str, ...]
    """Sentences for the user."""


def recover(path: str | os.PathLike[str]) -> Opened:
    """Open a project for writing, with the edits that were made after its last save.

    The caller has the project's lock. A recovery file that does not fit the .ilp is never applied: it is kept
    as ``NAME.recovered-<UTC>.journal``, and a sentence says so.

    Raises
    ------
    ProjectError
        The .ilp cannot be read, or the recovery file is of a newer version or cannot be read at all.
    OutputError
        A recovery file could not be set aside or made safe; nothing is lost, and `pending` reads it all.
    """
    places = places_of(path)
    _say_if_alone(places)
    _tidy(places)
    data = read_journal(places.journal)
    project, base, identity = _snapshot(places.project, with_digest=True)
    own_id = project.own.get(PROJECT_ID, "")
    notices: tuple[str, ...] = ()
    content = None
    if data is not None:
        try:
            content = parse(data, str(places.journal))
        except DamagedJournal:
            kept = set_aside(places, data)
            notices = (
                f"The recovery file of {places.project.name} is damaged and could not be read;"
                f" it is kept as {kept.name}.",
            )
    records = None if content is None else content.since(base)
    if content is not None and data is not None:
        if records is None:
            notices = _keep_misfit(places, content, data, own_id)
        else:
            notices = _brought_back(places, content, records, data)
    if data is not None and records is None:
        remove_journal(places.journal)
    journal = Journal(
        path,
        own_id or ("" if content is None or records is None else content.project) or uuid.uuid4().hex,
        base,
        first=_first(content, base),
        edits=records or (),
        on_disk=records is not None,
    )
    journal.seen = identity
    # Who was here before may have been killed before new names and removals were synced: what is seen now
    # must stay, and what is written anew fits only the .ilp that is seen now.
    sync_folder(places.project)
    journal.secure()
    return Opened(project, journal, records or (), notices, tuple(places.all_recovered()))


def pending(path: str | os.PathLike[str]) -> Pending:
    """A project as who has it open for writing sees it; takes no lock and writes nothing.

    Raises
    ------
    ProjectError
        The .ilp cannot be read, or the recovery file is of a newer version or cannot be read at all.
    """
    places = places_of(path)
    _say_if_alone(places)
    before: tuple[Identity | None, Identity | None] | None = None
    for attempt in range(_TRIES):
        beside = identity_of(places.journal)
        # The journal first: what is read afterwards can only be newer, and then it has the edits.
        data = read_journal(places.journal)
        project, base, identity = _snapshot(places.project, with_digest=data is not None)
        if data is None:
            return Pending(project, (), ())
        try:
            content = parse(data, str(places.journal))
        except DamagedJournal as error:
            return Pending(project, (), (f"{error} The project is read without it.",))
        records = content.since(base)
        if records is not None:
            lost = f"At least {counted(content.lost)} in the recovery file of {places.project.name}"
            return Pending(project, records, (f"{lost} cannot be read.",) if content.lost else ())
        if before == (beside, identity):
            break
        before = (beside, identity)  # it is being saved just now, or does not fit: look again
        time.sleep(0.01 * (attempt + 1))
    if not content.edits:
        return Pending(project, (), ())
    return Pending(
        project,
        (),
        (
            f"The recovery file beside {places.project.name} ({counted(len(content.edits))}) does not fit it"
            " and was not used.",
        ),
    )


def _first(content: JournalContent | None, base: str) -> int:
    if content is not None:
        for mark in content.marks:
            if mark.base == base:
                return mark.first
    return 1


def _keep_misfit(places: Places, content: JournalContent, data: bytes, own_id: str) -> tuple[str, ...]:
    if not content.edits and not content.lost:
        return ()
    kept = set_aside(places, data)
    name, count = places.project.name, counted(len(content.edits))
    if own_id and content.project and own_id != content.project:
        return (
            f"The recovery file beside {name} belongs to another project; its {count} were not applied and"
            f" are kept as {kept.name}.",
        )
    return (
        f"{name} was changed by another program since, or is another copy; the {count} in the recovery file"
        f" were not applied and are kept as {kept.name}.",
    )


def _brought_back(
    places: Places, content: JournalContent, records: tuple[dict[str, Any], ...], data: bytes
) -> tuple[str, ...]:
    notices = []
    if records:
        were = "was" if len(records) == 1 else "were"
        notices.append(f"{counted(len(records))} made after the last save {were} brought back.")
    if content.lost:
        kept = set_aside(places, data)
        notices.append(
            f"The recovery file of {places.project.name} is damaged: at least {counted(content.lost)} in it"
            f" could not be read. It is kept as {kept.name}."
        )
    elif content.torn:
        notices.append(
            "A change that was being written when the program stopped is not complete; it is left out."
        )
    return tuple(notices)


def _say_if_alone(places: Places) -> None:
    """A recovery file whose project is gone is named, so that nobody thinks all is lost."""
    if places.project.exists() or not places.journal.exists():
        return
    raise ProjectError(
        f"there is no such file, but its recovery file {places.journal.name} is there",
        where=places.project,
        remedy="put the project back beside it to get its strokes back",
    )


def _snapshot(path: Path, *, with_digest: bool) -> tuple[Project, str, Identity | None]:
    """What the .ilp says, its hash (or an empty text), and its identity: all of one state of the file."""
    for attempt in range(_TRIES):
        before = identity_of(path)
        project = read_project(path)
        digest = digest_of(path) if with_digest else ""
        if before is not None and identity_of(path) == before:
            return project, digest, before
        time.sleep(0.01 * (attempt + 1))
    raise ProjectError(
        "another program is changing it all the time", where=path, remedy="close it there and try again"
    )


def _tidy(places: Places) -> None:
    """Remove unfinished files of a program that was killed; only such that nobody can be writing any more."""
    ours = re.compile(
        rf"(?s)\.({re.escape(places.project.name)}|{re.escape(places.journal.name)})\.[0-9a-f]{{12}}\.part"
    )
    folder = places.project.parent
    with contextlib.suppress(OSError):  # what cannot be listed or removed disturbs nobody
        for name in os.listdir(folder):  # noqa: PTH208 - names, not paths
            if ours.fullmatch(name) and time.time() - (folder / name).stat().st_mtime > _LEFT_BEHIND_S:
                layer().remove(folder / name)
