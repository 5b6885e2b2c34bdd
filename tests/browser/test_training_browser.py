"""Step 3 in a real browser: uncertain places, the list of strokes, kept classifiers, labels as images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from browser.running import NEEDS_CHROMIUM, Hand, Server, soon
from browser.windows import AUDIT, browser_context, open_path, running

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM

SHAPE = (240, 320)
DISCS = {"one": ((60, 70), (170, 230)), "two": ((120, 90), (70, 250))}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for name, discs in DISCS.items():
        image = np.random.default_rng(3).integers(10, 60, SHAPE).astype(np.uint8)
        for (y, x), bright in zip(discs, (140, 60), strict=True):
            image[(rows - y) ** 2 + (columns - x) ** 2 < 30**2] += bright
        tifffile.imwrite(home / f"{name}.tif", image)
    with running(home) as server:
        yield server


@pytest.fixture(scope="module")
def hand(chromium: Any, server: Server) -> Iterator[Hand]:
    """Two images and four strokes; all tests go on where the last one ended."""
    with browser_context(chromium) as context:
        hand = Hand(context.new_page())
        page = hand.page
        open_path(page, server.address, server.home / "*.tif")
        hand.close_name()
        hand.ready()
        hand.painted((62, 60), (78, 60))
        hand.painted((225, 170), (235, 175))
        hand.choose(1)
        hand.painted((10, 120), (60, 130))
        hand.wire.result(hand.painted((150, 20), (250, 20)))
        page.wait_for_selector(".right >> text=Out-of-bag error")
        yield hand


def until(hand: Hand, holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    assert soon(hand.page, holds), "what was waited for did not come"


def spot(hand: Hand) -> tuple[str, int, int]:
    """The image in view, and the pixel in the middle."""
    position = hand.told("position")
    return position["lane"], position["y"], position["x"]


def test_the_next_uncertain_place_and_the_way_back(hand: Hand) -> None:
    page = hand.page
    before = spot(hand)
    page.wait_for_selector(".right button:has-text('Back'):disabled")
    seen = [before]
    for _ in range(2):
        page.keyboard.press("q")
        until(hand, lambda: spot(hand) not in seen)
        seen.append(spot(hand))
    names = {lane["id"]: lane["nickname"] for lane in hand.told("state")["lanes"]}
    page.wait_for_selector(f".right [role=status]:text-is('Now in {names[seen[-1][0]]}')")
    page.click(".right button:has-text('Back')")
    until(hand, lambda: spot(hand) == seen[1])
    page.keyboard.press("Shift+Q")
    until(hand, lambda: spot(hand) == before)
    page.wait_for_selector(".right button:has-text('Back'):disabled")


def test_which_features_count_is_told_of_all_of_them(hand: Hand) -> None:
    page = hand.page
    section = page.locator(".right .sec:has-text('Feature importance')")
    section.locator(".vstack > .hstack").nth(2).wait_for()
    assert section.locator(".vstack > .hstack").count() == 3
    section.locator("button:has-text('All ')").click()
    section.locator("button:text-is('Fewer')").wait_for()
    shares = [float(one.rstrip(" %")) for one in section.locator(".num").all_inner_texts()]
    assert len(shares) > 20 and shares == sorted(shares, reverse=True)
    assert abs(sum(shares) - 100) < 4  # each is rounded
    section.locator("button:text-is('Fewer')").click()


def rows(hand: Hand) -> list[tuple[str, int, int, int]]:
    """The list of strokes as it is seen: image, column, row, and how many pixels."""
    found = []
    for text in hand.page.locator(".strokerow").all_inner_texts():
        image, x, y, pixels = text.replace(", ", " ").replace(",", "").split()
        found.append((image, int(x), int(y), int(pixels)))
    return found


def test_strokes_are_listed_sorted_visited_changed_and_deleted(hand: Hand) -> None:
    page = hand.page
    page.click(".sec:has(h3:text-is('Strokes')) button:text-is('List')")
    until(hand, lambda: len(rows(hand)) == 4)
    labels = hand.labels()
    listed = rows(hand)
    assert [y for _, _, y, _ in listed] == sorted(y for _, _, y, _ in listed)
    assert [labels[y, x] for _, x, y, _ in listed] == [1, 2, 1, 2]
    assert sum(pixels for *_, pixels in listed) == np.count_nonzero(labels)
    sizes = sorted((pixels for *_, pixels in listed), reverse=True)
    assert len(set(sizes)) > 2
    page.click("[data-tip='Sort by size']")
    until(hand, lambda: [pixels for *_, pixels in rows(hand)] == sizes)
    page.click("[data-tip='Sort by size']")
    until(hand, lambda: [pixels for *_, pixels in rows(hand)] == sizes[::-1])
    page.click("[data-tip='Sort by class']")
    until(hand, lambda: [labels[y, x] for _, x, y, _ in rows(hand)] == [1, 1, 2, 2])
    assert page.evaluate(AUDIT) == []

    page.click(".lane:nth-child(2)")
    until(hand, lambda: spot(hand)[0] != "a1")
    _, x, y, pixels = rows(hand)[3]
    page.focus(".strokerow:nth-child(4)")
    page.keyboard.press("Enter")
    until(hand, lambda: spot(hand) == ("a1", y, x))
    page.keyboard.press("1")
    page.wait_for_selector(".toast:has-text('Stroke changed to Background.')")
    hand.strokes(1, 3)
    changed = labels.copy()
    changed[165:180, 220:240][labels[165:180, 220:240] == 2] = 1
    assert np.array_equal(hand.labels(), changed) and (changed != labels).sum() == pixels
    page.click(".toast >> text=Undo")
    hand.strokes(1, 2)

    page.focus(".strokerow:nth-child(3)")
    page.keyboard.press("Delete")
    hand.strokes(2, 1)
    until(hand, lambda: len(rows(hand)) == 3)
    until(hand, lambda: page.evaluate("document.activeElement.matches('.strokerow:nth-child(3)')"))
    page.keyboard.press("Control+z")
    hand.strokes(2, 2)
    page.hover(".strokerow:nth-child(1)")
    page.click(".strokerow:nth-child(1) [aria-label='Change this stroke']")
    page.click(".popup >> text=Change to Foreground")
    hand.strokes(2, 3)
    page.click(".toast >> text=Undo")
    hand.strokes(2, 2)
    assert np.array_equal(hand.labels(), labels)
    page.click(".sec:has(h3:text-is('Strokes')) button:text-is('Close')")


def test_a_classifier_is_kept_shown_renamed_and_deleted(hand: Hand) -> None:
    page = hand.page
    hand.viewer("app => app.fit()")
    hand.still()
    page.click("button:text-is('Freeze')")
    page.wait_for_selector("input:focus")
    page.keyboard.press("Control+a")
    page.keyboard.type("fig 2")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast:has-text('Kept as fig 2.')")
    kept = "[role=option]:has-text('fig 2')"
    page.wait_for_selector(kept)
    page.wait_for_selector(".predicting", state="detached")
    hand.drawn()
    before = hand.seen()

    hand.choose(2)
    hand.wire.result(hand.painted((140, 100), (200, 100)))
    page.keyboard.press("0")
    page.wait_for_selector("[aria-label='Show labels']")
    page.wait_for_selector(".predicting", state="detached")
    until(hand, lambda: not np.array_equal(crop(hand.seen()), crop(before)))
    page.click(kept)
    page.wait_for_selector(".shown:has-text('Result of fig 2')")
    page.keyboard.press("0")
    page.keyboard.press("Control+z")
    hand.sent()
    until(hand, lambda: np.array_equal(crop(hand.seen()), crop(before)))
    page.focus(kept)
    page.keyboard.press("F2")
    page.wait_for_selector("input:focus")
    page.keyboard.type("figure 2b")
    page.keyboard.press("Enter")
    renamed = "[role=option]:has-text('figure 2b')"
    page.wait_for_selector(f"{renamed}[aria-selected=true]")
    page.wait_for_selector(".shown:has-text('Result of figure 2b')")
    page.click("text=Back to current")
    page.wait_for_selector(".shown", state="detached")

    page.focus(renamed)
    page.keyboard.press("Delete")
    page.wait_for_selector(renamed, state="detached")
    page.click(".toast >> text=Undo")
    page.wait_for_selector(renamed)


def crop(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of the view, which no message covers."""
    return picture[picture.shape[0] // 4 : -picture.shape[0] // 4]


def test_labels_of_a_file_are_shown_first_and_lie_where_they_were_put(hand: Hand, server: Server) -> None:
    page = hand.page
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[10:20, 30:60], drawn[100:110, 200:230], drawn[200:210, 5:15] = 1, 2, 7
    tifffile.imwrite(server.home / "labels.png.tif", drawn.T)  # columns first
    before = hand.labels()
    page.click("[aria-label='Class options']")
    page.click("[role=menuitem]:has-text('Import labels from a file')")
    page.fill(".dialog input >> nth=0", str(server.home / "labels.png.tif"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".dialog:has-text('Labels of labels.png.tif')")
    page.fill("[aria-label='Axes of the file']", "x")
    page.wait_for_selector(".dialog [role=status]:not(:empty)")
    page.wait_for_selector(".dialog button:text-is('Import'):disabled")
    page.fill("[aria-label='Axes of the file']", "xy")
    page.keyboard.press("Enter")
    page.fill("[aria-label='Offset along y']", "-105")
    page.keyboard.press("Enter")
    # The first stroke of labels and half of the second one lie outside now.
    page.wait_for_selector(".dialog [role=status]:has-text('450 labelled pixels of the file lie outside')")

    def table() -> list[list[str]]:
        return [row.split()[:2] for row in page.locator(".valuelist tbody tr").all_inner_texts()]

    until(hand, lambda: table() == [["2", "150"], ["7", "100"]])
    assert np.array_equal(hand.labels(), before), "nothing is painted before it is asked for"
    assert page.evaluate(AUDIT) == []
    page.click("[aria-label='Value 7: Leave out']")
    page.click(".popup >> text=Background")
    page.wait_for_selector(".dialog:has-text('250 pixels will be painted')")
    page.click(".dialog button:text-is('Import')")
    page.wait_for_selector(".toast:has-text('Labels of labels.png.tif imported.')")
    expected = before.copy()
    expected[0:5, 200:230], expected[95:105, 5:15] = 2, 1
    until(hand, lambda: np.array_equal(hand.labels(), expected))

    page.click(".step:nth-child(4)")
    page.click("[role=radio]:has-text('Labels')")
    page.click("[role=radio]:has-text('one, in view')")
    page.click("button.primary:has-text('Export 1 image')")
    page.wait_for_selector("td:has-text('one_labels.tif') + td:has-text('done')")
    (written,) = server.home.rglob("one_labels.tif")
    assert np.array_equal(tifffile.imread(written), expected)
    page.click(".step:nth-child(3)")
    page.keyboard.press("Control+z")
    until(hand, lambda: np.array_equal(hand.labels(), before))


def test_a_range_of_the_display_is_set_for_an_image_and_kept(hand: Hand) -> None:
    page = hand.page

    def shown() -> list[float]:
        (channel,) = hand.viewer("app => app.viewer.channels")
        return [channel["low"], channel["high"]]

    automatic = shown()
    page.click(".step:nth-child(1)")
    page.click(".tbl.images tbody tr:nth-child(1)")
    page.click(".right button:has-text('0.1 to 99.9 %')")
    page.click(".popup >> text=Own range")
    page.wait_for_selector(".right [aria-label='Shown as white']")
    until(hand, lambda: shown() == [0, 255])
    page.fill(".right [aria-label='Shown as black']", "20")
    page.keyboard.press("Enter")
    until(hand, lambda: shown() == [20, 255])
    page.fill(".right [aria-label='Shown as white']", "90")
    page.keyboard.press("Enter")
    until(hand, lambda: shown() == [20, 90])
    page.reload()
    page.click(".step:nth-child(3)")
    hand.ready()
    until(hand, lambda: shown() == [20, 90])
    page.click(".step:nth-child(1)")
    page.click(".tbl.images tbody tr:nth-child(1)")
    page.click(".right button:has-text('Own range')")
    page.click(".popup >> text=Automatic")
    until(hand, lambda: shown() == automatic)


def test_a_project_that_goes_on_elsewhere_can_be_undone_there_alone(hand: Hand, server: Server) -> None:
    page = hand.page
    page.click(".step:nth-child(3)")
    hand.ready()
    before = hand.labels()
    hand.choose(2)
    hand.painted((130, 200), (180, 205))
    painted = hand.labels()
    assert not np.array_equal(painted, before)
    old = hand.told("project")
    file = next(path for path in server.home.rglob("*.ilp") if path.parent.name != f"{path.stem}.versions")
    page.click(".menu >> text=Project")
    page.click("text=Save as ...")
    page.wait_for_selector(".dialog .btn.primary:enabled")
    page.fill("[aria-label='Name of the file']", "elsewhere")
    page.wait_for_selector(".dialog .btn.primary:enabled")
    page.keyboard.press("Enter")
    page.wait_for_selector(".topbar >> text=elsewhere.ilp")
    hand.ready()
    assert hand.told("project") != old and np.array_equal(hand.labels(), painted)
    # The one before is closed: nothing may touch it from now on.
    until(hand, lambda: not file.with_name(f"{file.name}.journal").exists())
    content = file.read_bytes()
    page.focus(".viewer [tabindex='0']")
    page.keyboard.press("Control+z")
    until(hand, lambda: np.array_equal(hand.labels(), before))
    page.keyboard.press("Control+y")
    until(hand, lambda: np.array_equal(hand.labels(), painted))
    page.click(".menu >> text=Project")
    page.click("text=Save now")
    page.wait_for_selector(".topbar >> text=Saved in elsewhere.ilp")
    assert file.read_bytes() == content and not file.with_name(f"{file.name}.journal").exists()
