"""An array in memory as an image, so that the library and files take the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import default_axes, parse_axes
from underbrush.errors import ImageError
from underbrush.sources.base import Image, ImageInfo


class ArrayImage(Image):
    """An image whose pixels are an array of any real dtype, byte order and memory order.

    The array is not copied and never written to.

    Raises
    ------
    ImageError
        The array is empty or not of numbers.
    AxesError
        ``axes`` do not fit, or the array has not 2 to 5 axes.
    """

    def __init__(self, array: NDArray[Any], axes: str | None = None, name: str = "array") -> None:
        if array.dtype.kind not in "biuf":
            raise ImageError(f"the array has values of type {array.dtype}", where=name, remedy="give numbers")
        if array.size == 0:
            raise ImageError(
                f"the array is empty, its shape is {array.shape}", where=name, remedy="give one with pixels"
            )
        order = default_axes(array.shape) if axes is None else parse_axes(axes, array.ndim)
        self._array = array
        self.info = ImageInfo(
            location=name,
            axes=order,
            shape=array.shape,
            dtype=array.dtype.newbyteorder("="),
            axes_known=axes is not None,
            levels=(array.shape,),
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        return np.asarray(self._array[where])

    def close(self) -> None:
        """Nothing to release."""
