"""What ilastik's export page would do: names, region, type, ranges and axes of a result."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from underbrush.compat.axes import internal_axes
from underbrush.compat.formats import ENDINGS, opener
from underbrush.compat.inputs import Input
from underbrush.core.geometry import AXES, Shape5
from underbrush.engine.batch import Manner, Range, Request
from underbrush.errors import AxesError, UsageError
from underbrush.project.schema import ExportSettings
from underbrush.sources.base import Image

Result = Literal["probabilities", "segmentation", "uncertainty", "features", "labels", "image"]
SOURCES: dict[str, Result] = {
    "Probabilities": "probabilities",
    "Simple Segmentation": "segmentation",
    "Uncertainty": "uncertainty",
    "Features": "features",
    "Labels": "labels",
}
"""ilastik's name of a result -> ours."""
_KEY = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Source:
    """A result that can be asked for."""

    name: str
    """As ilastik writes it."""
    result: Result
    stage: int = 0
    """Which stage of an Autocontext project gives it, counted from 0."""
    all_stages: bool = False
    """The channels of all stages up to this one, the first stage's first."""


def sources(stages: int = 1) -> list[Source]:
    """The results of a project of so many stages; the first is written where none is named."""
    if stages == 1:
        return [Source(name, result) for name, result in SOURCES.items()]
    results: dict[str, Result] = {**SOURCES, "Input": "image"}
    # The last stage first, as in ilastik.
    of_stages = [
        Source(f"{name} Stage {k + 1}", result, k)
        for k in reversed(range(stages))
        for name, result in results.items()
    ]
    return [*of_stages, Source("Probabilities All Stages", "probabilities", stages - 1, all_stages=True)]


def source_named(name: str | None, stages: int = 1) -> Source:
    """The source of a name in any case; without one the first.

    Raises
    ------
    UsageError
        There is none of this name.
    """
    known = sources(stages)
    if name is None:
        return known[0]
    for source in known:
        if source.name.lower() == name.lower():
            return source
    names = ", ".join(source.name for source in known)
    raise UsageError(f"there is no export source {name!r}", remedy=f"use one of {names}")


@dataclass(frozen=True)
class Export:
    """All that is asked of the results of a run; see `ExportSettings` for the fields."""

    source: Source
    settings: ExportSettings
    base: Path
    """What relative names start from: the current folder where the name came from the command line."""
    project: Path

    def request(self, given: Input, image: Image, axes: str, n_channels: int) -> Request:
        """What is asked of one image, read in the order ``axes``.

        ``n_channels`` is the number of channels of the whole result.

        Raises
        ------
        AxesError
            The output order is none, or lacks an axis of several pixels.
        UsageError
            The region has not the axes of the image, or is empty.
        OutputError
            The format is not known or not written here.
        """
        settings = self.settings
        order, start, stop = self._region(image.shape5, n_channels)
        spans = dict(zip(order, zip(start, stop, strict=True), strict=True))
        channels = spans.pop("c")
        out = _output_axes(settings.axes or axes, spans, channels)
        values = self._names(given, order, (start, stop))
        return Request(
            image=given.given,
            output=self._path(values),
            format=settings.format,
            result=self.source.result,
            region=spans,
            dtype=self.dtype(image),
            rescale=self.ranges,
            manner=Manner(
                axes=out,
                inner_path=_filled(settings.internal_path, values),
                channels=None if channels == (0, n_channels) else channels,
                casts=True,
                outside=True,
                value_range=self.value_range(image),
                sink=opener(
                    settings.format,
                    {"c": channels[0]}
                    | {a: s[0] for a, s in spans.items()}
                    | dict.fromkeys(set("tz") - set(spans), 0),
                ),
            ),
        )

    def dtype(self, image: Image) -> np.dtype[Any]:
        """The type that is written."""
        if self.settings.dtype:
            try:
                return np.dtype(self.settings.dtype)
            except TypeError:
                problem = f"the project asks for values of the type {self.settings.dtype!r}"
                raise UsageError(problem, remedy="give --export_dtype") from None
        if self.source.result == "image":
            return image.dtype
        return np.dtype(np.uint8 if self.source.result in ("segmentation", "labels") else np.float32)

    @property
    def ranges(self) -> tuple[Range, Range] | None:
        """Range before and after, where both are given."""
        before, after = self.settings.input_range, self.settings.export_range
        if before is None or after is None:
            return None
        return (
            (before, after) if before[0] != before[1] else ((before[0], before[0] + 1), (after[0], after[0]))
        )

    def value_range(self, image: Image) -> Range | None:
        """What ilastik says of the values before they are rescaled."""
        found = {"features": None, "labels": (0.0, 255.0), "image": None}
        if self.source.result == "image" and image.dtype == np.uint8:
            return (0.0, 255.0)
        return found.get(self.source.result, (0.0, 1.0))

    def _region(self, shape: Shape5, n_channels: int) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
        """Internal axes, first pixel, and the one behind the last."""
        order = internal_axes(shape)
        sizes = dict(zip(AXES, shape, strict=True)) | {"c": n_channels}
        full = tuple(sizes[a] for a in order)
        first, last = self.settings.region_start, self.settings.region_stop
        if not first and not last:
            return order, (0,) * len(full), full
        if len(first) != len(order) or len(last) != len(order):
            raise UsageError(
                f"the region names {len(first)} axes, the image has the {len(order)} axes {order!r} here",
                remedy=f"give start and stop for {', '.join(order)}, None for all of an axis",
            )
        start = tuple(max(0, a or 0) for a in first)
        stop = tuple(min(n, b or n) for b, n in zip(last, full, strict=True))
        if any(a >= b for a, b in zip(start, stop, strict=True)):
            raise UsageError(
                f"the region {tuple(first)} to {tuple(last)} ({order}) is empty in a result of {full}",
                remedy="choose a region inside the image",
            )
        return order, start, stop

    def _names(
        self, given: Input, order: str, region: tuple[tuple[int, ...], tuple[int, ...]]
    ) -> dict[str, str]:
        """The values of the placeholders."""
        start, stop = region
        names = {
            "dataset_dir": given.folder,
            "nickname": given.nickname,
            "result_type": self.source.name,
            "project_dir": str(self.project.absolute().parent),
            "project_name": self.project.stem,
            "roi": str([start, stop]),
        }
        for axis, a, b in zip(order, start, stop, strict=True):
            names[f"{axis}_start"], names[f"{axis}_stop"] = str(a), str(b)
        return names

    def _path(self, names: Mapping[str, str]) -> Path:
        path = self.base / os.path.expanduser(_filled(self.settings.filename, names))  # noqa: PTH111
        ending = ENDINGS.get(self.settings.format, "")
        # The last dot and what follows it goes, as in ilastik, even where it is part of the nickname.
        return path.with_name(f"{os.path.splitext(path.name)[0]}.{ending}") if ending else path  # noqa: PTH122


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The placeholders that are known replaced; others stay as they are."""
    return _KEY.sub(lambda match: values.get(match[1], match[0]), text)


def _output_axes(axes: str, spans: Mapping[str, tuple[int, int]], channels: tuple[int, int]) -> str:
    out = axes.lower()
    unknown = sorted(set(out) - set(AXES))
    if unknown or len(set(out)) != len(out):
        raise AxesError(
            f"the output axes {axes!r} are no order of axes", remedy="use t, z, y, x, c, each once"
        )
    sizes = {a: b - first for a, (first, b) in spans.items()} | {"c": channels[1] - channels[0]}
    lost = [f"{a} ({n})" for a, n in sizes.items() if n > 1 and a not in out]
    if lost:
        raise AxesError(f"the output axes {axes!r} would lose {', '.join(lost)}", remedy="name them too")
    return out
