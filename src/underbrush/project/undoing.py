"""Undo and redo among several clients.

The label of a pixel is that of the newest edit in force which set it, below all of them what was there
first. Undo takes an edit out of force, redo puts it back: what others painted over it stays, what lay
under it shows again unless it was undone meanwhile, and the order of two undos makes no difference. Cells
(classes, images, settings) are taken back where they are still as the edit left them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import lt

import numpy as np
from numpy.typing import NDArray

from underbrush.core.label_map import LabelMap
from underbrush.project.document import Document
from underbrush.project.edits import (
    CellChange,
    Change,
    Edit,
    LabelChange,
    Taking,
    backward,
    geometry,
    moves_pixels,
    with_labels,
)
from underbrush.project.history import History


def undone(document: Document, history: History, edit: Edit) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The changes that take ``edit`` (no undo) back, and what is to be said of it."""
    root = history.root_of(edit)
    if root is None or _moves(root):
        _, changes, notices = backward(document, edit.changes)
        return changes, notices
    return _toggled(document, history, root, edit.changes, on=False)


def redone(document: Document, history: History, undo: Edit) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The changes that take an undo back, and what is to be said of it."""
    root = history.root_of(undo)
    if root is None or _moves(root):
        _, changes, notices = backward(document, undo.changes)
        return changes, notices
    return _toggled(document, history, root, undo.changes, on=True)


def _toggled(
    document: Document, history: History, root: Edit, last: Iterable[Change], on: bool
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Put ``root`` in force or out of it; its cells are taken back from ``last``, which set them last."""
    cells = {c.path: c for c in last if isinstance(c, CellChange)}
    taking = Taking(document)
    for change in root.changes if on else reversed(root.changes):
        if isinstance(change, LabelChange):
            _labels(taking, history, root, change, on)
        elif change.path in cells:
            taking.cell(cells[change.path])
    return tuple(taking.made), tuple(dict.fromkeys(taking.said))


def _labels(taking: Taking, history: History, root: Edit, change: LabelChange, on: bool) -> None:
    document, lane = taking.document, change.lane
    if not taking.reachable(lane):
        return
    if _geometry_at(history, root, lane) not in (None, geometry(document.lanes[lane])):
        taking.said.append(
            f"The axes or the file of {document.lanes[lane].nickname!r} were changed since; its labels stay"
            " as they are."
        )
        return
    volume = document.lanes[lane].volume
    mine, _ = LabelMap.empty(volume).painted(change.runs, 1)
    size = mine.size
    if not on:
        # Only what is as it was left, whatever is no longer known of the edits in between.
        other = np.where(change.after == 255, 254, 255).astype(np.uint8)
        _, still = document.map_of(lane).painted(change.runs, other, only=change.after)
        mine, _ = LabelMap.empty(volume).painted(still.runs, 1)
    for newer in _touching(history, change, lane, root.sequence + 1, None):
        if history.in_force(newer[0]):
            mine, _ = mine.painted(newer[1].runs, 0)
    if mine.size < size:
        taking.said.append(f"{size - mine.size} pixels were changed since and stay as they are.")
    runs, ids = _cut(change.runs, change.after if on else change.before, mine, volume)
    if not on:
        runs, ids = _below(history, root, change, (runs, ids), volume)
    exists = document.values != 0
    exists = exists | (np.arange(256) == 0)
    keep = exists[ids]
    if not keep.all():
        taking.said.append("Labels of a class that was deleted since do not come back.")
    taking.document, done = with_labels(document, lane, runs[keep], ids[keep])
    if done.size:
        taking.made.append(done)


Labels = tuple[NDArray[np.int32], NDArray[np.uint8]]
"""Runs (n, 5), disjoint, and class ids (n,), 0 among them."""


def _below(history: History, root: Edit, change: LabelChange, labels: Labels, volume: bool) -> Labels:
    """The labels under ``change`` as they would be now; ``labels`` is what was there when it was made."""
    older = list(_touching(history, change, change.lane, 0, root.sequence))
    toggled = set(history.roots.values())
    if not any(edit.sequence in toggled for edit, _ in older):
        # Whatever lies below has been in force all the time since. (One that was undone when this edit was
        # made, and redone since, was not in what it found.)
        return labels
    runs, ids = labels
    used = {0, *ids.tolist()}.union(*((*o.before.tolist(), *o.after.tolist()) for _, o in older))
    nothing = next((k for k in range(255, 0, -1) if k not in used), None)
    if nothing is None:
        return labels
    # In these maps "no label" is an id too, so that it can be told from pixels that are not asked about.
    shown = np.arange(256, dtype=np.uint8)
    shown[0] = nothing
    result, _ = LabelMap.empty(volume).painted(runs, shown[ids])
    open_, _ = LabelMap.empty(volume).painted(runs, 1)
    for edit, below in reversed(older):
        rest, found = open_.painted(below.runs, 0)
        if not len(found.runs):
            continue
        here, _ = LabelMap.empty(volume).painted(found.runs, 1)
        part, values = _cut(below.runs, below.after if history.in_force(edit) else below.before, here, volume)
        result, _ = result.painted(part, shown[values])
        if history.in_force(edit):
            open_ = rest
    runs, ids = result.rows()
    return runs, np.where(ids == nothing, np.uint8(0), ids)


def _cut(runs: NDArray[np.int32], ids: NDArray[np.uint8], inside: LabelMap, volume: bool) -> Labels:
    """The part of runs with ids (n,) whose pixels are set in ``inside``; 0 is an id like others."""
    found = []
    for class_id in np.unique(ids):
        own, _ = LabelMap.empty(volume).painted(runs[ids == class_id], 1)
        # What is set in both: erase mine, and see where something went.
        _, both = inside.painted(own.rows()[0], 0)
        found.append((both.runs, np.full(len(both.runs), class_id, np.uint8)))
    if not found:
        return np.zeros((0, 5), np.int32), np.zeros(0, np.uint8)
    return np.concatenate([r for r, _ in found]), np.concatenate([i for _, i in found])


def _touching(
    history: History, change: LabelChange, lane: str, first: int, before: int | None
) -> Iterator[tuple[Edit, LabelChange]]:
    """Label changes of clients' own edits on a lane that come near ``change``, oldest first."""
    low, high = change.bounds
    for edit in history.own_edits(first, before):
        if _moves(edit):
            continue
        for other in edit.changes:
            if isinstance(other, LabelChange) and other.lane == lane and len(other.runs):
                start, stop = other.bounds
                if all(map(lt, start, high)) and all(map(lt, low, stop)):
                    yield edit, other


def _moves(edit: Edit) -> bool:
    return any(isinstance(c, CellChange) and moves_pixels(c.before, c.after) for c in edit.changes)


def _geometry_at(history: History, root: Edit, lane: str) -> object:
    """Where the pixels of a lane were when ``root`` was made; None: where they are now."""
    for edit in history.since(root.sequence):
        for change in edit.changes:
            if not isinstance(change, CellChange) or change.path != ("lane", lane):
                continue
            if moves_pixels(change.before, change.after):
                return geometry(change.before)
    return None
