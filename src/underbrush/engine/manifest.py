"""What is to be predicted: images named one by one, in folders, in a table or a list, each with its mask."""

from __future__ import annotations

import bisect
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underbrush.engine.naming import file_part, nickname_of
from underbrush.errors import ImageError, UsageError
from underbrush.files import safe_name
from underbrush.sources.address import is_remote
from underbrush.sources.bytesfile import unreadable
from underbrush.sources.kinds import IMAGE_SUFFIXES, kind_of
from underbrush.sources.sequence import natural

COLUMNS = ("image", "mask", "axes", "output")
LARGEST = 64_000_000
"""Bytes of a table."""
_FOLDERS = (".zarr", ".n5", ".precomputed")
"""Endings of folders that are images, without looking into them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image and what was said of it alone."""

    image: str
    mask: str | None = None
    axes: str | None = None
    output: str | None = None
    """A pattern, as of ``--output``."""


def named_entries(
    images: Sequence[str], masks: Sequence[str], lines: Sequence[str], deep: bool
) -> list[Entry]:
    """Images as a command names them, in that order.

    Parameters
    ----------
    images
        Files, patterns (each one stack), addresses on the net, folders (all images in them) and ``-``
        (``lines``).
    masks
        None; one for each image in the same order; one pattern with ``{nickname}`` or ``{dataset_dir}``; or
        one folder, of which those are taken whose names hold that of an image.
    lines
        Addresses that came from elsewhere, as on stdin.
    deep
        Folders in folders are looked into as well.

    Raises
    ------
    UsageError
        A folder without images, or masks that do not go with the images.
    """
    found: list[str] = []
    for image in images:
        if image == "-":
            found += lines
        elif _is_plain_folder(image):
            found += _in_folder(Path(image), deep)
        else:
            found.append(image)
    return [Entry(image, mask) for image, mask in zip(found, _masks(found, masks), strict=True)]


def listed(text: str) -> list[str]:
    """The addresses of a list, one a line; or with a NUL byte after each, as ``find -print0`` writes."""
    parts = text.split("\0") if "\0" in text else text.splitlines()
    return [part.strip("\r\n") for part in parts if part.strip()]


# -- folders --------------------------------------------------------------------------------------------


def _is_plain_folder(address: str) -> bool:
    """Whether it is a folder that is no image itself."""
    path = Path(address)
    try:
        if is_remote(address) or not path.is_dir():
            return False
        kind_of(path, address)
    except ImageError:
        return True
    except (OSError, ValueError):
        pass
    return False


def _in_folder(folder: Path, deep: bool) -> list[str]:
    found = [str(path) for path in _walk(folder, deep)]
    if not found:
        where = "" if deep else ", or add --recursive for the folders in it"
        raise UsageError(
            "there is no image in this folder", where=folder, remedy=f"name a folder with images{where}"
        )
    return found


def _walk(folder: Path, deep: bool) -> Iterator[Path]:
    """Images of a folder in the order of the numbers in their names, then those of the folders in it."""
    try:
        names = sorted((path.name for path in folder.iterdir()), key=natural)
    except OSError as error:
        problem = f"the folder cannot be read ({error.strerror or error})"
        raise UsageError(problem, where=folder, remedy="check its permissions") from None
    inside = []
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        if path.is_dir():
            if path.suffix.lower() in _FOLDERS or not _is_plain_folder(str(path)):
                yield path
            else:
                inside.append(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES or name.lower().endswith(".zarr.zip"):
            yield path
    for path in inside if deep else ():
        if not path.is_symlink():  # links may lead round in circles
            yield from _walk(path, deep)


# -- masks ----------------------------------------------------------------------------------------------


def _masks(images: Sequence[str], masks: Sequence[str]) -> Sequence[str | None]:
    if not masks:
        return [None] * len(images)
    if len(masks) == 1 and "{" in masks[0] and not Path(masks[0]).exists():
        return [_filled(masks[0], image) for image in images]
    if len(masks) == 1 and _is_plain_folder(masks[0]):
        return paired_by_name(images, [str(path) for path in _walk(Path(masks[0]), deep=False)], masks[0])
    if len(masks) != len(images):
        said = f"{_counted(len(masks), 'mask')} for {_counted(len(images), 'image')}"
        raise UsageError(
            said, remedy="give --mask once for each image in the same order, or a folder, or {nickname}"
        )
    return masks


def _filled(pattern: str, image: str) -> str:
    values = {
        "nickname": str(safe_name(nickname_of(image))),
        "dataset_dir": str(Path(file_part(image)).absolute().parent),
    }
    for name, value in values.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    if "{" in pattern:
        raise UsageError(f"--mask {pattern!r} is not understood", remedy="use {nickname} and {dataset_dir}")
    return pattern


def paired_by_name(images: Sequence[str], masks: Sequence[str], where: str) -> list[str]:
    """For each image the mask whose name begins with, ends with or holds that of the image; the shortest.

    Raises
    ------
    UsageError
        An image has none. Names it and the folder ``where``.
    """
    stems = {mask: nickname_of(mask).casefold() for mask in masks}
    ahead = sorted((stem, mask) for mask, stem in stems.items())
    behind = sorted((stem[::-1], mask) for mask, stem in stems.items())
    found: dict[str, str] = {}
    taken: set[str] = set()
    for image in sorted(images, key=lambda i: -len(nickname_of(i))):
        stem = nickname_of(image).casefold()
        fitting = [m for m in _beginning(ahead, stem) if m not in taken]
        fitting += [m for m in _beginning(behind, stem[::-1]) if m not in taken]
        fitting = fitting or [m for m, name in stems.items() if stem in name and m not in taken]
        if not fitting:
            raise UsageError(
                f"there is no mask for {image}",
                where=where,
                remedy="name masks like their images, as a_mask.png",
            )
        found[image] = min(fitting, key=lambda m: (len(stems[m]), m))
        taken.add(found[image])
    return [found[image] for image in images]


def _beginning(names: list[tuple[str, str]], stem: str) -> Iterator[str]:
    for name, mask in names[bisect.bisect_left(names, (stem, "")) :]:
        if not name.startswith(stem):
            return
        yield mask


# -- tables ---------------------------------------------------------------------------------------------


def read_table(path: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """The images of a CSV file, and sentences about it.

    Its first line names the columns: image, and mask, axes, output where they are wanted. Paths count from
    the folder of the file. Commas, semicolons or tabs may stand between values.

    Raises
    ------
    UsageError
        It cannot be read, has no column ``image``, or a line without an image.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError("the table is too large", where=path, remedy="divide it")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        said = unreadable(error, str(path))
        raise UsageError(said.problem, where=path, remedy=said.remedy) from None
    except UnicodeDecodeError:
        problem = "the table is no text in UTF-8"
        raise UsageError(problem, where=path, remedy="save it as CSV in UTF-8") from None
    head = next(iter(text.splitlines()), "")
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().casefold() for name in next(rows, [])]
        _check_columns(names, path)
        entries = list(_entries(rows, names, path))
    except csv.Error as error:
        problem = f"line {rows.line_num} cannot be understood ({error})"
        raise UsageError(problem, where=path, remedy="save it as CSV") from None
    if not entries:
        raise UsageError("the table has no images", where=path, remedy="write one a line below the names")
    unused = [name for name in names if name and name not in COLUMNS]
    notices = (f"{path}: not used: {', '.join(unused)}.",) if unused else ()
    return entries, notices


def _check_columns(names: Sequence[str], path: Path) -> None:
    doubled = sorted({n for n in names if n in COLUMNS and names.count(n) > 1})
    if "image" not in names or doubled:
        problem = f"the column {doubled[0]} is there twice" if doubled else "there is no column named image"
        said = ", ".join(n for n in names[:8] if n) or "nothing"
        raise UsageError(
            f"{problem}; its first line names {said}",
            where=path,
            remedy=f"begin it with image{', mask, axes, output'} as needed",
        )
    # A column that is meant and not seen would give a wrong result without a word.
    for name in names:
        meant = name.rstrip("s")
        if name not in COLUMNS and meant in COLUMNS:
            raise UsageError(f"there is a column named {name}", where=path, remedy=f"name it {meant}")


def _entries(rows: Any, names: Sequence[str], path: Path) -> Iterator[Entry]:
    for row in rows:
        line = rows.line_num
        if not any(value.strip() for value in row):
            continue
        if len(row) > len(names) and any(value.strip() for value in row[len(names) :]):
            problem = f"line {line} has {len(row)} values, the first line names {len(names)}"
            raise UsageError(problem, where=path, remedy="put names that hold the separator in quotes")
        said = {name: value.strip() or None for name, value in zip(names, row, strict=False)}
        image = said.get("image")
        if image is None:
            raise UsageError(f"line {line} names no image", where=path, remedy="name one, or delete the line")
        mask, output = said.get("mask"), said.get("output")
        yield Entry(
            _beside(image, path),
            None if mask is None else _beside(mask, path),
            said.get("axes"),
            None if output is None else _beside(output, path),
        )


def _beside(address: str, table: Path) -> str:
    """An address as it counts from the folder of a table."""
    if is_remote(address) or "://" in address or address.startswith("{"):
        return address
    return str(table.parent / Path(address).expanduser())


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
