"""A file as libraries want it, with a position, read through a `BytesFile`."""

from __future__ import annotations

import io

from underbrush.sources.bytesfile import BytesFile


class Stream(io.RawIOBase):
    """Reads where it stands. For one thread at a time; it is never mapped into memory."""

    def __init__(self, file: BytesFile) -> None:
        super().__init__()
        self._file = file
        self._at = 0
        self.reads = 0
        """How often something was read."""
        self.cut = False
        """Whether more was wanted than there is."""

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes; fewer at the end, for which no memory is taken."""
        left = max(0, self._file.size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        self.reads += 1
        self.cut |= size is not None and size > left
        data = self._file.read_at(self._at, count) if count else b""
        self._at += count
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # of bytes, as io calls it
        """Fill ``buffer`` as far as the file goes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See `io.IOBase.seek`."""
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if at < 0:
            raise OSError("a position before the file")
        self._at = at
        return at

    def tell(self) -> int:
        """Where it stands."""
        return self._at

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True
