"""Where a result goes: a pattern with placeholders becomes a path."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from underbrush.errors import OutputError, UsageError
from underbrush.files import safe_name
from underbrush.sinks.formats import FORMATS
from underbrush.sinks.places import SLICE

DEFAULT_PATTERN = "{project_dir}/{project}_results/{nickname}_{result}"
_PLACEHOLDER = re.compile(r"\{([a-z_]*)\}")
_INNER = re.compile(r"\.(h5|hdf5|hdf|ilp|npz|n5|zarr|zip|ozx)/", re.IGNORECASE)
_OPTIONS = re.compile(r"#((series|level|scale|scene|stack)=[^/]*)?$")
_SUFFIXES = re.compile(
    r"\.((ome\.)?zarr\.zip|ozx|precomputed|ome\.tiff?|ome\.zarr|nii\.gz|tiff?|h5|hdf5|hdf|ilp|npz|npy|n5|zarr|png|jpe?g|bmp|gif|p[bgpn]m|czi|lif|lof|nd2|exr)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Naming:
    """The values of the placeholders that all images of a run share."""

    project: Path
    """The project file."""
    result: str
    """Name of the result, as in ``segmentation``."""


def nickname_of(address: str) -> str:
    """The short name of an image: its file name without suffix, the inner dataset joined with a dash.

    ``cells.ome.tif`` is ``cells``; ``cells.h5/raw/data`` is ``cells-raw-data``; ``cells.tif#series=2`` is
    ``cells-series2``, so that each image of a file has a name of its own. A list of files has the name of its
    first; along which axis a stack lies is no part of its name.
    """
    address = _first_of(address)
    chosen = _OPTIONS.search(address)
    options = ""
    path = address
    if chosen:
        path = address[: chosen.start()]
        parts = [part for part in chosen[0][1:].split(",") if part and not part.startswith("stack=")]
        options = "".join(f"-{part.replace('=', '')}" for part in parts)
    path = path.rstrip("/")
    match = _INNER.search(path)
    inner = ""
    if match:
        path, inner = path[: match.end() - 1], path[match.end() :]
    name = _SUFFIXES.sub("", re.split(r"[/\\]", path)[-1])
    return name + "".join(f"-{part}" for part in inner.split("/") if part) + options


def output_path(pattern: str, address: str, naming: Naming, suffix: str) -> Path:
    """The file that the result of the image at ``address`` goes to.

    Placeholders: ``{project_dir}``, ``{project}`` (name without suffix), ``{dataset_dir}``,
    ``{nickname}``, ``{result}``; ``{slice_index}`` stays for the files of a sequence. ``suffix`` is appended
    where the pattern ends without one of its own.

    Raises
    ------
    UsageError
        An unknown placeholder, or no name for a file.
    OutputError
        The suffix of a file that is no result.
    """
    project = naming.project.absolute()
    values = {
        "project_dir": str(project.parent),
        "project": project.stem,
        "dataset_dir": str(Path(file_part(address)).absolute().parent),
        "nickname": str(safe_name(nickname_of(address))),
        "result": naming.result,
    }

    if SLICE in pattern:  # the numbers stand where the user wants them
        suffix = suffix.replace(f"_{SLICE}", "")

    def fill(match: re.Match[str]) -> str:
        if match[0] == SLICE:
            return SLICE
        if match[1] not in values:
            known = ", ".join(f"{{{k}}}" for k in values)
            raise UsageError(f"unknown placeholder {match[0]} in --output", remedy=f"use {known}")
        return values[match[1]]

    path = str(_PLACEHOLDER.sub(fill, pattern))
    ending = _SUFFIXES.search(path)
    in_folders = path.lower().endswith(tuple(s for f in FORMATS if f.folder for s in f.suffixes))
    if not path or path.endswith(("/", os.sep)) or (Path(path).is_dir() and not in_folders):
        folder = path.rstrip("/" + os.sep)
        raise UsageError(
            f"--output {pattern!r} is a folder, not a file" if path else "--output is empty",
            remedy=f"write {folder + '/' if folder else ''}{{nickname}}_{{result}}",
        )
    if ending and not path.lower().endswith(tuple(s for f in FORMATS for s in f.suffixes)):
        raise OutputError(
            f"the name ends with {ending[0]!r}, which is no format of results",
            where=path,
            remedy=f"end it with {suffix} or leave the ending out",
        )
    return Path(path if ending else path + suffix)


def _first_of(address: str) -> str:
    """The first file of a list; addresses of the net and of Windows have colons of their own."""
    pieces = address.split(os.pathsep)
    is_list = len(pieces) > 1 and "://" not in address and all(re.search(r"\.\w+", p) for p in pieces)
    return pieces[0] if is_list else address


def file_part(address: str) -> str:
    """The file, or the first of several, that an address leads to, without what is named in it."""
    address = _first_of(address)
    match = _INNER.search(address)
    return address[: match.end() - 1] if match else address
