"""An array that lies uncompressed in a file: only the rows that a box touches are read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.sources.bytesfile import BytesFile

GAP = 64 << 10
"""Bytes that are rather read than skipped: a call costs more than they do."""
SPAN = 32 << 20
"""Most bytes that are read at once when not all of them are wanted."""


class RawArray:
    """``shape`` values of ``dtype`` (with its byte order) from ``offset``, in C or Fortran order."""

    def __init__(
        self,
        file: BytesFile,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        fortran: bool = False,
    ) -> None:
        self._file = file
        self._offset = offset
        self._fortran = fortran
        self._shape = shape[::-1] if fortran else shape
        self._dtype = dtype
        end = offset + math.prod(shape) * dtype.itemsize
        if end > file.size:
            raise file.too_short(end)

    def read(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """The values at ``where``, one slice (start, stop) for each axis, in the stored byte order."""
        where = where[::-1] if self._fortran else where
        out = np.empty([s.stop - s.start for s in where], self._dtype)
        self._fill(out, 0, where, self._offset)
        return out.T if self._fortran else out

    def _fill(self, out: NDArray[Any], axis: int, where: tuple[slice, ...], offset: int) -> None:
        inner = self._shape[axis + 1 :]
        stride = math.prod(inner) * self._dtype.itemsize
        first, count = where[axis].start, where[axis].stop - where[axis].start
        start, span = offset + first * stride, count * stride
        if span == out.nbytes and out.flags.c_contiguous:
            self._file.read_into(start, _bytes_of(out))
        elif span <= min(SPAN, max(GAP, 4 * out.nbytes)):
            block = np.empty((count, *inner), self._dtype)
            self._file.read_into(start, _bytes_of(block))
            out[...] = block[(slice(None), *where[axis + 1 :])]
        else:
            for i in range(count):
                self._fill(out[i], axis + 1, where, start + i * stride)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8).data)
