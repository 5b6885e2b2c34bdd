"""The command `underbrush`: every subcommand, and what happens when something goes wrong."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from underbrush import __version__
from underbrush.cli import demo, evaluate, info, predict, train, warmup
from underbrush.errors import UnderbrushError
from underbrush.log import start_log

# typer carries its own copy of click in some versions and depends on click in others.
WrongUsage: type[Exception] = typer.BadParameter.__mro__[1]

_PRINTING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

app = typer.Typer(
    name="underbrush",
    help="A few brush strokes grow a forest that segments your images.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(info.info)
app.command()(predict.predict)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(demo.demo)
app.command()(warmup.warmup)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"underbrush {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options before the command."""


class Stopped(BaseException):
    """Ctrl-C or SIGTERM came; unwinds the whole command so that nothing half-written stays."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        self.by = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit status; prints one line on stderr where it fails."""
    start_log(None)
    if not arguments:
        app(["--help"], prog_name="underbrush", standalone_mode=False)
        return 2
    try:
        result = app(arguments, prog_name="underbrush", standalone_mode=False)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, Stopped) as error:  # noqa: BLE001  (the border of the program)
        sentence, status = _explain(error)
        typer.echo(f"underbrush: {sentence}", err=True)
        return status
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> tuple[str, int]:
    """One line and the exit status for whatever ended a command."""
    if isinstance(error, UnderbrushError):
        return str(error), error.exit_code
    if isinstance(error, WrongUsage):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "underbrush"
        problem = error.format_message().rstrip(".")  # type: ignore[attr-defined]
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
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
