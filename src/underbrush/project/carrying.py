"""Labels when the axes or the file of an image change: each stays on its stored pixel, or is parked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Shape5
from underbrush.core.label_map import LabelMap
from underbrush.core.runs import sorted_order
from underbrush.project.entries import LaneEntry, Parked

Labels = tuple[NDArray[np.int32], NDArray[np.uint8]]
"""Runs (n, 5) t z y x length, disjoint, and their class ids (n,)."""
_LETTERS = "tzyx"


def carried(entry: LaneEntry, labels: LabelMap, new: LaneEntry) -> tuple[LabelMap, tuple[Parked, ...]]:
    """The labels of an image that becomes ``new``, and what has no place there.

    In the same file pixels keep their place in storage; in another one their t, z, y and x. Parked labels
    that have a place again come back, unless something else is painted there.
    """
    shape = new.raw.shape5
    same_file = (entry.raw.stored, entry.raw.inner) == (new.raw.stored, new.raw.inner)
    result = LabelMap.empty(new.volume)
    waiting = [Parked(entry.raw.axes, *labels.rows()), *entry.parked]
    parked = []
    for part in waiting:
        runs, ids, left = _placed(part, _route(part.axes, new.raw.axes, same_file), shape)
        if len(runs):
            nothing = np.zeros(len(runs), np.uint8)
            result, done = result.painted(runs, ids, only=nothing)
            if int(done.runs[:, 4].sum()) != int(runs[:, 4].sum()):
                # Something newer lies on some of it: that part stays parked, as it is placed now.
                left.append(_covered(new.raw.axes, runs, ids, done.runs))
        parked += [p for p in left if len(p.runs)]
    return result, tuple(parked)


def _placed(part: Parked, steps: dict[str, str], shape: Shape5 | None) -> tuple[*Labels, list[Parked]]:
    """Runs and ids that have a place in ``shape`` with axes renamed by ``steps``, and the rest as it was."""
    runs, ids = part.runs, part.ids
    if steps["x"] != "x":
        # Runs along x become columns: go on pixel by pixel.
        ids = np.repeat(ids, runs[:, 4])
        runs = _pixels(runs)
    t, c, z, y, x, length = _moved(runs, steps)
    stop = x.astype(np.int64) + length
    inside = c == 0
    if shape is not None:
        inside &= (t < shape[0]) & (z < shape[2]) & (y < shape[3]) & (x < shape[4])
        stop = np.minimum(stop, shape[4])
    kept = np.where(inside, stop - x, 0).astype(np.int32)
    placed = np.column_stack([t, z, y, x, kept])[inside].astype(np.int32)
    left = []
    rest = length - kept
    if (rest > 0).any():
        cut = runs[rest > 0].copy()
        # Along x what is outside is the end of the run, whatever the other axes are called.
        cut[:, 3] += kept[rest > 0]
        cut[:, 4] = rest[rest > 0]
        left.append(_joined(part.axes, cut, ids[rest > 0]))
    order = sorted_order(placed[:, :4])
    return placed[order], ids[inside][order], left


def _route(old: str | None, new: str | None, same_file: bool) -> dict[str, str]:
    """Old letter -> new letter of the same stored axis; each is itself in another file."""
    same = {a: a for a in "tczyx"}
    if old is None or new is None or len(old) != len(new) or not same_file:
        return same
    return same | dict(zip(old, new, strict=True))


def _moved(runs: NDArray[np.int32], steps: dict[str, str]) -> list[NDArray[np.int32]]:
    """t, c, z, y, x and length of the runs with their axes renamed."""
    at = dict.fromkeys("tczyx", np.zeros(len(runs), np.int32))
    for column, letter in enumerate(_LETTERS):
        # An axis that the image does not have is 0 everywhere and gives its new name nothing.
        if runs[:, column].any() or steps[letter] == letter:
            at[steps[letter]] = np.maximum(at[steps[letter]], runs[:, column])
    return [*(at[a] for a in "tczyx"), runs[:, 4]]


def _pixels(runs: NDArray[np.int32]) -> NDArray[np.int32]:
    lengths = runs[:, 4]
    out = np.repeat(runs, lengths, axis=0)
    ends = np.cumsum(lengths)
    out[:, 3] += np.arange(len(out), dtype=np.int32) - np.repeat(ends - lengths, lengths).astype(np.int32)
    out[:, 4] = 1
    return out


def _joined(axes: str | None, runs: NDArray[np.int32], ids: NDArray[np.uint8]) -> Parked:
    """Parked labels in one canonical form, whatever pieces they came in."""
    order = sorted_order(runs[:, :4])
    runs, ids = runs[order], ids[order]
    same = (runs[1:, :3] == runs[:-1, :3]).all(axis=1) & (ids[1:] == ids[:-1])
    same &= runs[1:, 3] == runs[:-1, 3] + runs[:-1, 4]
    heads = np.flatnonzero(np.concatenate([[True], ~same]))
    lengths = np.add.reduceat(runs[:, 4], heads)
    runs = runs[heads].copy()
    runs[:, 4] = lengths
    return Parked(axes, runs, ids[heads])


def _covered(
    axes: str | None, runs: NDArray[np.int32], ids: NDArray[np.uint8], done: NDArray[np.int32]
) -> Parked:
    """The pixels of ``runs`` that are not among those ``done``."""
    volume = bool(runs[:, 1].any())
    wanted, _ = LabelMap.empty(volume).painted(runs, ids)
    rest, _ = wanted.painted(done, 0)
    return Parked(axes, *rest.rows())
