"""Results that are folders: built under another name beside, piece by piece, renamed when all is there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from hashlib import sha256
from pathlib import Path

from underbrush.errors import OutputError
from underbrush.files.layer import StrPath, layer
from underbrush.files.names import NAME_BYTES, hidden_name
from underbrush.files.output import OutputFile
from underbrush.files.problems import check_target, explain, resolved

_UNFINISHED = ".unfinished"
_PARTS = ".parts"


class WorkFolder:
    """A folder that gets its name when it is complete; each file in it appears complete, too, or not at all.

    With ``identity`` the folder beside has a name of its own for each identity, so that it can be left and
    found again, by other processes as well; without, a name that no one else has.

    Raises
    ------
    OutputError
        From every method; what the operating system reported, as a sentence.
    """

    def __init__(self, path: StrPath, identity: str | None = None) -> None:
        self.path = Path(path)
        target = resolved(self.path)
        check_target(target, self.path, folder=True)
        if target.is_file():
            raise OutputError(
                "a file of this name is in the way", where=self.path, remedy="choose another name"
            )
        self._target = target
        self.place = hidden_name(target) if identity is None else _part_name(target, identity)
        """Where the files are until then."""
        self.found = self.place.is_dir()
        """Whether somebody began it before."""
        self._made: set[Path] = set()
        self._lock = threading.Lock()
        self._make(self.place)

    def put(self, inner: str, data: bytes | memoryview) -> None:
        """A file ``inner`` (with slashes) of these bytes, synced; one that is there is replaced."""
        target = self.place / inner
        self._make(target.parent)
        hidden = target.with_name(f".{secrets.token_hex(6)}{_UNFINISHED}")
        file = OutputFile.create(hidden, shown=self.path)
        try:
            file.write(data)
            file.fsync()
            file.close()
            layer().replace(hidden, target)
        except BaseException as error:
            with contextlib.suppress(OutputError):
                file.close()
            with contextlib.suppress(OSError):
                layer().remove(hidden)
            if isinstance(error, OSError):
                raise explain(error, self.path) from error
            raise

    def has(self, inner: str) -> bool:
        """Whether a file is there."""
        try:
            return (self.place / inner).is_file()
        except OSError as error:
            raise explain(error, self.path) from error

    def commit(self) -> None:
        """Sync all folders, and give this one its name; what had it is deleted afterwards.

        The two change places in one step where the system can do that; elsewhere a crash between leaves the
        old one beside, under a hidden name.
        """
        old = hidden_name(self._target)
        try:
            self._sync()
            if not self._target.exists():
                layer().replace(self.place, self._target)
            elif not self._exchanged():
                layer().replace(self._target, old)
                try:
                    layer().replace(self.place, self._target)
                except BaseException:
                    layer().replace(old, self._target)
                    raise
        except OSError as error:
            raise explain(error, self.path) from error
        with contextlib.suppress(OSError):  # it has its name; what follows is tidying
            layer().sync_folder(self._target.parent)
        for place in (old, self.place, *self._parts()):
            remove_tree(place)

    def _exchanged(self) -> bool:
        try:
            layer().exchange(self.place, self._target)
        except OSError as error:
            if error.errno in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}:
                return False
            raise
        return True

    def remove(self) -> None:
        """Throw all away; what cannot be deleted stays."""
        remove_tree(self.place)

    def _parts(self) -> list[Path]:
        """Folders that were begun for the same name with another identity."""
        start = "." + _stem(self._target)
        beside = self._target.parent
        mine = f".{_hash(self._target.name)}."
        return [p for p in beside.glob(f"*{_PARTS}") if p.name.startswith(start) and mine in p.name]

    def _make(self, folder: Path) -> None:
        with self._lock:
            if folder in self._made:
                return
            try:
                layer().make_folders(folder)
            except OSError as error:
                if error.errno == errno.EEXIST:
                    error = NotADirectoryError(errno.ENOTDIR, "not a folder")
                raise explain(error, self.path) from error
            self._made.add(folder)

    def _sync(self) -> None:
        """Make all names last; what writers that were killed left behind goes."""
        for folder, _, names in os.walk(self.place):
            for name in names:
                if name.endswith(_UNFINISHED):
                    layer().remove(Path(folder, name))
            layer().sync_folder(folder)


def remove_tree(place: Path) -> None:
    """Delete a folder with all in it; what cannot be deleted stays. Links are deleted, not followed."""
    if place.is_symlink() or not place.is_dir():
        return
    for folder, folders, names in os.walk(place, topdown=False):
        for name in names:
            with contextlib.suppress(OSError):
                layer().remove(Path(folder, name))
        for name in folders:
            inner = Path(folder, name)
            with contextlib.suppress(OSError):
                if inner.is_symlink():
                    layer().remove(inner)
                else:
                    layer().remove_folder(inner)
    with contextlib.suppress(OSError):
        layer().remove_folder(place)


def _part_name(target: Path, identity: str) -> Path:
    """The same for the same target and identity; the first hash is that of the target, for long names."""
    return target.with_name(f".{_stem(target)}.{_hash(target.name)}.{_hash(identity)}{_PARTS}")


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _stem(target: Path) -> str:
    room = NAME_BYTES - 2 * 13 - len(_PARTS) - 2
    return target.name.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "ignore")
