"""Unfinished files of writers that were killed: removed by the next one who writes the same file.

A writer holds the lock of its unfinished file for as long as that has a hidden name, and the system gives the
lock back when the process ends, however it ends. So whoever gets the lock knows that nobody writes any more.
Some disks keep locks for each machine by itself: a file that was begun on another machine has to be a day
old, too. Where a disk has no locks nothing is removed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from underbrush.errors import OutputError
from underbrush.files.layer import layer
from underbrush.files.names import begun_here, hidden_name, hidden_target
from underbrush.files.output import OutputFile

ELSEWHERE_S = 24 * 3600.0
"""Age of a file of another machine, whose locks may not be seen here."""
_CLOSED_S = 60.0
"""Windows renames closed files only, so that there a finished file has no lock for a moment."""
_SHARE = 100
"""A folder is listed again after a hundred times as long as that takes: results come by thousands."""


@dataclass
class _Listing:
    until: float
    found: dict[str, list[str]] = field(default_factory=dict)
    """Start of the hidden name, which tells the target -> names."""


_listings: dict[Path, _Listing] = {}
_lock = threading.Lock()


def begin_hidden(target: Path, shown: Path) -> tuple[Path, OutputFile]:
    """A new file beside ``target`` under a hidden name, locked until it is closed where the disk has locks.

    Raises
    ------
    OutputError
        It cannot be made.
    """
    while True:
        hidden = hidden_name(target)
        file = OutputFile.create(hidden, shown=shown)
        try:
            # Between creating and locking somebody may have taken it for one of a dead writer.
            if file.lock() and _has_name(file, hidden):
                return hidden, file
        except OSError:  # there are no locks on this disk, so nobody removes anything either
            return hidden, file
        file.close()


def _has_name(file: OutputFile, path: Path) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) == file.identity


def remove_leftovers(target: Path) -> None:
    """Remove what writers of ``target`` left that were killed; what cannot be removed stays."""
    with _lock, contextlib.suppress(OSError):
        listing = _listings.get(target.parent)
        if listing is None or time.monotonic() > listing.until:
            listing = _listings[target.parent] = _listed(target.parent)
        names = listing.found.pop(hidden_target(hidden_name(target).name), [])
    for name in names if names else ():
        with contextlib.suppress(OSError, OutputError):
            _remove_dead(target.with_name(name))


def _listed(folder: Path) -> _Listing:
    begun, found = time.monotonic(), dict[str, list[str]]()
    for name in os.listdir(folder):  # noqa: PTH208 - names, not paths
        start = hidden_target(name)
        if start:
            found.setdefault(start, []).append(name)
    now = time.monotonic()
    return _Listing(now + _SHARE * (now - begun), found)


def _remove_dead(path: Path) -> None:
    status = path.lstat()
    age = time.time() - status.st_mtime
    least = 0.0 if begun_here(path.name) else ELSEWHERE_S
    if not stat.S_ISREG(status.st_mode) or age < max(least, _CLOSED_S if sys.platform == "win32" else 0.0):
        return
    file = OutputFile(path, os.O_RDWR)
    try:
        if file.lock():
            if sys.platform == "win32":
                file.close()
            layer().remove(path)
    finally:
        file.close()
