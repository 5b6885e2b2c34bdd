"""What is told to browsers, as the text and bytes that go over the websocket."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.engine.events import LabelsChanged, Notice, SaveChanged, TrainingChanged
from underbrush.engine.views import TileDone, ViewNotice, ViewProgress
from underbrush.web.hub import Preparing

MOST_RUNS = 20_000
"""Runs that are told one by one; of larger changes only the box is said, and labels are fetched again."""


def text(kind: str, **said: Any) -> str:
    """A text frame."""
    return json.dumps({"type": kind, **said}, separators=(",", ":"), allow_nan=False)


def binary(said: dict[str, Any], payload: bytes) -> bytes:
    """A binary frame: length of the JSON (u32, little-endian), JSON, payload."""
    head = json.dumps(said, separators=(",", ":"), allow_nan=False).encode()
    return b"".join((struct.pack("<I", len(head)), head, payload))


def labels_frame(event: LabelsChanged) -> str:
    """Who changed which pixels to what."""
    runs, after = event.change.runs, event.change.after
    changes: list[int] | None = None
    if len(runs) <= MOST_RUNS:
        changes = np.column_stack([runs, after.astype(np.int32)]).reshape(-1).tolist()
    return text(
        "labels",
        lane=event.lane,
        revision=event.revision,
        client=event.client,
        number=event.number,
        box=_box(runs),
        changes=changes,
    )


def _box(runs: NDArray[np.int32]) -> list[int]:
    """t0 z0 y0 x0 t1 z1 y1 x1, stop exclusive."""
    if not len(runs):
        return [0] * 8
    first, last = runs[:, :4].min(axis=0), runs[:, :4].max(axis=0) + 1
    last[3] = (runs[:, 3] + runs[:, 4]).max()
    return [*first.tolist(), *last.tolist()]


def training_frame(event: TrainingChanged) -> str:
    """How far the forest is."""
    return text(
        "training",
        state=event.state,
        sentence=event.sentence,
        seconds=event.seconds,
        oob=event.oob,
        key=event.key,
    )


def save_frame(event: SaveChanged) -> str:
    """What is said of saving."""
    return text("save", state=event.state, sentence=event.sentence)


def notice_frame(event: Notice | ViewNotice) -> str:
    """A sentence."""
    return text("notice", level=event.level, sentence=event.sentence)


def progress_frame(event: ViewProgress) -> str:
    """How much of a view has been sent."""
    return text("progress", view=event.viewer[1], done=event.done, total=event.total)


def preparing_frame(state: Preparing) -> str:
    """How far the compiling is; an empty sentence when it is over."""
    return text("progress", view="preparing", done=state.done, total=state.total, sentence=state.sentence)


def tile_place(event: TileDone) -> tuple[Any, ...]:
    """Where a tile lies, whatever its key: a newer one takes its place."""
    return event.lane, event.layer, event.place


def tile_head(event: TileDone, layer: str) -> dict[str, Any]:
    """What is said of a tile, but for the view."""
    place = event.place
    return {
        "type": "tile",
        "layer": layer,
        "lane": event.lane,
        "key": event.key,
        "t": place.t,
        "plane": place.plane,
        "slice": place.slice,
        "level": place.level,
        "x": place.x,
        "y": place.y,
        "w": place.width,
        "h": place.height,
    }


def tile_pixels(event: TileDone, class_ids: NDArray[np.uint8]) -> tuple[dict[str, Any], bytes]:
    """dtype (and range) and pixels: ids for a segmentation, float32 for a feature, else value * 255.

    ``class_ids`` (256,) gives the id of each class value.
    """
    array = event.array
    if event.layer == "segmentation":
        return {"dtype": "uint8"}, class_ids[array].tobytes()
    if event.layer.startswith("feature:"):
        said = {"dtype": "float32", "low": event.low, "high": event.high}
        return said, np.ascontiguousarray(array, "<f4").tobytes()
    # Halves go up, as people round; numpy alone would round to even.
    return {"dtype": "uint8"}, np.floor(array * 255 + 0.5).astype(np.uint8).tobytes()
