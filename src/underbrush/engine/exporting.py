"""Results of a session's images and of other files: one queue, with progress, cancel, resume and a record."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from underbrush.engine import priorities
from underbrush.engine.batch import Limits
from underbrush.engine.export_jobs import MOST_ROWS, Job, Row
from underbrush.engine.export_plan import (
    Item,
    free_outputs,
    in_window,
    inspected,
    lane_item,
    model_in_force,
    outputs_of,
    refusals,
    request_of,
    spec_facts,
)
from underbrush.engine.export_removal import Result, delete_results, results_of
from underbrush.engine.export_run import Run
from underbrush.engine.export_texts import command_text, method_facts, methods_text, python_text
from underbrush.engine.export_wish import Wish, result_path
from underbrush.engine.naming import nickname_of
from underbrush.engine.object_classes import NOT_CHOSEN, chosen_of, known_classes
from underbrush.engine.scheduler import Cancelled
from underbrush.errors import UnderbrushError, UsageError
from underbrush.files import check_output
from underbrush.sinks.formats import check_sink, find_format
from underbrush.sinks.places import is_there

if TYPE_CHECKING:
    from underbrush.engine.session import Session

_log = logging.getLogger(__name__)


class Exporter:
    """Writes results of one session; one job at a time. All methods may be called from any thread.

    Parameters
    ----------
    session
        The open project; it is saved before a job, and what is on the disk is what is computed with, as the
        command line does.
    limits
        Threads, and the bytes that the whole process may hold.
    check_place
        Refuses, by raising, files that may not be written.
    """

    def __init__(
        self, session: Session, limits: Limits, check_place: Callable[[Path], None] = lambda path: None
    ) -> None:
        self._session = session
        self._limits = replace(limits, nice=priorities.TILES)
        self._check_place = check_place
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._number = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    # -- looking --------------------------------------------------------------------------------------

    def look(self, wish: Wish, lane: str) -> dict[str, Any]:
        """What a wish gives for a lane: its file with its size, or the reason why it cannot be.

        Opens the image of the lane if it is not open; computes nothing.
        """
        session = self._session
        reasons: dict[str, str] = {}
        known = known_classes(wish, session.document)
        try:
            item = lane_item(session, lane)
            plain = result_path(wish, session.path, item.address, item.nickname)
            output = free_outputs(wish, [plain])[0] if wish.existing == "keep" else plain
            self._check_place(output)
            model = None if wish.result == "labels" else model_in_force(session, wish.classifier)
            words = chosen_of(wish, session.document, model).words
            request = request_of(wish, item, output, words)
            opened = session.image(lane), session.mask(lane)
            spec = inspected(model, session.document, request, opened, self._limits)
            reasons = refusals(spec, wish.suffix)
            check_sink(spec, wish.format)
            inputs = [a for a in (item.address, item.mask, str(session.path)) if a]
            check_output(output, inputs, folder=find_format(wish.format).folder)
        except UnderbrushError as error:
            return {"refusal": in_window(error), "formats": reasons, "classes": known}
        facts = {"exists": is_there(plain), "classes": known, **spec_facts(spec)}
        return {"refusal": "", "formats": reasons, **facts}

    def texts(self, wish: Wish, kind: str, lanes: Sequence[str]) -> dict[str, str]:
        """Command, Python and methods text: of the last job of this kind and wish, else as it would be.

        Raises
        ------
        UnderbrushError
            A file cannot be read, or there is no classifier.
        """
        session, job = self._session, self._jobs.get(kind)
        chosen = NOT_CHOSEN
        if wish.result == "objects":  # their classes may have other names now, or be gone
            chosen = chosen_of(wish, session.document, model_in_force(session, wish.classifier))
        if job is not None and job.texts and job.wish == wish and job.objects == chosen:
            return dict(job.texts)
        items = [lane_item(session, lane) for lane in lanes]
        if kind == "batch" and job is not None:
            items = [row.item for row in job.rows]
        paths = outputs_of(wish, session.path, items)
        pairs = list(zip(items, paths, strict=True))
        requests = [request_of(wish, item, path, chosen.words) for item, path in pairs if item.plain]
        left_out = [item.nickname or item.address for item in items if not item.plain]
        model = None if wish.result == "labels" else model_in_force(session, wish.classifier)
        methods = methods_text(wish, session.document, method_facts(model, session.document, chosen))
        return {
            "command": command_text(wish, session.path, requests, left_out),
            "python": python_text(wish, session.path, requests, left_out),
            "methods": methods,
        }

    def state(self) -> dict[str, Any]:
        """All jobs, by kind."""
        with self._lock:
            return {kind: job.to_json() for kind, job in self._jobs.items()}

    # -- deleting -------------------------------------------------------------------------------------

    def results(self, wish: Wish) -> list[Result]:
        """What exports of this project's images left where this wish, or a job of this window, writes."""
        return results_of(self._session.path, self._result_folders(wish))

    def delete(self, wish: Wish, paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
        """Delete these of `results`; gives what is gone, and sentences about what stayed.

        Raises
        ------
        UsageError
            One is no result of this project, lies where nothing may be written, or results are being written.
        """
        with self._lock:
            self._check_free()
            folders = self._result_folders(wish)
            gone, left = delete_results(self._session.path, folders, paths, self._check_place)
            job = self._jobs.get("export")
            if job is not None:
                job.rows = [row for row in job.rows if row.output not in gone]
                if not job.rows:
                    del self._jobs["export"]
            return gone, left

    def _result_folders(self, wish: Wish) -> set[Path]:
        rows = [row for job in self._jobs.values() for row in job.rows]
        folders = {row.output.parent for row in rows if row.output is not None}
        for lane in self._session.document.lane_order:
            try:
                item = lane_item(self._session, lane)
                folders.add(result_path(wish, self._session.path, item.address, item.nickname).parent)
            except UnderbrushError:
                continue  # a missing image, or a path that cannot be: told where they are chosen
        return folders

    # -- jobs -----------------------------------------------------------------------------------------

    def export(self, wish: Wish, lanes: Sequence[str]) -> None:
        """Write the results of these images of the project.

        Raises
        ------
        UsageError
            Something is written already, or no image was named.
        """
        document = self._session.document
        unknown = [lane for lane in lanes if lane not in document.lanes]
        if not lanes or unknown:
            raise UsageError("no image of this project was named", remedy="choose one, and try again")
        rows = [Row(Item("", None, lane), document.lanes[lane].nickname) for lane in lanes]
        with self._lock:
            job = self._new_job("export", wish, rows)
            self._work(job, self._carry_out)

    def choose(self, files: Sequence[str], masks: Sequence[str] = ()) -> None:
        """Take these files for a batch and hold each against the training images; computes nothing.

        Raises
        ------
        UsageError
            Something is written already; too many files; not one mask for each.
        """
        pairs = paired(files, masks)
        rows = [Row(Item(image, None, None, None, mask), nickname_and_name(image)) for image, mask in pairs]
        with self._lock:
            job = self._new_job("batch", Wish(), rows)
            self._work(job, self._look_at_all)

    def run_batch(self, wish: Wish) -> None:
        """Write the results of the chosen files; those of this wish that are there and true are skipped.

        Raises
        ------
        UsageError
            No files were chosen, or something is written already.
        """
        with self._lock:
            job = self._jobs.get("batch")
            if job is None or not job.rows:
                raise UsageError("no files were chosen", remedy="choose files, a folder or a pattern")
            self._check_free()
            job.wish = wish
            for row in job.rows:
                row.begin()
            self._work(job, self._carry_out)

    def retry(self, kind: str, rows: Sequence[int] | None = None) -> None:
        """Try failed rows again, by default all of them.

        Raises
        ------
        UsageError
            There is nothing to try again, or something is written already.
        """
        with self._lock:
            self._check_free()
            job = self._jobs.get(kind)
            wanted = [] if job is None else [
                row
                for n, row in enumerate(job.rows)
                if row.state in ("failed", "cancelled") and (rows is None or n in rows)
            ]  # fmt: skip
            if job is None or not wanted:
                raise UsageError("no file has failed", remedy="start it anew")
            for row in wanted:
                row.unreadable, row.compared = "", False
                row.begin()
            self._work(job, self._carry_out)

    def cancel(self) -> None:
        """End the job that runs; the file in hand is given up, nothing is left of it."""
        with self._lock:
            for job in self._jobs.values():
                if job.busy:
                    job.cancel.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing runs; False where that took longer."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def close(self, seconds: float = 10.0) -> None:
        """End what runs, and take no more."""
        with self._lock:
            self._closed = True
        self.cancel()
        self.wait(seconds)

    # -- inside ---------------------------------------------------------------------------------------

    def _check_free(self) -> None:
        if self._closed:
            raise UsageError("the project is closed", remedy="open it again")
        if any(job.busy for job in self._jobs.values()):
            raise UsageError("results are being written already", remedy="wait for them, or cancel")

    def _new_job(self, kind: Literal["export", "batch"], wish: Wish, rows: list[Row]) -> Job:
        self._check_free()
        if len(rows) > MOST_ROWS:
            raise UsageError(f"{len(rows)} files are too many at once", remedy=f"choose up to {MOST_ROWS}")
        self._number += 1
        self._jobs[kind] = Job(self._number, kind, wish, rows)
        return self._jobs[kind]

    def _work(self, job: Job, work: Callable[[Job], None]) -> None:
        """Begin in a thread; what goes wrong becomes a sentence."""
        job.cancel = threading.Event()
        job.texts = {}
        job.state = "checking"
        job.begin()

        def guarded() -> None:
            try:
                work(job)
            except Cancelled:
                self._end(job, "cancelled", "Cancelled; what was finished is kept.")
            except UnderbrushError as error:
                self._end(job, "failed", in_window(error))
            except Exception as error:  # noqa: BLE001  (said in the window, and in the log)
                _log.exception("an export failed")
                said = _defect(error)
                self._end(job, "failed", said)

        self._thread = threading.Thread(target=guarded, name="underbrush-export", daemon=True)
        self._thread.start()

    def _end(self, job: Job, state: Literal["done", "failed", "cancelled", "ready"], said: str = "") -> None:
        with self._lock:
            job.end(state, said)

    def _run_of(self, job: Job) -> Run:
        return Run(self._session, job, self._limits, self._check_place)

    def _carry_out(self, job: Job) -> None:
        self._end(job, *self._run_of(job).carry_out())

    def _look_at_all(self, job: Job) -> None:
        self._run_of(job).compare()
        with self._lock:
            job.ended, job.state = time.monotonic(), "ready"


def nickname_and_name(address: str) -> str:
    """What is shown of a file: its name with its ending."""
    return Path(address).name or nickname_of(address)


def paired(files: Sequence[str], masks: Sequence[str]) -> list[tuple[str, str | None]]:
    """Files with their masks: by name where each mask's name holds that of one file, else in their order.

    Raises
    ------
    UsageError
        There is not one mask for each file.
    """
    if not masks:
        return [(file, None) for file in files]
    if len(masks) != len(files):
        said = f"{len(masks)} mask{'' if len(masks) == 1 else 's'} for {len(files)} files"
        raise UsageError(said, remedy="name one mask for each file, or none")
    found: dict[str, str] = {}
    stems = {mask: nickname_of(mask).casefold() for mask in masks}
    for file in sorted(files, key=lambda f: -len(nickname_of(f))):
        stem = nickname_of(file).casefold()
        fitting = [m for m, name in stems.items() if stem in name and m not in found.values()]
        if not fitting:
            return list(zip(files, masks, strict=True))
        found[file] = min(fitting, key=lambda m: len(stems[m]))
    return [(file, found[file]) for file in files]


def _defect(error: Exception) -> str:
    return (
        f"It failed by a defect in Underbrush ({type(error).__name__}: {error}); report it with the log file."
    )
