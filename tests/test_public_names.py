"""What `import underbrush` gives, and how quickly."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import underbrush as ub


def test_every_public_name_is_there():
    for name in ub.__all__:
        assert getattr(ub, name) is not None
    assert set(ub.__all__) <= set(dir(ub))
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        ub.colour  # noqa: B018


def test_import_loads_nothing_heavy():
    code = (
        "import sys, underbrush; heavy = {'numpy', 'numba', 'h5py', 'tifffile'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "int16", "float16", ">f8", "bool"])
def test_features_of_any_array(dtype):
    rng = np.random.default_rng(0)
    pixels = (rng.random((40, 50)) * 100).astype(dtype)
    want = ub.compute_features(pixels, axes="yx")
    plain = ub.compute_features(pixels.astype("float32"), axes="yx")
    assert np.allclose(want, plain, atol=1e-4 * float(pixels.astype("float32").max()))
    frozen = np.asfortranarray(pixels)
    frozen.flags.writeable = False
    got = ub.compute_features(frozen, axes="yx", n_jobs=2)
    assert got.shape == (40, 50, len(ub.FeatureSelection.all().names())) and got.dtype == np.float32
    assert np.array_equal(got, want)


def test_axes_of_arrays_come_back_in_their_order():
    rng = np.random.default_rng(0)
    volume = rng.random((30, 45, 20, 2)).astype("float32")  # x z y c
    selection = ub.FeatureSelection.all((1.0,))
    got = ub.compute_features(volume, axes="xzyc", selection=selection)
    want = ub.compute_features(volume.transpose(1, 2, 0, 3), axes="zyxc", selection=selection)
    assert np.array_equal(got, want.transpose(2, 0, 1, 3))


def test_too_large_a_result_is_refused_with_its_size():
    with pytest.raises(ub.UnderbrushError, match=r"features of this image are 0\.\d GB"):
        ub.compute_features(np.zeros((2000, 2000), "uint8"), axes="yx", memory="600MB")


def test_open_project_gives_strokes_in_the_order_of_the_image(data):
    project = ub.open_project(data / "golden" / "gray3d_2c" / "gray3d_2c.ilp")
    labels = project.labels(0)
    assert labels.shape == (31, 61, 57)
    assert np.bincount(labels.ravel()).tolist() == [107467, 164, 156]
    with project.image("train-data") as image:
        assert image.axes == "zyx" and image.shape == labels.shape
    with pytest.raises(ub.UnderbrushError, match=r"there is no lane 3.*train-data"):
        project.labels(3)
