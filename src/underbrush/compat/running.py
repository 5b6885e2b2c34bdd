"""One run of ilastik's command line: a project, its classifier, and results of images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from underbrush.compat.autocontext import retrain_stages
from underbrush.compat.axes import read_as, trained_axes, with_channel
from underbrush.compat.copies import NoLabels, write_image
from underbrush.compat.exporting import Export, source_named
from underbrush.compat.formats import FOLDERS
from underbrush.compat.inputs import Input, find_input, open_input
from underbrush.compat.settings import IlastikSettings
from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.labels import LabelBlock, make_block, trimmed
from underbrush.core.recipe import Recipe
from underbrush.engine.batch import Limits, Request, check_distinct, predict_image
from underbrush.engine.current import read_current
from underbrush.engine.model import Model, model_of
from underbrush.engine.own import own_channels
from underbrush.engine.stages import all_probabilities, stage_models, staged_image
from underbrush.errors import OutputError, ProjectError, UsageError
from underbrush.files import check_kept, check_output
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import WORKFLOW, ExportSettings, Project
from underbrush.project.stages import stages_of
from underbrush.project.storage import open_storage
from underbrush.project.write import write_project
from underbrush.sinks.places import SLICE
from underbrush.sources.base import Image

Say = Callable[[str], None]
CLIENT = "ilastik command line"
"""Whose changes those of ``--retrain`` are."""
_WORKFLOWS = (WORKFLOW, "PixelClassificationWorkflow")


@dataclass(frozen=True)
class Training:
    """What is asked of the classifier."""

    retrain: bool = False
    writable: bool = False
    """The project may be changed."""
    trees: int | None = None
    proportion: float | None = None
    """Share of the labelled pixels that is used."""


@dataclass(frozen=True)
class Job:
    """A command line, understood."""

    project: Path
    images: tuple[str, ...]
    masks: tuple[str, ...]
    axes: tuple[str | None, ...]
    """Of images and masks, as given; None: not given."""
    own_axes: bool
    """Without given axes the files' own are taken, not those of the last image of the project."""
    stack_along: str
    export: Mapping[str, Any]
    """The options of the export page by name; None: not given."""
    training: Training
    settings: IlastikSettings


def carry_out(
    job: Job, limits: Limits, out: Say, tell: Say, elsewhere: Callable[[int], tuple[str, ...]] | None = None
) -> None:
    """Train where that is asked for, then write the result of each image in turn.

    ``out`` is told the name of each result, ``tell`` what its user should know. ``elsewhere``, if given, is
    asked for each image by its number to have its result written by another process.

    Raises
    ------
    UnderbrushError
        Anything that goes wrong; results that were finished before stay.
    """
    if job.training.retrain:
        _retrain(job, limits.threads)
    stages = stages_of(job.project) or (read_current(job.project, tell),)
    # Asked for before anything is computed, as ilastik does.
    export = _export(job, stages[-1], len(stages))
    opened = stages[export.source.stage]
    if not job.images:
        return
    _check_counts(job)
    if len(stages) > 1 and (job.training.trees, job.training.proportion) != (None, None):
        tell("--tree-count and --label-proportion have no effect on projects of several stages.")
    images = [find_input(given) for given in job.images]
    masks = [find_input(given) for given in job.masks]
    models = _models(job, stages, export, limits.threads)
    noticed = dict.fromkeys(notice for model in models for notice in model.notices)
    for notice in noticed:
        tell(notice)
    runs = [_Run(job, opened, models, export, *pair) for pair in _paired(images, masks)]
    _check_outputs(job, opened, [(run.given, run.request()) for run in runs])
    for n, run in enumerate(runs):
        for line in run.carry_out(limits) if elsewhere is None else elsewhere(n):
            if line not in noticed:  # another process notices it again
                tell(line)
        out(str(run.request().output))


def new_project(path: Path, workflow: str | None) -> None:
    """Write an empty project.

    Raises
    ------
    UsageError
        Another workflow than pixel classification.
    OutputError
        There is a project already, or it cannot be written.
    """
    names = [name.lower() for name in _WORKFLOWS]
    if workflow is None or workflow.lower() not in names:
        problem = (
            "--new_project needs --workflow" if workflow is None else f"there is no workflow {workflow!r}"
        )
        raise UsageError(problem, remedy=f"give --workflow={WORKFLOW!r}")
    if path.exists() and not (path.is_file() and path.stat().st_size == 0):  # a temporary file is filled
        raise OutputError(
            "there is something of this name already", where=path, remedy="give --new_project another name"
        )
    write_project(Project(), path)


@dataclass(frozen=True)
class _Run:
    """One image of a job."""

    job: Job
    project: Project
    models: tuple[Model, ...]
    """Of the stages up to the one that is asked for; none where nothing is classified."""
    export: Export
    given: Input
    mask: Input | None

    def request(self) -> Request:
        """What is asked of the image; opens it to know its size."""
        with self._opened(self.given, 0) as (image, axes):
            return self._request(self._seen(image), axes)

    def carry_out(self, limits: Limits) -> tuple[str, ...]:
        """Write the result; gives what its user should know."""
        with ExitStack() as stack:
            image, axes = stack.enter_context(self._opened(self.given, 0))
            mask = None
            if self.mask is not None:
                mask, _ = stack.enter_context(self._opened(self.mask, 1))
            seen = self._seen(image)
            request = self._request(seen, axes)
            source = self.export.source
            if source.result == "labels":
                write_image(request, NoLabels(image), None, limits)
            elif source.result == "image":
                write_image(request, seen, None, limits)
            elif source.all_stages:
                names = [f"{n} (stage {k})" for k, m in enumerate(self.models, 1) for n in m.class_names]
                whole = all_probabilities(image, tuple(m.recipe for m in self.models))
                write_image(request, whole, mask, limits, tuple(names))
            else:
                return predict_image(self._fitting(seen), request, (seen, mask), limits).notices
            return tuple(f"{image.info.location}: {said}" for said in (*image.info.problems, *image.notices))

    def _seen(self, image: Image) -> Image:
        """What the stage that is asked for looks at."""
        before = self.models if self.export.source.result == "image" else self.models[:-1]
        return staged_image(image, tuple(model.recipe for model in before))

    @contextmanager
    def _opened(self, given: Input, role: int) -> Iterator[tuple[Image, str]]:
        """An image (role 0) or mask (1), and its axes as ilastik counts them."""
        job = self.job
        axes, said_by = job.axes[role], "the --input_axes"
        if not any(job.axes) and not job.own_axes:
            axes, said_by = trained_axes(self.project, mask=role == 1), "the axes of the project's last image"
        with ExitStack() as stack:
            image = stack.enter_context(open_input(given, job.stack_along, indexed=role == 1))
            image, order = read_as(image, axes, said_by)
            yield image, order

    def _request(self, seen: Image, axes: str) -> Request:
        shape, source = seen.shape5, self.export.source
        n = shape[1] if source.result == "image" else 1
        if source.result == "probabilities":
            asked = self.models if source.all_stages else self.models[-1:]
            n = sum(model.recipe.n_classes for model in asked)
        elif source.result == "features":
            recipe = self.models[-1].recipe
            n = recipe.selection.count(len(recipe.pick(shape[1])), shape[2] > 1)
        request = self.export.request(self.given, seen, with_channel(axes), n)
        return request if self.mask is None else replace(request, mask=self.mask.given)

    def _fitting(self, seen: Image) -> Model:
        """The model; for features alone, without a classifier, with one that fits whatever they are."""
        model = self.models[-1]
        if model.recipe.forest.n_features or self.export.source.result != "features":
            return model
        recipe, shape = model.recipe, seen.shape5
        n = recipe.selection.count(len(recipe.pick(shape[1])), shape[2] > 1)
        return replace(model, recipe=replace(recipe, forest=_leaf(n)))


def _paired(images: list[Input], masks: list[Input]) -> list[tuple[Input, Input | None]]:
    return [(image, masks[i] if i < len(masks) else None) for i, image in enumerate(images)]


def _check_counts(job: Job) -> None:
    if len(job.masks) > len(job.images):
        raise UsageError(
            f"there are {len(job.masks)} masks and {len(job.images)} images",
            remedy="give raw data for every mask",
        )


def _check_outputs(job: Job, project: Project, wanted: list[tuple[Input, Request]]) -> None:
    """Refuse results that would replace each other, or something that is read."""
    check_distinct([(given.given, request.output) for given, request in wanted], "--output_filename_format")
    outputs = [request.output for _, request in wanted]
    for given, request in wanted:
        folder = request.format in FOLDERS
        check_output(request.output, [*given.files, job.project], folder=folder)
    lanes = [resolve_source(lane.raw, project).address for lane in project.lanes]
    files = [file for given, _ in wanted for file in given.files]
    masks = [file for given in job.masks for file in find_input(given).files]
    kept = [*files, *masks, *(address for address in lanes if address)]
    check_kept(outputs, kept)
    for output in outputs:
        _check_slices(output, kept)


def _check_slices(output: Path, kept: list[str]) -> None:
    """Refuse a sequence whose files might replace one that is read."""
    if SLICE not in output.name:
        return
    numbered = re.compile(r"\d+".join(re.escape(part) for part in output.name.split(SLICE)))
    for file in kept:
        path = Path(file)
        if numbered.fullmatch(path.name) and path.resolve().parent == output.resolve().parent:
            raise OutputError(
                f"a slice of the result might overwrite the input {file}",
                where=output,
                remedy="choose another name or folder for the result",
            )


def _export(job: Job, project: Project, n_stages: int) -> Export:
    """What is asked of the results: options, else the project, else ilastik's settings."""
    given, stored = job.export, project.export
    changed: dict[str, Any] = {}
    with open_storage(job.project) as root:
        group = root.group("Prediction Export")
        said = {n for n in ("OutputFormat", "OutputFilenameFormat") if group is not None and group.text(n)}
    if job.settings.output_format and "OutputFormat" not in said:
        changed["format"] = job.settings.output_format
    if job.settings.output_filename and "OutputFilenameFormat" not in said:
        changed["filename"] = job.settings.output_filename
    names = {
        "format": "output_format",
        "filename": "output_filename_format",
        "internal_path": "output_internal_path",
        "axes": "output_axis_order",
        "dtype": "export_dtype",
    }
    changed |= {name: given[option] for name, option in names.items() if given.get(option)}
    if given.get("pipeline_result_drange") and given.get("export_drange"):
        changed |= {"input_range": given["pipeline_result_drange"], "export_range": given["export_drange"]}
    if given.get("cutout_subregion"):
        changed["region_start"], changed["region_stop"] = given["cutout_subregion"]
    source = source_named(given.get("export_source") or None, n_stages)
    base = Path.cwd() if given.get("output_filename_format") else project.folder.absolute()
    settings: ExportSettings = replace(stored, **changed)
    return Export(source, settings, base, job.project)


def _models(job: Job, stages: tuple[Project, ...], export: Export, threads: int) -> tuple[Model, ...]:
    """The classifiers in force for this run, of the stages up to the one that is asked for.

    For what a stage looks at, those of the stages before it; none for labels.
    """
    source = export.source
    if source.result == "labels":
        return ()
    if len(stages) > 1:
        return stage_models(stages, source.stage - (source.result == "image"), threads)
    return (_model(job, stages[0], export, threads),)


def _model(job: Job, project: Project, export: Export, threads: int) -> Model:
    training, result = job.training, export.source.result
    if result == "features" and project.forest is None and project.selection is not None:
        recipe = Recipe(project.selection, _leaf(0), max(1, len(project.classes)), own_channels(project))
        return Model(job.project, recipe, tuple(c.name for c in project.classes), ())
    selection = project.selection
    if training.retrain or (training.trees is None and training.proportion is None) or selection is None:
        return model_of(project, threads)
    from underbrush.engine.building import stored_options, trained  # noqa: PLC0415 (see `model_of`)

    options = stored_options(project, threads)
    if training.trees is not None:
        options = replace(options, n_trees=_checked_trees(training.trees))
    if training.proportion is not None:
        project = _thinned(project, training.proportion, options.seed)
    return model_of(trained(project, selection, options)[0], threads)


def _checked_trees(trees: int) -> int:
    if trees < 1:
        raise UsageError(f"--tree-count is {trees}", remedy="give at least 1")
    return trees


def _retrain(job: Job, threads: int) -> None:
    """Train from the strokes and save the project, as a change like one in the window."""
    from underbrush.engine.building import stored_options, trained  # noqa: PLC0415 - only here
    from underbrush.engine.session import Session  # noqa: PLC0415
    from underbrush.engine.teaching import lesson_from  # noqa: PLC0415
    from underbrush.project.commands import SetTraining  # noqa: PLC0415

    if not job.training.writable:
        raise UsageError(
            "--retrain changes the project, which is read-only without a window",
            where=job.project,
            remedy="add --readonly=0",
        )
    if stages_of(job.project):
        retrain_stages(job.project, threads)
        return
    with Session.open(job.project) as session:
        if session.read_only is not None:
            raise ProjectError(f"it cannot be changed ({session.read_only})", where=job.project)
        base = session.project()
        if base.selection is None:
            problem = "no features are chosen in this project"
            raise ProjectError(problem, where=job.project, remedy="choose them in its window first")
        options = stored_options(base, threads)
        if job.training.trees is not None and job.training.trees != options.n_trees:
            options = replace(options, n_trees=_checked_trees(job.training.trees))
            change = SetTraining(options.n_trees, options.seed, options.balance)
            session.apply(CLIENT, session.last_number(CLIENT) + 1, change)
        labelled = base
        if job.training.proportion is not None:
            labelled = _thinned(base, job.training.proportion, options.seed)
        built, forest, _ = trained(labelled, base.selection, options)
        session.adopt(lesson_from(session.document, forest, built.classifier.feature_names))
        session.save()


def _thinned(project: Project, share: float, seed: int) -> Project:
    """The project with a share of its labelled pixels, drawn at random from the seed.

    Raises
    ------
    UsageError
        The share is none.
    ProjectError
        No pixel of a class would be left.
    """
    if not 0 < share <= 1:
        raise UsageError(f"--label-proportion is {share}", remedy="give a share over 0, up to 1")
    draw = np.random.default_rng(seed)
    before: set[int] = set()
    lanes = []
    for lane in project.lanes:
        before |= set(lane.label_counts)
        kept: list[LabelBlock] = []
        for block in lane.labels:
            values = np.where(draw.random(block.values.shape) < share, block.values, 0).astype(np.uint8)
            part = trimmed(make_block(block.box, values))
            kept += [] if part is None else [part]
        lanes.append(replace(lane, labels=tuple(kept)))
    lost = before - {k for lane in lanes for k in lane.label_counts}
    if lost:
        name = project.classes[min(lost) - 1].name
        raise ProjectError(
            f"--label-proportion {share} leaves no pixel of the class {name!r}",
            where=project.path or "",
            remedy="use more of the labels",
        )
    return replace(project, lanes=tuple(lanes))


def _leaf(n_features: int) -> Forest:
    """A forest of one leaf, where only features are asked for."""
    return Forest(
        roots=np.zeros(1, np.int32),
        feature=np.array([LEAF], np.int32),
        threshold=np.zeros(1, np.float64),
        left=np.zeros(1, np.int32),
        right=np.zeros(1, np.int32),
        votes=np.ones((1, 1)),
        weights=np.ones(1),
        classes=np.ones(1, np.uint32),
        n_features=n_features,
    )
