"""Somebody paints, takes back, saves and opens again on a disk that may fail; what must then be true."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import unittest.mock
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faults.powercut import Late
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.core.runs import Runs
from underbrush.errors import OutputError
from underbrush.project import recovery
from underbrush.project.document import Document, document_of, project_of
from underbrush.project.edits import (
    CellChange,
    Change,
    Edit,
    backward,
    forward,
    from_json,
    to_json,
    with_cell,
    with_labels,
)
from underbrush.project.folding import fold
from underbrush.project.lock import ProjectLock, lock_project
from underbrush.project.places import places_of
from underbrush.project.read import read_project
from underbrush.project.recovery import pending, recover
from underbrush.project.schema import ClassInfo, Lane, Project, Source
from underbrush.project.write import write_project

SIZE = 96
CODES = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)
Note = Callable[[str, str], None]


def small_project(path: Path) -> Path:
    """Two images, two classes, a few labels; the images themselves are not needed."""
    selection = FeatureSelection.all((0.7, 1.6))
    labels = make_block(Box((0, 0, 0, 5, 5), (1, 1, 1, 9, 12)), np.full((1, 1, 1, 4, 7), 2, np.uint8))
    project = Project(
        lanes=tuple(
            Lane(
                name,
                Source("file", f"{name}.tif", name, (f"{name}.tif",), axes="yx", shape=(SIZE, SIZE)),
                None,
                found,
            )
            for name, found in (("cells", (labels,)), ("more", ()))
        ),
        classes=(
            ClassInfo("Background", (0, 130, 200), (0, 130, 200)),
            ClassInfo("Nucleus", (255, 225, 25), (255, 225, 25)),
        ),
        selection=selection,
        feature_ids=selection.filters,
        scales=selection.scales,
    )
    write_project(project, path)
    return path


_known: dict[bytes, Project] = {}


@contextlib.contextmanager
def each_file_read_once() -> Iterator[None]:
    """While opening, an .ilp of the same bytes is read once: most power cuts leave one that is known."""
    known = _known

    def read(path: Path) -> Project:
        key = hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b""
        if key not in known:
            if len(known) > 50:
                known.clear()
            known[key] = read_project(path)
        return replace(known[key], path=path)

    with unittest.mock.patch.object(recovery, "read_project", read):
        yield


def fingerprint(document: Document) -> str:
    """A short text that is the same for the same labels, classes and images."""
    digest = hashlib.sha256()
    for lane in document.lane_order:
        digest.update(f"{lane} {document.lanes[lane].nickname} {document.map_of(lane).digest}".encode())
    for name in document.class_order:
        digest.update(f"{name} {document.classes[name].info}".encode())
    return digest.hexdigest()[:16]


def replayed(project: Project, records: tuple[dict[str, Any], ...]) -> Document:
    """The document that a project and its recovery file say together."""
    document = document_of(project)
    for record in records:
        document = forward(document, from_json(record).changes)
    return document


class Painter:
    """Paints into one project. ``note`` hears "try" before and "safe" after each command, with the state."""

    def __init__(self, path: Path, draw: random.Random, note: Note) -> None:
        self.path, self.draw, self.note = path, draw, note
        self.lock: ProjectLock | None = None
        self.safe = ""
        self.tried: set[str] = set()
        self.failures = 0
        self.trouble: Trouble | None = None
        self.open()

    def open(self) -> None:
        """Open the project and check that it is what was safe, or what was tried after it."""
        if self.lock is None:
            self.lock = lock_project(self.path)
        opened = recover(self.path)
        self.journal = opened.journal
        self.document = replayed(opened.project, opened.records)
        self.done: list[Edit] = [from_json(r) for r in opened.records]
        found = fingerprint(self.document)
        assert not self.safe or found in {self.safe, *self.tried}, "a command was lost, or came from nowhere"
        assert not opened.kept, opened.notices
        self.sequence = self.journal.last
        self._settle(found)

    def _open_again(self) -> None:
        try:
            self.open()
        except OutputError:
            self.failures += 1
            if self.trouble is not None:
                self.trouble.rate, rate = 0.0, self.trouble.rate
                self.open()
                self.trouble.rate = rate

    def _settle(self, found: str) -> None:
        self.safe, self.tried = found, set()
        self.note("safe", found)

    def leave(self, close: bool) -> None:
        """Stop, properly or as a process that is killed."""
        assert self.lock is not None
        if close:
            self.journal.close()
            self.lock.release()
            self.lock = None

    def paint(self) -> None:
        """One command of any kind: it is safe, or the disk said why not."""
        document, changes, kind = self._some_command()
        edit = Edit(
            self.sequence + 1, self.draw.choice(["one", "two"]), self.sequence + 1, kind, kind, changes
        )
        after = fingerprint(document)
        self.tried.add(after)
        self.note("try", after)
        try:
            self.journal.append([to_json(edit)])
        except OutputError as error:
            self.failures += 1
            assert str(self.path) in str(error)
            return
        self.document, self.sequence = document, edit.sequence
        self.done.append(edit)
        self._settle(after)

    def _some_command(self) -> tuple[Document, tuple[Change, ...], str]:
        what = self.draw.random()
        if what < 0.15 and self.done:
            document, changes, _ = backward(self.document, self.done[-1].changes)
            if changes:
                return document, changes, "undo"
        if what < 0.25:
            path = ("class", "2")
            before = self.document.classes[2]
            name = f"Nucleus {self.draw.randint(0, 10**6)} Zellkörper"
            after = replace(before, info=replace(before.info, name=name))
            return with_cell(self.document, path, after), (CellChange(path, before, after),), "rename"
        count = self.draw.choice([1, 3, 30, 400])
        cells = np.random.default_rng(self.draw.getrandbits(32)).integers(0, SIZE, (count, 2))
        runs = Runs.from_positions(np.insert(np.insert(cells, 0, 0, 1), 0, 0, 1)).array
        ids = np.full(len(runs), self.draw.choice([0, 1, 2, 2]), np.uint8)
        document, change = with_labels(self.document, self.draw.choice(["a1", "a2"]), runs, ids)
        return document, (change,), "paint"

    def save(self) -> None:
        """Fold; a disk that fails leaves all as it was."""
        project = project_of(self.document)
        if self.trouble is not None:
            self.trouble.painter = self
        try:
            done = fold(project, self.journal, self.sequence)
        except OutputError as error:
            self.failures += 1
            assert str(self.path.parent) in str(error)
            return
        finally:
            if self.trouble is not None:
                self.trouble.painter = None
        assert not [n for n in done.notices if "another program" in n]

    def check(self) -> None:
        """What a reader sees now is what is safe, or what was tried after it."""
        seen = pending(self.path)
        found = fingerprint(replayed(seen.project, seen.records))
        assert found in {self.safe, *self.tried}, "a reader sees what never was"
        assert not seen.notices

    def some(self, steps: int) -> None:
        """So many steps of work."""
        for _ in range(steps):
            what, failed = self.draw.random(), self.failures
            if what < 0.66:
                self.paint()
            elif what < 0.9:
                self.save()
            if what >= 0.9 or (self.failures > failed and self.draw.random() < 0.3):
                self.leave(close=self.draw.random() < 0.5)
                self._open_again()


def verify(path: Path, allowed: set[str], *, thorough: bool) -> str:
    """Open what was left; its state must be one of ``allowed``, and nothing may be called damaged.

    Gives the state. ``thorough``: h5py walks through the file, and versions are read too.
    """
    if thorough:
        seen = pending(path)
        assert fingerprint(replayed(seen.project, seen.records)) in allowed
        with h5py.File(path, "r") as file:
            file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)
        folder = places_of(path).versions
        for version in sorted(folder.iterdir()) if folder.is_dir() else ():
            if version.suffix == ".ilp" and not version.name.startswith("."):
                read_project(version)
    with lock_project(path):
        opened = recover(path)
        found = fingerprint(replayed(opened.project, opened.records))
        assert found in allowed, f"{found} is none of {sorted(allowed)}"
        assert not opened.kept, opened.notices
        assert not [n for n in opened.notices if "damaged" in n or "not applied" in n], opened.notices
        opened.journal.close()
    if thorough:
        again = recover(path)
        assert fingerprint(replayed(again.project, again.records)) == found, "opening twice is opening once"
        again.journal.close()
    return found


class Trouble:
    """A hook for `RecordingLayer`: fails calls by chance, and paints while a project is being saved."""

    LATE = frozenset({"replace", "write", "link"})
    FAILING = frozenset(
        {
            "open",
            "write",
            "truncate",
            "fsync",
            "sync_data",
            "replace",
            "sync_folder",
            "link",
            "remove",
            "make_folders",
        }
    )

    def __init__(self, draw: random.Random, rate: float) -> None:
        self.draw, self.rate = draw, rate
        self.count = 0
        self.painter: Painter | None = None
        self._inside = False

    def __call__(self, call: str, path: str) -> None:
        self._paint_meanwhile(call, path)
        # The many small writes of an .ilp are one step among others.
        rate = self.rate / 30 if ".ilp." in path and path.endswith(".part") and call == "write" else self.rate
        if call not in self.FAILING or path.endswith(".lock") or self.draw.random() >= rate:
            return
        self.count += 1
        code = self.draw.choice(CODES)
        if call in self.LATE and self.draw.random() < 0.5:
            raise Late(code, self.draw.random(), silent=call == "write" and self.draw.random() < 0.4)
        raise OSError(code, os.strerror(code))

    def _paint_meanwhile(self, call: str, path: str) -> None:
        painter = self.painter
        if painter is None or self._inside or ".ilp." not in path or "journal" in path or "versions" in path:
            return
        chance = 0.3 if call == "fsync" else 0.003
        if painter.journal.lock._is_owned() or self.draw.random() > chance:  # type: ignore[attr-defined]
            return
        self._inside = True
        try:
            painter.paint()
        finally:
            self._inside = False
