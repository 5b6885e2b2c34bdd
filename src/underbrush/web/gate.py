"""Who may speak to the server: pure ASGI in front of everything, both websockets and uploads included.

Every page that a browser shows can send requests to a server on the same machine. So each request and each
websocket must name a host that is ours (a foreign name that leads here is refused), must not come from a
foreign page (``Origin``, ``Sec-Fetch-Site``), and must carry the cookie that was given for the token.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from underbrush.web.refusal import refusal_page

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE_DAYS = 90
BODY_BYTES = 16 << 20
"""What a request other than an upload may carry."""
UPLOAD = "/api/upload"

_PREFIX = re.compile(r"(/[A-Za-z0-9._~@%-]+)*")
_PREFIX_HEADERS = ("x-forwarded-prefix", "x-proxycontextpath", "x-forwarded-context")
_NEAR = frozenset({"same-origin", "none"})
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Allowed:
    """Under which names the server may be addressed."""

    trusted: frozenset[str] = frozenset()
    """Names, without or with port, that were given with --trusted-host; lower case."""
    any_address: bool = False
    """Also by any IP address: the server listens for other machines. No foreign *name* leads here even so."""

    def host(self, value: str) -> bool:
        """Whether the ``Host`` header is one of ours. Loopback counts on any port: a tunnel may change it."""
        name = host_name(value)
        if name is None:
            return False
        if name in LOOPBACK or name in self.trusted or value.lower() in self.trusted:
            return True
        return self.any_address and _is_address(name)

    def origin(self, value: str, host: str) -> bool:
        """Whether a page of the origin may speak to us: it is our own, or that of a trusted proxy."""
        try:
            parts = urlsplit(value)
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            return False
        found = parts.netloc.lower()
        return found == host.lower() or found in self.trusted or host_name(found) in self.trusted


def allowed_hosts(trusted: Iterable[str], listening: str) -> Allowed:
    """What may be addressed when listening on ``listening`` with these --trusted-host names."""
    names = {name.strip().lower() for name in trusted}
    near = listening in LOOPBACK
    return Allowed(frozenset(names if near else names | {listening.lower()}), not near)


def host_name(value: str) -> str | None:
    """The name in a ``Host`` header without its port, lower case; None where it is none."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?", value)
    return None if match is None else (match[1] or match[2]).lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Refused(Exception):
    """An answer other than what was asked for."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Gate:
    """An ASGI application that lets through to ``app`` what may pass.

    Parameters
    ----------
    app
        What is guarded.
    token
        The secret of this user.
    port
        The port that is listened on; in the name of the cookie, because cookies know no ports.
    allowed
        Under which names we may be addressed.
    landing
        Gives the path that ``/?token=`` leads to.
    upload_bytes
        The largest upload.
    """

    def __init__(
        self,
        app: App,
        *,
        token: str,
        port: int,
        allowed: Allowed,
        landing: Callable[[], str] = lambda: "/",
        upload_bytes: int = 0,
    ) -> None:
        self._app = app
        self._token = token.encode()
        self._allowed = allowed
        self._landing = landing
        self._upload_bytes = upload_bytes
        self._once: set[str] = set()
        self.cookie = f"underbrush_{port}"

    def admit_once(self, token: str) -> None:
        """Take this token once: others on this machine can read the command line of the browser with it."""
        self._once.add(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] not in {"http", "websocket"}:
            return None
        try:
            headers = _unique_headers(scope)
            prefix = checked_prefix(headers)
            host = self._checked_origin(scope, headers)
            guarded = _with_security_headers(send, host)
            if self._has_cookie(headers):
                limit = self._upload_bytes if scope["path"] == UPLOAD else BODY_BYTES
                inner = _with_prefix(scope, prefix)
                return await self._app(inner, _limited(receive, headers, limit), guarded)
            target = self._traded(scope)
            if target is None:
                raise Refused(401, "")
        except Refused as refused:
            return await _refuse(scope, send, refused)
        return await self._give_cookie(guarded, prefix, target, scope.get("scheme") == "https")

    def _checked_origin(self, scope: Scope, headers: dict[str, str]) -> str:
        """The ``Host``; raises where it, or the page that asks, is foreign."""
        host = headers.get("host", "")
        if not self._allowed.host(host):
            known = "add it with --trusted-host if it is a proxy of yours"
            raise Refused(421, f"This server does not answer to the name {host[:100]!r}; {known}.")
        origin = headers.get("origin")
        if origin is not None and not self._allowed.origin(origin, host):
            raise Refused(403, "A page of another site may not speak to Underbrush.")
        site = headers.get("sec-fetch-site", "none")
        opened = (
            scope["type"] == "http"
            and scope["method"] in _SAFE
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        # A link on another page may be followed to a page of ours; nothing else may come from there.
        if site not in _NEAR and not opened:
            raise Refused(403, "A page of another site may not speak to Underbrush.")
        return host

    def _has_cookie(self, headers: dict[str, str]) -> bool:
        # By hand: the standard library's parser gives nothing at all where another program's cookie is odd.
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        return any(name == self.cookie and self._is_token(value) for name, _, value in pairs)

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode("utf-8", "replace"), self._token)

    def _traded(self, scope: Scope) -> str | None:
        """Where a request with the right token in its address goes on to; None where it has none."""
        if scope["type"] != "http" or scope["method"] not in _SAFE:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token", "")
        if not self._is_token(given):
            if given not in self._once:
                return None
            self._once.discard(given)
        rest = urlencode([(k, v) for k, v in query if k != "token"])
        # One slash at the front: two would be the address of another host.
        path = "/" + scope["path"].lstrip("/\\")
        path = self._landing() if path == "/" else quote(path)
        return path + ("?" + rest if rest else "")

    async def _give_cookie(self, send: Send, prefix: str, target: str, secure: bool) -> None:
        cookie = (
            f"{self.cookie}={self._token.decode()}; Path={prefix or '/'}; Max-Age={COOKIE_DAYS * 86400};"
            f" HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
        )
        headers = [
            (b"location", (prefix + target).encode("latin-1")),
            (b"cache-control", b"no-store"),
            (b"set-cookie", cookie.encode("latin-1")),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def checked_prefix(headers: dict[str, str]) -> str:
    """The path that a proxy has put us under, as in ``/user/ana/proxy/8642``; empty without one."""
    found = next((headers[name] for name in _PREFIX_HEADERS if headers.get(name)), "")
    prefix = found.rstrip("/")
    # It is printed into pages and into Location: nothing but plain path segments may be in it.
    if len(prefix) > 500 or not _PREFIX.fullmatch(prefix) or "/.." in prefix or "/./" in prefix + "/":
        raise Refused(400, "The path prefix that the proxy gave is not a plain path.")
    return prefix


def _unique_headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name; raises where one that is decided on comes twice."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found:
            if key in {"host", "origin", "sec-fetch-site", *_PREFIX_HEADERS}:
                raise Refused(400, f"The header {key} came twice.")
            if key == "cookie":
                found[key] += "; " + value.decode("latin-1")
                continue
        found[key] = value.decode("latin-1")
    return found


def _with_prefix(scope: Scope, prefix: str) -> Scope:
    """The scope with the checked prefix as its only header of that kind."""
    names = {name.encode() for name in _PREFIX_HEADERS}
    headers = [(k, v) for k, v in scope["headers"] if k.lower() not in names]
    if prefix:
        headers.append((b"x-forwarded-prefix", prefix.encode("latin-1")))
    return {**scope, "headers": headers}


def _limited(receive: Receive, headers: dict[str, str], limit: int) -> Receive:
    """``receive`` that gives no more than ``limit`` bytes of a body; raises where more is announced."""
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        raise Refused(413, f"This is more than the {limit / 1e6:,.0f} MB that may be sent at once.")
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                return {"type": "http.disconnect"}
        return message

    return limited


def _with_security_headers(send: Send, host: str) -> Send:
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        f"connect-src 'self' ws://{host} wss://{host}; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )
    ours = [
        (b"content-security-policy", policy.encode("latin-1")),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"x-frame-options", b"SAMEORIGIN"),
    ]
    names = {name for name, _ in ours}

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(k, v) for k, v in message.get("headers", ()) if k.lower() not in names]
            message = {**message, "headers": [*kept, *ours]}
        await send(message)

    return guarded


async def _refuse(scope: Scope, send: Send, refused: Refused) -> None:
    if scope["type"] == "websocket":
        if refused.status == 401:
            # A page of ours without a cookie: only after the handshake can a browser tell this from a server
            # that is away, to which it would come back for ever.
            await send({"type": "websocket.accept"})
            return await send({"type": "websocket.close", "code": 4401, "reason": "no cookie"})
        return await send({"type": "websocket.close", "code": 1008, "reason": refused.sentence[:100]})
    body = refusal_page(refused.status, refused.sentence).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (
            b"content-security-policy",
            b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
