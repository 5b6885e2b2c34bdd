"""A command that is killed (SIGKILL) at a chosen call to the disk, and what it had computed until then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from underbrush import files

CODE = """
import os, signal, sys, threading
sys.path.insert(0, sys.argv.pop(1))
import underbrush.engine.batch as batch
from killing import line
from underbrush import files

nth, record = int(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
lock = threading.Lock()
calls = 0

class Deadly(files.FileLayer):
    CHANGES = ("open", "write", "truncate", "fsync", "replace", "exchange", "remove", "link", "close")
    def __getattribute__(self, name):
        global calls
        if name in Deadly.CHANGES:
            with lock:
                calls += 1
                if calls == nth:
                    os.kill(os.getpid(), signal.SIGKILL)
        return object.__getattribute__(self, name)

real = batch.Prepared.carry_out
def noted(self, grid, sink, *rest):
    write = sink.write
    def written(box, block):
        write(box, block)
        record.write(line(self, sink, box) + "\\n")
    sink.write = written
    return real(self, grid, sink, *rest)
batch.Prepared.carry_out = noted

from underbrush.cli.main import run
with files.using(Deadly()):
    sys.exit(run(sys.argv[3:]))
"""
"""Notes each tile once it is with the sink."""


def line(prepared: Any, sink: Any, box: Any) -> str:
    """What is noted of a tile: file, piece of the file, place. The whole file where it has no pieces."""
    unit = getattr(sink, "unit", (1 << 40,) * 5)
    piece = [a // n for a, n in zip(box.start, unit, strict=True)]
    return json.dumps([prepared.request.output.name, piece, box.start])


def check_nothing_twice(runs: list[list[str]], tiles: list[str], slack: int = 0) -> None:
    """Whether no run computed a tile of a piece that one before it had finished.

    Up to ``slack`` may be all computed and not yet complete on the disk: files, at their end.
    """

    def piece(text: str) -> str:
        return json.dumps(json.loads(text)[:2])

    whole: dict[str, set[str]] = {}
    for text in tiles:
        whole.setdefault(piece(text), set()).add(text)
    finished: set[str] = set()
    for run in runs:
        assert len(set(run)) == len(run), "a tile was computed twice by one run"
        twice = {piece(text) for text in run} & finished
        assert len(twice) <= slack, f"pieces that were finished were made again: {twice}"
        finished |= {name for name, all_of_it in whole.items() if all_of_it <= set(run)}


CHANGES = ("open", "write", "truncate", "fsync", "replace", "exchange", "remove", "link", "close")


class Counting(files.FileLayer):
    """Counts the calls at which a command can be made to die."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def __getattribute__(self, name: str) -> Any:
        if name in CHANGES:
            with self._lock:
                self.calls += 1
        return object.__getattribute__(self, name)


def call(folder: Path, nth: int, record: Path, arguments: list[object]) -> int:
    """Run a command that dies at the ``nth`` call; gives its status."""
    process = subprocess.run(
        [sys.executable, "-c", CODE, str(Path(__file__).parent), str(nth), str(record), *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"UNDERBRUSH_LOG_DIR": str(folder / "log")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert process.returncode in (0, -signal.SIGKILL), process.stderr
    return process.returncode


def lines(record: Path) -> list[str]:
    """What was noted."""
    return record.read_text().splitlines() if record.exists() else []
