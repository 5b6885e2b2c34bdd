"""Which classifier a project stores: the forest itself, and what the text beside it says.

Classifiers of other makes are pickles. They are never loaded: their kind is told by patterns.
"""

from __future__ import annotations

import re

import numpy as np

from underbrush.core.forest.nodes import Forest
from underbrush.errors import ProjectError
from underbrush.project.forest_layout import read_forest
from underbrush.project.schema import ClassifierInfo
from underbrush.project.storage import Node

AGAIN = "it will be trained anew from the strokes"
_TREES = re.compile(r"[SV]'?_num_trees'?\s+(?:p\d+\s+)?I(\d{1,6})\b")
_SKLEARN_TREES = re.compile(r"_args'?\s+(?:p\d+\s+)?\(I(\d{1,6})\s")
_VIGRA = re.compile(r"vigraRf|VigraRf", re.IGNORECASE)
_MAX_TREES = 10_000


def read_classifier(group: Node | None, problems: list[str]) -> tuple[Forest | None, ClassifierInfo]:
    """The stored forest (None if there is none that can be used) and what is known of it.

    A classifier that cannot be used adds a sentence to ``problems``; the project opens all the same.
    """
    if group is None:
        return None, ClassifierInfo()
    factory = group.text("ClassifierFactory") or ""
    n_trees = _factory_trees(factory)
    stored = group.group("ClassifierForests")
    if stored is None:
        if factory and not _VIGRA.search(factory):
            problems.append(
                "The project asks for a classifier that is not ilastik's random forest;"
                f" a random forest of {n_trees} trees is trained instead."
            )
        return None, ClassifierInfo(n_trees=n_trees)
    try:
        forest, parts = _stored_forest(stored)
    except ProjectError as error:
        problems.append(f"The stored classifier cannot be used ({error.problem}); {AGAIN}.")
        return None, ClassifierInfo(n_trees=n_trees)
    if forest is None:
        if stored.names():
            problems.append(f"The stored classifier is not a random forest and is not loaded; {AGAIN}.")
            return None, ClassifierInfo("other", n_trees)
        return None, ClassifierInfo(n_trees=n_trees)
    names = tuple(stored.texts("feature_names") or ())
    if names and len(names) != forest.n_features:
        problems.append(
            f"The stored classifier has {forest.n_features} columns but {len(names)} feature names; {AGAIN}."
        )
        return None, ClassifierInfo(n_trees=n_trees)
    importances = stored.numbers("named_importances_values")
    if importances is not None and importances.shape == (forest.n_features, forest.n_classes + 2):
        importances = importances.astype(np.float64)
        importances.flags.writeable = False
    else:
        importances = None
    if factory and _TREES.search(factory) and forest.n_trees < n_trees:
        problems.append(
            f"The project is to have {n_trees} trees but {forest.n_trees} are stored; predictions use these."
        )
    return forest, ClassifierInfo("forest", n_trees, parts, names, importances)


def _factory_trees(text: str) -> int:
    match = _TREES.search(text) or _SKLEARN_TREES.search(text)
    count = int(match.group(1)) if match else 0
    return count if 1 <= count <= _MAX_TREES else ClassifierInfo().n_trees


def _stored_forest(stored: Node) -> tuple[Forest | None, tuple[int, ...]]:
    kind = stored.text("pickled_type") or ""
    names = [n for n, _ in stored.groups() if n.startswith("Forest")]
    if not names and stored.group("forest") is not None:
        names = ["forest"]
    if not names or "sklearn" in kind.lower():
        return None, ()
    numbers = sorted(int(n[6:]) for n in names if n[6:].isdigit())
    missing = sorted(set(range(len(numbers))) - set(numbers))
    if missing:
        raise ProjectError(f"its part Forest{missing[0]:04} is missing")
    return read_forest(stored, names)
