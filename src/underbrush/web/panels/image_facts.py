"""What the step Images says of each image beyond the state: its link, its mask, warnings, doubtful axes."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from underbrush.errors import UnderbrushError
from underbrush.project.paths import name_of
from underbrush.project.resolve import resolve_source
from underbrush.web.panels.image_acts import KindOfFile, at_level

if TYPE_CHECKING:
    from underbrush.core.geometry import Shape5
    from underbrush.engine.session import Session
    from underbrush.project.document import Document
    from underbrush.project.entries import LaneEntry
    from underbrush.project.schema import Source

PATIENCE = 0.5
"""Seconds in which files are looked into at one reading; the others are at the next one."""
COARSE = 3.0
"""Slices so many times farther apart than pixels are coarse."""
LENGTHS = {"pm": 1e-6, "Å": 1e-4, "nm": 1e-3, "µm": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
"""Units of length in micrometres."""
_WORDS = {"z": "Slices (z)", "t": "Time points (t)", "c": "Channels (c)"}
_ASKED: Mapping[str, tuple[str, ...]] = {
    "zyx": ("zyx", "tyx", "cyx"),
    "tyx": ("zyx", "tyx", "cyx"),
    "cyx": ("zyx", "tyx", "cyx"),
    "yxc": ("yxc", "zyx"),
}


@dataclass(frozen=True)
class Peeked:
    """What a file says of itself, without what the project says."""

    known: bool
    """Whether it says what its axes mean."""
    axes: str
    shape: tuple[int, ...]
    levels: int
    problems: tuple[str, ...] = ()
    size: int = 0
    """Bytes on the disk."""
    level_shapes: tuple[tuple[int, ...], ...] = ()
    """Of the whole pyramid, the finest first; none where there is one level only."""
    level_names: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """Of its pixels, by axis, with their units."""
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint8))


class ImageFacts:
    """Reads the images of one session for the parts of step 1; each file is looked into once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._peeked: dict[str, tuple[object, Peeked | None]] = {}
        self.more = False
        """Whether files are left to be looked into: read again."""

    def read(self) -> dict[str, dict[str, Any]]:
        """Data of the parts, by name. Opens files: call it in a thread."""
        document = self._session.document
        until = time.monotonic() + PATIENCE
        self.more = False
        peeked = {lane: self._peek(document, lane, until) for lane in document.lane_order}
        self._peeked = {lane: kept for lane, kept in self._peeked.items() if lane in document.lanes}
        shapes = {lane: self._shape(document.lanes[lane].raw, peeked[lane]) for lane in document.lane_order}
        warnings = unlike(document, shapes)
        facts = {
            lane: {
                **entry_facts(document.lanes[lane], self._session.path.parent),
                "level": level_words(document.lanes[lane].raw, peeked[lane]),
                "levels": level_rows(document.lanes[lane].raw, peeked[lane]),
                "size": one.size if (one := peeked[lane]) else 0,
                "sized": is_sized(document.lanes[lane].raw, one),
                "warnings": warnings.get(lane, []) + [[p, p] for p in (one.problems if one else ())],
            }
            for lane in document.lane_order
        }
        return {
            "ImageTable": {
                "facts": facts,
                "questions": [*questions(document, peeked), *flat_questions(document)],
            },
            "ImageProperties": {"facts": facts},
            "AddImages": {"facts": facts},
            "BatchPage": {
                "files": {k: file_of(document.lanes[k].raw, self._session.path.parent) for k in facts}
            },
        }

    def answers(self) -> dict[KindOfFile, str]:
        """The axes that were said of files of a kind, as far as their files were looked into."""
        return answers(self._session.document, {lane: kept for lane, (_, kept) in self._peeked.items()})

    def _shape(self, raw: Source, peeked: Peeked | None) -> Shape5 | None:
        if raw.shape5 is not None or peeked is None:
            return raw.shape5
        from underbrush.core.geometry import shape_to_internal  # noqa: PLC0415

        return shape_to_internal(peeked.shape, peeked.axes)

    def _peek(self, document: Document, lane: str, until: float) -> Peeked | None:
        """What the file says, or None where it cannot be read (the state says why)."""
        raw = document.lanes[lane].raw
        identity = (raw.kind, raw.stored, raw.inner)
        kept = self._peeked.get(lane)
        if kept is not None and kept[0] == identity and kept[1] is not None:
            return kept[1]
        if time.monotonic() > until:
            self.more = True
            return None
        found = peeked_file(resolve_source(raw, document.base).address)
        self._peeked[lane] = (identity, found)
        return found


def peeked_file(address: str | None) -> Peeked | None:
    """What the file at ``address`` says of itself; None where it cannot be read."""
    from underbrush.sources.opening import open_image  # noqa: PLC0415  (late: readers are heavy)

    if address is None:
        return None
    try:
        with open_image(address) as image:
            info = image.info
        whole = info
        if at_level(address, 0) != address:
            with open_image(at_level(address, 0)) as image:
                whole = image.info
    except UnderbrushError:
        return None
    try:
        size = sum(Path(part).stat().st_size for part in address.split(os.pathsep) if Path(part).is_file())
    except OSError:
        size = 0
    problems = tuple(p for p in info.problems if not p.endswith("--axes to choose."))
    shapes = whole.levels if len(whole.levels) > 1 else ()
    return Peeked(
        info.axes_known,
        info.axes,
        info.shape,
        len(info.levels),
        problems,
        size,
        shapes,
        whole.level_names,
        dict(info.pixel_size),
        info.dtype,
    )


def is_sized(raw: Source, peeked: Peeked | None) -> bool:
    """Whether a project says other sizes of pixels than the file, which are in force."""
    from underbrush.engine.lanes import told_sizes  # noqa: PLC0415  (late: readers are heavy)

    told = told_sizes(raw)
    if peeked is None:
        return bool(told)
    own = told_sizes(replace(raw, pixel_size=peeked.sizes))
    return any(own.get(axis) != size for axis, size in told.items() if axis in peeked.axes)


def entry_facts(entry: LaneEntry, folder: Path) -> dict[str, Any]:
    """How an image is linked, its mask, and labels that wait for other axes."""
    raw = entry.raw
    relative = not Path(raw.stored).is_absolute()
    kinds = {"embedded": "embedded", "url": "address", "stack": f"sequence of {len(raw.files)} files"}
    below = raw.kind == "file" and (relative or Path(raw.stored).is_relative_to(folder.absolute()))
    return {
        "storage": kinds.get(raw.kind) or ("relative" if relative else "absolute"),
        "below": below,
        "mask": "" if entry.mask is None else (entry.mask.name or name_of(entry.mask.stored)),
        "parked": sum(p.size for p in entry.parked),
        "inner": raw.inner if raw.kind == "file" else "",
        "container": _container(raw, folder),
        "auto": raw.display_range is None or raw.normalize_display is False,
    }


def file_of(raw: Source, folder: Path) -> str:
    """Where an image lies, as files of a batch are named: links followed, with what is named in the file."""
    if raw.kind != "file" or len(raw.files) != 1:
        return raw.stored
    path = os.path.realpath(folder.absolute() / raw.files[0])
    return f"{path}/{raw.inner}" if raw.inner else path


def _container(raw: Source, folder: Path) -> str:
    """The file in which one of several images was chosen, to choose another; empty where none was."""
    if raw.kind != "file" or not raw.inner or len(raw.files) != 1:
        return ""
    return str(folder.absolute() / raw.files[0])


def level_at(raw: Source, peeked: Peeked) -> int | None:
    """Which level of its pyramid an image is, 0 the finest; None where its name is not known."""
    if raw.level:
        return peeked.level_names.index(raw.level) if raw.level in peeked.level_names else None
    named = re.search(r"[#,]level=(\d+)", raw.stored)
    return int(named[1]) if named else 0


def level_words(raw: Source, peeked: Peeked | None) -> str:
    """Which level of a pyramid an image is."""
    if peeked is None or not peeked.level_shapes:
        return raw.level or "full"
    at, last = level_at(raw, peeked), len(peeked.level_shapes) - 1
    return raw.level if at is None else f"{at} of 0 to {last}" if at else f"full of {last + 1}"


def level_rows(raw: Source, peeked: Peeked | None) -> list[dict[str, Any]]:
    """The levels that can be chosen, with their sizes; none where there is one only."""
    if peeked is None or raw.kind not in {"file", "url"}:
        return []
    now = level_at(raw, peeked)
    return [
        {"level": at, "text": f"{at}: {' × '.join(map(str, shape))}", "on": at == now}
        for at, shape in enumerate(peeked.level_shapes)
    ]


def unlike(document: Document, shapes: Mapping[str, Shape5 | None]) -> dict[str, list[list[str]]]:
    """Warnings [short, long] about images that are unlike most: channels, slices, pixel size."""
    found: dict[str, list[list[str]]] = {}
    known = {lane: shape for lane, shape in shapes.items() if shape is not None}
    channels = _most(shape[1] for shape in known.values())
    volume = _most(shape[2] > 1 for shape in known.values())
    sized = _most(bool(entry.raw.pixel_size) for entry in document.lanes.values())
    for lane, shape in known.items():
        said = found.setdefault(lane, [])
        if shape[1] != channels:
            said.append(
                [
                    f"{shape[1]} {'channel' if shape[1] == 1 else 'channels'}",
                    f"Most images have {channels}; one classifier needs the same number in all.",
                ]
            )
        if (shape[2] > 1) != volume:
            said.append(
                [
                    "volume" if shape[2] > 1 else "flat",
                    "Volumes and flat images have different features; make a project for each.",
                ]
            )
        if sized and not document.lanes[lane].raw.pixel_size:
            said.append(
                ["pixel size unknown", "Other images of this project say theirs; this file does not."]
            )
    return {lane: said for lane, said in found.items() if said}


def _most(values: Iterable[Any]) -> Any:
    common = Counter(values).most_common(1)
    return common[0][0] if common else None


def questions(document: Document, peeked: Mapping[str, Peeked | None]) -> list[dict[str, Any]]:
    """One question for all files of a kind that do not say what their axes mean.

    An image that has strokes, or other axes than were guessed, was answered.
    """
    kinds: dict[KindOfFile, list[str]] = {}
    for lane in document.lane_order:
        one, raw = peeked.get(lane), document.lanes[lane].raw
        if one is None or one.known or len(one.axes) not in (3, 4) or document.labels.get(lane):
            continue
        if raw.axes not in (None, one.axes):
            continue
        kinds.setdefault(kind_of_file(raw.stored, one), []).append(lane)
    return [_question(document, key, lanes) for key, lanes in kinds.items()]


def flat_questions(document: Document) -> list[dict[str, Any]]:
    """Whether features are computed slice by slice, where slices lie far apart and nothing is painted yet."""
    selection = document.settings.selection
    if selection is None or document.labels or all(selection.in_2d or (False,)):
        return []
    ratios = {lane: _coarseness(document.lanes[lane]) for lane in document.lane_order}
    coarse = {lane: ratio for lane, ratio in ratios.items() if ratio > COARSE}
    if not coarse:
        return []
    from underbrush.project.values_json import selection_to_json  # noqa: PLC0415

    most, flat = max(coarse.values()), selection_to_json(selection.with_in_2d(True))
    return [
        {
            "key": "coarse",
            "flat": True,
            "lanes": list(coarse),
            "title": f"Slices lie {most:.0f} times farther apart than pixels: features in 2D?",
            "detail": "Through the slices they would mix what lies far apart, and take much longer. It can be"
            " changed later in step 2, for each scale.",
            "options": [
                {
                    "text": "Slice by slice (2D)",
                    "tip": "For all scales",
                    "command": {"type": "set_features", "selection": flat},
                },
                {"text": "Through the slices (3D)", "tip": "As it is", "command": None},
            ],
        }
    ]


def _coarseness(entry: LaneEntry) -> float:
    """How many times farther apart slices lie than pixels; 1 where it is not known, or the image is flat."""
    from underbrush.engine.lanes import told_sizes  # noqa: PLC0415  (late: readers are heavy)

    sizes, shape = told_sizes(entry.raw), entry.raw.shape5
    if shape is None or shape[2] == 1 or "x" not in sizes or "z" not in sizes:
        return 1.0
    (x, across), (z, deep) = sizes["x"], sizes["z"]
    known = across in LENGTHS and deep in LENGTHS
    return z * LENGTHS[deep] / (x * LENGTHS[across]) if known else 1.0


def kind_of_file(stored: str, peeked: Peeked) -> KindOfFile:
    """What files have in common that one question is asked about."""
    sizes = tuple(n for a, n in zip(peeked.axes, peeked.shape, strict=True) if a not in "yx")
    return _suffix(stored), peeked.axes, sizes


def answers(document: Document, peeked: Mapping[str, Peeked | None]) -> dict[KindOfFile, str]:
    """The axes that were said of files that do not say their own, by their kind; the last image decides."""
    found: dict[KindOfFile, str] = {}
    for lane in document.lane_order:
        one, raw = peeked.get(lane), document.lanes[lane].raw
        if one is not None and not one.known and raw.axes is not None and raw.axes != one.axes:
            found[kind_of_file(raw.stored, one)] = raw.axes
    return found


def _suffix(stored: str) -> str:
    return Path(stored.partition("#")[0]).suffix.lower()


def _question(document: Document, key: KindOfFile, lanes: Sequence[str]) -> dict[str, Any]:
    suffix, axes, sizes = key
    names = [Path(document.lanes[lane].raw.stored).name for lane in lanes]
    last = f"{len(names) - 2} more" if len(names) > 3 else names[-1]
    shown = names[0] if len(names) == 1 else f"{', '.join(names[: 2 if len(names) > 3 else -1])} and {last}"
    several = len(lanes) > 1
    if len(axes) == 3:
        pages = "pages" if suffix in {".tif", ".tiff"} else "planes"
        title = f"{sizes[0]} {pages}: slices, time points or channels?"
        if axes == "yxc":
            title = f"The last axis has {sizes[0]}: channels, or columns of slices?"
        ways = [(way, _words(way, axes)) for way in _ASKED.get(axes, (axes,))]
    else:
        title = f"{' × '.join(map(str, sizes))} planes: what are they?"
        ways = [(way, _words(way, axes)) for way in _orders(axes)]
    return {
        "key": f"{suffix} {axes} {'x'.join(map(str, sizes))}",
        "lanes": list(lanes),
        "title": title,
        "detail": f"{shown} {'do' if several else 'does'} not say. "
        + (
            f"One answer for {'both' if len(lanes) == 2 else f'all {len(lanes)}'}; it"
            if several
            else "The answer"
        )
        + " can be changed later under axes.",
        "options": [{"axes": way, "text": text} for way, text in ways],
    }


def _words(way: str, axes: str) -> str:
    if len(way) == 3 and axes != "yxc":
        return _WORDS[way[0]]
    if way == "yxc":
        return "Channels (y x c)"
    if way == "zyx":
        return "Slices (z y x)"
    first, second = (a for a in way if a not in "yx")
    return f"{_WORDS[first]}, then {_WORDS[second].lower()}"


def _orders(axes: str) -> tuple[str, ...]:
    """The ways in which four axes are stored, with y and x where the guess has them; the guess first."""
    places = [at for at, a in enumerate(axes) if a not in "yx"]
    ways = []
    for pair in ("zc", "tc", "tz", "cz", "ct", "zt"):
        letters = list(axes)
        for at, letter in zip(places, pair, strict=True):
            letters[at] = letter
        ways.append("".join(letters))
    return (axes, *(way for way in ways if way != axes))[:5]
