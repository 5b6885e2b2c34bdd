"""Writing the images of a project: links to files, and images that lie inside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ProjectError
from underbrush.project.axistags import axistags_text
from underbrush.project.inputs_layout import MASK, RAW
from underbrush.project.members import write_list, write_text
from underbrush.project.schema import Lane, Source
from underbrush.project.storage import Node

LOCAL = "Input Data/local_data"


def write_inputs(
    group: h5py.Group,
    lanes: Sequence[Lane],
    old: Node | None,
    embed: Mapping[str, NDArray[Any]],
    problems: list[str],
) -> None:
    """Fill the group ``Input Data``; embedded images come from ``embed`` or from the old file."""
    write_text(group, "StorageVersion", "0.2")
    write_list(group, "Role Names", (RAW, MASK), marked=False)
    local = group.create_group("local_data")
    infos = group.create_group("infos")
    for i, lane in enumerate(lanes):
        info = infos.create_group(f"lane{i:04}")
        for role, source in ((RAW, lane.raw), (MASK, lane.mask)):
            target = info.create_group(role)  # an empty group is a role without image
            if source is None or not source.stored:
                continue
            _write_source(target, source)
            if source.kind == "embedded":
                _write_embedded(local, source, old, embed, problems)


def _write_source(group: h5py.Group, source: Source) -> None:
    write_text(group, "__class__", _class_of(source))
    write_text(group, "location", "ProjectInternal" if source.kind == "embedded" else "FileSystem")
    write_text(group, "filePath", source.stored)
    write_text(group, "nickname", source.name)
    group["allowLabels"] = True
    sizes = {a: size for a, (size, _) in source.pixel_size.items()}
    units = {a: unit for a, (_, unit) in source.pixel_size.items()}
    if source.axes is not None:
        write_text(group, "axistags", axistags_text(source.axes, sizes))
    if source.shape is not None:
        group["shape"] = np.array(source.shape, np.int64)
    write_text(group, "display_mode", source.display_mode)
    if source.normalize_display is not None:
        group["normalizeDisplay"] = source.normalize_display
    if source.display_range is not None:
        group["drange"] = np.array(source.display_range, np.float64)
    write_text(group, "working_scale", source.level)
    group["scale_locked"] = source.level_locked
    write_text(group, "axis_units", json.dumps(units, ensure_ascii=False) if units else "null")
    if source.dataset_id:
        write_text(group, "datasetId", source.dataset_id)
    if source.kind == "embedded":
        write_text(group, "inner_path", source.inner)
        group["fromstack"] = True
    if source.kind == "url":
        write_text(group, "url", source.stored)


def _class_of(source: Source) -> str:
    if source.kind == "embedded":
        return "ProjectInternalDatasetInfo"
    if source.kind == "url":
        return "MultiscaleUrlDatasetInfo"
    absolute = source.stored.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", source.stored)
    return "FilesystemDatasetInfo" if absolute else "RelativeFilesystemDatasetInfo"


def _write_embedded(
    local: h5py.Group,
    source: Source,
    old: Node | None,
    embed: Mapping[str, NDArray[Any]],
    problems: list[str],
) -> None:
    name = source.inner.rpartition("/")[2]
    if not name or name in local or source.inner != f"{LOCAL}/{name}":
        return
    array = embed.get(source.inner)
    if array is not None:
        data = local.create_dataset(name, data=array, chunks=True if array.size else None)
        if source.axes is not None:
            data.attrs["axistags"] = axistags_text(source.axes)
            for axis, letter in enumerate(source.axes):
                data.dims[axis].label = letter
        data.attrs["display_mode"] = source.display_mode
        return
    inputs = None if old is None else old.group("Input Data")
    before = None if inputs is None else inputs.group("local_data")
    try:
        if before is None or before.dataset(name) is None:
            raise ProjectError("it is not in the old file either", where=local.file.filename)
        before.copy_to(name, local)
    except ProjectError as error:
        problems.append(f"The embedded image {source.name!r} could not be kept: {error.problem}.")
