"""What a project gives to prediction: recipe, names, colours, where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from underbrush import __version__
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.core.recipe import Recipe
from underbrush.engine.lanes import open_lane
from underbrush.engine.training import Rows, joined, labelled_rows
from underbrush.errors import MismatchError, ProjectError
from underbrush.project.schema import Lane, Project
from underbrush.sources.base import ImageInfo


@dataclass(frozen=True, slots=True)
class Model:
    """A trained project, ready to classify images."""

    path: Path
    recipe: Recipe
    class_names: tuple[str, ...]
    class_colors: tuple[tuple[int, int, int], ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    """Sentences about how it came to be that its user should read."""

    def fitted_to(self, info: ImageInfo, n_channels: int, volume: bool) -> tuple[Recipe, str | None]:
        """The recipe for an image, and a notice where its alpha channel is left out.

        An image that has one channel more than the project and says that it is an alpha sample is read
        without it.

        Raises
        ------
        MismatchError
            The image does not fit what the project was trained on.
        """
        try:
            self.recipe.check(n_channels, volume, info.location)
        except MismatchError:
            if info.alpha is None or self.recipe.channels is not None:
                raise
            opaque = tuple(c for c in range(n_channels) if c != info.alpha)
            trimmed = replace(self.recipe, channels=opaque)
            if not trimmed.fits(n_channels, volume):
                raise
            return trimmed, f"{info.location}: the alpha channel is left out."
        return self.recipe, None


def model_of(project: Project, threads: int = 1) -> Model:
    """The model that a project holds: its stored forest, else one trained now from its strokes.

    Raises
    ------
    ProjectError
        No features are chosen, or there is neither a forest nor strokes of every class to train one.
    """
    path = project.path or Path("project.ilp")
    selection = project.selection
    if selection is None:
        raise ProjectError(
            "no features are chosen in this project", where=path, remedy="choose features in it and train"
        )
    notices: tuple[str, ...] = ()
    forest = project.forest
    if forest is None:
        forest = train_project(project, selection, threads)
        notices = (f"{path}: no usable classifier is stored; one was trained from its strokes.",)
    n_classes = max(len(project.classes), int(max(forest.classes)))
    return Model(
        path=path,
        recipe=Recipe(selection, forest, n_classes),
        class_names=tuple(c.name for c in project.classes),
        class_colors=tuple(c.colour for c in project.classes),
        provenance={
            "software": f"underbrush {__version__}",
            "project": path.name,
            "classifier": forest.digest,
            "trees": str(forest.n_trees),
            "features": str(forest.n_features),
        },
        notices=notices,
    )


def train_project(project: Project, selection: FeatureSelection, threads: int = 1, seed: int = 0) -> Forest:
    """A forest trained from the strokes of all lanes of a project.

    Raises
    ------
    ProjectError
        A labelled image is missing, or there are strokes of fewer than two classes.
    """
    # Only here: a project with a classifier does not wait for the compiler.
    from underbrush.core.forest.train import TrainingOptions, train_forest  # noqa: PLC0415

    path = project.path or Path("project.ilp")
    parts = [lane_rows(lane, project, selection, threads) for lane in project.lanes if lane.labels]
    rows = joined(parts, 0)
    if len(set(rows.y.tolist())) < 2:
        raise ProjectError(
            "there is no stored classifier, and strokes of fewer than two classes to train one",
            where=path,
            remedy="paint strokes of each class and train",
        )
    options = TrainingOptions(n_trees=project.classifier.n_trees, seed=seed, n_threads=threads)
    return train_forest(rows.x, rows.y, options).forest


def lane_rows(lane: Lane, project: Project, selection: FeatureSelection, threads: int) -> Rows:
    """The training rows of one lane.

    Raises
    ------
    ProjectError
        Its image cannot be found.
    """
    with open_lane(lane, project) as image:
        return labelled_rows(image, lane.labels, selection, threads)
