"""The samples on disk: images, strokes, features, trained and kept classifiers, and what to try them on.

```
sample.ilp                  nuclei in two images; opened by `underbrush demo` and by *Try the sample*
nuclei_1.tif nuclei_2.tif
unseen/nuclei_3.tif ...     two more for step 5, and for a test of the classifier
strokes/nuclei_1_strokes.tif ...  the strokes as images: for `underbrush train`
truth/nuclei_1_truth.tif    what is a nucleus and what is not, of all four: for `underbrush evaluate`
tissue.ilp tissue.png       a section in colours with three classes
```
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.core.geometry import Box, shape_to_internal, to_internal
from underbrush.core.labels import make_block, trimmed
from underbrush.engine import sample, sample_tissue
from underbrush.engine.sample_forests import stored_forests
from underbrush.engine.training import joined, labelled_rows
from underbrush.project.document import document_of, project_of
from underbrush.project.entries import FrozenClassifier, Trained, Use
from underbrush.project.recovery import PROJECT_ID
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project, Source
from underbrush.project.write import write_project
from underbrush.sinks.base import OutputSpec
from underbrush.sinks.formats import open_sink
from underbrush.sources.opening import open_image

SEED = 0
TREES = 100
KEPT_TREES = 30
"""Of classifiers that are only there to be looked at."""
PROJECT_NAME = "sample.ilp"
TISSUE_NAME = "tissue.ilp"
BRIGHTNESS = "brightness alone"
FINE = "fine scales"


@dataclass(frozen=True, slots=True)
class _Picture:
    """An image of a sample as it is written."""

    name: str
    pixels: NDArray[np.generic]
    axes: str
    """yx or yxc."""
    pixel_size: float | None
    """Micrometres, along y and x; None: not told."""
    strokes: NDArray[np.uint8]
    """(y, x) uint8: 0 no label, else the class."""

    @property
    def file(self) -> str:
        """Colours as PNG, for every program knows them there; all else as TIFF."""
        return f"{self.name}.png" if self.axes == "yxc" else f"{self.name}.tif"

    @property
    def sizes(self) -> Mapping[str, tuple[float, str]]:
        """Of a pixel, by axis."""
        return {} if self.pixel_size is None else dict.fromkeys("yx", (self.pixel_size, "µm"))


@dataclass(frozen=True, slots=True)
class _Design:
    """A project of the sample before it is written."""

    file: str
    pictures: tuple[_Picture, ...]
    classes: tuple[ClassInfo, ...]
    wanted: Mapping[str, FeatureSelection]
    """Features by classifier: those under "" are in force, others are kept by name."""

    @property
    def keys(self) -> dict[str, str]:
        """The names of its classifiers in `stored_forests`."""
        return {name: f"{self.file}/{name}" for name in self.wanted}


def make_sample(folder: Path) -> Path:
    """Write the samples with their images into ``folder`` and give the path of the first project.

    Nothing is trained: their classifiers come with the program, so that they can be looked at at once.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    seen, unseen = sample.sample_images(), sample.unseen_images()
    for one in unseen:
        _write_image(_nuclei(one), folder / "unseen")
    for one in (*seen, *unseen):
        if one.strokes.any():
            painted = _Picture(f"{one.name}_strokes", one.strokes, "yx", sample.PIXEL_SIZE, one.strokes)
            _write_image(painted, folder / "strokes")
        truth = _Picture(f"{one.name}_truth", one.truth, "yx", sample.PIXEL_SIZE, one.strokes)
        _write_image(truth, folder / "truth")
    forests = stored_forests()
    # The project that is opened comes last: where it is there, all is there.
    for design in (_tissue_design(), _nuclei_design(seen)):
        _write_project(design, folder, forests)
    return folder / PROJECT_NAME


def trained_forests(folder: Path, threads: int = 1) -> dict[str, Forest]:
    """What `stored_forests` gives, trained anew on the samples in ``folder``; some seconds."""
    forests = {}
    for design in (_tissue_design(), _nuclei_design(sample.sample_images())):
        for name, selection in design.wanted.items():
            options = TrainingOptions(KEPT_TREES if name else TREES, seed=SEED, n_threads=threads)
            forests[design.keys[name]] = _trained(folder, design.pictures, selection, options)
    return forests


def _nuclei_design(seen: Sequence[sample.SampleImage]) -> _Design:
    everything = FeatureSelection.recommended(shape_to_internal(sample.SIZE, "yx")).with_in_2d(True)
    wanted = {
        "": everything,
        BRIGHTNESS: _smoothing(everything),
        FINE: FeatureSelection.all((0.7, 1.0)).with_in_2d(True),
    }
    classes = _classes(sample.CLASSES, sample.COLOURS)
    return _Design(PROJECT_NAME, tuple(_nuclei(one) for one in seen), classes, wanted)


def _tissue_design() -> _Design:
    tissue = sample_tissue.tissue_image()
    picture = _Picture("tissue", tissue.pixels, "yxc", None, tissue.strokes)
    wanted = {"": FeatureSelection.all((0.7, 1.6, 3.5)).with_in_2d(True)}
    classes = _classes(sample_tissue.CLASSES, sample_tissue.COLOURS)
    return _Design(TISSUE_NAME, (picture,), classes, wanted)


def _nuclei(one: sample.SampleImage) -> _Picture:
    return _Picture(one.name, one.pixels, "yx", sample.PIXEL_SIZE, one.strokes)


def _classes(names: Sequence[str], colours: Sequence[tuple[int, int, int]]) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(name, c, c) for name, c in zip(names, colours, strict=True))


def _smoothing(selection: FeatureSelection) -> FeatureSelection:
    """The finest smoothing alone: little more than the brightness of each pixel."""
    on = tuple(
        tuple(f == "GaussianSmoothing" and s == min(selection.scales) for s in selection.scales)
        for f in selection.filters
    )
    return replace(selection, matrix=on)


def _write_project(design: _Design, folder: Path, stored: Mapping[str, Forest]) -> None:
    """Write the images of a project, then the project."""
    for picture in design.pictures:
        _write_image(picture, folder)
    current = design.wanted[""]
    bare = Project(
        lanes=tuple(_lane(picture) for picture in design.pictures),
        classes=design.classes,
        selection=current,
        feature_ids=current.filters,
        scales=current.scales,
        own=MappingProxyType({PROJECT_ID: uuid.uuid4().hex}),
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    forests = {name: stored[key] for name, key in design.keys.items()}
    kept = {
        name: FrozenClassifier(name, forest, now, "", Use(design.wanted[name], None, design.classes))
        for name, forest in forests.items()
        if name
    }
    document = replace(document_of(bare), frozen=MappingProxyType(kept))
    first = design.pictures[0]
    names = current.names(1 if first.axes == "yx" else first.pixels.shape[2])
    info = ClassifierInfo("forest", forests[""].n_trees, (), names)
    trained = Trained(document.training_key, forests[""], info)
    write_project(project_of(document, trained), folder / design.file)


def _trained(
    folder: Path, pictures: Sequence[_Picture], selection: FeatureSelection, options: TrainingOptions
) -> Forest:
    parts, channels = [], 1
    for picture in pictures:
        with open_image(folder / picture.file) as image:
            channels = image.shape5[1]
            parts.append(labelled_rows(image, _lane(picture).labels, selection, options.n_threads))
    rows = joined(parts, selection.count(channels))
    return train_forest(rows.x, rows.y, options).forest


def _write_image(picture: _Picture, folder: Path) -> None:
    spec = OutputSpec(
        path=folder / picture.file,
        shape=shape_to_internal(picture.pixels.shape, picture.axes),
        axes=picture.axes,
        dtype=picture.pixels.dtype,
        pixel_size=picture.sizes,
    )
    with open_sink(spec, "png" if picture.axes == "yxc" else "tiff") as sink:
        sink.write(Box.whole(spec.shape), to_internal(picture.pixels, picture.axes))


def _lane(picture: _Picture) -> Lane:
    strokes = to_internal(picture.strokes, "yx")
    whole = trimmed(make_block(Box.whole(shape_to_internal(picture.strokes.shape, "yx")), strokes))
    source = Source(
        kind="file",
        stored=picture.file,
        name=picture.name,
        files=(picture.file,),
        axes=picture.axes,
        shape=picture.pixels.shape,
        pixel_size=picture.sizes,
    )
    return Lane(nickname=picture.name, raw=source, labels=() if whole is None else (whole,))
