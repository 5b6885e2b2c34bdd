"""A document with its history, as a session would keep them, for tests."""

from __future__ import annotations

import json

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.core.geometry import Box
from underbrush.core.runs import Runs
from underbrush.errors import CommandError
from underbrush.project.commands import AddLane, command_from_json, command_to_json, resolve
from underbrush.project.document import Document, new_document
from underbrush.project.edits import forward, from_json, to_json
from underbrush.project.history import History
from underbrush.project.schema import ExportSettings, Source

SHAPE = (1, 1, 1, 12, 20)
SELECTION = FeatureSelection.all((0.3, 1.0))
EXPORT = ExportSettings(format="png", region_start=(None, 1), region_stop=(3, None), input_range=(0, 1.5))
LINE = Runs.from_array([[0, 0, 3, 2, 10]])


class Desk:
    """Commands go in as JSON, edits come out as JSON: nothing may lean on what JSON does not carry."""

    def __init__(self, document: Document | None = None):
        self.document = new_document() if document is None else document
        self.first = self.document
        self.history = History()
        self.edits = []
        self.sizes = {}
        self.images = {}
        self.trained = None

    # -- what commands may ask --

    def shape(self, lane):
        return None

    def read(self, lane, box):
        image = self.images[lane]
        assert Box.whole(image.shape).contains(box)
        return image[box.slices]

    def forest(self):
        return self.trained

    def sized(self, source):
        if source.stored not in self.sizes:
            raise CommandError(f"there is no {source.stored}")
        axes, shape = self.sizes[source.stored]
        return Source(source.kind, source.stored, axes=axes, shape=shape)

    # --

    def do(self, command, client="A"):
        command = command_from_json(json.loads(json.dumps(command_to_json(command))))
        number = self.history.numbers.get(client, 0) + 1
        before = self.document
        edit = resolve(before, command, self, self.history.last + 1, client, number, "2026-01-01T00:00:00Z")
        assert resolve(before, command, self, edit.sequence, client, number, edit.time) == edit
        read = from_json(json.loads(json.dumps(to_json(edit))))
        assert read == edit
        self.document = forward(before, read.changes)
        self.history = self.history.with_edit(read)
        self.edits.append(read)
        return edit

    def dense(self, lane="a1"):
        shape = self.document.shape(lane)
        return self.document.map_of(lane).read(Box.whole(shape))[:, 0]

    def replayed(self):
        """What a reader of the journal sees."""
        document, seen = self.first, History()
        for edit in self.edits:
            document, seen = forward(document, edit.changes), seen.with_edit(edit)
        assert seen == self.history
        return document


def image(name="a.tif", axes="yx", shape=(12, 20)):
    stem = name.rpartition(".")[0]
    return Source("file", name, name=stem, files=(name,), axes=axes, shape=shape)


def same(one, other):
    """Equal in all that a person sees, and in the bytes of labels."""
    assert one == other
    assert one.training_key == other.training_key
    assert {k: m.digest for k, m in one.labels.items()} == {k: m.digest for k, m in other.labels.items()}
    for lane in one.lanes:
        assert one.map_of(lane).rows()[0].tobytes() == other.map_of(lane).rows()[0].tobytes()
        assert np.array_equal(one.map_of(lane).rows()[1], other.map_of(lane).rows()[1])


def small_forest():
    return Forest(
        roots=np.array([0], np.int32),
        feature=np.array([0, -1, -1], np.int32),
        threshold=np.array([0.5, 0, 0]),
        left=np.array([1, 0, 1], np.int32),
        right=np.array([2, 0, 1], np.int32),
        votes=np.eye(2),
        weights=np.ones(2),
        classes=np.array([1, 2], np.uint32),
        n_features=1,
    )


def desk_with_image(axes="yx", shape=(12, 20)):
    desk = Desk()
    desk.do(AddLane(image(axes=axes, shape=shape)), "setup")
    desk.trained = small_forest()
    desk.first, desk.history = desk.document, History()
    desk.edits.clear()
    return desk
