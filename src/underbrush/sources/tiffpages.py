"""The pixels of one level of a TIFF series: strips or tiles, of which only those touched are read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.cache import SegmentCache

Window = tuple[slice, slice, slice, slice, slice]
"""Part of a page: separate samples, depth, rows, columns, contiguous samples."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the strips or tiles of one page lie."""

    path: Path
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tables: bytes | None
    """JPEG tables that all its pieces share."""


@dataclass(frozen=True, slots=True)
class PageLayout:
    """How every page of a level is cut; all sizes are in the order of `Window`."""

    letters: str
    """Axes of a page as stored: S before YX for separate samples, S after them for contiguous ones."""
    shaped: tuple[int, int, int, int, int]
    piece: tuple[int, int, int]
    """Depth, rows and columns of a tile or strip."""
    tiled: bool
    dtype: np.dtype[Any]
    """As decoded, in native byte order."""
    plain: np.dtype[Any] | None
    """Type and byte order in the file if strips are stored uncompressed, so that single rows can be read."""
    fill: float
    """Value of tiles that the file leaves out."""
    decode: Callable[[bytes, int, bytes | None], NDArray[Any]]
    """Data, number of the piece and tables -> array (depth, rows, columns, contiguous samples)."""


class PagedLevel:
    """One level of a series whose pages are read piece by piece."""

    def __init__(
        self,
        file: BytesFile,
        main: Path,
        frames: list[Frame | None],
        frame_shape: tuple[int, ...],
        layout: PageLayout,
        cache: SegmentCache,
    ) -> None:
        self._file, self._main = file, main
        self._frames, self._frame_shape = frames, frame_shape
        self._layout, self._cache = layout, cache
        self.shape = (*frame_shape, *(layout.shaped[i] for i in _page_axes(layout.letters, layout.shaped)))

    def read(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """The values at ``where``, one slice for each axis: those of the frames, then those of a page."""
        n = len(self._frame_shape)
        out = np.empty([s.stop - s.start for s in where], self._layout.dtype)
        window = self._window(where[n:])
        sizes = tuple(s.stop - s.start for s in window)
        for place in itertools.product(*(range(s.start, s.stop) for s in where[:n])):
            number = int(np.ravel_multi_index(place, self._frame_shape)) if place else 0
            target = out[tuple(p - s.start for p, s in zip(place, where[:n], strict=True))]
            self._read_page(number, window, target.reshape(sizes))
        return out

    def _window(self, where: tuple[slice, ...]) -> Window:
        full = [slice(0, size) for size in self._layout.shaped]
        for axis, part in zip(_page_axes(self._layout.letters, self._layout.shaped), where, strict=True):
            full[axis] = part
        return full[0], full[1], full[2], full[3], full[4]

    def _read_page(self, number: int, window: Window, target: NDArray[Any]) -> None:
        frame = self._frames[number]
        if frame is None:
            raise self._damaged(number, "is missing from the file", "copy all files of the set again")
        for index, position in self._touched(window):
            if index >= len(frame.offsets) or index >= len(frame.counts):
                raise self._damaged(number, f"lists no piece {index + 1}")
            corner = (position[0], position[1], position[2], position[3])
            if self._layout.plain is not None and frame.counts[index]:
                self._copy_rows(frame, number, index, corner, (window, target))
            else:
                piece = self._piece(frame, number, index)
                _copy(piece, corner, window, target)

    def _touched(self, window: Window) -> list[tuple[int, tuple[int, int, int, int]]]:
        """Numbers of the pieces that meet the window, each with its first sample, depth, row and column."""
        _, depth, rows, columns, _ = self._layout.shaped
        piece = self._layout.piece
        grid = [-(-size // step) for size, step in zip((depth, rows, columns), piece, strict=True)]
        spans = [
            range(part.start // step, -(-part.stop // step))
            for part, step in zip(window[1:4], piece, strict=True)
        ]
        found = []
        for s in range(window[0].start, window[0].stop):
            for d, r, c in itertools.product(*spans):
                index = ((s * grid[0] + d) * grid[1] + r) * grid[2] + c
                found.append((index, (s, d * piece[0], r * piece[1], c * piece[2])))
        return found

    def _copy_rows(
        self,
        frame: Frame,
        number: int,
        index: int,
        corner: tuple[int, int, int, int],
        into: tuple[Window, NDArray[Any]],
    ) -> None:
        """From an uncompressed strip read only the rows wanted."""
        window, target = into
        dtype = self._layout.plain
        assert dtype is not None
        _, _, rows, columns, samples = self._layout.shaped
        top = corner[2]
        first, last = max(window[2].start, top), min(window[2].stop, top + self._layout.piece[1], rows)
        row_bytes = columns * samples * dtype.itemsize
        if (last - top) * row_bytes > frame.counts[index]:
            raise self._damaged(number, f"is cut off in strip {index + 1}")
        data = self._bytes(
            frame, frame.offsets[index] + (first - top) * row_bytes, (last - first) * row_bytes
        )
        block = np.frombuffer(data, dtype).reshape(1, last - first, columns, samples)
        _copy(block, (corner[0], corner[1], first, 0), window, target)

    def _piece(self, frame: Frame, number: int, index: int) -> NDArray[Any]:
        return self._cache.get((id(self), number, index), lambda: self._decoded(frame, number, index))

    def _decoded(self, frame: Frame, number: int, index: int) -> NDArray[Any]:
        count = frame.counts[index]
        if count == 0:
            if not self._layout.tiled:
                raise self._damaged(number, f"has no data in strip {index + 1}")
            samples = self._layout.shaped[4]
            return np.full((*self._layout.piece, samples), self._layout.fill).astype(self._layout.dtype)
        data = self._bytes(frame, frame.offsets[index], count)
        try:
            return self._layout.decode(data, index, frame.tables)
        except ImageError as error:
            raise self._damaged(number, f"{self._name(index)} {error.problem}") from error
        except MemoryError:
            raise self._damaged(number, f"{self._name(index)} needs more memory than there is") from None
        except Exception as error:
            # Each codec has exceptions of its own.
            reason = str(error).strip().rstrip(".") or type(error).__name__
            raise self._damaged(number, f"{self._name(index)} cannot be decoded ({reason:.120})") from error

    def _bytes(self, frame: Frame, offset: int, count: int) -> bytes:
        if frame.path == self._main:
            return self._file.read_at(offset, count)
        # The files of a set are opened one at a time: there may be thousands.
        other = BytesFile(frame.path)
        try:
            return other.read_at(offset, count)
        finally:
            other.close()

    def _name(self, index: int) -> str:
        return f"{'tile' if self._layout.tiled else 'strip'} {index + 1}"

    def _damaged(self, number: int, what: str, remedy: str = "copy or export it again") -> ImageError:
        return ImageError(
            f"the file is damaged: page {number + 1}, {what}", where=self._file.location, remedy=remedy
        )

    def check_first_and_last(self) -> None:
        """Refuse pages whose pieces do not lie in the file; the others are checked when read.

        Raises
        ------
        ImageError
            A piece lies outside the file.
        """
        for number in {0, len(self._frames) - 1}:
            frame = self._frames[number]
            if frame is None or frame.path != self._main:
                continue
            n = min(len(frame.offsets), len(frame.counts))
            ends = np.asarray(frame.offsets[:n], np.uint64) + np.asarray(frame.counts[:n], np.uint64)
            if n and int(ends.max()) > self._file.size:
                raise self._file.too_short(int(ends.max()))


def _page_axes(letters: str, shaped: tuple[int, ...]) -> list[int]:
    """For each axis of a page its place in a `Window`.

    What stands before Y are separate samples, or the slices of a page that is a volume itself, or both.
    """
    y = letters.index("Y")
    before = [0, 1] if y == 2 else [0 if shaped[0] > 1 else 1]
    return [*before[:y], 2, 3, *[4] * (len(letters) - y - 2)]


def _copy(
    block: NDArray[Any], corner: tuple[int, int, int, int], window: Window, target: NDArray[Any]
) -> None:
    """Copy what ``block`` (depth, rows, columns, samples; beginning at ``corner``) shares with ``window``."""
    source, into = [], []
    for part, start, size in zip(window[1:4], corner[1:], block.shape, strict=False):
        first, last = max(part.start, start), min(part.stop, start + size)
        source.append(slice(first - start, last - start))
        into.append(slice(first - part.start, last - part.start))
    target[(corner[0] - window[0].start, *into)] = block[(*source, window[4])]


def piece_bytes(layout: PageLayout) -> int:
    """Bytes of one decoded strip or tile."""
    return math.prod(layout.piece) * layout.shaped[4] * layout.dtype.itemsize
