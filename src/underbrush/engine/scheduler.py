"""Tiles side by side on threads: each tile on one thread, none waits for another, any run can be stopped."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from underbrush.engine.priorities import give_way

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 1.0
"""Seconds that Ctrl-C waits for tiles in hand: on a busy machine one can take many more."""
CANCEL_PATIENCE = 0.5
"""Seconds that a cancel in the window waits for them: a person is waiting too."""
NAME = "tile"
"""What the names of the threads begin with."""


class Cancelled(Exception):
    """The work was stopped on request."""


def run_side_by_side(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    threads: int,
    cancel: threading.Event | None = None,
    nice: int = 0,
) -> Generator[Result, None, None]:
    """Results of ``work`` for each item, as they come, at most ``threads`` at a time.

    No more items are taken than are being worked on, so that memory stays bounded however many there
    are. The first error ends the run: what has begun is waited for, nothing else is begun. Where the caller
    loses interest (closes the results, or Ctrl-C comes), what has begun is waited for `PATIENCE` seconds, or
    `CANCEL_PATIENCE` where ``cancel`` was set, and then left to its end; see `left_behind`. With ``nice``
    the threads give way to others of the machine, as
    `engine.priorities` says.

    Raises
    ------
    Cancelled
        ``cancel`` was set.
    """
    stop = cancel or threading.Event()
    source = iter(items)
    crew = _Crew(work, threads, nice)
    patience: float | None = PATIENCE
    running = 0
    try:
        while True:
            while running < threads and not stop.is_set():
                try:
                    crew.begin(next(source))
                except StopIteration:
                    break
                running += 1
            if stop.is_set():
                raise Cancelled
            if not running:
                return
            try:
                # A time limit so that Ctrl-C and cancel are seen while a long tile is computed.
                result = crew.result(0.2)
            except Empty:
                continue
            running -= 1
            yield result
    except Cancelled:
        patience = CANCEL_PATIENCE
        raise
    except Exception:
        patience = None
        raise
    finally:
        crew.dismiss(patience)


def left_behind() -> list[threading.Thread]:
    """Threads that still work on tiles that nobody waits for: no process may be torn down under them."""
    return [t for t in threading.enumerate() if t.daemon and t.name.startswith(f"{NAME}-")]


@atexit.register
def wait_for_left_behind() -> None:
    """Wait for them, as any process does at its end that does not take this back."""
    for thread in left_behind():
        thread.join()


class _Crew(Generic[Item, Result]):
    """Threads that take items as they are begun. They hinder no process from ending."""

    def __init__(self, work: Callable[[Item], Result], threads: int, nice: int) -> None:
        self._work = work
        self._nice = nice
        self._items: SimpleQueue[tuple[Item] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Result] | BaseException] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"{NAME}-{n}", daemon=True) for n in range(threads)
        ]
        self._started = 0

    def begin(self, item: Item) -> None:
        """Have an item worked on; not more than there are threads."""
        self._items.put((item,))
        if self._started < len(self._threads):
            self._threads[self._started].start()
            self._started += 1

    def result(self, timeout: float) -> Result:
        """The next one; raises what its work raised, and `queue.Empty` when none has come in time."""
        done = self._done.get(timeout=timeout)
        if isinstance(done, BaseException):
            raise done
        return done[0]

    def dismiss(self, patience: float | None) -> None:
        """End the threads after what they have in hand; wait for that, at most ``patience`` seconds."""
        for _ in self._threads:
            self._items.put(None)
        until = None if patience is None else time.monotonic() + patience
        for thread in self._threads[: self._started]:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        if self._nice:
            give_way(self._nice)
        while (item := self._items.get()) is not None:
            try:
                self._done.put((self._work(item[0]),))
            except BaseException as error:  # noqa: BLE001  (raised again where the results are awaited)
                self._done.put(error)
