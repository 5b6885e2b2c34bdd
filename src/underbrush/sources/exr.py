"""OpenEXR pictures: channels of half, float or uint32, one image for each part of the file.

The header is read here, so that its claims are held against the file. Pixels are decoded by the library
OpenEXR (an extra, see `extras.needed`) in a child process: it is native code that says on the terminal what
it thinks of a damaged file.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.childdecoder import ChildDecoder
from underbrush.sources.claims import check_decoded
from underbrush.sources.extras import needed
from underbrush.sources.selection import Chosen, chosen_image

_TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_MAX_HEADER = 16 << 20
_MULTIPART, _DEEP = 1 << 12, 1 << 11
_RATIO = 1 << 40
"""Wavelets (PIZ) and DCT (DWAA) know no bound of how small they make constant pixels."""


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    shape: tuple[int, int]
    channels: tuple[tuple[str, np.dtype[Any]], ...]


def open_source(address: Address) -> Image:
    """Open an OpenEXR picture; see `underbrush.sources.open_image`."""
    needed("OpenEXR", "exr", "an OpenEXR picture", address.location)
    file = BytesFile(address.path, address.location)
    try:
        parts = _parts(file)
        stored = file.size
    finally:
        file.close()
    names = [part.name or f"part {i}" for i, part in enumerate(parts)]
    chosen = chosen_image(names, address, "OpenEXR")
    if address.level:
        raise ImageError(
            f"there is no level {address.level}: only the full size of OpenEXR files is read",
            where=address.location,
            remedy="leave #level away",
        )
    for part in parts:  # The library decodes them all.
        size = sum(dtype.itemsize for _, dtype in part.channels) * part.shape[0] * part.shape[1]
        check_decoded(size, stored, _RATIO, address.location)
    return ExrImage(address, parts[chosen.number], chosen)


def _parts(file: BytesFile) -> list[_Part]:
    """What the header says.

    Raises
    ------
    ImageError
        It is damaged, or of a kind that is not read.
    """
    data = file.read_at(0, min(file.size, _MAX_HEADER))
    flags = struct.unpack_from("<I", data, 4)[0] if len(data) >= 8 else 0
    if flags & _DEEP:
        raise ImageError(
            "it holds deep pixels, each of several values",
            where=file.location,
            remedy="save it flattened, or as TIFF",
        )
    parts, at = [], 8
    try:
        while True:
            attributes: dict[str, tuple[str, bytes]] = {}
            while data[at]:
                name, at = _text(data, at)
                kind, at = _text(data, at)
                size = struct.unpack_from("<i", data, at)[0]
                at += 4
                if size < 0 or at + size > len(data):
                    raise IndexError
                attributes[name] = kind, data[at : at + size]
                at += size
            at += 1
            parts.append(_part(attributes, file.location))
            if not flags & _MULTIPART or not data[at]:
                return parts
    except (IndexError, ValueError, struct.error, KeyError):
        raise ImageError(
            "the header of the OpenEXR file is damaged or cut off",
            where=file.location,
            remedy="copy or export it again",
        ) from None


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at, at + 256)
    return data[at:end].decode("utf-8", "replace"), end + 1


def _part(attributes: dict[str, tuple[str, bytes]], location: str) -> _Part:
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"][1])
    channels = sorted(_channels(attributes["channels"][1], location), key=_order)
    shape = (bottom - top + 1, right - left + 1)
    if min(shape) < 1 or not channels:
        raise ImageError("the picture holds no pixels", where=location, remedy="save it again")
    name = attributes.get("name", ("string", b""))[1].decode("utf-8", "replace")
    return _Part(name, shape, tuple(channels))


def _channels(data: bytes, location: str) -> Iterator[tuple[str, np.dtype[Any]]]:
    at = 0
    while data[at]:
        name, at = _text(data, at)
        kind, _, across, down = struct.unpack_from("<iB3xii", data, at)
        at += 16
        if (across, down) != (1, 1):
            raise ImageError(
                f"its channel {name!r} has fewer pixels than others",
                where=location,
                remedy="save it as RGB",
            )
        yield name, _TYPES[kind]


def _order(channel: tuple[str, Any]) -> tuple[str, int, str]:
    """Layers by name; in each red, green, blue, alpha, then others: the file has them by the alphabet."""
    layer, _, name = channel[0].rpartition(".")
    return layer, "RGBA".find(name) if name in {"R", "G", "B", "A"} else 4, name


class ExrImage(Image):
    """A part of an OpenEXR file, decoded when it is first read and kept until it is closed."""

    def __init__(self, address: Address, part: _Part, chosen: Chosen) -> None:
        self._address, self._part, self._number = address, part, chosen.number
        self._lock = threading.Lock()
        self._pixels: NDArray[Any] | None = None
        self._closed = False
        names = tuple(name for name, _ in part.channels)
        shape = part.shape if len(names) == 1 else (*part.shape, len(names))
        self.info = ImageInfo(
            location=address.location,
            axes="yx" if len(names) == 1 else "yxc",
            shape=shape,
            dtype=np.result_type(*(dtype for _, dtype in part.channels)),
            levels=(shape,),
            channels=names if names not in {("R", "G", "B"), ("R", "G", "B", "A")} else (),
            alpha=len(names) - 1 if len(names) > 1 and names[-1] == "A" else None,
            series=chosen.series,
            problems=chosen.problems,
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        with self._lock:
            if self._closed:
                raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
            if self._pixels is None:
                self._pixels = self._decoded()
            return self._pixels[where].copy()

    def _decoded(self) -> NDArray[Any]:
        names = [name for name, _ in self._part.channels]
        rows, columns = self._part.shape
        child = ChildDecoder.of_codecs(rows * columns * len(names) * self.dtype.itemsize)
        try:
            pixels = child.decode_exr(self._address.path, self._number, names, self.dtype)
        except ImageError as error:
            raise ImageError(
                f"the picture {error.problem}", where=self.info.location, remedy="copy or export it again"
            ) from error
        finally:
            child.close()
        if pixels.shape != (rows, columns, len(names)):
            raise ImageError(
                f"the picture is damaged: it unpacks to {pixels.shape}, not {(rows, columns, len(names))}",
                where=self.info.location,
                remedy="copy or export it again",
            )
        return pixels.reshape(self.info.shape)

    def close(self) -> None:
        """See `Image.close`."""
        with self._lock:
            self._closed, self._pixels = True, None
