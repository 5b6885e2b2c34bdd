"""Views that are turned, and whose axes are swapped: what is painted and pointed at by a real mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from web.painting_pages import (
    FOREGROUND,
    READY,
    Open,
    arrived,
    chromium,
    drag,
    opened,
    server,
)
from web.painting_server import PaintingServer

__all__ = ["chromium", "opened", "server"]  # fixtures


WAYS = [(), ("right",), ("right", "right"), ("left",), ("swap",), ("swap", "right"), ("swap", "left"),
        ("swap", "right", "right")]  # fmt: skip


def turn(page: Any, *turns: str) -> None:
    for one in ("upright", *turns):
        page.evaluate("turn => app.facing.turn(turn)", one)
    page.evaluate("app.viewer.settled()")


def outlined(page: Any) -> set[tuple[int, int]]:
    """The screen pixels inside of the outline at the pointer, as far as they belong to the image."""
    loop = page.evaluate(
        """() => {
          const loop = app.viewer.active.cursor.loops[0], places = [];
          for (let i = 0; i < loop.length; i += 2)
            places.push(app.viewer.imageToScreen(loop[i], loop[i + 1]));
          return places;
        }"""
    )
    corners = [(point["px"], point["py"]) for point in loop]
    found = set()
    for y in range(int(min(p[1] for p in corners)) - 1, int(max(p[1] for p in corners)) + 2):
        for x in range(int(min(p[0] for p in corners)) - 1, int(max(p[0] for p in corners)) + 2):
            crossed = sum(
                (y0 > y + 0.5) != (y1 > y + 0.5) and x + 0.5 < x0 + (y + 0.5 - y0) / (y1 - y0) * (x1 - x0)
                for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)
            )
            if crossed % 2:
                found.add((x, y))
    return found


@pytest.mark.parametrize("zoom", [1, 8])
def test_a_click_in_a_turned_view_sets_what_the_outline_shows(
    zoom: int, opened: Open, server: PaintingServer
) -> None:
    page = opened()
    page.evaluate("app.setBrushSize(5); app.setLayer('raw', {visible: false})")
    page.add_style_tag(content="canvas[data-over] { visibility: hidden }")
    labels = server.project.labels["a1"]
    for count, way in enumerate(WAYS if zoom == 1 else WAYS[1::2], start=1):
        turn(page, *way)
        page.evaluate(f"app.viewer.setView(301.3, 204.7, {zoom})")
        page.evaluate("app.viewer.settled()")
        x, y = 353, 260
        page.mouse.move(x, y)
        page.wait_for_function("app.viewer.active.cursor.loops")
        outline = outlined(page)
        page.mouse.click(x, y)
        arrived(server, count)
        page.evaluate("app.viewer.settled()")
        # What arrived, as pixels of the screen, and what is drawn there.
        rows, columns = np.nonzero(labels[0, 0] == 3)
        assert len(rows) == 21, "a brush of 5"
        middles = page.evaluate(
            "places => places.map(([u, v]) => app.viewer.imageToScreen(u + 0.5, v + 0.5))",
            np.stack([columns, rows], 1).tolist(),
        )
        half = zoom / 2
        painted = {
            (int(m["px"] - half) + i, int(m["py"] - half) + j)
            for m in middles
            for i in range(zoom)
            for j in range(zoom)
        }
        assert painted == outline, way
        assert (x, y) in painted
        left, top = min(painted)[0], min(p[1] for p in painted)
        right, bottom = max(painted)[0], max(p[1] for p in painted)
        drawn = page.evaluate(
            """([x0, y0, x1, y1]) => {
              app.viewer.active.renderNow();
              const copy = new OffscreenCanvas(x1 - x0, y1 - y0), pen = copy.getContext('2d');
              pen.drawImage(app.viewer.active.canvas, -x0, -y0);
              return [...pen.getImageData(0, 0, x1 - x0, y1 - y0).data];
            }""",
            [left - 2, top - 2, right + 3, bottom + 3],
        )
        picture = np.array(drawn).reshape(bottom - top + 5, right - left + 5, 4)[..., :3]
        shown = {(left - 2 + i, top - 2 + j) for j, i in np.argwhere((picture == FOREGROUND).all(-1))}
        assert shown == painted, way
        labels[...] = 0
        server.project.revision += 1
        page.evaluate("app.viewer.refreshLabels()")


def test_zoomed_out_a_click_sets_what_lies_under_the_pixel_of_the_screen(
    opened: Open, server: PaintingServer
) -> None:
    page = opened()
    page.evaluate("app.setBrushSize(1)")
    labels = server.project.labels["a1"][0, 0]
    for count, way in enumerate(WAYS, start=1):
        turn(page, *way)
        page.evaluate("app.viewer.setView(301.3, 204.7, 0.25)")
        page.mouse.click(353, 260)
        arrived(server, count)
        ((v, u),) = np.argwhere(labels == 3)
        middle = page.evaluate("([u, v]) => app.viewer.imageToScreen(u, v)", [u + 0.5, v + 0.5])
        assert 353 < middle["px"] < 354 and 260 < middle["py"] < 261, way
        labels[...] = 0


def test_in_turned_views_strokes_lassos_keys_and_pointers_mean_what_is_seen(
    opened: Open, server: PaintingServer
) -> None:
    page = opened()
    page.evaluate("app.setLane('a2'); app.setBrushSize(1)")
    page.evaluate("app.viewer.settled()")
    # Each view of a volume is turned for itself; the lines through all of them stay at the voxel.
    page.evaluate("app.facing.turn('right', 'xz'); app.facing.turn('swap', 'zy'); app.viewer.settled()")
    assert page.inner_text("[data-plane=xz] .vtag") == "XZy 60 · turned right"
    assert page.inner_text("[data-plane=xy] .vtag") == "XYz 20"
    page.evaluate("app.setPosition({z: 7, y: 30, x: 50})")
    for plane, (u, v) in {"xy": (50, 30), "xz": (50, 7), "zy": (7, 30)}.items():
        assert page.evaluate(f"app.viewer.pane('{plane}').cursor.cross") == {"u": u + 0.5, "v": v + 0.5}
    # In xz turned to the right columns (x) run down and rows (z) to the left.
    corner = page.locator("[data-plane=xz]").bounding_box()
    place = "([u, v]) => app.viewer.pane('xz').imageToScreen(u, v)"
    a, b = page.evaluate(place, [20.5, 10.5]), page.evaluate(place, [60.5, 10.5])
    c = page.evaluate(place, [20.5, 30.5])
    assert a["px"] == b["px"] and a["py"] < b["py"] and c["px"] < a["px"] and c["py"] == a["py"]
    page.mouse.move(corner["x"] + a["px"], corner["y"] + a["py"])
    page.wait_for_function("app.pointed.place?.inside")
    pointed = page.evaluate("app.pointed.place")
    assert [pointed[axis] for axis in "zyx"] == [10, 30, 20]
    drag(page, *((corner["x"] + p["px"], corner["y"] + p["py"]) for p in (a, b)), steps=5)
    arrived(server, 1)
    assert server.project.applied[-1][2]["runs"] == [0, 10, 30, 20, 41]
    # What is dragged goes with the pointer, and so does the other view that shares the axis.
    before = page.evaluate("app.viewer.pane('xz').imageToScreen(20.5, 10.5)")
    page.mouse.down(button="middle")
    page.mouse.move(corner["x"] + b["px"] + 10, corner["y"] + b["py"] - 12, steps=4)
    page.mouse.up(button="middle")
    after = page.evaluate("app.viewer.pane('xz').imageToScreen(20.5, 10.5)")
    assert (after["px"] - before["px"], after["py"] - before["py"]) == pytest.approx((10, -12), abs=1)
    looks = page.evaluate("['xy', 'xz'].map((plane) => app.viewer.pane(plane).look.cx)")
    assert looks[0] == looks[1]
    # By keys: down is down on the screen, which is along x here.
    page.evaluate(
        "app.viewer.maximise('xz'); app.hand.enter(); app.hand.goTo({u: 40, v: 5}); app.hand.press(true)"
    )
    page.evaluate(
        "app.hand.step(0, 1, false); app.hand.step(1, 0, false); app.hand.press(false); app.hand.leave()"
    )
    arrived(server, 2)
    runs = sorted(map(tuple, np.array(server.project.applied[-1][2]["runs"]).reshape(-1, 5)[:, 1:].tolist()))
    assert runs == [(4, 30, 41, 1), (5, 30, 40, 2)]
    # A lasso is the pixels inside of it, wherever its corners lie on the screen.
    page.evaluate("app.setTool('lasso'); app.viewer.fit(); app.viewer.settled()")
    corners = [
        page.evaluate(place, [u, v]) for u, v in [(80.2, 20.3), (110.4, 20.3), (110.4, 33.6), (80.2, 33.6)]
    ]
    drag(page, *((p["px"], p["py"]) for p in corners))
    arrived(server, 3)
    z, x = np.nonzero(server.project.labels["a2"][0, :, 30, :] == 3)
    inside = (z >= 20) & (x >= 80)
    assert (z[inside].min(), z[inside].max(), x[inside].min(), x[inside].max()) == (20, 33, 80, 109)
    assert inside.sum() == 14 * 30


def test_a_view_stays_turned_when_the_page_is_loaded_again_and_is_upright_by_key(opened: Open) -> None:
    page = opened()
    upright = page.evaluate("app.viewer.view.box")
    saved = """import('/viewer/snapshot.js').then(({ pictureOf }) => {
      const { width, height } = pictureOf(app.viewer);
      return width / height;
    })"""
    assert page.evaluate(saved) == pytest.approx(700 / 500, abs=0.01)
    page.keyboard.press("m")
    assert page.evaluate(saved) == pytest.approx(500 / 700, abs=0.01), "a picture is what is seen"
    page.keyboard.press("Shift+X")
    assert page.evaluate("app.viewer.pane('xy').orientation") == [1, 0, 0, -1]
    page.wait_for_function("app.snapshot().position.turned === 'flipped'")
    assert page.evaluate("app.viewer.view.box") == upright, "fitted, all is in sight"
    page.reload()
    page.wait_for_function(READY)
    assert page.inner_text("[data-plane=xy] .vtag") == "XYflipped"
    page.keyboard.press("Shift+K")
    assert page.evaluate("app.viewer.pane('xy').orientation") == [1, 0, 0, 1]
    assert not page.is_visible("[data-plane=xy] .vtag")
    page.reload()
    page.wait_for_function(READY)
    assert page.evaluate("app.viewer.pane('xy').orientation") == [1, 0, 0, 1]
