"""The power fails, the disk fails, the program is killed: no acknowledged command is lost.

A few hundred times in every test run, twenty thousand times in `make soak`. Each round has a seed, which a
failure names; the same seed gives the same round again.
"""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from faults.painting import (
    Painter,
    Trouble,
    each_file_read_once,
    fingerprint,
    replayed,
    small_project,
    verify,
)
from faults.powercut import Disk, Op, RecordingLayer
from underbrush.files import FileLayer, using
from underbrush.project.kept_versions import restore, versions
from underbrush.project.recovery import recover
from underbrush.project.recovery_files import read_recovered


def cut_places(log: list[Op], draw: random.Random, count: int) -> list[int]:
    """Moments at which the power fails, in order; rarely between the many small writes of one file."""
    weights = [0.05 if op[0] == "write" else 1.0 for op in log]
    return sorted(draw.choices(range(1, len(log) + 1), weights, k=count))


def round_of_work(
    folder: Path, draw: random.Random, steps: int, rate: float
) -> tuple[RecordingLayer, Counter[str]]:
    """Some work in ``folder`` on a disk that fails with the given rate."""
    trouble = Trouble(draw, 0.0)
    layer = RecordingLayer(folder, trouble)
    with using(layer):
        painter = Painter(folder / "p.ilp", draw, layer.note)
        painter.trouble, trouble.rate = trouble, rate
        for _ in range(steps):
            painter.some(1)
            if rate and painter.failures:
                painter.check()
        trouble.rate = 0.0
        painter.check()
        painter.leave(close=True)
    return layer, Counter(errors=trouble.count, refused=painter.failures)


def cuts(layer: RecordingLayer, place: Path, draw: random.Random, count: int, again: int) -> Counter[str]:
    """Cut the power ``count`` times in recorded work and look at what is left each time.

    ``again``: so often the work goes on after the cut and the power is cut a second time.
    """
    done: Counter[str] = Counter()
    disk: Disk = layer.disk
    allowed: set[str] = set()
    at = 0
    for moment in cut_places(layer.log, draw, count):
        for op in layer.log[at:moment]:
            disk.apply(op, draw)
            if op[0] == "note":
                allowed = {op[2]} if op[1] == "safe" else {*allowed, op[2]}
        at = moment
        target = place / "cut"
        disk.cut(draw).put(layer.root, target)
        try:
            if allowed:  # else the project was not even open
                thorough = draw.random() < 0.1
                with contextlib.nullcontext() if thorough else each_file_read_once():
                    verify(target / "p.ilp", allowed, thorough=thorough)
            done["cuts"] += 1
            if again and draw.random() < again / count:
                second, more = round_of_work(target, draw, 6, draw.choice([0.0, 0.1]))
                done += more + cuts(second, place / "second", draw, 5, 0)
        finally:
            shutil.rmtree(target, ignore_errors=True)
    return done


def power_cuts(seed: int, place: Path, template: Path) -> Counter[str]:
    """One round: work on a disk that fails rarely, often or never, then power cuts at moments of it."""
    draw = random.Random(seed)
    folder = place / "work"
    folder.mkdir(parents=True)
    shutil.copy(template, folder / "p.ilp")
    try:
        layer, done = round_of_work(folder, draw, 25, (0.0, 0.04, 0.1)[seed % 3])
        return done + cuts(layer, place, draw, 40, 2)
    finally:
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return small_project(tmp_path_factory.mktemp("template") / "p.ilp")


def rounds(
    one: Callable[[int, Path, Path], Counter[str]], seeds: range, template: Path, place: Path
) -> Counter[str]:
    """Rounds with these seeds; the seed of one that fails is told."""
    done: Counter[str] = Counter()
    for seed in seeds:
        try:
            done += one(seed, place / str(seed), template)
        except BaseException as error:
            error.add_note(f"{one.__name__}: seed {seed}")
            raise
    return done


def test_power_cuts_and_failing_disks(tmp_path, template):
    done = rounds(power_cuts, range(5), template, tmp_path)
    assert done["cuts"] >= 200
    assert done["errors"] >= 10
    assert done["refused"] >= 5


def test_a_refused_command_does_not_come_back_after_opening_again(tmp_path, template):
    """Its file took the name but the folder was not synced, nor was its removal at closing."""
    path = Path(shutil.copy(template, tmp_path / "p.ilp"))
    broken = [False]

    def hook(call: str, _: str) -> None:
        if call == "sync_folder" and broken[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    layer = RecordingLayer(tmp_path, hook)
    with using(layer):
        painter = Painter(path, random.Random(1), layer.note)
        broken[0] = True
        painter.paint()
        assert painter.failures == 1
        painter.leave(close=True)
        broken[0] = False
        painter.open()
    for op in layer.log:
        layer.disk.apply(op, random.Random(0))
    for seed in range(50):
        left = layer.disk.cut(random.Random(seed))
        assert set(left.folders[str(tmp_path)]) <= {"p.ilp", "p.ilp.lock"}
    painter.leave(close=True)


def test_power_cuts_while_an_earlier_version_is_brought_back(tmp_path, template):
    """Left is the project with its unsaved strokes, or the version, and then the strokes are kept aside."""
    draw = random.Random(5)
    folder = tmp_path / "work"
    folder.mkdir()
    path = Path(shutil.copy(template, folder / "p.ilp"))
    painter = Painter(path, draw, lambda *_: None)
    earlier = painter.safe
    painter.paint()
    painter.save()
    for _ in range(3):
        painter.paint()
    unsaved = painter.journal.pending
    assert (painter.failures, unsaved) == (0, 3)
    painter.leave(close=True)
    layer = RecordingLayer(folder)
    with using(layer):
        restore(path, versions(path)[-1])
    found: Counter[str] = Counter()
    for moment in range(len(layer.log) + 1):
        target = tmp_path / "cut"
        layer.disk.cut(draw).put(layer.root, target)
        with each_file_read_once():
            opened = recover(target / "p.ilp")
        state = fingerprint(replayed(opened.project, opened.records))
        assert state in {painter.safe, earlier}
        if state == earlier:
            assert [len(read_recovered(kept).records) for kept in opened.kept] == [unsaved]
        found[state] += 1
        opened.journal.close()
        shutil.rmtree(target)
        if moment < len(layer.log):
            layer.disk.apply(layer.log[moment], draw)
    assert min(found[earlier], found[painter.safe]) > 1


class Deadly(FileLayer):
    """Kills the process at the ``nth`` call; a write is then half done."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name not in Trouble.FAILING and name != "close":
            return call
        self.left -= 1
        if self.left:
            return call
        if name == "write":
            return lambda descriptor, data: (os.write(descriptor, data[: len(data) // 2]), kill(os.getpid()))
        return lambda *_: kill(os.getpid())


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def paint_until_killed(path: Path, notes: Path, seed: int, nth: int) -> None:
    """In a process of its own: paint and save for ever; each command and each answer is noted in a file."""
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with using(Deadly(nth)):
        painter = Painter(
            path, random.Random(seed), lambda *said: os.write(descriptor, f"{' '.join(said)}\n".encode())
        )
        painter.some(10**9)


def _line(said: tuple[str, ...]) -> bytes:
    return f"{' '.join(said)}\n".encode()


def kills(seed: int, place: Path, template: Path) -> Counter[str]:
    """One round: a process is killed at a given call or at a given moment, opened again and killed again."""
    draw = random.Random(seed)
    place.mkdir(parents=True)
    path, notes = place / "p.ilp", place / "notes"
    shutil.copy(template, path)
    processes = multiprocessing.get_context("forkserver")
    try:
        for number in range(4):
            by_call = draw.random() < 0.7
            nth = draw.randint(1, 900) if by_call else 0
            child = processes.Process(
                target=paint_until_killed, args=(path, notes, draw.getrandbits(32), nth)
            )
            child.start()
            if not by_call:
                while not notes.exists() and child.is_alive():
                    time.sleep(0.001)
                time.sleep(draw.random() * 0.3)
                child.kill()
            child.join(60)
            assert child.exitcode == -signal.SIGKILL
            allowed: set[str] = set()
            for line in notes.read_text().splitlines() if notes.exists() else ():
                kind, _, what = line.partition(" ")
                allowed = {what} if kind == "safe" else {*allowed, what}
            notes.unlink(missing_ok=True)
            if allowed:
                verify(path, allowed, thorough=number == 3)
    finally:
        shutil.rmtree(place)
    return Counter(kills=4)


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Children start from a process that has loaded all that they need."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["faults.test_power_cut"])


def test_a_process_that_is_killed(tmp_path, template):
    assert rounds(kills, range(3), template, tmp_path)["kills"] == 12


def share(kind: str, seeds: range, template: Path, place: Path) -> Counter[str]:
    return rounds({"cuts": power_cuts, "kills": kills}[kind], seeds, template, place)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_thousand_faults(tmp_path, template, capsys):
    """On both cores; prints what was done."""
    shares = [("cuts", range(n, n + 21)) for n in range(10_000, 10_420, 21)]
    shares += [("kills", range(n, n + 25)) for n in range(20_000, 20_250, 25)]
    done: Counter[str] = Counter()
    start = time.perf_counter()
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(2, context) as pool:
        for found in [pool.submit(share, *s, template, tmp_path / f"{s[0]}{s[1][0]}") for s in shares]:
            done += found.result()
    minutes = (time.perf_counter() - start) / 60
    with capsys.disabled():
        print(f"\n{dict(done)} in {minutes:.1f} minutes")  # noqa: T201 - the counts are the result
    assert done["cuts"] + done["errors"] + done["kills"] >= 20_000
    assert min(done["cuts"], done["errors"], done["kills"]) >= 1000
