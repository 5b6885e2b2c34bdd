"""Stored forests on our features against what ilastik exported.

The same class at 99.99 % of the pixels and a mean absolute difference of the probabilities below 1e-4:
its features differ from ours in the last bits, and a pixel now and then lies on a threshold.
"""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from underbrush.core import results
from underbrush.core.geometry import to_internal
from underbrush.engine.arrays import predict_array
from underbrush.engine.lanes import open_lane
from underbrush.engine.model import model_of
from underbrush.project.read import read_project
from underbrush.sources.array import ArrayImage

SAME_CLASS = 0.9999
MEAN_DIFFERENCE = 1e-4


def check(ours, theirs):
    assert ours.shape == theirs.shape
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= SAME_CLASS
    assert np.abs(ours - theirs).mean() < MEAN_DIFFERENCE


def test_golden_probabilities_segmentation_uncertainty(golden):
    recipe = model_of(read_project(golden.project)).recipe
    ours, _ = predict_array(ArrayImage(golden.pixels, golden.axes), recipe, threads=2)
    out_axes = golden.axes.replace("c", "") + "c"
    check(ours, to_internal(golden.exported("Probabilities"), out_axes))
    segmentation = to_internal(golden.exported("Simple_Segmentation"), out_axes)
    assert (results.segmentation(ours) == segmentation).mean() >= SAME_CLASS
    uncertainty = to_internal(golden.exported("Uncertainty"), out_axes)
    assert np.abs(results.uncertainty(ours) - uncertainty).mean() < 2 * MEAN_DIFFERENCE


# Real users' and developers' projects that carry the probabilities their ilastik computed.
STORED = {
    "ilastik_api_2d/PixelClass.ilp": ("res-Data_1channel_pc1xyc.npy", "yxc"),
    "ilastik_api_3d/PixelClass3D.ilp": ("res-Data_3D_pc3d.npy", "zyxc"),
    "ilastik_2d_v122/PixelClassification2d.ilp": ("2d_Probabilities.h5", "yxc"),
    "ilastik_5t2d2c_v122/PixelClassification5t2d2c.ilp": ("5t2d2c_Probabilities.h5", "tyxc"),
}


@pytest.mark.parametrize("name", STORED)
def test_projects_that_carry_their_probabilities(name, data):
    path = data / "ilp" / name
    recorded, axes = STORED[name]
    project = read_project(path)
    lane = project.lanes[0]
    with open_lane(lane, project) as image:
        ours, _ = predict_array(image, model_of(project).recipe, threads=2)
    if recorded.endswith(".npy"):
        theirs = np.load(path.parent / recorded)
    else:
        with h5py.File(path.parent / recorded) as f:
            theirs = f["exported_data"][...]
    check(ours, to_internal(theirs, axes))
