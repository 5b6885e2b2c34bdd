"""N5: arrays and the pyramids s0, s1, ... of N5-viewer, Paintera and Neuroglancer.

N5 counts its axes from the fastest one, x first; here they are turned around, as numpy has them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from underbrush.core.geometry import default_axes, parse_axes
from underbrush.errors import AxesError, ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.claims import guessed_axes_problem
from underbrush.sources.n5lz4 import is_lz4, open_level
from underbrush.sources.ngff import number
from underbrush.sources.remote import Place, local_place, remote_place
from underbrush.sources.units import sizes
from underbrush.sources.zarr import several
from underbrush.sources.zarrimage import ArrayLevel, chosen_level, chunked_image, open_array

_MOST_LEVELS = 64
_MOST_LISTED = 1000
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class _Node:
    place: Place
    attributes: dict[str, Any]

    @property
    def is_array(self) -> bool:
        return "dimensions" in self.attributes and "blockSize" in self.attributes


def open_source(address: Address) -> Image:
    """Open an image of an N5 container; see `underbrush.sources.open_image`."""
    if address.scene or address.series:
        raise ImageError(
            f"there is no {address.scene or f'series {address.series}'}: N5 has none",
            where=address.location,
            remedy="name the group or array, as in image.n5/raw",
        )
    place = (
        remote_place(address.url, address.location)
        if address.url
        else local_place(address.path, address.inner, address.location)
    )
    node = _node(place)
    if node.is_array:
        above = place.parent
        outer = _node(above) if above is not None and _is_level(place.name) else None
        if outer is not None and outer.attributes:
            return _pyramid(outer, place.name, address)
        return _image([node], {}, address)
    if _node(place.joined("s0")).is_array:
        return _pyramid(node, "s0", address)
    if place.backend.children(place.key) is None:
        raise ImageError(
            "there is no N5 array here, and the server does not tell what is in it",
            where=address.location,
            remedy="name the array in it, as in .../image.n5/raw",
        )
    below = _below(node, "", 0)
    if address.inner and not below:
        raise ImageError(
            f"there is no {address.inner!r} in it",
            where=address.location,
            remedy="name an array that is there",
        )
    if len(below) == 1:
        inner = place.joined(below[0])
        return (
            _pyramid(_node(inner), "s0", address)
            if not _node(inner).is_array
            else _image([_node(inner)], {}, address)
        )
    raise several(f"an N5 group of {len(below)} arrays", tuple(below), address)


def _node(place: Place) -> _Node:
    return _Node(place, place.read_json("attributes.json")[0] or {})


def _is_level(name: str) -> bool:
    return name[:1] == "s" and name[1:].isdigit()


def _below(node: _Node, path: str, depth: int) -> list[str]:
    """Paths of the arrays and pyramids in a group."""
    found: list[str] = []
    for name in node.place.backend.children(node.place.key) or ():
        child = _node(node.place.joined(name))
        inner = f"{path}/{name}".lstrip("/")
        if child.is_array or _node(child.place.joined("s0")).is_array:
            found.append(inner)
        elif depth < _DEEPEST:
            found += _below(child, inner, depth + 1)
        if len(found) >= _MOST_LISTED:
            break
    return found


def _pyramid(group: _Node, first: str, address: Address) -> Image:
    nodes = []
    for i in range(int(first[1:]), _MOST_LEVELS):
        node = _node(group.place.joined(f"s{i}"))
        if not node.is_array:
            break
        nodes.append(node)
    return _image(nodes, group.attributes, address)


def _image(nodes: list[_Node], outer: dict[str, Any], address: Address) -> Image:
    names = [node.place.name for node in nodes]
    start = chosen_level(names, address)
    levels: list[ArrayLevel] = []
    problems: list[str] = []
    for node in nodes[start:]:
        packed = is_lz4(node.attributes)
        level = (
            open_level(node.place, node.attributes)
            if packed
            else open_array(node.place, "n5", backwards=True)
        )
        if levels and not _smaller(level, levels[-1]):
            problems.append(f"Level {node.place.name} and those after it are left out: no smaller copies.")
            break
        levels.append(level)
    base, shape = nodes[start], levels[0].shape
    told = _told_axes({**outer, **base.attributes}, len(shape))
    axes = told or default_axes(shape)
    doubts = () if told else guessed_axes_problem(shape, axes)
    info = ImageInfo(
        location=address.location,
        axes=axes,
        shape=shape,
        dtype=np.dtype(levels[0].store.dtype.numpy_dtype),
        axes_known=bool(told) or len(shape) == 2,
        pixel_size=_pixel_size(outer, base.attributes, axes),
        levels=tuple(level.shape for level in levels),
        level_names=tuple(names[start : start + len(levels)]),
        problems=(*doubts, *problems),
    )
    return chunked_image(info, levels, base.place.backend.remote)


def _smaller(level: ArrayLevel, before: ArrayLevel) -> bool:
    same = len(level.shape) == len(before.shape) and level.store.dtype == before.store.dtype
    return same and all(n <= m for n, m in zip(level.shape, before.shape, strict=True))


def _told_axes(attributes: dict[str, Any], count: int) -> str:
    """Letters in our order: of ``axes`` (x first), or of ``axistags`` (vigra's, as ilastik writes them)."""
    axes = attributes.get("axes")
    letters = "".join(str(a) for a in axes)[::-1].lower() if isinstance(axes, list) else ""
    if not letters and isinstance(attributes.get("axistags"), str):
        try:
            tags = json.loads(attributes["axistags"])["axes"]
            letters = "".join(str(tag["key"]) for tag in tags)
        except (ValueError, RecursionError, KeyError, TypeError):
            letters = ""
    try:
        return parse_axes(letters, count) if letters else ""
    except AxesError:
        return ""


def _pixel_size(outer: dict[str, Any], own: dict[str, Any], axes: str) -> dict[str, tuple[float, str]]:
    """Sizes of the pixels, by ``resolution`` and ``units`` or by ``pixelResolution``, times the reduction."""
    forward = axes[::-1]
    both = {**outer, **own}
    values, units = both.get("resolution"), both.get("units")
    told = both.get("pixelResolution")
    if isinstance(told, dict):
        values, units = told.get("dimensions"), [told.get("unit")] * len(forward)
    elif isinstance(told, list):
        values, units = told, ["µm"] * len(forward)
    if not isinstance(values, list) or not isinstance(units, list):
        return {}
    factors = own.get("downsamplingFactors")
    if not isinstance(factors, list) or len(factors) != len(forward):
        factors = [1] * len(forward)
    # A pixel size beside an array of its own holds for that array already.
    if "resolution" in own or "pixelResolution" in own:
        factors = [1] * len(forward)
    return sizes(
        {
            axis: (number(value) * number(factor), unit)
            for axis, value, unit, factor in zip(forward, values, units, factors, strict=False)
        }
    )
