"""The images that ilastik's command line names: one file, one dataset, or a stack of files."""

from __future__ import annotations

import bisect
import glob
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError, UsageError
from underbrush.project.paths import split_inner
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image


@dataclass(frozen=True)
class Input:
    """One image of the command line."""

    given: str
    files: tuple[str, ...]
    """Addresses, one for each file of a stack."""

    @property
    def is_stack(self) -> bool:
        """Whether several files form one image."""
        return len(self.files) > 1 or "*" in self.given

    @property
    def folder(self) -> str:
        """The folder of its (first) file."""
        return str(Path(os.path.abspath(split_inner(self.files[0])[0])).parent)  # noqa: PTH100 - keeps links

    @property
    def nickname(self) -> str:
        """ilastik's name: ``im`` for im.h5, ``im-data`` for im.h5/data, what all names share for a stack."""
        stems, inner = [], ""
        for address in self.files:
            path, inner = split_inner(address)
            stems.append(os.path.splitext(os.path.basename(path))[0])  # noqa: PTH119, PTH122 - no Path of text
        shared = 0
        while all(shared < len(s) and s[shared] == stems[0][shared] for s in stems):
            shared += 1
        name = stems[0][:shared] or stems[0]
        return "-".join([name, *(part for part in inner.split("/") if part)])


def find_input(given: str) -> Input:
    """What one argument names: ``a.tif``, ``a.h5/data``, ``slices_*.png`` or paths joined as in PATH.

    Raises
    ------
    ImageError
        A pattern that fits no file.
    """
    if os.path.lexists(given):
        return Input(given, (given,))
    text = os.path.expanduser(given)  # noqa: PTH111 - pathlib fails where there is no such user
    pieces = _pieces(text)
    if len(pieces) == 1 and "*" not in text:
        return Input(given, (text,))
    files: list[str] = []
    for piece in pieces:
        path, inner = split_inner(piece)
        found = sorted(glob.glob(path)) if "*" in path else [path]  # noqa: PTH207 - as text
        if not found:
            raise ImageError("no file fits this pattern", where=piece, remedy="check the name")
        for one in found:
            files += [f"{one}/{name}" if name else one for name in _inner_names(one, inner)]
    return Input(given, tuple(files))


def _pieces(text: str) -> list[str]:
    """The paths of a list; the colon of an address or a drive parts nothing."""
    if "://" in text or re.match(r"^[A-Za-z]:[/\\]", text):
        return [text]
    pieces = [p for p in text.split(os.pathsep) if p]
    return pieces if len(pieces) > 1 else [text]


def _inner_names(path: str, inner: str) -> list[str]:
    """The datasets that a pattern inside a file names, sorted."""
    if "*" not in inner:
        return [inner]
    import h5py  # noqa: PLC0415 - only here

    pattern = re.compile("[^/]*".join(re.escape(p) for p in inner.split("*")))
    names: list[str] = []
    try:
        with Path(path).open("rb") as plain, h5py.File(plain, "r") as file:
            file.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
    except OSError as error:
        raise ImageError(
            f"it cannot be read as HDF5 ({error})", where=path, remedy="check the file"
        ) from None
    found = sorted(n for n in names if pattern.fullmatch(n))
    if not found:
        raise ImageError(f"no dataset in it fits {inner!r}", where=path, remedy="check the name")
    return found


def open_input(given: Input, along: str = "z", indexed: bool = False) -> Image:
    """The image of an input with the axes that its files say; close it after use.

    ``along`` is the axis of a stack, in front of those of its files, or the one of theirs that grows.

    Raises
    ------
    UnderbrushError
        It cannot be read, or files of a stack do not fit each other.
    """
    if not given.is_stack:
        return open_image(given.files[0], indexed=indexed)
    if along not in ("t", "z", "c"):
        raise UsageError(f"--stack_along {along!r} is no axis of a stack", remedy="use t, z or c")
    return StackImage(given, along, indexed)


class StackImage(Image):
    """Files of equal size, one behind the other; a few are open at a time."""

    def __init__(self, given: Input, along: str, indexed: bool) -> None:
        self._files, self._indexed = given.files, indexed
        sizes: list[int] = []
        first = None
        for address in given.files:
            with open_image(address, indexed=indexed) as image:
                info = image.info
            axis = info.axes.index(along) if along in info.axes else None
            rest = tuple(n for i, n in enumerate(info.shape) if i != axis)
            if first is None:
                first, first_rest, self._axis = info, rest, axis
            elif (info.axes, rest, info.dtype) != (first.axes, first_rest, first.dtype):
                raise ImageError(
                    f"it has shape {info.shape} ({info.axes}, {info.dtype}), the first of its stack "
                    f"{first.shape} ({first.axes}, {first.dtype})",
                    where=address,
                    remedy="stack images of one size and type",
                )
            sizes.append(1 if axis is None else info.shape[axis])
        assert first is not None
        self._ends = np.cumsum(sizes).tolist()
        total = self._ends[-1]
        if self._axis is None:
            axes, shape = along + first.axes, (total, *first.shape)
        else:
            axes = first.axes
            shape = tuple(total if i == self._axis else n for i, n in enumerate(first.shape))
        if len(axes) > 5:
            raise ImageError(f"the stack would have the axes {axes!r}", where=given.given)
        self.info = replace(
            first, location=given.given, axes=axes, shape=shape, levels=(shape,), axes_known=True, problems=()
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        place = self._axis or 0
        start, stop = where[place].start or 0, where[place].stop
        parts = []
        at = start
        while at < stop:
            k = bisect.bisect_right(self._ends, at)
            begin = self._ends[k - 1] if k else 0
            end = min(stop, self._ends[k])
            with open_image(self._files[k], indexed=self._indexed) as image:
                if self._axis is None:
                    parts.append(image._read_own(where[1:], 0)[np.newaxis])
                else:
                    inside = (*where[:place], slice(at - begin, end - begin), *where[place + 1 :])
                    parts.append(image._read_own(inside, 0))
            at = end
        return np.concatenate(parts, axis=place)

    def close(self) -> None:
        """Nothing stays open."""
