"""What the commands share: what this machine lets them use, and how numbers are said."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def counted(n: int, noun: str) -> str:
    """``1 mask``, ``2 masks``."""
    return f"{n} {noun}" + ("" if n == 1 else "s")
