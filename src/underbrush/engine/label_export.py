"""Strokes as an image: 0 is unlabelled, 1 to N are the classes, with their colours."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from underbrush import __version__
from underbrush.core.geometry import Halo, TileGrid
from underbrush.engine.batch import Request, region_box
from underbrush.engine.scheduler import Cancelled
from underbrush.errors import UsageError
from underbrush.project.document import Document
from underbrush.project.resolve import resolve_source
from underbrush.sinks.base import OutputSpec
from underbrush.sinks.formats import open_sink
from underbrush.sources.address import absolute_address, split_options
from underbrush.sources.base import Image

TILE = 2048


def label_spec(document: Document, request: Request, image: Image) -> OutputSpec:
    """What `write_labels` writes.

    Raises
    ------
    UsageError
        The region is empty.
    """
    box = region_box(request.region, image.shape5, image.info.location)
    t, _, z, y, x = box.shape
    classes = [document.classes[k].info for k in document.class_order]
    return OutputSpec(
        path=request.output,
        shape=(t, 1, z, y, x),
        axes=request.manner.axes or image.axes.replace("c", ""),
        dtype=np.dtype(np.uint8) if request.dtype is None else request.dtype,
        kind="labels",
        inner_path=request.manner.inner_path,
        class_names=tuple(c.name for c in classes),
        class_colors=tuple(c.colour for c in classes),
        pixel_size=image.pixel_size,
        provenance={
            "software": f"underbrush {__version__}",
            "project": document.base.path.name if document.base.path else "",
            "image": image.info.location.encode("utf-8", "replace").decode(),
            "result": "labels",
        },
    )


def lane_of(document: Document, address: str) -> str:
    """The image of a project that lies at an address.

    Raises
    ------
    UsageError
        None does: only images of the project have strokes.
    """
    wanted, known = _plain(address), []
    for lane in document.lane_order:
        found = resolve_source(document.lanes[lane].raw, document.base).address
        if found is not None and _plain(found) == wanted:
            return lane
        known += [found] if found else []
    raise UsageError(
        "this image is not in the project, so it has no strokes",
        where=address,
        remedy=f"its images are {', '.join(known[:5])}{' ...' if len(known) > 5 else ''}"
        if known
        else "none of its images is where the project says; put them there",
    )


def _plain(address: str) -> str:
    """An address without its level, links followed."""
    text, options = split_options(absolute_address(address))
    kept = ",".join(o for o in options.split(",") if o and not o.startswith(("level=", "scale=")))
    return f"{os.path.realpath(text)}#{kept}"


def write_labels(
    document: Document,
    lane: str,
    request: Request,
    image: Image,
    progress: Callable[[int, int], None],
    cancel: threading.Event,
) -> None:
    """Write the strokes of a lane, tile by tile; nothing is left where it does not come to its end.

    Raises
    ------
    UnderbrushError
        The format cannot hold them, or the disk is full.
    Cancelled
        ``cancel`` was set.
    """
    spec = label_spec(document, request, image)
    labels, values = document.map_of(lane), document.values
    origin = region_box(request.region, image.shape5).replace(c=(0, 1))
    shape = (image.shape5[0], 1, *image.shape5[2:])
    done, total = 0, origin.size
    with open_sink(spec, request.format) as sink:
        for tile in TileGrid(origin, (1, 1, 1, TILE, TILE), Halo(), shape):
            if cancel.is_set():
                raise Cancelled
            block: Any = values[labels.read(tile.valid)]
            sink.write(tile.valid.relative_to(origin), block.astype(spec.dtype, copy=False))
            done += tile.valid.size
            progress(done, total)
