"""What all windows share: one browser for the tests of a file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.windows import browser_context, chromium_running, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a machine that others use, too, a whole exercise in software rendering takes minutes."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    """What a test that fell had before it: the address and the words of each window."""
    report = yield
    if call.when == "call" and report.failed:
        held = [
            item.funcargs[name] for name in ("page", "hand", "person", "context") if name in item.funcargs
        ]
        pages = [
            one
            for held_one in held
            for one in getattr(held_one, "pages", [getattr(held_one, "page", held_one)])
        ]
        for page in pages:
            report.sections.append(("window", told_by(page)))
    return report


def told_by(page: Any) -> str:
    """The address and the words of a window, or why it does not tell them."""
    try:
        return f"{page.url}\n{page.inner_text('body', timeout=5000)[:3000]}"
    except Exception as error:  # noqa: BLE001  (whatever it is, the test fell of something else)
        return f"{type(error).__name__}: {error}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with chromium_running() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the person, the only one that the server shows."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Any]:
    """With a home of its own; for all tests of a file."""
    with running(home) as server:
        yield server


@pytest.fixture
def context(chromium: Any, server: Any) -> Iterator[Any]:
    """A browser that was never here; what breaks in one of its pages fails the test."""
    if not server.running:
        server.start()
    with browser_context(chromium) as context:
        yield context
