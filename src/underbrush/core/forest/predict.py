"""Features, or bins of features, to class probabilities; on the calling thread and without the GIL."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.forest import predict_kernels
from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.packing import PackedForest, compile_forest
from underbrush.core.forest.quantizer import Bins, quantise
from underbrush.jit import example

__all__ = ["PackedForest", "bin_block", "compile_forest", "predict_binned", "predict_block", "predict_rows"]


def predict_block(packed: PackedForest, features: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Probabilities of a block of pixels, the bytes of ``predict_reference``.

    Parameters
    ----------
    packed
        A forest from ``compile_forest``.
    features
        (n_features, n_rows, n_cols) float32; any strides, without a copy where pixels of a row adjoin.
    out
        (n_classes, n_rows, n_cols) float32, filled; 0 for all classes where a feature is not finite.

    Raises
    ------
    ValueError
        A shape or type that does not fit the forest.
    """
    _check(features, (packed.n_features, *features.shape[1:]), np.dtype(np.float32), "features")
    _check(out, (packed.n_classes, *features.shape[1:]), np.dtype(np.float32), "out")
    if out.size == 0:
        return
    # Read-only or not is part of a compiled signature: all features come as read-only, to compile once.
    image, target = _flat(features, False), _flat(out, True)
    if target is None:
        whole = np.empty(out.shape, np.float32)
        predict_block(packed, features, whole)
        out[...] = whole
        return
    column_starts = np.searchsorted(packed.source, np.arange(packed.n_features + 1))
    predict_kernels.predict_values(
        image if image is not None else _flat(np.ascontiguousarray(features), False),
        _patches(*features.shape[1:]),
        packed.quantizer.guesses.arrays,
        column_starts,
        _trees(packed),
        packed.in_order,
        target,
    )


def predict_binned(
    packed: PackedForest, bins: Bins, finite: NDArray[np.bool_], out: NDArray[np.float32]
) -> None:
    """The same from bins: for those who bin features as they make them.

    Parameters
    ----------
    packed
        A forest from ``compile_forest``.
    bins
        (n_bin_columns, n_rows, n_cols) ``packed.quantizer.dtype``, C order; bin column i is feature
        ``packed.source[i]`` among the edges ``packed.quantizer.column(i)``.
    finite
        (n_rows, n_cols), C order: whether all features of the pixel, used or not, are finite.
    out
        (n_classes, n_rows, n_cols) float32, filled.

    Raises
    ------
    ValueError
        A shape or type that does not fit the forest.
    """
    shape = bins.shape[1:]
    _check(bins, (packed.quantizer.n_columns, *shape), packed.quantizer.dtype, "bins")
    _check(finite, shape, np.dtype(np.bool_), "finite", ndim=2)
    _check(out, (packed.n_classes, *shape), np.dtype(np.float32), "out")
    if out.size == 0:
        return
    target = _flat(out, True)
    if target is None:
        whole = np.empty(out.shape, np.float32)
        predict_binned(packed, bins, finite, whole)
        out[...] = whole
        return
    # Read-only or not is part of a compiled signature: all come as read-only, to compile once.
    usable, binned = np.ascontiguousarray(finite).view(np.uint8), np.ascontiguousarray(bins).view()
    usable.flags.writeable = binned.flags.writeable = False
    predict_kernels.predict_binned(binned, usable, _patches(*shape), _trees(packed), packed.in_order, target)


def bin_block(packed: PackedForest, features: NDArray[np.float32]) -> tuple[Bins, NDArray[np.bool_]]:
    """Bins and finiteness of a block, as ``predict_binned`` takes them.

    ``features`` is (n_features, n_rows, n_cols) float32; gives (n_bin_columns, n_rows, n_cols) bins and
    (n_rows, n_cols) bool.
    """
    _check(features, (packed.n_features, *features.shape[1:]), np.dtype(np.float32), "features")
    finite = np.asarray(np.isfinite(features).all(axis=0), np.bool_)
    used = np.where(finite, features[packed.source], np.float32(0))
    bins = quantise(packed.quantizer, used.reshape(len(used), finite.size))
    return bins.reshape(len(used), *finite.shape), finite


def predict_rows(packed: PackedForest, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of samples: (n, n_features) float32 -> (n, n_classes) float32.

    Raises
    ------
    ValueError
        ``x`` has another number of columns or another type.
    """
    out = np.empty((packed.n_classes, 1, len(x)), np.float32)
    predict_block(packed, np.ascontiguousarray(x.T)[:, None, :], out)
    return np.ascontiguousarray(out[:, 0].T)


def _check(
    array: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], name: str, ndim: int = 3
) -> None:
    if array.ndim != ndim or array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} are {array.dtype} {array.shape}, not {dtype} {shape}")


def _patches(height: int, width: int) -> tuple[int, int, int, int]:
    """Patch height and width, for 64 pixels that lie close together, and the image's."""
    ph = 8
    while ph > 1 and ph > height:
        ph //= 2
    while ph < 64 and 64 // ph > 2 * width - 1:
        ph *= 2
    return ph, 64 // ph, height, width


def _trees(packed: PackedForest) -> tuple[Any, ...]:
    starts, share_class, share = packed.impure_starts, packed.share_class, packed.share
    wide = packed.quantizer.dtype == np.uint16
    return packed.nodes, packed.roots, starts, share_class, share, packed.n_classes, wide


def _flat(array: NDArray[np.float32], writeable: bool) -> tuple[NDArray[np.float32], int, int] | None:
    """A flat view from the first to the last element, plane and row stride in elements; or None.

    None where pixels of a row do not adjoin, the memory is not aligned, or a stride is negative or no whole
    number of elements.
    """
    size = array.itemsize
    planes, rows, step = array.strides
    if not array.flags.aligned or (array.shape[2] > 1 and step != size):
        return None
    if planes < 0 or rows < 0 or planes % size or rows % size:
        return None
    last = (array.shape[0] - 1) * planes + (array.shape[1] - 1) * rows + (array.shape[2] - 1) * size
    flat = np.lib.stride_tricks.as_strided(array, (last // size + 1,), (size,), writeable=writeable)
    return flat, planes // size, rows // size


@example
def _prediction() -> object:
    return predict_rows(compile_forest(_chain(1)), np.zeros((1, 1), np.float32))


@example
def _prediction_in_many_bins() -> object:
    return predict_rows(compile_forest(_chain(256)), np.zeros((1, 1), np.float32))


def _chain(n: int) -> Forest:
    """A tree of ``n`` thresholds on one feature: 255 need bins of 8 bits, more of 16."""
    leaf = np.arange(n + 1)
    return Forest(
        roots=np.zeros(1, np.int32),
        feature=np.concatenate([np.zeros(n), np.full(n + 1, LEAF)]).astype(np.int32),
        threshold=np.concatenate([np.arange(n), np.zeros(n + 1)]).astype(np.float64),
        left=np.concatenate([n + np.arange(n), leaf]).astype(np.int32),
        right=np.concatenate([np.arange(1, n), [2 * n], leaf]).astype(np.int32),
        votes=np.ones((n + 1, 1)),
        weights=np.ones(n + 1),
        classes=np.ones(1, np.uint32),
        n_features=1,
    )
