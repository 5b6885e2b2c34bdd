"""An array in a folder, in pieces that are files: encoded by tensorstore in memory, written by `files`.

So the library alone knows the format of a piece, and every byte still goes the way on which faults can be
tried: a piece appears under its name complete and synced, or not at all.
"""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Shape5
from underbrush.errors import OutputError
from underbrush.files import WorkFolder
from underbrush.sinks.base import OutputSpec
from underbrush.sinks.spool import TileLayout

Driver = Literal["zarr", "zarr3", "n5"]
CACHED_BYTES = 16 << 20
"""Decoded pieces and indices of shards that are kept while a level is read again."""


@dataclass(frozen=True, slots=True)
class Piecing:
    """How an array is cut: ``piece`` is a file, ``inner`` what of it is compressed by itself; file order."""

    shape: tuple[int, ...]
    piece: tuple[int, ...]
    inner: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def layout(self) -> TileLayout:
        """The pieces as tiles."""
        return TileLayout(self.shape, self.piece, self.dtype, padded=False)


def grown_chunk(shape: tuple[int, ...], axes: str, start: tuple[int, ...], budget: int) -> tuple[int, ...]:
    """``start`` doubled along the shortest of its sides in space while it has at most ``budget`` pixels.

    It never becomes longer than the array, rounded up to whole multiples of ``start``.
    """
    limits = {a: -(-n // s) * s for a, n, s in zip(axes, shape, start, strict=True)}
    chunk = dict(zip(axes, start, strict=True))
    while growing := [a for a in "xyz" if a in chunk and chunk[a] < limits[a]]:
        axis = min(growing, key=chunk.__getitem__)
        larger = {**chunk, axis: min(2 * chunk[axis], limits[axis])}
        if math.prod(larger.values()) > budget:
            break
        chunk = larger
    return tuple(chunk[a] for a in axes)


def unit_of(axes: str, piece: tuple[int, ...]) -> Shape5:
    """A piece in the order of a file as t c z y x."""
    t, c, z, y, x = (piece[axes.index(a)] if a in axes else 1 for a in AXES)
    return t, c, z, y, x


class PiecedArray:
    """One array of a folder.

    Parameters
    ----------
    folder
        What it is written to.
    inner
        Path of the array in it; empty: the folder itself.
    piecing
        How it is cut.
    driver, metadata
        Its format, and what tensorstore is to be told of it.
    """

    def __init__(
        self, folder: WorkFolder, inner: str, piecing: Piecing, driver: Driver, metadata: Mapping[str, Any]
    ) -> None:
        self.piecing, self.layout = piecing, piecing.layout
        self._folder, self._driver = folder, driver
        self._prefix = f"{inner}/" if inner else ""
        self._seen: set[int] = set()
        self._lock = threading.Lock()
        self._memory: Any = ts.open(
            {
                "driver": driver,
                "kvstore": {"driver": "memory"},
                "metadata": dict(metadata),
                "create": True,
                # A piece that is not there is one that was never computed.
                "store_data_equal_to_fill_value": True,
            },
            context=ts.Context({"cache_pool": {"total_bytes_limit": 0}}),
        ).result()

    # -- pieces -----------------------------------------------------------------------------------------

    def key(self, index: tuple[int, ...]) -> str:
        """Name of the file of a piece, below the array."""
        if self._driver == "n5":
            return "/".join(str(i) for i in reversed(index))
        return "/".join([*(["c"] if self._driver == "zarr3" else []), *(str(i) for i in index)])

    def has(self, number: int) -> bool:
        """Whether a piece is on the disk; asked of the disk until it is."""
        if number in self._seen:
            return True
        there = self._folder.has(self._prefix + self.key(self.layout.index(number)))
        if there:
            self._seen.add(number)
        return there

    def missing(self) -> Iterator[int]:
        """The pieces that are not on the disk, in C order."""
        return (k for k in range(math.prod(self.layout.counts)) if not self.has(k))

    def touched(self, start: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[int]:
        """The pieces that a block meets."""
        return (self.layout.number(index) for index in self.layout.touched(start, shape))

    def put(self, number: int, pixels: NDArray[Any]) -> None:
        """Encode and write a piece, cut off at the edges of the array."""
        index = self.layout.index(number)
        start = self.layout.start(index)
        place = tuple(slice(a, a + n) for a, n in zip(start, pixels.shape, strict=True))
        key = self.key(index)
        if self._driver == "n5":  # its axes are stored x first
            place, pixels = place[::-1], pixels.T
        self._memory[place].write(pixels).result()
        store = self._memory.kvstore
        found = store.read(key).result()
        if found.state != "value":
            raise AssertionError(f"no piece {key} was encoded")
        store.write(key, None).result()
        self._folder.put(self._prefix + key, found.value)
        self._seen.add(number)

    # -- metadata, and reading it again -----------------------------------------------------------------

    def describe(self, more: Mapping[str, Any] | None = None) -> None:
        """Write the metadata of the array, with ``more`` of our own where the format keeps them together."""
        name = {"zarr": ".zarray", "zarr3": "zarr.json", "n5": "attributes.json"}[self._driver]
        told = json.loads(self._memory.kvstore.read(name).result().value)
        self._folder.put(self._prefix + name, json_bytes({**told, **(more or {})}))

    def reader(self) -> Any:
        """The array as it lies on the disk, by tensorstore, axes in the order of the file.

        Raises
        ------
        OutputError
            What was written cannot be read.
        """
        place = self._folder.place / self._prefix
        try:
            store = ts.open(
                {"driver": self._driver, "kvstore": {"driver": "file", "path": f"{place}/"}, "open": True},
                context=ts.Context({"cache_pool": {"total_bytes_limit": CACHED_BYTES}}),
            ).result()
        except ValueError as error:
            raise unreadable(self._folder, error) from error
        return store.T if self._driver == "n5" else store


def json_bytes(value: object) -> bytes:
    """Metadata as text; names of every script as they are."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def unreadable(folder: WorkFolder, error: Exception) -> OutputError:
    """The sentence for pieces that were written and cannot be read again."""
    said = str(error).partition(" [")[0][:200]
    return OutputError(
        f"what was written cannot be read again ({said})",
        where=folder.path,
        remedy="check the disk and compute it again",
    )


def boxes_of(shape: tuple[int, ...], step: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """An array of ``shape`` cut into blocks of ``step``, in C order."""
    ranges = [range(0, n, s) for n, s in zip(shape, step, strict=True)]
    for start in itertools.product(*ranges):
        yield tuple(slice(a, min(a + s, n)) for a, s, n in zip(start, step, shape, strict=True))


def check_type(spec: OutputSpec, known: frozenset[str], format: str) -> None:
    """Refuse a type of values that a format has not.

    Raises
    ------
    OutputError
        Names the types.
    """
    if spec.dtype.name not in known:
        raise OutputError(
            f"{format} does not hold values of {spec.dtype}",
            where=spec.path,
            remedy=f"convert them to one of {', '.join(sorted(known))}",
        )
