"""Errors are one sentence, with their exit status, also from another process."""

from __future__ import annotations

import pickle

import pytest

from underbrush import errors


def test_the_sentence_has_place_problem_and_remedy():
    error = errors.ImageError("the file is empty", where="a.tif", remedy="copy it again")
    assert str(error) == "a.tif: the file is empty; copy it again."
    assert str(errors.ImageError("the file is empty")) == "the file is empty."


def test_line_breaks_do_not_survive():
    assert "\n" not in str(errors.ImageError("two\nlines", where="a\nb", remedy="mend\nit"))


def tree(kind=errors.UnderbrushError):
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("kind", list(tree()), ids=lambda k: k.__name__)
def test_every_error_crosses_a_process(kind):
    error = pickle.loads(pickle.dumps(kind("problem", where="place", remedy="remedy")))
    assert type(error) is kind
    assert (str(error), error.exit_code) == ("place: problem; remedy.", kind.exit_code)


def test_wrong_usage_ends_with_two_and_all_else_with_one():
    assert errors.UsageError.exit_code == 2
    assert {k.exit_code for k in tree() if not issubclass(k, errors.UsageError)} == {1}
