"""HDF5 through a file of ours, so that a full disk is a sentence and never a crash."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from underbrush.files.layer import StrPath
from underbrush.files.output import OutputFile
from underbrush.files.replacing import Replacing

if TYPE_CHECKING:
    import h5py


class LibraryFile(io.RawIOBase):
    """Stands between a C library and an `OutputFile`: the first failure is kept, then the file only pretends.

    libhdf5 calls back into Python from places where an exception cannot travel and retries its writes when
    it closes; raising again there leaves its handles open. So after the first failure writes are dropped and
    reads give zeros until the library has let go; `check` then raises what happened.
    """

    def __init__(self, file: OutputFile) -> None:
        super().__init__()
        self._file = file
        self._lock = threading.Lock()
        self._position = 0
        self._size = file.seek(0, os.SEEK_END)
        self.failure: BaseException | None = None

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self.failure is not None:
            raise self.failure

    def _try(self, call: Any, *arguments: Any) -> Any:
        if self.failure is not None:
            return None
        try:
            self._file.seek(self._position)
            return call(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised again by check(), outside the library
            self.failure = error
            return None

    def readable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer``; zeros after a failure."""
        with self._lock:
            view = memoryview(buffer).cast("B")
            done = self._try(self._file.readinto, view)
            if done is None:
                view[:] = bytes(len(view))
                done = len(view)
            self._position += done
            return int(done)

    def write(self, data: Any, /) -> int:
        """Write all of ``data``; dropped after a failure."""
        with self._lock:
            size = memoryview(data).nbytes
            self._try(self._file.write, data)
            self._position += size
            self._size = max(self._size, self._position)
            return size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position and return it."""
        with self._lock:
            base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
            self._position = base + offset
            return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def truncate(self, size: int | None = None, /) -> int:
        """Cut or extend the file."""
        with self._lock:
            self._size = self._position if size is None else size
            self._try(self._file.truncate, self._size)
            return self._size

    def flush(self) -> None:
        """Nothing is kept back here; syncing is for who owns the file."""


@contextlib.contextmanager
def hdf5_in(output: OutputFile, mode: str = "w", **options: Any) -> Iterator[h5py.File]:
    """An HDF5 file inside an open `OutputFile`; a failure of the disk comes out as what it was.

    ``mode`` and ``options`` go to ``h5py.File``. ``output`` stays open.

    Raises
    ------
    OutputError
        The disk is full or gone.
    """
    import h5py  # noqa: PLC0415 - not needed by who writes no HDF5

    between = LibraryFile(output)
    try:
        file = h5py.File(between, mode, **options)
        try:
            yield file
        finally:
            file.close()
    except Exception as error:
        # Once the file only pretends, the library may complain about what it reads: the cause counts.
        if between.failure is not None and error is not between.failure:
            raise between.failure from error
        raise
    between.check()


@contextlib.contextmanager
def replacing_hdf5(path: StrPath, **options: Any) -> Iterator[h5py.File]:
    """A new HDF5 file that takes the name ``path`` when the block ends without an exception.

    ``options`` go to ``h5py.File``. See `Replacing`.

    Raises
    ------
    OutputError
        The disk is full or gone; ``path`` is as it was before.
    """
    with Replacing(path) as output, hdf5_in(output, "w", **options) as file:
        yield file
