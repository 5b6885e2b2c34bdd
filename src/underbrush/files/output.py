"""A binary file whose every failure is a sentence that names it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from underbrush.errors import OutputError
from underbrush.files.layer import StrPath, layer
from underbrush.files.problems import explain

Identity = tuple[int, int]
"""Device and number of a file: another file of the same name has another one."""


class OutputFile(io.RawIOBase):
    """A binary file for reading and writing whose every failure is an `OutputError` that names it.

    ``write`` takes all bytes or fails. Once syncing has failed, nothing of the file is known to be on the
    disk, not even after a later sync that succeeds: every further call is refused. There is deliberately no
    ``fileno``, so that no library can write past the layer. For one thread at a time.
    """

    def __init__(self, path: StrPath, flags: int, *, shown: StrPath | None = None) -> None:
        super().__init__()
        self.path = Path(path)
        self._shown = Path(path if shown is None else shown)
        self._distrusted = False
        self._descriptor = -1
        try:
            self._descriptor = layer().open(path, flags)
        except OSError as error:
            raise explain(error, self._shown) from error
        except ValueError as error:  # a NUL byte in the path
            raise OutputError(f"the name cannot be used ({error})", where=repr(str(self._shown))) from error

    @classmethod
    def create(cls, path: StrPath, *, shown: StrPath | None = None) -> OutputFile:
        """A new file; fails where the name exists. ``shown`` is the name that messages give."""
        return cls(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, shown=shown)

    @classmethod
    def update(cls, path: StrPath) -> OutputFile:
        """An existing file, or a new empty one, for reading and writing anywhere."""
        return cls(path, os.O_RDWR | os.O_CREAT)

    def _call(self, name: str, *arguments: Any) -> Any:
        if self.closed:
            raise ValueError("the file is closed")
        if self._distrusted:
            raise OutputError(
                "syncing failed before, so what it holds cannot be trusted",
                where=self._shown,
                remedy="check the disk, then save under another name",
            )
        try:
            return getattr(layer(), name)(self._descriptor, *arguments)
        except OSError as error:
            if name in {"fsync", "sync_data"}:
                self._distrusted = True
            raise explain(error, self._shown) from error

    def readable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    @property
    def identity(self) -> Identity:
        """What tells this file from others that had or will have its name."""
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` from the current position; fewer bytes only at the end of the file."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view):
            data = self._call("read", len(view) - done)
            if not data:
                break
            view[done : done + len(data)] = data
            done += len(data)
        return done

    def write(self, data: Any, /) -> int:
        """Write all of ``data`` at the current position."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            taken = self._call("write", view[done:])
            if taken <= 0:
                raise explain(OSError(errno.EIO, "no byte was taken"), self._shown)
            done += taken
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position and return it."""
        return int(self._call("seek", offset, whence))

    def tell(self) -> int:
        """The position."""
        return self.seek(0, os.SEEK_CUR)

    def truncate(self, size: int | None = None, /) -> int:
        """Cut or extend the file to ``size`` bytes, by default to the position."""
        size = self.tell() if size is None else size
        self._call("truncate", size)
        return size

    def fsync(self) -> None:
        """Return when all is on the disk itself."""
        self._call("fsync")

    def sync_data(self) -> None:
        """Return when bytes and size are on the disk itself; as `fsync` where the system has no such call."""
        self._call("sync_data")

    def lock(self) -> bool:
        """Take the file's lock without waiting; False where another holds it. Closing gives it back.

        Raises
        ------
        OSError
            The file system has no locks.
        """
        try:
            layer().lock(self._descriptor)
        except BlockingIOError:
            return False
        return True

    @contextlib.contextmanager
    def kept_locked(self) -> Iterator[None]:
        """The lock outlives `close`, until the block ends; not on Windows, which renames closed files only.

        Raises
        ------
        OSError
            There are no descriptors left.
        """
        if sys.platform == "win32":
            yield
            return
        other = layer().duplicate(self._descriptor)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # closing the file itself has told what there was to tell
                layer().close(other)

    def close(self) -> None:
        """Release the file; a write error that the system kept back until now is raised."""
        if self.closed:
            return
        super().close()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            layer().close(descriptor)
        except OSError as error:
            raise explain(error, self._shown) from error
