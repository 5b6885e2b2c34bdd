"""Commands about features, training, export and kept classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.errors import CommandError
from underbrush.project.command import (
    FLAG,
    TEXT,
    Author,
    Command,
    Context,
    Kind,
    Outcome,
    optional,
    unique_name,
)
from underbrush.project.document import Document
from underbrush.project.edits import CellChange, cell
from underbrush.project.entries import FrozenClassifier, Use
from underbrush.project.schema import ExportSettings
from underbrush.project.values_json import (
    export_from_json,
    export_to_json,
    listed,
    selection_from_json,
    selection_to_json,
    shown,
    text,
    whole,
)

MAX_TREES = 10_000
SELECTION = Kind(selection_from_json, selection_to_json)
EXPORT = Kind(export_from_json, export_to_json)
CHANNELS = Kind(lambda v, w: tuple(whole(c, w) for c in listed(v, w, 10_000)), list)
TREES = Kind(lambda v, w: whole(v, w, 1, MAX_TREES))
SEED = Kind(lambda v, w: whole(v, w, 0, (1 << 32) - 1))
NAME = Kind(lambda v, w: text(v, w, 200))


def _settings(document: Document, **values: Any) -> tuple[CellChange, ...]:
    old = document.settings
    return tuple(
        CellChange(("setting", name), getattr(old, name), value)
        for name, value in values.items()
        if getattr(old, name) != value
    )


@dataclass(frozen=True)
class SetFeatures(Command):
    """The features that are computed; None: none chosen."""

    selection: FeatureSelection | None

    TYPE: ClassVar[str] = "set_features"
    KINDS: ClassVar[Mapping[str, Kind]] = {"selection": optional(SELECTION)}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        return Outcome("Features chosen", _settings(document, selection=self.selection))


@dataclass(frozen=True)
class SetChannels(Command):
    """The channels that feed the features, from 0; None: all."""

    channels: tuple[int, ...] | None

    TYPE: ClassVar[str] = "set_channels"
    KINDS: ClassVar[Mapping[str, Kind]] = {"channels": optional(CHANNELS)}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; each image must have them."""
        if self.channels is None:
            return Outcome("All channels chosen", _settings(document, channels=None))
        wanted = tuple(sorted(set(self.channels)))
        if not wanted:
            raise CommandError("no channel is chosen", remedy="choose one at least")
        for entry in document.lanes.values():
            shape = entry.raw.shape5
            if shape is not None and wanted[-1] >= shape[1]:
                raise CommandError(
                    f"there is no channel {wanted[-1]} in {entry.nickname!r}, which has {shape[1]}"
                    " (counted from 0)",
                    remedy="choose channels that each image has",
                )
        return Outcome("Channels chosen", _settings(document, channels=wanted))


@dataclass(frozen=True)
class SetTraining(Command):
    """How a forest is trained; None: as it is."""

    n_trees: int | None = None
    seed: int | None = None
    balance: bool | None = None
    """Each class counts the same."""

    TYPE: ClassVar[str] = "set_training"
    KINDS: ClassVar[Mapping[str, Kind]] = {
        "n_trees": optional(TREES), "seed": optional(SEED), "balance": optional(FLAG),
    }  # fmt: skip

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        said = {n: v for n in self.KINDS if (v := getattr(self, n)) is not None}
        return Outcome("Training changed", _settings(document, **said))


@dataclass(frozen=True)
class SetExport(Command):
    """How results are written."""

    export: ExportSettings

    TYPE: ClassVar[str] = "set_export"
    KINDS: ClassVar[Mapping[str, Kind]] = {"export": EXPORT}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        return Outcome("Export changed", _settings(document, export=self.export))


@dataclass(frozen=True)
class FreezeClassifier(Command):
    """The forest that is in force is kept under a name."""

    name: str
    note: str = ""

    TYPE: ClassVar[str] = "freeze_classifier"
    KINDS: ClassVar[Mapping[str, Kind]] = {"name": NAME, "note": TEXT}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        forest = context.forest()
        if forest is None:
            raise CommandError("there is no classifier yet", remedy="paint strokes of two classes first")
        name = _free_name(document, self.name)
        kept = FrozenClassifier(name, forest, author.time, self.note, _use(document, forest))
        return Outcome(f"Classifier kept as {name}", (CellChange(("frozen", name), None, kept),))


@dataclass(frozen=True)
class DeleteFrozen(Command):
    """A kept classifier goes."""

    name: str

    TYPE: ClassVar[str] = "delete_frozen"
    KINDS: ClassVar[Mapping[str, Kind]] = {"name": NAME}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        path = "frozen", self.name
        kept = _kept(document, self.name)
        return Outcome(f"Classifier {self.name} deleted", (CellChange(path, kept, None),))


@dataclass(frozen=True)
class RenameFrozen(Command):
    """A kept classifier gets another name."""

    name: str
    to: str

    TYPE: ClassVar[str] = "rename_frozen"
    KINDS: ClassVar[Mapping[str, Kind]] = {"name": NAME, "to": NAME}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        kept = _kept(document, self.name)
        if self.to.strip() == self.name:
            return Outcome(f"Classifier {self.name} renamed", ())
        name = _free_name(document, self.to)
        return Outcome(
            f"Classifier {self.name} renamed to {name}",
            (
                CellChange(("frozen", self.name), kept, None),
                CellChange(("frozen", name), None, replace(kept, name=name)),
            ),
        )


def _use(document: Document, forest: Forest) -> Use | None:
    """What ``forest``, which is in force, needs beside itself."""
    settings, stored = document.settings, document.trained
    if settings.selection is None:
        return None
    old = stored is not None and stored.forest is forest and stored.vigra_structure
    classes = tuple(document.classes[k].info for k in document.class_order)
    return Use(replace(settings.selection, vigra_structure=old), settings.channels, classes)


def _kept(document: Document, name: str) -> FrozenClassifier:
    kept: FrozenClassifier | None = cell(document, ("frozen", name))
    if kept is None:
        raise CommandError(f"no classifier is kept as {shown(name)}", remedy="choose one that is")
    return kept


def _free_name(document: Document, wanted: str) -> str:
    if not wanted.strip():
        raise CommandError("a classifier needs a name", remedy="type one")
    return unique_name(wanted.strip(), document.frozen)


COMMANDS: tuple[type[Command], ...] = (
    SetFeatures, SetChannels, SetTraining, SetExport, FreezeClassifier, DeleteFrozen, RenameFrozen,
)  # fmt: skip
