"""Features, classes and export settings of a project file."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.errors import FeatureError
from underbrush.project.schema import DEFAULT_COLOURS, ClassInfo, Colour, ExportSettings
from underbrush.project.storage import Node

_MAX_SCALES = 1000


def read_features(
    group: Node | None, problems: list[str]
) -> tuple[FeatureSelection | None, tuple[str, ...], tuple[float, ...]]:
    """The chosen features (or None), and the rows and columns of their table."""
    if group is None:
        return None, (), ()
    ids = tuple(group.texts("FeatureIds") or ())
    values = group.numbers("Scales")
    scales = () if values is None else tuple(float(s) for s in values.reshape(-1)[:_MAX_SCALES])
    matrix = group.numbers("SelectionMatrix")
    if "FeatureListFilename" in group.names():
        problems.append("The project takes its features from a file; this is not supported, choose features.")
    if matrix is None:
        return None, ids, scales
    flat = group.numbers("ComputeIn2d")
    try:
        if matrix.ndim != 2:
            raise FeatureError(f"the selection matrix has {matrix.ndim} axes")
        rows = tuple(tuple(bool(v) for v in row) for row in matrix)
        in_2d = None if flat is None else tuple(bool(v) for v in flat.reshape(-1))
        return FeatureSelection(ids, scales, rows, in_2d), ids, scales
    except FeatureError as error:
        problems.append(f"The project's features cannot be used ({error.problem}); choose features anew.")
        return None, ids, scales


def default_colour(index: int) -> Colour:
    """The colour of the class at ``index`` (from 0) in a new project."""
    return DEFAULT_COLOURS[index % len(DEFAULT_COLOURS)]


def read_classes(group: Node | None) -> tuple[ClassInfo, ...] | None:
    """The classes, or None where the project has no list of them."""
    names = None if group is None else group.texts("LabelNames")
    if group is None or names is None:
        return None
    brush, probability = _colours(group, "LabelColors"), _colours(group, "PmapColors")
    return tuple(
        ClassInfo(
            name,
            brush[i] if i < len(brush) else default_colour(i),
            probability[i] if i < len(probability) else default_colour(i),
        )
        for i, name in enumerate(names[:255])
    )


def _colours(group: Node, name: str) -> list[Colour]:
    values = group.numbers(name)
    if values is None or values.ndim != 2 or values.shape[1] < 3:
        return []
    clean = np.clip(np.nan_to_num(values[:255, :3].astype(np.float64)), 0, 255)
    return [(int(r), int(g), int(b)) for r, g, b in clean]


def read_export(group: Node | None) -> ExportSettings:
    """How the project exports; defaults for what it does not say."""
    default = ExportSettings()
    if group is None:
        return default
    region = {n: group.numbers(n) for n in ("RegionStart", "RegionStop")}
    ranges = {n: group.number(n) for n in ("InputMin", "InputMax", "ExportMin", "ExportMax")}
    (a, b), (c, d) = (pair for i, pair in enumerate(pairwise(ranges.values())) if i != 1)
    start, stop = (
        () if v is None or v.ndim != 1 else tuple(None if n < 0 else int(n) for n in v)
        for v in region.values()
    )
    return ExportSettings(
        format=group.text("OutputFormat") or default.format,
        filename=group.text("OutputFilenameFormat") or default.filename,
        internal_path=group.text("OutputInternalPath") or default.internal_path,
        axes=group.text("OutputAxisOrder") or None,
        dtype=group.text("ExportDtype") or None,
        region_start=start if len(start) == len(stop) else (),
        region_stop=stop if len(start) == len(stop) else (),
        input_range=None if a is None or b is None else (a, b),
        export_range=None if c is None or d is None else (c, d),
    )
