"""Careful reading of HDF5: nothing outside the file is followed, nothing huge is believed.

Every failure inside the HDF5 library becomes a `ProjectError` here, so that the other modules of this
room deal with values only.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ProjectError, UnderbrushError
from underbrush.project.heaps import PatchedFile, TextHeap, find_patches, has_usual_sizes

_DAMAGED = "restore an earlier copy of it, or save it again with the program that made it"
_DEFLATE_LIMIT = 1100
"""No byte of a compressed file can stand for more bytes than this."""
MAX_STRINGS = 200_000
MAX_MEMBERS = 1_000_000


@contextlib.contextmanager
def guarded(where: str, what: str) -> Iterator[None]:
    """Turn any failure of the HDF5 library inside the block into a `ProjectError` that names ``what``."""
    try:
        yield
    except UnderbrushError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ProjectError(f"{what} cannot be read ({reason})", where=where, remedy=_DAMAGED) from error


@contextlib.contextmanager
def open_storage(path: Path) -> Iterator[Node]:
    """The root of an HDF5 file, opened for reading; closed at the end of the block.

    Raises
    ------
    ProjectError
        There is no such file, it is no HDF5 file, it is cut short, or another program is writing it.
    """
    where = str(path)
    head, size = check_file(path)
    with contextlib.ExitStack() as stack:
        try:
            heap = None
            if has_usual_sizes(head):
                heap = TextHeap(stack.enter_context(path.open("rb")), size)
            patches = find_patches(path)
            if patches:
                patched = stack.enter_context(PatchedFile(path, patches))
                file = h5py.File(patched, "r")
            else:
                file = h5py.File(path, "r", locking="best-effort")
        except Exception as error:
            raise _unopened(where, head, error) from error
        try:
            yield Node(file, where, size, heap=heap)
        finally:
            with contextlib.suppress(RuntimeError, OSError):
                file.close()


def check_file(path: Path) -> tuple[bytes, int]:
    """The first bytes and the size of a file.

    Raises
    ------
    ProjectError
        It is not there, no file, empty, or may not be read.
    """
    try:
        if not path.is_file() and path.exists() and not path.is_dir():
            raise ProjectError("it is no file", where=path, remedy="give the path of an .ilp file")
        with path.open("rb") as raw:
            head, size = raw.read(64), path.stat().st_size
    except (OSError, ValueError) as error:
        raise _missing(path, error) from error
    if size == 0:
        raise ProjectError("the file is empty", where=path, remedy=_DAMAGED)
    return head, size


def _missing(path: Path, error: Exception) -> ProjectError:
    if isinstance(error, FileNotFoundError):
        return ProjectError("there is no such file", where=str(path), remedy="check the path")
    if isinstance(error, IsADirectoryError):
        return ProjectError("it is a folder", where=str(path), remedy="give the path of an .ilp file")
    reason = getattr(error, "strerror", None) or str(error)
    return ProjectError(
        f"it cannot be read ({reason})", where=str(path), remedy="check the path and its rights"
    )


class LockedError(ProjectError):
    """Another program has the file open for writing."""


def _unopened(where: str, head: bytes, error: Exception) -> ProjectError:
    text = " ".join(str(error).split())
    if getattr(error, "errno", None) in {errno.EAGAIN, errno.EACCES} or "unable to lock file" in text:
        return LockedError(
            "another program is writing it", where=where, remedy="close the project there and try again"
        )
    if "truncated file" in text:
        return ProjectError("the file is cut short", where=where, remedy=_DAMAGED)
    if not head.startswith(b"\x89HDF"):
        hint = "a Git LFS pointer, not the file itself" if head.startswith(b"version https://git-lfs") else ""
        return ProjectError(
            f"it is {hint}" if hint else "it is no ilastik project (not an HDF5 file)",
            where=where,
            remedy="fetch the real file" if hint else "give the path of an .ilp file",
        )
    return ProjectError(f"the file is damaged ({text[:120]})", where=where, remedy=_DAMAGED)


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def decode(value: object) -> str:
    """Text from whatever HDF5 gives for a string: bytes of either character set, padded or not."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, np.void):
        value = bytes(value.tobytes())
    if isinstance(value, str):
        value = _encoded(value)
    if isinstance(value, bytes):
        value = value.partition(b"\x00")[0]  # as C reads it
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    if isinstance(value, np.generic):
        value = value.item()
    return str(value)


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether values of this type are numbers or texts; others (references, nested lists) are not read."""
    return dtype.kind in "biufSV" or h5py.check_string_dtype(dtype) is not None


def _attribute(member: Any, name: str) -> Any:
    if name not in member.attrs or not _is_plain(member.attrs.get_id(name).dtype):
        return None
    return member.attrs[name]


class Node:
    """A group of the file."""

    def __init__(
        self, group: h5py.Group, where: str, file_size: int, path: str = "", heap: TextHeap | None = None
    ) -> None:
        self._group = group
        self.where = where
        self.path = path
        self._file_size = file_size
        self._heap = heap

    def _label(self, name: str = "") -> str:
        return f"{self.path}/{name}" if name else self.path or "/"

    def names(self) -> list[str]:
        """Names of the members, sorted."""
        with guarded(self.where, f"the list of {self._label()}"):
            if len(self._group) > MAX_MEMBERS:
                raise ProjectError(f"{self._label()} claims {len(self._group)} members", where=self.where)
            return sorted(self._group.keys())

    def _member(self, name: str) -> Any:
        """The member, or None if it is not there; links to elsewhere count as not there."""
        if not name or "/" in name:
            return None
        with guarded(self.where, self._label(name)):
            if not isinstance(self._group.get(name, getlink=True), h5py.HardLink):
                return None
            return self._group[name]

    def group(self, name: str) -> Node | None:
        """The sub-group, or None where there is none."""
        member = self._member(name)
        if not isinstance(member, h5py.Group):
            return None
        return Node(member, self.where, self._file_size, self._label(name), self._heap)

    def groups(self) -> list[tuple[str, Node]]:
        """All sub-groups by name, sorted."""
        found = [(name, self.group(name)) for name in self.names()]
        return [(name, g) for name, g in found if g is not None]

    def dataset(self, name: str) -> h5py.Dataset | None:
        """The dataset, or None where there is none; its size is believable and its data lie in the file."""
        member = self._member(name)
        if not isinstance(member, h5py.Dataset):
            return None
        with guarded(self.where, self._label(name)):
            if member.external or member.is_virtual:
                raise ProjectError(f"{self._label(name)} keeps its data in other files", where=self.where)
            if member.shape is None:
                return None
            claimed = member.size * max(1, member.dtype.itemsize)
            held = self._file_size
            if member.chunks is not None:
                held = max(held, 64 * 1024, member.id.get_storage_size() * _DEFLATE_LIMIT)
            if claimed > held:
                raise ProjectError(
                    f"{self._label(name)} claims {claimed} bytes, more than the file can hold",
                    where=self.where,
                    remedy=_DAMAGED,
                )
        return member

    def copy_to(self, name: str, target: h5py.Group) -> None:
        """Copy a member as it is, whatever it holds, into a group of another file under the same name."""
        with guarded(self.where, self._label(name)):
            self._group.copy(name, target, name)

    def value(self, name: str) -> Any:
        """The whole value of a small dataset as numpy gives it, or None where there is none."""
        found = self.dataset(name)
        if found is None:
            return None
        with guarded(self.where, self._label(name)):
            if found.dtype.kind == "O" and found.size > MAX_STRINGS:
                raise ProjectError(f"{self._label(name)} claims {found.size} texts", where=self.where)
            offset = found.id.get_offset()
            if not _is_plain(found.dtype):
                return None
            is_text = found.dtype.kind == "O" and h5py.check_string_dtype(found.dtype) is not None
            if self._heap is not None and offset is not None and is_text:
                return np.array(self._heap.texts(offset, found.size), dtype=object).reshape(found.shape)
            return found[()]

    def text(self, name: str) -> str | None:
        """A text (or number as text), or None where there is none."""
        value = self.value(name)
        if value is None or (isinstance(value, np.ndarray) and value.size != 1):
            return None
        return decode(value)

    def texts(self, name: str) -> list[str] | None:
        """A list of texts, or None where there is none; empty where it is marked as empty."""
        value = self.value(name)
        if value is None:
            return None
        if self.is_empty(name):
            return []
        return [decode(v) for v in np.atleast_1d(np.asarray(value)).reshape(-1)]

    def numbers(self, name: str) -> NDArray[Any] | None:
        """Numbers or truth values as an array (a scalar has no axes), or None where there are none."""
        value = self.value(name)
        if value is None:
            return None
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            return None
        if array.size == 1 and self.is_empty(name):
            return np.zeros((0,) * max(1, array.ndim), array.dtype)
        return array

    def number(self, name: str) -> float | None:
        """One number, or None where there is none."""
        value = self.value(name)
        if value is None or np.size(value) != 1 or (array := np.asarray(value)).dtype.kind not in "biuf":
            return None
        return float(array.reshape(-1)[0])

    def flag(self, name: str) -> bool | None:
        """One truth value, or None where there is none."""
        number = self.number(name)
        return None if number is None else bool(number)

    def is_empty(self, name: str) -> bool:
        """Whether the list is marked as empty (it then holds a meaningless number)."""
        member = self._member(name)
        with guarded(self.where, self._label(name)):
            mark = None if member is None else _attribute(member, "isEmpty")
            return mark is not None and bool(np.asarray(mark).reshape(-1)[:1].any())

    def attribute(self, name: str, attribute: str) -> str | None:
        """The text of an attribute of a member, or None."""
        member = self._member(name)
        if member is None:
            return None
        with guarded(self.where, self._label(name)):
            value = _attribute(member, attribute)
            return None if value is None else decode(value)
