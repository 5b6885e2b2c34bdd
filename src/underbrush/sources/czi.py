"""Zeiss CZI: the directory of its subblocks, and what the metadata say.

A CZI file is a list of segments. One is the directory; each of its entries names a subblock, a rectangle of
pixels of one channel, slice and time: a whole plane, a tile of a mosaic (M) or of a smaller copy. The numbers
are little-endian and at the places that the published descriptions of the format name.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import Image
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.units import sizes

_SEGMENT = struct.Struct("<16sqq")
_HEADER = struct.Struct("<iqqiq")
"""Part of a multi-file image, position of the directory and of the metadata, pending update, attachments."""
_HEADER_AT = 32 + 48
_ENTRY = struct.Struct("<2siqiiBB4si")
_DIMENSION = struct.Struct("<4siifi")
_SUBBLOCK = struct.Struct("<iiq")
_DIRECTORY_HEAD, _METADATA_HEAD = 128, 256
_XML_LIMIT = 256 << 20
_LENGTH = 1 << 31


@dataclass(frozen=True, slots=True)
class Subblock:
    """A rectangle of pixels as the directory lists it."""

    position: int
    """Where its segment begins."""
    pixel_type: int
    compression: int
    places: dict[str, int]
    """Index along each axis that is neither X, Y nor M: C, Z, T, S, ..."""
    x: int
    y: int
    width: int
    height: int
    stored: tuple[int, int]
    """Rows and columns as stored; fewer than height and width in a smaller copy."""
    mosaic: int
    """Of overlapping tiles the one with the higher number lies on top."""


@dataclass(slots=True)
class CziMeta:
    """What the XML says; all of it may be missing."""

    pixel_size: dict[str, tuple[float, str]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    scenes: dict[int, str] = field(default_factory=dict)


def open_source(address: Address) -> Image:
    """Open a CZI file; see `underbrush.sources.open_image`."""
    from underbrush.sources.cziimage import open_czi  # noqa: PLC0415 (it builds on this module)

    file = BytesFile(address.path, address.location)
    try:
        blocks, metadata = read_structure(file)
        return open_czi(file, blocks, metadata, address)
    except BaseException:
        file.close()
        raise


def read_structure(file: BytesFile) -> tuple[list[Subblock], CziMeta]:
    """The subblocks in the order of the directory, and the metadata.

    Raises
    ------
    ImageError
        The file is cut off, damaged, not finished, or part of a set of files.
    """
    part, directory, metadata, pending, _ = _HEADER.unpack(file.read_at(_HEADER_AT, _HEADER.size))
    if not directory:
        raise ImageError(
            "the CZI file was never finished: it has no directory of its images",
            where=file.location,
            remedy="open it in ZEN and save it again" if pending else "copy or export it again",
        )
    if part:
        raise ImageError(
            f"this is part {part} of a CZI image in several files",
            where=file.location,
            remedy="save it as one file in ZEN",
        )
    return list(_entries(file, directory)), _metadata(file, metadata)


def segment(file: BytesFile, position: int, name: bytes) -> tuple[int, int]:
    """Where the content of the segment at ``position`` begins, and its length.

    Raises
    ------
    ImageError
        There is no segment of this name.
    """
    found, allocated, used = _SEGMENT.unpack(file.read_at(position, _SEGMENT.size))
    start = position + _SEGMENT.size
    length = used or allocated
    if found.rstrip(b"\0") != name or length < 0:
        raise _damaged(file, f"there is no {name.decode()} at byte {position}")
    return start, min(length, file.size - start)


def _entries(file: BytesFile, position: int) -> Iterator[Subblock]:
    start, length = segment(file, position, b"ZISRAWDIRECTORY")
    if length < _DIRECTORY_HEAD:
        raise file.too_short(start + _DIRECTORY_HEAD)
    data = file.read_at(start, length)
    count = struct.unpack_from("<i", data)[0]
    at = _DIRECTORY_HEAD
    if count == 0:
        raise ImageError("the CZI file holds no image", where=file.location, remedy="copy or export it again")
    if count < 0 or at + count * _ENTRY.size > length:
        raise _damaged(file, f"its directory claims {count} images in {length} bytes")
    for _ in range(count):
        try:
            block, at = _entry(file, data, at)
        except struct.error:
            raise _damaged(file, "its directory is cut off") from None
        yield block


def _entry(file: BytesFile, data: bytes, at: int) -> tuple[Subblock, int]:
    schema, pixel_type, position, part, compression, _, _, _, count = _ENTRY.unpack_from(data, at)
    at += _ENTRY.size
    if schema != b"DV" or not 2 <= count <= 40:
        raise _damaged(file, f"its directory has an entry of kind {schema!r} with {count} axes")
    if part:
        raise ImageError(
            "its pixels lie in several files, of which only single ones are read",
            where=file.location,
            remedy="save it as one file in ZEN",
        )
    spans: dict[str, tuple[int, int, int]] = {}
    for _ in range(count):
        letters, first, size, _, stored = _DIMENSION.unpack_from(data, at)
        at += _DIMENSION.size
        spans[letters.rstrip(b"\0").decode("latin-1")] = (first, size, stored or size)
    if "X" not in spans or "Y" not in spans:
        raise _damaged(file, "its directory has an image without X and Y")
    (x, width, columns), (y, height, rows) = spans.pop("X"), spans.pop("Y")
    mosaic = spans.pop("M", (0, 1, 1))[0]
    if min(width, height, columns, rows) < 1 or any(abs(n) >= _LENGTH for n in (x, y, width, height)):
        raise _damaged(file, f"its directory has an image of {height} x {width} pixels")
    if any(size != 1 for _, size, _ in spans.values()):
        raise ImageError(
            "its planes are stored several in one block, which is not read",
            where=file.location,
            remedy="export the image as OME-TIFF",
        )
    places = {letter: first for letter, (first, _, _) in spans.items()}
    return Subblock(
        position, pixel_type, compression, places, x, y, width, height, (rows, columns), mosaic
    ), at


def pixel_bytes(file: BytesFile, position: int) -> tuple[int, int]:
    """Where the (packed) pixels of the subblock at ``position`` begin, and how many bytes they are.

    Raises
    ------
    ImageError
        There is no subblock, or it does not lie in the file.
    """
    start, _ = segment(file, position, b"ZISRAWSUBBLOCK")
    head = file.read_at(start, _SUBBLOCK.size + _ENTRY.size)
    metadata, _, count = _SUBBLOCK.unpack_from(head)
    axes = _ENTRY.unpack_from(head, _SUBBLOCK.size)[-1]
    if min(metadata, count) < 0 or not 2 <= axes <= 40:
        raise _damaged(file, f"the block at byte {position} has no sizes")
    entry = _SUBBLOCK.size + _ENTRY.size + axes * _DIMENSION.size
    at = start + max(_METADATA_HEAD, entry) + metadata
    if at + count > file.size:
        raise file.too_short(at + count)
    return at, count


def _metadata(file: BytesFile, position: int) -> CziMeta:
    """What the XML says, nothing if there is none or it is broken: the pixels can be read without."""
    if not position:
        return CziMeta()
    start, _ = segment(file, position, b"ZISRAWMETADATA")
    count = struct.unpack("<i", file.read_at(start, 4))[0]
    if not 0 < count <= _XML_LIMIT:
        return CziMeta()
    try:
        root = ET.fromstring(file.read_at(start + _METADATA_HEAD, count))
    except (ET.ParseError, ValueError):
        return CziMeta()
    dimensions = "./Metadata/Information/Image/Dimensions"
    found = CziMeta(pixel_size=sizes(_scaling(root)))
    channels = root.findall(f"{dimensions}/Channels/Channel")
    names = tuple((c.get("Name") or c.findtext("Name") or c.get("Id") or "").strip() for c in channels)
    found.channels = names if all(names) else ()
    for one in root.findall(f"{dimensions}/S/Scenes/Scene"):
        number, name = one.get("Index", ""), (one.get("Name") or "").strip()
        if number.isdecimal() and name:
            found.scenes[int(number)] = name
    step = root.findtext(f"{dimensions}/T/Positions/Interval/Increment")
    found.pixel_size |= sizes({"t": (step, "s")})
    return found


def _scaling(root: ET.Element) -> dict[str, tuple[object, str]]:
    """Sizes of the pixels, which stand there in metres."""
    found: dict[str, tuple[object, str]] = {}
    for item in root.findall("./Metadata/Scaling/Items/Distance"):
        axis, value = item.get("Id", "").lower(), item.findtext("Value")
        try:
            if axis in {"x", "y", "z"} and value is not None:
                # Rounded to ten figures, so that 6.5e-7 m is 0.65 µm.
                found[axis] = (float(f"{float(value) * 1e6:.10g}"), "µm")
        except ValueError:
            continue
    return found


def _damaged(file: BytesFile, what: str) -> ImageError:
    return ImageError(
        f"the CZI file is damaged: {what}", where=file.location, remedy="copy or export it again"
    )
