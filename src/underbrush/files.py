"""Every byte that is written goes through here, so that no file is ever half there, and faults can be tried.

`FileLayer` is the handful of calls to the operating system; tests exchange it for one that fails (`using`).
On it stand `OutputFile` (a binary file whose errors are sentences), `Replacing` (a file appears under its
name complete and synced, or not at all), `replacing_hdf5` (the same for HDF5) and `check_output` (refuse
before computing what could not be written, or would destroy an input).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from underbrush.errors import OutputError

if TYPE_CHECKING:
    import h5py

StrPath = str | os.PathLike[str]

NAME_BYTES = 255
"""Longest name of a file, in bytes, on the file systems of Linux, macOS and Windows."""

_BINARY = getattr(os, "O_BINARY", 0)


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

    def replace(self, source: StrPath, target: StrPath) -> None:
        """Give ``source`` the name ``target`` in one step, in place of what was there."""
        Path(source).replace(target)

    def remove(self, path: StrPath) -> None:
        """Delete a file."""
        Path(path).unlink()

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


_SENTENCES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "free some space or choose a folder on another disk"),
    errno.EDQUOT: ("your disk quota is used up", "free some space or choose a folder on another disk"),
    errno.EFBIG: (
        "the file would become larger than this disk or your limits allow",
        "choose a folder on another disk, or a compressed format",
    ),
    errno.EACCES: ("there is no permission to write here", "choose a folder that you may write to"),
    errno.EPERM: ("there is no permission to write here", "choose a folder that you may write to"),
    errno.EROFS: ("this disk is read-only", "choose a folder that you may write to"),
    errno.EISDIR: ("a folder of this name is in the way", "choose another name"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "choose another folder"),
    errno.EEXIST: ("something of this name is in the way", "choose another name"),
    errno.ENAMETOOLONG: (
        f"the name is too long (a file's name may have {NAME_BYTES} bytes)",
        "choose a shorter one",
    ),
    errno.ENOENT: ("the folder does not exist any more", "create it or choose another"),
    errno.ELOOP: ("the path is a ring of links", "choose another path"),
    errno.EIO: ("the disk reported an error while writing", "check the disk, or choose another"),
    errno.ESTALE: ("the network folder has gone", "connect it again, or choose another"),
    errno.ENODEV: ("the disk has gone", "connect it again, or choose another"),
    errno.ENXIO: ("the disk has gone", "connect it again, or choose another"),
    errno.EMFILE: ("too many files are open", "raise the limit with `ulimit -n` or use fewer jobs"),
    errno.ENFILE: ("too many files are open", "close other programs or use fewer jobs"),
    errno.EBUSY: ("another program holds the file", "close it there and try again"),
}


def explain(error: OSError, path: StrPath) -> OutputError:
    """The sentence for an error of the operating system while writing ``path``."""
    problem, remedy = _SENTENCES.get(
        error.errno or 0,
        (f"it cannot be written ({error.strerror or error})", "check the disk or choose another folder"),
    )
    return OutputError(problem, where=path, remedy=remedy)


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
            if name == "fsync":
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


def hidden_name(path: Path) -> Path:
    """A new name beside ``path`` that file listings hide, short enough for every file system."""
    tail = f".{secrets.token_hex(6)}.part"
    stem = path.name.encode("utf-8", "surrogateescape")[: NAME_BYTES - len(tail) - 1]
    return path.with_name("." + stem.decode("utf-8", "ignore") + tail)


def make_folder_for(path: StrPath) -> None:
    """Create the folder that ``path`` lies in, and those above it, where missing.

    Raises
    ------
    OutputError
        It cannot be created.
    """
    try:
        layer().make_folders(Path(path).parent)
    except OSError as error:
        if error.errno == errno.EEXIST:
            error = NotADirectoryError(errno.ENOTDIR, "not a folder")
        raise explain(error, path) from error


def scratch_file(beside: StrPath) -> OutputFile:
    """A nameless file on the disk of ``beside``, gone when it is closed, even by a crash (Linux, macOS).

    Its folder is created where missing.
    """
    target = Path(beside)
    make_folder_for(target)
    hidden = hidden_name(target)
    if sys.platform == "win32":
        return OutputFile(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TEMPORARY, shown=target)
    file = OutputFile.create(hidden, shown=target)
    try:
        layer().remove(hidden)
    except OSError as error:
        file.close()
        raise explain(error, target) from error
    return file


class Replacing:
    """Write a file so that its name shows the old content or all of the new, never anything between.

    The bytes go to a hidden name in the same folder (created where missing), are synced, and are renamed
    over the target; then the folder is synced. On any failure the hidden file is removed and the target is
    untouched. A symbolic link is followed: the file that it names is replaced, the link stays.

    As a context manager it gives the `OutputFile`, commits on success and aborts on any exception; otherwise
    call `commit` or `abort`.

    Raises
    ------
    OutputError
        From every method; what the operating system reported, as a sentence.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        target = _resolved(self.path)
        _check_target(target, self.path)
        make_folder_for(target)
        self._target = target
        self._hidden = hidden_name(target)
        self._open = True
        self.file = OutputFile.create(self._hidden, shown=self.path)

    def commit(self) -> None:
        """Sync, rename, sync the folder."""
        if not self._open:
            raise ValueError("the file was already committed or aborted")
        try:
            self.file.fsync()
            self.file.close()
            layer().replace(self._hidden, self._target)
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError):
                raise explain(error, self.path) from error
            raise
        self._open = False
        try:
            layer().sync_folder(self._target.parent)
        except OSError as error:
            # The complete file has its name already; only a power cut right now could take that back.
            problem = f"the file is complete, but its folder could not be synced ({error.strerror or error})"
            raise OutputError(problem, where=self.path, remedy="check the disk") from error

    def abort(self) -> None:
        """Remove what was written; does nothing after a commit."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(OutputError):  # what cannot be written any more is thrown away here
            self.file.close()
        with contextlib.suppress(OSError):  # the disk is gone: there is nothing left that could be removed
            layer().remove(self._hidden)

    def __enter__(self) -> OutputFile:
        return self.file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


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
def replacing_hdf5(path: StrPath, **options: Any) -> Iterator[h5py.File]:
    """A new HDF5 file that takes the name ``path`` when the block ends without an exception.

    ``options`` go to ``h5py.File``. See `Replacing`.

    Raises
    ------
    OutputError
        The disk is full or gone; ``path`` is as it was before.
    """
    import h5py  # noqa: PLC0415 - not needed by who writes no HDF5

    with Replacing(path) as output:
        between = LibraryFile(output)
        try:
            file = h5py.File(between, "w", **options)
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


_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def safe_name(name: str, replacement: str = "_") -> str:
    """``name`` as a file's name that Linux, macOS and Windows all take; for generated names.

    Characters that Windows forbids (and slashes) become ``replacement``, dots and blanks at the end go, names
    of devices (``con``, ``nul.txt``) get ``replacement`` in front, and what is longer than a name may be is
    cut before its suffix. Letters of every script stay as they are.
    """
    name = _FORBIDDEN.sub(replacement, name).rstrip(". ")
    if not name or _RESERVED.fullmatch(name):
        name = replacement + name
    if len(os.fsencode(name)) <= NAME_BYTES:
        return name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    suffix = suffix if len(os.fsencode(suffix)) <= 16 else ""
    stem = stem if suffix else name
    cut = stem.encode("utf-8", "surrogateescape")[: NAME_BYTES - len(os.fsencode(suffix))]
    return cut.decode("utf-8", "ignore").rstrip(". ") + suffix


def check_output(path: StrPath, inputs: Iterable[StrPath] = (), *, folder: bool = False) -> None:
    """Refuse a result that cannot be written or would destroy an input, before anything is computed.

    Parameters
    ----------
    path
        Final name of the result.
    inputs
        Everything that is read: paths, also with an inner dataset (``a.h5/data``) or options
        (``a.czi#scene=A``), and URLs (left alone).
    folder
        The result is a folder (OME-Zarr) rather than a file; an existing one may then be replaced.

    Raises
    ------
    OutputError
        The same file as an input (also through links and inner paths), a place inside a Zarr or N5 input, a
        folder or device in the way, no permission, a name too long.
    """
    shown = Path(path)
    target = _resolved(shown)
    _check_target(target, shown, folder=folder)
    for given in inputs:
        source = _existing(given)
        if source is not None and _overlap(target, source):
            raise OutputError(
                f"the result would overwrite the input {os.fspath(given)}",
                where=shown,
                remedy="choose another name or folder for the result",
            )


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except OSError as error:
        raise explain(error, path) from error
    except (ValueError, RuntimeError) as error:  # a NUL byte; a ring of links (Python 3.11, 3.12)
        raise OutputError(f"the path cannot be used ({error})", where=repr(str(path))) from error


def _check_target(target: Path, shown: Path, *, folder: bool = False) -> None:
    """Refuse a resolved path that is in the way or where nothing may be written."""
    try:
        mode = _mode(target)
        if mode is not None and stat.S_ISDIR(mode) and not folder:
            raise explain(IsADirectoryError(errno.EISDIR, "folder"), shown)
        if mode is not None and not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            raise OutputError(
                "this is a device or pipe, not a file", where=shown, remedy="choose the name of a file"
            )
        if mode is not None and not os.access(target, os.W_OK):
            raise OutputError(
                "the file is there already and is write-protected", where=shown, remedy="choose another name"
            )
        parent = target.parent
        while (mode := _mode(parent)) is None and parent != parent.parent:
            parent = parent.parent
        if mode is not None and not stat.S_ISDIR(mode):
            raise explain(NotADirectoryError(errno.ENOTDIR, "not a folder"), shown)
        if not os.access(parent, os.W_OK | os.X_OK):
            raise explain(PermissionError(errno.EACCES, "no permission"), shown)
    except OSError as error:
        raise explain(error, shown) from error


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _existing(given: StrPath) -> Path | None:
    """The file or folder on disk that an address of an image leads to, or None."""
    text = os.fspath(given)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        return None
    for candidate in (text, text.rpartition("#")[0]):
        path = Path(candidate)
        while candidate and path != path.parent:
            with contextlib.suppress(OSError, ValueError):
                if path.is_file() or (path.exists() and str(path) == candidate.rstrip("/")):
                    return path.resolve()
            path = path.parent
    return None


def _overlap(target: Path, source: Path) -> bool:
    """Whether writing ``target`` would touch ``source``; both resolved."""
    if target.exists() and target.samefile(source):
        return True
    if target in source.parents:  # a folder that holds the input would be replaced
        return True
    return any(
        _is_container(folder) and folder == other
        for folder in (target, *target.parents)
        for other in (source, *source.parents)
    )


def _is_container(folder: Path) -> bool:
    return folder.suffix.lower() in {".zarr", ".n5"} and folder.is_dir()
