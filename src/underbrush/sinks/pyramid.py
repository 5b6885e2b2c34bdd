"""Smaller copies of a result: by halves, the mean of values, or one of the pixels where they are classes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.sinks.base import ResultKind
from underbrush.sinks.pieces import PiecedArray, boxes_of

NAMES = frozenset({"segmentation", "labels", "objects"})
"""Results whose values are names of something: between two of them is no other."""
MOST_LEVELS = 24
ISOTROPIC = 1.5
"""An axis is halved while its pixels are at most this many times as long as the shortest."""


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution: its sizes in the order of the file, and how many pixels of the first one of its has."""

    shape: tuple[int, ...]
    factors: tuple[int, ...]


def levels_of(
    shape: tuple[int, ...], axes: str, sizes: Mapping[str, float], smallest: Callable[[tuple[int, ...]], bool]
) -> list[Level]:
    """The array and its smaller copies until one is ``smallest``.

    ``sizes`` are those of pixels along x, y and z, as far as they are known in one unit: where pixels are
    longer along one axis, that axis is halved later than the others.
    """
    found = [Level(shape, (1,) * len(shape))]
    while len(found) < MOST_LEVELS and not smallest(found[-1].shape):
        last = found[-1]
        long = {a: f for a, n, f in zip(axes, last.shape, last.factors, strict=True) if a in "zyx" and n > 1}
        if not long:
            break
        length = {a: sizes.get(a, 1.0) * f for a, f in long.items()}
        shortest = min(length.values())
        halve = [a in length and length[a] <= ISOTROPIC * shortest for a in axes]
        found.append(
            Level(
                tuple(-(-n // 2) if h else n for n, h in zip(last.shape, halve, strict=True)),
                tuple(2 * f if h else f for f, h in zip(last.factors, halve, strict=True)),
            )
        )
    return found


def by_names(kind: ResultKind) -> bool:
    """Whether smaller copies keep one of the values instead of their mean."""
    return kind in NAMES


def halved(block: NDArray[Any], halve: tuple[bool, ...], names: bool) -> NDArray[Any]:
    """Half as many pixels along some axes, the same dtype; an odd last one stays alone.

    ``names``: the first of each pair; else their mean, rounded to the nearest in integers.
    """
    if names:
        return block[tuple(slice(None, None, 2 if h else None) for h in halve)]
    dtype = block.dtype
    work = np.float32 if dtype.itemsize <= 2 or dtype == np.float32 else np.float64
    values: NDArray[Any] = block.astype(work, copy=False)
    for axis in (k for k, h in enumerate(halve) if h):
        at = (slice(None),) * axis
        first, second = values[(*at, slice(0, None, 2))], values[(*at, slice(1, None, 2))]
        mean = first.copy()
        pairs = mean[(*at, slice(0, second.shape[axis]))]
        pairs += second
        pairs *= work(0.5)
        values = mean
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype, copy=False)


def fill_level(upper: PiecedArray, lower: PiecedArray, names: bool, threads: int) -> None:
    """Write the pieces of ``lower`` that are not there from those of ``upper``, one level above.

    Raises
    ------
    OutputError
        The disk is full, or a piece cannot be read again.
    """
    source = upper.reader()
    halve = tuple(m != n for m, n in zip(upper.layout.shape, lower.layout.shape, strict=True))

    def fill(number: int) -> None:
        layout = lower.layout
        index = layout.index(number)
        start, shape = layout.start(index), layout.valid_shape(index)
        piece = np.empty(shape, layout.dtype)
        for part in boxes_of(shape, lower.piecing.inner):
            ends = zip(part, start, halve, upper.layout.shape, strict=True)
            above = tuple(
                slice((s.start + a) * (2 if h else 1), min((s.stop + a) * (2 if h else 1), n))
                for s, a, h, n in ends
            )
            piece[part] = halved(source[above].read().result(), halve, names)
        lower.put(number, piece)

    with ThreadPoolExecutor(threads) as pool:
        # A few at a time: an error must not wait for all that was asked for.
        todo = lower.missing()
        while some := list(itertools.islice(todo, 4 * threads)):
            list(pool.map(fill, some))
