"""How an image is addressed: ``PATH``, ``PATH/inner/dataset``, ``PATH#series=2,level=1,scene=A``, a URL.

Several files as one stack are a pattern (``cells_*.tif``) or names joined as the system joins paths.

The file that exists decides: a name that really holds a '#' or a '/inner' look-alike is taken as it
is, and only what is left over is read as options or as the name of a dataset inside the file.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import unquote, urlsplit

from underbrush.errors import ImageError, UsageError

_OPTION = re.compile("(series|level|scale|scene|stack)=")
REMOTE = ("http", "https", "s3", "gs", "gcs")
_FORMATS = ("precomputed", "zarr", "zarr2", "zarr3", "n5")
"""Formats that Neuroglancer and ilastik write before an address; what is there is found out anyway."""


@dataclass(frozen=True, slots=True)
class Address:
    """What to open, taken apart."""

    location: str
    """As the user wrote it."""
    path: Path
    """The file or folder that exists."""
    inner: str = ""
    """Dataset inside the file, without a leading '/'; empty if none was named."""
    series: int | None = None
    """Number of the series (one of several images in one file), counted from 0; None if not named."""
    level: int = 0
    """Level of the pyramid that is to be the image."""
    scene: str = ""
    """Name of the scene, empty if not named."""
    level_name: str = ""
    """What the file calls the level that is to be the image (``#scale=``); empty if not named so."""
    stack: str = ""
    """The axis along which several files are put together, empty if not named."""
    url: str = ""
    """Where it lies on a server; ``path`` then is only its name."""
    indexed: bool = False
    """Give the indexes into a table of colours instead of the colours."""


def level_remedy(n: int) -> str:
    """What to do where a level is named that an image of ``n`` levels has not."""
    return f"use #level=0 to {n - 1}" if n > 1 else "leave #level out"


def parse_address(location: str) -> Address:
    """Find the file that ``location`` speaks of, and what is wanted of it.

    Raises
    ------
    UsageError
        An option after '#' that is unknown or no number.
    ImageError
        Nothing is there, or it is a URL.
    """
    text = location
    if "\0" in text or not text.strip():
        raise UsageError("the name of the image is empty or holds a NUL character", remedy="name a file")
    if is_remote(text):
        return _remote(text, location)
    if "://" in text:
        text = _local_part(text, location)
    if text.startswith("~") and not os.path.lexists(text):
        text = os.path.expanduser(text)  # noqa: PTH111 - pathlib fails where there is no such user
    found = _existing(text)
    head, mark, options = text.rpartition("#")
    is_whole_name = found is not None and not found[1]
    if mark and not is_whole_name and (found is None or _OPTION.match(options)):
        text, found = head, _existing(head)
    else:
        options = ""
    if found is None:
        raise _missing(text, location)
    path, inner = found
    return Address(location, path, inner.strip("/"), **_parse_options(options, location))


def is_remote(location: str) -> bool:
    """Whether an address leads to a server or bucket."""
    scheme, mark, rest = location.partition("://")
    while mark and scheme in _FORMATS:
        scheme, mark, rest = rest.partition("://")
    return bool(mark) and scheme.lower() in REMOTE


def _remote(text: str, location: str) -> Address:
    url, mark, options = text.rpartition("#")
    if not mark:
        url, options = text, ""
    elif not _OPTION.match(options):
        raise UsageError(
            f"{options!r} after '#' is no option of an image",
            where=location,
            remedy="write #series=N or #level=N, and %23 for a # in a name",
        )
    while url.partition("://")[0] in _FORMATS:
        url = url.partition("://")[2]
    try:
        parts = urlsplit(url)
        # Asked for here because a port that is no number is found when it is asked for.
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError("this is no address of a server", where=location, remedy="write https://server/path")
    name = Path(unquote(parts.path).rstrip("/").rpartition("/")[2] or "image")
    return Address(location, name, url=url.rstrip("/"), **_parse_options(options, location))


def _local_part(text: str, location: str) -> str:
    for scheme in _FORMATS:
        text = text.removeprefix(f"{scheme}://")
    parts = urlsplit(text)
    if "://" not in text:
        return text
    if parts.scheme != "file":
        raise ImageError(
            f"{parts.scheme}:// is no address that is known", where=location, remedy="name a file"
        )
    return unquote(parts.path) + (f"#{parts.fragment}" if parts.fragment else "")


def split_options(location: str) -> tuple[str, str]:
    """An address without its options, and the options; the name of a file that exists has none."""
    head, mark, options = location.rpartition("#")
    if not mark or not _OPTION.match(options) or is_file_name(location):
        return location, ""
    return head, options


def stack_axis(location: str) -> str:
    """The axis that ``#stack=`` names, or empty.

    Raises
    ------
    UsageError
        An option after '#' that is unknown or no number.
    """
    return _parse_options(split_options(location)[1], location).get("stack", "")


def is_file_name(location: str) -> bool:
    """Whether there is a file or folder of exactly this name."""
    try:
        return bool(location.strip()) and _as_stored(Path(location)) is not None
    except (OSError, ValueError):
        return False


def leads_to_file(location: str) -> bool:
    """Whether it is the name of a file or folder, or of something that may be in a file."""
    try:
        return bool(location.strip()) and _existing(location) is not None
    except (OSError, ValueError):
        return False


def absolute_address(location: str) -> str:
    """The address with its paths absolute, links kept; what is on the net stays as it is."""
    if is_remote(location) or "://" in location:
        return location
    text, options = split_options(location)
    pieces = [text] if os.path.lexists(text) else text.split(os.pathsep)
    paths = os.pathsep.join(os.path.abspath(p) for p in pieces if p)  # noqa: PTH100 (resolve follows links)
    return f"{paths}#{options}" if options else paths


def _existing(text: str) -> tuple[Path, str] | None:
    """The longest part of ``text`` that exists, and the rest if that part is a file; else None."""
    whole = _as_stored(Path(text))
    if whole is not None:
        return whole, ""
    path = Path(text)
    for parent in path.parents:
        stored = _as_stored(parent)
        if stored is None:
            continue
        rest = path.relative_to(parent).as_posix()
        # Inside a folder nothing may be left over, unless the folder is itself an image (Zarr, N5).
        is_image = stored.is_file() or stored.suffix.lower() in {".zarr", ".n5", ".precomputed"}
        return (stored, rest) if is_image else None
    return None


def _as_stored(path: Path) -> Path | None:
    """``path`` spelled as the file system has it: composed and decomposed umlauts name the same file."""
    for spelling in dict.fromkeys(
        [str(path), unicodedata.normalize("NFC", str(path)), unicodedata.normalize("NFD", str(path))]
    ):
        if os.path.lexists(spelling):
            return Path(spelling)
    if str(path).isascii() or path.parent == path:
        return None
    # Folder and file may be spelled differently: go down part by part.
    parent = _as_stored(path.parent)
    if parent is None or not parent.is_dir():
        return None
    wanted = unicodedata.normalize("NFC", path.name)
    try:
        return next((p for p in parent.iterdir() if unicodedata.normalize("NFC", p.name) == wanted), None)
    except OSError:
        return None


def _missing(text: str, location: str) -> ImageError:
    path = Path(text)
    remedy = "check the name"
    try:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:
        names = []
    close = [name for name in names if name.casefold() == path.name.casefold()]
    close = close or difflib.get_close_matches(path.name, names[:5000], n=1, cutoff=0.8)
    if close:
        remedy = f"check the name; perhaps {close[0]!r} is meant"
    return ImageError("there is no such file", where=location, remedy=remedy)


class _Options(TypedDict, total=False):
    series: int
    level: int
    scene: str
    stack: str
    level_name: str


def _parse_options(text: str, location: str) -> _Options:
    found: _Options = {}
    for part in filter(None, text.split(",")):
        key, equals, value = (p.strip() for p in part.partition("="))
        if key not in {"series", "level", "scale", "scene", "stack"} or not equals or not value:
            raise UsageError(
                f"{part!r} after '#' is no option of an image",
                where=location,
                remedy="write #series=N, #level=N, #scale=KEY, #scene=NAME or #stack=z",
            )
        if key == "scene":
            found["scene"] = value
        elif key == "scale":
            found["level_name"] = value
        elif key == "stack":
            if value not in {"t", "c", "z"}:
                raise UsageError(
                    f"files cannot be put together along {value!r}",
                    where=location,
                    remedy="write #stack=z, #stack=t or #stack=c",
                )
            found["stack"] = value
        elif value.isascii() and value.isdigit() and len(value) < 10:
            found["series" if key == "series" else "level"] = int(value)
        else:
            raise UsageError(
                f"{key}={value} is no number", where=location, remedy=f"write #{key}=0, 1 or 2 and so on"
            )
    return found
