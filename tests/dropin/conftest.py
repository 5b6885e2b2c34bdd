"""ilastik's command line called in this process, on its own recorded projects."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from small_project import make_project

from underbrush.cli.ilastik import run
from underbrush.jit import cache_folder

AXES = {"gray2d_2c": "yx", "rgb2d_3c": "yxc", "gray3d_2c": "zyx", "tyx_2c": "tyx"}


@dataclass(frozen=True)
class Recorded:
    """One case that a real ilastik computed."""

    name: str
    folder: Path

    @property
    def project(self):
        return self.folder / f"{self.name}.ilp"

    @property
    def image(self):
        return self.folder / "train.h5"

    def export(self, name):
        return self.folder / "exports" / name


@pytest.fixture(params=AXES)
def recorded(request, data):
    return Recorded(request.param, data / "golden" / request.param)


@pytest.fixture
def gray(data):
    """The recorded project of grey 2D images."""
    return Recorded("gray2d_2c", data / "golden" / "gray2d_2c")


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """No test reads the user's settings, writes the user's log, or another folder than its own."""
    for name in ("LAZYFLOW_THREADS", "LAZYFLOW_TOTAL_RAM_MB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNDERBRUSH_CACHE_DIR", str(cache_folder().parent))  # else all is compiled again
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(home / "none.toml"))
    monkeypatch.setenv("UNDERBRUSH_LOG_DIR", str(home))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def call(capfd):
    """Run one command line; gives exit status, stdout and stderr."""

    def call(*arguments):
        status = run([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return status, out, err

    return call


@pytest.fixture
def done(call):
    """Run a headless command line that must do; gives the files that it says it wrote."""

    def done(project, *arguments):
        status, out, err = call("--headless", f"--project={project}", *arguments)
        assert status == 0, err
        return [Path(line) for line in out.splitlines()]

    return done


@pytest.fixture
def small(tmp_path):
    """A small project of our own in a folder of its own, with its image cells.tif."""
    folder = tmp_path / "small"
    folder.mkdir()
    pixels = np.full((48, 57), 20, np.uint8)
    pixels[10:30, 15:40] = 200
    tifffile.imwrite(folder / "cells.tif", pixels)
    return make_project(folder / "p.ilp")


@pytest.fixture
def cells(small):
    return small.parent / "cells.tif"


@pytest.fixture
def own_copy(tmp_path):
    """A project's folder copied to where it may be written."""

    def own_copy(project):
        folder = tmp_path / "copy"
        shutil.copytree(project.parent, folder)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        return folder / project.name

    return own_copy


@dataclass(frozen=True)
class Dataset:
    """What a file says of its dataset."""

    values: np.ndarray
    axes: str
    labels: str
    packed: tuple
    chunks: tuple
    attributes: dict


def dataset(path, name="exported_data"):
    with h5py.File(path) as file:
        data = file[name]
        attributes = dict(data.attrs)
        axes = "".join(a["key"] for a in json.loads(attributes["axistags"])["axes"])
        labels = "".join(d.label for d in data.dims)
        return Dataset(
            data[...], axes, labels, (data.compression, data.compression_opts), data.chunks, attributes
        )
