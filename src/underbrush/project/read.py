"""Open a project: everything it says as one frozen value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from underbrush.core.forest.nodes import Forest
from underbrush.core.labels import LabelBlock, make_block, trimmed
from underbrush.errors import ProjectError
from underbrush.project.classifier_layout import AGAIN, read_classifier
from underbrush.project.forest_layout import read_forest
from underbrush.project.inputs_layout import read_sources
from underbrush.project.labels_layout import read_labels, split_label_sets
from underbrush.project.schema import WORKFLOW, ClassifierInfo, ClassInfo, Lane, Project, Source
from underbrush.project.settings_layout import default_colour, read_classes, read_export, read_features
from underbrush.project.storage import Node, open_storage
from underbrush.project.structure import with_trained_structure, without_structure_note
from underbrush.project.versions import Version, check_version

OWN_GROUP = "Underbrush"
OWN_VERSION = 1
"""Version of the layout of our own group."""
_WORKFLOW_NAMES = (WORKFLOW, "PixelClassificationWorkflow")
_ERASER = 100


def read_project(path: str | os.PathLike[str]) -> Project:
    """The project in an .ilp file of ilastik 0.6 to 1.5 or of Underbrush.

    The file is read and closed; images are not opened and may be missing. What cannot be taken over but
    does not matter to the strokes is a sentence in ``problems``.

    Raises
    ------
    ProjectError
        The file is missing, no project, damaged, being written, of a version or workflow that cannot be
        opened.
    """
    file = Path(path)
    with open_storage(file) as root:
        return read_root(root, file)


def read_root(root: Node, path: Path) -> Project:
    """The project in an open file; ``path`` is the name that it has or will have. See `read_project`."""
    problems: list[str] = []
    version_text = _version_text(root)
    version = check_version(version_text, root.where)
    workflow = _workflow(root, problems)
    own, frozen = _read_own(root, problems)
    sources = read_sources(root, problems)
    group = root.group("PixelClassification")
    lanes = _lanes(group, sources, version, problems)
    named = read_classes(group)
    classes = _default_classes(lanes) if named is None else named
    lanes = tuple(_only_known(lane, len(classes), problems) for lane in lanes)
    selection, ids, scales = read_features(root.group("FeatureSelections"), problems)
    forest, info = read_classifier(group, problems)
    if forest is not None and int(forest.classes[-1]) > len(classes):
        problems.append(
            f"The stored classifier knows class {forest.classes[-1]} but the project has {len(classes)};"
            f" {AGAIN}."
        )
        forest, info = None, ClassifierInfo(n_trees=info.n_trees)
    selection = with_trained_structure(selection, forest is not None, version, own)
    own = without_structure_note(own)
    return Project(
        lanes=lanes,
        classes=classes,
        selection=selection,
        feature_ids=ids,
        scales=scales,
        forest=forest,
        classifier=info,
        export=read_export(root.group("Prediction Export")),
        own=own,
        frozen=frozen,
        path=path,
        version=version_text,
        workflow=workflow,
        problems=tuple(problems),
    )


def _version_text(root: Node) -> str:
    text = root.text("ilastikVersion")
    if text is not None:
        return text
    if "DataSets" in root.names():
        return "0.5"
    raise ProjectError(
        "it is an HDF5 file but no ilastik project (it has no ilastikVersion)",
        where=root.where,
        remedy="give the path of an .ilp file",
    )


def _workflow(root: Node, problems: list[str]) -> str:
    name = root.text("workflowName")
    if name is None:
        problems.append(f"The project does not name its workflow; it is taken as {WORKFLOW}.")
        return WORKFLOW
    if "autocontext" in name.lower():
        raise ProjectError(
            f"it is a project of the workflow {name[:60]!r}, which predicts but cannot be opened here",
            where=root.where,
            remedy="give it to 'underbrush predict' or to underbrush-ilastik; paint in it with ilastik",
        )
    if name not in _WORKFLOW_NAMES:
        raise ProjectError(
            f"it is a project of the workflow {name[:60]!r}, and only {WORKFLOW} is supported",
            where=root.where,
            remedy="open it with ilastik",
        )
    return WORKFLOW


def _lanes(
    group: Node | None, sources: list[tuple[Source, Source | None]], version: Version, problems: list[str]
) -> tuple[Lane, ...]:
    sets = None if group is None else group.group("LabelSets")
    matched, rest = split_label_sets(sets, len(sources))
    lanes = []
    for i, (raw, mask) in enumerate(sources):
        labels: tuple[LabelBlock, ...] = ()
        if i in matched:
            labels = read_labels(matched[i], raw, version, problems)
        lanes.append(Lane(raw.name, raw, mask, labels))
    orphans = [n for n in rest if sets is not None and (g := sets.group(n)) is not None and g.names()]
    if orphans:
        problems.append(f"The labels {', '.join(orphans[:5])} belong to no image; they are left out.")
    return tuple(lanes)


def _default_classes(lanes: tuple[Lane, ...]) -> tuple[ClassInfo, ...]:
    """Classes for labels without a list of names: as many as the largest label says."""
    used = {k for lane in lanes for k in lane.label_counts if k != _ERASER}
    return tuple(
        ClassInfo(f"Label {k}", default_colour(k - 1), default_colour(k - 1))
        for k in range(1, max(used, default=0) + 1)
    )


def _only_known(lane: Lane, n_classes: int, problems: list[str]) -> Lane:
    """The lane without labels of classes that the project does not have."""
    unknown = {k: n for k, n in lane.label_counts.items() if k > n_classes}
    if not unknown:
        return lane
    problems.append(
        f"Image {lane.nickname!r}: {sum(unknown.values())} pixels carry the class"
        f" {', '.join(str(k) for k in list(unknown)[:5])} but the project has {n_classes} classes;"
        " they are left out."
    )
    kept = (
        trimmed(make_block(b.box, np.where(b.values > n_classes, 0, b.values).astype(np.uint8)))
        for b in lane.labels
    )
    return Lane(lane.nickname, lane.raw, lane.mask, tuple(b for b in kept if b is not None))


def _read_own(root: Node, problems: list[str]) -> tuple[Mapping[str, str], Mapping[str, Forest]]:
    """What only Underbrush stores: texts, and classifiers kept under a name."""
    group = root.group(OWN_GROUP)
    if group is None:
        return MappingProxyType({}), MappingProxyType({})
    version = group.number("StorageVersion")
    if version is None or version > OWN_VERSION:
        raise ProjectError(
            "it was saved by a newer Underbrush",
            where=root.where,
            remedy="open it with that version or a newer one",
        )
    texts = group.group("Texts")
    own = {} if texts is None else {n: t for n in texts.names() if (t := texts.text(n)) is not None}
    frozen = {}
    kept = group.group("Classifiers")
    for number, stored in [] if kept is None else kept.groups():
        name = stored.text("Name") or number
        try:
            frozen[name] = read_forest(stored, [n for n, _ in stored.groups()])[0]
        except ProjectError as error:
            problems.append(f"The kept classifier {name!r} cannot be used ({error.problem}).")
    return MappingProxyType(own), MappingProxyType(frozen)
