"""Pixels for browsers: read on threads of their own, some kept, given up when nobody waits any more."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from numpy.typing import NDArray

from underbrush.errors import UnderbrushError
from underbrush.project.paths import LOCAL
from underbrush.sources.address import parse_address
from underbrush.sources.base import Image
from underbrush.sources.cache import SegmentCache
from underbrush.sources.sequence import stack_files
from underbrush.web.planes import Cancelled, CancelledError

CACHE_BYTES = 128 << 20
"""Tiles that are kept for who looks at the same place again, or beside somebody."""
_T = TypeVar("_T")


class Reading:
    """Runs work in threads for as long as somebody waits for it."""

    def __init__(self, threads: int, cache_bytes: int = CACHE_BYTES) -> None:
        self._pool = ThreadPoolExecutor(threads, "underbrush-reading")
        self._cache = SegmentCache(cache_bytes)

    async def run(self, work: Callable[[Cancelled], _T], gone: Callable[[], Awaitable[None]]) -> _T:
        """What ``work`` gives, in a thread; it is told when ``gone`` returns: the asker has left.

        Raises
        ------
        CancelledError
            The asker has left.
        """
        left = threading.Event()

        def begun() -> _T:
            if left.is_set():
                raise CancelledError
            return work(left.is_set)

        job = asyncio.get_running_loop().run_in_executor(self._pool, begun)
        watch = asyncio.ensure_future(gone())
        try:
            waited: set[asyncio.Future[Any]] = {job, watch}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                raise CancelledError
            return job.result()
        finally:
            watch.cancel()
            if not job.done():
                left.set()
                job.add_done_callback(_looked_at)

    def kept(self, key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """An array made before under this key, else made now; several who ask at once wait for one."""
        return self._cache.get(key, make)

    def close(self) -> None:
        """Give up what has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _looked_at(job: asyncio.Future[Any]) -> None:
    """Nobody is interested in how a given-up job ended; asyncio wants it to be looked at."""
    if not job.cancelled():
        job.exception()


def image_identity(image: Image) -> str:
    """Changes when the file or the way it is read changes, so that answers named by it stay true for ever."""
    info = image.info
    digest = hashlib.sha256(repr((info.location, info.axes, info.shape, info.dtype.str)).encode())
    try:
        for one in stack_files(info.location) or (info.location,):
            address = parse_address(one)
            # An image on the net is taken to stay as it is, and so is what lies in a project under its name.
            if not address.url and not address.inner.startswith(LOCAL):
                status = address.path.stat()
                digest.update(repr((status.st_mtime_ns, status.st_size, status.st_ino)).encode())
    except (OSError, ValueError, UnderbrushError):
        digest.update(repr(id(image)).encode())  # not a file: true for as long as it is open
    return digest.hexdigest()[:16]
