"""A project made from images and label images, without a window."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainedForest, TrainingOptions, train_forest
from underbrush.engine.label_images import label_blocks, open_beside
from underbrush.engine.lanes import linked_image, open_lane
from underbrush.engine.own import BALANCE, CHANNELS, SEED, TRAINED, own_channels, own_number
from underbrush.engine.row_bound import Labelled, RowBound, row_bound
from underbrush.engine.training import Alike, Rows, joined, labelled_positions, labelled_rows
from underbrush.errors import FeatureError, ProjectError
from underbrush.project.paths import linked_source
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project
from underbrush.project.settings_layout import default_colour
from underbrush.sources.bytesfile import unreadable
from underbrush.sources.opening import open_image

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".pnm", ".pbm")
"""ilastik reads these as yxc, with one channel where they are grey."""
CLASS_COLOURS = ((0, 130, 200), (255, 225, 25), (245, 130, 48), (240, 50, 230), (70, 240, 240))


@dataclass(frozen=True, slots=True)
class Sample:
    """An image and where its labels are."""

    image: str
    labels: str
    axes: str | None = None


def project_of(
    samples: Sequence[Sample], names: Sequence[str] = (), channels: Sequence[int] | None = None
) -> Project:
    """A project with a lane for each sample and its labels as strokes; no features and no classifier yet.

    Links are absolute; see `linked_from`.

    Raises
    ------
    UnderbrushError
        An image cannot be read, or labels do not fit their image.
    """
    lanes = tuple(_lane(sample) for sample in samples)
    highest = max((max(lane.label_counts, default=0) for lane in lanes), default=0)
    if names and len(names) < highest:
        raise ProjectError(
            f"there are labels up to {highest} and the number of class names is {len(names)}",
            remedy="name every class",
        )
    n = max(highest, len(names), 2)
    given = list(names) + [f"Class {k}" for k in range(len(names) + 1, n + 1)]
    own = {} if channels is None else {CHANNELS: ",".join(map(str, channels))}
    return Project(
        lanes=lanes,
        classes=tuple(ClassInfo(name, class_colour(k), class_colour(k)) for k, name in enumerate(given)),
        own=MappingProxyType(own),
    )


def stored_options(project: Project, threads: int = 1) -> TrainingOptions:
    """How the project was trained last: its trees, and seed and balance where it says them."""
    return TrainingOptions(
        n_trees=project.classifier.n_trees,
        seed=own_number(project, SEED, 0),
        balance=project.own.get(BALANCE) == "true",
        n_threads=threads,
    )


def trained(
    project: Project, selection: FeatureSelection, options: TrainingOptions
) -> tuple[Project, TrainedForest, Rows]:
    """The project with these features and a forest trained on all its strokes.

    Raises
    ------
    ProjectError
        A labelled image is missing, or there are strokes of fewer than two classes.
    """
    used = own_channels(project)
    # A forest trained anew takes today's structure tensor.
    selection = replace(selection, vigra_structure=False)
    rows = project_rows(project, selection, used, options.n_threads, options.seed)
    forest = train_forest(rows.x, rows.y, options)
    first = next(lane for lane in project.lanes if lane.labels)
    with open_lane(first, project) as image:
        n_channels, volume = image.shape5[1], image.shape5[2] > 1
    names = selection.names(n_channels if used is None else len(used), volume)
    info = ClassifierInfo("forest", options.n_trees, (options.n_trees,), names)
    own = dict(project.own) | {SEED: str(options.seed), BALANCE: str(options.balance).lower()}
    own[TRAINED] = forest.forest.digest
    built = replace(
        project,
        selection=selection,
        feature_ids=selection.filters,
        scales=selection.scales,
        forest=forest.forest,
        classifier=info,
        own=MappingProxyType(own),
    )
    return built, forest, rows


def project_rows(
    project: Project,
    selection: FeatureSelection,
    channels: tuple[int, ...] | None,
    threads: int,
    seed: int = 0,
) -> Rows:
    """The training rows of all lanes, in the order of the lanes.

    Raises
    ------
    ProjectError
        A labelled image is missing, or there are strokes of fewer than two classes.
    MismatchError
        The labelled images are of different kinds.
    """
    parts, bound, alike = [], _bound(project, seed), Alike(selection, channels)
    for lane in project.lanes:
        if lane.labels:
            with open_lane(lane, project) as image:
                alike.check(image)
                parts.append(labelled_rows(image, lane.labels, selection, threads, channels, bound))
    rows = replace(joined(parts, 0), notices=bound.notices)
    if len(np.unique(rows.y)) < 2:
        lost = (
            f" ({rows.not_finite} labelled pixels are NaN or infinite, or near one)"
            if rows.not_finite
            else ""
        )
        raise ProjectError(
            f"there are strokes of fewer than two classes to train on{lost}",
            where=project.path or "",
            remedy="paint strokes of each class and train"
            if project.path
            else "give labels 1, 2, ... of at least two classes",
        )
    return rows


def _bound(project: Project, seed: int) -> RowBound:
    counts = Counter[int]()
    for lane in project.lanes:
        counts.update(lane.label_counts)

    def parts() -> Iterator[Labelled]:
        for lane in project.lanes:
            if lane.labels:
                with open_lane(lane, project) as image:
                    yield labelled_positions(lane.labels, image.shape5)

    return row_bound(parts(), seed, counts)


def linked_from(project: Project, folder: Path) -> Project:
    """The project with links relative to ``folder`` for images that lie below it, so that both can move."""
    where = folder.absolute()
    lanes = []
    for lane in project.lanes:
        raw, stored = lane.raw, Path(lane.raw.stored)
        if raw.kind == "file" and stored.is_absolute() and stored.is_relative_to(where):
            near = linked_source(stored.relative_to(where).as_posix(), raw.axes, raw.shape)
            raw = replace(raw, stored=near.stored, files=near.files, inner=near.inner)
        lanes.append(replace(lane, raw=raw))
    return replace(project, lanes=tuple(lanes))


def class_colour(index: int) -> tuple[int, int, int]:
    """The colour of the class at ``index`` (from 0): no red beside a green."""
    return CLASS_COLOURS[index] if index < len(CLASS_COLOURS) else default_colour(index)


def selection_from_file(path: Path) -> FeatureSelection:
    """Features from a JSON file: ``{"filters": {"GaussianSmoothing": [0.3, 1.0], ...}, "in_2d": [1.0]}``.

    Each filter has the sigmas that are wanted; ``in_2d`` (optional) is true, false, or the sigmas that are
    computed slice by slice. What ``info --json`` prints under "features" is taken as well.

    Raises
    ------
    FeatureError
        It cannot be read, or says something else.
    """
    remedy = 'write it as {"filters": {"GaussianSmoothing": [0.3, 1.0]}}'
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if "matrix" in said:
            rows = tuple(tuple(bool(v) for v in row) for row in said["matrix"])
            flat = None if said.get("in_2d") is None else tuple(bool(v) for v in said["in_2d"])
            return FeatureSelection(tuple(said["filters"]), tuple(map(float, said["scales"])), rows, flat)
        filters: Mapping[str, Sequence[float]] = said["filters"]
        scales = tuple(sorted({float(s) for wanted in filters.values() for s in wanted}))
        rows = tuple(tuple(s in [float(w) for w in wanted] for s in scales) for wanted in filters.values())
        in_2d = said.get("in_2d")
        flat = None
        if isinstance(in_2d, bool):
            flat = (in_2d,) * len(scales)
        elif in_2d is not None:
            flat = tuple(s in [float(w) for w in in_2d] for s in scales)
        return FeatureSelection(tuple(filters), scales, rows, flat)
    except FeatureError as error:
        raise FeatureError(error.problem, where=path, remedy=error.remedy) from None
    except OSError as error:
        why = unreadable(error, str(path))
        raise FeatureError(why.problem, where=path, remedy=why.remedy) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FeatureError(f"the features cannot be read ({error})", where=path, remedy=remedy) from None


def _lane(sample: Sample) -> Lane:
    with (
        open_image(sample.image, sample.axes) as image,
        open_beside(sample.labels, image, classes=True) as labels,
    ):
        blocks = tuple(label_blocks(labels, image))
        raw = linked_image(sample.image, image)
        axes, shape = image.axes, image.shape
    if "c" not in axes and raw.kind == "file" and sample.image.lower().endswith(_PICTURES):
        raw = replace(raw, axes=axes + "c", shape=(*shape, 1))
    return Lane(nickname=raw.name, raw=raw, labels=blocks)
