"""How much of what is looked at the last strokes changed: measured on the tiles that were sent."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.looking import Place
from underbrush.engine.events import DocumentChanged, LabelsChanged, TrainingChanged
from underbrush.engine.views import TileDone

STROKES = 5
"""Strokes that are looked back."""
TILES = 256
"""Tiles that are remembered, those seen last."""
LEAST = 4096
"""Pixels below which no share is told."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What the last strokes did."""

    strokes: int
    share: float
    """Of the pixels in view that have another class now, 0 to 1."""


class ChangeMeter:
    """Hears what a session tells; may be called from any thread and never waits for anything slow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._strokes = 0
        self._of_key: OrderedDict[str, int] = OrderedDict()
        """Recipe key -> strokes that there were when it came in force."""
        self._tiles: OrderedDict[tuple[str, Place], deque[tuple[int, NDArray[np.uint8]]]] = OrderedDict()
        self._newest = ""

    def heard(self, event: object) -> None:
        """An event of the session."""
        with self._lock:
            if isinstance(event, LabelsChanged):
                self._strokes += 1
            elif isinstance(event, DocumentChanged):
                # Other classes, images or features: results before and after cannot be compared.
                self._tiles.clear()
            elif isinstance(event, TrainingChanged):
                if event.state == "done" and event.key and event.key not in self._of_key:
                    self._of_key[event.key] = self._strokes
                    self._newest = event.key
                    while len(self._of_key) > 4 * STROKES:
                        self._of_key.popitem(last=False)
            elif isinstance(event, TileDone) and event.layer == "segmentation":
                self._tile(event)

    def _tile(self, tile: TileDone) -> None:
        strokes = self._of_key.get(tile.key)
        if strokes is None:
            return
        place = (tile.lane, tile.place)
        kept = self._tiles.setdefault(place, deque(maxlen=STROKES + 1))
        self._tiles.move_to_end(place)
        if kept and kept[-1][0] >= strokes:
            kept.pop()
        kept.append((strokes, tile.array))
        while len(self._tiles) > TILES:
            self._tiles.popitem(last=False)

    @property
    def changed(self) -> Changed | None:
        """What the last strokes changed; None before there are two results of the same place."""
        with self._lock:
            now = self._of_key.get(self._newest)
            if now is None:
                return None
            compared = []
            for kept in self._tiles.values():
                if len(kept) < 2 or kept[-1][0] != now:
                    continue
                early = [one for one in kept if one[0] <= now - STROKES]
                before = early[-1] if early else kept[0]
                if before[0] < now and before[1].shape == kept[-1][1].shape:
                    compared.append((before[0], before[1], kept[-1][1]))
        # 0 stands outside of a mask, where nothing can change.
        pixels = sum(int(np.count_nonzero(after)) for _, _, after in compared)
        if pixels < LEAST:
            return None
        other = sum(int(np.count_nonzero(before != after)) for _, before, after in compared)
        return Changed(now - min(first for first, _, _ in compared), other / pixels)
