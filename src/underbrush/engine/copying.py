"""A copy of an open project in another place, where its own cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

from underbrush.errors import OutputError
from underbrush.project.schema import Project
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
    # Links are relative below the folder of the project, else absolute: `normal_form` sees to that.
    write_project(project, path)
    return path
