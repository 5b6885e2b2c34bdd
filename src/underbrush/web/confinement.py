"""Images that a browser names, and those of projects that it opens, lie below the allowed roots too."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from underbrush.errors import CommandError
from underbrush.project.commands import Command, ImportProject
from underbrush.project.document import Document
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Project, Source
from underbrush.web.addresses import check_net
from underbrush.web.browse import Roots
from underbrush.web.linked_files import check_linked


def check_command(command: Command, roots: Roots, project: Path, confined: bool = False) -> None:
    """Refuse a command whose images lie outside of the roots and of the folder of the project.

    Raises
    ------
    CommandError
        It names such an image.
    UnderbrushError
        It names another project that may not be seen, or cannot be read.
    """
    for part in fields(command):
        value = getattr(command, part.name)
        if isinstance(value, Source):
            check_source(value, roots, project, confined)
    if isinstance(command, ImportProject):
        _check_import(command, roots, project, confined)


def _check_import(command: ImportProject, roots: Roots, project: Path, confined: bool) -> None:
    """Refuse another project that lies outside, or has one of the wanted images there."""
    from underbrush.engine.project_import import look_at_project  # noqa: PLC0415  (numba: late)

    path = roots.with_folder(project.parent).resolve(command.file)

    def check(source: Source) -> None:
        check_source(source, roots, project, confined)

    found = look_at_project(path, Document(), project.parent, check)
    for at in command.images:
        problem = found.images[at].problem if at < len(found.images) else "It has no such image."
        if problem:
            raise CommandError(problem.rstrip("."), where=path, remedy="look at the project again")


def check_document(document: Document, roots: Roots, project: Path) -> None:
    """Refuse a project with an image on the net, or outside of the roots and of its own folder.

    Raises
    ------
    CommandError
        Names the image.
    """
    for entry in document.lanes.values():
        for source in (entry.raw, entry.mask):
            if source is not None:
                check_source(source, roots, project, confined=True)


def check_source(source: Source, roots: Roots, project: Path, confined: bool = False) -> None:
    """Refuse an image that is found outside of the roots; one that is not found is refused when it is read.

    With ``confined`` nothing on the net is taken.

    Raises
    ------
    CommandError
        It lies outside, or its address is of an unknown kind.
    UsageError
        It lies on the net, and must not.
    """
    if source.kind == "embedded":
        return
    if source.kind == "url" and confined and not source.stored.lower().startswith("file:"):
        check_net(source.stored, confined)
    allowed = roots.with_folder(project.parent)
    for file in resolve_source(source, Project(path=project)).files:
        try:
            inside = allowed.holds(file.resolve())
        except (OSError, RuntimeError):
            inside = False
        if not inside:
            raise CommandError(
                "this image is not among the folders that may be opened here",
                where=source.stored,
                remedy="choose another, or start underbrush with --root and its folder",
            )
        check_linked(file.resolve(), allowed)
