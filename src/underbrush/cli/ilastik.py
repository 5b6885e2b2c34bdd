"""`underbrush-ilastik`: takes ilastik's command line, for programs that call ilastik headless.

Exit status: 0 done; 1 anything that went wrong; 2 a command line that cannot be parsed; 255 for ``--hbp``.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

from underbrush.cli.ilastik_options import CommandFailure, CommandLineError, Options, parse
from underbrush.errors import UnderbrushError
from underbrush.log import start_log, tell

if TYPE_CHECKING:
    from underbrush.compat.running import Job
    from underbrush.compat.settings import IlastikSettings

HBP_STATUS = 255
"""What ilastik answers since the option was removed."""
_log = logging.getLogger("underbrush.ilastik")


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status; prints one line on stderr where it fails."""
    from underbrush.cli.main import Stopped, _explain

    try:
        start_log(None)
        return _run(parse(arguments), arguments)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    except BrokenPipeError:
        # The reader of our output has gone: nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CommandLineError as error:
        tell(f"{error}.")
        return 2
    except UnderbrushError as error:
        tell(str(error))
        return 1
    except (Exception, Stopped) as error:  # noqa: BLE001  (the border of the program)
        sentence, status = _explain(error)
        tell(sentence)
        return status if isinstance(error, Stopped) else 1


def _run(options: Options, arguments: Sequence[str]) -> int:
    app = options.app
    if app.hbp:
        tell("--hbp is no longer supported.")
        return HBP_STATUS
    if app.headless and (app.exit_on_failure or app.fullscreen):
        flag = "--exit_on_failure" if app.exit_on_failure else "--fullscreen"
        raise CommandFailure(f"{flag} does not go with --headless", remedy="leave one of them out")
    if not app.headless:
        return _window(options)
    with ExitStack() as stack:
        if app.redirect_output:
            to = stack.enter_context(_opened(app.redirect_output))
            stack.enter_context(redirect_stdout(to))
            stack.enter_context(redirect_stderr(to))
        if app.logfile:
            handler = logging.StreamHandler(stack.enter_context(_opened(app.logfile)))
            logger = logging.getLogger("underbrush")
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)
        return _headless(options, arguments)


def _opened(path: str) -> IO[str]:
    try:
        return Path(path).open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        problem = f"it cannot be written ({error.strerror})"
        raise CommandFailure(problem, where=path, remedy="name another file") from None


def _window(options: Options) -> int:
    """What ilastik does without --headless: the program with the project open."""
    from underbrush.cli.main import run as run_command

    if options.app.new_project:
        _make_project(options)
    project = options.app.project or options.app.new_project
    return run_command([project] if project else [])


def _headless(options: Options, arguments: Sequence[str]) -> int:
    from underbrush.cli.machine import load_compiler
    from underbrush.compat.settings import load

    settings = load(options.app.configfile)
    if options.app.debug or settings.debug:
        logging.getLogger("underbrush").setLevel("DEBUG")
    if options.app.new_project:
        _make_project(options)
        options.app.project = options.app.project or options.app.new_project
    if not options.app.project:
        raise CommandFailure("--headless needs a project", remedy="give --project=P.ilp")
    if "://" in options.app.project:
        raise CommandFailure(
            "projects on a server (DVID) are not opened",
            where=options.app.project,
            remedy="name an .ilp file",
        )
    if options.inputs.distributed and _rank() > 0:
        tell("--distributed: the first process computes all; this one has nothing to do.")
        return 0
    if options.unused:
        tell(f"Unused command-line args: {list(options.unused)}.")
    for name in ("print_labels_by_slice", "variable_importance_path"):
        if getattr(options.workflow, name):
            tell(f"--{name.replace('_', '-')} has no effect here.")
    if options.workflow.generate_random_labels:
        raise CommandFailure("--generate-random-labels is not supported", remedy="paint strokes")
    load_compiler()
    return _compute(options, settings, arguments)


def _compute(options: Options, settings: IlastikSettings, arguments: Sequence[str]) -> int:
    from underbrush.cli.ilastik_spread import spread
    from underbrush.cli.machine import memory_of, usable_cores
    from underbrush.compat.running import carry_out
    from underbrush.config import load_settings
    from underbrush.engine.batch import Limits
    from underbrush.web.compiling import help_along

    own = load_settings()
    memory = settings.memory or memory_of(None, own.memory)
    limits = Limits(settings.threads or own.jobs or usable_cores(), memory)
    help_along(limits.memory, limits.threads)
    job = job_of(options, settings)
    with spread(arguments, len(job.images) if options.inputs.distributed else 0, limits) as elsewhere:
        carry_out(job, limits, lambda line: print(line, flush=True), tell, elsewhere)  # noqa: T201 - the answer
    return 0


def job_of(options: Options, settings: IlastikSettings) -> Job:
    """What a command line asks for."""
    from underbrush.compat.running import Job, Training

    workflow, inputs = options.workflow, options.inputs
    training = Training(
        retrain=workflow.retrain,
        writable=options.app.readonly is False,
        trees=workflow.tree_count,
        proportion=workflow.label_proportion,
    )
    return Job(
        project=Path(options.app.project).expanduser(),
        images=tuple(inputs.raw_data or ()),
        masks=tuple(inputs.prediction_mask or ()),
        axes=tuple(inputs.input_axes),
        own_axes=inputs.ignore_training_axistags,
        stack_along=inputs.stack_along,
        export=vars(options.export),
        training=training,
        settings=settings,
    )


def _rank() -> int:
    """The number of this process among those that MPI started with the same command line."""
    names = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), 0)


def _make_project(options: Options) -> None:
    """An empty project, as ``--new_project`` asks for."""
    from underbrush.compat.running import new_project

    new_project(Path(options.app.new_project).expanduser(), options.app.workflow)


def main() -> NoReturn:
    """Entry point of the command."""
    from underbrush.cli.main import _leave, _stop, _stops

    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a job in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    status = run(sys.argv[1:])
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    if _stops:
        _leave(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
