"""What somebody looks at, and what they are sent: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from underbrush.core.looking import MAX_LEVEL, PLANES, Place, Plane, PlaneBox
from underbrush.errors import UsageError

Viewer = tuple[str, str]
"""Client, and the name of its view."""
MAX_LAYERS = 64
MOST = 1 << 31
"""Positions are below it."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of a plane that somebody looks at, and which results they want to see there.

    Raises
    ------
    UsageError
        A plane, layer or number that cannot be.
    """

    client: str
    name: str
    lane: str
    t: int
    plane: Plane
    slice: int
    """Index along the axis that stands still, at level 0."""
    level: int
    """Every 2^level-th pixel of x and y is shown; z is never thinned out."""
    box: PlaneBox
    """x0, y0, x1, y1: columns and rows of the plane at that level; the part outside the image is left out."""
    layers: tuple[str, ...] = ("segmentation",)
    """"segmentation", "probability:K" (class value, from 1), "uncertainty", "feature:NAME"."""

    def __post_init__(self) -> None:
        numbers = (self.t, self.slice, self.level, *self.box)
        if not all(isinstance(n, int) and not isinstance(n, bool) and abs(n) < MOST for n in numbers):
            raise UsageError("a view has a number that is no position", remedy="give whole numbers")
        if self.plane not in PLANES:
            raise UsageError(f"there is no plane {self.plane!r}", remedy="use xy, xz or zy")
        if not 0 <= self.level <= MAX_LEVEL:
            raise UsageError(f"there is no level {self.level}", remedy=f"use 0 to {MAX_LEVEL}")
        if len(self.layers) > MAX_LAYERS:
            raise UsageError(f"a view has {len(self.layers)} layers", remedy=f"ask for at most {MAX_LAYERS}")
        for layer in self.layers:
            _check_layer(layer)

    @property
    def viewer(self) -> Viewer:
        """Client and name: a newer view of the same viewer takes the place of this one."""
        return self.client, self.name

    @property
    def results(self) -> tuple[str, ...]:
        """The layers that are made of probabilities."""
        return tuple(layer for layer in self.layers if not layer.startswith("feature:"))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that are to be shown."""
        return tuple(layer[8:] for layer in self.layers if layer.startswith("feature:"))


def _check_layer(layer: str) -> None:
    kind, _, rest = layer.partition(":")
    good = {
        "segmentation": not rest,
        "uncertainty": not rest,
        "probability": rest.isdecimal() and 1 <= int(rest[:4]) <= 255,
        "feature": bool(rest),
    }
    if not good.get(kind, False):
        raise UsageError(
            f"there is no layer {layer[:60]!r}",
            remedy="use segmentation, uncertainty, probability:K or feature:NAME",
        )


@dataclass(frozen=True, slots=True, eq=False)
class TileDone:
    """One layer of one tile, for all who look at it."""

    viewers: tuple[Viewer, ...]
    layer: str
    lane: str
    key: str
    """The recipe, or the feature: a tile of another key takes this one's place."""
    place: Place
    array: NDArray[Any]
    """(rows, columns): class values uint8 (segmentation), else float32; a feature is NaN where it depends
    on a pixel that is not finite. Not to be written to."""
    low: float
    """Smallest and largest finite value of the array; both 0 where there is none."""
    high: float


@dataclass(frozen=True, slots=True)
class ViewProgress:
    """How much of a view has been sent."""

    viewer: Viewer
    done: int
    total: int
    """Tiles."""


@dataclass(frozen=True, slots=True)
class ViewNotice:
    """A sentence for one who looks: why there is nothing to see."""

    viewer: Viewer
    level: Literal["info", "error"]
    sentence: str


ViewEvent = TileDone | ViewProgress | ViewNotice
