"""What a result was made of, written down as soon as it is there, so that nothing is computed twice.

Each run writes a journal beside its results, a line for each; at its end the lines become part of run.json
(`export_record`). A run that was killed leaves its journal, and who goes on reads it like run.json. Formats
of many files are taken up in the middle: `work_key` says whether what is there can be used.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from underbrush import __version__
from underbrush.engine.batch import Request
from underbrush.engine.export_record import (
    MOST_BYTES,
    OTHER_NAME,
    SCHEMA,
    Record,
    file_digest,
    file_stamp,
    model_facts,
)
from underbrush.engine.export_record import NAME as RECORD
from underbrush.engine.model import Model
from underbrush.errors import OutputError, UnderbrushError
from underbrush.files import OutputFile, layer, make_folder_for
from underbrush.sources.address import absolute_address, is_remote, parse_address
from underbrush.sources.sequence import stack_files

JOURNAL = "run-*.jsonl"
_METADATA = (".zattrs", ".zgroup", ".zarray", "zarr.json", "attributes.json", "info")


def request_key(model: Model, request: Request) -> str:
    """A hash of all that a result depends on, its image and mask excepted."""
    manner = request.manner
    said = {
        "version": __version__,
        "recipe": model.key,
        "classes": list(model.class_names),
        "colors": [list(color) for color in model.class_colors],
        **_how(request),
        "inner": manner.inner_path,
        "part": manner.channels,
        "casts": manner.casts,
        "outside": manner.outside,
        "value_range": manner.value_range,
        "sizes": "" if model.sizes is None else model.sizes.told(request.image),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def work_key(model: Model, request: Request) -> str:
    """A hash of all that a result depends on, with the state of image and mask."""
    inputs = [_address(request.image), _address(request.mask), *stamps(request)]
    text = json.dumps([request_key(model, request), inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _how(request: Request) -> dict[str, Any]:
    return {
        "result": request.result,
        "format": request.format,
        "axes": request.axes,
        "region": {axis: list(span) for axis, span in sorted(request.region.items())},
        "dtype": None if request.dtype is None else np.dtype(request.dtype).name,
        "rescale": request.rescale,
        "output_axes": request.manner.axes,
        "objects": list(request.manner.objects),
    }


def stamps(request: Request) -> list[Any]:
    """The state of image and mask."""
    return [_stamp(request.image), None if request.mask is None else _stamp(request.mask)]


def _address(location: str | None) -> str | None:
    return None if location is None else absolute_address(location)


def _stamp(location: str) -> Any:
    """Size and time of the file; of all files of a stack; of what describes a folder. None: not there."""
    if is_remote(location):
        return "net"  # its name is all that is known without asking
    try:
        files = stack_files(location)
        if files:
            each = [_stamp(file) for file in files]
            return [len(files), hashlib.sha256(json.dumps(each).encode()).hexdigest()]
        address = parse_address(location)
        path = address.path
        if not path.is_dir():
            return file_stamp(path)
        inside = [path / address.inner] if address.inner else []
        found = [file_stamp(folder / name) for folder in (path, *inside) for name in _METADATA]
        return [file_stamp(path), hashlib.sha256(json.dumps(found).encode()).hexdigest()]
    except (OSError, ValueError, UnderbrushError):
        return None


@dataclass
class DoneBefore:
    """What earlier runs left, of any folder; each is read when it is first asked for."""

    _folders: dict[Path, dict[tuple[str, str], list[dict[str, Any]]]] = field(default_factory=dict)

    def find(self, key: str, request: Request) -> dict[str, Any] | None:
        """The entry of a result of this key at its place, if image, mask and result are as they were."""
        folder = request.output.absolute().parent
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = _known(folder)
        now = stamps(request)
        for entry in known.get((key, absolute_address(request.image)), ()):
            fits = entry.get("name") == request.output.name and entry.get("mask") == _address(request.mask)
            if fits and now[0] is not None and entry.get("stamps") == now:
                stamp = file_stamp(request.output)
                if stamp is not None and entry.get("output_stamp") == stamp:
                    return entry
        return None


def _known(folder: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name in (RECORD, OTHER_NAME):
        for run in Record.read_file(folder / name):
            for output, result in run["results"].items():
                place = (str(run.get("key")), str(result.get("image")))
                found.setdefault(place, []).append({**result, "name": output})
    for path in sorted(folder.glob(JOURNAL)):
        _, entries = _read(path)
        for entry in entries:
            found.setdefault((str(entry.get("key")), str(entry.get("image"))), []).append(entry)
    return found


def _read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Head and entries of a journal; of a last line that is not complete, nothing."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}, []
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        head = json.loads(lines[0])
    except (OSError, ValueError, RecursionError):
        return {}, []
    if not isinstance(head, dict) or head.get("program") != "underbrush" or head.get("schema") != SCHEMA:
        return {}, []
    entries = []
    for line in lines[1:-1]:
        with suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, dict):
                entries.append(said)
    return head, entries


class Journals:
    """The journals of one run, one in each folder that gets results. For one thread.

    Parameters
    ----------
    facts
        What run.json says of the run.
    label
        Part of their names, as ``3-of-40``.
    """

    def __init__(self, facts: Mapping[str, Any], label: str = "") -> None:
        self._facts = dict(facts)
        self._label = label or "all"
        self._files: dict[Path, OutputFile] = {}
        self.problems: list[str] = []
        """Sentences about records that could not be kept."""

    def add(self, key: str, request: Request, entry: Mapping[str, Any]) -> None:
        """Write down a result that is there; a record that cannot be kept is told in `problems`, once."""
        if self.problems:
            return
        folder = request.output.absolute().parent
        line = {
            "key": key,
            "name": request.output.name,
            "image": absolute_address(request.image),
            "mask": _address(request.mask),
            "stamps": stamps(request),
            "output_stamp": file_stamp(request.output),
            **entry,
        }
        try:
            if folder not in self._files:
                self._files[folder] = self._open(folder)
            self._files[folder].write(_line(line))
        except OutputError as error:
            self.problems.append(f"{error} Without a record --resume computes these results again.")

    def _open(self, folder: Path) -> OutputFile:
        token = f"{os.getpid():x}{time.time_ns():x}"
        path = folder / JOURNAL.replace("*", f"{self._label}-{token}")
        make_folder_for(path)
        file = OutputFile.create(path)
        with suppress(OSError):  # without locks nobody clears it away while it is written, see `fold`
            file.lock()
        head = {"program": "underbrush", "schema": SCHEMA, "facts": self._facts}
        file.write(_line(head))
        return file

    def close(self) -> None:
        """No more lines come; the journals stay."""
        for file in self._files.values():
            try:
                file.close()
            except OutputError as error:
                self.problems.append(str(error))


def fold(folder: Path) -> None:
    """Make the journals of a folder, but for those that are being written, part of its run.json.

    Two may do so at the same time: journals are read before run.json and removed after it, so that what one
    of them does not find any more it finds there.

    Raises
    ------
    OutputError
        The disk is full or gone; then the journals stay.
    """
    ended = [(path, *_read(path)) for path in sorted(folder.glob(JOURNAL)) if _is_free(path)]
    if not ended:
        return
    record = Record.read(folder)
    for _, head, entries in ended:
        facts = head.get("facts", {})
        for entry in entries:
            result = {k: v for k, v in entry.items() if k not in ("key", "name")}
            record.add(str(entry.get("key")), facts, str(entry.get("name")), result)
    record.write()
    for path, _, _ in ended:
        with suppress(OSError):  # another one has folded it as well
            layer().remove(path)


def _is_free(path: Path) -> bool:
    """Whether nobody writes a journal any more."""
    try:
        file = OutputFile(path, os.O_RDWR)
    except OutputError:
        return False
    try:
        return file.lock()
    except OSError:
        return False
    finally:
        file.close()


def _line(said: Mapping[str, Any]) -> bytes:
    return (json.dumps(said, ensure_ascii=True) + "\n").encode()


def facts_of(model: Model, request: Request, project: Path) -> dict[str, Any]:
    """What run.json says of a run that a command began."""
    return {
        "software": f"underbrush {__version__}",
        "numpy": np.__version__,
        "project": str(project.absolute()),
        "project_sha256": file_digest(project),
        "wish": _how(request),
        "began": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        **model_facts(model),
        "notices": list(model.notices),
    }
