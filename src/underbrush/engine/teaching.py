"""The live loop: strokes become a forest, the forest the result of what is looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest.train import TrainedForest, TrainingOptions
from underbrush.core.recipe import Recipe
from underbrush.engine.events import TrainingChanged
from underbrush.engine.lane_images import LaneImages
from underbrush.engine.live import Live
from underbrush.engine.live_rows import LabelledPixels
from underbrush.engine.trainer import Trainer, TrainingBegun, TrainingDone, TrainingEvent, TrainingJob
from underbrush.errors import ProjectError, UnderbrushError
from underbrush.project.document import Document
from underbrush.project.entries import FrozenClassifier, Trained
from underbrush.project.schema import ClassifierInfo

KEPT_FORESTS = 8
"""Forests of earlier states that are kept: undo and redo find theirs again."""
AS_IT_WAS = "Opened as it was; training starts when you paint."
PAINT = "Paint a stroke in each class to see the result."


@dataclass(frozen=True)
class Lesson:
    """A forest in force and what training it said."""

    trained: Trained
    recipe: Recipe
    classes: tuple[int, ...]
    """Ids of the classes by value, from 1."""
    oob: float | None = None
    importances: NDArray[np.float64] | None = None
    """(n_features,) adding up to 1; None for a forest that came with the file."""
    feature_names: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class Teaching:
    """Follows a document: trains when strokes or settings change, and gives the recipe to who predicts.

    Parameters
    ----------
    images
        Of the lanes.
    live
        What predicts.
    make_trainer
        Gives what trains and tells its events to the function it is given.
    say
        Told what training does, from any thread.
    """

    def __init__(
        self,
        images: LaneImages,
        live: Live,
        make_trainer: Callable[[Callable[[TrainingEvent], None]], Trainer],
        say: Callable[[TrainingChanged], None],
    ) -> None:
        self._images, self._live, self._say = images, live, say
        self._lock = threading.RLock()
        self._document: Document | None = None
        self._lessons: OrderedDict[str, Lesson] = OrderedDict()
        self._lesson: Lesson | None = None
        self._shown: Lesson | None = None
        """A kept classifier that is looked at instead."""
        self._wanted = ""
        """Training key of the document as it is."""
        self._asked: OrderedDict[str, Document] = OrderedDict()
        """The documents that training was asked for, by training key."""
        self._classes: dict[str, tuple[int, ...]] = {}
        self._on, self._closed = False, False
        self._state = TrainingChanged("waiting", PAINT)
        self._trainer = make_trainer(self._heard)

    @property
    def state(self) -> TrainingChanged:
        """What was said last."""
        return self._state

    @property
    def on(self) -> bool:
        """Whether strokes are followed at once."""
        return self._on

    @property
    def lesson(self) -> Lesson | None:
        """The forest in force; it may be older than the last strokes."""
        return self._lesson

    def class_ids(self, key: str) -> NDArray[np.uint8]:
        """(256,) uint8 class id of each value in results of the recipe ``key``; 0: none."""
        lut = np.zeros(256, np.uint8)
        with self._lock:
            for class_id, value in zip(self._classes.get(key, ()), range(1, 256), strict=False):
                lut[value] = class_id
        return lut

    def trained_for(self, document: Document) -> Trained | None:
        """The forest that was trained for exactly this document, if there is one."""
        with self._lock:
            found = self._lessons.get(document.training_key)
        return None if found is None else found.trained

    def follow(self, document: Document, same: bool = False) -> None:
        """The document is another one now; ``same``: with the same pixels; its forest stays in force."""
        with self._lock:
            before, first = self._document, self._document is None
            self._document = document
            kept = None if before is None or not same else self._known(before)
            if kept is not None:
                self._keep(replace(kept, trained=replace(kept.trained, key=document.training_key)))
            settings = document.settings
            self._live.set_features(settings.selection, settings.channels)
            key = document.training_key
            if key == self._wanted:
                return
            self._wanted = key
            known = self._known(document)
            if known is not None:
                self._trainer.cancel()
                self._use(known, AS_IT_WAS if first else "Result of the strokes as they are.")
            elif self._on:
                self._submit(document)
            else:
                self._trainer.cancel()
                if _painted(document) < 2 or settings.selection is None:
                    self._forget()
                self._tell(TrainingChanged("waiting", _missing(document) or "Live is off: press Update."))

    def set_live(self, on: bool) -> None:
        """Follow strokes at once, or only when asked."""
        with self._lock:
            self._on = on
            self._live.set_live(on)
            document = self._document
            if on and document is not None and not self._is_current(document):
                self._submit(document)

    def update(self) -> None:
        """Train and predict what is looked at, once."""
        with self._lock:
            document = self._document
            if document is not None and not self._is_current(document):
                self._submit(document)
            self._live.update_once()

    def adopt(self, lesson: Lesson) -> None:
        """Use a forest that was trained elsewhere for the document as it is."""
        with self._lock:
            self._keep(lesson)
            if self._wanted == lesson.trained.key:
                self._trainer.cancel()
                self._use(lesson, "Result of the strokes as they are.")

    def show(self, lesson: Lesson | None) -> None:
        """Look at the result of this classifier instead of the one in force; None: back to that one.

        Training goes on meanwhile.
        """
        with self._lock:
            self._shown = lesson
            if lesson is not None:
                self._classes[lesson.recipe.key] = lesson.classes
            self._put()
            if not self._on:
                self._live.update_once()

    def close(self) -> None:
        """End training."""
        with self._lock:
            self._closed = True
        self._trainer.close()

    # -- inside -----------------------------------------------------------------------------------------

    def _put(self) -> None:
        """Tell who predicts what is looked at."""
        seen = self._shown or self._lesson
        self._live.set_recipe(None if seen is None else seen.recipe)

    def _is_current(self, document: Document) -> bool:
        lesson = self._lesson
        return lesson is not None and lesson.trained.key == document.training_key

    def _known(self, document: Document) -> Lesson | None:
        key = document.training_key
        found = self._lessons.get(key)
        if found is None and document.trained is not None and document.trained.key == key:
            found = lesson_of(document, document.trained)
        return found

    def _submit(self, document: Document) -> None:
        missing = _missing(document)
        if _painted(document) < 2:
            self._trainer.cancel()
            self._forget()
            self._tell(TrainingChanged("waiting", missing or PAINT))
            return
        selection = document.settings.selection
        if selection is None:
            self._trainer.cancel()
            self._forget()
            self._tell(TrainingChanged("waiting", "Choose features to see a result."))
            return
        settings = document.settings
        self._asked[document.training_key] = document
        while len(self._asked) > KEPT_FORESTS:
            self._asked.popitem(last=False)
        self._trainer.submit(
            TrainingJob(
                key=document.training_key,
                parts=lambda: self._parts(document),
                selection=replace(selection, vigra_structure=False),
                channels=settings.channels,
                options=TrainingOptions(settings.n_trees, settings.seed, settings.balance),
            )
        )

    def _forget(self) -> None:
        """Without strokes of two classes, or features, there is no result, as if there had never been any."""
        if self._lesson is not None:
            self._lesson = None
            self._put()

    def _parts(self, document: Document) -> tuple[LabelledPixels, ...]:
        """The labelled pixels of each image, on the thread that trains."""
        found = []
        for lane in document.lane_order:
            labels = document.map_of(lane)
            if not labels:
                continue
            opened = self._images.get(lane)
            where, y = labels.positions(document.values)
            limit = np.array([opened.image.shape5[a] for a in (0, 2, 3, 4)])
            inside = (where < limit).all(axis=1)
            if not inside.all():
                where, y = where[inside], y[inside]
            found.append(LabelledPixels(opened.key, opened.image, where, y))
        return tuple(found)

    def _heard(self, event: TrainingEvent) -> None:
        with self._lock:
            if self._closed:
                return
            document = self._document
            if isinstance(event, TrainingBegun):
                self._tell(TrainingChanged("running", "Training ..."))
            elif isinstance(event, TrainingDone):
                if document is not None:
                    self._learned(event, document)
            elif event.key == self._wanted:
                self._tell(TrainingChanged("failed", event.sentence))

    def _learned(self, event: TrainingDone, document: Document) -> None:
        """A forest came; it may belong to strokes that have been overtaken, and still is better than none."""
        asked = self._asked.get(event.key)
        if asked is None:
            return
        lesson = lesson_from(asked, event.trained, self._names(asked))
        lesson = replace(lesson, notices=event.notices)
        self._keep(lesson)
        seconds = event.rows_seconds + event.training_seconds
        self._use(lesson, "", seconds)

    def _names(self, document: Document) -> tuple[str, ...]:
        lane = next((k for k in document.lane_order if document.map_of(k)), None)
        selection, channels = document.settings.selection, document.settings.channels
        if lane is None or selection is None:
            return ()
        try:
            shape = self._images.image(lane).shape5
        except UnderbrushError:
            return ()
        return selection.names(shape[1] if channels is None else len(channels), shape[2] > 1)

    def _keep(self, lesson: Lesson) -> None:
        self._lessons[lesson.trained.key] = lesson
        self._lessons.move_to_end(lesson.trained.key)
        while len(self._lessons) > KEPT_FORESTS:
            self._lessons.popitem(last=False)

    def _use(self, lesson: Lesson, sentence: str, seconds: float = 0.0) -> None:
        self._lesson = lesson
        self._classes[lesson.recipe.key] = lesson.classes
        self._put()
        document = self._document
        said = sentence or _missing_hint(document) or _done(seconds)
        self._tell(TrainingChanged("done", said, lesson.recipe.key, seconds, lesson.oob))

    def _tell(self, state: TrainingChanged) -> None:
        self._state = state
        self._say(state)


def lesson_of(document: Document, trained: Trained) -> Lesson:
    """What a stored forest gives to prediction.

    Raises
    ------
    ValueError
        The document has no features.
    """
    selection = document.settings.selection
    if selection is None:
        raise ValueError("a forest without features")
    selection = replace(selection, vigra_structure=trained.vigra_structure)
    forest = trained.forest
    n_classes = max(len(document.class_order), int(max(forest.classes)))
    recipe = Recipe(selection, forest, n_classes, document.settings.channels)
    names = trained.info.feature_names
    return Lesson(trained, recipe, document.class_order, feature_names=names)


def kept_lesson(document: Document, kept: FrozenClassifier) -> Lesson:
    """What a classifier that was kept gives to prediction; its classes are those of the same name now.

    Raises
    ------
    ProjectError
        Its features are not known.
    """
    use, settings = kept.use, document.settings
    selection = settings.selection if use is None else use.selection
    if selection is None:
        raise ProjectError(
            f"the features of the classifier {kept.name!r} are not known",
            remedy="choose the features that it was trained with",
        )
    n_classes = max(len(use.classes) if use else 0, int(max(kept.forest.classes)))
    recipe = Recipe(selection, kept.forest, n_classes, settings.channels if use is None else use.channels)
    by_name = {document.classes[k].info.name: k for k in document.class_order}
    ids = (
        tuple(by_name.get(info.name, 0) for info in use.classes)
        if use is not None and use.classes
        else document.class_order
    )
    info = ClassifierInfo("forest", kept.forest.n_trees, (kept.forest.n_trees,), ())
    return Lesson(Trained(f"kept {kept.name}", kept.forest, info), recipe, ids)


def lesson_from(document: Document, result: TrainedForest, names: Sequence[str]) -> Lesson:
    """What a training for ``document`` gives."""
    settings = document.settings
    info = ClassifierInfo("forest", settings.n_trees, (settings.n_trees,), tuple(names))
    lesson = lesson_of(document, Trained(document.training_key, result.forest, info))
    oob = None if np.isnan(result.oob_score) else 1.0 - result.oob_score
    return replace(lesson, oob=oob, importances=result.importances, feature_names=tuple(names))


def _painted(document: Document) -> int:
    """Classes that have a stroke in some image."""
    return len({k for labels in document.labels.values() for k in labels.counts if k in document.classes})


def _missing(document: Document) -> str:
    """What to paint next, where a class has no stroke."""
    with_strokes = {k for labels in document.labels.values() for k in labels.counts}
    missing = [k for k in document.class_order if k not in with_strokes]
    if not missing:
        return ""
    if len(missing) == len(document.class_order):
        return PAINT
    return f"Now a stroke in {document.classes[missing[0]].info.name}."


def _done(seconds: float) -> str:
    return f"Trained in {max(seconds, 0.1):.1f} s. Wrong somewhere? Paint there."


def _missing_hint(document: Document | None) -> str:
    return "" if document is None else _missing(document)
