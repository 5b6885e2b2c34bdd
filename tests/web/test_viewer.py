"""The viewer in Chromium, held against images whose every pixel is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from browser.running import CHROMIUM, PATIENCE
from browser.windows import chromium_running
from web.viewer_server import ViewerServer, squares

pytest.importorskip("playwright.sync_api")
BACKGROUND, FOREGROUND, OTHER = (0, 130, 200), (255, 225, 25), (245, 130, 49)
BOTH = pytest.mark.parametrize("renderer", ["webgl2", "canvas2d"])
TELL = "([revision, changes]) => viewer.putLabels({lane: 'grey', revision, changes})"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists() and not os.environ.get("CI"):
        pytest.skip("there is no Chromium to try the viewer in")
    with chromium_running() as chromium:
        yield chromium


@pytest.fixture
def server() -> Iterator[ViewerServer]:
    server = ViewerServer()
    yield server
    server.close()


@pytest.fixture
def opened(browser: Any, server: ViewerServer) -> Iterator[Open]:
    """Open the page with a lane; whatever the page says in its console is a failure."""
    pages: list[Any] = []
    troubles: list[str] = []

    def open_page(lane: str = "grey", renderer: str = "webgl2", ratio: float = 1, more: str = "") -> Any:
        page = browser.new_page(viewport={"width": 640, "height": 480})
        page.set_default_timeout(1000 * PATIENCE)
        pages.append(page)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{server.address}/?lane={lane}&renderer={renderer}&ratio={ratio}{more}")
        page.wait_for_function("window.viewer")
        page.evaluate("viewer.settled()")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not troubles


def raw_pixel(page: Any, u: float, v: float) -> int:
    """The grey that is drawn at a position of the image, after everything has come."""
    page.evaluate("viewer.settled()")
    red, green, blue, _ = pixel(page, u, v)
    assert red == green == blue
    return red


def pixel(page: Any, u: float, v: float) -> tuple[int, int, int, int]:
    place = page.evaluate("([u, v]) => viewer.imageToScreen(u, v)", [u, v])
    return tuple(page.evaluate("(p) => viewer.readPixel(p.px, p.py)", place))


def expected(x: int, y: int) -> int:
    return int(squares(0, 0, np.array(0), np.array(y), np.array(x)))


def close(a: tuple[int, ...], b: tuple[float, ...], tolerance: int = 2) -> bool:
    return all(abs(p - q) <= tolerance for p, q in zip(a[:3], b, strict=True))


def whole_range(page: Any) -> None:
    page.evaluate("viewer.setLayer('raw', {channels: {0: {low: 0, high: 255}}})")


@BOTH
@pytest.mark.parametrize("zoom", [1, 8, 64])
@pytest.mark.parametrize("ratio", [1, 2])
def test_every_pixel_of_100_000_is_where_it_belongs(
    opened: Open, renderer: str, zoom: int, ratio: int
) -> None:
    page = opened("huge", renderer, ratio)
    whole_range(page)
    page.evaluate("z => viewer.setView(98765.3, 87654.8, z)", zoom)
    for x, y in [(98765, 87654), (98764, 87655), (98766, 87657), (98763, 87652)]:
        for part in (0.5, 0.05, 0.95) if zoom > 1 else (0.5,):
            assert raw_pixel(page, x + part, y + part) == expected(x, y)


@BOTH
def test_zoomed_out_the_pixels_are_those_of_the_level(opened: Open, renderer: str) -> None:
    page = opened("huge", renderer)
    whole_range(page)
    page.evaluate("viewer.setView(50000, 50000, 0.25)")
    page.evaluate("viewer.settled()")
    assert page.evaluate("viewer.view.level") == 2
    for x, y in [(50000, 50000), (50004, 50400), (49600, 50220)]:
        assert raw_pixel(page, x + 2, y + 2) == expected(x, y)


def test_only_what_is_in_sight_is_asked_for(opened: Open, server: ViewerServer) -> None:
    page = opened("huge")
    server.log.clear()
    page.evaluate("viewer.setView(70000, 70000, 1)")
    page.evaluate("viewer.settled()")
    tiles = [entry for entry in server.log if "/tile?" in entry]
    assert 6 <= len(tiles) <= 40
    assert page.evaluate("viewer.picture.raw.bytes") <= 256 * 2**20


@BOTH
def test_contrast_gamma_and_colour(opened: Open, renderer: str) -> None:
    page = opened("tiny", renderer)
    page.evaluate(
        "viewer.setLayer('raw', {channels: {0: {low: 2, high: 12, gamma: 2, colour: [200, 100, 0]}}})"
    )
    value = ((expected(4, 1) - 2) / 10) ** 0.5
    assert close(pixel(page, 4.5, 1.5), (200 * value, 100 * value, 0))
    page.evaluate("viewer.setLayer('raw', {mode: 'mask'})")
    met = {(expected(x, y) > 0, pixel(page, x + 0.5, y + 0.5)[:3]) for x, y in ((0, 0), (1, 0), (4, 2))}
    assert met == {(False, (0, 0, 0)), (True, (200, 100, 0))}
    page.evaluate("viewer.setLayer('raw', {visible: false})")
    assert pixel(page, 4.5, 1.5)[:3] == (0, 0, 0)


@BOTH
def test_channels_add_up_and_rgb_is_itself(opened: Open, server: ViewerServer, renderer: str) -> None:
    page = opened("channels", renderer)
    page.evaluate("viewer.setView(1000, 1000, 1)")
    page.evaluate("viewer.settled()")
    x = y = np.array(1010)
    values = [
        np.clip((int(server.lanes["channels"].pixels(0, c, x * 0, y, x)) - 200) / 3400, 0, 1)
        for c in range(3)
    ]
    green, magenta, blue = values
    light = (255 * magenta, 255 * green + 120 * blue, 255 * magenta + 255 * blue)
    assert close(pixel(page, 1010.5, 1010.5), tuple(min(255, v) for v in light), 3)
    page = opened("rgb", renderer)
    page.evaluate("viewer.setView(300, 300, 1)")
    page.evaluate("viewer.settled()")
    x = y = np.array(310)
    rgb = tuple(int(server.lanes["rgb"].pixels(0, c, x * 0, y, x)) for c in range(3))
    assert close(pixel(page, 310.5, 310.5), rgb)


@BOTH
def test_numbers_that_are_names_have_colours_of_their_own(
    opened: Open, server: ViewerServer, renderer: str
) -> None:
    page = opened("grey", renderer)
    page.evaluate("viewer.setLayer('raw', { mode: 'random' })")
    colour = "async (all) => all.map((await import('/viewer/names.js')).nameColour)"
    for zoom in (8, 0.8):  # also below 100 % no colour is between those of two neighbours
        page.evaluate(f"viewer.setView(200, 200, {zoom})")
        page.evaluate("viewer.settled()")
        met = set()
        for u, v in ((190, 190), (200, 190), (210, 205), (180, 220)):
            v_, u_ = np.mgrid[v - 1 : v + 2, u - 1 : u + 2] if zoom < 1 else np.array([[[v]], [[u]]])
            values = np.unique(server.lanes["grey"].pixels(0, 0, u_ * 0, v_, u_)).astype(int).tolist()
            seen = pixel(page, u + 0.5, v + 0.5)
            assert any(close(seen, tuple(one)) for one in page.evaluate(colour, values)), (zoom, u, v)
            met.add(seen)
        assert len(met) > 1
    page.evaluate("viewer.setLayer('raw', { mode: null })")
    assert page.evaluate("viewer.channels.every(({ random }) => !random)")


@BOTH
def test_what_is_no_number_is_black_and_float_planes_have_true_proportions(
    opened: Open, renderer: str
) -> None:
    page = opened("volume", renderer)
    assert pixel(page, 120.5, 120.5)[:3] == (0, 0, 0)
    assert pixel(page, 50.5, 50.5)[0] > 5
    page.evaluate("viewer.setPlane(1, 'xz', 20)")
    page.evaluate("viewer.settled()")
    frame = page.evaluate("viewer.frame")
    assert frame["sy"] == pytest.approx(3 * frame["sx"])
    assert page.evaluate("viewer.view.box") == [0, 0, 400, 40]
    assert page.evaluate("viewer.locate({clientX: 320, clientY: 240})")["y"] == 20
    assert pixel(page, 200.5, 20.5)[0] > 0


@BOTH
def test_labels_come_and_change_and_are_erased(opened: Open, server: ViewerServer, renderer: str) -> None:
    labels = server.lanes["grey"].labels
    assert labels is not None
    labels[0, 100:104, 200:210] = 2
    server.revision = 3
    page = opened("grey", renderer)
    assert pixel(page, 205.5, 102.5)[:3] == FOREGROUND
    assert pixel(page, 205.5, 104.5)[:3] != FOREGROUND
    page.evaluate(
        "viewer.putLabels({lane: 'grey', revision: 4, changes: [0, 0, 102, 205, 3, 1, 0, 0, 103, 200, 2, 0]})"
    )
    assert pixel(page, 206.5, 102.5)[:3] == BACKGROUND
    assert pixel(page, 201.5, 103.5)[:3] != FOREGROUND
    assert pixel(page, 203.5, 103.5)[:3] == FOREGROUND
    page.evaluate("viewer.setLayer('labels', {eyes: {2: false}})")
    assert pixel(page, 203.5, 103.5)[:3] != FOREGROUND


@BOTH
def test_an_echo_is_there_in_the_next_frame_and_goes_with_its_revision(
    opened: Open, server: ViewerServer, renderer: str
) -> None:
    labels = server.lanes["grey"].labels
    assert labels is not None
    labels[0, 50, 50:60] = 1
    page = opened("grey", renderer)
    page.evaluate("viewer.echo([0, 0, 60, 50, 4], 2, 's1')")
    page.evaluate("viewer.echo([0, 0, 50, 52, 3], 0, 's2')")
    assert pixel(page, 52.5, 60.5)[:3] == FOREGROUND
    assert pixel(page, 54.5, 60.5)[:3] != FOREGROUND
    assert pixel(page, 53.5, 50.5)[:3] != BACKGROUND, "erased at once"
    assert pixel(page, 56.5, 50.5)[:3] == BACKGROUND
    page.evaluate("viewer.dropEcho('s1', 1)")
    assert pixel(page, 52.5, 60.5)[:3] == FOREGROUND, "stays until the label tiles have it"
    page.evaluate(TELL, [1, [0, 0, 60, 50, 4, 2]])
    assert pixel(page, 52.5, 60.5)[:3] == FOREGROUND
    assert page.evaluate("[...viewer.picture.echoes.byToken.keys()]") == ["s2"]
    page.evaluate("viewer.dropEcho('s2')")
    assert pixel(page, 53.5, 50.5)[:3] == BACKGROUND


def test_an_echo_whose_change_is_never_told_is_fetched(opened: Open, server: ViewerServer) -> None:
    page = opened("grey")
    page.evaluate("viewer.echo([0, 0, 60, 50, 4], 2, 's1'); viewer.dropEcho('s1', 9)")
    labels = server.lanes["grey"].labels
    assert labels is not None
    labels[0, 60, 50:54] = 2
    server.revision = 9
    page.wait_for_function("viewer.picture.echoes.byToken.size === 0")
    assert pixel(page, 52.5, 60.5)[:3] == FOREGROUND


def test_labels_of_a_server_that_was_started_again(opened: Open, server: ViewerServer) -> None:
    labels = server.lanes["grey"].labels
    assert labels is not None
    server.revision = 17
    page = opened("grey")
    page.evaluate(TELL, [18, [0, 0, 60, 50, 4, 2]])
    assert pixel(page, 52.5, 60.5)[:3] == FOREGROUND
    server.revision = 0
    labels[0, 60, 50:54] = 1
    page.evaluate("viewer.refreshLabels()")
    page.evaluate("viewer.settled()")
    assert pixel(page, 52.5, 60.5)[:3] == BACKGROUND
    page.evaluate(TELL, [1, [0, 0, 60, 50, 4, 2]])
    assert pixel(page, 52.5, 60.5)[:3] == FOREGROUND


@pytest.mark.parametrize("zoom", [0.13, 0.5, 1, 8])
def test_a_thin_echo_is_seen_at_any_zoom(opened: Open, zoom: float) -> None:
    page = opened("huge")
    page.evaluate("z => viewer.setView(99000, 99000, z)", zoom)
    page.evaluate("viewer.echo([0, 0, 99000, 98990, 20], 2, 's')")
    frame = page.evaluate("viewer.frame")
    top = int(np.floor(frame["oy"] + 99000.5 * frame["sy"]))
    seen = page.evaluate(
        "([x, y]) => viewer.readPixel(x, y)", [frame["ox"] + 99000 * frame["sx"] + 0.5, top + 0.5]
    )
    assert tuple(seen[:3]) == FOREGROUND


SEGMENTATION = """([key, split]) => {
  const bytes = new Uint8Array(256 * 256).map((_, i) => (i % 256 < split ? 1 : 2));
  viewer.putOverlayTile({type: "tile", layer: "segmentation", lane: "grey", key, t: 0, plane: "xy",
    slice: 0, level: 0, x: 0, y: 0, w: 256, h: 256, dtype: "uint8"}, bytes); }"""


@BOTH
def test_segmentation_is_filled_but_for_the_first_class(opened: Open, renderer: str) -> None:
    page = opened("grey", renderer)
    before = [pixel(page, u, 30.5)[:3] for u in (30.5, 150.5)]
    page.evaluate(SEGMENTATION, ["k1", 100])
    assert pixel(page, 30.5, 30.5)[:3] == before[0]
    mixed = tuple(0.65 * a + 0.35 * b for a, b in zip(before[1], FOREGROUND, strict=True))
    assert close(pixel(page, 150.5, 30.5), mixed)
    page.evaluate(SEGMENTATION, ["k2", 200])
    assert pixel(page, 150.5, 30.5)[:3] == before[1]
    page.evaluate("viewer.setLayer('segmentation', {eyes: {1: true}, opacity: 1})")
    assert close(pixel(page, 30.5, 30.5), BACKGROUND)
    page.evaluate("viewer.setRawOnly(true)")
    assert pixel(page, 30.5, 30.5)[:3] == before[0]
    page.evaluate("viewer.setRawOnly(false); viewer.setSwipe(1)")
    assert pixel(page, 30.5, 30.5)[:3] == before[0]


@pytest.mark.parametrize("zoom", [0.5, 1, 8])
def test_outlines_are_one_screen_pixel_wide_at_any_zoom(opened: Open, zoom: float) -> None:
    page = opened("grey")
    page.evaluate(
        "viewer.setLayer('raw', {visible: false});"
        "viewer.setLayer('segmentation', {style: 'outline', opacity: 1})"
    )
    page.evaluate("z => viewer.setView(100, 100, z)", zoom)
    page.evaluate(SEGMENTATION, ["k1", 100])
    screen = page.evaluate("viewer.imageToScreen(100, 100)")
    row = [
        tuple(
            page.evaluate("([x, y]) => viewer.readPixel(x, y)", [screen["px"] + i + 0.5, screen["py"] + 0.5])
        )[:3]
        for i in range(-6, 6)
    ]
    assert row.count(FOREGROUND) == 1
    assert row.count((0, 0, 0)) == 11


WHITE = """() => {
  const over = document.querySelector("canvas[data-over=outline]");
  if (over.hidden) return null;
  const { data } = over.getContext("2d").getImageData(0, 0, over.width, over.height);
  const at = over.getBoundingClientRect(), ratio = devicePixelRatio;
  const found = [];
  for (let i = 0; i < data.length; i += 4)
    if (data[i] > 200 && data[i + 3] > 200)
      found.push([at.left * ratio + ((i / 4) % over.width), at.top * ratio + Math.floor(i / 4 / over.width)]);
  return found;
}"""
SQUARE = """([u, v, n]) => {
  viewer.drawCursor([[u, v, u + n, v, u + n, v + n, u, v + n]]);
  return viewer.settled();
}"""
AREA = """() => {
  const { width, height } = document.querySelector("[data-over=outline]");
  return width * height;
}"""


def test_the_outline_of_the_brush_has_a_canvas_of_its_size_that_goes_with_it(opened: Open) -> None:
    page = opened("grey")
    page.evaluate("viewer.setView(100, 100, 2)")
    assert page.evaluate(WHITE) is None
    for u, v, n in [(90, 95, 10), (101, 80, 10), (100, 100, 1), (-40, 60, 500)]:
        page.evaluate(SQUARE, [u, v, n])
        drawn = np.array(page.evaluate(WHITE))
        corners = [
            page.evaluate("([u, v]) => viewer.imageToScreen(u, v)", [u + k * n, v + k * n]) for k in (0, 1)
        ]
        low, high = ([corner["px"], corner["py"]] for corner in corners)
        size = page.evaluate("[viewer.surface.clientWidth, viewer.surface.clientHeight]")
        if n > 1:
            inside = (drawn > np.array(low) + 1).all(1) & (drawn < np.array(high) - 2).all(1)
            assert len(drawn) and not inside.any()
        assert (drawn >= np.maximum(np.array(low) - 2, 0)).all()
        assert (drawn <= np.minimum(np.array(high) + 2, np.array(size) + 32)).all()
        assert page.evaluate(AREA) <= (64 * 64 if n <= 10 else (size[0] + 32) * (size[1] + 32))
    page.evaluate("viewer.drawCursor([[1e6, 1e6, 1e6 + 9, 1e6, 1e6 + 9, 1e6 + 9]]); viewer.settled()")
    assert page.evaluate("viewer.settled()") is None and page.evaluate(WHITE) is None
    page.evaluate(SQUARE, [100, 100, 10])
    page.evaluate("viewer.drawCursor(null); viewer.settled()")
    assert page.evaluate("viewer.settled()") is None and page.evaluate(WHITE) is None


@BOTH
def test_probability_and_uncertainty_are_as_strong_as_their_value(opened: Open, renderer: str) -> None:
    page = opened("grey", renderer)
    page.evaluate(
        "viewer.setLayer('raw', {visible: false}); viewer.setLayer('segmentation', {visible: false})"
    )
    page.evaluate("""() => { for (const layer of ["probability:3", "uncertainty"]) {
        viewer.setLayer(layer, {visible: layer !== "uncertainty", opacity: 0.8});
        viewer.putOverlayTile({layer, lane: "grey", key: "k", t: 0, plane: "xy", slice: 0,
          level: 0, x: 0, y: 0, w: 4, h: 4}, new Uint8Array(16).fill(128)); } }""")
    share = 0.8 * 128 / 255
    assert close(pixel(page, 2.5, 2.5), tuple(share * part for part in OTHER))
    page.evaluate(
        "viewer.setLayer('probability:3', {visible: false}); viewer.setLayer('uncertainty', {visible: true})"
    )
    assert close(pixel(page, 2.5, 2.5), tuple(share * part for part in (122, 92, 255)))


def test_everything_is_back_after_the_context_was_lost(opened: Open, server: ViewerServer) -> None:
    labels = server.lanes["grey"].labels
    assert labels is not None
    labels[0, 100:104, 200:210] = 2
    page = opened("grey", more="&patience=60000")
    page.evaluate(
        "viewer.setLayer('segmentation', {opacity: 1, eyes: {1: true}});"
        "viewer.echo([0, 0, 60, 50, 4], 3, 's')"
    )
    page.evaluate(SEGMENTATION, ["k1", 100])
    points = [(205.5, 102.5), (30.5, 30.5), (52.5, 60.5), (400.5, 300.5)]
    before = [pixel(page, *at) for at in points]
    page.evaluate("window.loss = viewer.renderer.gl.getExtension('WEBGL_lose_context'); loss.loseContext()")
    page.wait_for_function("viewer.renderer.lost")
    page.evaluate(TELL, [8, [0, 0, 300, 400, 9, 2]])
    page.evaluate("viewer.setLayer('labels', {opacity: 1}); loss.restoreContext()")
    page.wait_for_function("!viewer.renderer.lost")
    page.evaluate("viewer.settled()")
    after = [pixel(page, *at) for at in points]
    assert after[:3] == before[:3]
    assert after[3][:3] == FOREGROUND
    kinds = [payload["lost"] for name, payload in page.evaluate("events") if name == "renderer"]
    assert kinds == [True, False]


def test_without_the_card_coming_back_the_picture_goes_on(opened: Open) -> None:
    page = opened("tiny", more="&patience=50")
    whole_range(page)
    before = raw_pixel(page, 4.5, 1.5)
    page.evaluate("viewer.renderer.gl.getExtension('WEBGL_lose_context').loseContext()")
    page.wait_for_function("viewer.renderer.kind === 'canvas2d'")
    assert raw_pixel(page, 4.5, 1.5) == before == expected(4, 1)
    page.mouse.move(300, 200)
    page.wait_for_function("events.some(([name, place]) => name === 'hover' && place.inside)")


def test_a_server_that_stumbles_is_asked_again(opened: Open, server: ViewerServer) -> None:
    page = opened("huge")
    whole_range(page)
    server.fail_next = 30
    page.evaluate("viewer.setView(3000, 3000, 1)")
    page.wait_for_function("events.some(([name, e]) => name === 'error' && !e.permanent)")
    assert raw_pixel(page, 3001.5, 3002.5) == expected(3001, 3002)


def test_the_slices_beside_are_there_before_they_are_asked_for(opened: Open, server: ViewerServer) -> None:
    page = opened("volume")
    page.evaluate("viewer.setPlane(0, 'xy', 10)")
    page.evaluate("viewer.settled()")
    server.log.clear()
    page.evaluate("viewer.setPlane(0, 'xy', 11)")
    page.evaluate("viewer.settled()")
    assert not [entry for entry in server.log if "/tile?" in entry and "t=0&slice=11" in entry]
    assert [entry for entry in server.log if "/tile?" in entry and "t=1&slice=11" in entry]
    assert [entry for entry in server.log if "/tile?" in entry and "slice=12" in entry]


def test_a_refusal_is_told_once_and_tried_again_later(opened: Open, server: ViewerServer) -> None:
    page = opened("grey")
    lane = server.lanes.pop("huge")
    page.evaluate("viewer.setLane(lanes.huge)")
    page.evaluate("viewer.settled()")
    told = [payload for name, payload in page.evaluate("events") if name == "error"]
    assert [trouble["permanent"] for trouble in told] == [True]
    assert "huge" in told[0]["sentence"]
    server.lanes["huge"] = lane
    page.evaluate("viewer.refreshLabels()")
    page.evaluate("viewer.settled()")
    assert page.evaluate("viewer.picture.complete(viewer.sight())")


def test_a_slow_server_leaves_the_coarse_picture_until_the_fine_one_comes(
    opened: Open, server: ViewerServer
) -> None:
    page = opened("huge")
    whole_range(page)
    server.answering.clear()
    page.evaluate("viewer.setView(50000, 50000, 1)")
    page.wait_for_function("viewer.picture.raw.flying.size > 0")
    assert pixel(page, 50001.5, 50001.5)[3] == 255
    assert page.evaluate("viewer.picture.raw.flying.size") > 0
    coarse = page.evaluate("viewer.picture.scene(viewer.sight()).raws.length")
    assert coarse > 0, "something coarser stands in"
    server.answering.set()
    assert raw_pixel(page, 50001.5, 50002.5) == expected(50001, 50002)


def test_nothing_is_drawn_while_nothing_changes(opened: Open) -> None:
    page = opened("channels")
    frames = -1
    while frames != (frames := page.evaluate("viewer.stats.frames")):
        page.wait_for_timeout(200)
    page.mouse.move(100, 100)
    page.mouse.move(200, 220)
    page.wait_for_timeout(300)
    assert page.evaluate("viewer.stats.frames") == frames
    assert page.evaluate("events.filter(([name, place]) => name === 'hover' && place.inside).length") >= 1


def test_the_minimap_comes_when_zoomed_in_and_moves_the_view(opened: Open) -> None:
    page = opened("grey")
    map_shown = "getComputedStyle(viewer.minimap.element).display"
    assert page.evaluate(map_shown) == "none"
    page.evaluate("viewer.setView(100, 100, 4)")
    page.evaluate("viewer.settled()")
    assert page.evaluate(map_shown) == "block"
    box = page.evaluate(
        "(({x, y, width, height}) => [x, y, width, height])(viewer.minimap.element.getBoundingClientRect())"
    )
    page.mouse.click(box[0] + box[2] * 0.75, box[1] + box[3] * 0.5)
    page.evaluate("viewer.settled()")
    assert page.evaluate("viewer.look.cx") == pytest.approx((0.75 * box[2] - 4) / (box[2] - 8) * 700, abs=1)
    page.evaluate("viewer.fit()")
    page.evaluate("viewer.settled()")
    assert page.evaluate(map_shown) == "none"


def test_the_size_of_the_element_may_change(opened: Open) -> None:
    page = opened("grey")
    page.evaluate("document.getElementById('stage').style.width = '300px'")
    page.wait_for_function("viewer.port.width === 300")
    page.evaluate("viewer.settled()")
    assert page.evaluate("viewer.frame.sx * 700") <= 300
    page.evaluate("document.getElementById('stage').style.cssText = 'width: 0; height: 0'")
    page.wait_for_function("viewer.port.width === 1")
    page.evaluate("document.getElementById('stage').style.cssText = 'width: 500px; height: 400px'")
    page.wait_for_function("viewer.port.width === 500")
    page.evaluate("viewer.settled()")
    assert pixel(page, 350.5, 250.5)[3] == 255
    assert page.evaluate("viewer.frame.sx * 700") > 400


def test_lanes_of_other_sizes_follow_each_other_and_none_is_empty(opened: Open) -> None:
    page = opened("grey")
    for lane in ("tiny", "huge", "volume", "rgb", "channels"):
        page.evaluate("id => viewer.setLane(lanes[id])", lane)
        page.evaluate("viewer.settled()")
        width = page.evaluate("viewer.lane.shape[4]")
        assert page.evaluate("viewer.look.cx") == width / 2
        assert page.evaluate("viewer.picture.complete(viewer.sight())")
    page.evaluate("viewer.setLane(null)")
    page.evaluate("viewer.settled()")
    assert page.evaluate("viewer.readPixel(300, 200)")[:3] == [8, 9, 10]
    assert page.evaluate("viewer.view") is None


def test_without_webgl2_the_canvas_is_used_by_itself(browser: Any, server: ViewerServer) -> None:
    page = browser.new_page(viewport={"width": 640, "height": 480})
    page.add_init_script("""const real = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
          return kind === "webgl2" ? null : real.call(this, kind, ...rest); };""")
    page.goto(f"{server.address}/?lane=grey")
    page.wait_for_function("window.viewer")
    assert page.evaluate("viewer.renderer.kind") == "canvas2d"
    page.close()


def test_a_viewer_that_is_destroyed_leaves_nothing(opened: Open) -> None:
    page = opened("channels")
    page.evaluate("viewer.setView(50, 60, 3); viewer.destroy()")
    page.wait_for_timeout(300)
    assert page.evaluate("document.getElementById('stage').childElementCount") == 0


@BOTH
def test_in_each_of_the_eight_orientations_everything_is_drawn_at_its_place(
    opened: Open, server: ViewerServer, renderer: str
) -> None:
    page = opened("grey", renderer)
    page.evaluate("viewer.setView(300, 200, 6); viewer.setLayer('segmentation', {opacity: 1})")
    page.evaluate("viewer.settled()")
    # Three pixels of the image, and a stroke of five along x that is on its way, with what lies round it.
    page.evaluate("viewer.echo([0, 0, 205, 290, 5], 2, 'one')")
    spots = [(300.5, 200.5), (281.5, 171.5), (330.5, 213.5)]
    spots += [(289.5, 205.5), (290.5, 205.5), (294.5, 205.5), (295.5, 205.5), (292.5, 204.5), (292.5, 206.5)]
    read = """(spots) => {
      viewer.renderNow();
      const places = spots.map(([u, v]) => viewer.imageToScreen(u, v));
      return places.map(({px, py}) => viewer.renderer.readPixel(px, py).slice(0, 3));
    }"""
    upright = page.evaluate(read, spots)
    assert [tuple(one) == FOREGROUND for one in upright[3:]] == [False, True, True, False, False, False]
    ways = [[0, -1, 1, 0], [-1, 0, 0, -1], [0, 1, -1, 0]]
    ways += [[0, 1, 1, 0], [-1, 0, 0, 1], [1, 0, 0, -1], [0, -1, -1, 0]]
    for way in ways:
        page.evaluate("way => { viewer.setOrientation(way); return viewer.settled(); }", way)
        assert page.evaluate(read, spots) == upright, way
        # The overview lies as the view does, and is clicked as it is seen.
        box = page.evaluate(
            "(({x, y, width, height}) => [x, y, width, height])("
            "viewer.minimap.element.getBoundingClientRect())"
        )
        assert (box[2] > box[3]) == (way[0] != 0), "the image is wider than high"
        page.mouse.click(box[0] + 4 + (box[2] - 8) * 0.75, box[1] + box[3] * 0.5)
        look = page.evaluate("viewer.look")
        middle = [700 * (0.5 + way[0] / 4), 500 * (0.5 + way[1] / 4)]
        assert [look["cx"], look["cy"]] == pytest.approx(middle, abs=8), way
        page.evaluate("viewer.setView(300, 200, 6)")
