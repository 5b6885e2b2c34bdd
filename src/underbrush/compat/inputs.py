"""The images that ilastik's command line names: one file, one dataset, or a stack of files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from underbrush.errors import UsageError
from underbrush.project.paths import is_url, split_inner
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image
from underbrush.sources.sequence import open_stack, stack_files

_ZARR = re.compile(r"(?i)^(.*?\.zarr)(?:[/\\](.*))?$", re.DOTALL)


@dataclass(frozen=True)
class Input:
    """One image of the command line."""

    given: str
    files: tuple[str, ...]
    """Addresses, one for each file of a stack."""
    is_stack: bool = False
    """Several files form one image."""

    @property
    def folder(self) -> str:
        """The folder of its (first) file; the current one for an address on the net."""
        if is_url(self.given):
            return str(Path.cwd())
        return str(Path(os.path.abspath(_split(self.files[0])[0])).parent)  # noqa: PTH100 - keeps links

    @property
    def nickname(self) -> str:
        """ilastik's name: ``im`` for im.h5, ``im-data`` for im.h5/data, what all names share for a stack."""
        stems, inner = [], ""
        for address in self.files:
            path, inner = _split(address)
            stems.append(os.path.splitext(os.path.basename(path.rstrip("/\\")))[0])  # noqa: PTH119, PTH122
        shared = 0
        while all(shared < len(s) and s[shared] == stems[0][shared] for s in stems):
            shared += 1
            if shared == len(stems[0]):
                break
        name = stems[0][:shared] or stems[0]
        return "-".join([name, *(part for part in inner.split("/") if part)])


def find_input(given: str) -> Input:
    """What one argument names: ``a.tif``, ``a.h5/data``, ``slices_*.png`` or paths joined as in PATH.

    The files of a pattern are in the order of their names as text, as in ilastik: img10 before img2.

    Raises
    ------
    ImageError
        A pattern that fits no file, or a file of a list that is not there.
    """
    files = stack_files(given)
    if not files:
        path = given if os.path.lexists(given) else os.path.expanduser(given)  # noqa: PTH111
        return Input(given, (path,))
    pieces = [p for p in given.split(os.pathsep) if p.strip()]
    ordered = [file for piece in pieces for file in (sorted(stack_files(piece)) or [piece])]
    same = sorted(ordered) == sorted(files)
    return Input(given, tuple(ordered) if same else files, is_stack=True)


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
    return open_stack(given.given, given.files, partial(open_image, indexed=indexed), along)


def _split(address: str) -> tuple[str, str]:
    """File, or folder that is an image, and the path inside it."""
    match = _ZARR.match(address)
    return (match[1], match[2] or "") if match else split_inner(address)
