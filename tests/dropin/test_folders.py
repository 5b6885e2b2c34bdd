"""ilastik's formats that are folders: OME-Zarr as it wrote it, N5 as it leaves it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from underbrush.sources import open_image


@pytest.mark.parametrize("format", ["single-scale OME-Zarr", "multi-scale OME-Zarr"])
def test_ome_zarr(gray, done, format):
    [path] = done(
        gray.project,
        "--export_source=Probabilities",
        f"--output_format={format}",
        "--output_filename_format=z.anything",
        gray.folder / "train.h5",
    )
    assert path.name == "z.zarr"
    theirs = gray.export("batch_train_Probabilities.zarr")
    mine, recorded = (zarr.open_group(place, mode="r") for place in (path, theirs))
    assert sorted(mine.array_keys()) == sorted(recorded.array_keys()) == ["s0"]
    assert np.mean(mine["s0"][:] == recorded["s0"][:]) > 0.999
    assert np.abs(mine["s0"][:] - recorded["s0"][:]).max() < 0.02
    told = [json.loads((place / "s0" / ".zarray").read_text()) for place in (path, theirs)]
    for part in ("shape", "chunks", "dtype", "dimension_separator", "fill_value", "order", "zarr_format"):
        assert told[0][part] == told[1][part], part
    (ours,), (others,) = mine.attrs["multiscales"], recorded.attrs["multiscales"]
    for part in ("axes", "datasets", "version"):
        assert ours[part] == others[part], part


def test_n5_keeps_what_is_in_it(small, cells, done, call):
    more = ["--output_filename_format=a.n5", cells]
    [path] = done(small, "--export_source=Simple Segmentation", "--output_format=n5", *more)
    assert path.name == "a.n5"
    done(small, "--output_format=compressed n5", "--output_internal_path=group/p", *more)
    done(small, "--export_source=Simple Segmentation", "--output_format=n5", *more)
    with open_image(f"{path}/exported_data") as image:
        first = image.read()
        assert (image.axes, image.dtype) == ("yxc", np.dtype(np.uint8))
    with open_image(f"{path}/group/p") as image:
        assert (image.axes, image.dtype) == ("yxc", np.dtype(np.float32))
        values = image.read()
    assert np.array_equal(first[0, 0], 1 + values[0].argmax(0))
    assert sorted(p.name for p in path.iterdir()) == ["attributes.json", "exported_data", "group"]
    status, _, err = call(
        "--headless", f"--project={small}", "--output_format=n5", "--output_internal_path=group/p/q", *more
    )
    assert status == 1
    assert "'p' in it is a dataset" in err
