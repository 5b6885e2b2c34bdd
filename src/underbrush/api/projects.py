"""Projects for scripts."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import from_internal
from underbrush.core.labels import paint
from underbrush.engine.lanes import open_lane
from underbrush.errors import ProjectError
from underbrush.project.read import read_project
from underbrush.project.schema import ClassInfo, Lane, Project
from underbrush.sources.base import Image


def open_project(path: str | os.PathLike[str]) -> OpenProject:
    """Open a project file (.ilp) for reading.

    Raises
    ------
    ProjectError
        It is no pixel classification project that can be read; says why.
    """
    return OpenProject(read_project(path))


class OpenProject:
    """A project: its images, classes, strokes, features and classifier."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The images of the project with their strokes."""
        return self._project.lanes

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes; the value of a class is its place in this tuple, counted from 1."""
        return self._project.classes

    @property
    def features(self) -> FeatureSelection | None:
        """The chosen filters and scales, or None where nothing is chosen."""
        return self._project.selection

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each thing that could not be taken over or may surprise."""
        return self._project.problems

    def image(self, lane: int | str) -> Image:
        """The image of a lane, open; close it after use.

        Raises
        ------
        ProjectError
            There is no such lane, or its image is missing.
        """
        return open_lane(self._lane(lane), self._project)

    def labels(self, lane: int | str) -> NDArray[np.uint8]:
        """The strokes of a lane as an array of its image's size without channels, in its image's axis order.

        0 is unlabelled, else the class 1..N.

        Raises
        ------
        ProjectError
            There is no such lane, or neither project nor image says its size.
        """
        chosen = self._lane(lane)
        axes, shape = chosen.raw.axes, chosen.raw.shape5
        if axes is None or shape is None:
            with self.image(lane) as image:
                axes, shape = image.axes, image.shape5
        painted = paint(chosen.labels, (shape[0], 1, *shape[2:]))
        return np.ascontiguousarray(from_internal(painted, axes.replace("c", "")))

    def _lane(self, lane: int | str) -> Lane:
        lanes: dict[Any, Lane] = dict(enumerate(self.lanes))
        lanes |= {chosen.nickname: chosen for chosen in self.lanes}
        if lane not in lanes:
            names = ", ".join(chosen.nickname for chosen in self.lanes) or "none"
            raise ProjectError(
                f"there is no lane {lane!r}", where=self._project.path or "", remedy=f"the lanes are: {names}"
            )
        return lanes[lane]
