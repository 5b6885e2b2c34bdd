"""Images of projects that are levels of a pyramid, stacks of files, or one of several images of a file."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import zarr

from underbrush.core.geometry import to_internal
from underbrush.engine.lanes import linked_image, open_lane
from underbrush.errors import ImageError
from underbrush.project.paths import linked_source
from underbrush.project.read import read_project
from underbrush.project.schema import Lane, Project
from underbrush.project.write import write_project
from underbrush.sources import open_image

RNG = np.random.default_rng(5)


@pytest.fixture
def pyramid(tmp_path):
    """Levels whose keys look like numbers of other levels."""
    arrays = [RNG.integers(0, 200, (3, 40 // 2**i, 60 // 2**i)).astype("uint8") for i in range(3)]
    keys = ["1", "2", "scale/3"]
    group = zarr.group(tmp_path / "a.zarr", zarr_format=2)
    for key, array in zip(keys, arrays, strict=True):
        group.create_array(key, data=array, chunks=(1, 16, 16))
    axes = [{"name": a, "type": "space"} for a in "zyx"]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": key} for key in keys]}]
    return arrays


def saved(tmp_path, source):
    """The lane as it comes back from a project file."""
    project = Project(lanes=(Lane("a", source),), path=None)
    write_project(project, tmp_path / "p.ilp")
    return read_project(tmp_path / "p.ilp")


def opened(project):
    return open_lane(project.lanes[0], project)


@pytest.mark.parametrize(("key", "level"), [("1", 0), ("2", 1), ("scale/3", 2), ("", 0)])
def test_the_level_that_a_project_names_is_used(tmp_path, pyramid, key, level):
    source = replace(linked_source("a.zarr", "zyx", pyramid[level].shape), level=key)
    with opened(saved(tmp_path, source)) as image:
        np.testing.assert_array_equal(image.read(), to_internal(pyramid[level], "zyx"))


def test_a_level_that_is_not_there_is_an_error(tmp_path, pyramid):
    source = replace(linked_source("a.zarr", "zyx", pyramid[0].shape), level="s1")
    with pytest.raises(ImageError, match="there is no level 's1'; the image has 1, 2, scale/3"):
        opened(saved(tmp_path, source))


@pytest.mark.parametrize(("option", "level"), [("level=1", 1), ("scale=scale/3", 2), ("", 0)])
def test_a_chosen_level_comes_back_from_the_project(tmp_path, pyramid, option, level):
    address = f"{tmp_path}/a.zarr" + (f"#{option}" if option else "")
    with open_image(address) as image:
        source = linked_image(address, image)
    assert "#" not in source.stored
    with opened(saved(tmp_path, source)) as image:
        np.testing.assert_array_equal(image.read(), to_internal(pyramid[level], "zyx"))


def test_a_series_comes_back_from_the_project(tmp_path):
    arrays = RNG.integers(0, 200, (2, 20, 30)).astype("uint8")
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(arrays[0])
        tif.write(arrays[1, :10])
    address = f"{tmp_path}/a.tif#series=1"
    with open_image(address) as image:
        source = linked_image(address, image)
    with opened(saved(tmp_path, source)) as image:
        np.testing.assert_array_equal(image.read()[0, 0, 0], arrays[1, :10])


@pytest.mark.parametrize("axis", ["z", "t", "c"])
def test_a_stack_of_a_project_opens_along_the_axis_that_its_axes_say(tmp_path, axis):
    """Its files in the order in which they are stored, which ilastik has sorted as text."""
    arrays = RNG.integers(0, 200, (12, 20, 30)).astype("uint8")
    for i, array in enumerate(arrays):
        tifffile.imwrite(tmp_path / f"im{i}.tif", array)
    order = sorted(range(12), key=str)
    stored = os.pathsep.join(f"im{i}.tif" for i in order)
    source = linked_source(stored, f"{axis}yx", (12, 20, 30))
    assert source.kind == "stack"
    with opened(saved(tmp_path, source)) as image:
        np.testing.assert_array_equal(image.read(), to_internal(arrays[order], f"{axis}yx"))


def test_a_stack_of_pictures_has_a_channel_in_projects_of_ilastik(tmp_path):
    arrays = RNG.integers(0, 200, (4, 20, 30)).astype("uint8")
    for i, array in enumerate(arrays):
        tifffile.imwrite(tmp_path / f"im{i}.tif", array)
    source = linked_source("im*.tif", "zyxc", (4, 20, 30, 1))
    with opened(saved(tmp_path, source)) as image:
        np.testing.assert_array_equal(image.read(), to_internal(arrays, "zyx"))


@pytest.mark.parametrize("option", ["", "#stack=t"])
def test_a_pattern_comes_back_from_the_project_in_its_order(tmp_path, option):
    arrays = RNG.integers(0, 200, (11, 20, 30)).astype("uint8")
    for i, array in enumerate(arrays):
        tifffile.imwrite(tmp_path / f"im{i}.tif", array)
    address = f"{tmp_path}/im*.tif{option}"
    with open_image(address) as image:
        source = linked_image(address, image)
    with opened(saved(tmp_path, source)) as image:
        np.testing.assert_array_equal(image.read(), to_internal(arrays, "tyx" if option else "zyx"))
