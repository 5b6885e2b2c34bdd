"""Which structure tensor a stored forest was trained on.

Before 1.3 ilastik smoothed the products of derivatives at half the filter's sigma; later versions
exchange the two sigmas. The stored forests of real projects of both kinds were held against the
probabilities that their ilastik had written: only the matching order gives them. A forest trained
anew takes today's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from underbrush.core.features.selection import FeatureSelection
from underbrush.project.schema import Project
from underbrush.project.versions import Version

NOTE = "structure_tensor"
"""Name among our own texts, so that an old forest keeps its features when its project is saved anew."""
VIGRA = "vigra"
_EXCHANGED_SINCE = (1, 3)


def with_trained_structure(
    selection: FeatureSelection | None, has_forest: bool, version: Version, own: Mapping[str, str]
) -> FeatureSelection | None:
    """The selection with the structure tensor of the stored forest, for a project of ``version``."""
    old = version[:2] < _EXCHANGED_SINCE or own.get(NOTE) == VIGRA
    return replace(selection, vigra_structure=True) if selection and has_forest and old else selection


def structure_note(project: Project) -> dict[str, str]:
    """What is to be stored among our own texts."""
    selection = project.selection
    return {NOTE: VIGRA} if project.forest and selection and selection.vigra_structure else {}


def without_structure_note(own: Mapping[str, str]) -> Mapping[str, str]:
    """Our own texts without what belongs to the features."""
    return MappingProxyType({name: text for name, text in own.items() if name != NOTE})
