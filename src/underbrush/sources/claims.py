"""What a file claims, held against what it can hold, and the sentences about it."""

from __future__ import annotations

from collections.abc import Sequence

from underbrush.errors import ImageError
from underbrush.sources.address import Address
from underbrush.sources.base import ASK_AXES

DECODED_LIMIT = 2 << 30
"""Most bytes that are decoded in one piece: an image of a format that has no tiles, or one strip."""

LARGE_PIECE = 256 << 20
"""Bytes in one piece from which it is said: less would be lost in what a program holds anyway."""

_WORDS = {"t": "time points", "c": "channels", "z": "slices"}


def readable_bytes(count: int) -> str:
    """``count`` bytes in words, as in "3.5 TiB"."""
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.3g} {units[0]}"


def check_decoded(expected: int, stored: int, ratio: int, location: str) -> None:
    """Refuse a piece that claims more bytes than its format can pack into those stored, or than fit here.

    ``ratio`` is how many times smaller the format can make constant data at the very best.

    Raises
    ------
    ImageError
        The claim cannot be true, or the piece is larger than `DECODED_LIMIT`.
    """
    if expected > ratio * stored + 4096:
        raise ImageError(
            f"it claims {readable_bytes(expected)} of pixels but holds {readable_bytes(stored)} for them",
            where=location,
            remedy="the file is damaged; export it again",
        )
    if expected > DECODED_LIMIT:
        raise ImageError(
            f"{readable_bytes(expected)} of pixels are stored in one piece, of which at most"
            f" {readable_bytes(DECODED_LIMIT)} can be decoded",
            where=location,
            remedy="save it as tiled TIFF or chunked HDF5",
        )


def large_piece_problem(what: str, count: int) -> tuple[str, ...]:
    """The sentence for pieces of ``count`` bytes decoded, which no cap on memory makes smaller."""
    if count < LARGE_PIECE:
        return ()
    return (f"{what} {readable_bytes(count)} of memory at once, whatever is allowed.",)


def check_plain(address: Address, family: str, inner: bool = False) -> None:
    """Refuse parts of an address that a family of files has no use for.

    Raises
    ------
    ImageError
        A dataset (unless ``inner``), series, level or scene is named.
    """
    wrong = ""
    if address.inner and not inner:
        wrong = f"dataset {address.inner!r}"
    elif address.series:
        wrong = f"series {address.series}"
    elif address.level:
        wrong = f"level {address.level}"
    elif address.scene:
        wrong = f"scene {address.scene!r}"
    if wrong:
        raise ImageError(
            f"there is no {wrong}: {family} files hold one image",
            where=address.location,
            remedy="name the file only",
        )


def guessed_axes_problem(shape: Sequence[int], axes: str) -> tuple[str, ...]:
    """The sentence for axes that the file does not name, and none for two axes, which can only be y and x."""
    if len(shape) == 2:
        return ()
    return (f"The file does not say what its axes mean: shape {tuple(shape)} is read as {axes}; {ASK_AXES}",)


def doubtful_pages_problem(count: int, axis: str, what: str = "pages") -> str:
    """The sentence for pages (or files) that may be anything."""
    return f"{count} {what}: slices, time points or channels? Read as {axis} ({_WORDS[axis]}); {ASK_AXES}"
