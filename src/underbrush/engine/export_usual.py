"""How results are written where nobody chose anything: what a person set for all projects."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from underbrush.config import config_file, load_settings, said_by, settings_text
from underbrush.engine.export_wish import PATTERN, Wish, bare_pattern, result_path
from underbrush.errors import UnderbrushError, UsageError
from underbrush.files import Replacing, make_folder_for
from underbrush.sinks.formats import FORMATS, find_format

_MOST = 400


def usual_wish() -> Wish:
    """The wish of a project in which nobody chose anything: the settings `export_format` and `export_name`.

    Raises
    ------
    UsageError
        The settings cannot be read, or one of the two cannot be; the sentence names it.
    """
    settings = load_settings()
    return Wish(
        format=_format(settings.export_format, said_by("export_format")),
        pattern=_pattern(settings.export_name, said_by("export_name")),
    )


def fixed_settings() -> tuple[str, ...]:
    """Which of the two the environment gives: they cannot be changed in the file."""
    both = ("export_format", "export_name")
    return tuple(name for name in both if os.environ.get(f"UNDERBRUSH_{name.upper()}"))


def store_usual(format_name: str | None, pattern: str | None) -> None:
    """Keep format and path for all projects in the config file; None or our own default takes a line out.

    Raises
    ------
    UsageError
        One cannot be, or the file is not one that can be changed line by line.
    OutputError
        The file cannot be written; it is as it was.
    """
    path = config_file()
    name = _format(format_name, "")
    kept = _pattern(pattern, "")
    plain = Wish()
    changes = {
        "export_format": None if name == plain.format else name,
        "export_name": None if kept == plain.pattern else kept,
    }
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the settings cannot be read ({error})", where=path, remedy="mend the file"
        ) from None
    try:
        made = settings_text(text, changes)
    except UsageError as error:
        raise UsageError(error.problem, where=path, remedy=error.remedy) from None
    if made == text:
        return
    make_folder_for(path)
    with Replacing(path) as file:
        file.write(made.encode())


def _format(name: str | None, where: Path | str) -> str:
    if not name:
        return Wish().format
    try:
        return find_format(name).name
    except UnderbrushError:
        known = ", ".join(one.name for one in FORMATS)
        raise UsageError(
            f"there is no format {name[:40]!r} (export_format)", where=where, remedy=f"use one of {known}"
        ) from None


def _pattern(pattern: str | None, where: Path | str) -> str:
    """A pattern that gives a file, whatever project and image there are."""
    if not pattern or not pattern.strip():
        return PATTERN
    if len(pattern) > _MOST or not pattern.isprintable():
        raise UsageError(
            f"the path is no text of up to {_MOST} characters (export_name)",
            where=where,
            remedy="choose another",
        )
    kept = bare_pattern(pattern)
    try:
        one, other = (_path(kept, name) for name in ("a", "b"))
    except UnderbrushError as error:
        said = error.problem.replace("--output", "the path")
        raise UsageError(f"{said} (export_name)", where=where, remedy=error.remedy) from None
    if one == other:
        raise UsageError(
            "all images would be written into one file (export_name)",
            where=where,
            remedy="put {nickname} into the path",
        )
    return kept


def _path(pattern: str, image: str) -> Path:
    folder = Path(os.sep) / "usual"
    return result_path(
        replace(Wish(), pattern=pattern), folder / "project.ilp", str(folder / image / f"{image}.tif")
    )
