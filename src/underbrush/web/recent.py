"""The projects that were opened last, kept between starts: for the start screen and for tabs that stay open.

The id of a project comes from where it lies, so that it is the same after a restart: what a browser has kept
for it still finds it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from underbrush.errors import OutputError
from underbrush.files import Replacing

FORMAT = 1
KEPT = 50
"""Projects that are known; the start screen shows fewer."""
SHOWN = 5
ID = re.compile(r"[a-z]{8}")
_LOG = logging.getLogger(__name__)


def project_id(path: Path) -> str:
    """Eight letters for the project at an absolute path."""
    number = int.from_bytes(hashlib.sha256(os.fsencode(path)).digest()[:8], "big")
    letters = []
    for _ in range(8):
        number, letter = divmod(number, 26)
        letters.append("abcdefghijklmnopqrstuvwxyz"[letter])
    return "".join(letters)


def state_folder() -> Path:
    """Where the list of recent projects is kept."""
    override = os.environ.get("UNDERBRUSH_STATE_DIR")
    return Path(override) if override else Path(platformdirs.user_state_dir("underbrush"))


@dataclass(frozen=True, slots=True)
class Recent:
    """A project that was opened before."""

    path: Path
    opened: datetime
    """In UTC."""

    @property
    def id(self) -> str:
        """As in the addresses of the server."""
        return project_id(self.path)

    @property
    def missing(self) -> bool:
        """Whether the file is gone."""
        try:
            return not self.path.is_file()
        except OSError:
            return True

    def to_json(self) -> dict[str, object]:
        """For the browser."""
        return {
            "project": self.id,
            "name": self.path.name,
            "path": str(self.path),
            "opened": self.opened.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "missing": self.missing,
        }


class RecentList:
    """The list on disk; may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "recent.json"
        self._thumbnails = folder / "thumbnails"
        self._lock = threading.Lock()

    def all(self) -> Sequence[Recent]:
        """What is known, the last opened first; a list that cannot be read is empty."""
        with self._lock:
            return self._read()

    def find(self, ident: str) -> Path | None:
        """Where the project with this id lies, if it was opened before."""
        return next((one.path for one in self.all() if one.id == ident), None)

    def add(self, path: Path) -> None:
        """Put a project first. A failure to write costs the list, not the work: it is logged."""
        with self._lock:
            others = [one for one in self._read() if one.path != path]
            self._write([Recent(path, datetime.now(UTC)), *others][:KEPT])

    def remove(self, ident: str) -> None:
        """Forget a project; its file stays."""
        with self._lock:
            self._write([one for one in self._read() if one.id != ident])

    def thumbnail(self, ident: str) -> bytes | None:
        """The PNG kept for a project, or None."""
        if ID.fullmatch(ident) is None:
            return None
        try:
            return (self._thumbnails / f"{ident}.png").read_bytes()
        except OSError:
            return None

    def keep_thumbnail(self, ident: str, data: bytes) -> None:
        """Keep a PNG for a project; a failure is logged."""
        try:
            with Replacing(self._thumbnails / f"{ident}.png") as file:
                file.write(data)
        except OutputError as error:
            _LOG.info("no thumbnail is kept: %s", error)

    def _read(self) -> list[Recent]:
        try:
            said = json.loads(self._file.read_text(encoding="utf-8"))
            if said["format"] != FORMAT:
                return []
            found = [Recent(Path(p["path"]), datetime.fromisoformat(p["opened"])) for p in said["projects"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            _LOG.info("the list of recent projects cannot be read: %s", error)
            return []
        return [one for one in found if one.path.is_absolute()]

    def _write(self, projects: Sequence[Recent]) -> None:
        lines = [{"path": str(p.path), "opened": p.opened.isoformat(timespec="seconds")} for p in projects]
        try:
            with Replacing(self._file) as file:
                file.write(json.dumps({"format": FORMAT, "projects": lines}).encode())
        except (OutputError, UnicodeEncodeError) as error:
            _LOG.info("the list of recent projects cannot be kept: %s", error)
