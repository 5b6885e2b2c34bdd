"""Damaged projects: a project or one sentence, soon, in little memory, and never a crash."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from underbrush.errors import ProjectError
from underbrush.project.read import read_project

SECONDS = 5
MEGABYTES = 1500

_READ_ALL = """
import faulthandler, resource, sys
from pathlib import Path
from underbrush.errors import ProjectError
from underbrush.project.read import read_project
resource.setrlimit(resource.RLIMIT_AS, (%d << 20, %d << 20))
for path in sorted(Path(sys.argv[1]).glob("*.ilp")):
    print(path.name, end=" ", flush=True)
    faulthandler.dump_traceback_later(%d, exit=True)
    try:
        read_project(path)
        print("project", flush=True)
    except ProjectError as error:
        assert "\\n" not in str(error)
        print("error", flush=True)
    faulthandler.cancel_dump_traceback_later()
print("done")
"""


def _damaged(data: bytes, rng: random.Random) -> bytes:
    b = bytearray(data)
    kind = rng.choice(["bits", "bits", "bytes", "zeros", "copy"])
    at = rng.randrange(len(b))
    if kind == "bits":
        for _ in range(rng.choice([1, 10, 100])):
            b[rng.randrange(len(b))] ^= 1 << rng.randrange(8)
    elif kind == "bytes":  # among the structures of the file
        mark = rng.choice([b"TREE", b"SNOD", b"HEAP", b"GCOL"])
        at = max(0, bytes(b).find(mark, at))
        for _ in range(5):
            b[min(len(b) - 1, at + rng.randrange(400))] = rng.randrange(256)
    elif kind == "zeros":
        n = len(b[at : at + rng.choice([16, 512, 4096])])
        b[at : at + n] = bytes(n)
    else:
        source = b[rng.randrange(len(b)) :][:512]
        b[at : at + len(source)] = source
    return bytes(b)


def _read_all(folder: Path) -> list[str]:
    """Read every project in another process, so that a crash or a hang is a failed test."""
    program = _READ_ALL % (MEGABYTES, MEGABYTES, SECONDS)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.stdout.endswith("done\n"), f"{done.stdout[-200:]}\n{done.stderr[-2000:]}"
    return [line.split()[1] for line in done.stdout.splitlines()[:-1]]


SMALL = "ilp/pyilastik_multiim_v132/ilastik-multiim-1.3.2.ilp"
TRAINED = "ilp/webilastik_rgb_v140/webilastik_TrainedPixelClassification.ilp"


@pytest.mark.parametrize(("name", "count"), [(SMALL, 250), (TRAINED, 100)])
def test_damaged_bytes(data: Path, tmp_path: Path, name, count) -> None:
    original = (data / name).read_bytes()
    rng = random.Random(name)
    for i in range(count):
        (tmp_path / f"{i:03}.ilp").write_bytes(_damaged(original, rng))
    outcomes = _read_all(tmp_path)
    assert len(outcomes) == count
    assert {"project", "error"} == set(outcomes)


def test_copies_cut_short(data: Path, tmp_path: Path) -> None:
    original = (data / SMALL).read_bytes()
    sizes = [*range(0, 130), *range(130, len(original), len(original) // 40)]
    for size in sizes:
        (tmp_path / f"{size:09}.ilp").write_bytes(original[:size])
    assert _read_all(tmp_path) == ["error"] * len(sizes)


@pytest.mark.parametrize("name", [SMALL, TRAINED])
def test_members_taken_away_one_by_one(data: Path, tmp_path: Path, name) -> None:
    original = (data / name).read_bytes()
    path = tmp_path / "p.ilp"
    path.write_bytes(original)
    members: list[str] = []
    with h5py.File(path, "r") as f:
        f.visit(members.append)
    kept = [m for m in members if m.count("/") < 4 or "Tree_00" in m or "lane0000" in m]
    opened = 0
    for member in kept[:: max(1, len(kept) // 45)]:
        path.write_bytes(original)
        with h5py.File(path, "r+") as f:
            del f[member]
        try:
            project = read_project(path)
            opened += 1
        except ProjectError as error:
            assert member in {"ilastikVersion"}, error
            continue
        if member.startswith("PixelClassification/ClassifierForests/Forest") and member.count("/") > 2:
            assert project.forest is None or "_" in member
    assert opened > 30
