"""What is written here is read here: the same pixels, axes, pixel sizes and names of channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from underbrush.core.geometry import Box
from underbrush.sinks import OutputSpec, open_sink
from underbrush.sources import open_image

SIZES = {"x": (0.65, "µm"), "y": (0.65, "µm"), "z": (2.0, "µm")}
COLORS = ((230, 25, 75), (60, 180, 75))
SHAPES = {
    "yx": (1, 1, 1, 60, 70),
    "zyx": (1, 1, 5, 60, 70),
    "tyx": (4, 1, 1, 60, 70),
    "tzyx": (3, 1, 5, 60, 70),
}


def roundtrip(folder: Path, name: str, format: str, **values):
    spec = OutputSpec(folder / name, pixel_size=SIZES, **values)
    rng = np.random.default_rng(0)
    pixels = (rng.random(spec.shape) * 3).astype(spec.dtype)
    with open_sink(spec, format) as sink:
        sink.write(Box.whole(spec.shape), pixels)
    address = spec.path if "hdf5" not in format else f"{spec.path}/{spec.inner_path}"
    with open_image(address) as image:
        return spec, image, pixels, image.read()


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize(
    ("format", "name"), [("tiff", "a.tif"), ("ome-tiff", "a.ome.tif"), ("compressed hdf5", "a.h5")]
)
def test_a_segmentation_comes_back(tmp_path, format, name, axes):
    spec, image, pixels, back = roundtrip(
        tmp_path, name, format,
        shape=SHAPES[axes], axes=axes, dtype=np.dtype("u1"), kind="segmentation", class_colors=COLORS,
    )  # fmt: skip
    assert back.dtype == np.uint8
    assert np.array_equal(back, pixels)
    assert image.shape5 == spec.shape
    assert set(axes) <= set(image.axes)
    for axis in "xyz":
        if axis in axes:
            assert image.pixel_size[axis][0] == pytest.approx(SIZES[axis][0])
            assert image.pixel_size[axis][1] == "µm"


@pytest.mark.parametrize("axes", ["yxc", "zyxc", "tyxc", "tzyxc", "cyx"])
@pytest.mark.parametrize(("format", "name"), [("tiff", "a.tif"), ("ome-tiff", "a.ome.tif"), ("hdf5", "a.h5")])
def test_probabilities_come_back(tmp_path, format, name, axes):
    t, _, z, y, x = SHAPES["".join(a for a in axes if a != "c")]
    spec, image, pixels, back = roundtrip(
        tmp_path, name, format,
        shape=(t, 2, z, y, x), axes=axes, dtype=np.dtype("f4"), kind="probabilities",
        channel_names=("Hintergrund", "Zelle ä"), class_colors=COLORS, value_range=(0.0, 1.0),
    )  # fmt: skip
    assert back.dtype == np.float32
    assert np.array_equal(back, pixels)
    assert image.shape5 == spec.shape
    assert image.info.axes_known
    if format == "ome-tiff":
        assert image.info.channels == spec.channel_names


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize(
    ("format", "name"), [("tiff", "a.tif"), ("ome-tiff", "a.ome.tif"), ("hdf5", "a.h5"), ("npy", "a.npy")]
)
def test_every_type_comes_back(tmp_path, format, name, dtype):
    _, _, pixels, back = roundtrip(
        tmp_path, name, format, shape=(1, 1, 5, 60, 70), axes="zyx", dtype=np.dtype(dtype)
    )
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize("format", ["png", "bmp"])
def test_pictures_come_back(tmp_path, format):
    _, _, pixels, back = roundtrip(
        tmp_path, f"a.{format}", format, shape=(1, 3, 1, 60, 70), axes="yxc", dtype=np.dtype("u1")
    )
    assert np.array_equal(back, pixels)
