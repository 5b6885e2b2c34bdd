"""What the server loads, and once on each computer compiles, after the first page is there."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from underbrush.web.hub import Preparing, load_engine

if TYPE_CHECKING:
    from underbrush.web.hub import Hub

PREPARING = "Preparing fast code for this computer, once, about half a minute. You can already paint."
PATIENCE = 4.0
"""Seconds after which it begins even if no page was opened."""
_SLOW = 2.0
"""Seconds of loading in this process of which nothing is said: what was compiled before is there by then."""
_LOG = logging.getLogger(__name__)


class _ClosedError(Exception):
    """The server ends: nobody needs what is being prepared."""


def prepare(hub: Hub, seen: threading.Event) -> None:
    """Load the kernels in a thread that gives way to others, and tell who is connected.

    Parameters
    ----------
    hub
        Told how far it is.
    seen
        Set when a page is there. Before that loading would only hold it up.
    """
    threading.Thread(target=_prepare, args=(hub, seen), name="underbrush-preparing", daemon=True).start()


def _prepare(hub: Hub, seen: threading.Event) -> None:
    seen.wait(PATIENCE)
    try:
        load_engine()
        from underbrush import jit  # noqa: PLC0415  (numba)
        from underbrush.engine.priorities import TILES, give_way  # noqa: PLC0415

        give_way(TILES)
        if jit.is_kept() and not jit.all_compiled():
            _compile_aside(hub)
        begun = time.monotonic()
        there: set[str] = set()

        def step(name: str, total: int) -> None:
            there.add(name)
            _tell(hub, len(there), total, time.monotonic() - begun > _SLOW)

        jit.warmup(steps=step)
    except _ClosedError:
        return
    except Exception:  # noqa: BLE001  (what is not compiled now is compiled when it is needed)
        _LOG.exception("the kernels could not be prepared")
    hub.say_preparing(Preparing("", 0, 0))


def _tell(hub: Hub, done: int, total: int, slow: bool) -> None:
    if hub.closed:
        raise _ClosedError
    # Still under way with the last kernel: some are compiled for several kinds of pixels.
    state = Preparing(PREPARING if slow else "", min(done, total - 1), total)
    before = hub.preparing
    told = before.running and before.sentence == state.sentence
    if not (told and (not slow or 100 * before.done // before.total == 100 * state.done // total)):
        hub.say_preparing(state)


def _compile_aside(hub: Hub) -> None:
    """Compile in other processes; what they cannot do is left to this one."""
    from underbrush import jit  # noqa: PLC0415  (numba)
    from underbrush.engine.scheduler import Cancelled  # noqa: PLC0415
    from underbrush.web.compiling import Compiling, worthwhile  # noqa: PLC0415

    processes = worthwhile(hub.settings.memory, hub.settings.threads)
    if not processes:
        return
    try:
        compiling = Compiling(hub.settings.memory, processes)
    except OSError as error:
        _LOG.warning("no process could be started to compile in: %s", error)
        return
    begun = time.monotonic()

    def at_work() -> bool:
        if hub.closed:
            raise Cancelled  # who waits for a kernel has nothing to wait for any more
        return compiling.at_work()

    try:
        with jit.compiled_elsewhere(at_work):
            compiling.follow(lambda done, total: _tell(hub, done, total, slow=True))
    finally:
        compiling.close()
    _LOG.info("compiled in %d processes in %.1f s", processes, time.monotonic() - begun)
