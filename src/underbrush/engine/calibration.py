"""Sizes of pixels: what the project says of an image goes before what its file says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from underbrush.engine.lanes import lane_address, told_sizes
from underbrush.errors import UnderbrushError
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Project, Source
from underbrush.sources.address import parse_address
from underbrush.sources.base import Image

Sizes = Mapping[str, tuple[float, str]]
"""Axis letter -> (size of a pixel, unit)."""
_Place = tuple[str, ...]
"""File or address, dataset, series and level."""
_Known = tuple[_Place | None, str | None, dict[str, tuple[float, str]]]
"""Where an image is, its axes, and the sizes of its pixels."""


class LaneSizes:
    """The sizes that a project says of its images, for who meets one of them by its address.

    Can be pickled: it then knows where its images are, and no longer their project.
    """

    def __init__(self, project: Project) -> None:
        self._project: Project | None = project
        self._waiting: dict[str, list[Source]] = {}
        self._known: dict[str, list[_Known]] = {}
        for lane in project.lanes:
            raw = lane.raw
            if told_sizes(raw) and raw.kind in ("file", "url"):
                name = _name(raw.files[0] if raw.files else raw.stored)
                self._waiting.setdefault(name, []).append(raw)

    def of(self, image: Image) -> Sizes:
        """The sizes of an image that was opened by its address: those of its file where it is no lane's."""
        name = _name(image.info.location)
        lanes = self._named(name)
        place = _place(image.info.location) if lanes else None
        for known, axes, told in lanes:
            if known == place is not None and axes in (None, image.axes):
                return {**image.pixel_size, **{a: size for a, size in told.items() if a in image.axes}}
        return image.pixel_size

    def told(self, address: str) -> str:
        """What may be said of an image at this address; as long as it is the same, so are the sizes."""
        name = _name(address)
        known = [sizes for _, _, sizes in self._known.get(name, ())]
        said = known or [told_sizes(source) for source in self._waiting.get(name, ())]
        return repr([sorted(sizes.items()) for sizes in said])

    def _named(self, name: str) -> list[_Known]:
        """The lanes of that name, looked for on the disk when they are first asked for."""
        if name not in self._known:
            found = []
            for source in self._waiting.get(name, ()):
                assert self._project is not None
                at = resolve_source(source, self._project)
                place = None if at.address is None else _place(lane_address(source, at))
                found.append((place, source.axes, told_sizes(source)))
            self._known[name] = found
        return self._known[name]

    def __getstate__(self) -> dict[str, Any]:
        known = {name: self._named(name) for name in self._waiting}
        return {"_project": None, "_waiting": {}, "_known": known}


def _name(address: str) -> str:
    """The last part of the file's path, as far as it can be told without looking."""
    try:
        return parse_address(address).path.name
    except (UnderbrushError, OSError, ValueError):  # not there, or relative to another folder
        return PurePath(address.partition("#")[0].replace("\\", "/")).name


def _place(address: str) -> _Place | None:
    try:
        found = parse_address(address)
        path = found.url or str(Path(found.path).resolve())
    except (UnderbrushError, OSError, ValueError):
        return None
    return path, found.inner, str(found.series), str(found.level), found.level_name
