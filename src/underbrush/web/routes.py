"""Addresses of the server that the viewer and the panels fetch from: state, pixels, files."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from underbrush.core.looking import PLANES, Place
from underbrush.errors import ImageError, OutputError, ProjectError, UnderbrushError, UsageError
from underbrush.web.addresses import check_net, is_on_the_net, seen_address
from underbrush.web.browse import AccessError, Wanted
from underbrush.web.glances import histogram, large_picture, pixel, thumbnail
from underbrush.web.planes import Cancelled, CancelledError, clipped, read_labels, read_outside, read_plane
from underbrush.web.reading import Reading, image_identity
from underbrush.web.state import state_of
from underbrush.web.uploads import receive_upload, upload_target

if TYPE_CHECKING:
    from underbrush.engine.session import Session
    from underbrush.web.hub import Hub

FOREVER = "private, max-age=31536000, immutable"
NEVER = "no-store"
_MOST_CHANNELS = 16
_MOST_FILES = 500
_STATUS: dict[type[UnderbrushError], int] = {
    AccessError: 403, UsageError: 400, ProjectError: 404, ImageError: 422, OutputError: 507,
}  # fmt: skip


class GoneError(UsageError):
    """What was asked for is not there any more."""


_STATUS[GoneError] = 409


def add_routes(app: FastAPI, hub: Hub, reading: Reading) -> None:
    """Add all addresses below /api, and sentences for what goes wrong there."""
    app.include_router(_project_router(hub, reading))
    app.include_router(_file_router(hub, reading))
    app.add_exception_handler(UnderbrushError, _said)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CancelledError, _nobody)
    app.add_exception_handler(OSError, _unreadable)
    app.add_exception_handler(MemoryError, _too_much)


async def _said(request: Request, error: Exception) -> Response:
    kind = next((k for k in type(error).__mro__ if k in _STATUS), None)
    status = _STATUS.get(kind, 422) if kind is not None else 422
    return JSONResponse({"sentence": str(error)}, status, {"cache-control": NEVER})


async def _invalid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(map(str, p['loc'][1:]))}: {p['msg']}" for p in problems[:3])
    return JSONResponse({"sentence": f"The request is malformed ({said})."}, 400, {"cache-control": NEVER})


async def _unreadable(request: Request, error: Exception) -> Response:
    sentence = f"A file cannot be read ({error}); check the disk or the network folder, then try again."
    return JSONResponse({"sentence": sentence}, 503, {"cache-control": NEVER})


async def _too_much(request: Request, error: Exception) -> Response:
    sentence = "There is not enough memory for this now; close other projects or programs."
    return JSONResponse({"sentence": sentence}, 503, {"cache-control": NEVER})


async def _nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # never seen: whoever asked has gone


def _gone(request: Request) -> Callable[[], Awaitable[None]]:
    """Returns when the browser gives up the request."""

    async def wait() -> None:
        while True:
            if (await request.receive())["type"] == "http.disconnect":
                return

    return wait


def _whole(request: Request, key: str, default: int | None = None) -> int:
    """A whole number from 0 on in the address."""
    text = request.query_params.get(key)
    if text is None and default is not None:
        return default
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise UsageError(f"{key}={(text or '')[:40]} is no whole number from 0 on")
    return int(text)


def _place(request: Request) -> Place:
    """The place that a request asks for."""
    plane = request.query_params.get("plane", "xy")
    if plane not in PLANES:
        raise UsageError(f"there is no plane {plane[:20]!r}", remedy="use xy, xz or zy")
    still = _whole(request, "slice", _whole(request, PLANES[plane][2], 0) if plane == "xy" else 0)
    t, level = _whole(request, "t", 0), _whole(request, "level", 0)
    x, y, w, h = (_whole(request, key) for key in ("x", "y", "w", "h"))
    return Place(t, plane, still, level, x, y, w, h)


def _channels(request: Request) -> tuple[int, ...]:
    text = request.query_params.get("c", "0")
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"c={text[:40]!r} is no list of channels", remedy="write it as in c=0,2") from None
    if len(found) > _MOST_CHANNELS:
        raise UsageError(f"{len(found)} channels are too many at once", remedy=f"ask for {_MOST_CHANNELS}")
    return found


def _checked_lane(session: Session, lane: str) -> str:
    if lane not in session.document.lanes:
        raise GoneError(f"there is no image {lane[:40]!r} in this project", remedy="reload the page")
    return lane


def _project_router(hub: Hub, reading: Reading) -> APIRouter:
    router = APIRouter(prefix="/api/p/{ident}")

    @router.get("/state")
    async def state(ident: str, client: str = "") -> Response:
        session = await hub.ready(ident)
        said = await asyncio.to_thread(state_of, ident, session, client)
        return JSONResponse(said, headers={"cache-control": NEVER})

    @router.get("/lanes/{lane}/tile")
    async def tile(ident: str, lane: str, request: Request, v: str = "") -> Response:
        session = await hub.ready(ident)
        place, channels = _place(request), _channels(request)

        def work(cancelled: Cancelled) -> Response:
            image = session.image(_checked_lane(session, lane))
            identity = image_identity(image)
            if v and v != identity:
                raise GoneError("the image has changed since", remedy="reload the page")
            inside = clipped(place, image.shape5)
            pixels = reading.kept(
                (identity, inside, channels), lambda: read_plane(image, inside, channels, cancelled)
            )
            headers = {
                "X-Dtype": pixels.dtype.name,
                "X-Shape": ",".join(map(str, pixels.shape)),
                # Without the identity in the address it may mean another image tomorrow.
                "Cache-Control": FOREVER if v else NEVER,
            }
            return Response(pixels.tobytes(), media_type="application/octet-stream", headers=headers)

        return await reading.run(work, _gone(request))

    @router.get("/lanes/{lane}/labels")
    async def labels(ident: str, lane: str, request: Request) -> Response:
        session = await hub.ready(ident)
        place = _place(request)

        def work(cancelled: Cancelled) -> Response:
            shape = session.image(_checked_lane(session, lane)).shape5
            # The revision first: labels may be newer than it says, never older.
            revision = session.revision
            ids = read_labels(session.labels(lane), clipped(place, shape), shape)
            headers = {
                "X-Dtype": "uint8",
                "X-Shape": f"1,{ids.shape[0]},{ids.shape[1]}",
                "X-Revision": str(revision),
                "Cache-Control": NEVER,
            }
            return Response(ids.tobytes(), media_type="application/octet-stream", headers=headers)

        return await reading.run(work, _gone(request))

    @router.get("/lanes/{lane}/mask")
    async def outside(ident: str, lane: str, request: Request, v: str = "") -> Response:
        session = await hub.ready(ident)
        place = _place(request)

        def work(cancelled: Cancelled) -> Response:
            shape = session.image(_checked_lane(session, lane)).shape5
            mask = session.mask(lane)
            if mask is None or (v and v != image_identity(mask)):
                raise GoneError("the mask has changed since", remedy="reload the page")
            values = read_outside(mask, clipped(place, shape), cancelled)
            headers = {
                "X-Shape": f"1,{values.shape[0]},{values.shape[1]}",
                "Cache-Control": FOREVER if v else NEVER,
            }
            return Response(values.tobytes(), media_type="application/octet-stream", headers=headers)

        return await reading.run(work, _gone(request))

    _add_glances(router, hub, reading)
    return router


def _add_glances(router: APIRouter, hub: Hub, reading: Reading) -> None:
    kept: dict[tuple[str, str], Any] = {}

    def remembered(key: tuple[str, str], make: Callable[[], Any]) -> Any:
        if key not in kept:
            if len(kept) > 1000:
                kept.clear()
            kept[key] = make()
        return kept[key]

    @router.get("/lanes/{lane}/histogram")
    async def histogram_of(ident: str, lane: str, request: Request) -> Response:
        session = await hub.ready(ident)
        c = _whole(request, "c", 0)

        def work(cancelled: Cancelled) -> Response:
            image = session.image(_checked_lane(session, lane))
            key = (image_identity(image), f"histogram {c}")
            said = remembered(key, lambda: histogram(image, c, cancelled).to_json())
            return JSONResponse(said, headers={"cache-control": NEVER})

        return await reading.run(work, _gone(request))

    @router.get("/lanes/{lane}/thumbnail")
    async def thumbnail_of(ident: str, lane: str, request: Request) -> Response:
        session = await hub.ready(ident)

        def work(cancelled: Cancelled) -> Response:
            image = session.image(_checked_lane(session, lane))
            data = remembered((image_identity(image), "thumbnail"), lambda: thumbnail(image, cancelled))
            if lane == session.document.lane_order[0]:
                hub.recent_list.keep_thumbnail(ident, data)
            return Response(data, media_type="image/png", headers={"cache-control": "private, max-age=60"})

        return await reading.run(work, _gone(request))

    @router.get("/lanes/{lane}/picture")
    async def picture_of(ident: str, lane: str, request: Request) -> Response:
        session = await hub.ready(ident)
        where = _whole(request, "t", 0), _whole(request, "z", 0), _whole(request, "c", 0)

        def work(cancelled: Cancelled) -> Response:
            data = large_picture(session.image(_checked_lane(session, lane)), where, cancelled)
            return Response(data, media_type="image/png", headers={"cache-control": "private, max-age=60"})

        return await reading.run(work, _gone(request))

    @router.get("/lanes/{lane}/value")
    async def value_of(ident: str, lane: str, request: Request) -> Response:
        session = await hub.ready(ident)

        t, z, y, x = (
            _whole(request, "t", 0),
            _whole(request, "z", 0),
            _whole(request, "y"),
            _whole(request, "x"),
        )

        def work(cancelled: Cancelled) -> Response:
            values = pixel(session.image(_checked_lane(session, lane)), (t, z, y, x))
            found = session.probabilities_at(lane, t, z, y, x)
            said = {
                "values": values,
                "probabilities": None if found is None else [float(p) for p in found],
                "label": session.labels(lane).at(t, z, y, x),
            }
            return JSONResponse(said, headers={"cache-control": NEVER})

        return await reading.run(work, _gone(request))


def _file_router(hub: Hub, reading: Reading) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/browse")
    async def browse(path: str = "") -> Response:
        listing = await asyncio.to_thread(hub.roots.listing, path)
        roots = [str(folder) for folder in hub.roots.folders]
        return JSONResponse({**listing.to_json(), "roots": roots}, headers={"cache-control": NEVER})

    @router.get("/recent")
    async def recent() -> Response:
        found = await asyncio.to_thread(lambda: [one.to_json() for one in hub.recent()])
        return JSONResponse({"projects": found}, headers={"cache-control": NEVER})

    @router.get("/recent/{ident}/thumbnail")
    async def recent_thumbnail(ident: str) -> Response:
        data = await asyncio.to_thread(hub.recent_list.thumbnail, ident)
        if data is None:
            return Response(status_code=404)
        return Response(data, media_type="image/png", headers={"cache-control": "private, max-age=60"})

    @router.post("/open")
    async def open_project(request: Request) -> Response:
        """Open a project, or make one from images: ``{"paths": [...]}``; gives ``{"project": P}``."""
        said = await _json(request)
        paths = _paths(said)
        ident = await asyncio.to_thread(open_paths, hub, paths)
        await hub.ready(ident)
        return JSONResponse({"project": ident})

    @router.post("/locate")
    async def locate(request: Request) -> Response:
        """Where dropped files lie on this machine: ``{"files": [{name, size, modified}]}``, in ms."""
        said = await _json(request)
        wanted = _wanted(said)
        first = [one.path.parent for one in hub.recent_list.all() if not one.missing]
        found = await asyncio.to_thread(hub.roots.locate, wanted, first)
        return JSONResponse({"paths": [None if path is None else str(path) for path in found]})

    @router.post("/upload")
    async def upload(request: Request, name: str, project: str = "") -> Response:
        announced = request.headers.get("content-length", "")
        if not announced.isdigit():
            raise UsageError("an upload says its size", remedy="send it as one file")
        folder = hub.settings.new_projects
        if project:
            folder = (await hub.ready(project)).path.parent
        target = await asyncio.to_thread(upload_target, folder, unquote(name), int(announced))
        hub.allow(folder)  # what was put there by us may be opened
        try:
            await receive_upload(target, _chunks(request), int(announced))
        except ClientDisconnect:
            raise CancelledError from None
        return JSONResponse({"path": str(target)})

    return router


def open_paths(hub: Hub, paths: list[str], *, ask: bool = False) -> str:
    """Open the one project among ``paths``, or make one from the images that they name; gives its id.

    A packed project is unpacked into a new folder first. ``ask`` as in `Hub.start_project_from_images`.

    Raises
    ------
    UnderbrushError
        A path that may not be seen, several projects, or the folder for new ones cannot be written.
    """
    real = []
    for path in paths:
        if is_on_the_net(path):
            check_net(path, hub.settings.confined)
            real.append(path)
        else:
            real.append(seen_address(path, hub.roots))
    projects = [path for path in real if path.lower().endswith((".ilp", ".ilp.zip"))]
    if not projects:
        return hub.start_project_from_images(real, ask=ask)
    if len(real) > 1:
        raise UsageError("a project is opened alone", remedy="open it, then add images to it")
    if projects[0].lower().endswith(".ilp"):
        return hub.open(Path(projects[0]))
    from underbrush.engine.packing import unpack  # noqa: PLC0415  (late: much is loaded)

    pack = Path(projects[0])
    # Beside the pack, where that may be written: there a person looks for what came out of it.
    folder = pack.parent if os.access(pack.parent, os.W_OK) else hub.settings.new_projects
    return hub.open(unpack(pack, folder))


async def _json(request: Request) -> dict[str, Any]:
    try:
        said = json.loads(await request.body())
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise UsageError("the request is no JSON object")
    return said


def _paths(said: dict[str, Any]) -> list[str]:
    paths = said.get("paths")
    if not isinstance(paths, list) or not 0 < len(paths) <= _MOST_FILES:
        raise UsageError(f"paths is no list of 1 to {_MOST_FILES} paths")
    if not all(isinstance(path, str) for path in paths):
        raise UsageError("a path is no text")
    return paths


def _wanted(said: dict[str, Any]) -> list[Wanted]:
    try:
        files = said["files"]
        if not isinstance(files, list) or len(files) > _MOST_FILES:
            raise TypeError
        return [
            Wanted(str(f["name"]), int(f["size"]), float(f["modified"]) / 1000, f.get("folder") is True)
            for f in files
        ]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UsageError("files is no list of name, size and modified") from None


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk
