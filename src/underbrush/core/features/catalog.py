"""The filters: names, channels and reach.

Numbers follow ilastik's Pixel Classification (its pre-smoothed filters with a window of 3.5 sigma for
the pre-smoothing and 2.0 sigma for the filter itself).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PRESMOOTH_WINDOW = 3.5
FILTER_WINDOW = 2.0
DOG_RATIO = 0.66
"""Sigma of the second Gaussian of a difference of Gaussians, as a part of the first."""
STRUCTURE_RATIO = 0.5
"""Sigma of the derivatives of a structure tensor, as a part of the sigma of its smoothing."""
DEFAULT_SCALES = (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Filter:
    """One kind of feature."""

    id: str
    """Name in project files."""
    name: str
    """Name for people."""
    group: str
    tensor: bool
    """Gives one eigenvalue for each filtered axis instead of one value."""
    min_scale: float
    """The smallest sigma that the window offers; the engine computes any."""

    def channels(self, ndim: int) -> int:
        """Values per input channel when filtering ``ndim`` (2 or 3) axes."""
        return ndim if self.tensor else 1


FILTERS = (
    Filter("GaussianSmoothing", "Gaussian Smoothing", "Color/Intensity", False, 0.3),
    Filter("LaplacianOfGaussian", "Laplacian of Gaussian", "Edge", False, 0.7),
    Filter("GaussianGradientMagnitude", "Gaussian Gradient Magnitude", "Edge", False, 0.7),
    Filter("DifferenceOfGaussians", "Difference of Gaussians", "Edge", False, 0.7),
    Filter("StructureTensorEigenvalues", "Structure Tensor Eigenvalues", "Texture", True, 0.7),
    Filter("HessianOfGaussianEigenvalues", "Hessian of Gaussian Eigenvalues", "Texture", True, 0.7),
)
VIGRA_STRUCTURE = "StructureTensorEigenvalues/vigra"
"""The structure tensor of projects that were trained by ilastik before 1.3.

Derivatives at the sigma of the filter, products smoothed at half of it. Later versions exchange the two;
a forest must see the features that it was trained on.
"""
_STRUCTURE = FILTERS[4]
BY_ID = {f.id: f for f in FILTERS} | {
    VIGRA_STRUCTURE: Filter(VIGRA_STRUCTURE, _STRUCTURE.name, _STRUCTURE.group, True, _STRUCTURE.min_scale)
}


def structure_sigmas(filter_id: str, scale: float) -> tuple[float, float]:
    """Sigmas of the derivatives and of the smoothing of their products, for a structure tensor."""
    t = filter_sigma(scale)
    return (t, STRUCTURE_RATIO * t) if filter_id == VIGRA_STRUCTURE else (STRUCTURE_RATIO * t, t)


def kernel_radius(window: float, sigma: float) -> int:
    """Taps on each side of the centre: floor(window * sigma + 0.5), at least 1."""
    return max(1, math.floor(window * sigma + 0.5))


def filter_sigma(scale: float) -> float:
    """Sigma of the filter proper: the scale, at most 1."""
    return min(scale, 1.0)


def presmooth_sigma(scale: float) -> float:
    """Sigma of the smoothing before the filter: sqrt(s * s - 1) above 1, s itself up to 1."""
    return math.sqrt(scale * scale - 1.0) if scale > 1.0 else scale


def reach(filter_id: str, scale: float) -> int:
    """Pixels on each side, along each filtered axis, that a feature value depends on."""
    t = filter_sigma(scale)
    pre = kernel_radius(PRESMOOTH_WINDOW, presmooth_sigma(scale))
    if filter_id.startswith("StructureTensorEigenvalues"):
        own = sum(kernel_radius(FILTER_WINDOW, s) for s in structure_sigmas(filter_id, scale))
    else:
        own = kernel_radius(FILTER_WINDOW, t)
    return pre + own


def required_size(scale: float) -> int:
    """The smallest image size along a filtered axis: ceil(3.5 * scale) + 1 (ilastik's rule)."""
    return math.ceil(PRESMOOTH_WINDOW * scale) + 1
