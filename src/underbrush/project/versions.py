"""Versions of ilastik: which files can be opened, and which is older."""

from __future__ import annotations

import re

from underbrush.errors import ProjectError

OPENS = ("0.6", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
_PRE = {"a": 0, "b": 1, "rc": 2}
_FINAL = 3
_PATTERN = re.compile(
    r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[.\-_]?(a|b|rc)[.\-_]?(\d{1,6})?)?"
    r"(?:[.\-_]?post[.\-_]?(\d{1,6})?)?(?:[.\-_]?dev[.\-_]?(\d{1,6})?)?"
)

Version = tuple[int, ...]
"""Ordered as in PEP 440: release, alpha/beta/candidate/final, post, dev."""


def parse_version(text: str) -> Version:
    """``1.4.0b28.dev14+gb5b`` as a tuple that orders as PEP 440 does.

    Raises
    ------
    ProjectError
        The text starts with no version.
    """
    match = _PATTERN.match(text.strip().lower())
    if match is None:
        raise ProjectError(
            f"its version {text[:40]!r} is none of ilastik's", remedy="give a project of ilastik"
        )
    major, minor, patch, pre, pre_number, post, dev = match.groups()
    has_post, has_dev = "post" in match.group(0), "dev" in match.group(0)
    stage = _PRE[pre] if pre else (-1 if has_dev and not has_post else _FINAL)
    return (
        int(major), int(minor), int(patch or 0), stage, int(pre_number or 0),
        int(post or 0) if has_post else -1, int(dev or 0) if has_dev else 1_000_000,
    )  # fmt: skip


def check_version(text: str, where: str) -> Version:
    """The version of a project file, if its layout is one that is understood.

    Raises
    ------
    ProjectError
        Version 0.5 or another one that is not among ``OPENS``.
    """
    version = parse_version(text)
    name = f"{version[0]}.{version[1]}"
    if name == "0.5":
        raise ProjectError(
            "it is a project of ilastik 0.5, whose layout is not supported",
            where=where,
            remedy="open it with ilastik 1.x, which imports it, save it there, and open the new file",
        )
    if name not in OPENS:
        raise ProjectError(
            f"its version {text[:40]} is not one of {OPENS[0]} and {OPENS[1]} to {OPENS[-1]}",
            where=where,
            remedy="save it with ilastik 1.4",
        )
    return version
