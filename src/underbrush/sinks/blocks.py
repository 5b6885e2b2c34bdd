"""What every sink checks of the blocks it is given, and how they lie in the order of a file."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box, from_internal
from underbrush.sinks.base import OutputSpec


def check_block(spec: OutputSpec, box: Box, block: NDArray[Any]) -> None:
    """Refuse a block that does not fit its box, the result or the dtype: a defect of the caller.

    Raises
    ------
    ValueError
        It does not fit.
    """
    if block.shape != box.shape or block.dtype != spec.dtype:
        raise ValueError(
            f"a block of {block.dtype} {block.shape} came for a box of {spec.dtype} {box.shape} (t c z y x)"
        )
    if not Box.whole(spec.shape).contains(box) or box.size == 0:
        raise ValueError(f"the box {box.start} to {box.stop} is empty or leaves the result {spec.shape}")


def in_file_order(axes: str, box: Box, block: NDArray[Any]) -> tuple[tuple[int, ...], NDArray[Any]]:
    """First pixel and view of a block in the order ``axes``."""
    return tuple(box.start[AXES.index(a)] for a in axes), from_internal(block, axes)


def file_shape(spec: OutputSpec) -> tuple[int, ...]:
    """Sizes of the result in the order of its file."""
    return tuple(spec.shape[AXES.index(a)] for a in spec.axes)
