"""Which of several images in one file is wanted: by ``#series=N`` or ``#scene=NAME``, else the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from underbrush.errors import ImageError, SeveralImagesError
from underbrush.sources.address import Address, split_options
from underbrush.sources.base import ImageInfo

_SHOWN = 8
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The image that is opened."""

    number: int
    series: tuple[str, ...] = ()
    """As in `underbrush.sources.base.ImageInfo`."""
    problems: tuple[str, ...] = ()
    """The sentence that there are more, if none was named."""


def chosen_image(names: Sequence[str], address: Address, kind: str) -> Chosen:
    """Which of the images in ``names`` is meant.

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
        return Chosen(address.series)
    if address.scene:
        return Chosen(_by_name(names, address))
    if len(names) == 1:
        return Chosen(0)
    told = f"The file holds {_count(names)} ({_listed(names)}); this is the first, #series=1 is the next."
    return Chosen(0, tuple(names), (told,))


def check_named(info: ImageInfo, address: str) -> None:
    """Refuse the first image of several, where somebody is there to say which one is meant.

    Raises
    ------
    SeveralImagesError
        The file holds several images and ``address``, by which it was opened, names none.
    """
    if info.series:
        joint = "," if split_options(address)[1] else "#"
        choices = tuple(f"{address}{joint}series={i}" for i in range(len(info.series)))
        raise SeveralImagesError(
            f"the file holds {_count(info.series)} ({_listed(info.series)})",
            where=address,
            remedy=f"name one, as in {choices[0]}",
            choices=choices,
            names=info.series,
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
