"""NumPy's own file: a header, then the pixels in C order of the axes, each block written where it belongs."""

from __future__ import annotations

import io
import itertools
import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box
from underbrush.files import Replacing
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block, file_shape, in_file_order
from underbrush.sinks.spool import incomplete


def check(spec: OutputSpec, format: str) -> None:
    """Everything fits."""


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink for ``npy``."""
    return NpySink(spec)


class NpySink(Sink):
    """An array in the order ``spec.axes``; the format has no room for axes, names or pixel sizes."""

    def __init__(self, spec: OutputSpec) -> None:
        self.spec = spec
        self._shape = file_shape(spec)
        self._dtype = spec.dtype.newbyteorder("<")
        header = io.BytesIO()
        description = {"descr": self._dtype.str, "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(header, description)
        self._start = len(header.getvalue())
        self._left = math.prod(self._shape)
        self._lock = threading.Lock()
        self._replacing = Replacing(spec.path)
        try:
            self._replacing.file.write(header.getvalue())
            self._replacing.file.truncate(self._start + self._left * self._dtype.itemsize)
        except BaseException:
            self._replacing.abort()
            raise

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        start, view = in_file_order(self.spec.axes, box, block)
        pixels = np.ascontiguousarray(view, self._dtype)
        steps = [math.prod(self._shape[i + 1 :]) for i in range(len(self._shape))]
        # The innermost axes that the block covers whole, and the one around them, are one run of bytes.
        run = len(self._shape) - 1
        while run > 0 and pixels.shape[run] == self._shape[run]:
            run -= 1
        rows = pixels.reshape(*pixels.shape[:run], -1)
        with self._lock:
            for index in itertools.product(*(range(n) for n in pixels.shape[:run])):
                first = (*(a + i for a, i in zip(start, index, strict=False)), *start[run:])
                offset = sum(a * s for a, s in zip(first, steps, strict=True))
                self._replacing.file.seek(self._start + offset * self._dtype.itemsize)
                self._replacing.file.write(rows[index].view(np.uint8))
            self._left -= block.size

    def commit(self) -> None:
        """See `Sink.commit`."""
        if self._left:
            raise incomplete(self.spec.path, f"{self._left} pixels")
        self._replacing.commit()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._replacing.abort()
