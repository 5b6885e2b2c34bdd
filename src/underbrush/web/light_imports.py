"""Imports that leave out what a server never uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

CLIENTS = ("aiohttp", "requests", "tornado", "websocket")
"""What engine.io tries to import for its clients and for another server; without it it goes on. A fifth of a
second before the first page."""


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
