"""Objects as a result: an image is segmented tile by tile, and what hangs together gets a number."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from underbrush.errors import UsageError
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.formats import check_sink, open_sink
from underbrush.sinks.objects import ObjectSink
from underbrush.sources.base import Image

if TYPE_CHECKING:
    from underbrush.engine.batch import Done, Limits, Progress, Request
    from underbrush.engine.model import Model

WHOLE_RESULTS = ("objects", "labels")
"""Results that one process makes of a whole image: they are not divided among several."""


def chosen_classes(names: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[int, ...]:
    """The values, from 1, of the classes that objects are made of.

    ``wanted`` are names or numbers of classes; none: all but the first, which is the background.

    Raises
    ------
    UsageError
        There is no such class.
    """
    if not wanted:
        return tuple(range(2, len(names) + 1)) or (1,)
    known = {name.casefold(): value for value, name in reversed(list(enumerate(names, 1)))}
    known |= {str(value): value for value in range(1, len(names) + 1) if str(value) not in known}
    found = []
    for name in wanted:
        value = known.get(name.strip().casefold())
        if value is None:
            listed = ", ".join(f"{value} {name}" for value, name in enumerate(names, 1))
            raise UsageError(f"there is no class {name!r}", remedy=f"the classes are {listed}")
        found.append(value)
    return tuple(sorted(set(found)))


def predict_objects(
    model: Model,
    request: Request,
    opened: tuple[Image, Image | None],
    limits: Limits,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Done:
    """`batch.predict_image` for objects.

    Raises
    ------
    UnderbrushError
        Anything that the user can mend; then nothing is left under the final name.
    """
    from underbrush.engine.batch import predict_image  # noqa: PLC0415 - it calls this module

    values = chosen_classes(model.class_names, request.manner.objects)
    dtype = np.dtype(np.uint32) if request.dtype is None else np.dtype(request.dtype)
    if dtype.kind not in "ui" or request.rescale is not None:
        problem = "objects are counted" if request.rescale is None else "objects are not rescaled"
        raise UsageError(problem, remedy="write them as uint32 or another type of whole numbers, as they are")

    def open_objects(spec: OutputSpec) -> Sink:
        objects = objects_spec(spec, dtype, [model.class_names[v - 1] for v in values])
        given = request.manner.sink
        if given is None:
            check_sink(objects, request.format)
        return ObjectSink(objects, values, given or (lambda spec: open_sink(spec, request.format)))

    manner = replace(request.manner, sink=open_objects, outside=False, objects=())
    plain = replace(request, result="segmentation", dtype=None, rescale=None, manner=manner)
    return predict_image(model, plain, opened, limits, progress, cancel)


def objects_spec(spec: OutputSpec, dtype: np.dtype[np.generic], classes: list[str]) -> OutputSpec:
    """What is written of the objects of a segmentation that ``spec`` describes."""
    told = {**spec.provenance, "result": "objects", "objects of": ", ".join(classes)}
    return replace(spec, kind="objects", dtype=dtype, class_names=(), class_colors=(), provenance=told)
