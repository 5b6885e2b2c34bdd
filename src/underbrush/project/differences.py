"""What turns one state of labels into another, as a change."""

from __future__ import annotations

import numpy as np

from underbrush.core.label_map import LabelMap
from underbrush.project.edits import LabelChange


def label_difference(lane: str, before: LabelMap, after: LabelMap) -> LabelChange | None:
    """The change that makes ``after`` of ``before``; None where they are the same."""
    if before.digest == after.digest:
        return None
    wanted, ids = after.rows()
    _, put = before.painted(wanted, ids)
    rest, _ = before.painted(wanted, 0)  # what ``after`` has nothing in the place of
    gone, gone_ids = rest.rows()
    runs = np.concatenate([put.runs, gone])
    old = np.concatenate([put.before, gone_ids])
    new = np.concatenate([put.after, np.zeros(len(gone), np.uint8)])
    order = np.lexsort(runs[:, 3::-1].T)
    return LabelChange(lane, runs[order], old[order], new[order])
