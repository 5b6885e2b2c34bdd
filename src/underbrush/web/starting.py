"""Start and end of a server: its address is there before anything slow is loaded, all is saved at its end."""

from __future__ import annotations

import errno
import getpass
import logging
import os
import secrets
import socket
import ssl
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbrush.errors import UsageError
from underbrush.web.browse import Roots
from underbrush.web.gate import LOOPBACK, allowed_hosts
from underbrush.web.hub import Hub, Settings
from underbrush.web.light_imports import uncollected
from underbrush.web.preparing import prepare
from underbrush.web.tokens import claim_identity, identity_file, keep

if TYPE_CHECKING:
    from underbrush.web.app import Pages

PORT = 8642
"""Tried first by who has not used the app before."""
_TRIED = 50
_LEAVE = 5.0
"""Seconds that threads which only read get to end when all is saved."""
_SWITCH = 0.001
_LOG = logging.getLogger(__name__)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How the server is to run."""

    paths: tuple[Path, ...] = ()
    """One project, or images of a new one, or nothing."""
    addresses: tuple[str, ...] = ()
    """Images on the net, of a new project, after those of ``paths``."""
    host: str = "127.0.0.1"
    port: int | None = None
    """None: the one used last. 0: any. Where it is taken, the next free one."""
    browser: bool = True
    roots: tuple[Path, ...] = ()
    """What may be seen; empty: the home folder and the current one."""
    threads: int = 1
    memory: int = 1 << 30
    certificate: Path | None = None
    key: Path | None = None
    trusted: tuple[str, ...] = ()
    make: Callable[[], object] | None = None
    """Makes the project that is named, before it is opened."""
    warm_up: bool = True
    started: float = field(default_factory=time.monotonic)


def run_server(options: Options, say: Say, pages: Pages | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; all projects are saved then. Gives the exit status.

    Parameters
    ----------
    options
        See `Options`.
    say
        Prints a line.
    pages
        As of `make_app`.

    Raises
    ------
    UnderbrushError
        A path is not there, no port is free, the certificate cannot be read.
    """
    check_paths(options.paths, options.addresses)
    check_certificate(options)
    settings = _settings(options)
    identity = claim_identity(options.port)
    listening = bind(options.host, identity.port if options.port is None else options.port)
    port = int(listening.getsockname()[1])
    if identity.port is None and options.port is None:
        keep(type(identity)(identity.token, port), identity_file())
    hub = Hub(settings)
    try:
        base = f"{'https' if options.certificate else 'http'}://{shown_host(options.host)}:{port}"
        say(f"Underbrush runs at {base}/?token={identity.token} (Ctrl-C stops it)")
        for line in warnings_for(options, port, hub.roots.folders):
            say(line)
        _LOG.info("address printed after %.2f s", time.monotonic() - options.started)
        once = secrets.token_urlsafe(32)
        if options.browser and can_show_browser():
            # At once: it starts while the server is loaded, and is answered when that is done.
            threading.Thread(target=webbrowser.open, args=(f"{base}/?token={once}",), daemon=True).start()
        with uncollected():
            server = _server(hub, options, (identity.token, port), pages)
        server.gate.admit_once(once)
        # Only now: what it loads would hold up the first page.
        hub.landing = _open_paths(hub, options)
        # An answer passes through three threads; each would wait this long for one that computes in Python.
        sys.setswitchinterval(_SWITCH)
        server.serve_until_stopped(listening, say)
    finally:
        listening.close()
        ended = time.monotonic()
        unsaved = hub.close_all()
        _LOG.info("projects closed in %.2f s", time.monotonic() - ended)
    for sentence in unsaved:
        say(f"Not saved: {sentence}")
    _leave_soon(1 if unsaved else 0)
    return 1 if unsaved else 0


def _settings(options: Options) -> Settings:
    folders = options.roots or (Path.home(), Path.cwd())
    roots = Roots(folders)
    missing = [str(folder) for folder in options.roots if not folder.expanduser().is_dir()]
    if missing:
        raise UsageError("this folder is not there", where=missing[0], remedy="check --root")
    return Settings(options.threads, options.memory, roots, confined=bool(options.roots))


def check_paths(paths: tuple[Path, ...], addresses: tuple[str, ...] = ()) -> None:
    """Refuse what cannot be opened together, before anything starts.

    Raises
    ------
    UsageError
        A project and something else.
    """
    projects = [path for path in paths if is_project(path)]
    if projects and len(paths) + len(addresses) > 1:
        raise UsageError(
            "a project is opened alone", where=projects[0], remedy="open it, then add images to it"
        )


def is_project(path: Path) -> bool:
    """Whether a file is a project by its name, or a packed one."""
    return path.name.lower().endswith((".ilp", ".ilp.zip"))


def _open_paths(hub: Hub, options: Options) -> str | None:
    """Begin to open what was named; it may lie outside of the roots: who started us named it."""
    if not options.paths and not options.addresses:
        return None
    if not hub.settings.confined:
        for folder in {path.absolute().parent for path in options.paths}:
            hub.allow(folder)
    if options.paths and is_project(options.paths[0]):
        if options.paths[0].suffix.lower() != ".ilp":
            from underbrush.web.routes import open_paths  # noqa: PLC0415  (the address comes first)

            return open_paths(hub, [str(options.paths[0].absolute())])
        return hub.open(options.paths[0], options.make)
    return hub.start_project_from_images([*options.paths, *options.addresses])


# -- address ------------------------------------------------------------------------------------------


def bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens on ``host`` at ``port`` or the next free port; browsers may connect at once.

    Raises
    ------
    UsageError
        No such host, no free port, or the port needs more rights.
    """
    if port is not None and not 0 <= port < 65536:
        raise UsageError(f"--port {port} is no port", remedy="use 1024 to 65535, or 0 for any")
    first = PORT if port is None else port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, first, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        problem = f"--host {host!r} is no address of this machine ({error})"
        raise UsageError(problem, remedy="leave it out") from None
    failure: OSError | None = None
    for tried in range(first, min(first + _TRIED, 65536)) if first else (0,):
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            if sys.platform == "win32":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address[0], tried, *address[2:]))
            listening.listen(2048)
        except OSError as error:
            listening.close()
            failure = error
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                continue
            break
        else:
            return listening
    raise UsageError(
        f"no port from {first} on can be listened on at {host} ({failure})",
        remedy="give another with --port, or --port 0 for any",
    )


def shown_host(host: str) -> str:
    """The host as it stands in the address that others type."""
    if host in {"0.0.0.0", "::", ""}:
        host = _own_address()
    return f"[{host}]" if ":" in host else host


def _own_address() -> str:
    """The address of this machine in its network; loopback where it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def warnings_for(options: Options, port: int, folders: Iterable[Path]) -> list[str]:
    """What who lets other machines in must know."""
    if options.host in LOOPBACK:
        return []
    seen = ", ".join(str(folder) for folder in folders)
    lines = [
        "WARNING: other machines can reach this address. Whoever knows it can see and change your projects "
        f"and the images below {seen}."
    ]
    if options.certificate is None:
        lines.append(
            "WARNING: it is not encrypted (--certfile would). Safer: start without --host, and on your own "
            f"machine run: ssh -L {port}:127.0.0.1:{port} {_user()}@{socket.gethostname()}"
        )
    return lines


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "you"


def check_certificate(options: Options) -> None:
    """Refuse certificates that cannot be used, before anything starts.

    Raises
    ------
    UsageError
        A key without a certificate, a file that cannot be read, or both do not fit.
    """
    if options.certificate is None:
        if options.key is not None:
            raise UsageError("--keyfile needs --certfile", remedy="give both")
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(options.certificate, options.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificate cannot be used ({error})",
            where=options.certificate,
            remedy="give a PEM file with --certfile and its key with --keyfile",
        ) from None


def can_show_browser() -> bool:
    """Whether a window can open here: not over ssh, not without a screen, never a browser in the terminal."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# -- running ------------------------------------------------------------------------------------------


def _server(hub: Hub, options: Options, secret: tuple[str, int], pages: Pages | None) -> Any:
    """The server, ready to run; imports what is slow."""
    from underbrush.web.app import make_app  # noqa: PLC0415  (after the address was printed)
    from underbrush.web.server import Server  # noqa: PLC0415

    token, port = secret
    seen = threading.Event()
    gate = make_app(
        hub,
        token=token,
        port=port,
        allowed=allowed_hosts(options.trusted, options.host),
        pages=pages,
        threads=max(2, min(4, options.threads)),
        seen=seen,
    )
    begun = (lambda: prepare(hub, seen)) if options.warm_up else (lambda: None)
    return Server(gate, (options.certificate, options.key), begun, hub.end)


def _leave_soon(status: int) -> None:
    """A thread that hangs in a read from a network folder must not keep the process."""
    logging.shutdown()
    timer = threading.Timer(_LEAVE, os._exit, (status,))
    timer.daemon = True
    timer.start()
