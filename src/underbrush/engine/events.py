"""What a session tells those who listen: frozen values, sent from any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from underbrush.errors import ProjectError
from underbrush.project.edits import LabelChange

SaveState = Literal["saved", "safe", "failing", "read-only"]
TrainingState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a command: it is safe on the disk and in force."""

    sequence: int
    revision: int
    title: str
    notices: tuple[str, ...] = ()
    again: bool = False
    """It had been carried out before; nothing was done now."""
    changed: bool = True
    """False: all was so already, and there is nothing to undo."""


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    """Pixels of one lane have other labels now."""

    lane: str
    revision: int
    client: str
    """Whose command it was, and its number there; undo of a library call counts as well."""
    number: int
    change: LabelChange


@dataclass(frozen=True, slots=True)
class DocumentChanged:
    """Something other than labels changed: classes, features, lanes, settings, classifiers."""

    revision: int
    title: str


@dataclass(frozen=True, slots=True)
class TrainingChanged:
    """How far the forest is."""

    state: TrainingState
    sentence: str
    key: str = ""
    """The recipe key of the forest that is now in force; empty where there is none."""
    seconds: float = 0.0
    oob: float | None = None
    """Out-of-bag error, 0 to 1."""


@dataclass(frozen=True, slots=True)
class SaveChanged:
    """What is said of saving."""

    state: SaveState
    sentence: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the person."""

    level: Literal["info", "warning", "error"]
    sentence: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The project was closed by a person; the last event."""

    sentence: str


class SessionClosedError(ProjectError):
    """Somebody wanted something of a project that was closed meanwhile."""
