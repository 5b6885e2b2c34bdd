"""The metadata by which ImageJ and Fiji know a stack: a description of lines, and a tag of names and colours.

Facts from ImageJ's TiffDecoder and TiffEncoder: pages in the order c, z, t (c fastest); where pages are
compressed each has its own directory; tiles and BigTIFF it does not open itself.
"""

from __future__ import annotations

from typing import Any

import tifffile

from underbrush.sinks.base import OutputSpec
from underbrush.sinks.calibration import SECONDS, common_length, known_sizes
from underbrush.sinks.colors import ramp

DTYPES = {"uint8", "uint16", "int16", "float32"}
"""What an ImageJ stack can hold."""
MOST_COLORS = 7
"""A composite image has at most so many channels."""
MOST_LABELS = 20_000
"""No names of pages beyond: their tag would outgrow the pixels."""


def description(spec: OutputSpec) -> bytes:
    """The text of the first page, ASCII."""
    t, c, z, _, _ = spec.shape
    lines = ["ImageJ=1.54f", f"images={t * c * z}"]
    lines += [f"{name}={n}" for name, n in (("channels", c), ("slices", z), ("frames", t)) if n > 1]
    if t * c * z > 1:
        lines += ["hyperstack=true", f"mode={'composite' if is_composite(spec) else 'grayscale'}"]
    sizes, unit = common_length(spec.pixel_size)
    if sizes:
        lines.append(f"unit={_escaped(unit or 'pixel')}")
    if "z" in sizes:
        lines.append(f"spacing={sizes['z']!r}")
    time = known_sizes(spec.pixel_size).get("t")
    if time is not None and time[1] in SECONDS:
        lines.append(f"finterval={time[0] * SECONDS[time[1]]!r}")
    lines.append("loop=false")
    if spec.value_range is not None and spec.dtype.kind == "f":
        lines += [f"min={spec.value_range[0]}", f"max={spec.value_range[1]}"]
    return ("\n".join(lines) + "\n").encode("ascii")


def is_composite(spec: OutputSpec) -> bool:
    """Whether channels are shown together, each in its class's colour."""
    return spec.kind == "probabilities" and 1 < spec.shape[1] <= MOST_COLORS


def extra_tags(spec: OutputSpec) -> list[Any]:
    """What ImageJ keeps in its own tags: Info, names of pages, display ranges and colours of channels."""
    t, c, z, _, _ = spec.shape
    content: dict[str, Any] = {}
    info = [
        *(f"class {i + 1} = {name}" for i, name in enumerate(spec.class_names)),
        *(f"{key} = {value}" for key, value in spec.provenance.items()),
    ]
    if info:
        content["Info"] = "\n".join(" ".join(line.split()) for line in info) + "\n"
    names = spec.channel_names
    if len(names) == c and t * c * z <= MOST_LABELS:
        content["Labels"] = list(names) * (t * z)
    if is_composite(spec):
        if spec.value_range is not None:
            content["Ranges"] = [float(v) for v in spec.value_range] * c
        if len(spec.class_colors) == c:
            content["LUTs"] = [ramp(color) for color in spec.class_colors]
    return list(tifffile.imagej_metadata_tag(content, "<")) if content else []


def _escaped(text: str) -> str:
    """As ImageJ writes it: letters beyond ASCII as \\uXXXX."""
    units = text.encode("utf-16-be")
    pairs = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return "".join(chr(u) if 32 <= u < 127 else f"\\u{u:04X}" for u in pairs)
