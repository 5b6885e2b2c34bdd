"""The command that moves the pixels of an image into the project, or out of it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from underbrush.errors import CommandError
from underbrush.project.command import LANE, Author, Command, Context, Kind, Outcome, lane_of
from underbrush.project.document import Document
from underbrush.project.edits import CellChange
from underbrush.project.lane_commands import SOURCE
from underbrush.project.schema import Source


@dataclass(frozen=True)
class Embed(Command):
    """The same pixels of an image are stored elsewhere: inside the project, or in a file again.

    They must be there already (see `engine.embedding`). Labels stay, and so does the forest that is in force.
    """

    id: str
    source: Source

    TYPE: ClassVar[str] = "embed"
    KINDS: ClassVar[Mapping[str, Kind]] = {"id": LANE, "source": SOURCE}

    def outcome(self, document: Document, context: Context, author: Author) -> Outcome:
        """See `Command`; axes and sizes must be those of the image."""
        entry = lane_of(document, self.id)
        raw = entry.raw
        found = context.sized(replace(self.source, axes=raw.axes or self.source.axes, shape=None))
        if found.shape5 is None or (raw.shape5 is not None and found.shape5 != raw.shape5):
            raise CommandError(
                f"what is stored there is {found.shape5}, the image {raw.shape5} (t, c, z, y, x)",
                where=entry.nickname,
                remedy="try again",
            )
        kept = {name: getattr(raw, name) for name in ("display_mode", "display_range", "normalize_display")}
        sizes = raw.pixel_size or self.source.pixel_size
        new = replace(found, name=entry.nickname, pixel_size=sizes, level="", level_locked=False, **kept)
        where = "embedded in the project" if new.kind == "embedded" else "linked again"
        change = CellChange(("lane", self.id), entry, replace(entry, raw=new))
        return Outcome(f"Image {entry.nickname} {where}", (change,))


COMMANDS: tuple[type[Command], ...] = (Embed,)
