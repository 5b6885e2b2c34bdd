"""The window without a mouse: the exercise of a course by keys alone, and what is set for all projects."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from browser.painter import Mask, Painter, dice
from browser.running import NEEDS_CHROMIUM, Server, soon, until
from browser.windows import browser_context, running

if not os.environ.get("CI"):
    pytest.importorskip("playwright.sync_api")
    pytestmark = NEEDS_CHROMIUM

NAMES = ("nuclei_fluo_520x696_6b6d4e6f", "nuclei_fluo_520x696_80559575")
THIRD = "nuclei_fluo_520x696_ecb36c90"
FOCUS = (Path(__file__).parent / "focus.js").read_text("utf-8").partition("\n")[2]
OPEN = (
    "() => [...document.querySelectorAll('button:not(:disabled), input:not(:disabled), [tabindex=\"0\"]')]"
    ".filter((n) => n.tabIndex >= 0 && n.checkVisibility({visibilityProperty: true}) && !n.closest('[inert]')"
    " && !(window.stops ?? []).includes(n)).map((n) => n.outerHTML.slice(0, 160))"
)


@pytest.fixture(scope="module")
def server(data: Path, home: Path) -> Iterator[Server]:
    for folder, names in (("train", NAMES), ("screen", (THIRD,))):
        (home / folder).mkdir()
        for name in names:
            shutil.copy2(folder_of(data) / f"{name}.tif", home / folder)
    with running(home) as server:
        yield server


def folder_of(data: Path) -> Path:
    """Where the images lie."""
    return data / "images" / NAMES[0].rpartition("_")[0]


def truth_of(data: Path, name: str) -> Mask:
    """Which pixels are nuclei."""
    return np.asarray(tifffile.imread(folder_of(data) / f"{name}_gt.tif")) == 2


class Typist(Painter):
    """A person who has a keyboard and no mouse."""

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self, selector: str, text: str = "") -> bool:
        """Whether what has the focus is, or is in, what a selector names, and says a text."""
        there = "([s, text]) => !!document.activeElement?.closest(s)?.innerText.includes(text)"
        return bool(self.page.evaluate(there, [selector, text]))

    def until(self, selector: str, text: str = "", key: str = "Tab", most: int = 80) -> None:
        """Go on by one key until what is named has the focus; all on the way can be seen and has a name."""
        for _ in range(most):
            stop = self.page.evaluate(FOCUS, [selector, text])
            assert stop is None or not stop["wrong"], stop
            if stop and stop["fits"]:
                return
            self.press(key)
        raise AssertionError(
            f"{selector} is not reached by {key}; the focus is on {self.page.evaluate(FOCUS)}"
        )

    def step(self, number: int) -> None:
        """To one of the five steps."""
        self.until(".step", key="F6")
        self.until(f".step:nth-child({number})", key="ArrowDown")
        self.press("Enter")
        self.page.wait_for_selector(f".app[data-step='{number}']")

    def image(self) -> None:
        """To the picture."""
        self.until(".viewer [data-plane]", key="F6")

    def go_to(self, x: int, y: int) -> None:
        """The pointer of the keyboard to a pixel, by typing where it is."""
        self.press("j")
        self.page.wait_for_selector(".placing input:focus")
        self.page.keyboard.insert_text(f"{x}, {y}")
        self.press("Enter")
        self.page.wait_for_selector(".placing input", state="detached")
        until(
            self.page,
            """async ([x, y]) => {
              const { link } = await import("underbrush-panels");
              const { x: u, y: v } = link.cursor ?? {};
              return u === x && v === y && !!document.activeElement.closest("[data-plane]");
            }""",
            arg=[x, y],
        )

    def drag(self, key: str, presses: int) -> None:
        """Paint with a key that stays down."""
        self.page.keyboard.down("Space")
        for _ in range(presses):
            self.page.keyboard.down(key)
        self.page.keyboard.up(key)
        self.page.keyboard.up("Space")

    def layers(self) -> dict[str, bool]:
        """Which layers are in sight."""
        return {name: layer["visible"] for name, layer in self.told("layers").items()}


def rows_in(mask: Mask, longest: int) -> list[tuple[int, int, int]]:
    """Where strokes fit: row, first column and length of the longest run of some rows of a mask."""
    found = []
    for y in range(12, mask.shape[0] - 12, 8):
        inside = mask[y] & mask[y - 2] & mask[y + 2]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
        runs = [(int(b - a), y, int(a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        found += [max(runs)] if runs else []
    return [(y, x + 2, n - 4) for n, y, x in sorted(found)[::-1][:longest] if n > 8]


def reach(person: Typist, presses: int) -> int:
    """How far a key goes that is pressed and repeated: a pixel, and then as far as the screen shows."""
    scale = float(person.ruler()[1][0])
    return 1 + sum(max(1, round(min(20, 2 + n) / scale)) for n in range(1, presses))


def paint(person: Typist, number: int, mask: Mask, strokes: int) -> None:
    """Strokes of a class where a mask has room."""
    person.press(str(number))
    person.page.wait_for_selector(f".cls:nth-child({number})[aria-selected=true]")
    for y, x, n in rows_in(mask, strokes):
        presses = max(k for k in range(1, 14) if k == 1 or reach(person, k) < n)
        person.go_to(x, y)
        person.drag("ArrowRight", presses)
    person.sent()


def test_the_exercise_by_keys_alone(context: Any, server: Server, data: Path) -> None:
    page = context.new_page()
    person = Typist(page)
    page.goto(server.address)
    person.until("[aria-label^=Path]")
    page.keyboard.type(str(server.home / "train" / "*.tif"))
    person.press("Enter")
    page.wait_for_selector(".cls input.rename:focus")
    page.keyboard.type("nuclei")
    person.press("Enter")
    person.ready()
    page.wait_for_selector(".cls[data-class='2']:focus")
    person.press("ArrowUp", "F2")
    page.wait_for_selector(".cls input.rename:focus")
    page.keyboard.type("background")
    person.press("Enter")
    until(
        page,
        """async () => {
          const { link } = await import("underbrush-panels");
          return link.state.classes.map((one) => one.name).join() === "background,nuclei";
        }""",
    )
    fewer_features(person)
    truths = [truth_of(data, name) for name in NAMES]
    person.step(3)
    person.image()
    person.press("l")
    page.wait_for_selector("[role=switch][aria-label=Live][aria-checked=false]")
    person.press("Enter")
    page.wait_for_selector(".hand")
    for number, truth in enumerate(truths, 1):
        paint(person, 2, truth, 4 if number == 1 else 1)
        paint(person, 1, ~truth, 3 if number == 1 else 1)
        labels = person.labels()
        assert {0, 1, 2} == set(np.unique(labels))
        assert (truth[labels == 2]).mean() > 0.9 and (truth[labels == 1]).mean() < 0.1
        if number == 1:
            person.until(".lane", key="F6")
            person.press("ArrowRight")
            page.wait_for_selector(".lane:nth-child(2)[aria-selected=true]")
            person.image()
    person.press("Escape")
    page.wait_for_selector(".hand", state="detached")
    person.press("l")
    person.settled()
    overlays(person)
    export_and_batch(person, server, data)


def fewer_features(person: Typist) -> None:
    """Step 2: a column of the matrix and one cell less, by keys."""
    page = person.page
    chosen = page.locator(".mx .c[aria-checked=true]")
    person.step(2)
    person.until(".page-of", key="F6")
    page.wait_for_selector(".mx .c[aria-checked=true]")
    before = chosen.count()
    person.until(".mx th:last-child .headcell")
    person.press("Enter")
    column = 6
    assert soon(page, lambda: chosen.count() == before - column)
    person.until(".mx [data-cell]")
    person.press("ArrowDown", "ArrowRight", " ")
    assert soon(page, lambda: chosen.count() == before - column - 1)
    person.until(".sheet .btn.primary")
    person.press("Enter")
    page.wait_for_selector("text=Last used")


def overlays(person: Typist) -> None:
    """Each overlay comes and goes by its key; the line between raw image and result is moved by arrows."""
    page = person.page
    for key, name in (
        ("s", "segmentation"),
        ("u", "uncertainty"),
        ("Shift+P", "probability:2"),
        ("0", "labels"),
    ):
        if name == "probability:2":
            person.press("2")
        before = person.layers().get(name, False)
        for expected in (not before, before):
            person.press(key)
            assert soon(page, lambda name=name, expected=expected: person.layers()[name] is expected)  # type: ignore[misc]
    yellow_soon(person, True)
    person.image()
    person.press("d")
    page.wait_for_selector(".swipegrip")
    person.until(".swipegrip")
    person.press("End", "ArrowLeft")
    assert soon(page, lambda: person.told("swipe")["fraction"] == pytest.approx(0.96))
    yellow_soon(person, False)
    person.press("Escape")
    page.wait_for_selector(".swipegrip", state="detached")
    assert soon(page, lambda: person.focused(".viewer")), "what had the focus is gone; the image has it"
    yellow_soon(person, True)


def yellow_soon(person: Typist, expected: bool) -> None:
    """Whether something of the second class soon lies over the left nine tenths of the image."""

    def yellow() -> bool:
        person.drawn()
        picture = person.look()[:, : round(person.corner()["width"] * 0.9)].astype(int)
        return bool(((picture @ [1, 1, -2]) > 60).any())

    assert soon(person.page, lambda: yellow() == expected), f"the result is {'not ' if expected else ''}seen"


def export_and_batch(person: Typist, server: Server, data: Path) -> None:
    """Both results, and that of a file that was never seen."""
    page = person.page
    person.step(4)
    person.until("[aria-label='Which images'] [role=radio]")
    if not person.focused("[role=radio]", "All 2 images"):
        person.press("ArrowDown")
    page.wait_for_selector("[role=radio][aria-checked=true]:has-text('All 2 images')")
    page.wait_for_selector("button.primary:has-text('Export 2 images'):enabled")
    person.until("button.primary", "Export 2 images")
    person.press("Enter")
    for name in NAMES:
        page.wait_for_selector(f"td:has-text('{name}_segmentation.tif') + td:has-text('done')")
    person.step(5)
    person.until("[aria-label='Folder, file or pattern']")
    page.keyboard.type(str(server.home / "screen"))
    person.press("Enter")
    page.wait_for_selector("button.primary:text-is('Start'):enabled")
    person.until("button.primary", "Start")
    person.press("Enter")
    page.wait_for_selector(f"tr:has-text('{THIRD}') >> text=done")
    (written,) = server.home.rglob(f"{THIRD}_segmentation.tif")
    assert dice(tifffile.imread(written) == 2, truth_of(data, THIRD)) > 0.8


@pytest.fixture(scope="module")
def person(chromium: Any, server: Server) -> Iterator[Typist]:
    """A tab with a new project of one image; its name field is closed."""
    with browser_context(chromium, accept_downloads=True) as context:
        person = Typist(context.new_page())
        person.start(server.address, server.home / "screen" / f"{THIRD}.tif")
        yield person


def test_every_control_of_every_step_is_reached_and_nothing_holds_the_focus(person: Typist) -> None:
    page = person.page
    watch = "() => document.addEventListener('focusin', () => window.seen.push(window.focus_()))"
    page.evaluate(f"() => {{ window.focus_ = {FOCUS.strip()}; window.seen = []; }}")
    page.evaluate(watch)
    for number in range(1, 6):
        person.step(number)
        page.evaluate("() => { window.stops = []; window.seen = []; }")
        first: list[int] = []
        for _ in range(10):
            person.press(*["Tab"] * 20)
            seen = page.evaluate("window.seen")
            assert not [stop for stop in seen if stop and stop["wrong"]], f"step {number}"
            first = [n for n, stop in enumerate(seen) if stop and stop["at"] == 0]
            if len(first) > 1:
                break
        assert len(first) > 1, f"step {number}: the focus does not come round; it was on {seen[-5:]}"
        assert page.evaluate(OPEN) == [], f"step {number}"
    assert page.locator(".app.bare").count() == 0, "Tab moves the focus for who has no mouse"
    person.step(3)


def test_keys_are_changed_told_everywhere_and_kept_for_all_windows(person: Typist) -> None:
    page = person.page
    other = page.context.new_page()
    other.goto(page.url)
    Typist(other).ready()
    Typist(other).close_name()
    person.press("?")
    page.wait_for_selector("[role=dialog] input:focus")
    person.until("[role=dialog] button", "Change keys")
    person.press("Enter")
    person.until("[data-of='tool:eraser E']")
    person.press("Enter", "s")
    page.wait_for_selector("[role=alert]:has-text('is the key of “Segmentation”')")
    page.wait_for_selector(".callout button:focus:has-text('Give it to “Eraser”')")
    person.press("Enter")
    page.wait_for_selector("[data-of='tool:eraser S']:focus")
    person.press("Enter", "Control+w")
    page.wait_for_selector("[role=alert]:has-text('Ctrl W belongs to the browser')")
    person.press("Enter", "Escape")
    assert soon(page, lambda: page.is_visible("[data-of='tool:eraser S']")), (
        "Escape leaves the key, and the dialog open"
    )
    person.press("Escape")
    page.wait_for_selector("[role=dialog]", state="detached")
    for tab in (page, other):
        tab.wait_for_selector("[aria-label='Eraser'][data-key='S']")
        tab.keyboard.press("s")
        tab.wait_for_selector("[aria-label='Eraser'][aria-pressed=true]")
        tab.keyboard.press("e")
        tab.keyboard.press("b")
        tab.wait_for_selector("[aria-label='Brush'][aria-pressed=true]")
    assert person.layers()["segmentation"] is True, "S is not what it was"
    page.reload()
    person.ready()
    person.close_name()
    page.wait_for_selector("[aria-label='Eraser'][data-key='S']")
    settings(person, other)
    other.close()


def settings(person: Typist, other: Any) -> None:
    """ilastik's keys and the wheel, by the menu; then all as usual again."""
    page = person.page
    person.until("nav.menu button", key="F6")
    person.until("nav.menu button", "Edit", key="ArrowRight")
    person.press("Enter", "End", "Enter")
    page.wait_for_selector("[role=dialog][aria-label=Settings]")
    person.until("[role=radiogroup][aria-label='Set of keys'] [role=radio]")
    person.press("ArrowDown")
    person.until("[role=radiogroup][aria-label='Wheel'] [role=radio]")
    person.press("ArrowUp")
    meant = {"plain": "zoom", "shifted": "time"}
    assert soon(page, lambda: person.viewer("app => app.wheelMeans") == meant)
    other.wait_for_selector("[aria-label='Eraser'][data-key='E']")
    other.keyboard.press("p")
    other.wait_for_selector("[aria-label='Hide probability']")
    person.until("[role=dialog] button", "Usual settings")
    person.press("Enter")
    other.wait_for_selector("[aria-label='Show uncertainty'][data-key='U']")
    usual = {"plain": "auto", "shifted": "brush"}
    assert soon(page, lambda: person.viewer("app => app.wheelMeans") == usual)
    person.press("Escape")
    page.wait_for_selector("[role=dialog]", state="detached")
    assert soon(page, lambda: person.focused("nav.menu")), "the focus is where it came from"


def test_a_picture_of_the_view_is_what_is_seen(person: Typist) -> None:
    person.drawn()
    seen: NDArray[np.uint8] = person.at_pixels(person.seen(), tuple(person.lane()["shape"][3:]))
    with person.page.expect_download() as download:
        person.press("Shift+S")
    assert download.value.suggested_filename == f"{THIRD}_view.png"
    picture = np.asarray(imagecodecs.png_decode(Path(download.value.path()).read_bytes()))[..., :3]
    _, step = person.ruler()
    assert picture.shape[0] == pytest.approx(step[1] * seen.shape[0], abs=2)
    rows = ((np.arange(seen.shape[0]) + 0.5) * step[1]).astype(int)
    columns = ((np.arange(seen.shape[1]) + 0.5) * step[0]).astype(int)
    drawn = picture[rows[:, None], columns[None, :]]
    bar = slice(-40, None), slice(0, 200)  # where the scale bar lies over it
    differs = (np.abs(drawn.astype(int) - seen) > 8).any(-1)
    assert differs[bar].any(), "the scale bar is part of it"
    differs[bar] = False
    assert differs.mean() < 0.01
