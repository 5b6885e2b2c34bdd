"""The bytes of a recovery file: a header, then records, each whole or not there.

A record is its length (u32), a checksum (u32), and a JSON object in ASCII; numbers are little-endian. The
checksum of the header is the CRC-32 of its bytes; that of every other record starts from the header's, so
that remains of an older file on the same spot of the disk are never taken for records of this one.

Three kinds of objects:

* the header, first: ``{"format": 1, "project", "journal", "base", "first", "created"}``. ``base`` is the
  SHA-256 of the .ilp that the file extends, ``first`` the sequence number of the first edit not in it;
* an edit: any object with a whole number ``sequence``, which grows from edit to edit;
* a mark: ``{"base", "first"}`` without ``sequence``: an .ilp of that hash has all edits before ``first``.
  It is written before such an .ilp takes the project's name, so that the file fits the old and the new one.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from underbrush.errors import ProjectError

FORMAT = 1
MAX_RECORD = 1 << 28
"""Bytes of one record; a length beyond is damage."""
_HEAD = struct.Struct("<II")
_NEWER = "open it with that version or a newer one"


class DamagedJournal(ProjectError):
    """A recovery file of which nothing can be read."""


class NewerJournal(ProjectError):
    """A recovery file of a newer version of Underbrush."""


@dataclass(frozen=True)
class Mark:
    """An .ilp and what it has of the edits."""

    base: str
    """SHA-256 of the .ilp, in hexadecimal."""
    first: int
    """Sequence number of the first edit that is not in it."""


@dataclass(frozen=True)
class JournalContent:
    """What a recovery file says."""

    project: str
    journal: str
    created: str
    marks: tuple[Mark, ...]
    """The .ilp that it extends (that of the header first)."""
    edits: tuple[dict[str, Any], ...]
    """In order of their sequence numbers."""
    torn: int
    """Bytes at the end that are no record: a write that was interrupted."""
    lost: int
    """Records, at least, that are damaged or lie behind a damaged one; then the file is not only torn."""

    def since(self, base: str) -> tuple[dict[str, Any], ...] | None:
        """The edits that the .ilp of this hash does not have yet; None where the file does not extend it."""
        for mark in self.marks:
            if mark.base == base:
                return tuple(e for e in self.edits if e["sequence"] >= mark.first)
        return None


def encode(record: Mapping[str, Any]) -> bytes:
    """A record's JSON as ASCII bytes.

    Raises
    ------
    ValueError
        It has values that JSON has not, or is larger than `MAX_RECORD`.
    """
    text = json.dumps(dict(record), separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(text) > MAX_RECORD:
        raise ValueError(f"a record of {len(text)} bytes; at most {MAX_RECORD} fit")
    return text


def header(project: str, journal: str, mark: Mark, created: str) -> bytes:
    """The JSON of a header."""
    return encode(
        {"format": FORMAT, "project": project, "journal": journal, "base": mark.base, "first": mark.first,
         "created": created}
    )  # fmt: skip


def mark_text(mark: Mark) -> bytes:
    """The JSON of a mark."""
    return encode({"base": mark.base, "first": mark.first})


def framed(payload: bytes, seed: int = 0) -> bytes:
    """A record's bytes; ``seed`` is 0 for the header, its checksum for all others."""
    return _HEAD.pack(len(payload), zlib.crc32(payload, seed)) + payload


def parse(data: bytes, where: str) -> JournalContent:
    """What a recovery file says; everything before the first damage.

    Raises
    ------
    DamagedJournal
        It has no whole header.
    NewerJournal
        Its format is newer than this version.
    """
    view = memoryview(data)
    payload = _record(view, 0, 0)
    if payload is None:
        raise DamagedJournal("the recovery file has no readable beginning", where=where)
    said = _object(payload)
    told = said.get("format")
    if isinstance(told, int) and told > FORMAT:
        raise NewerJournal(
            f"the recovery file was written by a newer Underbrush (format {told}, this one reads {FORMAT})",
            where=where,
            remedy=_NEWER,
        )
    first = _mark(said)
    if first is None or told != FORMAT:
        raise DamagedJournal("the recovery file begins with no header", where=where)
    seed = zlib.crc32(payload)
    marks, edits = [first], list[dict[str, Any]]()
    end = _HEAD.size + len(payload)
    for place, payload in _records(view, end, seed):
        record = _object(payload)
        mark = _mark(record)
        if mark is not None:
            marks.append(mark)
        elif _follows(record, edits):
            edits.append(record)
        else:
            break
        end = place
    behind = _whole_behind(data, end, seed) if end < len(data) else 0
    return JournalContent(
        project=_text(said, "project"),
        journal=_text(said, "journal"),
        created=_text(said, "created"),
        marks=tuple(marks),
        edits=tuple(edits),
        torn=len(data) - end,
        lost=behind,
    )


def _record(view: memoryview, place: int, seed: int) -> bytes | None:
    """The JSON of the record at ``place``, if a whole one with the right checksum is there."""
    if place + _HEAD.size > len(view):
        return None
    length, checksum = _HEAD.unpack_from(view, place)
    start = place + _HEAD.size
    if not 2 <= length <= MAX_RECORD or start + length > len(view):
        return None
    payload = view[start : start + length]
    return bytes(payload) if zlib.crc32(payload, seed) == checksum else None


def _records(view: memoryview, place: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """(end, JSON) of each record from ``place`` on, up to the first that is not whole."""
    while (payload := _record(view, place, seed)) is not None:
        place += _HEAD.size + len(payload)
        yield place, payload


def _whole_behind(data: bytes, start: int, seed: int) -> int:
    """Records that cannot be used though something whole lies behind ``start``; 0 where nothing does.

    A record begins 8 bytes before its ``{"``. The work is bounded: a file made to look like nothing but
    beginnings of records is given up.
    """
    view = memoryview(data)
    found, effort = 0, 4 * len(data)
    if _record(view, start, seed) is not None:  # whole, but out of order
        found, start = 1, start + 1
    place = data.find(b'{"', start + _HEAD.size)
    while place >= 0 and effort > 0:
        length = _HEAD.unpack_from(view, place - _HEAD.size)[0]
        if 2 <= length <= len(data) - place and data[place + length - 1] == ord("}"):
            effort -= length
            if _record(view, place - _HEAD.size, seed) is not None:
                found += 1
                place += length - 1
        place = data.find(b'{"', place + 1)
    return found + 1 if found else 0


def _object(payload: bytes) -> dict[str, Any]:
    """The JSON object, or an empty one where it is none (which is no record of any kind)."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _whole_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _mark(record: Mapping[str, Any]) -> Mark | None:
    if "sequence" in record or not isinstance(record.get("base"), str):
        return None
    return Mark(record["base"], record["first"]) if _whole_number(record.get("first")) else None


def _follows(record: Mapping[str, Any], edits: list[dict[str, Any]]) -> bool:
    number = record.get("sequence")
    return _whole_number(number) and (not edits or record["sequence"] > edits[-1]["sequence"])


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""
