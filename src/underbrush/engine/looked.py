"""A view as the live engine holds it: what it still wants, what it was sent; and how its tiles are found."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Protocol

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.looking import PLANES, Place, PlaneBox, covered, inside, plane_size, tiles
from underbrush.core.recipe import Recipe
from underbrush.engine.lane_images import OpenLane
from underbrush.engine.products import ForestProduct, Product, feature_product
from underbrush.engine.views import View
from underbrush.errors import UnderbrushError, UsageError
from underbrush.sources.base import Image

_log = logging.getLogger(__name__)

LEAF = 3
"""Who goes on by so many slices or less is leafing through."""
AHEAD = 2
"""Slices that are computed ahead of who leafs through."""
MOST_TILES = 20_000
"""A view of more tiles is so far out that not even those that are kept are looked for."""
Key = tuple[str, str, Place]
"""Image, product, place."""


class Images(Protocol):
    """Gives the image of a lane, open and safe to read from several threads; see `engine.lane_images`."""

    def get(self, lane: str) -> OpenLane:
        """The image with its key; an `UnderbrushError` says why it cannot be had."""
        ...


@dataclass(frozen=True, eq=False)
class Piece:
    """A tile that a view wants."""

    key: Key
    work: Key
    """The same for all pieces that are computed in one go."""
    image: Image
    product: Product
    layers: tuple[str, ...]


@dataclass(eq=False)
class Looked:
    """A view, and what it still wants. Guarded by the lock of `Live`."""

    view: View
    once: bool = False
    """All that is wanted now may be computed although live is off."""
    planned: bool = False
    stamp: int = 0
    """Counts the reasons to plan anew; a plan of an older stamp is thrown away."""
    pending: dict[Key, Piece] = field(default_factory=dict)
    """In the order in which they are to be computed."""
    sent: set[tuple[Key, str]] = field(default_factory=set)
    """Which layers of which tiles were sent, as far as they still are in view."""
    said: tuple[str, ...] = ()
    """Sentences of the last plan."""
    failed: dict[str, int] = field(default_factory=dict)
    """Why tiles failed since the lane or what is wished for changed, and how many."""
    total: int = 0
    told: float = 0.0
    """When progress was told."""
    heading: tuple[int, int] | None = None
    """One step on in t and along the axis that stands still, where somebody is leafing through."""
    ahead: list[Piece] = field(default_factory=list)
    """Tiles that will be looked at if they go on."""

    def renew(self) -> None:
        """Forget the plan; another will be made."""
        self.stamp += 1
        self.planned = False
        self.pending, self.ahead = {}, []

    def turn_to(self, view: View) -> None:
        """Look at something else."""
        old = self.view
        steps = (view.t - old.t, view.slice - old.slice)
        same = replace(old, t=view.t, slice=view.slice) == view
        near = max(map(abs, steps)) <= LEAF and 0 in steps
        self.heading = (_sign(steps[0]), _sign(steps[1])) if same and near and any(steps) else None
        if view == old or _plane_of(view) != _plane_of(old):
            # Asked for once more, or of another plane: nothing is taken to be still there.
            self.sent.clear()
        self.sent = {entry for entry in self.sent if _touches(entry[0][2], view.box)}
        if view.lane != old.lane:
            self.failed = {}
        self.view, self.once = view, False
        self.renew()


def _plane_of(view: View) -> tuple[object, ...]:
    return view.lane, view.t, view.plane, view.slice, view.level


def _touches(place: Place, box: PlaneBox) -> bool:
    return (
        place.x < box[2]
        and box[0] < place.x + place.width
        and place.y < box[3]
        and box[1] < place.y + place.height
    )


def _sign(n: int) -> int:
    return (n > 0) - (n < 0)


@dataclass(frozen=True)
class Wishes:
    """What views are shown."""

    recipe: Recipe | None = None
    selection: FeatureSelection | None = None
    channels: tuple[int, ...] | None = None
    """Of the features that are shown; None: all."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The tiles of a view, those in its middle first."""

    pieces: tuple[Piece, ...] = ()
    area: int = 0
    """Pixels at full resolution that the view covers."""
    problems: tuple[str, ...] = ()
    """Sentences about what cannot be shown."""


def plan_view(view: View, images: Images, wishes: Wishes, budget: float) -> Plan:
    """Which tiles a view needs; opens the image where it is not open. ``budget``: bytes of one tile."""
    try:
        return _plan(view, images, wishes, budget)
    except UnderbrushError as error:
        return Plan(problems=(str(error),))
    except Exception as error:  # noqa: BLE001 - a defect of ours must be heard of, not end the thread
        return Plan(problems=(unexpected(error),))


def plan_ahead(
    view: View, heading: tuple[int, int], images: Images, wishes: Wishes, budget: float
) -> list[Piece]:
    """The tiles of the next slices for who leafs through; none beyond the ends."""
    found: list[Piece] = []
    for k in range(1, AHEAD + 1):
        found += plan_view(_moved(view, heading, k), images, wishes, budget).pieces
    return found


def _moved(view: View, heading: tuple[int, int], k: int) -> View:
    return replace(view, t=view.t + k * heading[0], slice=view.slice + k * heading[1])


def _plan(view: View, images: Images, wishes: Wishes, budget: float) -> Plan:
    lane = images.get(view.lane)
    image = lane.image
    _check_inside(view, image)
    products, problems = _products(view, lane, wishes)
    shape = image.shape5
    box = inside(view.box, shape, view.plane, view.level)
    like = Place(view.t, view.plane, view.slice, view.level, 0, 0, 1, 1)
    size = plane_size(shape, view.plane, view.level)
    area = covered(box, view.plane, view.level) if products else 0
    pieces = []
    for product in products:
        image_key = lane.results if isinstance(product, ForestProduct) else lane.key
        edges = product.edges(image, like, budget)
        if (box[2] - box[0]) / edges[0] * (box[3] - box[1]) / edges[1] <= MOST_TILES:
            for place in tiles(box, like, size, edges):
                key = (image_key, product.key, place)
                work = (image_key, product.key, product.together(place))
                pieces.append(Piece(key, work, image, product, product.layers))
    return Plan(tuple(pieces), area, tuple(problems))


def unexpected(error: Exception) -> str:
    """The sentence for an error that is a defect of ours; the log gets all of it."""
    _log.error("unexpected", exc_info=error)
    return f"Something unexpected happened ({type(error).__name__}: {error}); the log says more."


def _check_inside(view: View, image: Image) -> None:
    shape = image.shape5
    for axis, n in (("t", view.t), (PLANES[view.plane][2], view.slice)):
        size = shape["tczyx".index(axis)]
        if not 0 <= n < size:
            raise UsageError(f"there is no {axis} = {n}, the image has {size}", where=image.info.location)


def _products(view: View, lane: OpenLane, wishes: Wishes) -> tuple[list[Product], list[str]]:
    """What must be computed for the layers of a view, and what cannot be."""
    image = lane.image
    found: list[Product] = []
    problems = []

    def add(product: Product) -> None:
        product.check(image)
        found.append(product)

    try:
        if wishes.recipe is not None and view.results:
            add(ForestProduct(wishes.recipe, view.results, lane.mask))
    except UnderbrushError as error:
        problems.append(str(error))
    for name in view.features:
        try:
            add(feature_product(name, image, wishes.selection, wishes.channels))
        except UnderbrushError as error:
            problems.append(str(error))
    return found, problems
