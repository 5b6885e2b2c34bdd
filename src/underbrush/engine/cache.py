"""What was computed, kept up to a number of bytes: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BytesCache(Generic[Value]):
    """A mapping that never holds more than ``limit`` bytes; safe to use from several threads.

    ``size`` says how many bytes a value takes. A value that is larger than the limit is not kept.
    """

    def __init__(self, limit: int, size: Callable[[Value], int]) -> None:
        self.limit = limit
        self._size = size
        self._lock = threading.Lock()
        self._items: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Bytes of all that is kept."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: Hashable) -> bool:
        """Whether a value is kept; does not count as a use."""
        return key in self._items

    def get(self, key: Hashable) -> Value | None:
        """The value of ``key``, now the most recently used; None if it is not kept."""
        with self._lock:
            found = self._items.get(key)
            if found is None:
                return None
            self._items.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value; an older one of the same key goes."""
        size = self._size(value)
        with self._lock:
            old = self._items.pop(key, None)
            self._bytes -= 0 if old is None else old[1]
            if size > self.limit:
                return
            self._items[key] = value, size
            self._bytes += size
            while self._bytes > self.limit:
                _, (_, gone) = self._items.popitem(last=False)
                self._bytes -= gone

    def drop(self, key: Hashable) -> None:
        """Forget the value of ``key``, if there is one."""
        with self._lock:
            old = self._items.pop(key, None)
            self._bytes -= 0 if old is None else old[1]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._items.clear()
            self._bytes = 0
