"""`underbrush predict` as its user runs it."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image
from small_project import make_project

from underbrush.core.geometry import to_internal
from underbrush.sources.opening import open_image


def test_segmentation_beside_the_project_with_colours(call, project, image, picture):
    status, out, err = call("predict", project, image)
    assert (status, err) == (0, "")
    result = project.parent / "p_results" / "cells_segmentation.tif"
    assert out.strip() == str(result)
    with tifffile.TiffFile(result) as tif:
        page = tif.pages[0]
        assert page.asarray().dtype == np.uint8
        assert set(np.unique(page.asarray())) == {1, 2}
        assert tuple(page.colormap[:, 2] >> 8) == (255, 225, 25)
    inner = (slice(13, 27), slice(18, 37))
    assert (tifffile.imread(result)[inner] == 2).all()
    assert (tifffile.imread(result)[:5] == 1).all()


@pytest.mark.parametrize(
    ("suffix", "format_name"), [(".h5", None), (".npy", None), (".tif", None), ("", "hdf5")]
)
def test_probabilities_in_each_format_are_the_same(call, project, image, tmp_path, suffix, format_name):
    target = f"{tmp_path}/r_{{nickname}}_{{result}}{suffix}"
    extra = ["--format", format_name] if format_name else []
    status, out, _ = call("predict", project, image, "--result", "probabilities", "--output", target, *extra)
    assert status == 0
    with open_image(out.strip() + ("/exported_data" if ".h5" in out else ""), None) as result:
        values = result.read() if result.axes != "zyx" else to_internal(result.read()[0, 0], "cyx")
    assert values.shape == (1, 2, 1, 48, 57)
    assert values.dtype == np.float32
    assert np.allclose(values.sum(axis=1), 1)
    assert set(np.unique(values)) == {0.0, 0.25, 0.75, 1.0}


def test_uncertainty_and_features(call, project, image, tmp_path):
    status, out, _ = call(
        "predict", project, image, "--result", "uncertainty", "--output", tmp_path / "u.npy"
    )
    assert status == 0
    assert set(np.unique(np.load(out.strip()))) == {np.float32(0), np.float32(0.5)}
    status, out, _ = call("predict", project, image, "--result", "features", "--output", tmp_path / "f.npy")
    assert status == 0
    assert np.load(out.strip()).shape == (48, 57, 16)


def test_rescaled_to_uint8(call, project, image, tmp_path):
    options = ["--result", "probabilities", "--dtype", "uint8", "--rescale", "0:1,0:255"]
    status, out, _ = call("predict", project, image, *options, "--output", tmp_path / "p.npy")
    assert status == 0
    assert set(np.unique(np.load(out.strip()))) == {0, 64, 191, 255}


def test_uint8_alone_is_refused_with_the_hint(call, project, image):
    status, _, err = call("predict", project, image, "--result", "probabilities", "--dtype", "uint8")
    assert status == 1 or status == 2
    assert "--rescale 0:1,0:255" in err and err.count("\n") == 1


def test_region_and_mask(call, project, image, picture, tmp_path):
    mask = np.zeros_like(picture)
    mask[:, 20:] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    whole, part = tmp_path / "whole.npy", tmp_path / "part.npy"
    assert call("predict", project, image, "--output", whole)[0] == 0
    options = ["--mask", tmp_path / "mask.tif", "--region", "y=8:40,x=10:"]
    assert call("predict", project, image, *options, "--output", part)[0] == 0
    want = np.where(mask, np.load(whole), 0)[8:40, 10:]
    assert np.array_equal(np.load(part), want)
    assert set(np.unique(want)) == {0, 1, 2}


def test_json_names_what_was_done_and_what_failed(call_json, project, image, tmp_path):
    (tmp_path / "broken.tif").write_bytes(b"II*\0\xff\xff\xff\x7f")
    status, report, err = call_json("predict", project, image, tmp_path / "broken.tif", tmp_path / "none.tif")
    assert status == 1
    assert report["schema"] == 1
    assert [r["image"] for r in report["results"]] == [str(image)]
    assert [f["image"] for f in report["failed"]] == [
        str(tmp_path / "broken.tif"),
        str(tmp_path / "none.tif"),
    ]
    assert all(str(tmp_path) in f["error"] for f in report["failed"])
    assert "Traceback" not in err


def test_one_bad_image_does_not_stop_the_rest(call, project, image, tmp_path):
    status, out, err = call("predict", project, tmp_path / "none.tif", image)
    assert status == 1
    assert out.strip().endswith("cells_segmentation.tif")
    assert "none.tif" in err and err.count("\n") == 1


def test_axes_can_be_named(call, tmp_path, picture):
    project = make_project(tmp_path / "c.ilp", channels=2)
    tifffile.imwrite(
        tmp_path / "two.tif", np.stack([picture, picture]), photometric="minisblack", metadata=None
    )
    status, _, err = call("predict", project, tmp_path / "two.tif")
    assert status == 1 and "trained on" in err
    assert call("predict", project, tmp_path / "two.tif", "--axes", "cyx")[0] == 0


def test_alpha_is_left_out_and_said(call, tmp_path, picture):
    project = make_project(tmp_path / "rgb.ilp", channels=3)
    rgba = np.dstack([picture, picture, picture, np.full_like(picture, 255)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    status, _, err = call("predict", project, tmp_path / "a.png")
    assert status == 0
    assert "alpha channel is left out" in err


def test_hdf5_keeps_the_blank_names_of_datasets(call, project, picture, tmp_path):
    with h5py.File(tmp_path / "im.h5", "w") as f:
        f["volume/raw data"] = picture
    status, out, _ = call("predict", project, f"{tmp_path}/im.h5/volume/raw data")
    assert status == 0
    assert out.strip().endswith("p_results/im-volume-raw data_segmentation.tif")
