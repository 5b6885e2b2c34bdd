"""ilastik's own settings: environment variables and ``ilastik.ini``."""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from underbrush.engine.memory import memory_cap
from underbrush.errors import UsageError

LEAST_MB = 500
"""ilastik refuses less."""
_MB = 1 << 20


@dataclass(frozen=True)
class IlastikSettings:
    """What environment and file say; None: nothing."""

    threads: int | None = None
    memory: int | None = None
    """Bytes."""
    debug: bool = False
    output_format: str | None = None
    output_filename: str | None = None


def ini_file() -> Path | None:
    """ilastik's settings file, where there is one."""
    places = (
        Path(platformdirs.user_config_dir("ilastik", False)) / "ilastik.ini",
        Path.home() / ".ilastikrc",
    )
    return next((place for place in places if place.is_file()), None)


def load(configfile: str | None) -> IlastikSettings:
    """The settings of ``configfile``, else of the user's `ini_file`; the environment goes before them.

    Raises
    ------
    UsageError
        The file cannot be read, or a number is none or too small.
    """
    path = Path(configfile) if configfile else ini_file()
    parser = configparser.ConfigParser(interpolation=None)
    if path is not None:
        if not path.is_file():
            raise UsageError("there is no such file of settings", where=path, remedy="check --configfile")
        try:
            parser.read_string(path.read_text(encoding="utf-8"), str(path))
        except (OSError, ValueError, configparser.Error) as error:
            said = " ".join(str(error).split())
            raise UsageError(
                f"the settings cannot be read ({said})", where=path, remedy="mend the file"
            ) from None

    def text(section: str, key: str) -> str | None:
        return parser.get(section, key, fallback=None) or None

    threads = _number("LAZYFLOW_THREADS", text("lazyflow", "threads"))
    memory = _number("LAZYFLOW_TOTAL_RAM_MB", text("lazyflow", "total_ram_mb"))
    if memory is not None and 0 < memory < LEAST_MB:
        problem = f"LAZYFLOW_TOTAL_RAM_MB (total_ram_mb) is {memory}"
        raise UsageError(problem, remedy=f"allow at least {LEAST_MB} (megabytes)")
    return IlastikSettings(
        # 0 is ilastik's way to compute without threads of its own; below 0 it takes all.
        threads=None if threads is None or threads < 0 else max(1, threads),
        memory=None if memory is None or memory <= 0 else max(memory * _MB, memory_cap("512MB")),
        debug=(text("ilastik", "debug") or "").lower() in ("1", "yes", "true", "on"),
        output_format=text("ilastik", "output_format"),
        output_filename=text("ilastik", "output_filename_format"),
    )


def _number(variable: str, stored: str | None) -> int | None:
    text = os.environ.get(variable, "").strip() or stored
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{variable} is {text!r}", remedy="give a whole number") from None
