"""The files of the machine that the app runs on, as far as they may be seen: below the allowed roots only.

Every path that comes from a browser goes through `Roots.resolve`: links are followed first, and what they
lead to must lie below a root and must not be hidden.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from underbrush.errors import UsageError

Kind = Literal["folder", "project", "image"]

MOST = 5000
"""Entries of a folder that are listed."""
SEARCH_SECONDS = 2.0
SEARCH_FOLDERS = 20_000
IMAGE_FOLDERS = frozenset({".zarr", ".n5", ".precomputed"})
"""Endings of folders that are images."""
_SUFFIX = re.compile(r"\.(ome\.)?[a-z0-9]{1,8}$", re.IGNORECASE)
_HIDDEN_ATTRIBUTES = getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 2) | getattr(stat, "FILE_ATTRIBUTE_SYSTEM", 4)


class AccessError(UsageError):
    """A path that may not be seen from the browser, or is not there; both are said in the same words."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a folder."""

    name: str
    path: Path
    kind: Kind
    size: int
    """Bytes; 0 for a folder."""
    modified: datetime
    """In UTC."""
    folder: bool = False
    """Whether it is a folder on the disk, as the images of Zarr, N5 and precomputed are."""

    def to_json(self) -> dict[str, object]:
        """For the browser."""
        return {
            "name": self.name,
            "path": str(self.path),
            "kind": self.kind,
            "size": self.size,
            "folder": self.folder,
            "modified": self.modified.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder holds that can be opened."""

    path: Path
    parent: Path | None
    """None at a root."""
    entries: tuple[Entry, ...]
    """Folders, then projects and images, each in natural order."""
    others: int
    """Files that are of no use here."""
    more: bool
    """There are more than are listed."""

    def to_json(self) -> dict[str, object]:
        """For the browser."""
        return {
            "path": str(self.path),
            "parent": None if self.parent is None else str(self.parent),
            "entries": [entry.to_json() for entry in self.entries],
            "others": self.others,
            "more": self.more,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as a browser knows it."""

    name: str
    size: int
    modified: float
    """Seconds since 1970; browsers give milliseconds, some file systems two seconds."""
    folder: bool = False
    """A folder that is an image: it has no size and no date that tell, so its name decides."""


class Roots:
    """The folders that may be seen, with all that lies below them."""

    def __init__(self, folders: Iterable[Path]) -> None:
        found: list[Path] = []
        for folder in folders:
            with contextlib.suppress(OSError, RuntimeError):  # a root that is not there shows nothing
                real = folder.expanduser().resolve(strict=True)
                if real.is_dir() and real not in found:
                    found.append(real)
        self.folders: tuple[Path, ...] = tuple(found)

    def with_folder(self, folder: Path) -> Roots:
        """These roots and one more, unless it lies below one already."""
        with contextlib.suppress(AccessError):
            self.resolve(str(folder))
            return self
        return Roots((*self.folders, folder))

    def resolve(self, text: str) -> Path:
        """The real path of what ``text`` names.

        Raises
        ------
        AccessError
            It is no absolute path, not there, hidden, or leads out of the roots.
        """
        refused = AccessError(
            "this is not among the folders that may be opened here",
            where=text[:300] or "''",
            remedy="choose another, or start underbrush with --root and this folder",
        )
        try:
            path = Path(text).expanduser() if text.startswith("~") else Path(text)
            if not text or not path.is_absolute():
                raise refused
            real = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):  # not there; a ring of links; a NUL byte
            raise self._absence(text) or refused from None
        if not self.holds(real):
            raise refused
        return real

    def _absence(self, text: str) -> AccessError | None:
        """That a path is not there, where all that it names before may be seen and is listed anyway."""
        path = Path(text)
        if ".." in path.parts or "\0" in text or not path.is_absolute():
            return None
        try:
            there = next(folder for folder in path.parents if os.path.lexists(folder))
            real = there.resolve(strict=True)
            missing = path.relative_to(there).parts
            if os.path.lexists(path) or not real.is_dir() or not self.holds(real):
                return None
        except (OSError, RuntimeError, StopIteration):
            return None
        if any(part.startswith(".") for part in missing):
            return None
        return AccessError(
            f"there is no {missing[0][:100]!r} in this folder",
            where=str(there)[:300],
            remedy="look at the folder with Browse, or check the name",
        )

    def holds(self, real: Path) -> bool:
        """Whether a resolved path lies below a root, with no hidden part on the way."""
        for root in self.folders:
            if real == root:
                return True
            if real.is_relative_to(root):
                parts = real.relative_to(root).parts
                if not any(part.startswith(".") for part in parts) and not _system_hidden(real):
                    return True
        return False

    def listing(self, text: str) -> Listing:
        """What the folder ``text`` holds; the empty text is the first root.

        Raises
        ------
        AccessError
            It may not be seen, is no folder, or cannot be read.
        """
        folder = self.resolve(text) if text else self._first()
        found: list[Entry] = []
        others, more = 0, False
        try:
            with os.scandir(folder) as lines:
                for line in lines:
                    if len(found) >= MOST:
                        more = True
                        break
                    entry = self._entry(folder, line.name)
                    if entry is not None:
                        found.append(entry)
                    elif not line.name.startswith("."):
                        others += 1
        except NotADirectoryError:
            raise AccessError("this is a file, not a folder", where=folder, remedy="open it") from None
        except OSError as error:
            problem = f"the folder cannot be read ({error.strerror})"
            raise AccessError(problem, where=folder, remedy="choose another") from None
        found.sort(key=lambda e: (e.kind != "folder", _natural(e.name)))
        parent = None if folder in self.folders else folder.parent
        return Listing(folder, parent, tuple(found), others, more)

    def locate(
        self, wanted: Sequence[Wanted], first: Iterable[Path] = (), seconds: float = SEARCH_SECONDS
    ) -> list[Path | None]:
        """For each file that was dropped: one with the same name, size and date below the roots, or None.

        Of a folder that is an image (Zarr, N5, precomputed) the name decides.

        The folders ``first`` are looked through before the roots; the search ends after ``seconds``.
        """
        found: list[Path | None] = [None] * len(wanted)
        by_name: dict[str, list[int]] = {}
        for index, one in enumerate(wanted):
            by_name.setdefault(_same_name(one.name), []).append(index)
        until = time.monotonic() + seconds
        for folder, names in self._walk([*first, *self.folders], until):
            for name in names:
                for index in by_name.get(_same_name(name), ()):
                    path = folder / name
                    if found[index] is None and self._is_same(path, wanted[index]):
                        found[index] = path.resolve()
            if all(path is not None for path in found):
                break
        return found

    def _is_same(self, path: Path, wanted: Wanted) -> bool:
        try:
            status = path.stat()
            inside = self.holds(path.resolve())
        except (OSError, RuntimeError):
            return False
        near = abs(status.st_mtime - wanted.modified) <= 2.0
        if wanted.folder:
            return inside and stat.S_ISDIR(status.st_mode)
        return inside and stat.S_ISREG(status.st_mode) and status.st_size == wanted.size and near

    def _walk(self, starts: list[Path], until: float) -> Iterator[tuple[Path, list[str]]]:
        """Folders with the names of their files and of folders that are images, breadth first.

        Links to folders are not followed, and images are not looked into: they have many thousand files.
        """
        queue = deque(start for start in starts if self.holds(start))
        seen: set[Path] = set()
        while queue and len(seen) < SEARCH_FOLDERS and time.monotonic() < until:
            folder = queue.popleft()
            if folder in seen:
                continue
            seen.add(folder)
            files: list[str] = []
            with contextlib.suppress(OSError), os.scandir(folder) as lines:
                for line in lines:
                    if line.name.startswith("."):
                        continue
                    with contextlib.suppress(OSError):
                        if line.is_dir(follow_symlinks=False) and kind_of_folder(line.name) == "folder":
                            queue.append(folder / line.name)
                        else:
                            files.append(line.name)
            yield folder, files

    def _first(self) -> Path:
        if not self.folders:
            raise AccessError("there is no folder that may be opened", remedy="start underbrush with --root")
        return self.folders[0]

    def _entry(self, folder: Path, name: str) -> Entry | None:
        """The line for a name, or None where it is hidden, leads out of the roots, or is of no use."""
        if name.startswith("."):
            return None
        path = folder / name
        try:
            real = path.resolve(strict=True)
            status = real.stat()
        except (OSError, RuntimeError):
            return None
        if not self.holds(real):
            return None
        kind = kind_of_name(name) if stat.S_ISREG(status.st_mode) else None
        if stat.S_ISDIR(status.st_mode):
            kind = kind_of_folder(name)
        if kind is None:
            return None
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        is_folder = stat.S_ISDIR(status.st_mode)
        return Entry(name, path, kind, 0 if is_folder else status.st_size, modified, is_folder)


def kind_of_folder(name: str) -> Kind:
    """Whether a folder of this name is an image."""
    return "image" if Path(name).suffix.lower() in IMAGE_FOLDERS else "folder"


def kind_of_name(name: str) -> Kind | None:
    """Whether a file of this name can be opened as a project or an image; None: neither."""
    from underbrush.sources.kinds import IMAGE_SUFFIXES  # noqa: PLC0415  (imports numpy; the address comes first)

    match = _SUFFIX.search(name)
    suffix = "" if match is None else "." + match[0].lower().rpartition(".")[2]
    if suffix == ".ilp" or name.lower().endswith(".ilp.zip"):
        return "project"
    if name.lower().endswith(".zarr.zip"):
        return "image"
    return "image" if suffix in IMAGE_SUFFIXES else None


def _system_hidden(path: Path) -> bool:
    """Whether Windows calls the file hidden; elsewhere names say it."""
    try:
        return bool(getattr(path.stat(), "st_file_attributes", 0) & _HIDDEN_ATTRIBUTES)
    except OSError:
        return False


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Orders img2 before img10, and letters without regard to case."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name).casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _same_name(name: str) -> str:
    return unicodedata.normalize("NFC", name)
