"""The sample project on disk: images, strokes, features and a trained classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.core.geometry import Box, shape_to_internal, to_internal
from underbrush.core.labels import make_block, trimmed
from underbrush.engine.sample import CLASSES, COLOURS, PIXEL_SIZE, SampleImage, sample_images
from underbrush.engine.training import joined, labelled_rows
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project, Source
from underbrush.project.write import write_project
from underbrush.sinks.base import OutputSpec
from underbrush.sinks.formats import open_sink
from underbrush.sources.opening import open_image

AXES = "yx"
SEED = 0
PROJECT_NAME = "sample.ilp"


def make_sample(folder: Path, threads: int = 1) -> Path:
    """Write the sample project with its images into ``folder`` and give the path of the project.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    selection = FeatureSelection.recommended(shape_to_internal(sample_images()[0].pixels.shape, AXES))
    selection = selection.with_in_2d(True)
    lanes, parts = [], []
    for sample in sample_images():
        path = folder / f"{sample.name}.tif"
        _write_image(sample, path)
        lane = _lane(sample)
        lanes.append(lane)
        with open_image(path) as image:
            parts.append(labelled_rows(image, lane.labels, selection, threads))
    rows = joined(parts, selection.count())
    options = TrainingOptions(seed=SEED, n_threads=threads)
    project = Project(
        lanes=tuple(lanes),
        classes=tuple(ClassInfo(n, c, c) for n, c in zip(CLASSES, COLOURS, strict=True)),
        selection=selection,
        feature_ids=selection.filters,
        scales=selection.scales,
        forest=train_forest(rows.x, rows.y, options).forest,
        classifier=ClassifierInfo(kind="forest", n_trees=options.n_trees, feature_names=selection.names()),
    )
    path = folder / PROJECT_NAME
    write_project(project, path)
    return path


def _write_image(sample: SampleImage, path: Path) -> None:
    block = to_internal(sample.pixels, AXES)
    spec = OutputSpec(
        path=path,
        shape=shape_to_internal(sample.pixels.shape, AXES),
        axes=AXES,
        dtype=np.dtype(np.uint16),
        pixel_size=dict.fromkeys(AXES, (PIXEL_SIZE, "µm")),
    )
    with open_sink(spec, "tiff") as sink:
        sink.write(Box.whole(spec.shape), block)


def _lane(sample: SampleImage) -> Lane:
    strokes = to_internal(sample.strokes, AXES)
    whole = trimmed(make_block(Box.whole(shape_to_internal(sample.strokes.shape, AXES)), strokes))
    source = Source(
        kind="file",
        stored=f"{sample.name}.tif",
        name=sample.name,
        files=(f"{sample.name}.tif",),
        axes=AXES,
        shape=sample.pixels.shape,
        pixel_size=dict.fromkeys(AXES, (PIXEL_SIZE, "µm")),
    )
    return Lane(nickname=sample.name, raw=source, labels=() if whole is None else (whole,))
