"""Runs are canonical, go through text unharmed, and refuse what is no stroke."""

from __future__ import annotations

import base64
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbrush.core import runs as module
from underbrush.core.geometry import Box
from underbrush.core.runs import Runs, pack_bytes, pack_rows, sorted_order, unpack_rows
from underbrush.errors import CommandError

rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 3), st.integers(0, 30), st.integers(1, 9)),
    max_size=30,
)
BOMB = pack_bytes(b"\0" * (20 * (module.MAX_RUNS + 1)))


@given(rows)
def test_any_order_and_overlap_give_the_same_runs(found):
    runs = Runs.from_array(found)
    pixels = {(t, z, y, x + k) for t, z, y, x, n in found for k in range(n)}
    assert [tuple(p) for p in runs.positions().tolist()] == sorted(pixels)
    assert runs.size == len(pixels)
    assert Runs.from_array(found[::-1]) == runs == Runs.from_positions(sorted(pixels, reverse=True))
    assert Runs.from_array([v for row in found for v in row]) == runs
    assert Runs.from_text(runs.text) == runs
    assert hash(Runs.from_text(runs.text)) == hash(runs)
    first, second = Runs.from_array(found[::2]), Runs.from_array(found[1::2])
    assert first.union([second]) == runs
    ends = runs.array.tolist()
    touching = [a[:3] == b[:3] and a[3] + a[4] >= b[3] for a, b in pairwise(ends)]
    assert not any(touching)


@given(rows, st.integers(1, 3), st.integers(1, 2), st.integers(1, 4), st.integers(1, 40))
def test_clipped_keeps_what_is_inside(found, t, z, y, x):
    runs = Runs.from_array(found)
    inside = [
        p for p in runs.positions().tolist() if all(v < n for v, n in zip(p, (t, z, y, x), strict=True))
    ]
    assert runs.clipped((t, 5, z, y, x)).positions().tolist() == inside


def test_box_and_size():
    runs = Runs.from_array([[0, 2, 3, 4, 5], [0, 2, 1, 8, 2]])
    assert runs.box == Box((0, 0, 2, 1, 4), (1, 1, 3, 4, 10))
    assert Runs.empty().box.size == Runs.empty().size == 0


def test_far_pixels_stay_where_they_are():
    found = [[0, 0, 99_999, 2**31 - 4, 3], [2**31 - 1, 0, 0, 0, 1]]
    runs = Runs.from_array(found)
    assert runs.array.tolist() == found
    assert Runs.from_text(runs.text) == runs


@pytest.mark.parametrize(
    ("array", "words"),
    [
        ([[0, 0, 0, -1, 3]], "negative"),
        ([[0, 0, 0, 1, 0]], "length 0"),
        ([[0, 0, 0, 2**31, 1]], "beyond"),
        ([[0, 0, 0, 2**62, 1]], "beyond"),
        ([[0, 0, 0, 2**64, 1]], "not whole numbers"),
        ([[0, 0, 0, 2**31 - 1, 1]], "ends beyond"),
        ([[0, 0, 0, 0, 2**24 + 1]], "pixels"),
        ([[0, 0, 0, 0.5, 1]], "whole numbers"),
        ([[0, 0, 0, float("nan"), 1]], "whole numbers"),
        ([[0, 0, 0, True, 1], [True] * 5], None),
        (np.ones((3, 5), bool), "whole numbers"),
        ([["a"] * 5], "whole numbers"),
        ([[0, 0, 0, 1]], "shape"),
        ([0, 0, 0, 1], "shape"),
        ([[0, 0, 0, 1, 1], [0]], "rows of 5"),
        (np.ones((module.MAX_RUNS + 1, 5), np.int32), "runs"),
        (None, "whole numbers"),
        ({}, "whole numbers"),
    ],
)
def test_what_is_no_stroke_is_refused(array, words):
    if words is None:
        assert Runs.from_array(array).size >= 1
        return
    with pytest.raises(CommandError, match=words):
        Runs.from_array(array)


@pytest.mark.parametrize(
    "text",
    [
        "", "%", "äöü", "AAAA", BOMB, None, 3, Runs.empty().text[:-4],
        base64.b64encode(zlib.compress(b"123")).decode(),
        base64.b64encode(zlib.compress(b"1" * 20)[:-3]).decode(),
        base64.b64encode(zlib.compress(b"1" * 20) + b"more").decode(),
        pack_rows(np.array([[0, 0, 0, -5, 2]])),
    ],
    ids=str,
)  # fmt: skip
def test_a_text_that_is_none_of_ours_is_refused(text):
    with pytest.raises(CommandError):
        Runs.from_text(text)


def test_a_bomb_is_not_unpacked():
    assert len(BOMB) < 100_000
    with pytest.raises(CommandError, match="more than"):
        unpack_rows(BOMB, 5, 1000)


@given(st.lists(st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3), max_size=20))
def test_rows_of_any_int32_go_through_text(found):
    array = np.array(found, np.int32).reshape(-1, 3)
    assert np.array_equal(unpack_rows(pack_rows(array), 3, 20), array)


@given(st.lists(st.tuples(*[st.integers(0, 2**31 - 1) | st.integers(0, 3)] * 4), max_size=20))
def test_rows_are_sorted_whatever_their_range(found):
    array = np.array(found, np.int64).reshape(-1, 4)
    assert array[sorted_order(array)].tolist() == sorted(list(f) for f in found)
