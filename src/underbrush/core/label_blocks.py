"""Blocks of 4096 labels: cutting runs at their borders, finding runs in them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box
from underbrush.core.runs import sorted_order
from underbrush.errors import CommandError

BLOCK = 4096
"""Pixels of a block."""
MAX_BLOCKS = 1 << 17
"""Blocks that one change may touch: half a gigabyte of labels."""

Place = tuple[int, int, int, int]
"""t and the numbers of a block along z, y and x."""
BlockShape = tuple[int, int, int]
"""z, y and x of a block."""
Lut = NDArray[np.uint8]
"""256 uint8: class id -> value, with 0 for 0."""
_Code = TypeVar("_Code", np.uint8, np.uint16)


class StoredBlock:
    """The labels of one block, never changed; what was computed from them is kept."""

    __slots__ = ("_valued", "digest", "rows", "values")

    def __init__(self, place: Place, values: NDArray[np.uint8]) -> None:
        self.values = values
        self.digest = _digest(place, values)
        self.rows: tuple[NDArray[np.int32], NDArray[np.uint8]] | None = None
        self._valued: tuple[bytes, int] | None = None

    def valued(self, place: Place, lut: Lut, key: bytes) -> int:
        """Digest of the block under ``lut``; 0 where nothing is left."""
        if self._valued is None or self._valued[0] != key:
            mapped = lut[self.values]
            self._valued = key, _digest(place, mapped) if mapped.any() else 0
        return self._valued[1]


@dataclass(frozen=True, eq=False, slots=True)
class Pieces:
    """Runs cut at the borders of blocks, sorted by block."""

    bounds: NDArray[np.intp]
    """(blocks + 1,) where the pieces of each block begin."""
    start: NDArray[np.int64]
    """(n,) first pixel in the block."""
    length: NDArray[np.int64]
    run: NDArray[np.intp]
    """(n,) the run that it was cut from."""

    def spread(self, first: int, n: int, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(n, BLOCK) for blocks from ``first`` on: at each pixel of a run its one of ``values``, else 0."""
        a, b = self.bounds[first], self.bounds[first + n]
        counts = np.diff(self.bounds[first : first + n + 1])
        start = self.start[a:b] + np.repeat(np.arange(n) * BLOCK, counts)
        given = values[self.run[a:b]]
        # Numbers modulo 256 that rise at the start of a piece and fall at its end; no two start at one
        # pixel and no two end at one, so indexing adds each.
        steps = np.zeros(n * BLOCK + 1, np.uint8)
        steps[start] += given
        steps[start + self.length[a:b]] -= given
        return np.cumsum(steps[:-1], dtype=np.uint8).reshape(n, BLOCK)


def cut_at_blocks(runs: NDArray[np.int32], shape: BlockShape) -> tuple[NDArray[np.int64], Pieces]:
    """The blocks (n, 4) that ``runs`` (n, 5) touch, sorted, and the runs cut at their borders."""
    wide = runs.astype(np.int64)
    sz, sy, sx = shape
    x, stop = wide[:, 3], wide[:, 3] + wide[:, 4]
    n = (stop - 1) // sx - x // sx + 1
    run = np.repeat(np.arange(len(wide)), n)
    ends = np.cumsum(n)
    bx = x[run] // sx + np.arange(len(run)) - np.repeat(ends - n, n)
    begin, end = np.maximum(x[run], bx * sx), np.minimum(stop[run], (bx + 1) * sx)
    t, z, y = wide[run, 0], wide[run, 1], wide[run, 2]
    place = np.column_stack([t, z // sz, y // sy, bx])
    order = sorted_order(place)
    place = place[order]
    heads = (
        np.flatnonzero(np.concatenate([[True], (place[1:] != place[:-1]).any(axis=1)]))
        if len(place)
        else order
    )
    offset = ((z % sz) * sy + y % sy) * sx + begin - bx * sx
    bounds = np.concatenate([heads, [len(place)]]).astype(np.intp)
    return place[heads], Pieces(bounds, offset[order], (end - begin)[order], run[order])


def runs_of(
    code: NDArray[np.uint16], places: NDArray[np.int64], shape: BlockShape
) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.intp]]:
    """Where ``code`` (n, BLOCK) of the blocks at ``places`` (n, 4) is not 0.

    As runs of one code (k, 5), their codes (k,) and the rows of their blocks (k,), sorted by block.
    """
    flat = code.reshape(-1)
    _, sy, sx = shape
    change = np.empty(len(flat), np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=change[1:])
    change[::sx] = True
    heads = np.flatnonzero(change)
    lengths = np.diff(heads, append=len(flat))
    found = flat[heads]
    heads, lengths, found = heads[found != 0], lengths[found != 0], found[found != 0]
    block, offset = np.divmod(heads, BLOCK)
    runs = np.empty((len(heads), 5), np.int32)
    runs[:, 0] = places[block, 0]
    runs[:, 1] = places[block, 1] * shape[0] + offset // (sy * sx)
    runs[:, 2] = places[block, 2] * sy + offset // sx % sy
    runs[:, 3] = places[block, 3] * sx + offset % sx
    runs[:, 4] = lengths
    return runs, found, block


def merged(
    parts: list[NDArray[np.int32]], codes: list[NDArray[_Code]]
) -> tuple[NDArray[np.int32], NDArray[_Code]]:
    """Disjoint runs (n, 5) of several blocks as one, sorted, touching ones of one code merged."""
    if not any(len(p) for p in parts):
        return np.zeros((0, 5), np.int32), np.concatenate(
            [np.zeros(0, codes[0].dtype if codes else np.uint8)]
        )
    runs, code = np.concatenate(parts), np.concatenate(codes)
    order = sorted_order(runs[:, :4])
    runs, code = runs[order], code[order]
    same = (runs[1:, :3] == runs[:-1, :3]).all(axis=1) & (code[1:] == code[:-1])
    same &= runs[1:, 3] == runs[:-1, 3] + runs[:-1, 4]
    heads = np.flatnonzero(np.concatenate([[True], ~same]))
    lengths = np.add.reduceat(runs[:, 4], heads)
    runs = runs[heads]
    runs[:, 4] = lengths
    return runs, code[heads]


def exchange(blocks: dict[Place, StoredBlock], place: Place, values: NDArray[np.uint8]) -> int:
    """Put ``values`` in place of a block; by how much the sum of digests grows."""
    old = blocks.get(place)
    less = 0 if old is None else old.digest
    if not values.any():
        if old is not None:
            del blocks[place]
        return -less
    new = blocks[place] = StoredBlock(place, shared(values))
    return new.digest - less


def _digest(place: Place, values: NDArray[np.uint8]) -> int:
    given = hashlib.blake2b(values.tobytes(), digest_size=32, salt=b"label block")
    given.update(struct.pack("<4q", *place))
    return int.from_bytes(given.digest(), "little")


def shared(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A read-only copy (BLOCK,); one for all blocks that are filled with one id."""
    low = int(values.min())
    if low == int(values.max()):
        return _filled(low)
    own = values.copy()
    own.flags.writeable = False
    return own


@lru_cache(maxsize=256)
def _filled(value: int) -> NDArray[np.uint8]:
    own = np.full(BLOCK, value, np.uint8)
    own.flags.writeable = False
    return own


def check_number(n: int) -> None:
    """Refuse to touch ``n`` blocks at once if they are too many for one command."""
    if n > MAX_BLOCKS:
        raise CommandError(
            f"the labels lie in {n} blocks of {BLOCK} pixels, at most {MAX_BLOCKS} are taken at once",
            remedy="change them in several steps",
        )


def block_shape(volume: bool) -> BlockShape:
    """z, y and x of the blocks of a flat image or a volume."""
    return (16, 16, 16) if volume else (1, 64, 64)


def as_place(numbers: Sequence[int]) -> Place:
    """Four numbers as a place."""
    t, z, y, x = numbers
    return t, z, y, x


def places_in(spans: Sequence[range]) -> Iterator[Place]:
    """All places of `spans_of`, sorted."""
    return (as_place(p) for p in product(*spans))


def _place_of(start: Sequence[int], shape: BlockShape) -> Place:
    t, _, z, y, x = start
    return t, z // shape[0], y // shape[1], x // shape[2]


def box_of(place: Place, shape: BlockShape) -> Box:
    """The pixels of the block at ``place``, t c z y x."""
    t, z, y, x = place[0], place[1] * shape[0], place[2] * shape[1], place[3] * shape[2]
    return Box((t, 0, z, y, x), (t + 1, 1, z + shape[0], y + shape[1], x + shape[2]))


def spans_of(box: Box, shape: BlockShape) -> list[range]:
    """The places along t, z, y, x whose blocks meet ``box``, which is not empty."""
    first = _place_of(box.start, shape)
    last = _place_of([v - 1 for v in box.stop], shape)
    return [range(a, b + 1) for a, b in zip(first, last, strict=True)]


def overlap(box: Box, place: Place, shape: BlockShape) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the block at ``place`` and ``box`` meet: in the block (z y x) and in the box (t c z y x)."""
    block = box_of(place, shape)
    common = block.intersection(box)
    return common.relative_to(block).slices[2:], common.relative_to(box).slices
