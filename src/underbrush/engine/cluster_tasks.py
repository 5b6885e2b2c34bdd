"""What travels to the workers of a cluster and back, and what they do with it.

A task travels as text (JSON) and so does what came of it: neither images nor forests are sent. Each worker
reads project and images itself, writes whole files or whole pieces, and says what was noticed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from underbrush import __version__
from underbrush.core.pieces import Share
from underbrush.engine.batch import Limits, Manner, Request
from underbrush.engine.comparing import Traits, project_traits
from underbrush.engine.many import Task, compute_shared
from underbrush.engine.memory import memory_cap
from underbrush.engine.model import Model
from underbrush.engine.resuming import request_key
from underbrush.engine.scheduler import Cancelled
from underbrush.engine.stages import read_trained
from underbrush.errors import UnderbrushError
from underbrush.sinks.base import ResultKind
from underbrush.sources.address import absolute_address

LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """How workers find the model, and know that it is the same."""

    project: str
    classifier: str | None
    digest: str

    @classmethod
    def of(cls, project: Path, model: Model, classifier: str | None) -> Lesson:
        """The lesson of a model that was read from a project."""
        return cls(str(project.absolute()), classifier, _digest(model))


BLANK: dict[str, Any] = {
    "seconds": 0.0,
    "tiles": 0,
    "notices": [],
    "differs": [],
    "error": "",
    "exit_code": 0,
}


def message_of(lesson: Lesson, task: Task, threads: int | None, memory: int | None) -> str:
    """A task as text; ``threads`` and ``memory`` of a worker, None: as its own configuration says."""
    request = task.request
    if request.manner != Manner(axes=request.manner.axes, named=request.manner.named):
        raise AssertionError("a request that cannot travel")
    return json.dumps(
        {
            "version": __version__,
            "project": lesson.project,
            "classifier": lesson.classifier,
            "digest": lesson.digest,
            "threads": threads,
            "memory": memory,
            "share": list(task.share),
            "keep": task.keep,
            "image": request.image,
            "output": str(request.output),
            "format": request.format,
            "result": request.result,
            "axes": request.axes,
            "mask": request.mask,
            "region": {axis: list(span) for axis, span in request.region.items()},
            "dtype": None if request.dtype is None else np.dtype(request.dtype).name,
            "rescale": request.rescale,
            "output_axes": request.manner.axes,
            "named": request.manner.named,
            "objects": list(request.manner.objects),
        }
    )


def _task(said: dict[str, Any]) -> Task:
    rescale = said["rescale"]
    request = Request(
        said["image"],
        Path(said["output"]),
        said["format"],
        cast("ResultKind", said["result"]),
        said["axes"],
        said["mask"],
        {axis: (span[0], span[1]) for axis, span in said["region"].items()},
        None if said["dtype"] is None else np.dtype(said["dtype"]),
        None if rescale is None else (tuple(rescale[0]), tuple(rescale[1])),
        Manner(axes=said["output_axes"], named=said["named"], objects=tuple(said["objects"])),
    )
    return Task(request, Share(*said["share"]), said["keep"])


def absolute(request: Request) -> Request:
    """With names that mean the same in another folder."""
    mask = None if request.mask is None else absolute_address(request.mask)
    image = absolute_address(request.image)
    manner = replace(request.manner, named=request.manner.named or request.image)
    return replace(request, image=image, mask=mask, output=request.output.absolute(), manner=manner)


def _digest(model: Model) -> str:
    return request_key(model, Request("", Path(), ""))


# -- on a worker ----------------------------------------------------------------------------------------

_hands: set[int] = set()


def in_hand() -> int:
    """Tasks that this process is working on."""
    return len(_hands)


def work(message: str) -> str:
    """Carry out a task; what is wrong with its image is part of the answer."""
    said = json.loads(message)
    me = threading.get_ident()
    _hands.add(me)
    try:
        return json.dumps(_worked(said))
    finally:
        _hands.discard(me)


def _worked(said: dict[str, Any]) -> dict[str, Any]:
    from distributed import get_worker  # noqa: PLC0415

    worker = get_worker()
    here = f"the worker {worker.address}"
    if said["version"] != __version__:
        return {"refused": f"{here} has underbrush {__version__}, this is {said['version']}"}
    slots = int(worker.state.nthreads)
    memory = said["memory"] or worker.memory_manager.memory_limit or memory_cap(None)
    threads = said["threads"] or 1
    try:
        model, training = _lesson(said["project"], said["classifier"], _stamp(said["project"]))
    except (UnderbrushError, OSError) as error:
        return {"refused": f"{here} cannot use the project: {error}"}
    if _digest(model) != said["digest"]:
        return {"refused": f"{here} finds another project at {said['project']}"}
    task = _task(said)
    with _watched(worker) as cancel:
        try:
            outcome = compute_shared(
                model, task, Limits(threads, int(memory), images=slots), training, cancel
            )
        except Cancelled:
            return {**BLANK, "state": "failed", "error": f"{task.request.image}: stopped."}
    return {
        "state": outcome.state,
        "seconds": outcome.seconds,
        "tiles": outcome.tiles,
        "notices": outcome.notices,
        "differs": [[d.kind, d.sentence] for d in outcome.differs],
        "error": outcome.error,
        "exit_code": outcome.exit_code,
    }


@lru_cache(maxsize=2)
def _lesson(project: str, classifier: str | None, stamp: tuple[int, int]) -> tuple[Model, list[Traits]]:
    """The model of a project in this state; trained here again where it has none."""
    opened, model = read_trained(Path(project), 1, classifier=classifier)
    return model, project_traits(opened)


def _stamp(project: str) -> tuple[int, int]:
    status = Path(project).stat()
    return status.st_size, status.st_mtime_ns


@contextmanager
def _watched(worker: Any) -> Iterator[threading.Event]:
    """An event that is set when the client takes the task back."""
    key = worker.get_current_task()
    cancel, over = threading.Event(), threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            known = worker.state.tasks.get(key)
            if known is None or known.state == "cancelled":
                cancel.set()
                return

    threading.Thread(target=look, name="underbrush-watch", daemon=True).start()
    try:
        yield cancel
    finally:
        over.set()
