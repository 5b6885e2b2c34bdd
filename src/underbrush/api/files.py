"""Image files to result files, as `underbrush predict` and the window write them, in the same bytes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack, cast

import numpy as np

from underbrush.api.estimator import thread_count
from underbrush.api.wording import in_words_of_python, parameters
from underbrush.core.results import RESULTS
from underbrush.engine.batch import Limits, Manner, Range, Request, check_distinct
from underbrush.engine.export_wish import check_order
from underbrush.engine.lanes import files_of, lane_files
from underbrush.engine.many import Task, in_turn, run_many
from underbrush.engine.memory import memory_cap
from underbrush.engine.naming import DEFAULT_PATTERN, Naming, output_path
from underbrush.engine.stages import read_trained
from underbrush.errors import ArgumentError, OutputError
from underbrush.files import check_kept
from underbrush.sinks.base import ResultKind
from underbrush.sinks.formats import check_ending, find_format, format_of, suffix_of


class PredictOptions(TypedDict, total=False):
    """Options of `predict_files`, by the names of the command line."""

    result: str
    """segmentation (default), probabilities, uncertainty, features or objects."""
    classes: Sequence[str]
    """Classes that objects are made of, by name or number; by default all but the first."""
    format: str
    """By default from the ending of ``output``, else tiff."""
    axes: str
    """Order of the axes of the images, instead of the files' own."""
    masks: Sequence[str]
    """An image for each image; where it is 0, the result is 0."""
    region: str
    """As in ``"y=0:512,x=100:"``."""
    dtype: str
    """numpy name of the type to write."""
    rescale: str
    """From which range to which, as in ``"0:1,0:255"``."""
    output_axes: str
    """Order of the axes in hdf5, n5 and npy files, and of a sequence the axis first along which it steps."""
    classifier: str
    """A classifier that the project keeps under this name."""
    n_jobs: int | None
    memory: str


def predict_files(
    project: str | os.PathLike[str],
    images: Sequence[str | os.PathLike[str]],
    output: str = DEFAULT_PATTERN,
    **options: Unpack[PredictOptions],
) -> list[Path]:
    """Classify image files with a trained project and write the results.

    Small images are computed side by side, large ones on all threads one after the other; the bytes are the
    same for any number of threads.

    Parameters
    ----------
    project
        The .ilp file; without a classifier one is trained from its strokes.
    images
        Paths, with the inner dataset where there is one (``a.h5/data``).
    output
        A path with ``{project_dir} {project} {dataset_dir} {nickname} {result}``.
    options
        See `PredictOptions`. ``n_jobs``: threads, -1 for all cores, None for one; ``memory``: the most that
        the process may hold, as in ``"4GB"``, by default a quarter of the machine's.

    Returns
    -------
    The files that were written, in the order of ``images``.

    Raises
    ------
    UnderbrushError
        Project, options or an image cannot be used: the first in the order of ``images``. Nothing is left of
        its result, those before it are complete, those after it are complete or not there.
    """
    with in_words_of_python():
        return _predict(Path(project), images, output, options)


def _predict(
    path: Path, images: Sequence[str | os.PathLike[str]], output: str, options: PredictOptions
) -> list[Path]:
    threads = thread_count(options.get("n_jobs", -1))
    limits = Limits(threads, memory_cap(options.get("memory")))
    tell = partial(warnings.warn, category=UserWarning, stacklevel=5)
    opened, model = read_trained(path, threads, tell, options.get("classifier"))
    _warn(model.notices)
    requests = _requests(path, [os.fspath(image) for image in images], output, options)
    check_distinct([(r.image, r.output) for r in requests])
    inputs = [file for r in requests for a in (r.image, r.mask) if a for file in files_of(a)]
    check_kept([r.output for r in requests], [*inputs, *lane_files(opened)])
    with closing(run_many(model, [Task(request) for request in requests], limits)) as outcomes:
        for outcome in in_turn(outcomes):
            if outcome.failure is not None:
                raise outcome.failure
            _warn(outcome.notices)
    return [request.output for request in requests]


def _warn(notices: Sequence[str]) -> None:
    for notice in notices:
        warnings.warn(parameters(notice), UserWarning, stacklevel=4)


def _requests(project: Path, images: list[str], output: str, options: PredictOptions) -> list[Request]:
    result = options.get("result", "segmentation")
    if result not in RESULTS:
        raise ArgumentError(f"there is no result {result!r}", remedy=f"use one of {', '.join(RESULTS)}")
    if options.get("classes") and result != "objects":
        raise ArgumentError(f"classes are for objects, not for {result}", remedy='add result="objects"')
    masks: Sequence[str | None] = options.get("masks") or [None] * len(images)
    if len(masks) != len(images):
        raise ArgumentError(
            f"{len(masks)} masks for {len(images)} images", remedy="give one mask for each image, or none"
        )
    name = options.get("format")
    if name is None:
        check_ending(output)
    try:
        format_name = find_format(name).name if name else format_of(output)
    except OutputError:
        if name is not None:
            raise
        format_name = "tiff"
    check_order(options.get("output_axes"), format_name)
    dtype = options.get("dtype")
    naming = Naming(project, result)
    return [
        Request(
            image=image,
            output=output_path(output, image, naming, suffix_of(format_name)),
            format=format_name,
            result=cast("ResultKind", result),
            axes=options.get("axes"),
            mask=mask,
            region=_region(options.get("region", "")),
            dtype=None if dtype is None else _dtype(dtype),
            rescale=_rescale(options.get("rescale")),
            manner=Manner(axes=options.get("output_axes"), objects=tuple(options.get("classes", ()))),
        )
        for image, mask in zip(images, masks, strict=True)
    ]


def _dtype(name: str) -> np.dtype[np.generic]:
    try:
        return np.dtype(name)
    except TypeError:
        raise ArgumentError(
            f"there is no dtype {name!r}", remedy="use one such as uint8 or float32"
        ) from None


def _region(text: str) -> dict[str, tuple[int | None, int | None]]:
    found: dict[str, tuple[int | None, int | None]] = {}
    try:
        for part in filter(None, text.split(",")):
            axis, span = part.split("=")
            start, stop = (int(end) if end.strip() else None for end in span.split(":"))
            found[axis.strip().lower()] = (start, stop)
    except ValueError:
        remedy = "write it as in y=0:512,x=100:"
        raise ArgumentError(f"the region {text!r} is not understood", remedy=remedy) from None
    return found


def _rescale(text: str | None) -> tuple[Range, Range] | None:
    if text is None:
        return None
    try:
        (a, b), (c, d) = (map(float, part.split(":")) for part in text.split(","))
        if not (a < b and np.isfinite([a, b, c, d]).all()):
            raise ValueError
    except ValueError:
        remedy = "write it as in 0:1,0:255"
        raise ArgumentError(f"the scaling {text!r} is not understood", remedy=remedy) from None
    return (a, b), (c, d)
