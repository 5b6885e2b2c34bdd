"""Which filters at which scales: the frozen matrix that a person ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from underbrush.core.features.catalog import (
    BY_ID,
    DEFAULT_SCALES,
    FILTERS,
    VIGRA_STRUCTURE,
    reach,
    required_size,
)
from underbrush.core.geometry import Halo, Shape5
from underbrush.errors import FeatureError

OFFERED = tuple(f.id for f in FILTERS)


@dataclass(frozen=True, slots=True)
class FeatureTerm:
    """One ticked cell of the matrix."""

    filter_id: str
    scale: float
    in_2d: bool
    """Filter every z slice by itself in y and x."""


@dataclass(frozen=True, slots=True)
class FeatureSelection:
    """Filters x scales, ticked or not, and for each scale whether it is computed slice by slice.

    Features are ordered by filter, then scale, then input channel, then eigenvalue (largest first).
    Scales are sigmas in pixels of the level that is classified.
    """

    filters: tuple[str, ...]
    scales: tuple[float, ...]
    matrix: tuple[tuple[bool, ...], ...]
    """One row a filter, one column a scale."""
    in_2d: tuple[bool, ...] | None = None
    """One a scale; None: 2D where the image has one slice, else 3D."""
    vigra_structure: bool = False
    """Structure tensors as ilastik computed them before 1.3; see `catalog.VIGRA_STRUCTURE`."""

    def __post_init__(self) -> None:
        unknown = [f for f in self.filters if f not in OFFERED]
        if unknown:
            known = ", ".join(OFFERED)
            raise FeatureError(f"unknown filter {unknown[0]!r}", remedy=f"use one of {known}")
        if len(set(self.filters)) != len(self.filters):
            raise FeatureError("a filter is named twice", remedy="give each filter one row")
        bad = [s for s in self.scales if not 0 < s < 1e4]
        if bad:
            raise FeatureError(f"the scale {bad[0]} is not a positive sigma", remedy="give sigmas in pixels")
        if len(self.matrix) != len(self.filters) or any(len(r) != len(self.scales) for r in self.matrix):
            raise FeatureError(
                f"the selection matrix is not {len(self.filters)} filters x {len(self.scales)} scales",
                remedy="give one row a filter and one column a scale",
            )
        if self.in_2d is not None and len(self.in_2d) != len(self.scales):
            raise FeatureError("the 2D switches do not fit the scales", remedy="give one a scale")

    @classmethod
    def all(
        cls, scales: Sequence[float] = DEFAULT_SCALES, in_2d: Sequence[bool] | None = None
    ) -> FeatureSelection:
        """Every filter at every scale that it is offered at (below 0.7 Gaussian smoothing alone)."""
        rows = tuple(tuple(s >= f.min_scale for s in scales) for f in FILTERS)
        return cls(
            tuple(f.id for f in FILTERS),
            tuple(float(s) for s in scales),
            rows,
            None if in_2d is None else tuple(in_2d),
        )

    @classmethod
    def recommended(cls, shape: Shape5) -> FeatureSelection:
        """A good choice for an image of ``shape`` (t c z y x).

        2D with up to 4 channels: all that fit. Volumes: Gaussian smoothing 0.3, all filters at 1.0, 1.6,
        3.5. More than 4 channels: all filters at 1.0, 3.5, 10.0. Scales that do not fit are left out.
        """
        _, c, z, y, x = shape
        volume = z > 1
        if c > 4:
            scales: tuple[float, ...] = (1.0, 3.5, 10.0)
        elif volume:
            scales = (0.3, 1.0, 1.6, 3.5)
        else:
            scales = DEFAULT_SCALES
        sizes = (y, x, z) if volume else (y, x)
        fits = tuple(s for s in scales if required_size(s) <= min(sizes))
        if volume and c > 4 and not fits:
            return cls.recommended((1, c, 1, y, x)).with_in_2d(True)
        return cls.all(fits or scales[:1])

    def with_in_2d(self, value: bool) -> FeatureSelection:
        """The same with every scale computed in 2D (or in 3D)."""
        return replace(self, in_2d=(value,) * len(self.scales))

    def terms(self, volume: bool) -> tuple[FeatureTerm, ...]:
        """The ticked cells in the order of their features, with 2D or 3D settled for an image."""
        flat = tuple(not volume for _ in self.scales) if self.in_2d is None else self.in_2d
        return tuple(
            FeatureTerm(self._computed(f), s, not volume or flat[j])
            for f, row in zip(self.filters, self.matrix, strict=True)
            for j, (s, on) in enumerate(zip(self.scales, row, strict=True))
            if on
        )

    def _computed(self, filter_id: str) -> str:
        exchanged = self.vigra_structure and filter_id == "StructureTensorEigenvalues"
        return VIGRA_STRUCTURE if exchanged else filter_id

    def count(self, channels: int = 1, volume: bool = False) -> int:
        """Number of features for an image of ``channels``, with more than one slice if ``volume``."""
        return channels * sum(BY_ID[t.filter_id].channels(2 if t.in_2d else 3) for t in self.terms(volume))

    def names(self, channels: int = 1, volume: bool = False) -> tuple[str, ...]:
        """Names of the features in order, as in project files: ``Gaussian Smoothing (σ=0.3) in 2D``."""
        names = []
        for t in self.terms(volume):
            f = BY_ID[t.filter_id]
            base = f"{f.name} (σ={float(t.scale)})" + (" in 2D" if t.in_2d else "")
            n = channels * f.channels(2 if t.in_2d else 3)
            names += [base] if n == 1 else [f"{base} [{k}]" for k in range(n)]
        return tuple(names)

    def halo(self, volume: bool) -> Halo:
        """How far the features reach beyond a box."""
        halo = Halo()
        for t in self.terms(volume):
            r = reach(t.filter_id, t.scale)
            halo = halo.union(Halo(0 if t.in_2d else r, r, r))
        return halo

    def check(self, shape: Shape5, where: str = "") -> None:
        """Refuse scales that are too large for an image of ``shape`` (t c z y x).

        A scale needs ceil(3.5 * scale) + 1 pixels in y and x, and in z unless it is computed in 2D.

        Raises
        ------
        FeatureError
            Names the scale, the axis and both sizes; or nothing is selected.
        """
        terms = self.terms(shape[2] > 1)
        if not terms:
            raise FeatureError("no features are selected", where=where, remedy="select at least one feature")
        sizes = dict(zip("zyx", shape[2:], strict=True))
        for t in terms:
            for axis in "yx" if t.in_2d else "zyx":
                need = required_size(t.scale)
                if sizes[axis] < need:
                    raise FeatureError(
                        f"the scale {t.scale:g} needs {need} pixels in {axis}, the image has {sizes[axis]}",
                        where=where,
                        remedy="use a larger image, or a project without this scale"
                        + (" or with it computed in 2D" if axis == "z" else ""),
                    )
