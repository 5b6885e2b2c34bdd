"""Names of files: safe on every system, and hidden ones."""

from __future__ import annotations

import os
import re
import secrets
import socket
from functools import cache
from hashlib import sha256
from pathlib import Path

NAME_BYTES = 255
"""Longest name of a file, in bytes, on the file systems of Linux, macOS and Windows."""


_TAIL = re.compile(r"(?s)(\..*)\.([0-9a-f]{4})[0-9a-f]{8}\.part")


def hidden_name(path: Path) -> Path:
    """A new name beside ``path`` that file listings hide, short enough for every file system."""
    tail = f".{_machine()}{secrets.token_hex(4)}.part"
    stem = path.name.encode("utf-8", "surrogateescape")[: NAME_BYTES - len(tail) - 1]
    return path.with_name("." + stem.decode("utf-8", "ignore") + tail)


def hidden_target(name: str) -> str:
    """What hidden names of the same file have in common; empty for a name that is none of ours."""
    match = _TAIL.fullmatch(name)
    return match[1] if match else ""


def begun_here(name: str) -> bool:
    """Whether a hidden name was made on this machine."""
    match = _TAIL.fullmatch(name)
    return match is not None and match[2] == _machine()


@cache
def _machine() -> str:
    return sha256(socket.gethostname().encode("utf-8", "replace")).hexdigest()[:4]


_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def safe_name(name: str, replacement: str = "_") -> str:
    """``name`` as a file's name that Linux, macOS and Windows all take; for generated names.

    Characters that Windows forbids (and slashes) become ``replacement``, dots and blanks at the end go, names
    of devices (``con``, ``nul.txt``) get ``replacement`` in front, and what is longer than a name may be is
    cut before its suffix. Letters of every script stay as they are.
    """
    name = _FORBIDDEN.sub(replacement, name).rstrip(". ")
    if not name or _RESERVED.fullmatch(name):
        name = replacement + name
    if len(os.fsencode(name)) <= NAME_BYTES:
        return name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    suffix = suffix if len(os.fsencode(suffix)) <= 16 else ""
    stem = stem if suffix else name
    cut = stem.encode("utf-8", "surrogateescape")[: NAME_BYTES - len(os.fsencode(suffix))]
    return cut.decode("utf-8", "ignore").rstrip(". ") + suffix
