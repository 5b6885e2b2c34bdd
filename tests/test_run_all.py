"""When a second run is allowed, and that it decides."""

import sys

import pytest

import run_all


@pytest.mark.parametrize(
    ("code", "names", "again"),
    [
        (1, ["tests/browser/test_a.py::test_x", "tests/faults/test_b.py::test_y"], True),
        (1, ["tests/browser/test_a.py::test_x", "tests/core/test_b.py::test_y"], False),
        (1, [f"tests/browser/test_{n}.py::test_x" for n in range(run_all.MOST + 1)], False),
        (1, [], False),
        (2, ["tests/browser/test_a.py::test_x"], False),
        (0, [], False),
    ],
)
def test_few_files_that_wait_for_others_run_again(code, names, again):
    assert run_all.may_run_again(code, names) is again


@pytest.mark.parametrize(("second", "said"), [(0, True), (1, False)])
def test_the_second_run_decides_and_what_it_mended_is_named(second, said, monkeypatch, capsys):
    name = "tests/browser/test_a.py::test_x"
    runs = [(1, [name]), (second, [name] if second else [])]
    asked = []
    monkeypatch.setattr(run_all, "run", lambda options, _: asked.append(options) or runs.pop(0))
    monkeypatch.setattr(sys, "argv", ["run_all.py"])
    assert run_all.main() == second
    assert asked[1][-1] == "tests/browser/test_a.py"
    assert ("FELL BESIDE OTHERS" in capsys.readouterr().out) is said
