"""scikit-learn's own checks of an estimator, all of them."""

from __future__ import annotations

import warnings

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from underbrush.api.forest_classifier import ForestClassifier

with warnings.catch_warnings():
    # It is meant not to inherit: scikit-learn is not needed to use it.
    warnings.filterwarnings("ignore", "Estimator ForestClassifier does not inherit", UserWarning)
    CHECKS = list(estimator_checks_generator(ForestClassifier(n_trees=20), mark="skip"))


def _name(check):
    return getattr(check, "__name__", None) or getattr(check.func, "__name__", str(check))


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=[_name(c) for _, c in CHECKS])
def test_check(estimator, check):
    check(estimator)
