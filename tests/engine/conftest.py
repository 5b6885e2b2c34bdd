"""What several tests of the engine begin with."""

from __future__ import annotations

import pytest

from session_scenes import LIMITS
from underbrush.engine.exporting import Exporter


@pytest.fixture
def exporter(session):
    """Of the ``session`` of the test."""
    exporter = Exporter(session, LIMITS)
    yield exporter
    exporter.close()
