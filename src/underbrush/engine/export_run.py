"""One job carried out: files compared, paths settled, results written one after the other, all recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from underbrush.engine.batch import Limits, predict_image
from underbrush.engine.comparing import differences, traits_of
from underbrush.engine.current import read_current
from underbrush.engine.export_jobs import Job, Row, now_text
from underbrush.engine.export_plan import (
    Item,
    file_item,
    free_outputs,
    in_window,
    inspected,
    lane_item,
    opened_item,
    outputs_of,
    request_of,
    spec_facts,
    training_lanes,
    training_traits,
)
from underbrush.engine.export_record import Record, check_record, file_stamp, run_facts, run_key, stamp_of
from underbrush.engine.export_texts import command_text, method_facts, methods_text, python_text
from underbrush.engine.export_wish import Wish
from underbrush.engine.label_export import write_labels
from underbrush.engine.lanes import files_of
from underbrush.engine.model import Model, kept_model, model_of
from underbrush.engine.object_classes import Chosen, chosen_of
from underbrush.engine.scheduler import Cancelled
from underbrush.errors import UnderbrushError, UsageError
from underbrush.files import check_kept, check_output
from underbrush.project.document import Document
from underbrush.project.resolve import resolve_source
from underbrush.sinks.formats import check_sink, find_format
from underbrush.sinks.places import size_of
from underbrush.sources.opening import open_image

if TYPE_CHECKING:
    from underbrush.engine.session import Session

TRAINING_S = 30.0
"""How long a training that runs is waited for; after that its strokes are trained anew."""
RECORD_S = 1.0
"""The record is written at most this often, and at the end."""


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
    objects: Chosen


class Run:
    """What a job does, on the thread that it was given.

    Parameters
    ----------
    session
        The open project.
    job
        Its rows are brought up to date as it goes.
    limits
        Threads, and the bytes that the whole process may hold.
    check_place
        Refuses, by raising, files that may not be written.
    """

    def __init__(
        self, session: Session, job: Job, limits: Limits, check_place: Callable[[Path], None]
    ) -> None:
        self._session, self._job = session, job
        self._limits, self._check_place = limits, check_place

    def compare(self) -> None:
        """Settle axes, and hold each file that was not against the training images.

        Raises
        ------
        Cancelled
            The job was cancelled.
        """
        job = self._job
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

    def carry_out(self) -> tuple[Literal["done", "failed"], str]:
        """Write all rows that wait; gives how it ended, with a sentence where not all went well.

        Raises
        ------
        Cancelled
            The job was cancelled.
        UnderbrushError
            Nothing could be begun, or the record cannot be written.
        """
        job = self._job
        if job.kind == "batch":
            self.compare()
        job.state = "preparing"
        ready = self._ready()
        self._settle(ready)
        job.state, job.began = "running", time.monotonic()
        records: dict[Path, tuple[Record, float]] = {}
        try:
            for row in job.rows:
                if job.cancel.is_set():
                    raise Cancelled
                if row.state == "waiting" and self._compute(row, ready):
                    self._record(records, ready, row)
        finally:
            for record, _ in records.values():
                record.write()
        failed = sum(row.state == "failed" for row in job.rows)
        said = f"{failed} of {len(job.rows)} failed." if failed else ""
        return ("failed" if failed == len(job.rows) else "done"), said

    def _ready(self) -> _Ready:
        """Save, then read what the command line would read."""
        session, job, wish = self._session, self._job, self._job.wish
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
        chosen = chosen_of(wish, document, model)
        key = run_key(wish, model, document.training_key if model is None else "", chosen)
        method = method_facts(model, document, chosen)
        facts = run_facts(wish, session.path, model, document, chosen)
        return _Ready(model, document, key, facts, methods_text(wish, document, method), chosen)

    def _settle(self, ready: _Ready) -> None:
        """Where each result goes and whether it can be, for all rows, before anything is computed."""
        job = self._job
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
        inputs = [f for row in job.rows for a in (row.item.address, row.item.mask) if a for f in files_of(a)]
        lanes = self._lane_addresses()
        check_kept(paths, [*inputs, *lanes, str(project)])
        for row, path in zip(rows, paths, strict=True):
            if job.cancel.is_set():
                raise Cancelled
            self._check_place(path)
            row.output, row.request = path, request_of(wish, row.item, path, ready.objects.words)
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
        job.objects = ready.objects

    def _lane_addresses(self) -> list[str]:
        """Images of the project and their masks: none of them is ever written over."""
        document = self._session.document
        sources = [s for e in document.lanes.values() for s in (e.raw, e.mask) if s is not None]
        found = [a for s in sources if (a := resolve_source(s, document.base).address)]
        return [file for address in found for file in files_of(address)]

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
            row.request = request_of(wish, row.item, row.output, ready.objects.words)
            row.bytes, row.written = int(found.get("bytes", 0)), str(found.get("written", ""))
            row.sentence = "It was done before, with the same input and classifier."
        return [row for row, _ in left], [path for _, path in left]

    def _compute(self, row: Row, ready: _Ready) -> bool:
        """Write one result; False where it failed."""
        assert row.request is not None and row.output is not None
        begun = time.monotonic()
        row.state = "running"

        def progress(done: int, total: int) -> None:
            row.share, row.seconds = done / max(1, total), time.monotonic() - begun

        notices: tuple[str, ...] = ()
        try:
            inputs = [f for a in (row.item.address, row.item.mask) if a for f in files_of(a)]
            inputs.append(str(self._session.path))
            check_output(
                row.output,
                inputs,
                folder=find_format(self._job.wish.format).folder,
            )
            with ExitStack() as stack:
                opened = opened_item(stack, self._session, row.item)
                if ready.model is not None:
                    done = predict_image(
                        ready.model, row.request, opened, self._limits, progress, self._job.cancel
                    )
                    notices = done.notices
                elif row.item.lane is not None:
                    write_labels(
                        ready.document, row.item.lane, row.request, opened[0], progress, self._job.cancel
                    )
                else:
                    raise UsageError("a file has no strokes", remedy="choose another result")
        except (UnderbrushError, OSError, MemoryError) as error:
            row.state, row.sentence, row.seconds = (
                "failed",
                _sentence(error, row.item),
                time.monotonic() - begun,
            )
            return False
        row.seconds, row.share, row.sentence = time.monotonic() - begun, 1.0, " ".join(notices)
        row.bytes, row.written, row.state = size_of(row.output), now_text(), "done"
        return True

    def _record(self, records: dict[Path, tuple[Record, float]], ready: _Ready, row: Row) -> None:
        assert row.output is not None
        folder = row.output.parent
        record, last = records.get(folder) or (Record.read(folder), 0.0)
        result = {
            "image": row.item.address,
            "lane": row.name if row.item.lane else None,
            "project": str(self._session.path),
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
    """What a result depends on beside the recipe: files, and the sizes of pixels that are written with it."""
    return [stamp_of(item.address), stamp_of(item.mask), *([item.sizes] if item.sizes else [])]


def _sentence(error: BaseException, item: Item) -> str:
    """What went wrong with an image; which one it is stands beside it."""
    if isinstance(error, UnderbrushError):
        own = bool(error.where) and error.where in (item.address, str(Path(item.address)))
        said = in_window(type(error)(error.problem, remedy=error.remedy) if own else error)
        return said[:1].upper() + said[1:] if own else said
    if isinstance(error, MemoryError):
        return "There was not enough memory; close other projects, or start with a higher --memory."
    return f"The file cannot be read ({error}); check the disk or the network folder, then retry."
