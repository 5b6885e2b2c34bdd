"""Imports that leave out what a server never uses, and stop for nothing."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CLIENTS = ("aiohttp", "requests", "tornado", "websocket")
"""What engine.io tries to import for its clients and for another server; without it it goes on. A fifth of a
second before the first page."""

_lock = threading.Lock()
_loading = 0


@contextmanager
def uncollected() -> Iterator[None]:
    """While modules are loaded no garbage is looked for, and later not among them: they stay to the end.

    A tenth of the processor time of all imports goes to looking through what was imported just before; later
    each look through everything holds up whoever waits. Blocks in several threads may overlap.
    """
    global _loading  # noqa: PLW0603  (one interpreter has one collector)
    with _lock:
        _loading += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _loading -= 1
            if not _loading:
                gc.freeze()
                gc.enable()


@contextmanager
def without(names: tuple[str, ...] = CLIENTS) -> Iterator[None]:
    """Where these packages are not imported yet, ``import`` of them fails inside the block, for all threads.

    For the import of a library that asks for them only to offer more. That None in the place of a module
    makes its import fail is a promise of the language.
    """
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
