"""`underbrush train`: a project from images and their labels, or a project trained again."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from underbrush.cli.machine import counted, memory_of, usable_cores
from underbrush.config import load_settings, parse_jobs
from underbrush.errors import UsageError
from underbrush.log import start_log

if TYPE_CHECKING:
    from underbrush.core.features.selection import FeatureSelection
    from underbrush.core.forest.train import TrainedForest, TrainingOptions
    from underbrush.engine.session import Session
    from underbrush.engine.training import Rows
    from underbrush.project.schema import Project

SCHEMA = 1
CLIENT = "train"
"""Whose changes those of this command are."""


def train(
    project: Annotated[
        Path | None, typer.Argument(help="A project to train again from its strokes.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The project to write.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="An image; give it again for more.")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="Its labels: 0 none, 1, 2, ... the classes; one for each --image."),
    ] = None,
    axes: Annotated[str | None, typer.Option(help="Read the images' axes in this order, as in zyx.")] = None,
    features: Annotated[str | None, typer.Option(help="all, recommended, or a JSON file.")] = None,
    scales: Annotated[str | None, typer.Option(help="Sigmas in pixels, as in 0.7,1.6,3.5.")] = None,
    channels: Annotated[str | None, typer.Option(help="Channels that feed the features, as in 0,2.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names of the classes, as in background,nucleus.")
    ] = None,
    trees: Annotated[
        int | None, typer.Option(help="Trees of the forest; by default the project's, else 100.", min=1)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same forest; by default the project's, else 0."),
    ] = None,
    balance: Annotated[
        bool | None,
        typer.Option(help="Give all classes the same weight; by default as the project, else not."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Threads; by default one for each core.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Train a classifier from images and label images, or again from the strokes of a project."""
    from underbrush.engine.building import linked_from, stored_options, trained
    from underbrush.engine.session import Session
    from underbrush.project.write import write_project
    from underbrush.web.compiling import PREDICTING, TRAINING, help_along

    settings = load_settings()
    start_log(log_level or settings.log_level)
    threads = parse_jobs(jobs) or settings.jobs or usable_cores()
    help_along(memory_of(None, settings.memory), threads, (TRAINING, PREDICTING))
    target, base = _base(project, out, image or [], labels or [], axes, classes, channels)
    given: dict[str, Any] = {"n_trees": trees, "seed": seed, "balance": balance}
    wanted = {name: value for name, value in given.items() if value is not None}
    with ExitStack() as stack:
        # In place it is a change like one in the window: locked, safe at once, the old version kept.
        session = stack.enter_context(Session.open(target)) if project == target else None
        if session is not None:
            base = session.project()
        selection = _selection(base, features, scales, new=project is None)
        options = replace(stored_options(base, threads), **wanted)
        built, forest, rows = trained(base, selection, options)
        if session is None:
            write_project(built if project else linked_from(built, target.parent), target)
        else:
            _keep(session, built, options, forest)
    said = _report(target, built, forest, rows)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False, allow_nan=False))
    else:
        _print(said)


def _keep(session: Session, built: Project, options: TrainingOptions, forest: TrainedForest) -> None:
    """Put features, settings and forest into the open project and save it."""
    from underbrush.engine.teaching import lesson_from
    from underbrush.project.commands import SetFeatures, SetTraining

    settings = session.document.settings
    number = session.last_number(CLIENT)
    if built.selection is not None and built.selection != settings.selection:
        session.apply(CLIENT, number := number + 1, SetFeatures(built.selection))
    training = (options.n_trees, options.seed, options.balance)
    if training != (settings.n_trees, settings.seed, settings.balance):
        session.apply(CLIENT, number + 1, SetTraining(*training))
    session.adopt(lesson_from(session.document, forest, built.classifier.feature_names))
    session.save()


def _base(
    project: Path | None,
    out: Path | None,
    images: list[str],
    labels: list[str],
    axes: str | None,
    classes: str | None,
    channels: str | None,
) -> tuple[Path, Project]:
    """Where to write, and the project without its classifier."""
    from underbrush.engine.building import Sample, project_of
    from underbrush.engine.current import read_current
    from underbrush.files import check_output

    if project is not None:
        if images or labels or axes or classes or channels:
            raise UsageError(
                "a project brings its own images, labels, classes and channels",
                remedy="leave out --image, --labels, --axes, --classes and --channels, or the project",
            )
        return out or project, read_current(project)
    if out is None or not images:
        raise UsageError(
            "nothing to train on", remedy="give a project, or --out P.ilp --image A.tif --labels A_labels.tif"
        )
    if len(images) != len(labels):
        raise UsageError(
            f"{counted(len(images), 'image')} and {counted(len(labels), 'label image')}",
            remedy="give --labels once for each --image",
        )
    check_output(out, [*images, *labels])
    if out.suffix.lower() != ".ilp":
        raise UsageError(f"--out {str(out)!r} is no name of a project", remedy="end it with .ilp")
    samples = [Sample(i, m, axes) for i, m in zip(images, labels, strict=True)]
    names = [n.strip() for n in classes.split(",")] if classes else []
    return out, project_of(samples, names, _numbers(channels, "--channels", int))


def _selection(project: Project, features: str | None, scales: str | None, new: bool) -> FeatureSelection:
    """The features that are asked for, else those of the project, else the recommended ones."""
    from underbrush.core.features.selection import FeatureSelection
    from underbrush.engine.building import selection_from_file
    from underbrush.engine.lanes import open_lane
    from underbrush.engine.own import own_channels

    sigmas = _numbers(scales, "--scales", float)
    if features is None and sigmas is None and not new and project.selection is not None:
        return project.selection
    name = features or ("all" if sigmas else "recommended")
    if name not in ("all", "recommended"):
        if sigmas:
            raise UsageError(
                "--scales goes with all filters, not with a file", remedy="leave one of them out"
            )
        return selection_from_file(Path(name))
    first = next((lane for lane in project.lanes if lane.labels), None)
    if name == "all":
        return FeatureSelection.all(sigmas) if sigmas else FeatureSelection.all()
    if sigmas:
        raise UsageError("--scales goes with --features all", remedy="leave one of them out")
    if first is None:
        return FeatureSelection.all()
    with open_lane(first, project) as image:
        t, c, z, y, x = image.shape5
    used = own_channels(project)
    return FeatureSelection.recommended((t, c if used is None else len(used), z, y, x))


def _numbers(text: str | None, option: str, kind: type[Any]) -> list[Any] | None:
    if text is None:
        return None
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or any(v < 0 for v in values):
        example = "0,2" if kind is int else "0.7,1.6,3.5"
        raise UsageError(f"{option} {text!r} is not understood", remedy=f"write it as in {example}")
    return values


def _report(path: Path, project: Project, forest: TrainedForest, rows: Rows) -> dict[str, Any]:
    counts = {str(k): int((rows.y == k).sum()) for k in range(1, len(project.classes) + 1)}
    score = forest.oob_score
    return {
        "schema": SCHEMA,
        "project": str(path),
        "classes": [c.name for c in project.classes],
        "labelled": counts,
        "left_out": rows.not_finite,
        "notices": list(rows.notices),
        "features": forest.forest.n_features,
        "trees": forest.forest.n_trees,
        "oob_score": None if math.isnan(score) else score,
        "classifier": forest.forest.digest,
    }


def _print(said: dict[str, Any]) -> None:
    counts = ", ".join(
        f"{name} {said['labelled'][str(k)]}" for k, name in enumerate(said["classes"], start=1)
    )
    typer.echo(f"Labelled pixels: {counts}")
    if said["left_out"]:
        typer.echo(f"{said['left_out']} labelled pixels are NaN or infinite, or near one, and were left out.")
    for notice in said["notices"]:
        typer.echo(notice)
    score = said["oob_score"]
    right = (
        "" if score is None else f", {100 * score:.1f} % right on pixels left out of training (out of bag)"
    )
    typer.echo(f"{counted(said['trees'], 'tree')} on {counted(said['features'], 'feature')}{right}")
    typer.echo(said["project"])
