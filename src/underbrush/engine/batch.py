"""One image in, one result file out: check everything, plan, compute tile by tile, commit.

Nothing is computed before image, project, region, format and place have been checked, and nothing is
left under the final name unless all of it was written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core import results
from underbrush.core.geometry import AXES, Box, Halo, Shape5, Tile, TileGrid
from underbrush.core.pieces import WHOLE, PieceGrid, Share, fixed_edges, plan_blocks, tiles_of
from underbrush.core.plan import TileCost, plan_tiles
from underbrush.core.predict import Scene, TileReport, feature_frame, predict_tile, tile_cost
from underbrush.core.recipe import Recipe
from underbrush.engine.label_images import open_beside
from underbrush.engine.masks import check_mask, outside
from underbrush.engine.memory import resident
from underbrush.engine.model import Model
from underbrush.engine.objects import predict_objects
from underbrush.engine.scenes import scene_of
from underbrush.engine.scheduler import Cancelled, run_side_by_side
from underbrush.engine.stages import staged_image
from underbrush.errors import ResourceError, UsageError
from underbrush.files import check_output
from underbrush.files.problems import resolved
from underbrush.sinks.base import OutputSpec, ResultKind, Sink
from underbrush.sinks.formats import check_sink, find_format, open_sink, unit_of
from underbrush.sources.base import Image
from underbrush.sources.opening import open_image
from underbrush.sources.sequence import stack_files

Range = tuple[float, float]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file is to differ from ours where it stands for another program's."""

    axes: str | None = None
    """Order of the axes in the file; None: that of the image, c where there are several values a pixel."""
    inner_path: str = "exported_data"
    channels: tuple[int, int] | None = None
    """First and behind the last channel of the result that are written; None: all."""
    casts: bool = False
    """Another dtype without ranges cuts values off instead of being refused."""
    outside: bool = False
    """Outside the mask stands what follows from probabilities of zero, instead of 0."""
    value_range: Range | None = None
    """Smallest and largest possible value, before it is rescaled; None: as usual for the result."""
    named: str | None = None
    """What the result calls its image; None: its address."""
    sink: Callable[[OutputSpec], Sink] | None = None
    """Opens the file, instead of the format's own."""
    objects: tuple[str, ...] = ()
    """Names or numbers of the classes that objects are made of; none: all but the first."""


@dataclass(frozen=True, slots=True)
class Request:
    """One image and what is wanted of it."""

    image: str
    """Address of the image."""
    output: Path
    format: str
    result: ResultKind = "segmentation"
    axes: str | None = None
    """Axis order to read the image with, instead of the file's own."""
    mask: str | None = None
    """Address of an image of the same size; where it is 0, the result is 0."""
    region: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    """Start and stop for some of t, z, y, x, as in a slice."""
    dtype: np.dtype[Any] | None = None
    rescale: tuple[Range, Range] | None = None
    manner: Manner = Manner()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the machine may be used."""

    threads: int
    memory: int
    """Bytes that the whole process tree may hold at its peak."""
    nice: int = 0
    """How far the threads give way (`engine.priorities`), in a process that also answers people."""
    images: int = 1
    """Images that are worked on side by side, each by so many threads."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a request."""

    output: Path
    seconds: float
    notices: tuple[str, ...] = ()
    tiles: int = 0
    """How many were computed."""


LEAST_TILE = 48_000_000.0
"""Bytes of a small tile. A command of its own, at the least memory that it takes, has more."""
BUFFERS = 130_000_000
"""Bytes that a source's decoded pieces and a sink's unfinished ones may take beside the tiles."""
EASY_BYTES = 256e6
EASY_PIXELS = 700_000
"""A tile is not larger than the larger of these, however much memory there is.

Beyond them volumes get no faster (the system has to find fresh memory for each tile, which takes as long as
their halo saves), the last tiles keep fewer threads busy, and Ctrl-C waits longer.
"""


def tile_budget(limits: Limits) -> float:
    """Bytes that each tile in flight may take: what is left of the cap for each thread.

    Never less than `LEAST_TILE`: a program that holds much for other reasons can still classify.
    """
    left = 0.9 * limits.memory - resident() - BUFFERS
    return max(LEAST_TILE, left / (limits.threads * limits.images))


Progress = Callable[[int, int], None]
"""Called with pixels done and pixels in all."""


def predict_file(
    model: Model,
    request: Request,
    limits: Limits,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Done:
    """Classify one image and write the result.

    Raises
    ------
    UnderbrushError
        Anything that the user can mend; then nothing is left under the final name.
    """
    inputs = [file for a in (request.image, request.mask) if a for file in stack_files(a) or (a,)]
    check_output(request.output, [*inputs, model.path], folder=find_format(request.format).folder)
    with ExitStack() as stack:
        image = stack.enter_context(open_image(request.image, request.axes))
        mask = stack.enter_context(open_beside(request.mask, image)) if request.mask else None
        return predict_image(model, request, (image, mask), limits, progress, cancel)


def predict_image(
    model: Model,
    request: Request,
    opened: tuple[Image, Image | None],
    limits: Limits,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Done:
    """`predict_file` of an image and its mask that are open already, however their axes were settled.

    Whether the result would overwrite one of them is not asked here.

    Raises
    ------
    UnderbrushError
        Anything that the user can mend; then nothing is left under the final name.
    """
    if request.result == "objects":
        return predict_objects(model, request, opened, limits, progress, cancel)
    begun = time.monotonic()
    with ExitStack() as stack:
        run = Prepared.of(model, request, *opened)
        grid = run.plan(limits)
        sink = stack.enter_context(run.open())
        clock = Clock()
        _log.info("%s -> %s: %d tiles of %s", request.image, request.output, len(grid), grid.tile)
        report, tiles = run.carry_out(grid, sink, limits, progress, cancel)
        _log.info("%s: computed %s", request.output, clock)
        clock = Clock()
    _log.info("%s: written %s", request.output, clock)
    return Done(
        request.output,
        time.monotonic() - begun,
        (*run.notices, *(f"{request.image}: {said}" for said in (*report.sentences, *opened[0].notices))),
        tiles,
    )


class Clock:
    """Time since it was made, as text for the log."""

    def __init__(self) -> None:
        self._wall, self._busy = time.monotonic(), time.process_time()

    def __str__(self) -> str:
        wall, busy = time.monotonic() - self._wall, time.process_time() - self._busy
        return f"in {wall:.3f} s, {busy:.3f} s of processors"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request whose every part was checked."""

    request: Request
    recipe: Recipe
    image: Image
    mask: Image | None
    scene: Scene
    box: Box
    """What is classified, in the coordinates of the image; all its channels."""
    spec: OutputSpec
    notices: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, request: Request, image: Image, mask: Image | None) -> Prepared:
        """Check that the request can be carried out.

        Raises
        ------
        UnderbrushError
            It cannot; with the reason.
        """
        image = staged_image(image, model.before)
        shape = image.shape5
        volume = shape[2] > 1
        recipe, notice = model.fitted_to(image.info, shape[1], volume)
        recipe.selection.check(shape, image.info.location)
        if mask is not None:
            check_mask(mask, image)
        box = region_box(request.region, shape, image.info.location)
        spec = _spec(model, recipe, request, image, box)
        if request.manner.sink is None:
            check_sink(spec, request.format)
        said = [f"{image.info.location}: {problem}" for problem in image.info.problems]
        notices = (*said, *([notice] if notice else []))
        return cls(request, recipe, image, mask, scene_of(image), box, spec, notices)

    def open(self) -> Sink:
        """The file that the result goes to."""
        sink = self.request.manner.sink
        return open_sink(self.spec, self.request.format) if sink is None else sink(self.spec)

    def plan(self, limits: Limits) -> TileGrid | PieceGrid:
        """Tiles that fit the memory, each thread with one in hand; whole pieces where the format has such."""
        unit = None if self.request.manner.sink else unit_of(self.spec, self.request.format)
        if unit is not None:
            return self.pieces(limits, unit, WHOLE)
        cost, halo = self._cost(), self._halo()
        budget, easy = tile_budget(limits), self._easy(cost)
        try:
            return plan_tiles(self.box, self.image.shape5, halo, cost, min(budget, easy), limits.threads)
        except ResourceError:
            if budget <= easy:
                raise
        return plan_tiles(self.box, self.image.shape5, halo, cost, budget, limits.threads)

    def pieces(
        self, limits: Limits, unit: Shape5, share: Share, done: Callable[[Box], bool] = lambda box: False
    ) -> PieceGrid:
        """The tiles of a share of a result of pieces of the size ``unit``, but for those that are done.

        ``done`` is asked about boxes of the result.

        Raises
        ------
        ResourceError
            Not even the smallest tile fits.
        """
        cost, halo, image = self._cost(), self._halo(), self.image.shape5
        easy = self._easy(cost)
        edges = fixed_edges(self.box, image, halo, cost, easy)
        blocks = plan_blocks(self.box, unit, image, halo, share.of, edges)
        tiles = tiles_of(image, halo, cost, (min(tile_budget(limits), easy), tile_budget(limits)))
        return PieceGrid(self.box, blocks, tiles, share, lambda box: done(self.target(box)))

    def _cost(self) -> TileCost:
        recipe, itemsize = self.recipe, self.image.dtype.itemsize
        cost = tile_cost(recipe.selection, recipe.forest, recipe.n_classes, itemsize, self.image.shape5)
        extra = 2.0 * self.spec.dtype.itemsize * self.spec.shape[1]
        return TileCost(cost.read, cost.valid + extra, cost.fixed)

    def _halo(self) -> Halo:
        return self.recipe.selection.halo(self.image.shape5[2] > 1)

    def _easy(self, cost: TileCost) -> float:
        return max(EASY_BYTES, EASY_PIXELS * cost.valid)

    def carry_out(
        self,
        grid: TileGrid | PieceGrid,
        sink: Sink,
        limits: Limits,
        progress: Progress | None,
        cancel: threading.Event | None,
    ) -> tuple[TileReport, int]:
        """All tiles, side by side, into the sink; gives what was noticed and how many were computed."""
        report, done, count = TileReport(), 0, 0
        total = grid.pixels if isinstance(grid, PieceGrid) else grid.box.size // grid.box.shape[1]
        over = threading.Event()

        def work(tile: Tile) -> tuple[TileReport, int]:
            values, noticed = self.compute(tile)
            if over.is_set():  # nobody waits for it any more, and the sink may be closed
                raise Cancelled
            sink.write(self.target(tile.valid), values)
            return noticed, tile.valid.size // tile.valid.shape[1]

        with closing(run_side_by_side(grid, work, limits.threads, cancel, limits.nice)) as finished:
            try:
                for noticed, pixels in finished:
                    report, done, count = report + noticed, done + pixels, count + 1
                    if progress:
                        progress(done, total)
            finally:
                over.set()
        return report, count

    def compute(self, tile: Tile) -> tuple[NDArray[Any], TileReport]:
        """Read and classify one tile; gives the block to write."""
        block = self.image.read(tile.read)
        if self.request.result == "features":
            values, report = _features(block, tile, self.recipe, self.scene)
        else:
            probabilities, report = predict_tile(block, tile, self.recipe, self.scene)
            values = self._result(probabilities, tile)
        if self.request.manner.channels is not None:
            values = values[:, slice(*self.request.manner.channels)]
        return self._converted(values), report

    def _result(self, probabilities: NDArray[np.float32], tile: Tile) -> NDArray[Any]:
        hidden = None
        if self.mask is not None:
            hidden = outside(self.mask, tile.valid)
            probabilities[np.broadcast_to(hidden, probabilities.shape)] = 0
        if self.request.result == "probabilities":
            return probabilities
        make = results.segmentation if self.request.result == "segmentation" else results.uncertainty
        values: NDArray[Any] = make(probabilities)
        if hidden is not None and not self.request.manner.outside:
            values[hidden] = 0
        return values

    def _converted(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.request.rescale is not None:
            return results.rescaled(values, self.spec.dtype, *self.request.rescale)
        with np.errstate(invalid="ignore"):  # features that are NaN, cut off to whole numbers
            return values.astype(self.spec.dtype, copy=False)

    def target(self, box: Box) -> Box:
        """Where a box of the image, all its channels, lies in the result."""
        channels = (0, self.spec.shape[1])
        return box.replace(c=channels).relative_to(self.box.replace(c=channels))


def region_box(region: Mapping[str, tuple[int | None, int | None]], shape: Shape5, where: str = "") -> Box:
    """The part of an image of ``shape`` (t c z y x) that a region names; ends count as in a Python slice.

    Raises
    ------
    UsageError
        An axis that cannot be cut, or a region that is empty.
    """
    box = Box.whole(shape)
    for axis, (start, stop) in region.items():
        if axis not in "tzyx":
            raise UsageError(f"--region cannot cut the axis {axis!r}", remedy="use t, z, y, x")
        n = shape[AXES.index(axis)]
        first, last, _ = slice(start, stop).indices(n)
        if first >= last:
            span = f"{axis}={'' if start is None else start}:{'' if stop is None else stop}"
            problem = f"--region {span} is empty, the image has {n} pixels in {axis}"
            raise UsageError(problem, where=where, remedy="choose a region inside the image")
        box = box.replace(**{axis: (first, last)})
    return box


def _features(
    block: NDArray[Any], tile: Tile, recipe: Recipe, scene: Scene
) -> tuple[NDArray[np.float32], TileReport]:
    """Feature values of a tile, (t, n_features, z, y, x); NaN where they depend on what is not finite."""
    frames, report = [], TileReport()
    for frame in block[:, list(recipe.pick(block.shape[1]))]:
        values, unusable, noticed = feature_frame(frame, tile, recipe.selection, scene)
        if unusable is not None:
            values[:, unusable] = np.nan
        frames.append(values)
        report = report + noticed
    return np.stack(frames), report


def _dtype(request: Request) -> np.dtype[Any]:
    """The type that is written."""
    dtype = np.dtype(np.uint8 if request.result == "segmentation" else np.float32)
    if request.dtype is not None:
        rounds = request.dtype.kind in "iu" and request.rescale is None and not request.manner.casts
        if request.result != "segmentation" and rounds:
            lost = {
                "probabilities": "make every probability 0 or 1",
                "uncertainty": "make every value 0 or 1",
            }
            raise UsageError(
                f"--dtype {request.dtype} alone would {lost.get(request.result, 'cut off all fractions')}",
                remedy="add --rescale 0:1,0:255 (the range of the values, the range to write)",
            )
        dtype = request.dtype
    elif request.rescale is not None:
        raise UsageError("--rescale needs --dtype", remedy="say which type to write, as in --dtype uint8")
    return dtype


def _spec(model: Model, recipe: Recipe, request: Request, image: Image, box: Box) -> OutputSpec:
    manner = request.manner
    names: tuple[str, ...] = ()
    if request.result == "probabilities":
        names = model.class_names
    elif request.result == "features":
        names = recipe.selection.names(len(recipe.pick(image.shape5[1])), image.shape5[2] > 1)
    n_channels = _n_channels(request.result, recipe, len(names))
    if manner.channels is not None:
        names = names[slice(*manner.channels)]
        n_channels = len(range(n_channels)[slice(*manner.channels)])
    t, _, z, y, x = box.shape
    value_range = manner.value_range
    if request.result in ("probabilities", "uncertainty"):
        value_range = value_range or (0.0, 1.0)
    if value_range is not None and request.rescale:
        value_range = request.rescale[1]
    return OutputSpec(
        path=request.output,
        shape=(t, n_channels, z, y, x),
        axes=manner.axes or _output_axes(image.axes, n_channels > 1 or bool(names)),
        dtype=_dtype(request),
        kind=request.result,
        inner_path=manner.inner_path,
        channel_names=names,
        class_names=model.class_names if request.result == "segmentation" else (),
        class_colors=model.class_colors if request.result == "segmentation" else (),
        value_range=value_range,
        pixel_size=model.sizes_of(image),
        provenance={
            **{key: _text(value) for key, value in model.provenance.items()},
            "image": _text(manner.named or image.info.location),
            "result": request.result,
        },
    )


def _n_channels(result: ResultKind, recipe: Recipe, named: int) -> int:
    return recipe.n_classes if result == "probabilities" else max(1, named)


def _text(name: str) -> str:
    """A name of a file as text that every format can store: bytes that are none become question marks."""
    return name.encode("utf-8", "replace").decode()


def _output_axes(axes: str, channels: bool) -> str:
    """The input's order; c at the end if it has none; without c where there is one value a pixel."""
    if not channels:
        return axes.replace("c", "")
    return axes if "c" in axes else axes + "c"


def check_distinct(outputs: list[tuple[str, Path]], option: str = "--output") -> None:
    """Refuse two images whose results would have the same file name; ``option`` is where it is given.

    Raises
    ------
    UsageError
        Names both images and the file.
    OutputError
        A path that cannot be followed.
    """
    seen: dict[Path, str] = {}
    for image, output in outputs:
        key = resolved(output)
        if key in seen:
            raise UsageError(
                f"the results of {seen[key]} and {image} would both be {output}",
                remedy=f"put {{dataset_dir}} or {{nickname}} into {option}, or name each image once",
            )
        seen[key] = image
