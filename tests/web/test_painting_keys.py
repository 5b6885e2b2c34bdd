"""Painting without a mouse, in Chromium: what keys do, and what arrives of it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from browser.running import PATIENCE
from web.painting_pages import Open, arrived, chromium, drag, opened, server
from web.painting_server import PaintingServer

pytest.importorskip("playwright.sync_api")
__all__ = ["chromium", "opened", "server"]  # fixtures


def test_keys_do_what_the_table_says(opened: Open, server: PaintingServer) -> None:
    page = opened()
    tool = "app.snapshot().tool"
    for key, expected in {"e": "eraser", "f": "fill", "o": "lasso", "n": "navigate", "p": "brush"}.items():
        page.keyboard.press(key)
        assert page.evaluate(tool)["tool"] == expected
    page.keyboard.press("1")
    assert page.evaluate(tool)["class"] == 5
    size = page.evaluate(tool)["size"]
    page.keyboard.press(".")
    page.keyboard.press("]")
    assert page.evaluate(tool)["size"] == {3: 7}[size]
    page.keyboard.press("s")
    assert page.evaluate("app.layers().segmentation.visible") is False
    page.keyboard.down("r")
    assert page.evaluate("app.viewer.rawOnly") is True
    page.keyboard.up("r")
    assert page.evaluate("app.viewer.rawOnly") is False
    before = page.evaluate("app.viewer.look")
    page.keyboard.down("Space")
    drag(page, (300, 300), (250, 280))
    page.keyboard.up("Space")
    after = page.evaluate("app.viewer.look")
    assert after["cx"] > before["cx"] and not server.project.applied
    page.keyboard.press("k")
    page.keyboard.press("w")
    assert page.evaluate("app.viewer.look.zoom") == 1
    page.keyboard.press("?")
    page.keyboard.press("Tab")
    said = page.evaluate("said.filter(([name]) => name === 'action').map(([, one]) => one.action)")
    assert said == ["keys", "sidePanels"]
    page.keyboard.press("l")
    page.wait_for_function("app.store.state.live === false")
    until = time.monotonic() + PATIENCE
    while not any(said["type"] == "live" for said in server.heard) and time.monotonic() < until:
        time.sleep(0.02)
    assert [said["on"] for said in server.heard if said["type"] == "live"] == [False]


def test_a_field_keeps_its_keys(opened: Open) -> None:
    page = opened()
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<input id=name style=\"position:absolute\">')"
    )
    page.click("#name")
    page.keyboard.type("be1 ,")
    page.keyboard.press("Control+z")
    assert page.evaluate("app.snapshot().tool.tool") == "brush"
    assert page.evaluate("app.snapshot().tool.class") == 3
    assert not page.evaluate("app.viewer.rawOnly")


def test_keys_alone_paint_in_each_plane_with_each_tool(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.setLane('a2'); app.setBrushSize(1); app.setClass(5)")
    hand = "app.snapshot().hand"
    page.keyboard.press("Enter")
    page.evaluate("app.goTo('a2', 0, 7, 60, 80)")
    page.keyboard.down("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(hand) == {"on": True, "down": True}
    page.keyboard.up("Space")
    arrived(server, 1)
    assert server.project.applied[-1][2]["runs"] == [0, 7, 60, 80, 3]
    # Keys that come before the next frame find their view, too.
    page.evaluate("app.viewer.maximise('xz'); app.hand.enter(); app.hand.step(0, 1, false); app.hand.enter()")
    arrived(server, 2)
    page.evaluate("app.viewer.maximise('xz'); app.viewer.maximise('xy')")
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    arrived(server, 3)
    runs = np.array(server.project.applied[-1][2]["runs"]).reshape(-1, 5)
    assert set(runs[:, 2]) == {60} and len(runs) == 2 and runs[1, 1] - runs[0, 1] == 1, "xz: down is along z"
    page.evaluate("app.setClass(3); app.setTool('pick')")
    page.keyboard.press("Enter")
    page.wait_for_function("app.snapshot().tool.class === 5")
    assert page.evaluate(hand) == {"on": True, "down": False}
    page.evaluate("app.setTool('lasso')")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    assert page.evaluate(hand) == {"on": True, "down": False}, "Escape drops the lasso first"
    page.evaluate("app.setTool('brush')")
    page.keyboard.press("Enter")
    page.evaluate("app.setSlice(3)")
    page.wait_for_function("!app.snapshot().hand.down")
    arrived(server, 4)
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    arrived(server, 5)
    assert page.evaluate(hand) == {"on": False, "down": False}, "Escape ends, and what was painted counts"
    page.keyboard.press("Enter")
    page.mouse.move(200, 200)
    page.mouse.move(260, 220)
    page.wait_for_function("!app.snapshot().hand.on")
    page.keyboard.press("ArrowLeft")
    arrived(server, 5)


def test_keys_alone_draw_a_lasso_and_fill_what_it_left(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.setLane('a2'); app.setFill({by: 'label', tolerance: 10})")
    page.keyboard.press("Enter")
    labels = server.project.labels["a2"][0]
    for plane, last in (("xy", labels[7, 60:64, 80:84]), ("xz", labels[7:11, 60, 80:84])):
        labels[:] = 0
        before = len(server.project.applied)
        page.evaluate(f"app.maximise('{plane}')")
        page.wait_for_function(f"app.hand.plane === '{plane}' && !app.hand.lost")
        page.evaluate("app.goTo('a2', 0, 7, 60, 80)")
        page.keyboard.press("o")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
            for _ in range(4):
                page.keyboard.press(key)
        page.keyboard.press("Enter")
        arrived(server, before + 1)
        assert server.project.applied[-1][2]["type"] == "lasso"
        assert (last == 5).all() and (labels > 0).sum() == 16, plane
        page.keyboard.press("f")
        page.keyboard.press("2")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        arrived(server, before + 2)
        assert server.project.applied[-1][2] | {"x": 80} == {
            "type": "fill", "lane": "a2", "class": 3, "plane": plane, "by": "label", "tolerance": 10,
            "t": 0, "z": 7 + 3 * (plane == "xz"), "y": 60 + 3 * (plane == "xy"), "x": 80,
        }  # fmt: skip
        assert (last == 3).all() and (labels > 0).sum() == 16, plane
        assert page.evaluate("app.snapshot().hand") == {"on": True, "down": False}
