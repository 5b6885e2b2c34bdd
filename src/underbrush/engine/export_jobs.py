"""What an export consists of: a row for each image, with its state, and the job that they form."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from underbrush.engine.batch import Request
from underbrush.engine.comparing import KINDS, Difference
from underbrush.engine.export_plan import Item
from underbrush.engine.export_wish import Wish
from underbrush.engine.object_classes import NOT_CHOSEN, Chosen

RowState = Literal["waiting", "checking", "running", "done", "skipped", "failed", "cancelled"]
JobState = Literal["ready", "checking", "preparing", "running", "done", "failed", "cancelled"]
BUSY = ("checking", "preparing", "running")
MOST_ROWS = 5000


@dataclass
class Row:
    """One image and how far its result is."""

    item: Item
    name: str
    """What is shown of it."""
    state: RowState = "waiting"
    share: float = 0.0
    seconds: float = 0.0
    sentence: str = ""
    """Why it failed, or what was noticed."""
    differences: tuple[Difference, ...] = ()
    compared: bool = False
    unreadable: str = ""
    """Why it could not be looked at."""
    weight: float = 1.0
    """Pixels, once they are known."""
    facts: dict[str, Any] = field(default_factory=dict)
    output: Path | None = None
    bytes: int = 0
    written: str = ""
    """UTC time."""
    request: Request | None = None

    def begin(self) -> None:
        """It waits, as if nothing had been tried."""
        self.state, self.share, self.seconds, self.sentence = "waiting", 0.0, 0.0, self.unreadable
        if self.unreadable:
            self.state = "failed"

    def to_json(self) -> dict[str, Any]:
        """For the browser."""
        return {
            "name": self.name,
            "image": self.item.address,
            "mask": self.item.mask,
            "lane": self.item.lane,
            "state": self.state,
            "share": round(self.share, 4),
            "seconds": round(self.seconds, 2),
            "sentence": self.sentence,
            "warnings": [[d.kind, d.sentence] for d in self.differences],
            "facts": self.facts,
            "output": None if self.output is None else str(self.output),
            "bytes": self.bytes,
            "written": self.written,
        }


@dataclass
class Job:
    """Rows that are worked on one after the other, with one wish."""

    number: int
    kind: Literal["export", "batch"]
    wish: Wish
    rows: list[Row]
    state: JobState = "ready"
    sentence: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    objects: Chosen = NOT_CHOSEN
    """The classes that the texts speak of."""
    began: float = 0.0
    ended: float = 0.0
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def busy(self) -> bool:
        """Whether something is done for it now."""
        return self.state in BUSY

    @property
    def share(self) -> float:
        """How much of all pixels is done, 0 to 1."""
        wanted = [row for row in self.rows if row.state not in ("skipped", "failed")]
        total = sum(row.weight for row in wanted)
        return sum(row.weight * row.share for row in wanted) / total if total else 1.0

    def begin(self) -> None:
        """The clock starts."""
        self.began, self.ended, self.sentence = time.monotonic(), 0.0, ""

    def end(self, state: JobState, sentence: str = "") -> None:
        """It is over; rows that were not reached are cancelled."""
        self.ended = time.monotonic()
        for row in self.rows:
            if row.state in ("waiting", "checking", "running"):
                row.state = "cancelled"
        self.state, self.sentence = state, sentence

    def left(self) -> float | None:
        """Seconds that it will still take, after its pace so far; None before there is one."""
        share, elapsed = self.share, time.monotonic() - self.began
        if self.state != "running" or share < 0.02 or elapsed < 0.5:
            return None
        return elapsed * (1 - share) / share

    def to_json(self) -> dict[str, Any]:
        """For the browser."""
        left = self.left()
        end = self.ended or time.monotonic()
        return {
            "number": self.number,
            "kind": self.kind,
            "state": self.state,
            "sentence": self.sentence,
            "wish": self.wish.to_json(),
            "share": round(self.share, 4),
            "left": None if left is None else round(left, 1),
            "seconds": round(end - self.began, 2) if self.began else 0.0,
            "rows": [row.to_json() for row in self.rows],
            "differing": {
                kind: sum(any(d.kind == kind for d in row.differences) for row in self.rows) for kind in KINDS
            },
            "compared": sum(row.compared or bool(row.unreadable) for row in self.rows),
            "folders": sorted({str(r.output.parent) for r in self.rows if r.output is not None}),
        }


def now_text() -> str:
    """UTC time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
