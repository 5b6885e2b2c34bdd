"""The strokes of a project as a table: what hangs together, where it is and how large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from underbrush.core.components import connected
from underbrush.project.document import Document


@dataclass(frozen=True, slots=True)
class StrokeRow:
    """Pixels of one class that hang together, and one of them to go to."""

    lane: str
    class_id: int
    t: int
    z: int
    y: int
    x: int
    pixels: int


def stroke_rows(document: Document, most: int = 1000) -> tuple[list[StrokeRow], int]:
    """The strokes of all images in their order, ``most`` at most, and how many there are in all.

    The pixel of a row lies in the middle of the stroke's longest run along x.
    """
    rows: list[StrokeRow] = []
    total = 0
    for lane in document.lane_order:
        runs, ids = document.map_of(lane).rows()
        if not len(runs):
            continue
        first, number = np.unique(connected(runs, ids), return_inverse=True)
        total += len(first)
        if len(rows) >= most:
            continue
        pixels = np.zeros(len(first), np.int64)
        np.add.at(pixels, number, runs[:, 4])
        # The last of each stroke, after sorting by length, is its longest run.
        order = np.lexsort((runs[:, 4], number))
        longest = order[np.searchsorted(number[order], np.arange(len(first)), side="right") - 1]
        for n, run in enumerate(longest[: most - len(rows)].tolist()):
            t, z, y, x, length = runs[run].tolist()
            rows.append(StrokeRow(lane, int(ids[run]), t, z, y, x + length // 2, int(pixels[n])))
    return rows, total
