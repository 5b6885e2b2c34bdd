"""The groups and arrays of a Zarr store, version 2 or 3, by their metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from underbrush.errors import ImageError
from underbrush.sources.remote import Place

_MOST_LISTED = 1000
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Node:
    """A group or an array."""

    place: Place
    version: int
    """Of Zarr: 2 or 3."""
    is_array: bool
    attributes: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def driver(self) -> str:
        """What tensorstore calls the version."""
        return "zarr3" if self.version == 3 else "zarr"


def read_node(place: Place) -> Node | None:
    """What lies at ``place``; None where it is neither group nor array.

    Raises
    ------
    ImageError
        Its metadata are damaged, of an unknown version, or cannot be read.
    """
    three, array, group, attributes = place.read_json("zarr.json", ".zarray", ".zgroup", ".zattrs")
    if three is not None:
        version, kind, own = three.get("zarr_format"), three.get("node_type"), three.get("attributes")
        if version != 3 or kind not in {"array", "group"}:
            raise ImageError(
                f"it is of a kind of Zarr that is not known (version {version!r:.20}, {kind!r:.20})",
                where=place.location,
                remedy="export it as OME-Zarr 0.4 or 0.5",
            )
        return Node(place, 3, kind == "array", own if isinstance(own, dict) else {}, three)
    if array is None and group is None and attributes is None:
        return None
    # Some write the attributes of a group and forget the file that says it is one.
    return Node(place, 2, array is not None, attributes or {}, array or group or {})


def arrays_below(node: Node) -> tuple[str, ...] | None:
    """Paths of the arrays and of the images in several resolutions in a group; None where nobody can tell."""
    consolidated = _consolidated(node)
    if consolidated is not None:
        return consolidated
    if node.place.backend.children(node.place.key) is None:
        return None
    found: list[str] = []
    for path in _walk(node, "", 0):
        found.append(path)
        if len(found) >= _MOST_LISTED:
            break
    return tuple(found)


def _walk(node: Node, path: str, depth: int) -> Iterator[str]:
    for name in node.place.backend.children(node.place.key) or ():
        child = read_node(node.place.joined(name))
        if child is None:
            continue
        inner = f"{path}/{name}".lstrip("/")
        if child.is_array or holds_image(child.attributes):
            yield inner
        elif depth < _DEEPEST:
            yield from _walk(child, inner, depth + 1)


def holds_image(attributes: dict[str, Any]) -> bool:
    """Whether a group with these attributes is an image by itself."""
    ome = attributes.get("ome")
    return "multiscales" in attributes or (isinstance(ome, dict) and "multiscales" in ome)


def _consolidated(node: Node) -> tuple[str, ...] | None:
    """The arrays by the list of all metadata that some writers put at the top."""
    if node.version == 3:
        inside = node.metadata.get("consolidated_metadata")
        entries = inside.get("metadata") if isinstance(inside, dict) else None
        if not isinstance(entries, dict):
            return None
        return tuple(
            str(k) for k, v in entries.items() if isinstance(v, dict) and v.get("node_type") == "array"
        )
    (listed,) = node.place.read_json(".zmetadata")
    entries = listed.get("metadata") if listed is not None else None
    if not isinstance(entries, dict):
        return None
    return tuple(k.removesuffix("/.zarray") for k in entries if k.endswith("/.zarray"))
