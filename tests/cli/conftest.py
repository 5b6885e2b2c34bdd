"""The command line called as a user would."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from small_project import SIZE, make_project

from underbrush.cli.main import run


@pytest.fixture
def picture():
    """(y, x) uint8 with a bright square on dark."""
    pixels = np.full(SIZE, 20, np.uint8)
    pixels[10:30, 15:40] = 200
    return pixels


@pytest.fixture
def image(tmp_path, picture):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, picture)
    return path


@pytest.fixture
def project(tmp_path, image):
    return make_project(tmp_path / "p.ilp")


@pytest.fixture
def call(capfd):
    """Run one command line; gives exit status, stdout and stderr."""

    def call(*arguments):
        status = run([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return status, out, err

    return call


@pytest.fixture
def call_json(call):
    """Run a command line that prints one JSON object and nothing else on stdout."""

    def call_json(*arguments):
        status, out, err = call(*arguments, "--json")
        return status, json.loads(out), err

    return call_json


@pytest.fixture(autouse=True)
def quiet_home(tmp_path_factory, monkeypatch):
    """No test reads the user's settings or writes the user's log."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(home / "config.toml"))
    monkeypatch.setenv("UNDERBRUSH_LOG_DIR", str(home))
    return home
