"""Deleting results: only what exports of this project wrote, as far as nobody touched it since."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from underbrush.engine.export_record import NAME, OTHER_NAME, Record, file_stamp
from underbrush.errors import OutputError, UnderbrushError, UsageError
from underbrush.files import layer
from underbrush.files.folders import remove_tree
from underbrush.files.problems import explain, resolved
from underbrush.sinks.places import files_of

GRACE = 2.0
"""Seconds that the parts of a result may be younger than the time that was noted for it (whole seconds)."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result that an export of this project wrote."""

    path: Path
    """Holds ``{slice_index}`` where it is a sequence of files."""
    bytes: int
    written: str
    """UTC time."""
    changed: bool
    """Whether it is not as it was written: then it stays."""

    def to_json(self) -> dict[str, Any]:
        """For the browser."""
        return {
            "path": str(self.path),
            "name": self.path.name,
            "folder": str(self.path.parent),
            "bytes": self.bytes,
            "written": self.written,
            "changed": self.changed,
            "files": len(files_of(self.path)),
        }


def results_of(project: Path, folders: Iterable[Path]) -> list[Result]:
    """What ``run.json`` in these folders says that exports of the images of ``project`` left there.

    Results of a batch are not among them, nor what is not there any more.
    """
    found: dict[Path, Result] = {}
    for folder in sorted(set(folders)):
        for record in (folder / NAME, folder / OTHER_NAME):
            for run in Record.read_file(record):
                for name, said in run["results"].items():
                    path = folder / name
                    # A name with a folder in it was not written by us.
                    if Path(name).name != name or not isinstance(said, dict) or not said.get("lane"):
                        continue
                    # Copies of a project share a run: each result says whose it is.
                    if not _is_same(said.get("project", run.get("project")), project):
                        continue
                    if file_stamp(path) is not None:
                        found[path] = _result(path, said)
    return list(found.values())


def _is_same(told: object, project: Path) -> bool:
    return isinstance(told, str) and bool(told) and resolved(Path(told)) == resolved(project)


def _result(path: Path, said: dict[str, Any]) -> Result:
    size, written = said.get("bytes"), str(said.get("written", ""))
    return Result(path, size if isinstance(size, int) else 0, written, _is_changed(path, said))


def _is_changed(path: Path, said: dict[str, Any]) -> bool:
    """Whether a file has another size or time than was noted, or anything in a folder came later."""
    try:
        if said.get("output_stamp") != file_stamp(path):
            return True
        until = datetime.fromisoformat(str(said.get("written")).replace("Z", "+00:00")).timestamp() + GRACE
        parts = [part for entry in files_of(path) for part in _within(entry)]
        size = sum(state.st_size for state in parts if stat.S_ISREG(state.st_mode))
        whole = all(stat.S_ISREG(s.st_mode) or stat.S_ISDIR(s.st_mode) for s in parts)  # no links
        return not whole or size != said.get("bytes") or any(s.st_mtime > until for s in parts)
    except (OSError, ValueError):
        return True


def _within(entry: Path) -> Iterator[os.stat_result]:
    """The state of a file or folder and of all in it; links are not followed."""
    yield entry.lstat()
    if not entry.is_dir() or entry.is_symlink():
        return
    for folder, inner, names in os.walk(entry):
        for name in (*inner, *names):
            yield Path(folder, name).lstat()


def delete_results(
    project: Path,
    folders: Iterable[Path],
    wanted: Iterable[Path],
    check_place: Callable[[Path], None],
) -> tuple[list[Path], list[str]]:
    """Delete these results, and forget them in ``run.json``; gives what is gone, and why something stayed.

    Each is looked at again at this moment: what was not written by this project, or was changed, stays.

    Raises
    ------
    UsageError
        One of them is no result of this project: then nothing is deleted.
    """
    known = {one.path: one for one in results_of(project, folders)}
    chosen = list(dict.fromkeys(wanted))
    for path in chosen:
        if path not in known:
            raise UsageError("this is no result that this project exported", where=path, remedy="look again")
        check_place(path)
    gone: list[Path] = []
    left: list[str] = []
    for path in chosen:
        if known[path].changed:
            left.append(f"{path.name} was changed since it was written and stays.")
            continue
        try:
            _delete(path)
            gone.append(path)
        except OSError as error:
            left.append(explain(error, path).sentence)
        except UnderbrushError as error:
            left.append(error.sentence)
    for folder in {path.parent for path in gone}:
        try:
            _forget(folder, {path.name for path in gone if path.parent == folder})
        except (OSError, OutputError) as error:
            left.append(error.sentence if isinstance(error, OutputError) else explain(error, folder).sentence)
    return gone, left


def _delete(path: Path) -> None:
    for entry in files_of(path):
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
            if entry.exists():
                raise OutputError("it could not be deleted", where=entry, remedy="close what has it open")
        else:
            layer().remove(entry)


def _forget(folder: Path, names: set[str]) -> None:
    """Take results out of the records of a folder; a record of nothing, and an empty folder, go too."""
    for path in (folder / NAME, folder / OTHER_NAME):
        runs = Record.read_file(path)
        if not any(name in run["results"] for run in runs for name in names):
            continue
        for run in runs:
            for name in names:
                run["results"].pop(name, None)
        record = Record(path, [run for run in runs if run["results"]])
        if record.runs:
            record.write()
        else:
            layer().remove(path)
    if not any(folder.iterdir()):
        with contextlib.suppress(OSError):  # somebody was quicker
            layer().remove_folder(folder)
