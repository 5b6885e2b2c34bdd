"""`underbrush predict`: classify images with a project."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from underbrush.cli.machine import counted, load_compiler, memory_of, usable_cores
from underbrush.cli.predict_options import DTYPES, KINDS, Wanted, parse_part, usual_place
from underbrush.config import load_settings, parse_jobs
from underbrush.core.pieces import WHOLE, Share
from underbrush.engine.naming import DEFAULT_PATTERN, Naming, output_path
from underbrush.errors import UsageError
from underbrush.log import start_log, tell
from underbrush.sinks.formats import suffix_of

if TYPE_CHECKING:
    from underbrush.cli.predict_progress import Bar
    from underbrush.engine.batch import Limits, Request
    from underbrush.engine.manifest import Entry
    from underbrush.engine.many import Outcome
    from underbrush.engine.model import Model
    from underbrush.engine.run import Compute
    from underbrush.engine.run_report import Report
    from underbrush.project.schema import Project

SCHEMA = 1


def predict(
    project: Annotated[Path, typer.Argument(help="The project (.ilp).")],
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE...",
            help="Images: PATH, PATH/inner/dataset, folders, or - for a list on stdin.",
            show_default=False,
        ),
    ] = None,
    result: Annotated[str, typer.Option(help=f"What to write: {', '.join(KINDS)}.")] = "segmentation",
    output: Annotated[
        str | None,
        typer.Option(
            help="Where: a path with {project_dir} {project} {dataset_dir} {nickname} {result}.",
            show_default=DEFAULT_PATTERN,
        ),
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", help="File format; by default from the suffix of --output, else tiff."),
    ] = None,
    axes: Annotated[str | None, typer.Option(help="Read the images' axes in this order, as in zyx.")] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            help="Image that is 0 where nothing is wanted; one for each image, a folder, or with {nickname}."
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Images from a CSV file with the columns image, mask, axes, output.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Folders in folders are looked into as well.")
    ] = False,
    region: Annotated[str | None, typer.Option(help="Part of the image, as in y=0:512,x=100:")] = None,
    dtype: Annotated[str | None, typer.Option(help=f"Type to write: {', '.join(DTYPES)}.")] = None,
    rescale: Annotated[str | None, typer.Option(help="Map a range to another, as in 0:1,0:255.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Classes that objects are made of, as in nucleus,3; by default all but the first."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Threads; by default one for each core.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Peak memory, as in 2GB; by default a quarter of the machine's.")
    ] = None,
    output_axes: Annotated[
        str | None, typer.Option(help="Order of the axes in hdf5, n5 and npy files, as in tzyxc.")
    ] = None,
    classifier: Annotated[
        str | None, typer.Option(help="A classifier that the project keeps under this name.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Only a part of the work, as in 3/40; parts may run at the same time.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on: what is there, of the same recipe, is not made again.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(help="Compute on a Dask cluster: its address, or local:4."),
    ] = None,
    trusted_network: Annotated[
        bool, typer.Option("--trusted-network", help="Take a cluster without TLS: its network is closed.")
    ] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> int:
    """Classify images with a trained project and write the results."""
    share = parse_part(part)
    if cluster is not None and share != WHOLE:
        raise UsageError("--part and --cluster do not go together", remedy="leave one of them out")
    load_compiler()
    from underbrush.cli.predict_progress import Bar
    from underbrush.engine.batch import Limits
    from underbrush.engine.stages import read_trained
    from underbrush.web.compiling import help_along

    settings = load_settings()
    start_log(log_level or settings.log_level)
    threads = parse_jobs(jobs) or settings.jobs or usable_cores()
    limits = Limits(threads, memory_of(memory, settings.memory))
    output, format_name = usual_place(output, format_name)
    wanted = Wanted.parse(result, format_name, output, dtype, rescale, region, output_axes, classes)
    entries = _entries(images or [], mask or [], manifest, recursive)
    if result == "labels":
        from underbrush.cli.predict_labels import write_strokes

        not_for = {"--part": part, "--resume": resume, "--cluster": cluster, "--classifier": classifier}
        given = [*(name for name, value in not_for.items() if value), *(["--mask"] if mask else [])]
        if given or axes or rescale:
            name = [*given, *(["--axes"] if axes else []), *(["--rescale"] if rescale else [])][0]
            raise UsageError(f"{name} is not for labels", remedy="leave it out")
        return write_strokes(project, [(e.image, e.output or output) for e in entries], wanted, as_json)
    help_along(limits.memory, threads)
    opened, model = read_trained(project, threads, tell, classifier)
    for notice in model.notices:
        typer.echo(f"underbrush: {notice}", err=True)
    requests = _requests(project, entries, wanted, output, axes)
    _check(requests, opened)
    command = _Command(project, opened, model, limits, share, resume)
    with Bar(len(requests), not no_progress) as bar, ExitStack() as stack:
        if cluster is None:
            compute = command.here(bar)
        else:
            compute = command.there(bar, stack, cluster, classifier, trusted_network)
        return command.run(requests, compute, bar, as_json, cluster is not None)


@dataclass(frozen=True)
class _Command:
    """The command, understood."""

    project: Path
    opened: Project
    model: Model
    limits: Limits
    share: Share
    resume: bool

    def here(self, bar: Bar) -> Compute:
        """Computes in this process."""
        from underbrush.engine.comparing import project_traits
        from underbrush.engine.many import run_many

        return lambda tasks: run_many(self.model, tasks, self.limits, project_traits(self.opened), bar)

    def there(
        self, bar: Bar, stack: ExitStack, address: str, classifier: str | None, trusted: bool
    ) -> Compute:
        """Computes on a cluster."""
        from underbrush.engine.cluster import connected, run_on
        from underbrush.engine.cluster_tasks import Lesson

        client = stack.enter_context(connected(address, self.limits, trusted))
        lesson = Lesson.of(self.project, self.model, classifier)
        return lambda tasks: run_on(client, lesson, self.model, tasks, bar)

    def run(
        self, requests: Sequence[Request], compute: Compute, bar: Bar, as_json: bool, clustered: bool
    ) -> int:
        """Carry it out and say what came of it; gives the exit status."""
        from underbrush.engine.run import Run

        recorded = len(requests) > 1 or self.resume or clustered or self.share != WHOLE
        run = Run(self.model, self.project, requests, self.share, self.resume, recorded)
        places = run.places()
        bar.expect(len(places))
        if not places:
            number = (
                "there is only 1 image" if len(requests) == 1 else f"there are only {len(requests)} images"
            )
            bar.say(f"underbrush: part {self.share} has nothing to do: {number}.")
        outcomes: list[Outcome] = []

        def told(outcome: Outcome) -> None:
            outcomes.append(outcome)
            bar.end(outcome.number)
            if outcome.state == "failed":
                bar.say(f"underbrush: {outcome.error}")
                return
            for notice in outcome.notices if outcome.state != "before" else ():
                bar.say(f"underbrush: {notice}")
            if not as_json and outcome.state != "share":
                bar.say(str(outcome.task.request.output), out=True)

        report = run.carry_out(compute, told)
        return self._end(run.problems, report, outcomes, bar, as_json)

    def _end(
        self, problems: list[str], report: Report, outcomes: list[Outcome], bar: Bar, as_json: bool
    ) -> int:
        from underbrush.engine.run_report import difference_lines

        for line in (*difference_lines(report.results), *problems):
            bar.say(f"underbrush: {line}")
        told = {outcome.error for outcome in outcomes}
        for failed in report.failed if self.share != WHOLE else ():
            if failed["error"] not in told:
                bar.say(f"underbrush: {failed['error']}")
        shares = sum(outcome.state == "share" for outcome in outcomes)
        if shares and report.share == self.share:
            done = f"part {self.share} of {counted(shares, 'result')} is done"
            bar.say(f"underbrush: {done}; the last part gives names.")
        elif not as_json:  # the last part: those of several are there now
            _say_shares(report, outcomes, bar)
        if as_json:
            typer.echo(json.dumps(_json(report), ensure_ascii=False, allow_nan=False))
        return _status(report, outcomes)


def _say_shares(report: Report, outcomes: Sequence[Outcome], bar: Bar) -> None:
    shared = {outcome.task.request.image for outcome in outcomes if outcome.state == "share"}
    for result in report.results:
        if result["image"] in shared:
            bar.say(result["output"], out=True)


def _status(report: Report, outcomes: Sequence[Outcome]) -> int:
    codes = {outcome.exit_code for outcome in outcomes if outcome.state == "failed"}
    if not codes:
        return 1 if report.failed else 0
    return codes.pop() if len(codes) == 1 and not report.results else 1


def _json(report: Report) -> dict[str, Any]:
    """What ``--json`` prints."""
    said = report.to_json()
    results = [{k: v for k, v in result.items() if k != "place"} for result in report.results]
    failed = [{k: v for k, v in one.items() if k != "place"} for one in report.failed]
    more = {"part": said["part"]} if said["part"] else {}
    return {"schema": SCHEMA, "results": results, "failed": failed, **more}


def _entries(images: list[str], masks: list[str], manifest: Path | None, deep: bool) -> list[Entry]:
    """All that is named."""
    from underbrush.engine.manifest import listed, named_entries, read_table

    found: list[Entry] = []
    if manifest is not None:
        if masks:
            raise UsageError("--mask and --manifest do not go together", remedy="name masks in the table")
        found, said = read_table(manifest)
        for sentence in said:
            tell(sentence)
    lines = listed(sys.stdin.read()) if "-" in images else []
    found += named_entries(images, masks, lines, deep)
    if not found:
        raise UsageError("no image was named", remedy="name images, folders, or a table with --manifest")
    return found


def _requests(
    project: Path, entries: Sequence[Entry], wanted: Wanted, output: str, axes: str | None
) -> list[Request]:
    naming, suffix = Naming(project, wanted.result), suffix_of(wanted.format)
    return [
        wanted.request(
            entry.image,
            output_path(entry.output or output, entry.image, naming, suffix),
            entry.axes or axes,
            entry.mask,
        )
        for entry in entries
    ]


def _check(requests: Sequence[Request], opened: Project) -> None:
    """Refuse results that would be one file, or destroy what is read."""
    from underbrush.engine.batch import check_distinct
    from underbrush.engine.lanes import files_of, lane_files
    from underbrush.files import check_kept

    check_distinct([(r.image, r.output) for r in requests])
    inputs = [file for r in requests for a in (r.image, r.mask) if a for file in files_of(a)]
    check_kept([r.output for r in requests], [*inputs, *lane_files(opened)])
