"""`underbrush predict` with each kind of result, in folders and sequences, and with outlines as a mask."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from scipy import ndimage
from small_project import make_project

from underbrush.sources.opening import open_image


@pytest.fixture
def spotted(image):
    """The image with three bright squares, two of which meet in a corner; gives its pixels."""
    pixels = np.full((48, 57), 20, np.uint8)
    for y, x in ((4, 4), (18, 18), (30, 30)):
        pixels[y : y + 12, x : x + 12] = 200
    tifffile.imwrite(image, pixels)
    return pixels


def segmented(call, project, image, target, *more):
    status, out, err = call("predict", project, image, "--output", target, *more)
    assert status == 0, err
    return out.strip()


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".ome.zarr"])
def test_objects(call, project, image, spotted, tmp_path, suffix):
    classes = np.load(segmented(call, project, image, tmp_path / "s.npy"))
    path = segmented(call, project, image, tmp_path / f"o{suffix}", "--result", "objects")
    with open_image(path) as result:
        found = result.read()[0, 0, 0]
        assert result.dtype == np.uint32
    expected, count = ndimage.label(classes == 2)
    assert count == 3
    assert np.array_equal(found, expected)


def test_objects_of_chosen_classes(call, project, image, spotted, tmp_path):
    classes = np.load(segmented(call, project, image, tmp_path / "s.npy"))
    more = ("--result", "objects", "--dtype", "uint16", "--classes")
    both = np.load(segmented(call, project, image, tmp_path / "a.npy", *more, "Nucleus, 1"))
    assert both.dtype == np.uint16
    assert (both > 0).all()
    assert both[0, 0] == 1, "objects count in the order of their first pixels"
    for value in (1, 2):
        _, count = ndimage.label(classes == value)
        assert len(np.unique(both[classes == value])) == count
    assert np.array_equal(
        np.load(segmented(call, project, image, tmp_path / "b.npy", *more, "1")) > 0, classes == 1
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--result", "objects", "--classes", "3"], "there is no class '3'; the classes are 1 background, 2"),
        (["--classes", "2"], "--classes is for objects, not for segmentation"),
        (["--result", "objects", "--dtype", "float32"], "objects are counted"),
        (["--result", "objects", "--format", "jpg"], "jpg holds uint8, the result is uint32"),
        (["--result", "labels", "--part", "1/2"], "--part is not for labels"),
        (["--result", "labels", "--axes", "yx"], "--axes is not for labels"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, project, image, tmp_path, options, said):
    ending = ".jpg" if "jpg" in options else ".npy"
    status, out, err = call("predict", project, image, "--output", tmp_path / f"x{ending}", *options)
    assert status != 0
    assert out == ""
    assert said in err
    assert not list(tmp_path.glob("x*"))


def test_strokes_as_an_image(call, call_json, image, project, tmp_path):
    import underbrush

    with underbrush.open_project(project) as opened:
        labels = np.zeros((48, 57), np.uint8)
        labels[3, 4:20], labels[11:14, 30] = 1, 2
        opened.set_labels(0, labels)
        opened.save()
    path = segmented(call, project, image, tmp_path / "{nickname}_{result}.png", "--result", "labels")
    assert path.endswith("cells_labels.png")
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), labels)
        assert picture.getpalette()[3:9] == [0, 130, 200, 255, 225, 25]
    status, said, _ = call_json(
        "predict", project, image, "--result", "labels", "--output", tmp_path / "l.ome.zarr"
    )
    assert (status, said["results"][0]["output"]) == (0, str(tmp_path / "l.ome.zarr"))
    assert np.array_equal(zarr.open_array(tmp_path / "l.ome.zarr/0", mode="r")[:], labels)
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, labels)
    status, _, err = call("predict", project, other, "--result", "labels", "--output", tmp_path / "m.npy")
    assert status == 2
    assert "this image is not in the project, so it has no strokes" in err


@pytest.mark.parametrize(
    "format", ["ome-zarr", "ome-zarr-0.5", "single-scale ome-zarr", "compressed n5", "n5"]
)
@pytest.mark.parametrize("result", ["segmentation", "probabilities"])
def test_folders_hold_what_files_hold(call, project, image, tmp_path, format, result):
    plain = np.load(segmented(call, project, image, tmp_path / "a.npy", "--result", result))
    more = ("--result", result, "--format", format)
    path = segmented(call, project, image, tmp_path / "{nickname}_b", *more)
    again = segmented(call, project, image, tmp_path / "{nickname}_b", *more)
    assert path == again, "an earlier result is replaced"
    with open_image(path + ("/exported_data" if "n5" in format else "")) as found:
        values = found.read()[0, :, 0]
        assert found.dtype == plain.dtype
    assert np.array_equal(values[0] if plain.ndim == 2 else np.moveaxis(values, 0, -1), plain)


def test_a_volume_as_pictures(call, tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (12, 40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "cells.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    project = make_project(tmp_path / "p.ilp", volume=True)
    image = tmp_path / "cells.tif"
    plain = np.load(segmented(call, project, image, tmp_path / "a.npy"))
    path = segmented(call, project, image, tmp_path / "out" / "{nickname}", "--format", "png sequence")
    assert path.endswith("cells_{slice_index}.png")
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [f"cells_{k:02d}.png" for k in range(12)]
    for number, name in enumerate(names):
        with Image.open(tmp_path / "out" / name) as picture:
            assert np.array_equal(np.asarray(picture), plain[number])
    more = ("--format", "tiff sequence", "--region", "z=2:5")
    segmented(call, project, image, tmp_path / "few" / "s{slice_index}_of_few.tif", *more)
    assert sorted(p.name for p in (tmp_path / "few").iterdir()) == [f"s{k}_of_few.tif" for k in range(3)]


POLYGON = [[[5, 5], [45, 5], [45, 40], [5, 40], [5, 5]], [[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]]
FAR = [[[50.2, 41.9], [56, 41.9], [56, 47], [50.2, 47], [50.2, 41.9]]]


def qupath(path, *geometries):
    features = [
        {"type": "Feature", "id": str(k), "geometry": g, "properties": {"objectType": "annotation"}}
        for k, g in enumerate(geometries)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_outlines_of_qupath_as_a_mask(call, project, image, tmp_path):
    mask = qupath(
        tmp_path / "m.geojson",
        {"type": "Polygon", "coordinates": POLYGON},
        {"type": "MultiPolygon", "coordinates": [FAR]},
        {"type": "Point", "coordinates": [1, 1]},
    )
    inside = np.zeros((48, 57), bool)
    inside[5:40, 5:45] = True
    inside[10:20, 10:20] = False
    inside[42:47, 50:56] = True
    plain = np.load(segmented(call, project, image, tmp_path / "a.npy"))
    found = np.load(segmented(call, project, image, tmp_path / "b.npy", "--mask", mask))
    assert np.array_equal(found, np.where(inside, plain, 0))


def test_outlines_of_one_slice_and_of_all(call, tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (9, 40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "cells.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    project = make_project(tmp_path / "p.ilp", volume=True)
    square = [[[5, 5], [15, 5], [15, 15], [5, 15]]]
    everywhere = {"type": "Polygon", "coordinates": square}
    third = {"type": "Polygon", "coordinates": square, "plane": {"c": -1, "z": 2, "t": 0}}
    for name, geometries, slices in (("a", [everywhere], range(9)), ("b", [everywhere, third], (0, 2))):
        mask = qupath(tmp_path / f"{name}.geojson", *geometries)
        found = np.load(
            segmented(call, project, tmp_path / "cells.tif", tmp_path / f"{name}.npy", "--mask", mask)
        )
        expected = np.zeros(found.shape, bool)
        for z in slices:
            expected[z, 5:15, 5:15] = True
        assert np.array_equal(found > 0, expected)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "it is no GeoJSON"),
        (b"\xff\xfe\x00", "it is no GeoJSON"),
        (b"[" * 100_000, "it is no GeoJSON"),
        (b"3", "its outlines are damaged"),
        (b'{"type": "Polygon", "coordinates": [[["a", 1], [2, 3], [4, 5]]]}', "its outlines are damaged"),
        (b'{"type": "Polygon", "coordinates": [[[1e999, 1], [2, 3], [4, 5]]]}', "its outlines are damaged"),
        (b'{"type": "Polygon", "coordinates": 7}', "its outlines are damaged"),
        (b'{"type": "Point", "coordinates": [1, 2]}', "there is no polygon in it"),
        (b'{"type": "FeatureCollection", "features": []}', "there is no polygon in it"),
    ],
)
def test_damaged_outlines_cost_a_sentence(call, project, image, tmp_path, content, said):
    mask = tmp_path / "m.geojson"
    mask.write_bytes(content)
    status, _, err = call("predict", project, image, "--mask", mask, "--output", tmp_path / "x.npy")
    assert status == 1
    assert said in err and "m.geojson" in err
    assert not (tmp_path / "x.npy").exists()


def test_the_library_counts_objects_too(project, image, spotted, tmp_path):
    import underbrush

    options = {"result": "objects", "classes": ["nucleus"], "format": "npy"}
    (path,) = underbrush.predict_files(project, [image], str(tmp_path / "o"), **options)
    assert np.load(path).max() == 3
    with pytest.raises(underbrush.errors.ArgumentError, match="classes are for objects"):
        underbrush.predict_files(project, [image], str(tmp_path / "s"), classes=["nucleus"])
