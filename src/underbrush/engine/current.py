"""A project as it is at this moment: the .ilp and what its recovery file adds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from underbrush.errors import CommandError, ProjectError
from underbrush.project.document import Document, document_of, project_of
from underbrush.project.edits import forward, from_json
from underbrush.project.history import History, history_of
from underbrush.project.recovery import pending
from underbrush.project.schema import Project


def document_now(project: Project, records: Iterable[Mapping[str, Any]]) -> tuple[Document, History]:
    """The document and the history of a project after the edits of its recovery file.

    Raises
    ------
    ProjectError
        An edit cannot be understood.
    """
    document = document_of(project)
    history = history_of(project.own, document.bound)
    for record in records:
        try:
            edit = from_json(record)
            document = forward(document, edit.changes)
        except (CommandError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise ProjectError(
                f"change {record.get('sequence')} in its recovery file cannot be understood ({error})",
                where=project.path or "",
                remedy="move the recovery file (.journal) away to open the project without it",
            ) from error
        history = history.with_edit(edit)
    return document, history


def read_current(path: str | os.PathLike[str], say: Callable[[str], None] | None = None) -> Project:
    """The project as who has it open for writing sees it; for readers, takes no lock.

    Its forest is the stored one as long as nothing was changed since that it depends on. ``say`` is told
    where the recovery file could not be used.

    Raises
    ------
    ProjectError
        It cannot be read; see `read_project`.
    """
    found = pending(path)
    if say is not None:
        for notice in found.notices:
            say(notice)
    project = replace(found.project, problems=(*found.project.problems, *found.notices))
    if not found.records:
        return project
    document, _ = document_now(project, found.records)
    return project_of(document)
