"""What the commands share: what this machine lets them use, and how numbers are said."""

from __future__ import annotations

import os
import sys


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def memory_of(flag: str | None, stored: str | None) -> int:
    """Bytes that a command may use: its flag, else the setting, else the usual share of the machine."""
    from underbrush.config import said_by
    from underbrush.engine.memory import memory_cap

    return memory_cap(flag) if flag else memory_cap(stored, said_by("memory"))


def counted(n: int, noun: str) -> str:
    """``1 mask``, ``2 masks``."""
    return f"{n} {noun}" + ("" if n == 1 else "s")


_UNUSED = ("scipy", "scipy.linalg", "cffi")
"""What numba looks for and our kernels do not use: matrix products, and calls of C by declarations."""


def load_compiler() -> None:
    """Import numba without SciPy and cffi, a seventh of the time that a command takes to start.

    numba looks whether they are there, for kernels of other kinds than ours. For commands only: in a process
    of someone else's, other kernels may use them.
    """
    if "numba" in sys.modules or any(name in sys.modules for name in _UNUSED):
        return
    for name in _UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's way to say: there is none
    try:
        import numba.core.typing.cffi_utils
        import numba.np.arraymath  # noqa: F401
    finally:
        for name in _UNUSED:
            del sys.modules[name]
