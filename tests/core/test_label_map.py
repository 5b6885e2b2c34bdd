"""A label map against a dense array: whatever is painted, cut, filled or taken back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underbrush.core import label_blocks
from underbrush.core.components import connected
from underbrush.core.geometry import Box
from underbrush.core.label_map import LabelMap
from underbrush.core.labels import make_block, paint
from underbrush.core.runs import Runs
from underbrush.errors import CommandError

FLAT = (2, 1, 1, 150, 140)
VOLUME = (2, 1, 40, 30, 50)


def random_runs(rng, shape, n=30, length=40):
    t, _, z, y, x = shape
    rows = np.column_stack([rng.integers(0, m, n) for m in (t, z, y, x)] + [rng.integers(1, length, n)])
    return Runs.from_array(rows).clipped(shape)


def dense(label_map, shape):
    return label_map.read(Box.whole(shape).replace(c=(0, 1)))


def put(array, runs, values):
    for (t, z, y, x, n), v in zip(runs, np.broadcast_to(values, len(runs)), strict=True):
        array[t, 0, z, y, x : x + n] = v


@pytest.mark.parametrize("shape", [FLAT, VOLUME], ids=["flat", "volume"])
@given(seed=st.integers(0, 10**9))
@settings(max_examples=15, deadline=None)
def test_painting_equals_a_dense_array_and_its_changes_lead_there_and_back(shape, seed):
    rng = np.random.default_rng(seed)
    label_map, model = LabelMap.empty(shape[2] > 1), np.zeros(shape, np.uint8)
    history = [label_map]
    for _ in range(8):
        runs, class_id = random_runs(rng, shape), int(rng.integers(0, 4))
        guard = np.zeros(256, bool)
        guard[rng.integers(1, 4)] = rng.random() < 0.3
        after = model.copy()
        put(after, runs.array, class_id)
        after = np.where(guard[model], model, after)
        painted, changes = label_map.painted(runs, class_id, protected=guard)
        assert np.array_equal(dense(painted, shape), after)
        assert np.array_equal(dense(label_map, shape), model)
        assert int(changes.runs[:, 4].sum()) == int((after != model).sum())
        assert (changes.before != changes.after).all()
        assert painted.counts == {int(k): int(n) for k, n in enumerate(np.bincount(after.ravel())) if k and n}
        again, _ = label_map.painted(changes.runs, changes.after, only=changes.before)
        assert again == painted
        back, _ = painted.painted(changes.runs, changes.before, only=changes.after)
        assert back == label_map
        assert back.digest == label_map.digest
        label_map, model = painted, after
        history.append(label_map)
    runs, ids = label_map.rows()
    built = np.zeros_like(model)
    put(built, runs, ids)
    assert np.array_equal(built, model)
    places, values = label_map.positions()
    expected = np.argwhere(model[:, 0])
    assert np.array_equal(places, expected)
    assert np.array_equal(values, model[:, 0][tuple(expected.T)])
    assert (
        dense(LabelMap.from_blocks(label_map.to_blocks(), shape[2] > 1), shape).tobytes() == model.tobytes()
    )
    assert LabelMap.from_blocks(label_map.to_blocks(), shape[2] > 1).digest == label_map.digest
    assert np.array_equal(paint(label_map.to_blocks(), shape), model)


def test_only_what_is_still_as_it_was_left_is_taken_back():
    first, made = LabelMap.empty().painted(Runs.from_array([[0, 0, 5, 0, 100]]), 1)
    second, _ = first.painted(Runs.from_array([[0, 0, 5, 50, 10]]), 2)
    back, changes = second.painted(made.runs, made.before, only=made.after)
    assert changes.runs.tolist() == [[0, 0, 5, 0, 50], [0, 0, 5, 60, 40]]
    assert back.counts == {2: 10}


def test_the_digest_of_a_map_by_values_is_that_of_the_map_of_values():
    rng = np.random.default_rng(1)
    lut = np.arange(256, dtype=np.uint8)
    lut[1:4] = 3, 0, 1
    label_map = LabelMap.empty()
    for k in (1, 2, 3):
        label_map, _ = label_map.painted(random_runs(rng, FLAT), k)
    mapped = label_map.remapped(lut)
    assert label_map.digest_by(lut) == mapped.digest != label_map.digest
    assert np.array_equal(dense(mapped, FLAT), lut[dense(label_map, FLAT)])
    assert mapped.counts == {3: label_map.counts[1], 1: label_map.counts[3]}
    places, values = label_map.positions(lut)
    assert np.array_equal(values, lut[dense(label_map, FLAT)][:, 0][tuple(places.T)])
    more, _ = label_map.painted(Runs.from_array([[0, 0, 0, 0, 9]]), 3)
    assert more.digest_by(lut) == more.remapped(lut).digest


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1, 40, 40), (2, 1, 12, 14, 13)], ids=["flat", "volume"])
def test_strokes_are_the_components_of_each_class(shape, corners):
    rng = np.random.default_rng(3)
    model = np.where(rng.random(shape) < 0.35, rng.integers(1, 3, shape), 0).astype(np.uint8)
    label_map = LabelMap.from_blocks([make_block(Box.whole(shape), model)], shape[2] > 1)
    runs, ids = label_map.rows()
    root = connected(runs, ids, corners)
    mine = np.zeros(shape, int)
    put(mine, runs, root + 1)
    assert np.array_equal(mine, _flooded(model, corners, mine))
    if corners:
        strokes = label_map.strokes
        assert len(strokes) == len(np.unique(root))
        assert strokes.by_class == {
            k: (len(np.unique(root[ids == k])), label_map.counts[k]) for k in label_map.counts
        }
        t, _, z, y, x = np.argwhere(model)[17]
        found = label_map.component(t, z, y, x).positions()
        assert np.array_equal(found, np.argwhere(mine[:, 0] == mine[t, 0, z, y, x]))
        boxes = {tuple(np.argwhere(mine[:, 0] == r + 1).min(0)) for r in np.unique(root)}
        assert {tuple(s) for s in strokes.start.tolist()} == boxes


def _flooded(model, corners, names):
    """Components by a plain walk, named by the name of their first pixel in ``names``."""
    out = np.zeros(model.shape, int)
    steps = [
        (dz, dy, dx)
        for dz in (-1, 0, 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        if (dz or dy or dx) and (corners or abs(dz) + abs(dy) + abs(dx) == 1)
    ]  # fmt: skip
    for t, c, z, y, x in np.argwhere(model):
        if out[t, c, z, y, x]:
            continue
        name, todo = names[t, c, z, y, x], [(z, y, x)]
        out[t, c, z, y, x] = name
        while todo:
            at = todo.pop()
            for step in steps:
                near = tuple(a + s for a, s in zip(at, step, strict=True))
                inside = all(0 <= v < n for v, n in zip(near, model.shape[2:], strict=True))
                if inside and not out[(t, c, *near)] and model[(t, c, *near)] == model[t, c, z, y, x]:
                    out[(t, c, *near)] = name
                    todo.append(near)
    return out


def test_an_image_of_a_hundred_thousand_squared():
    far = 99_999
    runs = Runs.from_array([[0, 0, y, x, 3] for y, x in [(0, 0), (far, far - 2), (50_000, 63), (51_000, 9)]])
    label_map, _ = LabelMap.empty().painted(runs, 7)
    assert label_map.size == 12
    assert label_map.nbytes < 50_000
    assert label_map.at(0, 0, far, far) == 7
    assert label_map.read(Box((0, 0, 0, 50_000, 60), (1, 1, 1, 50_001, 70))).ravel().tolist() == (
        [0] * 3 + [7] * 3 + [0] * 4
    )
    assert len(label_map.strokes) == 4
    assert [b.box.size for b in label_map.to_blocks()] == [3] * 4


def test_labels_spread_over_too_many_blocks_are_refused(monkeypatch):
    monkeypatch.setattr(label_blocks, "MAX_BLOCKS", 10)
    runs = Runs.from_array([[0, 0, y * 64, 0, 1] for y in range(11)])
    with pytest.raises(CommandError, match="11 blocks"):
        LabelMap.empty().painted(runs, 1, bounded=True)
    # What was once painted can always be painted again.
    assert LabelMap.empty().painted(runs, 1)[0].size == 11


def test_an_empty_map():
    label_map, changes = LabelMap.empty().painted(Runs.empty(), 1)
    assert not label_map
    assert label_map == LabelMap.empty() == LabelMap.from_blocks([])
    assert len(changes.runs) == len(label_map.positions()[0]) == len(label_map.strokes) == 0
    assert label_map.to_blocks() == ()
    assert label_map.component(0, 0, 3, 3) == Runs.empty()
