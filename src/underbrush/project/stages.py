"""ilastik's Autocontext projects, stage by stage: the second sees what the first one says."""

from __future__ import annotations

from pathlib import Path

from underbrush.errors import ProjectError
from underbrush.project.read import read_root
from underbrush.project.schema import WORKFLOW, Project
from underbrush.project.storage import Node, open_storage

STAGED = "PixelClassification", "FeatureSelections"
"""Groups of which each stage has its own; those of later stages end with the stage's number, from 01."""


class _Stage(Node):
    """The root of a project of several stages, as if it were one of pixel classification of a later stage."""

    def __init__(self, root: Node, suffix: str) -> None:
        super().__init__(root._group, root.where, root._file_size, root.path, root._heap)
        self._suffix = suffix

    def group(self, name: str) -> Node | None:
        return super().group(name + self._suffix if name in STAGED else name)

    def text(self, name: str) -> str | None:
        return WORKFLOW if name == "workflowName" else super().text(name)


def stages_of(path: Path) -> tuple[Project, ...]:
    """The stages of an Autocontext project, first to last, each as a project; empty for other workflows.

    Raises
    ------
    ProjectError
        It cannot be read.
    """
    with open_storage(path) as root:
        if "autocontext" not in (root.text("workflowName") or "").lower():
            return ()
        names = root.names()
        suffixes = [""] + [f"{k:02d}" for k in range(1, 9) if f"{STAGED[0]}{k:02d}" in names]
        return tuple(read_root(_Stage(root, suffix), path) for suffix in suffixes)


def pixel_part(path: Path) -> tuple[Project, str]:
    """What of a project of any workflow is pixel classification, and the name of its workflow.

    Images, classes, strokes and features are those of its pixel classification; of several stages
    (Autocontext) those of the first, whose features are of the images alone.

    Raises
    ------
    ProjectError
        It cannot be read, or has no pixel classification in it.
    """
    with open_storage(path) as root:
        workflow = root.text("workflowName") or WORKFLOW
        if STAGED[0] not in root.names() and workflow != WORKFLOW:
            raise ProjectError(
                f"there is no pixel classification in this project of the workflow {workflow[:60]!r}",
                where=path,
                remedy="choose another project",
            )
        return read_root(_Stage(root, ""), path), workflow
