"""`underbrush-ilastik --distributed`: the images of one command line on processes of this machine.

Each process gets the whole command line and the number of one image; it reads project and image itself and
writes the file that it would write without `--distributed`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbrush.cli.ilastik_options import parse
from underbrush.errors import OutputError, UnderbrushError
from underbrush.log import tell

if TYPE_CHECKING:
    from underbrush.engine.batch import Limits

Elsewhere = Callable[[int], tuple[str, ...]]
"""Number of an image -> what its user should know, once its result is there."""
PROGRAM = 256_000_000
EACH = 384_000_000
"""Bytes of this process, and the least of each other."""


@contextmanager
def spread(arguments: Sequence[str], count: int, limits: Limits) -> Iterator[Elsewhere | None]:
    """Results of ``count`` images by as many processes as threads and memory allow; None: not worth it."""
    workers = min(limits.threads, count, (limits.memory - PROGRAM) // EACH)
    if workers < 2:
        yield None
        return
    try:
        from underbrush.engine.cluster import connected, given_out
    except ImportError:
        tell("--distributed needs Dask, which is not installed: one process computes all.")
        yield None
        return
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(connected(f"local:{workers}", limits))
        except UnderbrushError as error:
            tell(f"--distributed: {error} One process computes all.")
            yield None
            return
        limit = {"threads": cluster.threads, "memory": cluster.memory}
        message = {"arguments": list(arguments), "folder": str(Path.cwd()), **limit}
        answers = stack.enter_context(
            closing(given_out(cluster, work, count, lambda n: json.dumps({**message, "image": n})))
        )
        known: dict[int, dict[str, Any]] = {}

        def elsewhere(n: int) -> tuple[str, ...]:
            while n not in known:
                number, answer = next(answers)
                known[number] = answer
            said = known.pop(n)
            if "died" in said:
                raise OutputError(said["died"], where=f"image {n + 1}", remedy="leave out --distributed")
            if "error" in said:
                raise OutputError(said["error"][0], where=said["error"][1], remedy=said["error"][2])
            return tuple(said["notices"])

        yield elsewhere


def work(text: str) -> str:
    """Write the result of one image, on a process of its own; answers with what its user should know."""
    from underbrush.cli.ilastik import job_of
    from underbrush.compat.running import carry_out
    from underbrush.compat.settings import load
    from underbrush.engine.batch import Limits

    said = json.loads(text)
    os.chdir(said["folder"])  # names count from there; the process does nothing else
    options = parse(said["arguments"])
    n = said["image"]
    options.workflow.retrain = False  # that was done before
    options.inputs.raw_data = options.inputs.raw_data[n : n + 1]
    options.inputs.prediction_mask = (options.inputs.prediction_mask or [])[n : n + 1]
    options.app.project = options.app.project or options.app.new_project
    notices: list[str] = []
    try:
        limits = Limits(said["threads"], said["memory"])
        carry_out(job_of(options, load(options.app.configfile)), limits, lambda line: None, notices.append)
    except UnderbrushError as error:
        return json.dumps({"error": [error.problem, error.where, error.remedy]})
    return json.dumps({"notices": notices})
