"""Projects for scripts: what the window does by hand, with the same commands and the same undo."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from underbrush.api.classifier_files import fitted_of
from underbrush.api.estimator import thread_count
from underbrush.api.pixel_classifier import PixelClassifier
from underbrush.api.training_images import ImageLike
from underbrush.core.evaluate import Overlap
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainedForest
from underbrush.core.geometry import from_internal
from underbrush.core.labels import LabelBlock, paint
from underbrush.engine.building import stored_options, trained
from underbrush.engine.current import document_now
from underbrush.engine.events import Ack
from underbrush.engine.label_images import label_blocks
from underbrush.engine.lanes import linked_image, open_lane
from underbrush.engine.model import kept_model
from underbrush.engine.own import CHANNELS
from underbrush.engine.session import Session
from underbrush.engine.teaching import lesson_from
from underbrush.errors import ArgumentError, ArgumentTypeError, ProjectError
from underbrush.project import commands as do
from underbrush.project.document import Document, project_of
from underbrush.project.kept_versions import KeptVersion, versions
from underbrush.project.recovery import pending
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project
from underbrush.sources.array import ArrayImage
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image

CLIENT = "library"
"""Whose commands those of a script are: a script undoes its own edits, not those of a window."""


def open_project(path: str | os.PathLike[str]) -> OpenProject:
    """Open a project file (.ilp): to look at it, and to change it as the window does.

    Nothing is locked before something is changed; then the file is this program's until `OpenProject.close`.

    Raises
    ------
    ProjectError
        It is no pixel classification project that can be read; says why.
    """
    return OpenProject(Path(path))


class OpenProject:
    """A project: its images, strokes, classes, features and classifiers. A context manager.

    What is changed is safe on the disk at once, can be undone, and is in the .ilp after some seconds, at
    `save` or at `close`. Lanes are named by their place from 0 or by their nickname, classes by their value,
    from 1.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session: Session | None = None
        self._seen: tuple[Document, Project] | None = None
        found = pending(path)
        self._document, _ = document_now(found.project, found.records)
        self._notices = (*found.notices, *self._document.notices)
        self._number = 0

    # -- what is in it ---------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The .ilp file."""
        return self._path

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The images of the project with their strokes."""
        return self._project().lanes

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes; the value of a class is its place in this tuple, counted from 1."""
        document = self._now()
        return tuple(document.classes[k].info for k in document.class_order)

    @property
    def features(self) -> FeatureSelection | None:
        """The chosen filters and scales, or None where nothing is chosen."""
        return self._now().settings.selection

    @property
    def channels(self) -> tuple[int, ...] | None:
        """The channels that feed the features, from 0; None: all."""
        return self._now().settings.channels

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each thing that could not be taken over or may surprise."""
        opened = self._notices if self._session is None else self._session.notices
        return tuple(dict.fromkeys((*self._now().base.problems, *opened)))

    @property
    def classifier(self) -> PixelClassifier | None:
        """The classifier that belongs to the strokes as they are; None where there is none (see `train`)."""
        project = self._project()
        if project.forest is None or project.selection is None:
            return None
        return _classifier(project, 1)

    @property
    def classifiers(self) -> Mapping[str, str]:
        """Classifiers that were kept: name -> when (UTC, ISO 8601; empty where it is not known)."""
        return {name: one.created for name, one in sorted(self._now().frozen.items())}

    def kept(self, name: str, n_jobs: int | None = 1) -> PixelClassifier:
        """The classifier that was kept under a name, with the features and classes of then.

        Raises
        ------
        ProjectError
            There is none of this name.
        """
        project = self._project()
        recipe = kept_model(project, name).recipe
        used = self._now().frozen[name].use
        own = {k: v for k, v in project.own.items() if k != CHANNELS}
        if recipe.channels is not None:
            own[CHANNELS] = ",".join(map(str, recipe.channels))
        n = recipe.forest.n_trees
        then = replace(
            project,
            classes=project.classes if used is None else used.classes,
            selection=recipe.selection,
            forest=recipe.forest,
            classifier=ClassifierInfo("forest", n, (n,)),
            lanes=(),
            own=MappingProxyType(own),
        )
        return _classifier(then, n_jobs)

    def image(self, lane: int | str) -> Image:
        """The image of a lane, open; close it after use.

        Raises
        ------
        ProjectError
            There is no such lane, or its image is missing.
        """
        entry = self._now().lanes[self._lane(lane)]
        return open_lane(Lane(entry.nickname, entry.raw), self._now().base)

    def labels(self, lane: int | str) -> NDArray[np.uint8]:
        """The strokes of a lane as an array of its image's size without channels, in its image's axis order.

        0 is unlabelled, else the class 1..N.

        Raises
        ------
        ProjectError
            There is no such lane, or neither project nor image says its size.
        """
        document = self._now()
        key = self._lane(lane)
        raw = document.lanes[key].raw
        axes, shape = raw.axes, raw.shape5
        if axes is None or shape is None:
            with self.image(lane) as image:
                axes, shape = image.axes, image.shape5
        blocks = document.map_of(key).remapped(document.values).to_blocks()
        painted = paint(blocks, (shape[0], 1, *shape[2:]))
        return np.ascontiguousarray(from_internal(painted, axes.replace("c", "")))

    # -- changing it -----------------------------------------------------------------------------------

    def set_labels(self, lane: int | str, labels: ArrayLike) -> None:
        """Replace the strokes of a lane by an array as `labels` gives it: 0 unlabelled, else the class 1..N.

        Raises
        ------
        MismatchError
            It has not the size of the image.
        ImageError
            A value is not a whole number from 0 to 255.
        CommandError
            A value is no class of the project.
        """
        self._import(lane, labels, "Labels replaced", replace=True)

    def add_labels(self, lane: int | str, labels: ArrayLike) -> None:
        """Paint an array as `labels` gives it; where it is 0 nothing changes. Raises as `set_labels`."""
        self._import(lane, labels, "Labels imported", replace=False)

    def add_class(self, name: str, colour: tuple[int, int, int] | None = None) -> int:
        """One more class at the end; gives its value."""
        self._do(do.AddClass(name, colour))
        return len(self._now().class_order)

    def edit_class(
        self, value: int, name: str | None = None, colour: tuple[int, int, int] | None = None
    ) -> None:
        """Rename or recolour a class."""
        self._do(do.EditClass(self._class(value), name=name, colour=colour))

    def move_class(self, value: int, to: int) -> None:
        """Give a class another value; the others move up."""
        self._do(do.MoveClass(self._class(value), to - 1))

    def merge_class(self, value: int, into: int) -> None:
        """The strokes of one class become another's, and it is gone."""
        self._do(do.MergeClass(self._class(value), self._class(into)))

    def delete_class(self, value: int) -> None:
        """A class goes with its strokes."""
        self._do(do.DeleteClass(self._class(value)))

    def set_features(self, selection: FeatureSelection, channels: Sequence[int] | None = None) -> None:
        """Choose filters and scales, and the channels that feed them (None: all)."""
        self._do(do.SetFeatures(selection))
        wanted = None if channels is None else tuple(channels)
        if wanted != self.channels:
            self._do(do.SetChannels(wanted))

    def add_image(
        self, address: str | os.PathLike[str], axes: str | None = None, nickname: str | None = None
    ) -> str:
        """One more image, linked and not copied; gives its nickname.

        Raises
        ------
        UnderbrushError
            It cannot be read, or ``axes`` do not fit.
        """
        with open_image(address, axes) as image:
            source = linked_image(os.fspath(address), image)
        self._do(do.AddLane(source, nickname))
        document = self._now()
        return document.lanes[document.lane_order[-1]].nickname

    def remove_image(self, lane: int | str) -> None:
        """An image goes with its strokes; its file stays."""
        self._do(do.RemoveLane(self._lane(lane)))

    def undo(self) -> str:
        """Take back this program's last change, also one of an earlier run; says what it was.

        Raises
        ------
        CommandError
            There is nothing to undo.
        """
        return self._do(do.Undo()).title

    def redo(self) -> str:
        """Take back the last `undo`.

        Raises
        ------
        CommandError
            There is nothing to redo.
        """
        return self._do(do.Redo()).title

    def train(self, n_jobs: int | None = -1) -> PixelClassifier:
        """Train on all strokes with the project's settings, keep the classifier in the project, and give it.

        Raises
        ------
        ProjectError
            No features are chosen, there are strokes of fewer than two classes, or an image is missing.
        """
        session = self._writing()
        document = session.document
        selection = document.settings.selection
        if selection is None:
            raise ProjectError("no features are chosen", where=self._path, remedy="choose them: set_features")
        project = project_of(document)
        options = stored_options(project, thread_count(n_jobs))
        built, forest, rows = trained(project, selection, options)
        for notice in rows.notices:
            warnings.warn(notice, UserWarning, stacklevel=2)
        session.adopt(lesson_from(document, forest, built.classifier.feature_names))
        return _classifier(self._project(), n_jobs, forest)

    def freeze(self, name: str, note: str = "") -> None:
        """Keep the classifier as it is now under a name.

        Raises
        ------
        CommandError
            There is none: see `train`.
        """
        self._do(do.FreezeClassifier(name, note))

    def evaluate(
        self, images: Sequence[ImageLike], truths: Sequence[ArrayLike], axes: str | None = None
    ) -> dict[str, Any]:
        """Dice and IoU of each class against known truth, as ``evaluate --json`` says them.

        Parameters
        ----------
        images, truths
            Images, and for each an array of its size without channels: 0 is ignored, 1..N are the classes.
        axes
            Order of the axes of the images, where they are arrays.

        Raises
        ------
        ArgumentError
            Not one truth for each image, or one of another size.
        ProjectError
            There is no classifier and nothing to train one on.
        """
        if len(images) != len(truths):
            raise ArgumentError(
                f"there are {len(images)} images and {len(truths)} truths", remedy="give one truth an image"
            )
        model = _classifier(self._project(), -1)
        n = len(model.classes_)
        total = Overlap(np.zeros((n + 1, n + 1), np.int64))
        each: list[dict[str, Any]] = []
        for k, (image, truth) in enumerate(zip(images, truths, strict=True), 1):
            found, known = model.predict(image, axes), np.asarray(truth)
            if found.shape != known.shape or known.dtype.kind not in "biu" or int(known.max(initial=0)) > n:
                raise ArgumentError(
                    f"it has shape {known.shape} and values up to {known.max(initial=0)}, the segmentation "
                    f"{found.shape} and {n} classes",
                    where=f"truth {k}",
                    remedy="give whole numbers, one for each pixel: 0 to ignore, else the class",
                )
            part = Overlap.count(known.astype(np.uint8), found, n)
            total = total + part
            each.append({"image": str(k), "classes": part.scores})
        return {"classes": total.scores, "images": each}

    # -- earlier versions --------------------------------------------------------------------------------

    @property
    def versions(self) -> tuple[KeptVersion, ...]:
        """The earlier versions that are kept of the project (path, when, size), newest first."""
        return versions(self._path)

    def restore(self, version: KeptVersion) -> None:
        """Make an earlier version the project; what is there is saved and kept as a version first.

        There is nothing to undo afterwards.

        Raises
        ------
        ProjectError
            The version cannot be read; nothing was changed.
        OutputError
            What is there cannot be saved; nothing was changed.
        """
        for notice in self._writing().restore(version):
            warnings.warn(notice, UserWarning, stacklevel=2)

    # -- saving ------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the .ilp now.

        Raises
        ------
        OutputError
            It could not be written; all changes are in the recovery file beside it.
        """
        if self._session is not None:
            self._session.save()

    def close(self) -> None:
        """Save and let go of the file; raises as `save`."""
        session, self._session = self._session, None
        if session is not None:
            self._document = session.document
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside ------------------------------------------------------------------------------------------

    def _now(self) -> Document:
        return self._document if self._session is None else self._session.document

    def _project(self) -> Project:
        """The project as it would be saved; kept until something changes."""
        if self._session is not None:
            return self._session.project()
        if self._seen is None or self._seen[0] is not self._document:
            self._seen = self._document, project_of(self._document)
        return self._seen[1]

    def _writing(self) -> Session:
        if self._session is None:
            self._session = Session.open(self._path)
            self._number = self._session.last_number(CLIENT)
        return self._session

    def _do(self, command: do.Command) -> Ack:
        session = self._writing()
        ack = session.apply(CLIENT, self._number + 1, command)
        self._number += 1
        for notice in ack.notices:
            warnings.warn(notice, UserWarning, stacklevel=3)
        return ack

    def _import(self, lane: int | str, labels: ArrayLike, title: str, *, replace: bool) -> None:
        session = self._writing()
        key = self._lane(lane)
        image = session.image(key)
        given = ArrayImage(np.asarray(labels), image.axes.replace("c", ""), "labels")
        ids = np.zeros(256, np.uint8)
        ids[1 : len(session.document.class_order) + 1] = session.document.class_order
        blocks = []
        for block in label_blocks(given, image):
            highest = int(block.values.max())
            if highest > len(session.document.class_order):
                raise ArgumentError(
                    f"the labels hold {highest} and there are {len(session.document.class_order)} classes",
                    where="labels",
                    remedy="add the class first",
                )
            blocks.append(LabelBlock(block.box, ids[block.values]))
        self._do(do.ImportLabels(key, tuple(blocks), title, replace))

    def _lane(self, lane: int | str) -> str:
        document = self._now()
        order = document.lane_order
        known: dict[Any, str] = dict(enumerate(order))
        known |= {document.lanes[key].nickname: key for key in order}
        if lane not in known:
            names = ", ".join(document.lanes[key].nickname for key in order) or "none"
            raise ProjectError(
                f"there is no lane {lane!r}", where=self._path, remedy=f"the lanes are: {names}"
            )
        return known[lane]

    def _class(self, value: int) -> int:
        order = self._now().class_order
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise ArgumentTypeError(f"the class is {value!r}", remedy="give its value, a whole number from 1")
        if not 1 <= value <= len(order):
            raise ArgumentError(f"there is no class {value}", remedy=f"the classes are 1 to {len(order)}")
        return order[int(value) - 1]


def _classifier(project: Project, n_jobs: int | None, new: TrainedForest | None = None) -> PixelClassifier:
    """The classifier of a project; of one that was trained now also what training found."""
    fitted, notices = fitted_of(project, thread_count(n_jobs))
    if new is not None:
        fitted = replace(fitted, importances=new.importances, oob_score=new.oob_score)
    for notice in notices:
        warnings.warn(notice, UserWarning, stacklevel=3)
    return PixelClassifier._made(fitted, project, n_jobs)
