"""ilastik's command line: four parsers, one after the other, each of which takes what it knows.

The order matters, and so does that each allows abbreviations: what one does not know goes to the next, and
what the last has left over is taken as files.
"""

from __future__ import annotations

import argparse
import ast
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from underbrush.compat.formats import ENDINGS, REFUSED, WRITTEN
from underbrush.errors import UsageError

PROG = "underbrush-ilastik"
DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
ROLES = ("raw_data", "prediction_mask")
_FLAGS = {
    "1": True,
    "yes": True,
    "true": True,
    "on": True,
    "0": False,
    "no": False,
    "false": False,
    "off": False,
}


class CommandLineError(Exception):
    """A command line that ilastik's parsers refuse; exit status 2."""


class CommandFailure(UsageError):
    """A command line that ilastik refuses only after it was parsed; exit status 1."""

    exit_code = 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandLineError(f"{message}; see {PROG} --help")


@dataclass(frozen=True)
class Options:
    """What was given, by parser."""

    app: Namespace
    workflow: Namespace
    export: Namespace
    inputs: Namespace
    unused: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Options:
    """All options of a command line.

    Raises
    ------
    CommandLineError
        A value that a parser refuses.
    CommandFailure
        A value that is only understood later.
    SystemExit
        After ``--help`` and ``--version``.
    """
    if {"-h", "--help"} & set(arguments):
        print_help()
        raise SystemExit(0)
    app, rest = app_parser().parse_known_args(list(arguments))
    workflow, rest = workflow_parser().parse_known_args(rest)
    export, rest = export_parser().parse_known_args(rest)
    _convert(export)
    inputs, rest = input_parser().parse_known_args(rest)
    _settle_inputs(inputs)
    return Options(app, workflow, export, inputs, tuple(rest))


def print_help() -> None:
    """All options on stdout."""
    for number, parser in enumerate((app_parser(), workflow_parser(), export_parser(), input_parser())):
        text = parser.format_help() if number == 0 else parser.format_help().partition("\n\n")[2]
        print(text)  # noqa: T201 - what was asked for


def _parser(description: str) -> _Parser:
    return _Parser(
        prog=PROG,
        description=description,
        add_help=False,
        usage=f"{PROG} --headless --project=P.ilp [options] [images]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def readonly(text: str) -> bool:
    """The value of ``--readonly``."""
    if text.lower() not in _FLAGS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither true nor false (before a file write --readonly=1)"
        )
    return _FLAGS[text.lower()]


def app_parser() -> argparse.ArgumentParser:
    """Options of the program itself."""
    from underbrush import __version__

    parser = _parser("The command line of ilastik's Pixel Classification, answered by Underbrush.")
    add = parser.add_argument
    add("--headless", action="store_true", help="compute, without a window")
    add("--project", metavar="P.ilp", help="the project")
    add("--readonly", nargs="?", const=True, type=readonly, metavar="BOOL",
        help="do not change the project; the default with --headless")  # fmt: skip
    add("--new_project", metavar="P.ilp", help="make an empty project")
    add("--workflow", metavar="NAME", help="of the new project: Pixel Classification")
    add("--configfile", metavar="FILE", help="settings, instead of ilastik.ini in the user's folder")
    add("--logfile", metavar="FILE", help="write what is logged to this file as well")
    add("--redirect_output", metavar="FILE", help="write what would be printed to this file")
    add("--process_name", metavar="NAME", help="taken, without effect")
    add("--debug", action="store_true", default=None, help="log more")
    for flag in ("--clean_paths", "--fullscreen", "--exit_on_failure"):
        add(flag, action="store_true", help=argparse.SUPPRESS)
    add("--hbp", action="store_true", help=argparse.SUPPRESS)
    for flag in ("--tiktorch_executable", "--nn_device"):
        add(flag, help=argparse.SUPPRESS)
    add(
        "--version",
        action="version",
        version=f"Underbrush {__version__}, with the command line of ilastik 1.4.2",
    )
    return parser


def workflow_parser() -> argparse.ArgumentParser:
    """Options of pixel classification."""
    parser = _parser("Training")
    add = parser.add_argument
    add(
        "--retrain",
        action="store_true",
        help="train from the strokes and save the project (needs --readonly=0)",
    )
    add("--tree-count", type=int, metavar="N", help="trees; trains for this run")
    add("--label-proportion", type=float, metavar="F",
        help="share of the labelled pixels that is trained on, over 0 to 1; trains for this run")  # fmt: skip
    add("--variable-importance-path", metavar="DIR", help=argparse.SUPPRESS)
    add("--print-labels-by-slice", action="store_true", help=argparse.SUPPRESS)
    add("--label-search-value", type=int, help=argparse.SUPPRESS)
    add("--generate-random-labels", action="store_true", help=argparse.SUPPRESS)
    add("--random-label-value", type=int, help=argparse.SUPPRESS)
    add("--random-label-count", type=int, help=argparse.SUPPRESS)
    return parser


def export_parser() -> argparse.ArgumentParser:
    """Options of the export page."""
    parser = _parser("Results")
    add = parser.add_argument
    add("--cutout_subregion", metavar="[(START),(STOP)]",
        help="part to write; axes are those of the image as ilastik holds it: yxc, zyxc, tyxc or tzyxc "
             "(ilastik's own help says tczyx, which it does not take)")  # fmt: skip
    add("--pipeline_result_drange", metavar="(A,B)", help="range of the values ...")
    add("--export_drange", metavar="(C,D)", help="... and the range that it becomes")
    add("--export_dtype", choices=DTYPES, help="type of the values; without ranges it cuts off")
    add("--output_axis_order", metavar="AXES", help="order of the axes in the file, as in tzyxc")
    add("--output_format", choices=tuple(ENDINGS), metavar="NAME",
        help=f"{', '.join(WRITTEN)}; known and refused: {', '.join(REFUSED)}")  # fmt: skip
    add("--output_filename_format", metavar="PATH",
        help="name with {dataset_dir} {nickname} {result_type} {roi} {x_start} {x_stop} ..., that of a "
             "sequence also with {slice_index}")  # fmt: skip
    add("--output_internal_path", metavar="NAME", help="dataset in HDF5 files (exported_data)")
    add(
        "--export_source",
        metavar="NAME",
        help="Probabilities, Simple Segmentation, Uncertainty, Features, Labels",
    )
    add("--table_only", action="store_true", help=argparse.SUPPRESS)
    return parser


def input_parser() -> argparse.ArgumentParser:
    """Options of the images."""
    parser = _parser("Images")
    add = parser.add_argument
    add("--raw_data", "--raw-data", nargs="+", metavar="FILE", help="images, one result each")
    add("--prediction_mask", "--prediction-mask", nargs="+", metavar="FILE",
        help="for each image one that is 0 where nothing is wanted")  # fmt: skip
    add("files", nargs="*", help="images, where --raw_data is not given; a quoted pattern is one stack")
    add("--preconvert_stacks", "--preconvert-stacks", action="store_true", help=argparse.SUPPRESS)
    add("--input_axes", "--input-axes", metavar="AXES[,AXES]",
        help="order of the axes of images and masks; that of a stack counts its axis, too")  # fmt: skip
    add("--ignore_training_axistags", "--ignore-training-axistags", action="store_true",
        help="read axes as the files say, not as in the project's last image")  # fmt: skip
    add("--stack_along", "--stack-along", default="z", metavar="t|z|c", help="axis of stacks (z)")
    add("--distributed", action="store_true", help=argparse.SUPPRESS)
    add("--distributed_block_roi", "--distributed-block-roi", help=argparse.SUPPRESS)
    return parser


def _convert(export: Namespace) -> None:
    """Texts as the values that they stand for."""
    for name in ("pipeline_result_drange", "export_drange"):
        text = getattr(export, name)
        if text:
            pair = _literal(text, f"--{name}", "(0.0,1.0)")
            if len(pair) != 2 or not all(isinstance(v, int | float) for v in pair):
                raise CommandFailure(f"--{name} {text!r} is no range", remedy="write it as in (0.0,1.0)")
            setattr(export, name, (float(pair[0]), float(pair[1])))
    if export.export_drange and not export.pipeline_result_drange:
        raise CommandFailure(
            "--export_drange needs --pipeline_result_drange", remedy="say which range is to become this one"
        )
    if export.cutout_subregion:
        export.cutout_subregion = _region(export.cutout_subregion)


def _region(text: str) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    example = "[(0,0,None),(100,200,None)]"
    region = _literal(text, "--cutout_subregion", example)
    fits = len(region) == 2 and all(isinstance(part, tuple | list) for part in region)
    if fits and len(region[0]) == len(region[1]):
        values = [*region[0], *region[1]]
        if all(v is None or (isinstance(v, int) and not isinstance(v, bool)) for v in values):
            return tuple(region[0]), tuple(region[1])
    raise CommandFailure(
        f"--cutout_subregion {text!r} is no start and stop", remedy=f"write it as in {example}"
    )


def _literal(text: str, option: str, example: str) -> Sequence[Any]:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, tuple | list):
        raise CommandFailure(f"{option} {text!r} is not understood", remedy=f"write it as in {example}")
    return value


def _settle_inputs(inputs: Namespace) -> None:
    """Files that were named without a role are raw data."""
    named = [role for role in ROLES if getattr(inputs, role)]
    if inputs.files and named:
        raise CommandFailure(
            f"there are files without a role ({inputs.files[0]}) beside --{named[0]}",
            remedy="put all raw data behind --raw_data",
        )
    inputs.raw_data = inputs.raw_data or inputs.files
    axes = [part.strip() for part in (inputs.input_axes or "").split(",")] if inputs.input_axes else []
    if len(axes) > len(ROLES):
        raise CommandLineError("argument --input_axes: there are more axis orders than kinds of images")
    if len(axes) == 1:
        axes *= len(ROLES)
    axes += ["None"] * (len(ROLES) - len(axes))
    inputs.input_axes = [None if part in ("None", "") else part for part in axes]
