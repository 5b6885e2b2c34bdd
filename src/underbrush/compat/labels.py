"""The Labels of an image that is no part of the project: ilastik writes zeros."""

from __future__ import annotations

import numpy as np

from underbrush.core.geometry import Box, Halo, Shape5, TileGrid
from underbrush.engine.batch import Request
from underbrush.errors import OutputError
from underbrush.sinks.base import OutputSpec
from underbrush.sources.base import Image

TILE = (1, 1, 16, 1024, 1024)


def write_labels(request: Request, image: Image) -> None:
    """Zeros of the size of the region, in the type that is asked for.

    Raises
    ------
    OutputError
        They cannot be written.
    """
    manner, sizes = request.manner, dict(zip("tczyx", image.shape5, strict=True)) | {"c": 1}
    for axis, (start, stop) in request.region.items():
        sizes[axis] = (sizes[axis] if stop is None else stop) - (start or 0)
    shape: Shape5 = (sizes["t"], 1, sizes["z"], sizes["y"], sizes["x"])
    dtype = np.dtype(np.uint8) if request.dtype is None else request.dtype
    value_range = request.rescale[1] if request.rescale else manner.value_range
    zero = np.zeros((), dtype)
    if request.rescale is not None:
        from underbrush.core.results import rescaled  # noqa: PLC0415

        zero = rescaled(np.zeros((1,), np.uint8), dtype, *request.rescale)[0]
    spec = OutputSpec(
        path=request.output,
        shape=shape,
        axes=manner.axes or image.axes,
        dtype=dtype,
        kind="labels",
        inner_path=manner.inner_path,
        value_range=value_range,
        pixel_size=image.pixel_size,
    )
    if manner.sink is None:
        raise OutputError("no format is chosen", where=request.output)
    with manner.sink(spec) as sink:
        for tile in TileGrid(Box.whole(shape), TILE, Halo(), shape):
            sink.write(tile.valid, np.full(tile.valid.shape, zero, dtype))
