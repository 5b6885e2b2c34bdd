"""A file open for reading at any position, from any thread, with errors that name it.

Files are read, not mapped into memory: a file that shrinks meanwhile is then an error and no crash,
and resident memory is what was asked for.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from underbrush.errors import ImageError


class BytesFile:
    """Reads bytes at positions. Thread-safe; `close` may be called twice."""

    def __init__(self, path: Path, location: str = "") -> None:
        self.location = location or str(path)
        self._lock = threading.Lock()
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise unreadable(error, self.location) from None
        self.size = os.fstat(self._fd).st_size

    def read_at(self, offset: int, count: int) -> bytes:
        """Exactly ``count`` bytes from ``offset``.

        Raises
        ------
        ImageError
            The file ends before, is closed or cannot be read.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise self.too_short(offset + count)
        buffer = bytearray(count)
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` (bytes) from ``offset``; errors as `read_at`."""
        done = 0
        while done < len(target):
            # One call reads at most 2 GiB on Linux, hence the loop.
            count = self._some(offset + done, target[done:])
            if count == 0:
                raise self.too_short(offset + len(target))
            done += count

    def _some(self, offset: int, target: memoryview) -> int:
        if self._fd < 0:
            raise ImageError("the image is closed", where=self.location, remedy="open it again")
        try:
            if hasattr(os, "preadv"):
                return os.preadv(self._fd, [target], offset)
            with self._lock:
                os.lseek(self._fd, offset, os.SEEK_SET)
                part = os.read(self._fd, min(len(target), 1 << 26))
        except OSError as error:
            raise unreadable(error, self.location) from None
        target[: len(part)] = part
        return len(part)

    def too_short(self, needed: int) -> ImageError:
        """The error of a file that ends before byte ``needed``."""
        return ImageError(
            f"the file is cut off: it has {self.size:,} bytes, {needed:,} are needed",
            where=self.location,
            remedy="copy or export it again",
        )

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()


def unreadable(error: OSError, location: str) -> ImageError:
    """The sentence for a file that the system refuses to open or read."""
    if isinstance(error, FileNotFoundError):
        return ImageError("there is no such file", where=location, remedy="check the name")
    if isinstance(error, IsADirectoryError):
        return ImageError("this is a folder, not a file", where=location, remedy="name a file")
    if isinstance(error, PermissionError):
        return ImageError(
            "you may not read this file", where=location, remedy="ask its owner for the right to"
        )
    reason = error.strerror or type(error).__name__
    return ImageError(
        f"the file cannot be read ({reason})", where=location, remedy="check the disk or network"
    )
