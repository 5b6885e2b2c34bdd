"""Sentences that name options of the command line, for callers of the library: they name its parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from underbrush.errors import UnderbrushError

_WITH_VALUE = re.compile(
    r"--(dtype|rescale|region|memory) (u?int\d+|float\d+|\d+[KMGT]?B|(?:[a-z]=)?[-\d.]*:[-\d.,:a-z=]*)"
)
"""An option and what it is set to."""
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
_NAMES = {"jobs": "n_jobs", "mask": "masks"}
"""Options that are called otherwise in the library."""


def parameters(text: str) -> str:
    """``text`` with ``--memory`` as ``memory``, ``--dtype uint8`` as ``dtype="uint8"``."""
    text = _WITH_VALUE.sub(lambda found: f'{_name(found[1])}="{found[2]}"', text)
    return _OPTION.sub(lambda found: _name(found[1]), text)


def _name(option: str) -> str:
    return _NAMES.get(option, option.replace("-", "_"))


@contextmanager
def in_words_of_python() -> Iterator[None]:
    """Errors that pass name parameters; they stay of their kind."""
    try:
        yield
    except UnderbrushError as error:
        error.problem, error.remedy = parameters(error.problem), parameters(error.remedy)
        error.args = (str(error),)
        raise
