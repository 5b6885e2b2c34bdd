"""What is shown of a tile and how it is computed: the forest's probabilities, or one feature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from underbrush.core import results
from underbrush.core.features.catalog import BY_ID, reach
from underbrush.core.features.compute import compute_features
from underbrush.core.features.selection import FeatureSelection, FeatureTerm
from underbrush.core.geometry import Halo, Tile
from underbrush.core.looking import Place, tile_edges
from underbrush.core.plan import TileCost
from underbrush.core.predict import Scene, finite_values, predict_tile, tile_cost, within_reach
from underbrush.core.recipe import Recipe
from underbrush.engine.masks import check_mask, outside
from underbrush.errors import FeatureError
from underbrush.sources.base import Image

TOGETHER = 4
"""Slices along x that are computed in one go: kernels work on many pixels along x at once, so that four cost
a fifth more than one."""


class Product(Protocol):
    """Something that can be computed for any tile of an image, and that is shown as layers."""

    @property
    def key(self) -> str:
        """Stands for all that the values depend on, the image and the place excepted."""
        ...

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are made of it."""
        ...

    def check(self, image: Image) -> None:
        """Refuse an image that it cannot be computed of, with an `UnderbrushError`."""
        ...

    def edges(self, image: Image, place: Place, budget: float) -> tuple[int, int]:
        """Columns and rows of the tiles of the plane and level of ``place``."""
        ...

    def values(self, image: Image, place: Place, scene: Scene) -> NDArray[np.float32]:
        """(n, rows, columns) float32 of a place."""
        ...

    def together(self, place: Place) -> Place:
        """The same for all places that are computed in one go."""
        ...

    def computed(self, image: Image, place: Place, scene: Scene) -> list[tuple[Place, NDArray[np.float32]]]:
        """The values of a place, and of all that are computed in one go with it."""
        ...

    def layer(self, name: str, values: NDArray[np.float32]) -> NDArray[np.uint8] | NDArray[np.float32]:
        """(rows, columns) of one layer, of what `values` gave."""
        ...


@dataclass(frozen=True)
class ForestProduct:
    """Probabilities of a recipe."""

    recipe: Recipe
    layers: tuple[str, ...] = ("segmentation",)
    mask: Image | None = None
    """Outside of it the values are NaN, and nothing is seen in any layer."""

    @property
    def key(self) -> str:
        """See `Product.key`; the mask belongs to the image."""
        return self.recipe.key

    def check(self, image: Image) -> None:
        """See `Product.check`."""
        shape = image.shape5
        self.recipe.check(shape[1], shape[2] > 1, image.info.location)
        self.recipe.selection.check(shape, image.info.location)
        if self.mask is not None:
            check_mask(self.mask, image)

    def edges(self, image: Image, place: Place, budget: float) -> tuple[int, int]:
        """See `Product.edges`."""
        recipe, shape = self.recipe, image.shape5
        cost = tile_cost(recipe.selection, recipe.forest, recipe.n_classes, image.dtype.itemsize, shape)
        halo = recipe.selection.halo(shape[2] > 1)
        if place.plane == "zy":
            cost = replace(cost, valid=cost.valid * TOGETHER)
        return tile_edges(place.plane, place.level, shape, halo, (cost, budget))

    def values(self, image: Image, place: Place, scene: Scene) -> NDArray[np.float32]:
        """(n_classes, rows, columns) probabilities; NaN outside of the mask."""
        values = self._predicted(image, scene, _tile(image, place, self.recipe.selection.halo(scene.volume)))
        return np.ascontiguousarray(place.turned(values))

    def _predicted(
        self, image: Image, scene: Scene, piece: tuple[Tile, tuple[int, int, int]]
    ) -> NDArray[np.float32]:
        """(n_classes, z, y, x); what lies wholly outside of the mask is not computed."""
        tile, step = piece
        hidden = None
        if self.mask is not None:
            z, y, x = step
            hidden = outside(self.mask, tile.valid)[0, 0, ::z, ::y, ::x]
            if hidden.all():
                return np.full((self.recipe.n_classes, *hidden.shape), np.nan, np.float32)
        frames, _ = predict_tile(image.read(tile.read), tile, self.recipe, scene, step)
        values: NDArray[np.float32] = frames[0]
        if hidden is not None:
            values[:, hidden] = np.nan
        return values

    def together(self, place: Place) -> Place:
        """See `Product.together`."""
        return replace(place, slice=place.slice // TOGETHER * TOGETHER) if place.plane == "zy" else place

    def computed(self, image: Image, place: Place, scene: Scene) -> list[tuple[Place, NDArray[np.float32]]]:
        """See `Product.computed`."""
        if place.plane != "zy":
            return [(place, self.values(image, place, scene))]
        first = self.together(place).slice
        last = min(first + TOGETHER, image.shape5[4])
        piece = _tile(image, place, self.recipe.selection.halo(scene.volume), (first, last))
        values = self._predicted(image, scene, piece)
        return [
            (replace(place, slice=n), np.ascontiguousarray(values[:, :, :, n - first].transpose(0, 2, 1)))
            for n in range(first, last)
        ]

    def layer(self, name: str, values: NDArray[np.float32]) -> NDArray[np.uint8] | NDArray[np.float32]:
        """See `Product.layer`; a class that the forest does not know is nowhere probable.

        All are 0 outside of the mask, as in files.
        """
        hidden = None if self.mask is None else np.isnan(values[0])
        if hidden is not None:
            values = np.where(hidden, np.float32(0), values)
        if name.startswith("probability"):
            number = int(name.partition(":")[2]) - 1
            return values[number] if number < len(values) else np.zeros(values.shape[1:], np.float32)
        make = results.segmentation if name == "segmentation" else results.uncertainty
        made: NDArray[np.uint8] | NDArray[np.float32] = make(values[None, :, None])[0, 0, 0]
        if hidden is not None:
            made[hidden] = 0
        return made


@dataclass(frozen=True)
class FeatureProduct:
    """One feature image, computed alone."""

    name: str
    term: FeatureTerm
    channel: int
    """Of the image."""
    index: int
    """Which eigenvalue."""

    @property
    def key(self) -> str:
        """See `Product.key`."""
        t = self.term
        return f"{t.filter_id}:{t.scale!r}:{int(t.in_2d)}:{self.channel}:{self.index}"

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Product.layers`."""
        return (f"feature:{self.name}",)

    @property
    def _halo(self) -> Halo:
        n = reach(self.term.filter_id, self.term.scale)
        return Halo(0 if self.term.in_2d else n, n, n)

    def check(self, image: Image) -> None:
        """See `Product.check`."""
        one = FeatureSelection((self.term.filter_id.partition("/")[0],), (self.term.scale,), ((True,),))
        one.with_in_2d(self.term.in_2d).check(image.shape5, image.info.location)

    def edges(self, image: Image, place: Place, budget: float) -> tuple[int, int]:
        """See `Product.edges`."""
        cost = TileCost(read=image.dtype.itemsize + 5 + 18, valid=16)
        return tile_edges(place.plane, place.level, image.shape5, self._halo, (cost, budget))

    def values(self, image: Image, place: Place, scene: Scene) -> NDArray[np.float32]:
        """(1, rows, columns); NaN where it depends on a pixel that is not finite."""
        tile, step = _tile(image, place, self._halo)
        frame = image.read(tile.read.replace(c=(self.channel, self.channel + 1)))[0]
        inner = tile.valid.relative_to(tile.read).slices
        valid = (inner[2], inner[3], inner[4])
        values, broken = finite_values(frame)
        found = compute_features(values, (self.term,), valid, step, offset=scene.offset)[self.index][None]
        if broken is not None:
            z, y, x = step
            found[:, within_reach(broken, (self.term,))[valid][::z, ::y, ::x]] = np.nan
        return np.ascontiguousarray(place.turned(found))

    def together(self, place: Place) -> Place:
        """See `Product.together`."""
        return place

    def computed(self, image: Image, place: Place, scene: Scene) -> list[tuple[Place, NDArray[np.float32]]]:
        """See `Product.computed`."""
        return [(place, self.values(image, place, scene))]

    def layer(self, name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Product.layer`."""
        return np.asarray(values[0])


def feature_product(
    name: str, image: Image, selection: FeatureSelection | None, channels: tuple[int, ...] | None
) -> FeatureProduct:
    """The feature of that name, as `FeatureSelection.names` has it.

    Raises
    ------
    FeatureError
        There is none.
    """
    shape = image.shape5
    volume = shape[2] > 1
    used = tuple(range(shape[1])) if channels is None else channels
    if selection is not None and max(used) < shape[1]:
        names = selection.names(len(used), volume)
        found = [
            (term, channel, e)
            for term in selection.terms(volume)
            for channel in used
            for e in range(BY_ID[term.filter_id].channels(2 if term.in_2d else 3))
        ]
        if name in names:
            return FeatureProduct(name, *found[names.index(name)])
    raise FeatureError(
        f"there is no feature {name[:80]!r} here", where=image.info.location, remedy="choose it first"
    )


def _tile(
    image: Image, place: Place, halo: Halo, columns: tuple[int, int] | None = None
) -> tuple[Tile, tuple[int, int, int]]:
    """The tile of a place, or of a place with these pixels along x, and the steps along z, y, x."""
    shape = image.shape5
    pixels = place.pixels(shape)
    box = pixels.box if columns is None else pixels.box.replace(x=columns)
    return Tile(box, box.grown(halo).clipped(shape)), pixels.step
