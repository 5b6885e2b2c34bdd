"""Images of any size are looked at within stated bytes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from engine.live_scenes import Lanes, image_of, recipe_of, settle
from underbrush.core.features.selection import FeatureSelection
from underbrush.engine.cache import BytesCache
from underbrush.engine.live import TILE_BYTES, Live
from underbrush.engine.live_rows import LabelledPixels, LiveRows
from underbrush.engine.views import TileDone, View
from underbrush.sources.base import Image, ImageInfo


class Endless(Image):
    """100,000 x 100,000 pixels (or slices of it) that are drawn when they are read."""

    def __init__(self, shape=(100_000, 100_000), axes="yx"):
        self.info = ImageInfo("endless", axes, shape, np.dtype(np.uint8), levels=(shape,))
        self.largest = 0

    def _read_own(self, where, level):
        rows, columns = (np.arange(s.start, s.stop) for s in where[-2:])
        plane = ((rows[:, None] * 7 + columns * 13 + (rows[:, None] * columns) // 97) % 251).astype(np.uint8)
        self.largest = max(self.largest, plane.nbytes)
        if len(where) == 2:
            return plane
        return np.stack([plane + np.uint8(z) for z in range(where[0].start, where[0].stop)])

    def close(self):
        pass


def views_of_a_walk():
    """Panning, zooming out and in again over an endless image."""
    for step in range(30):
        x, y = 50_000 + 173 * step, 99_000 - 611 * step
        yield View("c", "main", "a", 0, "xy", 0, 0, (x, y, x + 700, y + 400))
    for level in (1, 3, 6, 9):
        n = 100_000 >> level
        box = (n // 2 - 300, n // 2 - 200, n // 2 + 300, n // 2 + 200)
        yield View("c", "main", "a", 0, "xy", 0, level, box, ("segmentation", "uncertainty"))
        yield View("c", "main", "a", 0, "xy", 0, level, (0, 0, 120, 120))
        yield View("c", "main", "a", 0, "xy", 0, 0, (0, 0, 100_000, 100_000))
        yield View("c", "main", "a", 0, "xy", 0, level, (n - 100, n - 100, n + 50, n + 50))


def test_panning_over_an_endless_image_stays_below_the_cap():
    image, cap, threads = Endless(), 6_000_000, 2
    recipe = recipe_of(image_of("2d"))
    held, sent = [], []

    def listen(event):
        held.append(live.bytes)
        if isinstance(event, TileDone):
            sent.append(event.place)

    live = Live(Lanes(a=image), threads, cap, listen, area=4 << 20)
    live.set_recipe(recipe)
    live.look(next(views_of_a_walk()))
    settle(live)
    tracemalloc.start()
    try:
        for view in views_of_a_walk():
            live.look(view)
            settle(live)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        live.close()
    assert len(set(sent)) > 100
    assert max(held) <= cap
    assert peak < cap + threads * TILE_BYTES
    assert image.largest < 4 << 20


def test_walking_through_an_endless_volume_stays_below_the_cap():
    image, cap = Endless((60, 20_000, 30_000), "zyx"), 3_000_000
    recipe = recipe_of(image_of("3d"))
    held = []
    live = Live(Lanes(a=image), 2, cap, lambda _: held.append(live.bytes))
    live.set_recipe(recipe)
    tracemalloc.start()
    try:
        for step in range(5):
            z, y, x = 20 + step, 9_000 + step, 7_000 + 40 * step
            live.look(View("c", "xy", "a", 0, "xy", z, 1, (x // 2, y // 2, x // 2 + 300, y // 2 + 200)))
            live.look(View("c", "xz", "a", 0, "xz", y, 0, (x, 0, x + 300, 60)))
            live.look(View("c", "zy", "a", 0, "zy", x, 0, (0, y, 60, y + 200)))
            settle(live)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        live.close()
    assert max(held) <= cap and peak < cap + 2 * TILE_BYTES


def test_strokes_all_over_an_endless_image_stay_below_the_cap():
    image, selection = Endless(), FeatureSelection.all((0.7, 1.6))
    rows = LiveRows(200_000)
    rng = np.random.default_rng(0)
    where = np.empty((0, 4), np.intp)
    for _ in range(8):
        y, x = rng.integers(0, 99_000, 2)
        line = np.array([(0, 0, y, x + k) for k in range(300)], np.intp)
        where = np.unique(np.concatenate([where, line]), axis=0)
        got = rows.rows(LabelledPixels("a", image, where, np.ones(len(where), np.uint8)), selection)
        assert got.x.shape[1] == len(where) and rows.bytes <= 200_000


def test_the_cache_lets_the_least_recently_used_go():
    cache = BytesCache(100, len)
    for k in range(4):
        cache.put(k, b"x" * 30)
    assert 0 not in cache and cache.bytes == 90 and len(cache) == 3
    assert cache.get(1) == b"x" * 30
    cache.put(5, b"x" * 30)
    assert 2 not in cache and 1 in cache and cache.get(2) is None
    cache.put(1, b"x" * 10)
    assert cache.bytes == 70
    cache.put(1, b"x" * 101)
    assert 1 not in cache and cache.bytes == 60, "what is larger than the limit is not kept"
    cache.drop(3)
    cache.drop(3)
    assert cache.bytes == 30
    cache.clear()
    assert cache.bytes == 0 and not len(cache)


@pytest.mark.parametrize("limit", [0, 1])
def test_a_cache_without_room_keeps_nothing(limit):
    cache = BytesCache(limit, len)
    cache.put("a", b"xx")
    assert cache.get("a") is None and cache.bytes == 0
