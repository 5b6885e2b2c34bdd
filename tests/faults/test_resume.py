"""Killed at any moment, then gone on with: the bytes of a run that nobody disturbed, and nothing twice."""

from __future__ import annotations

import json
import random

import killing
import numpy as np
import pytest
import tifffile
from small_project import make_project

from underbrush.cli.main import run
from underbrush.engine import batch
from underbrush.files import using

FORMATS = {"ome-zarr": ".ome.zarr", "ome-zarr-0.5": ".ome.zarr", "n5": ".n5", "tiff": ".tif"}


@pytest.fixture(autouse=True)
def quiet_home(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(home / "config.toml"))
    monkeypatch.setenv("UNDERBRUSH_LOG_DIR", str(home))


@pytest.fixture
def scene(tmp_path):
    """A project, an image of 13 tiles, and four small ones, (y, x) uint8."""
    make_project(tmp_path / "p.ilp", scales=(0.7,))
    pixels = np.random.default_rng(0).integers(0, 255, (1800, 2100)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "cells.tif", pixels, tile=(256, 256))
    (tmp_path / "in").mkdir()
    for n in range(4):
        tifffile.imwrite(tmp_path / "in" / f"im{n}.tif", pixels[40 * n : 40 * n + 200, :300])
    return tmp_path


def command(scene, format, out, *more):
    image = scene / ("in" if format == "tiff" else "cells.tif")
    target = out / f"{{nickname}}{FORMATS[format]}"
    options = ["--result", "probabilities", "--format", format, "--jobs", "2", "--memory", "1GB"]
    return ["predict", scene / "p.ilp", image, "--output", target, *options, *more]


def content(folder):
    """Name -> bytes of all files of results."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith("run"):
            found[name] = path.read_bytes()
    return found


def noted(monkeypatch):
    """All tiles that are computed from now on in this process, as `killing` notes them."""
    real, found = batch.Prepared.carry_out, []

    def carry_out(self, grid, sink, *rest):
        write = sink.write

        def written(box, block):
            write(box, block)
            found.append(killing.line(self, sink, box))

        sink.write = written
        return real(self, grid, sink, *rest)

    monkeypatch.setattr(batch.Prepared, "carry_out", carry_out)
    return found


def kill_and_go_on(scene, monkeypatch, format, moments):
    """Die at each of these moments (shares of all calls to the disk), then go on; everything is checked."""
    out = scene / "whole"
    found, counting = noted(monkeypatch), killing.Counting()
    with using(counting):
        assert run([str(a) for a in command(scene, format, out)]) == 0
    want, tiles, calls = content(out), list(found), counting.calls
    assert want and len(set(tiles)) == len(tiles) >= 4
    out = scene / "out"
    killed, runs = 0, []
    for n, moment in enumerate(moments):
        more = ["--resume"] if n else []
        nth, record = max(1, int(moment * calls)), scene / f"run{n}"
        killed += killing.call(scene, nth, record, command(scene, format, out, *more)) != 0
        runs.append(killing.lines(record))
    found.clear()
    assert run([str(a) for a in command(scene, format, out, "--resume", "--no-progress")]) == 0
    assert content(out) == want
    killing.check_nothing_twice([*runs, found], tiles, slack=2 if format == "tiff" else 0)
    left_out = set(tiles) - set(found).union(*runs)
    assert len(left_out) <= 2 * len(moments), "only what was finished and not yet noted when it died"
    assert not list(out.glob("run-*.jsonl"))
    return killed


@pytest.mark.parametrize(
    ("format", "moments"),
    [("ome-zarr", (0.1, 0.5)), ("ome-zarr-0.5", (0.5,)), ("tiff", (0.6,))],
)
def test_killed_and_gone_on_with(scene, monkeypatch, format, moments):
    """N5 is killed in parts, below, and at many moments in `make soak`."""
    assert kill_and_go_on(scene, monkeypatch, format, moments) >= 1


def test_a_run_that_was_killed_before_its_record_leaves_the_record_to_the_next(scene, monkeypatch):
    out = scene / "out"
    with monkeypatch.context() as killed:
        killed.setattr("underbrush.engine.run.fold", lambda folder: None)
        assert run([str(a) for a in command(scene, "tiff", out, "--resume")]) == 0
    assert list(out.glob("run-*.jsonl")) and not (out / "run.json").exists()
    found = noted(monkeypatch)
    assert run([str(a) for a in command(scene, "tiff", out, "--resume")]) == 0
    assert not found and not list(out.glob("run-*.jsonl"))
    (recorded,) = json.loads((out / "run.json").read_text())["runs"]
    assert sorted(recorded["results"]) == [f"im{n}.tif" for n in range(4)]


def test_stopped_work_of_another_recipe_is_not_used(scene, monkeypatch):
    out = scene / "out"
    killing.call(scene, 40, scene / "record", command(scene, "ome-zarr", out))
    make_project(scene / "p.ilp", scales=(0.7, 1.0))
    found = noted(monkeypatch)
    assert run([str(a) for a in command(scene, "ome-zarr", out, "--resume")]) == 0
    again = len(found)
    assert run([str(a) for a in command(scene, "ome-zarr", scene / "fresh")]) == 0
    assert again == len(found) - again
    assert content(out) == content(scene / "fresh")


def test_parts_of_one_image_in_any_order_one_of_them_killed(scene, monkeypatch):
    whole, out = scene / "whole", scene / "out"
    found = noted(monkeypatch)
    assert run([str(a) for a in command(scene, "n5", whole)]) == 0
    tiles = list(found)
    found.clear()
    assert run([str(a) for a in command(scene, "n5", out, "--part", "3/3")]) == 0
    runs = [list(found)]
    status = killing.call(scene, 60, scene / "record", command(scene, "n5", out, "--part", "1/3"))
    assert status != 0 and killing.lines(scene / "record")
    runs.append(killing.lines(scene / "record"))
    for part in ("2/3", "1/3"):
        assert not (out / "cells.n5").exists()
        found.clear()
        assert run([str(a) for a in command(scene, "n5", out, "--part", part)]) == 0
        runs.append(list(found))
    assert content(out) == content(whole)
    killing.check_nothing_twice(runs, tiles)
    assert sorted(p.name for p in out.iterdir()) == [
        "cells.n5", "run-report.json", "run-report.txt", "run.json"
    ]  # fmt: skip


def test_parts_of_which_one_never_came_are_completed_without_part(scene, monkeypatch, capfd):
    whole, out = scene / "whole", scene / "out"
    assert run([str(a) for a in command(scene, "ome-zarr", whole)]) == 0
    found = noted(monkeypatch)
    for part in ("1/4", "4/4"):
        assert run([str(a) for a in command(scene, "ome-zarr", out, "--part", part)]) == 0
    assert run([str(a) for a in command(scene, "ome-zarr", out, "--resume")]) == 0
    assert content(out) == content(whole) and len(found) == len(set(found))
    assert not list(out.glob("run-part-*"))
    capfd.readouterr()


@pytest.mark.soak
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("seed", range(12))
def test_killed_at_many_moments(scene, monkeypatch, format, seed):
    draw = random.Random(seed)
    kill_and_go_on(scene, monkeypatch, format, [draw.random() for _ in range(3)])
