"""`underbrush predict --result labels`: the strokes of images of the project, as images."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from underbrush.cli.predict_options import Wanted
from underbrush.engine.current import read_current
from underbrush.engine.label_export import label_spec, lane_of, write_labels
from underbrush.engine.lanes import lane_files, open_lane
from underbrush.engine.naming import Naming, output_path
from underbrush.errors import UnderbrushError
from underbrush.files import check_kept, check_output
from underbrush.log import tell
from underbrush.project.document import document_of
from underbrush.project.schema import Lane
from underbrush.sinks.formats import check_sink, find_format, suffix_of

SCHEMA = 1


def write_strokes(project: Path, images: Sequence[tuple[str, str]], wanted: Wanted, as_json: bool) -> int:
    """Write the strokes of each image (its address, and the pattern of its file); gives the exit status.

    Raises
    ------
    UnderbrushError
        Nothing could be begun.
    """
    from underbrush.engine.batch import check_distinct

    opened = read_current(project, tell)
    document = document_of(opened)
    naming, suffix = Naming(project, wanted.result), suffix_of(wanted.format)
    requests = [
        wanted.request(image, output_path(pattern, image, naming, suffix), None, None)
        for image, pattern in images
    ]
    check_distinct([(r.image, r.output) for r in requests])
    check_kept([r.output for r in requests], [*(r.image for r in requests), *lane_files(opened)])
    report: dict[str, Any] = {"schema": SCHEMA, "results": [], "failed": []}
    status = 0
    for request in requests:
        begun = time.monotonic()
        try:
            lane = lane_of(document, request.image)
            entry = document.lanes[lane]
            folder = find_format(request.format).folder
            check_output(request.output, [request.image, project], folder=folder)
            with open_lane(Lane(entry.nickname, entry.raw), document.base) as image:
                check_sink(label_spec(document, request, image), request.format)
                write_labels(document, lane, request, image, lambda done, total: None, threading.Event())
        except UnderbrushError as error:
            status = error.exit_code if not report["results"] and status in (0, error.exit_code) else 1
            report["failed"].append({"image": request.image, "error": str(error)})
            typer.echo(f"underbrush: {error}", err=True)
            continue
        status = 1 if report["failed"] else 0
        seconds = round(time.monotonic() - begun, 3)
        said = {"image": request.image, "output": str(request.output), "seconds": seconds, "notices": []}
        report["results"].append(said)
        if not as_json:
            typer.echo(str(request.output))
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, allow_nan=False))
    return status
