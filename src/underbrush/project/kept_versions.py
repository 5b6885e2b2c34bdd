"""Earlier versions of a project: kept before they are replaced, thinned with time, and brought back."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from underbrush.errors import ArgumentError, OutputError, ProjectError
from underbrush.files import OutputFile, Replacing, explain, layer
from underbrush.project.journal_format import parse
from underbrush.project.lock import ProjectLock, lock_project
from underbrush.project.places import Places, places_of, stamp, utc_now
from underbrush.project.read import read_project
from underbrush.project.recovery_files import (
    NO_LINKS,
    counted,
    read_journal,
    remove_journal,
    set_aside,
    sync_folder,
)

NEWEST = 10
"""So many are kept whatever their age,"""
DAYS = 30
"""and the last one of each of so many days."""
EVERY = timedelta(minutes=10)
"""While a project is open, one is kept at most so often."""
_NAME = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?\.ilp")
_PART = 1 << 20


@dataclass(frozen=True)
class KeptVersion:
    """A state that a project had; relative paths in it start from the project's folder, not from its own."""

    path: Path
    when: datetime
    """Until when it was the project, UTC."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Restored:
    """What bringing back a version did."""

    kept: Path | None
    """The version under which the state before can be brought back again."""
    notices: tuple[str, ...]
    """Sentences for the user."""


def versions(path: str | os.PathLike[str]) -> tuple[KeptVersion, ...]:
    """The versions that are kept of a project, newest first."""
    places = places_of(path)
    return tuple(v for v in _all_versions(places) if not _is_same(v.path, places.project))


def is_due(places: Places, now: datetime) -> bool:
    """Whether the newest version is older than `EVERY`, or there is none."""
    kept = _all_versions(places)
    return not kept or not timedelta() <= now - kept[0].when < EVERY


def keep_version(places: Places, now: datetime) -> Path:
    """Keep the .ilp as it is, as a link where the disk has links, else as a copy; then thin the others.

    The .ilp must be replaced as a whole afterwards, never changed in place.

    Raises
    ------
    OutputError
        It cannot be kept.
    ProjectError
        It cannot be read.
    """
    known = _all_versions(places)
    if known and _is_same(known[0].path, places.project):
        return known[0].path  # kept before a save that did not succeed
    _make_folder(places)
    number = 1
    while True:
        suffix = "" if number == 1 else f"-{number}"
        target = places.versions / f"{stamp(now)}{suffix}.ilp"
        try:
            layer().link(places.project, target)
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise explain(error, target) from error
            if os.path.lexists(target):
                number += 1
                continue
            with Replacing(target) as output:
                _copy(places.project, output)
        else:
            sync_folder(target)
        _thin(_all_versions(places), now)
        return target


def restore(
    path: str | os.PathLike[str],
    version: KeptVersion | str | os.PathLike[str],
    lock: ProjectLock | None = None,
) -> Restored:
    """Make a kept version the project again; what it replaces is kept first, edits not yet saved too.

    The project must not be open; a caller that has its ``lock`` gives it and closes its journal before.

    Raises
    ------
    Held
        Somebody has the project open.
    ProjectError
        The version cannot be read; nothing was changed.
    OutputError
        The disk is full, broken, gone or write-protected; the project is as it was.
    """
    if lock is None:
        with lock_project(path) as own:
            return restore(path, version, own)
    if lock.read_only is not None:
        raise OutputError(lock.read_only, where=path, remedy="copy the version to another folder")
    source = version.path if isinstance(version, KeptVersion) else Path(version)
    places = places_of(path)
    if _is_same(source, places.project):
        raise ArgumentError("this version is the project itself", where=source, remedy="choose another one")
    read_project(source)
    output = Replacing(places.project)
    try:
        _copy(source, output.file)  # before thinning could remove it
        output.file.fsync()
        kept = keep_version(places, utc_now()) if places.project.exists() else None
        notices = _keep_edits(places)
        output.commit()
    finally:
        output.abort()
    remove_journal(places.journal)
    return Restored(kept, notices)


def _keep_edits(places: Places) -> tuple[str, ...]:
    data = read_journal(places.journal)
    if data is None:
        return ()
    try:
        edits = len(parse(data, str(places.journal)).edits)
    except ProjectError:
        edits = -1
    if edits == 0:
        return ()
    kept = set_aside(places, data)
    what = f"{counted(edits)} not yet saved" if edits > 0 else "A damaged recovery file"
    return (f"{what} in {places.project.name}: kept as {kept.name}.",)


def _copy(source: Path, output: OutputFile) -> None:
    try:
        with source.open("rb") as file:
            while part := file.read(_PART):
                output.write(part)
    except OSError as error:
        raise ProjectError(
            f"it cannot be read ({error.strerror or error})", where=source, remedy="check the disk"
        ) from error


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _make_folder(places: Places) -> None:
    if places.versions.is_dir():
        return
    try:
        layer().make_folders(places.versions)
    except OSError as error:
        raise explain(error, places.versions) from error
    sync_folder(places.versions)


def _all_versions(places: Places) -> list[KeptVersion]:
    """All that look like versions, newest first."""
    found: list[tuple[datetime, int, KeptVersion]] = []
    try:
        names = os.listdir(places.versions)  # noqa: PTH208 - names, not paths
    except OSError:
        return []  # none yet
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        path = places.versions / name
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile; no date
            when = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            found.append((when, int(match[2] or 1), KeptVersion(path, when, path.stat().st_size)))
    return [version for _, _, version in sorted(found, key=lambda f: f[:2], reverse=True)]


def superfluous(kept: Iterable[KeptVersion], now: datetime) -> list[KeptVersion]:
    """Those of the versions, newest first, that thinning removes."""
    days: set[object] = set()
    gone = []
    for number, version in enumerate(kept):
        day = version.when.date()
        is_last_of_day = day not in days and (now.date() - day).days < DAYS
        days.add(day)
        if number >= NEWEST and not is_last_of_day:
            gone.append(version)
    return gone


def _thin(kept: Iterable[KeptVersion], now: datetime) -> None:
    for version in superfluous(kept, now):
        with contextlib.suppress(OSError):  # it goes the next time
            layer().remove(version.path)
