"""ilastik's Autocontext projects: the second stage sees the image and the probabilities of the first.

They are read, predicted and trained again here; the window does not know them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, Halo, Tile, TileGrid
from underbrush.core.predict import predict_tile
from underbrush.core.recipe import Recipe
from underbrush.engine.lanes import open_lane
from underbrush.engine.model import Model, model_of
from underbrush.engine.scenes import scene_of
from underbrush.errors import ProjectError
from underbrush.files import Replacing, hdf5_in
from underbrush.project.forest_writer import write_forests
from underbrush.project.lock import lock_project
from underbrush.project.members import write_list, write_text
from underbrush.project.read import read_root
from underbrush.project.schema import WORKFLOW, ClassifierInfo, Project
from underbrush.project.storage import Node, open_storage
from underbrush.project.versions import parse_version
from underbrush.sources.base import Image, ImageInfo

FOREST_TYPE = (
    "clazyflow.classifiers.parallelVigraRfLazyflowClassifier\nParallelVigraRfLazyflowClassifier\np0\n."
)
"""What ilastik looks for to know the kind of a classifier; never loaded here."""
_GROUPS = ("PixelClassification", "FeatureSelections")
PIECE = (1, 1, 32, 256, 256)
"""Probabilities of an earlier stage are computed in pieces of this size (t c z y x), to bound memory."""


class _Stage(Node):
    """The root of a project of several stages, as if it were one of pixel classification of a later stage."""

    def __init__(self, root: Node, suffix: str) -> None:
        super().__init__(root._group, root.where, root._file_size, root.path, root._heap)
        self._suffix = suffix

    def group(self, name: str) -> Node | None:
        return super().group(name + self._suffix if name in _GROUPS else name)

    def text(self, name: str) -> str | None:
        return WORKFLOW if name == "workflowName" else super().text(name)


def stages_of(path: Path) -> tuple[Project, ...]:
    """The stages of an Autocontext project, first to last, each as a project; empty for other workflows.

    Raises
    ------
    ProjectError
        It cannot be read.
    """
    with open_storage(path) as root:
        if "autocontext" not in (root.text("workflowName") or "").lower():
            return ()
        names = root.names()
        suffixes = [""] + [f"{k:02d}" for k in range(1, 9) if f"{_GROUPS[0]}{k:02d}" in names]
        return tuple(read_root(_Stage(root, suffix), path) for suffix in suffixes)


def stage_models(stages: tuple[Project, ...], upto: int, threads: int) -> tuple[Model, ...]:
    """The models of the stages up to number ``upto`` (from 0): stored, else trained from the strokes.

    Raises
    ------
    ProjectError
        A stage has neither a classifier nor strokes of two classes, or no features.
    """
    models: list[Model] = []
    for project in stages[: upto + 1]:
        if project.forest is not None or not models:
            models.append(model_of(project, threads))
            continue
        before = tuple(model.recipe for model in models)
        models.append(model_of(_trained(project, before, threads), threads))
        said = "a later stage has no usable classifier; one was trained from its strokes."
        models[-1] = replace(models[-1], notices=(*models[-1].notices, f"{project.path}: {said}"))
    return tuple(models)


def retrain_stages(path: Path, threads: int) -> None:
    """Train all stages from their strokes, each on what the one before it now gives, and save the project.

    All else that the file holds stays as it is.

    Raises
    ------
    ProjectError
        A stage has no features or strokes of fewer than two classes, an image is missing, somebody else has
        the project open, or it is of a version before 1.3 (whose features are not those of today).
    OutputError
        It cannot be written; the file is as it was.
    """
    lock = lock_project(path)
    try:
        if lock.read_only is not None:
            raise ProjectError(f"it cannot be changed ({lock.read_only})", where=path)
        stages = stages_of(path)
        if parse_version(stages[0].version)[:2] < (1, 3):
            raise ProjectError(
                f"it is of ilastik {stages[0].version}, whose features were others",
                where=path,
                remedy="save it with ilastik 1.3 or newer first",
            )
        built: list[Project] = []
        recipes: tuple[Recipe, ...] = ()
        for project in stages:
            built.append(_trained(project, recipes, threads))
            recipes = (*recipes, model_of(built[-1]).recipe)
        _save_forests(path, built)
    finally:
        lock.release()


def _save_forests(path: Path, stages: list[Project]) -> None:
    with Replacing(path) as output, hdf5_in(output, "w") as new, open_storage(path) as root:
        for name in root.names():
            root.copy_to(name, new)
        for k, project in enumerate(stages):
            forest = project.forest
            assert forest is not None
            group = new[_GROUPS[0] + (f"{k:02d}" if k else "")]
            if "ClassifierForests" in group:
                del group["ClassifierForests"]
            forests = group.create_group("ClassifierForests")
            write_forests(forests, forest, project.classifier.parts)
            write_list(forests, "feature_names", project.classifier.feature_names, marked=False)
            write_text(forests, "pickled_type", FOREST_TYPE)


def _trained(project: Project, before: tuple[Recipe, ...], threads: int) -> Project:
    # Only here: a project with classifiers does not wait for the compiler.
    from underbrush.core.forest.train import train_forest  # noqa: PLC0415
    from underbrush.engine.building import stored_options  # noqa: PLC0415
    from underbrush.engine.row_bound import row_bound  # noqa: PLC0415
    from underbrush.engine.training import joined, labelled_positions, labelled_rows  # noqa: PLC0415

    selection = project.selection
    if selection is None:
        raise ProjectError("no features are chosen in a stage", where=project.path or "")
    options = stored_options(project, threads)
    # A forest trained anew takes today's structure tensor.
    selection = replace(selection, vigra_structure=False)
    labelled = [lane for lane in project.lanes if lane.labels]
    positions, n_channels, volume = [], 0, False
    for lane in labelled:
        with open_lane(lane, project) as image:
            positions.append(labelled_positions(lane.labels, image.shape5))
            n_channels = image.shape5[1] + (before[-1].n_classes if before else 0)
            volume = image.shape5[2] > 1
    if len({k for _, classes in positions for k in np.unique(classes).tolist()}) < 2:
        raise ProjectError(
            "a stage has strokes of fewer than two classes",
            where=project.path or "",
            remedy="paint strokes of each class in ilastik",
        )
    bound, parts = row_bound(positions, options.seed), []
    for lane in labelled:
        with open_lane(lane, project) as image:
            staged = staged_image(image, before)
            parts.append(labelled_rows(staged, lane.labels, selection, threads, None, bound))
    rows = joined(parts, 0)
    forest = train_forest(rows.x, rows.y, options).forest
    names = selection.names(n_channels, volume)
    info = ClassifierInfo("forest", options.n_trees, (options.n_trees,), names)
    return replace(project, selection=selection, forest=forest, classifier=info)


def staged_image(image: Image, before: tuple[Recipe, ...]) -> Image:
    """The image as a stage behind ``before`` sees it; closing it closes the image."""
    staged = image
    for recipe in before:
        # Each stage sees the raw channels and the probabilities of the one before it.
        staged = StagedImage(image, staged, recipe)
    return staged


class StagedImage(Image):
    """An image and, behind its channels, the probabilities of a stage in the image's own type."""

    def __init__(self, raw: Image, seen: Image, recipe: Recipe) -> None:
        """``raw`` gives the first channels, ``seen`` is what the stage of ``recipe`` looks at."""
        t, c, z, y, x = raw.shape5
        recipe.check(seen.shape5[1], z > 1, raw.info.location)
        recipe.selection.check(seen.shape5, raw.info.location)
        shape = (t, c + recipe.n_classes, z, y, x)
        self._raw, self._seen, self._recipe, self._scene = raw, seen, recipe, scene_of(seen)
        self.info = ImageInfo(
            location=raw.info.location,
            axes=AXES,
            shape=shape,
            dtype=raw.dtype,
            pixel_size=raw.pixel_size,
            levels=(shape,),
            problems=raw.info.problems,
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        start, stop = [s.start for s in where], [s.stop for s in where]
        n = self._raw.shape5[1]
        box = Box((start[0], 0, start[2], start[3], start[4]), (stop[0], n, stop[2], stop[3], stop[4]))
        out = np.empty([b - a for a, b in zip(start, stop, strict=True)], self.dtype)
        first, last = start[1], stop[1]
        if first < n:
            channels = (first, min(last, n))
            out[:, : channels[1] - first] = self._raw.read(box.replace(c=channels))
        if last > n:
            out[:, max(0, n - first) :] = self._probabilities(box)[:, max(0, first - n) : last - n]
        return out

    def _probabilities(self, box: Box) -> NDArray[Any]:
        shape = self._seen.shape5
        whole = box.replace(c=(0, shape[1]))
        halo: Halo = self._recipe.selection.halo(shape[2] > 1)
        t, _, z, y, x = box.shape
        out = np.empty((t, self._recipe.n_classes, z, y, x), self.dtype)
        for piece in TileGrid(whole, PIECE, halo, shape):
            tile = Tile(piece.valid, piece.read)
            values, _ = predict_tile(self._seen.read(tile.read), tile, self._recipe, self._scene)
            place = tile.valid.relative_to(whole).replace(c=(0, out.shape[1]))
            out[place.slices] = as_pixels(values, self.dtype)
        return out

    def close(self) -> None:
        """See `Image.close`."""
        self._raw.close()


def as_pixels(probabilities: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Probabilities in the type of the image, as ilastik's stages exchange them.

    Integers take their whole range, cut off and not rounded; signed ones wrap around, as they do there.
    """
    if dtype.kind not in "iu":
        return probabilities.astype(dtype)
    limits = np.iinfo(dtype)
    span = np.float32(int(limits.max) - int(limits.min))
    return (span * probabilities - np.float32(limits.min)).astype(np.int64).astype(dtype)
