"""Images, strokes, classes and features of another project: shown first, then done by the tab that asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbrush.errors import UsageError
from underbrush.project.commands import ImportProject
from underbrush.web.confinement import check_source

if TYPE_CHECKING:
    from underbrush.engine.session import Session
    from underbrush.project.other_project import Other
    from underbrush.web.hub import Hub
    from underbrush.web.panels.parts import Part

IMPORT_ACTS = frozenset({"importProject", "importGo", "importLeave"})


class ImportActs:
    """The project that one window is importing from."""

    def __init__(self, hub: Hub, part: Callable[[str], Part]) -> None:
        self._hub, self._part = hub, part
        self._other: Other | None = None

    async def act(self, wanted: Mapping[str, Any], session: Session, paths: Sequence[str]) -> None:
        """Look at a project, import from it, or leave it.

        Raises
        ------
        UnderbrushError
            It cannot be read, or has nothing that could be imported.
        """
        name = wanted["name"]
        if name == "importProject":
            self._other = await asyncio.to_thread(self._looked, session, paths)
            self._part("ProjectImport").set(file=self._other.to_json())
            return
        other, self._other = self._other, None
        self._part("ProjectImport").set(file=None)
        if name == "importGo" and other is not None:
            # One command, and so one undo. It reads the project again: what is shown may be old by then.
            images = tuple(at for at, one in enumerate(other.images) if one.is_taken)
            command = ImportProject(str(other.path), images, wanted.get("features") is True)
            said = f"Imported from {other.path.name}."
            self._part("ViewerFrame").run_method("commands", [command.to_json()], said)

    def _looked(self, session: Session, paths: Sequence[str]) -> Other:
        from underbrush.engine.project_import import look_at_project  # noqa: PLC0415  (numba: late)

        if len(paths) != 1 or not paths[0].lower().endswith(".ilp"):
            raise UsageError("a project is one .ilp file", remedy="choose one")
        path = Path(paths[0])
        if path.resolve() == session.path.resolve():
            raise UsageError("this is the project that is open", where=path, remedy="choose another one")
        hub = self._hub

        def check(source: Any) -> None:
            check_source(source, hub.roots, session.path, hub.settings.confined)

        return look_at_project(path, session.document, session.path.parent, check)
