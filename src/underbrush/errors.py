"""One tree of errors that users see: what is wrong, where, and the way out.

Each is one sentence when printed. Whoever raises one gives the value and the expectation in
``problem`` and what to do in ``remedy``; the command line prints it and exits with ``exit_code``,
the window shows it as it is. Any other exception that reaches a user is a defect of ours.
"""

from __future__ import annotations

import os
from typing import ClassVar


class UnderbrushError(Exception):
    """A problem that the user can understand and mend.

    Parameters
    ----------
    problem
        What is wrong, with the value found and what was expected. No full stop at the end.
    where
        The file, lane or option that it is about.
    remedy
        What to do, as an imperative. No full stop at the end.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, where: str | os.PathLike[str] = "", remedy: str = "") -> None:
        self.problem = problem
        self.where = os.fspath(where)
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return " ".join(f"{text}; {self.remedy}.".split()) if self.remedy else " ".join(f"{text}.".split())

    @property
    def sentence(self) -> str:
        """As in the window: it begins with a capital letter, but for the name of a file."""
        text = str(self)
        return text if self.where else text[:1].upper() + text[1:]

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.problem, self.where, self.remedy)


def _rebuild(kind: type[UnderbrushError], problem: str, where: str, remedy: str) -> UnderbrushError:
    return kind(problem, where=where, remedy=remedy)


class UsageError(UnderbrushError):
    """The command or call itself is wrong."""

    exit_code = 2


class ArgumentError(UsageError, ValueError):
    """A value given to the library that cannot be used; also what scikit-learn expects for bad values."""


class ArgumentTypeError(UsageError, TypeError):
    """Something of a kind that the library does not take; also what scikit-learn expects for it."""


class NotFittedError(UsageError, ValueError, AttributeError):
    """An estimator was asked before it was fitted.

    Where scikit-learn is loaded, what is raised is also its ``NotFittedError``.
    """

    def __reduce__(self) -> tuple[object, ...]:
        # The joint class with scikit-learn's has no name to be found by in another process.
        return _rebuild, (NotFittedError, self.problem, self.where, self.remedy)


class ImageError(UnderbrushError):
    """An image cannot be read: missing, damaged, of an unknown format, too large a claim."""


class SeveralImagesError(ImageError):
    """A file or folder of several images, of which one must be named.

    Parameters
    ----------
    problem, where, remedy
        As of every error; ``where`` is the address that was opened.
    choices
        What may be named instead: addresses of the images, in the order of the file.
    names
        What the images are called, in the same order; empty where their addresses say it.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | os.PathLike[str] = "",
        remedy: str = "",
        choices: tuple[str, ...] = (),
        names: tuple[str, ...] = (),
    ) -> None:
        super().__init__(problem, where=where, remedy=remedy)
        self.choices, self.names = choices, names

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_several, (self.problem, self.where, self.remedy, self.choices, self.names)


def _rebuild_several(
    problem: str, where: str, remedy: str, choices: tuple[str, ...], names: tuple[str, ...]
) -> SeveralImagesError:
    return SeveralImagesError(problem, where=where, remedy=remedy, choices=choices, names=names)


class AxesError(UnderbrushError):
    """An axis order that cannot be, or does not fit the array."""


class FeatureError(UnderbrushError):
    """A choice of features that cannot be computed on this image."""


class ProjectError(UnderbrushError):
    """A project file that cannot be opened, or lacks what was asked of it."""


class MismatchError(UnderbrushError):
    """An image that does not fit the project: channels, axes, size of its mask."""


class OutputError(UnderbrushError):
    """A result that cannot be written: the place, the format, the disk."""


class ResourceError(UnderbrushError):
    """More memory than allowed would be needed."""


class CommandError(UnderbrushError):
    """A command that is not carried out: badly formed, or not possible on the project as it is."""
