"""A small project of our own for the tests of the commands."""

from __future__ import annotations

import numpy as np

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project, Source
from underbrush.project.write import write_project

SIZE = (48, 57)


def threshold_forest(n_features: int, value: float) -> Forest:
    """One tree: feature 0 below ``value`` is class 1, else mostly class 2."""
    return Forest(
        roots=np.array([0], np.int32),
        feature=np.array([0, LEAF, LEAF], np.int32),
        threshold=np.array([value, 0, 0], np.float64),
        left=np.array([1, 0, 1], np.int32),
        right=np.array([2, 0, 1], np.int32),
        votes=np.array([[1, 0], [0.25, 0.75]]),
        weights=np.array([4.0, 4.0]),
        classes=np.array([1, 2], np.uint32),
        n_features=n_features,
    )


def make_project(path, channels=1, scales=(0.7, 1.6), volume=False):
    selection = FeatureSelection.all(scales).with_in_2d(not volume)
    n = selection.count(channels, volume)
    colours = ((0, 130, 200), (255, 225, 25))
    names = ("background", "nucleus")
    project = Project(
        lanes=(Lane("cells", Source("file", "cells.tif", "cells", ("cells.tif",), axes="yx", shape=SIZE)),),
        classes=tuple(ClassInfo(n, c, c) for n, c in zip(names, colours, strict=True)),
        selection=selection,
        feature_ids=selection.filters,
        scales=selection.scales,
        forest=threshold_forest(n, 100.0),
        classifier=ClassifierInfo("forest", 1, (1,), selection.names(channels, volume)),
    )
    write_project(project, path)
    return path
