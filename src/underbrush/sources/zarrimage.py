"""An image in chunks, whichever format: Zarr, N5 or Neuroglancer precomputed, read by tensorstore.

A chunk that is not there reads as the fill value, as the formats have it, but it is counted and said: an
interrupted copy looks the same.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources import remote
from underbrush.sources.address import Address, level_remedy
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.claims import DECODED_LIMIT, large_piece_problem, readable_bytes
from underbrush.sources.remote import Place

_MOST_COUNTED = 50_000
"""Chunks of an image that are counted when it is opened; those of larger ones when they are read."""
_MOST_REMEMBERED = 1_000_000
_AT_ONCE = 32
_INDEX_LIMIT = 1 << 28
_PIXELS = 1 << 62


@dataclass(frozen=True, slots=True)
class ArrayLevel:
    """An open array, its axes in the order of the image."""

    store: Any
    """tensorstore.TensorStore with the origin at 0; a missing chunk is an error of it."""
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    """Sizes of what is read in one piece."""
    files: int | None = None
    """How many files hold its pixels if none is missing; None where this is not counted."""
    found: int | None = None
    """How many of them are there."""


def open_array(place: Place, driver: str, backwards: bool = False, **more: Any) -> ArrayLevel:
    """The array at ``place``, checked against what can be read here.

    ``backwards`` turns the order of the axes around, for formats that count from the fastest one. ``more``
    goes to tensorstore.

    Raises
    ------
    ImageError
        There is none, it is no image, or the server does not answer.
    """
    import tensorstore as ts  # noqa: PLC0415 (see `remote.new_context`)

    spec = {
        "driver": driver,
        "kvstore": place.spec,
        "fill_missing_data_reads": False,
        "recheck_cached_data": False,
        "recheck_cached_metadata": False,
        **more,
    }
    try:
        opening = ts.open(spec, open=True, read=True, context=place.context)
        store = opening.result(timeout=remote.METADATA_SECONDS if place.backend.remote else None)
        shape, origin = tuple(store.shape), tuple(store.domain.origin)
        kind = store.dtype.numpy_dtype
    except Exception as error:
        raise _not_opened(error, place) from error
    _check(shape, kind, place.location)
    if any(origin):
        store = store[ts.d[:].translate_to[0]]
    if backwards:
        store = store.T
    layout = store.chunk_layout
    shape = tuple(int(n) for n in store.shape)
    chunk = _sizes(layout.read_chunk.shape, shape)
    written = _sizes(layout.write_chunk.shape, shape)
    _check_chunks(chunk, written, np.dtype(kind).itemsize, place.location)
    if "scale_index" in more:
        return ArrayLevel(store, shape, chunk)
    return counted_level(store, shape, chunk, place, written)


def counted_level(
    store: Any,
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    place: Place,
    written: tuple[int, ...] | None = None,
) -> ArrayLevel:
    """The level, with its files counted where they are few and near; ``written``: what a file holds."""
    files = math.prod(-(-n // m) for n, m in zip(shape, written or chunk, strict=True))
    counted = files <= _MOST_COUNTED and not place.backend.remote
    found = place.backend.count(place.key, 2 * _MOST_COUNTED) if counted else None
    return ArrayLevel(store, shape, chunk, files if found is not None else None, found)


def check_array(shape: tuple[int, ...], chunk: tuple[int, ...], dtype: np.dtype[Any], location: str) -> None:
    """Refuse what is no image, and chunks that are too large to decode.

    Raises
    ------
    ImageError
        It is such.
    """
    _check(shape, dtype, location)
    _check_chunks(chunk, chunk, dtype.itemsize, location)


def _sizes(chunk: Sequence[int | None] | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    told = chunk if chunk is not None else (0,) * len(shape)
    return tuple(int(m or n) for m, n in zip(told, shape, strict=True))


def _not_opened(error: Exception, place: Place) -> ImageError:
    if remote.is_missing(error):
        return ImageError(
            f"there is no array {place.name!r} in it", where=place.location, remedy="copy the image again"
        )
    if place.backend.remote and remote.is_server_problem(error):
        return remote.server_problem(error, place.location)
    return ImageError(
        f"its array {place.name!r} cannot be read: {remote.reason(error)}",
        where=place.location,
        remedy="write it with a usual compression (zstd, blosc, gzip or none), or copy it again",
    )


def _check(shape: tuple[int, ...], kind: Any, location: str) -> None:
    try:
        dtype = np.dtype(kind)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise ImageError(
            f"its pixels are of type {getattr(dtype, 'name', dtype)}, which are no numbers that are read",
            where=location,
            remedy="export it with integers or real numbers",
        )
    if not 2 <= len(shape) <= 5:
        raise ImageError(
            f"an array with {len(shape)} axes (shape {shape}) is no image",
            where=location,
            remedy="name one with 2 to 5 axes",
        )
    if not math.prod(shape) or math.prod(shape) * dtype.itemsize > _PIXELS or max(shape) >= 1 << 40:
        raise ImageError(
            f"its shape {shape} is empty or larger than any image",
            where=location,
            remedy="the metadata are damaged; export it again",
        )


def _check_chunks(chunk: tuple[int, ...], written: tuple[int, ...], itemsize: int, location: str) -> None:
    piece = math.prod(chunk) * itemsize
    index = math.prod(-(-n // m) for n, m in zip(written, chunk, strict=True)) * 16
    if piece > DECODED_LIMIT or index > _INDEX_LIMIT:
        what = f"chunks of {readable_bytes(piece)}" if piece > DECODED_LIMIT else "lists of chunks in a shard"
        raise ImageError(
            f"its {what} are too large to decode", where=location, remedy="write it with smaller chunks"
        )


class ChunkedImage(Image):
    """Levels of an image, each an array in chunks."""

    def __init__(self, info: ImageInfo, levels: Sequence[ArrayLevel], slow: bool) -> None:
        self.info = info
        self._levels: tuple[ArrayLevel, ...] = tuple(levels)
        self._slow = slow
        self._lock = threading.Lock()
        self._missing: set[tuple[int, tuple[int, ...]]] = set()
        self._told = frozenset(i for i, level in enumerate(levels) if _lacking(level))
        self._holey = set(self._told)

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence about chunks that were not there when they were read, unless `info` says so."""
        with self._lock:
            count = sum(level not in self._told for level, _ in self._missing)
        return (missing_problem(count, "that was read" if count == 1 else "that were read"),) if count else ()

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        levels = self._levels
        if not levels:
            raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
        one = levels[level]
        with self._lock:
            holes = level in self._holey
        if not holes:
            try:
                whole: NDArray[Any] = self._waited(one.store[where].read(order="C"), where)
            except _MissingError:
                pass
            else:
                return whole
        return self._with_holes(one, where, level)

    def _with_holes(self, one: ArrayLevel, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        """Chunk by chunk, some at a time; those that are not there get the fill value."""
        fill = one.store.fill_value
        block = np.full([s.stop - s.start for s in where], 0 if fill is None else fill, dtype=self.dtype)
        cells = _cells(where, one.chunk)
        while some := list(islice(cells, _AT_ONCE)):
            waiting = [(cell, part, one.store[part].read(order="C")) for cell, part in some]
            for cell, part, future in waiting:
                inside = tuple(
                    slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, where, strict=True)
                )
                try:
                    block[inside] = self._waited(future, part)
                except _MissingError:
                    self._note(level, cell)
        return block

    def _note(self, level: int, cell: tuple[int, ...]) -> None:
        with self._lock:
            self._holey.add(level)
            if len(self._missing) < _MOST_REMEMBERED:
                self._missing.add((level, cell))

    def _waited(self, future: Any, where: tuple[slice, ...]) -> NDArray[Any]:
        size = math.prod(s.stop - s.start for s in where) * self.dtype.itemsize
        try:
            got = future.result(timeout=remote.READ_SECONDS + size / remote.SLOWEST if self._slow else None)
        except Exception as error:
            if remote.is_missing(error):
                raise _MissingError from None
            if self._slow and remote.is_server_problem(error):
                raise remote.server_problem(error, self.info.location) from error
            raise ImageError(
                f"its data are damaged: {remote.reason(error)}",
                where=self.info.location,
                remedy="copy or export it again",
            ) from error
        return np.asarray(got)

    def close(self) -> None:
        """See `Image.close`."""
        self._levels = ()


class _MissingError(Exception):
    """A chunk is not there."""


def _cells(
    where: tuple[slice, ...], chunk: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """The chunks that ``where`` touches, each with its part of ``where``."""
    ranges = [range(s.start // n, -(-s.stop // n)) for s, n in zip(where, chunk, strict=True)]
    for cell in product(*ranges):
        yield (
            cell,
            tuple(
                slice(max(s.start, i * n), min(s.stop, (i + 1) * n))
                for i, s, n in zip(cell, where, chunk, strict=True)
            ),
        )


def _lacking(level: ArrayLevel) -> int:
    return max(0, level.files - level.found) if level.files is not None and level.found is not None else 0


def missing_problem(count: int, which: str) -> str:
    """The sentence for chunks that are not there."""
    chunks = "chunk" if count == 1 else "chunks"
    return (
        f"{count} {chunks} {which} {'is' if count == 1 else 'are'} not there (an empty part of the image,"
        " or a copy that was interrupted) and read as the fill value."
    )


def chunked_image(info: ImageInfo, levels: Sequence[ArrayLevel], slow: bool) -> ChunkedImage:
    """The image, with a sentence about chunks that are known not to be there; ``slow``: from a server."""
    said = [
        missing_problem(
            _lacking(level), f"of {level.files}" + (f" of level {name}" if len(levels) > 1 else "")
        )
        for level, name in zip(levels, info.level_names, strict=True)
        if _lacking(level)
    ]
    largest = max(math.prod(level.chunk) for level in levels) * info.dtype.itemsize
    said += large_piece_problem("Each of its chunks takes", largest)
    return ChunkedImage(replace(info, problems=(*info.problems, *said)), levels, slow)


def chosen_level(names: Sequence[str], address: Address) -> int:
    """Which of the levels called ``names`` the address wants.

    Raises
    ------
    ImageError
        There is no such level.
    """
    if address.level_name:
        if address.level_name in names:
            return names.index(address.level_name)
        raise ImageError(
            f"there is no level {address.level_name!r}; the image has {', '.join(names)}",
            where=address.location,
            remedy="choose one of them",
        )
    if address.level >= len(names):
        raise ImageError(
            f"there is no level {address.level}; the image has {len(names)}",
            where=address.location,
            remedy=level_remedy(len(names)),
        )
    return address.level
