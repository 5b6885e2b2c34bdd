"""A copy of an open project in another place, where its own cannot be written."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PureWindowsPath

from underbrush.errors import OutputError
from underbrush.project.paths import linked_source, split_files
from underbrush.project.schema import Project, Source
from underbrush.project.write import write_project


def write_copy(project: Project, target: Path) -> Path:
    """Write ``project`` as the new file ``target``, its links leading where they led; gives the whole path.

    Raises
    ------
    OutputError
        There is a file of this name, or it cannot be written; nothing is left there.
    """
    path = target.expanduser().absolute()
    if path.suffix.lower() != ".ilp":
        path = path.with_name(path.name + ".ilp")
    if os.path.lexists(path):
        raise OutputError("there is a file of this name", where=path, remedy="choose another name")
    if not path.parent.is_dir():
        raise OutputError("there is no such folder", where=path.parent, remedy="choose one that is there")
    home = None if project.path is None else project.path.absolute().parent
    if home is not None and home != path.parent:
        lanes = (
            replace(lane, raw=_absolute(lane.raw, home), mask=lane.mask and _absolute(lane.mask, home))
            for lane in project.lanes
        )
        project = replace(project, lanes=tuple(lanes))
    write_project(project, path)
    return path


def _absolute(source: Source, home: Path) -> Source:
    """The source with links that do not depend on where the project lies."""
    if source.kind not in ("file", "stack") or not source.stored:
        return source
    pieces = split_files(source.stored)
    separator = ";" if ";".join(pieces) == source.stored else ":"
    whole = (
        piece
        if Path(piece).is_absolute() or PureWindowsPath(piece).is_absolute()
        else os.path.normpath(home / piece)
        for piece in pieces
    )
    found = linked_source(separator.join(whole))
    return replace(source, stored=found.stored, files=found.files, inner=found.inner)
