"""Classifiers in stages, as in ilastik's Autocontext: each sees the image and what the one before it says."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, Shape5, Tile, TileGrid, from_internal
from underbrush.core.predict import predict_tile
from underbrush.core.recipe import Recipe
from underbrush.engine.current import read_current
from underbrush.engine.lanes import open_lane
from underbrush.engine.model import Model, kept_model, model_of
from underbrush.engine.scenes import scene_of
from underbrush.errors import ProjectError
from underbrush.project.schema import ClassifierInfo, Project
from underbrush.project.stages import stages_of
from underbrush.sources.base import Image, ImageInfo

PIECE: Shape5 = (1, 1, 32, 256, 256)
"""Probabilities of an earlier stage are computed in pieces of this size (t c z y x), to bound memory."""


def read_trained(
    path: Path, threads: int, say: Callable[[str], None] | None = None, classifier: str | None = None
) -> tuple[Project, Model]:
    """A project as it is now, and its model: of an Autocontext project the last stage and its model.

    ``say`` is told what `read_current` notices; ``classifier`` names one that was kept.

    Raises
    ------
    ProjectError
        It cannot be read, has no classifier of this name, or neither a classifier nor strokes to train one.
    """
    stages = stages_of(path)
    if not stages:
        project = read_current(path, say)
        return project, kept_model(project, classifier) if classifier else model_of(project, threads)
    if classifier is not None:
        raise ProjectError(
            f"there is no classifier {classifier!r}, it is a project of {len(stages)} stages",
            where=path,
            remedy="leave --classifier out",
        )
    models = stage_models(stages, len(stages) - 1, threads)
    recipes = tuple(model.recipe for model in models)
    notices = tuple(dict.fromkeys(notice for model in models for notice in model.notices))
    provenance = {**models[-1].provenance, "stage": f"{len(stages)} of {len(stages)}"}
    last = replace(models[-1], notices=notices, before=recipes[:-1], provenance=provenance)
    return stages[-1], last


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
        models.append(model_of(trained_stage(project, before, threads), threads))
        said = "a later stage has no usable classifier; one was trained from its strokes."
        models[-1] = replace(models[-1], notices=(*models[-1].notices, f"{project.path}: {said}"))
    return tuple(models)


def trained_stage(project: Project, before: tuple[Recipe, ...], threads: int) -> Project:
    """A stage with a classifier trained from its strokes, on what the stages ``before`` it give.

    Raises
    ------
    ProjectError
        No features are chosen, or there are strokes of fewer than two classes.
    """
    # Only here: a project with classifiers does not wait for the compiler.
    from underbrush.core.forest.train import train_forest  # noqa: PLC0415
    from underbrush.engine.building import stored_options  # noqa: PLC0415
    from underbrush.engine.row_bound import row_bound  # noqa: PLC0415
    from underbrush.engine.training import Alike, joined, labelled_positions, labelled_rows  # noqa: PLC0415

    selection = project.selection
    if selection is None:
        raise ProjectError(
            "no features are chosen in a stage", where=project.path or "", remedy="choose them in ilastik"
        )
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
    bound, parts, alike = row_bound(positions, options.seed), [], Alike(selection, None)
    for lane in labelled:
        with open_lane(lane, project) as image:
            staged = staged_image(alike.check(image), before)
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
        stage = ProbabilityImage(staged, recipe)
        staged = JoinedImage((image, stage), image.dtype)
    return staged


def all_probabilities(image: Image, recipes: tuple[Recipe, ...]) -> Image:
    """The probabilities of all stages as one image of float32, the channels of the first stage first."""
    stages = [ProbabilityImage(staged_image(image, recipes[:k]), recipe) for k, recipe in enumerate(recipes)]
    return JoinedImage(tuple(stages), np.dtype(np.float32))


class _Computed(Image):
    """An image that is computed where it is read, with the axes of the one that it comes from, and c."""

    def _of(self, image: Image, n_channels: int, dtype: np.dtype[Any]) -> None:
        axes = image.axes if "c" in image.axes else image.axes + "c"
        sizes = dict(zip(AXES, image.shape5, strict=True)) | {"c": n_channels}
        shape = tuple(sizes[a] for a in axes)
        self.info = ImageInfo(
            location=image.info.location,
            axes=axes,
            shape=shape,
            dtype=dtype,
            axes_known=image.info.axes_known,
            pixel_size=image.pixel_size,
            levels=(shape,),
            problems=image.info.problems,
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        spans = dict.fromkeys(AXES, (0, 1)) | {
            a: (s.start, s.stop) for a, s in zip(self.axes, where, strict=True)
        }
        return from_internal(self._computed(Box((0,) * 5, (1,) * 5).replace(**spans)), self.axes)

    @abstractmethod
    def _computed(self, box: Box) -> NDArray[Any]:
        """The pixels of ``box``, t c z y x."""


class ProbabilityImage(_Computed):
    """The probabilities of the classes as an image of float32, computed where it is read.

    Raises
    ------
    MismatchError
        The image does not fit what the recipe was trained on.
    """

    def __init__(self, seen: Image, recipe: Recipe) -> None:
        _, c, z, _, _ = seen.shape5
        recipe.check(c, z > 1, seen.info.location)
        recipe.selection.check(seen.shape5, seen.info.location)
        self._seen, self._recipe, self._scene = seen, recipe, scene_of(seen)
        self._halo = recipe.selection.halo(z > 1)
        self._of(seen, recipe.n_classes, np.dtype(np.float32))

    @property
    def notices(self) -> tuple[str, ...]:
        """See `Image.notices`."""
        return self._seen.notices

    def _computed(self, box: Box) -> NDArray[Any]:
        shape = self._seen.shape5
        whole = box.replace(c=(0, shape[1]))
        t, _, z, y, x = whole.shape
        out = np.empty((t, self._recipe.n_classes, z, y, x), np.float32)
        for piece in TileGrid(whole, PIECE, self._halo, shape):
            tile = Tile(piece.valid, piece.read)
            values, _ = predict_tile(self._seen.read(tile.read), tile, self._recipe, self._scene)
            out[tile.valid.relative_to(whole).replace(c=(0, out.shape[1])).slices] = values
        return out[:, box.start[1] : box.stop[1]]

    def close(self) -> None:
        """See `Image.close`."""
        self._seen.close()


class JoinedImage(_Computed):
    """Images of one size as one, channels behind each other; probabilities come in the type ``dtype``."""

    def __init__(self, parts: tuple[Image, ...], dtype: np.dtype[Any]) -> None:
        self._parts = parts
        self._of(parts[0], sum(part.shape5[1] for part in parts), dtype)

    @property
    def notices(self) -> tuple[str, ...]:
        """See `Image.notices`."""
        return self._parts[0].notices

    def _computed(self, box: Box) -> NDArray[Any]:
        out = np.empty(box.shape, self.dtype)
        start, stop, first = box.start[1], box.stop[1], 0
        for part in self._parts:
            n = part.shape5[1]
            a, b = max(start, first), min(stop, first + n)
            if a < b:
                values = part.read(box.replace(c=(a - first, b - first)))
                if part.dtype != self.dtype:
                    values = as_pixels(values, self.dtype)
                out[:, a - start : b - start] = values
            first += n
        return out

    def close(self) -> None:
        """See `Image.close`."""
        for part in self._parts:
            part.close()


def as_pixels(probabilities: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Probabilities in the type of the image, as ilastik's stages exchange them.

    Integers take their whole range, cut off and not rounded; signed ones wrap around, as they do there.
    """
    if dtype.kind not in "iu":
        return probabilities.astype(dtype)
    limits = np.iinfo(dtype)
    span = np.float32(int(limits.max) - int(limits.min))
    return (span * probabilities - np.float32(limits.min)).astype(np.int64).astype(dtype)
