"""Addresses of steps 4 and 5: what an export would give, starting it, how far it is, its texts."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from underbrush.errors import CommandError, UnderbrushError, UsageError
from underbrush.project.values_json import export_to_json
from underbrush.web.browse import Roots, kind_of_folder

if TYPE_CHECKING:
    from underbrush.engine.export_wish import Wish
    from underbrush.engine.exporting import Exporter
    from underbrush.engine.session import Session
    from underbrush.web.hub import Hub

MOST = 500
"""Files that are taken at once."""
MOST_BODY = 2_000_000
_OPENERS = {"darwin": "open", "win32": "explorer"}


class Exports:
    """The exporter of each open project."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._exporters: dict[str, tuple[Session, Exporter]] = {}
        self.painter = ThreadPoolExecutor(1, "preview", _step_back)
        """Pictures of what would be written are computed one at a time, behind what is on the screen."""

    def of(self, ident: str, session: Session) -> Exporter:
        """The exporter of a session, made at its first use."""
        from underbrush.engine.batch import Limits  # noqa: PLC0415  (numba: late)
        from underbrush.engine.exporting import Exporter  # noqa: PLC0415

        with self._lock:
            known = self._exporters.get(ident)
            if known is not None and known[0] is session:
                return known[1]
            if known is not None:
                known[1].close(0)
            settings = self._hub.settings
            allowed = self._hub.roots.with_folder(session.path.parent)
            made = Exporter(
                session, Limits(settings.threads, settings.memory), lambda path: check_place(path, allowed)
            )
            self._exporters[ident] = session, made
            return made

    def close(self) -> None:
        """End all that runs; nothing half-written is left."""
        with self._lock:
            exporters = [made for _, made in self._exporters.values()]
            self._exporters.clear()
        self.painter.shutdown(cancel_futures=True)
        for made in exporters:
            made.close()


def _step_back() -> None:
    from underbrush.engine.priorities import TILES, give_way  # noqa: PLC0415

    give_way(TILES)


def _picture(session: Session, wish: Wish, lane: str) -> tuple[bytes, bool]:
    """A PNG of what would be written, empty where nothing can be shown; whether it is a part of the plane."""
    import numpy as np  # noqa: PLC0415  (late)
    from PIL import Image as Pillow  # noqa: PLC0415

    from underbrush.engine.preview import MOST, extent, preview  # noqa: PLC0415  (numba: late)

    pixels = preview(session, lane, wish.result, wish.classifier, wish.region)
    if pixels is None:
        return b"", False
    out = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG")
    wide, high = extent(session.image(lane).shape5, wish.region)
    return out.getvalue(), wide * high > MOST


def check_place(path: Path, allowed: Roots) -> None:
    """Refuse a file outside of the allowed roots; links on the way are followed.

    Raises
    ------
    UsageError
        It would lie outside, or be hidden.
    """
    try:
        real = path.resolve()
    except (OSError, RuntimeError):
        real = path
    if not allowed.holds(real):
        raise UsageError(
            "results cannot be written here: it is not among the folders that may be opened",
            where=path,
            remedy="choose another path, or start underbrush with --root and this folder",
        )


def images_in(paths: list[str], roots: Roots, confined: bool = False) -> list[str]:
    """Files, patterns and folders as files; of a folder, its images, unless it is one itself (Zarr, N5).

    Raises
    ------
    UnderbrushError
        Nothing was found, too much was found, or a path may not be seen.
    """
    from underbrush.web.panels.opening import expanded  # noqa: PLC0415  (imports NiceGUI)

    found: list[str] = []
    for path in expanded(paths, roots, confined):
        if not Path(path).is_dir() or kind_of_folder(Path(path).name) == "image":
            found.append(path)
            continue
        inside = [str(e.path) for e in roots.listing(path).entries if e.kind == "image"]
        if not inside:
            raise UsageError("no image lies in this folder", where=path, remedy="choose another")
        found += inside
    if len(found) > MOST:
        raise UsageError(f"{len(found)} files are too many at once", remedy=f"choose up to {MOST}")
    return list(dict.fromkeys(found))


async def _body(request: Request) -> dict[str, Any]:
    if int(request.headers.get("content-length") or 0) > MOST_BODY:
        raise UsageError("the request is too large")
    try:
        said = await request.json()
    except (ValueError, RecursionError):
        raise UsageError("the request is no JSON") from None
    if not isinstance(said, dict):
        raise UsageError("the request is no object")
    return said


def _texts_of(said: dict[str, Any], key: str) -> list[str]:
    found = said.get(key, [])
    if not isinstance(found, list) or len(found) > MOST or not all(isinstance(t, str) for t in found):
        raise UsageError(f"{key} is no list of up to {MOST} texts")
    return found


def _kind(said: dict[str, Any]) -> str:
    kind = said.get("kind", "export")
    if kind not in ("export", "batch"):
        raise UsageError("kind is neither export nor batch")
    return str(kind)


def _wish(said: dict[str, Any]) -> Wish:
    from underbrush.engine.export_wish import wish_from_json  # noqa: PLC0415  (numpy: late)

    try:
        return wish_from_json(said.get("wish"))
    except CommandError as error:
        raise UsageError(error.problem, remedy=error.remedy) from None


def _axes_of_first(session: Session) -> str:
    """In which order the project counts a region."""
    for lane in session.document.lane_order:
        try:
            return session.image(lane).axes
        except UnderbrushError:
            continue
    return "yx"


def is_of_windows(pattern: str) -> bool:
    """Whether a path begins with a drive or a share: on other systems it would be a folder of that name."""
    return re.match(r"[A-Za-z]:[\\/]|\\\\", pattern) is not None


def _state(session: Session, exporter: Exporter) -> dict[str, Any]:
    from underbrush.engine.export_wish import DTYPES, KINDS, wish_of  # noqa: PLC0415

    axes = _axes_of_first(session)
    usual, unusual = _usual()
    stored = wish_of(session.document.settings.export, axes, usual)
    elsewhere = stored.pattern if is_of_windows(stored.pattern) and os.name != "nt" else ""
    if elsewhere:
        stored = replace(stored, pattern=usual.pattern)
    return {
        "jobs": exporter.state(),
        "stored": stored.to_json(),
        "usual": usual.to_json(),
        "unusual": unusual,
        "elsewhere": elsewhere,
        "axes": axes,
        "classifiers": sorted(session.document.frozen),
        "dtypes": list(DTYPES),
        "results": list(KINDS),
    }


def _usual() -> tuple[Wish, str]:
    """What a project has in which nobody chose anything; a sentence where the settings say what cannot be."""
    from underbrush.engine.export_usual import usual_wish  # noqa: PLC0415
    from underbrush.engine.export_wish import Wish  # noqa: PLC0415

    try:
        return usual_wish(), ""
    except UnderbrushError as error:
        return Wish(), error.sentence


def _looked(session: Session, exporter: Exporter, wish: Wish, lane: str) -> dict[str, Any]:
    from underbrush.engine.export_wish import settings_of, wish_of  # noqa: PLC0415

    before, axes, project = session.document.settings.export, _axes_of_first(session), session.path.stem
    kept = settings_of(wish, before, axes, project)
    # What stands there without a choice is no change: to look at another result is nothing to undo.
    plain = wish_of(before, axes, _usual()[0])
    stored = kept in (before, settings_of(plain, before, axes, project))
    return {**exporter.look(wish, lane), "settings": export_to_json(kept), "stored": stored}


def _keep(session: Session, wish: Wish) -> None:
    """Store in the project what a window chose that is closed before it could send it itself."""
    from underbrush.engine.export_wish import settings_of  # noqa: PLC0415
    from underbrush.project.commands import SetExport  # noqa: PLC0415

    before = session.document.settings.export
    kept = settings_of(wish, before, _axes_of_first(session), session.path.stem)
    if kept != before:
        session.apply(f"closed-{uuid.uuid4().hex}", 1, SetExport(kept))


def _opened(folder: str) -> bool:
    """Show a folder in the desktop's own program, where this machine has a desktop."""
    opener = _OPENERS.get(sys.platform, "xdg-open")
    has_desktop = sys.platform in _OPENERS or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not has_desktop:
        return False
    try:
        subprocess.Popen(
            [opener, folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return True


def add_exports(app: FastAPI, hub: Hub) -> Exports:
    """Add all addresses below /api/p/{ident}/exports; close what is given when the server ends."""
    exports = Exports(hub)
    router = APIRouter(prefix="/api/p/{ident}/exports")

    async def ready(ident: str) -> tuple[Session, Exporter]:
        session = await hub.ready(ident)
        return session, await asyncio.to_thread(exports.of, ident, session)

    def answer(said: dict[str, Any]) -> Response:
        return JSONResponse(said, headers={"cache-control": "no-store"})

    @router.get("")
    async def state(ident: str) -> Response:
        session, exporter = await ready(ident)
        return answer(await asyncio.to_thread(_state, session, exporter))

    @router.get("/jobs")
    async def jobs(ident: str) -> Response:
        _, exporter = await ready(ident)
        return answer({"jobs": await asyncio.to_thread(exporter.state)})

    @router.post("/look")
    async def look(ident: str, request: Request) -> Response:
        said = await _body(request)
        session, exporter = await ready(ident)
        wish, lane = _wish(said), str(said.get("lane", ""))
        return answer(await asyncio.to_thread(_looked, session, exporter, wish, lane))

    @router.post("/keep")
    async def keep(ident: str, request: Request) -> Response:
        said = await _body(request)
        session, _ = await ready(ident)
        await asyncio.to_thread(_keep, session, _wish(said))
        return Response(status_code=204)

    @router.post("/picture")
    async def picture(ident: str, request: Request) -> Response:
        said = await _body(request)
        session, _ = await ready(ident)
        wish, lane = _wish(said), str(said.get("lane", ""))
        if lane not in session.document.lanes:
            raise UsageError("there is no such image", where=lane[:40])
        loop = asyncio.get_running_loop()
        data, part = await loop.run_in_executor(exports.painter, _picture, session, wish, lane)
        if not data:
            return Response(status_code=204)
        headers = {"cache-control": "no-store", "x-part": "middle" if part else "whole"}
        return Response(data, media_type="image/png", headers=headers)

    @router.post("/texts")
    async def texts(ident: str, request: Request) -> Response:
        said = await _body(request)
        _, exporter = await ready(ident)
        wish, kind, lanes = _wish(said), _kind(said), _texts_of(said, "lanes")
        return answer(await asyncio.to_thread(exporter.texts, wish, kind, lanes))

    _add_jobs(router, hub, exports)
    app.include_router(router)
    _add_usual(app)
    return exports


def _usual_state() -> dict[str, Any]:
    from underbrush.config import config_file  # noqa: PLC0415
    from underbrush.engine.export_usual import fixed_settings  # noqa: PLC0415
    from underbrush.engine.export_wish import Wish  # noqa: PLC0415
    from underbrush.sinks.formats import FORMATS  # noqa: PLC0415

    wish, problem = _usual()
    return {
        "format": wish.format,
        "name": wish.pattern,
        "problem": problem,
        "plain": {"format": Wish().format, "name": Wish().pattern},
        "fixed": list(fixed_settings()),
        "formats": [one.name for one in FORMATS],
        "file": str(config_file()),
    }


def _add_usual(app: FastAPI) -> None:
    """Format and path of results for all projects in which nobody chose any."""

    @app.get("/api/usual-export")
    async def usual() -> Response:
        return JSONResponse(await asyncio.to_thread(_usual_state), headers={"cache-control": "no-store"})

    @app.post("/api/usual-export")
    async def change(request: Request) -> Response:
        from underbrush.engine.export_usual import store_usual  # noqa: PLC0415

        said = await _body(request)
        texts = said.get("format"), said.get("name")
        if not all(text is None or isinstance(text, str) for text in texts):
            raise UsageError("format and name are no texts")
        await asyncio.to_thread(store_usual, *texts)
        return JSONResponse(await asyncio.to_thread(_usual_state), headers={"cache-control": "no-store"})


def _add_jobs(router: APIRouter, hub: Hub, exports: Exports) -> None:
    async def ready(ident: str) -> tuple[Session, Exporter]:
        session = await hub.ready(ident)
        return session, await asyncio.to_thread(exports.of, ident, session)

    def now(exporter: Exporter) -> Response:
        return JSONResponse({"jobs": exporter.state()}, headers={"cache-control": "no-store"})

    @router.post("/start")
    async def start(ident: str, request: Request) -> Response:
        said = await _body(request)
        _, exporter = await ready(ident)
        if _kind(said) == "batch":
            await asyncio.to_thread(exporter.run_batch, _wish(said))
        else:
            await asyncio.to_thread(exporter.export, _wish(said), _texts_of(said, "lanes"))
        return now(exporter)

    @router.post("/files")
    async def files(ident: str, request: Request) -> Response:
        said = await _body(request)
        session, exporter = await ready(ident)
        roots = hub.roots.with_folder(session.path.parent)

        def choose() -> None:
            masks = _texts_of(said, "masks")
            confined = hub.settings.confined
            images = images_in(_texts_of(said, "paths"), roots, confined)
            exporter.choose(images, images_in(masks, roots, confined) if masks else [])

        await asyncio.to_thread(choose)
        return now(exporter)

    @router.post("/retry")
    async def retry(ident: str, request: Request) -> Response:
        said = await _body(request)
        _, exporter = await ready(ident)
        rows = said.get("rows")
        if rows is not None and not (isinstance(rows, list) and all(isinstance(n, int) for n in rows)):
            raise UsageError("rows is no list of whole numbers")
        await asyncio.to_thread(exporter.retry, _kind(said), rows)
        return now(exporter)

    @router.post("/cancel")
    async def cancel(ident: str) -> Response:
        _, exporter = await ready(ident)
        exporter.cancel()
        await asyncio.to_thread(exporter.wait, 1.0)
        return now(exporter)

    @router.post("/results")
    async def results(ident: str, request: Request) -> Response:
        """What exports of this project left, to be deleted; with ``delete``, the paths of those that go."""
        said = await _body(request)
        _, exporter = await ready(ident)
        wish, wanted = _wish(said), [Path(one) for one in _texts_of(said, "delete")]
        gone, left = await asyncio.to_thread(exporter.delete, wish, wanted) if wanted else ([], [])
        found = await asyncio.to_thread(exporter.results, wish)
        told = {"results": [one.to_json() for one in found], "deleted": len(gone), "left": left}
        return JSONResponse({**told, "jobs": exporter.state()}, headers={"cache-control": "no-store"})

    @router.post("/folder")
    async def folder(ident: str, request: Request) -> Response:
        said = await _body(request)
        _, exporter = await ready(ident)
        wanted = str(said.get("folder", ""))
        known = {f for job in exporter.state().values() for f in job["folders"]}
        if wanted not in known:
            raise UsageError("no result lies in this folder", where=wanted[:300])
        return JSONResponse({"opened": await asyncio.to_thread(_opened, wanted), "folder": wanted})
