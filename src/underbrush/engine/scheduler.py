"""Tiles side by side on threads: each tile on one thread, none waits for another, any run can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from underbrush.engine.priorities import give_way

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancelled(Exception):
    """The work was stopped on request."""


def run_side_by_side(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    threads: int,
    cancel: threading.Event | None = None,
    nice: int = 0,
) -> Iterator[Result]:
    """Results of ``work`` for each item, as they come, at most ``threads`` at a time.

    No more items are taken than are being worked on, so that memory stays bounded however many there
    are. The first error ends the run: what has begun is waited for, nothing else is begun. With ``nice`` the
    threads give way to others of the machine, as `engine.priorities` says.

    Raises
    ------
    Cancelled
        ``cancel`` was set.
    """
    stop = cancel or threading.Event()
    source = iter(items)

    def lower() -> None:
        if nice:
            give_way(nice)

    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="tile", initializer=lower) as pool:
        running: set[Future[Result]] = set()
        try:
            while True:
                while len(running) < threads and not stop.is_set():
                    try:
                        running.add(pool.submit(work, next(source)))
                    except StopIteration:
                        break
                if stop.is_set():
                    raise Cancelled
                if not running:
                    return
                # A time limit so that Ctrl-C and cancel are seen while a long tile is computed.
                done, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()
