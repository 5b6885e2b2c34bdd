"""What only Underbrush stores in a project, as short texts by name."""

from __future__ import annotations

from underbrush.errors import ProjectError
from underbrush.project.schema import Project

CHANNELS = "channels"
SEED = "seed"
BALANCE = "balance"
IDS = "ids"
LABELS = "labels"
PARKED = "parked"
FROZEN = "frozen"
HISTORY = "history"
CLIENTS = "clients"
TRAINED = "trained"
"""Digest of the stored forest, where it was trained by this program with the settings that stand there."""
BOUND = (IDS, LABELS, PARKED, HISTORY)
"""Texts that mean something only with the labels that they were written with."""


def own_channels(project: Project) -> tuple[int, ...] | None:
    """Which channels feed the features, as our part of the project says; None: all.

    Raises
    ------
    ProjectError
        It says something else.
    """
    text = project.own.get(CHANNELS)
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ProjectError(
            f"its choice of channels {text[:40]!r} is damaged",
            where=project.path or "",
            remedy="choose them anew",
        ) from None


def own_number(project: Project, name: str, default: int) -> int:
    """A whole number among our own texts."""
    text = project.own.get(name, "")
    return int(text) if text.lstrip("-").isdigit() else default
