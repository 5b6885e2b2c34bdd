"""Windows of a browser before a server: opened, watched for what breaks in them, and closed."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser.running import ARGUMENTS, CHROMIUM, PATIENCE, Server

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8").partition("\n")[2]
"""What is too small, hidden, unnamed or outside of the window: a function of the page that lists it."""
SIZES = ((1440, 900), (1280, 580))
"""Of windows that everything has to fit into."""


PR_CAPBSET_DROP, CAP_SYS_NICE = 24, 23


@contextmanager
def chromium_running() -> Iterator[Any]:
    """A browser in a process of its own."""
    if sys.platform == "linux":
        # As root Chromium puts what draws, in software here, before all else: servers and tests would starve.
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0)
    from playwright.sync_api import sync_playwright  # where it is missing, files are collected all the same

    with sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@contextmanager
def browser_context(chromium: Any, **options: Any) -> Iterator[Any]:
    """A browser that was never here; what breaks in one of its pages is told in the end."""
    context = chromium.new_context(viewport={"width": SIZES[0][0], "height": SIZES[0][1]}, **options)
    context.set_default_timeout(1000 * PATIENCE)
    troubles: list[str] = []
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    yield context
    context.close()
    assert troubles == []


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[Server]:
    """A server that was started, and is ended if it still runs."""
    server = Server(home, *arguments)
    server.start()
    yield server
    server.full.unlink(missing_ok=True)
    if server.running:
        server.stop()


def open_path(page: Any, address: str, path: Path | str) -> None:
    """A new project of what is typed on the start screen; the field for a name is open."""
    page.goto(address)
    page.fill("[aria-label^=Path]", str(path))
    page.keyboard.press("Enter")
    page.wait_for_selector(".cls input.rename")


def open_images(page: Any, address: str, *paths: Path) -> None:
    """A new project of images, at its first step, by the door that programs use."""
    page.goto(address)
    found = page.evaluate(
        "paths => fetch('/api/open', {method: 'POST', body: JSON.stringify({paths}),"
        " headers: {'content-type': 'application/json'}}).then(r => r.json())",
        [str(path) for path in paths],
    )
    page.goto(f"{page.url.partition('/p/')[0].rstrip('/')}/p/{found['project']}")
    page.click(".step:nth-child(1)")


def audited(page: Any) -> list[str]:
    """What stays wrong with the page at both sizes, once it has settled there."""
    found: list[str] = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        found += settled_audit(page)
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    return found


def settled_audit(page: Any) -> list[str]:
    """What is wrong with the page and stays so: panels fold and lines wrap some frames after a change."""
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    found: list[str] = page.evaluate(AUDIT)
    for _ in range(20):
        if not found:
            break
        page.wait_for_timeout(250)
        found = page.evaluate(AUDIT)
    return found
