"""Recovery files as files: read whole, kept aside under a name of their own, removed."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underbrush.errors import ProjectError
from underbrush.files import OutputFile, explain, layer
from underbrush.project.journal_format import parse
from underbrush.project.places import Places, utc_now

MAX_JOURNAL = 1 << 31
"""Bytes of a recovery file that are read into memory."""
NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV,
     errno.EINVAL}
)  # fmt: skip
"""What file systems without hard links say; then a copy is made."""


@dataclass(frozen=True)
class Recovered:
    """A recovery file that was kept aside."""

    path: Path
    project: str
    """Id of the project that it belongs to."""
    base: str
    """SHA-256 of the .ilp that it extended."""
    created: str
    """UTC, ISO 8601."""
    records: tuple[dict[str, Any], ...]
    """All its readable edits, oldest first."""
    lost: int
    """Further edits, at least, that are damaged."""


def read_journal(path: Path) -> bytes | None:
    """The bytes of a recovery file, or None where there is none.

    Raises
    ------
    ProjectError
        It cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_JOURNAL:
                raise ProjectError(
                    f"the recovery file has {size} bytes, more than the {MAX_JOURNAL} that are read",
                    where=path,
                    remedy="move it away to open the project without it",
                )
            return file.read(MAX_JOURNAL)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProjectError(
            f"the recovery file cannot be read ({error.strerror or error})",
            where=path,
            remedy="check its rights and the disk, or move it away to open the project without it",
        ) from error


def read_recovered(path: str | os.PathLike[str]) -> Recovered:
    """A recovery file that was kept aside, so that its edits can be applied where lanes and ids still fit.

    Raises
    ------
    ProjectError
        It is missing, damaged from the start, or of a newer version.
    """
    file = Path(path)
    data = read_journal(file)
    if data is None:
        raise ProjectError("there is no such file", where=file, remedy="check the path")
    content = parse(data, str(file))
    return Recovered(
        file, content.project, content.marks[0].base, content.created, content.edits, content.lost
    )


def set_aside(places: Places, data: bytes) -> Path:
    """Keep the recovery file, whose bytes are ``data``, under a name of its own; it stays where it is too.

    Raises
    ------
    OutputError
        That is not possible.
    """
    for known in places.all_recovered():
        with contextlib.suppress(OSError):
            if known.stat().st_size == len(data) and known.read_bytes() == data:
                return known
    now, number = utc_now(), 1
    while True:
        kept = places.recovered(now, number)
        try:
            layer().link(places.journal, kept)
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise explain(error, kept) from error
            if os.path.lexists(kept):
                number += 1
                continue
            _copy(data, kept)
        sync_folder(kept)
        return kept


def _copy(data: bytes, kept: Path) -> None:
    file = OutputFile.create(kept)
    try:
        with file:
            file.write(data)
            file.fsync()
    except BaseException:
        with contextlib.suppress(OSError):  # a part of a copy is worth nothing
            layer().remove(kept)
        raise


def sync_folder(path: Path) -> None:
    """Make the name ``path`` survive a power cut.

    Raises
    ------
    OutputError
        That is not possible.
    """
    try:
        layer().sync_folder(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def remove_journal(journal: Path) -> None:
    """Remove a recovery file that was kept aside or says nothing.

    Raises
    ------
    OutputError
        That is not possible.
    """
    try:
        layer().remove(journal)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise explain(error, journal) from error


def counted(n: int) -> str:
    """``n`` changes, as text."""
    return f"{n} change" if n == 1 else f"{n} changes"
