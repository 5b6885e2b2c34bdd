"""What the axes of a TIFF series mean, how large its pixels are, and what its channels are called."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from underbrush.errors import ImageError
from underbrush.sources.base import ASK_AXES
from underbrush.sources.claims import doubtful_pages_problem
from underbrush.sources.units import sizes

_LETTERS = {"T": "t", "C": "c", "Z": "z", "Y": "y", "X": "x", "S": "s"}
"""tifffile's letters whose meaning is plain; S are the samples of a pixel."""


@dataclass(frozen=True, slots=True)
class AxesReading:
    """How each axis of a series is understood."""

    letters: str
    """One for each axis of the series: t c z y x, s for samples, '-' for one of length 1 that is left out."""
    known: bool
    problems: tuple[str, ...]


def read_axes(codes: str, shape: tuple[int, ...], location: str) -> AxesReading:
    """Give each axis of a series (tifffile's ``codes``) its letter.

    Axes without a meaning (I for pages, Q for anything) of length 1 are left out; others become z, then t,
    then c from the last to the first, as slices are what most such stacks hold, whatever their number.

    Raises
    ------
    ImageError
        More axes than t c z y x can name.
    """
    letters = [_LETTERS.get(code, "?") for code in codes]
    letters = ["-" if a in "?s" and n == 1 else a for a, n in zip(letters, shape, strict=True)]
    letters = _each_once(letters, shape)
    doubtful = [i for i, a in enumerate(letters) if a == "?"]
    free = [a for a in "ztc" if a not in letters and not (a == "c" and "s" in letters)]
    if len(doubtful) > len(free):
        raise ImageError(
            f"the image has the axes {codes} of sizes {shape}, more than t, c, z, y, x can name",
            where=location,
            remedy="export it as an OME-TIFF of at most five axes",
        )
    for i, letter in zip(reversed(doubtful), free, strict=False):
        letters[i] = letter
    return AxesReading("".join(letters), not doubtful, _doubts(codes, shape, letters, doubtful))


def _each_once(letters: list[str], shape: tuple[int, ...]) -> list[str]:
    """Of a letter that comes twice, the ones of length 1 are left out and any further is doubtful."""
    out: list[str] = []
    for i, letter in enumerate(letters):
        others = letters[:i] + letters[i + 1 :]
        if letter in "tcz" and letter in others and shape[i] == 1:
            out.append("-")
        elif letter in "tczyx" and letter in out:
            out.append("?")
        else:
            out.append(letter)
    return out


def _doubts(codes: str, shape: tuple[int, ...], letters: list[str], doubtful: list[int]) -> tuple[str, ...]:
    if not doubtful:
        return ()
    if len(doubtful) == 1:
        return (doubtful_pages_problem(shape[doubtful[0]], letters[doubtful[0]]),)
    read_as = "".join(a for a in letters if a != "-").replace("s", "c")
    return (f"The file does not say what its axes mean: shape {shape} is read as {read_as}; {ASK_AXES}",)


def imagej_sizes(
    meta: dict[str, Any], resolution: dict[str, tuple[int, int]]
) -> dict[str, tuple[float, str]]:
    """Pixel sizes of an ImageJ file.

    ImageJ stores pixels per unit in the resolution tags ``{"x": (pixels, units), ...}``, the unit and the
    distances of slices and frames in its description (``unit``, ``yunit``, ``zunit``, ``spacing``,
    ``finterval`` with ``tunit``, by default seconds).
    """
    unit = meta.get("unit", "")
    raw: dict[str, tuple[Any, Any]] = {}
    for axis, (pixels, units) in resolution.items():
        raw[axis] = (units / pixels if pixels else None, meta.get(f"{axis}unit", unit))
    raw["z"] = (meta.get("spacing"), meta.get("zunit", unit))
    raw["t"] = (meta.get("finterval"), meta.get("tunit", "s"))
    return sizes(raw)


@dataclass(frozen=True, slots=True)
class OmeImage:
    """What OME-XML says of one image beyond its axes."""

    pixel_size: dict[str, tuple[float, str]]
    channels: tuple[str, ...]


def ome_images(xml: str) -> list[OmeImage]:
    """The images of an OME-XML text in their order; empty if the text is broken."""
    try:
        root = ET.fromstring(xml)
    except (ET.ParseError, ValueError):
        return []
    return [_ome_image(pixels) for pixels in _named(root, "Pixels")]


def _ome_image(pixels: ET.Element) -> OmeImage:
    get = pixels.attrib.get
    # The schema's default units are µm for lengths and s for times.
    raw = {
        axis: (get(f"PhysicalSize{axis.upper()}"), get(f"PhysicalSize{axis.upper()}Unit", "µm"))
        for axis in "xyz"
    }
    raw["t"] = (get("TimeIncrement"), get("TimeIncrementUnit", "s"))
    names: list[str] = []
    for channel in _named(pixels, "Channel"):
        samples = channel.attrib.get("SamplesPerPixel", "1")
        count = int(samples) if samples.isdigit() and len(samples) < 4 else 1
        names += [channel.attrib.get("Name", "")] * max(1, count)
    return OmeImage(sizes(raw), tuple(names) if any(names) else ())


def _named(root: ET.Element, name: str) -> Iterator[ET.Element]:
    return (element for element in root.iter() if str(element.tag).rpartition("}")[2] == name)
