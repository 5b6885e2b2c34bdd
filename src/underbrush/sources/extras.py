"""Libraries that are installed only where their files are read."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from underbrush.errors import ImageError


def needed(library: str, extra: str, what: str, location: str) -> Any:
    """The module ``library``, which ``pip install "underbrush[extra]"`` brings; ``what`` is what needs it.

    Raises
    ------
    ImageError
        It is not installed, or does not start.
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        why = f"needs the library {library}" + (f", which needs {missing}" if missing != library else "")
    except ImportError as error:
        why = f"needs the library {library}, which does not start ({str(error).rstrip('.'):.120})"
    raise ImageError(
        f"this is {what}; reading it {why}",
        where=location,
        remedy=f'run pip install "underbrush[{extra}]", or export the image as TIFF',
    )
