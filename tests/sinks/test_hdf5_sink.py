"""HDF5 results look to every program like ilastik's own exports."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from underbrush.core.geometry import Box, shape_to_internal, to_internal
from underbrush.errors import OutputError
from underbrush.sinks import OutputSpec, open_sink
from underbrush.sinks.hdf5 import CHUNK_BYTES, chunk_shape

GOLDEN = [
    ("gray2d_2c", "batch_train_Probabilities", "probabilities", (0, 1)),
    ("gray2d_2c", "batch_train_Probabilities_cyx", "probabilities", (0, 1)),
    ("gray2d_2c", "batch_train_Probabilities_uint8", "probabilities", (0, 255)),
    ("gray2d_2c", "train_Labels", "labels", (0, 255)),
    ("gray3d_2c", "batch_train_Probabilities", "probabilities", (0, 1)),
    ("gray3d_2c", "batch_train_Simple_Segmentation", "segmentation", (0, 1)),
    ("gray3d_2c", "batch_traintif_Simple_Segmentation", "segmentation", (0, 1)),
    ("rgb2d_3c", "batch_train_Uncertainty", "uncertainty", (0, 1)),
    ("tyx_2c", "batch_train_Probabilities", "probabilities", (0, 1)),
    ("tyx_2c", "batch_traintif_Simple_Segmentation", "segmentation", (0, 1)),
]


def write(spec: OutputSpec, pixels, format="compressed hdf5") -> Path:
    with open_sink(spec, format) as sink:
        sink.write(Box.whole(spec.shape), pixels)
    return spec.path


def attributes(data: h5py.Dataset) -> dict[str, tuple[object, ...]]:
    """Name -> (kind of storage, value); JSON as objects."""
    found = {}
    for name in data.attrs:
        stored = data.attrs.get_id(name)
        value = data.attrs[name]
        if name in {"axistags", "axis_units"}:
            value = json.loads(value)
        found[name] = (
            stored.dtype.str if stored.dtype != object else "text",
            stored.shape,
            np.asarray(value).tolist(),
        )
    return found


@pytest.mark.parametrize(("case", "name", "kind", "values"), GOLDEN, ids=[f"{g[0]} {g[1]}" for g in GOLDEN])
def test_the_dataset_is_that_of_ilastik(data, tmp_path, case, name, kind, values):
    with h5py.File(data / "golden" / case / "exports" / f"{name}.h5") as file:
        theirs = file["exported_data"]
        axes = "".join(theirs.attrs["DIMENSION_LABELS"])
        tags = json.loads(theirs.attrs["axistags"])["axes"]
        units = json.loads(theirs.attrs.get("axis_units", "{}"))
        sizes = {t["key"]: (t["resolution"], units.get(t["key"], "")) for t in tags if t["resolution"]}
        pixels = to_internal(theirs[:], axes)
        spec = OutputSpec(
            tmp_path / "a.h5",
            shape_to_internal(theirs.shape, axes),
            axes,
            theirs.dtype,
            kind,
            value_range=values,
            pixel_size=sizes,
        )
        write(spec, pixels, "compressed hdf5" if theirs.compression else "hdf5")
        with h5py.File(spec.path) as own:
            ours = own["exported_data"]
            assert attributes(ours) == attributes(theirs)
            assert ours.attrs["axistags"] == theirs.attrs["axistags"]
            for member in (
                "shape",
                "dtype",
                "chunks",
                "compression",
                "compression_opts",
                "shuffle",
                "fillvalue",
            ):
                assert getattr(ours, member) == getattr(theirs, member), member
            assert np.array_equal(ours[:], theirs[:])


def test_what_is_not_known_is_not_claimed(tmp_path):
    spec = OutputSpec(tmp_path / "a.h5", (1, 1, 1, 8, 9), "yx", np.dtype("f4"), "features")
    with h5py.File(write(spec, np.zeros(spec.shape, "f4"))) as file:
        assert set(file["exported_data"].attrs) == {"DIMENSION_LABELS", "axistags", "display_mode"}


def test_pixel_sizes_names_and_colours(tmp_path):
    spec = OutputSpec(
        tmp_path / "a.h5",
        (2, 1, 3, 8, 9),
        "tzyx",
        np.dtype("u1"),
        "segmentation",
        class_names=("Hintergrund", "Zellkörper"),
        class_colors=((1, 2, 3), (255, 0, 9)),
        pixel_size={"x": (0.65, "um"), "z": (2.0, "micron"), "t": (float("nan"), "s")},
        provenance={"project": "a.ilp"},
    )
    with h5py.File(write(spec, np.ones(spec.shape, "u1"))) as file:
        attrs = file["exported_data"].attrs
        resolutions = [a["resolution"] for a in json.loads(attrs["axistags"])["axes"]]
        assert resolutions == [0, 2, 0, 0.65]
        assert json.loads(attrs["axis_units"]) == {"t": "", "z": "µm", "y": "", "x": "µm"}
        assert json.loads(attrs["class_names"]) == ["Hintergrund", "Zellkörper"]
        assert attrs["class_colors"].tolist() == [[1, 2, 3], [255, 0, 9]]
        assert json.loads(attrs["provenance"]) == {"project": "a.ilp"}


def test_more_names_than_an_attribute_holds_are_left_out(tmp_path):
    names = tuple(f"feature {i} " + "x" * 100 for i in range(1000))
    spec = OutputSpec(tmp_path / "a.h5", (1, 1000, 1, 2, 2), "yxc", np.dtype("f4"), channel_names=names)
    with h5py.File(write(spec, np.zeros(spec.shape, "f4"))) as file:
        assert "channel_names" not in file["exported_data"].attrs
        assert file["exported_data"].shape == (2, 2, 1000)


def test_nested_dataset_names(tmp_path):
    spec = OutputSpec(tmp_path / "a.h5", (1, 1, 1, 2, 2), "yx", np.dtype("u1"), inner_path="/volumes/seg/a b")
    with h5py.File(write(spec, np.ones(spec.shape, "u1"))) as file:
        assert file["volumes/seg/a b"][:].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("inner", ["", "/", "a//b", "a/../b", "a\0b"])
def test_impossible_dataset_names_are_refused(tmp_path, inner):
    spec = OutputSpec(tmp_path / "a.h5", (1, 1, 1, 2, 2), "yx", np.dtype("u1"), inner_path=inner)
    with pytest.raises(OutputError, match="no name of a dataset"):
        open_sink(spec, "hdf5")


@pytest.mark.parametrize(
    ("shape", "axes", "itemsize"),
    [
        ((5000, 7000), "yx", 1),
        ((5000, 7000), "yx", 8),
        ((300, 400, 500, 3), "zyxc", 4),
        ((1, 100_000), "yx", 4),
        ((9, 2, 3, 40, 2000), "tczyx", 2),
        ((1, 1), "yx", 1),
    ],
)
def test_chunks_are_of_a_sensible_size(shape, axes, itemsize):
    chunk = chunk_shape(shape, axes, itemsize)
    assert all(1 <= c <= n for c, n in zip(chunk, shape, strict=True))
    assert all(c == 1 for c, a in zip(chunk, axes, strict=True) if a in "tc")
    size = int(np.prod(chunk)) * itemsize
    whole = np.prod([n for n, a in zip(shape, axes, strict=True) if a in "zyx"]) * itemsize
    assert min(whole, CHUNK_BYTES / 4) <= size <= CHUNK_BYTES
