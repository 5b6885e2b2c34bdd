"""Keeps an open project safe: an edit is on the disk before it counts, and in the .ilp when all is quiet."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from underbrush.engine.events import Notice, SaveChanged
from underbrush.engine.scheduler import Cancelled
from underbrush.errors import UnderbrushError
from underbrush.project.edits import Edit, to_json
from underbrush.project.folding import fold
from underbrush.project.inputs_writer import Embedded
from underbrush.project.journal import Journal
from underbrush.project.schema import Project

IDLE_S = 5.0
"""Seconds without an edit after which they go into the .ilp."""
AGAIN_S = 30.0
"""Seconds after which saving is tried again when it failed."""
_log = logging.getLogger(__name__)


class Safekeeping:
    """Writes edits to the recovery file at once and folds them into the .ilp later.

    Parameters
    ----------
    journal
        The recovery file.
    project_now
        Gives the project as it is and the sequence number of its last edit; called on a thread of ours.
    say
        Told what is to be said of saving, and what was found then, from any thread.
    idle
        Seconds without an edit after which the .ilp is written.
    """

    def __init__(
        self,
        journal: Journal,
        project_now: Callable[[], tuple[Project, int]],
        say: Callable[[SaveChanged | Notice], None],
        idle: float = IDLE_S,
    ) -> None:
        self._journal, self._project_now, self._say, self._idle = journal, project_now, say, idle
        self._name = journal.path.name.removesuffix(".journal")
        self._wake = threading.Condition()
        self._folding = threading.RLock()
        self._due: float | None = None
        self._closed = False
        self._lacking = False
        self.state = SaveChanged("saved", f"Saved in {self._name}")
        self._thread: threading.Thread | None = None

    def keep(self, edit: Edit) -> None:
        """Make an edit safe; when this returns it is on the disk.

        Raises
        ------
        OutputError
            It could not be written; it does not count.
        """
        try:
            self._journal.append([to_json(edit)])
        except UnderbrushError as error:
            self._tell(SaveChanged("failing", f"NOT saved: {error}"))
            raise
        seconds = round(self._idle)
        self._tell(SaveChanged("safe", f"Safe in the recovery file; {self._name} in {seconds} s."))
        self._plan(self._idle)

    def touch(self) -> None:
        """The .ilp lacks something that no edit says: a classifier was trained."""
        self._lacking = True
        self._plan(self._idle)

    @contextmanager
    def resting(self) -> Iterator[Journal]:
        """Nobody else writes the .ilp meanwhile; gives the recovery file. Taken before the session's lock."""
        with self._folding:
            yield self._journal

    @property
    def lacking(self) -> bool:
        """Whether the .ilp lacks something."""
        return bool(self._journal.pending) or self._lacking

    def go_on(self, journal: Journal) -> None:
        """The project is another one from now on, with this recovery file; called while `resting`."""
        self._journal = journal
        self._lacking = False
        self._tell(SaveChanged("saved", f"Saved in {self._name} {datetime.now().astimezone():%H:%M}"))

    def give_up(self) -> None:
        """Nothing can be kept any more; called while `resting`."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def fold(self, embed: Mapping[str, Embedded] | None = None) -> None:
        """Write the .ilp now; ``embed``: with these pixels in it, see `write_project`.

        Raises
        ------
        UnderbrushError
            It could not be written. Nothing is lost: the recovery file has it, and it is tried again.
        """
        with self._folding:
            with self._wake:
                self._due = None
            self._lacking = False
            try:
                project, sequence = self._project_now()
                folded = fold(project, self._journal, sequence, embed=embed)
            except Cancelled:
                # Nothing was written: what was to be saved is to be saved still.
                self._lacking = True
                self._plan(self._idle)
                raise
            except UnderbrushError as error:
                # The strokes are safe; what is lacking is the .ilp.
                self._tell(SaveChanged("failing", f"{self._name} could not be saved: {error}"))
                self._plan(AGAIN_S)
                raise
        for sentence in folded.notices:
            _log.warning(sentence)
            self._say(Notice("warning", sentence))
        if self._journal.pending:
            self._plan(self._idle)
        else:
            self._tell(SaveChanged("saved", f"Saved in {self._name} {datetime.now().astimezone():%H:%M}"))

    def close(self, save: bool = True) -> None:
        """Write the .ilp if it lacks something, and let go of the files.

        Raises
        ------
        UnderbrushError
            It could not be written; the recovery file has it.
        """
        with self._wake:
            if self._closed:
                return
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        try:
            if save and (self._journal.pending or self._lacking):
                self.fold()
        finally:
            self._journal.close()

    def _plan(self, seconds: float) -> None:
        with self._wake:
            if self._closed:
                return
            self._due = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="safekeeping", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (self._due is None or self._due > time.monotonic()):
                    self._wake.wait(None if self._due is None else self._due - time.monotonic())
                if self._closed:
                    return
            try:
                self.fold()
            except UnderbrushError:
                pass  # said by `fold`, and tried again
            except Exception as error:  # noqa: BLE001  (a defect of ours must be heard of, not end the thread)
                _log.error("saving failed", exc_info=error)
                self._tell(SaveChanged("failing", f"{self._name} could not be saved ({error}); see the log."))
                self._plan(AGAIN_S)

    def _tell(self, state: SaveChanged) -> None:
        self.state = state
        self._say(state)
