"""What the operating system says, as sentences; and places where nothing can be written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from underbrush.errors import OutputError
from underbrush.files.layer import StrPath
from underbrush.files.names import NAME_BYTES

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
    errno.ENOENT: ("there is no such folder, and it cannot be made", "choose another"),
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


def resolved(path: Path) -> Path:
    """``path`` absolute, with links followed; parts of it may not exist yet."""
    try:
        return path.resolve()
    except OSError as error:
        raise explain(error, path) from error
    except (ValueError, RuntimeError) as error:  # a NUL byte; a ring of links (Python 3.11, 3.12)
        raise OutputError(f"the path cannot be used ({error})", where=repr(str(path))) from error


def check_target(target: Path, shown: Path, *, folder: bool = False) -> None:
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
