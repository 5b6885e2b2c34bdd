"""Our features against those that ilastik exported.

Tolerances, and why they are what they are:

* 2D grey 2e-4 and RGB 1e-3 of each channel's range: ilastik rounds to float32 between its passes.
* 3D 1e-3 absolute or relative at 99 % of the values: it takes float32 closed forms for eigenvalues, which
  are off by up to several percent at isolated voxels.
* Time series (values near 33,000): 0.02 absolute for what is linear in the image, with 1e-4 of the
  channel's range for what is not small: structure tensors are squares of differences up to 900, and one
  unit in the last place of 777,000 is 0.06 already. The Laplacian at 0.7 cancels 33,000 x 4 in float32.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from underbrush.core.features.compute import compute_features
from underbrush.core.features.reference import features_reference
from underbrush.core.geometry import to_internal
from underbrush.engine.scenes import scene_of
from underbrush.project.read import read_project
from underbrush.sources.array import ArrayImage


def _compare(golden, compute):
    selection = read_project(golden.project).selection
    image = to_internal(golden.pixels, golden.axes)
    volume = image.shape[2] > 1
    assert list(selection.names(image.shape[1], volume)) == golden.feature_names
    ours = np.stack([compute(frame, selection.terms(volume), (slice(None),) * 3) for frame in image])
    axes, coords, theirs = golden.sampled_features
    at = {a: coords[:, i] for i, a in enumerate(axes)}
    zero = np.zeros(len(coords), int)
    found = ours[at.get("t", zero), :, at.get("z", zero), at["y"], at["x"]]
    return np.abs(found.astype(np.float64) - theirs), theirs


def check(golden, compute):
    error, theirs = _compare(golden, compute)
    span = np.ptp(theirs, axis=0)
    if golden.name == "gray3d_2c":
        small = (error <= 1e-3) | (error <= 1e-3 * np.abs(theirs))
        assert small.mean() >= 0.99
        # Isolated voxels of its closed form aside, nothing is far off.
        assert (error <= 0.08 * span).all()
    elif golden.name == "tyx_2c":
        close = (error <= 0.02) | (error <= 1e-4 * span)
        assert close.all(), [golden.feature_names[k] for k in np.flatnonzero(~close.all(axis=0))]
    else:
        limit = {"gray2d_2c": 2e-4, "rgb2d_3c": 1e-3}[golden.name]
        assert (error <= limit * span).all(), (error / span).max()


def test_the_twin_meets_ilastik(golden):
    check(golden, features_reference)


def test_the_kernels_meet_ilastik(golden):
    offset = scene_of(ArrayImage(golden.pixels, golden.axes)).offset
    check(golden, partial(compute_features, offset=offset))
