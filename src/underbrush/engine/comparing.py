"""A file held against the training images: what differs, said before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from underbrush.core.geometry import Box
from underbrush.engine.lanes import open_lane
from underbrush.errors import UnderbrushError
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Project
from underbrush.sources.address import is_remote
from underbrush.sources.base import Image

Kind = Literal["channels", "names", "dtype", "range", "pixel size"]
KINDS: tuple[Kind, ...] = ("channels", "names", "dtype", "range", "pixel size")
SIDE = 256
"""Length of the squares that the range of an image is looked up in."""
MOST_LANES = 64
"""Training images that are looked at for a command."""
WIDER = 2.0
"""Ranges further apart than this factor are told."""
NEAR = 0.05
"""Sizes of pixels that differ by a larger share are told."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the values of features depend on, of one image."""

    channels: int
    names: tuple[str, ...]
    dtype: str
    low: float
    high: float
    """0.1 and 99.9 per cent of the values of a sample: all corners and the middle."""
    pixel_size: Mapping[str, tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a file is not like the training images."""

    kind: Kind
    sentence: str
    """Without a full stop, as in ``3 channels, training 1``."""


def traits_of(image: Image) -> Traits:
    """Look at an image; reads at most five squares of it.

    Raises
    ------
    ImageError
        It is damaged.
    """
    info, shape = image.info, image.shape5
    sample = np.concatenate([image.read(box).ravel() for box in _sample(shape)])
    finite = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    low, high = np.percentile(finite, (0.1, 99.9)).tolist() if finite.size else (0.0, 0.0)
    return Traits(shape[1], info.channels, info.dtype.name, low, high, info.pixel_size)


def project_traits(project: Project) -> list[Traits]:
    """Traits of the images that a project was trained on, as far as they are there.

    Images on the net are left out: nobody asked for them. So are those that cannot be read: to predict others
    they are not needed.
    """
    painted = [lane for lane in project.lanes if lane.labels] or list(project.lanes)
    found = []
    for lane in painted[:: -(-len(painted) // MOST_LANES) or 1]:
        try:
            address = resolve_source(lane.raw, project).address
            if address is not None and not is_remote(address):
                with open_lane(lane, project) as image:
                    found.append(traits_of(image))
        except (UnderbrushError, OSError):
            continue
    return found


def _sample(shape: tuple[int, int, int, int, int]) -> list[Box]:
    """The corners of the first slice and time point, and the middle."""
    t, c, z, y, x = shape
    places = {(0, 0, 0, 0)}
    far_y, far_x = max(0, y - SIDE), max(0, x - SIDE)
    places |= {(0, 0, far_y, 0), (0, 0, 0, far_x), (t - 1, z - 1, far_y, far_x)}
    places.add((t // 2, z // 2, far_y // 2, far_x // 2))
    return [
        Box((pt, 0, pz, py, px), (pt + 1, c, pz + 1, min(y, py + SIDE), min(x, px + SIDE)))
        for pt, pz, py, px in sorted(places)
    ]


def differences(one: Traits, training: Sequence[Traits]) -> tuple[Difference, ...]:
    """What differs from every training image; empty where there is none to compare with."""
    if not training:
        return ()
    found: list[Difference] = []

    def differs(kind: Kind, mine: str, theirs: Sequence[str]) -> None:
        found.append(Difference(kind, f"{mine}, training {' or '.join(dict.fromkeys(theirs))}"))

    if one.channels not in {t.channels for t in training}:
        count = f"{one.channels} channel{'s' if one.channels > 1 else ''}"
        differs("channels", count, [str(t.channels) for t in training])
    named = [t.names for t in training if t.names]
    if one.names and named and one.names not in named:
        differs("names", f"channels {', '.join(one.names)}", [", ".join(n) for n in named])
    if one.dtype not in {t.dtype for t in training}:
        differs("dtype", one.dtype, [t.dtype for t in training])
    low, high = min(t.low for t in training), max(t.high for t in training)
    if not _alike((one.low, one.high), (low, high)):
        differs("range", f"intensity range {_span(one.low, one.high)}", [_span(low, high)])
    sizes = [s for t in training if (s := _size(t.pixel_size))]
    mine = _size(one.pixel_size)
    if mine and sizes and not any(_near(mine, s) for s in sizes):
        differs("pixel size", f"pixel size {_said(mine)}", [_said(s) for s in sizes])
    return tuple(found)


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two ranges overlap and neither is far wider than the other."""
    if one[0] > other[1] or other[0] > one[1]:
        return False
    mine, theirs = one[1] - one[0], other[1] - other[0]
    return mine == theirs or max(mine, theirs) <= WIDER * min(mine, theirs)


def _span(low: float, high: float) -> str:
    def said(value: float) -> str:
        return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"

    return f"{said(low)} to {said(high)}"


def _size(sizes: Mapping[str, tuple[float, str]]) -> tuple[float, str] | None:
    return sizes.get("x") or sizes.get("y")


def _near(one: tuple[float, str], other: tuple[float, str]) -> bool:
    return one[1] == other[1] and abs(one[0] - other[0]) <= NEAR * max(one[0], other[0])


def _said(size: tuple[float, str]) -> str:
    return f"{size[0]:.3g} {size[1]}".strip()
