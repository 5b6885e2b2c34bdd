"""Blocks of a result become a file: `open_sink`, after `check_sink` has said that the format can hold it."""

from __future__ import annotations

from underbrush.sinks.base import OutputSpec, PiecedSink, ResultKind, Sink
from underbrush.sinks.formats import (
    check_sink,
    find_format,
    format_of,
    open_part,
    open_sink,
    suffix_of,
    unit_of,
)

__all__ = [
    "OutputSpec",
    "PiecedSink",
    "ResultKind",
    "Sink",
    "check_sink",
    "find_format",
    "format_of",
    "open_part",
    "open_sink",
    "suffix_of",
    "unit_of",
]
