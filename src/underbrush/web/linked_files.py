"""HDF5 files whose pixels lie in other files: these are held against the roots, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from underbrush.web.browse import AccessError, Roots

_MOST = 10_000
"""Members of a file that are looked at."""


def check_linked(file: Path, roots: Roots) -> None:
    """Refuse an HDF5 file that takes pixels from a file outside of the roots; others are not looked at.

    Raises
    ------
    AccessError
        It does, or nobody can tell: it has too many members, or is damaged.
    """
    waiting, seen = [file], set[Path]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        for other in _others(here):
            if not roots.holds(other):
                raise AccessError(
                    "it takes its pixels from another one, which is not among those that may be opened",
                    where=file,
                    remedy="write it anew with its pixels in it, or start underbrush with --root FOLDER",
                )
            waiting.append(other)


def _others(file: Path) -> set[Path]:
    """The files that an HDF5 file leads to; a missing one counts, for it may come."""
    if not _is_hdf5(file):
        return set()
    import h5py  # noqa: PLC0415  (late: only for such files)

    names: set[str] = set()
    members = 0

    def seen(name: str, item: Any) -> bool | None:
        nonlocal members
        members += 1
        if isinstance(item, h5py.ExternalLink):
            names.add(item.filename)
        elif isinstance(item, h5py.Dataset):
            names.update(one[0] for one in item.external or ())
            names.update(one.file_name for one in (item.virtual_sources() if item.is_virtual else ()))
        return True if members > _MOST else None

    try:
        opened = h5py.File(file, "r")
    except (OSError, RuntimeError):
        return set()  # nobody can read it; whoever tries says what is wrong
    try:
        with opened:
            crowded = opened.visititems(seen) or opened.visititems_links(seen)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # What could not be looked at may lead anywhere.
        problem = f"it is damaged, and cannot be looked through for other files that it leads to ({error})"
        raise AccessError(problem, where=file, remedy="write it anew") from None
    if crowded:
        raise AccessError(
            "this file has too many members to be looked through", where=file, remedy="take one of them out"
        )
    return {(file.parent / name).resolve() for name in names if name != "."}


def _is_hdf5(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            # A block of the user's may come first, of 512 bytes or a power of two of that.
            return any(_starts(opened, at) for at in (0, *(512 << n for n in range(12))))
    except OSError:
        return False


def _starts(opened: Any, at: int) -> bool:
    opened.seek(at)
    return bool(opened.read(8) == b"\x89HDF\r\n\x1a\n")
