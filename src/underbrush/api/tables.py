"""Tables of features and vectors of labels, checked; data frames are known by what they can do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from underbrush.errors import ArgumentError, ArgumentTypeError


def finite_table(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """``values`` as (n, n_features) float32 with at least one row and one column, all finite.

    Raises
    ------
    ArgumentError
        Another shape, complex numbers, NaN, infinity, or values too large for float32.
    ArgumentTypeError
        Sparse, or not of numbers.
    """
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise ArgumentTypeError(
            f"{name} is a sparse matrix and sparse data are not taken", remedy="convert it with toarray()"
        )
    table = np.asarray(values)
    if table.dtype.kind == "c":
        raise ArgumentError(f"Complex data not supported in {name}", remedy="give real numbers")
    if table.ndim != 2:
        raise ArgumentError(
            f"Expected a 2D array, got {name} with {table.ndim} axes",
            remedy="Reshape your data with reshape(-1, 1) for one feature or reshape(1, -1) for one sample",
        )
    for size, noun in zip(table.shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise ArgumentError(
                f"Found {name} with 0 {noun}(s) (shape={table.shape}) while a minimum of 1 is required"
            )
    if table.dtype.kind == "O":
        try:
            table = table.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError(f"{name} holds what is no number: {error}") from None
    if table.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"{name} has values of type {table.dtype}", remedy="give numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = table.astype(np.float32, copy=False)
    if not np.isfinite(narrow).all():
        found = "NaN" if np.isnan(narrow).any() else "infinity or a value too large for float32"
        raise ArgumentError(f"{name} contains {found}", remedy="leave out or replace such values (NaN, inf)")
    return narrow


def label_vector(labels: ArrayLike, n: int) -> tuple[NDArray[Any], bool]:
    """``labels`` as (n,) of their own dtype, and whether they came as one column.

    Raises
    ------
    ArgumentError
        Another length or shape; NaN; numbers that are not whole; a mixture that cannot be sorted.
    """
    y = np.asarray(labels)
    was_column = y.ndim == 2 and y.shape[1] == 1
    if was_column:
        y = y[:, 0]
    if y.ndim != 1:
        raise ArgumentError(
            f"y should be a 1d array, got an array of shape {y.shape}", remedy="give one label for each row"
        )
    if len(y) != n:
        raise ArgumentError(f"X has {n} rows and y has {len(y)} labels", remedy="give one label for each row")
    if y.dtype.kind == "c":
        raise ArgumentError("Complex data not supported in y", remedy="give whole numbers or strings")
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise ArgumentError("y contains NaN or infinity", remedy="leave such rows out")
        if (y != np.rint(y)).any():
            raise ArgumentError(
                f"Unknown label type: y is continuous, with values as {y[y != np.rint(y)][0]}",
                remedy="give whole numbers or strings",
            )
    elif y.dtype.kind == "O":
        kinds = {_kind_of(value) for value in y.tolist()}
        if len(kinds) != 1 or "" in kinds:
            raise ArgumentError(
                "Unknown label type: y mixes kinds of labels, or holds what is no label",
                remedy="give whole numbers or strings",
            )
        if kinds == {"number"}:
            numbers = np.array(y.tolist())
            if numbers.dtype.kind == "O":
                raise ArgumentError("y holds whole numbers beyond 64 bits", remedy="give smaller ones")
            return label_vector(numbers, n)[0], was_column
    elif y.dtype.kind not in "biuUS":
        raise ArgumentError(
            f"Unknown label type: y has values of type {y.dtype}", remedy="give whole numbers or strings"
        )
    return y, was_column


def column_names(values: object) -> NDArray[Any] | None:
    """(n_features,) object: the names of a data frame's columns, where all of them are strings."""
    columns = getattr(values, "columns", None)
    if columns is None:
        return None
    names = list(columns)
    if not names or not all(isinstance(name, str) for name in names):
        return None
    return np.array(names, dtype=object)


def checked_names(given: NDArray[Any] | None, trained: NDArray[Any] | None) -> None:
    """Refuse a data frame whose columns are not those of the training data, in their order.

    Raises
    ------
    ArgumentError
        Names the first column that differs.
    """
    if given is None or trained is None or np.array_equal(given, trained):
        return
    missing = [name for name in trained if name not in given]
    unknown = [name for name in given if name not in trained]
    if missing:
        detail = f"{missing[0]!r} is missing"
    elif unknown:
        detail = f"{unknown[0]!r} was not there"
    else:
        detail = "they are in another order"
    raise ArgumentError(
        f"The feature names should match those that were passed during fit, but {detail}",
        remedy="give the columns of the training data in the same order",
    )


def _kind_of(value: object) -> str:
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, bool | int | float | np.generic) else ""
