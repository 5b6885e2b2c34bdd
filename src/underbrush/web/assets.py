"""Files of the page that never change under their address: kept in memory, and by browsers for ever."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from underbrush.web.gate import Receive, Scope, Send

FOR_EVER = "private, max-age=31536000, immutable"
_PACKED_FROM = 16_000
"""Bytes: what is shorter costs more to pack than it saves."""
_PACKED_KINDS = frozenset({".js", ".mjs", ".css", ".svg", ".map"})
_LEVEL = 5
_KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file as it is sent."""

    kind: bytes
    plain: bytes
    packed: bytes | None


class Assets:
    """An ASGI application that answers with the files of one folder, as they were when first asked for.

    Parameters
    ----------
    folder
        Read with all its folders at the first request; what is not found then is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] | None = None
        self._kept: dict[str, _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file."""
        if scope["type"] != "http":
            return
        name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        if scope["method"] not in {"GET", "HEAD"}:
            return await _answer(send, 405, [(b"allow", b"GET, HEAD")], b"")
        kept = await self._found(name)
        if kept is None:
            return await _answer(send, 404, [(b"cache-control", b"no-store")], b"")
        headers = [(b"content-type", kept.kind), (b"cache-control", FOR_EVER.encode())]
        body = kept.plain
        if kept.packed is not None:
            headers.append((b"vary", b"accept-encoding"))
            if _takes_gzip(scope):
                headers.append((b"content-encoding", b"gzip"))
                body = kept.packed
        headers.append((b"content-length", str(len(body)).encode()))
        await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else body)

    async def _found(self, name: str) -> _Kept | None:
        if name in self._kept:
            return self._kept[name]
        if self._files is None:
            self._files = {path.relative_to(self._folder).as_posix(): path for path in _files(self._folder)}
        path = self._files.get(name)
        if path is None:
            return None
        plain = path.read_bytes()
        packed = None
        if len(plain) >= _PACKED_FROM and path.suffix in _PACKED_KINDS:
            packed = await asyncio.to_thread(gzip.compress, plain, _LEVEL, mtime=0)
        kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        self._kept[name] = _Kept(f"{kind}{charset}".encode(), plain, packed)
        return self._kept[name]


def content_key(folder: Path) -> str:
    """A name for a folder of modules that changes with any of them."""
    digest = hashlib.sha256()
    for path in sorted(_files(folder)):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def modules(folder: Path) -> list[str]:
    """The JavaScript modules of a folder, by their names below it."""
    return sorted(path.relative_to(folder).as_posix() for path in _files(folder) if path.suffix == ".js")


def preloads(addresses: Sequence[str]) -> str:
    """HTML that fetches modules at once: else a browser learns of each only from one that imports it."""
    return "\n".join(f'<link rel="modulepreload" href="{address}">' for address in addresses)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _takes_gzip(scope: Scope) -> bool:
    return any(key == b"accept-encoding" and b"gzip" in value.lower() for key, value in scope["headers"])


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
