"""A real server on a free loopback port, with the real gate, for requests of browsers and attackers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from underbrush.web.app import make_app
from underbrush.web.browse import Roots
from underbrush.web.gate import allowed_hosts
from underbrush.web.hub import Hub, Settings

TOKEN = "t" * 43


@dataclass
class Served:
    """A server that runs, and how to speak to it."""

    port: int
    hub: Hub
    server: uvicorn.Server
    token: str = TOKEN

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"http://{self.host}"

    @property
    def cookie(self) -> dict[str, str]:
        return {"cookie": f"underbrush_{self.port}={self.token}"}

    def get(self, path: str, headers: dict[str, str] | None = None, **more) -> httpx.Response:
        """A request with the cookie."""
        return httpx.get(self.base + path, headers={**self.cookie, **(headers or {})}, timeout=120, **more)

    def post(self, path: str, headers: dict[str, str] | None = None, **more) -> httpx.Response:
        """A request with the cookie."""
        return httpx.post(self.base + path, headers={**self.cookie, **(headers or {})}, timeout=120, **more)

    def websocket(self, path: str, headers: dict[str, str] | None = None, **more):
        """A synchronous websocket with the cookie; a context manager."""
        from websockets.sync.client import connect

        return connect(
            f"ws://{self.host}{path}", additional_headers={**self.cookie, **(headers or {})}, **more
        )


def plain_pages(app, hub) -> None:
    """Pages that need no NiceGUI."""
    from fastapi.responses import HTMLResponse

    @app.get("/")
    @app.get("/p/{ident}")
    async def page(ident: str = "") -> HTMLResponse:
        return HTMLResponse(f"<title>Underbrush</title>{ident}")


@contextlib.contextmanager
def serving(
    folder: Path, pages=plain_pages, trusted=(), roots=None, listening_as="127.0.0.1"
) -> Iterator[Served]:
    """A server whose roots are ``folder``; everything of it ends with the block."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    port = listening.getsockname()[1]
    settings = Settings(
        threads=2,
        memory=1 << 30,
        roots=Roots(roots or [folder]),
        new_projects=folder / "Underbrush",
        state=folder / ".state",
    )
    hub = Hub(settings)
    gate = make_app(
        hub, token=TOKEN, port=port, allowed=allowed_hosts(trusted, listening_as), pages=pages, threads=2
    )
    config = uvicorn.Config(
        gate, ws="websockets-sansio", ws_max_size=16 << 20, log_config=None, lifespan="on",
        timeout_graceful_shutdown=3, ws_per_message_deflate=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield Served(port, hub, server)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
        unsaved = hub.close_all()
        assert not thread.is_alive()
        assert unsaved == []
