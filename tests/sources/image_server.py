"""A web server of a folder that can be slow, fail, refuse or break off; it counts what is asked of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class ImageServer:
    """Serves ``folder`` on this machine; use it in a ``with`` statement."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.asked = Counter()
        self.latency = 0.0
        self.failures: dict[str, list[int]] = {}
        """Part of a path -> statuses that the next requests of it get before it works."""
        self.always: dict[str, int] = {}
        """Part of a path -> the status that all requests of it get."""
        self.cut: set[str] = set()
        """Parts of paths of which half of the bytes are sent."""
        self.missing = 404
        """The status of what is not there."""
        self.signed_only = False
        """Whether requests without credentials are refused."""
        self.queries: list[str] = []
        self.connections = []
        self.lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                owner.connections.append(self.connection)

            def do_GET(self):
                owner.answer(self, send=True)

            def do_HEAD(self):
                owner.answer(self, send=False)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.stop()

    def stop(self):
        """Nobody answers from now on."""
        if self.thread is not None:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.thread = None

    def status_of(self, path: str) -> int:
        with self.lock:
            for part, status in self.always.items():
                if part in path:
                    return status
            for part, statuses in self.failures.items():
                if part in path and statuses:
                    return statuses.pop(0)
        return 200

    def answer(self, request, send: bool):
        parts = urlsplit(request.path)
        path = unquote(parts.path)
        with self.lock:
            self.asked[path.rpartition("/")[2]] += 1
            self.queries.append(parts.query)
        time.sleep(self.latency)
        status = self.status_of(path)
        if self.signed_only and "Credential=key/" not in request.headers.get("Authorization", ""):
            status = 403
        file = self.folder / path.lstrip("/")
        if status != 200 or not file.is_file():
            self._send(request, status if status != 200 else self.missing, b"no", send)
            return
        data = file.read_bytes()
        if any(part in path for part in self.cut):
            data = data[: len(data) // 2]
        wanted = request.headers.get("Range")
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = int(first) if first else len(data) - int(last)
            stop = min(len(data), int(last) + 1) if last and first else len(data)
            self._send(request, 206, data[start:stop], send, f"bytes {start}-{stop - 1}/{len(data)}")
        else:
            self._send(request, 200, data, send)

    @staticmethod
    def _send(request, status, data, send, content_range=None):
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.send_header("ETag", f'"{hash(data) & 0xFFFFFF:x}"')
        if content_range:
            request.send_header("Content-Range", content_range)
        request.end_headers()
        if send:
            request.wfile.write(data)
