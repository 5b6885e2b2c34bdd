"""Writing the images of a project: links to files, and images that lie inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ProjectError
from underbrush.project.axistags import axistags_text
from underbrush.project.inputs_layout import MASK, RAW
from underbrush.project.members import write_list, write_text
from underbrush.project.paths import LOCAL
from underbrush.project.schema import Lane, Source
from underbrush.project.storage import Node


class Streamed(Protocol):
    """Pixels that come in pieces, in the order of the stored axes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes."""

    @property
    def axes(self) -> str:
        """Order of the axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As they are stored."""

    def parts(self) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
        """Places and values."""


Embedded = NDArray[Any] | Streamed
"""What an embedded image is written from."""


def _fill(local: h5py.Group, name: str, pixels: Embedded) -> h5py.Dataset:
    if isinstance(pixels, np.ndarray):
        return local.create_dataset(name, data=pixels, chunks=True if pixels.size else None)
    data = local.create_dataset(name, pixels.shape, pixels.dtype, chunks=True)
    for where, values in pixels.parts():
        data[where] = values
    _describe(data, pixels.axes, "default")
    return data


def _describe(data: h5py.Dataset, axes: str | None, display_mode: str) -> None:
    """What ilastik reads of an image that lies in the project."""
    if axes is not None:
        data.attrs["axistags"] = axistags_text(axes)
        for axis, letter in enumerate(axes):
            data.dims[axis].label = letter
    data.attrs["display_mode"] = display_mode


def _local(old: Node | None) -> Node | None:
    """Where the old file has its embedded images."""
    inputs = None if old is None else old.group("Input Data")
    return None if inputs is None else inputs.group("local_data")


def write_inputs(
    group: h5py.Group,
    lanes: Sequence[Lane],
    old: Node | None,
    embed: Mapping[str, Embedded],
    problems: list[str],
    spoken: str = "",
) -> None:
    """Fill the group ``Input Data``; embedded images come from ``embed`` or from the old file.

    What is in ``embed`` is written also where no lane has it yet, and what the text ``spoken`` names is kept:
    a command that is about to come, or an undo, may bring it back.
    """
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
    for inner, pixels in embed.items():
        name = inner.rpartition("/")[2]
        if name not in local:
            _fill(local, name, pixels)
    before = _local(old)
    if before is not None:
        for name in before.names():
            if name not in local and name in spoken:
                before.copy_to(name, local)


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
    embed: Mapping[str, Embedded],
    problems: list[str],
) -> None:
    name = source.inner.rpartition("/")[2]
    if not name or name in local or source.inner != f"{LOCAL}/{name}":
        return
    array = embed.get(source.inner)
    if array is not None:
        _describe(_fill(local, name, array), source.axes, source.display_mode)
        return
    before = _local(old)
    try:
        if before is None or before.dataset(name) is None:
            raise ProjectError("it is not in the old file either", where=local.file.filename)
        before.copy_to(name, local)
    except ProjectError as error:
        problems.append(f"The embedded image {source.name!r} could not be kept: {error.problem}.")
