"""A disk that remembers what was really safe, and shows what a power cut could have left of it.

`RecordingLayer` lets all calls through and writes down what they changed. `Disk` replays that: what was
synced stays; of the rest a power cut keeps any part. A write may be lost, whole, or torn at any byte or
sector; a file may have its new length but zeros in it; a new name, a rename, a link or a removal may be kept
or lost, in order (as journalling file systems promise) or in any order, while its folder was not synced.

After a failed sync the system forgets writes: they stay visible and never reach the disk, even if a later
sync succeeds. That is modelled too.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from underbrush import files

SECTOR = 512
Op = tuple[Any, ...]
Hook = Callable[[str, str], None]


class RecordingLayer(files.FileLayer):
    """Lets calls through to the folder ``root`` and keeps what they changed in ``log``.

    ``hook(call, path)`` runs before each call and may raise OSError. A ``Late`` from it lets the call happen
    and then raises: a rename that took place though an error was reported; a write of which a part was taken.
    """

    def __init__(self, root: Path, hook: Hook | None = None) -> None:
        self.root = str(root)
        self.hook = hook
        self.log: list[Op] = []
        self._busy = threading.RLock()
        self._open: dict[int, tuple[int, str]] = {}
        self._places: dict[int, int] = {}
        self.disk = Disk()
        self._nodes: dict[str, int] = {}
        self._next = 0
        self._take_over(root)

    def _take_over(self, root: Path) -> None:
        """What is there already counts as synced."""
        known: dict[int, int] = {}
        for folder, _, names in os.walk(root):
            self.disk.folders[folder] = {}
            for name in names:
                path = f"{folder}/{name}"
                number = Path(path).stat().st_ino
                if number not in known:
                    known[number] = self._next
                    self.disk.files[self._next] = File(Path(path).read_bytes())
                    self._next += 1
                self._nodes[path] = self.disk.folders[folder][name] = known[number]

    def note(self, kind: str, what: Any = None) -> None:
        """Something of the workload: what is tried and what was acknowledged."""
        with self._busy:
            self.log.append(("note", kind, what))

    def _call(self, name: str, path: str, act: Callable[[], Any], done: Callable[[Any], Op | None]) -> Any:
        with self._busy:
            late = None
            try:
                if self.hook is not None:
                    self.hook(name, path)
            except Late as error:
                late = error
            value = act()
            op = done(value)
            if op is not None:
                self.log.append(op)
            if late is not None:
                raise OSError(*late.args)
            return value

    def open(self, path, flags, mode=0o666):
        text = os.fspath(path)
        there = os.path.lexists(text)

        def done(descriptor: int) -> Op | None:
            new = text not in self._nodes
            if new:
                self._nodes[text] = self._next
                self._next += 1
            self._open[descriptor] = (self._nodes[text], text)
            self._places[descriptor] = 0
            return ("create", text, self._nodes[text]) if not there else None

        return self._call("open", text, lambda: super(RecordingLayer, self).open(path, flags, mode), done)

    def close(self, descriptor):
        with self._busy:
            self._open.pop(descriptor, None)
            super().close(descriptor)

    def read(self, descriptor, size):
        with self._busy:
            data = super().read(descriptor, size)
            self._places[descriptor] += len(data)
            return data

    def seek(self, descriptor, offset, whence=os.SEEK_SET):
        with self._busy:
            if self.hook is not None:
                self.hook("seek", self._open[descriptor][1])
            self._places[descriptor] = super().seek(descriptor, offset, whence)
            return self._places[descriptor]

    def write(self, descriptor, data):
        with self._busy:
            node, path = self._open[descriptor]
            part = None
            try:
                if self.hook is not None:
                    self.hook("write", path)
            except Late as error:
                part = error
                data = memoryview(data)[: error.taken(len(data))]
            count = super().write(descriptor, data) if len(data) or part is None else 0
            self.log.append(("write", node, self._places[descriptor], bytes(memoryview(data)[:count])))
            self._places[descriptor] += count
            if part is not None and not part.silent:
                raise OSError(*part.args)
            return count

    def truncate(self, descriptor, size):
        node, path = self._open[descriptor]
        super_call = super().truncate
        self._call("truncate", path, lambda: super_call(descriptor, size), lambda _: ("truncate", node, size))

    def _sync(self, name: str, descriptor: int) -> None:
        node, path = self._open[descriptor]
        with self._busy:
            try:
                if self.hook is not None:
                    self.hook(name, path)
            except OSError:
                self.log.append(("failed sync", node))
                raise
            self.log.append(("sync", node))  # the folder of the test needs no real one

    def fsync(self, descriptor):
        self._sync("fsync", descriptor)

    def sync_data(self, descriptor):
        self._sync("sync_data", descriptor)

    def sync_folder(self, path):
        folder = os.fspath(path)
        with self._busy:
            try:
                if self.hook is not None:
                    self.hook("sync_folder", folder)
            except OSError:
                self.log.append(("failed folder", folder))
                raise
            self.log.append(("sync folder", folder))

    def replace(self, source, target):
        a, b = os.fspath(source), os.fspath(target)
        super_call = super().replace

        def done(_: None) -> Op:
            node = self._nodes[b] = self._nodes.pop(a)
            return ("rename", a, b, node)

        self._call("replace", b, lambda: super_call(a, b), done)

    def link(self, source, target):
        a, b = os.fspath(source), os.fspath(target)
        super_call = super().link

        def done(_: None) -> Op:
            self._nodes[b] = self._nodes[a]
            return ("link", b, self._nodes[b])

        self._call("link", b, lambda: super_call(a, b), done)

    def remove(self, path):
        text = os.fspath(path)
        super_call = super().remove
        self._call(
            "remove", text, lambda: super_call(text), lambda _: ("remove", text, self._nodes.pop(text, -1))
        )

    def make_folders(self, path):
        text = os.fspath(path)
        there = Path(text).is_dir()
        super_call = super().make_folders
        self._call(
            "make_folders", text, lambda: super_call(text), lambda _: None if there else ("folder", text)
        )


class Late(OSError):
    """Raised by a hook: the call happens (a write: a part of it), then this error is reported.

    ``silent``: no error is reported, a write just takes fewer bytes.
    """

    def __init__(self, code: int, part: float = 1.0, *, silent: bool = False) -> None:
        super().__init__(code, os.strerror(code))
        self.part, self.silent = part, silent

    def taken(self, size: int) -> int:
        """How many of ``size`` bytes are taken; at least one where no error is reported."""
        return max(int(self.silent), min(size, int(self.part * size)))


@dataclass
class File:
    """A file on the disk."""

    safe: bytes = b""
    pending: list[Op] = field(default_factory=list)
    """Writes and truncations since it was synced, in order."""


@dataclass
class Disk:
    """What is safe and what is not, at one moment."""

    files: dict[int, File] = field(default_factory=dict)
    folders: dict[str, dict[str, int]] = field(default_factory=dict)
    """Folder -> name -> file, as far as it is safe."""
    pending: list[Op] = field(default_factory=list)
    """Changes of names in folders that were not synced since, in order."""

    def apply(self, op: Op, draw: random.Random) -> None:
        """Go one step on."""
        kind = op[0]
        if kind in {"write", "truncate"}:
            self.files[op[1]].pending.append(op)
        elif kind == "sync":
            file = self.files[op[1]]
            file.safe, file.pending = _written(file.safe, file.pending), []
        elif kind == "failed sync":
            file = self.files[op[1]]
            file.pending = [p for p in file.pending if p[0] != "write" or draw.random() < 0.5]
        elif kind == "sync folder":
            kept = [p for p in self.pending if _folder_of(p) != op[1]]
            _renamed(self.folders, [p for p in self.pending if _folder_of(p) == op[1]])
            self.pending = kept
        elif kind in {"create", "rename", "link", "remove", "folder"}:
            if kind == "create":
                self.files.setdefault(op[2], File())
            self.pending.append(op)

    def cut(self, draw: random.Random) -> Left:
        """What a power cut leaves now."""
        folders = {folder: dict(names) for folder, names in self.folders.items()}
        _renamed(folders, _some(self.pending, draw))
        nodes = {node for names in folders.values() for node in names.values()}
        return Left(folders, {node: _after_cut(self.files[node], draw) for node in nodes})


@dataclass
class Left:
    """What lies on the disk after a power cut."""

    folders: dict[str, dict[str, int]]
    files: dict[int, bytes]

    def put(self, root: str, target: Path) -> None:
        """Write it into the empty folder ``target``, which stands for ``root``."""
        made: dict[int, Path] = {}
        for folder, names in self.folders.items():
            here = target / os.path.relpath(folder, root)
            here.mkdir(exist_ok=True, parents=True)
            for name, node in names.items():
                if node in made:
                    os.link(made[node], here / name)
                else:
                    made[node] = here / name
                    (here / name).write_bytes(self.files[node])


def _folder_of(op: Op) -> str:
    """The folder that must be synced for this change of a name to be safe."""
    return str(op[2] if op[0] == "rename" else op[1]).rpartition("/")[0]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _renamed(folders: dict[str, dict[str, int]], ops: Iterable[Op]) -> None:
    for op in ops:
        folder = folders.get(_folder_of(op))
        if op[0] == "folder":
            if folder is not None:
                folders.setdefault(op[1], {})
        elif folder is None:
            continue  # its folder itself was lost
        elif op[0] == "rename":
            folder[_name(op[2])] = op[3]
            if folder.get(_name(op[1])) == op[3]:
                del folder[_name(op[1])]
        elif op[0] == "remove":
            if folder.get(_name(op[1])) == op[2]:
                del folder[_name(op[1])]
        else:
            folder[_name(op[1])] = op[2]


def _some(ops: list[Op], draw: random.Random) -> list[Op]:
    """Those that were kept: all, none, the first few, or any."""
    how = draw.random()
    if how < 0.15:
        return ops
    if how < 0.3:
        return []
    if how < 0.6:
        return ops[: draw.randint(0, len(ops))]
    return [op for op in ops if draw.random() < 0.5]


def _written(data: bytes, ops: Iterable[Op]) -> bytes:
    content = bytearray(data)
    for op in ops:
        if op[0] == "truncate":
            del content[op[2] :]
            content.extend(bytes(op[2] - len(content)))
        else:
            _, _, place, new = op
            content.extend(bytes(max(0, place - len(content))))
            content[place : place + len(new)] = new
    return bytes(content)


def _torn(op: Op, draw: random.Random) -> list[Op]:
    """A write of which the disk has some sectors, or the beginning, or the end."""
    _, node, place, data = op
    how = draw.random()
    if how < 0.3:
        return [("write", node, place, data[: draw.randint(0, len(data))])]
    if how < 0.4:
        cut = draw.randint(0, len(data))
        return [("write", node, place + cut, data[cut:])]
    edges = [0, *range(SECTOR - place % SECTOR, len(data), SECTOR), len(data)]
    return [
        ("write", node, place + a, data[a:b]) for a, b in itertools.pairwise(edges) if draw.random() < 0.6
    ]


def _after_cut(file: File, draw: random.Random) -> bytes:
    kept: list[Op] = []
    for op in _some(file.pending, draw):
        kept += _torn(op, draw) if op[0] == "write" and draw.random() < 0.4 else [op]
    data = _written(file.safe, kept)
    if draw.random() < 0.3:  # the length is known, the bytes are not there yet
        data = data.ljust(len(_written(file.safe, file.pending)), b"\0")
    return data
