"""How far `underbrush predict` is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from underbrush.engine.many import Task, Watch


class Bar(Watch):
    """Progress on stderr where that is a terminal; lines otherwise. May be told from any thread.

    One bar for all images: those that are over count one, those in hand the share that is there.
    """

    def __init__(self, images: int, wanted: bool) -> None:
        self._images = images
        self._over = 0
        self._shares: dict[int, float] = {}
        self._ended: set[int] = set()
        self._lock = threading.Lock()
        console = Console(stderr=True)
        self._progress = (
            Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(), console=console, transient=True,
            )
            if wanted and sys.stderr.isatty()
            else None
        )  # fmt: skip
        self._task = TaskID(0)

    def __enter__(self) -> Bar:
        if self._progress:
            self._progress.start()
            self._task = self._progress.add_task("", total=self._images)
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def expect(self, images: int) -> None:
        """How many images there will be."""
        self._images = images
        if self._progress:
            self._progress.update(self._task, total=images)

    def begin(self, number: int, task: Task) -> None:
        """An image is opened."""
        if self._progress is None:
            return
        of = f" ({number + 1} of {self._images})" if self._images > 1 else ""
        with self._lock:  # each is seen, also where several begin at once
            self._progress.update(self._task, description=Path(task.request.image).name + of, refresh=True)

    def share(self, number: int, done: int, total: int) -> None:
        """So many pixels of an image are there."""
        with self._lock:
            if number not in self._ended:
                self._shares[number] = done / max(1, total)
        self._show()

    def end(self, number: int) -> None:
        """An image is over, well or not."""
        with self._lock:
            self._over += 1
            self._ended.add(number)
            self._shares.pop(number, None)
        self._show()

    def _show(self) -> None:
        if self._progress is None:
            return
        with self._lock:
            completed = self._over + sum(self._shares.values())
        self._progress.update(self._task, completed=completed)

    def say(self, line: str, out: bool = False) -> None:
        """A line beside the bar: results on stdout, notices on stderr."""
        if self._progress and not out:
            self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            typer.echo(line, err=not out)
