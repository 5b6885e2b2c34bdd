"""The whole server as one ASGI application: routes, websocket and pages behind the gate."""

from __future__ import annotations

import importlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from underbrush.web.events import add_events
from underbrush.web.exports import add_exports
from underbrush.web.gate import Allowed, App, Gate, Receive, Scope, Send
from underbrush.web.light_imports import without
from underbrush.web.reading import CACHE_BYTES, Reading
from underbrush.web.routes import add_routes
from underbrush.web.uploads import MOST_BYTES

if TYPE_CHECKING:
    from underbrush.web.hub import Hub

Pages = Callable[[FastAPI, "Hub"], None]


def make_app(
    hub: Hub,
    *,
    token: str,
    port: int,
    allowed: Allowed,
    pages: Pages | None = None,
    threads: int = 2,
    seen: threading.Event | None = None,
) -> Gate:
    """The guarded application.

    Parameters
    ----------
    hub
        The projects.
    token, port, allowed
        See `Gate`.
    pages
        Adds what people see; by default the panels. They come last, for they answer every address.
    threads
        Threads that read pixels.
    seen
        Set when the first page speaks to the server: when it is on the screen.
    """
    reading = Reading(threads, min(CACHE_BYTES, hub.settings.memory // 16))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        exports.close()
        reading.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    add_routes(app, hub, reading)
    add_events(app, hub)
    exports = add_exports(app, hub)
    if pages is None:
        with without():
            importlib.import_module("socketio")
        from underbrush.web.panels import add_pages  # noqa: PLC0415  (imports NiceGUI)

        pages = add_pages
    pages(app, hub)

    def landing() -> str:
        return "/" if hub.landing is None else f"/p/{hub.landing}"

    inner = app if seen is None else _noticing(app, seen)
    return Gate(inner, token=token, port=port, allowed=allowed, landing=landing, upload_bytes=MOST_BYTES)


def _noticing(app: App, seen: threading.Event) -> App:
    """``app``, which sets ``seen`` at the first websocket: pages open one when they are there."""

    async def noticed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            seen.set()
        await app(scope, receive, send)

    return noticed
