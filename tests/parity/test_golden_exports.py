"""The command line on ilastik's own projects and images, held against each file that ilastik exported.

Both files are opened by our reader, so this also shows that we read what ilastik writes.
"""

from __future__ import annotations

import numpy as np
import pytest

from underbrush.cli.main import run
from underbrush.core.geometry import to_internal
from underbrush.sources.opening import open_image

CHANNELS = {"gray2d_2c": 2, "rgb2d_3c": 3, "gray3d_2c": 2, "tyx_2c": 2}


def exports(golden, name):
    return sorted((golden.folder / "exports").glob(f"batch_train_{name}.*"))


def read(path, golden, n_channels):
    """Any export as t c z y x; a file that lost its axes has those of its image, class last."""
    if path.suffix == ".npy":
        return to_internal(np.load(path), golden.axes.replace("c", "") + "c")
    with open_image(path) as image:
        values = image.read()
        if values.shape[1] == n_channels:
            return values
    own = golden.axes.replace("c", "")
    with open_image(path, own if len(image.shape) == len(own) else own + "c") as image:
        return image.read()


def predicted(golden, tmp_path, suffix, *options):
    target = tmp_path / f"ours{suffix}"
    source = golden.folder / "train.h5"
    assert (
        run(
            [
                "predict",
                str(golden.project),
                f"{source}/data",
                "--axes",
                golden.axes,
                "--output",
                str(target),
                *options,
            ]
        )
        == 0
    )
    with open_image(target) as image:
        return image.read()


@pytest.fixture(autouse=True)
def quiet_home(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("UNDERBRUSH_LOG_DIR", str(tmp_path))


@pytest.mark.parametrize("suffix", [".h5", ".tif", ".ome.tif", ".npy"])
def test_probabilities(golden, tmp_path, suffix):
    n = CHANNELS[golden.name]
    if suffix == ".npy":
        target = tmp_path / "ours.npy"
        source = f"{golden.folder / 'train.h5'}/data"
        arguments = ["predict", str(golden.project), source, "--axes", golden.axes, "--output", str(target)]
        assert run([*arguments, "--result", "probabilities"]) == 0
        ours = to_internal(np.load(target), golden.axes.replace("c", "") + "c")
    else:
        ours = predicted(golden, tmp_path, suffix, "--result", "probabilities")
    files = [
        p
        for p in exports(golden, "Probabilities*")
        if p.suffix in {".h5", ".tiff", ".npy"} and "uint8" not in p.name
    ]
    assert len(files) >= 2
    for path in files:
        theirs = read(path, golden, n)
        assert theirs.shape == ours.shape and theirs.dtype == np.float32, path.name
        assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.9999, path.name
        assert np.abs(ours - theirs).mean() < 1e-4, path.name


def test_segmentation_and_uncertainty(golden, tmp_path):
    ours = predicted(golden, tmp_path, ".tif")
    for path in exports(golden, "Simple_Segmentation"):
        theirs = read(path, golden, 1)
        assert theirs.shape == ours.shape, path.name
        assert (ours == theirs).mean() >= 0.9999, path.name
    ours = predicted(golden, tmp_path, ".h5", "--result", "uncertainty")
    for path in exports(golden, "Uncertainty"):
        assert np.abs(ours - read(path, golden, 1)).mean() < 2e-4, path.name


@pytest.mark.parametrize("golden", ["gray2d_2c"], indirect=True)  # the only case that was exported so
def test_uint8_with_ranges(golden, tmp_path):
    files = exports(golden, "Probabilities_uint8")
    assert files
    ours = predicted(
        golden, tmp_path, ".h5", "--result", "probabilities", "--dtype", "uint8", "--rescale", "0:1,0:255"
    )
    for path in files:
        theirs = read(path, golden, CHANNELS[golden.name])
        assert theirs.dtype == ours.dtype == np.uint8
        # A pixel whose vote differs by one tree differs in both of its classes.
        assert (ours == theirs).mean() >= 0.9998


def test_hdf5_has_what_ilastik_writes(golden, tmp_path):
    import h5py

    predicted(golden, tmp_path, ".h5", "--result", "probabilities")
    theirs_path = golden.folder / "exports" / "batch_train_Probabilities.h5"
    with h5py.File(tmp_path / "ours.h5") as ours, h5py.File(theirs_path) as theirs:
        a, b = ours["exported_data"], theirs["exported_data"]
        assert (a.shape, a.dtype, a.compression, a.compression_opts) == (
            b.shape,
            b.dtype,
            b.compression,
            b.compression_opts,
        )
        assert [d.label for d in a.dims] == [d.label for d in b.dims]
        assert set(b.attrs) <= set(a.attrs)
        assert np.array_equal(a.attrs["drange"], b.attrs["drange"])
