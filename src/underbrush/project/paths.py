"""What a stored address means: an address on the net, files, the dataset inside them."""

from __future__ import annotations

import re
import uuid
from typing import Literal

from underbrush.project.schema import Source

LOCAL = "Input Data/local_data"
"""Where a project has the images that lie inside it."""
_CONTAINER = re.compile(r"\.(?:ilp|hdf5|h5|npz|n5|zip|ozx)(?=[/\\]|$)", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_DRIVE = re.compile(r"^[A-Za-z]$")


def is_url(text: str) -> bool:
    """Whether the text is an address such as ``https://...``; a file:// address is one too."""
    return _URL.match(text) is not None


def split_inner(text: str) -> tuple[str, str]:
    """A stored path as file and inner path, parted after the last ``.h5`` or the like that ends a name."""
    ends = [match.end() for match in _CONTAINER.finditer(text)]
    if not ends:
        return text, ""
    return text[: ends[-1]], re.sub(r"/{2,}", "/", text[ends[-1] :].replace("\\", "/")).strip("/")


def split_files(text: str) -> list[str]:
    """The files of a stored stack, joined by ``;`` or ``:``; one path stays one.

    The colon of a drive letter parts nothing, nor does any colon or semicolon that would leave a piece
    without a suffix.
    """
    for separator in ";:":
        pieces: list[str] = []
        for piece in text.split(separator):
            if separator == ":" and pieces and _DRIVE.match(pieces[-1]) and piece[:1] in {"/", "\\"}:
                pieces[-1] += ":" + piece
            else:
                pieces.append(piece)
        pieces = [p for p in pieces if p.strip()]
        if len(pieces) > 1 and all(re.search(r"\.\w+$", split_inner(p)[0]) for p in pieces):
            return pieces
    return [text]


Place = tuple[Literal["file", "stack", "embedded", "url"], tuple[str, ...], str]
"""Kind of a source, its files without inner path, and the inner path."""


def linked(stored: str) -> Place:
    """What a stored address is: one file, a stack of several (or of a pattern), or an address on the net."""
    if is_url(stored):
        return "url", (), ""
    if not stored:
        return "file", (), ""
    split = [split_inner(p) for p in split_files(stored)]
    several = len(split) > 1 or "*" in split[0][0]
    return "stack" if several else "file", tuple(p for p, _ in split), split[0][1]


def name_of(stored: str) -> str:
    """A name for an image that has none: its file's name without suffix."""
    path = split_inner(split_files(stored)[0])[0]
    last = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return last.rpartition(".")[0] or last or "image"


def linked_source(stored: str, axes: str | None = None, shape: tuple[int, ...] | None = None) -> Source:
    """A source for a path or an address; paths may be relative to the folder of the project."""
    kind, files, inner = linked(stored)
    return Source(kind, stored, name=name_of(stored), files=files, inner=inner, axes=axes, shape=shape)


def embedded_source(name: str, axes: str, shape: tuple[int, ...]) -> Source:
    """A source for an image that is to be stored inside the project (see `write_project`)."""
    ident = str(uuid.uuid1())
    inner = f"{LOCAL}/{ident}"
    return Source("embedded", inner, name=name, inner=inner, axes=axes, shape=shape, dataset_id=ident)
