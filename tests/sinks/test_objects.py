"""Objects: the same numbers whatever the cut, held against a plain search over the whole image."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import tifffile

from underbrush import files
from underbrush.core.geometry import Box, Halo, TileGrid
from underbrush.errors import OutputError
from underbrush.sinks import OutputSpec, open_sink, stash
from underbrush.sinks.objects import ObjectSink


def searched(labels: np.ndarray, classes) -> np.ndarray:
    """Objects by a search from each pixel, in the order of their first pixels; t z y x."""
    found = np.zeros(labels.shape, np.int64)
    count = 0
    for seed in np.ndindex(labels.shape):
        if labels[seed] not in classes or found[seed]:
            continue
        count += 1
        found[seed], todo = count, [seed]
        while todo:
            t, z, y, x = todo.pop()
            for dz, dy, dx in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
                near = (t, z + dz, y + dy, x + dx)
                inside = all(0 <= a < n for a, n in zip(near, labels.shape, strict=True))
                if inside and not found[near] and labels[near] == labels[seed]:
                    found[near] = count
                    todo.append(near)
    return found


def cut_at_random(shape, rng) -> list[Box]:
    cuts = [list(itertools.pairwise([0, *sorted(rng.sample(range(1, n), min(n - 1, 2))), n])) for n in shape]
    boxes = [Box(tuple(a for a, _ in c), tuple(b for _, b in c)) for c in itertools.product(*cuts)]
    rng.shuffle(boxes)
    return boxes


def split_again(boxes, rng) -> list[Box]:
    """Some boxes cut in two, so that faces do not meet face to face."""
    found = []
    for box in boxes:
        if box.shape[4] > 2 and rng.random() < 0.5:
            middle = (box.start[4] + box.stop[4]) // 2
            found += [box.replace(x=(box.start[4], middle)), box.replace(x=(middle, box.stop[4]))]
        else:
            found.append(box)
    return found


def write(folder, labels, boxes, classes=(2, 3), dtype="u4", format="npy", name="a.npy"):
    spec = OutputSpec(folder / name, labels.shape, "tczyx", np.dtype(dtype), "objects")
    with ObjectSink(spec, classes, lambda s: open_sink(s, format)) as sink:
        for box in boxes:
            sink.write(box, labels[box.slices])
    return sink.count


@pytest.mark.parametrize("shape", [(1, 1, 1, 37, 41), (2, 1, 5, 17, 19), (1, 1, 1, 1, 30), (1, 1, 6, 20, 1)])
@pytest.mark.parametrize("density", [2, 4])
def test_objects_do_not_depend_on_the_cut(tmp_path, monkeypatch, shape, density):
    monkeypatch.setattr(stash, "STASHED_BYTES", 2000)
    rng = random.Random(1)
    labels = np.random.default_rng(3).integers(1, density, shape, np.uint8)
    expected = searched(labels[:, 0], (2, 3))
    tile = (1, 1, 2, 8, 8)
    regular = [t.valid for t in TileGrid(Box.whole(shape), tile, Halo(), shape)]
    rng.shuffle(regular)
    odd = split_again(cut_at_random(shape, rng), rng)
    for boxes in ([Box.whole(shape)], regular, cut_at_random(shape, rng), odd):
        count = write(tmp_path, labels, boxes)
        found = np.load(tmp_path / "a.npy")
        assert found.dtype == np.uint32
        assert np.array_equal(found[:, 0], expected)
        assert count == expected.max()


def test_a_snake_through_all_blocks_is_one_object(tmp_path):
    labels = np.ones((1, 1, 1, 101, 64), np.uint8)
    labels[0, 0, 0, ::2] = 2
    for row in range(1, 101, 2):
        labels[0, 0, 0, row, 0 if row % 4 == 1 else -1] = 2
    boxes = [t.valid for t in TileGrid(Box.whole(labels.shape), (1, 1, 1, 7, 9), Halo(), labels.shape)]
    assert write(tmp_path, labels, boxes) == 1
    assert np.array_equal(np.load(tmp_path / "a.npy") == 1, labels == 2)


def test_corners_and_classes_part_objects(tmp_path):
    labels = np.array([[2, 1, 3], [1, 2, 3], [3, 3, 2]], np.uint8)[None, None, None]
    write(tmp_path, labels, [Box.whole(labels.shape)])
    assert np.load(tmp_path / "a.npy")[0, 0, 0].tolist() == [[1, 0, 2], [0, 3, 2], [4, 4, 5]]
    write(tmp_path, labels, [Box.whole(labels.shape)], classes=(2,))
    assert np.load(tmp_path / "a.npy")[0, 0, 0].tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 3]]


def test_no_objects_at_all(tmp_path):
    labels = np.ones((1, 1, 1, 20, 20), np.uint8)
    boxes = [t.valid for t in TileGrid(Box.whole(labels.shape), (1, 1, 1, 7, 9), Halo(), labels.shape)]
    assert write(tmp_path, labels, boxes) == 0
    assert not np.load(tmp_path / "a.npy").any()


def test_more_objects_than_the_type_counts_are_an_error(tmp_path):
    labels = (np.indices((40, 40)).sum(0) % 2 + 1).astype(np.uint8)[None, None, None]
    with pytest.raises(OutputError, match="800 objects, more than uint8 can count; write them as uint32"):
        write(tmp_path, labels, [Box.whole(labels.shape)], dtype="u1")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_double_block_is_seen(tmp_path):
    labels = np.ones((1, 1, 1, 20, 20), np.uint8)
    half = Box.whole(labels.shape).replace(y=(0, 10))
    with pytest.raises(OutputError, match="not complete"):
        write(tmp_path, labels, [half])
    with pytest.raises(ValueError, match="overlap"):
        write(tmp_path, labels, [half, Box.whole(labels.shape)])
    assert list(tmp_path.iterdir()) == []


def test_objects_in_tiff(tmp_path):
    labels = np.array([[2, 1, 3], [1, 2, 3], [3, 3, 2]], np.uint8)[None, None, None]
    write(tmp_path, labels, [Box.whole(labels.shape)], format="tiff", name="a.tif")
    assert tifffile.imread(tmp_path / "a.tif").tolist() == [[1, 0, 2], [0, 3, 2], [4, 4, 5]]


@pytest.mark.parametrize("once", [False, True], ids=["stays full", "full once"])
def test_a_full_disk_at_every_call(tmp_path, monkeypatch, faulty_disk, once):
    monkeypatch.setattr(stash, "STASHED_BYTES", 500)
    labels = np.random.default_rng(3).integers(1, 4, (1, 1, 1, 40, 40), np.uint8)
    boxes = [t.valid for t in TileGrid(Box.whole(labels.shape), (1, 1, 1, 16, 16), Halo(), labels.shape)]
    with files.using(faulty_disk(10**9)) as counting:
        write(tmp_path, labels, boxes)
    (tmp_path / "a.npy").unlink()
    for nth in range(1, counting.calls + 1):
        with files.using(faulty_disk(nth, once=once)), pytest.raises(OutputError, match="disk is full"):
            write(tmp_path, labels, boxes)
        assert list(tmp_path.iterdir()) == [], f"call {nth} of {counting.calls}"
