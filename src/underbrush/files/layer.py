"""The calls to the operating system through which all is written; exchangeable, to try faults."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

StrPath = str | os.PathLike[str]

_BINARY = getattr(os, "O_BINARY", 0)
_LOCKED_BYTE = 1 << 30
"""Where Windows locks a file: beyond its text, which others want to read."""


class FileLayer:
    """The calls through which all is written. Each raises OSError; a subclass can inject faults."""

    def open(self, path: StrPath, flags: int, mode: int = 0o666) -> int:
        """A file descriptor; binary, not inherited by child processes."""
        return os.open(path, flags | _BINARY, mode)

    def close(self, descriptor: int) -> None:
        """Release the descriptor; network file systems report late write errors here."""
        os.close(descriptor)

    def read(self, descriptor: int, size: int) -> bytes:
        """Up to ``size`` bytes from the current position; empty at the end."""
        return os.read(descriptor, size)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write at the current position; the number of bytes taken, perhaps fewer than given."""
        return os.write(descriptor, data)

    def seek(self, descriptor: int, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position and return it."""
        return os.lseek(descriptor, offset, whence)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut or extend the file."""
        os.ftruncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        """Return when the bytes are on the disk itself."""
        if sys.platform == "darwin":
            # There, fsync only hands the bytes to the drive's cache.
            import fcntl  # noqa: PLC0415 - absent on Windows

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)

    def sync_data(self, descriptor: int) -> None:
        """Return when the bytes and the size of the file are on the disk itself (its times may not be)."""
        if sys.platform == "linux":
            os.fdatasync(descriptor)
        else:
            self.fsync(descriptor)

    def lock(self, descriptor: int) -> None:
        """Take the lock of an open file for this descriptor alone, without waiting; closing gives it back.

        Raises BlockingIOError where another descriptor has it, any other OSError where there are no locks.
        """
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - absent elsewhere

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except PermissionError as error:
                raise BlockingIOError(errno.EAGAIN, "locked") from error
            finally:
                os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl  # noqa: PLC0415 - absent on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def duplicate(self, descriptor: int) -> int:
        """Another descriptor of the same open file, which has its lock, too."""
        return os.dup(descriptor)

    def replace(self, source: StrPath, target: StrPath) -> None:
        """Give ``source`` the name ``target`` in one step, in place of what was there."""
        Path(source).replace(target)

    def exchange(self, one: StrPath, other: StrPath) -> None:
        """Give each of two files or folders the name of the other, in one step.

        Raises OSError (ENOSYS, EINVAL, ENOTSUP) where the system or the disk cannot.
        """
        import ctypes  # noqa: PLC0415 - seldom needed

        names = os.fsencode(one), os.fsencode(other)
        system: Any = ctypes.CDLL(None, use_errno=True) if sys.platform != "win32" else None
        swap = 2
        if sys.platform == "linux" and hasattr(system, "renameat2"):
            here = -100  # relative paths count from the current folder
            failed = system.renameat2(here, names[0], here, names[1], ctypes.c_uint(swap))
        elif sys.platform == "darwin" and hasattr(system, "renamex_np"):
            failed = system.renamex_np(names[0], names[1], ctypes.c_uint(swap))
        else:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        if failed:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def link(self, source: StrPath, target: StrPath) -> None:
        """Give the file ``source`` a second name; fails where the name exists or the disk has no links."""
        os.link(source, target)

    def remove(self, path: StrPath) -> None:
        """Delete a file."""
        Path(path).unlink()

    def remove_folder(self, path: StrPath) -> None:
        """Delete an empty folder."""
        Path(path).rmdir()

    def make_folders(self, path: StrPath) -> None:
        """Create the folder and those above it, where missing."""
        Path(path).mkdir(parents=True, exist_ok=True)

    def sync_folder(self, path: StrPath) -> None:
        """Make a new or changed name in this folder survive a power cut (Windows has no such call)."""
        if sys.platform == "win32":
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Some network and FUSE file systems cannot sync a folder; that is no sign of lost data.
            if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}:
                raise
        finally:
            os.close(descriptor)


_layers: list[FileLayer] = [FileLayer()]


def layer() -> FileLayer:
    """The layer in force, the same for all threads."""
    return _layers[-1]


@contextlib.contextmanager
def using(other: FileLayer) -> Iterator[FileLayer]:
    """Exchange the layer for the whole process, for tests."""
    _layers.append(other)
    try:
        yield other
    finally:
        _layers.remove(other)
