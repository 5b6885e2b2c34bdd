"""`underbrush evaluate`: how well a project segments images whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from underbrush.cli.machine import counted, memory_of, usable_cores
from underbrush.config import load_settings, parse_jobs
from underbrush.errors import UsageError
from underbrush.log import start_log, tell

SCHEMA = 1


def evaluate(
    project: Annotated[Path, typer.Argument(help="The project (.ilp).")],
    image: Annotated[list[str], typer.Option(help="An image; give it again for more.")],
    truth: Annotated[
        list[str], typer.Option(help="Its truth: 0 to ignore, 1, 2, ... the classes; one for each --image.")
    ],
    axes: Annotated[str | None, typer.Option(help="Read the images' axes in this order, as in zyx.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Threads; by default one for each core.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Peak memory, as in 2GB; by default a quarter of the machine's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Classify images and compare with their truth: Dice and IoU for each class, per image and in all."""
    from underbrush.engine.batch import Limits
    from underbrush.engine.evaluation import evaluate_image
    from underbrush.engine.stages import read_trained
    from underbrush.web.compiling import help_along

    settings = load_settings()
    start_log(log_level or settings.log_level)
    if len(image) != len(truth):
        problem = f"{counted(len(image), 'image')} and {counted(len(truth), 'truth image')}"
        raise UsageError(problem, remedy="give --truth once for each --image")
    threads = parse_jobs(jobs) or settings.jobs or usable_cores()
    limits = Limits(threads, memory_of(memory, settings.memory))
    help_along(limits.memory, threads)
    _, model = read_trained(project, threads, tell)
    for notice in model.notices:
        typer.echo(f"underbrush: {notice}", err=True)
    parts = []
    for one, known in zip(image, truth, strict=True):
        overlap, notices = evaluate_image(model, one, known, limits, axes)
        parts.append(overlap)
        for notice in notices:
            typer.echo(f"underbrush: {notice}", err=True)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    each = [{"image": i, "classes": p.scores} for i, p in zip(image, parts, strict=True)]
    if as_json:
        said = {"schema": SCHEMA, "classes": total.scores, "images": each}
        typer.echo(json.dumps(said, ensure_ascii=False, allow_nan=False))
        return
    for name, overlap in [*zip(image, parts, strict=True), ("all", total)]:
        typer.echo(name)
        for value, score in overlap.scores.items():
            label = model.class_names[int(value) - 1] if int(value) <= len(model.class_names) else ""
            typer.echo(f"  class {value:<4}{label:<20}Dice {_text(score['dice'])}  IoU {_text(score['iou'])}")


def _text(value: float | None) -> str:
    return "  -  " if value is None else f"{value:.3f}"
