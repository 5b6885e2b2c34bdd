"""The log: a rotating file in the user's log folder, and warnings on stderr. No telemetry."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
import time
from pathlib import Path

import platformdirs

from underbrush.errors import UsageError

LEVELS = ("debug", "info", "warning", "error")
_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(process)d %(name)s: %(message)s"


def log_folder() -> Path:
    """Where the log files are."""
    override = os.environ.get("UNDERBRUSH_LOG_DIR")
    return Path(override) if override else Path(platformdirs.user_log_dir("underbrush"))


def start_log(level: str | None) -> None:
    """Write what the package logs at ``level`` or above (default info) to the log file.

    A folder that cannot be written is no reason to stop: then there is no log file.

    Raises
    ------
    UsageError
        No such level.
    """
    name = (level or "info").lower()
    if name not in LEVELS:
        raise UsageError(f"there is no log level {level!r}", remedy=f"use one of {', '.join(LEVELS)}")
    logger = logging.getLogger("underbrush")
    logger.setLevel(name.upper())
    logger.propagate = False
    if any(isinstance(handler, _Warnings) for handler in logger.handlers):
        return
    logger.addHandler(_Warnings())
    try:
        folder = log_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            folder / "underbrush.log", maxBytes=2_000_000, backupCount=5, encoding="utf-8", delay=True
        )
    except OSError:
        return
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.handleError = _ignore_full_disk  # type: ignore[method-assign]
    logger.addHandler(handler)


class _Warnings(logging.Handler):
    """What a user should read, as a line on stderr; errors are printed by the command itself."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            tell(f"{record.getMessage()}.")


def tell(sentence: str) -> None:
    """A line on stderr; nothing where that is closed or full, for there is nobody to tell."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"underbrush: {sentence}", file=sys.stderr, flush=True)  # noqa: T201


def _ignore_full_disk(record: logging.LogRecord) -> None:
    """A log line that cannot be written must not disturb the work; there is nowhere to report it."""
