"""Images, classes, strokes and features of another project, as commands for the one that is open."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from underbrush.core.labels import LabelBlock, count_classes, make_block, trimmed
from underbrush.engine.label_files import MOST_PIXELS, MOST_TEXT
from underbrush.errors import UnderbrushError
from underbrush.project.command import Command
from underbrush.project.commands import AddClass, AddLane, EditClass, ImportLabels, SetFeatures
from underbrush.project.document import Document
from underbrush.project.paths import linked_source
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import ClassInfo, Lane, Project, Source
from underbrush.project.stages import pixel_part

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
    """Value there -> id of the class here; None: a new one."""
    renamed: Mapping[int, ClassInfo]
    """Ids of classes here that nobody painted with, and what they become."""

    def to_json(self) -> dict[str, Any]:
        """For the browser."""
        counts = [count_classes(one.lane.labels) for one in self.images]
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
                }
                for one, count in zip(self.images, counts, strict=True)
            ],
            "classes": [
                {
                    "name": info.name,
                    "colour": list(info.colour),
                    "pixels": sum(
                        c.get(value, 0) for c, one in zip(counts, self.images, strict=True) if one.is_taken
                    ),
                    "new": self.classes[value] is None,
                }
                for value, info in enumerate(self.project.classes, 1)
            ],
            "features": 0 if selection is None else int(np.count_nonzero(selection.matrix)),
        }


def look_at_project(path: Path, document: Document, folder: Path, check: Check) -> Other:
    """What the project at ``path`` would bring into ``document``, whose file lies in ``folder``.

    Raises
    ------
    ProjectError
        It cannot be read, or has no pixel classification in it.
    """
    project, workflow = pixel_part(path)
    fresh = not document.labels
    by_name = {entry.info.name.casefold(): ident for ident, entry in document.classes.items()}
    classes: dict[int, int | None] = {}
    renamed: dict[int, ClassInfo] = {}
    for value, info in enumerate(project.classes, 1):
        known = by_name.get(info.name.casefold())
        if known is None and fresh and value <= len(document.class_order):
            # Nobody painted yet: the classes that are here by default become those of the other project.
            known = document.class_order[value - 1]
            if known in classes.values():
                known = None
            else:
                renamed[known] = info
        classes[value] = known
    here = {_place(e.raw, document.base): k for k, e in document.lanes.items()}
    images = tuple(_coming(lane, project, document, (folder, here), check) for lane in project.lanes)
    return Other(path, workflow, project, images, classes, renamed)


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
        return Coming(lane, source, mask)
    mine = document.lanes[known].raw
    if (mine.axes, mine.shape) != (lane.raw.axes, lane.raw.shape):
        return Coming(lane, source, mask, known, "It is here already, read with other axes or sizes.")
    said = "" if lane.labels else "It is here already, and has no strokes there."
    return Coming(lane, source, mask, known, said)


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


def first_commands(other: Other, document: Document, features: bool) -> list[Command]:
    """What comes before the strokes: classes, images, and the features where they are wanted."""
    commands: list[Command] = []
    for ident, info in other.renamed.items():
        if info != document.classes[ident].info:
            commands.append(EditClass(ident, name=info.name, colour=info.colour))
    for value, info in enumerate(other.project.classes, 1):
        if other.classes[value] is None:
            commands.append(AddClass(info.name, info.colour))
    if features and other.project.selection is not None:
        commands.append(SetFeatures(other.project.selection))
    for one in other.images:
        if one.is_taken and not one.here and one.source is not None:
            commands.append(AddLane(one.source, one.lane.nickname, one.mask))
    return commands


def stroke_commands(other: Other, before: Document, after: Document) -> list[ImportLabels] | None:
    """The strokes, once images and classes of `first_commands` are there; None while they are not.

    ``before`` is the document that `first_commands` saw, ``after`` the one of now.
    """
    by_name = {entry.info.name.casefold(): ident for ident, entry in after.classes.items()}
    ids = np.zeros(256, np.uint8)
    for value, info in enumerate(other.project.classes, 1):
        ident = other.classes[value]
        ident = by_name.get(info.name.casefold()) if ident is None else ident
        if ident is None or ident not in after.classes:
            return None
        ids[value] = ident
    fresh = [k for k in after.lane_order if k not in before.lanes]
    places = {_place(after.lanes[k].raw, after.base): k for k in fresh}
    commands: list[ImportLabels] = []
    for one in other.images:
        if not one.is_taken:
            continue
        lane = one.here or places.get(_place(one.lane.raw, other.project), "")
        if lane not in after.lanes:
            return None
        if one.lane.labels:
            commands += _painted(lane, one.lane.labels, ids, f"Strokes of {other.path.name} imported")
    return commands


def _painted(lane: str, blocks: tuple[LabelBlock, ...], ids: Any, title: str) -> list[ImportLabels]:
    """Commands of a size that travels."""
    commands: list[ImportLabels] = []
    waiting: list[LabelBlock] = []
    pixels = text = 0
    for block in blocks:
        small = trimmed(make_block(block.box, ids[block.values]))
        if small is None:
            continue
        letters = len(json.dumps(ImportLabels(lane, (small,)).to_json()))
        if waiting and (pixels + small.box.size > MOST_PIXELS or text + letters > MOST_TEXT):
            commands.append(ImportLabels(lane, tuple(waiting), title))
            waiting, pixels, text = [], 0, 0
        waiting.append(small)
        pixels, text = pixels + small.box.size, text + letters
    if waiting:
        commands.append(ImportLabels(lane, tuple(waiting), title))
    return commands
