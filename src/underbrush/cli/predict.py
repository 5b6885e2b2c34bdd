"""`underbrush predict`: classify images with a project."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from underbrush.cli.machine import counted, load_compiler, usable_cores
from underbrush.config import load_settings, parse_jobs
from underbrush.core.results import RESULTS
from underbrush.engine.naming import DEFAULT_PATTERN, Naming, output_path
from underbrush.errors import OutputError, UnderbrushError, UsageError
from underbrush.log import start_log, tell
from underbrush.sinks.formats import FORMATS, find_format, format_of, suffix_of

if TYPE_CHECKING:
    from underbrush.engine.batch import Done, Request

SCHEMA = 1
Range = tuple[float, float]
DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")


def predict(
    project: Annotated[Path, typer.Argument(help="The project (.ilp).")],
    images: Annotated[list[str], typer.Argument(help="Images: PATH, or PATH/inner/dataset.")],
    result: Annotated[str, typer.Option(help=f"What to write: {', '.join(RESULTS)}.")] = "segmentation",
    output: Annotated[
        str,
        typer.Option(
            help="Where: a path with {project_dir} {project} {dataset_dir} {nickname} {result}.",
            show_default=DEFAULT_PATTERN,
        ),
    ] = DEFAULT_PATTERN,
    format_name: Annotated[
        str | None,
        typer.Option("--format", help="File format; by default from the suffix of --output, else tiff."),
    ] = None,
    axes: Annotated[str | None, typer.Option(help="Read the images' axes in this order, as in zyx.")] = None,
    mask: Annotated[
        list[str] | None, typer.Option(help="Image that is 0 where nothing is wanted; one for each image.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Part of the image, as in y=0:512,x=100:")] = None,
    dtype: Annotated[str | None, typer.Option(help=f"Type to write: {', '.join(DTYPES)}.")] = None,
    rescale: Annotated[str | None, typer.Option(help="Map a range to another, as in 0:1,0:255.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Threads; by default one for each core.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Peak memory, as in 2GB; by default a quarter of the machine's.")
    ] = None,
    output_axes: Annotated[
        str | None, typer.Option(help="Order of the axes in hdf5 and npy files, as in tzyxc.")
    ] = None,
    classifier: Annotated[
        str | None, typer.Option(help="A classifier that the project keeps under this name.")
    ] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> int:
    """Classify images with a trained project and write the results."""
    load_compiler()
    from underbrush.engine.batch import Limits, check_distinct, predict_file
    from underbrush.engine.current import read_current
    from underbrush.engine.memory import memory_cap
    from underbrush.engine.model import kept_model, model_of
    from underbrush.files import check_kept
    from underbrush.project.resolve import resolve_source

    settings = load_settings()
    start_log(log_level or settings.log_level)
    threads = parse_jobs(jobs) or settings.jobs or usable_cores()
    limits = Limits(threads, memory_cap(memory or settings.memory))
    opened = read_current(project, tell)
    model = kept_model(opened, classifier) if classifier else model_of(opened, threads)
    for notice in model.notices:
        typer.echo(f"underbrush: {notice}", err=True)
    wanted = _Wanted.parse(result, format_name, output, dtype, rescale, region, output_axes)
    if mask and len(mask) != len(images):
        problem = f"{counted(len(mask), 'mask')} for {counted(len(images), 'image')}"
        raise UsageError(problem, remedy="give --mask once for each image, in the same order")
    requests = []
    for i, image in enumerate(images):
        naming = Naming(project, wanted.result)
        path = output_path(output, image, naming, suffix_of(wanted.format))
        requests.append(wanted.request(image, path, axes, mask[i] if mask else None))
    check_distinct([(r.image, r.output) for r in requests])
    lanes = [resolve_source(lane.raw, opened).address for lane in opened.lanes]
    inputs = [*images, *(mask or []), *(address for address in lanes if address)]
    check_kept([r.output for r in requests], inputs)
    report: dict[str, Any] = {"schema": SCHEMA, "results": [], "failed": []}
    status = 0
    with _Bar(len(requests), not no_progress) as bar:
        for request in requests:
            try:
                done = predict_file(model, request, limits, bar.begin(request.image))
            except UnderbrushError as error:
                status = error.exit_code if not report["results"] and status in (0, error.exit_code) else 1
                report["failed"].append({"image": request.image, "error": str(error)})
                bar.say(f"underbrush: {error}")
                continue
            status = 1 if report["failed"] else 0
            report["results"].append(_entry(request, done))
            for notice in done.notices:
                bar.say(f"underbrush: {notice}")
            if not as_json:
                bar.say(str(done.output), out=True)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, allow_nan=False))
    return status


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The options that all images share, checked."""

    result: Any
    format: str
    dtype: np.dtype[Any] | None
    rescale: tuple[Range, Range] | None
    region: dict[str, tuple[int | None, int | None]]
    axes: str | None

    @classmethod
    def parse(
        cls,
        result: str,
        format_name: str | None,
        output: str,
        dtype: str | None,
        rescale: str | None,
        region: str | None,
        axes: str | None,
    ) -> _Wanted:
        if result not in RESULTS:
            raise UsageError(f"there is no result {result!r}", remedy=f"use one of {', '.join(RESULTS)}")
        if dtype is not None and dtype not in DTYPES:
            raise UsageError(f"there is no dtype {dtype!r}", remedy=f"use one of {', '.join(DTYPES)}")
        return cls(
            result,
            parse_format(format_name, output),
            None if dtype is None else np.dtype(dtype),
            None if rescale is None else parse_rescale(rescale),
            {} if region is None else parse_region(region),
            axes,
        )

    def request(self, image: str, path: Path, axes: str | None, mask: str | None) -> Request:
        from underbrush.engine.batch import Manner, Request

        return Request(
            image,
            path,
            self.format,
            self.result,
            axes,
            mask,
            self.region,
            self.dtype,
            self.rescale,
            Manner(axes=self.axes),
        )


def parse_format(name: str | None, output: str) -> str:
    """The format that was named, else that of the suffix of ``output``, else TIFF.

    Raises
    ------
    UsageError
        There is no such format.
    """
    try:
        return find_format(name).name if name else format_of(output)
    except OutputError:
        if name is None:
            return "tiff"
        names = ", ".join(f.name for f in FORMATS)
        raise UsageError(f"there is no format {name!r}", remedy=f"use one of {names}") from None


def parse_region(text: str) -> dict[str, tuple[int | None, int | None]]:
    """``y=0:512,x=100:`` as start and stop for each axis.

    Raises
    ------
    UsageError
        It is written otherwise.
    """
    region: dict[str, tuple[int | None, int | None]] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([a-z])\s*=\s*(-?\d+)?\s*:\s*(-?\d+)?\s*", part.lower())
        if match is None or match[1] in region:
            raise UsageError(f"--region {text!r} is not understood", remedy="write it as in y=0:512,x=100:")
        region[match[1]] = (int(match[2]) if match[2] else None, int(match[3]) if match[3] else None)
    return region


def parse_rescale(text: str) -> tuple[Range, Range]:
    """``0:1,0:255`` as two ranges.

    Raises
    ------
    UsageError
        It is written otherwise, or the first range is empty.
    """
    try:
        (a, b), (c, d) = (map(float, part.split(":")) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--rescale {text!r} is not understood", remedy="write it as in 0:1,0:255") from None
    if not (a < b and np.isfinite([a, b, c, d]).all()):
        raise UsageError(f"--rescale {text!r} has an empty range", remedy="write it as in 0:1,0:255")
    largest = float(np.finfo(np.float32).max)
    if max(abs(a), abs(b), abs(c), abs(d)) > largest or abs(d - c) / (b - a) > largest:
        problem = f"--rescale {text!r} stretches beyond the numbers of float32"
        raise UsageError(problem, remedy="write it as in 0:1,0:255")
    return (a, b), (c, d)


def _entry(request: Request, done: Done) -> dict[str, Any]:
    return {
        "image": request.image,
        "output": str(done.output),
        "seconds": round(done.seconds, 3),
        "notices": list(done.notices),
    }


class _Bar:
    """Progress on stderr where that is a terminal; lines otherwise."""

    def __init__(self, images: int, wanted: bool) -> None:
        self._images = images
        self._begun = 0
        console = Console(stderr=True)
        self._progress = (
            Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(), console=console, transient=True,
            )
            if wanted and sys.stderr.isatty()
            else None
        )  # fmt: skip

    def __enter__(self) -> _Bar:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def begin(self, image: str) -> Any:
        """Start the bar of an image; gives what to call with pixels done and in all."""
        self._begun += 1
        if self._progress is None:
            return None
        for old in self._progress.task_ids:
            self._progress.remove_task(old)
        label = Path(image).name + (f" ({self._begun} of {self._images})" if self._images > 1 else "")
        task = self._progress.add_task(label, total=None)
        progress = self._progress
        return lambda done, total: progress.update(task, completed=done, total=total)

    def say(self, line: str, out: bool = False) -> None:
        """A line beside the bar: results on stdout, notices on stderr."""
        if self._progress and not out:
            self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            typer.echo(line, err=not out)
