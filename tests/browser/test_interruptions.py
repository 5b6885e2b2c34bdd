"""A real mouse on the real server: the pixels of the outline, and no stroke lost whatever breaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from browser.running import NEEDS_CHROMIUM, Hand, Server, soon, until
from browser.windows import open_path

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM
SHAPE = (300, 400)


def begin(context: Any, server: Server, folder: Path, shape: tuple[int, int]) -> Hand:
    """A person before a new project of a dark image with bright discs."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(3).integers(10, 50, shape).astype(np.uint8)
    for y, x in ((70, 80), (90, 250), (200, 120), (210, 300)):
        image[(rows - y) ** 2 + (columns - x) ** 2 < 32**2] += 140
    folder.mkdir()
    tifffile.imwrite(folder / "discs.tif", image)
    hand = Hand(context.new_page())
    open_path(hand.page, server.address, folder / "discs.tif")
    hand.close_name()
    hand.ready()
    return hand


@pytest.fixture
def hand(context: Any, server: Server, tmp_path: Path) -> Hand:
    return begin(context, server, server.home / tmp_path.name, SHAPE)


def another(hand: Hand, context: Any) -> Hand:
    """The same project in a second tab."""
    other = Hand(context.new_page())
    other.page.goto(hand.page.url)
    other.ready()
    return other


def stamped(size: int, *points: tuple[int, int], shape: tuple[int, int] = SHAPE) -> NDArray[np.bool_]:
    """The pixels of a brush along pixels, one by one: a disc at each."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(points[:-1] or points, points[1:] or points, strict=True):
        n = max(abs(x1 - x0), abs(y1 - y0))
        for k in range(n + 1):
            x = x0 + ((2 * k * (x1 - x0) + n) // (2 * n) if n else 0)
            y = y0 + ((2 * k * (y1 - y0) + n) // (2 * n) if n else 0)
            mask |= 4 * ((columns - x) ** 2 + (rows - y) ** 2) <= size * size
    return mask


OUTLINE = """async () => {
  const { surface } = (await import("underbrush-panels")).app().viewer;
  const over = surface.parentElement.querySelector("canvas[data-over=outline]");
  const { data } = over.getContext("2d").getImageData(0, 0, over.width, over.height);
  const at = over.getBoundingClientRect(), from = surface.getBoundingClientRect();
  const left = Math.round(at.left - from.left), top = Math.round(at.top - from.top);
  const found = [];
  for (let i = 0; i < data.length; i += 4)
    if (data[i] > 200 && data[i + 3] > 200)
      found.push(left + ((i / 4) % over.width), top + Math.floor(i / 4 / over.width));
  return found;
}"""
"""The white pixels that are drawn over the image: column, row, column, row ..."""


def edges(hand: Hand, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Points on the screen along the edge of painted pixels, in the viewer: n x 2."""
    padded = np.pad(mask, 1)
    points: list[tuple[float, float]] = []
    share = np.linspace(0, 1, 9)
    for y, x in np.argwhere(padded[1:] != padded[:-1]):
        points += [(x - 1 + s, y) for s in share]
    for y, x in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        points += [(x, y - 1 + s) for s in share]
    a = hand.viewer("app => app.viewer.imageToScreen(0, 0)")
    b = hand.viewer("app => app.viewer.imageToScreen(1, 1)")
    scale = b["px"] - a["px"]
    return np.array(points) * scale + [a["px"], a["py"]]


def farthest(a: NDArray[Any], b: NDArray[Any]) -> float:
    """How far the loneliest point of ``a`` is from ``b``."""
    return float(max(np.abs(b - point).max(axis=1).min() for point in a))


def outlined(hand: Hand) -> NDArray[np.float64]:
    """Where white is drawn over the image, in the viewer: n x 2."""
    return np.array(hand.page.evaluate(OUTLINE), float).reshape(-1, 2) + 0.5


def fits(hand: Hand, true: NDArray[np.float64] | None) -> bool:
    """Whether what is drawn lies along the edge of the pixels, or is a small square."""
    drawn = outlined(hand)
    if not len(drawn):
        return False
    if true is None:
        return bool(((np.ptp(drawn, axis=0) >= 2) & (np.ptp(drawn, axis=0) <= 5)).all())
    return farthest(drawn, true) <= 1 and farthest(true, drawn) <= 1


def lit(hand: Hand, row: int, first: int, last: int) -> bool:
    """Whether a part of a row has the colour of the second class on the screen."""
    colours = hand.at_pixels(hand.seen(), SHAPE).astype(int)[row, first:last]
    return bool((colours[:, 0] - colours[:, 2] > 150).all())


@pytest.mark.parametrize("zoom", [0.25, 1, 8])
def test_a_click_paints_what_the_outline_shows(
    zoom: float, context: Any, server: Server, tmp_path: Path
) -> None:
    shape = (900, 1200)  # no view shows its image smaller than a quarter of what fits
    hand = begin(context, server, server.home / tmp_path.name, shape)
    hand.viewer(f"app => void app.viewer.setView(200, 150, {zoom})")
    hand.page.wait_for_selector(f".status >> text={round(100 * zoom)} %")
    hand.still()
    painted = np.zeros(shape, bool)
    for size, spot in ((1, (203, 151)), (11, (190, 140)), (31, (215, 162))):
        hand.viewer(f"app => app.setBrushSize({size})")
        hand.page.mouse.move(*hand.place(*spot), steps=3)
        stamp = stamped(size, spot, shape=shape)
        # Smaller ones are drawn as a square of 3 screen pixels, so that they are seen.
        true = edges(hand, stamp) if size * zoom >= 4 else None
        assert soon(hand.page, lambda true=true: fits(hand, true)), outlined(hand)  # type: ignore[misc]
        since = len(hand.wire.came)
        hand.page.mouse.down()
        hand.page.mouse.up()
        hand.wire.wait(since, lambda said: said["type"] == "ack")
        painted |= stamp
        assert np.array_equal(hand.labels() == 2, painted)


def test_a_long_fast_stroke_has_no_gap(hand: Hand) -> None:
    corners = [(8, 8), (390, 291), (391, 12), (12, 290), (200, 20)]
    since = hand.stroke(*corners, steps=1)
    hand.wire.wait(since, lambda said: said["type"] == "ack")
    hand.sent()
    assert np.array_equal(hand.labels() == 2, stamped(3, *corners))


def test_a_server_killed_in_the_middle_of_a_stroke(hand: Hand, server: Server) -> None:
    hand.painted((50, 40), (90, 40))
    page = hand.page
    hand.still()
    page.mouse.move(*hand.place(50, 100))
    page.mouse.down()
    page.mouse.move(*hand.place(120, 100), steps=8)
    server.kill()
    page.mouse.move(*hand.place(200, 130), steps=8)
    page.mouse.up()
    page.wait_for_selector(".banner >> text=Connection lost.")
    hand.still()
    page.evaluate("() => { socket.on('connect_error', ({ message }) => (window.refused = message)); }")
    page.mouse.move(*hand.place(50, 200))
    page.mouse.down()
    page.mouse.move(*hand.place(120, 200), steps=4)
    server.start()
    # The new server does not know the page, which will be loaded again; but not under a hand that paints.
    until(page, "async () => window.refused === 'Implicit handshake failed'")
    page.mouse.move(*hand.place(200, 200), steps=4)
    page.mouse.up()
    until(page, "async () => window.refused === undefined")
    page.wait_for_selector(".banner", state="detached")
    hand.ready()
    hand.sent()
    first, third = stamped(3, (50, 40), (90, 40)), stamped(3, (50, 200), (200, 200))
    labels = hand.labels() == 2
    assert (labels & first).sum() == first.sum() and (labels & third).sum() == third.sum()
    second = labels & ~first & ~third
    ends = stamped(3, (50, 100)) | stamped(3, (200, 130))
    assert (second & ends).sum() == ends.sum()
    assert all(second[:, x].any() for x in range(50, 201)), "no gap where the server died"
    hand.strokes(2, 3)


def test_a_closed_tab_with_strokes_that_nobody_has(hand: Hand, context: Any, server: Server) -> None:
    server.kill()
    hand.page.wait_for_selector(".banner >> text=Connection lost.")
    hand.stroke((50, 60), (150, 60))
    hand.stroke((50, 90), (150, 90))
    hand.page.wait_for_selector("text=2 strokes are kept in this browser")
    url = hand.page.url
    hand.kept()
    hand.page.close()
    server.start()
    other = Hand(context.new_page())
    other.page.goto(url)
    other.ready()
    expected = stamped(3, (50, 60), (150, 60)) | stamped(3, (50, 90), (150, 90))
    assert soon(other.page, lambda: np.array_equal(other.labels() == 2, expected))
    other.strokes(2, 2)


@pytest.mark.parametrize("seconds", [6, pytest.param(20, marks=pytest.mark.soak)])
def test_some_seconds_without_a_network(hand: Hand, context: Any, seconds: int) -> None:
    hand.painted((50, 40), (90, 40))
    hand.page.evaluate("void (window.samePage = true)")
    context.set_offline(True)
    expected = stamped(3, (50, 40), (90, 40))
    for y in (80, 120, 160):
        hand.stroke((50, y), (250, y))
        expected |= stamped(3, (50, y), (250, y))
        assert soon(hand.page, lambda y=y: lit(hand, y, 100, 200)), "seen while nobody hears of it"  # type: ignore[misc]
        # The banner makes room for itself: where a pixel is in the window is asked for after that.
        hand.page.wait_for_selector(".banner")
        hand.page.wait_for_timeout(1000 * seconds / 3)
    context.set_offline(False)
    hand.sent()
    assert hand.page.evaluate("window.samePage"), "it was not loaded anew"
    wrong = (hand.labels() == 2) != expected
    assert not wrong.any(), [
        (int(y), np.flatnonzero(wrong[y]).tolist()) for y in np.flatnonzero(wrong.any(1))
    ]


def test_two_tabs_that_paint_at_once_agree_to_the_pixel(hand: Hand, context: Any) -> None:
    other = another(hand, context)
    other.choose(1)
    for one in (hand, other):
        one.viewer("app => app.setBrushSize(11)")
    for y in (60, 140, 220):
        hand.still()
        down, up = hand.place(60, y), hand.place(340, y + 40)
        hand.page.mouse.move(*down)
        hand.page.mouse.down()
        other.page.mouse.move(up[0], down[1])
        other.page.mouse.down()
        for share in (0.3, 0.5, 0.8, 1.0):
            x = down[0] + share * (up[0] - down[0])
            hand.page.mouse.move(x, down[1] + share * (up[1] - down[1]), steps=2)
            other.page.mouse.move(up[0] + down[0] - x, down[1] + share * (up[1] - down[1]), steps=2)
        hand.page.mouse.up()
        other.page.mouse.up()
    hand.sent()
    other.sent()
    labels = hand.labels()
    assert (labels == 1).any() and (labels == 2).any()

    def agree() -> bool:
        colours = [one.at_pixels(one.seen(), SHAPE).astype(int) for one in (hand, other)]
        blue = [c[..., 2] - c[..., 0] > 100 for c in colours]
        gold = [c[..., 0] - c[..., 2] > 150 for c in colours]
        return all(np.array_equal(b, labels == 1) for b in blue) and all(
            np.array_equal(g, labels == 2) for g in gold
        )

    for one in (hand, other):
        one.viewer("app => app.setLayer('segmentation', { visible: false })")
    assert soon(hand.page, agree)


def test_a_duplicated_tab_loses_nothing(hand: Hand, context: Any) -> None:
    hand.painted((50, 40), (150, 40))
    with context.expect_page() as opened:  # with what the tab keeps for itself, as a browser duplicates it
        hand.page.evaluate("void window.open(location.href)")
    other = Hand(opened.value)
    other.ready()
    assert hand.viewer("app => app.client") != other.viewer("app => app.client")
    hand.painted((50, 80), (150, 80))
    other.stroke((50, 120), (150, 120))
    hand.painted((50, 160), (150, 160))
    hand.sent()
    other.sent()
    expected = np.zeros(SHAPE, bool)
    for y in (40, 80, 120, 160):
        expected |= stamped(3, (50, y), (150, y))
    assert np.array_equal(hand.labels() == 2, expected)
    other.page.keyboard.press("Control+z")
    other.sent()
    expected &= ~stamped(3, (50, 120), (150, 120))
    assert soon(hand.page, lambda: np.array_equal(hand.labels() == 2, expected)), (
        "undo takes back what this tab did"
    )


def test_a_full_disk_is_said_as_long_as_it_lasts(hand: Hand, server: Server) -> None:
    page = hand.page
    hand.painted((50, 40), (150, 40))
    server.full.touch()
    hand.stroke((50, 80), (150, 80))
    page.wait_for_selector(".banner:has-text('NOT saved')")
    hand.stroke((50, 120), (150, 120))
    page.wait_for_timeout(6000)
    assert page.locator(".banner:has-text('NOT saved')").count() == 1, "it stands"
    assert soon(page, lambda: lit(hand, 120, 60, 140))
    hand.kept()
    page.reload()
    hand.ready()
    page.wait_for_selector(".banner:has-text('NOT saved')")
    server.full.unlink()
    hand.sent()
    page.wait_for_selector(".banner", state="detached")
    page.wait_for_selector(".topbar >> text=Saved in")
    expected = np.zeros(SHAPE, bool)
    for y in (40, 80, 120):
        expected |= stamped(3, (50, y), (150, y))
    assert np.array_equal(hand.labels() == 2, expected)
    page.evaluate("() => { window.before = true; }")
    server.kill()
    server.start()
    until(page, "async () => window.before === undefined")  # loaded again: the new server does not know it
    hand.ready()
    assert np.array_equal(hand.labels() == 2, expected)
