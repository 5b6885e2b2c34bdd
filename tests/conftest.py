"""What all tests share: where the test data lie, and that nothing stays open."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import ordering
from underbrush import files

ROOT = Path(__file__).parent.parent

# Shells ignore Ctrl-C in what they run in the background, and children inherit that; here it is tried.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# So does nohup with the end of a terminal; a server that is told to go on then would never end here.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes is a matter of who else computes on this machine.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")


def pytest_configure(config: pytest.Config) -> None:
    """Workers take files in our order; pytest-xdist would begin with those of the most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first; in a file the order stays."""
    items.sort(key=lambda item: ordering.place(item.path))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names of the tests that fell, for `run_all.py`."""
    if place := os.environ.get("UNDERBRUSH_TESTS_FALLEN"):
        fallen = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
        Path(place).write_text("".join(f"{name}\n" for name in {report.nodeid: 0 for report in fallen}))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real images, projects and recorded results; a test that needs it skips without it."""
    folder = (ROOT / os.environ.get("UNDERBRUSH_TEST_DATA", "../shared/data")).resolve()
    if not (folder / "MANIFEST.json").is_file():
        if os.environ.get("CI"):
            pytest.fail(f"the test data are missing: {folder}; set UNDERBRUSH_TEST_DATA")
        pytest.skip(f"no test data at {folder}; set UNDERBRUSH_TEST_DATA")
    return folder


class FaultyLayer(files.FileLayer):
    """A file layer whose disk breaks: the ``nth`` call of the named operations fails, and all later ones."""

    CHANGES = ("open", "write", "truncate", "fsync", "replace", "exchange")

    def __init__(
        self,
        nth: int,
        operations: tuple[str, ...] = CHANGES,
        code: int = errno.ENOSPC,
        *,
        once: bool = False,
    ) -> None:
        self.nth, self.operations, self.code, self.once = nth, operations, code, once
        self.calls = 0

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name not in object.__getattribute__(self, "operations"):
            return object.__getattribute__(self, name)
        self.calls += 1
        if self.calls == self.nth or (self.calls > self.nth and not self.once):
            raise OSError(self.code, os.strerror(self.code))
        return object.__getattribute__(self, name)


@pytest.fixture
def faulty_disk() -> Iterator[type[FaultyLayer]]:
    """The class of file layers that fail; use with ``files.using``. Afterwards the real one is in force."""
    yield FaultyLayer
    assert type(files.layer()) is files.FileLayer
