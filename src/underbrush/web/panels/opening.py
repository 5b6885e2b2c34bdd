"""What a person names to be opened or added: paths, lists of paths, globs."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from underbrush.errors import UsageError
from underbrush.project.paths import split_inner
from underbrush.sources.address import split_options
from underbrush.web.addresses import check_net, is_on_the_net, seen_address

if TYPE_CHECKING:
    from underbrush.web.browse import Roots

MOST = 500
"""Files that are opened at once."""


def expanded(paths: Sequence[str], roots: Roots, confined: bool = False) -> list[str]:
    """Each path as a real path below the roots; globs become the files that they find, in natural order.

    What is named inside of files (``PATH/inner/dataset``, also after a pattern) and options (``#level=1``)
    stay. With ``confined`` nothing on the net is taken.

    Raises
    ------
    UnderbrushError
        Nothing was found, too much was found, or a path may not be seen.
    """
    found: list[str] = []
    for text in (one.strip().strip('"') for one in paths):
        if is_on_the_net(text):
            check_net(text, confined)
            found.append(text)
            continue
        named = _absolute(text, roots)
        pattern, rest = _pattern(named)
        if pattern:
            matches = [f"{one}{rest}" for one in _matches(pattern, roots)]
            if not matches:
                raise UsageError(
                    "no file fits this pattern", where=text[:300], remedy="look at the folder with Browse"
                )
            found += matches
        else:
            found.append(seen_address(named, roots))
        if len(found) > MOST:
            raise UsageError(
                f"more than {MOST} files at once", where=text[:300], remedy="name fewer, in several steps"
            )
    if not found:
        raise UsageError("nothing was named", remedy="choose a file")
    return list(dict.fromkeys(found))


def _pattern(named: str) -> tuple[str, str]:
    """The pattern for names of files, and what is wanted of each: ``/raw#level=1``; empty where it is none.

    A file or dataset that really has a star in its name is itself.
    """
    if not glob.has_magic(named) or os.path.lexists(named):
        return "", ""
    text, options = split_options(named)
    file, inner = split_inner(text)
    if not glob.has_magic(file):
        return "", ""
    rest = (f"/{inner}" if inner else "") + (f"#{options}" if options else "")
    return file, rest


def _absolute(text: str, roots: Roots) -> str:
    """``~`` is the home folder; a name without folders is looked for below the first root."""
    if not text:
        raise UsageError("nothing was named", remedy="type a path, or browse")
    if "://" in text:
        raise UsageError(
            "this kind of address is not opened",
            where=text[:300],
            remedy="use https, http, s3, gs or precomputed, or the path of a file",
        )
    path = os.path.expanduser(text)  # noqa: PTH111  (a pattern is no path)
    if os.path.isabs(path) or not roots.folders:  # noqa: PTH117
        return path
    return os.path.join(roots.folders[0], path)  # noqa: PTH118


def _matches(pattern: str, roots: Roots) -> list[str]:
    """The images that a pattern finds, resolved, in natural order; one folder deep for each star.

    The folders before the first star must lie below a root, so that nothing else is even listed.
    """
    from underbrush.web.browse import kind_of_folder, kind_of_name  # noqa: PLC0415  (not needed for plain paths)

    parts = Path(pattern).parts
    first = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    start = roots.resolve(str(Path(*parts[:first])))
    if ".." in parts[first:]:
        raise UsageError("a pattern does not go back up", where=pattern[:300], remedy="leave out the ..")
    found: list[str] = []
    for name in glob.iglob(str(Path(*parts[first:])), root_dir=start):  # noqa: PTH207  (relative to a root)
        own = Path(name).name
        if kind_of_name(own) == "image" or (kind_of_folder(own) == "image" and (start / name).is_dir()):
            found.append(str(roots.resolve(str(start / name))))
            if len(found) > MOST:
                break
    return sorted(found, key=_natural)


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.lower())]
