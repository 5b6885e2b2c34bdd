"""Addresses that a browser names: a path below the roots, with a dataset in it and options, or a URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from underbrush.errors import UsageError
from underbrush.sources.address import split_options
from underbrush.web.browse import IMAGE_FOLDERS, AccessError
from underbrush.web.linked_files import check_linked

if TYPE_CHECKING:
    from underbrush.web.browse import Roots

_SCHEMES = ("http://", "https://", "s3://", "gs://", "gcs://")
_FORMATS = ("precomputed://", "zarr://", "zarr2://", "zarr3://", "n5://")


def is_on_the_net(text: str) -> bool:
    """Whether it is an image on the net; what leads to files of this machine is held against the roots."""
    lower = text.lower()
    while (bare := next((lower.removeprefix(f) for f in _FORMATS if lower.startswith(f)), None)) is not None:
        lower = bare
    return lower.startswith(_SCHEMES)


def check_net(text: str, confined: bool) -> None:
    """Refuse an address on the net where the server shows the folders of ``--root`` only.

    Raises
    ------
    UsageError
        It does.
    """
    if confined:
        raise UsageError(
            "images on the net are not opened here: the server was started with --root, which allows the"
            " folders named there only",
            where=text[:300],
            remedy="copy the image into one of them, or start underbrush without --root",
        )


def seen_address(text: str, roots: Roots) -> str:
    """``text`` with the real path of its file: ``PATH``, ``PATH/inner/dataset``, ``PATH#level=1``.

    What is named inside a file, and options, stay as they are; a file of exactly this name comes first.

    Raises
    ------
    AccessError
        Its file is not there, hidden, or leads out of the roots, as may the files that it takes pixels from.
    """
    head, options = (text, "") if os.path.lexists(text) else split_options(text)
    end = f"#{options}" if options else ""
    try:
        whole = roots.resolve(head)
    except AccessError as refused:
        # What is there and was refused is not asked for in another way.
        container = None if os.path.lexists(head) else _container(Path(head))
        if container is None:
            raise
        try:
            real = roots.resolve(str(container))
        except AccessError:
            raise refused from None  # in the same words, so that nothing is told of what lies outside
        check_linked(real, roots)
        return f"{real}/{Path(head).relative_to(container).as_posix()}{end}"
    check_linked(whole, roots)
    return f"{whole}{end}"


def _container(path: Path) -> Path | None:
    """The file, or folder that is an image, in which ``path`` may name something."""
    if ".." in path.parts or "\0" in str(path):
        return None
    there = next((parent for parent in path.parents if os.path.lexists(parent)), None)
    if there is None or not (there.is_file() or there.suffix.lower() in IMAGE_FOLDERS):
        return None
    return there
