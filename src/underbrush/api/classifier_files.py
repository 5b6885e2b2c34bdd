"""A fitted classifier as a project, and back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import from_internal
from underbrush.core.labels import LabelBlock, count_classes
from underbrush.core.recipe import Recipe
from underbrush.engine.building import class_colour
from underbrush.engine.current import read_current
from underbrush.engine.model import model_of
from underbrush.engine.own import BALANCE, SEED, own_number
from underbrush.errors import ArgumentError, ResourceError
from underbrush.project.paths import embedded_source
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project
from underbrush.project.write import write_project
from underbrush.sources.base import Image

EMBED_LIMIT = 1_000_000_000
"""Bytes of images that are stored inside a project, in all."""
RECORD = "training"
"""Name of our text that says what training learned, bound to the forest by its digest."""
_STORED = {"?": np.uint8, "e": np.float32, "g": np.float64}
"""Character of a dtype (bool, half, long double) that other programs do not read, and what is stored."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fitted classifier knows."""

    recipe: Recipe
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    importances: NDArray[np.float64]
    """(n_features,) adding up to 1; NaN where not known."""
    oob_score: float
    """NaN where not known."""
    seed: int = 0
    balance: bool = False


def read_fitted(path: str | os.PathLike[str], threads: int) -> tuple[Fitted, Project, tuple[str, ...]]:
    """What the project at ``path`` holds, the project itself, and sentences that its user should read.

    Raises
    ------
    ProjectError
        It cannot be read, or has neither a classifier nor what is needed to train one.
    """
    project = read_current(path)
    fitted, notices = fitted_of(project, threads)
    return fitted, project, notices


def fitted_of(project: Project, threads: int) -> tuple[Fitted, tuple[str, ...]]:
    """What an open project holds, and sentences that its user should read.

    Raises
    ------
    ProjectError
        It has neither a classifier nor what is needed to train one.
    """
    model = model_of(project, threads)
    recipe = model.recipe
    n = recipe.forest.n_features
    names = project.classifier.feature_names
    importances, oob_score = _recorded(project, recipe)
    fitted = Fitted(
        recipe,
        all_names(model.class_names, recipe.n_classes),
        names if len(names) == n else _names(recipe.selection, n),
        importances,
        oob_score,
        own_number(project, SEED, 0),
        project.own.get(BALANCE) == "true",
    )
    return fitted, model.notices


def write_fitted(
    fitted: Fitted,
    path: str | os.PathLike[str],
    base: Project | None,
    images: Sequence[Image] = (),
    labels: Sequence[tuple[LabelBlock, ...]] = (),
) -> None:
    """Save a project with the classifier; lanes of ``base`` come first, then the images, embedded.

    Raises
    ------
    ResourceError
        The images are larger than `EMBED_LIMIT`.
    ArgumentError
        A label that is no class of the classifier.
    OutputError
        The file cannot be written; it is as it was before.
    """
    lanes, embed = _embedded(images, labels, fitted.recipe.n_classes)
    project = Project() if base is None else base
    recipe = fitted.recipe
    old = project.classes
    classes = tuple(
        replace(old[k], name=name) if k < len(old) else ClassInfo(name, class_colour(k), class_colour(k))
        for k, name in enumerate(fitted.class_names)
    )
    info = project.classifier
    if project.forest is None:
        n_trees = recipe.forest.n_trees
        info = ClassifierInfo("forest", n_trees, (n_trees,), fitted.feature_names)
    own = dict(project.own) | {
        SEED: str(fitted.seed),
        BALANCE: str(fitted.balance).lower(),
        RECORD: _record(fitted),
    }
    project = replace(
        project,
        lanes=(*project.lanes, *lanes),
        classes=classes,
        selection=recipe.selection,
        feature_ids=recipe.selection.filters,
        scales=recipe.selection.scales,
        forest=recipe.forest,
        classifier=info,
        own=MappingProxyType(own),
    )
    write_project(project, path, embed=embed)


def all_names(given: Sequence[str], n: int) -> tuple[str, ...]:
    """``given`` and then Class 3, Class 4 ... up to ``n`` names of classes."""
    return (*given, *(f"Class {k}" for k in range(len(given) + 1, n + 1)))


def _embedded(
    images: Sequence[Image], labels: Sequence[tuple[LabelBlock, ...]], n_classes: int
) -> tuple[tuple[Lane, ...], Mapping[str, NDArray[Any]]]:
    size = sum(math.prod(image.shape) * image.dtype.itemsize for image in images)
    if size > EMBED_LIMIT:
        raise ResourceError(
            f"the images are {size / 1e9:.1f} GB and {EMBED_LIMIT / 1e9:.1f} GB can be stored in a project",
            remedy="save without images, or with fewer",
        )
    lanes, embed = [], {}
    for k, (image, blocks) in enumerate(zip(images, labels, strict=True), 1):
        highest = max(count_classes(blocks), default=0)
        if highest > n_classes:
            raise ArgumentError(
                f"there is a label {highest} and the classifier has {n_classes} classes",
                where=f"labels {k}",
                remedy="give the labels that it was trained on",
            )
        pixels = from_internal(image.read(), image.axes)
        source = embedded_source(f"image {k}", image.axes, image.shape)
        source = replace(source, pixel_size=image.pixel_size)
        embed[source.inner] = pixels.astype(_STORED.get(pixels.dtype.char, pixels.dtype), copy=False)
        lanes.append(Lane(source.name, source, labels=tuple(blocks)))
    return tuple(lanes), embed


def _record(fitted: Fitted) -> str:
    oob = fitted.oob_score
    known = bool(np.isfinite(fitted.importances).all())
    return json.dumps(
        {
            "forest": fitted.recipe.forest.digest,
            "oob_score": None if math.isnan(oob) else oob,
            "importances": fitted.importances.tolist() if known else None,
        }
    )


def _recorded(project: Project, recipe: Recipe) -> tuple[NDArray[np.float64], float]:
    """Importances and out-of-bag score as our own part of the project has them, else ilastik's, else NaN."""
    n = recipe.forest.n_features
    unknown = np.full(n, np.nan)
    try:
        said = json.loads(project.own.get(RECORD, "{}"))
        if said.get("forest") == recipe.forest.digest:
            told, oob = said.get("importances"), said.get("oob_score")
            values = unknown if told is None else np.array(told, np.float64)
            if values.shape == (n,):
                return values, math.nan if oob is None else float(oob)
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        # Damaged: nothing is computed from it, so the classifier is as good without.
        return unknown, math.nan
    table = project.classifier.importances
    if table is None or project.forest is None:
        return unknown, math.nan
    gini = table[:, -1]
    total = gini.sum()
    return (gini / total if np.isfinite(total) and total > 0 else unknown), math.nan


def _names(selection: FeatureSelection, n_features: int) -> tuple[str, ...]:
    for volume in (False, True):
        for channels in range(1, n_features + 1):
            count = selection.count(channels, volume)
            if count == n_features:
                return selection.names(channels, volume)
            if count > n_features:
                break
    return tuple(f"Feature {k}" for k in range(n_features))
