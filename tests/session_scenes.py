"""Projects and strokes for the tests of sessions."""

from __future__ import annotations

import threading
import time

import numpy as np
import tifffile

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.runs import Runs
from underbrush.engine.batch import Limits
from underbrush.engine.building import linked_from
from underbrush.engine.new_project import project_from_images
from underbrush.project.commands import Paint
from underbrush.project.write import write_project

LIMITS = Limits(2, 2_000_000_000)
"""Threads and bytes of an export."""


def blobs(shape=(96, 120), seed=0):
    r = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = r.normal(40, 6, shape)
    for _ in range(9):
        cy, cx, radius = r.uniform(8, shape[0] - 8), r.uniform(8, shape[1] - 8), r.uniform(5, 9)
        image += 120 * ((y - cy) ** 2 + (x - cx) ** 2 < radius**2)
    return np.clip(image, 0, 255).astype(np.uint8)


def new_project(folder, images=1, scales=(0.7, 1.6), name="p.ilp", array=None):
    """A project file with ``images`` images, two classes, few features, nothing painted."""
    from dataclasses import replace

    paths = []
    for i in range(images):
        path = folder / f"image{i}.tif"
        tifffile.imwrite(path, blobs(seed=i) if array is None else array, metadata={"axes": "YX"})
        paths.append(str(path))
    project = project_from_images(paths)
    selection = FeatureSelection.all(scales).with_in_2d(True)
    project = replace(project, selection=selection, feature_ids=selection.filters, scales=selection.scales)
    file = folder / name
    write_project(linked_from(project, folder), file)
    return file


def stroke(y, x, length=20, height=2, lane="a1", class_id=1, t=0, z=0):
    return Paint(lane, Runs.from_array([(t, z, y + k, x, length) for k in range(height)]), class_id)


def both_classes(session, client="tab", number=1):
    """A stroke of each class on the first image; gives the next number."""
    image = blobs()
    bright = np.argwhere(image > 120)
    y, x = bright[len(bright) // 2].tolist()
    session.apply(client, number, stroke(y, x, 6, 2, class_id=2))
    session.apply(client, number + 1, stroke(2, 60, 20, 2, class_id=1))
    return number + 2


def wait_for(condition, seconds=60.0):
    """Wait until a condition holds; fails when it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Heard:
    """Collects events."""

    def __init__(self, session):
        self.events = []
        self.lock = threading.Lock()
        self.stop = session.listen(self.add)

    def add(self, event):
        with self.lock:
            self.events.append(event)

    def of(self, kind):
        with self.lock:
            return [e for e in self.events if isinstance(e, kind)]
