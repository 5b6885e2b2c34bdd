"""Sparse labels of one image of any size; a change gives a new map that shares what stayed.

The image is cut into blocks of 4096 pixels, 1 x 64 x 64 in z y x for flat images and 16 x 16 x 16 for
volumes; only blocks that hold a label exist. Labels are class ids 1 to 255, 0 is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from underbrush.core.components import Strokes, connected, strokes_of
from underbrush.core.geometry import Box
from underbrush.core.label_blocks import (
    BLOCK,
    BlockShape,
    Lut,
    Place,
    StoredBlock,
    as_place,
    block_shape,
    box_of,
    check_number,
    cut_at_blocks,
    exchange,
    merged,
    overlap,
    places_in,
    runs_of,
    shared,
    spans_of,
)
from underbrush.core.labels import LabelBlock, make_block, trimmed
from underbrush.core.runs import Runs

_AT_ONCE = 2048
"""Blocks worked on at once, so that a large change does not need many times its own memory."""
_GROUP = 8
"""Blocks along an axis that become one block of a project file (4 for volumes)."""
_MODULUS = 1 << 256
_NONE: NDArray[np.bool_] = np.zeros(256, np.bool_)


@dataclass(frozen=True, eq=False, slots=True)
class PixelChanges:
    """What a change did, as runs of pixels that all had one id and all got one other."""

    runs: NDArray[np.int32]
    """(n, 5) t z y x length, sorted, disjoint."""
    before: NDArray[np.uint8]
    """(n,) class ids."""
    after: NDArray[np.uint8]
    """(n,) class ids."""


class LabelMap:
    """Class ids of the pixels of one image. Frozen; made by `empty`, `from_blocks` and `painted`.

    Two maps are equal when the same is painted in them, however it came about.
    """

    __slots__ = ("_blocks", "_counts", "_rows", "_strokes", "_sum", "volume")

    def __init__(self, volume: bool, blocks: dict[Place, StoredBlock], counts: NDArray[np.int64]) -> None:
        self.volume = volume
        self._blocks = blocks
        self._counts = counts
        self._sum: int | None = None
        self._rows: tuple[NDArray[np.int32], NDArray[np.uint8]] | None = None
        self._strokes: Strokes | None = None

    @classmethod
    def empty(cls, volume: bool = False) -> LabelMap:
        """No labels; ``volume``: the image has more than one z."""
        return cls(volume, {}, np.zeros(256, np.int64))

    @classmethod
    def from_blocks(cls, blocks: Iterable[LabelBlock], volume: bool | None = None) -> LabelMap:
        """The labels of ``blocks``, where a later one replaces an earlier one.

        ``volume`` None: if a label lies beyond the first z.
        """
        kept = [b for block in blocks if (b := trimmed(block)) is not None]
        if volume is None:
            volume = any(b.box.stop[2] > 1 for b in kept)
        shape = block_shape(volume)
        dense: dict[Place, NDArray[np.uint8]] = {}
        for block in kept:
            for place in places_in(spans_of(block.box, shape)):
                inner, outer = overlap(block.box, place, shape)
                part = block.values[outer][0, 0]
                if not part.any():
                    continue
                if place not in dense:
                    dense[place] = np.zeros(shape, np.uint8)
                view = dense[place][inner]
                view[part != 0] = part[part != 0]
        counts = np.zeros(256, np.int64)
        made = {}
        for place, values in dense.items():
            counts += np.bincount(values.reshape(-1), minlength=256)
            made[place] = StoredBlock(place, shared(values.reshape(-1)))
        counts[0] = 0
        return cls(volume, made, counts)

    # -- what is in it ------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """A hash of what is painted: independent of how it came about."""
        return f"{self._total():064x}"

    def digest_by(self, lut: Lut) -> str:
        """The `digest` of the map whose ids are exchanged by ``lut``; costs little when asked again."""
        used = np.flatnonzero(self._counts)
        if np.array_equal(lut[used], used):
            return self.digest
        key = lut.tobytes()
        total = sum(b.valued(p, lut, key) for p, b in self._blocks.items()) % _MODULUS
        return f"{total:064x}"

    @property
    def counts(self) -> Mapping[int, int]:
        """Class id -> labelled pixels, for those that have some."""
        return MappingProxyType({int(k): int(self._counts[k]) for k in np.flatnonzero(self._counts)})

    @property
    def size(self) -> int:
        """Labelled pixels."""
        return int(self._counts.sum())

    @property
    def nbytes(self) -> int:
        """Memory of the labels in bytes, about; blocks that several maps share are counted in each."""
        return len(self._blocks) * (BLOCK + 400)

    def read(self, box: Box) -> NDArray[np.uint8]:
        """The class ids of ``box`` (its c is taken as 0 to 1) as a new array t c z y x."""
        box = box.replace(c=(0, 1))
        out = np.zeros(box.shape, np.uint8)
        if not out.size:
            return out
        shape = self.block_shape
        spans = spans_of(box, shape)
        places: Iterable[Place] = places_in(spans)
        if math.prod(map(len, spans)) > len(self._blocks):
            places = (p for p in self._blocks if all(v in r for v, r in zip(p, spans, strict=True)))
        for place in places:
            block = self._blocks.get(place)
            if block is not None:
                inner, outer = overlap(box, place, shape)
                out[outer][0, 0] = block.values.reshape(shape)[inner]
        return out

    def at(self, t: int, z: int, y: int, x: int) -> int:
        """The class id of one pixel."""
        sz, sy, sx = self.block_shape
        block = self._blocks.get((t, z // sz, y // sy, x // sx))
        return 0 if block is None else int(block.values[(z % sz * sy + y % sy) * sx + x % sx])

    def rows(self, class_id: int | None = None) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """All labels, or those of one class, as runs (n, 5) t z y x length, sorted, and their ids (n,)."""
        runs, ids = self._all_rows()
        if class_id is None:
            return runs, ids
        return runs[ids == class_id], ids[ids == class_id]

    def positions(self, lut: Lut | None = None) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
        """All labelled pixels, (n, 4) t z y x sorted, and their values (n,) by ``lut``, without value 0."""
        runs, ids = self._all_rows()
        values = ids if lut is None else lut[ids]
        runs, values = runs[values != 0], values[values != 0]
        frozen = Runs(runs)
        return frozen.positions(), np.repeat(values, runs[:, 4])

    def component(self, t: int, z: int, y: int, x: int) -> Runs:
        """The pixels of one class that hang together with this one, corners included; none where it has none.

        Raises
        ------
        CommandError
            They are more than one command may change.
        """
        class_id = self.at(t, z, y, x)
        if class_id == 0:
            return Runs.empty()
        runs, ids = self._all_rows()
        here = (ids == class_id) & (runs[:, 0] == t)
        runs = runs[here]
        label = connected(runs, ids[here])
        hit = np.flatnonzero(
            (runs[:, 1] == z) & (runs[:, 2] == y) & (runs[:, 3] <= x) & (x < runs[:, 3] + runs[:, 4])
        )
        return Runs.from_array(runs[label == label[hit[0]]])

    @property
    def strokes(self) -> Strokes:
        """The connected pixels of each class, corners included, in each t; kept once computed."""
        if self._strokes is None:
            self._strokes = strokes_of(*self._all_rows())
        return self._strokes

    def to_blocks(self) -> tuple[LabelBlock, ...]:
        """The labels as disjoint blocks, cut down to their labels, sorted; the same for equal maps."""
        n = _GROUP // 2 if self.volume else _GROUP
        groups: dict[Place, list[Place]] = {}
        for place in self._blocks:
            t, z, y, x = place
            groups.setdefault((t, z // n if self.volume else z, y // n, x // n), []).append(place)
        shape = self.block_shape
        found = []
        for key in sorted(groups):
            boxes = [box_of(p, shape) for p in groups[key]]
            box = boxes[0]
            for other in boxes[1:]:
                box = box.union(other)
            whole = np.zeros(box.shape, np.uint8)
            for place, inside in zip(groups[key], boxes, strict=True):
                whole[inside.relative_to(box).slices] = self._blocks[place].values.reshape(1, 1, *shape)
            cut = trimmed(make_block(box, whole))
            if cut is not None:
                found.append(cut)
        return tuple(found)

    # -- changes --------------------------------------------------------------------------------------

    def painted(
        self,
        runs: Runs | NDArray[np.int32],
        ids: int | NDArray[np.uint8],
        *,
        only: NDArray[np.uint8] | None = None,
        protected: NDArray[np.bool_] | None = None,
        bounded: bool = False,
    ) -> tuple[LabelMap, PixelChanges]:
        """The map with the class ids of ``runs`` set, and what changed by it.

        Parameters
        ----------
        runs
            The pixels; as an array (n, 5) disjoint runs in any order.
        ids
            One class id, 0 to erase, or (n,) one for each run.
        only
            (n,) for each run: only pixels that have this id are changed.
        protected
            (256,) by class id: pixels that have such an id are not changed.
        bounded
            Refuse to touch more than `label_blocks.MAX_BLOCKS` blocks.

        Raises
        ------
        CommandError
            There are more, and it is ``bounded``.
        """
        array = runs.array if isinstance(runs, Runs) else runs
        wanted = np.broadcast_to(np.asarray(ids, np.uint8), (len(array),))
        guard = _NONE if protected is None else protected
        shape = self.block_shape
        places, pieces = cut_at_blocks(array, shape)
        if bounded:
            check_number(len(places))
        blocks = dict(self._blocks)
        total = self._total()
        parts: list[NDArray[np.int32]] = []
        codes: list[NDArray[np.uint16]] = []
        for first in range(0, len(places), _AT_ONCE):
            part = places[first : first + _AT_ONCE]
            here = [as_place(p) for p in part.tolist()]
            old = np.zeros((len(part), BLOCK), np.uint8)
            for row, place in zip(old, here, strict=True):
                block = blocks.get(place)
                if block is not None:
                    row[:] = block.values
            touched = pieces.spread(first, len(part), np.ones(len(array), np.uint8)) != 0
            touched &= ~guard[old]
            if only is not None:
                touched &= pieces.spread(first, len(part), only) == old
            new = np.where(touched, pieces.spread(first, len(part), wanted), old)
            changed = new != old
            # No change has the code 0: one of both ids is not 0.
            found, code, _ = runs_of((old.astype(np.uint16) << 8 | new) * changed, part, shape)
            parts.append(found)
            codes.append(code)
            for i in np.flatnonzero(changed.any(axis=1)):
                total += exchange(blocks, here[i], new[i])
        changed_runs, code = merged(parts, codes)
        changes = PixelChanges(changed_runs, (code >> 8).astype(np.uint8), (code & 255).astype(np.uint8))
        counts = self._counts.copy()
        lengths = changes.runs[:, 4].astype(np.int64)
        np.subtract.at(counts, changes.before, lengths)
        np.add.at(counts, changes.after, lengths)
        counts[0] = 0
        result = LabelMap(self.volume, blocks, counts)
        result._sum = total % _MODULUS
        return result, changes

    def remapped(self, lut: Lut) -> LabelMap:
        """The map with every id exchanged by ``lut``; pixels that get 0 lose their label."""
        used = np.flatnonzero(self._counts)
        if np.array_equal(lut[used], used):
            return self
        blocks = {}
        counts = np.zeros(256, np.int64)
        np.add.at(counts, lut, self._counts)
        counts[0] = 0
        for place, block in self._blocks.items():
            values = lut[block.values]
            if values.any():
                blocks[place] = StoredBlock(place, shared(values))
        return LabelMap(self.volume, blocks, counts)

    @property
    def block_shape(self) -> BlockShape:
        """z, y and x of a block."""
        return block_shape(self.volume)

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelMap) and self.volume == other.volume and self._total() == other._total()

    def __hash__(self) -> int:
        return hash(self._total())

    def __repr__(self) -> str:
        return f"LabelMap({dict(self.counts)})"

    def _total(self) -> int:
        """Sum of the digests of all blocks: a change costs the blocks that it touches."""
        if self._sum is None:
            self._sum = sum(b.digest for b in self._blocks.values()) % _MODULUS
        return self._sum

    def _all_rows(self) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        if self._rows is None:
            new = [p for p, b in self._blocks.items() if b.rows is None]
            for first in range(0, len(new), _AT_ONCE):
                part = new[first : first + _AT_ONCE]
                stack = np.stack([self._blocks[p].values for p in part]).astype(np.uint16)
                runs, ids, block = runs_of(stack, np.array(part, np.int64), self.block_shape)
                bounds = np.searchsorted(block, np.arange(len(part) + 1))
                own = ids.astype(np.uint8)
                for place, a, b in zip(part, bounds[:-1], bounds[1:], strict=True):
                    self._blocks[place].rows = runs[a:b], own[a:b]
            parts = [b.rows for b in self._blocks.values() if b.rows is not None]
            self._rows = merged([r for r, _ in parts], [i for _, i in parts])
        return self._rows
