"""Pixels of images copied into the project file, and out of it again; piece by piece, in bounded memory."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Halo, TileGrid, from_internal
from underbrush.engine.lanes import linked_image
from underbrush.engine.scheduler import Cancelled
from underbrush.errors import OutputError, ProjectError, UsageError
from underbrush.files import Replacing, hdf5_in, safe_name
from underbrush.project.axistags import axistags_text
from underbrush.project.paths import embedded_source
from underbrush.project.schema import Source
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image

if TYPE_CHECKING:
    from underbrush.engine.session import Session

DATASET = "data"
"""The dataset of an image that is written out of a project."""
_PIECE = 1 << 22
"""Pixels that are copied at a time, all channels together."""
_ROOM = 1 << 24
"""Bytes that must stay free on the disk."""
Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""


@dataclass(frozen=True)
class Pixels:
    """The pixels of an open image as they are to be stored, in the order of its axes."""

    image: Image
    progress: Progress = lambda done, total: None
    cancel: threading.Event | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in the order of the axes."""
        return self.image.shape

    @property
    def axes(self) -> str:
        """Order of the axes."""
        return self.image.axes

    @property
    def dtype(self) -> np.dtype[Any]:
        """As it is stored: ilastik knows no truth values."""
        return np.dtype(np.uint8) if self.image.dtype.kind == "b" else self.image.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def parts(self) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
        """Pieces with their places.

        Raises
        ------
        Cancelled
            ``cancel`` was set.
        """
        shape, axes = self.image.shape5, self.image.axes
        done, total = 0, self.nbytes
        for tile in TileGrid(Box.whole(shape), _piece(shape), Halo(), shape):
            if self.cancel is not None and self.cancel.is_set():
                raise Cancelled
            values = self.image.read(tile.valid).astype(self.dtype, copy=False)
            where = dict(zip("tczyx", tile.valid.slices, strict=True))
            yield tuple(where[a] for a in axes), from_internal(values, axes)
            done += values.nbytes
            self.progress(done, total)


def _piece(shape: tuple[int, int, int, int, int]) -> tuple[int, int, int, int, int]:
    """Sizes of a piece: whole rows where that is not too much."""
    _, c, z, y, x = shape
    wide = min(x, max(1, _PIECE // c))
    high = min(y, max(1, _PIECE // (c * wide)))
    deep = min(z, max(1, _PIECE // (c * wide * high)))
    return 1, c, deep, high, wide


def size_of(session: Session, lane: str) -> int:
    """Bytes that an image would add to its project.

    Raises
    ------
    UnderbrushError
        It cannot be read.
    """
    return Pixels(session.image(lane)).nbytes


def take_in(
    session: Session,
    lane: str,
    progress: Progress = lambda done, total: None,
    cancel: threading.Event | None = None,
) -> Source:
    """Copy the pixels of an image into the project file; gives the source for the command `Embed`.

    Until that command is carried out nothing has changed but the size of the file.

    Raises
    ------
    UnderbrushError
        The image cannot be read, the disk is full; the project is as it was.
    Cancelled
        ``cancel`` was set; the project is as it was.
    """
    entry = session.document.lanes.get(lane)
    if entry is None:
        raise ProjectError("this image is not in the project (any more)", remedy="choose another")
    if entry.raw.kind == "embedded":
        raise UsageError("this image lies in the project already", where=entry.nickname, remedy="")
    image = session.image(lane)
    pixels = Pixels(image, progress, cancel)
    _check_room(session.path.parent, pixels.nbytes + _size(session.path))
    source = embedded_source(entry.nickname, image.axes, image.shape)
    session.save_with({source.inner: pixels})
    return replace(source, pixel_size=dict(image.pixel_size))


def put_out(
    session: Session,
    lane: str,
    progress: Progress = lambda done, total: None,
    cancel: threading.Event | None = None,
) -> Source:
    """Write an embedded image as a file beside the project; gives the source for the command `Embed`.

    It is HDF5 with the axes and sizes of pixels that the project says, under a name that is free.

    Raises
    ------
    UnderbrushError
        The image cannot be read, the disk is full or cannot be written; nothing stays.
    Cancelled
        ``cancel`` was set; nothing stays.
    """
    entry = session.document.lanes.get(lane)
    if entry is None or entry.raw.kind != "embedded":
        raise UsageError("this image does not lie in the project", remedy="choose one that does")
    image = session.image(lane)
    pixels = Pixels(image, progress, cancel)
    _check_room(session.path.parent, pixels.nbytes)
    path = _free(session.path.parent, safe_name(entry.nickname))
    sizes = image.pixel_size
    with Replacing(path) as output, hdf5_in(output, "w") as file:
        data = file.create_dataset(DATASET, pixels.shape, pixels.dtype, chunks=True)
        data.attrs["axistags"] = axistags_text(image.axes, {a: s for a, (s, _) in sizes.items()})
        for where, values in pixels.parts():
            data[where] = values
    with open_image(f"{path}/{DATASET}") as written:
        source = linked_image(f"{path}/{DATASET}", written)
    stored = f"{path.name}/{DATASET}"
    return replace(source, stored=stored, files=(path.name,), axes=image.axes, pixel_size=dict(sizes))


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _ROOM > free:
        raise OutputError(
            f"it needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free",
            where=folder,
            remedy="make room, or leave the image where it is",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _free(folder: Path, name: str) -> Path:
    number = 1
    while True:
        path = folder / (f"{name}.h5" if number == 1 else f"{name} {number}.h5")
        if not os.path.lexists(path):
            return path
        number += 1
