"""Refuse a result before computing: it could not be written, or would destroy an input."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from underbrush.errors import OutputError
from underbrush.files.layer import StrPath
from underbrush.files.problems import check_target, resolved


def check_output(path: StrPath, inputs: Iterable[StrPath] = (), *, folder: bool = False) -> None:
    """Refuse a result that cannot be written or would destroy an input, before anything is computed.

    Parameters
    ----------
    path
        Final name of the result.
    inputs
        Everything that is read: paths, also with an inner dataset (``a.h5/data``) or options
        (``a.czi#scene=A``), and URLs (left alone).
    folder
        The result is a folder (OME-Zarr) rather than a file; an existing one may then be replaced.

    Raises
    ------
    OutputError
        The same file as an input (also through links and inner paths), a place inside a Zarr or N5 input, a
        folder or device in the way, no permission, a name too long.
    """
    shown = Path(path)
    target = resolved(shown)
    check_target(target, shown, folder=folder)
    for given in inputs:
        source = _existing(given)
        if source is not None and _overlap(target, source):
            raise OutputError(
                f"the result would overwrite the input {os.fspath(given)}",
                where=shown,
                remedy="choose another name or folder for the result",
            )


def check_kept(paths: Iterable[StrPath], inputs: Iterable[StrPath]) -> None:
    """Refuse results of which one would overwrite one of many inputs; see `check_output` for a single one.

    Raises
    ------
    OutputError
        Names the result and the input.
    """
    kept: dict[tuple[int, int], StrPath] = {}
    for given in inputs:
        source = _existing(given)
        if source is not None:
            with contextlib.suppress(OSError):
                status = source.stat()
                kept[status.st_dev, status.st_ino] = given
    for path in paths:
        with contextlib.suppress(OSError):
            status = Path(path).stat()
            if (status.st_dev, status.st_ino) in kept:
                raise OutputError(
                    f"the result would overwrite the input {os.fspath(kept[status.st_dev, status.st_ino])}",
                    where=path,
                    remedy="choose another name or folder for the result",
                )


def _existing(given: StrPath) -> Path | None:
    """The file or folder on disk that an address of an image leads to, or None."""
    text = os.fspath(given)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        return None
    for candidate in (text, text.rpartition("#")[0]):
        path = Path(candidate)
        while candidate and path != path.parent:
            with contextlib.suppress(OSError, ValueError):
                if path.is_file() or (path.exists() and str(path) == candidate.rstrip("/")):
                    return path.resolve()
            path = path.parent
    return None


def _overlap(target: Path, source: Path) -> bool:
    """Whether writing ``target`` would touch ``source``; both resolved."""
    if target.exists() and target.samefile(source):
        return True
    if target in source.parents:  # a folder that holds the input would be replaced
        return True
    return any(
        _is_container(folder) and folder == other
        for folder in (target, *target.parents)
        for other in (source, *source.parents)
    )


def _is_container(folder: Path) -> bool:
    return folder.suffix.lower() in {".zarr", ".n5"} and folder.is_dir()
