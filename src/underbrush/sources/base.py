"""What every source gives: an image that says what it is and reads boxes.

A reader knows its file's own axis order; this base class puts what it reads into t c z y x, so that
no other module ever transposes an input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import Box, Shape5, parse_axes, shape_to_internal, to_internal
from underbrush.errors import AxesError, ImageError

ASK_AXES = "give --axes to choose."
"""End of the sentences that are settled once the user says what the axes are."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What is known of an image without reading its pixels."""

    location: str
    """The address it was opened with: path, inner dataset and options."""
    axes: str
    """The order of the stored axes, letters of tczyx."""
    shape: tuple[int, ...]
    """Sizes in the order of ``axes``, full resolution."""
    dtype: np.dtype[Any]
    """Type of the values that ``read`` gives, in native byte order."""
    axes_known: bool = True
    """False where the file does not say what its axes mean and a default was taken."""
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """Axis letter -> (size of a pixel, unit), as in ``{"x": (0.65, "µm")}``; axes not known are absent."""
    levels: tuple[tuple[int, ...], ...] = ()
    """Shapes of the levels of a pyramid in the order of ``axes``, full resolution first; at least one."""
    level_names: tuple[str, ...] = ()
    """What the file calls its levels, in the order of ``levels``; empty where they have no names."""
    channels: tuple[str, ...] = ()
    """Names of the channels, or empty."""
    display: tuple[tuple[float, float], ...] = ()
    """For each channel the values that the file wants shown as black and as white, or empty."""
    alpha: int | None = None
    """The channel that is an alpha (transparency) sample, not a colour."""
    series: tuple[str, ...] = ()
    """Names of the images in the file, where it holds several and none was named: this is the first."""
    problems: tuple[str, ...] = ()
    """Sentences about what was noticed and may surprise (doubtful axes, odd metadata)."""

    def __post_init__(self) -> None:
        # Frozen all the way down: several threads and caches hold the same info.
        object.__setattr__(self, "pixel_size", MappingProxyType(dict(self.pixel_size)))

    def __reduce__(self) -> tuple[Any, ...]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return _info_from, ({**values, "pixel_size": dict(self.pixel_size)},)


def _info_from(values: dict[str, Any]) -> ImageInfo:
    return ImageInfo(**values)


class Image(ABC):
    """An open image. Use as a context manager; reading a closed image is an error.

    Subclasses set ``info`` and implement ``_read_own`` and ``close``; ``read`` may be called from several
    threads at once.
    """

    info: ImageInfo

    @property
    def axes(self) -> str:
        """The order of the stored axes."""
        return self.info.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in the order of ``axes``."""
        return self.info.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.info.dtype

    @property
    def pixel_size(self) -> Mapping[str, tuple[float, str]]:
        """Axis letter -> (size of a pixel, unit)."""
        return self.info.pixel_size

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the levels of a pyramid, full resolution first."""
        return self.info.levels

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about what was noticed while reading; grows, and is empty where all was well."""
        return ()

    @property
    def shape5(self) -> Shape5:
        """Sizes of the full resolution in t c z y x."""
        return self.level_shape5(0)

    def level_shape5(self, level: int) -> Shape5:
        """Sizes of a level in t c z y x."""
        return shape_to_internal(self.info.levels[level], self.info.axes)

    def read(self, box: Box | None = None, level: int = 0) -> NDArray[Any]:
        """The pixels of ``box``, by default all, as an array t c z y x of ``dtype`` in native byte order.

        Raises
        ------
        ImageError
            The box leaves the image, or its data are damaged.
        """
        if not 0 <= level < len(self.info.levels):
            raise ImageError(
                f"there is no level {level}",
                where=self.info.location,
                remedy=f"use 0 to {len(self.levels) - 1}",
            )
        whole = Box.whole(self.level_shape5(level))
        box = whole if box is None else box
        if not whole.contains(box) or box.size == 0:
            raise ImageError(
                f"the region {box.start} to {box.stop} (t c z y x) is empty or leaves the image {whole.stop}",
                where=self.info.location,
                remedy="choose a region inside the image",
            )
        by_axis = dict(zip("tczyx", box.slices, strict=True))
        own = self._read_own(tuple(by_axis[a] for a in self.axes), level)
        return to_internal(own, self.axes).astype(self.dtype, copy=False)

    @abstractmethod
    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        """The pixels at ``where`` (start and stop for each stored axis, inside the image), as stored."""

    @abstractmethod
    def close(self) -> None:
        """Release the file; may be called twice."""

    def with_axes(self, axes: str) -> Image:
        """The same image with its axes read as ``axes``; pixel sizes then are unknown where an axis moved.

        Raises
        ------
        AxesError
            ``axes`` is no axis order, or has not as many letters as the image has axes.
        """
        return reinterpret(self, axes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Reinterpreted(Image):
    """An image whose axes are read in another order than its file says."""

    def __init__(self, image: Image, info: ImageInfo) -> None:
        self.info = info
        self._image = image

    @property
    def notices(self) -> tuple[str, ...]:
        return self._image.notices

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        return self._image._read_own(where, level)

    def close(self) -> None:
        self._image.close()


def reinterpret(image: Image, axes: str) -> Image:
    """See `Image.with_axes`."""
    old = image.info
    try:
        axes = parse_axes(axes, len(old.axes))
    except AxesError as error:
        problem = f"{error.problem} (shape {old.shape}, read as {old.axes!r})"
        raise AxesError(problem, where=old.location, remedy=error.remedy) from None
    if axes == old.axes and old.axes_known:
        return image
    keeps = {a for a, b in zip(old.axes, axes, strict=True) if a == b}
    info = ImageInfo(
        location=old.location,
        axes=axes,
        shape=old.shape,
        dtype=old.dtype,
        axes_known=True,
        pixel_size={a: size for a, size in old.pixel_size.items() if a in keeps},
        levels=old.levels,
        level_names=old.level_names,
        channels=old.channels if "c" in keeps else (),
        display=old.display if "c" in keeps or ("c" not in old.axes and "c" not in axes) else (),
        alpha=old.alpha if "c" in keeps else None,
        problems=tuple(p for p in old.problems if not p.endswith(ASK_AXES)),
    )
    return _Reinterpreted(image, info)
