"""The one door: an address becomes an open image, read by the module of its family."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module

from underbrush.sources.address import parse_address
from underbrush.sources.base import Image
from underbrush.sources.kinds import kind_of, suffix_problem

_READERS = {"TIFF": "tiff", "HDF5": "hdf5", "npy": "npy", "npz": "npz", "PNM": "pnm"}


def open_image(address: str | os.PathLike[str], axes: str | None = None, *, indexed: bool = False) -> Image:
    """Open ``PATH``, ``PATH/inner/dataset`` or ``PATH#series=2,level=1`` for reading.

    ``axes`` says what the stored axes mean, letters of tczyx in stored order (``zyx``, ``yxc``), and
    overrides the file. A picture with a table of colours is given in colours, or, where ``indexed``, as its
    indexes: labels and segmentations are stored so. No pixel is read yet, but what the file claims is
    checked against its size. Close the image, or use it in a ``with`` statement.

    Raises
    ------
    ImageError
        Nothing is there, it is of no known format, it is damaged, or one of several must be named.
    AxesError
        ``axes`` do not fit the image.
    UsageError
        An unknown option after '#'.
    """
    parsed = replace(parse_address(os.fspath(address)), indexed=indexed)
    kind = kind_of(parsed.path, parsed.location)
    module = import_module(f"underbrush.sources.{_READERS.get(kind, 'raster')}")
    image: Image = module.open_source(parsed)
    try:
        if problem := suffix_problem(kind, parsed.path):
            image.info = replace(image.info, problems=(problem, *image.info.problems))
        return image if axes is None else image.with_axes(axes)
    except BaseException:
        image.close()
        raise
