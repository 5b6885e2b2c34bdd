"""HDF5: one dataset of a file, read chunk by chunk, however it is packed."""

from __future__ import annotations

import math
import threading
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError, SeveralImagesError, UnderbrushError
from underbrush.sources.address import Address
from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.bytesfile import BytesFile, unreadable
from underbrush.sources.claims import DECODED_LIMIT, check_plain, readable_bytes
from underbrush.sources.hdf5axes import dataset_axes, dataset_sizes
from underbrush.sources.hdf5chunks import NotPlainError, TooLongError, maybe_reader

_MAX_LISTED = 20
_MAX_VISITED = 100_000
_MAX_CHUNKS_COUNTED = 1_000_000
_LARGEST, _LONGEST = 1 << 62, 1 << 40
"""Bytes of an image, and pixels along one of its axes."""


def open_source(address: Address) -> Image:
    """Open a dataset of an HDF5 file; see `underbrush.sources.open_image`."""
    check_plain(address, "HDF5", inner=True)
    _check_no_writer(address)
    image = _opened(address, native=False) or _opened(address, native=True)
    assert image is not None
    return image


def _opened(address: Address, native: bool) -> Hdf5Image | None:
    """The image, read through a Python file or through HDF5's own; None if only the latter will do.

    HDF5's own locks the file, or refuses to open it a second time in this process with another opinion of
    locks, so that it could be neither read beside the user's own `h5py.File` nor written by others. A Python
    file has no lock, but cannot follow links to other files.
    """
    plain = None
    file = None
    try:
        plain = None if native else address.path.open("rb")
        file = _native(address) if plain is None else h5py.File(plain, "r")
        dataset = _dataset(file, address, native)
        if dataset is not None and (native or not (dataset.is_virtual or dataset.external)):
            return Hdf5Image(file, plain, dataset, address)
    except BaseException as error:
        _close(file, plain)
        if isinstance(error, UnderbrushError) or not isinstance(error, Exception):
            raise
        # HDF5 reports damage as KeyError, RuntimeError, ValueError, OSError or TypeError, by where it lies.
        raise _refused(error, address) from error
    _close(file, plain)
    return None


def _native(address: Address) -> h5py.File:
    try:
        return h5py.File(address.path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        # Open in this process already, with locks.
        return h5py.File(address.path, "r")


def _close(file: h5py.File | None, plain: BinaryIO | None) -> None:
    if file is not None:
        file.close()
    if plain is not None:
        plain.close()


class Hdf5Image(Image):
    """A dataset of an HDF5 file."""

    def __init__(
        self, file: h5py.File, plain: BinaryIO | None, dataset: h5py.Dataset, address: Address
    ) -> None:
        self._file, self._plain = file, plain
        self._dataset: h5py.Dataset | None = dataset
        self._lock = threading.Lock()
        shape = tuple(int(n) for n in dataset.shape)
        _check_storage(dataset, address)
        axes, known, problems = dataset_axes(dataset, address.location)
        self.info = ImageInfo(
            location=address.location,
            axes=axes,
            shape=shape,
            dtype=np.dtype(dataset.dtype).newbyteorder("="),
            axes_known=known,
            pixel_size={a: size for a, size in dataset_sizes(dataset).items() if a in axes},
            levels=(shape,),
            problems=(*problems, *_unwritten(dataset)),
        )
        # A dataset behind a link to another file lies at its offset there, not in this one.
        self._past = (
            None if plain is None else maybe_reader(dataset, self._lock, address.path, address.location)
        )

    def _read_own(self, where: tuple[slice, ...], level: int) -> NDArray[Any]:
        if self._past is not None and self._dataset is not None:
            try:
                return self._past.read(where)
            except TooLongError:
                raise ImageError(
                    "the HDF5 file is damaged: a chunk unpacks to more than it can hold",
                    where=self.info.location,
                    remedy="copy or export it again",
                ) from None
            except (NotPlainError, OSError, RuntimeError, ValueError, KeyError):
                # HDF5 now reads the same, or says what is wrong.
                return self._by_hdf5(where)
        return self._by_hdf5(where)

    def _by_hdf5(self, where: tuple[slice, ...]) -> NDArray[Any]:
        # HDF5 reads one at a time anyway; the lock keeps `close` from pulling the file away meanwhile.
        with self._lock:
            if self._dataset is None:
                raise ImageError("the image is closed", where=self.info.location, remedy="open it again")
            try:
                block: NDArray[Any] = self._dataset[where]
            except Exception as error:
                raise ImageError(
                    f"the HDF5 file is damaged: its data cannot be read ({_reason(error)})",
                    where=self.info.location,
                    remedy="copy or export it again",
                ) from error
        return block

    def close(self) -> None:
        """See `Image.close`."""
        with self._lock:
            self._dataset = None
            _close(self._file, self._plain)
        if self._past is not None:
            self._past.close()


def _check_no_writer(address: Address) -> None:
    """Refuse a file that another program holds open for writing: what it says may be half finished.

    HDF5 locks with flock, shared for readers and exclusive for writers, so asking for a shared lock tells.
    """
    try:
        import fcntl  # noqa: PLC0415 (there is none on Windows, where opening fails by itself)
    except ImportError:
        return
    try:
        with address.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    except BlockingIOError:
        raise ImageError(
            "another program holds this file open for writing",
            where=address.location,
            remedy="close it there",
        ) from None
    except PermissionError as error:
        raise unreadable(error, address.location) from None
    except OSError:
        # A file system without locks; then there is nothing to ask.
        return


def _refused(error: Exception, address: Address) -> ImageError:
    text = str(error)
    if "truncated file" in text:
        problem = "the HDF5 file is cut off"
    elif "already open for" in text or "unable to lock" in text:
        return ImageError(
            "another program holds this file open for writing, or crashed while it did",
            where=address.location,
            remedy="close it there, or run h5clear -s",
        )
    else:
        problem = f"the HDF5 file is damaged ({_reason(error)})"
    return ImageError(problem, where=address.location, remedy="copy or export it again")


def _dataset(file: h5py.File, address: Address, native: bool) -> h5py.Dataset | None:
    if address.inner:
        return _named(file, address) if native or not _by_link(file, address.inner) else None
    found = _suitable(file)
    if len(found) == 1:
        return file[found[0]]
    if not found:
        raise ImageError(
            "the HDF5 file holds no dataset of numbers with 2 to 5 axes",
            where=address.location,
            remedy="name another file",
        )
    more = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
    raise SeveralImagesError(
        f"the file holds several datasets ({', '.join(found[:_MAX_LISTED])}{more})",
        where=address.location,
        remedy=f"name one, as in {address.path}/{found[0]}",
        choices=tuple(f"{address.path}/{name}" for name in found),
    )


def _by_link(file: h5py.File, inner: str) -> bool:
    """Whether a link lies on the way: through a Python file, one to another file leads to the wrong one."""
    parts = inner.split("/")
    ways = ("/".join(parts[: i + 1]) for i in range(len(parts)))
    return any(isinstance(file.get(way, getlink=True), h5py.SoftLink | h5py.ExternalLink) for way in ways)


def _named(file: h5py.File, address: Address) -> h5py.Dataset:
    # Asking by name first: a KeyError of HDF5 may also mean that the dataset is there but damaged.
    if address.inner not in file:
        there = ", ".join(_suitable(file)[:_MAX_LISTED]) or "none"
        raise ImageError(
            f"there is no dataset {address.inner!r} in the file; those that can be read: {there}",
            where=address.location,
            remedy="name one of them",
        )
    item = file[address.inner]
    if isinstance(item, h5py.Group):
        there = ", ".join(f"{address.inner}/{name}" for name in _suitable(item)[:_MAX_LISTED]) or "none"
        raise ImageError(
            f"{address.inner!r} is a group, not a dataset; those in it that can be read: {there}",
            where=address.location,
            remedy="name one of them",
        )
    if not _is_image(item):
        raise ImageError(
            f"the dataset {address.inner!r} of shape {getattr(item, 'shape', None)} and type"
            f" {getattr(item, 'dtype', None)} is no image",
            where=address.location,
            remedy="name one of numbers with 2 to 5 axes",
        )
    return item


def _suitable(group: h5py.Group) -> list[str]:
    """Names of all datasets below ``group`` that can be images; each group is looked into once."""
    found: list[str] = []
    visited = 0

    def visit(name: str, item: Any) -> bool | None:
        nonlocal visited
        visited += 1
        if isinstance(item, h5py.Dataset) and _is_image(item):
            found.append(name)
        return True if visited > _MAX_VISITED else None

    group.visititems(visit)
    return found


def _is_image(item: Any) -> bool:
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        return False
    try:
        dtype = item.dtype
    except TypeError:
        # A type that numpy has no word for.
        return False
    return (
        2 <= len(item.shape) <= 5
        and math.prod(item.shape) > 0
        and dtype.kind in "biuf"
        and dtype.itemsize <= 8
    )


def _check_storage(dataset: h5py.Dataset, address: Address) -> None:
    """Refuse what cannot be read later: absurd sizes, an unknown filter, chunks too large to decode."""
    if math.prod(dataset.shape) * dataset.dtype.itemsize > _LARGEST or max(dataset.shape) >= _LONGEST:
        raise ImageError(
            f"its shape {dataset.shape} is larger than any image",
            where=address.location,
            remedy="the file is damaged; copy or export it again",
        )
    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            title = name.decode("utf-8", "replace") if name else f"number {code}"
            raise ImageError(
                f"the dataset is packed with a filter that is not installed ({title})",
                where=address.location,
                remedy="write it with gzip, or install hdf5plugin and import it",
            )
    if dataset.chunks:
        chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if chunk > DECODED_LIMIT:
            raise ImageError(
                f"its chunks of {readable_bytes(chunk)} are too large to decode",
                where=address.location,
                remedy="write it with smaller chunks",
            )
    elif properties.get_layout() == h5py.h5d.CONTIGUOUS and not properties.get_external_count():
        _check_contiguous(dataset, address)


def _check_contiguous(dataset: h5py.Dataset, address: Address) -> None:
    offset, stored = dataset.id.get_offset(), dataset.id.get_storage_size()
    needed = math.prod(dataset.shape) * dataset.dtype.itemsize
    if offset is None:
        return
    file = BytesFile(address.path, address.location)
    file.close()
    if stored < needed or offset + needed > file.size:
        raise ImageError(
            f"it claims {readable_bytes(needed)} of pixels but the file has {readable_bytes(file.size)}",
            where=address.location,
            remedy="copy or export it again",
        )


def _unwritten(dataset: h5py.Dataset) -> tuple[str, ...]:
    """HDF5 gives a fill value for what was never written, which looks like a black image."""
    if not dataset.chunks:
        empty = dataset.id.get_storage_size() == 0 and not dataset.is_virtual and not dataset.external
        return (
            (f"Nothing was ever written to the dataset; it reads as {dataset.fillvalue}.",) if empty else ()
        )
    expected = math.prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    if expected > _MAX_CHUNKS_COUNTED:
        return ()
    written = dataset.id.get_num_chunks()
    if written >= expected:
        return ()
    return (
        f"{expected - written} of {expected} chunks were never written; they read as {dataset.fillvalue}.",
    )


def _reason(error: Exception) -> str:
    """HDF5's own words, of which the last in brackets say what happened."""
    text = str(error).strip().rstrip(".") or type(error).__name__
    return text[text.rfind("(") + 1 :].rstrip(")")[:160] if "(" in text else text[:160]


def dataset_names(path: Path) -> list[str]:
    """Names of all datasets in a file that can be images; of a file with arrays by numpy, of all of them.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            return [name.removesuffix(".npy") for name in packed.namelist() if name.endswith(".npy")]
    try:
        with path.open("rb") as plain, h5py.File(plain, "r") as file:
            return _suitable(file)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise _refused(error, Address(str(path), path)) from error
