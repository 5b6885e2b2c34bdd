"""Results that are images as they are: what a stage sees, probabilities of all stages, labels (zeros)."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Halo, Shape5, Tile, TileGrid
from underbrush.engine.batch import Limits, Request, region_box
from underbrush.engine.masks import check_mask, outside
from underbrush.engine.scheduler import Cancelled, run_side_by_side
from underbrush.errors import OutputError
from underbrush.sinks.base import OutputSpec
from underbrush.sources.base import Image, ImageInfo

TILE = (1, 16, 512, 512)
"""Sizes in t z y x of what a thread has in hand."""


class NoLabels(Image):
    """Zeros of the size of an image that is no part of the project; ilastik writes them as its labels."""

    def __init__(self, image: Image) -> None:
        t, _, z, y, x = image.shape5
        shape = (t, 1, z, y, x)
        self.info = ImageInfo(
            image.info.location, AXES, shape, np.dtype(np.uint8), pixel_size=image.pixel_size, levels=(shape,)
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        return np.zeros([s.stop - s.start for s in where], np.uint8)

    def close(self) -> None:
        """Nothing to release."""


def write_image(
    request: Request, image: Image, mask: Image | None, limits: Limits, names: tuple[str, ...] = ()
) -> None:
    """The region of an image, its values cut off or rescaled to the type that is asked for.

    ``names`` are those of the channels of the whole image; where there is a ``mask``, outside of it is 0.

    Raises
    ------
    UnderbrushError
        The mask has another size, the image cannot be read, or the result not written.
    """
    manner = request.manner
    if manner.sink is None:
        raise OutputError("no format is chosen", where=request.output)
    if mask is not None:
        check_mask(mask, image)
    channels = manner.channels or (0, image.shape5[1])
    region = region_box(request.region, image.shape5, image.info.location).replace(c=channels)
    spec = OutputSpec(
        path=request.output,
        shape=region.shape,
        axes=manner.axes or image.axes,
        dtype=image.dtype if request.dtype is None else request.dtype,
        kind=request.result,
        inner_path=manner.inner_path,
        channel_names=names[slice(*channels)],
        value_range=request.rescale[1] if request.rescale else manner.value_range,
        pixel_size=image.pixel_size,
    )

    over = threading.Event()

    def work(tile: Tile) -> None:
        values = image.read(tile.valid)
        if mask is not None:
            values[np.broadcast_to(outside(mask, tile.valid), values.shape)] = 0
        if over.is_set():  # nobody waits for it any more, and the sink may be closed
            raise Cancelled
        sink.write(tile.valid.relative_to(region), _converted(values, request, spec.dtype))

    size: Shape5 = (TILE[0], region.shape[1], *TILE[1:])
    with manner.sink(spec) as sink:
        grid = TileGrid(region, size, Halo(), image.shape5)
        with closing(run_side_by_side(grid, work, limits.threads, None, limits.nice)) as finished:
            try:
                for _ in finished:
                    pass
            finally:
                over.set()


def _converted(values: NDArray[Any], request: Request, dtype: np.dtype[Any]) -> NDArray[Any]:
    if request.rescale is not None:
        from underbrush.core.results import rescaled  # noqa: PLC0415

        return rescaled(values, dtype, *request.rescale)
    with np.errstate(invalid="ignore"):
        return values.astype(dtype, copy=False)
