"""What only Underbrush stores in a project, as short texts by name."""

from __future__ import annotations

import json
from collections.abc import Mapping

from underbrush.errors import ProjectError
from underbrush.project.schema import Project

CHANNELS = "channels"
SEED = "seed"
BALANCE = "balance"
IDS = "ids"
LABELS = "labels"
PARKED = "parked"
FROZEN = "frozen"
OBJECTS = "objects"
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


def objects_text(chosen: tuple[int, ...], names: Mapping[int, str]) -> str:
    """The classes that objects are made of, as our own text says them: ids with names."""
    return json.dumps([[class_id, names.get(class_id, "")] for class_id in chosen])


def own_objects(project: Project, names: Mapping[int, str], bound: bool) -> tuple[int, ...]:
    """Ids of the classes that objects are made of; 0 for one that is gone; none: nothing was chosen.

    Parameters
    ----------
    names
        Names of the classes by id.
    bound
        The ids are those that the text was written with; otherwise names tell which classes are meant.

    Raises
    ------
    ProjectError
        The text says something else.
    """
    text = project.own.get(OBJECTS)
    if text is None:
        return ()
    try:
        said = [(int(class_id), str(name)) for class_id, name in json.loads(text)]
        if not all(0 <= class_id < 256 for class_id, _ in said):
            raise ValueError("no ids")
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        raise ProjectError(
            "its choice of classes for objects is damaged",
            where=project.path or "",
            remedy="choose them anew",
        ) from None
    if bound:
        return tuple(sorted({class_id for class_id, _ in said}))
    ids = {name: class_id for class_id, name in names.items()}
    return tuple(sorted({ids.get(name, 0) for _, name in said}))
