"""What every sink takes: blocks of a result in t c z y x, in any order, until all are there.

A sink writes beside its final name; `commit` completes the file and renames it, `abort` leaves
nothing behind. Used as a context manager it commits on success and aborts on any exception.

Formats that are folders of many files (OME-Zarr, N5) give a `PiecedSink`. Opened by `formats.open_part` it
can be left and taken up again, and several processes can write one result:

    unit = unit_of(spec, format)                   # None: this format cannot be written in parts
    with open_part(spec, format, key) as sink:     # creates the folder, or joins what is there of this key
        for box in (boxes of my share, cut at multiples of unit):
            if not sink.finished(box):
                sink.write(box, values)            # any cut inside of the box
        ...                                        # leaving it: what is finished stays, also after an error
    with open_part(spec, format, key) as sink:     # one process, when all shares are done
        sink.commit()                              # smaller levels, metadata, final name
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
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


class PiecedSink(Sink):
    """A sink whose pieces are files of their own; each appears complete under its name, or not at all.

    ``write`` takes blocks of any cut, as every sink does; a piece is encoded and written when its last pixel
    has come, by the thread that brought it. Two processes must not write the same piece: cut their shares at
    multiples of ``unit``. A block whose piece is there already changes nothing.

    Of one opened by `formats.open_part`, leaving the context (also by an exception) calls `leave`, unless
    `commit` or `abort` was called.
    """

    unit: Shape5
    """Size of a piece in t c z y x. Pieces start at its multiples; the last of an axis may be smaller."""
    partial: bool
    """Whether it was opened by `formats.open_part`."""
    joined: bool = False
    """Whether work of an earlier or another process was found."""

    @abstractmethod
    def finished(self, box: Box) -> bool:
        """Whether every piece that meets ``box`` (t c z y x of the result) is on the disk and synced.

        Asked of the disk itself, so it sees pieces of other processes.
        """

    @abstractmethod
    def missing(self) -> Iterator[Box]:
        """The boxes of all pieces (clipped to the result) that are not on the disk, in C order.

        Raises
        ------
        OutputError
            The disk is gone.
        """

    @abstractmethod
    def leave(self) -> None:
        """Close and keep what is finished, for others to go on; pieces that are not full are dropped."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.partial:
            self.leave()
        else:
            super().__exit__(kind, error, trace)
