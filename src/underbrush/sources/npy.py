"""NumPy's npy files: C and Fortran order, any byte order; pickled objects are refused."""

from __future__ import annotations

import ast
import math
import struct
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import default_axes
from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.claims import check_plain, guessed_axes_problem
from underbrush.sources.raw import RawArray

_MAX_HEADER = 64 << 10
"""Bytes; NumPy writes about 100."""


def open_source(address: Address) -> Image:
    """Open an npy file; see `underbrush.sources.open_image`."""
    check_plain(address, "npy")
    file = BytesFile(address.path, address.location)
    try:
        return NpyImage(file, 0, address)
    except BaseException:
        file.close()
        raise


class NpyImage(Image):
    """An npy array that lies at ``start`` of ``file``; axes are never known, npy has no word for them."""

    def __init__(self, file: BytesFile, start: int, address: Address) -> None:
        self._file = file
        offset, shape, dtype, fortran = parse_header(file, start, address.location)
        axes = default_axes(shape)
        self._array = RawArray(file, offset, shape, dtype, fortran)
        self.info = ImageInfo(
            location=address.location,
            axes=axes,
            shape=shape,
            dtype=dtype.newbyteorder("="),
            axes_known=len(shape) == 2,
            levels=(shape,),
            problems=guessed_axes_problem(shape, axes),
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        return self._array.read(where)

    def close(self) -> None:
        """See `Image.close`."""
        self._file.close()


class _ReadsBytes(Protocol):
    def read_at(self, offset: int, count: int) -> bytes: ...


def parse_header(
    file: _ReadsBytes, start: int, location: str
) -> tuple[int, tuple[int, ...], np.dtype[Any], bool]:
    """Offset of the data, shape, dtype and whether in Fortran order (format: NumPy's NEP 1, versions 1 to 3).

    Raises
    ------
    ImageError
        No npy header, pickled objects or a record type, not 2 to 5 axes, no pixels.
    """
    magic = file.read_at(start, 8)
    wide = magic[6] >= 2
    length = struct.unpack("<I" if wide else "<H", file.read_at(start + 8, 4 if wide else 2))[0]
    head = start + (12 if wide else 10)
    if magic[6] not in (1, 2, 3) or length > _MAX_HEADER:
        raise _damaged(location)
    try:
        header = ast.literal_eval(file.read_at(head, length).decode("utf-8" if magic[6] == 3 else "latin1"))
        descr, fortran, shape = header["descr"], header["fortran_order"], tuple(header["shape"])
        well = isinstance(fortran, bool) and all(type(n) is int and n >= 0 for n in shape)
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
        raise _damaged(location) from None
    if not well:
        raise _damaged(location)
    dtype = _image_dtype(descr, location)
    return head + length, _image_shape(shape, location), dtype, fortran


def _image_dtype(descr: object, location: str) -> np.dtype[Any]:
    if isinstance(descr, str) and "O" in descr:
        raise ImageError(
            "the array holds pickled Python objects, which are never loaded because they could run code",
            where=location,
            remedy="save a plain array of numbers with numpy.save",
        )
    try:
        dtype = np.dtype(descr) if isinstance(descr, str) else np.dtype("V")
    except TypeError:
        dtype = np.dtype("V")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise ImageError(
            f"values of type {descr!r} are no pixels", where=location, remedy="save integers or real numbers"
        )
    return dtype


def _image_shape(shape: tuple[int, ...], location: str) -> tuple[int, ...]:
    if not 2 <= len(shape) <= 5:
        raise ImageError(
            f"the array has {len(shape)} axes, shape {shape}",
            where=location,
            remedy="save one of 2 to 5 axes",
        )
    if math.prod(shape) == 0:
        raise ImageError(
            f"the array of shape {shape} holds no pixels", where=location, remedy="save it again"
        )
    return shape


def _damaged(location: str) -> ImageError:
    return ImageError(
        "the header of the npy file is damaged", where=location, remedy="save it again with numpy.save"
    )
