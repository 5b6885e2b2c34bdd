"""A project as it will be after saving: labels sorted out, links from the new folder, text that fits."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Shape5, shape_to_internal
from underbrush.core.labels import clipped, disjoint, pieces
from underbrush.project.paths import is_url, linked, name_of, split_files
from underbrush.project.schema import (
    WORKFLOW,
    WRITTEN_VERSION,
    ClassifierInfo,
    ExportSettings,
    Lane,
    Project,
    Source,
)
from underbrush.project.storage import decode

BLOCK_PIXELS = 1 << 22
"""Largest label block that is written."""
_MAX_PIXEL_SIZE = 1e30
_MAX_UNIT = 40


def clean(text: str) -> str:
    """Text that HDF5 can hold: no NUL, no half characters."""
    return decode(text.replace("\0", ""))


def normal_form(project: Project, path: Path) -> Project:
    """What `read_project` will give after the project was saved as ``path``."""
    selection = project.selection
    if selection is not None and project.forest is None:
        # Which structure tensor it is belongs to a forest; a new one takes today's.
        selection = replace(selection, vigra_structure=False)
    return replace(
        project,
        lanes=tuple(_lane(i, lane, project, path) for i, lane in enumerate(project.lanes)),
        classes=tuple(replace(c, name=clean(c.name)) for c in project.classes),
        selection=None if selection is None else _settled(selection, project.lanes),
        feature_ids=tuple(clean(n) for n in project.feature_ids) if selection is None else selection.filters,
        scales=project.scales if selection is None else selection.scales,
        classifier=_classifier(project),
        export=_export(project.export),
        own=MappingProxyType({name: clean(text) for name, text in project.own.items()}),
        path=path,
        version=WRITTEN_VERSION,
        workflow=WORKFLOW,
        problems=(),
    )


def extent(source: Source, lane: Lane) -> Shape5:
    """The image's shape in t c z y x; where the project does not know it, one that labels are placed by."""
    known = source.shape5
    if known is not None:
        return known
    axes = source.axes or "yx"
    guess = list(shape_to_internal((2,) * len(axes), axes))
    for block in lane.labels:
        guess = [max(n, b) for n, b in zip(guess, block.box.stop, strict=True)]
    t, c, z, y, x = guess
    return t, c, z, y, x


def _lane(number: int, lane: Lane, project: Project, path: Path) -> Lane:
    raw = Source("file", "", name=f"lane{number:04}")  # what is read of a lane without image
    if lane.raw.stored:
        raw = _source(lane.raw, project, path, lane.nickname)
    mask = lane.mask
    mask = _source(mask, project, path, mask.name) if mask is not None and mask.stored else None
    shape = raw.shape5
    blocks = [b if shape is None else clipped(b, shape) for b in lane.labels]
    labels = tuple(p for block in disjoint(blocks) for p in pieces(block, BLOCK_PIXELS))
    return Lane(raw.name, raw, mask, labels)


def _source(source: Source, project: Project, path: Path, name: str) -> Source:
    axes = source.axes
    source = replace(
        source,
        name=clean(name) or clean(name_of(source.stored)),
        display_mode=clean(source.display_mode) or "default",
        level=clean(source.level),
        dataset_id=clean(source.dataset_id),
        pixel_size=_pixel_size(source.pixel_size, axes or ""),
    )
    if source.kind == "embedded":
        return replace(source, stored=source.inner)
    stored = clean(source.stored)
    if not is_url(stored) and project.path is not None and project.folder.resolve() != path.parent.resolve():
        moved = [_moved(p, project.folder.resolve(), path.parent.resolve()) for p in split_files(stored)]
        stored = os.pathsep.join(moved)
    kind, files, inner = linked(stored)
    return replace(source, kind=kind, stored=stored, files=files, inner=inner)


def _moved(stored: str, old: Path, new: Path) -> str:
    """A path relative to the folder ``old`` as one that leads to the same place from ``new``.

    Relative below the new folder, else absolute.
    """
    if stored.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", stored):
        return stored
    absolute = os.path.normpath(old / stored.replace("\\", "/"))
    if Path(absolute).is_relative_to(new):
        return Path(absolute).relative_to(new).as_posix()
    return Path(absolute).as_posix()


def _pixel_size(sizes: Mapping[str, tuple[float, str]], axes: str) -> Mapping[str, tuple[float, str]]:
    return MappingProxyType(
        {
            a: (float(size), clean(unit)[:_MAX_UNIT])
            for a, (size, unit) in sizes.items()
            if a in axes and a != "c" and 0 < size < _MAX_PIXEL_SIZE
        }
    )


def _settled(selection: FeatureSelection, lanes: tuple[Lane, ...]) -> FeatureSelection:
    """2D or 3D said for each scale, where all images agree; ilastik's own reader needs it."""
    if selection.in_2d is not None or not lanes:
        return selection
    shapes = [lane.raw.shape5 for lane in lanes]
    kinds = {shape[2] > 1 for shape in shapes if shape is not None}
    if len(kinds) != 1 or None in shapes:
        return selection
    return selection.with_in_2d(not kinds.pop())


def _classifier(project: Project) -> ClassifierInfo:
    info, forest = project.classifier, project.forest
    if forest is None:
        kind = info.kind if info.kind == "other" else "none"
        return ClassifierInfo(kind, info.n_trees)
    names = (
        tuple(clean(n) for n in info.feature_names) if len(info.feature_names) == forest.n_features else ()
    )
    parts = info.parts if sum(info.parts) == forest.n_trees and all(info.parts) else (forest.n_trees,)
    importances = info.importances
    if importances is not None and importances.shape != (forest.n_features, forest.n_classes + 2):
        importances = None
    return ClassifierInfo("forest", info.n_trees, parts, names, importances)


def _export(export: ExportSettings) -> ExportSettings:
    default = ExportSettings()
    ranged = export.input_range is not None and export.export_range is not None
    region = len(export.region_start) == len(export.region_stop) > 0
    return replace(
        export,
        format=clean(export.format) or default.format,
        filename=clean(export.filename) or default.filename,
        internal_path=clean(export.internal_path) or default.internal_path,
        axes=clean(export.axes or "") or None,
        dtype=clean(export.dtype or "") or None,
        region_start=export.region_start if region else (),
        region_stop=export.region_stop if region else (),
        input_range=export.input_range if ranged else None,
        export_range=export.export_range if ranged else None,
        objects=(),  # ids mean nothing without a document
    )
