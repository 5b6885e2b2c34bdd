"""Blocks of N5 packed with lz4, which tensorstore does not unpack.

Java packs them in frames of its own (``LZ4Block``, a method, two lengths, a checksum that is not looked at),
Rust in those of the program lz4. A block claims its sizes and each frame its length: both are held against
the size of blocks that the array has before anything is unpacked, so that no memory goes to what cannot be.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError
from underbrush.sources.remote import Place
from underbrush.sources.zarrimage import ArrayLevel, check_array, counted_level

_JAVA = b"LZ4Block"
_JAVA_HEAD = struct.Struct("<8sBIII")
_STORED, _PACKED = 0x10, 0x20
_FRAME = b"\x04\x22\x4d\x18"
_TYPES = {f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)} | {"float32", "float64"}


class _BadBlockError(Exception):
    """A block is not what it should be; the text says why."""


def is_lz4(attributes: dict[str, Any]) -> bool:
    """Whether the blocks of an array are packed with lz4, by its ``attributes.json``."""
    packed = attributes.get("compression", attributes.get("compressionType"))
    return (packed.get("type") if isinstance(packed, dict) else packed) == "lz4"


def open_level(place: Place, attributes: dict[str, Any]) -> ArrayLevel:
    """The array at ``place`` by its ``attributes.json``, axes turned around as `zarrimage.open_array` does.

    Raises
    ------
    ImageError
        They cannot be used, or claim blocks that are too large.
    """
    import tensorstore as ts  # noqa: PLC0415 (see `remote.new_context`)

    shape, chunk = _whole(attributes, "dimensions", 1), _whole(attributes, "blockSize", 1)
    kind = attributes.get("dataType")
    if not shape or len(shape) != len(chunk) or kind not in _TYPES or max(*shape, *chunk) >= 1 << 40:
        raise ImageError(
            f"the attributes of its array {place.name!r} name no size, blocks or type",
            where=place.location,
            remedy="copy it again",
        )
    dtype = np.dtype(str(kind))
    check_array(tuple(shape), tuple(chunk), dtype, place.location)
    files = ts.KvStore.open(place.spec, context=place.context).result()
    layout = ts.ChunkLayout(chunk_shape=chunk, grid_origin=[0] * len(shape))
    store = ts.virtual_chunked(
        _Blocks(files, chunk, dtype).fill,
        dtype=str(kind),
        shape=shape,
        chunk_layout=layout,
        context=place.context,
    )
    return counted_level(store.T, tuple(shape[::-1]), tuple(chunk[::-1]), place)


def _whole(attributes: dict[str, Any], name: str, least: int) -> list[int]:
    said = attributes.get(name)
    fits = isinstance(said, list) and all(type(n) is int and n >= least for n in said)
    return list(said) if isinstance(said, list) and fits else []


@dataclass(frozen=True)
class _Blocks:
    """The blocks of an array: read, unpacked and put where they belong."""

    files: Any
    """tensorstore.KvStore of the folder of the array."""
    chunk: list[int]
    dtype: np.dtype[Any]

    def fill(self, domain: Any, array: NDArray[Any], parameters: Any) -> None:
        """Put the pixels of ``domain``, which lies in one block, into ``array`` (axes as in N5, x first)."""
        place = [low // n for low, n in zip(domain.origin, self.chunk, strict=True)]
        name = "/".join(map(str, place))
        got = self.files.read(name).result()
        if got.state != "value":
            raise ValueError(f"NOT_FOUND: block {name}")
        try:
            pixels = unpacked(bytes(got.value), self.chunk, self.dtype)
        except _BadBlockError as error:
            raise ValueError(f"block {name} {error}") from None
        first = [low - i * n for low, i, n in zip(domain.origin, place, self.chunk, strict=True)]
        array[...] = 0  # as in N5: what a block leaves out
        source = tuple(slice(a, a + n) for a, n in zip(first, array.shape, strict=True))
        inner = pixels[source]
        array[tuple(slice(0, n) for n in inner.shape)] = inner


def unpacked(data: bytes, chunk: list[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The pixels of a block, axes as in N5; sizes are at most those of ``chunk``.

    Raises
    ------
    _BadBlockError
        It is damaged.
    """
    n = len(chunk)
    try:
        mode, count = struct.unpack_from(">HH", data)
        sizes = struct.unpack_from(f">{n}I", data, 4)
        at = 4 + 4 * n
        if mode == 1:
            at += 4
    except struct.error:
        raise _BadBlockError("is cut off") from None
    if mode > 1 or count != n or any(a > b for a, b in zip(sizes, chunk, strict=True)):
        raise _BadBlockError(f"claims {count} axes, sizes {sizes}, and the blocks are {tuple(chunk)}")
    size = math.prod(sizes) * dtype.itemsize
    packed = memoryview(data)[at:]
    pixels = _frame(packed, size) if packed[:4] == _FRAME else _java(packed, size)
    # The first axis of N5 is the fastest one.
    return np.frombuffer(pixels, dtype.newbyteorder(">")).reshape(sizes[::-1]).T


def _java(packed: memoryview, size: int) -> bytes:
    parts: list[bytes] = []
    left, at = size, 0
    while left:
        try:
            magic, token, stored, plain, _ = _JAVA_HEAD.unpack_from(packed, at)
        except struct.error:
            raise _BadBlockError("is cut off") from None
        at += _JAVA_HEAD.size
        method = token & 0xF0
        if magic != _JAVA or method not in (_STORED, _PACKED) or (method == _STORED and stored != plain):
            raise _BadBlockError("is not packed with lz4 as N5 does it")
        if not 0 < plain <= left:
            raise _BadBlockError(f"claims {plain} of the {left} bytes that are left in it")
        if at + stored > len(packed):
            raise _BadBlockError("is cut off")
        part = bytes(packed[at : at + stored])
        parts.append(part if method == _STORED else _decoded(part, plain))
        at, left = at + stored, left - plain
    return b"".join(parts)


def _decoded(part: bytes, plain: int) -> bytes:
    try:
        found = bytes(imagecodecs.lz4_decode(part, header=False, out=plain))
    except Exception as error:
        raise _BadBlockError("cannot be unpacked") from error
    if len(found) != plain:
        raise _BadBlockError(f"unpacks to {len(found)} bytes, not {plain}")
    return found


def _frame(packed: memoryview, size: int) -> bytes:
    try:
        # One byte more than there may be: the decoder stops in silence where there is no room.
        found = bytes(imagecodecs.lz4f_decode(bytes(packed), out=size + 1))
    except Exception as error:
        raise _BadBlockError("cannot be unpacked") from error
    if len(found) != size:
        more = "more than " if len(found) > size else f"{len(found)} bytes, not "
        raise _BadBlockError(f"unpacks to {more}{size}")
    return found
