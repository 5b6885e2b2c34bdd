"""What a TIFF file says of a series beside its axes: pixel sizes, channels, alpha and oddities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.tiffaxes import imagej_sizes, ome_images

_ALPHA = {1, 2}
"""ExtraSamples: associated and unassociated alpha; 0 is unspecified and so a channel."""
OURS = "Underbrush"
"""The program that files of ours name."""
_ODD_COLOURS = {
    3: "The file has a table of colours; its values are the indexes into it, as stored.",
    5: "The colours are stored as cyan, magenta, yellow and black; the four are given as they are.",
    8: "The colours are stored as CIE L*a*b*; the channels are given as they are.",
    9: "The colours are stored as ICC L*a*b*; the channels are given as they are.",
}


@dataclass(frozen=True, slots=True)
class SeriesMeta:
    """See `underbrush.sources.base.ImageInfo` for the fields of the same name."""

    full_shape: tuple[int, ...]
    """Sizes of the axes of the series at full resolution."""
    pixel_size: dict[str, tuple[float, str]]
    channels: tuple[str, ...]
    alpha: int | None
    problems: tuple[str, ...]


def series_meta(tif: Any, series: Any, number: int, count: int, address: Address) -> SeriesMeta:
    """Gather it for series ``number`` of ``count``.

    Raises
    ------
    ImageError
        An ImageJ description speaks of more images than the file holds.
    """
    problems: list[str] = []
    if count > 1 and address.series is None:
        problems.append(f"The file holds {count} series; this is the first, #series=1 is the next.")
    sizes: dict[str, tuple[float, str]] = {}
    channels: tuple[str, ...] = ()
    if tif.is_imagej:
        _check_imagej(tif, series, address)
        sizes, more = _imagej(tif)
        problems += more
    elif tif.is_ome:
        images = ome_images(tif.ome_metadata or "")
        if number < len(images):
            sizes, channels = images[number].pixel_size, images[number].channels
    missing = sum(page is None for page in series.pages) if len(series.pages) > 1 else 0
    if missing:
        problems.append(
            f"{missing} of {len(series.pages)} planes are not there (is a file of the set missing?);"
            " reading them is an error."
        )
    return SeriesMeta(
        tuple(series.shape),
        sizes,
        channels,
        _alpha(series.keyframe),
        (*problems, *_oddities(series.keyframe)),
    )


def _imagej(tif: Any) -> tuple[dict[str, tuple[float, str]], list[str]]:
    meta = tif.imagej_metadata or {}
    page = tif.pages.first
    resolution = {}
    zero = False
    for axis, code in (("x", 282), ("y", 283)):
        value = page.tags.valueof(code)
        if isinstance(value, tuple) and len(value) == 2:
            resolution[axis] = (int(value[0]), int(value[1]))
            zero |= 0 in value
    problems = ["The pixel size in the file has a zero in it and is left out."] if zero else []
    return imagej_sizes(meta, resolution), problems


def _check_imagej(tif: Any, series: Any, address: Address) -> None:
    """ImageJ writes one list of tags and many images behind it: a cut file looks like a file of one page."""
    meta = tif.imagej_metadata or {}
    claimed = meta.get("images", 1)
    if not isinstance(claimed, int) or series.kind == "imagej" or claimed <= len(tif.pages):
        return
    raise ImageError(
        f"ImageJ wrote {claimed} images of which only {len(tif.pages)} can be found: the file is cut off",
        where=address.location,
        remedy="copy or export it again",
    )


def _alpha(page: Any) -> int | None:
    """Index of the alpha sample of a page."""
    extra = tuple(page.extrasamples or ())
    for i, kind in enumerate(extra):
        if int(kind) in _ALPHA:
            found: int = page.samplesperpixel - len(extra) + i
            return found
    return None


def _oddities(page: Any) -> list[str]:
    found = []
    photometric = int(page.photometric) if page.photometric is not None else -1
    if photometric == 0:
        found.append(
            "The file says that 0 is white; its values are given as stored, so light and dark are exchanged."
        )
    # Of a segmentation of ours the values are classes, and the colours are theirs: nothing is odd about it.
    ours = photometric == 3 and page.tags.valueof(305) == OURS
    if photometric in _ODD_COLOURS and not ours:
        found.append(_ODD_COLOURS[photometric])
    turned = page.tags.valueof(274)
    if turned not in {None, 1}:
        found.append(
            f"The file asks to be shown turned or mirrored (orientation {int(turned)}); it is read as stored."
        )
    if page.is_tiled and 0 in page.databytecounts:
        empty = sum(n == 0 for n in page.databytecounts)
        found.append(f"{empty} tiles of the first page are left out in the file; they read as {page.nodata}.")
    return found
