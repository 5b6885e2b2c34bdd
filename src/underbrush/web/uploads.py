"""Dropped files that are not on this machine: streamed to disk, complete or not at all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from underbrush.errors import OutputError, UsageError
from underbrush.files import Replacing, make_folder_for, safe_name
from underbrush.web.browse import kind_of_name

MOST_BYTES = 16 << 30
"""The largest file that is taken; larger ones are put where the app runs by other means."""
SPARE_BYTES = 500_000_000
"""What stays free on the disk."""
_CHUNK = 4 << 20


def upload_target(folder: Path, name: str, size: int) -> Path:
    """Where an upload of ``size`` bytes goes: beside what is in ``folder``, never over it.

    Raises
    ------
    UsageError
        It is no image or project by its name, or too large.
    OutputError
        The disk has not enough space for it.
    """
    safe = safe_name(name.replace("\\", "/").rpartition("/")[2])
    if kind_of_name(safe) is None or safe.startswith("."):
        raise UsageError(
            f"{name[:100]!r} is no image or project by its name",
            remedy="export it as TIFF or HDF5, or give it the ending of its format",
        )
    if size > MOST_BYTES:
        raise UsageError(
            f"{name[:100]!r} has {size / 1e9:.1f} GB and at most {MOST_BYTES / 1e9:.0f} GB are copied",
            remedy="copy it to the computer that runs underbrush and browse for it there",
        )
    make_folder_for(folder / safe)
    free = shutil.disk_usage(folder).free
    if size + SPARE_BYTES > free:
        raise OutputError(
            f"{size / 1e9:.1f} GB do not fit, {free / 1e9:.1f} GB are free",
            where=folder,
            remedy="free some space, or start underbrush where there is more",
        )
    return _free_name(folder, safe)


def _free_name(folder: Path, name: str) -> Path:
    stem, dot, suffix = name.partition(".")
    path, number = folder / name, 2
    while path.exists() or path.is_symlink():
        path = folder / f"{stem} {number}{dot}{suffix}"
        number += 1
    return path


async def receive_upload(target: Path, chunks: AsyncIterator[bytes], size: int) -> None:
    """Write exactly ``size`` bytes to ``target``; nothing stays where others come, or the disk is full.

    Raises
    ------
    UsageError
        Fewer or more bytes than announced.
    OutputError
        The disk.
    """
    writing = await asyncio.to_thread(Replacing, target)
    taken = 0
    held: list[bytes] = []
    waiting = 0

    async def flush() -> None:
        nonlocal waiting
        data = b"".join(held)
        held.clear()
        waiting = 0
        await asyncio.to_thread(writing.file.write, data)

    try:
        async for chunk in chunks:
            taken += len(chunk)
            if taken > size:
                raise UsageError("more bytes came than were announced", remedy="drop the file again")
            held.append(chunk)
            waiting += len(chunk)
            if waiting >= _CHUNK:
                await flush()
        await flush()
        if taken != size:
            raise UsageError(f"{taken:,} of {size:,} bytes came", where=target, remedy="drop the file again")
        await asyncio.to_thread(writing.commit)
    except BaseException:
        writing.abort()
        raise
