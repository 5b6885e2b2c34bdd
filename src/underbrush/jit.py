"""How kernels are compiled, and where compiled code is kept.

Importing this module imports numba; only kernel files do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that compiles a function: without the GIL, cached on disk, division as in numpy.

    No flag that assumes away NaN or infinity is ever set; a kernel may ask for ``fastmath={"contract"}``
    where its bytes do not depend on it.
    """
    merged: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", **options}
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(**merged)
    return decorate
