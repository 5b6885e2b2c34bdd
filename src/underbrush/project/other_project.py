"""What another project would bring into the one that is open: images, classes, strokes and features."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from underbrush.core.labels import count_classes
from underbrush.errors import UnderbrushError
from underbrush.project.document import Document
from underbrush.project.paths import linked_source
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import ClassInfo, Lane, Project, Source

Check = Callable[[Source], None]
"""Refuses, by raising, an image that may not be seen."""


@dataclass(frozen=True)
class Coming:
    """One image of the other project."""

    lane: Lane
    source: Source | None
    """Where it is, seen from the open project; None where it cannot be taken."""
    mask: Source | None = None
    here: str = ""
    """The lane that is this image already, or empty."""
    problem: str = ""
    """Why it, or its strokes, are left out."""
    note: str = ""
    """In what it differs from the images that are here, so that no forest learns from both."""

    @property
    def is_taken(self) -> bool:
        """Whether its image or its strokes come."""
        return not self.problem


@dataclass(frozen=True)
class Other:
    """What another project would bring."""

    path: Path
    workflow: str
    project: Project
    images: tuple[Coming, ...]
    classes: Mapping[int, int | None]
    """Value there -> id of the class here; None: a new one. No two are the same class here."""
    fresh: bool
    """Nobody painted here yet: the classes here become those of the other project, in their order."""

    def to_json(self) -> dict[str, Any]:
        """For the browser."""
        counts = [count_classes(one.lane.labels) for one in self.images]
        taken = [count for count, one in zip(counts, self.images, strict=True) if one.is_taken]
        selection = self.project.selection
        return {
            "name": self.path.name,
            "path": str(self.path),
            "workflow": self.workflow,
            "images": [
                {
                    "name": one.lane.nickname,
                    "pixels": sum(count.values()),
                    "here": bool(one.here),
                    "problem": one.problem,
                    "note": one.note,
                }
                for one, count in zip(self.images, counts, strict=True)
            ],
            "classes": [
                {
                    "name": info.name,
                    "colour": list(info.colour),
                    "pixels": sum(count.get(value, 0) for count in taken),
                    "new": self.classes[value] is None,
                }
                for value, info in enumerate(self.project.classes, 1)
            ],
            "features": 0 if selection is None else int(np.count_nonzero(selection.matrix)),
        }


def other_project(
    found: tuple[Project, str], path: Path, document: Document, folder: Path, check: Check
) -> Other:
    """What the project at ``path`` would bring into ``document``, whose file lies in ``folder``.

    ``found`` is what was read of it: its pixel classification and the name of its workflow.
    """
    project, workflow = found
    here = {_place(e.raw, document.base): k for k, e in document.lanes.items()}
    images = tuple(_coming(lane, project, document, (folder, here), check) for lane in project.lanes)
    fresh = not document.labels
    return Other(path, workflow, project, images, _same_classes(project.classes, document, fresh), fresh)


def _same_classes(theirs: Iterable[ClassInfo], document: Document, fresh: bool) -> dict[int, int | None]:
    """Value there -> id of the class of that name here, but for letter case where no other is nearer.

    With ``fresh`` those without one take the classes here that are nobody's, in their order.
    """
    named = {ident: document.classes[ident].info.name for ident in document.class_order}
    numbered = list(enumerate(theirs, 1))
    found: dict[int, int | None] = {}
    for alike in (str, str.casefold):
        for value, info in numbered:
            free = (
                k for k, name in named.items() if k not in found.values() and alike(name) == alike(info.name)
            )
            known = None if value in found else next(free, None)
            if known is not None:
                found[value] = known
    rest = iter([k for k in named if k not in found.values()] if fresh else [])
    for value, _ in numbered:
        if value not in found:
            found[value] = next(rest, None)
    return found


def _place(source: Source, project: Project) -> str:
    address = resolve_source(source, project).address
    return "" if address is None else os.path.realpath(address)


def _coming(
    lane: Lane, project: Project, document: Document, where: tuple[Path, Mapping[str, str]], check: Check
) -> Coming:
    folder, here = where
    try:
        source = _source(lane.raw, project, folder, check)
        mask = None if lane.mask is None else _source(lane.mask, project, folder, check)
    except UnderbrushError as error:
        return Coming(lane, None, problem=error.sentence)
    if source is None:
        return Coming(lane, None, problem="Its file is missing; open that project and repair it first.")
    known = here.get(_place(lane.raw, project), "")
    if not known:
        return Coming(lane, source, mask, note=_unlike(lane.raw, document))
    mine = document.lanes[known].raw
    if lane.raw.shape is not None and (mine.axes, mine.shape) != (lane.raw.axes, lane.raw.shape):
        return Coming(lane, source, mask, known, "It is here already, read with other axes or sizes.")
    said = "" if lane.labels else "It is here already, and has no strokes there."
    return Coming(lane, source, mask, known, said)


def _unlike(raw: Source, document: Document) -> str:
    shapes = (document.shape(k) for k in document.lane_order)
    mine, first = raw.shape5, next((shape for shape in shapes if shape is not None), None)
    if mine is None or first is None:
        return ""
    if mine[1] != first[1]:
        return f"{mine[1]} {'channel' if mine[1] == 1 else 'channels'}, here {first[1]}"
    if (mine[2] > 1) != (first[2] > 1):
        return "a volume, here are flat images" if mine[2] > 1 else "flat, here are volumes"
    return ""


def _source(source: Source, project: Project, folder: Path, check: Check) -> Source | None:
    """The source as the open project keeps it; None where its file is not there."""
    address = resolve_source(source, project).address
    if address is None:
        return None
    if source.kind == "url":
        check(source)
        return source
    files = [os.path.abspath(one) for one in address.split(os.pathsep)]  # noqa: PTH100  (links stay)
    near = folder.absolute()
    if len(files) == 1 and Path(files[0]).is_relative_to(near):
        files = [Path(files[0]).relative_to(near).as_posix()]
    whole = linked_source(os.pathsep.join(files), source.axes, source.shape)
    kind = "stack" if source.kind == "stack" else whole.kind
    found = replace(
        source, kind=kind, stored=whole.stored, files=whole.files, inner=whole.inner, dataset_id=""
    )
    check(found)
    return found
