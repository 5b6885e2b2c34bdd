"""The one door: an address becomes an open image, read by the module of its family."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from importlib import import_module

from underbrush.errors import ImageError, UsageError
from underbrush.sources.address import Address, parse_address, stack_axis
from underbrush.sources.base import Image
from underbrush.sources.kinds import METADATA_FILES, kind_of, kind_of_place, suffix_problem
from underbrush.sources.remote import remote_place
from underbrush.sources.sequence import open_stack, stack_files

_READERS = {
    "TIFF": "tiff",
    "HDF5": "hdf5",
    "npy": "npy",
    "npz": "npz",
    "PNM": "pnm",
    "Radiance HDR": "radiance",
    "Zarr": "zarr",
    "N5": "n5",
    "Precomputed": "precomputed",
    "CZI": "czi",
    "LIF": "lif",
    "ND2": "nd2",
    "OpenEXR": "exr",
}
_LEVELS_BY_NAME = {"Zarr", "N5", "Precomputed"}


def open_image(address: str | os.PathLike[str], axes: str | None = None, *, indexed: bool = False) -> Image:
    """Open ``PATH``, ``PATH/inner/dataset``, ``PATH#series=2,level=1``, an address on the net, or a stack.

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
    location = os.fspath(address)
    files = stack_files(location)
    if files:
        image = open_stack(location, files, partial(open_image, indexed=indexed), stack_axis(location))
    else:
        image = _open_one(replace(parse_address(location), indexed=indexed))
    try:
        return image if axes is None else image.with_axes(axes)
    except BaseException:
        image.close()
        raise


def _open_one(address: Address) -> Image:
    if address.stack:
        raise UsageError(
            "#stack is for several files", where=address.location, remedy="name several, as in 'cells_*.tif'"
        )
    if address.url:
        kind = kind_of_place(remote_place(address.url, address.location))
    else:
        if address.path.name in METADATA_FILES and address.path.is_file() and not address.inner:
            # File dialogs show folders as folders; who wants the image in one picks a file in it.
            address = replace(address, path=address.path.parent)
        kind = kind_of(address.path, address.location)
    if address.level_name and kind not in _LEVELS_BY_NAME:
        raise ImageError(
            f"there is no scale {address.level_name!r}: levels of {kind} files have no names",
            where=address.location,
            remedy="write #level=N",
        )
    module = import_module(f"underbrush.sources.{_READERS.get(kind, 'raster')}")
    image: Image = module.open_source(address)
    if not address.url and (problem := suffix_problem(kind, address.path)):
        image.info = replace(image.info, problems=(problem, *image.info.problems))
    return image
