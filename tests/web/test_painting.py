"""Painting in Chromium: the pixels that arrive, the echo, and that no stroke is lost whatever breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from web.painting_server import PaintingServer

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
BACKGROUND, FOREGROUND = (0, 130, 200), (255, 225, 25)
READY = "window.app && app.viewer.lane && app.connection.state === 'online'"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        path = str(CHROMIUM) if CHROMIUM.exists() else None
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except sync_api.Error as error:
            pytest.skip(f"there is no Chromium to paint in: {error}")
        yield chromium
        chromium.close()


@pytest.fixture
def server() -> Iterator[PaintingServer]:
    server = PaintingServer()
    yield server
    server.stop()


@pytest.fixture
def opened(chromium: Any, server: PaintingServer) -> Iterator[Open]:
    """Open the page; pages of one test share what the browser keeps. What breaks in a page fails the test."""
    context = chromium.new_context(viewport={"width": 700, "height": 500})
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
    until = time.monotonic() + 20
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


def test_a_server_that_is_killed_gets_every_stroke_once_when_it_is_back(
    opened: Open, server: PaintingServer
) -> None:
    page = opened()
    drag(page, (100, 100), (200, 100))
    arrived(server, 1)
    server.stop()
    page.wait_for_function("app.connection.banner")
    assert "what you paint is kept here" in page.evaluate("app.connection.sentence")
    for i in range(5):
        drag(page, (100, 150 + 30 * i), (300, 150 + 30 * i))
    assert page.evaluate("app.snapshot().unsent.count") == 5
    assert near(colour(page, 200, 180), FOREGROUND)
    server.start()
    arrived(server, 6)
    silence(page)
    assert [number for _, number, _ in server.project.applied] == [1, 2, 3, 4, 5, 6]
    page.wait_for_function("!app.connection.banner")


def test_no_banner_comes_under_a_stroke(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("void app.on('connection', (one) => said.push(['connection', one]))")
    page.mouse.move(100, 100)
    page.mouse.down()
    server.stop()
    page.wait_for_function("app.connection.banner")
    page.mouse.move(200, 100)
    heard = "said.filter(([name]) => name === 'connection').length"
    assert page.evaluate(heard) == 0
    page.mouse.up()
    assert page.evaluate(heard) == 1
    server.start()
    arrived(server, 1)


def test_a_state_that_does_not_come_is_asked_for_again(opened: Open, server: PaintingServer) -> None:
    server.busy = 3
    page = opened(ready=False)
    page.wait_for_function(READY)
    assert server.busy == 0


def test_a_page_that_is_loaded_again_sends_what_it_had(opened: Open, server: PaintingServer) -> None:
    page = opened()
    client = page.evaluate("app.client")
    server.mode = "silent"
    drag(page, (100, 100), (200, 100))
    drag(page, (100, 200), (200, 200))
    page.evaluate("app.outbox.writing")
    page.reload()
    page.wait_for_function(READY)
    assert page.evaluate("app.client") == client
    assert page.evaluate("app.outbox.count") == 2
    page.evaluate("app.viewer.settled()")
    assert near(colour(page, 150, 200), FOREGROUND), "what waits is shown"
    server.mode = "ack"
    page.evaluate("app.connection.lost(); app.connection.hurry()")
    arrived(server, 2)
    silence(page)
    page.evaluate("app.outbox.writing")
    left = page.evaluate("app.outbox.store.commands('PPPPPPPP', app.client)")
    assert left == []


def test_an_answer_that_was_lost_applies_nothing_twice(opened: Open, server: PaintingServer) -> None:
    page = opened()
    server.mode = "cut"
    drag(page, (100, 100), (200, 100))
    arrived(server, 1)
    server.mode = "ack"
    drag(page, (100, 200), (200, 200))
    arrived(server, 2)
    silence(page)
    assert [number for _, number, _ in server.project.applied] == [1, 2]


def test_the_strokes_of_a_closed_tab_are_handed_in_by_the_next(opened: Open, server: PaintingServer) -> None:
    page, other = opened(), opened()
    client = page.evaluate("app.client")
    server.stop()
    drag(page, (100, 100), (200, 100))
    drag(page, (100, 200), (200, 200))
    page.evaluate("app.outbox.writing")
    page.close()
    server.start()
    other.wait_for_function("app.connection.state === 'online'")
    other.evaluate("app.courier.round()")
    arrived(server, 2)
    assert [(who, number) for who, number, _ in server.project.applied] == [(client, 1), (client, 2)]
    other.wait_for_timeout(300)
    other.evaluate("app.viewer.settled()")
    assert near(colour(other, 150, 200), FOREGROUND)


def test_two_tabs_have_clients_of_their_own_and_see_each_other(opened: Open, server: PaintingServer) -> None:
    one, two = opened(), opened()
    assert one.evaluate("app.client") != two.evaluate("app.client")
    one.evaluate("app.setBrushSize(11)")
    drag(one, (100, 100), (200, 100))
    silence(one)
    two.wait_for_function("app.viewer.readPixel(150, 100)[2] < 60")
    assert near(colour(two, 150, 100), FOREGROUND)
    two.evaluate("app.undo()")  # what others did is not undone
    two.wait_for_function(
        "said.some(([name, one]) => name === 'notice' && /nothing to undo/.test(one.sentence))"
    )
    assert server.project.labels["a1"].any()


def test_later_is_tried_again_and_refused_is_said(opened: Open, server: PaintingServer) -> None:
    page = opened()
    server.mode = "later"
    drag(page, (100, 100), (200, 100))
    page.wait_for_function(
        "said.some(([name, one]) => name === 'notice' && /disk is full/.test(one.sentence))"
    )
    assert near(colour(page, 150, 100), FOREGROUND)
    server.mode = "ack"
    arrived(server, 1)
    server.mode = "refuse"
    page.evaluate("app.setBrushSize(11)")
    drag(page, (100, 300), (200, 300))
    page.wait_for_function("said.some(([name, one]) => name === 'notice' && /locked/.test(one.sentence))")
    assert not near(colour(page, 150, 300), FOREGROUND)
    assert page.evaluate("app.outbox.count") == 0


def test_undo_and_redo_also_without_a_server(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.setBrushSize(11)")
    drag(page, (100, 100), (200, 100))
    silence(page)
    page.keyboard.press("Control+z")
    arrived(server, 2)
    assert not server.project.labels["a1"].any()
    page.keyboard.press("Control+Shift+z")
    arrived(server, 3)
    assert server.project.labels["a1"].any()
    server.stop()
    page.wait_for_function("app.connection.state !== 'online'")
    drag(page, (100, 300), (200, 300))
    assert near(colour(page, 150, 300), FOREGROUND)
    titles = "(({ undo, redo }) => [undo, redo])(app.snapshot().state)"
    assert page.evaluate(titles) == ["Stroke in Foreground", None]
    page.keyboard.press("Control+z")
    assert page.evaluate(titles) == ["Stroke", "Stroke in Foreground"]
    assert not near(colour(page, 150, 300), FOREGROUND)
    page.keyboard.press("Control+y")
    assert near(colour(page, 150, 300), FOREGROUND)
    server.start()
    arrived(server, 4)
    assert server.project.applied[-1][2]["type"] == "paint"


def test_without_storage_painting_goes_on_under_a_warning(opened: Open, server: PaintingServer) -> None:
    page = opened(ready=False)
    page.add_init_script(
        "Object.defineProperty(window, 'indexedDB', { get() { throw new Error('forbidden') } })"
    )
    page.reload()
    page.wait_for_function(READY)
    storage = page.evaluate("app.snapshot().storage")
    assert storage["durable"] is False and "leave this window open" in storage["sentence"]
    drag(page, (100, 100), (200, 100))
    arrived(server, 1)
    silence(page)


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
    until = time.monotonic() + 10
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
    page.mouse.wheel(0, -100)
    assert spot(page, 350, 200) == pytest.approx(at, abs=1)
    assert page.evaluate("app.viewer.look.zoom") > 1
    page.evaluate("app.setLane('a2')")
    page.mouse.wheel(0, 100)
    assert page.evaluate("app.snapshot().position.slice") == 21
    size = page.evaluate("app.snapshot().tool.size")
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Shift")
    assert page.evaluate("app.snapshot().tool.size") > size
    page.evaluate("app.setWheel('zoom', 'time')")
    for key, changed in (("Shift", {"t": 1, "z": 21}), ("Alt", {"t": 1, "z": 31}), (None, {"t": 1, "z": 31})):
        if key:
            page.keyboard.down(key)
        page.mouse.wheel(0, 100)
        if key:
            page.keyboard.up(key)
        page.wait_for_function("(at) => app.snapshot().position.z === at.z", arg=changed)
        assert changed.items() <= page.evaluate("app.snapshot().position").items()
    page.evaluate("app.setWheel('auto', 'brush')")
    with pytest.raises(sync_api.Error, match="no such meaning"):
        page.evaluate("app.setWheel('slice', 'zoom')")


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
    until = time.monotonic() + 10
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
