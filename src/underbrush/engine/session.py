"""An open project: the one object that changes. Commands go in, a new frozen document and events come out."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from underbrush.core.label_map import LabelMap
from underbrush.engine.brought import BroughtLanes
from underbrush.engine.budget import Budget
from underbrush.engine.change_meter import ChangeMeter
from underbrush.engine.context import SessionContext
from underbrush.engine.copying import write_copy
from underbrush.engine.earlier import (
    Exchanged,
    KeptAside,
    LostJournalError,
    exchange,
    kept_aside,
    label_changes,
)
from underbrush.engine.events import (
    Ack,
    Closed,
    DocumentChanged,
    LabelsChanged,
    Notice,
    SaveChanged,
    SessionClosedError,
    TrainingChanged,
)
from underbrush.engine.lane_images import LaneImages
from underbrush.engine.live import Live
from underbrush.engine.live_rows import LiveRows
from underbrush.engine.safekeeping import IDLE_S, Safekeeping
from underbrush.engine.start import Start, reading_start, writing_start
from underbrush.engine.teaching import AS_IT_WAS, Lesson, Teaching, kept_lesson
from underbrush.engine.trainer import Trainer
from underbrush.engine.uncertain import Asked, UncertainPlaces
from underbrush.engine.views import View, ViewEvent
from underbrush.errors import ProjectError, UnderbrushError
from underbrush.project.commands import Command, FreezeClassifier, resolve
from underbrush.project.document import Document, project_of, with_forest_of
from underbrush.project.edits import CellChange, Edit, LabelChange, forward
from underbrush.project.embed_command import Embed
from underbrush.project.inputs_writer import Embedded
from underbrush.project.kept_versions import KeptVersion, versions
from underbrush.project.places import utc_now
from underbrush.project.recovery import PROJECT_ID
from underbrush.project.schema import Project
from underbrush.sources.base import Image

Event = LabelsChanged | DocumentChanged | TrainingChanged | SaveChanged | Notice | Closed | ViewEvent
Listener = Callable[[Event], None]
KEPT_ANSWERS = 256
"""Answers to the last commands that are kept to be given again."""
OWN = "underbrush"
"""Client of what a session does by itself."""
_log = logging.getLogger(__name__)


class Session:
    """An open project. All methods may be called from any thread.

    Made by `open`. Strokes and all else that a person does come as commands through `apply`; each is on the
    disk before it counts. Whoever wants to know listens.
    """

    def __init__(self, start: Start, budget: Budget, idle: float) -> None:
        self.path = start.path
        self._budget = budget
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._document, self._history = start.document, start.history
        self._project_lock = start.lock
        self.read_only: str | None = start.read_only
        self.notices = start.notices
        """Sentences about what was found at opening."""
        self.told = False
        """Whether somebody has read and closed them."""
        for notice in start.notices:
            _log.info("opened %s: %s", start.path, notice)
        self._answers: OrderedDict[tuple[str, int], Ack] = OrderedDict()
        self._kept_came, self._edited = False, False
        self._teaching: Teaching | None = None
        self.changes = ChangeMeter()
        """How much of what is looked at the last strokes changed."""
        self.shown_classifier: str | None = None
        """The kept classifier whose result is looked at; None: the current one."""
        self._live: Live | None = None
        self._images = LaneImages(budget.images, budget.pixels)
        self._lanes = BroughtLanes(self._images)
        self._lanes.bring(start.document)
        self.uncertain = UncertainPlaces(self._images, self._asked)
        """Where a stroke would help most."""
        self._closed = False
        self._safe: Safekeeping | None = None
        if start.journal is not None:
            self._safe = Safekeeping(start.journal, self._project_now, self._emit, idle)

    # -- opening and closing -------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        threads: int = 1,
        memory: int = 2_000_000_000,
        read_only: bool | str = False,
        idle: float = IDLE_S,
    ) -> Session:
        """Open a project with what its recovery file adds.

        Parameters
        ----------
        path
            The .ilp file.
        threads, memory
            Threads for training and prediction, and bytes that the process may hold.
        read_only
            Only look: no lock is taken, no command is accepted. A text says why.
        idle
            Seconds without a command after which the .ilp is written.

        Where the folder is write-protected the session is read-only, and `read_only` says why.

        Raises
        ------
        Held
            Somebody else has it open for writing.
        ProjectError
            It is no project that can be opened.
        OutputError
            The disk is full or broken.
        """
        where = Path(path)
        why = read_only if isinstance(read_only, str) else ""
        start = reading_start(where, why) if read_only else writing_start(where)
        try:
            return cls(start, Budget(threads, memory), idle)
        except BaseException:
            start.release()
            raise

    def save(self) -> None:
        """Write the .ilp now.

        Raises
        ------
        UnderbrushError
            It could not be written; what was acknowledged is in the recovery file.
        """
        self.save_with(None)

    def save_with(self, embed: Mapping[str, Embedded] | None) -> None:
        """`save` with pixels to be embedded; see `engine.embedding`. Raises `Cancelled` where they do."""
        if self._safe is None:
            raise self._refusal()
        self._safe.fold(embed)

    def save_copy(self, target: str | os.PathLike[str]) -> Path:
        """Write the project as it is as a new file; gives its path.

        Links to images lead where they led: relative ones become absolute where the image does not lie below
        the new folder.

        Raises
        ------
        UnderbrushError
            It cannot be written there, or there is a file of this name; nothing was changed.
        """
        return write_copy(self._project_now()[0], Path(target))

    @property
    def versions(self) -> tuple[KeptVersion, ...]:
        """The earlier versions that are kept, newest first."""
        return versions(self.path)

    def kept_aside(self) -> tuple[KeptAside, ...]:
        """Recovery files that were not applied, newest first; see the command `ApplyRecovered`."""
        return kept_aside(self.path, self._document, self._context())

    def restore(self, version: KeptVersion) -> tuple[str, ...]:
        """Make an earlier version the project, for all windows; gives sentences for the person.

        What is there is saved and kept as a version first. There is nothing to undo afterwards.

        Raises
        ------
        UnderbrushError
            The version cannot be read, or what is there cannot be saved: all is as before. Where the disk
            fails half way the session is for reading only from then on.
        """
        safe = self._safe
        if safe is None:
            raise self._refusal()
        with safe.resting(), self._lock:
            if self._closed or self._project_lock is None:
                raise self._refusal()
            before = self._document
            try:
                found = exchange(self.path, version, safe, self._project_lock, self._history)
            except LostJournalError as error:
                self.read_only, self._safe = str(error).rstrip("."), None
                safe.give_up()
                self._emit(self.save_state)
                raise
            self._take(found, before)
            safe.touch()
        return found.notices

    def _take(self, found: Exchanged, before: Document) -> None:
        """Go on with a project that took the place of this one; the lock is held."""
        self._document, self._history = found.document, found.history
        self._kept_came, self._edited = False, True
        self._lanes.forget()
        self._bring_images(found.document)
        if self._teaching is not None:
            if self.shown_classifier is not None:
                self.shown_classifier = None
                self._teaching.show(None)
            self._teaching.follow(found.document)
        self._emit(DocumentChanged(self._history.last, "Earlier version restored"))
        for change in label_changes(before, found.document):
            self._emit(LabelsChanged(change.lane, self._history.last, OWN, 0, change))
        for notice in found.notices:
            self._emit(Notice("info", notice))

    def close(self, told: str = "") -> None:
        """Write the .ilp if it lacks something, and let go of all files and threads.

        ``told``: a sentence for those who have the project open too.

        Raises
        ------
        UnderbrushError
            The .ilp could not be written; what was acknowledged is in the recovery file.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if told:
            self._emit(Closed(told))
        try:
            self.uncertain.close()
            if self._teaching is not None:
                self._teaching.close()
            if self._live is not None:
                self._live.close()
            if self._safe is not None:
                self._safe.close()
        finally:
            self._images.close()
            if self._project_lock is not None:
                self._project_lock.release()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the state -----------------------------------------------------------------------------------

    @property
    def document(self) -> Document:
        """The project as it is now, a frozen value."""
        return self._document

    @property
    def revision(self) -> int:
        """Sequence number of the last edit."""
        return self._history.last

    @property
    def save_state(self) -> SaveChanged:
        """What is to be said of saving."""
        if self._safe is None:
            return SaveChanged("read-only", f"Read-only: {self.read_only}.")
        return self._safe.state

    @property
    def training(self) -> TrainingChanged:
        """What training said last."""
        return TrainingChanged("waiting", AS_IT_WAS) if self._teaching is None else self._teaching.state

    @property
    def live(self) -> bool:
        """Whether strokes are followed at once."""
        return self._teaching is not None and self._teaching.on

    @property
    def lesson(self) -> Lesson | None:
        """The forest in force with what training said of it; None where there is none."""
        return self._taught().lesson

    def project(self) -> Project:
        """The project as it would be saved now, with its forest where one was trained for these strokes."""
        return self._project_now()[0]

    def image(self, lane: str) -> Image:
        """The image of a lane, shared and safe to read from several threads; never close it.

        Raises
        ------
        UnderbrushError
            There is no such lane, or its image cannot be opened.
        """
        return self._images.image(lane)

    def mask(self, lane: str) -> Image | None:
        """The mask of a lane, as `image` gives its image; None where it has none.

        Raises
        ------
        UnderbrushError
            It cannot be opened, or has not the size of its image.
        """
        return self._images.mask(lane)

    def labels(self, lane: str) -> LabelMap:
        """The labels of a lane by class id."""
        return self._document.map_of(lane)

    def last_number(self, client: str) -> int:
        """The highest number of this client's commands that was carried out; 0: none."""
        return self._history.numbers.get(client, 0)

    def undo_title(self, client: str) -> str | None:
        """What an undo of this client would take back."""
        edit = self._history.undoable(client)
        return None if edit is None else edit.title

    def redo_title(self, client: str) -> str | None:
        """What a redo of this client would do again."""
        edit = self._history.redoable(client)
        return None if edit is None else edit.title.removeprefix("Undo: ")

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear all events, from any thread, until the returned function is called.

        A listener must not wait: what it holds up are commands of others.
        """
        with self._lock:
            self._listeners = [*self._listeners, listener]

        def stop() -> None:
            with self._lock:
                self._listeners = [one for one in self._listeners if one is not listener]

        return stop

    # -- commands ------------------------------------------------------------------------------------

    def apply(self, client: str, number: int, command: Command) -> Ack:
        """Carry out a command; when this returns it is safe on the disk.

        A number that is not above the client's last one is answered as it was; nothing is done twice.

        Raises
        ------
        CommandError
            The command is not possible; nothing has changed, and never will by it.
        OutputError
            It could not be made safe; nothing has changed, and it may be sent again.
        ProjectError
            The project is open for reading only, or closed.
        """
        with self._lock:
            if number <= self.last_number(client):
                return self._answered(client, number)
            if self._safe is None or self._closed:
                raise self._refusal()
            edit = self._resolved(command, client, number, self._context())
            self._keep_what_came(edit)
            return self._carry_out(replace(edit, sequence=self._history.last + 1))

    def _resolved(self, command: Command, client: str, number: int, context: SessionContext) -> Edit:
        sequence = self._history.last + 1
        return resolve(self._document, command, context, sequence, client, number, _now_text())

    def _keep_what_came(self, edit: Edit) -> None:
        """Freeze the classifier that another program left in the file before ``edit`` would replace it."""
        before = self._document
        came = before.trained
        if came is None or PROJECT_ID in before.base.own or self._kept_came:
            return
        if before.training_key != came.key or forward(before, edit.changes).training_key == came.key:
            return
        self._kept_came = True
        keep = FreezeClassifier(f"as opened, of {_day_of(self.path)}", "It came with the project.")
        self._carry_out(self._resolved(keep, OWN, 0, replace(self._context(), in_force=came.forest)))

    def _context(self) -> SessionContext:
        trained = None if self._teaching is None else self._teaching.trained_for(self._document)
        forest = None if trained is None else trained.forest
        return SessionContext(self._document, self._history, self._images, forest)

    def _carry_out(self, edit: Edit) -> Ack:
        """Make an edit safe, then put it in force, then tell; the lock is held."""
        assert self._safe is not None
        document = forward(self._document, edit.changes)
        if edit.kind == Embed.TYPE:
            document = with_forest_of(self._document, document)
        history = self._history.with_edit(edit)
        self._safe.keep(edit)
        self._document, self._history = document, history
        self._edited = True
        if any(isinstance(change, CellChange) for change in edit.changes):
            self._bring_images(document)
            if self.shown_classifier is not None and self.shown_classifier not in document.frozen:
                # Deleted, or renamed: what is looked at must have the name that is said.
                self.shown_classifier = None
                self._taught().show(None)
        ack = Ack(edit.sequence, history.last, edit.title, edit.notices, changed=bool(edit.changes))
        self._answers[edit.client, edit.number] = ack
        while len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
        self._tell(edit)
        return ack

    def _tell(self, edit: Edit) -> None:
        for change in edit.changes:
            if isinstance(change, LabelChange):
                self._emit(LabelsChanged(change.lane, self._history.last, edit.client, edit.number, change))
        if any(isinstance(change, CellChange) for change in edit.changes):
            self._emit(DocumentChanged(self._history.last, edit.title))
        for notice in edit.notices:
            self._emit(Notice("info", notice))
        if self._teaching is not None and edit.changes:
            self._teaching.follow(self._document, same=edit.kind == Embed.TYPE)

    def _answered(self, client: str, number: int) -> Ack:
        known = self._answers.get((client, number))
        if known is not None:
            return replace(known, revision=self._history.last, again=True)
        return Ack(0, self._history.last, "", again=True)

    def _refusal(self) -> UnderbrushError:
        if self._closed:
            return SessionClosedError("it is closed", where=self.path, remedy="open it again")
        return ProjectError(
            f"it is open for reading only ({self.read_only or 'as asked'})",
            where=self.path,
            remedy="save a copy elsewhere, or open it where it may be written",
        )

    # -- looking -------------------------------------------------------------------------------------

    def look(self, view: View) -> None:
        """Predict what this view shows, from now on."""
        self._looking().look(view)

    def unlook(self, client: str, name: str | None = None) -> None:
        """A view, or all of a client's, is closed."""
        if self._live is not None:
            self._live.unlook(client, name)

    def set_live(self, on: bool) -> None:
        """Follow strokes at once, or only when asked."""
        self._taught().set_live(on)

    def update(self) -> None:
        """Train and predict what is looked at once."""
        self._taught().update()

    def adopt(self, lesson: Lesson) -> None:
        """Use a forest that was trained elsewhere for the document as it is."""
        self._taught().adopt(lesson)

    def show_classifier(self, name: str | None) -> None:
        """Look at the result of a kept classifier; None: at the current one. Painting and training go on.

        Raises
        ------
        ProjectError
            There is none of this name, or its features are not known.
        """
        teaching = self._taught()
        with self._lock:
            document = self._document
            if name is not None and name not in document.frozen:
                known = ", ".join(sorted(document.frozen)) or "none"
                raise ProjectError(
                    f"there is no classifier {name!r}",
                    where=self.path,
                    remedy=f"its classifiers are: {known}",
                )
            lesson = None if name is None else kept_lesson(document, document.frozen[name])
            teaching.show(lesson)
            self.shown_classifier = name
            title = "Current classifier shown" if name is None else f"Classifier {name} shown"
            self._emit(DocumentChanged(self._history.last, title))

    def probabilities_at(self, lane: str, t: int, z: int, y: int, x: int) -> NDArray[np.float32] | None:
        """Probability of each class by value, (n_classes,) float32, at a pixel; None without a forest.

        Raises
        ------
        UnderbrushError
            The image cannot be read, or does not fit the forest.
        """
        self._taught()
        return self._looking().probabilities_at(lane, t, z, y, x)

    def class_ids(self, key: str) -> NDArray[np.uint8]:
        """(256,) uint8 class id of each value in results of the recipe ``key``; 0: none."""
        return self._taught().class_ids(key)

    # -- inside --------------------------------------------------------------------------------------

    def _asked(self) -> Asked | None:
        """What uncertain places are looked for with."""
        lesson = None if self._closed else self.lesson
        if lesson is None:
            return None
        document = self._document
        return Asked(lesson.recipe, document.lane_order, document.labels, self._lanes.pixels)

    def _looking(self) -> Live:
        self._taught()
        assert self._live is not None
        return self._live

    def _taught(self) -> Teaching:
        with self._lock:
            if self._closed:
                raise self._refusal()
            if self._teaching is None:
                budget = self._budget
                live = Live(self._images, budget.threads, budget.tiles, self._emit)
                live.set_live(False)
                rows = LiveRows(budget.rows)
                self._live = live
                self._teaching = Teaching(
                    self._images, live, lambda report: Trainer(rows, budget.threads, report), self._trained
                )
                self._teaching.follow(self._document)
            return self._teaching

    def _project_now(self) -> tuple[Project, int]:
        """The project as it is and the sequence number of its last edit."""
        with self._lock:
            document, history = self._document, self._history
        trained = None if self._teaching is None else self._teaching.trained_for(document)
        return project_of(document, trained, history.texts()), history.last

    def _trained(self, event: TrainingChanged) -> None:
        self._emit(event)
        # A project that was only looked at is not written.
        if event.state == "done" and self._safe is not None and self._edited:
            self._safe.touch()

    def _emit(self, event: Event) -> None:
        self.changes.heard(event)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  (one who listens badly must not stop the others)
                _log.exception("a listener failed")

    def _bring_images(self, document: Document) -> None:
        """Tell who lends images what the lanes are now."""
        for lane in self._lanes.bring(document):
            if self._live is not None:
                self._live.refresh(lane)


def _day_of(path: Path) -> str:
    try:
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:  # gone while it was open; the next save says so
        when = utc_now()
    return f"{when:%Y-%m-%d}"


def _now_text() -> str:
    return utc_now().isoformat(timespec="seconds")
