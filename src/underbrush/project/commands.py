"""What a person can do to a project, and what it comes to: `resolve`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from underbrush.errors import CommandError
from underbrush.project import (
    class_commands,
    embed_command,
    import_command,
    label_commands,
    lane_commands,
    recovered_commands,
    setting_commands,
)
from underbrush.project.class_commands import (
    AddClass,
    ClearClass,
    DeleteClass,
    EditClass,
    MergeClass,
    MoveClass,
)
from underbrush.project.command import Author, Command, Context, Kind, Outcome
from underbrush.project.document import Document
from underbrush.project.edits import Edit
from underbrush.project.embed_command import Embed
from underbrush.project.import_command import ImportProject
from underbrush.project.label_commands import (
    DeleteStroke,
    Fill,
    ImportLabels,
    Lasso,
    Paint,
    RelabelStroke,
)
from underbrush.project.lane_commands import (
    AddLane,
    EditLane,
    MoveLane,
    RemoveLane,
    ReplaceSource,
    SetAxes,
    SetMask,
)
from underbrush.project.recovered_commands import ApplyRecovered
from underbrush.project.setting_commands import (
    DeleteFrozen,
    FreezeClassifier,
    RenameFrozen,
    SetChannels,
    SetExport,
    SetFeatures,
    SetTraining,
)
from underbrush.project.undoing import redone, undone
from underbrush.project.values_json import mapping, shown

__all__ = [
    "COMMANDS", "AddClass", "AddLane", "ApplyRecovered", "Author", "ClearClass", "Command", "Context",
    "DeleteClass", "DeleteFrozen", "DeleteStroke", "EditClass", "EditLane", "Embed", "Fill",
    "FreezeClassifier", "ImportLabels", "ImportProject", "Lasso", "MergeClass", "MoveClass", "MoveLane",
    "Outcome", "Paint", "Redo", "RelabelStroke", "RemoveLane", "RenameFrozen", "ReplaceSource", "SetAxes",
    "SetChannels", "SetExport", "SetFeatures", "SetMask", "SetTraining", "Undo", "command_from_json",
    "command_to_json", "resolve",
]  # fmt: skip


@dataclass(frozen=True)
class Undo(Command):
    """The client's last edit that is not undone is taken back, where it is still as it left it."""

    TYPE: ClassVar[str] = "undo"
    KINDS: ClassVar[Mapping[str, Kind]] = {}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        edit = context.history.undoable(author.client)
        if edit is None:
            raise CommandError("there is nothing to undo", remedy="go on painting")
        changes, notices = undone(document, context.history, edit)
        return Outcome(f"Undo: {_plain(edit.title)}", changes, notices, undoes=edit.sequence)


@dataclass(frozen=True)
class Redo(Command):
    """The client's last undo is taken back, where it is still as it left it."""

    TYPE: ClassVar[str] = "redo"
    KINDS: ClassVar[Mapping[str, Kind]] = {}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`."""
        edit = context.history.redoable(author.client)
        if edit is None:
            raise CommandError("there is nothing to redo", remedy="go on painting")
        changes, notices = redone(document, context.history, edit)
        return Outcome(_plain(edit.title), changes, notices, redoes=edit.sequence)


_HERE: tuple[type[Command], ...] = (Undo, Redo)
COMMANDS: Mapping[str, type[Command]] = MappingProxyType(
    {
        kind.TYPE: kind
        for kind in (
            *(*label_commands.COMMANDS, *class_commands.COMMANDS),
            *(*lane_commands.COMMANDS, *setting_commands.COMMANDS),
            *recovered_commands.COMMANDS,
            *embed_command.COMMANDS,
            *import_command.COMMANDS,
            *_HERE,
        )
    }
)
"""Type in JSON -> command."""


def command_from_json(value: object) -> Command:
    """The command of a JSON object ``{"type": ..., ...}``, every field checked.

    Raises
    ------
    CommandError
        It is none, or a field is missing, unknown or of the wrong kind.
    """
    said: Mapping[str, Any] = mapping(value, "the command")
    kind = said.get("type")
    found = COMMANDS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise CommandError(f"there is no command {shown(kind)}", remedy="update the window (reload the page)")
    return found.read_json(said)


def command_to_json(command: Command) -> dict[str, Any]:
    """The JSON object of `command_from_json`."""
    return command.to_json()


def resolve(
    document: Document,
    command: Command,
    context: Context,
    sequence: int,
    client: str,
    number: int = 0,
    time: str = "",
) -> Edit:
    """What ``command`` does to ``document``, as an edit; `edits.forward` makes its changes.

    The same document, command and answers of ``context`` give the same edit.

    Raises
    ------
    CommandError
        The command is badly formed, or not possible on this document; nothing has changed.
    UnderbrushError
        An image that it needs cannot be read.
    """
    command.check()
    author = Author(client, number, time)
    outcome = command.outcome(document, context, author)
    return Edit(
        sequence=sequence,
        client=client,
        number=number,
        kind=command.TYPE,
        title=outcome.title,
        changes=outcome.changes,
        undoes=outcome.undoes,
        redoes=outcome.redoes,
        time=time,
        notices=outcome.notices,
    )


def _plain(title: str) -> str:
    return title.removeprefix("Undo: ")
