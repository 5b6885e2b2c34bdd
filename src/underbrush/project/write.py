"""Save a project so that ilastik 1.4 opens it and nothing of the old file is lost.

The file is written beside the old one, synced, opened again and compared with what was to be saved, and
only then takes the old one's name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from underbrush.core.forest.nodes import Forest
from underbrush.errors import ProjectError
from underbrush.files import Replacing, hdf5_in
from underbrush.project.forest_writer import write_forests
from underbrush.project.inputs_writer import Embedded, write_inputs
from underbrush.project.labels_writer import write_label_sets
from underbrush.project.members import write_list, write_text
from underbrush.project.normal_form import normal_form
from underbrush.project.own import HISTORY
from underbrush.project.read import OWN_GROUP, OWN_VERSION, read_root
from underbrush.project.schema import WORKFLOW, WRITTEN_VERSION, ExportSettings, Project
from underbrush.project.shapes import with_known_shapes
from underbrush.project.storage import LockedError, Node, open_storage
from underbrush.project.structure import structure_note

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS: Mapping[str, frozenset[str]] = {
    "": frozenset({"ilastikVersion", "workflowName", "time", "Input Data", "FeatureSelections",
                   "PixelClassification", "Prediction Export", OWN_GROUP}),
    "PixelClassification": frozenset({"StorageVersion", "LabelNames", "LabelColors", "PmapColors",
                                      "LabelSets", "ClassifierFactory", "ClassifierForests"}),
    "Prediction Export": frozenset({"StorageVersion", "OutputFormat", "OutputFilenameFormat",
                                    "OutputInternalPath", "OutputAxisOrder", "ExportDtype", "RegionStart",
                                    "RegionStop", "InputMin", "InputMax", "ExportMin", "ExportMax"}),
    "FeatureSelections": frozenset({"StorageVersion", "FeatureIds", "Scales", "SelectionMatrix",
                                    "ComputeIn2d", "FeatureListFilename"}),
}  # fmt: skip
"""Members that are written anew; all others of these groups are taken over from the old file."""


def write_project(
    project: Project,
    path: str | os.PathLike[str],
    *,
    embed: Mapping[str, Embedded] | None = None,
) -> Project:
    """Save ``project`` as ``path`` and give it back as it now is (what `read_project` would give).

    Members of the file that the project was read from (``project.path``) and that Underbrush does not know
    are kept, and so are images embedded there as long as a lane or the history speaks of them. ``embed``
    gives the pixels of newly embedded images: inner path of a source (see `embedded_source`) -> array in the
    order of its axes, or pieces of it. A classifier that is not a
    random forest is kept as it is; whoever changes labels, classes or features sets ``forest`` to None and
    ``classifier`` to a ``ClassifierInfo`` of kind "none", or ilastik would go on with the stale one.

    Raises
    ------
    OutputError
        The disk is full, the place cannot be written; ``path`` is as it was before.
    ProjectError
        Another program is writing the old file, or what was written does not read back as the same project;
        ``path`` is as it was before.
    """
    with written_beside(project, path, embed=embed) as (output, saved):
        output.commit()
    return saved


@contextmanager
def written_beside(
    project: Project,
    path: str | os.PathLike[str],
    *,
    embed: Mapping[str, Embedded] | None = None,
) -> Iterator[tuple[Replacing, Project]]:
    """The project in a file beside ``path``, synced, opened again and compared, and as it then is.

    It takes the name when the caller calls ``commit``; without that it is gone at the end of the block. See
    `write_project` for the arguments and what is raised.
    """
    target = Path(path)
    project = with_known_shapes(project)
    saved = normal_form(project, target)
    problems: list[str] = []
    output = Replacing(target)
    try:
        with hdf5_in(output.file, "w") as file, _old(project, problems) as old:
            _write(file, saved, old, embed or {}, problems)
        output.file.fsync()
        with hdf5_in(output.file, "r") as file:
            size = output.file.seek(0, os.SEEK_END)
            again = read_root(Node(file, str(target), size), target)
        if _without_kind(again) != _without_kind(saved):
            raise ProjectError(
                "what was written does not read back as the same project; the old file is untouched",
                where=target,
                remedy="check the disk, and report this if it happens again",
            )
        yield output, replace(again, problems=(*again.problems, *problems))
    finally:
        output.abort()


def _without_kind(project: Project) -> Project:
    """The project without the kind of a classifier that is not loaded (it may not have been kept)."""
    if project.forest is not None:
        return project
    return replace(project, classifier=replace(project.classifier, kind="none"))


@contextmanager
def _old(project: Project, problems: list[str]) -> Iterator[Node | None]:
    """The file that the project was read from, if it is still there."""
    if project.path is None:
        yield None
        return
    try:
        opened = open_storage(project.path)
        root = opened.__enter__()
    except LockedError:
        raise
    except ProjectError as error:
        problems.append(f"Parts of the old file that Underbrush does not know were not kept: {error}")
        yield None
        return
    try:
        yield root
    finally:
        opened.__exit__(None, None, None)


def _write(
    file: h5py.File,
    project: Project,
    old: Node | None,
    embed: Mapping[str, Embedded],
    problems: list[str],
) -> None:
    write_text(file, "ilastikVersion", WRITTEN_VERSION)
    write_text(file, "workflowName", WORKFLOW)
    write_text(file, "time", time.ctime())
    spoken = project.own.get(HISTORY, "")
    write_inputs(file.create_group("Input Data"), project.lanes, old, embed, problems, spoken)
    _write_features(file.create_group("FeatureSelections"), project)
    training = file.create_group("PixelClassification")
    _write_training(training, project, old, problems)
    _write_export(file.create_group("Prediction Export"), project.export)
    texts = dict(project.own) | structure_note(project)
    if texts or project.frozen:
        _write_own(file.create_group(OWN_GROUP), texts, project.frozen)
    for name, ours in _OURS.items():
        source = old if old is None or not name else old.group(name)
        if source is not None:
            keep = [n for n in source.names() if n not in ours]
            if name == "PixelClassification" and not _same_lanes(old, project):
                keep = [n for n in keep if n != "Bookmarks"]  # one a lane: they would not fit
            _copy(source, keep, file[name] if name else file, problems)


def _copy(source: Node, names: list[str], target: h5py.Group, problems: list[str]) -> None:
    for name in names:
        try:
            source.copy_to(name, target)
        except ProjectError as error:
            problems.append(f"A part of the old file could not be kept: {error.problem}.")


def _same_lanes(old: Node | None, project: Project) -> bool:
    inputs = None if old is None else old.group("Input Data")
    infos = None if inputs is None else inputs.group("infos")
    return infos is not None and len(infos.names()) == len(project.lanes)


def _write_features(group: h5py.Group, project: Project) -> None:
    if not project.feature_ids:
        return
    write_text(group, "StorageVersion", "0.1")
    write_list(group, "FeatureIds", project.feature_ids, marked=False)
    group["Scales"] = np.array(project.scales, np.float64)
    if project.selection is not None:
        shape = (len(project.feature_ids), len(project.scales))
        group["SelectionMatrix"] = np.array(project.selection.matrix, bool).reshape(shape)
        if project.selection.in_2d is not None:
            group["ComputeIn2d"] = np.array(project.selection.in_2d, bool)


def _write_training(group: h5py.Group, project: Project, old: Node | None, problems: list[str]) -> None:
    write_text(group, "StorageVersion", "0.1")
    write_list(group, "LabelNames", [c.name for c in project.classes])
    write_list(group, "LabelColors", [c.colour for c in project.classes])
    write_list(group, "PmapColors", [c.probability_colour for c in project.classes])
    write_label_sets(group.create_group("LabelSets"), project.lanes)
    info = project.classifier
    before = None if old is None else old.group("PixelClassification")
    if info.kind == "other" and before is not None:
        _copy(
            before,
            [n for n in ("ClassifierFactory", "ClassifierForests") if n in before.names()],
            group,
            problems,
        )
        return
    write_text(group, "ClassifierFactory", factory_text(info.n_trees, max(1, len(info.parts))))
    if project.forest is None:
        return
    forests = group.create_group("ClassifierForests")
    write_forests(forests, project.forest, info.parts)
    if info.feature_names:
        write_list(forests, "feature_names", info.feature_names, marked=False)
    if info.importances is not None:
        keys = [*(f"Class {k}" for k in project.forest.classes), "Overall", "Gini"]
        write_list(forests, "named_importances_keys", keys, marked=False)
        forests["named_importances_values"] = info.importances
    write_text(
        forests,
        "pickled_type",
        "clazyflow.classifiers.parallelVigraRfLazyflowClassifier\nParallelVigraRfLazyflowClassifier\np0\n.",
    )


def factory_text(n_trees: int, n_forests: int) -> str:
    """The text from which ilastik takes the number of trees and of forests to train.

    ilastik searches it with patterns, so it keeps the form of a pickle of protocol 0.
    """
    module = "lazyflow.classifiers.parallelVigraRfLazyflowClassifier"
    lines = (
        "ccopy_reg", "_reconstructor", "p0", f"(c{module}", "ParallelVigraRfLazyflowClassifierFactory", "p1",
        "c__builtin__", "object", "p2", "Ntp3", "Rp4", "(dp5", "VVERSION", "p6", "I2", "sV_num_trees", "p7",
        f"I{n_trees}", "sV_label_proportion", "p8", "NsV_variable_importance_path", "p9",
        "NsV_variable_importance_enabled", "p10", "I00", "sV_kwargs", "p11", "(dp12", "sV_num_forests", "p13",
        f"I{n_forests}", "sb.",
    )  # fmt: skip
    return "\n".join(lines)


def _write_export(group: h5py.Group, export: ExportSettings) -> None:
    write_text(group, "StorageVersion", "0.1")
    write_text(group, "OutputFormat", export.format)
    write_text(group, "OutputFilenameFormat", export.filename)
    write_text(group, "OutputInternalPath", export.internal_path)
    if export.axes:
        write_text(group, "OutputAxisOrder", export.axes)
    if export.dtype:
        write_text(group, "ExportDtype", export.dtype)
    for name, region in (("RegionStart", export.region_start), ("RegionStop", export.region_stop)):
        if region:
            group[name] = np.array([-1 if n is None else n for n in region], np.int64)
            group[name].attrs["isEmpty"] = False
    for name, span in (("Input", export.input_range), ("Export", export.export_range)):
        if span is not None:
            group[f"{name}Min"], group[f"{name}Max"] = span


def _write_own(group: h5py.Group, own: Mapping[str, str], frozen: Mapping[str, Forest]) -> None:
    group["StorageVersion"] = OWN_VERSION
    texts = group.create_group("Texts")
    for name, text in own.items():
        write_text(texts, name, text)
    kept = group.create_group("Classifiers")
    for number, (name, forest) in enumerate(frozen.items()):
        stored = kept.create_group(f"{number:04}")
        write_text(stored, "Name", name)
        write_forests(stored, forest, (forest.n_trees,))
