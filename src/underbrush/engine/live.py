"""Predicts what is looked at: centre first, all views in turn, on threads that give way.

Views come and go at any time; tiles are found from what is looked at now, one by one, so that nothing that is
no longer wanted is begun. What was computed stays in a cache under image, recipe and place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.looking import PLANES, Place, plane_size, tiles
from underbrush.core.predict import Scene
from underbrush.core.recipe import Recipe
from underbrush.engine.cache import BytesCache
from underbrush.engine.looked import Images, Key, Looked, Piece, Wishes, plan_ahead, plan_view, unexpected
from underbrush.engine.priorities import TILES, give_way
from underbrush.engine.products import ForestProduct
from underbrush.engine.scenes import scene_of
from underbrush.engine.views import TileDone, View, Viewer, ViewEvent, ViewNotice, ViewProgress
from underbrush.errors import UnderbrushError, UsageError
from underbrush.sources.base import Image

AREA = 64 << 20
"""Pixels at full resolution that a view may cover and still be computed."""
TILE_BYTES = 100_000_000
"""Bytes that one tile may take while it is computed."""
GIVE_UP = 32
"""Tiles of a view that fail for one reason before the rest is not tried: what is damaged may be small."""
PROGRESS_SECONDS = 0.1
ZOOM_IN = "Zoom in to predict: this view covers too much of the image."
_log = logging.getLogger(__name__)


class Live:
    """Keeps what is looked at predicted.

    Parameters
    ----------
    images
        Gives images by lane.
    threads
        Tiles computed at a time.
    cache_bytes
        What results that are kept may take. On top come ``threads`` tiles in work, of `TILE_BYTES` at most
        as far as the smallest tile allows.
    publish
        Told of tiles, progress and notices, from any of the threads, one at a time. It must not wait: what it
        holds up are tiles. After `unlook` or a newer `look` one event of the older view may still come.
    area
        Pixels at full resolution that a view may cover; above only what is kept is shown.
    """

    def __init__(
        self,
        images: Images,
        threads: int,
        cache_bytes: int,
        publish: Callable[[ViewEvent], None],
        area: int = AREA,
    ) -> None:
        self._images, self._publish, self._area = images, publish, area
        self._cache: BytesCache[NDArray[np.float32]] = BytesCache(cache_bytes, lambda values: values.nbytes)
        self._scenes: BytesCache[Scene] = BytesCache(256, lambda _: 1)
        self._wake = threading.Condition()
        self._publishing = threading.Lock()
        self._views: OrderedDict[Viewer, Looked] = OrderedDict()
        self._running: set[Key] = set()
        self._busy = 0
        self._wishes = Wishes()
        self._live, self._closed = True, False
        self._threads = [
            threading.Thread(target=self._work, name=f"live-{k}", daemon=True) for k in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def look(self, view: View) -> None:
        """Show this; takes the place of the view that the client had under this name.

        Tiles that the older view was sent are not sent again, unless it is the same view once more (a browser
        that was loaded again) or another plane, slice or level.
        """
        with self._wake:
            looked = self._views.get(view.viewer)
            if looked is None:
                self._views[view.viewer] = looked = Looked(view)
                self._views.move_to_end(view.viewer, last=False)
            else:
                looked.turn_to(view)
            self._wake.notify()

    def unlook(self, client: str, name: str | None = None) -> None:
        """A view is closed; without a name all of the client's."""
        with self._wake:
            for viewer in [v for v in self._views if v[0] == client and name in (None, v[1])]:
                del self._views[viewer]

    def set_recipe(self, recipe: Recipe | None) -> None:
        """From now on tiles are made with this recipe; those of another are no longer begun or sent."""
        with self._wake:
            old = self._wishes.recipe
            if recipe is old or (recipe and old and recipe.key == old.key):
                return
            self._wishes = replace(self._wishes, recipe=recipe)
            self._renew(looked for looked in self._views.values() if looked.view.results)

    def set_features(self, selection: FeatureSelection | None, channels: tuple[int, ...] | None) -> None:
        """Which features can be shown as layers, and of which channels (None: all)."""
        with self._wake:
            if (self._wishes.selection, self._wishes.channels) != (selection, channels):
                self._wishes = replace(self._wishes, selection=selection, channels=channels)
                self._renew(looked for looked in self._views.values() if looked.view.features)

    def set_live(self, on: bool) -> None:
        """Whether results are computed; those that are kept are sent in any case. On at the beginning."""
        with self._wake:
            self._live = on
            self._wake.notify_all()

    def update_once(self) -> None:
        """Compute what is looked at now, with the recipe of now, although live is off."""
        with self._wake:
            for looked in self._views.values():
                looked.once = True
            self._wake.notify_all()

    def refresh(self, lane: str) -> None:
        """The image of a lane has become another, or can be read again."""
        with self._wake:
            self._renew(looked for looked in self._views.values() if looked.view.lane == lane)

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be done."""
        with self._wake:
            return self._busy == 0 and self._next(peek=True) is None

    @property
    def bytes(self) -> int:
        """Bytes of the results that are kept."""
        return self._cache.bytes

    def close(self) -> None:
        """End the threads; tiles that are being computed are waited for."""
        with self._wake:
            self._closed = True
            self._views.clear()
            self._wake.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=10)

    def probabilities_at(self, lane: str, t: int, z: int, y: int, x: int) -> NDArray[np.float32] | None:
        """Probability of each class at one pixel, (n_classes,) float32, 0 outside of its mask; None without a
        recipe.

        On the calling thread: at once where a tile is kept, else the pixel is computed.

        Raises
        ------
        UnderbrushError
            The image cannot be read, does not fit the recipe, or has no such pixel.
        """
        recipe = self._wishes.recipe
        if recipe is None:
            return None
        opened = self._images.get(lane)
        image = opened.image
        shape = image.shape5
        at = {"t": t, "z": z, "y": y, "x": x}
        if not all(0 <= n < shape["tczyx".index(a)] for a, n in at.items()):
            raise UsageError(f"there is no pixel t={t} z={z} y={y} x={x}", where=image.info.location)
        product = ForestProduct(recipe, mask=opened.mask)
        product.check(image)
        for plane, (columns, rows, still) in PLANES.items():
            one = Place(t, plane, at[still], 0, at[columns], at[rows], 1, 1)
            box = (one.x, one.y, one.x + 1, one.y + 1)
            edges = product.edges(image, one, TILE_BYTES)
            for place in tiles(box, one, plane_size(shape, plane, 0), edges):
                kept = self._cache.get((opened.results, recipe.key, place))
                if kept is not None:
                    return np.nan_to_num(kept[:, one.y - place.y, one.x - place.x])
        values = product.values(image, Place(t, "xy", z, 0, x, y, 1, 1), self._scene(opened.key, image))
        return np.nan_to_num(values[:, 0, 0])

    def _renew(self, those: Iterable[Looked]) -> None:
        for looked in those:
            looked.once, looked.failed = False, {}
            looked.renew()
        self._wake.notify_all()

    def _work(self) -> None:
        give_way(TILES)
        while True:
            with self._wake:
                job = None
                while not self._closed and (job := self._next()) is None:
                    self._wake.wait()
                if self._closed or job is None:
                    return
                self._busy += 1
            try:
                job()
            except Exception:  # noqa: BLE001 - a listener or a defect of ours must not end the thread
                _log.exception("a tile failed")
            finally:
                with self._wake:
                    self._busy -= 1

    def _next(self, peek: bool = False) -> Callable[[], None] | None:
        """The next thing to do, marked as being done unless ``peek``; the lock is held."""
        for looked in self._views.values():
            if not looked.planned:
                if not peek:
                    looked.planned = True
                return partial(self._plan, looked, looked.view, looked.stamp, self._wishes)
        for viewer, looked in self._views.items():
            for piece in looked.pending.values():
                if piece.work not in self._running and self._may_compute(looked, piece):
                    if not peek:
                        self._running.add(piece.work)
                        self._views.move_to_end(viewer)
                    return partial(self._compute, piece)
        return self._next_ahead(peek) if self._live else None

    def _next_ahead(self, peek: bool) -> Callable[[], None] | None:
        """When all that is looked at is there: what probably will be looked at next."""
        for looked in self._views.values():
            while looked.ahead:
                piece = looked.ahead[0]
                if piece.key not in self._cache and piece.work not in self._running:
                    if not peek:
                        self._running.add(piece.work)
                        del looked.ahead[0]
                    return partial(self._compute, piece)
                del looked.ahead[0]
        return None

    def _may_compute(self, looked: Looked, piece: Piece) -> bool:
        return self._live or looked.once or not isinstance(piece.product, ForestProduct)

    def _scene(self, image_key: str, image: Image) -> Scene:
        scene = self._scenes.get(image_key)
        if scene is None:
            scene = scene_of(image)
            self._scenes.put(image_key, scene)
        return scene

    def _plan(self, looked: Looked, view: View, stamp: int, wishes: Wishes) -> None:
        """Find the tiles of a view, and send those that are kept."""
        plan = plan_view(view, self._images, wishes, TILE_BYTES)
        far = plan.area > self._area
        heading = None if far else looked.heading
        ahead = plan_ahead(view, heading, self._images, wishes, TILE_BYTES) if heading else []
        notices = [ViewNotice(view.viewer, "error", problem) for problem in plan.problems]
        if far:
            notices.append(ViewNotice(view.viewer, "info", ZOOM_IN))
        with self._publishing:
            with self._wake:
                if looked.stamp != stamp or self._views.get(view.viewer) is not looked:
                    return
                ready = self._take(looked, plan.pieces, far)
                looked.ahead = ahead
                new = [n for n in notices if n.sentence not in looked.said]
                looked.said = tuple(n.sentence for n in notices)
                self._wake.notify_all()
            for notice in new:
                self._publish(notice)
            for piece, layer, values in ready:
                self._send(piece, layer, values, {view.lane: (view.viewer,)})
            self._tell(looked, far)

    def _take(
        self, looked: Looked, pieces: tuple[Piece, ...], far: bool
    ) -> list[tuple[Piece, str, NDArray[np.float32]]]:
        """Note what a view wants, and give the layers that can be sent at once; the lock is held."""
        keys = {piece.key for piece in pieces}
        looked.sent = {entry for entry in looked.sent if entry[0] in keys}
        looked.total = len(pieces)
        ready = []
        for piece in pieces:
            missing = tuple(layer for layer in piece.layers if (piece.key, layer) not in looked.sent)
            values = self._cache.get(piece.key)
            if values is not None:
                looked.sent.update((piece.key, layer) for layer in missing)
                ready += [(piece, layer, values) for layer in missing]
            elif missing and not far:
                looked.pending[piece.key] = replace(piece, layers=missing)
        return ready

    def _compute(self, piece: Piece) -> None:
        image_key, product_key, place = piece.key
        try:
            computed = piece.product.computed(piece.image, place, self._scene(image_key, piece.image))
        except Exception as error:  # noqa: BLE001 - a defect of ours must be heard of, not end the thread
            self._failed(piece, error)
            return
        found = {(image_key, product_key, place): values for place, values in computed}
        for key, values in found.items():
            values.flags.writeable = False
            self._cache.put(key, values)
        with self._publishing:
            wanted: dict[tuple[Key, str], dict[str, list[Viewer]]] = {}
            served = []
            with self._wake:
                self._running.discard(piece.work)
                for viewer, looked in self._views.items():
                    mine = [looked.pending.pop(key) for key in found if key in looked.pending]
                    if mine:
                        served.append(looked)
                    for one in mine:
                        for layer in one.layers:
                            looked.sent.add((one.key, layer))
                            lanes = wanted.setdefault((one.key, layer), {})
                            lanes.setdefault(looked.view.lane, []).append(viewer)
            for (key, layer), lanes in wanted.items():
                viewers = {lane: tuple(v) for lane, v in lanes.items()}
                self._send(replace(piece, key=key), layer, found[key], viewers)
            for looked in served:
                self._tell(looked)

    def _failed(self, piece: Piece, error: Exception) -> None:
        """Say why a tile cannot be had; after `GIVE_UP` of them the others of this product are not tried."""
        sentence = str(error) if isinstance(error, UnderbrushError) else unexpected(error)
        with self._publishing:
            told = []
            with self._wake:
                self._running.discard(piece.work)
                for viewer, looked in self._views.items():
                    looked.ahead = [p for p in looked.ahead if p.key[:2] != piece.key[:2]]
                    if looked.pending.pop(piece.key, None) is None:
                        continue
                    count = looked.failed.get(sentence, 0) + 1
                    looked.failed[sentence] = count
                    if count >= GIVE_UP:
                        lost = [key for key in looked.pending if key[:2] == piece.key[:2]]
                        looked.pending = {k: p for k, p in looked.pending.items() if k not in lost}
                    told.append((viewer, looked, count == 1))
            for viewer, looked, new in told:
                if new:
                    self._publish(ViewNotice(viewer, "error", sentence))
                self._tell(looked)

    def _send(
        self,
        piece: Piece,
        layer: str,
        values: NDArray[np.float32],
        lanes: dict[str, tuple[Viewer, ...]],
    ) -> None:
        array = piece.product.layer(layer, values)
        low, high = _limits(array)
        for lane, viewers in lanes.items():
            self._publish(TileDone(viewers, layer, lane, piece.key[1], piece.key[2], array, low, high))

    def _tell(self, looked: Looked, ended: bool = False) -> None:
        """Say how far a view is, not too often."""
        with self._wake:
            total, left = looked.total, len(looked.pending)
            now = time.monotonic()
            waits = left > 0 and not any(self._may_compute(looked, p) for p in looked.pending.values())
            over = ended or waits or left == 0
            if total == 0 or (not over and now - looked.told < PROGRESS_SECONDS):
                return
            looked.told = now
        done = total - left
        self._publish(ViewProgress(looked.view.viewer, done, done if ended or waits else total))


def _limits(array: NDArray[np.uint8] | NDArray[np.float32]) -> tuple[float, float]:
    with np.errstate(invalid="ignore"):
        low, high = float(array.min()), float(array.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = array[np.isfinite(array)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
