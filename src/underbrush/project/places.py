"""What lies beside a project file, and what tells one state of a file from another."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from underbrush.errors import ProjectError
from underbrush.files.names import NAME_BYTES
from underbrush.project.storage import check_file

_PART = 1 << 20


@dataclass(frozen=True)
class Places:
    """The names that belong to one project; links are followed, so every way to a project gives the same."""

    project: Path
    """The .ilp file itself."""

    @property
    def journal(self) -> Path:
        """Edits made after the last save."""
        return self._beside(".journal")

    @property
    def lock(self) -> Path:
        """Who has the project open for writing."""
        return self._beside(".lock")

    @property
    def versions(self) -> Path:
        """The folder of earlier versions."""
        return self.project.with_name(self._stem(".versions") + ".versions")

    def recovered(self, when: datetime, number: int = 1) -> Path:
        """A name for a recovery file that is kept aside; ``number`` tells those of one second apart."""
        tail = f".recovered-{stamp(when)}{'' if number == 1 else f'-{number}'}.journal"
        return self.project.with_name(self._stem(tail) + tail)

    def all_recovered(self) -> list[Path]:
        """The recovery files that were kept aside, oldest first."""
        known = re.compile(r"(?s)(.+)\.recovered-\d{8}T\d{6}Z(-\d+)?\.journal")
        try:
            names = os.listdir(self.project.parent)  # noqa: PTH208 - names, not paths
        except OSError:
            return []  # a folder that cannot be listed offers nothing
        return [
            self.project.with_name(name)
            for name in sorted(names)
            if (match := known.fullmatch(name)) and match[1] == self._stem(name[len(match[1]) :])
        ]

    def _stem(self, tail: str) -> str:
        """The project's name without suffix, short enough to take ``tail``."""
        stem = self.project.name
        if stem.lower().endswith(".ilp") and len(stem) > 4:
            stem = stem[:-4]
        cut = os.fsencode(stem)[: NAME_BYTES - len(os.fsencode(tail))]
        return cut.decode("utf-8", "ignore") if len(cut) < len(os.fsencode(stem)) else stem

    def _beside(self, tail: str) -> Path:
        name = self.project.name
        if len(os.fsencode(name + tail)) > NAME_BYTES:
            raise ProjectError(
                "the name is too long for the files that keep it safe to lie beside it",
                where=self.project,
                remedy=f"rename it to at most {NAME_BYTES - 20} letters",
            )
        return self.project.with_name(name + tail)


def places_of(path: str | os.PathLike[str]) -> Places:
    """The places of a project.

    Raises
    ------
    ProjectError
        The path cannot be used.
    """
    try:
        return Places(Path(path).resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a ring of links, a NUL byte
        raise ProjectError(f"the path cannot be used ({error})", where=repr(os.fspath(path))) from error


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def stamp(when: datetime) -> str:
    """A time as part of a name: ``20261123T051427Z``."""
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


@dataclass(frozen=True)
class Identity:
    """What is cheap to ask of a file and differs when another program has changed it."""

    device: int
    number: int
    size: int
    changed_ns: int


def identity_of(path: Path) -> Identity | None:
    """The identity of a file, or None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    ProjectError
        The file is missing or cannot be read.
    """
    check_file(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while part := file.read(_PART):
                digest.update(part)
    except OSError as error:
        raise ProjectError(
            f"it cannot be read ({error.strerror or error})", where=path, remedy="check the disk"
        ) from error
    return digest.hexdigest()
