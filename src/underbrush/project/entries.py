"""The cells of an open project: its images, classes, settings and kept classifiers, each a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.project.schema import ClassifierInfo, ClassInfo, ExportSettings, Source


@dataclass(frozen=True, eq=False)
class Parked:
    """Labels that have no place in their image as it is understood now; kept for when it changes back."""

    axes: str | None
    """The axes of the image when they had a place; None: as the image itself said."""
    runs: NDArray[np.int32]
    """(n, 5) t z y x length under these axes, sorted, disjoint."""
    ids: NDArray[np.uint8]
    """(n,) class ids."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Parked)
            and self.axes == other.axes
            and np.array_equal(self.runs, other.runs)
            and np.array_equal(self.ids, other.ids)
        )

    def __hash__(self) -> int:
        return hash((self.axes, self.runs.tobytes(), self.ids.tobytes()))

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(self.runs[:, 4].sum(dtype=np.int64))


@dataclass(frozen=True)
class LaneEntry:
    """One image of the project; its labels are kept apart."""

    rank: float
    """Images are ordered by it, then by id."""
    nickname: str
    raw: Source
    mask: Source | None = None
    parked: tuple[Parked, ...] = ()

    @property
    def volume(self) -> bool:
        """Whether the image is known to have more than one z."""
        shape = self.raw.shape5
        return shape is not None and shape[2] > 1


@dataclass(frozen=True)
class ClassEntry:
    """One class."""

    rank: float
    """Classes are ordered by it, then by id."""
    info: ClassInfo
    locked: bool = False
    """Its labels are neither painted nor painted over."""


@dataclass(frozen=True)
class Settings:
    """What is trained and exported, and how."""

    selection: FeatureSelection | None = None
    feature_ids: tuple[str, ...] = ()
    """Rows of the feature table of the project that was opened, for when nothing is chosen."""
    scales: tuple[float, ...] = ()
    """Its columns."""
    channels: tuple[int, ...] | None = None
    """Channels that feed the features, from 0; None: all."""
    n_trees: int = 100
    seed: int = 0
    balance: bool = False
    export: ExportSettings = field(default_factory=ExportSettings)


SETTINGS = ("selection", "channels", "n_trees", "seed", "balance", "export")
"""The settings that commands change, each a cell of its own."""


@dataclass(frozen=True)
class Use:
    """What else a forest needs to classify an image."""

    selection: FeatureSelection
    channels: tuple[int, ...] | None = None
    """Channels that feed the features, from 0; None: all."""
    classes: tuple[ClassInfo, ...] = ()
    """In the order of their values, as they were then."""


@dataclass(frozen=True, eq=False)
class FrozenClassifier:
    """A classifier that is kept under a name."""

    name: str
    forest: Forest
    created: str = ""
    """UTC, ISO 8601."""
    note: str = ""
    use: Use | None = None
    """None: not known; then it is used with the features of the project."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrozenClassifier) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[Any, ...]:
        return self.name, self.forest.digest, self.created, self.note, self.use


@dataclass(frozen=True, eq=False)
class Trained:
    """A forest and what it was trained for."""

    key: str
    """The `Document.training_key` that it belongs to."""
    forest: Forest
    info: ClassifierInfo = field(default_factory=ClassifierInfo)
    vigra_structure: bool = False
    """Its structure tensor is that of ilastik before 1.3; see `FeatureSelection`."""
