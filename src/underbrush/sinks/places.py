"""Where a result lies on the disk: one file, a folder of many, or numbered files side by side."""

from __future__ import annotations

import os
import re
from pathlib import Path

SLICE = "{slice_index}"
"""Stands in the name of a sequence for the number of a slice."""


def files_of(path: Path) -> list[Path]:
    """The files and folders that have the name, in the order of their numbers; none where there are none.

    Where ``path`` holds `SLICE` these are all numbered files.
    """
    if SLICE not in path.name:
        return [path] if path.exists() else []
    numbered = re.compile(r"(\d+)".join(re.escape(part) for part in path.name.split(SLICE)))
    try:
        found = [
            (match, entry) for entry in path.parent.iterdir() if (match := numbered.fullmatch(entry.name))
        ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    # Several places have the same number.
    same = [(int(match[1]), entry) for match, entry in found if len(set(match.groups())) == 1]
    return [entry for _, entry in sorted(same)]


def is_there(path: Path) -> bool:
    """Whether something has the name of this result."""
    return bool(files_of(path))


def size_of(path: Path) -> int:
    """Bytes of all files of a result.

    Raises
    ------
    OSError
        One cannot be looked at.
    """
    return sum(_size(entry) for entry in files_of(path))


def stamp_of(path: Path) -> list[int] | None:
    """Size and time of a result, which change when it does; None where there is none.

    Of a folder its own: a result that is a folder is never changed in place, but replaced.

    Raises
    ------
    OSError
        It cannot be looked at.
    """
    states = [entry.stat() for entry in files_of(path)]
    if not states:
        return None
    return [sum(s.st_size for s in states), max(s.st_mtime_ns for s in states)]


def _size(entry: Path) -> int:
    if not entry.is_dir():
        return entry.stat().st_size
    return sum(Path(folder, name).stat().st_size for folder, _, names in os.walk(entry) for name in names)
