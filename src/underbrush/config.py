"""Settings: a flag goes before the environment, the environment before the one config file.

The file is ``config.toml`` in the user's config folder (or where UNDERBRUSH_CONFIG points); each key has
an environment variable ``UNDERBRUSH_<KEY>``.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import platformdirs

from underbrush.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set once for all commands; None: not set."""

    jobs: int | None = None
    """Threads that compute."""
    memory: str | None = None
    """Peak memory of the whole process tree, as in ``4GB``."""
    log_level: str | None = None
    """debug, info, warning or error."""
    export_format: str | None = None
    """Format in which results are written where nobody chose one."""
    export_name: str | None = None
    """Path of results where nobody chose one, with placeholders, without its ending."""


def config_file() -> Path:
    """Where the config file is, or would be."""
    override = os.environ.get("UNDERBRUSH_CONFIG")
    return Path(override) if override else Path(platformdirs.user_config_dir("underbrush")) / "config.toml"


def load_settings() -> Settings:
    """The settings of environment and config file.

    Raises
    ------
    UsageError
        The file cannot be read, a key is unknown, or a value has the wrong type.
    """
    path = config_file()
    values: dict[str, object] = {}
    known = {f.name for f in fields(Settings)}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problem = f"the settings cannot be read ({error})"
            raise UsageError(problem, where=path, remedy="mend or delete the file") from None
        unknown = sorted(set(values) - known)
        if unknown:
            keys = ", ".join(sorted(known))
            raise UsageError(f"unknown setting {unknown[0]!r}", where=path, remedy=f"the settings are {keys}")
    for name in known:
        text = os.environ.get(f"UNDERBRUSH_{name.upper()}")
        if text:
            values[name] = text
    return Settings(
        jobs=parse_jobs(values.get("jobs"), said_by("jobs")),
        memory=_text(values, "memory"),
        log_level=_text(values, "log_level"),
        export_format=_text(values, "export_format"),
        export_name=_text(values, "export_name"),
    )


def said_by(name: str) -> str:
    """What gives a setting, for errors: its environment variable, else file and key."""
    variable = f"UNDERBRUSH_{name.upper()}"
    return variable if os.environ.get(variable) else f"{config_file()}: {name}"


def _text(values: Mapping[str, object], name: str) -> str | None:
    return None if values.get(name) is None else str(values[name])


def settings_text(text: str, changes: Mapping[str, str | None]) -> str:
    """The text of a config file with other values; None takes a key out. All other lines stay as they are.

    Raises
    ------
    UsageError
        It is not written so that a line can be exchanged (a value over several lines).
    """
    kept = [line for line in text.splitlines() if not _names(line, changes)]
    added = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in changes.items()
        if value is not None
    ]
    made = "".join(f"{line}\n" for line in (*kept, *added))
    try:
        before, after = tomllib.loads(text), tomllib.loads(made)
    except ValueError:
        before, after = {}, {"": ""}
    wanted = {key: value for key, value in {**before, **changes}.items() if value is not None}
    if after != wanted:
        raise UsageError("the settings cannot be changed from here", remedy="change the file with an editor")
    return made


def _names(line: str, keys: Mapping[str, object]) -> bool:
    match = re.match(r"""\s*["']?(\w+)["']?\s*=""", line)
    return match is not None and match[1] in keys


def parse_jobs(value: object, named: str = "--jobs") -> int | None:
    """A number of threads, at least 1; None stays None. ``named`` is what gave it.

    Raises
    ------
    UsageError
        It is something else.
    """
    if value is None:
        return None
    try:
        jobs = int(str(value))
    except ValueError:
        jobs = 0
    if jobs < 1:
        raise UsageError(
            f"{named}: the number of jobs is {value!r}", remedy="give a whole number of at least 1"
        )
    return jobs
