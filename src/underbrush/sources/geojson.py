"""GeoJSON outlines, as QuPath exports them, as a mask: 1 inside of a polygon, 0 outside.

Coordinates are pixels of the image, pixel k covers k to k + 1. QuPath names the plane of an outline
(``"plane": {"z": 0, "t": 0}``) unless both are 0; where a file names no plane at all, its outlines stand for
all slices and times.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES
from underbrush.core.outlines import Outlines, Ring
from underbrush.errors import ImageError
from underbrush.sources.base import Image, ImageInfo

SUFFIXES = (".geojson", ".json")
MOST_BYTES = 256_000_000
_DEEPEST = 20
"""How far collections may lie in collections."""
_REMEDY = "export annotations as GeoJSON, with polygons in pixels"
Plane = tuple[int, int]
"""t and z."""


def is_outlines(address: str) -> bool:
    """Whether an address names a file of outlines."""
    return address.lower().endswith(SUFFIXES)


def open_outlines(path: str, like: Image) -> Image:
    """The outlines of a file as an image (uint8) of the size of ``like``, of one channel.

    Raises
    ------
    ImageError
        It cannot be read, is no GeoJSON, or holds no polygon.
    """
    found = _polygons(path, _read(path))
    if not found:
        raise ImageError("there is no polygon in it", where=path, remedy=_REMEDY)
    planes = {plane for plane, _ in found if plane is not None}
    grouped: dict[Plane | None, list[list[Ring]]] = {}
    for plane, rings in found:
        # QuPath leaves out the plane that is 0 and 0.
        key = (0, 0) if plane is None and planes else plane
        grouped.setdefault(key, []).append(rings)
    return _OutlineImage(path, {key: Outlines(rings) for key, rings in grouped.items()}, like)


class _OutlineImage(Image):
    def __init__(self, path: str, outlines: dict[Plane | None, Outlines], like: Image) -> None:
        t, _, z, y, x = like.shape5
        sizes = {"t": t, "z": z, "y": y, "x": x}
        axes = "".join(a for a in AXES if a in "yx" or (a in sizes and a in like.axes))
        shape = tuple(sizes[a] for a in axes)
        self._outlines = outlines
        self.info = ImageInfo(
            location=path,
            axes=axes,
            shape=shape,
            dtype=np.dtype(np.uint8),
            axes_known=True,
            pixel_size=dict(like.pixel_size),
            levels=(shape,),
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        part = dict(zip(self.axes, where, strict=True))
        y, x = part["y"], part["x"]
        found = np.zeros([s.stop - s.start for s in where], np.uint8)
        planes = found.reshape(-1, y.stop - y.start, x.stop - x.start)
        one = slice(0, 1)
        places = [
            (t, z)
            for t in range(*part.get("t", one).indices(1 << 40))
            for z in range(*part.get("z", one).indices(1 << 40))
        ]
        everywhere = self._outlines.get(None)
        shared = everywhere.inside((y.start, y.stop), (x.start, x.stop)) if everywhere else None
        for number, place in enumerate(places):
            if shared is not None:
                planes[number] = shared
            elif place in self._outlines:
                planes[number] = self._outlines[place].inside((y.start, y.stop), (x.start, x.stop))
        return found

    def close(self) -> None:
        """Nothing is open."""


def _read(path: str) -> Any:
    file = Path(path)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ImageError(
                f"it is larger than {MOST_BYTES // 10**6} MB", where=path, remedy="export fewer annotations"
            )
        return json.loads(file.read_bytes())
    except OSError as error:
        raise ImageError(
            f"it cannot be read ({error.strerror})", where=path, remedy="check the path"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ImageError(f"it is no GeoJSON ({str(error)[:80]})", where=path, remedy=_REMEDY) from error


def _polygons(path: str, said: Any) -> list[tuple[Plane | None, list[Ring]]]:
    found = []
    for geometry in _geometries(path, said, 0):
        kind, points = geometry.get("type"), geometry.get("coordinates")
        if kind not in ("Polygon", "MultiPolygon"):
            continue  # points and lines have no area
        polygons = [points] if kind == "Polygon" else points
        if not isinstance(polygons, list):
            raise _damaged(path)
        plane = _plane(path, geometry.get("plane"))
        found += [(plane, _rings(path, polygon)) for polygon in polygons]
    return found


def _geometries(path: str, said: Any, depth: int) -> Iterator[dict[str, Any]]:
    """All geometries of a list, a collection, a feature, or the geometry itself."""
    if depth > _DEEPEST:
        raise _damaged(path)
    if isinstance(said, list):
        for one in said:
            yield from _geometries(path, one, depth + 1)
    elif isinstance(said, dict):
        inner = {"FeatureCollection": "features", "Feature": "geometry", "GeometryCollection": "geometries"}
        kind = said.get("type")
        if kind in inner:
            below = said.get(inner[kind])
            if below is not None:
                yield from _geometries(path, below, depth + 1)
        elif isinstance(kind, str) and "coordinates" in said:
            yield said
        else:
            raise _damaged(path)
    else:
        raise _damaged(path)


def _plane(path: str, said: Any) -> Plane | None:
    if said is None:
        return None
    t, z = (said.get(key, 0) for key in "tz") if isinstance(said, dict) else (None, None)
    if not isinstance(t, int) or not isinstance(z, int):
        raise _damaged(path)
    return max(t, 0), max(z, 0)


def _rings(path: str, polygon: Any) -> list[Ring]:
    try:
        rings = [np.array([(float(p[0]), float(p[1])) for p in ring], np.float64) for ring in polygon]
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise _damaged(path) from error
    if not all(len(ring) and np.isfinite(ring).all() and np.abs(ring).max() < 1 << 31 for ring in rings):
        raise _damaged(path)
    return rings


def _damaged(path: str) -> ImageError:
    return ImageError("it is no GeoJSON, or its outlines are damaged", where=path, remedy=_REMEDY)
