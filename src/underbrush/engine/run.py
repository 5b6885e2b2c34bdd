"""A run over many images, or a part of one: dealt out, gone on with, written down, put together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from underbrush.core.pieces import WHOLE, Share
from underbrush.engine.batch import Request
from underbrush.engine.export_jobs import now_text
from underbrush.engine.export_record import check_record
from underbrush.engine.label_images import open_beside
from underbrush.engine.many import Outcome, Task, explained
from underbrush.engine.model import Model
from underbrush.engine.pieced import complete, is_divided
from underbrush.engine.resuming import DoneBefore, Journals, facts_of, fold, request_key, work_key
from underbrush.engine.run_report import (
    Report,
    claim,
    entry_of,
    leave_no_parts,
    merged,
    read_parts,
    release,
    remove_part,
    run_id,
    write_part,
    write_report,
)
from underbrush.errors import OutputError
from underbrush.sources.opening import open_image

Compute = Callable[[Sequence[Task]], Generator[Outcome, None, None]]
"""Carries out tasks; gives what comes of each, in any order."""
Tell = Callable[[Outcome], None]


@dataclass
class Run:
    """What one command does with its images.

    Parameters
    ----------
    model, project
        With what is predicted.
    requests
        All images, those of other parts as well.
    share
        The part of it that this process does. Whole images are dealt out; where there are fewer of them than
        parts, and the format is one of many files, each part does its share of each image.
    resume
        What is there, of the same images and recipe, is not computed again.
    recorded
        Results are written down for the next time.
    """

    model: Model
    project: Path
    requests: Sequence[Request]
    share: Share = WHOLE
    resume: bool = False
    recorded: bool = False
    problems: list[str] = field(default_factory=list)
    """Sentences about records and reports that could not be written; the results are not touched by that."""

    def __post_init__(self) -> None:
        self._keys = [request_key(self.model, request) for request in self.requests]
        self._id = run_id(self.requests, self._keys)
        self._folder = self.requests[0].output.absolute().parent

    @property
    def divides_images(self) -> bool:
        """Whether images are divided among the parts, instead of dealt out."""
        few = len(self.requests) < self.share.of
        return few and all(is_divided(request) for request in self.requests)

    def places(self) -> range:
        """Which of the images this part deals with."""
        if self.share == WHOLE or self.divides_images:
            return range(len(self.requests))
        return range(self.share.number - 1, len(self.requests), self.share.of)

    def carry_out(self, compute: Compute, tell: Tell) -> Report:
        """Compute what is missing; each outcome is told in the order of the images.

        Gives the report of this part, or of all parts if this is the one that ended last.
        """
        report = Report.begin(self._id, self.project, self.share, len(self.requests))
        if self.share != WHOLE:
            remove_part(self._folder, self.share)
        label = "" if self.share == WHOLE else f"{self.share.number}-of-{self.share.of}"
        facts = facts_of(self.model, self.requests[0], self.project) if self.recorded else {}
        journals = Journals(facts, label)
        places = self.places()
        before = self._before(places)
        todo = [place for place in places if place not in before]
        tasks = [self._task(place) for place in todo]
        try:
            with closing(compute(tasks)) if tasks else closing(_nothing()) as outcomes:
                named = self._noted(outcomes, todo, journals)
                for place, outcome in _ordered(places, before, named):
                    tell(outcome)
                    report.add(place, outcome)
        finally:
            journals.close()
            self.problems += journals.problems
        report.end()
        return self._ended(report)

    def _task(self, place: int) -> Task:
        share = self.share if self.divides_images else WHOLE
        return Task(self.requests[place], share, self.resume or self.share != WHOLE)

    def _before(self, places: Iterable[int]) -> dict[int, Outcome]:
        """What need not be computed."""
        if not self.resume:
            return {}
        known, found = DoneBefore(), {}
        for place in places:
            request = self.requests[place]
            entry = known.find(self._keys[place], request)
            if entry is not None:
                seconds = float(entry.get("seconds", 0.0))
                notices = tuple(str(n) for n in entry.get("notices", ()))
                found[place] = Outcome(-1 - place, Task(request), "before", seconds, 0, notices)
        return found

    def _noted(
        self, outcomes: Iterator[Outcome], todo: Sequence[int], journals: Journals
    ) -> Iterator[tuple[int, Outcome]]:
        """Outcomes with the places of their images; results are written down when they come."""
        for outcome in outcomes:
            place = todo[outcome.number]
            if self.recorded and outcome.state == "done":
                self._note(journals, place, outcome)
            yield place, outcome

    def _note(self, journals: Journals, place: int, outcome: Outcome) -> None:
        said = entry_of(outcome)
        kept = ("seconds", "notices", "tiles")
        differs = [sentence for _, sentence in said["differs"]]
        entry = {**{k: said[k] for k in kept}, "differs": differs, "written": now_text()}
        journals.add(self._keys[place], self.requests[place], entry)

    # -- the end --------------------------------------------------------------------------------------

    def _ended(self, report: Report) -> Report:
        if self.share == WHOLE:
            if self.recorded:
                leave_no_parts(self._folder, self._id)
                self._fold()
            if self.resume:
                self._write(report)
            return report
        write_part(self._folder, report)
        parts = read_parts(self._folder, self._id, self.share.of)
        if parts is None or not claim(self._folder):
            return report
        try:
            # Another part may have put all together between our look and our claim.
            parts = read_parts(self._folder, self._id, self.share.of)
            return report if parts is None else self._put_together(parts)
        finally:
            release(self._folder)

    def _put_together(self, parts: Sequence[Report]) -> Report:
        """All parts are over: complete what several wrote, one report, one record."""
        report = merged(parts)
        if self.divides_images:
            self._complete(report)
        self._fold()
        self._write(report)
        leave_no_parts(self._folder, self._id)
        return report

    def _complete(self, report: Report) -> None:
        """Give results of which each part wrote a share their names."""
        journals = Journals(facts_of(self.model, self.requests[0], self.project), "all")
        for result in list(report.results):
            if result.get("before"):
                continue
            place = int(result["place"])
            error = self._completed(self.requests[place])
            if error:
                report.results.remove(result)
                report.failed.append({"place": place, "image": result["image"], "error": error})
                continue
            task = Task(self.requests[place])
            done = Outcome(place, task, "done", result["seconds"], result["tiles"], tuple(result["notices"]))
            self._note(journals, place, done)
        journals.close()
        self.problems += journals.problems

    def _completed(self, request: Request) -> str:
        """Complete one result; gives a sentence where that cannot be."""
        try:
            with ExitStack() as stack:
                image = stack.enter_context(open_image(request.image, request.axes))
                mask = stack.enter_context(open_beside(request.mask, image)) if request.mask else None
                key = work_key(self.model, request)
                if complete(self.model, request, (image, mask), key):
                    return ""
        except Exception as error:  # noqa: BLE001  (told as of any image)
            return explained(error, request)[0]
        unfinished = OutputError(
            "pieces of it are missing",
            where=request.output,
            remedy="give the same command with --resume and without --part",
        )
        return str(unfinished)

    def _fold(self) -> None:
        """In all folders of results: one that was killed here may have left nothing else to do."""
        for folder in {request.output.absolute().parent for request in self.requests}:
            try:
                check_record(folder)
                fold(folder)
            except OutputError as error:
                self.problems.append(str(error))

    def _write(self, report: Report) -> None:
        try:
            write_report(self._folder, report)
        except OutputError as error:
            self.problems.append(str(error))


def _nothing() -> Generator[Outcome, None, None]:
    yield from ()


def _ordered(
    places: Sequence[int], before: dict[int, Outcome], named: Iterator[tuple[int, Outcome]]
) -> Iterator[tuple[int, Outcome]]:
    """All outcomes in the order of ``places``, each as soon as those in front of it are there."""
    waiting = dict(before)
    for place in places:
        while place not in waiting:
            found, outcome = next(named)
            waiting[found] = outcome
        yield place, waiting.pop(place)
