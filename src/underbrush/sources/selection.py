"""Which of several images in one file is wanted: by ``#series=N`` or ``#scene=NAME``, else the first."""

from __future__ import annotations

from collections.abc import Sequence

from underbrush.errors import ImageError
from underbrush.sources.address import Address

_SHOWN = 8
_MOST = 100_000


def chosen_image(names: Sequence[str], address: Address, kind: str) -> tuple[int, tuple[str, ...]]:
    """Number of the image in ``names``, and the sentence that there are more if none was named.

    Raises
    ------
    ImageError
        There is no such image, or several have the name.
    """
    if address.inner:
        raise ImageError(
            f"there is no dataset {address.inner!r}: a {kind} file has none",
            where=address.location,
            remedy=f"name the file only{_hint(names)}",
        )
    if address.series is not None:
        if address.series >= len(names):
            raise ImageError(
                f"there is no series {address.series}; the file holds {_count(names)}",
                where=address.location,
                remedy="use #series=0" + (f" to {len(names) - 1}" if len(names) > 1 else ""),
            )
        if address.scene and names[address.series] != address.scene:
            raise ImageError(
                f"series {address.series} is {names[address.series]!r}, not {address.scene!r}",
                where=address.location,
                remedy="name only one of the two",
            )
        return address.series, ()
    if address.scene:
        return _by_name(names, address), ()
    if len(names) == 1:
        return 0, ()
    return 0, (
        f"The file holds {_count(names)} ({_listed(names)}); this is the first, #series=1 is the next.",
    )


def check_count(count: int, location: str) -> None:
    """Refuse a file that claims more images than anybody took, before each of them gets a name.

    Raises
    ------
    ImageError
        It does.
    """
    if count > _MOST:
        raise ImageError(
            f"it claims to hold {count} images", where=location, remedy="the file is damaged; copy it again"
        )


def _by_name(names: Sequence[str], address: Address) -> int:
    wanted = address.scene
    found = [i for i, name in enumerate(names) if name == wanted]
    found = found or [i for i, name in enumerate(names) if name.rpartition("/")[2] == wanted]
    if len(found) == 1:
        return found[0]
    several = f"{len(found)} images are called {wanted!r}" if found else f"there is no scene {wanted!r}"
    raise ImageError(
        f"{several}; the file holds {_listed(names)}",
        where=address.location,
        remedy="name one of them, or its number with #series=N",
    )


def _count(names: Sequence[str]) -> str:
    return "1 image" if len(names) == 1 else f"{len(names)} images"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _hint(names: Sequence[str]) -> str:
    return ", or one of its images with #series=N" if len(names) > 1 else ""
