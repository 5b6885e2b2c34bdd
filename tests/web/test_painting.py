"""Painting in Chromium: the pixels that arrive, the echo, and what the pointer does."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from browser.running import PATIENCE
from web.painting_pages import (
    FOREGROUND,
    READY,
    Open,
    arrived,
    chromium,
    colour,
    drag,
    near,
    opened,
    server,
    silence,
    spot,
    stamped,
)
from web.painting_server import PaintingServer

sync_api = pytest.importorskip("playwright.sync_api")
__all__ = ["chromium", "opened", "server"]  # fixtures


@pytest.mark.parametrize("size", [1, 3, 11, 61])
def test_the_pixels_that_arrive_are_those_of_the_rule(
    size: int, opened: Open, server: PaintingServer
) -> None:
    page = opened()
    page.evaluate(f"app.setBrushSize({size})")
    points = [(60.0, 50.0), (640.0, 433.0), (420.0, 30.0), (690.0, 5.0)]  # fast: one event a corner
    drag(page, *points)
    silence(page)
    expected = stamped(size, *[spot(page, *point) for point in points], shape=(500, 700))
    assert np.array_equal(server.project.labels["a1"][0, 0] == 3, expected)


def test_painting_on_other_planes_of_a_volume(opened: Open, server: PaintingServer) -> None:
    page = opened()
    for plane, index in (("xz", np.s_[0, :, 60, :]), ("zy", np.s_[0, :, :, 80])):
        page.evaluate(f"app.setLane('a2'); app.setPlane('{plane}'); app.setBrushSize(5); app.fit()")
        assert page.evaluate("app.snapshot().position.slice") == (60 if plane == "xz" else 80)
        page.evaluate("app.viewer.settled()")
        middle = page.evaluate("app.viewer.imageToScreen(18.5, 18.5)")
        end = page.evaluate("app.viewer.imageToScreen(30.5, 33.5)")
        drag(page, (middle["px"], middle["py"]), (end["px"], end["py"]))
        silence(page)
        labels = server.project.labels["a2"][index]
        labels = labels if plane == "xz" else labels.T
        assert np.array_equal(labels == 3, stamped(5, (18, 18), (30, 33), shape=labels.shape))
        server.project.labels["a2"][...] = 0


@pytest.mark.parametrize("plane", ["xy", "zy"])
def test_a_lasso_holds_what_its_echo_showed(plane: str, opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate(f"app.setLane('a2'); app.setPlane('{plane}'); app.setTool('lasso')")
    page.evaluate("app.viewer.settled()")
    server.mode = "silent"
    drag(page, (300, 150), (380, 160), (390, 330), (350, 200), (310, 300), steps=7)
    echo = np.array(page.evaluate("[...app.viewer.picture.echoes.byToken.values()][0].runs"))
    shown = np.zeros_like(server.project.labels["a2"])
    for t, z, y, x, n in echo[: len(echo) // 5 * 5].reshape(-1, 5):
        shown[t, z, y, x : x + n] = 3
    assert shown.sum() > 300
    server.mode = "ack"
    page.evaluate("app.connection.lost(); app.connection.hurry()")
    silence(page)
    assert np.array_equal(server.project.labels["a2"], shown)
    page.keyboard.press("Control+z")
    arrived(server, 2)
    assert not server.project.labels["a2"].any()


def test_the_echo_is_there_with_the_next_frame_and_never_flickers(
    opened: Open, server: PaintingServer
) -> None:
    page = opened()
    page.evaluate("app.setBrushSize(11)")
    server.mode = "silent"
    drag(page, (300, 250), (350, 250))
    assert near(colour(page, 320, 250), FOREGROUND)  # nothing was answered yet
    assert page.evaluate("app.snapshot().unsent.count") == 1
    page.evaluate("""() => {
      window.seen = [];
      const look = () => {
        seen.push(app.viewer.readPixel(320, 250).slice(0, 3).join());
        requestAnimationFrame(look);
      };
      look();
    }""")
    server.mode = "ack"
    page.evaluate("app.connection.lost(); app.connection.hurry()")
    silence(page)
    page.wait_for_function("app.viewer.picture.echoes.byToken.size === 0")
    page.evaluate("app.viewer.settled()")
    seen = page.evaluate("seen")
    assert len(seen) > 3
    assert all(near(tuple(map(int, one.split(","))), FOREGROUND) for one in seen)


def test_erasing_shows_at_once(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.setBrushSize(23)")
    drag(page, (300, 250), (400, 250))
    silence(page)
    page.wait_for_function("app.viewer.picture.echoes.byToken.size === 0")
    server.mode = "silent"
    page.keyboard.down("Shift")
    assert page.evaluate("app.snapshot().tool.erasing") is True
    drag(page, (350, 240), (350, 260))
    page.keyboard.up("Shift")
    assert not near(colour(page, 350, 250), FOREGROUND)
    assert near(colour(page, 320, 250), FOREGROUND)


def test_picking_a_class_and_the_wheel(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.setBrushSize(11); app.setClass(5)")
    drag(page, (300, 200), (400, 200))
    silence(page)
    page.evaluate("app.setClass(3)")
    page.keyboard.down("Alt")
    page.mouse.click(350, 200)
    page.keyboard.up("Alt")
    page.wait_for_function("app.snapshot().tool.class === 5")
    assert len(server.project.applied) == 1
    at = spot(page, 350, 200)
    before = page.evaluate("app.viewer.look.zoom")
    page.mouse.wheel(0, -100)
    page.wait_for_function(f"app.viewer.look.zoom > {before}")
    assert spot(page, 350, 200) == pytest.approx(at, abs=1)
    assert page.evaluate("app.viewer.look.zoom") > 1
    page.evaluate("app.setLane('a2')")
    page.mouse.wheel(0, 100)
    page.wait_for_function("app.snapshot().position.slice === 21")
    size = page.evaluate("app.snapshot().tool.size")
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -100)
    page.wait_for_function(f"app.snapshot().tool.size > {size}")
    page.keyboard.up("Shift")
    page.evaluate("app.setWheel('zoom', 'time')")
    for key, changed in (("Shift", {"t": 1, "z": 21}), ("Alt", {"t": 1, "z": 31}), (None, {"t": 1, "z": 31})):
        if key:
            page.keyboard.down(key)
        page.mouse.wheel(0, 100)
        page.wait_for_function(
            "at => { const { t, z } = app.snapshot().position; return t === at.t && z === at.z; }",
            arg=changed,
        )
        if key:
            page.keyboard.up(key)
    page.evaluate("app.setWheel('auto', 'brush')")
    with pytest.raises(sync_api.Error, match="no such meaning"):
        page.evaluate("app.setWheel('slice', 'zoom')")


BANNER = "document.getElementById('viewer').style.top = '%dpx'"
WHERE = "(({{z, y, x}}) => [z, y, x])(app.viewer.locate({{clientX: {}, clientY: {}}}))"
MIDDLE = """([x, y]) => {
  const view = app.viewer.active, {left, top} = view.element.getBoundingClientRect();
  const {u, v} = view.screenToImage(x - left, y - top);
  const {px, py} = view.imageToScreen(Math.floor(u) + 0.5, Math.floor(v) + 0.5);
  return [Math.round(px + left), Math.round(py + top)];
}"""
ABOVE = "app.viewer.element.getBoundingClientRect().top === %d && app.viewer.settled()"


@pytest.mark.parametrize("lane, at", [("a1", (310, 260)), ("a2", (200, 160)), ("a2", (220, 420))])
def test_a_banner_moves_nothing_from_under_the_pointer(
    lane: str, at: tuple[int, int], opened: Open, server: PaintingServer
) -> None:
    page = opened()
    page.evaluate(f"app.setLane('{lane}'); app.setBrushSize(1); app.fit()")
    page.evaluate("app.viewer.settled()")
    fitted = page.evaluate("app.viewer.view.zoom")
    page.mouse.move(*at)
    for zoomed in (False, True):
        if zoomed:
            page.mouse.move(*at)
            page.keyboard.press("+")
        page.evaluate("app.viewer.settled()")
        middle = page.evaluate(MIDDLE, at)
        page.mouse.move(*middle)
        where = WHERE.format(*middle)
        aimed = page.evaluate(where)
        for top in (40, 60, 0):
            # A press that comes before the page was laid out anew meets the same pixel.
            assert page.evaluate(f"{BANNER % top}; {where}") == aimed
            page.wait_for_function(ABOVE % top)
            assert page.evaluate(where) == aimed
        page.evaluate(BANNER % 40)
        page.wait_for_function(ABOVE % 40)
        page.mouse.down()
        page.mouse.up()
        arrived(server, 1 + zoomed)
        assert server.project.applied[-1][2]["runs"] == [0, *aimed, 1]
        assert not page.evaluate("app.viewer.pane('xy').fitted")
        page.mouse.move(at[0], 20)
        if not zoomed:  # who looked at all of it does so again
            page.wait_for_function(f"app.viewer.pane('xy').fitted && app.viewer.view.zoom < {fitted}")
        page.evaluate(BANNER % 0)
        page.wait_for_function(ABOVE % 0)
        if not zoomed:
            assert page.evaluate("app.viewer.view.zoom") == fitted
    # A window of another size shows all of it, too.
    page.evaluate("app.fit()")
    page.mouse.move(*at)
    page.evaluate(BANNER % 40)
    page.wait_for_function(f"{ABOVE % 40} && !app.viewer.pane('xy').fitted")
    page.set_viewport_size({"width": 690, "height": 500})
    page.wait_for_function("app.viewer.pane('xy').fitted")


def test_contrast_by_dragging_paints_nothing(opened: Open, server: PaintingServer) -> None:
    page = opened()
    before = page.evaluate("app.viewer.channels[0]")
    page.keyboard.press("t")
    drag(page, (300, 300), (300, 180), steps=3)
    after = page.evaluate("app.viewer.channels[0]")
    assert after["high"] - after["low"] == pytest.approx((before["high"] - before["low"]) / 2)
    drag(page, (300, 300), (420, 300), steps=3)
    assert page.evaluate("app.viewer.channels[0]")["high"] < after["high"]
    assert not server.project.applied and page.evaluate("app.outbox.count") == 0
    page.keyboard.press("1")
    assert page.evaluate("app.snapshot().tool.tool") == "brush", "who chooses a class wants to paint"


def test_what_is_looked_at_is_told_and_places_are_found_again(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.setLane('a2'); app.goTo('a1', 0, 0, 50, 600)")
    page.evaluate("app.viewer.settled()")
    position = page.evaluate("app.snapshot().position")
    assert (position["lane"], position["y"], position["x"], position["canBack"]) == ("a1", 50, 600, True)
    page.evaluate("app.back()")
    assert page.evaluate("app.snapshot().position.lane") == "a2"
    page.wait_for_function("app.connection.views.get('main').lane === 'a2'")
    until = time.monotonic() + PATIENCE
    views: dict[str, Any] = {}
    while len(views) < 3 and time.monotonic() < until:
        time.sleep(0.02)
        views = {said["view"]: said for said in server.heard if said.get("lane") == "a2"}
    assert {name: view["plane"] for name, view in views.items()} == {
        "main": "xy", "main-xz": "xz", "main-zy": "zy"
    }  # fmt: skip
    assert all(view["type"] == "view" and "segmentation" in view["layers"] for view in views.values())
    with pytest.raises(sync_api.Error, match="no image"):
        page.evaluate("app.setLane('zz')")


def test_reading_only(opened: Open, server: PaintingServer) -> None:
    server.project.read_only = "Ada has this project open."
    page = opened()
    drag(page, (100, 100), (200, 100))
    assert page.evaluate("app.outbox.count") == 0
    notices = page.evaluate("said.filter(([name]) => name === 'notice').map(([, one]) => one.sentence)")
    assert notices == ["Ada has this project open."]


def test_a_closed_door_is_said_and_unmounting_leaves_nothing(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.unmount()")
    page.keyboard.press("e")
    drag(page, (100, 100), (200, 100))
    assert page.evaluate("document.getElementById('viewer').childElementCount") == 0
    assert page.evaluate("app.snapshot().tool.tool") == "brush"
    page.evaluate("""async () => {
      const { mount } = await import('/viewer/index.js');
      window.app = await mount(document.getElementById('viewer'), { project: 'PPPPPPPP' });
    }""")
    page.wait_for_function(READY)
    drag(page, (100, 100), (200, 100))
    arrived(server, 1)
