"""Finding the image that a project points to, also after project and images have moved together."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from underbrush.project.paths import split_inner
from underbrush.project.schema import Project, Source


@dataclass(frozen=True)
class Found:
    """Where an image of a project really is, or why it cannot be found."""

    files: tuple[Path, ...] = ()
    """The file, or the files of a stack in their order; empty for an address on the net."""
    inner: str = ""
    """Path of the dataset inside the file, or empty."""
    options: str = ""
    """What of several images in the file is meant, as in ``series=2``, or empty."""
    url: str = ""
    problem: str = ""
    """A sentence where the image was not found, else empty."""

    @property
    def address(self) -> str | None:
        """What to open: path with inner path, or address; files of a stack joined as the system joins paths.

        None where the image was not found. The resolution level is not in it: see `Source.level`.
        """
        if self.url or not self.files:
            return self.url or None
        joined = os.pathsep.join(f"{f}/{self.inner}" if self.inner else str(f) for f in self.files)
        return f"{joined}#{self.options}" if self.options else joined


def resolve_source(source: Source, project: Project) -> Found:
    """Where the image of ``source`` is.

    Tried in this order: the stored path (relative to the project's folder), then the longest end of it
    that exists below that folder, down to the file's name alone. Letter case and the two Unicode forms of
    accents do not matter; backslashes part folders too. Nothing is opened.
    """
    folder = project.folder
    if source.kind == "embedded":
        if project.path is None or not source.inner:
            return Found(problem=f"The image {source.name!r} should lie inside the project but is not there.")
        return Found((project.path,), source.inner)
    if source.kind == "url":
        return _resolve_url(source, folder)
    files: list[Path] = []
    if len(source.files) == 1 and _OPTIONS.search(source.inner or source.files[0]):
        return _with_options(source, folder)
    for stored in source.files:
        matches = _expand(stored, folder) if "*" in stored else [_find(stored, folder)]
        for match in matches or [None]:
            if match is None:
                return Found(problem=_missing(source, stored))
            files.append(match)
    if not files:
        return Found(problem=f"The image {source.name!r} has no address.")
    return Found(tuple(files), source.inner)


_OPTIONS = re.compile(r"#(?=(series|level|scale|scene)=)[^/\\]*$")


def _with_options(source: Source, folder: Path) -> Found:
    """A file whose address ends with options; one that really has such a name is taken as it is."""
    stored, inner = source.files[0], source.inner
    whole = None if inner else _find(stored, folder)
    if whole is not None:
        return Found((whole,))
    text, _, options = (inner or stored).rpartition("#")
    path = _find(stored if inner else text, folder)
    if path is None:
        return Found(problem=_missing(source, stored))
    return Found((path,), text if inner else "", options=options)


def _missing(source: Source, stored: str) -> str:
    return (
        f"The image {source.name!r} is missing: neither {stored} nor a file of this name near the project is"
        " there; put it beside the project file."
    )


def _resolve_url(source: Source, folder: Path) -> Found:
    if not source.stored.lower().startswith("file:"):
        return Found(url=source.stored)
    try:
        stored, inner = split_inner(unquote(urlsplit(source.stored).path))
    except ValueError:
        stored, inner = "", ""
    if re.match(r"/[A-Za-z]:/", stored):
        stored = stored[1:]
    path = _find(stored, folder) if stored else None
    return Found(problem=_missing(source, source.stored)) if path is None else Found((path,), inner)


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
