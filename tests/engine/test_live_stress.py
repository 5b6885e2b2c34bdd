"""Many who look, paint and leave at once: in the end each sees exactly what they look at."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from engine.live_scenes import Lanes, image_of, recipe_of, settle
from underbrush.core import looking
from underbrush.core.looking import Place, plane_size, tiles
from underbrush.core.results import segmentation
from underbrush.engine.arrays import predict_array
from underbrush.engine.live import Live
from underbrush.engine.views import TileDone, View

STILL = {"xy": 2, "xz": 3, "zy": 4}
AXES = {"xy": (4, 3), "xz": (4, 2), "zy": (2, 3)}


class Forgetful:
    """Browsers that keep a tile only while it is in sight."""

    def __init__(self):
        self.lock = threading.Lock()
        self.views, self.tiles = {}, {}

    def look(self, live, view):
        with self.lock:
            old = self.views.get(view.viewer)
            self.views[view.viewer] = view
            mine = self.tiles.setdefault(view.viewer, {})
            for place in list(mine):
                if old is None or old == view or not self.shows(view, place):
                    del mine[place]
        live.look(view)

    @staticmethod
    def shows(view, place):
        x0, y0, x1, y1 = view.box
        plane = (place.t, place.plane, place.slice, place.level) == (
            view.t,
            view.plane,
            view.slice,
            view.level,
        )
        return (
            plane
            and place.x < x1
            and place.x + place.width > x0
            and place.y < y1
            and place.y + place.height > y0
        )

    def unlook(self, live, client, name):
        live.unlook(client, name)
        with self.lock:
            self.views.pop((client, name), None)
            self.tiles.pop((client, name), None)

    def __call__(self, event):
        if isinstance(event, TileDone):
            with self.lock:
                for viewer in event.viewers:
                    view = self.views.get(viewer)
                    if view is not None and self.shows(view, event.place):
                        self.tiles[viewer][event.place] = (event.key, event.array)


@pytest.mark.parametrize("cache", [50_000_000, 40_000])
@pytest.mark.parametrize("seed", range(3))
def test_everybody_sees_what_they_look_at_in_the_end(cache, seed, monkeypatch):
    monkeypatch.setattr(looking, "WIDEST_DEEP", 32)
    image = image_of("3d")
    shape = image.shape5
    recipes = [recipe_of(image, seed=k) for k in range(3)]
    wholes = {r.key: segmentation(predict_array(image, r)[0]) for r in recipes}
    browsers = Forgetful()
    live = Live(Lanes(a=image), 3, cache, browsers)
    errors = []

    def a_person(k):
        rng = np.random.default_rng((seed, k))
        try:
            for _ in range(60):
                time.sleep(float(rng.choice([0, 0, 0.001, 0.01])))
                plane = str(rng.choice(["xy", "xz", "zy"]))
                columns, rows = plane_size(shape, plane, 0)
                x, y = int(rng.integers(-20, columns)), int(rng.integers(-20, rows))
                box = (x, y, x + int(rng.integers(1, 90)), y + int(rng.integers(1, 90)))
                still = int(rng.integers(4, 7))
                name = str(rng.choice(["one", "two"]))
                action = rng.random()
                if action < 0.75:
                    browsers.look(live, View(f"c{k}", name, "a", 0, plane, still, 0, box))
                elif action < 0.85:
                    browsers.unlook(live, f"c{k}", name)
                elif action < 0.95:
                    live.set_recipe(recipes[int(rng.integers(3))])
                else:
                    live.set_live(bool(rng.integers(2)))
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    people = [threading.Thread(target=a_person, args=(k,)) for k in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    live.set_live(True)
    live.set_recipe(recipes[0])
    settle(live)
    live.close()
    assert not errors, errors
    assert browsers.views
    for viewer, view in browsers.views.items():
        size = plane_size(shape, view.plane, 0)
        x0, y0, x1, y1 = view.box
        box = (max(0, x0), max(0, y0), min(size[0], x1), min(size[1], y1))
        like = Place(0, view.plane, view.slice, 0, 0, 0, 1, 1)
        whole = np.take(wholes[recipes[0].key][0, 0], view.slice, axis=STILL[view.plane] - 2)
        whole = whole.T if view.plane == "zy" else whole
        seen = browsers.tiles[viewer]
        covered = np.zeros(size[::-1], bool)
        for place, (key, array) in seen.items():
            assert key == recipes[0].key
            part = (slice(place.y, place.y + place.height), slice(place.x, place.x + place.width))
            assert np.array_equal(array, whole[part])
            covered[part] = True
        assert covered[box[1] : box[3], box[0] : box[2]].all() or not tiles(box, like, size, (32, 32))
