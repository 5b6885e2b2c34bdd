"""Another project as it is now, for who imports from it."""

from __future__ import annotations

from pathlib import Path

from underbrush.engine.current import read_current
from underbrush.project.document import Document
from underbrush.project.other_project import Check, Other, other_project
from underbrush.project.schema import WORKFLOW, Project
from underbrush.project.stages import pixel_part


def read_other(path: Path) -> tuple[Project, str]:
    """What of a project is pixel classification, with what its recovery file adds, and its workflow.

    Raises
    ------
    ProjectError
        It cannot be read, or has no pixel classification in it.
    """
    project, workflow = pixel_part(path)
    # Only projects of this workflow are painted here, and so have strokes beside the file.
    return (read_current(path) if workflow == WORKFLOW else project), workflow


def look_at_project(path: Path, document: Document, folder: Path, check: Check) -> Other:
    """What the project at ``path`` would bring into ``document``, whose file lies in ``folder``.

    Raises
    ------
    ProjectError
        It cannot be read, or has no pixel classification in it.
    """
    return other_project(read_other(path), path, document, folder, check)
