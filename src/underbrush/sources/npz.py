"""NumPy's npz files: several npy arrays in one zip; which one is wanted is named by the inner path."""

from __future__ import annotations

import io
import threading
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import default_axes
from underbrush.errors import ImageError, SeveralImagesError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import unreadable
from underbrush.sources.claims import check_decoded, check_plain, guessed_axes_problem
from underbrush.sources.npy import parse_header

_DEFLATE_RATIO = 1032
"""Best that deflate can do (258 bytes in 2 bits); bzip2 and lzma in zip do more and are allowed 40000."""
_MAX_NAMES = 20


def open_source(address: Address) -> Image:
    """Open an array of an npz file; see `underbrush.sources.open_image`."""
    check_plain(address, "npz", inner=True)
    try:
        with zipfile.ZipFile(address.path) as archive:
            entry = _choose(archive, address)
            with archive.open(entry) as member:
                head = member.read(70_000)
    except OSError as error:
        raise unreadable(error, address.location) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(address, error) from None
    ratio = _DEFLATE_RATIO if entry.compress_type <= zipfile.ZIP_DEFLATED else 40_000
    check_decoded(entry.file_size, entry.compress_size, ratio, address.location)
    return NpzImage(address, entry, head)


class NpzImage(Image):
    """One array of an npz file. A zip has no random access: it is decoded whole when first read."""

    def __init__(self, address: Address, entry: zipfile.ZipInfo, head: bytes) -> None:
        self._address, self._entry = address, entry
        self._lock = threading.Lock()
        self._array: NDArray[Any] | None = None
        self._closed = False
        self._offset, shape, self._stored, self._fortran = parse_header(
            _MemberHead(head, entry.file_size, address.location), 0, address.location
        )
        needed = self._offset + int(np.prod(shape, dtype=object)) * self._stored.itemsize
        if needed > entry.file_size:
            raise ImageError(
                f"{entry.filename!r} is cut off: it has {entry.file_size:,} bytes, {needed:,} are needed",
                where=address.location,
                remedy="save it again",
            )
        axes = default_axes(shape)
        self.info = ImageInfo(
            location=address.location,
            axes=axes,
            shape=shape,
            dtype=self._stored.newbyteorder("="),
            axes_known=len(shape) == 2,
            levels=(shape,),
            problems=guessed_axes_problem(shape, axes),
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        with self._lock:
            if self._closed:
                raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
            if self._array is None:
                self._array = self._decode()
            return self._array[where].copy()

    def _decode(self) -> NDArray[Any]:
        try:
            with zipfile.ZipFile(self._address.path) as archive, archive.open(self._entry) as member:
                data = member.read()
        except OSError as error:
            raise unreadable(error, self.info.location) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise _damaged(self._address, error) from None
        count = int(np.prod(self.info.shape))
        flat = np.frombuffer(data, self._stored, count, self._offset)
        return flat.reshape(self.info.shape, order="F" if self._fortran else "C")

    def close(self) -> None:
        """See `Image.close`."""
        with self._lock:
            self._closed, self._array = True, None


class _MemberHead:
    """The first bytes of a member, with the reading that `parse_header` wants."""

    def __init__(self, head: bytes, size: int, location: str) -> None:
        self._bytes, self.size, self._location = io.BytesIO(head), size, location

    def read_at(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset``."""
        self._bytes.seek(offset)
        data = self._bytes.read(count)
        if len(data) < count or (offset == 0 and data[:6] != b"\x93NUMPY"):
            raise ImageError(
                "the array is no npy array", where=self._location, remedy="save it with numpy.savez"
            )
        return data


def _choose(archive: zipfile.ZipFile, address: Address) -> zipfile.ZipInfo:
    entries = {e.filename.removesuffix(".npy"): e for e in archive.infolist() if e.filename.endswith(".npy")}
    if not entries:
        raise ImageError(
            "this is a zip archive without npy arrays",
            where=address.location,
            remedy="unpack it and name a file",
        )
    wanted = address.inner.removesuffix(".npy")
    listed = ", ".join(list(entries)[:_MAX_NAMES])
    if wanted:
        if wanted not in entries:
            raise ImageError(
                f"there is no array {wanted!r}; there are {listed}",
                where=address.location,
                remedy="name one of them",
            )
        return entries[wanted]
    if len(entries) > 1:
        raise SeveralImagesError(
            f"the file holds several arrays ({listed})",
            where=address.location,
            remedy=f"name one, as in {address.path}/{next(iter(entries))}",
            choices=tuple(f"{address.path}/{name}" for name in entries),
        )
    return next(iter(entries.values()))


def _damaged(address: Address, error: Exception) -> ImageError:
    return ImageError(f"the npz file is damaged ({error})", where=address.location, remedy="save it again")
