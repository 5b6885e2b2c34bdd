"""Features of labelled pixels, computed once: a stroke more costs its own pixels."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Shape5
from underbrush.engine.training import Rows, n_features, pixel_features, usable_rows
from underbrush.sources.base import Image


@dataclass(frozen=True)
class LabelledPixels:
    """What is labelled in one image."""

    image_key: str
    """Stands for the pixels of the image: another file, or other axes, are another key."""
    image: Image
    where: NDArray[np.intp]
    """(n, 4) t z y x, sorted, inside the image."""
    y: NDArray[np.uint8]
    """(n,) class values."""


class LiveRows:
    """Training rows in the bytes of `engine.training.labelled_rows`, remembering the features of each pixel.

    What is remembered never takes more than ``cap_bytes``: the image used longest ago goes first, then
    pixels that are no longer labelled; what then still is too much is computed each time.
    """

    def __init__(self, cap_bytes: int) -> None:
        self.cap_bytes = cap_bytes
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._tables: OrderedDict[Hashable, _Table] = OrderedDict()

    @property
    def bytes(self) -> int:
        """Bytes of all that is remembered."""
        return sum(table.nbytes for table in self._tables.values())

    def rows(
        self,
        labelled: LabelledPixels,
        selection: FeatureSelection,
        channels: tuple[int, ...] | None = None,
        threads: int = 1,
        cancelled: Callable[[], bool] | None = None,
    ) -> Rows:
        """Features and classes of the labelled pixels of one image, in the order t z y x.

        Raises
        ------
        UnderbrushError
            The image cannot be read, is too small for the features or lacks a channel.
        Cancelled
            ``cancelled`` said True; what was computed until then is remembered.
        """
        with self._turn:  # a table has one successor
            return self._rows(labelled, selection, channels, threads, cancelled)

    def _rows(
        self,
        labelled: LabelledPixels,
        selection: FeatureSelection,
        channels: tuple[int, ...] | None,
        threads: int,
        cancelled: Callable[[], bool] | None,
    ) -> Rows:
        image = labelled.image
        count = n_features(image, selection, channels)
        at = _numbers(labelled.where, image.shape5)
        key = (labelled.image_key, selection, channels)
        with self._lock:
            table = self._tables.get(key) or _Table.empty(count)
        new = np.flatnonzero(table.slots_of(at) < 0)
        extra = _Growing(at[new], count)
        try:
            found = pixel_features(image, labelled.where[new], selection, channels, threads, cancelled)
            for part in found if len(new) else ():
                extra.take(part.order, part.x, part.usable)
        finally:
            if extra.any:
                table = table.with_more(*extra.given())
            self._keep(key, table, at)
        x, usable = table.pick(table.slots_of(at))
        return usable_rows(x, labelled.y, usable)

    def forget(self, image_key: str) -> None:
        """Drop what belongs to an image that is gone."""
        with self._lock:
            for key in [k for k in self._tables if isinstance(k, tuple) and k[0] == image_key]:
                del self._tables[key]

    def _keep(self, key: Hashable, table: _Table, wanted: NDArray[np.int64]) -> None:
        if table.nbytes > self.cap_bytes:
            slots = table.slots_of(wanted)
            room = self.cap_bytes // max(1, table.bytes_a_pixel)
            table = table.only(slots[slots >= 0][:room])
        with self._lock:
            self._tables.pop(key, None)
            self._tables[key] = table
            while len(self._tables) > 1 and self.bytes > self.cap_bytes:
                self._tables.popitem(last=False)


@dataclass(frozen=True)
class _Table:
    """Features of pixels of one image. Immutable, but for room behind ``n`` that a successor may fill."""

    at: NDArray[np.int64]
    """(n,) sorted numbers of pixels."""
    slot: NDArray[np.intp]
    """(n,) the column of each in ``x``."""
    x: NDArray[np.float32]
    """(n_features, room) float32."""
    usable: NDArray[np.bool_]
    """(room,)"""

    @classmethod
    def empty(cls, count: int) -> _Table:
        return cls(
            np.empty(0, np.int64),
            np.empty(0, np.intp),
            np.empty((count, 0), np.float32),
            np.empty(0, np.bool_),
        )

    @property
    def nbytes(self) -> int:
        return self.at.nbytes + self.slot.nbytes + self.x.nbytes + self.usable.nbytes

    @property
    def bytes_a_pixel(self) -> int:
        return 4 * len(self.x) + 17

    def slots_of(self, at: NDArray[np.int64]) -> NDArray[np.intp]:
        """The column of each pixel, -1 where it is not known."""
        if not len(self.at):
            return np.full(len(at), -1, np.intp)
        place = np.minimum(np.searchsorted(self.at, at), len(self.at) - 1)
        return np.where(self.at[place] == at, self.slot[place], -1)

    def pick(self, slots: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        return self.x.take(slots, axis=1), self.usable[slots]

    def only(self, slots: NDArray[np.intp]) -> _Table:
        """Only these columns, in memory that is just large enough."""
        x, usable = self.pick(slots)
        number = np.empty(self.x.shape[1], np.int64)
        number[self.slot] = self.at
        at = number[slots]
        order = np.argsort(at)
        return _Table(at[order], order, x, usable)

    def with_more(self, at: NDArray[np.int64], x: NDArray[np.float32], usable: NDArray[np.bool_]) -> _Table:
        """With pixels that are not in it; columns that are here stay where they are."""
        n, more = len(self.at), len(at)
        room = self.x.shape[1]
        own_x, own_usable = self.x, self.usable
        if n + more > room:
            room = max(n + more, n + n // 4)
            own_x, own_usable = np.empty((len(x), room), np.float32), np.empty(room, np.bool_)
            own_x[:, :n], own_usable[:n] = self.x[:, :n], self.usable[:n]
        own_x[:, n : n + more], own_usable[n : n + more] = x, usable
        every = np.concatenate([self.at, at])
        order = np.argsort(every, kind="stable")
        slot = np.concatenate([self.slot, np.arange(n, n + more)])
        return _Table(every[order], slot[order], own_x, own_usable)


class _Growing:
    """Features of new pixels as they come, some of which may never come."""

    def __init__(self, at: NDArray[np.int64], count: int) -> None:
        self._at = at
        self._x = np.empty((count, len(at)), np.float32)
        self._usable = np.empty(len(at), np.bool_)
        self._come = np.zeros(len(at), np.bool_)

    @property
    def any(self) -> bool:
        return bool(self._come.any())

    def take(self, order: NDArray[np.intp], x: NDArray[np.float32], usable: NDArray[np.bool_]) -> None:
        self._x[:, order] = x
        self._usable[order] = usable
        self._come[order] = True

    def given(self) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
        come = self._come
        if come.all():
            return self._at, self._x, self._usable
        return self._at[come], self._x[:, come], self._usable[come]


def _numbers(where: NDArray[np.intp], shape: Shape5) -> NDArray[np.int64]:
    """A number for each position, growing in the order t z y x."""
    t, z, y, x = where.T.astype(np.int64)
    return np.asarray(((t * shape[2] + z) * shape[3] + y) * shape[4] + x, np.int64)
