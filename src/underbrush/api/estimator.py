"""What both estimators share: parameters, tags and errors as scikit-learn expects them, without it.

scikit-learn is never imported from here unless it is what calls. Where it is loaded already, our errors
and warnings are of its kinds too, so that its tools recognise them.
"""

from __future__ import annotations

import inspect
import os
import sys
from functools import cache
from numbers import Integral
from typing import Any, Self, cast

import numpy as np

from underbrush.core.forest.train import TrainingOptions
from underbrush.errors import ArgumentError, ArgumentTypeError, NotFittedError


class Estimator:
    """Parameters are what the constructor takes and are stored as given; ``fit`` checks them.

    Subclasses set ``forest_`` when they are fitted.
    """

    @classmethod
    def _parameters(cls) -> dict[str, Any]:
        """Names of the constructor's parameters with their defaults."""
        signature = inspect.signature(cls.__init__)
        return {name: p.default for name, p in signature.parameters.items() if name != "self"}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; ``deep`` makes no difference, for none of them is an estimator."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; they take effect at the next ``fit`` (``n_jobs`` at once).

        Raises
        ------
        ArgumentError
            There is no parameter of this name; then nothing is changed.
        """
        known = self._parameters()
        for name in params:
            if name not in known:
                raise ArgumentError(
                    f"{type(self).__name__} has no parameter {name!r}",
                    remedy=f"use one of {', '.join(known)}",
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = self._parameters()
        told = [f"{n}={v!r}" for n, v in self.get_params().items() if not _is_default(v, defaults[n])]
        return f"{type(self).__name__}({', '.join(told)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "forest_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags  # noqa: PLC0415  (it is what calls this)

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=True),
            input_tags=InputTags(two_d_array=False),
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "forest_"):
            raise _not_fitted_kind()(
                f"this {type(self).__name__} is not fitted yet", remedy="call fit with labels first"
            )


def training_options(n_trees: object, seed: object, balance: object, n_jobs: object) -> TrainingOptions:
    """The parameters of a forest, checked.

    Raises
    ------
    ArgumentError
        A value is out of range.
    ArgumentTypeError
        A value is of another kind.
    """
    trees = whole_number(n_trees, "n_trees")
    if trees < 1:
        raise ArgumentError(f"n_trees is {trees}", remedy="ask for at least 1 tree")
    if not isinstance(balance, bool | np.bool_):
        raise ArgumentTypeError(f"balance is {balance!r}", remedy="give True or False")
    return TrainingOptions(trees, whole_number(seed, "seed"), bool(balance), thread_count(n_jobs))


def thread_count(n_jobs: object) -> int:
    """Threads for ``n_jobs``: None is 1, -1 is every core that this process may use, -2 all but one.

    Raises
    ------
    ArgumentError
        It is 0.
    ArgumentTypeError
        It is no whole number.
    """
    if n_jobs is None:
        return 1
    count = whole_number(n_jobs, "n_jobs")
    if count == 0:
        raise ArgumentError("n_jobs is 0", remedy="give a number of threads, or -1 for all cores")
    if count > 0:
        return count
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores + 1 + count)


def whole_number(value: object, name: str) -> int:
    """``value`` as an int.

    Raises
    ------
    ArgumentTypeError
        It is no whole number; ``name`` says of what.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ArgumentTypeError(f"{name} is {value!r}", remedy="give a whole number")
    return int(value)


def column_warning() -> type[Warning]:
    """The kind of warning for a column of labels: scikit-learn's own where it is loaded."""
    theirs = sys.modules.get("sklearn.exceptions")
    return UserWarning if theirs is None else cast("type[Warning]", theirs.DataConversionWarning)


def _is_default(value: object, default: object) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))


def _not_fitted_kind() -> type[NotFittedError]:
    theirs = sys.modules.get("sklearn.exceptions")
    return NotFittedError if theirs is None else _joint(theirs.NotFittedError)


@cache
def _joint(theirs: type[Exception]) -> type[NotFittedError]:
    """Our error that is caught as scikit-learn's too."""
    return cast("type[NotFittedError]", type("NotFittedError", (NotFittedError, theirs), {}))
