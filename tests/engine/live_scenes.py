"""Images, recipes and listeners for the tests of the live engine."""

from __future__ import annotations

import threading
import time

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.core.recipe import Recipe
from underbrush.engine.lane_images import OpenLane
from underbrush.engine.training import joined, labelled_rows
from underbrush.engine.views import TileDone
from underbrush.sources.array import ArrayImage

KINDS = {
    "2d": ((300, 420), "yx", np.uint8),
    "3d": ((14, 70, 90), "zyx", np.uint8),
    "movie": ((3, 150, 140, 2), "tyxc", np.float32),
    "rgb": ((200, 330, 3), "yxc", np.uint8),
    "offset": ((300, 260), "yx", np.uint16),
}


def image_of(kind, seed=0):
    rng = np.random.default_rng(seed)
    shape, axes, dtype = KINDS[kind]
    pixels = rng.normal(100, 25, shape) + (32768 if kind == "offset" else 0)
    return ArrayImage(pixels.clip(0, 65000 if kind == "offset" else 255).astype(dtype), axes, kind)


def labels_of(image, seed=0, share=0.003):
    """Labels of classes 1 and 3 at random pixels, bright ones 3: (t, 1, z, y, x) uint8."""
    rng = np.random.default_rng(seed)
    pixels = image.read()[:, :1]
    classes = np.where(pixels > np.median(pixels), 3, 1)
    return np.where(rng.random(classes.shape) < share, classes, 0).astype(np.uint8)


def recipe_of(image, selection=None, seed=0, channels=None):
    selection = selection or FeatureSelection.all((0.7, 1.6))
    labels = labels_of(image)
    block = make_block(Box.whole(labels.shape), labels)
    rows = joined([labelled_rows(image, [block], selection, 2, channels)], 0)
    forest = train_forest(rows.x, rows.y, TrainingOptions(n_trees=10, seed=seed)).forest
    return Recipe(selection, forest, 3, channels)


class Lanes:
    """Images by lane, as `Live` wants them."""

    def __init__(self, **images):
        self.images = images

    def get(self, lane):
        found = self.images[lane]
        if isinstance(found, Exception):
            raise found
        return OpenLane(f"{lane}-key", found)


class Listener(list):
    """All events, and a way to wait until nothing is left to do."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def __call__(self, event):
        with self.lock:
            self.append(event)

    @property
    def tiles(self):
        return [e for e in self if isinstance(e, TileDone)]

    def plane(self, layer, size):
        """The last tile of each place, put together, (rows, columns); NaN where there was none."""
        columns, rows = size
        out = np.full((rows, columns), np.nan)
        for e in self.tiles:
            if e.layer == layer:
                p = e.place
                out[p.y : p.y + p.height, p.x : p.x + p.width] = e.array
        return out


def settle(live, seconds=240):
    wait_until(lambda: live.idle, seconds)


def wait_until(true, seconds=240):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.002)
