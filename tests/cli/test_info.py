"""`underbrush info`: what it says of images, projects and the system."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import tifffile


def test_of_an_image(call_json, tmp_path):
    path = tmp_path / "a.ome.tif"
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 0.65,
        "PhysicalSizeXUnit": "µm",
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    tifffile.imwrite(path, np.zeros((2, 3, 20, 30), np.uint16), metadata=metadata)
    status, said, err = call_json("info", path)
    assert (status, err) == (0, "")
    assert said["schema"] == 1 and said["kind"] == "image"
    assert said["axes"] == "czyx" and said["shape"] == [2, 3, 20, 30] and said["dtype"] == "uint16"
    assert said["pixel_size"]["x"] == [0.65, "µm"]
    assert said["channels"] == ["DAPI", "GFP"]
    assert said["levels"] == [[2, 3, 20, 30]]


def test_of_a_project(call_json, project):
    status, said, err = call_json("info", project)
    assert (status, err) == (0, "")
    assert said["kind"] == "project"
    assert [c["name"] for c in said["classes"]] == ["background", "nucleus"]
    assert said["classes"][1]["color"] == "#ffe119"
    assert said["lanes"][0]["nickname"] == "cells"
    assert said["lanes"][0]["axes"] == "yx" and said["lanes"][0]["shape"] == [48, 57]
    assert said["classifier"]["trees"] == 1
    assert said["problems"] == []


def test_a_missing_image_is_a_problem_of_the_project(call_json, project, image):
    image.unlink()
    status, said, _ = call_json("info", project)
    assert status == 0
    assert len(said["problems"]) == 1 and "cells.tif" in said["problems"][0]


def test_for_people(call, project, image):
    for file in (project, image):
        status, out, err = call("info", file)
        assert (status, err) == (0, "")
        assert str(file) in out


def test_of_the_system(call_json):
    status, said, _ = call_json("info", "--system")
    assert status == 0
    assert said["packages"]["numpy"] == np.__version__


def test_neither_or_both_is_wrong_usage(call, image):
    assert call("info")[0] == 2
    assert call("info", image, "--system")[0] == 2


def test_info_starts_without_the_compiler_and_the_window(image):
    code = (
        "import sys; from underbrush.cli.main import run; status = run(['info', sys.argv[1]]);"
        "assert not {'numba', 'nicegui', 'fastapi'} & set(sys.modules), 'loaded'; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(image)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_version_and_help(call):
    status, out, _ = call("--version")
    assert status == 0 and out.startswith("underbrush ")
    status, out, _ = call("predict", "--help")
    assert status == 0 and "--region" in out
