"""Where a result goes: a pattern with placeholders becomes a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from underbrush.errors import UsageError
from underbrush.files import safe_name

DEFAULT_PATTERN = "{project_dir}/{project}_results/{nickname}_{result}"
_PLACEHOLDER = re.compile(r"\{([a-z_]*)\}")
_INNER = re.compile(r"\.(h5|hdf5|hdf|ilp|npz|n5|zarr)/", re.IGNORECASE)
_SUFFIXES = re.compile(
    r"\.(ome\.tiff?|ome\.zarr|nii\.gz|tiff?|h5|hdf5|hdf|ilp|npz|npy|n5|zarr|png|jpe?g|bmp|gif|p[bgpn]m)$",
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

    ``cells.ome.tif`` is ``cells``; ``cells.h5/raw/data`` is ``cells-raw-data``.
    """
    path = address.split("#", 1)[0] if "#" in Path(address).name else address
    path = path.rstrip("/")
    match = _INNER.search(path)
    inner = ""
    if match:
        path, inner = path[: match.end() - 1], path[match.end() :]
    name = _SUFFIXES.sub("", re.split(r"[/\\]", path)[-1])
    return name + "".join(f"-{part}" for part in inner.split("/") if part)


def output_path(pattern: str, address: str, naming: Naming, suffix: str) -> Path:
    """The file that the result of the image at ``address`` goes to.

    Placeholders: ``{project_dir}``, ``{project}`` (name without suffix), ``{dataset_dir}``,
    ``{nickname}``, ``{result}``. ``suffix`` is appended where the pattern ends without one of its own.

    Raises
    ------
    UsageError
        An unknown placeholder.
    """
    project = naming.project.absolute()
    values = {
        "project_dir": str(project.parent),
        "project": project.stem,
        "dataset_dir": str(Path(_file_part(address)).absolute().parent),
        "nickname": str(safe_name(nickname_of(address))),
        "result": naming.result,
    }

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = ", ".join(f"{{{k}}}" for k in values)
            raise UsageError(f"unknown placeholder {match[0]} in --output", remedy=f"use {known}")
        return values[match[1]]

    path = str(_PLACEHOLDER.sub(fill, pattern))
    if not _SUFFIXES.search(path):
        path += suffix
    return Path(path)


def _file_part(address: str) -> str:
    match = _INNER.search(address)
    return address[: match.end() - 1] if match else address
