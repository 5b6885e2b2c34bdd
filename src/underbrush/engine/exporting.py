"""Results of a session's images and of other files: one queue, with progress, cancel, resume and a record."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from underbrush import __version__
from underbrush.engine import priorities
from underbrush.engine.batch import Limits, predict_image
from underbrush.engine.comparing import differences, traits_of
from underbrush.engine.current import read_current
from underbrush.engine.export_jobs import MOST_ROWS, Job, Row, now_text
from underbrush.engine.export_plan import (
    Item,
    file_item,
    free_outputs,
    in_window,
    inspected,
    lane_item,
    model_in_force,
    opened_item,
    outputs_of,
    refusals,
    request_of,
    spec_facts,
    training_lanes,
    training_traits,
)
from underbrush.engine.export_record import Record, check_record, file_digest, file_stamp, run_key, stamp_of
from underbrush.engine.export_texts import command_text, methods_text, python_text, stroke_counts
from underbrush.engine.export_wish import Wish, result_path
from underbrush.engine.label_export import write_labels
from underbrush.engine.label_images import open_beside
from underbrush.engine.model import Model, kept_model, model_of
from underbrush.engine.naming import nickname_of
from underbrush.engine.scheduler import Cancelled
from underbrush.errors import UnderbrushError, UsageError
from underbrush.files import check_kept, check_output
from underbrush.project.document import Document
from underbrush.project.resolve import resolve_source
from underbrush.sinks.formats import check_sink
from underbrush.sources.opening import open_image

if TYPE_CHECKING:
    from underbrush.engine.session import Session

TRAINING_S = 30.0
"""How long a training that runs is waited for; after that its strokes are trained anew."""
RECORD_S = 1.0
"""The record is written at most this often, and at the end."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Ready:
    """What all rows of a job share."""

    model: Model | None
    """None for labels."""
    document: Document
    key: str
    facts: dict[str, Any]
    """For run.json."""
    methods: str


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
        try:
            item = lane_item(session, lane)
            plain = result_path(wish, session.path, item.address, item.nickname)
            output = free_outputs(wish, [plain])[0] if wish.existing == "keep" else plain
            self._check_place(output)
            model = None if wish.result == "labels" else model_in_force(session, wish.classifier)
            request = request_of(wish, item, output)
            with ExitStack() as stack:
                image = session.image(lane)
                mask = stack.enter_context(open_beside(item.mask, image)) if item.mask else None
                spec = inspected(model, session.document, request, (image, mask), self._limits)
            reasons = refusals(spec, wish.suffix)
            check_sink(spec, wish.format)
            check_output(output, [a for a in (item.address, item.mask, str(session.path)) if a])
        except UnderbrushError as error:
            return {"refusal": in_window(error), "formats": reasons}
        return {"refusal": "", "formats": reasons, "exists": plain.exists(), **spec_facts(spec)}

    def texts(self, wish: Wish, kind: str, lanes: Sequence[str]) -> dict[str, str]:
        """Command, Python and methods text: of the last job of this kind and wish, else as it would be.

        Raises
        ------
        UnderbrushError
            A file cannot be read, or there is no classifier.
        """
        job = self._jobs.get(kind)
        if job is not None and job.texts and job.wish == wish:
            return dict(job.texts)
        session = self._session
        items = [lane_item(session, lane) for lane in lanes]
        if kind == "batch" and job is not None:
            items = [row.item for row in job.rows]
        paths = outputs_of(wish, session.path, items)
        pairs = list(zip(items, paths, strict=True))
        requests = [request_of(wish, item, path) for item, path in pairs if item.plain]
        left_out = [item.nickname or item.address for item in items if not item.plain]
        model = None if wish.result == "labels" else model_in_force(session, wish.classifier)
        methods = methods_text(wish, session.document, _method_facts(model, session.document))
        return {
            "command": command_text(wish, session.path, requests, left_out),
            "python": python_text(wish, session.path, requests, left_out),
            "methods": methods,
        }

    def state(self) -> dict[str, Any]:
        """All jobs, by kind."""
        with self._lock:
            return {kind: job.to_json() for kind, job in self._jobs.items()}

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
            self._work(job, self._run)

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
            self._work(job, self._run)

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
            self._work(job, self._run)

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

    # -- looking at files -----------------------------------------------------------------------------

    def _look_at_all(self, job: Job) -> None:
        self._compare(job)
        with self._lock:
            job.ended, job.state = time.monotonic(), "ready"

    def _compare(self, job: Job) -> None:
        """Settle axes, and hold each file that was not against the training images."""
        todo = [row for row in job.rows if not row.compared and not row.unreadable]
        if not todo:
            return
        training = training_traits(self._session)
        axes = [
            self._session.image(k).axes for k in training_lanes(self._session.document) if self._is_there(k)
        ]
        for row in todo:
            if job.cancel.is_set():
                raise Cancelled
            row.state = "checking"
            try:
                item = file_item(row.item.address, row.item.mask, axes)
                with open_image(item.address, item.axes) as image:
                    traits = traits_of(image)
                    row.facts = {
                        "shape": list(image.shape),
                        "axes": image.axes,
                        "dtype": image.dtype.name,
                        "pixel_size": {a: list(size) for a, size in image.pixel_size.items()},
                    }
                row.item, row.differences, row.compared = item, differences(traits, training), True
                row.state = "waiting"
            except (UnderbrushError, OSError, MemoryError) as error:
                row.unreadable = row.sentence = _sentence(error, row.item)
                row.state = "failed"

    def _is_there(self, lane: str) -> bool:
        try:
            self._session.image(lane)
        except UnderbrushError:
            return False
        return True

    # -- running --------------------------------------------------------------------------------------

    def _run(self, job: Job) -> None:
        if job.kind == "batch":
            self._compare(job)
        job.state = "preparing"
        ready = self._ready(job)
        self._settle(job, ready)
        with self._lock:
            job.state, job.began = "running", time.monotonic()
        records: dict[Path, tuple[Record, float]] = {}
        try:
            for row in job.rows:
                if job.cancel.is_set():
                    raise Cancelled
                if row.state == "waiting" and self._compute(job, row, ready):
                    self._record(records, ready, row)
        finally:
            for record, _ in records.values():
                record.write()
        failed = sum(row.state == "failed" for row in job.rows)
        said = f"{failed} of {len(job.rows)} failed." if failed else ""
        self._end(job, "failed" if failed == len(job.rows) else "done", said)

    def _ready(self, job: Job) -> _Ready:
        """Save, then read what the command line would read."""
        session, wish = self._session, job.wish
        until = time.monotonic() + TRAINING_S
        while wish.classifier is None and session.training.state == "running" and time.monotonic() < until:
            if job.cancel.wait(0.05):
                raise Cancelled
        document = session.document
        if session.read_only is None:
            session.save()
        project = read_current(session.path)
        model: Model | None = None
        if wish.result != "labels":
            kept = wish.classifier
            model = kept_model(project, kept) if kept else model_of(project, self._limits.threads)
        if job.cancel.is_set():
            raise Cancelled
        key = run_key(wish, model, document.training_key if model is None else "")
        method = _method_facts(model, document)
        facts = _run_facts(wish, session.path, model, document)
        return _Ready(model, document, key, facts, methods_text(wish, document, method))

    def _settle(self, job: Job, ready: _Ready) -> None:
        """Where each result goes and whether it can be, for all rows, before anything is computed."""
        project, wish = self._session.path, job.wish
        rows = []
        for row in job.rows:
            if row.state != "waiting":
                continue
            try:
                if row.item.lane is not None:
                    row.item = lane_item(self._session, row.item.lane)
                rows.append(row)
            except (UnderbrushError, OSError) as error:
                row.state, row.sentence = "failed", _sentence(error, row.item)
        paths = outputs_of(wish, project, [row.item for row in rows])
        for folder in {path.parent for path in paths}:
            check_record(folder)
        if job.kind == "batch":
            rows, paths = self._skip_done(wish, rows, paths, ready)
        paths = free_outputs(wish, paths)
        inputs = [a for row in job.rows for a in (row.item.address, row.item.mask) if a]
        lanes = self._lane_addresses()
        check_kept(paths, [*inputs, *lanes, str(project)])
        for row, path in zip(rows, paths, strict=True):
            if job.cancel.is_set():
                raise Cancelled
            self._check_place(path)
            row.output, row.request = path, request_of(wish, row.item, path)
            try:
                with ExitStack() as stack:
                    opened = opened_item(stack, self._session, row.item)
                    spec = inspected(ready.model, ready.document, row.request, opened, self._limits)
                check_sink(spec, wish.format)
                row.weight = float(np.prod(spec.shape)) / spec.shape[1]
                row.facts = row.facts or spec_facts(spec)
            except (UnderbrushError, OSError, MemoryError) as error:
                row.state, row.sentence, row.output = "failed", _sentence(error, row.item), None
        named = [row for row in job.rows if row.request is not None and row.state != "failed"]
        requests = [row.request for row in named if row.request is not None and row.item.plain]
        left_out = [row.name for row in named if not row.item.plain]
        job.texts = {
            "command": command_text(wish, project, requests, left_out),
            "python": python_text(wish, project, requests, left_out),
            "methods": ready.methods,
        }

    def _lane_addresses(self) -> list[str]:
        """Images of the project and their masks: none of them is ever written over."""
        document = self._session.document
        sources = [s for e in document.lanes.values() for s in (e.raw, e.mask) if s is not None]
        return [a for s in sources if (a := resolve_source(s, document.base).address)]

    def _skip_done(
        self, wish: Wish, rows: list[Row], paths: list[Path], ready: _Ready
    ) -> tuple[list[Row], list[Path]]:
        """Leave out rows whose result is there, of the same input and the same recipe."""
        records: dict[Path, Record] = {}
        left = []
        for row, path in zip(rows, paths, strict=True):
            record = records.setdefault(path.parent, Record.read(path.parent))
            found = record.done_before(ready.key, row.item.address, _stamps(row.item))
            if found is None:
                left.append((row, path))
                continue
            row.state, row.share, row.output = "skipped", 1.0, Path(found["output"])
            row.request = request_of(wish, row.item, row.output)
            row.bytes, row.written = int(found.get("bytes", 0)), str(found.get("written", ""))
            row.sentence = "It was done before, with the same input and classifier."
        return [row for row, _ in left], [path for _, path in left]

    def _compute(self, job: Job, row: Row, ready: _Ready) -> bool:
        """Write one result; False where it failed."""
        assert row.request is not None and row.output is not None
        begun = time.monotonic()
        row.state = "running"

        def progress(done: int, total: int) -> None:
            row.share, row.seconds = done / max(1, total), time.monotonic() - begun

        notices: tuple[str, ...] = ()
        try:
            inputs = [row.item.address, row.item.mask, str(self._session.path)]
            check_output(row.output, [address for address in inputs if address])
            with ExitStack() as stack:
                opened = opened_item(stack, self._session, row.item)
                if ready.model is not None:
                    done = predict_image(ready.model, row.request, opened, self._limits, progress, job.cancel)
                    notices = done.notices
                elif row.item.lane is not None:
                    write_labels(ready.document, row.item.lane, row.request, opened[0], progress, job.cancel)
                else:
                    raise UsageError("a file has no strokes", remedy="choose another result")
        except (UnderbrushError, OSError, MemoryError) as error:
            row.state, row.sentence, row.seconds = (
                "failed",
                _sentence(error, row.item),
                time.monotonic() - begun,
            )
            return False
        with self._lock:
            row.seconds, row.share, row.sentence = time.monotonic() - begun, 1.0, " ".join(notices)
            row.bytes, row.written, row.state = row.output.stat().st_size, now_text(), "done"
        return True

    def _record(self, records: dict[Path, tuple[Record, float]], ready: _Ready, row: Row) -> None:
        assert row.output is not None
        folder = row.output.parent
        record, last = records.get(folder) or (Record.read(folder), 0.0)
        result = {
            "image": row.item.address,
            "lane": row.name if row.item.lane else None,
            "mask": row.item.mask,
            "stamps": _stamps(row.item),
            "output_stamp": file_stamp(row.output),
            "bytes": row.bytes,
            "seconds": round(row.seconds, 3),
            "written": row.written,
            "notices": [row.sentence] if row.sentence else [],
            "differs": [d.sentence for d in row.differences],
        }
        record.add(ready.key, ready.facts, row.output.name, result)
        if time.monotonic() - last > RECORD_S:
            record.write()
            last = time.monotonic()
        records[folder] = (record, last)


def _stamps(item: Item) -> list[Any]:
    return [stamp_of(item.address), stamp_of(item.mask)]


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


def _sentence(error: BaseException, item: Item) -> str:
    """What went wrong with an image; which one it is stands beside it."""
    if isinstance(error, UnderbrushError):
        own = bool(error.where) and error.where in (item.address, str(Path(item.address)))
        return in_window(type(error)(error.problem, remedy=error.remedy) if own else error)
    if isinstance(error, MemoryError):
        return "There was not enough memory; close other projects, or start with a higher --memory."
    return f"The file cannot be read ({error}); check the disk or the network folder, then retry."


def _defect(error: Exception) -> str:
    return (
        f"It failed by a defect in Underbrush ({type(error).__name__}: {error}); report it with the log file."
    )


def _method_facts(model: Model | None, document: Document) -> dict[str, Any]:
    if model is None:
        return {}
    forest = model.recipe.forest
    return {
        "selection": model.recipe.selection,
        "features": forest.n_features,
        "trees": forest.n_trees,
        "seed": document.settings.seed,
    }


def _run_facts(wish: Wish, project: Path, model: Model | None, document: Document) -> dict[str, Any]:
    """What run.json says of a run beside its results."""
    said: dict[str, Any] = {
        "software": f"underbrush {__version__}",
        "numpy": np.__version__,
        "project": str(project),
        "project_sha256": file_digest(project),
        "wish": wish.to_json(),
        "classes": [document.classes[k].info.name for k in document.class_order],
        "strokes": None if wish.classifier else stroke_counts(document),
        "began": now_text(),
    }
    if model is None:
        return said
    recipe = model.recipe
    selection = recipe.selection
    return {
        **said,
        "classes": list(model.class_names),
        "recipe": recipe.key,
        "classifier": recipe.forest.digest,
        "trees": recipe.forest.n_trees,
        "seed": None if wish.classifier else document.settings.seed,
        "features": {
            "count": recipe.forest.n_features,
            "filters": list(selection.filters),
            "scales": list(selection.scales),
            "matrix": [list(map(bool, row)) for row in selection.matrix],
            "in_2d": None if selection.in_2d is None else list(selection.in_2d),
            "channels": None if recipe.channels is None else list(recipe.channels),
        },
        "notices": list(model.notices),
    }
