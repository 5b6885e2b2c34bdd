"""How an image is cut for a command: as memory allows, and never into tiles that last long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_project import make_project

from underbrush.engine import batch
from underbrush.engine.batch import Limits, Request
from underbrush.engine.model import model_of
from underbrush.errors import ResourceError
from underbrush.project.read import read_project
from underbrush.sources.array import ArrayImage

SHAPE = (150, 400, 400)


def planned(tmp_path, memory, channels=1):
    project = make_project(tmp_path / "p.ilp", channels, (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0), volume=True)
    pixels = np.broadcast_to(np.zeros((), np.uint8), (channels, *SHAPE))
    request = Request("volume.tif", Path(tmp_path / "r.h5"), "compressed hdf5", "probabilities")
    run = batch.Prepared.of(model_of(read_project(project)), request, ArrayImage(pixels, "czyx"), None)
    return run.plan(Limits(2, memory))


def test_plenty_of_memory_makes_no_tiles_that_last_long(tmp_path):
    tile = planned(tmp_path, 10**12).tile
    assert np.prod(tile[2:]) <= batch.EASY_PIXELS
    assert np.prod(tile[2:]) > batch.EASY_PIXELS / 4, "nor tiles that are mostly halo"


def test_little_memory_makes_smaller_ones(tmp_path):
    assert np.prod(planned(tmp_path, 700 * 10**6).tile) < np.prod(planned(tmp_path, 10**12).tile)


def test_many_channels_keep_their_size(tmp_path):
    """Each of their pixels takes more bytes, but a smaller tile would be nothing but halo."""
    one, many = (np.prod(planned(tmp_path, 10**11, n).tile[2:]) for n in (1, 11))
    assert many >= one / 2


def test_a_tile_that_cannot_be_small_is_allowed_where_there_is_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "EASY_BYTES", 1)
    monkeypatch.setattr(batch, "EASY_PIXELS", 0)
    assert len(planned(tmp_path, 10**10)) > 0
    assert len(planned(tmp_path, 10**6)) > 0, "a program that holds much still classifies, in small tiles"
    monkeypatch.setattr(batch, "LEAST_TILE", 0)
    with pytest.raises(ResourceError, match="the smallest tile needs"):
        planned(tmp_path, 10**6)
