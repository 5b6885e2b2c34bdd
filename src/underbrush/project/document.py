"""A project while it is open: a frozen value whose images and classes keep their ids.

Label maps hold class **ids**; the **value** of a class, which files and forests know, is its place in the
order, from 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.core.geometry import Shape5
from underbrush.core.label_map import LabelMap
from underbrush.errors import CommandError, ProjectError
from underbrush.project.entries import (
    ClassEntry,
    FrozenClassifier,
    LaneEntry,
    Parked,
    Settings,
    Trained,
)
from underbrush.project.own import (
    BALANCE,
    BOUND,
    CHANNELS,
    FROZEN,
    IDS,
    LABELS,
    OBJECTS,
    PARKED,
    SEED,
    TRAINED,
    objects_text,
    own_channels,
    own_number,
    own_objects,
)
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project, Source
from underbrush.project.values_json import parked_from_json, parked_to_json, use_from_json, use_to_json

DEFAULT_CLASSES = (("Background", (0, 130, 200)), ("Foreground", (255, 225, 25)))
"""Names and colours of the classes of a new project."""


@dataclass(frozen=True)
class Document:
    """An open project. Two are equal when all that a person can change is the same."""

    lanes: Mapping[str, LaneEntry] = field(default_factory=lambda: MappingProxyType({}))
    classes: Mapping[int, ClassEntry] = field(default_factory=lambda: MappingProxyType({}))
    labels: Mapping[str, LabelMap] = field(default_factory=lambda: MappingProxyType({}))
    """Lane id -> labels; lanes without labels are absent."""
    settings: Settings = field(default_factory=Settings)
    frozen: Mapping[str, FrozenClassifier] = field(default_factory=lambda: MappingProxyType({}))
    base: Project = field(default_factory=Project, compare=False)
    """What was read; it keeps what only the file knows."""
    trained: Trained | None = field(default=None, compare=False)
    """The forest that was stored in the file."""
    last_lane: int = field(default=0, compare=False)
    """Number of the newest lane id ever given."""
    last_class: int = field(default=0, compare=False)
    """The highest class id ever given."""
    opened_key: str = field(default="", compare=False)
    """`training_key` of the project as it was opened."""
    bound: bool = field(default=False, compare=False)
    """The project's own texts were written with these labels: ids and history are those of before."""
    notices: tuple[str, ...] = field(default=(), compare=False)
    """Sentences about opening."""

    @cached_property
    def lane_order(self) -> tuple[str, ...]:
        """Ids of the lanes in their order."""
        return tuple(sorted(self.lanes, key=lambda k: (self.lanes[k].rank, lane_number(k), k)))

    @cached_property
    def class_order(self) -> tuple[int, ...]:
        """Ids of the classes in their order."""
        return tuple(sorted(self.classes, key=lambda k: (self.classes[k].rank, k)))

    @cached_property
    def values(self) -> NDArray[np.uint8]:
        """(256,) uint8: class id -> value, 0 where there is no such class."""
        lut = np.zeros(256, np.uint8)
        for value, class_id in enumerate(self.class_order, start=1):
            lut[class_id] = value
        lut.flags.writeable = False
        return lut

    def map_of(self, lane: str) -> LabelMap:
        """The labels of a lane, perhaps none."""
        found = self.labels.get(lane)
        return LabelMap.empty(self.lanes[lane].volume) if found is None else found

    def shape(self, lane: str) -> Shape5 | None:
        """Sizes of the image in t c z y x, as far as the project knows them."""
        return self.lanes[lane].raw.shape5

    @cached_property
    def training_key(self) -> str:
        """A hash of all that a forest depends on, and of nothing else.

        Not of ids, nicknames, colours, or the order of lanes.
        """
        settings = self.settings
        lanes = sorted(
            [*_identity(self.lanes[lane].raw), labels.digest_by(self.values)]
            for lane, labels in self.labels.items()
            if lane in self.lanes
        )
        said = [
            lanes, _ticked(settings.selection), settings.channels, settings.n_trees, settings.seed,
            settings.balance,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    @property
    def forest(self) -> Forest | None:
        """The stored forest, while nothing differs from what it was trained on."""
        trained = self.trained
        return trained.forest if trained is not None and trained.key == self.training_key else None

    @cached_property
    def labels_digest(self) -> str:
        """A hash of all labels by value, in the order of the lanes; the same once saved and read."""
        given = hashlib.sha256()
        for lane in self.lane_order:
            runs, ids = self.map_of(lane).rows()
            values = self.values[ids]
            given.update(f"{len(runs)};".encode())
            given.update(np.ascontiguousarray(runs[values != 0], "<i4").tobytes())
            given.update(values[values != 0].tobytes())
        return given.hexdigest()


def new_document() -> Document:
    """An empty project with two classes."""
    classes = {
        k: ClassEntry(float(k), ClassInfo(name, colour, colour))
        for k, (name, colour) in enumerate(DEFAULT_CLASSES, start=1)
    }
    document = Document(classes=MappingProxyType(classes), last_class=len(classes))
    return replace(document, opened_key=document.training_key)


def lane_number(lane: str) -> int:
    """The number in a lane id, 0 where there is none."""
    digits = lane[1:]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else 0


def document_of(project: Project) -> Document:
    """The project as a document; what was lost on the way is said in its ``notices``.

    Ids are those of the last time where the project's own texts fit its labels; otherwise the ids of
    classes are their values, and lanes are a1, a2, ...
    """
    notices: list[str] = []
    plain = _with_ids(project, [f"a{i + 1}" for i in range(len(project.lanes))], range(1, 256))
    document, bound = plain, False
    if LABELS in project.own:
        if project.own[LABELS] == plain.labels_digest:
            try:
                document, bound = _with_own_ids(project, plain), True
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError, CommandError):
                notices.append(
                    "What this project says of its history is damaged; undo starts anew, no label is lost."
                )
        else:
            notices.append(
                "The labels of this project were changed by another program; undo starts anew, no label is"
                " lost."
            )
    document = replace(document, bound=bound)
    settings, frozen = _settings(document, notices), _frozen(project)
    document = replace(document, settings=settings, frozen=frozen, notices=tuple(notices))
    key = document.training_key
    trained = None
    if project.forest is not None:
        vigra = project.selection is not None and project.selection.vigra_structure
        trained = Trained(key, project.forest, project.classifier, vigra)
    return replace(document, trained=trained, opened_key=key)


def with_forest_of(before: Document, after: Document) -> Document:
    """``after``, which has the pixels and strokes of ``before``, its stored forest in force as before."""
    if before.forest is None or before.trained is None:
        return after
    return replace(after, trained=replace(before.trained, key=after.training_key))


def project_of(
    document: Document, trained: Trained | None = None, own: Mapping[str, str] | None = None
) -> Project:
    """The document as a project to be saved.

    Parameters
    ----------
    trained
        A forest trained meanwhile; it is stored if it belongs to the document as it is now, else the
        forest that the file had if that still does, else none.
    own
        More texts of our own, such as the history.
    """
    key = document.training_key
    stored = next((t for t in (trained, document.trained) if t is not None and t.key == key), None)
    settings = document.settings
    selection = settings.selection
    more = dict(own or {})
    if stored is not None and stored is not document.trained:
        more[TRAINED] = stored.forest.digest
    if stored is not None:
        info = replace(stored.info, kind="forest", n_trees=settings.n_trees)
        if selection is not None:
            selection = replace(selection, vigra_structure=stored.vigra_structure)
    else:
        other = document.base.classifier.kind == "other" and key == document.opened_key
        info = ClassifierInfo("other" if other else "none", settings.n_trees)
    return replace(
        document.base,
        lanes=tuple(
            Lane(e.nickname, e.raw, e.mask, document.map_of(k).remapped(document.values).to_blocks())
            for k, e in ((k, document.lanes[k]) for k in document.lane_order)
        ),
        classes=tuple(document.classes[k].info for k in document.class_order),
        selection=selection,
        feature_ids=settings.feature_ids if selection is None else selection.filters,
        scales=settings.scales if selection is None else selection.scales,
        forest=None if stored is None else stored.forest,
        classifier=info,
        export=replace(settings.export, objects=()),
        own=MappingProxyType({**_own_texts(document), **more}),
        frozen=MappingProxyType({name: f.forest for name, f in document.frozen.items()}),
    )


def _identity(source: Source) -> list[str]:
    """What tells one image from another; not its sizes, which may become known later."""
    return [source.kind, source.stored, source.inner, source.axes or "", source.level, source.dataset_id]


def _ticked(selection: FeatureSelection | None) -> object:
    if selection is None:
        return None
    flat = selection.in_2d
    return [
        [f, s, None if flat is None else flat[j]]
        for f, row in zip(selection.filters, selection.matrix, strict=True)
        for j, (s, on) in enumerate(zip(selection.scales, row, strict=True))
        if on
    ]


def _with_ids(project: Project, lanes: list[str], classes: list[int] | range) -> Document:
    """The lanes, classes and labels of a project under ids that were given before."""
    lut = np.zeros(256, np.uint8)
    entries = {}
    for i, info in enumerate(project.classes):
        lut[i + 1] = classes[i]
        entries[classes[i]] = ClassEntry(float(i + 1), info)
    found, labels = {}, {}
    for i, (key, lane) in enumerate(zip(lanes, project.lanes, strict=True)):
        entry = found[key] = LaneEntry(float(i + 1), lane.nickname, lane.raw, lane.mask)
        label_map = LabelMap.from_blocks(lane.labels, entry.volume).remapped(lut)
        if label_map:
            labels[key] = label_map
    return Document(
        lanes=MappingProxyType(found),
        classes=MappingProxyType(entries),
        labels=MappingProxyType(labels),
        base=project,
        last_lane=max(map(lane_number, lanes), default=0),
        last_class=max(entries, default=0),
    )


def _with_own_ids(project: Project, plain: Document) -> Document:
    """The document under the ids of our own texts; raises what reading JSON raises if they do not fit."""
    said = json.loads(project.own[IDS])
    lanes, classes = [str(k) for k in said["lanes"]], [int(k) for k in said["classes"]]
    if len(lanes) != len(project.lanes) or len(set(lanes)) != len(lanes) or not all(map(lane_number, lanes)):
        raise ValueError("other lanes")
    if len(classes) != len(project.classes) or len(set(classes)) != len(classes):
        raise ValueError("other classes")
    if not all(0 < k < 256 for k in classes):
        raise ValueError("other classes")
    same = lanes == list(plain.lane_order) and classes == list(plain.class_order)
    document = plain if same else _with_ids(project, lanes, classes)
    ranks = dict(zip(lanes, map(float, said["lane_ranks"]), strict=True))
    places = dict(zip(classes, map(float, said["class_ranks"]), strict=True))
    if sorted(ranks.values()) != list(ranks.values()) or sorted(places.values()) != list(places.values()):
        raise ValueError("another order")
    locked = {int(k) for k in said.get("locked", ())}
    parked: dict[str, tuple[Parked, ...]] = {
        str(k): tuple(map(parked_from_json, v)) for k, v in json.loads(project.own.get(PARKED, "{}")).items()
    }
    return replace(
        document,
        lanes=MappingProxyType(
            {k: replace(e, rank=ranks[k], parked=parked.get(k, ())) for k, e in document.lanes.items()}
        ),
        classes=MappingProxyType(
            {k: replace(e, rank=places[k], locked=k in locked) for k, e in document.classes.items()}
        ),
        last_lane=max(int(said["last_lane"]), document.last_lane),
        last_class=max(int(said["last_class"]), document.last_class),
    )


def _own_texts(document: Document) -> dict[str, str]:
    ours = (*BOUND, CHANNELS, SEED, BALANCE, FROZEN, OBJECTS)
    own = {k: v for k, v in document.base.own.items() if k not in ours}
    settings = document.settings
    if settings.channels is not None:
        own[CHANNELS] = ",".join(map(str, settings.channels))
    if settings.seed or SEED in document.base.own:
        own[SEED] = str(settings.seed)
    if settings.balance or BALANCE in document.base.own:
        own[BALANCE] = str(settings.balance).lower()
    if settings.export.objects:
        own[OBJECTS] = objects_text(settings.export.objects, _class_names(document))
    own[LABELS] = document.labels_digest
    own[IDS] = json.dumps(
        {
            "lanes": document.lane_order,
            "classes": document.class_order,
            "locked": [k for k in document.class_order if document.classes[k].locked],
            "lane_ranks": [document.lanes[k].rank for k in document.lane_order],
            "class_ranks": [document.classes[k].rank for k in document.class_order],
            "last_lane": document.last_lane,
            "last_class": document.last_class,
        }
    )
    parked = {k: [parked_to_json(p) for p in e.parked] for k, e in document.lanes.items() if e.parked}
    if parked:
        own[PARKED] = json.dumps(parked)
    kept = {
        f.name: {"created": f.created, "note": f.note, "use": None if f.use is None else use_to_json(f.use)}
        for f in document.frozen.values()
    }
    if kept:
        own[FROZEN] = json.dumps(kept)
    return own


def _class_names(document: Document) -> dict[int, str]:
    return {k: entry.info.name for k, entry in document.classes.items()}


def _settings(document: Document, notices: list[str]) -> Settings:
    project = document.base
    try:
        channels = own_channels(project)
    except ProjectError as error:
        channels = None
        notices.append(f"{error.problem[0].upper()}{error.problem[1:]}; all channels are used.")
    try:
        objects = own_objects(project, _class_names(document), document.bound)
    except ProjectError as error:
        objects = (0,)  # not all but the first, which would be a choice that nobody made
        notices.append(f"{error.problem[0].upper()}{error.problem[1:]}; choose them anew in step 4.")
    return Settings(
        selection=project.selection,
        feature_ids=project.feature_ids,
        scales=project.scales,
        channels=channels,
        n_trees=project.classifier.n_trees,
        seed=own_number(project, SEED, 0),
        balance=project.own.get(BALANCE) == "true",
        export=replace(project.export, objects=objects),
    )


def _frozen(project: Project) -> Mapping[str, FrozenClassifier]:
    try:
        said = json.loads(project.own.get(FROZEN, "{}"))
    except (ValueError, RecursionError):
        said = {}
    notes = {k: v for k, v in said.items() if isinstance(v, dict)} if isinstance(said, dict) else {}
    found = {}
    for name, forest in project.frozen.items():
        note = notes.get(name, {})
        try:
            use = None if note.get("use") is None else use_from_json(note["use"])
        except CommandError:
            use = None  # damaged: as good as not known
        made, said_of = str(note.get("created", "")), str(note.get("note", ""))
        found[name] = FrozenClassifier(name, forest, made, said_of, use)
    return MappingProxyType(found)
