"""Labels that come as a file: looked at, shown as a table of values, then painted by the tab that asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbrush.engine.label_files import Offset, Placing, import_commands, look_at_labels
from underbrush.errors import UsageError

if TYPE_CHECKING:
    from underbrush.engine.session import Session

Call = tuple[str, str, list[Any]]
MOST_OFFSET = 1 << 30


class LabelActs:
    """The file that one window is importing labels from."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._path, self._lane = "", ""
        self.data: dict[str, Any] = {"file": None}
        """Of the part ``LabelImport``."""

    def act(self, wanted: Mapping[str, Any], paths: Sequence[str]) -> list[Call]:
        """Look at a file, look again, import it, or leave it; gives what is called then. In a thread.

        Raises
        ------
        UnderbrushError
            The file cannot be read, or holds what are no labels.
        """
        name = wanted["name"]
        if name == "labelsLeave":
            self.data = {"file": None}
        elif name == "labels":
            if len(paths) != 1:
                raise UsageError("labels of one image are one file", remedy="choose one")
            self._path, self._lane = paths[0], str(wanted.get("lane"))
            self.data = {"file": self._looked("", (0, 0, 0, 0))}
        elif name == "labelsLook":
            self.data = {"file": self._looked(_text(wanted.get("axes")), _offset(wanted.get("offset")))}
        else:
            return self._imported(wanted)
        return []

    def _looked(self, axes: str, offset: Offset) -> dict[str, Any]:
        session = self._session
        image = session.image(self._lane)
        found = look_at_labels(self._path, image, axes, offset)
        document = session.document
        by_value = {int(document.values[k]): k for k in document.class_order}
        return {
            "name": Path(self._path).name,
            "image": document.lanes[self._lane].nickname,
            "axes": found.axes,
            "shape": list(found.shape),
            "offset": list(offset),
            "outside": found.outside,
            "values": [[value, count, by_value.get(value, 0)] for value, count in found.values],
        }

    def _imported(self, wanted: Mapping[str, Any]) -> list[Call]:
        session = self._session
        said = wanted.get("mapping")
        mapping = {
            int(value): int(ident)
            for value, ident in (said.items() if isinstance(said, dict) else ())
            if str(value).isdecimal() and isinstance(ident, int) and ident in session.document.classes
        }
        if not mapping:
            raise UsageError("no value has a class", remedy="choose a class for a value")
        place = Placing(_text(wanted.get("axes")), _offset(wanted.get("offset")), Path(self._path).name)
        commands = import_commands(self._path, self._lane, session.image(self._lane), mapping, place)
        if not commands:
            raise UsageError("nothing of it lies inside the image", remedy="change the offset or the axes")
        self.data = {"file": None}
        said_done = f"Labels of {place.title} imported."
        return [("ViewerFrame", "commands", [[one.to_json() for one in commands], said_done])]


def _text(value: object) -> str:
    return "".join(value.split()) if isinstance(value, str) else ""


def _offset(value: object) -> Offset:
    numbers = value if isinstance(value, list) and len(value) == 4 else [0, 0, 0, 0]
    if not all(isinstance(n, int) and abs(n) < MOST_OFFSET for n in numbers):
        raise UsageError("an offset is a whole number", remedy="type pixels")
    return (numbers[0], numbers[1], numbers[2], numbers[3])
