"""Commands that paint: strokes, fills, labels from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from underbrush.core.filling import PLANES, Plane, fill_equal, fill_similar, lasso
from underbrush.core.geometry import Box
from underbrush.core.label_map import LabelMap
from underbrush.core.labels import LabelBlock, make_block
from underbrush.core.runs import Runs, pack_bytes, unpack_bytes
from underbrush.errors import CommandError
from underbrush.project.command import (
    CLASS,
    CLASS_OR_NONE,
    FLAG,
    INDEX,
    LANE,
    TEXT,
    Author,
    Command,
    Context,
    Kind,
    Outcome,
    class_of,
    lane_of,
    locked_ids,
    shape_of,
)
from underbrush.project.document import Document
from underbrush.project.edits import LabelChange
from underbrush.project.values_json import Json, listed, mapping, number, shown, whole

MAX_POINTS = 100_000
_MAX_IMPORT = 1 << 28


def _read_runs(value: object, what: str) -> Runs:
    return Runs.from_text(value) if isinstance(value, str) else Runs.from_array(listed(value, what, 1 << 24))


def _read_points(value: object, what: str) -> tuple[tuple[float, float], ...]:
    found = []
    for pair in listed(value, what, MAX_POINTS):
        column, row = (*listed(pair, what, 2), None, None)[:2]
        found.append((number(column, what), number(row, what)))
    return tuple(found)


def _one_of(*known: str) -> Kind:
    def read(value: object, what: str) -> str:
        if not isinstance(value, str) or value not in known:
            raise CommandError(f"{what} is {shown(value)}", remedy=f"use {' or '.join(known)}")
        return value

    return Kind(read)


def _blocks_to_json(blocks: tuple[LabelBlock, ...]) -> list[Json]:
    return [
        {"start": list(b.box.start), "stop": list(b.box.stop), "values": pack_bytes(b.values.tobytes())}
        for b in blocks
    ]


def _blocks_from_json(value: object, what: str) -> tuple[LabelBlock, ...]:
    found, total = [], 0
    for item in listed(value, what, 1 << 17):
        said = mapping(item, what)
        ends = []
        for side in ("start", "stop"):
            t, c, z, y, x = (*(whole(v, what) for v in listed(said.get(side), what, 5)), 0, 0, 0, 0, 0)[:5]
            ends.append((t, c, z, y, x))
        box = Box(ends[0], ends[1])
        total += box.size
        if not box.size or total > _MAX_IMPORT:
            raise CommandError(f"{what} hold nothing or too much", remedy="give blocks of labels")
        data = unpack_bytes(said.get("values"), box.size)
        if len(data) != box.size:
            raise CommandError(f"{what} do not fill their box", remedy="give one label a pixel")
        found.append(make_block(box, np.frombuffer(data, np.uint8).reshape(box.shape)))
    return tuple(found)


RUNS = Kind(_read_runs, lambda runs: runs.text, Runs)
POINTS = Kind(_read_points, lambda points: [list(p) for p in points])
PLANE = _one_of(*PLANES)
BLOCKS = Kind(_blocks_from_json, _blocks_to_json)
_PIXEL: Mapping[str, Kind] = {"lane": LANE, "t": INDEX, "z": INDEX, "y": INDEX, "x": INDEX}


def painted(
    document: Document, lane: str, runs: Runs | NDArray[np.int32], ids: int | NDArray[np.uint8]
) -> tuple[LabelChange, ...]:
    """The change that sets class ids on runs of a lane, but for pixels of locked classes."""
    _, done = document.map_of(lane).painted(runs, ids, protected=locked_ids(document), bounded=True)
    return (LabelChange(lane, done.runs, done.before, done.after),) if len(done.runs) else ()


def _brush(document: Document, class_id: int) -> str:
    """Name of the class that is painted with; empty for erasing."""
    return class_of(document, class_id, unlocked=True).info.name if class_id else ""


def _pixel_in(document: Document, context: Context, command: Any) -> tuple[int, int, int, int]:
    shape = shape_of(document, context, command.lane)
    pixel = command.t, command.z, command.y, command.x
    if any(v >= n for v, n in zip(pixel, (shape[0], *shape[2:]), strict=True)):
        raise CommandError(
            f"the pixel t {pixel[0]}, z {pixel[1]}, y {pixel[2]}, x {pixel[3]} lies outside the image",
            remedy="choose one inside",
        )
    return pixel


@dataclass(frozen=True)
class Paint(Command):
    """A stroke: pixels of one image get a class, or none."""

    lane: str
    runs: Runs
    class_id: int
    """0 erases."""

    TYPE: ClassVar[str] = "paint"
    KINDS: ClassVar[Mapping[str, Kind]] = {"lane": LANE, "runs": RUNS, "class_id": CLASS_OR_NONE}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; the pixels must lie inside the image."""
        name = _brush(document, self.class_id)
        shape = shape_of(document, context, self.lane)
        if self.runs.clipped(shape).size != self.runs.size:
            raise CommandError(
                f"the stroke leaves the image, which is {shape[4]} x {shape[3]} pixels",
                remedy="paint inside the image",
            )
        return Outcome(
            f"Stroke in {name}" if name else "Eraser", painted(document, self.lane, self.runs, self.class_id)
        )


@dataclass(frozen=True)
class Fill(Command):
    """Pixels of one plane that hang together with a seed, by label or by value, get a class, or none."""

    lane: str
    t: int
    z: int
    y: int
    x: int
    class_id: int
    by: str = "label"
    """"label" or "value"."""
    tolerance: float = 0.0
    """By value: how far each channel may be from the seed's."""
    plane: Plane = "xy"

    TYPE: ClassVar[str] = "fill"
    KINDS: ClassVar[Mapping[str, Kind]] = {
        **_PIXEL,
        "class_id": CLASS_OR_NONE,
        "by": _one_of("label", "value"),
        "tolerance": Kind(lambda v, w: number(v, w, 0)),
        "plane": PLANE,
    }

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        name = _brush(document, self.class_id)
        seed = _pixel_in(document, context, self)
        shape = shape_of(document, context, self.lane)
        if self.by == "label":
            filled = fill_equal(document.map_of(self.lane).read, seed, self.plane, shape)
        else:
            filled = fill_similar(
                lambda box: context.read(self.lane, box), seed, self.plane, shape, self.tolerance
            )
        said = f"The fill ended after {filled.runs.size} pixels; there would be more."
        changes = painted(document, self.lane, filled.runs, self.class_id)
        return Outcome(
            f"Fill in {name}" if name else "Erased by fill", changes, (said,) if filled.capped else ()
        )


@dataclass(frozen=True)
class Lasso(Command):
    """The pixels inside an outline get a class, or none; see `core.filling.lasso`."""

    lane: str
    points: tuple[tuple[float, float], ...]
    """(column, row) in the plane; pixel k covers k to k + 1."""
    class_id: int
    t: int = 0
    index: int = 0
    """Index along the axis that the plane does not show."""
    plane: Plane = "xy"

    TYPE: ClassVar[str] = "lasso"
    KINDS: ClassVar[Mapping[str, Kind]] = {
        "lane": LANE, "points": POINTS, "class_id": CLASS_OR_NONE, "t": INDEX, "index": INDEX, "plane": PLANE,
    }  # fmt: skip
    KEYS: ClassVar[Mapping[str, str]] = {"class_id": "class", "index": "slice"}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        name = _brush(document, self.class_id)
        shape = shape_of(document, context, self.lane)
        hidden = "tczyx".index(PLANES[self.plane][2])
        if self.t >= shape[0] or self.index >= shape[hidden]:
            raise CommandError("the outline lies outside the image", remedy="draw it inside")
        points = np.array(self.points, np.float64).reshape(-1, 2)
        runs = lasso(points, self.plane, self.t, self.index, shape)
        if not runs.size:
            raise CommandError("the outline holds no pixel", remedy="draw a larger one")
        changes = painted(document, self.lane, runs, self.class_id)
        return Outcome(f"Lasso in {name}" if name else "Erased by lasso", changes)


@dataclass(frozen=True)
class ImportLabels(Command):
    """Labels from elsewhere are painted; where they are 0 nothing changes, or is erased (``replace``)."""

    lane: str
    blocks: tuple[LabelBlock, ...]
    """Of class ids."""
    title: str = "Labels imported"
    replace: bool = False

    TYPE: ClassVar[str] = "import_labels"
    KINDS: ClassVar[Mapping[str, Kind]] = {
        "lane": LANE, "blocks": BLOCKS, "title": TEXT, "replace": FLAG,
    }  # fmt: skip

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; every class must be there, and the labels inside the image."""
        shape = shape_of(document, context, self.lane)
        whole_image = Box.whole(shape).replace(c=(0, 1))
        if not all(whole_image.contains(b.box) for b in self.blocks):
            raise CommandError("labels lie outside the image", remedy="import labels of this image")
        labels = LabelMap.from_blocks(self.blocks, document.lanes[self.lane].volume)
        for class_id in labels.counts:
            class_of(document, class_id, unlocked=True)
        if not self.replace:
            return Outcome(self.title, painted(document, self.lane, *labels.rows()))
        old = document.map_of(self.lane)
        # Labels that stay are not touched, so that an undo of somebody else still finds them.
        gone, _ = old.painted(labels.rows()[0], 0)[0].rows()
        erased = painted(document, self.lane, gone, 0)
        return Outcome(self.title, (*erased, *painted(document, self.lane, *labels.rows())))


@dataclass(frozen=True)
class DeleteStroke(Command):
    """The pixels of one class that hang together with a pixel lose their label."""

    lane: str
    t: int
    z: int
    y: int
    x: int

    TYPE: ClassVar[str] = "delete_stroke"
    KINDS: ClassVar[Mapping[str, Kind]] = _PIXEL

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        runs, name = _stroke(document, context, self)
        return Outcome(f"Stroke in {name} deleted", painted(document, self.lane, runs, 0))


@dataclass(frozen=True)
class RelabelStroke(Command):
    """The pixels of one class that hang together with a pixel get another class."""

    lane: str
    t: int
    z: int
    y: int
    x: int
    class_id: int

    TYPE: ClassVar[str] = "relabel_stroke"
    KINDS: ClassVar[Mapping[str, Kind]] = {**_PIXEL, "class_id": CLASS}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        new = class_of(document, self.class_id, unlocked=True).info.name
        runs, name = _stroke(document, context, self)
        return Outcome(
            f"Stroke in {name} changed to {new}", painted(document, self.lane, runs, self.class_id)
        )


def _stroke(document: Document, context: Context, command: Any) -> tuple[Runs, str]:
    lane_of(document, command.lane)
    pixel = _pixel_in(document, context, command)
    labels = document.map_of(command.lane)
    class_id = labels.at(*pixel)
    if not class_id:
        raise CommandError("there is no stroke at this pixel", remedy="click on a stroke")
    return labels.component(*pixel), class_of(document, class_id, unlocked=True).info.name


COMMANDS: tuple[type[Command], ...] = (Paint, Fill, Lasso, ImportLabels, DeleteStroke, RelabelStroke)
