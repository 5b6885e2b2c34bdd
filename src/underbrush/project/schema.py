"""What a project says, as frozen values: no file stays behind them, arrays are read-only copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.core.geometry import Shape5, shape_to_internal
from underbrush.core.labels import LabelBlock, count_classes

WORKFLOW = "Pixel Classification"
WRITTEN_VERSION = "1.4.2"
"""The ilastik version whose layout is written."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

DEFAULT_COLOURS: tuple[Colour, ...] = (
    (255, 225, 25), (0, 130, 200), (230, 25, 75), (70, 240, 240), (60, 180, 75), (250, 190, 190),
    (170, 110, 40), (145, 30, 180), (0, 128, 128), (245, 130, 48), (240, 50, 230), (210, 245, 60),
    (220, 190, 255), (255, 215, 180), (170, 255, 195), (128, 0, 0), (128, 128, 0), (0, 0, 128),
)  # fmt: skip
"""Colours of new classes, in turn."""


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Source:
    """Where an image of a lane comes from, and how it is to be understood."""

    kind: Literal["file", "stack", "embedded", "url"]
    """One file, several files that form one image, an array inside the project, or an address."""
    stored: str
    """The address as the project has it; relative paths are relative to the project's folder."""
    name: str = ""
    """The name for people; exports are named by it."""
    files: tuple[str, ...] = ()
    """The file, or the files of a stack, without inner path; empty for embedded images and addresses."""
    inner: str = ""
    """Path of the dataset inside an HDF5, N5 or npz file (or inside the project), without doubled slashes."""
    axes: str | None = None
    """Order of the stored axes, letters of tczyx; None: as the image itself says."""
    shape: tuple[int, ...] | None = None
    """Sizes in the order of ``axes``, as far as the project knows them."""
    display_mode: str = "default"
    display_range: tuple[float, float] | None = None
    normalize_display: bool | None = None
    """Stretch the display to ``display_range``; None: if there is one."""
    level: str = ""
    """Key of the resolution level, empty for images that have one."""
    level_locked: bool = False
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Axis letter -> (size of a pixel, unit), where known."""
    dataset_id: str = ""
    """Identity that the project gave to the image; for old embedded images part of the inner path."""

    @property
    def shape5(self) -> Shape5 | None:
        """Sizes in t c z y x, or None where axes or shape are not stored."""
        if self.axes is None or self.shape is None or len(self.axes) != len(self.shape):
            return None
        return shape_to_internal(self.shape, self.axes)


@dataclass(frozen=True)
class Lane:
    """One image of the project with its mask and labels."""

    nickname: str
    raw: Source
    mask: Source | None = None
    labels: tuple[LabelBlock, ...] = ()
    """No pixel is labelled by two of them."""

    @property
    def label_counts(self) -> dict[int, int]:
        """Class value (from 1) -> labelled pixels."""
        return count_classes(self.labels)


@dataclass(frozen=True)
class ClassInfo:
    """One class; its value is its place in the project's list, counted from 1."""

    name: str
    colour: Colour
    """Of the brush."""
    probability_colour: Colour
    """Of the probability and segmentation layers."""


@dataclass(frozen=True)
class ExportSettings:
    """How results are written."""

    format: str = "compressed hdf5"
    filename: str = "{dataset_dir}/{nickname}_{result_type}"
    internal_path: str = "exported_data"
    axes: str | None = None
    """Output axis order; None: that of the image."""
    dtype: str | None = None
    """numpy name of the output type; None: that of the result."""
    region_start: tuple[int | None, ...] = ()
    """Crop in the project's label order of axes with c; None is open; empty is no crop."""
    region_stop: tuple[int | None, ...] = ()
    input_range: tuple[float, float] | None = None
    """With ``export_range``: values are rescaled from here ..."""
    export_range: tuple[float, float] | None = None
    """... to here."""
    objects: tuple[int, ...] = ()
    """Ids of the classes that objects are made of, 0 for one that is gone; none: all but the first. In the
    file they stand among our own texts, because ilastik has no such choice."""


@dataclass(frozen=True, eq=False)
class ClassifierInfo:
    """What the project says of its classifier beside the forest."""

    kind: Literal["none", "forest", "other"] = "none"
    """None stored, a random forest, or one of another make (never loaded)."""
    n_trees: int = 100
    """Trees that are to be trained, in all."""
    parts: tuple[int, ...] = ()
    """Trees of each of the stored forests, in order; they sum to the forest's trees."""
    feature_names: tuple[str, ...] = ()
    """Names of the columns, or empty if not stored."""
    importances: NDArray[np.float64] | None = None
    """(features, classes + 2): for each class, overall, Gini; or None."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassifierInfo):
            return False
        mine, theirs = self.importances, other.importances
        return (self.kind, self.n_trees, self.parts, self.feature_names) == (
            other.kind, other.n_trees, other.parts, other.feature_names,
        ) and (
            mine is theirs
            or (mine is not None and theirs is not None and np.array_equal(mine, theirs, equal_nan=True))
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.kind, self.n_trees, self.parts, self.feature_names))


@dataclass(frozen=True, eq=False)
class Project:
    """A pixel classification project.

    Two projects are equal when they say the same, wherever their files lie; ``problems`` and ``version``
    do not count.
    """

    lanes: tuple[Lane, ...] = ()
    classes: tuple[ClassInfo, ...] = ()
    selection: FeatureSelection | None = None
    """The chosen features, or None where nothing was chosen (or it cannot be understood)."""
    feature_ids: tuple[str, ...] = ()
    """Rows of the feature table, also when nothing is chosen."""
    scales: tuple[float, ...] = ()
    """Columns of the feature table, sigmas in pixels."""
    forest: Forest | None = None
    classifier: ClassifierInfo = ClassifierInfo()
    export: ExportSettings = ExportSettings()
    own: Mapping[str, str] = field(default_factory=_nothing)
    """Texts by name (without a slash) that only Underbrush needs: history, working level, seed."""
    frozen: Mapping[str, Forest] = field(default_factory=lambda: MappingProxyType({}))
    """Classifiers that were kept under a name."""
    path: Path | None = None
    version: str = WRITTEN_VERSION
    workflow: str = WORKFLOW
    problems: tuple[str, ...] = ()
    """One sentence for each thing that could not be taken over or may surprise."""

    def _content(self) -> tuple[object, ...]:
        return (
            self.lanes, self.classes, self.selection, self.feature_ids, self.scales, self.classifier,
            None if self.forest is None else self.forest.digest, self.export, dict(self.own),
            {k: f.digest for k, f in self.frozen.items()},
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Project) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash((self.lanes, self.classes, self.selection, self.export))

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return Path() if self.path is None else self.path.parent
