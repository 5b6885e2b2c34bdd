"""Who can undo what: the edits of a project in their one order, and for each client where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from underbrush.errors import CommandError
from underbrush.project.edits import CellChange, Edit, from_json, to_json
from underbrush.project.own import CLIENTS, HISTORY

MAX_TEXT = 4 << 20
"""Characters of the history that a project file keeps."""
MAX_BYTES = 256 << 20
"""Memory of the edits that can be undone, about."""


@dataclass(frozen=True)
class History:
    """Edits in their order, the oldest forgotten where they take too much memory. Frozen."""

    edits: Mapping[int, Edit] = field(default_factory=lambda: MappingProxyType({}))
    """Sequence -> edit."""
    undo: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Client -> sequences of edits that it can take back, the last one first in turn."""
    redo: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Client -> sequences of its undos that it can take back."""
    numbers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Client -> highest number of its commands that were carried out."""
    last: int = 0
    """Highest sequence."""
    size: int = 0
    """Memory of the edits in bytes, about."""
    roots: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """Sequence of an undo or redo -> that of the edit which it takes out of force or puts back."""
    undone: frozenset[int] = frozenset()
    """Sequences of edits that are not in force."""

    def undoable(self, client: str) -> Edit | None:
        """What `Undo` of this client would take back."""
        return _known(self.edits, self.undo.get(client, ()))

    def redoable(self, client: str) -> Edit | None:
        """The undo that `Redo` of this client would take back."""
        return _known(self.edits, self.redo.get(client, ()))

    def root_of(self, edit: Edit) -> Edit | None:
        """The edit that an undo or redo is about, of others itself; None where it is forgotten."""
        return self.edits.get(self.roots.get(edit.sequence, edit.sequence))

    def in_force(self, edit: Edit) -> bool:
        """Whether an edit (no undo, no redo) is not undone."""
        return edit.sequence not in self.undone

    def own_edits(self, first: int, before: int | None = None) -> Iterator[Edit]:
        """Edits that are no undo or redo, from sequence ``first`` to before ``before``, oldest first."""
        for edit in self.edits.values():
            inside = edit.sequence >= first and (before is None or edit.sequence < before)
            if inside and edit.sequence not in self.roots:
                yield edit

    def since(self, sequence: int) -> Iterator[Edit]:
        """All edits after ``sequence``, oldest first."""
        return (e for e in self.edits.values() if e.sequence > sequence)

    def with_edit(self, edit: Edit) -> History:
        """The history after one more edit, which is newer than all others."""
        client = edit.client
        undo, redo = self.undo.get(client, ()), self.redo.get(client, ())
        if edit.undoes is not None:
            undo, redo = tuple(s for s in undo if s != edit.undoes), (*redo, edit.sequence)
        elif edit.redoes is not None:
            undo, redo = (*undo, edit.sequence), tuple(s for s in redo if s != edit.redoes)
        elif edit.changes:
            undo, redo = (*undo, edit.sequence), ()
        about = edit.undoes if edit.undoes is not None else edit.redoes
        roots, undone = self.roots, self.undone
        if about is not None:
            root = roots.get(about, about)
            roots = MappingProxyType({**roots, edit.sequence: root})
            undone = undone | {root} if edit.undoes is not None else undone - {root}
        edits = {**self.edits, edit.sequence: edit}
        size = self.size + size_of(edit)
        while size > MAX_BYTES and len(edits) > 1:
            size -= size_of(edits.pop(next(iter(edits))))
        return History(
            edits=MappingProxyType(edits),
            undo=MappingProxyType({**self.undo, client: undo}),
            redo=MappingProxyType({**self.redo, client: redo}),
            numbers=MappingProxyType({**self.numbers, client: max(edit.number, self.numbers.get(client, 0))}),
            last=max(self.last, edit.sequence),
            size=size,
            roots=roots,
            undone=undone,
        )

    def with_edits(self, edits: Iterable[Edit]) -> History:
        """The history after several more."""
        history = self
        for edit in edits:
            history = history.with_edit(edit)
        return history

    def texts(self) -> dict[str, str]:
        """As texts for the project file: the newest edits, as many as fit."""
        kept: list[str] = []
        room = MAX_TEXT
        for edit in reversed(tuple(self.edits.values())):
            if size_of(edit) > MAX_BYTES // 4:
                break
            said = json.dumps(to_json(edit))
            if len(said) > MAX_TEXT // 8 and _keeps_a_forest(edit):
                continue  # all older edits would have to go for it
            room -= len(said) + 2
            if room < 0:
                break
            kept.append(said)
        return {
            HISTORY: f'{{"last": {self.last}, "edits": [{", ".join(reversed(kept))}]}}',
            CLIENTS: json.dumps(dict(self.numbers)),
        }


def history_of(own: Mapping[str, str], bound: bool) -> History:
    """The history in a project's own texts; ``bound``: its labels are still those of then.

    Without them only the numbers of the clients are kept, so that no command is done twice. What is
    damaged is as if it were not there.
    """
    numbers = {}
    try:
        said = json.loads(own.get(CLIENTS, "{}"))
        numbers = {str(k): int(v) for k, v in said.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        numbers = {}
    history, last = History(), 0
    try:
        found = json.loads(own.get(HISTORY, "{}")) if own.get(HISTORY) else {}
        last = int(found.get("last", 0))
        if bound:
            history = history.with_edits(from_json(e) for e in found.get("edits", ()))
    except (ValueError, TypeError, AttributeError, RecursionError, CommandError):
        history = History()
    merged = {**history.numbers}
    for client, number in numbers.items():
        merged[client] = max(number, merged.get(client, 0))
    return replace(history, numbers=MappingProxyType(merged), last=max(last, history.last))


def _keeps_a_forest(edit: Edit) -> bool:
    return any(isinstance(c, CellChange) and c.path[0] == "frozen" for c in edit.changes)


def size_of(edit: Edit) -> int:
    """Memory of an edit in bytes, about."""
    return 500 + sum(_change_size(c) for c in edit.changes)


def _change_size(change: object) -> int:
    runs = getattr(change, "runs", None)
    if runs is not None:
        return 22 * len(runs)
    forest = getattr(getattr(change, "before", None) or getattr(change, "after", None), "forest", None)
    return 500 if forest is None else 40 * len(forest.feature) + forest.votes.nbytes


def _known(edits: Mapping[int, Edit], sequences: tuple[int, ...]) -> Edit | None:
    return edits.get(sequences[-1]) if sequences else None
