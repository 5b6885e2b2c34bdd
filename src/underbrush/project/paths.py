"""Finding the image that a project points to, also after project and images have moved together."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from underbrush.project.schema import Source

_CONTAINER = re.compile(r"\.(?:ilp|hdf5|h5|npz|n5)(?=[/\\]|$)", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_DRIVE = re.compile(r"^[A-Za-z]$")


@dataclass(frozen=True)
class Found:
    """Where an image of a project really is."""

    files: tuple[Path, ...] = ()
    """The file, or the files of a stack in their order; empty for an address."""
    inner: str = ""
    """Path of the dataset inside the file, or empty."""
    url: str = ""

    @property
    def location(self) -> str:
        """The address to open the image with, without level; of a stack that of its first file."""
        if self.url:
            return self.url
        path = os.fspath(self.files[0])
        return f"{path}/{self.inner}" if self.inner else path


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


def name_of(stored: str) -> str:
    """A name for an image that has none: its file's name without suffix."""
    path = split_inner(split_files(stored)[0])[0]
    last = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return last.rpartition(".")[0] or last or "image"


def resolve_source(source: Source, folder: Path, project: Path | None = None) -> tuple[Found | None, str]:
    """Where the image of ``source`` is, for a project in ``folder``; or None and a sentence.

    Tried in this order: the stored path (from ``folder`` where relative), then the longest end of it
    that exists below ``folder``, down to the file's name alone. Letter case and the two Unicode forms of
    accents do not matter; backslashes part folders too. ``project`` is the project file itself, needed
    for embedded images alone.
    """
    if source.kind == "embedded":
        if project is None or not source.inner:
            return None, f"The image {source.name!r} should lie inside the project but is not there."
        return Found((project,), source.inner), ""
    if source.kind == "url":
        return _resolve_url(source, folder)
    files: list[Path] = []
    for stored in source.files:
        matches = _expand(stored, folder) if "*" in stored else [_find(stored, folder)]
        for match in matches or [None]:
            if match is None:
                return None, (
                    f"The image {source.name!r} is missing: neither {stored} nor a file of this name near"
                    " the project is there; put it beside the project file."
                )
            files.append(match)
    if not files:
        return None, f"The image {source.name!r} has no address."
    return Found(tuple(files), source.inner), ""


def _resolve_url(source: Source, folder: Path) -> tuple[Found | None, str]:
    if not source.stored.lower().startswith("file:"):
        return Found(url=source.stored), ""
    try:
        stored, inner = split_inner(unquote(urlsplit(source.stored).path))
    except ValueError:
        stored, inner = "", ""
    if re.match(r"/[A-Za-z]:/", stored):
        stored = stored[1:]
    path = _find(stored, folder) if stored else None
    if path is None:
        return None, f"The image {source.name!r} is missing: {source.stored} is not there."
    return Found((path,), inner), ""


def _find(stored: str, folder: Path) -> Path | None:
    as_is = folder / stored
    if _exists(as_is):
        return as_is
    parts = [p for p in re.split(r"[/\\]+", stored) if p not in {"", ".", ".."}]
    if not stored.startswith(("/", "\\")) and not re.match(r"^[A-Za-z]:", stored):
        relative = _descend(folder, [p for p in re.split(r"[/\\]+", stored) if p not in {"", "."}])
        if relative is not None:
            return relative
    else:
        absolute = _descend(Path("/"), parts) if stored.startswith("/") else None
        if absolute is not None:
            return absolute
    for skip in range(len(parts)):
        path = _descend(folder, parts[skip:])
        if path is not None:
            return path
    return None


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _descend(folder: Path, parts: list[str]) -> Path | None:
    """Follow names down from a folder, each as it is or else in another case or Unicode form."""
    at = folder
    for part in parts:
        if part == ".." or _exists(at / part):
            at = at / part
            continue
        try:
            alike = sorted(p for p in os.listdir(at) if _same(p) == _same(part))  # noqa: PTH208
        except (OSError, ValueError):
            return None
        if not alike:
            return None
        at = at / alike[0]
    return at if parts and _exists(at) else None


def _expand(pattern: str, folder: Path) -> list[Path | None]:
    """Files that match a pattern whose last part holds ``*``, sorted."""
    head, _, last = pattern.replace("\\", "/").rpartition("/")
    try:
        expression = re.compile(".*".join(re.escape(p) for p in last.split("*")) + r"\Z", re.DOTALL)
        for base in (folder / head, folder):
            names = sorted(n for n in os.listdir(base) if expression.match(n))  # noqa: PTH208
            if names:
                return [base / n for n in names]
    except (OSError, ValueError):
        return []
    return []


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
