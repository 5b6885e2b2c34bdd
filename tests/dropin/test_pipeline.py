"""`PixelClassificationPipeline` as scripts of ilastik's library use it."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray

from dropin.conftest import AXES, dataset
from underbrush.compat.ilastik import PixelClassificationPipeline, from_project_file
from underbrush.errors import ArgumentError, ArgumentTypeError
from underbrush.sources.opening import open_image


class Tagged(np.ndarray):
    """Stands for a vigra.VigraArray: an array that says its axes."""

    class Tag:
        def __init__(self, key):
            self.key = key


def tagged(values, axes):
    array = values.view(Tagged)
    array.axistags = [Tagged.Tag(a) for a in axes]
    return array


CASES = {
    "ilastik_api_2d/PixelClass.ilp": ("Data_1channel.png", "res-Data_1channel_pc1xyc.npy", "yx", "yxc"),
    "ilastik_api_3d/PixelClass3D.ilp": ("Data_3D.npy", "res-Data_3D_pc3d.npy", "zyx", "zyxc"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_probabilities_that_ilastik_recorded(name, data):
    """In whatever order and kind the array comes."""
    project = data / "ilp" / name
    image, result, axes, out = CASES[name]
    with open_image(project.parent / image) as opened:
        values = opened.read().reshape([n for n in opened.shape5 if n > 1])
    pipeline = PixelClassificationPipeline.from_ilp_file(str(project))
    theirs = np.load(project.parent / result)
    found = pipeline.get_probabilities(xarray.DataArray(values, dims=tuple(axes)))
    assert isinstance(found, xarray.DataArray) and "".join(found.dims) == out
    assert found.dtype == np.float32 and found.shape == theirs.shape
    assert np.abs(found.values - theirs).mean() < 1e-4
    turned = xarray.DataArray(values.T[np.newaxis], dims=("c", *axes[::-1]))
    assert np.array_equal(pipeline.get_probabilities(turned).values, found.values)
    assert np.array_equal(pipeline.get_probabilities(tagged(values, axes)).values, found.values)
    plain = pipeline.get_probabilities(values, axes)
    assert type(plain) is np.ndarray and np.array_equal(plain, found.values)


def test_the_same_as_the_command_line(recorded, done):
    [path] = done(recorded.project, "--output_filename_format=p.h5", recorded.image)
    file = dataset(path)
    with h5py.File(recorded.image) as given:
        values = given["data"][...]
    pipeline = PixelClassificationPipeline.from_ilp_file(recorded.project, n_jobs=1)
    found = pipeline.get_probabilities(xarray.DataArray(values, dims=tuple(AXES[recorded.name])))
    assert np.array_equal(found.values, file.values) and "".join(found.dims) == file.axes
    theirs = dataset(recorded.export("batch_train_Probabilities.h5"))
    assert theirs.axes == file.axes and np.abs(found.values - theirs.values).mean() < 1e-4


def test_a_movie_of_two_channels(data):
    """Of version 1.2.2, its probabilities recorded then; channels first or last, more or fewer refused."""
    folder = data / "ilp" / "ilastik_5t2d2c_v122"
    with open_image(str(folder / "inputdata" / "5t2d2c.h5")) as opened:
        values = opened.read()[:, :, 0]
    pipeline = PixelClassificationPipeline.from_ilp_file(folder / "PixelClassification5t2d2c.ilp")
    theirs = dataset(folder / "5t2d2c_Probabilities.h5").values
    found = pipeline.get_probabilities(xarray.DataArray(values, dims=tuple("tcyx")))
    assert "".join(found.dims) == "tyxc" and found.shape == theirs.shape
    assert np.abs(found.values - theirs).mean() < 1e-4
    last = pipeline.get_probabilities(xarray.DataArray(np.moveaxis(values, 1, -1), dims=tuple("tyxc")))
    assert np.array_equal(last.values, found.values)
    with pytest.raises(ValueError, match="1 channel"):
        pipeline.get_probabilities(values[:, 0], "tyx")


def test_what_does_not_fit(small):
    pipeline = PixelClassificationPipeline.from_ilp_file(small)
    image = np.zeros((48, 57), np.uint8)
    with pytest.raises(ValueError, match="2 channels, the classifier was trained for 1"):
        pipeline.get_probabilities(np.stack([image, image]), "cyx")
    with pytest.raises(ArgumentError, match="3 spatial axes"):
        pipeline.get_probabilities(xarray.DataArray(np.stack([image] * 20), dims=("z", "y", "x")))
    with pytest.raises(ArgumentTypeError, match='axes="yx"'):
        pipeline.get_probabilities(image)
    with pytest.raises(TypeError, match="str"):
        pipeline.get_probabilities("cells.tif")


def test_deprecated_names(small):
    with pytest.warns(DeprecationWarning, match="from_ilp_file"):
        pipeline = from_project_file(small)
    image = xarray.DataArray(np.full((48, 57), 200, np.uint8), dims=("y", "x"))
    with pytest.warns(DeprecationWarning, match="get_probabilities"):
        assert pipeline.predict(image).shape == (48, 57, 2)
