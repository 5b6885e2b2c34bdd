"""Overlap counts against their definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from underbrush.core.evaluate import Overlap

classes = arrays(np.uint8, (6, 7), elements=st.integers(0, 4))


@given(classes, classes)
def test_dice_and_iou_by_definition(truth, predicted):
    overlap = Overlap.count(truth, predicted, 3)
    known = (truth > 0) & (truth <= 3)
    for k in (1, 2, 3):
        t, p = (truth == k) & known, (np.minimum(predicted, 3) == k) & known
        if t.sum() + p.sum() == 0:
            assert overlap.dice(k) is None and overlap.iou(k) is None
        else:
            assert overlap.dice(k) == 2 * (t & p).sum() / (t.sum() + p.sum())
            assert overlap.iou(k) == (t & p).sum() / (t | p).sum()


@given(classes, classes)
def test_parts_add_up(truth, predicted):
    parts = Overlap.count(truth[:2], predicted[:2], 4) + Overlap.count(truth[2:], predicted[2:], 4)
    assert np.array_equal(parts.table, Overlap.count(truth, predicted, 4).table)
