"""What is looked at is predicted: the right bytes, in the right order, and nothing that nobody wants."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from engine.live_scenes import KINDS, Lanes, Listener, image_of, recipe_of, settle, wait_until
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.looking import first_pixel, plane_size
from underbrush.core.results import segmentation, uncertainty
from underbrush.engine.arrays import features_array, predict_array
from underbrush.engine.live import ZOOM_IN, Live
from underbrush.engine.views import TileDone, View, ViewNotice, ViewProgress
from underbrush.errors import ImageError, UsageError
from underbrush.sources.array import ArrayImage

RESULTS = ("segmentation", "probability:1", "probability:3", "uncertainty")
STILL = {"xy": 2, "xz": 3, "zy": 4}


@contextmanager
def looking(lanes, threads=2, cache=50_000_000, **more):
    listener = Listener()
    live = Live(lanes, threads, cache, listener, **more)
    try:
        yield live, listener
    finally:
        live.close()


def a_view(shape, plane="xy", level=0, **more):
    size = plane_size(shape, plane, level)
    given = {"client": "c", "name": "main", "lane": "a", "t": 0, "slice": shape[STILL[plane]] // 2, **more}
    return View(plane=plane, level=level, **{"box": (0, 0, *size), **given})


def thinned(values, t, plane, index, level):
    """Of (t, n, z, y, x) the plane as it is shown, (n, rows, columns)."""
    flat = np.take(values[t], index, axis=STILL[plane] - 1)
    if plane == "zy":
        flat = flat.transpose(0, 2, 1)
    step = 1 << level
    for axis, reduced in ((1, plane != "xz"), (2, plane != "zy")):
        if reduced:
            n = flat.shape[axis]
            flat = np.take(flat, range(first_pixel(n, step), n, step), axis=axis)
    return flat


@pytest.mark.parametrize("kind", KINDS)
def test_every_plane_and_level_has_the_bytes_of_batch_prediction(kind):
    image = image_of(kind)
    recipe = recipe_of(image)
    whole, _ = predict_array(image, recipe)
    shape = image.shape5
    with looking(Lanes(a=image)) as (live, heard):
        live.set_recipe(recipe)
        for plane in ("xy", "xz", "zy") if shape[2] > 1 else ("xy",):
            for level in (0, 1, 3):
                heard.clear()
                view = a_view(shape, plane, level, t=shape[0] - 1, layers=RESULTS)
                live.look(view)
                settle(live)
                size = plane_size(shape, plane, level)
                want = thinned(whole, view.t, plane, view.slice, level)
                for k in (1, 3):
                    assert np.array_equal(heard.plane(f"probability:{k}", size), want[k - 1])
                full = want[None, :, None]
                assert np.array_equal(heard.plane("segmentation", size), segmentation(full)[0, 0, 0])
                assert np.array_equal(heard.plane("uncertainty", size), uncertainty(full)[0, 0, 0])
                for tile in heard.tiles:
                    assert tile.key == recipe.key and tile.lane == "a" and tile.viewers == (("c", "main"),)
                    assert tile.array.shape == (tile.place.height, tile.place.width)
                    assert (tile.low, tile.high) == (tile.array.min(), tile.array.max())
                last = [e for e in heard if isinstance(e, ViewProgress)][-1]
                assert last.done == last.total > 0


def test_a_tile_is_computed_once_for_all_who_look_and_sent_once_to_each(monkeypatch):
    image = image_of("3d")
    recipe = recipe_of(image)
    computed = []
    real = type(image).read
    monkeypatch.setattr(
        ArrayImage, "read", lambda self, box, level=0: computed.append(box) or real(self, box)
    )
    with looking(Lanes(a=image, b=image), threads=1) as (live, heard):
        live.set_recipe(recipe)
        live.look(a_view(image.shape5))
        settle(live)
        n, tiles = len(computed), len(heard.tiles)
        live.look(a_view(image.shape5, box=(0, 0, 80, 60)))
        live.look(a_view(image.shape5, client="d"))
        settle(live)
        assert len(computed) == n, "another client and a panned view take what is there"
        assert len(heard.tiles) == 2 * tiles, "what a view has is not sent again"
        live.look(a_view(image.shape5, client="d"))
        settle(live)
        assert len(heard.tiles) == 3 * tiles, "but to who asks for the same once more"
        live.look(a_view(image.shape5, layers=("segmentation", "uncertainty")))
        settle(live)
        assert [t.layer for t in heard.tiles[3 * tiles :]] == ["uncertainty"] * tiles
        live.look(a_view(image.shape5, slice=2))
        settle(live)
        n = len(computed)
        live.look(a_view(image.shape5))
        settle(live)
        assert len(computed) == n, "scrolling back costs nothing"
        assert [t.place.slice for t in heard.tiles[-2 * tiles :]] == [2] * tiles + [7] * tiles, "sent anew"


@pytest.mark.parametrize("elsewhere", [{"slice": 1}, {"level": 1}, {"box": (0, 0, 20, 20)}])
def test_who_comes_back_before_the_other_place_was_planned_is_sent_all_anew(elsewhere):
    """A browser forgets what is out of sight, however short the look elsewhere was."""
    image, gate = image_of("2d" if "box" in elsewhere else "3d"), threading.Event()
    gate.set()

    class Waiting(Lanes):
        def get(self, lane):
            assert gate.wait(60)
            return super().get(lane)

    with looking(Waiting(a=image), threads=1) as (live, heard):
        live.set_recipe(recipe_of(image))
        here = a_view(image.shape5, box=(270, 10, 400, 200)) if "box" in elsewhere else a_view(image.shape5)
        live.look(here)
        settle(live)
        tiles = [t.place for t in heard.tiles]
        heard.clear()
        gate.clear()
        live.look(replace(here, **elsewhere))
        live.look(here)
        gate.set()
        settle(live)
        assert tiles and sorted(map(str, [t.place for t in heard.tiles])) == sorted(map(str, tiles))


def test_slices_along_x_come_by_fours(monkeypatch):
    image = image_of("3d")
    recipe = recipe_of(image)
    whole, _ = predict_array(image, recipe)
    with looking(Lanes(a=image)) as (live, heard):
        live.set_recipe(recipe)
        live.look(a_view(image.shape5, "zy", slice=89, layers=("probability:1",)))
        live.look(a_view(image.shape5, "zy", slice=41, layers=("probability:1",)))
        settle(live)
        monkeypatch.setattr(ArrayImage, "read", None)
        for x in (40, 42, 43, 41):
            heard.clear()
            live.look(a_view(image.shape5, "zy", slice=x, layers=("probability:1",), name="other"))
            wait_until(lambda: heard and isinstance(heard[-1], ViewProgress))
            got = heard.plane("probability:1", plane_size(image.shape5, "zy", 0))
            assert np.array_equal(got, whole[0, 0, :, :, x].T)


def test_who_leafs_through_finds_the_next_slices_computed(monkeypatch):
    image = image_of("3d")
    recipe = recipe_of(image)
    with looking(Lanes(a=image)) as (live, heard):
        live.set_recipe(recipe)
        for z in (5, 6):
            live.look(a_view(image.shape5, slice=z))
            settle(live)
        assert {t.place.slice for t in heard.tiles} == {5, 6}, "what is ahead is not sent"
        real = ArrayImage.read
        monkeypatch.setattr(ArrayImage, "read", None)
        heard.clear()
        live.look(a_view(image.shape5, slice=8))
        wait_until(lambda: heard and isinstance(heard[-1], ViewProgress))
        assert {t.place.slice for t in heard.tiles} == {8} and not [
            e for e in heard if isinstance(e, ViewNotice)
        ]
        monkeypatch.setattr(ArrayImage, "read", real)
        settle(live)
        for z in (12, 13):
            live.look(a_view(image.shape5, slice=z))
            settle(live)
        assert not [e for e in heard if isinstance(e, ViewNotice)], "the last slice is no error"


def test_undo_brings_the_tiles_of_the_old_recipe_back_from_the_cache(monkeypatch):
    image = image_of("2d")
    one, two = recipe_of(image), recipe_of(image, seed=1)
    with looking(Lanes(a=image)) as (live, heard):
        live.look(a_view(image.shape5))
        for recipe in (one, two):
            live.set_recipe(recipe)
            settle(live)
        n = len(heard.tiles)
        monkeypatch.setattr(ArrayImage, "read", None)
        live.set_recipe(one)
        settle(live)
        assert {t.key for t in heard.tiles[n:]} == {one.key} and len(heard.tiles) == n + n // 2


class SlowImage(ArrayImage):
    """Reads when it is let."""

    def __init__(self, image):
        super().__init__(image.read(), "tczyx", "slow")
        self.gate = threading.Event()
        self.boxes = []

    def read(self, box=None, level=0):
        self.boxes.append(box)
        assert self.gate.wait(60)
        return super().read(box, level)


def test_tiles_of_an_old_recipe_are_neither_begun_nor_sent():
    image = SlowImage(image_of("2d"))
    image.gate.set()
    one, two = recipe_of(image), recipe_of(image, seed=1)
    image.gate.clear()
    with looking(Lanes(a=image), threads=1) as (live, heard):
        live.set_recipe(one)
        live.look(a_view(image.shape5))
        image.boxes.clear()
        wait_until(lambda: image.boxes)
        live.set_recipe(two)
        image.gate.set()
        settle(live)
        assert {t.key for t in heard.tiles} == {two.key}
        assert len(image.boxes) == 1 + len(heard.tiles), "one tile had been begun"


def test_nothing_is_sent_after_unlook():
    image = SlowImage(image_of("2d"))
    image.gate.set()
    recipe = recipe_of(image)
    image.gate.clear()
    with looking(Lanes(a=image), threads=2) as (live, heard):
        live.set_recipe(recipe)
        for client in ("c", "d"):
            for name in ("xy", "xz"):
                live.look(a_view(image.shape5, client=client, name=name))
        image.boxes.clear()
        wait_until(lambda: len(image.boxes) == 2)
        live.unlook("c")
        live.unlook("d", "xz")
        heard.clear()
        image.gate.set()
        settle(live)
        viewers = {v for t in heard.tiles for v in t.viewers}
        viewers |= {e.viewer for e in heard if not isinstance(e, TileDone)}
        assert viewers == {("d", "xy")}


def test_the_middle_comes_first_and_views_take_turns():
    image = image_of("2d")
    big = ArrayImage(np.tile(image.read()[0, 0, 0], (4, 3)), "yx")
    recipe = recipe_of(image)
    with looking(Lanes(a=big), threads=1) as (live, heard):
        live.set_live(False)
        live.set_recipe(recipe)
        live.look(a_view(big.shape5, name="one"))
        live.look(a_view(big.shape5, name="two", level=1))
        settle(live)
        assert not heard.tiles
        live.set_live(True)
        settle(live)
        order = [t.viewers[0][1] for t in heard.tiles]
        turns = order[: 2 * min(order.count("one"), order.count("two"))]
        assert all(a != b for a, b in pairwise(turns))
        x1, y1 = big.shape5[4], big.shape5[3]
        away = [
            (t.place.x + 128 - x1 / 2) ** 2 + (t.place.y + 128 - y1 / 2) ** 2
            for t in heard.tiles
            if t.viewers[0][1] == "one"
        ]
        assert away == sorted(away)


def test_live_off_shows_what_is_kept_and_an_update_computes_once():
    image = image_of("2d")
    one, two = recipe_of(image), recipe_of(image, seed=1)
    with looking(Lanes(a=image)) as (live, heard):
        live.set_recipe(one)
        live.look(a_view(image.shape5))
        settle(live)
        n = len(heard.tiles)
        live.set_live(False)
        live.set_recipe(two)
        settle(live)
        assert len(heard.tiles) == n
        live.set_recipe(one)
        settle(live)
        assert len(heard.tiles) == 2 * n, "kept"
        live.set_recipe(two)
        live.update_once()
        settle(live)
        assert [t.key for t in heard.tiles[2 * n :]] == [two.key] * n
        live.look(a_view(image.shape5, level=1))
        settle(live)
        assert len(heard.tiles) == 3 * n, "once: not where one looks afterwards"
        last = [e for e in heard if isinstance(e, ViewProgress)][-1]
        assert last.done == last.total, "nothing seems to be on its way"


def test_beyond_the_area_only_what_is_kept_is_shown_and_the_view_is_told():
    image = image_of("2d")
    recipe = recipe_of(image)
    with looking(Lanes(a=image), area=256 * 256) as (live, heard):
        live.set_recipe(recipe)
        live.look(a_view(image.shape5, box=(0, 0, 200, 200)))
        settle(live)
        assert len(heard.tiles) == 1 and not [e for e in heard if isinstance(e, ViewNotice)]
        for _ in range(2):
            live.look(a_view(image.shape5, client="d"))
            settle(live)
        assert [e.sentence for e in heard if isinstance(e, ViewNotice)] == [ZOOM_IN], "said once"
        assert [t.place.x for t in heard.tiles] == [0, 0, 0], "kept tiles are shown"
        assert {v for t in heard.tiles[1:] for v in t.viewers} == {("d", "main")}
        live.look(a_view(image.shape5, client="d", box=(250, 0, 400, 200)))
        settle(live)
        assert len(heard.tiles) > 3, "zoomed in"


def _channel(name):
    """The channel of a feature of an image of several: [k] counts eigenvalues (2 in 2D) of each channel."""
    k = int(name[name.index("[") + 1 : -1])
    return k // 2 if "Eigenvalues" in name else k


@pytest.mark.parametrize("kind", ["2d", "3d", "rgb", "movie", "offset"])
def test_feature_layers_are_the_features(kind):
    image = image_of(kind)
    pixels = image.read()
    if pixels.dtype == np.float32:
        pixels[0, 1, 0, 20, 30] = np.nan
        image = ArrayImage(pixels, "tczyx", kind)
    selection = FeatureSelection.all((0.7, 1.6))
    shape = image.shape5
    channels = (1,) if shape[1] > 1 else None
    own = [
        k
        for k, name in enumerate(selection.names(shape[1], shape[2] > 1))
        if channels is None or _channel(name) == 1
    ]
    whole = features_array(image, selection)[:, own]
    names = selection.names(1, shape[2] > 1)
    with looking(Lanes(a=image)) as (live, heard):
        live.set_features(selection, channels)
        live.set_live(False)
        live.look(a_view(shape, layers=tuple(f"feature:{n}" for n in names)))
        settle(live)
        for k, name in enumerate(names):
            got = heard.plane(f"feature:{name}", plane_size(shape, "xy", 0))
            want = thinned(whole, 0, "xy", shape[2] // 2, 0)[k]
            finite = np.isfinite(want)
            assert np.array_equal(got[finite], want[finite]), name
            assert np.isfinite(got[finite]).all()
        if kind == "movie":
            got = heard.plane(f"feature:{names[0]}", plane_size(shape, "xy", 0))
            assert np.isnan(got[20, 30]) and np.isfinite(got[40, 50])
        live.look(a_view(shape, layers=("feature:No Such (σ=1.0)",)))
        settle(live)
        assert "No Such" in [e for e in heard if isinstance(e, ViewNotice)][-1].sentence


def test_the_value_under_the_cursor_is_exact_kept_or_not():
    for kind in ("2d", "3d", "rgb"):
        image = image_of(kind)
        recipe = recipe_of(image)
        whole, _ = predict_array(image, recipe)
        with looking(Lanes(a=image)) as (live, _):
            assert live.probabilities_at("a", 0, 0, 1, 2) is None
            live.set_recipe(recipe)
            rng = np.random.default_rng(0)
            _, _, nz, ny, nx = image.shape5
            for _ in range(2):
                for _ in range(5):
                    z, y, x = rng.integers(nz), rng.integers(ny), rng.integers(nx)
                    got = live.probabilities_at("a", 0, int(z), int(y), int(x))
                    assert np.array_equal(got, whole[0, :, z, y, x])
                for plane in ("xy", "xz") if nz > 1 else ("xy",):
                    live.look(a_view(image.shape5, plane, name=plane))
                settle(live)
            with pytest.raises(UsageError, match="no pixel"):
                live.probabilities_at("a", 0, 0, ny, 0)


class Flaky(ArrayImage):
    broken = True

    def read(self, box=None, level=0):
        if self.broken and box.shape[2:] != (1, 16, 16):
            raise ImageError("the file is gone", where="x.tif", remedy="put it back")
        return super().read(box, level)


def test_errors_are_sentences_for_who_looks_and_the_rest_goes_on():
    image = image_of("offset")
    flaky = Flaky(image.read(), "tczyx")
    missing = ImageError("there is no such file", where="gone.tif", remedy="find it")
    lanes = Lanes(a=image, b=missing, c=image_of("rgb"), d=flaky, e=RuntimeError("a defect"))
    with looking(lanes) as (live, heard):
        live.set_recipe(recipe_of(image))
        for _ in range(2):
            for lane in "abcde":
                live.look(a_view(image.shape5, name=lane, lane=lane, box=(0, 0, 150, 150)))
            live.look(a_view(image.shape5, name="slice", slice=9))
            settle(live)
        said = {e.viewer[1]: e.sentence for e in heard if isinstance(e, ViewNotice)}
        assert len([e for e in heard if isinstance(e, ViewNotice)]) == 5, "each once"
        assert said["b"] == str(missing)
        assert "3 channels" in said["c"]
        assert said["d"] == "x.tif: the file is gone; put it back."
        assert "RuntimeError: a defect" in said["e"]
        assert "z = 9" in said["slice"]
        assert {t.lane for t in heard.tiles} == {"a"}
        flaky.broken = False
        live.refresh("d")
        settle(live)
        assert {t.lane for t in heard.tiles} == {"a", "d"}


class Damaged(ArrayImage):
    """A part of it cannot be read."""

    def __init__(self, array, rows):
        super().__init__(array, "yx", "damaged.tif")
        self.rows, self.tried = rows, 0

    def read(self, box=None, level=0):
        if box is not None and box.start[3] < self.rows[1] and box.stop[3] > self.rows[0]:
            self.tried += 1
            raise ImageError("a strip is damaged", where="damaged.tif", remedy="copy it again")
        return super().read(box, level)


def test_damage_hides_its_own_tiles_and_a_lost_file_is_not_tried_for_ever():
    image = image_of("2d")
    recipe = recipe_of(image)
    pixels = np.tile(image.read()[0, 0, 0], (7, 3))
    for rows, broken in (((900, 910), True), ((0, 5000), False)):
        damaged = Damaged(pixels, rows)
        with looking(Lanes(a=damaged)) as (live, heard):
            live.set_recipe(recipe)
            live.look(a_view(damaged.shape5))
            settle(live)
            assert len([e for e in heard if isinstance(e, ViewNotice)]) == 1
            last = [e for e in heard if isinstance(e, ViewProgress)][-1]
            assert last.done == last.total
            if broken:
                shown = {t.place.y for t in heard.tiles}
                assert shown == set(range(0, pixels.shape[0], 256)) - {768}
            else:
                assert not heard.tiles and damaged.tried < 36


@pytest.mark.parametrize(
    "wrong",
    [
        {"plane": "yx"}, {"level": -1}, {"level": 99}, {"box": (0, 0, 1, 2**40)}, {"t": "0"}, {"slice": 0.5},
        {"layers": ("probability:0",)}, {"layers": ("probability:x",)}, {"layers": ("feature:",)},
        {"layers": ("raw",)}, {"layers": ("segmentation",) * 65}, {"layers": ("probability:99999999",)},
    ],
)  # fmt: skip
def test_views_that_cannot_be_are_refused(wrong):
    good = {"client": "c", "name": "n", "lane": "a", "t": 0, "plane": "xy", "slice": 0, "level": 0}
    with pytest.raises(UsageError):
        View(**{**good, "box": (0, 0, 9, 9), **wrong})


def test_a_listener_that_fails_stops_nothing(caplog):
    image = image_of("2d")
    heard = []

    def listen(event):
        heard.append(event)
        raise RuntimeError("a broken pipe")

    live = Live(Lanes(a=image), 2, 50_000_000, listen)
    live.set_recipe(recipe_of(image))
    live.look(a_view(image.shape5))
    settle(live)
    live.close()
    assert sum(isinstance(e, TileDone) for e in heard) == 4
    assert "a broken pipe" in caplog.text
