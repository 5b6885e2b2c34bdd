"""The classes of ``ilastik.experimental.api`` on our engine: other imports, nothing else to change.

    from underbrush.compat.ilastik import PixelClassificationPipeline

    pipeline = PixelClassificationPipeline.from_ilp_file("cells.ilp")
    probabilities = pipeline.get_probabilities(image)          # an xarray.DataArray, as its input

Arrays of numpy are taken as well, with their axes named: ``get_probabilities(array, axes="yx")``.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from underbrush.api.estimator import thread_count
from underbrush.compat.axes import internal_axes, with_channel
from underbrush.core.geometry import from_internal
from underbrush.engine.arrays import predict_array
from underbrush.engine.current import read_current
from underbrush.engine.stages import stage_models, staged_image
from underbrush.errors import ArgumentError, ArgumentTypeError, MismatchError, ProjectError
from underbrush.project.schema import Project
from underbrush.project.stages import stages_of
from underbrush.sources.array import ArrayImage


class _Pipeline:
    """What both pipelines share: arrays in the order of the project's last image, stage by stage."""

    def __init__(self, stages: tuple[Project, ...], n_jobs: int | None) -> None:
        self._threads = thread_count(-1 if n_jobs is None else n_jobs)
        models = stage_models(stages, len(stages) - 1, self._threads)
        for notice in dict.fromkeys(notice for model in models for notice in model.notices):
            warnings.warn(notice, UserWarning, stacklevel=4)
        self._recipes = tuple(model.recipe for model in models)
        project = stages[0]
        last = project.lanes[-1].raw if project.lanes else None
        self._axes = None if last is None else last.axes
        shape = None if last is None else last.shape5
        self._channels = None if shape is None else shape[1]

    def _probabilities(self, raw_data: Any, axes: str | None, stage: int) -> Any:
        """Of the stage, counted from 0; see `PixelClassificationPipeline.get_probabilities`."""
        array, order, plain = _array_and_axes(raw_data, axes)
        image = ArrayImage(array, order, "raw_data")
        self._check(image)
        try:
            seen = staged_image(image, self._recipes[:stage])
            values, report = predict_array(seen, self._recipes[stage], self._threads)
        except MismatchError as error:  # a project that does not say how many channels its images have
            raise ArgumentError(error.problem, where="raw_data", remedy=error.remedy) from None
        for sentence in report.sentences:
            warnings.warn(sentence, UserWarning, stacklevel=3)
        out = with_channel(self._axes or internal_axes(image.shape5))
        sizes = dict(zip("tczyx", values.shape, strict=True))
        out = "".join(a for a in "tz" if a not in out and sizes[a] > 1) + out
        result = np.ascontiguousarray(from_internal(values, out))
        return result if plain else _data_array(result, out)

    def _check(self, image: ArrayImage) -> None:
        channels = image.shape5[1]
        if self._channels is not None and channels != self._channels:
            raise ArgumentError(
                f"the array has {channels} channels, the classifier was trained for {self._channels}",
                where="raw_data",
                remedy="give an image with the same channels",
            )
        have = "".join(a for a in image.axes if a in "xyz")
        need = "".join(a for a in self._axes or have if a in "xyz")
        if len(have) != len(need):
            raise ArgumentError(
                f"the array has {len(have)} spatial axes ({have}), the classifier was trained for {len(need)}"
                f" ({need})",
                where="raw_data",
                remedy="give an image with the same axes",
            )


class PixelClassificationPipeline(_Pipeline):
    """A trained project that gives the probabilities of arrays; made by `from_ilp_file`.

    Parameters
    ----------
    project
        A project with a classifier, or with strokes to train one.
    n_jobs
        Threads; None for all cores.

    Raises
    ------
    ProjectError
        It has neither.
    """

    def __init__(self, project: Project, n_jobs: int | None = None) -> None:
        super().__init__((project,), n_jobs)

    @classmethod
    def from_ilp_file(cls, path: str | os.PathLike[str], n_jobs: int | None = None) -> Self:
        """The pipeline of a project, as it is now also where a window has it open.

        Raises
        ------
        ProjectError
            It cannot be read, or has neither a classifier nor strokes to train one.
        """
        return cls(read_current(path), n_jobs)

    def get_probabilities(self, raw_data: Any, axes: str | None = None) -> Any:
        """Probabilities of the classes at every pixel.

        Parameters
        ----------
        raw_data
            An ``xarray.DataArray`` (its dims are letters of tczyx), a ``vigra.VigraArray``, or a numpy array
            with ``axes``; with the channels and the spatial axes of the project's last image.
        axes
            Order of the axes of a numpy array.

        Returns
        -------
        float32 in the axis order of the project's last image, with c of size n_classes (at the end where
        that image has no c): an ``xarray.DataArray``, or of a numpy array a numpy array.

        Raises
        ------
        ArgumentError
            (a ValueError) Another number of channels or spatial axes than the project's last image.
        ArgumentTypeError
            (a TypeError) Something else, or a numpy array without ``axes``.
        AxesError
            The axes do not fit.
        """
        return self._probabilities(raw_data, axes, 0)

    def predict(self, data: Any) -> Any:
        """Deprecated name of `get_probabilities`."""
        warnings.warn("use get_probabilities() instead of predict()", DeprecationWarning, stacklevel=2)
        return self.get_probabilities(data)


class AutocontextPipeline(_Pipeline):
    """A trained project of two stages, of which the second sees the image and the first one's probabilities.

    Raises
    ------
    ProjectError
        The project is of another workflow.
    """

    def __init__(self, stages: tuple[Project, ...], n_jobs: int | None = None) -> None:
        super().__init__(stages, n_jobs)

    @classmethod
    def from_ilp_file(cls, path: str | os.PathLike[str], n_jobs: int | None = None) -> Self:
        """The pipeline of a project.

        Raises
        ------
        ProjectError
            It cannot be read, is of another workflow, or a stage has neither classifier nor strokes.
        """
        stages = stages_of(Path(path))
        if len(stages) < 2:
            raise ProjectError(
                "this is no Autocontext project",
                where=path,
                remedy="open it with PixelClassificationPipeline",
            )
        return cls(stages, n_jobs)

    def get_probabilities_stage_1(self, raw_data: Any, axes: str | None = None) -> Any:
        """Of the first stage; see `PixelClassificationPipeline.get_probabilities`."""
        return self._probabilities(raw_data, axes, 0)

    def get_probabilities_stage_2(self, raw_data: Any, axes: str | None = None) -> Any:
        """Of the second stage; see `PixelClassificationPipeline.get_probabilities`."""
        return self._probabilities(raw_data, axes, 1)


def from_project_file(path: str | os.PathLike[str]) -> PixelClassificationPipeline:
    """Deprecated name of `PixelClassificationPipeline.from_ilp_file`."""
    warnings.warn(
        "use PixelClassificationPipeline.from_ilp_file() instead of from_project_file()",
        DeprecationWarning,
        stacklevel=2,
    )
    return PixelClassificationPipeline.from_ilp_file(path)


def _array_and_axes(data: Any, axes: str | None) -> tuple[NDArray[Any], str, bool]:
    """The array, the order of its axes, and whether it came as a plain one."""
    dims = getattr(data, "dims", None)
    if dims is not None and hasattr(data, "values"):
        return np.asarray(data.values), "".join(str(d) for d in dims), False
    tags = getattr(data, "axistags", None)
    if tags is not None:
        return np.asarray(data), "".join(tag.key for tag in tags), False
    if isinstance(data, np.ndarray) and axes is not None:
        return data, axes, True
    if isinstance(data, np.ndarray):
        raise ArgumentTypeError(
            "a numpy array does not say what its axes are", where="raw_data", remedy='give axes="yx"'
        )
    raise ArgumentTypeError(
        f"an object of type {type(data).__name__} cannot be used",
        where="raw_data",
        remedy="give an xarray.DataArray, a vigra.VigraArray, or a numpy array with axes",
    )


def _data_array(values: NDArray[np.float32], axes: str) -> Any:
    try:
        import xarray  # noqa: PLC0415 - optional
    except ImportError:
        raise ArgumentTypeError(
            "the result would be an xarray.DataArray and xarray is not installed",
            remedy="install xarray, or give a numpy array with axes",
        ) from None
    return xarray.DataArray(values, dims=tuple(axes))
