"""One writer for a project: the operating system's lock, and a text that says who has it."""

from __future__ import annotations

import contextlib
import errno
import getpass
import os
import socket
from pathlib import Path

import psutil

from underbrush.errors import OutputError, ProjectError
from underbrush.files import OutputFile, explain, layer
from underbrush.project.places import places_of, utc_now

_NO_LOCKS = {
    errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL
}  # fmt: skip
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
_TRIES = 20
_MAX_TEXT = 500


class Held(ProjectError):
    """Another window or program has the project open for writing; ``problem`` says who."""


class ProjectLock:
    """The right to write a project; a context manager that gives it back.

    ``read_only`` is None, or the reason why this project can only be read here (then there is no lock).
    ``notices`` are sentences for the user.
    """

    def __init__(self, file: OutputFile | None, read_only: str | None, notices: tuple[str, ...]) -> None:
        self._file = file
        self.read_only = read_only
        self.notices = notices

    @property
    def writable(self) -> bool:
        """Whether the project may be written."""
        return self.read_only is None

    def release(self) -> None:
        """Give the lock back and remove its file; a second call does nothing."""
        file, self._file = self._file, None
        if file is None:
            return
        # Removed while it is held: who opened it before finds that its name is gone and tries anew.
        with contextlib.suppress(OSError):  # a file that stays behind locks nobody out
            if _same_file(file):
                layer().remove(file.path)
        with contextlib.suppress(OutputError):
            file.close()
        if os.name == "nt":  # there an open file cannot be removed
            with contextlib.suppress(OSError):
                layer().remove(file.path)

    def __enter__(self) -> ProjectLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def lock_project(path: str | os.PathLike[str]) -> ProjectLock:
    """Become the only writer of a project.

    Where the folder or the file is write-protected, the answer says so and has no lock. Where the file system
    has no locks, the answer has a notice; then only a living process of this machine is recognised. The file
    of a process that died locks nobody out.

    Raises
    ------
    Held
        Somebody has the project open; who, since when and on which machine.
    OutputError
        The disk is full, broken or gone.
    """
    places = places_of(path)
    if places.project.exists() and not os.access(places.project, os.W_OK):
        return ProjectLock(None, f"{places.project.name} is write-protected", ())
    folder = places.project.parent
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        return ProjectLock(None, _protected(places.project), ())
    for _ in range(_TRIES):
        try:
            file = OutputFile.update(places.lock)
        except OutputError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _READ_ONLY:
                return ProjectLock(None, _protected(places.project), ())
            raise
        try:
            lock = _locked(file, places.project)
        except BaseException:
            with contextlib.suppress(OutputError):
                file.close()
            raise
        if lock is not None:
            return lock
        file.close()
    raise _held(places.project, "")


def _locked(file: OutputFile, project: Path) -> ProjectLock | None:
    """The lock, or None where the file was removed meanwhile."""
    notices: tuple[str, ...] = ()
    try:
        if not file.lock():
            raise _held(project, _read_text(file))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise explain(error, file.path) from error
        text = _read_text(file)
        if _is_alive(text):
            raise _held(project, text) from error
        notices = (
            f"The disk of {project.name} has no locks, so nothing can keep a second program from writing it;"
            " open it only once.",
        )
    if not _same_file(file):
        return None
    with contextlib.suppress(OutputError):  # the text is a courtesy; the lock holds without it
        file.seek(0)
        file.truncate(0)
        file.write(_own_text().encode("utf-8", "replace"))
    return ProjectLock(file, None, notices)


def _protected(project: Path) -> str:
    return f"the folder of {project.name} is write-protected"


def _same_file(file: OutputFile) -> bool:
    try:
        status = file.path.stat()
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == file.identity


def _own_text() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this user
        user = "unknown"
    host = socket.gethostname() or "unknown"
    return f"host {host}\npid {os.getpid()}\nuser {user}\nsince {utc_now().isoformat(timespec='seconds')}\n"


def _read_text(file: OutputFile) -> str:
    try:
        file.seek(0)
        buffer = bytearray(_MAX_TEXT)
        text = bytes(buffer[: file.readinto(buffer)]).decode("utf-8", "replace")
    except OutputError:  # Windows: the locked file may be unreadable
        return ""
    return "".join(c for c in text if c.isprintable() or c == "\n")


def _fields(text: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def _is_alive(text: str) -> bool:
    """Whether the text names a living process of this machine."""
    said = _fields(text)
    pid = said.get("pid", "")
    return (
        said.get("host") == socket.gethostname()
        and pid.isdecimal()
        and len(pid) < 10
        and psutil.pid_exists(int(pid))
    )


def _held(project: Path, text: str) -> Held:
    said = _fields(text)
    who, host = said.get("user", ""), said.get("host", "")
    details = [f"process {said['pid']}"] if "pid" in said else []
    details += [f"since {said['since']}"] if "since" in said else []
    problem = f"{who or 'another window or program'} has it open for writing" + (
        f" on {host}" if host else ""
    )
    return Held(
        problem + (f" ({', '.join(details)})" if details else ""),
        where=project,
        remedy="close it there, or open it for reading only",
    )
