"""Nikon ND2, read by the library nd2 (an extra, see `extras.needed`): a plane of all channels at a time.

Positions of the stage are images of their own. Planes that were never taken read as 0 and are counted; a file
that is cut off is an error, where the library would give zeros.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError, UnderbrushError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.cache import SegmentCache
from underbrush.sources.claims import check_decoded
from underbrush.sources.extras import needed
from underbrush.sources.selection import Chosen, check_count, chosen_image
from underbrush.sources.stream import Stream
from underbrush.sources.units import sizes

_LETTERS = {"T": "t", "Z": "z"}
_DEFLATE = 1040
"""How many times smaller deflate makes constant bytes at the very best."""


@dataclass(frozen=True, slots=True)
class _Loops:
    """The order in which the planes were taken."""

    letters: tuple[str, ...]
    """Of the loops, the slowest first: T, Z, P (positions) or others, as the library calls them."""
    counts: tuple[int, ...]
    place: dict[str, int]
    """Where to stay along the loops that are neither time nor slices."""

    def number(self, place: dict[str, int]) -> int:
        """Number of the plane at ``place`` (our letters)."""
        index = [place[_LETTERS[a]] if a in _LETTERS else self.place.get(a, 0) for a in self.letters]
        return int(np.ravel_multi_index(index, self.counts)) if index else 0


def open_source(address: Address) -> Image:
    """Open an ND2 file; see `underbrush.sources.open_image`."""
    library = needed("nd2", "nd2", "a Nikon ND2 file", address.location)
    file = BytesFile(address.path, address.location)
    stream = Stream(file)
    try:
        with _understood(address.location):
            return _open(library.ND2File(stream), stream, file, address)
    except BaseException:
        file.close()
        raise


@contextmanager
def _understood(location: str) -> Iterator[None]:
    """What the library raises becomes our error; it has exceptions of many kinds for a damaged file."""
    try:
        yield
    except UnderbrushError:
        raise
    except Exception as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise ImageError(
            f"the ND2 file is damaged or cannot be understood ({reason:.160})",
            where=location,
            remedy="copy it again, or export the image as TIFF",
        ) from error


def _open(nd2: Any, stream: Stream, file: BytesFile, address: Address) -> Image:
    loops = nd2.experiment
    letters, counts = _loops(nd2)
    apart = [(a, n) for a, n in zip(letters, counts, strict=True) if a not in _LETTERS]
    check_count(math.prod(n for _, n in apart), address.location)
    places = list(product(*(range(n) for _, n in apart)))
    names = [_name(apart, place, loops) for place in places]
    chosen = chosen_image(names, address, "ND2")
    if address.level:
        raise ImageError(
            f"there is no level {address.level}: ND2 files hold no smaller copies",
            where=address.location,
            remedy="leave #level away",
        )
    fixed = {a: i for (a, _), i in zip(apart, places[chosen.number], strict=True)}
    order = _Loops(letters, counts, fixed)
    info = _info(nd2, order, address, chosen)
    plane = int(np.prod([n for a, n in zip(info.axes, info.shape, strict=True) if a in "cyx"]))
    check_decoded(plane * info.dtype.itemsize, file.size, _DEFLATE, address.location)
    return Nd2Image(info, nd2, stream, file, order)


def _loops(nd2: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Letters and counts of the loops with more than one turn, in the order of the planes."""
    inner = {"C", "Y", "X", "S"}
    found = [(a, int(n)) for a, n in nd2.sizes.items() if a not in inner]
    return tuple(a for a, _ in found), tuple(n for _, n in found)


def _name(apart: list[tuple[str, int]], place: tuple[int, ...], loops: Any) -> str:
    words = []
    for (letter, _), i in zip(apart, place, strict=True):
        points = next((p for loop in loops if (p := getattr(loop.parameters, "points", None))), ())
        named = points[i].name if letter == "P" and i < len(points) else None
        words.append(named or f"{'position' if letter == 'P' else letter} {i}")
    return " ".join(words) or "image"


def _info(nd2: Any, order: _Loops, address: Address, chosen: Chosen) -> ImageInfo:
    attributes = nd2.attributes
    own = {
        "c": int(attributes.componentCount),
        "y": int(attributes.heightPx),
        "x": int(attributes.widthPx or 0),
    }
    own |= {_LETTERS[a]: n for a, n in zip(order.letters, order.counts, strict=True) if a in _LETTERS}
    if min(own.values()) < 1:
        raise ImageError(
            f"the ND2 file is damaged: it holds {own['y']} x {own['x']} pixels",
            where=address.location,
            remedy="copy it again",
        )
    letters = [a for a in "tzcyx" if own.get(a, 1) > 1 or a in "yx"]
    if nd2.components_per_channel in (3, 4) and own["c"] == nd2.components_per_channel:
        letters = [a for a in letters if a != "c"] + ["c"]
    shape = tuple(own[a] for a in letters)
    channels, pixel_size, doubts = _metadata(nd2)
    return ImageInfo(
        location=address.location,
        axes="".join(letters),
        shape=shape,
        dtype=np.dtype(nd2.dtype).newbyteorder("="),
        pixel_size={a: size for a, size in pixel_size.items() if a in letters},
        levels=(shape,),
        channels=channels if len(channels) == own["c"] else (),
        series=chosen.series,
        problems=(*chosen.problems, *doubts),
    )


def _metadata(nd2: Any) -> tuple[tuple[str, ...], dict[str, tuple[float, str]], tuple[str, ...]]:
    """Names of the channels, sizes of the pixels as far as the microscope was calibrated, and a doubt."""
    raw: dict[str, tuple[Any, str]] = {}
    for loop in nd2.experiment:
        period = getattr(loop.parameters, "periodMs", None)
        if loop.type == "TimeLoop" and period:
            raw["t"] = (period / 1000, "s")
    try:
        channels = getattr(nd2.metadata, "channels", None) or []
    except Exception as error:  # noqa: BLE001 (of any kind; the pixels can be read without)
        reason = str(error).strip().rstrip(".") or type(error).__name__
        doubt = f"Names of channels and sizes of pixels cannot be understood ({reason:.120})."
        return (), sizes(raw), (doubt,)
    if channels:
        volume = channels[0].volume
        for axis, size, known in zip("xyz", volume.axesCalibration, volume.axesCalibrated, strict=False):
            if known:
                raw[axis] = (size, "µm")
    names = tuple(str(one.channel.name or "") for one in channels)
    return (names if all(names) else ()), sizes(raw), ()


class Nd2Image(Image):
    """A position of an ND2 file."""

    def __init__(self, info: ImageInfo, nd2: Any, stream: Stream, file: BytesFile, order: _Loops) -> None:
        self.info = info
        self._nd2, self._stream, self._file, self._order = nd2, stream, file, order
        self._cache = SegmentCache()
        self._lock = threading.Lock()
        self._missing: set[int] = set()
        self._closed = False

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence about planes that were never taken, once they were read."""
        count = len(self._missing)
        if not count:
            return ()
        what = "1 plane is" if count == 1 else f"{count} planes are"
        return (f"{what} not in the file (an acquisition that was stopped?) and read as 0.",)

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        if self._closed:
            raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
        out = np.empty([s.stop - s.start for s in where], self.dtype)
        parts = dict(zip(self.axes, where, strict=True))
        outer = [a for a in self.axes if a in "tz"]
        inner = [a for a in self.axes if a not in "tz"]
        window = tuple(parts.get(a, slice(0, 1)) for a in "cyx")
        for place in product(*(range(parts[a].start, parts[a].stop) for a in outer)):
            number = self._order.number(dict(zip(outer, place, strict=True)))
            plane = self._cache.get(number, lambda n=number: self._plane(n))[window]  # type: ignore[misc]
            index = tuple(i - parts[a].start for a, i in zip(outer, place, strict=True))
            turned = plane[0] if "c" not in inner else np.moveaxis(plane, 0, inner.index("c"))
            out[index] = turned
        return out

    def _plane(self, number: int) -> NDArray[Any]:
        """All channels of one plane (c, y, x)."""
        attributes = self._nd2.attributes
        channels, parts = attributes.channelCount or 1, self._nd2.components_per_channel
        # The library stands at one place of the file.
        with self._lock, _understood(self.info.location), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._closed:
                raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
            self._stream.reads, self._stream.cut = 0, False
            frame = np.asarray(self._nd2.read_frame(number))
            cut, read = self._stream.cut, self._stream.reads
        if cut:
            raise ImageError(
                f"the ND2 file is cut off: plane {number + 1} is not all in it",
                where=self.info.location,
                remedy="copy or export it again",
            )
        if not read:
            self._missing.add(number)
        frame = frame.reshape(channels, attributes.heightPx, attributes.widthPx, parts)
        return np.ascontiguousarray(np.moveaxis(frame, 3, 1).reshape(-1, *frame.shape[1:3]))

    def close(self) -> None:
        """See `Image.close`."""
        with self._lock:
            self._closed = True
            self._nd2.close()
        self._cache.clear()
        self._file.close()
