"""What a command did to a document, so that it can be done again, taken back and written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.label_map import LabelMap
from underbrush.core.runs import pack_bytes, pack_rows
from underbrush.errors import CommandError
from underbrush.project.carrying import carried
from underbrush.project.document import Document, lane_number
from underbrush.project.entries import SETTINGS, LaneEntry
from underbrush.project.values_json import (
    MAX_TEXT,
    Json,
    class_from_json,
    class_to_json,
    export_from_json,
    export_to_json,
    flag,
    frozen_from_json,
    frozen_to_json,
    labels_from_json,
    lane_from_json,
    lane_to_json,
    listed,
    mapping,
    maybe,
    selection_from_json,
    selection_to_json,
    shown,
    text,
    whole,
)


@dataclass(frozen=True)
class CellChange:
    """One cell of a document before and after."""

    path: tuple[str, str]
    """("lane", id), ("class", id), ("setting", name) or ("frozen", name)."""
    before: Any
    """The cell's value; None: absent (or, of a setting, None)."""
    after: Any


@dataclass(frozen=True, eq=False)
class LabelChange:
    """Labels of one image before and after."""

    lane: str
    runs: NDArray[np.int32]
    """(n, 5) t z y x length, sorted, disjoint."""
    before: NDArray[np.uint8]
    """(n,) class ids that all pixels of a run had; 0 none."""
    after: NDArray[np.uint8]
    """(n,) class ids that they have now."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LabelChange)
            and self.lane == other.lane
            and np.array_equal(self.runs, other.runs)
            and np.array_equal(self.before, other.before)
            and np.array_equal(self.after, other.after)
        )

    def __hash__(self) -> int:
        return hash((self.lane, self.runs.tobytes(), self.before.tobytes(), self.after.tobytes()))

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(self.runs[:, 4].sum(dtype=np.int64))

    @cached_property
    def bounds(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """First and one behind the last t z y x; there must be pixels."""
        stop = self.runs[:, :4].astype(np.int64) + 1
        stop[:, 3] += self.runs[:, 4] - 1
        return tuple(self.runs[:, :4].min(axis=0).tolist()), tuple(stop.max(axis=0).tolist())


Change = CellChange | LabelChange


@dataclass(frozen=True)
class Edit:
    """A command that was carried out."""

    sequence: int
    """Its place in the one order of all edits, from 1."""
    client: str
    number: int
    """Of the command, counted by its client."""
    kind: str
    """Of the command: "paint", "undo", ..."""
    title: str
    """For people: "Stroke in Nucleus"."""
    changes: tuple[Change, ...]
    undoes: int | None = None
    """Sequence of the edit that it takes back."""
    redoes: int | None = None
    """Sequence of the undo that it takes back."""
    time: str = ""
    """UTC, ISO 8601."""
    notices: tuple[str, ...] = ()
    """Sentences for the person: what came otherwise than expected."""


def forward(document: Document, changes: Iterable[Change]) -> Document:
    """The document after ``changes``, which were made on exactly this document."""
    for change in changes:
        if isinstance(change, CellChange):
            document = with_cell(document, change.path, change.after)
        else:
            document, _ = with_labels(document, change.lane, change.runs, change.after)
    return document


def backward(
    document: Document, changes: Iterable[Change]
) -> tuple[Document, tuple[Change, ...], tuple[str, ...]]:
    """Take back of ``changes`` what is still as they left it.

    Gives the document, the changes really made (`forward` makes them again), and a sentence for each
    thing that was left because it was changed or is needed by others.
    """
    taking = Taking(document)
    for change in reversed(tuple(changes)):
        if isinstance(change, CellChange):
            taking.cell(change)
        else:
            taking.labels(change)
    return taking.document, tuple(taking.made), tuple(dict.fromkeys(taking.said))


def cell(document: Document, path: tuple[str, str]) -> Any:
    """The value of a cell, None where it is absent."""
    kind, name = path
    if kind == "lane":
        return document.lanes.get(name)
    if kind == "class":
        return document.classes.get(int(name))
    if kind == "frozen":
        return document.frozen.get(name)
    return getattr(document.settings, name)


def with_cell(document: Document, path: tuple[str, str], value: Any) -> Document:
    """The document with one cell set; None removes it (of a setting: is its value)."""
    kind, name = path
    if kind == "setting":
        return replace(document, settings=replace(document.settings, **{name: value}))
    if kind == "class":
        found = _with(document.classes, int(name), value)
        return replace(document, classes=found, last_class=max(document.last_class, int(name)))
    if kind == "frozen":
        return replace(document, frozen=_with(document.frozen, name, value))
    labels = document.labels
    if value is not None and name in labels and labels[name].volume != value.volume:
        # Blocks follow the image, so that equal labels of equal images are equal maps.
        labels = _with(labels, name, _reblocked(labels[name], value.volume))
    return replace(
        document,
        lanes=_with(document.lanes, name, value),
        labels=labels,
        last_lane=max(document.last_lane, lane_number(name)),
    )


def with_labels(
    document: Document,
    lane: str,
    runs: NDArray[np.int32],
    ids: NDArray[np.uint8],
    only: NDArray[np.uint8] | None = None,
) -> tuple[Document, LabelChange]:
    """The document with class ids (n,) set on runs (n, 5) of one image, and what changed by it.

    ``only`` (n,): where they are these now.
    """
    old = document.labels.get(lane)
    if old is None:
        entry = document.lanes.get(lane)
        old = LabelMap.empty(entry is not None and entry.volume)
    new, changes = old.painted(runs, ids, only=only)
    change = LabelChange(lane, changes.runs, changes.before, changes.after)
    return replace(document, labels=_with(document.labels, lane, new or None)), change


def geometry_changes(document: Document, lane: str, new: LaneEntry) -> tuple[Change, ...]:
    """The changes that turn a lane into ``new`` with its labels carried over; ``new.parked`` is replaced."""
    old = document.lanes[lane]
    before = document.map_of(lane)
    after, parked = carried(old, before, new)
    entry = CellChange(("lane", lane), old, replace(new, parked=parked))
    same_places = before.rows()[0].tobytes() == after.rows()[0].tobytes()
    if same_places and before.rows()[1].tobytes() == after.rows()[1].tobytes():
        return (entry,)
    runs, ids = before.rows()
    placed, new_ids = after.rows()
    nothing, later = np.zeros(len(ids), np.uint8), np.zeros(len(new_ids), np.uint8)
    changes: list[Change] = []
    if len(runs):
        changes.append(LabelChange(lane, runs, ids, nothing))
    changes.append(entry)
    if len(placed):
        changes.append(LabelChange(lane, placed, later, new_ids))
    return tuple(changes)


def geometry(entry: LaneEntry) -> tuple[object, ...]:
    """What says where the pixels of a lane are."""
    return entry.raw.axes, entry.raw.shape, entry.raw.stored, entry.raw.inner


def moves_pixels(before: object, after: object) -> bool:
    """Whether two lane cells differ in where their pixels are."""
    return (
        isinstance(before, LaneEntry) and isinstance(after, LaneEntry) and geometry(before) != geometry(after)
    )


class Taking:
    """Changes being taken back one after the other: the document so far, what was made and is to be said."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.made: list[Change] = []
        self.said: list[str] = []
        self._stuck: set[str] = set()

    def reachable(self, lane: str) -> bool:
        """Whether labels of the lane can be taken back; says why not."""
        if lane in self._stuck:
            return False
        if lane not in self.document.lanes:
            self.said.append("The image of these strokes was removed since; it stays so.")
            return False
        return True

    def cell(self, change: CellChange) -> None:
        """Take a cell back, if it is still as the change left it and nobody else needs it."""
        kind, name = change.path
        document = self.document
        if kind == "lane" and name in self._stuck:
            return
        now = cell(document, change.path)
        if now != change.after:
            self.said.append(f"{_named(change)} was changed since and stays as it is.")
            if kind == "lane":
                self._stuck.add(name)
            return
        if change.before is None and kind == "lane" and name in document.labels:
            self.said.append(f"{_named(change)} stays, for it has strokes of somebody else.")
            return
        if change.before is None and kind == "class" and _used(document, int(name)):
            self.said.append(f"{_named(change)} stays, for somebody else painted with it.")
            return
        steps: tuple[Change, ...] = (CellChange(change.path, now, change.before),)
        if moves_pixels(change.before, now) and name in document.labels:
            # Strokes that others painted meanwhile follow their pixels.
            rest = replace(document, lanes=_with(document.lanes, name, replace(now, parked=())))
            carried_back = geometry_changes(rest, name, replace(change.before, parked=()))
            steps = tuple(_reparked(s, change, now) for s in carried_back)
        self.made.extend(steps)
        self.document = forward(document, steps)

    def labels(self, change: LabelChange) -> None:
        """Take labels back where they are still as the change left them."""
        if not self.reachable(change.lane):
            return
        exists = self.document.values != 0
        exists = exists | (np.arange(256) == 0)
        keep = exists[change.before]
        if not keep.all():
            self.said.append("Labels of a class that was deleted since do not come back.")
        self.document, done = with_labels(
            self.document, change.lane, change.runs[keep], change.before[keep], only=change.after[keep]
        )
        left = int(change.runs[keep, 4].sum(dtype=np.int64)) - done.size
        if left:
            self.said.append(f"{left} pixels were changed since and stay as they are.")
        if done.size:
            self.made.append(done)


def _reparked(step: Change, change: CellChange, now: LaneEntry) -> Change:
    """What was parked before the change is parked again, beside what is parked by taking it back."""
    if not isinstance(step, CellChange):
        return step
    parked = (*change.before.parked, *step.after.parked)
    return CellChange(step.path, now, replace(step.after, parked=parked))


def _used(document: Document, class_id: int) -> bool:
    return any(class_id in m.counts for m in document.labels.values())


def _named(change: CellChange) -> str:
    kind, name = change.path
    value = change.after if change.after is not None else change.before
    if kind == "lane":
        return f"The image {value.nickname!r}"
    if kind == "class":
        return f"The class {value.info.name!r}"
    return f"The classifier {name!r}" if kind == "frozen" else f"The setting {name!r}"


def _with(cells: Mapping[Any, Any], name: object, value: Any) -> Mapping[Any, Any]:
    found = {k: v for k, v in cells.items() if k != name}
    if value is not None:
        found[name] = value
    return MappingProxyType(found)


def _reblocked(labels: LabelMap, volume: bool) -> LabelMap:
    runs, ids = labels.rows()
    return LabelMap.empty(volume).painted(runs, ids)[0]


# -- JSON -----------------------------------------------------------------------------------------------

_CELLS: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any, str], Any]]] = MappingProxyType(
    {
        "lane": (lane_to_json, lane_from_json),
        "class": (class_to_json, class_from_json),
        "frozen": (frozen_to_json, frozen_from_json),
        "selection": (selection_to_json, selection_from_json),
        "export": (export_to_json, export_from_json),
        "channels": (list, lambda v, w: tuple(whole(c, w) for c in listed(v, w))),
        "n_trees": (int, whole),
        "seed": (int, lambda v, w: whole(v, w, -(1 << 62), 1 << 62)),
        "balance": (bool, flag),
    }
)


def to_json(edit: Edit) -> Json:
    """An edit as a JSON object; arrays are base64 of deflated little-endian numbers."""
    said: Json = {
        "sequence": edit.sequence, "client": edit.client, "number": edit.number, "kind": edit.kind,
        "title": edit.title, "time": edit.time, "changes": [_change_to_json(c) for c in edit.changes],
    }  # fmt: skip
    for name in ("undoes", "redoes"):
        if getattr(edit, name) is not None:
            said[name] = getattr(edit, name)
    if edit.notices:
        said["notices"] = list(edit.notices)
    return said


def from_json(value: object) -> Edit:
    """The edit of `to_json`.

    Raises
    ------
    CommandError
        It is none.
    """
    said = mapping(value, "the edit")
    return Edit(
        sequence=whole(said.get("sequence"), "sequence", 1, 1 << 62),
        client=text(said.get("client"), "client", 200),
        number=whole(said.get("number"), "number", 0, 1 << 62),
        kind=text(said.get("kind"), "kind", 100),
        title=text(said.get("title"), "title", 2 * MAX_TEXT),
        changes=tuple(_change_from_json(c) for c in listed(said.get("changes"), "changes")),
        undoes=maybe(whole, said.get("undoes"), "undoes"),
        redoes=maybe(whole, said.get("redoes"), "redoes"),
        time=text(said.get("time", ""), "time", 100),
        notices=tuple(text(n, "notice", 4 * MAX_TEXT) for n in listed(said.get("notices", []), "notices")),
    )


def _change_to_json(change: Change) -> Json:
    if isinstance(change, LabelChange):
        return {
            "lane": change.lane,
            "runs": pack_rows(change.runs),
            "before": pack_bytes(change.before.tobytes()),
            "after": pack_bytes(change.after.tobytes()),
        }
    kind, name = change.path
    write = _CELLS[name if kind == "setting" else kind][0]
    before, after = (None if v is None else write(v) for v in (change.before, change.after))
    return {"path": [kind, name], "before": before, "after": after}


def _change_from_json(value: object) -> Change:
    said = mapping(value, "the change")
    if "path" not in said:
        runs, (before, after) = labels_from_json(said, ("before", "after"))
        return LabelChange(text(said.get("lane"), "lane", 100), runs, before, after)
    path = [text(p, "path", MAX_TEXT) for p in listed(said["path"], "path", 2)]
    if len(path) != 2:
        raise CommandError("the path of a change has no two parts", remedy="send it again as it was made")
    kind, name = path
    known = name in SETTINGS if kind == "setting" else kind in ("lane", "class", "frozen")
    if not known or (kind == "class" and not (name.isascii() and name.isdigit() and 0 < int(name) < 256)):
        raise CommandError(f"there is no cell {shown(kind)} {shown(name)}", remedy="update Underbrush")
    read = _CELLS[name if kind == "setting" else kind][1]
    before, after = (maybe(read, said.get(side), f"{kind} {name}") for side in ("before", "after"))
    return CellChange((kind, name), before, after)
