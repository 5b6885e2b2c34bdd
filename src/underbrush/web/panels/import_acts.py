"""Images, strokes, classes and features of another project: shown first, then done by the tab that asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbrush.errors import UsageError
from underbrush.web.confinement import check_source

if TYPE_CHECKING:
    from underbrush.engine.project_import import Other
    from underbrush.engine.session import Session
    from underbrush.web.hub import Hub
    from underbrush.web.panels.parts import Part

IMPORT_ACTS = frozenset({"importProject", "importGo", "importLeave"})
PATIENCE = 60.0
"""Seconds in which the images and classes have to be there, before their strokes are painted."""
STEP = 0.1


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
            await self._carry_out(session, other, bool(wanted.get("features")))

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

    async def _carry_out(self, session: Session, other: Other, features: bool) -> None:
        """Classes and images first, then the strokes in them: as commands of this tab, in their order."""
        from underbrush.engine.project_import import first_commands, stroke_commands  # noqa: PLC0415

        before, viewer = session.document, self._part("ViewerFrame")
        first = [one.to_json() for one in first_commands(other, before, features)]
        viewer.run_method("commands", first, "")
        until = time.monotonic() + PATIENCE
        while True:
            strokes = await asyncio.to_thread(stroke_commands, other, before, session.document)
            if strokes is not None:
                break
            if viewer.is_deleted:
                return
            if time.monotonic() > until:
                raise UsageError(
                    "not all images and classes of the other project could be added, so no strokes were",
                    where=other.path,
                    remedy="undo what was added, and try again",
                )
            await asyncio.sleep(STEP)
        viewer.run_method("commands", [one.to_json() for one in strokes], _said(other))


def _said(other: Other) -> str:
    taken = [one for one in other.images if one.is_taken]
    fresh, painted = sum(not one.here for one in taken), sum(bool(one.lane.labels) for one in taken)
    parts = [
        f"{fresh} {'image' if fresh == 1 else 'images'} added" if fresh else "",
        f"strokes in {painted} {'image' if painted == 1 else 'images'} imported" if painted else "",
    ]
    said = ", ".join(part for part in parts if part) or "Classes imported"
    return f"{said[0].upper()}{said[1:]} from {other.path.name}."
