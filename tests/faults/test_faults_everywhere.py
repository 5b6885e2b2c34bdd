"""A disk that breaks at a random call: the old file is untouched or the new one whole, nothing between.

A few dozen faults in every test run, thousands in `make soak`.
"""

from __future__ import annotations

import errno
import random

import numpy as np
import pytest
import tifffile
from small_project import make_project

from underbrush.engine.batch import Limits, Request, predict_file
from underbrush.engine.model import model_of
from underbrush.errors import OutputError
from underbrush.files import using
from underbrush.project.read import read_project
from underbrush.project.write import write_project

CODES = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)
FORMATS = {".tif": "tiff", ".ome.tif": "ome-tiff", ".h5": "compressed hdf5", ".npy": "npy", ".png": "png"}


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def break_once(draw, faulty_disk, calls):
    """A disk that breaks at a random one of about ``calls`` calls, for good or once."""
    return faulty_disk(draw.randint(1, calls), code=draw.choice(CODES), once=draw.random() < 0.3)


def save_project_under_faults(tmp_path, faulty_disk, rounds, seed):
    draw = random.Random(seed)
    old = read_project(make_project(tmp_path / "p.ilp", scales=(0.7,)))
    new = read_project(make_project(tmp_path / "other.ilp", scales=(0.7, 1.6)))
    (tmp_path / "other.ilp").unlink()
    target = tmp_path / "p.ilp"
    before, names = target.read_bytes(), left(tmp_path)
    failed = 0
    for _ in range(rounds):
        try:
            with using(break_once(draw, faulty_disk, 60)):
                write_project(new, target)
        except OutputError as error:
            failed += 1
            assert str(target) in str(error) or str(tmp_path) in str(error)
            opened = read_project(target)
            assert opened in (old, new)
            if opened == old:
                assert target.read_bytes() == before
        else:
            assert read_project(target) == new
        assert left(tmp_path) == names, "nothing is left beside it"
        target.write_bytes(before)
    return failed


def predict_under_faults(tmp_path, faulty_disk, rounds, seed):
    draw = random.Random(seed)
    model = model_of(read_project(make_project(tmp_path / "p.ilp", scales=(0.7,))))
    pixels = np.random.default_rng(0).integers(0, 255, (90, 110), np.uint8)
    tifffile.imwrite(tmp_path / "im.tif", pixels)
    out = tmp_path / "out"
    out.mkdir()
    want = {}
    failed = 0
    for _ in range(rounds):
        suffix = draw.choice(list(FORMATS))
        target = out / f"r{suffix}"
        request = Request(str(tmp_path / "im.tif"), target, FORMATS[suffix])
        if suffix not in want:
            predict_file(model, request, Limits(2, 10**9))
            want[suffix] = target.read_bytes()
        target.write_bytes(b"what was there")
        try:
            with using(break_once(draw, faulty_disk, 40)):
                predict_file(model, request, Limits(2, 10**9))
        except OutputError as error:
            failed += 1
            assert "r." in str(error) or str(out) in str(error)
            assert target.read_bytes() in (b"what was there", want[suffix])
        else:
            assert target.read_bytes() == want[suffix]
        target.unlink()
        assert left(out) == [], "nothing is left beside it"
    return failed


def test_saving_a_project(tmp_path, faulty_disk):
    assert save_project_under_faults(tmp_path, faulty_disk, rounds=25, seed=1) > 5


def test_writing_results(tmp_path, faulty_disk):
    assert predict_under_faults(tmp_path, faulty_disk, rounds=60, seed=1) > 15


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_saving_a_project_a_thousand_times(tmp_path, faulty_disk, seed):
    assert save_project_under_faults(tmp_path, faulty_disk, rounds=1000, seed=seed) > 100


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_writing_results_a_thousand_times(tmp_path, faulty_disk, seed):
    assert predict_under_faults(tmp_path, faulty_disk, rounds=1500, seed=seed) > 300
