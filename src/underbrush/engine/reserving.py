"""A name for a new project that is free, and stays so: one that is found, or the one that is wished for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from underbrush.errors import OutputError
from underbrush.files import explain, layer, make_folder_for


def reserved_name(folder: Path, name: str) -> Path:
    """A path ``NAME.ilp``, or ``NAME 2.ilp`` and so on, that was free and is taken now by an empty file.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    number = 1
    while True:
        path = folder / (f"{name}.ilp" if number == 1 else f"{name} {number}.ilp")
        make_folder_for(path)
        try:
            layer().close(layer().open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise explain(error, path) from error
        # What was left beside a project of this name that is gone must not be taken for this one's.
        if any((folder / f"{path.name}{ending}").exists() for ending in (".journal", ".journal.next")):
            with contextlib.suppress(OSError):
                layer().remove(path)
            number += 1
            continue
        return path


def reserved(wanted: Path) -> Path:
    """This very path, ending with ``.ilp``, taken by an empty file; its folder must be there.

    Raises
    ------
    OutputError
        There is a file of this name, or what a project of this name left behind; or it cannot be written.
    """
    path = wanted if wanted.suffix.lower() == ".ilp" else wanted.with_name(f"{wanted.name}.ilp")
    if not path.parent.is_dir():
        raise OutputError("there is no such folder", where=path.parent, remedy="choose one that is there")
    for ending in ("", ".journal", ".journal.next"):
        there = path.with_name(path.name + ending)
        if os.path.lexists(there):
            raise OutputError("there is a file of this name", where=there, remedy="choose another name")
    try:
        layer().close(layer().open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except OSError as error:
        raise explain(error, path) from error
    return path
