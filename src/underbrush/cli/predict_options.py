"""What the options of `underbrush predict` mean, each checked before anything is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from underbrush.core.pieces import WHOLE, Share
from underbrush.core.results import RESULTS
from underbrush.errors import OutputError, UsageError
from underbrush.sinks.formats import FORMATS, check_ending, find_format, format_of

if TYPE_CHECKING:
    from underbrush.engine.batch import Request

Range = tuple[float, float]
KINDS = (*RESULTS, "labels")
"""What can be written; labels are the strokes themselves."""
DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options that all images share, checked."""

    result: Any
    format: str
    dtype: np.dtype[Any] | None
    rescale: tuple[Range, Range] | None
    region: dict[str, tuple[int | None, int | None]]
    axes: str | None
    objects: tuple[str, ...] = ()
    """Names or numbers of the classes that objects are made of."""

    @classmethod
    def parse(
        cls,
        result: str,
        format_name: str | None,
        output: str,
        dtype: str | None,
        rescale: str | None,
        region: str | None,
        axes: str | None,
        classes: str | None = None,
    ) -> Wanted:
        """Check them.

        Raises
        ------
        UsageError
            One cannot be.
        """
        from underbrush.engine.export_wish import check_order

        if result not in KINDS:
            raise UsageError(f"there is no result {result!r}", remedy=f"use one of {', '.join(KINDS)}")
        if dtype is not None and dtype not in DTYPES:
            raise UsageError(f"there is no dtype {dtype!r}", remedy=f"use one of {', '.join(DTYPES)}")
        name = parse_format(format_name, output)
        check_order(axes, name)
        return cls(
            result,
            name,
            None if dtype is None else np.dtype(dtype),
            None if rescale is None else parse_rescale(rescale),
            {} if region is None else parse_region(region),
            axes,
            parse_classes(classes, result),
        )

    def request(self, image: str, path: Path, axes: str | None, mask: str | None) -> Request:
        """What is asked of one image."""
        from underbrush.engine.batch import Manner, Request

        return Request(
            image,
            path,
            self.format,
            self.result,
            axes,
            mask,
            self.region,
            self.dtype,
            self.rescale,
            Manner(axes=self.axes, objects=self.objects),
        )


def usual_place(output: str | None, format_name: str | None) -> tuple[str, str | None]:
    """Where results go and in which format; what was not said is as the settings have it.

    Raises
    ------
    UsageError
        The settings say what cannot be, or the output ends like a file of no format.
    """
    from underbrush.engine.export_usual import usual_wish
    from underbrush.engine.export_wish import full_pattern

    if output is not None and format_name is None:
        check_ending(output)
    usual = usual_wish()
    if format_name is None and (output is None or not _has_ending(output)):
        format_name = usual.format
    return full_pattern(usual) if output is None else output, format_name


def _has_ending(output: str) -> bool:
    try:
        format_of(output)
    except OutputError:
        return False
    return True


def parse_format(name: str | None, output: str) -> str:
    """The format that was named, else that of the suffix of ``output``, else TIFF.

    Raises
    ------
    UsageError
        There is no such format.
    """
    try:
        return find_format(name).name if name else format_of(output)
    except OutputError:
        if name is None:
            return "tiff"
        names = ", ".join(f.name for f in FORMATS)
        raise UsageError(f"there is no format {name!r}", remedy=f"use one of {names}") from None


def parse_classes(text: str | None, result: str) -> tuple[str, ...]:
    """``nucleus,3`` as names or numbers of classes; they are known when the project is open.

    Raises
    ------
    UsageError
        Nothing is named, or the result is no objects.
    """
    if text is None:
        return ()
    if result != "objects":
        raise UsageError(f"--classes is for objects, not for {result}", remedy="add --result objects")
    found = tuple(name for part in text.split(",") if (name := part.strip()))
    if not found:
        raise UsageError("--classes names no class", remedy="write it as in --classes nucleus,3")
    return found


def parse_region(text: str) -> dict[str, tuple[int | None, int | None]]:
    """``y=0:512,x=100:`` as start and stop for each axis.

    Raises
    ------
    UsageError
        It is written otherwise.
    """
    region: dict[str, tuple[int | None, int | None]] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([a-z])\s*=\s*(-?\d+)?\s*:\s*(-?\d+)?\s*", part.lower())
        if match is None or match[1] in region:
            raise UsageError(f"--region {text!r} is not understood", remedy="write it as in y=0:512,x=100:")
        region[match[1]] = (int(match[2]) if match[2] else None, int(match[3]) if match[3] else None)
    return region


def parse_rescale(text: str) -> tuple[Range, Range]:
    """``0:1,0:255`` as two ranges.

    Raises
    ------
    UsageError
        It is written otherwise, or the first range is empty.
    """
    try:
        (a, b), (c, d) = (map(float, part.split(":")) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--rescale {text!r} is not understood", remedy="write it as in 0:1,0:255") from None
    if not (a < b and np.isfinite([a, b, c, d]).all()):
        raise UsageError(f"--rescale {text!r} has an empty range", remedy="write it as in 0:1,0:255")
    largest = float(np.finfo(np.float32).max)
    if max(abs(a), abs(b), abs(c), abs(d)) > largest or abs(d - c) / (b - a) > largest:
        problem = f"--rescale {text!r} stretches beyond the numbers of float32"
        raise UsageError(problem, remedy="write it as in 0:1,0:255")
    return (a, b), (c, d)


def parse_part(text: str | None) -> Share:
    """``3/40`` as the third of forty parts; None: the whole.

    Raises
    ------
    UsageError
        It is written otherwise.
    """
    if text is None:
        return WHOLE
    match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    if match is None:
        raise UsageError(f"--part {text!r} is not understood", remedy="write it as in 3/40")
    if not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(
            f"--part {text}: there is no part {int(match[1])} of {int(match[2])}",
            remedy=f"give 1/{match[2]} to {match[2]}/{match[2]}" if int(match[2]) else "write it as in 3/40",
        )
    return Share(int(match[1]), int(match[2]))
