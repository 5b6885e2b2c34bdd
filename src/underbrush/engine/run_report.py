"""What came of a run, for programs (JSON) and people (text); and of several parts of one, put together."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from underbrush import __version__
from underbrush.core.pieces import WHOLE, Share
from underbrush.engine.batch import Request
from underbrush.engine.comparing import KINDS
from underbrush.engine.many import Outcome
from underbrush.errors import OutputError
from underbrush.files import OutputFile, Replacing, layer
from underbrush.sources.address import absolute_address

SCHEMA = 1
JSON_NAME = "run-report.json"
TEXT_NAME = "run-report.txt"
CLAIM = "run-merging"
"""A file that one process makes before it puts parts together, so that no two do."""
_MOST_BYTES = 256_000_000


@dataclass
class Report:
    """What came of the images of a run, in their order."""

    run: str
    """The same for all parts of one run, see `run_id`."""
    project: str
    share: Share = WHOLE
    images: int = 0
    """Of all parts."""
    results: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    began: str = ""
    ended: str = ""
    hosts: list[str] = field(default_factory=list)
    parts: int = 1

    @classmethod
    def begin(cls, run: str, project: Path, share: Share, images: int) -> Report:
        """A report with nothing in it; the clock starts."""
        return cls(run, str(project.absolute()), share, images, began=_now(), hosts=[socket.gethostname()])

    def add(self, place: int, outcome: Outcome) -> None:
        """What came of the image at this place of the whole run."""
        request = outcome.task.request
        if outcome.state == "failed":
            self.failed.append({"place": place, "image": request.image, "error": outcome.error})
        else:
            self.results.append({"place": place, **entry_of(outcome)})

    def end(self) -> None:
        """The clock stops."""
        self.ended = _now()

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "schema": SCHEMA,
            "program": "underbrush",
            "software": f"underbrush {__version__}",
            "run": self.run,
            "project": self.project,
            "part": None if self.share == WHOLE else str(self.share),
            "parts": self.parts,
            "images": self.images,
            "results": self.results,
            "failed": self.failed,
            "differing": differing(self.results),
            "began": self.began,
            "ended": self.ended,
            "hosts": self.hosts,
        }

    @property
    def text(self) -> str:
        """For people."""
        return "\n".join(_lines(self)) + "\n"


def entry_of(outcome: Outcome) -> dict[str, Any]:
    """What is said of a result."""
    task = outcome.task
    said: dict[str, Any] = {
        "image": task.request.image,
        "output": str(task.request.output),
        "seconds": round(outcome.seconds, 3),
        "notices": list(outcome.notices),
        "differs": [[d.kind, d.sentence] for d in outcome.differs],
        "tiles": outcome.tiles,
    }
    if outcome.state == "before":
        said["before"] = True
    if outcome.state == "share":
        said["part"] = str(task.share)
    return said


def differing(results: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """For each kind of difference from the training images the number of images that have it."""
    kinds = [{str(kind) for kind, _ in result.get("differs", ())} for result in results]
    return {kind: n for kind in KINDS if (n := sum(kind in found for found in kinds))}


def difference_lines(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about images unlike the training images: one each, or if they are many, one a kind."""
    told = [(r["image"], str(kind), str(said)) for r in results for kind, said in r.get("differs", ())]
    if len(results) <= 3:
        each: dict[str, list[str]] = {}
        for image, _, sentence in told:
            each.setdefault(image, []).append(sentence)
        return [f"{image}: unlike the training images: {'; '.join(said)}." for image, said in each.items()]
    lines = []
    for kind, count in differing(results).items():
        image, sentence = next((i, s) for i, k, s in told if k == kind)
        lines.append(
            f"{count} of {len(results)} images differ from the training images in {kind}, "
            f"as {image}: {sentence}."
        )
    return lines


def run_id(requests: Sequence[Request], keys: Sequence[str]) -> str:
    """A hash of what is asked of a whole run."""
    said = [
        [key, absolute_address(r.image), r.mask and absolute_address(r.mask), str(r.output.absolute())]
        for r, key in zip(requests, keys, strict=True)
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


# -- on the disk ----------------------------------------------------------------------------------------


def write_report(folder: Path, report: Report) -> Path:
    """Both forms of a report; gives the name of the readable one.

    Raises
    ------
    OutputError
        The disk is full or gone.
    """
    _write(folder / JSON_NAME, json.dumps(report.to_json(), indent=1, allow_nan=False))
    return _write(folder / TEXT_NAME, report.text)


def part_file(folder: Path, share: Share) -> Path:
    """Where the report of a part lies until all are there."""
    return folder / f"run-part-{share.number}-of-{share.of}.json"


def write_part(folder: Path, report: Report) -> None:
    """The report of one part.

    Raises
    ------
    OutputError
        The disk is full or gone.
    """
    _write(part_file(folder, report.share), json.dumps(report.to_json(), allow_nan=False))


def remove_part(folder: Path, share: Share) -> None:
    """What an earlier try of a part left."""
    with suppress(OSError):
        layer().remove(part_file(folder, share))


def read_parts(folder: Path, run: str, of: int) -> list[Report] | None:
    """The reports of all parts of a run, or None while one is missing or of another run."""
    found = []
    for number in range(1, of + 1):
        report = _read(part_file(folder, Share(number, of)))
        if report is None or report.run != run:
            return None
        found.append(report)
    return found


def claim(folder: Path) -> bool:
    """Whether this process is the one that puts the parts together; `release` it afterwards.

    Raises
    ------
    OutputError
        The disk is full or gone.
    """
    try:
        OutputFile.create(folder / CLAIM).close()
    except OutputError:
        if (folder / CLAIM).exists():
            return False
        raise
    return True


def release(folder: Path) -> None:
    """Give back what `claim` took."""
    with suppress(OSError):
        layer().remove(folder / CLAIM)


def merged(reports: Sequence[Report]) -> Report:
    """One report of all parts; what several of them wrote of one image is one result."""
    first = reports[0]
    results: dict[int, dict[str, Any]] = {}
    for result in (r for report in reports for r in report.results):
        place = int(result["place"])
        known = results.get(place)
        if known is None:
            results[place] = {k: v for k, v in result.items() if k != "part"}
            continue
        for key in ("seconds", "tiles"):
            known[key] = round(known.get(key, 0) + result.get(key, 0), 3)
        known["notices"] = list(dict.fromkeys([*known.get("notices", ()), *result.get("notices", ())]))
    failed = {int(f["place"]): f for report in reports for f in report.failed}
    return Report(
        first.run,
        first.project,
        WHOLE,
        first.images,
        [results[n] for n in sorted(results) if n not in failed],
        [failed[n] for n in sorted(failed)],
        min(r.began for r in reports),
        max(r.ended for r in reports),
        sorted({host for report in reports for host in report.hosts}),
        len(reports),
    )


def _read(path: Path) -> Report | None:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["program"] != "underbrush" or said["schema"] != SCHEMA:
            return None
        number, _, of = str(said["part"] or WHOLE).partition("/")
        return Report(
            str(said["run"]),
            str(said["project"]),
            Share(int(number), int(of)),
            int(said["images"]),
            list(said["results"]),
            list(said["failed"]),
            str(said["began"]),
            str(said["ended"]),
            list(said["hosts"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # not there, or not ours


def _write(path: Path, text: str) -> Path:
    file = Replacing(path)
    try:
        file.file.write(text.encode())
        file.commit()
    except BaseException:
        file.abort()
        raise
    return path


def _lines(report: Report) -> Iterable[str]:
    before = sum(bool(r.get("before")) for r in report.results)
    seconds = sum(r.get("seconds", 0.0) for r in report.results)
    yield f"Underbrush {__version__}, {report.project}"
    yield f"{report.began} to {report.ended}, on {', '.join(report.hosts)}"
    done = f"{len(report.results)} of {report.images} images"
    parts = f", in {report.parts} parts" if report.parts > 1 else ""
    yield f"{done} are there{f' ({before} from before)' if before else ''}{parts}; {seconds:.1f} s of work."
    if report.failed:
        yield ""
        yield f"{len(report.failed)} failed:"
        yield from (f"  {one['error']}" for one in report.failed)
    missing = report.images - len(report.results) - len(report.failed)
    if missing:
        yield ""
        yield f"{missing} are missing: give the same command with --resume and without --part."
    lines = difference_lines(report.results)
    if lines:
        yield ""
        yield from lines
    notices = list(dict.fromkeys(n for r in report.results for n in r.get("notices", ())))
    if notices:
        yield ""
        yield from notices


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def leave_no_parts(folder: Path, run: str) -> None:
    """Remove reports of parts of this run, which a whole run has made needless."""
    for path in folder.glob("run-part-*-of-*.json"):
        report = _read(path)
        if report is not None and report.run == run:
            with suppress(OSError):
                layer().remove(path)
    release(folder)
