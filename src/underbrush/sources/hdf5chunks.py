"""Pixels of an HDF5 dataset fetched past HDF5, so that several threads read and unpack at once.

HDF5 lets one thread in at a time, also while it inflates. Of chunks with the usual filters (shuffle,
deflate) only the packed bytes are fetched under its lock and unpacked outside; data that lie in one piece
are read straight from the file. It is a short cut: whatever is not plain is left to HDF5, and the pixels
are the same (`tests/sources/test_hdf5.py`).
"""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import zlib
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.cache import SegmentCache
from underbrush.sources.raw import RawArray

_DEFLATE, _SHUFFLE = 1, 2
_PLAIN: tuple[list[int], ...] = ([], [_DEFLATE], [_SHUFFLE, _DEFLATE])
"""Pipelines of filters, in the order of writing, that are undone here."""


class NotPlainError(Exception):
    """A chunk that HDF5 itself must read."""


class TooLongError(Exception):
    """A chunk that unpacks to more than it holds; HDF5 itself would unpack all, however much that is."""


def _check_unpacked(packed: bytes, size: int) -> None:
    """Raise `TooLongError` for zlib data of more than ``size`` bytes; damaged ones are for others to tell."""
    with contextlib.suppress(zlib.error):
        if len(zlib.decompressobj().decompress(packed, size + 1)) > size:
            raise TooLongError


class ContiguousReader:
    """Reads boxes of a dataset that lies in one piece, uncompressed, at ``offset`` of the file."""

    def __init__(self, dataset: h5py.Dataset, offset: int, path: Path, location: str) -> None:
        self._file = BytesFile(path, location)
        self._array = RawArray(self._file, offset, tuple(dataset.shape), dataset.dtype)

    def read(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """The values at ``where``, one slice for each axis."""
        return self._array.read(where)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def maybe_reader(
    dataset: h5py.Dataset, lock: threading.Lock, path: Path, location: str
) -> ChunkReader | ContiguousReader | None:
    """A reader for ``dataset``, None if it is not stored in a plain way."""
    if dataset.is_virtual or dataset.external or h5py.h5t.py_create(dataset.dtype) != dataset.id.get_type():
        return None
    properties = dataset.id.get_create_plist()
    if dataset.chunks:
        filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
        return ChunkReader(dataset, filters, lock) if filters in _PLAIN else None
    offset = dataset.id.get_offset()
    if properties.get_layout() != h5py.h5d.CONTIGUOUS or offset is None:
        return None
    return ContiguousReader(dataset, int(offset), path, location)


class ChunkReader:
    """Reads boxes of a chunked dataset. ``lock`` is held while HDF5 is asked."""

    def __init__(self, dataset: h5py.Dataset, filters: list[int], lock: threading.Lock) -> None:
        self._dataset: h5py.Dataset = dataset
        self._filters = filters
        self._lock = lock
        self._chunk: tuple[int, ...] = dataset.chunks
        self._dtype: np.dtype[Any] = dataset.dtype
        self._cache = SegmentCache()

    def read(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """The values at ``where``, one slice for each axis.

        Raises
        ------
        NotPlainError
            A chunk was never written, is packed in another way, or damaged: HDF5 knows what to say.
        TooLongError
            A chunk unpacks to more than it holds.
        """
        out = np.empty([s.stop - s.start for s in where], self._dtype)
        spans = [range(s.start // c, -(-s.stop // c)) for s, c in zip(where, self._chunk, strict=True)]
        for place in itertools.product(*spans):
            corner = tuple(p * c for p, c in zip(place, self._chunk, strict=True))
            block = self._cache.get(corner, lambda corner=corner: self._unpacked(corner))  # type: ignore[misc]
            source, target = [], []
            for part, start, size in zip(where, corner, self._chunk, strict=True):
                first, last = max(part.start, start), min(part.stop, start + size)
                source.append(slice(first - start, last - start))
                target.append(slice(first - part.start, last - part.start))
            out[tuple(target)] = block[tuple(source)]
        return out

    def _unpacked(self, corner: tuple[int, ...]) -> NDArray[Any]:
        with self._lock:
            if not self._dataset:
                raise NotPlainError
            info = self._dataset.id.get_chunk_info_by_coord(corner)
            if info.byte_offset is None:
                raise NotPlainError
            data = self._dataset.id.read_direct_chunk(corner)[1]
        size = math.prod(self._chunk) * self._dtype.itemsize
        if info.filter_mask:
            _check_unpacked(data, size)
            raise NotPlainError
        if _DEFLATE in self._filters:
            try:
                data = imagecodecs.deflate_decode(data, out=size)
            except Exception as error:
                _check_unpacked(data, size)
                raise NotPlainError from error
        if len(data) != size:
            raise NotPlainError
        values = np.frombuffer(data, np.uint8)
        if _SHUFFLE in self._filters:
            # Shuffled: first all first bytes of the values, then all second ones, ...
            values = np.ascontiguousarray(values.reshape(self._dtype.itemsize, -1).T)
        return values.reshape(-1).view(self._dtype).reshape(self._chunk)

    def close(self) -> None:
        """Forget the chunks kept."""
        self._cache.clear()
