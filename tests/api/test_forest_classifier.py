"""The plain estimator: labels of any kind, the same bytes on any threads, errors of both trees."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError as TheirNotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import underbrush as ub
from underbrush.api import forest_classifier
from underbrush.core.forest.reference import predict_reference
from underbrush.errors import ArgumentError, NotFittedError, UnderbrushError


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(3)
    centres = np.array([[0, 0, 0, 0], [2, 2, 0, 0], [0, 2, 2, 0]])
    y = rng.integers(0, 3, 600)
    return rng.normal(centres[y], 0.8), y


class Frame:
    """What is used of a data frame."""

    def __init__(self, values, columns):
        self._values, self.columns = values, columns

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._values, dtype)


def test_probabilities_are_those_of_the_plain_walk_through_the_trees(blobs):
    x, y = blobs
    model = ub.ForestClassifier(n_trees=15).fit(x[:400], y[:400])
    got = model.predict_proba(x[400:])
    assert got.dtype == np.float32 and got.shape == (200, 3)
    assert np.array_equal(got, predict_reference(model.forest_, x[400:].astype(np.float32)))
    assert model.score(x[400:], y[400:]) > 0.8
    assert model.n_features_in_ == 4
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert model.feature_importances_[3] == model.feature_importances_.min()
    assert 0.8 < model.oob_score_ < 1


def test_the_same_bytes_on_any_number_of_threads(blobs, monkeypatch):
    x, y = blobs
    one = ub.ForestClassifier(n_trees=9, seed=5).fit(x, y)
    want = one.predict_proba(x)
    monkeypatch.setattr(forest_classifier, "ROWS_AT_ONCE", 37)
    for n_jobs in (3, -1, None):
        other = ub.ForestClassifier(n_trees=9, seed=5, n_jobs=n_jobs).fit(x, y)
        assert other.forest_.digest == one.forest_.digest
        assert other.predict_proba(x).tobytes() == want.tobytes()
    assert ub.ForestClassifier(n_trees=9, seed=6).fit(x, y).forest_.digest != one.forest_.digest


def test_balance_helps_a_rare_class(blobs):
    x, y = blobs
    keep = (y == 0) | ((y == 1) & (np.cumsum(y == 1) <= 8))
    recall = []
    for balance in (False, True):
        model = ub.ForestClassifier(n_trees=50, balance=balance).fit(x[keep], y[keep])
        recall.append((model.predict(x[y == 1]) == 1).mean())
    assert recall[1] > recall[0]


@pytest.mark.parametrize(
    "labels",
    [
        ("sky", "sea", "land"),
        np.array(["b", "aa", "ccc"], object),
        np.array([-7, 0, 10**12]),
        np.array([1.0, 2.0, -3.0], np.float32),
        np.array([5, 6, 7], object),
    ],
    ids=["text", "objects", "large", "floats", "objects of numbers"],
)
def test_labels_of_any_kind_come_back(blobs, labels):
    x, y = blobs
    labels = np.asarray(labels)
    model = ub.ForestClassifier(n_trees=10).fit(x, labels[y])
    assert model.classes_.tolist() == sorted(labels.tolist())
    assert (model.predict(x) == labels[y]).mean() > 0.95


def test_bool_labels_and_255_classes(blobs):
    x, y = blobs
    model = ub.ForestClassifier(n_trees=5).fit(x, y == 1)
    assert model.classes_.dtype == bool and model.predict(x).dtype == bool
    many = np.arange(600) % 255
    assert ub.ForestClassifier(n_trees=2).fit(x, many).predict_proba(x).shape == (600, 255)
    with pytest.raises(ArgumentError, match=r"256 different labels; give at most 255 classes\."):
        ub.ForestClassifier(n_trees=2).fit(x, np.arange(600) % 256)


def test_pickled_clones_and_searches(blobs):
    x, y = blobs
    model = ub.ForestClassifier(n_trees=5, seed=3).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    assert again.predict_proba(x).tobytes() == model.predict_proba(x).tobytes()
    fresh = clone(model)
    assert fresh.get_params() == model.get_params() and not hasattr(fresh, "classes_")
    assert is_classifier(model)
    assert repr(model) == "ForestClassifier(n_trees=5, seed=3)"
    search = GridSearchCV(
        make_pipeline(StandardScaler(), fresh), {"forestclassifier__n_trees": [1, 20]}, cv=2
    )
    assert search.fit(x, y).best_params_ == {"forestclassifier__n_trees": 20}


def test_column_names_of_data_frames_are_kept_and_checked(blobs):
    x, y = blobs
    names = ["area", "mean", "std", "edge"]
    model = ub.ForestClassifier(n_trees=5).fit(Frame(x, names), y)
    assert model.feature_names_in_.tolist() == names and model.feature_names_in_.dtype == object
    want = model.predict(x)
    assert np.array_equal(model.predict(Frame(x, names)), want)
    for other, what in (
        (names[::-1], "another order"),
        (["area", "mean", "std", "rim"], "'edge' is missing"),
        ([*names, "rim"], "'rim' was not there"),
    ):
        with pytest.raises(ValueError, match=f"feature names should match.*{what}"):
            model.predict(Frame(x, other))
    assert not hasattr(model.fit(x, y), "feature_names_in_")


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"n_trees": 0}, "n_trees is 0; ask for at least 1 tree"),
        ({"n_trees": 2.5}, "n_trees is 2.5; give a whole number"),
        ({"seed": None}, "seed is None; give a whole number"),
        ({"balance": "yes"}, "balance is 'yes'; give True or False"),
        ({"n_jobs": 0}, "n_jobs is 0; give a number of threads"),
    ],
)
def test_parameters_are_checked_by_fit(blobs, params, problem):
    model = ub.ForestClassifier(**params)
    with pytest.raises(UnderbrushError, match=problem) as caught:
        model.fit(*blobs)
    assert isinstance(caught.value, ValueError | TypeError)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda x, y: (np.where(x > 2, np.nan, x), y), "X contains NaN"),
        (lambda x, y: (np.where(x > 2, 1e39, x), y), "X contains infinity or a value too large for float32"),
        (lambda x, y: (x, y[:-1]), "X has 600 rows and y has 599 labels"),
        (lambda x, y: (x, y + 0.5), r"y is continuous, with values as \d"),
        (lambda x, y: (x, np.where(y > 1, np.nan, y)), "y contains NaN"),
        (lambda x, y: (x, [1, "a", None] * 200), "Unknown label type: y mixes kinds"),
        (lambda x, y: (x, [10**30, 1, 2] * 200), "y holds whole numbers beyond 64 bits"),
        (lambda x, y: (x, np.stack([y, y], 1)), "y should be a 1d array"),
        (lambda x, y: (x[:, 0], y), "Expected a 2D array"),
        (lambda x, y: (x.astype(str), y), "X has values of type <U"),
    ],
)
def test_bad_tables_are_refused_in_a_sentence(blobs, spoil, problem):
    with pytest.raises(UnderbrushError, match=problem) as caught:
        ub.ForestClassifier(n_trees=1).fit(*spoil(*blobs))
    assert isinstance(caught.value, ValueError | TypeError)


def test_not_fitted_is_everybody_s_error():
    with pytest.raises(NotFittedError, match="this ForestClassifier is not fitted yet; call fit") as caught:
        ub.ForestClassifier().predict([[1.0]])
    error = caught.value
    assert isinstance(error, ValueError) and isinstance(error, AttributeError)
    assert isinstance(error, TheirNotFittedError)
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, NotFittedError) and str(again) == str(error)


def test_a_wrong_parameter_name_changes_nothing():
    model = ub.ForestClassifier()
    with pytest.raises(ValueError, match="has no parameter 'n_estimators'; use one of n_trees, seed"):
        model.set_params(n_trees=3, n_estimators=5)
    assert model.n_trees == 100


def test_scikit_learn_is_not_needed():
    code = (
        "import sys; sys.modules['sklearn'] = None; import underbrush as ub\n"
        "m = ub.ForestClassifier(n_trees=1)\n"
        "try: m.predict([[1.]])\n"
        "except ValueError as e: assert type(e).__module__ == 'underbrush.errors'\n"
        "else: raise SystemExit('no error')\n"
        "m.fit([[1.], [2.]], ['a', 'b']); m.predict([[1.]]); repr(m); m.set_params(seed=1).get_params()\n"
        "ub.PixelClassifier; sys.exit([n for n in sys.modules if n.startswith('sklearn.')] or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
