"""The server of HTTP and websockets, told when to end by us and not by signals of its own."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from underbrush.web.gate import Gate
from underbrush.web.messages import MOST_BYTES
from underbrush.web.stopping import Stopping


class Server(uvicorn.Server):
    """Serves a guarded application on a socket that listens already.

    Parameters
    ----------
    gate
        The application.
    certificate
        PEM files of certificate and key, or None each.
    begun
        Called in the event loop when the first request can be answered.
    ending
        Called when it is asked to end, also in the handler of a signal: before threads are waited for.
    """

    def __init__(
        self,
        gate: Gate,
        certificate: tuple[Path | None, Path | None],
        begun: Callable[[], None],
        ending: Callable[[], None],
    ) -> None:
        self.gate = gate
        self._begun = begun
        self._ending = ending
        config = uvicorn.Config(
            gate,
            ws="websockets-sansio",
            ws_max_size=4 * MOST_BYTES,  # what is too long for us is still answered with a sentence
            ws_per_message_deflate=False,  # pixels of noise: packing costs more than it saves
            ws_ping_interval=20.0,
            ws_ping_timeout=60.0,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=3,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            ssl_certfile=certificate[0],
            ssl_keyfile=None if certificate[1] is None else str(certificate[1]),
        )
        super().__init__(config)
        quieten()

    def serve_until_stopped(self, listening: socket.socket, say: Callable[[str], None]) -> None:
        """Answer on the socket until Ctrl-C or SIGTERM."""
        with Stopping(self.stop, say):
            self.run([listening])

    def stop(self) -> None:
        """Ask it to end; from any thread or signal handler."""
        self._ending()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._begun()


def quieten() -> None:
    """What the libraries below have to say goes into the log file, not to the person at the terminal."""
    ours: list[logging.Handler] = [
        one for one in logging.getLogger("underbrush").handlers if isinstance(one, logging.FileHandler)
    ]
    for name in ("uvicorn", "nicegui", "asyncio", "websockets"):
        logger = logging.getLogger(name)
        logger.handlers = ours or [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
