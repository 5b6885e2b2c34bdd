"""Edits go from the recovery file into the .ilp, so that a power cut at any moment loses none.

1. The .ilp is written beside, synced, opened again and compared; its hash is taken. Edits may arrive.
2. The version that it will replace is kept, where it is time for that.
3. The journal gets a mark: an .ilp of this hash has the edits up to here. Synced. Now the journal fits the
   old .ilp and the new one.
4. The new .ilp takes the name; the folder is synced. Now the new one is there for certain.
5. The journal is written anew without these edits, on the new .ilp.

A failure or a power cut before 4 leaves the old .ilp with all edits, later ones the new .ilp with those that
it does not have. Edits wait only during 3 to 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from underbrush.errors import OutputError, ProjectError
from underbrush.files import OutputFile
from underbrush.project.inputs_writer import Embedded
from underbrush.project.journal import Journal
from underbrush.project.kept_versions import is_due, keep_version
from underbrush.project.places import Places, digest_of, identity_of, places_of, utc_now
from underbrush.project.recovery import PROJECT_ID
from underbrush.project.schema import Project
from underbrush.project.write import written_beside

_PART = 1 << 20


@dataclass(frozen=True)
class Folded:
    """What a save did."""

    project: Project
    """As it now is in the .ilp."""
    base: str
    """SHA-256 of the .ilp."""
    version: Path | None
    """The version before, where it was kept."""
    notices: tuple[str, ...]
    """Sentences for the user."""


def fold(
    project: Project,
    journal: Journal,
    sequence: int,
    *,
    embed: Mapping[str, Embedded] | None = None,
) -> Folded:
    """Save ``project``, which has all edits up to ``sequence``, as the .ilp that ``journal`` belongs to.

    Other threads may append to the journal meanwhile. ``embed`` is that of `write_project`. Where another
    program changed the .ilp since it was read, its state is kept as a version first.

    Raises
    ------
    OutputError, ProjectError
        As `write_project`. The .ilp and the journal are as they were, or both fit the new .ilp: nothing that
        was acknowledged is lost, and it can be tried again.
    ValueError
        ``sequence`` is beyond the edits of the journal.
    """
    places = places_of(journal.project_path)
    if journal.pending and sequence > journal.last:
        raise ValueError(f"edits up to {sequence} are to be saved but the journal ends at {journal.last}")
    if project.own.get(PROJECT_ID) != journal.project:
        own = MappingProxyType({**project.own, PROJECT_ID: journal.project})
        project = replace(project, own=own)
    with written_beside(project, journal.project_path, embed=embed) as (output, saved):
        base = _digest(output.file)
        version, notices = _kept_before(places, journal)
        with journal.lock:
            journal.mark(base, sequence)
            output.commit()
            journal.seen = identity_of(places.project)
            try:
                journal.advance(base, sequence)
            except OutputError as error:
                notices += (f"{error} The project is saved; the recovery file could not be shortened.",)
    return Folded(saved, base, version, notices)


def _digest(file: OutputFile) -> str:
    digest = hashlib.sha256()
    buffer = bytearray(_PART)
    file.seek(0)
    while count := file.readinto(buffer):
        digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def _kept_before(places: Places, journal: Journal) -> tuple[Path | None, tuple[str, ...]]:
    """The version that the .ilp was kept as before it is replaced, and sentences about it."""
    now = utc_now()
    name = places.project.name
    identity = identity_of(places.project)
    if identity is None:
        return None, (f"{name} was gone; it was written again.",)
    if identity != journal.seen and not journal.knows(digest_of(places.project)):
        kept = keep_version(places, now)
        said = f"{name} was changed by another program while it was open here; that state is kept as"
        return kept, (f"{said} {kept.parent.name}/{kept.name}.",)
    if journal.folds and not is_due(places, now):
        return None, ()
    try:
        return keep_version(places, now), ()
    except (OutputError, ProjectError) as error:
        # To go on saving is worth more than the version before.
        return None, (f"The version of {name} before this save could not be kept: {error}",)
