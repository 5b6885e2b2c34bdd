"""What keeps things from being lost, as a person meets it: the real server, a real mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browser.running import NEEDS_CHROMIUM, Hand, Server, soon
from browser.windows import browser_context
from session_scenes import new_project, stroke
from underbrush.engine.session import Session
from underbrush.project.commands import AddClass
from underbrush.project.journal_format import parse
from underbrush.project.read import read_project

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Server]:
    """A project with an earlier version of two classes, and a recovery file that brings two changes back."""
    file = new_project(tmp_path)
    with Session.open(file, idle=1000) as session:
        session.apply("tab", 1, AddClass("Third"))
    session = Session.open(file, idle=1000)
    session.apply("tab", 2, stroke(10, 10))
    session.apply("tab", 3, stroke(20, 10))
    left = file.with_name(file.name + ".journal").read_bytes()
    assert len(parse(left, "").edits) == 2
    before = file.read_bytes()
    session.close()
    file.write_bytes(before)
    file.with_name(file.name + ".journal").write_bytes(left)
    server = Server(tmp_path, str(file))
    yield server
    if server.running:
        server.stop()


def test_found_restored_copied_and_closed(chromium: Any, server: Server) -> None:
    address = server.start()
    file = server.home / "p.ilp"
    with browser_context(chromium) as context:
        page = context.new_page()
        page.goto(address)
        Hand(page).ready()
        found = page.locator(".callout.found")
        found.wait_for()
        page.wait_for_selector(
            ".callout.found:has-text('2 changes made after the last save were brought back.')"
        )
        page.click("[aria-label='Close what was found']")
        page.reload()
        Hand(page).ready()
        page.evaluate(
            "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
        )
        assert not found.count()

        menu(page, "Earlier versions")
        page.locator(".versions .btn").first.wait_for()
        page.locator(".versions .btn").last.click()
        page.wait_for_function("document.querySelectorAll('.cls').length === 2")
        page.wait_for_selector(".toast:has-text('is back')")
        page.wait_for_selector(".dialog", state="detached")

        menu(page, "Save a copy elsewhere")
        page.wait_for_function("document.querySelector(\"[aria-label='Path of the copy']\")?.value")
        page.fill("[aria-label='Path of the copy']", str(server.home / "nowhere" / "copy.ilp"))
        page.keyboard.press("Enter")
        page.wait_for_selector(".dialog .callout.err")
        page.fill("[aria-label='Path of the copy']", str(server.home / "copy.ilp"))
        page.keyboard.press("Enter")
        page.wait_for_selector(".dialog", state="detached")
        assert len(read_project(server.home / "copy.ilp").classes) == 2

        other = page.context.new_page()
        other.goto(page.url)
        Hand(other).ready()
        menu(page, "Close, back to the start")
        page.wait_for_url("**/")
        for left in (".journal", ".lock"):
            assert soon(page, lambda left=left: not file.with_name(file.name + left).exists())  # type: ignore[misc]
        other.wait_for_selector(".banner.err:has-text('not open on the server any more')")
        page.click(f".recent:has-text('{file.name}')")
        page.wait_for_url("**/p/*")
        Hand(page).ready()


def menu(page: Any, text: str) -> None:
    page.click("nav.menu button:has-text('Project')")
    page.click(f"[role=menuitem]:has-text('{text}')")
