"""Several files as one image: slices, time points or channels, one a file.

Files are opened when they are read and few stay open, so that a stack of thousands costs no more memory
than its largest files.
"""

from __future__ import annotations

import bisect
import glob
import itertools
import os
import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.address import is_file_name, is_remote, leads_to_file, split_options
from underbrush.sources.base import ASK_AXES, Image, ImageInfo
from underbrush.sources.claims import doubtful_pages_problem

_MOST_FILES = 100_000
_LOOKED_AT = 64
"""Files that are looked into before anything is computed; the others when they are read."""
_KEPT_BYTES = 96 << 20
_FILE_BYTES = 64 << 20
"""What an open file may keep of its decoded pixels, see `cache.SegmentCache`."""
_CONTAINER = re.compile(r"\.(?:ilp|hdf5|h5|hdf|npz|n5|zarr)(?=[/\\]|$)", re.IGNORECASE)

Opener = Callable[[str], Image]


def stack_files(location: str) -> tuple[str, ...]:
    """Addresses of the files of a stack, empty where ``location`` is one image.

    A stack is a pattern with ``*`` or ``?`` (in order of the numbers in the names, so that img2 comes before
    img10), also for datasets inside a file (``cells.h5/frame*``), or addresses joined by the system's path
    separator, in the order given.

    Raises
    ------
    ImageError
        Nothing fits a pattern, or a file of a list is not there.
    """
    text, options = split_options(location)
    if is_remote(text) or not text.strip() or "\0" in text or is_file_name(location):
        return ()
    kept = ",".join(o for o in options.split(",") if o and not o.startswith("stack="))
    pieces = _pieces(text)
    if len(pieces) == 1 and not _is_pattern(pieces[0]):
        return ()
    found = list(itertools.chain.from_iterable(_matches(piece, location) for piece in pieces))
    if len(found) > _MOST_FILES:
        raise ImageError(
            f"{len(found)} files are more than the {_MOST_FILES} that make one image",
            where=location,
            remedy="take fewer",
        )
    return tuple(f"{address}#{kept}" if kept else address for address in found)


def _is_pattern(piece: str) -> bool:
    return ("*" in piece or "?" in piece) and not is_file_name(piece)


def _pieces(text: str) -> list[str]:
    """The parts of a list; a name with the separator in it is a list only if a part of it is there."""
    pieces = [p for p in text.split(os.pathsep) if p.strip()]
    if len(pieces) < 2 or is_file_name(text):
        return [text]
    return pieces if any(_is_pattern(p) or leads_to_file(p) for p in pieces) else [text]


def _matches(piece: str, location: str) -> list[str]:
    if not _is_pattern(piece):
        if not leads_to_file(piece):
            raise ImageError("a file of the stack is not there", where=piece, remedy="check the name")
        return [piece]
    ends = [match.end() for match in _CONTAINER.finditer(piece)]
    path, inner = (piece[: ends[-1]], piece[ends[-1] :].strip("/\\")) if ends else (piece, "")
    path = os.path.expanduser(path)  # noqa: PTH111 - pathlib fails where there is no such user
    # Brackets are common in the names of microscopes; here they mean themselves.
    files = glob.glob(path.replace("[", "[[]")) if _is_pattern(path) else [path]  # noqa: PTH207
    found = []
    for file in sorted(files, key=natural):
        found += [f"{file}/{name}" for name in _inner(Path(file), inner)] if inner else [file]
    if not found:
        raise ImageError("nothing fits this pattern", where=location, remedy="check folder and name")
    return found


def _inner(file: Path, inner: str) -> list[str]:
    """The names inside a file or folder that fit a pattern."""
    if "*" not in inner and "?" not in inner:
        return [inner]
    if file.is_dir():
        names = glob.glob(inner.replace("[", "[[]"), root_dir=file)  # noqa: PTH207
    else:
        from underbrush.sources.hdf5 import dataset_names  # noqa: PLC0415 (h5py only where it is needed)

        fits = re.compile(re.escape(inner).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
        names = [name for name in dataset_names(file) if fits.fullmatch(name)]
    return sorted(names, key=natural)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that orders img2 before img10, and letters without regard to case."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name).casefold())
    return [(0, int(p), "") if p.isascii() and p.isdecimal() else (1, 0, p) for p in parts]


def open_stack(location: str, files: Sequence[str], opener: Opener, along: str = "") -> Image:
    """The image that ``files`` form along the axis ``along``.

    The axis is a new one in front of those of the files, or the one of that name that they have, which then
    grows. Not named, it is the first of z, t, c that the files do not have, and that is said.

    Raises
    ------
    ImageError, AxesError
        A file cannot be read, or has other axes, another size or another type than the first.
    """
    infos: dict[int, ImageInfo] = {}
    count = len(files)
    with opener(files[0]) as image:
        first = infos[0] = image.info
    chosen = along or next((a for a in "ztc" if a not in first.axes), "")
    if not chosen or (len(first.axes) == 5 and chosen not in first.axes):
        raise ImageError(
            f"the files have the axes {first.axes} already, so that none is left to put them together",
            where=location,
            remedy="write #stack=t to join them along time",
        )
    grown = first.axes.find(chosen)
    looked = range(count) if grown >= 0 or count <= _LOOKED_AT else _spread(count)
    for i in looked:
        if i not in infos:
            with opener(files[i]) as image:
                infos[i] = image.info
            _check_alike(infos[i], first, grown)
    sizes = [infos[i].shape[grown] for i in range(count)] if grown >= 0 else [1] * count
    axes = first.axes if grown >= 0 else chosen + first.axes
    shape = list(first.shape) if grown >= 0 else [count, *first.shape]
    shape[max(grown, 0)] = sum(sizes)
    doubt = () if along else (doubtful_pages_problem(count, chosen, "files"),)
    named = chosen == "c" and grown < 0
    stems = tuple(re.split(r"[/\\]", f)[-1].partition(".")[0] for f in files)
    info = replace(
        first,
        location=location,
        axes=axes,
        shape=tuple(shape),
        axes_known=bool(along) and first.axes_known,
        pixel_size={a: size for a, size in first.pixel_size.items() if a != chosen or grown >= 0},
        levels=(tuple(shape),),
        level_names=(),
        channels=stems if named else (first.channels if chosen != "c" else ()),
        display=() if chosen == "c" else first.display,
        alpha=None if chosen == "c" else first.alpha,
        problems=(*doubt, *(p for p in first.problems if along or not p.endswith(ASK_AXES))),
    )
    return StackImage(info, files, opener, (first, grown, sizes))


def _spread(count: int) -> list[int]:
    """Some files from first to last."""
    return sorted({i * (count - 1) // (_LOOKED_AT - 1) for i in range(_LOOKED_AT)})


def _check_alike(info: ImageInfo, first: ImageInfo, grown: int) -> None:
    rest = [n for i, n in enumerate(info.shape) if i != grown]
    wanted = [n for i, n in enumerate(first.shape) if i != grown]
    if (info.axes, rest, info.dtype) == (first.axes, wanted, first.dtype):
        return
    raise ImageError(
        f"it has the shape {info.shape} ({info.axes}, {info.dtype}), the first of the stack"
        f" {first.shape} ({first.axes}, {first.dtype})",
        where=info.location,
        remedy="put together files of one size and type",
    )


@dataclass(eq=False)
class _Open:
    """An open file, and how many are reading it."""

    image: Image
    users: int = 0
    leaving: bool = False


class StackImage(Image):
    """See `open_stack`. ``made`` is the first file, which axis of the files grows (or -1), and its sizes."""

    def __init__(
        self, info: ImageInfo, files: Sequence[str], opener: Opener, made: tuple[ImageInfo, int, list[int]]
    ) -> None:
        self.info = info
        self._files, self._opener = tuple(files), opener
        self._first, self._grown, sizes = made
        self._ends = list(itertools.accumulate(sizes))
        one = int(np.prod(self._first.shape, dtype=object)) * self._first.dtype.itemsize
        self._most = max(2, min(64, _KEPT_BYTES // max(1, min(one, _FILE_BYTES))))
        self._lock = threading.Lock()
        self._opening: dict[int, threading.Lock] = {}
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._closed = threading.Event()

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        axis = max(self._grown, 0)
        start, stop = where[axis].start, where[axis].stop
        block = np.empty([s.stop - s.start for s in where], self.dtype)
        at, number = start, bisect.bisect_right(self._ends, start)
        while at < stop:
            begin = self._ends[number - 1] if number else 0
            end = min(stop, self._ends[number])
            part = list(where)
            if self._grown >= 0:
                part[axis] = slice(at - begin, end - begin)
            else:
                del part[axis]
            target = [slice(None)] * len(where)
            target[axis] = slice(at - start, end - start)
            with self._lent(number) as image:
                block[tuple(target)] = image._read_own(tuple(part), 0).reshape(block[tuple(target)].shape)
            at, number = end, number + 1
        return block

    @contextmanager
    def _lent(self, number: int) -> Iterator[Image]:
        file = self._taken(number)
        try:
            yield file.image
        finally:
            with self._lock:
                file.users -= 1
                over = file.leaving and file.users == 0
            if over:
                file.image.close()

    def _taken(self, number: int) -> _Open:
        with self._lock:
            opening = self._opening.setdefault(number, threading.Lock())
        with opening:
            with self._lock:
                if self._closed.is_set():
                    raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
                file = self._open.get(number)
                if file is not None:
                    self._open.move_to_end(number)
                    file.users += 1
                    return file
            file = _Open(self._opened(number), users=1)
            with self._lock:
                self._open[number] = file
                extra = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - self._most)]
                if self._closed.is_set():
                    extra.append(self._open.pop(number))
        self._leave(extra)
        return file

    def _opened(self, number: int) -> Image:
        image = self._opener(self._files[number])
        try:
            _check_alike(image.info, self._first, self._grown)
            size = image.shape[self._grown] if self._grown >= 0 else 1
            if size != self._ends[number] - (self._ends[number - 1] if number else 0):
                raise ImageError(
                    "the file has changed since the stack was opened",
                    where=image.info.location,
                    remedy="open the stack again",
                )
        except BaseException:
            image.close()
            raise
        return image

    def _leave(self, files: Sequence[_Open]) -> None:
        for file in files:
            with self._lock:
                file.leaving = True
                idle = file.users == 0
            if idle:
                file.image.close()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the files that are open noticed."""
        with self._lock:
            files = list(self._open.values())
        return tuple(dict.fromkeys(said for file in files for said in file.image.notices))

    def close(self) -> None:
        """See `Image.close`."""
        with self._lock:
            self._closed.set()
            files = list(self._open.values())
            self._open.clear()
        self._leave(files)
