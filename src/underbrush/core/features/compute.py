"""Features of a block of an image: plans the work for the kernels and lends them their buffers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features import kernels_flat as flat
from underbrush.core.features import kernels_volume as volume
from underbrush.core.features.catalog import (
    BY_ID,
    DOG_RATIO,
    FILTER_WINDOW,
    PRESMOOTH_WINDOW,
    VIGRA_STRUCTURE,
    filter_sigma,
    kernel_radius,
    presmooth_sigma,
    structure_sigmas,
)
from underbrush.core.features.kernels_smooth import (
    COLUMNS,
    ROWS,
    Scratch,
    Window,
    rounded,
    row_length,
    turn_plane,
)
from underbrush.core.features.kernels_vector import LANES
from underbrush.core.features.reference import gaussian_taps
from underbrush.core.features.selection import FeatureSelection, FeatureTerm
from underbrush.jit import example

Slices = tuple[slice, slice, slice]
Lent = TypeVar("Lent", Scratch, flat.FlatBuffers, volume.VolumeBuffers)
_FLAT_SLOTS = {
    "GaussianSmoothing": flat.SMOOTHED,
    "LaplacianOfGaussian": flat.LAPLACE,
    "GaussianGradientMagnitude": flat.MAGNITUDE,
    "DifferenceOfGaussians": flat.DIFFERENCE,
    "StructureTensorEigenvalues": flat.TENSOR,
    VIGRA_STRUCTURE: flat.TENSOR,
    "HessianOfGaussianEigenvalues": flat.HESSIAN,
}
_VOLUME_SLOTS = {**_FLAT_SLOTS, "HessianOfGaussianEigenvalues": volume.HESSIAN}


@dataclass(frozen=True, eq=False)
class Pass:
    """One scale in 2D or 3D: its taps, and which features it makes."""

    scale: float
    in_2d: bool
    pre: NDArray[np.float32]
    """(radius + 1,) taps of the smoothing, the centre first."""
    taps: NDArray[np.float32]
    """(flat.TAPS,) taps of the filters, see `kernels_flat.flat_scale`; nothing is added in the end."""
    features: NDArray[np.int64]
    """(slots,) the index of the feature that each output of a kernel is for channel 0, or -1."""
    per_channel: NDArray[np.int64]
    """(slots,) how much further it is for the next channel."""
    halo: int
    """Pixels of the smoothed image that the filters need around the valid part."""

    @cached_property
    def reach(self) -> int:
        """Pixels of the image that are read around the valid part, mirrored where there are none."""
        return self.halo + len(self.pre) - 1


def _half(sigma: float, order: int, window: float, length: int) -> list[float]:
    taps = gaussian_taps(sigma, order, window)
    half = list(taps[len(taps) // 2 + (order > 0) :])
    return half + [0.0] * (length - len(half))


def _filter_taps(scale: float, structure: str) -> NDArray[np.float32]:
    t = filter_sigma(scale)
    w = FILTER_WINDOW
    gaussian, slope, bend = _half(t, 0, w, 3), _half(t, 1, w, 2), _half(t, 2, w, 2)
    narrow = _half(DOG_RATIO * t, 0, w, 2)[1:]
    derivative, smoothing = structure_sigmas(structure, scale)
    tensor = _half(derivative, 0, w, 3) + _half(derivative, 1, w, 2) + _half(smoothing, 0, w, 3)
    return np.array([*gaussian, *slope, *bend, *narrow, *tensor, 0.0], np.float32)


@lru_cache(maxsize=64)
def plan_passes(terms: tuple[FeatureTerm, ...], channels: int) -> tuple[tuple[Pass, ...], int]:
    """The scales to compute for ``terms``, and the number of features."""
    found: dict[tuple[float, bool, int], list[tuple[str, int]]] = {}
    total = 0
    for term in terms:
        copy, place = 0, _FLAT_SLOTS[term.filter_id]
        while any(_FLAT_SLOTS[f] == place for f, _ in found.get((term.scale, term.in_2d, copy), [])):
            copy += 1
        found.setdefault((term.scale, term.in_2d, copy), []).append((term.filter_id, total))
        total += channels * BY_ID[term.filter_id].channels(2 if term.in_2d else 3)
    return tuple(_make_pass(scale, in_2d, features) for (scale, in_2d, _), features in found.items()), total


def _make_pass(scale: float, in_2d: bool, filters: Sequence[tuple[str, int]]) -> Pass:
    """One pass, of filters and the first feature of each."""
    places, slots = (_FLAT_SLOTS, flat.SLOTS) if in_2d else (_VOLUME_SLOTS, volume.SLOTS)
    features, per_channel = np.full(slots, -1), np.zeros(slots, np.int64)
    for name, first in filters:
        n = BY_ID[name].channels(2 if in_2d else 3)
        for e in range(n):
            features[places[name] + e], per_channel[places[name] + e] = first + e, n
    sigma = presmooth_sigma(scale)
    pre = np.array(_half(sigma, 0, PRESMOOTH_WINDOW, kernel_radius(PRESMOOTH_WINDOW, sigma) + 1), np.float32)
    tensor = [name for name, _ in filters if places[name] == flat.TENSOR]
    halo = flat.TENSOR_REACH if tensor else flat.REACH
    taps = _filter_taps(scale, tensor[0] if tensor else "")
    return Pass(scale, in_2d, pre, taps, features, per_channel, halo)


class _Lender(threading.local):
    """Buffers of one thread that grow to the largest size asked for."""

    def __init__(self) -> None:
        self.buffers: dict[str, NDArray[Any]] = {}

    def lend(self, name: str, size: int, dtype: type = np.float32) -> NDArray[Any]:
        """A flat array of ``size`` values at an address that is a multiple of 64; its content is anything."""
        have = self.buffers.get(name)
        if have is None or len(have) < size:
            unit = np.dtype(dtype).itemsize
            raw = np.empty(size * unit + 64, np.uint8)
            skip = -raw.ctypes.data % 64
            have = self.buffers[name] = raw[skip : skip + size * unit].view(dtype)
        return have[:size]


_LENDER = _Lender()


@dataclass(frozen=True)
class Request:
    """What is asked of a block, all in pixels of the block."""

    start: tuple[int, int, int]
    size: tuple[int, int, int]
    """The valid part, z y x."""
    step: tuple[int, int, int]
    offset: float
    """Taken off the pixels before all else, and added to the smoothed image at the end."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the result, z y x."""
        z, y, x = (-(-n // s) for n, s in zip(self.size, self.step, strict=True))
        return z, y, x


def compute_features(
    block: NDArray[Any],
    terms: Sequence[FeatureTerm],
    valid: Slices,
    step: tuple[int, int, int] = (1, 1, 1),
    out: NDArray[np.float32] | None = None,
    offset: float = 0.0,
) -> NDArray[np.float32]:
    """Features of the ``valid`` part of a block, on the calling thread.

    Parameters
    ----------
    block
        (c, z, y, x), any real dtype, byte order and memory order, read only. Its edges are mirrored: they
        must be the image's own borders, or lie at least the reach of the features away from ``valid``.
        The caller has replaced pixels that are not finite.
    terms
        What to compute, in order; see `FeatureSelection.terms`.
    valid
        Slices of z, y, x inside the block.
    step
        Along z, y, x: only each such pixel of the valid part is wanted. The values are those that all
        pixels would have had.
    out
        (n_features, z', y', x') float32, C order, to write to; z' = ceil(z / step) and so on.
    offset
        A constant near the pixels' values, the same for all blocks of an image. It is taken off before
        and added after, which changes nothing but the rounding: filters of images with a large
        background lose fewer digits.

    Returns
    -------
    ``out``: for each term, for each channel, the eigenvalues (largest first) or the one value. A value
    depends only on the pixels within its reach, to the last bit: not on the block, valid part or step.
    All is float32. Against `features_reference` the error is below 2e-6 of the largest pixel (less the
    offset), for the structure tensor of its square. Pixels of a size of 1e-15 to 1e15 keep this accuracy.

    Raises
    ------
    ValueError
        ``out`` does not fit.
    """
    channels = block.shape[0]
    passes, total = plan_passes(tuple(terms), channels)
    spans = [range(*s.indices(n)) for s, n in zip(valid, block.shape[1:], strict=True)]
    (z0, y0, x0), (nz, ny, nx) = (s.start for s in spans), (len(s) for s in spans)
    request = Request((z0, y0, x0), (nz, ny, nx), step, offset)
    shape = (total, *request.shape)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ValueError(f"out must be C ordered float32 of shape {shape}, not {out.dtype} {out.shape}")
    if out.size == 0:
        return out
    flat_passes = tuple(p for p in passes if p.in_2d)
    volume_passes = tuple(p for p in passes if not p.in_2d)
    for channel in range(channels):
        if volume_passes:
            _compute_volume(block[channel], volume_passes, channel, request, out)
        if flat_passes:
            for k in range(request.shape[0]):
                plane = block[channel, z0 + k * step[0]]
                _compute_plane(plane, flat_passes, channel, request, out, k)
    return out


def _targets(p: Pass, channel: int, out: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Where in flat ``out`` each output of a pass starts for result slice ``k``; -1: not wanted."""
    _, depth, height, width = out.shape
    at: NDArray[np.int64] = ((p.features + channel * p.per_channel) * depth + k) * (height * width)
    at[p.features < 0] = -1
    return at


def _taps(p: Pass, offset: float) -> NDArray[np.float32]:
    if not offset:
        return p.taps
    taps = p.taps.copy()
    taps[-1] = offset
    return taps


def _window(shape: tuple[int, ...], margin: int, request: Request) -> Window:
    """Where things lie in a plane of ``shape`` of which ``margin`` pixels around the valid part are read."""
    (_, y0, x0), (_, ny, nx) = request.start, request.size
    top, left = min(y0, margin), min(x0, margin)
    tall, wide = min(shape[-2], y0 + ny + margin) - y0 + top, min(shape[-1], x0 + nx + margin) - x0 + left
    lead = rounded(margin)
    length = row_length(max(lead + ny + margin + COLUMNS, lead - top + rounded(tall)))
    line = row_length(max(2 * LANES + rounded(nx), rounded(LANES + nx + flat.TENSOR_REACH, COLUMNS) + LANES))
    return Window(
        ny, nx, top, left, tall, wide, 0, request.step[1], request.step[2], 0, 0, lead, length, line
    )


@lru_cache(maxsize=256)
def _fit(window: Window, p: Pass) -> Window:
    """The window for one pass: only the lanes that it needs."""
    lane = (window.lead - p.reach) // LANES * LANES
    lanes = rounded(window.lead + window.height + p.reach - lane, COLUMNS)
    return window._replace(halo=p.halo, lane=lane, lanes=lanes)


def _load(
    source: NDArray[Any], margin: int, request: Request, w: Window, target: NDArray[np.float32]
) -> None:
    """Turn the part of a plane that a window reads, as float32, into ``target``."""
    y, x = request.start[1] - w.top, request.start[2] - w.left
    source = source[y : y + w.tall, x : x + w.wide]
    stride = row_length(w.wide)
    plain = _LENDER.lend("plain", rounded(w.tall) * stride)
    view = plain.reshape(-1, stride)[: w.tall, : w.wide]
    with np.errstate(over="ignore", invalid="ignore"):
        if request.offset:
            np.subtract(source, request.offset, out=view, dtype=np.float64, casting="unsafe")
        else:
            np.copyto(view, source, casting="unsafe")
    ends = np.array([margin - w.top, max(0, w.height + margin - (w.tall - w.top))], np.int64)
    turn_plane(plain, stride, w.tall, w.wide, target, w.turned, w.lead - w.top, ends)


_INDEX = {"xs", "ys", "zs"}
"""Buffers of int64; all others hold float32."""


@lru_cache(maxsize=256)
def _flat_sizes(w: Window, p: Pass) -> dict[str, int]:
    """Values in each buffer of `Scratch` and `FlatBuffers`."""
    rows = 2 * p.reach + ROWS
    return {
        "strip": rounded(LANES + w.width + w.halo + ROWS) * COLUMNS,
        "plane": w.lanes * w.line,
        "xs": w.width + rows,
        "ys": w.height + rows,
        "smoothed": (w.height + 2 * w.halo + ROWS) * w.line,
        "ring": flat.RING * flat.PRODUCTS * w.line,
        "stage": 2 * flat.SLOTS * w.line,
    }


def _volume_sizes(w: Window, p: Pass, d: volume.Depth) -> dict[str, int]:
    """Values in each buffer of `Scratch` and `VolumeBuffers`."""
    sizes = _flat_sizes(w, p)
    return {
        **sizes,
        "across": (d.depth + 2 * w.halo + ROWS) * d.across,
        "zs": d.depth + 2 * p.reach + ROWS,
        "smoothed": flat.RING * sizes["smoothed"],
        "lines": flat.RING * volume.PRODUCTS * w.line,
        "gradients": flat.RING * volume.GRADIENT * (w.height + 2 * flat.REACH) * w.line,
        "stage": 2 * volume.SLOTS * w.line,
    }


def _lend(kind: type[Lent], sizes: dict[str, int]) -> Lent:
    lend = _LENDER.lend
    return kind(*[lend(f, sizes[f], np.int64 if f in _INDEX else np.float32) for f in kind._fields])


def scratch_bytes(size: tuple[int, int, int], terms: Sequence[FeatureTerm]) -> int:
    """Bytes that a thread needs, and keeps, to compute ``terms`` for blocks with a valid part of ``size``.

    ``size`` is z, y, x. The block itself and the result come on top.
    """
    passes, _ = plan_passes(tuple(terms), 1)
    need: dict[str, int] = {}
    for in_2d in {p.in_2d for p in passes}:
        chosen = [p for p in passes if p.in_2d == in_2d]
        margin = max(p.reach for p in chosen)
        request = Request((0 if in_2d else margin, margin, margin), size, (1, 1, 1), 0.0)
        shape = (size[0] if in_2d else size[0] + 2 * margin, size[1] + 2 * margin, size[2] + 2 * margin)
        window = _window(shape, margin, request)
        stride = rounded(window.wide) * window.turned
        found = [{"plain": rounded(window.tall) * row_length(window.wide)}]
        found.append({"turned": stride * (1 if in_2d else shape[0])})
        for p in chosen:
            if in_2d:
                found.append(_flat_sizes(_fit(window, p), p))
            else:
                d, w = _fit_depth(window, p, shape, request, stride)
                found.append(_volume_sizes(w, p, d))
        for sizes in found:
            need.update({k: max(n, need.get(k, 0)) for k, n in sizes.items()})
    return sum(n * (8 if k in _INDEX else 4) + 64 for k, n in need.items())


def _compute_plane(
    plane: NDArray[Any],
    passes: tuple[Pass, ...],
    channel: int,
    request: Request,
    out: NDArray[np.float32],
    k: int,
) -> None:
    margin = max(p.reach for p in passes)
    window = _window(plane.shape, margin, request)
    turned = _LENDER.lend("turned", rounded(window.wide) * window.turned)
    _load(plane, margin, request, window, turned)
    results = out.reshape(-1)
    for p in passes:
        w = _fit(window, p)
        sizes = _flat_sizes(w, p)
        scratch, buffers = _lend(Scratch, sizes), _lend(flat.FlatBuffers, sizes)
        taps, at = _taps(p, request.offset), _targets(p, channel, out, k)
        flat.flat_scale(turned, w, p.pre, taps, at, scratch, buffers, results)


def _fit_depth(
    window: Window, p: Pass, shape: tuple[int, ...], request: Request, stride: int
) -> tuple[volume.Depth, Window]:
    """The third axis for one pass, and the window of the planes that are smoothed along it.

    ``shape`` is that of the part of the block that is read along z, ``stride`` the size of a turned plane.
    """
    w = _fit(window, p)
    first = max(0, w.left - p.reach)
    rows = min(w.wide, w.left + w.width + p.reach) - first
    length = row_length(w.lanes)
    d = volume.Depth(
        depth=request.size[0],
        front=request.start[0],
        deep=shape[0],
        step=request.step[0],
        stride=stride,
        across=rows * length,
        first=first,
        lane=w.lane,
        length=length,
        result=request.shape[1] * request.shape[2],
    )
    return d, w._replace(left=w.left - first, wide=rows, lead=w.lead - w.lane, lane=0)


def _compute_volume(
    block: NDArray[Any], passes: tuple[Pass, ...], channel: int, request: Request, out: NDArray[np.float32]
) -> None:
    margin = max(p.reach for p in passes)
    (z0, y0, x0), (nz, _, _) = request.start, request.size
    front = min(z0, margin)
    block = block[z0 - front : z0 + nz + margin]
    request = replace(request, start=(front, y0, x0))
    window = _window(block.shape, margin, request)
    stride = rounded(window.wide) * window.turned
    turned = _LENDER.lend("turned", len(block) * stride)
    for z, plane in enumerate(block):
        _load(plane, margin, request, window, turned[z * stride : (z + 1) * stride])
    for p in passes:
        d, w = _fit_depth(window, p, block.shape, request, stride)
        sizes = _volume_sizes(w, p, d)
        scratch, buffers = _lend(Scratch, sizes), _lend(volume.VolumeBuffers, sizes)
        volume.smooth_depth(turned, d, w, window.turned, p.pre, buffers)
        taps, at = _taps(p, request.offset), _targets(p, channel, out, 0)
        volume.volume_scale(d, w, p.pre, taps, at, scratch, buffers, out.reshape(-1))


@example
def _flat_features() -> None:
    compute_features(
        np.zeros((1, 1, 8, 8), np.float32), FeatureSelection.all().terms(False), (slice(None),) * 3
    )


@example
def _volume_features() -> None:
    compute_features(
        np.zeros((1, 8, 8, 8), np.float32), FeatureSelection.all().terms(True), (slice(None),) * 3
    )
