"""Leica LIF: images of one file, each a block of uncompressed numbers.

The library liffile reads the tree of images and where their blocks lie (an extra, see `extras.needed`). How
the numbers of a block lie is told by the XML of the image, a distance in bytes for each axis and channel:
only the rows of a box are read.
"""

from __future__ import annotations

import logging
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError, UnderbrushError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile
from underbrush.sources.extras import needed
from underbrush.sources.raw import GAP, SPAN
from underbrush.sources.selection import Chosen, check_count, chosen_image
from underbrush.sources.stream import Stream
from underbrush.sources.units import sizes

# What liffile notices goes to the log of whoever wants it, never to the terminal.
logging.getLogger("liffile").addHandler(logging.NullHandler())

_LETTERS = {1: "x", 2: "y", 3: "z", 4: "t"}
"""Number of an axis in the file -> our letter."""
_APART = {5: "wavelength", 6: "rotation", 7: "slice", 8: "slice", 9: "excitation", 10: "tile", 11: "loop"}
"""Other axes: each place along them is an image of its own."""
_COLOURS = {1, 2, 3}
"""Tags of channels: red, green, blue."""
_IMAGE = "./Data/Image/ImageDescription"


@dataclass(frozen=True, slots=True)
class _Axis:
    number: int
    size: int
    length: float
    unit: str
    step: int
    """Bytes from one place to the next."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the numbers of an image lie in its block."""

    axes: dict[str, _Axis]
    """By our letters, without channels."""
    apart: tuple[_Axis, ...]
    channels: tuple[tuple[int, np.dtype[Any]], ...]
    """Distance in bytes from the first, and type, of each channel."""
    names: tuple[str, ...]
    is_colour: bool
    turned: str
    """What the rows are if there is no y: ``z`` or ``t``, else empty."""


@dataclass(frozen=True, slots=True)
class _One:
    """What can be chosen: an image, and a place along its other axes."""

    name: str
    element: ET.Element
    image: Any
    place: tuple[int, ...]


def open_source(address: Address) -> Image:
    """Open a LIF file; see `underbrush.sources.open_image`."""
    liffile = needed("liffile", "lif", "a Leica LIF file", address.location)
    file = BytesFile(address.path, address.location)
    try:
        with liffile.LifFile(Stream(file), squeeze=False) as lif:
            return _open(lif, file, address)
    except UnderbrushError:
        file.close()
        raise
    except Exception as error:
        # Each layer of the library has exceptions of its own.
        file.close()
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise ImageError(
            f"the LIF file cannot be understood ({reason:.160})",
            where=address.location,
            remedy="copy it again, or export the image as TIFF",
        ) from error
    except BaseException:
        file.close()
        raise


def _open(lif: Any, file: BytesFile, address: Address) -> Image:
    all_images = list(lif.images)
    ones = [one for image in all_images if not image.is_flim for one in _ones(image, address.location)]
    if not ones:
        raise ImageError(
            "the LIF file holds no image"
            + (" but lifetimes of photons (FLIM), which are not read" if all_images else ""),
            where=address.location,
            remedy="export the image as TIFF",
        )
    chosen = chosen_image([one.name for one in ones], address, "LIF")
    if address.level:
        raise ImageError(
            f"there is no level {address.level}: LIF files hold no smaller copies",
            where=address.location,
            remedy="leave #level away",
        )
    one = ones[chosen.number]
    layout = _layout(one.element, address.location)
    block = one.image.memory_block
    if block.offset < 0 or block.frames:
        raise ImageError(
            "its pixels lie in other files", where=address.location, remedy="open those, or export it as TIFF"
        )
    if block.offset + block.size > file.size:
        raise file.too_short(block.offset + block.size)
    start = sum(i * axis.step for i, axis in zip(one.place, layout.apart, strict=True))
    _check(layout, start, block.size, address.location)
    return LifImage(_info(layout, address, chosen), layout, file, block.offset + start)


def _ones(image: Any, location: str) -> Iterator[_One]:
    apart = _apart(_axes(image.xml_element))
    check_count(math.prod(axis.size for axis in apart), location)
    for place in product(*(range(axis.size) for axis in apart)):
        words = [f"{_word(axis)} {i}" for axis, i in zip(apart, place, strict=True)]
        yield _One(" ".join([image.path, *words]), image.xml_element, image, place)


def _axes(element: ET.Element) -> list[_Axis]:
    return [
        _Axis(
            int(one.attrib["DimID"]),
            int(one.attrib["NumberOfElements"]),
            float(one.get("Length") or 0),
            one.get("Unit", ""),
            int(one.attrib["BytesInc"]),
        )
        for one in element.findall(f"{_IMAGE}/Dimensions/DimensionDescription")
    ]


def _apart(axes: Sequence[_Axis]) -> list[_Axis]:
    return [axis for axis in axes if axis.number not in _LETTERS and axis.size > 1]


def _word(axis: _Axis) -> str:
    return _APART.get(axis.number, f"axis {axis.number}")


def _layout(element: ET.Element, location: str) -> _Layout:
    axes = _axes(element)
    named = {_LETTERS[axis.number]: axis for axis in axes if axis.number in _LETTERS}
    named = {a: axis for a, axis in named.items() if axis.size > 1 or a in "xy"}
    turned = ""
    if "y" not in named:
        # A line scan: its rows are slices or times.
        turned = next((a for a in "zt" if a in named), "")
        if turned:
            named["y"] = named.pop(turned)
    channels, names, colour = _channels(element)
    if "x" not in named or "y" not in named or not channels:
        raise ImageError(
            "this image of the LIF file has no rows and columns",
            where=location,
            remedy="name another with #series=N",
        )
    if any(axis.size < 1 or axis.step < 0 for axis in axes):
        raise ImageError(
            "the LIF file is damaged: an axis has no size", where=location, remedy="copy it again"
        )
    return _Layout(named, tuple(_apart(axes)), channels, names, colour, turned)


def _channels(element: ET.Element) -> tuple[tuple[tuple[int, np.dtype[Any]], ...], tuple[str, ...], bool]:
    found = []
    for one in element.findall(f"{_IMAGE}/Channels/ChannelDescription"):
        bits, real = int(one.attrib["Resolution"]), one.get("DataType", "0") == "1"
        size = next(n for n in (1, 2, 4, 8) if bits <= 8 * n)
        dye = one.find("./ChannelProperty[Key='DyeName']/Value")
        name = (dye.text if dye is not None and dye.text else one.get("LUTName", "")).strip()
        tag = int(one.get("ChannelTag", "0"))
        found.append((tag, int(one.attrib["BytesInc"]), np.dtype(f"<{'f' if real else 'u'}{size}"), name))
    colour = len(found) == 3 and {tag for tag, *_ in found} == _COLOURS
    if colour:
        # Red, green, blue, however they are stored.
        found.sort(key=lambda one: one[0])
    names = tuple(name for *_, name in found)
    told = all(names) and len(set(names)) == len(names) and not colour
    return tuple((at, dtype) for _, at, dtype, _ in found), names if told else (), colour


def _check(layout: _Layout, start: int, size: int, location: str) -> None:
    """Refuse an image that reaches beyond its block."""
    last = start + sum((axis.size - 1) * axis.step for axis in layout.axes.values())
    for at, dtype in layout.channels:
        if at < 0 or last + at + dtype.itemsize > size:
            raise ImageError(
                f"the LIF file is damaged: its image needs {last + at + dtype.itemsize} bytes and has {size}",
                where=location,
                remedy="copy or export it again",
            )


def _info(layout: _Layout, address: Address, chosen: Chosen) -> ImageInfo:
    count = len(layout.channels)
    letters = [a for a in "tczyx" if a in layout.axes or (a == "c" and count > 1)]
    if layout.is_colour:
        letters = [a for a in letters if a != "c"] + ["c"]
    shape = tuple(count if a == "c" else layout.axes[a].size for a in letters)
    problems = chosen.problems
    if layout.turned:
        what = "slices" if layout.turned == "z" else "time points"
        problems += (f"It is a scan of lines: its rows are {what}.",)
    raw = {
        # Leica's length is that from the first to the last place; in metres.
        a: (axis.length / (axis.size - 1), axis.unit)
        for a, axis in layout.axes.items()
        if axis.size > 1
    }
    if layout.turned:
        raw.pop("y", None)
    found = sizes(raw)
    micro = {
        a: (float(f"{n * 1e6:.10g}"), "µm") if unit == "m" else (float(f"{n:.10g}"), unit)
        for a, (n, unit) in found.items()
    }
    return ImageInfo(
        location=address.location,
        axes="".join(letters),
        shape=shape,
        dtype=np.result_type(*(dtype for _, dtype in layout.channels)),
        pixel_size=micro,
        levels=(shape,),
        channels=layout.names,
        series=chosen.series,
        problems=problems,
    )


class LifImage(Image):
    """An image of a LIF file, whose block begins at ``start``."""

    def __init__(self, info: ImageInfo, layout: _Layout, file: BytesFile, start: int) -> None:
        self.info = info
        self._layout, self._file, self._start = layout, file, start

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        out = np.empty([s.stop - s.start for s in where], self.dtype)
        parts = dict(zip(self.axes, where, strict=True))
        outer = [a for a in self.axes if a not in "yx"]
        planes = np.moveaxis(out, [self.axes.index(a) for a in "yx"], [-2, -1])
        for place in product(*(range(parts[a].start, parts[a].stop) for a in outer)):
            at = self._start
            dtype = self._layout.channels[0][1]
            if "c" not in outer:
                at += self._layout.channels[0][0]
            for a, i in zip(outer, place, strict=True):
                if a == "c":
                    at += self._layout.channels[i][0]
                    dtype = self._layout.channels[i][1]
                else:
                    at += i * self._layout.axes[a].step
            index = tuple(i - parts[a].start for a, i in zip(outer, place, strict=True))
            self._fill(planes[index], at, dtype, (parts["y"], parts["x"]))
        return out

    def _fill(self, target: NDArray[Any], at: int, dtype: np.dtype[Any], window: tuple[slice, slice]) -> None:
        """Rows and columns of one plane of one channel that begins at byte ``at``."""
        steps = tuple(self._layout.axes[a].step for a in "yx")
        (rows, columns) = target.shape
        at += window[0].start * steps[0] + window[1].start * steps[1]
        own = (columns - 1) * steps[1] + dtype.itemsize
        # As many rows at once as are worth it: what lies between their parts is read too.
        at_once = max(1, SPAN // max(1, steps[0])) if steps[0] <= max(GAP, 4 * own) else 1
        for first in range(0, rows, at_once):
            count = min(at_once, rows - first)
            data = self._file.read_at(at + first * steps[0], (count - 1) * steps[0] + own)
            view: NDArray[Any] = np.ndarray((count, columns), dtype, data, strides=steps)
            target[first : first + count] = view

    def close(self) -> None:
        """See `Image.close`."""
        self._file.close()
