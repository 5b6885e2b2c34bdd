"""Pages that paint in Chromium, on a server that keeps what arrives: what their tests share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from browser.running import CHROMIUM, PATIENCE
from browser.windows import chromium_running
from web.painting_server import PaintingServer

BACKGROUND, FOREGROUND = (0, 130, 200), (255, 225, 25)
READY = "window.app && app.viewer.lane && app.connection.state === 'online'"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists() and not os.environ.get("CI"):
        pytest.skip("there is no Chromium to paint in")
    with chromium_running() as chromium:
        yield chromium


@pytest.fixture
def server() -> Iterator[PaintingServer]:
    server = PaintingServer()
    yield server
    server.stop()


@pytest.fixture
def opened(chromium: Any, server: PaintingServer) -> Iterator[Open]:
    """Open the page; pages of one test share what the browser keeps. What breaks in a page fails the test."""
    context = chromium.new_context(viewport={"width": 700, "height": 500})
    context.set_default_timeout(1000 * PATIENCE)
    troubles: list[str] = []

    def open_page(ready: bool = True) -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(server.address)
        if ready:
            page.wait_for_function(READY)
            page.evaluate("app.viewer.settled()")
        return page

    yield open_page
    context.close()
    assert not troubles


def drag(page: Any, *points: tuple[float, float], steps: int = 1) -> None:
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=steps)
    page.mouse.up()


def arrived(server: PaintingServer, count: int) -> None:
    """Wait until the server applied so many commands."""
    until = time.monotonic() + PATIENCE
    while len(server.project.applied) < count and time.monotonic() < until:
        time.sleep(0.02)
    assert len(server.project.applied) == count


def silence(page: Any) -> None:
    page.wait_for_function("app.outbox.count === 0")


def stamped(size: int, *segment: tuple[float, float], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of the rule in brush.js, one by one: the union of discs along each segment."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    centres = [(int(np.floor(u)), int(np.floor(v))) for u, v in segment]
    for (x0, y0), (x1, y1) in zip(centres[:-1] or centres, centres[1:] or centres, strict=True):
        n = max(abs(x1 - x0), abs(y1 - y0))
        for k in range(n + 1):
            x = x0 + ((2 * k * (x1 - x0) + n) // (2 * n) if n else 0)
            y = y0 + ((2 * k * (y1 - y0) + n) // (2 * n) if n else 0)
            mask |= 4 * ((columns - x) ** 2 + (rows - y) ** 2) <= size * size
    return mask


def spot(page: Any, x: float, y: float) -> tuple[float, float]:
    place = page.evaluate(f"app.viewer.locate({{clientX: {x}, clientY: {y}}})")
    return place["u"], place["v"]


def colour(page: Any, x: float, y: float) -> tuple[int, ...]:
    return tuple(page.evaluate(f"app.viewer.readPixel({x}, {y})")[:3])


def near(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(abs(p - q) <= 2 for p, q in zip(a, b, strict=True))
