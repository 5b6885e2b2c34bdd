"""The images of lanes, opened when they are needed; few are open at a time."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from underbrush.core.geometry import Box
from underbrush.engine.raw_blocks import RawBlocks
from underbrush.errors import ImageError
from underbrush.sources.base import Image, ImageInfo

OPEN = 4
"""Images that stay open; each may keep some 64 MB of decoded pieces."""

RAW_BYTES = 256_000_000
"""What pixels of volumes that are kept may take, of all images together."""

Opener = Callable[[], Image]


def image_key(address: str, axes: str | None, files: tuple[str, ...] = ()) -> str:
    """A text that stands for the pixels of an image: address, axes, and size and time of its files."""
    parts = [address, str(axes)]
    for name in files:
        with suppress(OSError):
            status = Path(name).stat()
            parts.append(f"{status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class OpenLane:
    """The image of a lane."""

    key: str
    """Stands for its pixels: what is computed of them is kept under it."""
    image: Image
    mask: Image | None = None
    """Outside of it there are no results."""
    results: str = ""
    """Stands for its pixels and for those of the mask: results are kept under it."""

    def __post_init__(self) -> None:
        if not self.results:
            object.__setattr__(self, "results", self.key)


class LaneImages:
    """Lends the images of lanes to any thread; those used longest ago are closed and opened again at need.

    At most ``most`` are open (but for those that are being read), and at most ``raw_bytes`` of pixels of
    volumes are kept.
    """

    def __init__(self, most: int = OPEN, raw_bytes: int = RAW_BYTES) -> None:
        self._most = most
        self.blocks = RawBlocks(raw_bytes)
        self._lock = threading.Lock()
        self._lanes: dict[str, _LaneImage] = {}
        self._masks: dict[str, _LaneImage] = {}
        self._open: OrderedDict[_LaneImage, None] = OrderedDict()

    def put(self, lane: str, key: str, opener: Opener, anew: bool = False) -> None:
        """The image of a lane, new or instead of another; it is not opened yet.

        Under the key that it has already it is exchanged only ``anew``: more is said of the same pixels.
        """
        with self._lock:
            old = self._lanes.get(lane)
            if old is not None and old.key == key and not anew:
                return
            self._lanes[lane] = _LaneImage(self, key, opener)
        if old is not None:
            self._retire(old)

    def put_mask(self, lane: str, key: str, opener: Opener | None) -> None:
        """The mask of a lane, or none any more; it is not opened yet."""
        with self._lock:
            old = self._masks.pop(lane, None)
            if opener is not None:
                same = old is not None and old.key == key
                self._masks[lane] = old if same and old is not None else _LaneImage(self, key, opener)
        if old is not None and self._masks.get(lane) is not old:
            self._retire(old)

    def drop(self, lane: str) -> None:
        """A lane is gone."""
        with self._lock:
            gone = (self._lanes.pop(lane, None), self._masks.pop(lane, None))
        for old in gone:
            if old is not None:
                self._retire(old)

    def get(self, lane: str) -> OpenLane:
        """The image of a lane with its key, and its mask, which is not opened yet; see `image` and `mask`."""
        found = self._found(lane)
        found.learn()
        with self._lock:
            mask = self._masks.get(lane)
        return OpenLane(found.key, found, mask, self.results_key(lane))

    def mask(self, lane: str) -> Image | None:
        """The mask of a lane, as `image` gives its image; None where it has none.

        Raises
        ------
        UnderbrushError
            It cannot be opened.
        """
        with self._lock:
            found = self._masks.get(lane)
        if found is not None:
            found.learn()
        return found

    def results_key(self, lane: str) -> str:
        """Stands for the pixels of a lane and of its mask."""
        key = self._found(lane).key
        with self._lock:
            mask = self._masks.get(lane)
        return key if mask is None else f"{key} {mask.key}"

    def image(self, lane: str) -> Image:
        """The image of a lane, for as long as one likes: it opens itself at need. Closing it does nothing.

        Raises
        ------
        UnderbrushError
            It cannot be opened, or there is no such lane.
        """
        return self.get(lane).image

    def key(self, lane: str) -> str:
        """What `put` was given."""
        return self._found(lane).key

    def close(self) -> None:
        """Close all; what is being read is closed when that is done."""
        with self._lock:
            lanes = [*self._lanes.values(), *self._masks.values()]
            self._lanes.clear()
            self._masks.clear()
        for one in lanes:
            self._retire(one)

    @property
    def n_open(self) -> int:
        """Images that are open now."""
        return len(self._open)

    def _found(self, lane: str) -> _LaneImage:
        with self._lock:
            found = self._lanes.get(lane)
        if found is None:
            raise ImageError(f"there is no image {lane!r} here (any more)", remedy="choose another image")
        return found

    def used(self, image: _LaneImage) -> None:
        """An image was opened or read: it is the last one to be closed."""
        with self._lock:
            self._open[image] = None
            self._open.move_to_end(image)
            extra = list(self._open)[: max(0, len(self._open) - self._most)]
            for one in extra:
                del self._open[one]
        for one in extra:
            one.rest()

    def _retire(self, image: _LaneImage) -> None:
        with self._lock:
            self._open.pop(image, None)
        image.rest()


@dataclass(eq=False)
class _Handle:
    """An open image, and how many are reading it."""

    image: Image
    users: int = 0
    leaving: bool = False


@dataclass(eq=False)
class _LaneImage(Image):
    """An image that opens itself to be read. A read in progress keeps it open."""

    owner: LaneImages
    key: str
    opener: Opener
    _handle: _Handle | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self) -> None:
        """Open the image once, so that ``info`` is there."""
        if "info" not in self.__dict__:
            with self._lent():
                pass

    def __getattr__(self, name: str) -> Any:
        """What is known of the image opens it; nothing else is found here."""
        if name != "info":
            raise AttributeError(name)
        self.learn()
        return self.__dict__["info"]

    @property
    def notices(self) -> tuple[str, ...]:
        """See `Image.notices`; of what was read since it was opened last."""
        handle = self._handle
        return () if handle is None else handle.image.notices

    def read(self, box: Box | None = None, level: int = 0) -> NDArray[Any]:
        """See `Image.read`; of volumes what was read lately is not read again."""
        self.learn()
        if box is None or not 0 <= level < len(self.info.levels) or not self._holds(box, level):
            return super().read(box, level)
        image = (self.level_shape5(level), self.dtype)
        return self.owner.blocks.read(
            f"{self.key} {level}", box, image, lambda part: super(_LaneImage, self).read(part, level)
        )

    def _holds(self, box: Box, level: int) -> bool:
        return box.size > 0 and Box.whole(self.level_shape5(level)).contains(box)

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        with self._lent() as image:
            return image._read_own(where, level)

    def close(self) -> None:
        """Nothing: it belongs to the `LaneImages`."""

    def rest(self) -> None:
        """Close the file now, or as soon as nobody reads it."""
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is None:
                return
            handle.leaving = True
            if handle.users:
                return
        handle.image.close()

    @contextmanager
    def _lent(self) -> Iterator[Image]:
        with self._lock:
            if self._handle is None:
                self._handle = _Handle(self._opened())
            handle = self._handle
            handle.users += 1
        try:
            self.owner.used(self)
            yield handle.image
        finally:
            with self._lock:
                handle.users -= 1
                over = handle.leaving and handle.users == 0
            if over:
                handle.image.close()

    def _opened(self) -> Image:
        image = self.opener()
        info: ImageInfo | None = self.__dict__.get("info")
        if info is None:
            self.info = image.info
        elif (info.shape, info.dtype, info.axes) != (image.info.shape, image.info.dtype, image.info.axes):
            image.close()
            raise ImageError(
                "the image has changed since it was opened", where=info.location, remedy="open it again"
            )
        return image
