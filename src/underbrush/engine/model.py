"""What a project gives to prediction: recipe, names, colours, where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from underbrush import __version__
from underbrush.core.recipe import Recipe
from underbrush.engine.calibration import LaneSizes, Sizes
from underbrush.engine.own import own_channels
from underbrush.errors import MismatchError, ProjectError
from underbrush.project.document import document_of
from underbrush.project.entries import Use
from underbrush.project.schema import ClassInfo, Project
from underbrush.sources.base import Image, ImageInfo


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
    sizes: LaneSizes | None = field(default=None, compare=False, repr=False)
    """What the project says of the sizes of its images' pixels."""
    before: tuple[Recipe, ...] = ()
    """Of earlier stages, first to last; this one sees the image and what they say (`engine.stages`)."""

    @property
    def key(self) -> str:
        """What results depend on, of all stages."""
        return "-".join(recipe.key for recipe in (*self.before, self.recipe))

    def sizes_of(self, image: Image) -> Sizes:
        """The sizes of an image's pixels: those that the project says where it is one of its images."""
        return image.pixel_size if self.sizes is None else self.sizes.of(image)

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


def kept_model(project: Project, name: str) -> Model:
    """The model of a classifier that was kept under a name.

    Raises
    ------
    ProjectError
        There is none of this name, or the project does not say its features.
    """
    document = document_of(project)
    kept = document.frozen.get(name)
    if kept is None:
        names = ", ".join(repr(n) for n in sorted(document.frozen)) or "none"
        raise ProjectError(
            f"there is no classifier {name!r}",
            where=project.path or "",
            remedy=f"its classifiers are: {names}",
        )
    use = kept.use
    if use is None and project.selection is not None:
        use = Use(project.selection, own_channels(project), project.classes)
    if use is None:
        raise ProjectError(
            f"the features of the classifier {name!r} are not known",
            where=project.path or "",
            remedy="choose the features that it was trained with",
        )
    forest = kept.forest
    n_classes = max(len(use.classes), int(max(forest.classes)))
    recipe = Recipe(use.selection, forest, n_classes, use.channels)
    return _model(project, recipe, use.classes, (), {"classifier name": name})


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
        # Only here: a project with a classifier does not wait for the compiler.
        from underbrush.engine.building import stored_options, trained  # noqa: PLC0415

        project, fresh, _ = trained(project, selection, stored_options(project, threads))
        forest = fresh.forest
        selection = project.selection or selection
        notices = (f"{path}: no usable classifier is stored; one was trained from its strokes.",)
    n_classes = max(len(project.classes), int(max(forest.classes)))
    recipe = Recipe(selection, forest, n_classes, own_channels(project))
    return _model(project, recipe, project.classes, notices, {})


def _model(
    project: Project,
    recipe: Recipe,
    classes: tuple[ClassInfo, ...],
    notices: tuple[str, ...],
    more: Mapping[str, str],
) -> Model:
    path, forest = project.path or Path("project.ilp"), recipe.forest
    return Model(
        path=path,
        recipe=recipe,
        class_names=tuple(c.name for c in classes),
        class_colors=tuple(c.colour for c in classes),
        provenance={
            "software": f"underbrush {__version__}",
            "project": path.name,
            "classifier": forest.digest,
            "recipe": recipe.key,
            "trees": str(forest.n_trees),
            "features": str(forest.n_features),
            **more,
        },
        notices=notices,
        sizes=LaneSizes(project),
    )
