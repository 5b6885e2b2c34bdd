"""Outlines become pixels: polygons with holes, of any number, drawn into any part of a plane.

Pixel k covers k to k + 1, so its centre is k + 0.5. A pixel belongs to a polygon if its centre lies inside by
the even-odd rule over all rings of the polygon, by the rule of `filling.lasso`: rings inside are holes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]
"""(n, 2) x and y of the corners; the last is joined to the first."""


class Outlines:
    """Polygons, each a list of rings; a pixel is inside if it is inside of any.

    Raises
    ------
    ValueError
        A ring has not the shape (n, 2), or a corner is not finite.
    """

    def __init__(self, polygons: Sequence[Sequence[Ring]]) -> None:
        edges, owners = [np.zeros((0, 4))], [np.zeros(0, np.int64)]
        for number, rings in enumerate(polygons):
            for ring in rings:
                if ring.ndim != 2 or ring.shape[1] != 2 or not np.isfinite(ring).all():
                    raise ValueError("a ring is no list of finite x and y")
                edges.append(np.column_stack([ring, np.roll(ring, -1, axis=0)]))
                owners.append(np.full(len(ring), number))
        together, owner = np.concatenate(edges), np.concatenate(owners)
        # From the upper end to the lower: the same edge is cut at the same place from both sides.
        turned = together[:, 1] > together[:, 3]
        together[turned] = together[turned][:, [2, 3, 0, 1]]
        slanted = together[:, 1] != together[:, 3]
        self._edges, self._owner = together[slanted], owner[slanted]
        self.count = len(polygons)

    def inside(self, y: tuple[int, int], x: tuple[int, int]) -> NDArray[np.bool_]:
        """Which pixels from ``y[0]`` to before ``y[1]`` and ``x[0]`` to before ``x[1]`` are inside (y, x)."""
        height, width = y[1] - y[0], x[1] - x[0]
        x0, y0, x1, y1 = self._edges.T
        low = np.clip(np.ceil(y0 - 0.5), y[0], y[1]).astype(np.int64)
        high = np.clip(np.ceil(y1 - 0.5), y[0], y[1]).astype(np.int64)
        # Edges to the right of the part cut nothing in it; those to the left count.
        met = np.flatnonzero((high > low) & (np.minimum(x0, x1) < x[1]))
        n = (high - low)[met]
        edge = np.repeat(met, n)
        ends = np.cumsum(n)
        row = np.arange(len(edge)) - np.repeat(ends - n, n) + np.repeat(low[met], n)
        cut = x0[edge] + (row + 0.5 - y0[edge]) / (y1[edge] - y0[edge]) * (x1[edge] - x0[edge])
        # The first pixel whose centre lies at or behind the cut.
        first = np.clip(np.ceil(cut - 0.5), x[0], x[1]).astype(np.int64) - x[0]
        owner = self._owner[edge]
        order = np.lexsort((first, row, owner))
        first, row, owner = first[order], row[order] - y[0], owner[order]
        # Cuts of one row of one polygon follow each other: from each odd one to the next is inside. An odd
        # number of them was cut off at the right edge.
        group = np.append(True, (row[1:] != row[:-1]) | (owner[1:] != owner[:-1])) if len(row) else row > 0
        begin = np.flatnonzero(group)
        place = np.arange(len(row)) - np.repeat(begin, np.diff(np.append(begin, len(row))))
        change = np.zeros((height, width + 1), np.int64)
        np.add.at(change, (row, first), np.where(place % 2 == 0, 1, -1))
        return np.cumsum(change, axis=1)[:, :width] > 0
