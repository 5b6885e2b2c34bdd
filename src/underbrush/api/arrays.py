"""Plain functions over arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import from_internal
from underbrush.engine.arrays import features_array
from underbrush.engine.memory import memory_cap
from underbrush.sources.array import ArrayImage


def compute_features(
    array: ArrayLike,
    axes: str | None = None,
    selection: FeatureSelection | None = None,
    n_jobs: int = 1,
    memory: str | None = None,
) -> NDArray[np.float32]:
    """Features of an array, one channel each.

    Parameters
    ----------
    array
        2 to 5 axes, any real dtype, byte order and memory order; it is not changed.
    axes
        Order of its axes, letters of tczyx; by default yx, yxc (last axis up to 4) or zyx, zyxc, tzyxc.
    selection
        Filters and scales (sigmas in pixels); by default all that ilastik offers.
    n_jobs
        Threads.
    memory
        Refuse results larger than this, as in ``"4GB"``; by default a quarter of the machine's memory.

    Returns
    -------
    float32 in the order of ``axes`` without c, features last; their names are
    ``selection.names(n_channels, volume)``. NaN within reach of a pixel that is not finite.

    Raises
    ------
    AxesError
        ``axes`` do not fit the array.
    FeatureError
        A scale is too large for the array; names scale and axis.
    ResourceError
        The result would be larger than ``memory``.
    """
    image = ArrayImage(np.asarray(array), axes)
    chosen = FeatureSelection.all() if selection is None else selection
    values = features_array(image, chosen, n_jobs, memory_cap(memory))
    return np.ascontiguousarray(from_internal(values, image.axes.replace("c", "") + "c"))
