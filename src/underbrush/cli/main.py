"""The command `underbrush`: every subcommand, and what happens when something goes wrong."""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import logging
import os
import re
import signal
import sys
import time
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from underbrush import __version__
from underbrush.errors import UnderbrushError
from underbrush.log import start_log, tell

if TYPE_CHECKING:
    import typer

_PRINTING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@cache
def application() -> tuple[typer.Typer, type[Exception]]:
    """All commands, and what is raised where they are used wrongly.

    The app itself is a command as well, a hidden one: see `with_command`.

    Made late: Ctrl-C is answered from the start, not only when all is imported.
    """
    import typer

    from underbrush.cli import app as window
    from underbrush.cli import demo, evaluate, info, predict, train, warmup

    app = typer.Typer(
        name="underbrush",
        help="A few brush strokes grow a forest that segments your images.\n\n"
        "underbrush [PROJECT.ilp | IMAGE...] opens the app in the browser; options: underbrush app --help.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in (
        info.info,
        predict.predict,
        train.train,
        evaluate.evaluate,
        demo.demo,
        warmup.warmup,
    ):
        app.command()(command)
    app.command(WINDOW, hidden=True)(window.app)

    def print_version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"underbrush {__version__}")
            raise typer.Exit

    # Not in an annotation: those are read as text, with the names of the module.
    version = typer.Option(
        False, "--version", help="Print the version.", callback=print_version, is_eager=True
    )

    @app.callback()
    def options(version: bool = version) -> None:
        """Options before the command."""

    # typer carries its own copy of click in some versions and depends on click in others.
    return app, typer.BadParameter.__mro__[1]


WINDOW = "app"
COMMANDS = frozenset({WINDOW, "info", "predict", "train", "evaluate", "demo", "warmup"})
_OWN = frozenset({"--help", "-h", "--version"})


def with_command(arguments: list[str]) -> list[str]:
    """The arguments with the app's command in front where none is named: files, its options, or nothing."""
    if arguments and (arguments[0] in COMMANDS or arguments[0] in _OWN):
        return arguments
    return [WINDOW, *arguments]


class Stopped(BaseException):
    """Ctrl-C or SIGTERM came; unwinds the whole command so that nothing half-written stays."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        self.by = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"


_VALUE = "Invalid value for '([^']*)': Input should be "
_NUMBERS = (
    (re.compile(_VALUE + "a valid integer.*"), r"\1 takes a whole number"),
    (re.compile(_VALUE + "a valid number.*"), r"\1 takes a number"),
    (re.compile(_VALUE + r"greater than or equal to (\S+)"), r"\1 takes a number of at least \2"),
)
"""What the parser of options says of numbers, in words for its readers."""
TIDYING = 3.0
"""Seconds in which a second Ctrl-C does not disturb the tidying up that the first began."""
_stops: list[float] = []


def _stop(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if not _stops or now - _stops[-1] > TIDYING:
        _stops.append(now)
        raise Stopped(number)


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit status; prints one line on stderr where it fails."""
    try:
        start_log(None)
        app, _ = application()
        result = app(with_command(arguments), prog_name="underbrush", standalone_mode=False)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, Stopped) as error:  # noqa: BLE001  (the border of the program)
        sentence, status = _explain(error)
        tell(sentence)
        return status
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> tuple[str, int]:
    """One line and the exit status for whatever ended a command."""
    if isinstance(error, UnderbrushError):
        return str(error), error.exit_code
    if not isinstance(error, Stopped) and isinstance(error, application()[1]):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "underbrush"
        problem = error.format_message().rstrip(".")  # type: ignore[attr-defined]
        for words, ours in _NUMBERS:
            problem = words.sub(ours, problem)
        return f"{problem}. See {command} --help.", 2
    if isinstance(error, Stopped):
        return f"stopped by {error.by}; nothing half-written was left.", error.status
    if isinstance(error, MemoryError):
        return "there is not enough memory; lower --memory or --jobs, or free some.", 1
    if isinstance(error, OSError) and error.errno in _PRINTING:
        # Files are read and written behind sentences of their own: this is what stdout leads to.
        return f"the answer cannot be printed ({error.strerror}); check where the output is sent.", 1
    logging.getLogger("underbrush").error("defect", exc_info=error)
    kind = type(error).__name__
    return f"a defect in Underbrush ({kind}: {error}); please report it with the log file.", 1


def main() -> NoReturn:
    """Entry point of the command."""
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a job in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, _stop)
    for stream in (sys.stdout, sys.stderr):
        # A file's name may hold bytes that are no text, or the terminal know fewer letters than the name.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    status = run(sys.argv[1:])
    if _stops:
        _leave(status)
    sys.exit(status)


def _leave(status: int) -> None:
    """End a process that was stopped, where threads are still in the middle of a tile that nobody waits for.

    Taking the interpreter down would pull the compiled code away under them.
    """
    from underbrush.engine.scheduler import left_behind, wait_for_left_behind

    if left_behind():
        logging.shutdown()
        atexit.unregister(wait_for_left_behind)
        atexit._run_exitfuncs()  # what `sys.exit` would run
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
