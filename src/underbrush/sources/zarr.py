"""Zarr, version 2 and 3: OME-Zarr 0.1 to 0.5 with its pyramids, and arrays without any metadata."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from underbrush.core.geometry import default_axes, parse_axes
from underbrush.errors import AxesError, ImageError, SeveralImagesError
from underbrush.sources import ngff
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.claims import guessed_axes_problem
from underbrush.sources.remote import Place, local_place, remote_place
from underbrush.sources.zarrimage import ArrayLevel, chosen_level, chunked_image, open_array
from underbrush.sources.zarrtree import Node, arrays_below, read_node

_MOST_LISTED = 20
_PARENTS = 6


def open_source(address: Address) -> Image:
    """Open an image of a Zarr store; see `underbrush.sources.open_image`."""
    if address.scene:
        raise ImageError(
            f"there is no scene {address.scene!r}: Zarr has none",
            where=address.location,
            remedy="name the group or array, as in image.zarr/0",
        )
    if address.url:
        return open_place(remote_place(address.url, address.location), address)
    top = local_place(address.path, "", address.location)
    place = top.joined(address.inner)
    if address.inner and read_node(place) is None:
        raise _no_such(top, address)
    return open_place(place, address)


def open_place(place: Place, address: Address) -> Image:
    """The image at ``place``.

    Raises
    ------
    ImageError
        There is none, there are several, or it cannot be read.
    """
    node = read_node(place)
    if node is None:
        raise ImageError(
            "there is no Zarr group or array here",
            where=address.location,
            remedy="check the address; that of an image ends with the folder that holds zarr.json or .zattrs",
        )
    if node.is_array:
        return _array(node, address)
    count = ngff.multiscales(node.attributes)
    if count:
        number = address.series or 0
        if number >= count:
            raise ImageError(
                f"there is no series {number}; the group holds {count}",
                where=address.location,
                remedy=f"use #series=0 to {count - 1}",
            )
        image = _pyramid(node, number, "", address)
        if count > 1 and address.series is None:
            said = f"The group holds {count} images; this is the first, #series=1 is the next."
            image.info = replace(image.info, problems=(*image.info.problems, said))
        return image
    return _chosen(node, address)


def _chosen(node: Node, address: Address) -> Image:
    """A group without an image of its own: the only one in it, that of ``#series``, or a list in an error."""
    choice = ngff.read_choice(node.attributes)
    if choice is None and ngff.is_bioformats(node.attributes):
        choice = _series(node)
    if choice is None:
        below = arrays_below(node)
        if below is None:
            raise ImageError(
                "this Zarr group is no image itself, and the server does not tell what is in it",
                where=address.location,
                remedy="name the image in it, as in .../image.zarr/0",
            )
        choice = ngff.Choice(f"a group of {len(below)} images or arrays", below)
    paths = choice.paths
    if address.series is not None and address.series >= len(paths):
        raise ImageError(
            f"there is no series {address.series}: this is {choice.what}",
            where=address.location,
            remedy=f"use #series=0 to {len(paths) - 1}" if paths else "name another group",
        )
    if len(paths) == 1 or (paths and address.series is not None):
        inner = node.place.joined(paths[address.series or 0])
        return open_place(inner, replace(address, series=None))
    raise several(choice.what, paths, address)


def several(what: str, paths: tuple[str, ...], address: Address) -> ImageError:
    """The sentence for a container of several images."""
    if not paths:
        return ImageError(f"this is {what}: nothing to read", where=address.location, remedy="name another")
    more = f" and {len(paths) - _MOST_LISTED} more" if len(paths) > _MOST_LISTED else ""
    base = address.location.partition("#")[0].rstrip("/")
    return SeveralImagesError(
        f"this is {what} ({', '.join(paths[:_MOST_LISTED])}{more})",
        where=address.location,
        remedy=f"name one, as in {base}/{paths[0]}",
        choices=tuple(f"{base}/{path}" for path in paths),
    )


def _series(node: Node) -> ngff.Choice:
    """The images of a file that bioformats2raw wrote: listed in the group OME, else numbered from 0."""
    inner = read_node(node.place.joined("OME"))
    paths = ngff.bioformats_series(inner.attributes) if inner is not None else ()
    if not paths:
        found: list[str] = []
        while len(found) < _MOST_LISTED and read_node(node.place.joined(str(len(found)))) is not None:
            found.append(str(len(found)))
        paths = tuple(found)
    return ngff.Choice(f"a file of {len(paths)} images", paths)


def _no_such(top: Place, address: Address) -> ImageError:
    node = read_node(top)
    below = arrays_below(node) if node is not None and not node.is_array else ()
    there = ", ".join((below or ())[:_MOST_LISTED]) or "none"
    return ImageError(
        f"there is no {address.inner!r} in it; what can be read: {there}",
        where=address.location,
        remedy="name one of them",
    )


def _array(node: Node, address: Address) -> Image:
    """An array: a level of the image above it, or an image by itself."""
    inner, above = node.place.name, node.place.parent
    for _ in range(_PARENTS):
        if above is None:
            break
        group = read_node(above)
        if group is None and not node.place.backend.remote:
            break
        if group is not None and not group.is_array:
            for number in range(ngff.multiscales(group.attributes)):
                if inner in _paths(group, number):
                    return _pyramid(group, number, inner, address)
        inner, above = f"{above.name}/{inner}", above.parent
    return _plain(node, address)


def _paths(group: Node, number: int) -> list[str]:
    try:
        return [level.path for level in ngff.read_multiscale(group.attributes, number).levels]
    except ngff.NotNgffError:
        return []


def _plain(node: Node, address: Address) -> Image:
    if address.level or address.series:
        raise ImageError(
            f"there is no {'level' if address.level else 'series'} but 0: this is a single array",
            where=address.location,
            remedy="name it without options",
        )
    level = open_array(node.place, node.driver)
    shape = level.shape
    axes = _named_axes(node, len(shape))
    default = axes or default_axes(shape)
    info = ImageInfo(
        location=address.location,
        axes=default,
        shape=shape,
        dtype=np.dtype(level.store.dtype.numpy_dtype),
        axes_known=bool(axes) or len(shape) == 2,
        levels=(shape,),
        level_names=(node.place.name,),
        problems=() if axes else guessed_axes_problem(shape, default),
    )
    return chunked_image(info, [level], node.place.backend.remote)


def _named_axes(node: Node, count: int) -> str:
    """The letters that version 3 or xarray store with an array; empty if they are none of ours."""
    told: Any = node.metadata.get("dimension_names") if node.version == 3 else None
    told = told or node.attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(told, list) or not all(isinstance(name, str) for name in told):
        return ""
    words = {"time": "t", "channel": "c", "channels": "c", "depth": "z", "height": "y", "width": "x"}
    letters = "".join(words.get(name.lower(), name.lower()) for name in told)
    try:
        return parse_axes(letters, count)
    except AxesError:
        return ""


def _pyramid(group: Node, number: int, inner: str, address: Address) -> Image:
    """Image ``number`` of a group, from the level at ``inner`` or the one that the address names."""
    try:
        scales = ngff.read_multiscale(group.attributes, number)
    except ngff.NotNgffError as error:
        raise ImageError(
            f"its OME-Zarr metadata cannot be used: {error}",
            where=address.location,
            remedy="name one of its arrays, or export it again",
        ) from None
    names = [level.path for level in scales.levels]
    first = names.index(inner) if inner and not address.level_name else 0
    first += chosen_level(names[first:], address)
    problems = list(scales.problems)
    levels, kept = _opened(group, scales, first, problems)
    shape = levels[0].shape
    axes = scales.axes
    if len(axes) != len(shape):
        if axes:
            problems.append(f"The axes {axes!r} in the metadata do not fit an array of shape {shape}.")
        axes = ""
    known = bool(axes) or len(shape) == 2
    if not axes:
        axes = default_axes(shape)
        problems = [*guessed_axes_problem(shape, axes), *problems]
    own = next(level for level in scales.levels if level.path == kept[0])
    n = dict(zip(axes, shape, strict=True)).get("c", 1)
    info = ImageInfo(
        location=address.location,
        axes=axes,
        shape=shape,
        dtype=np.dtype(levels[0].store.dtype.numpy_dtype),
        axes_known=known,
        pixel_size=own.pixel_size if axes == scales.axes else {},
        levels=tuple(level.shape for level in levels),
        level_names=kept,
        channels=scales.channels if len(scales.channels) == n else (),
        display=scales.display if len(scales.display) == n else (),
        problems=tuple(problems),
    )
    return chunked_image(info, levels, group.place.backend.remote)


def _opened(
    group: Node, scales: ngff.Multiscale, first: int, problems: list[str]
) -> tuple[list[ArrayLevel], tuple[str, ...]]:
    """The levels from ``first`` on that can be used, and their paths."""
    levels: list[ArrayLevel] = []
    kept: list[str] = []
    for level in scales.levels[first:]:
        place = group.place.joined(level.path)
        try:
            # An image of 0.4 whose arrays are version 3 is no rule, but is met.
            node = read_node(place)
            opened = open_array(place, node.driver if node is not None else group.driver)
        except ImageError as error:
            if not levels:
                raise
            problems.append(f"Level {level.path} is left out: {error.problem}.")
            continue
        if levels and not _smaller(opened, levels[-1], scales.axes):
            problems.append(
                f"Level {level.path} of shape {opened.shape} is left out: it is no smaller copy of the image."
            )
            continue
        levels.append(opened)
        kept.append(level.path)
    return levels, tuple(kept)


def _smaller(level: ArrayLevel, before: ArrayLevel, axes: str) -> bool:
    """Whether ``level`` may be a reduced ``before``: same type, and smaller in z, y and x at most."""
    if len(level.shape) != len(before.shape) or level.store.dtype != before.store.dtype:
        return False
    letters = axes if len(axes) == len(level.shape) else default_axes(before.shape)
    return all(
        n == m or (a in "zyx" and n < m) for a, n, m in zip(letters, level.shape, before.shape, strict=True)
    )
