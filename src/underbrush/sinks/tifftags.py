"""The tags of a TIFF page: colours, resolution, and the description that ImageJ or OME readers know."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from underbrush.sinks import imagej, ome
from underbrush.sinks.base import OutputSpec
from underbrush.sinks.calibration import METRES, common_length, known_sizes
from underbrush.sinks.colors import has_palette, palette
from underbrush.sinks.spool import TileLayout

Ratio = tuple[int, int]


def options_of(spec: OutputSpec, layout: TileLayout, *, is_ome: bool) -> dict[str, Any]:
    """The arguments of `tifffile.TiffWriter.write` for all planes of a result whose segments are encoded."""
    options: dict[str, Any] = {
        **segment_options(layout),
        **color_options(spec),
        "description": ome.ome_xml(spec) if is_ome else imagej.description(spec),
        "software": "Underbrush",
        "extratags": [] if is_ome else imagej.extra_tags(spec),
    }
    resolution = _resolution(spec, is_ome)
    if resolution is not None:
        options["resolution"], options["resolutionunit"] = resolution
    return options


def segment_options(layout: TileLayout) -> dict[str, Any]:
    """Those that say how the pixels lie in the file."""
    pages = int(np.prod(layout.shape[:3]))
    cut = {"tile": layout.tile[3:]} if layout.padded else {"rowsperstrip": layout.tile[3]}
    return {
        "shape": (pages, *layout.shape[3:]),
        "dtype": layout.dtype,
        "compression": "zlib",
        "metadata": None,
        **cut,
    }


def color_options(spec: OutputSpec) -> dict[str, Any]:
    """Those that say how values are shown."""
    if not has_palette(spec):
        return {"photometric": "minisblack"}
    # TIFF counts colours from 0 to 65535; 257 = 65535 / 255.
    return {"photometric": "palette", "colormap": palette(spec.class_colors).T.astype(np.uint16) * 257}


def _resolution(spec: OutputSpec, is_ome: bool) -> tuple[tuple[Ratio, Ratio], str] | None:
    """Pixels per unit along x and y: centimetres, or for ImageJ the unit that its description names."""
    if is_ome:
        known = known_sizes(spec.pixel_size).items()
        sizes = {a: value * METRES[u] * 100 for a, (value, u) in known if u in METRES}
        unit = "centimeter"
    else:
        sizes, _ = common_length(spec.pixel_size)
        unit = "none"
    x, y = (inverse(sizes[a]) if a in sizes else None for a in "xy")
    return None if x is None or y is None else ((x, y), unit)


def inverse(size: float) -> Ratio | None:
    """1 / ``size`` as a fraction of two 32-bit numbers, or None where it is too large or small for that."""
    most = (1 << 32) - 1
    if not 1 / most < size < most:
        return None
    if size >= 1:
        fraction = Fraction(size).limit_denominator(max(1, int(most / (size + 1))))
        return fraction.denominator, fraction.numerator
    fraction = Fraction(1 / size).limit_denominator(max(1, int(most / (1 / size + 1))))
    exact = Fraction(size).limit_denominator(1_000_000)
    if exact and abs(float(exact) - size) <= 1e-12 * size:
        return exact.denominator, exact.numerator
    return fraction.numerator, fraction.denominator
