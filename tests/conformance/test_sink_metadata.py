"""What OME-Zarr and N5 say of a result, held against independent models and readers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
import zarr
from ome_zarr_models.v04.image import Image as Image04
from ome_zarr_models.v04.image_label import ImageLabel as Label04
from ome_zarr_models.v05.image import Image as Image05
from ome_zarr_models.v05.image_label import ImageLabel as Label05

from underbrush.core.geometry import Box
from underbrush.errors import OutputError
from underbrush.sinks import OutputSpec, check_sink, open_sink
from underbrush.sinks import zarr as zarr_sink
from underbrush.sources import open_image

COLORS = ((230, 25, 75), (60, 180, 75))
SIZES = {"x": (0.5, "µm"), "y": (0.5, "micron"), "z": (2000.0, "nm"), "t": (3.0, "s")}
TOLD = {"software": "underbrush", "project": "Zellen ä.ilp", "classifier": "abc"}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(zarr_sink, "CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr(zarr_sink, "INNER_BYTES", 1 << 10)
    monkeypatch.setattr(zarr_sink, "SHARD_BYTES", 1 << 13)


def written(folder: Path, format: str, kind: str, axes: str = "tczyx", **more):
    names = kind in ("segmentation", "labels", "objects")
    shape = (2, 1 if names else 2, 4, 60, 70)
    dtype = np.dtype({"segmentation": "u1", "labels": "u1", "objects": "u4"}.get(kind, "f4"))
    values = {
        "pixel_size": SIZES,
        "class_names": ("Hintergrund", "Zelle ä") if names else (),
        "class_colors": COLORS,
        "channel_names": () if names else ("Hintergrund", "Zelle ä"),
        "value_range": (0.0, 1.0) if kind == "probabilities" else None,
        "provenance": TOLD,
        **more,
    }
    ending = "n5" if "n5" in format else "ome.zarr"
    spec = OutputSpec(folder / f"{kind}.{ending}", shape, axes, dtype, kind, **values)
    rng = np.random.default_rng(0)
    pixels = (rng.random(shape) * (3 if names else 1)).astype(dtype)
    with open_sink(spec, format) as sink:
        sink.write(Box.whole(shape), pixels)
    return spec, pixels


def ome(group) -> dict:
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)


@pytest.mark.parametrize("format", ["ome-zarr", "ome-zarr-0.5", "single-scale ome-zarr"])
@pytest.mark.parametrize("kind", ["segmentation", "labels", "objects", "probabilities", "features"])
def test_the_models_of_ome_zarr_take_it(tmp_path, format, kind):
    spec, _ = written(tmp_path, format, kind)
    group = zarr.open_group(spec.path, mode="r")
    five = format == "ome-zarr-0.5"
    names = kind in ("segmentation", "labels", "objects")
    model = {(False, False): Image04, (False, True): Label04, (True, False): Image05, (True, True): Label05}
    image = model[five, names].from_zarr(group)
    attributes = image.attributes if not five else image.ome_attributes
    (multiscale,) = attributes.multiscales
    assert [axis.name for axis in multiscale.axes] == list("tczyx")
    assert [axis.unit for axis in multiscale.axes] == [
        "second",
        None,
        "nanometer",
        "micrometer",
        "micrometer",
    ]
    assert len(multiscale.datasets) == (1 if "single" in format else len(list(group.array_keys())))
    for version in {ome(group).get("version"), ome(group)["multiscales"][0].get("version")} - {None}:
        assert version == ("0.5" if five else "0.4")


@pytest.mark.parametrize("format", ["ome-zarr", "ome-zarr-0.5"])
def test_classes_have_names_and_colours(tmp_path, format):
    spec, _ = written(tmp_path, format, "segmentation")
    told = ome(zarr.open_group(spec.path, mode="r"))
    label = told["image-label"]
    assert [(c["label-value"], c["rgba"]) for c in label["colors"]] == [
        (1, [230, 25, 75, 255]), (2, [60, 180, 75, 255]),
    ]  # fmt: skip
    assert [(p["label-value"], p["class"]) for p in label["properties"]] == [
        (1, "Hintergrund"),
        (2, "Zelle ä"),
    ]
    assert "omero" not in told


@pytest.mark.parametrize("format", ["ome-zarr", "ome-zarr-0.5"])
def test_channels_have_names_colours_and_ranges(tmp_path, format):
    spec, _ = written(tmp_path, format, "probabilities")
    channels = ome(zarr.open_group(spec.path, mode="r"))["omero"]["channels"]
    assert [(c["label"], c["color"]) for c in channels] == [("Hintergrund", "E6194B"), ("Zelle ä", "3CB44B")]
    assert all(c["window"] == {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0} for c in channels)
    with open_image(spec.path) as image:
        assert image.info.channels == ("Hintergrund", "Zelle ä")


def test_features_are_shown_from_their_smallest_to_their_largest(tmp_path):
    spec, pixels = written(tmp_path, "single-scale ome-zarr", "features")
    windows = [c["window"] for c in ome(zarr.open_group(spec.path, mode="r"))["omero"]["channels"]]
    for channel, window in enumerate(windows):
        values = pixels[0, channel]
        assert values.min() <= window["start"] < window["end"] <= values.max()
        assert window["end"] - window["start"] > 0.5 * (values.max() - values.min())


@pytest.mark.parametrize("format", ["ome-zarr", "ome-zarr-0.5"])
@pytest.mark.parametrize("kind", ["segmentation", "probabilities"])
def test_smaller_copies(tmp_path, format, kind):
    """Pixels of 2 µm along z are halved only where those along x and y are as long."""
    spec, pixels = written(tmp_path, format, kind)
    group = zarr.open_group(spec.path, mode="r")
    datasets = ome(group)["multiscales"][0]["datasets"]
    names = kind == "segmentation"
    expected, factors = pixels, np.array([1, 1, 1, 1, 1])
    assert len(datasets) > 2
    for number, dataset in enumerate(datasets):
        found = group[dataset["path"]]
        if number:
            deep = found.shape[2] < expected.shape[2]
            assert deep == (factors[3] * 0.5 * 1.5 >= 2.0)
            steps = np.array([1, 1, 2 if deep else 1, 2, 2])
            factors = factors * steps
            if names:
                expected = expected[tuple(slice(None, None, s) for s in steps)]
            else:
                for axis in np.flatnonzero(steps == 2):
                    n = expected.shape[axis]
                    even = np.take(expected, range(0, n, 2), axis)
                    odd = np.take(expected, [min(k, n - 1) for k in range(1, n + 1, 2)], axis)
                    expected = (even + odd) / 2
        assert found.shape == expected.shape
        assert np.allclose(found[:], expected, atol=1e-6)
        scale, *moved = dataset["coordinateTransformations"]
        assert scale["scale"] == pytest.approx(factors * np.array([3.0, 1.0, 2000.0, 0.5, 0.5]))
        if not names and number:
            shift = (factors - 1) / 2 * np.array([3.0, 1.0, 2000.0, 0.5, 0.5])
            assert moved[0]["translation"] == pytest.approx(shift)
        else:
            assert moved == []
    with open_image(spec.path) as image:
        assert len(image.info.levels) == len(datasets)
        assert image.pixel_size["x"] == (0.5, "µm")


def test_shards_hold_many_chunks(tmp_path):
    spec, _ = written(tmp_path, "ome-zarr-0.5", "probabilities")
    array = zarr.open_group(spec.path, mode="r")["0"]
    assert array.shards is not None
    assert np.prod(array.shards) >= 8 * np.prod(array.chunks)
    assert array.metadata.dimension_names == tuple("tczyx")
    shards = np.prod([-(-n // s) for n, s in zip(array.shape, array.shards, strict=True)])
    assert len([p for p in (spec.path / "0").rglob("*") if p.is_file()]) == 1 + shards


@pytest.mark.parametrize("format", ["ome-zarr", "ome-zarr-0.5", "n5"])
def test_where_it_comes_from(tmp_path, format):
    spec, _ = written(tmp_path, format, "segmentation")
    if format == "n5":
        told = json.loads((spec.path / "exported_data/attributes.json").read_text("utf-8"))
        assert told["class_names"] == ["Hintergrund", "Zelle ä"]
        assert told["class_colors"] == [list(c) for c in COLORS]
    else:
        told = dict(zarr.open_group(spec.path, mode="r").attrs)["underbrush"]
        assert (told["result"], told["classes"]) == ("segmentation", ["Hintergrund", "Zelle ä"])
    assert told["provenance"] == TOLD


@pytest.mark.parametrize("axes", ["tczyx", "tzyxc"])
def test_n5_is_read_here_with_axes_and_sizes(tmp_path, axes):
    spec, pixels = written(tmp_path, "compressed n5", "probabilities", axes)
    with open_image(f"{spec.path}/exported_data") as image:
        assert image.axes == axes
        assert np.array_equal(image.read(), pixels)
        assert image.pixel_size == {"x": (0.5, "µm"), "y": (0.5, "µm"), "z": (2000.0, "nm"), "t": (3.0, "s")}
    told = json.loads((spec.path / "exported_data/attributes.json").read_text())
    assert [tag["key"] for tag in json.loads(told["axistags"])["axes"]] == list(axes)
    assert told["axes"] == list(axes[::-1])
    assert told["drange"] == [0.0, 1.0]
    assert json.loads((spec.path / "attributes.json").read_text())["n5"]


@pytest.mark.parametrize(
    ("format", "dtype", "reason"),
    [("n5", "f2", "N5 does not hold values of float16"), ("ome-zarr", "complex64", "cannot be stored")],
)
def test_types_that_a_format_has_not_are_refused(tmp_path, format, dtype, reason):
    with pytest.raises(OutputError, match=reason):
        check_sink(OutputSpec(tmp_path / "a", (1, 1, 1, 4, 4), "yx", np.dtype(dtype)), format)


@pytest.mark.parametrize(
    ("kind", "dtype", "shape"),
    [
        ("segmentation", "u1", (2, 1, 3, 40, 50)),
        ("probabilities", "f4", (1, 2, 1, 40, 50)),
        ("features", "f8", (1, 1, 1, 4, 5)),
        ("objects", "u4", (1, 1, 1, 4, 5)),
    ],
)
def test_the_schema_of_ome_takes_the_xml(tmp_path, kind, dtype, shape):
    """With units that OME knows and one that it does not, and text that is no XML."""
    spec = OutputSpec(
        tmp_path / "a.ome.tif", shape, "tczyx", np.dtype(dtype), kind,
        class_names=("Hintergrund", "Zelle & <b> \x00"), class_colors=((1, 2, 3), (255, 255, 255)),
        channel_names=("x", "ä\x01") if shape[1] == 2 else (), provenance=TOLD,
        pixel_size={"x": (0.5, "um"), "y": (0.5, "pixel"), "z": (2.0, "parsec"), "t": (3.0, "min")},
    )  # fmt: skip
    with open_sink(spec, "ome-tiff") as sink:
        sink.write(Box.whole(shape), np.zeros(shape, dtype))
    with tifffile.TiffFile(spec.path) as file:
        told = file.ome_metadata
    ome_types.validate_xml(told)
    pixels = ome_types.from_xml(told).images[0].pixels
    assert (pixels.size_t, pixels.size_c, pixels.size_z, pixels.size_y, pixels.size_x) == shape
    assert pixels.physical_size_x == 0.5
    assert pixels.time_increment_unit.value == "min"
