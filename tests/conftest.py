"""What all tests share: where the test data lie, and that nothing stays open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real images, projects and recorded results; a test that needs it skips without it."""
    folder = (ROOT / os.environ.get("UNDERBRUSH_TEST_DATA", "../shared/data")).resolve()
    if not (folder / "MANIFEST.json").is_file():
        if os.environ.get("CI"):
            pytest.fail(f"the test data are missing: {folder}; set UNDERBRUSH_TEST_DATA")
        pytest.skip(f"no test data at {folder}; set UNDERBRUSH_TEST_DATA")
    return folder
