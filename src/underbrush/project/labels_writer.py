"""Writing strokes in the axis order that ilastik works in."""

from __future__ import annotations

from collections.abc import Sequence

import h5py

from underbrush.core.geometry import AXES, from_internal
from underbrush.project.axistags import axistags_text, label_axes
from underbrush.project.normal_form import extent
from underbrush.project.schema import Lane


def write_label_sets(group: h5py.Group, lanes: Sequence[Lane]) -> None:
    """One group for each lane, also for those without labels, in the order of the lanes."""
    for i, lane in enumerate(lanes):
        target = group.create_group(f"labels{i:03}")
        order = label_axes(extent(lane.raw, lane))
        tags = axistags_text(order)
        digits = max(4, len(str(len(lane.labels))))
        for k, block in enumerate(lane.labels):
            name = f"block{k:0{digits}}"
            target[name] = from_internal(block.values, order)
            where = dict(zip(AXES, zip(block.box.start, block.box.stop, strict=True), strict=True))
            spans = ",".join(f"{where[a][0]}:{where[a][1]}" for a in order)
            target[name].attrs["blockSlice"] = f"[{spans}]".encode()
            target[name].attrs["axistags"] = tags
