"""Training in the background: the newest strokes first, and never starving."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainedForest, TrainingOptions, train_forest
from underbrush.engine.live_rows import LabelledPixels, LiveRows
from underbrush.engine.priorities import TRAINING, give_way
from underbrush.engine.row_bound import row_bound
from underbrush.engine.scheduler import Cancelled
from underbrush.engine.training import Alike, Rows, joined
from underbrush.errors import ProjectError, UnderbrushError

PATIENCE = 0.5
"""Seconds without a result after which a running training is no longer given up for newer strokes."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingJob:
    """What to train on."""

    key: str
    """Stands for all that the forest depends on; comes back with the result."""
    parts: Callable[[], tuple[LabelledPixels, ...]]
    """Gives the labelled pixels of each image; called on the thread that trains."""
    selection: FeatureSelection
    channels: tuple[int, ...] | None
    options: TrainingOptions


@dataclass(frozen=True)
class TrainingBegun:
    """A job is being worked on."""

    key: str


@dataclass(frozen=True)
class TrainingDone:
    """A forest is there."""

    key: str
    trained: TrainedForest
    rows_seconds: float
    training_seconds: float
    n_rows: int
    not_finite: int = 0
    """Labelled pixels that were left out: they or a pixel within reach are NaN or infinite."""
    notices: tuple[str, ...] = ()

    @property
    def oob_error(self) -> float | None:
        """Share of the rows that the trees that were not trained on them get wrong, 0 to 1; None: unknown."""
        score = self.trained.oob_score
        return None if np.isnan(score) else 1.0 - score


@dataclass(frozen=True)
class TrainingFailed:
    """A job came to nothing; the sentence is for the person."""

    key: str
    sentence: str


TrainingEvent = TrainingBegun | TrainingDone | TrainingFailed


@dataclass
class _Run:
    """The training that is running."""

    begun: float
    give_up: threading.Event = field(default_factory=threading.Event)
    silent: bool = False
    """Nobody wants to hear of it, even if it is done before it notices."""


class Trainer:
    """One thread that trains the newest job.

    A job that waits is replaced by a newer one. One that runs is given up for a newer one, unless half of the
    time that the last one took is over, or nobody has had a result for `PATIENCE` seconds: with strokes that
    never end there still is a result every `PATIENCE` seconds and the time of one training.

    Parameters
    ----------
    rows
        Remembers the features of labelled pixels.
    threads
        How many a training uses.
    report
        Told of begin, result and failure, on the trainer's thread; a result that came in spite
        of being given up is told, unless `cancel` did it. What it raises is logged.
    """

    def __init__(self, rows: LiveRows, threads: int, report: Callable[[TrainingEvent], None]) -> None:
        self._rows, self._threads, self._report = rows, threads, report
        self._wake = threading.Condition()
        self._waiting: TrainingJob | None = None
        self._running: _Run | None = None
        self._since: float | None = None
        self._usual = math.inf
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="trainer", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job waits or runs."""
        with self._wake:
            return self._waiting is not None or self._running is not None

    def submit(self, job: TrainingJob) -> None:
        """Train this soon, instead of what waits; what runs is given up for it or finished first."""
        with self._wake:
            now = time.monotonic()
            self._waiting = job
            if self._since is None:
                self._since = now
            run = self._running
            if run is not None and now - self._since < PATIENCE and now - run.begun < self._usual / 2:
                run.give_up.set()
            self._wake.notify_all()

    def cancel(self) -> None:
        """Give up what waits and what runs; nothing is told of them."""
        with self._wake:
            self._waiting = None
            self._since = None
            self._silence()

    def close(self) -> None:
        """Give up all and end the thread."""
        with self._wake:
            self._closed = True
            self._waiting = None
            self._silence()
            self._wake.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _silence(self) -> None:
        if self._running is not None:
            self._running.silent = True
            self._running.give_up.set()

    def _work(self) -> None:
        give_way(TRAINING)
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._waiting is not None)
                if self._closed or self._waiting is None:
                    return
                job, self._waiting = self._waiting, None
                self._running = run = _Run(time.monotonic())
            event = self._outcome(job, run.give_up)
            with self._wake:
                self._running = None
                if isinstance(event, TrainingDone):
                    self._usual = time.monotonic() - run.begun
                if event is None or run.silent:
                    continue
                # What was submitted meanwhile waits from now on, not from before this result.
                self._since = None if self._waiting is None else time.monotonic()
            self._tell(event)

    def _outcome(self, job: TrainingJob, give_up: threading.Event) -> TrainingEvent | None:
        """What came of a job; None: given up."""
        self._tell(TrainingBegun(job.key))
        try:
            return self._train(job, give_up)
        except (Cancelled, CancelledError):
            return None
        except UnderbrushError as error:
            return TrainingFailed(job.key, str(error))
        except MemoryError:
            return TrainingFailed(job.key, "There is not enough memory to train; choose fewer features.")
        except Exception as error:  # noqa: BLE001 - a defect of ours must be heard of, not end the thread
            _log.exception("training failed")
            return TrainingFailed(
                job.key, f"Training failed unexpectedly ({type(error).__name__}: {error}); the log says more."
            )

    def _train(self, job: TrainingJob, give_up: threading.Event) -> TrainingDone:
        begun = time.monotonic()
        rows = self._all_rows(job, give_up.is_set)
        after = time.monotonic()
        options = replace(job.options, n_threads=self._threads)
        trained = train_forest(rows.x, rows.y, options, give_up.is_set)
        ended = time.monotonic()
        return TrainingDone(
            job.key, trained, after - begun, ended - after, len(rows.y), rows.not_finite, rows.notices
        )

    def _all_rows(self, job: TrainingJob, cancelled: Callable[[], bool]) -> Rows:
        labelled = [p for p in job.parts() if len(p.y)]
        bound = row_bound([(p.where, p.y) for p in labelled], job.options.seed)
        parts, alike = [], Alike(job.selection, job.channels)
        for one in labelled:
            alike.check(one.image)
            where, y = bound.kept((one.where, one.y))
            kept = replace(one, where=where, y=y)
            parts.append(self._rows.rows(kept, job.selection, job.channels, self._threads, cancelled))
        rows = replace(joined(parts, 0), notices=bound.notices)
        if len(np.unique(rows.y)) < 2:
            lost = f" ({rows.not_finite} labelled pixels are NaN or infinite, or near one)"
            raise ProjectError(
                "there are strokes of fewer than two classes to train on" + (lost if rows.not_finite else ""),
                remedy="paint strokes of each class",
            )
        return rows

    def _tell(self, event: TrainingEvent) -> None:
        try:
            self._report(event)
        except Exception:  # noqa: BLE001 - training goes on whoever listens
            _log.exception("a listener failed")
