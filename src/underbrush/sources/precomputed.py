"""Neuroglancer's precomputed volumes: x, y, z and channel in several scales, as images or segmentations."""

from __future__ import annotations

from typing import Any

import numpy as np

from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.ngff import number
from underbrush.sources.remote import local_place, remote_place
from underbrush.sources.units import sizes
from underbrush.sources.zarrimage import ArrayLevel, chosen_level, chunked_image, open_array

_MOST_LEVELS = 64


def open_source(address: Address) -> Image:
    """Open a precomputed volume; see `underbrush.sources.open_image`."""
    if address.scene or address.series or address.inner:
        what = address.scene or address.inner or f"series {address.series}"
        raise ImageError(
            f"there is no {what!r}: a precomputed volume holds one image",
            where=address.location,
            remedy="name its folder only",
        )
    place = (
        remote_place(address.url, address.location)
        if address.url
        else local_place(address.path, "", address.location)
    )
    (info,) = place.read_json("info")
    scales = info.get("scales") if info is not None else None
    if (
        not isinstance(scales, list)
        or not 0 < len(scales) <= _MOST_LEVELS
        or not all(isinstance(s, dict) and isinstance(s.get("key"), str) for s in scales)
    ):
        raise ImageError(
            "its file info lists no scales, so this is no precomputed volume (meshes and skeletons are none)",
            where=address.location,
            remedy="name the folder of an image or a segmentation",
        )
    names = tuple(scale["key"] for scale in scales)
    first = chosen_level(names, address)
    levels: list[ArrayLevel] = []
    for i in range(first, len(scales)):
        level = open_array(place, "neuroglancer_precomputed", backwards=True, scale_index=i)
        if levels and any(n > m for n, m in zip(level.shape, levels[-1].shape, strict=True)):
            break
        levels.append(level)
    shape = levels[0].shape
    return chunked_image(
        ImageInfo(
            location=address.location,
            axes="czyx",
            shape=shape,
            dtype=np.dtype(levels[0].store.dtype.numpy_dtype),
            pixel_size=_pixel_size(scales[first]),
            levels=tuple(level.shape for level in levels),
            level_names=names[first : first + len(levels)],
        ),
        levels,
        place.backend.remote,
    )


def _pixel_size(scale: dict[str, Any]) -> dict[str, tuple[float, str]]:
    """The resolution of a scale, which is in nm by the format."""
    values = scale.get("resolution")
    if not isinstance(values, list) or len(values) != 3:
        return {}
    return sizes({axis: (number(value), "nm") for axis, value in zip("xyz", values, strict=True)})
