"""Many images with one model: small ones side by side, large ones one at a time on all threads.

No image stops the others. Memory stays bounded however many there are: each is opened when its turn comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from underbrush.core.pieces import WHOLE, Share
from underbrush.engine.batch import Done, Limits, Progress, Request, predict_image, region_box
from underbrush.engine.comparing import Difference, Traits, differences, traits_of
from underbrush.engine.label_images import open_beside
from underbrush.engine.model import Model
from underbrush.engine.pieced import Part, is_divided, is_pieced, predict_pieces
from underbrush.engine.resuming import work_key
from underbrush.engine.scheduler import Cancelled, run_side_by_side
from underbrush.errors import UnderbrushError
from underbrush.files import check_output
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image
from underbrush.sources.sequence import stack_files

SMALL = 1_500_000
"""Pixels of an image that one thread computes in about a second; a pixel of a volume counts as `VOLUME`."""
VOLUME = 4
LEAVING = 5.0
"""Seconds that images in hand get to tidy up when the run is stopped."""
State = Literal["done", "before", "share", "failed"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """One image and what is wanted of it."""

    request: Request
    share: Share = WHOLE
    """Which part of the result; parts need a format of many files."""
    keep: bool = False
    """Unfinished work of formats of many files is used, and stays for the next time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task."""

    number: int
    """Its place among the tasks, from 0."""
    task: Task
    state: State
    """``share``: its part is there, the result not yet; ``before``: an earlier run made it."""
    seconds: float = 0.0
    tiles: int = 0
    """Tiles that were computed."""
    notices: tuple[str, ...] = ()
    differs: tuple[Difference, ...] = ()
    """How the image differs from the training images."""
    error: str = ""
    exit_code: int = 0
    failure: Exception | None = None
    """What ``error`` tells of; None where it was computed in another process."""


class Watch:
    """Is told how far a run is, from several threads; does nothing unless a method is overridden."""

    def begin(self, number: int, task: Task) -> None:
        """An image is opened."""

    def share(self, number: int, done: int, total: int) -> None:
        """So many pixels of an image are there."""


def run_many(
    model: Model,
    tasks: Sequence[Task],
    limits: Limits,
    training: Sequence[Traits] = (),
    watch: Watch | None = None,
) -> Generator[Outcome, None, None]:
    """What comes of each task, as it is there; nothing that is wrong with an image is raised.

    Closing it, or an exception in this thread such as that of Ctrl-C, ends what is in hand: nothing
    half-written stays of it.
    """
    watching = watch or Watch()
    if len(tasks) == 1:
        yield compute(model, tasks[0], 0, _Turn(limits), training, watching)
        return
    side = max(1, min(limits.threads, len(tasks)))
    lane = replace(limits, threads=max(1, limits.threads // side), images=side)
    turns = _Turns(limits, lane)

    def work(item: tuple[int, Task]) -> Outcome:
        return compute(model, item[1], item[0], turns, training, watching)

    try:
        with closing(run_side_by_side(enumerate(tasks), work, side)) as outcomes:
            yield from outcomes
    finally:
        turns.cancel.set()
        turns.wait(LEAVING)


class _Turn:
    """The turn of a single image: all threads are its own."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.cancel: threading.Event | None = None

    @contextmanager
    def taken(self, image: Image, box_pixels: int) -> Iterator[Limits]:
        """What an image may use of the machine, for as long as it is computed."""
        yield self.limits


class _Turns(_Turn):
    """Whose turn it is: several small images, or one large one."""

    cancel: threading.Event

    def __init__(self, whole: Limits, lane: Limits) -> None:
        super().__init__(whole)
        self._lane = lane
        self.cancel = threading.Event()
        self._changed = threading.Condition()
        self._small = 0
        self._waiting = 0
        self._large = False

    @contextmanager
    def taken(self, image: Image, box_pixels: int) -> Iterator[Limits]:
        cost = box_pixels * (VOLUME if image.shape5[2] > 1 else 1)
        large = cost > SMALL * self._lane.threads
        self._enter(large)
        try:
            yield self.limits if large else self._lane
        finally:
            with self._changed:
                self._small, self._large = (self._small, False) if large else (self._small - 1, self._large)
                self._changed.notify_all()

    def _enter(self, large: bool) -> None:
        with self._changed:
            # Small ones let a large one that waits go first: else it would wait for the last of them.
            self._waiting += large
            try:
                while self._large or (self._small if large else self._waiting):
                    if self.cancel.is_set():
                        raise Cancelled
                    self._changed.wait(0.2)
            finally:
                self._waiting -= large
            self._large = large
            self._small += not large

    def wait(self, seconds: float) -> None:
        """Until nothing is in hand."""
        until = time.monotonic() + seconds
        with self._changed:
            while (self._small or self._large) and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())


def compute(
    model: Model, task: Task, number: int, turn: _Turn, training: Sequence[Traits], watch: Watch
) -> Outcome:
    """One task. What is wrong with its image becomes its outcome.

    Raises
    ------
    Cancelled
        The run was stopped.
    """
    begun = time.monotonic()
    watch.begin(number, task)
    request = task.request
    differs: tuple[Difference, ...] = ()

    def progress(done: int, total: int) -> None:
        watch.share(number, done, total)

    try:
        check_inputs(model, request)
        with ExitStack() as stack:
            image = stack.enter_context(open_image(request.image, request.axes))
            mask = stack.enter_context(open_beside(request.mask, image)) if request.mask else None
            differs = differences(traits_of(image), training) if training else ()
            box = region_box(request.region, image.shape5, image.info.location)
            limits = stack.enter_context(turn.taken(image, box.size // box.shape[1]))
            done = _written(model, task, (image, mask), limits, progress, turn.cancel)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001  (one image must not stop the others; it is told)
        sentence, code = explained(error, request)
        seconds = time.monotonic() - begun
        return Outcome(number, task, "failed", seconds, 0, (), differs, sentence, code, error)
    state: State = "done" if task.share == WHOLE else "share"
    return Outcome(number, task, state, time.monotonic() - begun, done.tiles, done.notices, differs)


def compute_shared(
    model: Model, task: Task, limits: Limits, training: Sequence[Traits], cancel: threading.Event
) -> Outcome:
    """One task in a process that may be working on others, see `compute`."""
    turn = _Turn(limits)
    turn.cancel = cancel
    return compute(model, task, 0, turn, training, Watch())


def _written(
    model: Model,
    task: Task,
    opened: tuple[Image, Image | None],
    limits: Limits,
    progress: Progress,
    cancel: threading.Event | None,
) -> Done:
    request = task.request
    if not is_divided(request):
        return predict_image(model, request, opened, limits, progress, cancel)
    part = Part(work_key(model, request), task.share, task.keep)
    return predict_pieces(model, request, opened, limits, part, progress, cancel)


def check_inputs(model: Model, request: Request) -> None:
    """Refuse a result that would destroy what it is made of.

    Raises
    ------
    OutputError
        Names the file.
    """
    inputs = [file for a in (request.image, request.mask) if a for file in stack_files(a) or (a,)]
    check_output(request.output, [*inputs, model.path], folder=is_pieced(request.format))


def explained(error: Exception, request: Request) -> tuple[str, int]:
    """A sentence for what went wrong with an image, and the exit status that it stands for."""
    if isinstance(error, UnderbrushError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError):
        return f"{request.image}: there is not enough memory; lower --memory or --jobs, or free some.", 1
    if isinstance(error, OSError):
        return f"{request.image}: it cannot be read ({error}); check the disk or the network folder.", 1
    _log.error("defect at %s", request.image, exc_info=error)
    kind = type(error).__name__
    return (
        f"{request.image}: a defect in Underbrush ({kind}: {error}); please report it with the log file.",
        1,
    )


def in_turn(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """All outcomes in the order of their tasks, each as soon as those before it were given."""
    waiting: dict[int, Outcome] = {}
    due = 0
    for outcome in outcomes:
        waiting[outcome.number] = outcome
        while due in waiting:
            yield waiting.pop(due)
            due += 1
