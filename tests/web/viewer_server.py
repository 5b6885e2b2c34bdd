"""A small server with the addresses that the viewer reads: images that are computed, labels that a test sets.

Nothing here is the product's server; it lets the viewer be tried alone, with images of any size.
`python tests/web/viewer_server.py` serves the page `viewer_bench.html`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
VIEWER = HERE.parents[1] / "src" / "underbrush" / "web" / "viewer"
HISTOGRAM = {
    "uint8": b'{"edges": [0, 255], "counts": [1], "auto": [0, 255]}',
    "uint16": b'{"edges": [0, 4000], "counts": [1], "auto": [100, 3900]}',
    "float32": b'{"edges": [0, 1], "counts": [1], "auto": [0.1, 0.8]}',
}
Pixels = Callable[[int, int, NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]


@dataclass
class Lane:
    """An image as a function of t, c and arrays of z, y, x; labels (z, y, x) of the first t, or none."""

    shape: tuple[int, int, int, int, int]
    dtype: str
    pixels: Pixels
    pixel_size: dict[str, tuple[float, str]] = field(default_factory=dict)
    rgb: bool = False
    levels: int = 1
    range: tuple[float, float] | None = None
    labels: NDArray[np.uint8] | None = None

    def state(self, name: str) -> dict[str, Any]:
        """Return what the state tells of a lane."""
        return {
            "id": name,
            "nickname": name,
            "axes": "tczyx",
            "shape": list(self.shape),
            "dtype": self.dtype,
            "rgb": self.rgb,
            "v": f"v-{name}",
            "levels": self.levels,
            "tile": 256,
            "pixel_size": self.pixel_size,
            "range": self.range,
            "channels": [str(c) for c in range(self.shape[1])],
        }

    def box(self, q: dict[str, int | str]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return z, y, x of the pixels of a box, rows by columns."""
        step = 2 ** int(q["level"])
        axes = {"xy": ("y", "x", "z"), "xz": ("z", "x", "y"), "zy": ("y", "z", "x")}[str(q["plane"])]
        steps = [1 if name == "z" else step for name in axes[:2]]
        rows = (int(q["y"]) + np.arange(int(q["h"]))) * steps[0]
        columns = (int(q["x"]) + np.arange(int(q["w"]))) * steps[1]
        v, u = np.meshgrid(rows, columns, indexing="ij")
        at = {axes[0]: v, axes[1]: u, axes[2]: np.full_like(u, int(q["slice"]))}
        return at["z"], at["y"], at["x"]


def blobs(t: int, c: int, z: NDArray[Any], y: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """Return soft round things on a dark ground with a little grain, 0..1."""
    size = 60 + 17 * c
    i, j = x // size, y // size
    cx = (i + 0.5) * size + 14 * np.sin(i * 12.9 + j * 78.2 + c)
    cy = (j + 0.5) * size + 14 * np.sin(i * 39.3 + j * 11.1 + c)
    radius = size * (0.24 + 0.09 * np.sin(i * 7.7 + j * 3.1)) * np.cos(np.clip((z - 20) / 30, -1.4, 1.4))
    far = np.hypot((x - cx) * 1.2, y - cy)
    light = 1 / (1 + np.exp((far - radius) / 2.5)) * (0.7 + 0.2 * np.sin(x / 3.1) * np.sin(y / 2.7))
    grain = np.modf(np.abs(np.sin(x * 12.9898 + y * 78.233 + z * 3.7 + t) * 43758.5453))[0]
    return 0.06 + 0.8 * light + 0.05 * grain


def squares(t: int, c: int, z: NDArray[Any], y: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """Return a value that tells where it is: (x + 3 y + 50 c + 7 z + 11 t) mod 256, as whole numbers."""
    return (x + 3 * y + 50 * c + 7 * z + 11 * t) % 256


def times(most: float) -> Pixels:
    """Return the blobs with 1 become ``most``."""
    return lambda *at: blobs(*at) * most


def holes(t: int, c: int, z: NDArray[Any], y: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """Return blobs with a square that is not a number."""
    out = blobs(t, c, z, y, x)
    out[(x >= 100) & (x < 140) & (y >= 100) & (y < 140)] = np.nan
    return out


def lanes() -> dict[str, Lane]:
    """Return the images: of every dtype, plane and size that the viewer is to bear."""
    small = {"x": (0.11, "um"), "y": (0.11, "um")}
    flat = {"x": (0.2, "µm"), "y": (0.2, "µm"), "z": (0.6, "µm")}
    grey = Lane((1, 1, 1, 500, 700), "uint8", times(255), {"x": (0.65, "µm"), "y": (0.65, "µm")}, levels=2)
    grey.labels = np.zeros((1, 500, 700), np.uint8)
    return {
        "grey": grey,
        "channels": Lane((1, 4, 1, 2048, 2048), "uint16", times(4000), small, levels=4, range=(200, 3600)),
        "volume": Lane((2, 1, 40, 300, 400), "float32", holes, flat, range=(0, 1)),
        "huge": Lane((1, 1, 1, 100_000, 100_000), "uint8", squares, {"x": (0.25, "µm")}, levels=9),
        "rgb": Lane((1, 3, 1, 600, 800), "uint8", times(255), levels=2, rgb=True),
        "tiny": Lane((1, 1, 1, 3, 5), "uint8", squares),
    }


class ViewerServer:
    """Serves the viewer's modules, a page, and tiles; `log` has the addresses that were asked for."""

    def __init__(self) -> None:
        self.lanes = lanes()
        self.revision = 0
        self.answering = threading.Event()  # cleared: pixels are not answered for the time being
        self.answering.set()
        self.fail_next = 0
        self.log: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                try:
                    status, kind, body, headers = server.answer(self.path)
                except (KeyError, FileNotFoundError, ValueError) as error:
                    status, kind, headers = 404, "application/json", {}
                    body = json.dumps({"sentence": f"There is no such thing: {error}"}).encode()
                self.send_response(status)
                for name, value in {
                    "Content-Type": kind,
                    "Content-Length": str(len(body)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                return

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):
                    return  # the viewer gave a tile up

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, address: str) -> tuple[int, str, bytes, dict[str, str]]:
        """Return status, content type, body and headers for an address."""
        url = urlsplit(address)
        parts = url.path.strip("/").split("/")
        self.log.append(address)
        if parts[0] == "viewer":
            return 200, "text/javascript", (VIEWER / parts[1]).read_bytes(), {"Cache-Control": "no-store"}
        if parts[0] != "api":
            return 200, "text/html; charset=utf-8", (HERE / "js" / "viewer_bench.html").read_bytes(), {}
        if parts[-1] == "state":
            state = {"lanes": [lane.state(name) for name, lane in self.lanes.items()]}
            return 200, "application/json", json.dumps(state).encode(), {}
        if self.fail_next:
            self.fail_next -= 1
            return 503, "application/json", b'{"sentence": "The server is busy."}', {}
        self.answering.wait(120)
        lane = self.lanes[parts[4]]
        query: dict[str, int | str] = {k: v[0] for k, v in parse_qs(url.query).items()}
        if parts[5] == "histogram":
            return 200, "application/json", HISTOGRAM[lane.dtype], {}
        return self.tile(lane, query) if parts[5] == "tile" else self.label_tile(lane, query)

    def tile(self, lane: Lane, query: dict[str, int | str]) -> tuple[int, str, bytes, dict[str, str]]:
        """Return raw pixels."""
        z, y, x = lane.box(query)
        channels = [int(c) for c in str(query["c"]).split(",")]
        data = np.stack([lane.pixels(int(query["t"]), c, z, y, x) for c in channels]).astype(lane.dtype)
        headers = {
            "X-Dtype": lane.dtype,
            "X-Shape": ",".join(map(str, data.shape)),
            "Cache-Control": "max-age=31536000, immutable",
        }
        return 200, "application/octet-stream", data.tobytes(), headers

    def label_tile(self, lane: Lane, query: dict[str, int | str]) -> tuple[int, str, bytes, dict[str, str]]:
        """Return class ids."""
        z, y, x = lane.box(query)
        data = (
            lane.labels[z, y, x]
            if lane.labels is not None and int(query["t"]) == 0
            else np.zeros(x.shape, np.uint8)
        )
        return 200, "application/octet-stream", data.tobytes(), {"X-Revision": str(self.revision)}


if __name__ == "__main__":
    print(ViewerServer().address, flush=True)  # noqa: T201
    threading.Event().wait()
