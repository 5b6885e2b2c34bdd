"""ilastik's Autocontext projects trained again and saved; see `project.stages` and `engine.stages`."""

from __future__ import annotations

from pathlib import Path

from underbrush.core.recipe import Recipe
from underbrush.engine.model import model_of
from underbrush.engine.stages import trained_stage
from underbrush.errors import ProjectError
from underbrush.files import Replacing, hdf5_in
from underbrush.project.forest_writer import write_forests
from underbrush.project.lock import lock_project
from underbrush.project.members import write_list, write_text
from underbrush.project.schema import Project
from underbrush.project.stages import STAGED, stages_of
from underbrush.project.storage import open_storage
from underbrush.project.versions import parse_version

FOREST_TYPE = (
    "clazyflow.classifiers.parallelVigraRfLazyflowClassifier\nParallelVigraRfLazyflowClassifier\np0\n."
)
"""What ilastik looks for to know the kind of a classifier; never loaded here."""


def retrain_stages(path: Path, threads: int) -> None:
    """Train all stages from their strokes, each on what the one before it now gives, and save the project.

    All else that the file holds stays as it is.

    Raises
    ------
    ProjectError
        A stage has no features or strokes of fewer than two classes, an image is missing, somebody else has
        the project open, or it is of a version before 1.3 (whose features are not those of today).
    OutputError
        It cannot be written; the file is as it was.
    """
    lock = lock_project(path)
    try:
        if lock.read_only is not None:
            raise ProjectError(f"it cannot be changed ({lock.read_only})", where=path)
        stages = stages_of(path)
        if parse_version(stages[0].version)[:2] < (1, 3):
            raise ProjectError(
                f"it is of ilastik {stages[0].version}, whose features were others",
                where=path,
                remedy="save it with ilastik 1.3 or newer first",
            )
        built: list[Project] = []
        recipes: tuple[Recipe, ...] = ()
        for project in stages:
            built.append(trained_stage(project, recipes, threads))
            recipes = (*recipes, model_of(built[-1]).recipe)
        _save_forests(path, built)
    finally:
        lock.release()


def _save_forests(path: Path, stages: list[Project]) -> None:
    with Replacing(path) as output, hdf5_in(output, "w") as new, open_storage(path) as root:
        for name in root.names():
            root.copy_to(name, new)
        for k, project in enumerate(stages):
            forest = project.forest
            assert forest is not None
            group = new[STAGED[0] + (f"{k:02d}" if k else "")]
            if "ClassifierForests" in group:
                del group["ClassifierForests"]
            forests = group.create_group("ClassifierForests")
            write_forests(forests, forest, project.classifier.parts)
            write_list(forests, "feature_names", project.classifier.feature_names, marked=False)
            write_text(forests, "pickled_type", FOREST_TYPE)
