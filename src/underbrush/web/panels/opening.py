"""What a person names to be opened or added: paths, lists of paths, globs."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbrush.errors import UsageError

if TYPE_CHECKING:
    from underbrush.web.browse import Roots

MOST = 500
"""Files that are opened at once."""


def expanded(paths: Sequence[str], roots: Roots) -> list[str]:
    """Each path as a real path below the roots; globs become the files that they find, in natural order.

    Raises
    ------
    UnderbrushError
        Nothing was found, too much was found, or a path may not be seen.
    """
    found: list[str] = []
    for text in (one.strip().strip('"') for one in paths):
        named = _absolute(text, roots)
        if glob.has_magic(named) and not os.path.lexists(named):
            matches = _matches(named, roots)
            if not matches:
                raise UsageError(
                    "no file fits this pattern", where=text[:300], remedy="look at the folder with Browse"
                )
            found += matches
        else:
            found.append(str(roots.resolve(named)))
        if len(found) > MOST:
            raise UsageError(
                f"more than {MOST} files at once", where=text[:300], remedy="name fewer, in several steps"
            )
    if not found:
        raise UsageError("nothing was named", remedy="choose a file")
    return list(dict.fromkeys(found))


def _absolute(text: str, roots: Roots) -> str:
    """``~`` is the home folder; a name without folders is looked for below the first root."""
    if not text:
        raise UsageError("nothing was named", remedy="type a path, or browse")
    if "://" in text:
        raise UsageError(
            "addresses of the web are not opened from the window yet",
            where=text[:300],
            remedy="copy the image here, or use underbrush predict with the address",
        )
    path = os.path.expanduser(text)  # noqa: PTH111  (a pattern is no path)
    if os.path.isabs(path) or not roots.folders:  # noqa: PTH117
        return path
    return os.path.join(roots.folders[0], path)  # noqa: PTH118


def _matches(pattern: str, roots: Roots) -> list[str]:
    """The images that a pattern finds, resolved, in natural order; one folder deep for each star.

    The folders before the first star must lie below a root, so that nothing else is even listed.
    """
    from underbrush.web.browse import kind_of_name  # noqa: PLC0415  (not needed for plain paths)

    parts = Path(pattern).parts
    first = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    start = roots.resolve(str(Path(*parts[:first])))
    if ".." in parts[first:]:
        raise UsageError("a pattern does not go back up", where=pattern[:300], remedy="leave out the ..")
    found: list[str] = []
    for name in glob.iglob(str(Path(*parts[first:])), root_dir=start):  # noqa: PTH207  (relative to a root)
        if kind_of_name(Path(name).name) == "image":
            found.append(str(roots.resolve(str(start / name))))
            if len(found) > MOST:
                break
    return sorted(found, key=_natural)


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.lower())]


def added_lane(address: str) -> dict[str, Any]:
    """The ``add_lane`` command for an image: its source as JSON, and a nickname. Reads its head.

    Raises
    ------
    ImageError, AxesError
        It cannot be read.
    """
    from underbrush.engine.new_project import project_from_images  # noqa: PLC0415  (numba: late)
    from underbrush.project.values_json import source_to_json  # noqa: PLC0415

    lane = project_from_images([address]).lanes[0]
    return {"type": "add_lane", "source": source_to_json(lane.raw), "nickname": lane.nickname}
