"""Underbrush: a few brush strokes grow a forest that segments your images.

Images come in through `sources`, become features and probabilities in `core`, are asked for by `engine`,
and leave through `sinks` or `web`; `project` remembers. Imports point one way:

    errors, files, jit, log, config -> core -> sources, sinks -> project -> engine -> api -> cli, web

The public names below load what they need when they are first used: ``import underbrush`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from underbrush.api.arrays import compute_features
    from underbrush.api.files import predict_files
    from underbrush.api.forest_classifier import ForestClassifier
    from underbrush.api.pixel_classifier import PixelClassifier
    from underbrush.api.projects import open_project
    from underbrush.core.features.selection import FeatureSelection
    from underbrush.errors import UnderbrushError
    from underbrush.sources.opening import open_image

__version__ = "0.1.0.dev0"

__all__ = [
    "FeatureSelection",
    "ForestClassifier",
    "PixelClassifier",
    "UnderbrushError",
    "__version__",
    "compute_features",
    "open_image",
    "open_project",
    "predict_files",
]

_HOMES = {
    "FeatureSelection": "core.features.selection",
    "ForestClassifier": "api.forest_classifier",
    "PixelClassifier": "api.pixel_classifier",
    "UnderbrushError": "errors",
    "compute_features": "api.arrays",
    "open_image": "sources.opening",
    "open_project": "api.projects",
    "predict_files": "api.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'underbrush' has no attribute {name!r}")
    value = getattr(import_module(f"underbrush.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))
