"""The whole app in a real browser, from the start screen to a safe stroke."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile

from browser.running import NEEDS_CHROMIUM, Server, wait_for_strokes
from browser.windows import browser_context, running

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    noise = np.random.default_rng(1).integers(0, 60, (200, 260), np.uint8)
    for name, at in (("first", 40), ("second", 90)):
        image = noise.copy()
        image[at : at + 60, 80:160] += 150
        tifffile.imwrite(home / f"{name}.tif", image)
    with running(home) as server:
        yield server


@pytest.fixture(scope="module")
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """One page that goes through all tests, in their order."""
    with browser_context(chromium) as context:
        page = context.new_page()
        page.goto(server.address)
        yield page


def stroke(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From and to as shares of the viewer."""
    box = page.locator(".viewer").first.bounding_box()
    points = [(box["x"] + box["width"] * u, box["y"] + box["height"] * v) for u, v in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=8)
    page.mouse.up()


def strokes(page: Any, ident: int) -> str:
    text: str = page.inner_text(f".cls[data-class='{ident}'] .st")
    return text


def test_an_image_becomes_a_project_and_two_strokes_a_result(page: Any, server: Server) -> None:
    page.fill("[aria-label^=Path]", str(server.home / "first.tif"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".cls input.rename:focus")
    page.keyboard.type("Cell")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cls >> text=Cell")
    page.wait_for_selector(".histo svg")
    stroke(page, (0.42, 0.35), (0.55, 0.40))
    wait_for_strokes(page, 2, 1)
    page.wait_for_selector(".status >> text=Now a stroke in Background.")
    page.keyboard.press("1")
    page.wait_for_selector(".cls[data-class='1'][aria-selected=true]")
    stroke(page, (0.42, 0.85), (0.55, 0.88))
    wait_for_strokes(page, 1, 1)
    page.wait_for_selector("text=Out-of-bag error")
    page.wait_for_selector("text=Feature importance")


def test_undo_and_redo_from_the_panel_and_by_key(page: Any) -> None:
    page.click("[aria-label^='Undo: ']")
    wait_for_strokes(page, 1, 0)
    page.keyboard.press("Control+y")
    wait_for_strokes(page, 1, 1)


def test_a_class_is_added_and_taken_back(page: Any) -> None:
    page.click("text=Add class")
    page.wait_for_selector("input:focus")
    page.keyboard.type("Debris")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cls:nth-child(3) >> text=Debris")
    page.focus(".cls:nth-child(3)")
    page.keyboard.press("Delete")
    page.wait_for_selector(".toast:has-text('Class Debris deleted.')")
    page.click(".toast >> text=Undo")
    page.wait_for_selector(".cls:nth-child(3) >> text=Debris")
    page.focus(".cls:nth-child(3)")
    page.keyboard.press("Delete")
    page.wait_for_selector(".cls:nth-child(3)", state="detached")


def test_an_image_of_this_computer_is_added_in_place(page: Any, server: Server) -> None:
    page.click("[aria-label='Add images']")
    page.wait_for_selector("[role=dialog] >> text=second.tif")
    page.dblclick(".fileline:has-text('second.tif')")
    page.wait_for_selector(".tbl >> text=second.tif")
    page.click("[aria-label='Step'] .step:nth-child(3)")
    page.wait_for_function("document.querySelectorAll('.lane').length === 2")


def test_a_file_dropped_from_elsewhere_is_copied_beside_the_project(page: Any, server: Server) -> None:
    data = (server.home / "first.tif").read_bytes()
    page.evaluate(
        """([bytes, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { lastModified: 1 }));
          const event = (kind) => new DragEvent(kind, { dataTransfer: data, cancelable: true });
          for (const kind of ["dragover", "drop"]) window.dispatchEvent(event(kind));
        }""",
        [list(data), "dropped.tif"],
    )
    page.wait_for_function("document.querySelectorAll('.lane').length === 3")
    assert list((server.home / "Underbrush").rglob("dropped.tif"))


def test_a_project_that_is_only_now_read_is_not_told_as_a_lost_connection(page: Any) -> None:
    other = page.context.new_page()
    other.route_web_socket(re.compile("/api/p/"), lambda _silent: None)
    other.goto(page.url)
    other.wait_for_selector(".banner >> text=Opening.")
    assert "lost" not in other.inner_text(".banner")
    other.close()


def test_a_stroke_painted_while_the_server_is_dead_is_there_when_it_is_back(
    page: Any, server: Server
) -> None:
    page.click(".cls[data-class='1'] .key")
    before = int(strokes(page, 1))
    server.kill()
    page.wait_for_selector(".banner >> text=Connection lost.")
    stroke(page, (0.60, 0.85), (0.66, 0.85))
    page.wait_for_selector("text=1 stroke is kept in this browser")
    server.start()
    page.wait_for_selector(".banner", state="detached")
    wait_for_strokes(page, 1, before + 1)


def test_the_project_is_listed_and_opens_again_after_the_server_was_ended(page: Any, server: Server) -> None:
    count = strokes(page, 1)
    server.stop()
    files = list((server.home / "Underbrush").glob("first*.ilp"))
    assert len(files) == 1 and not list((server.home / "Underbrush").glob("*.journal"))
    page.goto("about:blank")  # the window that was open would come back by itself
    page.goto(server.start())
    page.click(".recent:has-text('first.ilp')")
    page.wait_for_selector(".cls[data-class='1']")
    wait_for_strokes(page, 1, int(count))
