"""Pixel classification as an estimator: images and brush strokes in, probabilities of every pixel out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from underbrush.api.classifier_files import Fitted, all_names, read_fitted, write_fitted
from underbrush.api.estimator import Estimator, thread_count, training_options
from underbrush.api.training_images import ImageLike, as_image, as_images, as_labels, chosen_features
from underbrush.core import results
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.core.geometry import from_internal
from underbrush.core.labels import LabelBlock, count_classes
from underbrush.core.recipe import Recipe
from underbrush.engine.arrays import predict_array, result_array
from underbrush.engine.memory import memory_cap
from underbrush.engine.row_bound import row_bound, row_limit
from underbrush.engine.training import Rows, joined, labelled_positions, labelled_rows
from underbrush.errors import ArgumentError, ArgumentTypeError, ResourceError
from underbrush.project.schema import Project
from underbrush.sources.base import Image

BYTES_A_VALUE = 10
"""Memory of one feature of one labelled pixel while a forest is trained: twice float32, bins, edges."""


class PixelClassifier(Estimator):
    """Segments images after a few brush strokes, as the window and the command line do, in the same bytes.

    Follows scikit-learn's conventions: the constructor stores, ``fit`` checks. Images are arrays of any
    real dtype with 2 to 5 axes, or images from `underbrush.open_image`. Work is done tile by tile: the
    memory needed beside input and result is bounded, and neither tiles nor ``n_jobs`` change a byte.

    Parameters
    ----------
    features
        ``"all"``: every filter at every scale; ``"recommended"``: what suits the images; or a
        `FeatureSelection`.
    n_trees
        Number of trees, at least 1.
    seed
        Any whole number; another seed gives another forest.
    balance
        Draw the rows of each tree from all classes alike, however many strokes they have.
    n_jobs
        Threads; -1 for all cores, None for one.
    scales
        Sigmas in pixels, instead of the usual ones, for ``features="all"``.
    in_2d
        True: filter each z slice by itself; False: in 3D; or one of these for each scale. By default in 2D
        for images of one slice, else in 3D (of a `FeatureSelection`: what it says).

    Attributes
    ----------
    classes_
        (n_classes,) uint8, 1 to the highest label. A class without labels has probability 0.
    class_names_
        One name for each class.
    selection_
        The `FeatureSelection` in use, with 2D or 3D settled.
    feature_names_
        Names of the features, in order.
    feature_importances_
        (n_features,) float64, mean decrease of Gini impurity; adds up to 1. NaN where a loaded project does
        not tell.
    oob_score_
        Share of labelled pixels that the trees not trained on them classify rightly; NaN where not known.
    forest_
        The trees as flat arrays (`underbrush.core.forest.nodes.Forest`).
    """

    def __init__(
        self,
        features: str | FeatureSelection = "all",
        n_trees: int = 100,
        seed: int = 0,
        balance: bool = False,
        n_jobs: int | None = 1,
        scales: Sequence[float] | None = None,
        in_2d: bool | Sequence[bool] | None = None,
    ) -> None:
        self.features = features
        self.n_trees = n_trees
        self.seed = seed
        self.balance = balance
        self.n_jobs = n_jobs
        self.scales = scales
        self.in_2d = in_2d

    def fit(
        self,
        images: ImageLike | Sequence[ImageLike],
        labels: ArrayLike | Sequence[ArrayLike],
        axes: str | None = None,
    ) -> Self:
        """Train on labelled pixels.

        Parameters
        ----------
        images
            One image, or a list of them; sizes may differ, channels may not.
        labels
            Labels of each image, with its axes without c (or with c of size 1): 0 is unlabelled, 1 to N (at
            most 255) are the classes. Labels within reach of a pixel that is not finite are left out, with
            a warning.
        axes
            Order of the axes of all images, letters of tczyx; by default yx, yxc (last axis up to 4) or
            zyx, zyxc, tzyxc. Opened images know their own.

        Raises
        ------
        ArgumentError
            (a ValueError) A parameter is out of range; labels of fewer than two classes.
        ArgumentTypeError
            (a TypeError) A parameter is of another kind; images are a list and labels are not.
        MismatchError
            Labels have another size than their image, or images another number of channels than the first.
        ImageError
            An image is not of numbers; a label is not a whole number from 0 to 255.
        AxesError
            ``axes`` do not fit.
        FeatureError
            A scale is too large for an image.
        ResourceError
            So many labels and features that training would need more than a quarter of the memory.
        """
        options = training_options(self.n_trees, self.seed, self.balance, self.n_jobs)
        opened = as_images(images, axes)
        blocks = as_labels(labels, opened, isinstance(images, list | tuple))
        shapes = [image.shape5 for image in opened]
        selection = chosen_features(self.features, self.scales, self.in_2d, shapes)
        for image in opened:
            selection.check(image.shape5, image.info.location)
        channels, volume = shapes[0][1], shapes[0][2] > 1
        n_classes = _check_labels(blocks, selection.count(channels, volume))
        rows = _training_rows(opened, blocks, selection, options)
        trained = train_forest(rows.x, rows.y, options)
        recipe = Recipe(selection, trained.forest, n_classes)
        self._take(
            Fitted(
                recipe,
                all_names((), n_classes),
                selection.names(channels, volume),
                trained.importances,
                trained.oob_score,
                options.seed,
                options.balance,
            ),
            None,
        )
        return self

    def predict_proba(self, array: ImageLike, axes: str | None = None) -> NDArray[np.float32]:
        """Probabilities of the classes at every pixel.

        Parameters
        ----------
        array
            An image with the channels of those in ``fit``, of any size that the features allow.
        axes
            Order of its axes, as in ``fit``.

        Returns
        -------
        float32 in the order of ``axes`` without c, then (n_classes,) as ``classes_``. They add up to 1, or
        are all 0 within reach of a pixel that is not finite (with a warning).

        Raises
        ------
        NotFittedError
            Neither ``fit`` nor ``load`` was called.
        MismatchError
            The image gives other features than those of training: other channels, or 2D against 3D.
        FeatureError
            A scale is too large for the image.
        ImageError, AxesError
            It is not of numbers; ``axes`` do not fit.
        """
        self._check_fitted()
        image = as_image(array, axes, "array")
        values, report = predict_array(image, self._fitted.recipe, thread_count(self.n_jobs))
        _warn_of((*report.sentences, *image.notices))
        return np.ascontiguousarray(from_internal(values, image.axes.replace("c", "") + "c"))

    def predict(self, array: ImageLike, axes: str | None = None) -> NDArray[np.uint8]:
        """The most probable class of every pixel, uint8 1..N in the order of ``axes`` without c.

        The lower class wins a tie; pixels that are not finite, and all within reach of one, are class 1.
        Parameters and errors as in `predict_proba`.
        """
        return np.asarray(self._result(array, axes, results.segmentation), np.uint8)

    def predict_uncertainty(self, array: ImageLike, axes: str | None = None) -> NDArray[np.float32]:
        """1 - (largest - second largest probability), float32 in the order of ``axes`` without c.

        Parameters and errors as in `predict_proba`.
        """
        return np.asarray(self._result(array, axes, results.uncertainty), np.float32)

    def save(
        self,
        path: str | os.PathLike[str],
        images: ImageLike | Sequence[ImageLike] | None = None,
        labels: ArrayLike | Sequence[ArrayLike] | None = None,
        axes: str | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """Save as a project (.ilp) that the window, the command line, `load` and ilastik open.

        It holds features, classes and the classifier, and no image: an estimator does not keep what it was
        trained on. Give the images and labels of ``fit`` again and they are stored inside the project too,
        up to 1 GB of images in all, so that strokes can be added in the window. The classifier is not
        trained again for it. A loaded project keeps its images, strokes, names and colours; the images
        come after its own.

        Parameters
        ----------
        path
            The file; it is replaced once the new one is complete.
        images, labels, axes
            As in ``fit``; images without labels are stored without strokes.
        class_names
            One name for each class; by default ``class_names_``.

        Raises
        ------
        NotFittedError
            Neither ``fit`` nor ``load`` was called.
        ArgumentError
            Another number of names than of classes, or a label that is no class.
        ResourceError
            The images are larger than 1 GB.
        OutputError
            The file cannot be written; what was there is untouched.
        """
        self._check_fitted()
        opened: list[Image] = []
        blocks: list[tuple[LabelBlock, ...]] = []
        if images is not None:
            opened = as_images(images, axes)
            listed = isinstance(images, list | tuple)
            blocks = [()] * len(opened) if labels is None else as_labels(labels, opened, listed)
        names = self.class_names_
        if class_names is not None:
            names = _checked_names(class_names, len(self.classes_))
        write_fitted(replace(self._fitted, class_names=names), path, self._project, opened, blocks)

    @classmethod
    def load(cls, path: str | os.PathLike[str], n_jobs: int | None = 1) -> Self:
        """The classifier of a project, ours or ilastik's; without one it is trained from the strokes.

        Raises
        ------
        ProjectError
            It cannot be read, or has neither a classifier nor features and strokes to train one.
        """
        fitted, project, notices = read_fitted(path, thread_count(n_jobs))
        for notice in notices:
            warnings.warn(notice, UserWarning, stacklevel=2)
        return cls._made(fitted, project, n_jobs)

    @classmethod
    def _made(cls, fitted: Fitted, project: Project, n_jobs: int | None) -> Self:
        recipe = fitted.recipe
        made = cls(recipe.selection, recipe.forest.n_trees, fitted.seed, fitted.balance, n_jobs)
        made._take(fitted, project)
        return made

    def _take(self, fitted: Fitted, project: Project | None) -> None:
        self.classes_ = np.arange(1, fitted.recipe.n_classes + 1, dtype=np.uint8)
        self.class_names_ = fitted.class_names
        self.selection_ = fitted.recipe.selection
        self.feature_names_ = fitted.feature_names
        self.feature_importances_ = fitted.importances
        self.oob_score_ = fitted.oob_score
        self.forest_ = fitted.recipe.forest
        self._fitted = fitted
        self._project = project

    def _result(self, array: ImageLike, axes: str | None, result: Any) -> NDArray[Any]:
        self._check_fitted()
        image = as_image(array, axes, "array")
        values, report = result_array(image, self._fitted.recipe, result, thread_count(self.n_jobs))
        _warn_of((*report.sentences, *image.notices))
        return np.ascontiguousarray(from_internal(values, image.axes.replace("c", "")))


def _check_labels(blocks: Iterable[tuple[LabelBlock, ...]], n_features: int) -> int:
    """The highest label; refuses too few classes, and more pixels than memory allows."""
    counts = count_classes(block for image in blocks for block in image)
    _check_classes(counts)
    rows = sum(min(n, row_limit(len(counts))) for n in counts.values())
    need, cap = BYTES_A_VALUE * n_features * rows, memory_cap(None)
    if need > cap:
        raise ResourceError(
            f"training on {rows} labelled pixels with {n_features} features needs"
            f" {need / 1e9:.1f} GB and {cap / 1e9:.1f} GB are allowed",
            remedy="label fewer pixels (a part of them is enough), or choose fewer features",
        )
    return max(counts)


def _check_classes(labels: Iterable[int], left_out: int = 0) -> None:
    found = sorted(labels)
    if len(found) < 2:
        have = f"only class {found[0]}" if found else "no class"
        why = f" once {left_out} near pixels that are not finite are left out" if left_out else ""
        raise ArgumentError(f"the labels hold {have}{why}", remedy="label pixels of at least two classes")


def _training_rows(
    images: Sequence[Image],
    blocks: Sequence[tuple[LabelBlock, ...]],
    selection: FeatureSelection,
    options: TrainingOptions,
) -> Rows:
    pairs = [(image, own) for image, own in zip(images, blocks, strict=True) if own]
    counts = count_classes(block for _, own in pairs for block in own)
    positions = (labelled_positions(own, image.shape5) for image, own in pairs)
    bound = row_bound(positions, options.seed, counts)
    threads = options.n_threads
    rows = joined((labelled_rows(i, own, selection, threads, None, bound) for i, own in pairs), 0)
    for notice in bound.notices:
        warnings.warn(notice, UserWarning, stacklevel=3)
    if rows.not_finite:
        _check_classes(np.unique(rows.y).tolist(), rows.not_finite)
        warnings.warn(
            f"{rows.not_finite} labelled pixels are left out: they, or pixels within reach, are NaN or"
            " infinite.",
            UserWarning,
            stacklevel=3,
        )
    return rows


def _checked_names(names: Sequence[str], n: int) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(f"class_names is {names!r}", remedy="give a list of names")
    if len(names) != n:
        raise ArgumentError(f"there are {len(names)} names and {n} classes", remedy="name every class")
    return tuple(names)


def _warn_of(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        warnings.warn(sentence, UserWarning, stacklevel=3)
