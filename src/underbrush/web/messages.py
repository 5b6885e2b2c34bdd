"""What a browser says over the websocket, checked at the door; what is wrong is answered with a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from underbrush.core.looking import MAX_LEVEL, PLANES, Plane
from underbrush.errors import CommandError

MOST_BYTES = 4 << 20
"""A message; the browser cuts longer strokes into several."""
MOST_NUMBER = 2**53 - 1
CLIENT = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
_LAYER = re.compile(r"segmentation|uncertainty|probability:\d{1,3}|feature:.{1,200}", re.DOTALL)
_LAYERS = 64
_EDGE = 1 << 31


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks."""

    client: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """A command of a client, still as JSON."""

    client: str
    number: int
    command: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What is in sight in one view."""

    name: str
    lane: str
    t: int
    plane: Plane
    slice: int
    level: int
    box: tuple[int, int, int, int]
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unlook:
    """A view is gone."""

    name: str


@dataclass(frozen=True, slots=True)
class Live:
    """The live switch."""

    on: bool


@dataclass(frozen=True, slots=True)
class Update:
    """Train and predict once."""


Said = Hello | Numbered | Look | Unlook | Live | Update


class MessageError(CommandError):
    """A message that cannot be understood; ``number`` where it was a command that says one."""

    def __init__(self, problem: str, number: int | None = None) -> None:
        super().__init__(problem, remedy="reload the page")
        self.number = number


def parse_message(text: str | bytes, client: str) -> Said:
    """What a text frame of ``client`` says.

    Raises
    ------
    MessageError
        It is no JSON, too long, of an unknown type, or a field is missing or of another kind.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise MessageError("a message is no JSON") from None
    if not isinstance(said, dict):
        raise MessageError("a message is no object")
    number = said.get("number")
    number = number if _is_number(number, 1, MOST_NUMBER) else None
    if len(text) > MOST_BYTES:
        raise MessageError(f"a message of {len(text) / 1e6:.1f} MB is too long", number)
    kind = said.get("type")
    if not isinstance(kind, str) or kind not in _PARSERS:
        raise MessageError(f"a message has the unknown type {str(kind)[:40]!r}", number)
    try:
        return _PARSERS[kind](said, client)
    except (KeyError, TypeError, ValueError) as error:
        raise MessageError(f"a message of the type {kind} is malformed ({error})", number) from None


def _hello(said: dict[str, Any], client: str) -> Hello:
    return Hello(_client(said.get("client", client)))


def _numbered(said: dict[str, Any], client: str) -> Numbered:
    command = said["command"]
    if not isinstance(command, dict):
        raise TypeError("the command is no object")
    return Numbered(_client(said.get("client", client)), _number(said, "number", 1, MOST_NUMBER), command)


def _look(said: dict[str, Any], client: str) -> Look:
    plane, box, layers = said["plane"], said["box"], said["layers"]
    if plane not in PLANES:
        raise ValueError("no such plane")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(v, 0, _EDGE) for v in box):
        raise ValueError("the box is not four whole numbers")
    if not isinstance(layers, list) or len(layers) > _LAYERS:
        raise ValueError("the layers are no short list")
    if not all(isinstance(layer, str) and _LAYER.fullmatch(layer) for layer in layers):
        raise ValueError("a layer is unknown")
    return Look(
        name=_name(said["view"]),
        lane=_name(said["lane"]),
        t=_number(said, "t", 0, _EDGE),
        plane=plane,
        slice=_number(said, "slice", 0, _EDGE),
        level=_number(said, "level", 0, MAX_LEVEL),
        box=(box[0], box[1], box[2], box[3]),
        layers=tuple(layers),
    )


def _unlook(said: dict[str, Any], client: str) -> Unlook:
    return Unlook(_name(said["view"]))


def _live(said: dict[str, Any], client: str) -> Live:
    if not isinstance(said["on"], bool):
        raise TypeError("on is neither true nor false")
    return Live(said["on"])


def _update(said: dict[str, Any], client: str) -> Update:
    return Update()


_PARSERS: dict[str, Callable[[dict[str, Any], str], Said]] = {
    "hello": _hello,
    "command": _numbered,
    "view": _look,
    "unview": _unlook,
    "live": _live,
    "update": _update,
}


def _is_number(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(said: dict[str, Any], key: str, least: int, most: int) -> int:
    value = said[key]
    if not _is_number(value, least, most):
        raise ValueError(f"{key} is not a whole number from {least} to {most}")
    return int(value)


def _client(value: Any) -> str:
    if not isinstance(value, str) or not CLIENT.fullmatch(value):
        raise ValueError("the client's id is not 1 to 80 letters, digits, _ . : -")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("a name is not 1 to 40 letters, digits, _ . : -")
    return value
