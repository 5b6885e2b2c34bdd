"""What the commands share: what this machine lets them use, and how numbers are said."""

from __future__ import annotations

import os
import sys


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def counted(n: int, noun: str) -> str:
    """``1 mask``, ``2 masks``."""
    return f"{n} {noun}" + ("" if n == 1 else "s")


def load_compiler() -> None:
    """Import numba without SciPy's linear algebra, a tenth of the time that a command takes to start.

    numba looks whether it is there, for kernels that multiply matrices; ours do not. For commands only: in a
    process of someone else's, other kernels may.
    """
    if "numba" in sys.modules or "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # Python's way to say: there is none
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy.linalg"]
