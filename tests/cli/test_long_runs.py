"""What can go wrong in the middle of a large image, on small ones: one sentence, nothing half-written."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import tifffile

from underbrush.files import FileLayer, using

SUFFIXES = [".h5", ".tif", ".npy", ".ome.tif"]


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def tiled(tmp_path):
    """A tiled BigTIFF (y, x) uint8, deflated, of more tiles than threads."""
    pixels = np.random.default_rng(0).integers(0, 255, (640, 700)).astype(np.uint8)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels, bigtiff=True, tile=(128, 128), compression="zlib")
    return path


def damage(path):
    """Overwrite the data of a tile in the middle; gives its number, from 1."""
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        number = len(page.dataoffsets) // 2
        offset, count = page.dataoffsets[number], page.databytecounts[number]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * count)
    return number + 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_tile_in_the_middle(call, project, tiled, tmp_path, suffix):
    number = damage(tiled)
    target = tmp_path / "out" / f"r{suffix}"
    status, out, err = call(
        "predict", project, tiled, "--result", "probabilities", "--output", target, "--jobs", 2
    )
    assert status == 1 and out == ""
    assert err.count("\n") == 1 and "slide.tif" in err and f"tile {number} cannot be decoded" in err
    assert files(target.parent) == []


def test_a_damaged_image_among_others(call_json, project, tiled, image, tmp_path):
    damage(tiled)
    status, report, err = call_json(
        "predict", project, tiled, image, "--output", tmp_path / "out" / "{nickname}.h5"
    )
    assert status == 1 and "slide.tif" in err
    assert [r["image"] for r in report["results"]] == [str(image)]
    assert [r["image"] for r in report["failed"]] == [str(tiled)]
    assert files(tmp_path / "out") == ["cells.h5", "run.json"]


class Filling(FileLayer):
    """A disk that is full after some bytes; one thread may fail while others write."""

    def __init__(self, room):
        self.room = room
        self.refused = 0

    def write(self, descriptor, data):
        if self.room < len(data):
            self.refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        return super().write(descriptor, data)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_disk_fills_up_in_the_middle(call, project, tiled, tmp_path, suffix, share):
    arguments = ["predict", project, tiled, "--result", "probabilities", "--jobs", 2, "--output"]
    whole = Filling(1 << 40)
    with using(whole):
        assert call(*arguments, tmp_path / f"whole{suffix}")[0] == 0
    target = tmp_path / "out" / f"r{suffix}"
    target.parent.mkdir()
    target.write_bytes(b"what was there before")
    with using(Filling(int(share * ((1 << 40) - whole.room)))) as disk:
        status, out, err = call(*arguments, target)
    assert disk.refused and status == 1 and out == ""
    assert err.count("\n") == 1 and "the disk is full" in err and target.name in err
    assert files(target.parent) == [target.name]
    assert target.read_bytes() == b"what was there before"


@pytest.mark.parametrize("jobs", [1, 3, 16])
def test_any_number_of_jobs_gives_the_same_bytes(call, project, tiled, tmp_path, jobs):
    results = []
    for n, name in ((jobs, "a.h5"), (2, "b.h5")):
        arguments = ["--result", "probabilities", "--jobs", n, "--output", tmp_path / name]
        assert call("predict", project, tiled, *arguments)[0] == 0
        with h5py.File(tmp_path / name) as file:
            results.append(np.asarray(file["exported_data"]).tobytes())
    assert results[0] == results[1]


HANGS = """
import signal as s, time
s.signal(s.SIGINT, s.default_int_handler)  # a test runner in the background ignores Ctrl-C
import underbrush.engine.batch as batch
def hang(*_):
    open("begun", "w").close()
    time.sleep(600)
batch.predict_tile = hang
from underbrush.cli.main import main
main()
"""


def started(folder, code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *(str(a) for a in arguments)],
        cwd=folder,
        env=os.environ | {"UNDERBRUSH_LOG_DIR": str(folder / "log")},
        **options,
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_a_tile_takes_for_ever(project, tiled, tmp_path, number, status):
    target = tmp_path / "out" / "r.h5"
    process = started(
        tmp_path, HANGS, "predict", project, tiled, "--output", target, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while not (tmp_path / "begun").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == status
    assert err.count("\n") == 1 and "nothing half-written" in err
    assert files(target.parent) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_progress_on_a_terminal(project, tiled, image, tmp_path):
    import pty

    master, slave = pty.openpty()
    code = "from underbrush.cli.main import main; main()"
    arguments = ["predict", project, tiled, image, "--output", tmp_path / "out" / "{nickname}.h5"]
    process = started(tmp_path, code, *arguments, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    out, _ = process.communicate(timeout=240)
    os.close(master)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert process.returncode == 0
    assert out.decode().split() == [str(tmp_path / "out" / "slide.h5"), str(tmp_path / "out" / "cells.h5")]
    assert "slide.tif (1 of 2)" in text and "cells.tif (2 of 2)" in text
    assert re.search(r"\d+ %", text) and re.search(r"\d:\d\d:\d\d", text)


def test_a_command_loads_no_linear_algebra(project, tiled, tmp_path):
    """It is a tenth of the time to start; what imports it later still gets it."""
    code = (
        "import sys\n"
        "from underbrush.cli.main import run\n"
        "status = run(sys.argv[1:])\n"
        "assert 'numba' in sys.modules and 'scipy.linalg' not in sys.modules, 'loaded'\n"
        "import scipy.linalg\n"
        "assert scipy.linalg.det([[2.0]]) == 2\n"
        "sys.exit(status)"
    )
    arguments = ["predict", project, tiled, "--output", tmp_path / "r.h5"]
    process = started(tmp_path, code, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0 and err == ""
