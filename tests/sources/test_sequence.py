"""Stacks of files: what is a stack, in which order, along which axis, and how few files stay open."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pytest
import tifffile

from underbrush.core.geometry import Box, to_internal
from underbrush.errors import ImageError, UsageError
from underbrush.sources import open_image
from underbrush.sources.sequence import stack_files


def slices(count, shape=(20, 30), dtype="uint16"):
    rng = np.random.default_rng(count)
    return rng.integers(0, 250, (count, *shape)).astype(dtype)


def save(folder, arrays, name="img{}.tif"):
    for i, array in enumerate(arrays):
        tifffile.imwrite(folder / name.format(i + 1), array)
    return arrays


def test_a_pattern_is_a_stack_in_the_order_of_numbers(tmp_path):
    arrays = save(tmp_path, slices(12))
    with open_image(f"{tmp_path}/img*.tif") as image:
        assert (image.axes, image.shape, image.info.axes_known) == ("zyx", (12, 20, 30), False)
        assert "12 files: slices, time points or channels? Read as z" in image.info.problems[0]
        np.testing.assert_array_equal(image.read(), to_internal(arrays, "zyx"))


def test_axes_say_what_the_files_are(tmp_path):
    arrays = save(tmp_path, slices(3))
    with open_image(f"{tmp_path}/img?.tif", axes="tyx") as image:
        assert (image.axes, image.info.axes_known, image.info.problems) == ("tyx", True, ())
        np.testing.assert_array_equal(image.read(), to_internal(arrays, "tyx"))


@pytest.mark.parametrize("axis", ["z", "t", "c"])
def test_the_axis_can_be_named(tmp_path, axis):
    arrays = save(tmp_path, slices(4))
    with open_image(f"{tmp_path}/img*.tif#stack={axis}") as image:
        assert (image.axes, image.info.problems) == (f"{axis}yx", ())
        assert image.info.channels == (("img1", "img2", "img3", "img4") if axis == "c" else ())
        np.testing.assert_array_equal(image.read(), to_internal(arrays, f"{axis}yx"))


def test_a_list_keeps_its_order(tmp_path):
    arrays = save(tmp_path, slices(3))
    names = os.pathsep.join(str(tmp_path / f"img{i}.tif") for i in (3, 1, 2))
    with open_image(names) as image:
        np.testing.assert_array_equal(image.read(), to_internal(arrays[[2, 0, 1]], "zyx"))


def test_files_join_along_an_axis_that_they_have(tmp_path):
    """Of different lengths along it; boxes begin and end anywhere."""
    rng = np.random.default_rng(3)
    parts = [rng.integers(0, 9, (n, 20, 30)).astype("uint8") for n in (3, 2, 3)]
    for i, part in enumerate(parts):
        tifffile.imwrite(tmp_path / f"p{i}.tif", part, imagej=True, metadata={"axes": "ZYX"})
    whole = to_internal(np.concatenate(parts), "zyx")
    with open_image(f"{tmp_path}/p*.tif#stack=z") as image:
        assert (image.axes, image.shape) == ("zyx", (8, 20, 30))
        for start in range(8):
            for stop in range(start + 1, 9):
                box = Box((0, 0, start, 2, 3), (1, 1, stop, 9, 29))
                np.testing.assert_array_equal(image.read(box), whole[box.slices])


def test_volumes_and_colours_get_the_next_free_axis(tmp_path):
    for i in range(2):
        tifffile.imwrite(
            tmp_path / f"v{i}.tif", slices(3, dtype="uint8"), imagej=True, metadata={"axes": "ZYX"}
        )
        PIL.Image.fromarray(slices(1, (20, 30, 3), "uint8")[0]).save(tmp_path / f"c{i}.png")
    with open_image(f"{tmp_path}/v*.tif") as image:
        assert (image.axes, image.shape) == ("tzyx", (2, 3, 20, 30))
    with open_image(f"{tmp_path}/c*.png") as image:
        assert (image.axes, image.shape) == ("zyxc", (2, 20, 30, 3))


def test_datasets_of_files(tmp_path):
    arrays = slices(11)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i, array in enumerate(arrays):
            file[f"sub/frame{i}"] = array
        file["other"] = arrays
    for i in range(2):
        with h5py.File(tmp_path / f"b{i}.h5", "w") as file:
            file["data"] = arrays[i]
            file["more"] = arrays
    with open_image(f"{tmp_path}/a.h5/sub/frame*#stack=t") as image:
        np.testing.assert_array_equal(image.read(), to_internal(arrays, "tyx"))
    with open_image(f"{tmp_path}/b*.h5/data") as image:
        np.testing.assert_array_equal(image.read(), to_internal(arrays[:2], "zyx"))


def test_names_that_look_like_patterns_are_files(tmp_path):
    array = save(tmp_path, slices(1), "a*[1]{}.tif")[0]
    save(tmp_path, slices(2), "s[0]{}.tif")
    assert stack_files(f"{tmp_path}/a*[1]1.tif") == ()
    with open_image(f"{tmp_path}/a*[1]1.tif") as image:
        np.testing.assert_array_equal(image.read()[0, 0, 0], array)
    assert [Path(f).name for f in stack_files(f"{tmp_path}/s[0]*.tif")] == ["s[0]1.tif", "s[0]2.tif"]


def test_few_files_stay_open_whatever_is_read(tmp_path):
    arrays = save(tmp_path, slices(150, (64, 64)))
    boxes = [
        Box((0, 0, z, 0, x), (1, 1, min(150, z + 9), 64, x + 7))
        for z in range(0, 150, 8)
        for x in range(0, 57, 19)
    ]

    def opened():
        links = [os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()]
        return len([name for name in links if name.startswith(str(tmp_path))])

    with open_image(f"{tmp_path}/img*.tif") as image, ThreadPoolExecutor(4) as pool:
        for box, got in zip(boxes, pool.map(image.read, boxes), strict=True):
            np.testing.assert_array_equal(got, arrays[None, None][box.slices])
        assert 0 < opened() <= 64
    assert opened() == 0


def test_a_file_that_does_not_fit_is_named(tmp_path):
    save(tmp_path, slices(3))
    tifffile.imwrite(tmp_path / "img2.tif", slices(1, (20, 31))[0])
    with pytest.raises(ImageError, match=r"img2.tif: it has the shape \(20, 31\).*the first of the stack"):
        open_image(f"{tmp_path}/img*.tif")


def test_one_of_many_that_does_not_fit_is_found_when_it_is_read(tmp_path):
    save(tmp_path, slices(100))
    tifffile.imwrite(tmp_path / "img66.tif", slices(1, dtype="uint8")[0])
    with open_image(f"{tmp_path}/img*.tif") as image:
        image.read(Box((0, 0, 0, 0, 0), (1, 1, 60, 20, 30)))
        with pytest.raises(ImageError, match=r"img66\.tif: it has the shape"):
            image.read()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("none*.tif", "nothing fits this pattern"),
        ("img1.tif:gone.tif", "a file of the stack is not there"),
        ("img*.tif#stack=x", "cannot be put together along"),
        ("img1.tif#stack=z", "#stack is for several files"),
        ("img*.tif#scale=2", "there is no scale '2': levels of TIFF files"),
        ("five*.npy", "none is left to put them together"),
        ("bad*.tif", "text, not an image"),
    ],
)
def test_what_is_no_stack_is_said(tmp_path, address, says):
    save(tmp_path, slices(2))
    np.save(tmp_path / "five.npy", np.zeros((2, 2, 2, 9, 9), "uint8"))
    (tmp_path / "bad1.tif").write_text("no image at all")
    paths = [f"{tmp_path}/{part}" for part in address.split(":")]
    with pytest.raises((ImageError, UsageError), match=says):
        open_image(os.pathsep.join(paths))


def test_a_closed_stack_is_not_read(tmp_path):
    save(tmp_path, slices(2))
    image = open_image(f"{tmp_path}/img*.tif")
    image.close()
    with pytest.raises(ImageError, match="closed"):
        image.read()
