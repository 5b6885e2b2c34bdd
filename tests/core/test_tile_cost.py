"""What a tile is said to cost covers what its kernels keep."""

from __future__ import annotations

import pytest

from underbrush.core.features.compute import scratch_bytes
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.predict import tile_cost


@pytest.mark.parametrize("channels", [1, 3, 11])
@pytest.mark.parametrize(
    ("volume", "size"),
    [(False, (1, 256, 512)), (False, (1, 1024, 1024)), (True, (64, 128, 128)), (True, (64, 256, 256))],
)
def test_cost_of_a_tile(channels, volume, size):
    selection = FeatureSelection.all()
    image = (1, channels, 500, 4000, 4000) if volume else (1, channels, 1, 4000, 4000)
    halo = selection.halo(volume)
    cost = tile_cost(selection, None, 2, 2, image)
    features = 4 * selection.count(channels, volume)
    pixels = size[0] * size[1] * size[2]
    grown = (size[0] + 2 * halo.z) * (size[1] + 2 * halo.y) * (size[2] + 2 * halo.x)
    held = scratch_bytes(size, selection.terms(volume)) + pixels * (features + 8) + grown * channels * 2
    assert cost.of((1, channels, *size), halo, image) >= held
