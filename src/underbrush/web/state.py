"""The whole state of a project as one JSON object: what a browser shows around the picture."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from underbrush.core.geometry import shape_to_internal
from underbrush.errors import UnderbrushError
from underbrush.project.recovery import PROJECT_ID
from underbrush.project.schema import WRITTEN_VERSION
from underbrush.web.glances import is_rgb
from underbrush.web.planes import TILE, levels_of
from underbrush.web.reading import image_identity

if TYPE_CHECKING:
    from underbrush.engine.session import Session
    from underbrush.project.document import Document
    from underbrush.project.schema import Project, Source

COMPOSED = 3
"""Channels that a composite shows at first: more are hard to tell apart."""


def state_of(ident: str, session: Session, client: str) -> dict[str, Any]:
    """The state as in the design of the web part; ``undo`` and ``redo`` are those of ``client``.

    Opens images that are not open yet: call it in a thread.
    """
    document = session.document
    revision = session.revision
    return {
        "project": ident,
        "name": session.path.name,
        "path": str(session.path),
        "revision": revision,
        "read_only": session.read_only,
        "foreign": _is_foreign(document.base),
        "save": {"state": session.save_state.state, "sentence": session.save_state.sentence},
        "lanes": [_lane(session, document, lane) for lane in document.lane_order],
        "classes": _classes(document),
        "features": _features(document),
        "settings": {
            "n_trees": document.settings.n_trees,
            "seed": document.settings.seed,
            "balance": document.settings.balance,
            "channels": None if document.settings.channels is None else list(document.settings.channels),
        },
        "undo": session.undo_title(client),
        "redo": session.redo_title(client),
        "live": session.live,
        "training": training_json(session.training),
        "classifiers": [
            {"name": name, "created": one.created, "note": one.note}
            for name, one in sorted(document.frozen.items())
        ],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _is_foreign(base: Project) -> bool:
    """Whether what was read came from ilastik: it has its version, or a classifier, and nothing of ours."""
    if PROJECT_ID in base.own:
        return False
    return base.version != WRITTEN_VERSION or (base.forest is not None and not base.own)


def training_json(training: Any) -> dict[str, Any]:
    """A `TrainingChanged` for the browser."""
    return {
        "state": training.state,
        "sentence": training.sentence,
        "seconds": training.seconds,
        "oob": training.oob,
        "key": training.key,
    }


def _classes(document: Document) -> list[dict[str, Any]]:
    values = document.values
    return [
        {
            "id": ident,
            "value": int(values[ident]),
            "name": document.classes[ident].info.name,
            "colour": list(document.classes[ident].info.colour),
            "locked": document.classes[ident].locked,
        }
        for ident in document.class_order
    ]


def _features(document: Document) -> dict[str, Any] | None:
    selection = document.settings.selection
    if selection is None:
        return None
    return {
        "filters": list(selection.filters),
        "scales": list(selection.scales),
        "matrix": [list(row) for row in selection.matrix],
        "in_2d": None if selection.in_2d is None else list(selection.in_2d),
    }


def _lane(session: Session, document: Document, ident: str) -> dict[str, Any]:
    entry = document.lanes[ident]
    said: dict[str, Any] = {
        "id": ident,
        "nickname": entry.nickname,
        "location": entry.raw.stored,
        "strokes": _strokes(session, ident),
        "range": _range(entry.raw),
        "display": entry.raw.display_mode,
        "tile": TILE,
        "mask": None if entry.mask is None else _mask(session, ident),
    }
    try:
        image = session.image(ident)
    except UnderbrushError as error:
        return {**said, **_unopened(entry.raw), "missing": str(error)}
    info = image.info
    return {
        **said,
        "first": _first_channels(document, image.shape5[1]),
        "axes": info.axes,
        "shape": list(image.shape5),
        "dtype": info.dtype.name,
        "rgb": is_rgb(image),
        "v": image_identity(image),
        "levels": levels_of(image.shape5),
        "pixel_size": {axis: list(size) for axis, size in info.pixel_size.items()},
        "channels": list(info.channels),
        "missing": None,
        "problems": list(info.problems),
    }


def _first_channels(document: Document, count: int) -> list[int]:
    """The channels that a composite begins with: of those that feed the features, where some were chosen."""
    feeding = [c for c in document.settings.channels or () if c < count]
    return (feeding or list(range(count)))[:COMPOSED]


def _mask(session: Session, ident: str) -> dict[str, Any] | None:
    """What stands for the mask of an image, or why it cannot be had."""
    try:
        mask = session.mask(ident)
    except UnderbrushError as error:
        return {"v": "", "missing": str(error)}
    return None if mask is None else {"v": image_identity(mask)}


def _range(source: Source) -> list[float] | None:
    """What is shown as black and white, where the project says so and is not told to leave it."""
    said = source.display_range
    return None if said is None or source.normalize_display is False else list(said)


def _unopened(source: Source) -> dict[str, Any]:
    """What the project knows of an image that cannot be opened."""
    known = source.axes is not None and source.shape is not None and len(source.axes) == len(source.shape)
    shape = shape_to_internal(source.shape or (), source.axes or "") if known else (1, 1, 1, 1, 1)
    return {
        "axes": source.axes or "",
        "shape": list(shape),
        "dtype": "",
        "rgb": False,
        "v": "",
        "levels": levels_of(shape),
        "pixel_size": {axis: list(size) for axis, size in source.pixel_size.items()},
        "channels": [],
        "first": [0],
        "problems": [],
    }


def _strokes(session: Session, ident: str) -> dict[str, list[int]]:
    """Class id -> [strokes, pixels]."""
    return {str(k): list(counts) for k, counts in session.labels(ident).strokes.by_class.items()}
