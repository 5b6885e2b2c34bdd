"""Decoded pieces of a file, kept up to a number of bytes, each decoded by one thread only."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from numpy.typing import NDArray

DEFAULT_BYTES = 64 << 20


class SegmentCache:
    """Keeps the pieces last used, at most ``limit`` bytes of them.

    The last piece is kept whatever its size: a page that is one compressed strip would otherwise be
    decoded again for every row of tiles.
    """

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        self.limit = limit
        self.bytes = 0
        self._lock = threading.Lock()
        self._items: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The piece ``key``, made by ``make`` if it is not there; an exception of ``make`` is not kept."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._items:
                    return self._items[key]
            try:
                item = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            self._put(key, item)
        return item

    def _put(self, key: Hashable, item: NDArray[Any]) -> None:
        with self._lock:
            old = self._items.pop(key, None)
            self.bytes += item.nbytes - (0 if old is None else old.nbytes)
            self._items[key] = item
            while self.bytes > self.limit and len(self._items) > 1:
                self.bytes -= self._items.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._items.clear()
            self.bytes = 0
