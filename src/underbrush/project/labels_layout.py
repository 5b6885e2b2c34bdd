"""The strokes of a project file: blocks of labels whose axis order depends on who wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, Shape5, shape_to_internal, to_internal
from underbrush.core.labels import LabelBlock, clipped, disjoint, make_block, trimmed
from underbrush.errors import ProjectError
from underbrush.project.axistags import label_axes, parse_axistags
from underbrush.project.schema import Source
from underbrush.project.storage import Node, guarded
from underbrush.project.versions import Version, parse_version

MAX_CLASSES = 255
_SLAB = 1 << 24
"""Values read at once from a large block."""
_MAX_POSITION = 2**40
_SLICE = re.compile(r"(\d{1,15})\s*:\s*(\d{1,15})")


@dataclass(frozen=True)
class _Stored:
    """A block as the file describes it."""

    name: str
    data: h5py.Dataset
    start: tuple[int, ...]
    axes: str | None
    """None: the block does not say."""

    @property
    def stop(self) -> tuple[int, ...]:
        return tuple(a + n for a, n in zip(self.start, self.data.shape, strict=True))


def read_labels(group: Node, source: Source, version: Version, problems: list[str]) -> tuple[LabelBlock, ...]:
    """The labels of one lane, no pixel twice.

    What cannot be placed in the image is left out and said in ``problems``.
    """
    stored = [b for name in group.names() if (b := _describe(group, name, source, problems)) is not None]
    silent = [b for b in stored if b.axes is None]
    order = {rank: _common_order(silent, rank, source, version) for rank in {len(b.start) for b in silent}}
    shape = source.shape5
    blocks: list[LabelBlock] = []
    lost = 0
    for b in stored:
        axes = b.axes or order[len(b.start)]
        if axes is None:
            problems.append(
                f"Image {source.name!r}: the labels {b.name} have {len(b.start)} axes that do not fit the"
                " image; they are left out."
            )
            continue
        try:
            for block in _read_block(group, b, axes):
                fitting, outside = _inside(block, shape)
                lost += outside
                if fitting is not None:
                    blocks.append(fitting)
        except ProjectError as error:
            problems.append(f"Image {source.name!r}: {error.problem}; these labels are left out.")
    if lost:
        problems.append(
            f"Image {source.name!r}: {lost} labelled pixels lie outside the image; they are left out."
        )
    return disjoint(blocks)


def _describe(group: Node, name: str, source: Source, problems: list[str]) -> _Stored | None:
    try:
        data = group.dataset(name)
        if data is None:
            return None
        text = group.attribute(name, "blockSlice") or ""
        axes = parse_axistags(group.attribute(name, "axistags"))
        if data.dtype.kind not in "biu":
            raise ProjectError(f"the labels {name} are not whole numbers", where=group.where)
    except ProjectError as error:
        problems.append(f"Image {source.name!r}: {error.problem}; these labels are left out.")
        return None
    spans = _SLICE.findall(text)
    start = tuple(int(a) for a, _ in spans)
    sizes = tuple(int(b) - int(a) for a, b in spans)
    if not spans or sizes != tuple(data.shape) or max(start) > _MAX_POSITION:
        problems.append(
            f"Image {source.name!r}: the labels {name} of shape {tuple(data.shape)} say that they lie at"
            f" {text[:60]!r}; they are left out."
        )
        return None
    letters = None if axes is None or len(axes[0]) != len(start) else axes[0]
    return _Stored(name, data, start, letters)


def candidate_orders(source: Source, version: Version, rank: int) -> list[str]:
    """Axis orders that labels of ``rank`` axes may have, the likeliest first.

    Versions before 1.3 label in the order of the image, c added; 1.3.3post2 to 1.4.0b7 in the order of
    the image as it is; all others in the order of `label_axes`. Files differ, so the other orders follow.
    """
    axes = source.axes or ""
    own = axes if not axes or "c" in axes else axes + "c"
    moved = own.replace("c", "") + "c" if own else ""
    shape = source.shape5
    if shape is None:
        shape = shape_to_internal((2,) * len(axes), axes) if axes else (1, 1, 1, 2, 2)
    inner = label_axes(shape)
    if version < parse_version("1.3"):
        orders = [own, moved, inner]
    elif parse_version("1.3.3post2") <= version <= parse_version("1.4.0b7"):
        orders = [own, axes, inner, moved]
    else:
        orders = [inner, own, moved]
    orders += ["yxc", "zyxc", "tyxc", "tzyxc", "yx", "zyx"]
    return [o for o in dict.fromkeys(orders) if len(o) == rank]


def _common_order(blocks: list[_Stored], rank: int, source: Source, version: Version) -> str | None:
    """The likeliest order that puts all blocks inside the image; if none does, the likeliest."""
    orders = candidate_orders(source, version, rank)
    shape = source.shape5
    mine = [b for b in blocks if len(b.start) == rank]
    for order in orders:
        if shape is not None and any(
            n > 1 and a not in order for a, n in zip(AXES, shape, strict=True) if a != "c"
        ):
            continue
        if all(_fits(b, order, shape) for b in mine):
            return order
    return orders[0] if orders else None


def _fits(block: _Stored, order: str, shape: Shape5 | None) -> bool:
    for axis, a, b in zip(order, block.start, block.stop, strict=True):
        if axis == "c":
            if (a, b) != (0, 1):
                return False
        elif shape is not None and b > shape[AXES.index(axis)]:
            return False
    return True


def _read_block(group: Node, block: _Stored, axes: str) -> Iterator[LabelBlock]:
    """The labels of a block in t c z y x, in parts of bounded size, without their empty borders."""
    if "c" in axes and (size := block.data.shape[axes.index("c")]) != 1:
        raise ProjectError(f"the labels {block.name} have {size} channels", where=group.where)
    rows = max(1, _SLAB // max(1, block.data.size // max(1, block.data.shape[0])))
    for a in range(0, block.data.shape[0], rows):
        with guarded(group.where, f"the label block {block.name}"):
            values = np.asarray(block.data[a : a + rows])
        if values.dtype != np.uint8:
            values = np.where((values < 0) | (values > MAX_CLASSES), 0, values).astype(np.uint8)
        start = (block.start[0] + a, *block.start[1:])
        part = trimmed(_placed(values, start, axes))
        if part is not None:
            yield part


def _placed(values: NDArray[np.uint8], start: tuple[int, ...], axes: str) -> LabelBlock:
    where = dict(zip(axes, start, strict=True))
    inside = to_internal(values, axes)
    t, z, y, x = (where.get(a, 0) for a in "tzyx")
    n = inside.shape
    return make_block(Box((t, 0, z, y, x), (t + n[0], 1, z + n[2], y + n[3], x + n[4])), inside)


def _inside(block: LabelBlock, shape: Shape5 | None) -> tuple[LabelBlock | None, int]:
    """The part of a block inside an image, and how many labelled pixels that leaves out."""
    if shape is None:
        return block, 0
    part = clipped(block, shape)
    if part is block:
        return block, 0
    lost = int(np.count_nonzero(block.values)) - int(np.count_nonzero(part.values))
    return trimmed(part), lost


def split_label_sets(sets: Node | None, n_lanes: int) -> tuple[dict[int, Node], list[str]]:
    """Lane number -> group of its labels, and the names of groups that belong to no lane.

    As many groups as lanes are matched in numeric order; otherwise by the number in their name.
    """
    if sets is None:
        return {}, []
    found: list[tuple[int, str, Node]] = []
    for name, group in sets.groups():
        digits = re.sub(r"\D", "", name)[:9]
        found.append((int(digits) if digits else len(found), name, group))
    found.sort(key=lambda f: f[0])
    if len(found) == n_lanes:
        return {i: g for i, (_, _, g) in enumerate(found)}, []
    matched = {n: g for n, _, g in found if n < n_lanes}
    return matched, [name for n, name, _ in found if n >= n_lanes]
