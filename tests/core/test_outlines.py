"""Outlines as pixels: hand-made truths, any part like the whole, and the lasso of one ring."""

from __future__ import annotations

import numpy as np
import pytest

from underbrush.core.filling import lasso
from underbrush.core.outlines import Outlines


def ring(*points) -> np.ndarray:
    return np.array(points, np.float64)


SQUARE = ring((1, 1), (6, 1), (6, 5), (1, 5))
HOLE = ring((2, 2), (4, 2), (4, 4), (2, 4))


def text(found: np.ndarray) -> list[str]:
    return ["".join("#" if on else "." for on in row) for row in found]


def test_a_square_with_a_hole():
    assert text(Outlines([[SQUARE, HOLE]]).inside((0, 6), (0, 8))) == [
        "........",
        ".#####..",
        ".#..##..",
        ".#..##..",
        ".#####..",
        "........",
    ]


def test_the_direction_of_rings_does_not_count():
    for outer in (SQUARE, SQUARE[::-1]):
        for hole in (HOLE, HOLE[::-1]):
            assert Outlines([[outer, hole]]).inside((0, 6), (0, 8)).sum() == 5 * 4 - 4


def test_polygons_that_overlap_are_joined_and_holes_filled_by_others():
    island = ring((2, 2), (3, 2), (3, 3), (2, 3))
    found = Outlines([[SQUARE, HOLE], [island], [SQUARE + 2]]).inside((0, 8), (0, 9))
    assert text(found) == [
        ".........",
        ".#####...",
        ".##.##...",
        ".#.#####.",
        ".#######.",
        "...#####.",
        "...#####.",
        ".........",
    ]


def test_a_triangle_takes_the_pixels_whose_centres_are_inside():
    assert text(Outlines([[ring((0, 0), (4, 0), (0, 4))]]).inside((0, 4), (0, 4))) == [
        "###.",
        "##..",
        "#...",
        "....",
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_part_is_a_part_of_the_whole_and_one_ring_is_the_lasso(seed):
    rng = np.random.default_rng(seed)
    polygons = [[rng.uniform(-20, 90, (rng.integers(3, 12), 2)) for _ in range(3)] for _ in range(6)]
    outlines = Outlines(polygons)
    whole = outlines.inside((0, 60), (0, 70))
    for _ in range(10):
        (a, b), (c, d) = (np.sort(rng.choice(n, 2, replace=False)) for n in (61, 71))
        assert np.array_equal(outlines.inside((a, b), (c, d)), whole[a:b, c:d])
    one = polygons[0][0]
    drawn = np.zeros((60, 70), bool)
    for _, _, y, x, length in lasso(one, "xy", 0, 0, (1, 1, 1, 60, 70)).array:
        drawn[y, x : x + length] = True
    assert np.array_equal(Outlines([[one]]).inside((0, 60), (0, 70)), drawn)


def test_nothing_and_outside():
    assert not Outlines([]).inside((0, 5), (0, 5)).any()
    assert not Outlines([[SQUARE]]).inside((10, 20), (0, 5)).any()
    with pytest.raises(ValueError, match="finite"):
        Outlines([[ring((0, 0), (np.nan, 1), (2, 2))]])
