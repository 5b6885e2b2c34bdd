"""Where a project goes: a new one, this one under another name, or packed with its images to hand on."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nicegui import ui

from underbrush.errors import UnderbrushError, UsageError

if TYPE_CHECKING:
    from underbrush.engine.session import Session
    from underbrush.web.browse import Roots
    from underbrush.web.hub import Hub
    from underbrush.web.panels.parts import Part

_LOG = logging.getLogger(__name__)

PLACE_ACTS = frozenset({"place", "newProject", "saveAs", "pack", "packStop"})
"""What the part ``ProjectPlace`` asks for."""
MOST = 4096
"""Letters of a path that are looked at."""


def chosen_place(wanted: object, roots: Roots) -> Path:
    """The path that a person chose for a new file, in a folder that may be seen.

    Raises
    ------
    UnderbrushError
        There is none, the folder may not be seen, or the name cannot be used.
    """
    if not isinstance(wanted, str) or not wanted.strip() or len(wanted) > MOST:
        raise UsageError("there is no path", remedy="give a folder and a name")
    path = Path(wanted.strip())
    folder = roots.resolve(str(path.parent))
    if not path.name or path.name.startswith("."):
        raise UsageError(f"{path.name[:40]!r} is no name for a project", remedy="give another")
    return folder / path.name


def _free_name(folder: Path, stem: str, suffix: str) -> str:
    """``STEM.ilp``, or ``STEM 2.ilp`` and so on: the first that is not there."""
    numbered = (f"{stem}{suffix}" if n == 1 else f"{stem} {n}{suffix}" for n in itertools.count(1))
    return next(name for name in numbered if not os.path.lexists(folder / name))


class PlaceActs:
    """What the dialog of places does for one window."""

    def __init__(self, hub: Hub, parts: Callable[[str], Part], ident: str = "") -> None:
        self._hub, self._parts, self._ident = hub, parts, ident
        self._asked = 0
        self._stop = threading.Event()

    async def act(self, wanted: dict[str, Any], session: Session | None) -> None:
        """Carry out what the dialog asked for; what goes wrong is said in it."""
        name, part = wanted["name"], self._parts("ProjectPlace")
        if name == "packStop":
            self._stop.set()
            return
        if name == "place":
            self._asked += 1
            offered = await asyncio.to_thread(self._offered, str(wanted.get("kind")), session)
            part.set(**offered, problem="", busy=None, asked=self._asked)
            return
        part.set(problem="", busy={"done": 0, "total": 0})
        try:
            if name == "newProject":
                await self._begin(wanted)
            elif session is not None and name == "saveAs":
                await self._save_as(session, wanted)
            elif session is not None:
                await self._pack(session, wanted)
        except UnderbrushError as error:
            part.set(problem=error.sentence)
        finally:
            part.set(busy=None)

    def _offered(self, kind: str, session: Session | None) -> dict[str, Any]:
        """Folder and name that are offered, and what is to be known before; looks at the disk."""
        if session is None or kind == "newPlace":
            folder = self._hub.roots.folders[0]
            name = _free_name(folder, "Project", ".ilp")
            return {"folder": str(folder), "name": name, "size": 0, "kept": []}
        folder = session.path.parent
        try:
            self._hub.roots.resolve(str(folder))
        except UnderbrushError:
            folder = self._hub.roots.folders[0]
        if kind != "pack":
            name = _free_name(folder, session.path.stem, ".ilp")
            return {"folder": str(folder), "name": name, "size": 0, "kept": []}
        from underbrush.engine.packing import SUFFIX, packing_of  # noqa: PLC0415  (numba: late)

        try:
            packing = packing_of(session.project())
        except UnderbrushError as error:
            return {"folder": str(folder), "name": "", "size": 0, "kept": [error.sentence]}
        name = _free_name(folder, session.path.stem, SUFFIX)
        return {"folder": str(folder), "name": name, "size": packing.size, "kept": list(packing.kept)}

    async def _begin(self, wanted: dict[str, Any]) -> None:
        def begin() -> str:
            return self._hub.start_project(chosen_place(wanted.get("path"), self._hub.roots))

        ident = await asyncio.to_thread(begin)
        await self._hub.ready(ident)
        ui.navigate.to(f"/p/{ident}")

    async def _save_as(self, session: Session, wanted: dict[str, Any]) -> None:
        def begin() -> str:
            return self._hub.open(session.save_copy(chosen_place(wanted.get("path"), self._hub.roots)))

        ident = await asyncio.to_thread(begin)
        await self._hub.ready(ident)
        # The tab goes there by itself: as who it is, so that what it did can be undone there.
        self._parts("ViewerFrame").run_method("goOn", ident)
        try:
            await asyncio.to_thread(self._hub.leave, self._ident)
        except UnderbrushError as error:  # its disk may be why it is saved elsewhere; it stays open
            _LOG.warning("%s stays open: %s", session.path, error)

    async def _pack(self, session: Session, wanted: dict[str, Any]) -> None:
        from underbrush.engine.packing import pack, packing_of  # noqa: PLC0415
        from underbrush.engine.scheduler import Cancelled  # noqa: PLC0415

        part, stop = self._parts("ProjectPlace"), threading.Event()
        self._stop = stop
        said = {"done": 0, "total": 0}

        def progress(done: int, total: int) -> None:
            said.update(done=done, total=total)

        def work() -> Path:
            place = chosen_place(wanted.get("path"), self._hub.roots)
            return pack(packing_of(session.project()), place, progress, stop)

        job = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            while not job.done():
                await asyncio.wait([job], timeout=0.3)
                part.set(busy=dict(said))
            made = await job
        except Cancelled:
            self._parts("Toast").say("Nothing was packed.")
            return
        part.set(done=part.data.get("done", 0) + 1)
        self._parts("Toast").say(f"Packed as {made}. Whoever gets it opens it here, or unpacks it.")
