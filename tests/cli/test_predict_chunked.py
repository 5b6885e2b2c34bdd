"""The same pixels give the same results in bytes, whichever format they come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorstore
import tifffile
import zarr
from small_project import make_project

from sources.image_server import ImageServer
from underbrush.engine.lanes import open_lane
from underbrush.engine.new_project import project_from_images
from underbrush.project.read import read_project
from underbrush.project.write import write_project


def ome(folder, array, axes, version):
    group = zarr.group(folder, zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", data=array, chunks=(17,) * array.ndim)
    entry = {"axes": [{"name": a, "type": "space"} for a in axes], "datasets": [{"path": "0"}]}
    if version == "0.4":
        group.attrs["multiscales"] = [entry]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}
    return folder


def n5(folder, array, axes):
    spec = {
        "driver": "n5", "kvstore": {"driver": "file", "path": f"{folder}/"},
        "metadata": {
            "dimensions": list(array.shape[::-1]), "blockSize": [19] * array.ndim,
            "dataType": str(array.dtype), "compression": {"type": "gzip"}, "axes": list(axes[::-1]),
        },
    }  # fmt: skip
    tensorstore.open(spec, create=True).result().write(array.T).result()
    return folder


def precomputed(folder, array):
    spec = {
        "driver": "neuroglancer_precomputed", "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {"type": "image", "data_type": str(array.dtype), "num_channels": 1},
        "scale_metadata": {
            "size": list(array.shape[::-1]), "encoding": "raw", "chunk_size": [16, 16, 8],
            "resolution": [1, 1, 1],
        },
    }  # fmt: skip
    tensorstore.open(spec, create=True).result().write(array.T[..., None]).result()
    return folder


def cells(shape):
    rng = np.random.default_rng(1)
    block = rng.integers(0, 60, shape).astype("uint8")
    block[..., 10:30, 15:40] += 150
    return block


@pytest.mark.parametrize("result", ["probabilities", "uncertainty"])
def test_a_flat_image(call, tmp_path, result):
    array = cells((130, 170))
    tifffile.imwrite(tmp_path / "cells.tif", array)
    project = make_project(tmp_path / "p.ilp")
    images = [
        tmp_path / "cells.tif",
        ome(tmp_path / "four.zarr", array, "yx", "0.4"),
        ome(tmp_path / "five.zarr", array, "yx", "0.5"),
        n5(tmp_path / "five2.n5", array, "yx"),
    ]
    status, out, err = call("predict", project, *images, "--result", result, "--format", "npy")
    assert (status, err) == (0, "")
    contents = [Path(name).read_bytes() for name in out.split()]
    assert len(contents) == 4
    assert set(contents) == {contents[0]}


def test_a_volume(call, tmp_path):
    array = cells((20, 50, 60))
    tifffile.imwrite(tmp_path / "cells.tif", array, imagej=True, metadata={"axes": "ZYX"})
    for z, plane in enumerate(array):
        tifffile.imwrite(tmp_path / f"plane{z}.tif", plane)
    project = make_project(tmp_path / "p.ilp", volume=True)
    images = [
        tmp_path / "cells.tif",
        ome(tmp_path / "four.zarr", array, "zyx", "0.4"),
        precomputed(tmp_path / "cells.precomputed", array),
        f"{tmp_path}/plane*.tif#stack=z",
    ]
    target = f"{tmp_path}/r{{nickname}}.npy"
    outputs = []
    for i, image in enumerate(images):
        extra = ["--result", "probabilities", "--output", target.replace("{nickname}", str(i))]
        status, out, err = call("predict", project, image, *extra)
        assert (status, err) == (0, "")
        values = np.load(out.strip())
        # A result has the axes of its image, and a precomputed volume has its channels first.
        outputs.append(values if values.shape[-1] == 2 else np.moveaxis(values, 0, -1))
    assert outputs[0].std() > 0
    for other in outputs[1:]:
        assert other.tobytes() == outputs[0].tobytes()


def test_what_is_missing_is_said_once_with_the_result(call, tmp_path):
    array = cells((130, 170))
    folder = ome(tmp_path / "a.zarr", array, "yx", "0.4")
    (folder / "0" / "1.1").unlink()
    status, out, err = call("predict", make_project(tmp_path / "p.ilp"), folder)
    assert status == 0
    assert out.strip().endswith("a_segmentation.tif")
    assert err.count("1 chunk of 80 is not there") == 1


def test_a_result_does_not_replace_a_file_of_its_stack(call, tmp_path):
    for z in range(20):
        tifffile.imwrite(tmp_path / f"plane{z}.tif", cells((50, 60)))
    project = make_project(tmp_path / "p.ilp", volume=True)
    before = (tmp_path / "plane7.tif").read_bytes()
    status, _, err = call("predict", project, f"{tmp_path}/plane*.tif", "--output", tmp_path / "plane7.tif")
    assert status == 1
    assert "would overwrite the input" in err
    assert (tmp_path / "plane7.tif").read_bytes() == before


def test_info_of_a_pyramid(call, call_json, tmp_path):
    folder = ome(tmp_path / "a.zarr", cells((130, 170)), "yx", "0.5")
    status, said, _ = call_json("info", folder)
    assert status == 0
    assert (said["axes"], said["shape"], said["levels"]) == ("yx", [130, 170], [[130, 170]])
    status, _, err = call("info", f"{folder}#level=1")
    assert (status, err.count("\n")) == (1, 1)
    assert "there is no level 1; the image has 1" in err


def test_an_image_on_a_server(call, tmp_path):
    """Predicted by its address, and trained on as an image of a project."""
    array = cells((130, 170))
    tifffile.imwrite(tmp_path / "cells.tif", array)
    (tmp_path / "served").mkdir()
    ome(tmp_path / "served" / "a.zarr", array, "yx", "0.5")
    project = make_project(tmp_path / "p.ilp")
    with ImageServer(tmp_path / "served") as server:
        address = f"{server.url}/a.zarr"
        status, out, err = call("predict", project, tmp_path / "cells.tif", address, "--format", "npy")
        assert (status, err) == (0, "")
        one, other = (Path(name).read_bytes() for name in out.split())
        assert one == other
        made = project_from_images([f"{address}#level=0"])
        write_project(made, tmp_path / "new.ilp")
        again = read_project(tmp_path / "new.ilp")
        with open_lane(again.lanes[0], again) as image:
            assert (again.lanes[0].raw.kind, again.lanes[0].raw.level) == ("url", "0")
            np.testing.assert_array_equal(image.read()[0, 0, 0], array)
        server.stop()
        status, _, err = call("predict", project, address)
        assert (status, err.count("\n")) == (1, 1)
        assert "the server cannot be read" in err
