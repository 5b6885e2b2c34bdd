"""Where a stroke would help most: uncertain places over all images, slices and times, on a coarse sample.

A sample is a set of windows spread over everything; in each the forest in force walks every fourth pixel.
What counts is not the single pixel (every border is uncertain) but how uncertain a patch of 16 x 16 pixels
is, away from strokes that are there.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from underbrush.core import results
from underbrush.core.geometry import Box, Shape5
from underbrush.core.label_map import LabelMap
from underbrush.core.looking import Place
from underbrush.core.recipe import Recipe
from underbrush.engine.lane_images import LaneImages
from underbrush.engine.priorities import TILES, give_way
from underbrush.engine.products import ForestProduct
from underbrush.engine.scenes import scene_of
from underbrush.errors import UnderbrushError

EDGE = 256
"""Edge of a window, in pixels of the image."""
PATCH = 16
LEVEL = 2
"""Of images of this size or more every 4th pixel along x and y is looked at."""
MOST = 96
"""Windows of one sample; more where there are more images, so that each has one."""
MOST_LANES = 400
PATIENCE = 4.0
"""Seconds after which the best place so far is given to who waits."""
APART = 48
"""A place nearer than this to one that was shown is not shown again for the same forest, in pixels."""
_GOLDEN = (5**0.5 - 1) / 2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of one slice that is looked at."""

    lane: str
    t: int
    z: int
    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Spot:
    """A pixel in the middle of an uncertain patch."""

    lane: str
    t: int
    z: int
    y: int
    x: int
    uncertainty: float
    """Mean of 1 - (largest - second largest probability) over the patch, 0 to 1."""

    def near(self, other: Spot) -> bool:
        """Whether both are about the same place."""
        here = (self.lane, self.t, self.z) == (other.lane, other.t, other.z)
        return here and max(abs(self.y - other.y), abs(self.x - other.x)) < APART


def sample_windows(lanes: Sequence[tuple[str, Shape5]], seed: str = "", most: int = MOST) -> list[Window]:
    """Windows spread over all images: of each image in turn, so that one can stop at any time.

    ``seed`` moves the sample: another forest looks at other places.
    """
    if not lanes:
        return []
    shown = lanes[:MOST_LANES]
    quota = -(-most // len(shown))
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) / 2**32
    rounds: list[list[Window]] = [[] for _ in range(quota)]
    for lane, shape in shown:
        for number, window in enumerate(_windows_of(lane, shape, quota, start)):
            rounds[number].append(window)
    return [window for one in rounds for window in one]


def _windows_of(lane: str, shape: Shape5, quota: int, start: float) -> Iterator[Window]:
    rows, columns = -(-shape[3] // EDGE), -(-shape[4] // EDGE)
    total = shape[0] * shape[2] * rows * columns
    seen = set()
    for number in range(total if total <= quota else quota):
        share = number / total if total <= quota else (start + number * _GOLDEN) % 1.0
        index = min(int(share * total + 0.5) if total <= quota else int(share * total), total - 1)
        if index in seen:
            continue
        seen.add(index)
        rest, column = divmod(index, columns)
        rest, row = divmod(rest, rows)
        t, z = divmod(rest, shape[2])
        # The last window of a row or column moves back into the image: small remainders say little.
        y, x = (max(0, min(at * EDGE, n - EDGE)) for at, n in ((row, shape[3]), (column, shape[4])))
        yield Window(lane, t, z, y, x, min(EDGE, shape[3]), min(EDGE, shape[4]))


def best_spot(window: Window, uncertainty: NDArray[np.float32], step: int, labelled: Labelled) -> Spot | None:
    """The most uncertain patch of a window that has no stroke in it or beside it.

    ``uncertainty`` (rows, columns) is that of every ``step``-th pixel.
    """
    per = PATCH // step
    rows, columns = uncertainty.shape
    sums, counts = (
        np.add.reduceat(np.add.reduceat(values, np.arange(0, rows, per), 0), np.arange(0, columns, per), 1)
        for values in (np.where(np.isfinite(uncertainty), uncertainty, 0), np.ones_like(uncertainty))
    )
    # A patch that is cut short at the edge counts as if the rest of it were certain.
    score = sums / max(float(counts.max()), 1.0)
    near = labelled(window)
    score = np.where(near[: score.shape[0], : score.shape[1]], -1.0, score)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    if score[row, column] <= 0:
        return None
    y = min(int(row) * PATCH + PATCH // 2, window.height - 1)
    x = min(int(column) * PATCH + PATCH // 2, window.width - 1)
    value = float(score[row, column])
    return Spot(window.lane, window.t, window.z, window.y + y, window.x + x, value)


Labelled = Callable[[Window], NDArray[np.bool_]]
"""(patches, patches) of a window: whether a stroke is in a patch or in one beside it."""


def labelled_patches(labels: LabelMap, window: Window) -> NDArray[np.bool_]:
    """See `Labelled`."""
    box = Box(
        (window.t, 0, window.z, window.y, window.x),
        (window.t + 1, 1, window.z + 1, window.y + window.height, window.x + window.width),
    )
    marked = labels.read(box)[0, 0, 0] != 0
    rows, columns = -(-window.height // PATCH), -(-window.width // PATCH)
    padded = np.zeros((rows * PATCH, columns * PATCH), np.bool_)
    padded[: window.height, : window.width] = marked
    patches = padded.reshape(rows, PATCH, columns, PATCH).any(axis=(1, 3))
    wide = np.zeros((rows + 2, columns + 2), np.bool_)
    for dy in range(3):
        for dx in range(3):
            wide[dy : dy + rows, dx : dx + columns] |= patches
    return wide[1:-1, 1:-1]


@dataclass(frozen=True)
class Asked:
    """What a sample is taken of."""

    recipe: Recipe
    lanes: tuple[str, ...]
    labels: Mapping[str, LabelMap]
    pixels: tuple[str, ...] = ()
    """Stand for the pixels of each image and of its mask."""

    @property
    def key(self) -> str:
        """Another sample is needed when it is another one."""
        return f"{self.recipe.key} {' '.join(self.lanes)} {' '.join(self.pixels)}"


class UncertainPlaces:
    """Finds uncertain places in the background; may be used from any thread.

    Parameters
    ----------
    images
        Of the lanes.
    asked
        Gives what is in force now; None where nothing is trained.
    """

    def __init__(self, images: LaneImages, asked: Callable[[], Asked | None]) -> None:
        self._images, self._asked = images, asked
        self._wake = threading.Condition()
        self._key = ""
        self._spots: list[Spot] = []
        self._shown: list[Spot] = []
        self._running: threading.Thread | None = None
        self._closed = False
        self.problem = ""
        """Why nothing was found in some image; empty where all could be read."""

    def prepare(self) -> None:
        """Begin to look with the forest in force, unless that is under way or done."""
        asked = self._asked()
        with self._wake:
            if asked is None or self._closed or asked.key == self._key:
                return
            self._key, self._spots, self._shown, self.problem = asked.key, [], [], ""
            work = threading.Thread(target=self._work, args=(asked,), name="uncertain", daemon=True)
            self._running = work
        work.start()

    def next(self, patience: float = PATIENCE) -> Spot | None:
        """The most uncertain place that was not shown for this forest; waits for the sample, but not longer.

        None: nothing is trained, or nothing uncertain is left.
        """
        self.prepare()
        asked = self._asked()
        if asked is None:
            return None
        until = time.monotonic() + patience
        with self._wake:
            while self._running is not None and not self._closed:
                left = until - time.monotonic()
                if left <= 0 and self._spots:
                    break
                if not self._wake.wait(max(left, 0.05)) and time.monotonic() > until + 6 * patience:
                    break
            for spot in sorted(self._spots, key=lambda one: -one.uncertainty):
                if not any(spot.near(old) for old in self._shown) and not _painted(asked, spot):
                    self._shown.append(spot)
                    return spot
        return None

    def close(self) -> None:
        """End what is under way."""
        with self._wake:
            self._closed = True
            self._key = ""
            work = self._running
            self._wake.notify_all()
        if work is not None and work is not threading.current_thread():
            work.join(timeout=10)

    # -- inside -----------------------------------------------------------------------------------------

    def _work(self, asked: Asked) -> None:
        give_way(TILES + 2)
        try:
            self._look(asked)
        except Exception:  # noqa: BLE001  (nobody else would hear of it)
            _log.exception("uncertain places could not be looked for")
            self._say(asked, "the search failed, by a defect in Underbrush; see the log")
        finally:
            with self._wake:
                if self._key == asked.key or self._closed:
                    self._running = None
                self._wake.notify_all()

    def _look(self, asked: Asked) -> None:
        shapes = []
        for lane in asked.lanes:
            try:
                shapes.append((lane, self._images.image(lane).shape5))
            except UnderbrushError as error:
                self._say(asked, str(error))
        for window in sample_windows(shapes, asked.recipe.key):
            if self._key != asked.key:
                return
            try:
                spot = self._spot(asked, window)
            except UnderbrushError as error:
                self._say(asked, str(error))
                continue
            if spot is not None:
                with self._wake:
                    if self._key == asked.key:
                        self._spots.append(spot)

    def _spot(self, asked: Asked, window: Window) -> Spot | None:
        opened = self._images.get(window.lane)
        image, product = opened.image, ForestProduct(asked.recipe, mask=opened.mask)
        product.check(image)
        shape = image.shape5
        level = LEVEL if min(shape[3], shape[4]) >= EDGE else 0
        step = 1 << level
        x, y = window.x // step, window.y // step
        width, height = -(-window.width // step), -(-window.height // step)
        place = Place(window.t, "xy", window.z, level, x, y, width, height)
        values = product.values(image, place, scene_of(image))
        found = results.uncertainty(values[None, :, None])[0, 0, 0]
        # Pixels that are not finite have no probability at all, those outside of a mask no result: nothing to
        # learn there.
        found[values.sum(axis=0) == 0] = 0
        found[np.isnan(values[0])] = 0
        labels = asked.labels.get(window.lane)
        none = np.zeros((-(-window.height // PATCH), -(-window.width // PATCH)), np.bool_)
        return best_spot(
            window, found, step, lambda w: none if labels is None else labelled_patches(labels, w)
        )

    def _say(self, asked: Asked, sentence: str) -> None:
        with self._wake:
            if self._key == asked.key:
                self.problem = sentence


def _painted(asked: Asked, spot: Spot) -> bool:
    """Whether somebody painted there since the sample was taken."""
    labels = asked.labels.get(spot.lane)
    if labels is None:
        return False
    half = PATCH // 2
    y, x = max(0, spot.y - half), max(0, spot.x - half)
    box = Box((spot.t, 0, spot.z, y, x), (spot.t + 1, 1, spot.z + 1, spot.y + half, spot.x + half))
    return bool(labels.read(box).any())
