"""A small server that keeps what the browser paints, in memory; it can be stopped, slowed and made to refuse.

It follows docs/design/web.md for one project of three images, so that painting can be tried alone; it is not
the product's server. What it was told stays while it is stopped, as a project on a disk does.
`PYTHONPATH=tests python tests/web/painting_server.py [port]` serves a page to paint on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect

from underbrush.core.filling import fill_equal, lasso
from web.viewer_server import Lane, blobs

VIEWER = Path(__file__).parents[2] / "src" / "underbrush" / "web" / "viewer"
PAGE = """<!doctype html><meta charset="utf-8"><title>painting</title>
<style>body { margin: 0; background: #08090a } #viewer { position: absolute; inset: 0 }</style>
<div id="viewer"></div><script type="module">
import { mount } from "/viewer/index.js";
const said = [];
const app = await mount(document.getElementById("viewer"), { project: "PPPPPPPP" });
for (const name of ["notice", "action"]) app.on(name, (payload) => said.push([name, payload]));
Object.assign(window, { app, said });
</script>"""


def colours() -> list[dict[str, Any]]:
    """Return the classes; ids are not the values."""
    return [
        {"id": 5, "value": 1, "name": "Background", "colour": [0, 130, 200], "locked": False},
        {"id": 3, "value": 2, "name": "Foreground", "colour": [255, 225, 25], "locked": False},
    ]


def images() -> dict[str, Lane]:
    """Return a plane, a volume and a second plane."""
    return {
        "a1": Lane((1, 1, 1, 500, 700), "uint8", lambda *a: blobs(*a) * 255, {}, levels=2, range=(0, 255)),
        "a2": Lane((2, 1, 40, 120, 160), "uint8", lambda *a: blobs(*a) * 255, {}, range=(0, 255)),
        "a3": Lane((1, 1, 1, 64, 64), "uint8", lambda *a: blobs(*a) * 255, {}, range=(0, 255)),
    }


class Project:
    """Labels, and who did what. Every command of a client is applied once."""

    def __init__(self) -> None:
        self.lanes = images()
        self.labels = {
            name: np.zeros(np.delete(lane.shape, 1), np.uint8) for name, lane in self.lanes.items()
        }
        self.classes = colours()
        self.revision = 0
        self.last: dict[str, int] = {}
        self.applied: list[tuple[str, int, dict[str, Any]]] = []
        self.done: dict[str, list[list[tuple[Any, ...]]]] = {}
        self.undone: dict[str, list[list[tuple[Any, ...]]]] = {}
        self.live = True
        self.read_only: str | None = None

    def state(self, client: str) -> dict[str, Any]:
        """Return what the browser may know."""
        return {
            "project": "PPPPPPPP", "name": "nuclei.ilp", "revision": self.revision,
            "read_only": self.read_only,
            "lanes": [{**lane.state(name), "missing": None} for name, lane in self.lanes.items()],
            "classes": self.classes, "live": self.live,
            "undo": "Stroke" if self.done.get(client) else None,
            "redo": "Stroke" if self.undone.get(client) else None,
        }  # fmt: skip

    def apply(self, client: str, number: int, command: dict[str, Any]) -> list[dict[str, Any]]:
        """Carry a command out and return the ``labels`` messages of it; ValueError refuses it."""
        kind = command["type"]
        changes: list[tuple[Any, ...]] = []
        if kind == "paint":
            changes = self.paint(command["lane"], command["runs"], command["class"])
        elif kind == "lasso":
            changes = self.lasso(command)
        elif kind == "fill":
            changes = self.fill(command)
        elif kind in ("undo", "redo"):
            source, target = (self.done, self.undone) if kind == "undo" else (self.undone, self.done)
            if not source.get(client):
                raise ValueError(f"There is nothing to {kind}.")
            steps = source[client].pop()
            target.setdefault(client, []).append(steps)
            for lane, box, before, after in steps:
                self.labels[lane][box] = before if kind == "undo" else after
            changes = steps
        else:
            raise ValueError(f"This server knows no {kind}.")
        if kind in ("paint", "lasso", "fill"):
            self.done.setdefault(client, []).append(changes)
            self.undone[client] = []
        self.applied.append((client, number, command))
        self.last[client] = number
        self.revision += 1
        return self.messages(client, number, changes)

    def paint(self, lane: str, runs: list[int], class_id: int) -> list[tuple[Any, ...]]:
        """Set runs; return (lane, index, before, after) of each."""
        if class_id and class_id not in [one["id"] for one in self.classes]:
            raise ValueError("There is no such class.")
        out = []
        for t, z, y, x, n in np.asarray(runs).reshape(-1, 5):
            box = (t, z, y, slice(x, x + n))
            if not (x >= 0 and x + n <= self.labels[lane].shape[3]):
                raise ValueError("The runs are not inside the image.")
            before = self.labels[lane][box].copy()
            self.labels[lane][box] = class_id
            out.append((lane, box, before, self.labels[lane][box].copy()))
        return out

    def lasso(self, command: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Set what lies inside an outline, by the product's own rule."""
        shape = self.lanes[command["lane"]].shape
        points = np.array(command["points"], np.float64)
        runs = lasso(points, command["plane"], command["t"], command["slice"], shape)
        return self.paint(command["lane"], runs.array.reshape(-1).tolist(), command["class"])

    def fill(self, command: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Set what hangs together with a pixel by its label, by the product's own rule."""
        labels = self.labels[command["lane"]][:, None]
        seed = (command["t"], command["z"], command["y"], command["x"])
        found = fill_equal(lambda box: labels[box.slices], seed, command["plane"], labels.shape)
        return self.paint(command["lane"], found.runs.array.reshape(-1).tolist(), command["class"])

    def messages(self, client: str, number: int, changes: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Return what to tell all windows of changed labels."""
        by_lane: dict[str, list[int]] = {}
        for lane, (t, z, y, across), _, _ in changes:
            for x in range(across.start, across.stop):
                by_lane.setdefault(lane, []).extend(
                    [int(t), int(z), int(y), int(x), 1, int(self.labels[lane][t, z, y, x])]
                )
        return [
            {"type": "labels", "lane": lane, "revision": self.revision, "client": client, "number": number,
             "changes": runs}
            for lane, runs in by_lane.items()
        ]  # fmt: skip


class PaintingServer:
    """Serves a `Project` on one port; `stop` and `start` as often as a test likes."""

    def __init__(self, port: int = 0) -> None:
        self.project = Project()
        self.mode = "ack"  # "later", "refuse", "silent", "cut": applied, but the answer never leaves
        self.busy = 0  # so many requests for the state fail
        self.heard: list[dict[str, Any]] = []
        self.sockets: set[WebSocket] = set()
        self.port = port
        self.app = self.routes()
        self.start()
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve from now on, again on the same port."""
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            port=self.port,
            log_level="critical",
            timeout_graceful_shutdown=1,
            ws="websockets-sansio",
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([listening],), daemon=True)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive(), "the server ended before it answered"
            self.thread.join(0.01)

    def stop(self) -> None:
        """Cut all lines and listen no more."""
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join()

    def routes(self) -> FastAPI:
        """Return the addresses."""
        app = FastAPI()

        @app.get("/")
        def page() -> Response:
            return Response(PAGE, media_type="text/html")

        @app.get("/viewer/{name}")
        def module(name: str) -> Response:
            return Response(
                (VIEWER / name).read_bytes(),
                media_type="text/javascript",
                headers={"Cache-Control": "no-store"},
            )

        @app.get("/api/p/{ident}/state")
        def state(client: str) -> Any:
            if self.busy:
                self.busy -= 1
                return Response(status_code=503)
            return self.project.state(client)

        @app.get("/api/p/{ident}/lanes/{lane}/{what}")
        def read(lane: str, what: str, request: Request) -> Response:
            return self.read(lane, what, dict(request.query_params))

        @app.websocket("/api/p/{ident}/ws")
        async def events(socket: WebSocket, client: str) -> None:
            await socket.accept()
            self.sockets.add(socket)
            with contextlib.suppress(WebSocketDisconnect):
                while True:
                    await self.hear(socket, client, await socket.receive_json())
            self.sockets.discard(socket)

        return app

    def read(self, name: str, what: str, query: dict[str, str]) -> Response:
        """Return pixels, labels, a value or a histogram."""
        lane, labels = self.project.lanes[name], self.project.labels[name]
        if what == "histogram":
            return Response(
                b'{"edges": [0, 1], "counts": [1], "auto": [20, 180]}', media_type="application/json"
            )
        if what == "value":
            t, z, y, x = (int(query[key]) for key in "tzyx")
            value = {"values": [0], "probabilities": None, "label": int(labels[t, z, y, x])}
            return Response(json.dumps(value), media_type="application/json")
        z, y, x = lane.box(dict(query))
        if what == "labels":
            data = labels[int(query["t"])][z, y, x]
            return Response(data.tobytes(), headers={"X-Revision": str(self.project.revision)})
        pixels = np.stack(
            [lane.pixels(int(query["t"]), int(c), z, y, x) for c in query["c"].split(",")]
        ).astype(lane.dtype)
        return Response(
            pixels.tobytes(), headers={"X-Dtype": lane.dtype, "X-Shape": ",".join(map(str, pixels.shape))}
        )

    async def hear(self, socket: WebSocket, client: str, message: dict[str, Any]) -> None:
        """Answer one message of a browser."""
        self.heard.append({"client": client, **message})
        project = self.project
        if message["type"] == "hello":
            await socket.send_json(
                {"type": "welcome", "revision": project.revision, "last": project.last.get(client, 0)}
            )
        if message["type"] != "command" or self.mode == "silent":
            return
        number = message["number"]
        ack = {"type": "ack", "number": number, "sequence": 0, "title": "Stroke"}
        if number <= project.last.get(client, 0):
            return await socket.send_json({**ack, "revision": project.revision})
        if self.mode == "later":
            return await socket.send_json(
                {"type": "later", "number": number, "sentence": "NOT saved: the disk is full."}
            )
        try:
            if self.mode == "refuse":
                raise ValueError("This class is locked.")
            labels = project.apply(client, number, message["command"])
        except ValueError as error:
            return await socket.send_json({"type": "refused", "number": number, "sentence": str(error)})
        if self.mode == "cut":
            return await socket.close(1011)
        state = project.state(client)
        await socket.send_json(
            {**ack, "revision": project.revision, "undo": state["undo"], "redo": state["redo"]}
        )
        for other in [*self.sockets]:
            for said in labels:
                with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                    await other.send_json(said)


if __name__ == "__main__":
    serving = PaintingServer(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(serving.address, flush=True)  # noqa: T201
    asyncio.run(asyncio.Event().wait())
