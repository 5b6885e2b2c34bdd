"""What every sink takes: blocks of a result in t c z y x, in any order, until all are there.

A sink writes beside its final name; `commit` completes the file and renames it, `abort` leaves
nothing behind. Used as a context manager it commits on success and aborts on any exception.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Shape5

ResultKind = Literal["segmentation", "probabilities", "uncertainty", "features", "labels", "objects", "image"]


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """All that a sink must know before the first block comes."""

    path: Path
    """Final name of the file."""
    shape: Shape5
    """Sizes of the result in t c z y x."""
    axes: str
    """Order of the axes in the file, letters of tczyx; axes left out have size 1."""
    dtype: np.dtype[Any]
    kind: ResultKind = "image"
    inner_path: str = "exported_data"
    """Name of the dataset in formats that have such."""
    channel_names: tuple[str, ...] = ()
    """Names of the channels (classes for probabilities, features for features), or empty."""
    class_names: tuple[str, ...] = ()
    """Names of the values 1, 2, ... of a segmentation."""
    class_colors: tuple[tuple[int, int, int], ...] = ()
    """Colours (red, green, blue, 0-255) of the values 1, 2, ... of a segmentation."""
    value_range: tuple[float, float] | None = None
    """Smallest and largest possible value, (0, 1) for probabilities."""
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """Axis letter -> (size of a pixel, unit)."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Written into the metadata of formats that have room for it."""


class Sink(ABC):
    """An open result file. ``write`` may be called from several threads at once."""

    spec: OutputSpec

    @abstractmethod
    def write(self, box: Box, block: NDArray[Any]) -> None:
        """Take ``block`` (t c z y x, the dtype of the spec) for ``box``. Boxes never overlap.

        Raises
        ------
        OutputError
            The disk is full or gone.
        """

    @abstractmethod
    def commit(self) -> None:
        """Complete the file, sync it and give it its final name.

        Raises
        ------
        OutputError
            The disk is full or gone; nothing is left under the final name that was not there before.
        """

    @abstractmethod
    def abort(self) -> None:
        """Throw away what was written; may be called after a failed commit, and twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.commit()
        except BaseException:
            self.abort()
            raise
