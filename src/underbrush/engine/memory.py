"""How much memory may be used: the flag, else a quarter of what this machine or container has."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from underbrush.errors import UsageError

LEAST = 512_000_000
_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


def parse_memory(text: str, named: str = "--memory") -> int:
    """``4GB``, ``800 MB``, ``2GiB`` or a number of bytes, as bytes; ``named`` is what gave it.

    Raises
    ------
    UsageError
        It is no amount of memory, or less than 512 MB.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?i?)b?\s*", text.lower())
    if match is None or match[2] == "i":
        raise UsageError(f"{named} {text!r} is no amount of memory", remedy="write it as in 4GB or 800MB")
    amount = int(float(match[1]) * _UNITS[match[2]])
    if amount < LEAST:
        raise UsageError(f"{named} {text} is less than 512MB", remedy="allow at least 512MB")
    return amount


def total_memory() -> int:
    """Bytes of memory of this machine, or of the container if that is less."""
    amounts = [int(psutil.virtual_memory().total)]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text.isdigit():
            amounts.append(int(text))
    return min(amounts)


def memory_cap(text: str | None, named: str = "--memory") -> int:
    """Bytes that the process tree may use at its peak: ``text``, else a quarter of all, at least 512 MB."""
    return parse_memory(text, named) if text else max(LEAST, total_memory() // 4)


def resident() -> int:
    """Bytes that this process holds now."""
    return int(psutil.Process().memory_info().rss)
