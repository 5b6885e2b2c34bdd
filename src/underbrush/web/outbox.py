"""What waits to be sent to one browser: some of it in order and never dropped, the rest only as it is newest.

A browser on a slow line must not make the server remember everything: a tile that has a newer one in its
place, or a state that was overtaken, is never sent.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable

Data = str | bytes
MOST_BYTES = 64 << 20
"""What may wait for one browser; beyond it is cut off and starts anew when it comes back."""


class OverflowedError(Exception):
    """More waits than may; the connection must be closed."""


class Outbox:
    """A queue for one connection; used on the event loop only."""

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self._limit = limit
        self._ordered: deque[Data] = deque()
        self._newest: OrderedDict[Hashable, Data] = OrderedDict()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._overflowed = False

    def put(self, data: Data) -> None:
        """Send in order, before all that was put with `replace`."""
        self._ordered.append(data)
        self._count(len(data))

    def replace(self, key: Hashable, data: Data) -> None:
        """Send, unless something newer with the same key comes before; its place in the queue is kept."""
        old = self._newest.get(key, b"")
        self._newest[key] = data
        self._count(len(data) - len(old))

    def drop(self, unwanted: Callable[[Hashable], bool]) -> None:
        """Forget what was put with `replace` under keys that are unwanted now."""
        for key in [key for key in self._newest if unwanted(key)]:
            self._bytes -= len(self._newest.pop(key))

    def keys(self) -> Iterable[Hashable]:
        """What waits of what was put with `replace`."""
        return list(self._newest)

    async def next(self) -> Data:
        """What is to be sent next; waits until there is something.

        Raises
        ------
        OverflowedError
            Too much waits.
        """
        while True:
            if self._overflowed:
                raise OverflowedError
            if self._ordered:
                found = self._ordered.popleft()
                self._bytes -= len(found)
                return found
            if self._newest:
                _, item = self._newest.popitem(last=False)
                self._bytes -= len(item)
                return item
            self._ready.clear()
            await self._ready.wait()

    def _count(self, added: int) -> None:
        self._bytes += added
        self._overflowed = self._overflowed or self._bytes > self._limit
        self._ready.set()
