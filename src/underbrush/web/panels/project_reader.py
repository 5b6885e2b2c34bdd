"""What the panels show of a session and the viewer does not know: read in a thread, sent where it changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from underbrush.errors import UnderbrushError
from underbrush.web.panels.readings import (
    balance_sentence,
    classifier_rows,
    feature_data,
    feature_images,
    importance_rows,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from underbrush.core.geometry import Shape5
    from underbrush.engine.session import Session
    from underbrush.engine.teaching import Lesson
    from underbrush.project.document import Document
    from underbrush.project.schema import Source

MOST_MARKS = 400
"""Marks of a slider: strokes nearer together than a screen shows are one."""


class ProjectReader:
    """Reads one session for one window."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shapes: dict[str, tuple[Source, Shape5]] = {}
        self._marks: dict[str, tuple[object, dict[str, Any]]] = {}

    def read(self) -> dict[str, dict[str, Any]]:
        """Data of the parts, by name. Opens images that are not open yet: call it in a thread."""
        session = self._session
        document = session.document
        shapes = [shape for lane in document.lane_order if (shape := self._shape(document, lane))]
        selection, channels = document.settings.selection, _channels(document, shapes)
        presets, table = feature_data(selection, shapes, len(channels))
        return {
            "Quality": self._quality(document),
            "Classifiers": {
                "rows": classifier_rows(document.frozen, datetime.now(UTC).astimezone()),
                "trained": session.lesson is not None,
            },
            "Presets": {**presets, "locked": session.read_only is not None},
            "FeatureTable": {**table, "locked": session.read_only is not None},
            "FeatureImages": {"images": feature_images(selection, channels, table["volume"])},
            "Steps": {"counts": {"features": presets["count"]}},
            "Dims": {"marks": {lane: self._slices(document, lane) for lane in document.lane_order}},
        }

    def _shape(self, document: Document, lane: str) -> Shape5 | None:
        """Sizes of an image, also of one that is missing, as far as the project knows them."""
        raw = document.lanes[lane].raw
        known = self._shapes.get(lane)
        if known is not None and known[0] is raw:
            return known[1]
        try:
            shape = self._session.image(lane).shape5
        except UnderbrushError:
            return raw.shape5
        self._shapes[lane] = (raw, shape)
        return shape

    def _quality(self, document: Document) -> dict[str, Any]:
        lesson, settings = self._session.lesson, document.settings
        pixels = dict.fromkeys(document.class_order, 0)
        for labels in document.labels.values():
            for ident, count in labels.counts.items():
                pixels[ident] = pixels.get(ident, 0) + count
        named = [(document.classes[i].info.name, pixels[i]) for i in document.class_order]
        return {
            "oob": None if lesson is None else lesson.oob,
            "trained": lesson is not None,
            "importance": _importance(lesson),
            "balance": balance_sentence(named),
            "balanced": settings.balance,
            "settings": {"n_trees": settings.n_trees, "seed": settings.seed},
        }

    def _slices(self, document: Document, lane: str) -> dict[str, list[tuple[int, int]]]:
        """Where strokes are, as (index, class) along z and t; remembered while the labels are the same."""
        labels = document.labels.get(lane)
        shape = self._shape(document, lane)
        if labels is None or shape is None or (shape[0] == 1 and shape[2] == 1):
            return {}
        kept = self._marks.get(lane)
        if kept is not None and kept[0] is labels:
            return kept[1]
        axes = [("t", 0, shape[0]), ("z", 1, shape[2])]
        if shape[2] > 1:
            axes += [("y", 2, shape[3]), ("x", 3, shape[4])]
        lut = np.arange(256, dtype=np.uint8)
        where, ids = labels.positions(lut)
        found = {
            axis: [
                (int(at), int(ident))
                for at, ident in _thinned(np.unique(np.stack([where[:, column], ids], axis=1), axis=0))
            ]
            for axis, column, size in axes
            if size > 1
        }
        self._marks[lane] = (labels, found)
        return found


def _thinned(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most `MOST_MARKS` of the rows, evenly chosen."""
    if len(rows) <= MOST_MARKS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_MARKS).astype(np.intp)]


def _importance(lesson: Lesson | None) -> list[tuple[str, float]]:
    """Each filter at each scale with its share, largest first; empty for a forest that does not know."""
    if lesson is None or lesson.importances is None or len(lesson.feature_names) != len(lesson.importances):
        return []
    flat = all(" in 2D" in name for name in lesson.feature_names)
    return importance_rows(lesson.feature_names, lesson.importances.tolist(), flat)


def _channels(document: Document, shapes: list[Shape5]) -> tuple[int, ...]:
    """The channels that feed the features."""
    if document.settings.channels is not None:
        return document.settings.channels
    return tuple(range(shapes[0][1] if shapes else 1))
