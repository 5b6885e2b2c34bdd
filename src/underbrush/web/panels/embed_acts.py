"""Images go into the project and out of it: copied here, settled by a command of the tab that asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from underbrush.project.values_json import source_to_json

if TYPE_CHECKING:
    from underbrush.engine.session import Session
    from underbrush.project.schema import Source
    from underbrush.web.panels.parts import Part

EMBED_ACTS = frozenset({"embed", "unembed", "embedStop"})
TELL = 0.3
"""Seconds between two looks at how far a copy is."""


class EmbedActs:
    """Copies one image after the other for one window, and says how far it is."""

    def __init__(self, parts: Callable[[str], Part]) -> None:
        self._parts = parts
        self._stop = threading.Event()
        self._busy = False

    async def act(self, wanted: dict[str, Any], session: Session) -> None:
        """Carry out what the properties asked for.

        Raises
        ------
        UnderbrushError
            An image cannot be copied; those before it are.
        """
        if wanted["name"] == "embedStop":
            self._stop.set()
            return
        lanes = [one for one in wanted.get("lanes") or [] if isinstance(one, str)]
        if self._busy or not lanes:
            return
        self._busy, self._stop = True, threading.Event()
        try:
            for lane in lanes:
                if not await self._copy(session, lane, inside=wanted["name"] == "embed"):
                    self._parts("Toast").say("Stopped; what was copied before stays.")
                    return
        finally:
            self._busy = False
            self._parts("ImageProperties").set(copying=None)

    async def _copy(self, session: Session, lane: str, inside: bool) -> bool:
        """One image; False: it was stopped."""
        from underbrush.engine.embedding import put_out, take_in  # noqa: PLC0415  (late: much is loaded)
        from underbrush.engine.scheduler import Cancelled  # noqa: PLC0415

        entry, said = session.document.lanes.get(lane), {"done": 0, "total": 0}
        if entry is None or (entry.raw.kind == "embedded") == inside:
            return True

        def progress(done: int, total: int) -> None:
            said.update(done=done, total=total)

        def work() -> Source:
            return (take_in if inside else put_out)(session, lane, progress, self._stop)

        job = asyncio.ensure_future(asyncio.to_thread(work))
        while not job.done():
            await asyncio.wait([job], timeout=TELL)
            self._parts("ImageProperties").set(copying={"name": entry.nickname, **said})
        try:
            source = await job
        except Cancelled:
            return False
        command = {"type": "embed", "id": lane, "source": source_to_json(source)}
        self._parts("ViewerFrame").run_method("commands", [command])
        return True
