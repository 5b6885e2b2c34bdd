"""The random forest as an estimator of its own, for features of any origin."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from underbrush.api.estimator import Estimator, column_warning, thread_count, training_options
from underbrush.api.tables import checked_names, column_names, finite_table, label_vector
from underbrush.core.forest.predict import compile_forest, predict_rows
from underbrush.core.forest.train import train_forest
from underbrush.errors import ArgumentError

MAX_CLASSES = 255
ROWS_AT_ONCE = 1 << 16
"""Rows that one thread predicts at a time."""


class ForestClassifier(Estimator):
    """A random forest, as the window trains it, on a table of features.

    Follows scikit-learn's conventions and works with its tools; scikit-learn is not needed for it.
    The same data, ``n_trees``, ``seed`` and ``balance`` give the same bytes, whatever ``n_jobs``.

    Parameters
    ----------
    n_trees
        Number of trees, at least 1.
    seed
        Any whole number; another seed gives another forest.
    balance
        Draw the rows of each tree from all classes alike, however many rows they have.
    n_jobs
        Threads; -1 for all cores, None for one.

    Attributes
    ----------
    classes_
        (n_classes,) the labels that were seen, sorted, of their own dtype.
    n_features_in_
        Number of columns of the training data.
    feature_names_in_
        (n_features_in_,) object; names of the columns, only where ``fit`` saw a data frame whose column
        names are all strings.
    feature_importances_
        (n_features_in_,) float64, mean decrease of Gini impurity; adds up to 1, or all 0 without a split.
    oob_score_
        Share of rows that the trees not trained on them classify rightly; NaN where there are none.
    forest_
        The trees as flat arrays (`underbrush.core.forest.nodes.Forest`).
    """

    def __init__(
        self, n_trees: int = 100, seed: int = 0, balance: bool = False, n_jobs: int | None = 1
    ) -> None:
        self.n_trees = n_trees
        self.seed = seed
        self.balance = balance
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train.

        Parameters
        ----------
        X
            (n, n_features) of any real dtype, or a data frame; all values finite. Computed as float32.
        y
            (n,) labels: whole numbers, strings or bools, at most 255 different ones. One class is enough.

        Raises
        ------
        ArgumentError
            (a ValueError) A parameter is out of range; shapes do not fit; values are not finite; labels
            are continuous or too many.
        ArgumentTypeError
            (a TypeError) X is sparse or holds something else than numbers.
        ResourceError
            More than 8,388,607 rows.
        """
        options = training_options(self.n_trees, self.seed, self.balance, self.n_jobs)
        if y is None:
            raise ArgumentError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        names = column_names(X)
        table = finite_table(X, "X")
        labels, was_column = label_vector(y, len(table))
        if was_column:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected; its one column is used.",
                column_warning(),
                stacklevel=2,
            )
        classes, coded = np.unique(labels, return_inverse=True)
        if len(classes) > MAX_CLASSES:
            raise ArgumentError(
                f"y has {len(classes)} different labels", remedy=f"give at most {MAX_CLASSES} classes"
            )
        trained = train_forest(
            np.ascontiguousarray(table.T), (coded.reshape(-1) + 1).astype(np.uint8), options
        )
        self.__dict__.pop("feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names
        self.n_features_in_ = table.shape[1]
        self.classes_ = classes
        self.feature_importances_ = trained.importances
        self.oob_score_ = trained.oob_score
        self.forest_ = trained.forest
        self._packed = compile_forest(trained.forest)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probabilities of the classes: (n, n_features_in_) -> (n, n_classes) float32, as ``classes_``.

        Raises
        ------
        NotFittedError
            ``fit`` was not called.
        ArgumentError
            (a ValueError) Another number of columns, other column names, or values that are not finite.
        ArgumentTypeError
            (a TypeError) X is sparse or holds something else than numbers.
        """
        self._check_fitted()
        checked_names(column_names(X), getattr(self, "feature_names_in_", None))
        table = finite_table(X, "X")
        if table.shape[1] != self.n_features_in_:
            raise ArgumentError(
                f"X has {table.shape[1]} features, but {type(self).__name__} is expecting"
                f" {self.n_features_in_} features as input"
            )
        out = np.empty((len(table), len(self.classes_)), np.float32)

        def work(start: int) -> None:
            part = slice(start, start + ROWS_AT_ONCE)
            out[part] = predict_rows(self._packed, table[part])

        with ThreadPoolExecutor(thread_count(self.n_jobs)) as pool:
            for _ in pool.map(work, range(0, len(table), ROWS_AT_ONCE)):
                pass
        return out

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each row, (n,) of the dtype of ``classes_``; the first wins a tie.

        Raises as `predict_proba`.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Share of rows whose class is predicted rightly. Raises as `predict_proba` and for bad ``y``."""
        predicted = self.predict(X)
        labels, _ = label_vector(y, len(predicted))
        return float(np.mean(predicted == labels))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags  # noqa: PLC0415  (it is what calls this)

        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags()
        tags.input_tags = InputTags()
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_packed"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "forest_" in state:
            self._packed = compile_forest(state["forest_"])
