"""The tutorial, read and done sentence by sentence: bold words are pressed, slanted ones are seen.

Comments in the text (``<!-- do: paint nuclei -->``) say what else a reader does; ``<!-- picture: name -->``
stands where a picture is, so that the pictures are made by following it (docs/make_pictures.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import tifffile

from browser.painter import Mask, Painter, rows_of
from browser.running import until

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
STEP = re.compile(r"<!-- (do|picture): ([^>]+?) -->|\*\*([^*]+)\*\*|(?<![\w*])\*([^*\n]+)\*(?![\w*])")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
PRESSED = "button, [role=menuitem], [role=radio], [role=option], .step, .cls"
YELLOW = (255, 225, 25)


def steps(text: str) -> list[tuple[str, str]]:
    """What a reader does, in order: ("press", name), ("see", name), ("do", what), ("picture", name)."""
    found = []
    for kind, what, bold, slanted in STEP.findall(CODE.sub("", text)):
        found.append((kind, what) if kind else ("press", bold) if bold else ("see", slanted))
    return found


class Reader(Painter):
    """A newcomer with the tutorial beside the window."""

    def __init__(self, page: Any, home: Path, pictures: dict[str, bytes] | None = None) -> None:
        super().__init__(page)
        self.home = home
        self.pictures = pictures
        self.pressed: list[str] = []

    def follow(self) -> None:
        """All of it."""
        done: dict[str, Callable[[str], None]] = {
            "press": self.press, "see": self.see, "do": self.do, "picture": self.picture,
        }  # fmt: skip
        for kind, what in steps(TUTORIAL.read_text("utf-8")):
            done[kind](what)

    def press(self, name: str) -> None:
        """The control of that name that is in sight."""
        found = self.page.locator(PRESSED).filter(has_text=re.compile(rf"^[\d\s]*{re.escape(name)}"))
        found.locator("visible=true").first.click()
        self.pressed.append(name)

    def see(self, name: str) -> None:
        """A word that is in sight."""
        self.page.get_by_text(name).locator("visible=true").first.wait_for()

    def do(self, what: str) -> None:
        """The method of that name."""
        getattr(self, what.replace(" ", "_"))()

    def picture(self, name: str) -> None:
        """The window as it is now, if pictures are wanted."""
        if self.pictures is not None:
            self.page.mouse.move(720, 892)
            for passing in (".toast", ".preview[aria-busy=true]"):
                self.page.wait_for_selector(passing, state="detached")
            self.pictures[name] = self.page.screenshot()

    # -- what the comments name ------------------------------------------------------------------------

    def wait_for_a_result(self) -> None:
        """The sample is open, and its result is on the screen."""
        self.page.wait_for_selector(".cls[data-class='2']", timeout=150_000)
        self.ready()
        until(
            self.page,
            """async () => {
              const { done, total } = (await import("underbrush-panels")).link.progress ?? {};
              return total > 0 && done === total;
            }""",
            seconds=150,  # kernels may be compiled first
        )
        self.drawn()

    def choose_two_images(self) -> None:
        """In the list of files."""
        page = self.page
        for folder in ("Underbrush", "sample"):
            page.dblclick(f".fileline:has-text('{folder}')")
            page.wait_for_selector(f".crumbs >> text={folder}")
        for name in ("nuclei_1.tif", "nuclei_2.tif"):
            page.click(f".fileline:has-text('{name}')", modifiers=["Control"])

    def wait_for_the_images(self) -> None:
        """The new project is open."""
        self.page.wait_for_selector(".cls input.rename")
        self.ready()

    def name_the_class(self) -> None:
        """Its field is open."""
        self.page.fill(".cls input.rename", "nucleus")
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".cls:nth-child(2) .name:has-text('nucleus')")
        self.drawn()

    def truth(self) -> Mask:
        """Where the nuclei of the image in view are."""
        name = self.lane()["nickname"]
        file = next(self.home.rglob(f"truth/{name}_truth.tif"))
        return np.asarray(tifffile.imread(file)) == 2

    def line(self, where: Mask, least: int = 0) -> None:
        """A stroke of the class in hand along the longest row of a mask that has no strokes yet."""
        free = where & (self.labels() == 0)
        row, first, last = max(rows_of(free), key=lambda run: run[2] - run[1])
        assert last - first >= least
        # Not to the very edge: the brush is 3 pixels wide.
        first, last = (first + 3, last - 3) if last - first > 9 else (first, last)
        self.painted((first, row), (min(last, first + 60), row))

    def paint_background(self) -> None:
        """Far from nuclei, and right beside them."""
        nuclei, dark = self.truth(), tifffile.imread(next(self.home.rglob("sample/nuclei_1.tif")))
        away = ~nuclei
        glow = away & (dark > np.quantile(dark[away], 0.8))
        for where in (away & (dark < np.quantile(dark[away], 0.5)), glow):
            self.line(_thick(where))

    def paint_nuclei(self) -> None:
        """A bright one and a dim one."""
        nuclei, values = self.truth(), tifffile.imread(next(self.home.rglob("sample/nuclei_1.tif")))
        middle = np.median(values[nuclei])
        for where in (nuclei & (values > middle), nuclei & (values < middle)):
            self.line(_thick(where))
        self.settled()

    def correct(self) -> None:
        """Strokes where most is wrong, in either class, and on specks that are no nuclei."""
        nuclei = self.truth()
        for turn in range(6):
            seen = self.tinted(nuclei.shape)
            missing, too_much = nuclei & ~seen, ~nuclei & seen
            wrong = (missing, too_much, too_much & ~_near(nuclei, 8))[turn % 3]
            if not (wrong & (self.labels() == 0)).any():
                continue
            self.choose(2 if wrong is missing else 1)
            self.line(wrong)
            self.settled()

    def tinted(self, shape: tuple[int, ...]) -> Mask:
        """Pixels of the image in view that are tinted as nucleus on the screen."""
        picture = self.at_pixels(self.seen(), (shape[0], shape[1])).astype(int)
        return np.asarray(picture[..., 0] - picture[..., 2] > 40)

    def paint_at_an_uncertain_place(self) -> None:
        """A short stroke of the class that is right there, in the middle of what is shown."""
        self.page.wait_for_selector(".toast, .place, [role=status]")
        self.still()
        self.settled()
        nuclei = self.truth()
        box = self.corner()
        first, step = self.ruler()
        x, y = (int(v) for v in (np.array([box["width"], box["height"]]) / 2 - first) / step)
        y, x = min(max(y, 0), nuclei.shape[0] - 1), min(max(x, 0), nuclei.shape[1] - 1)
        self.choose(2 if nuclei[y, x] else 1)
        self.painted((x, y), (x, y))
        self.settled()
        self.page.keyboard.press("k")
        self.still()

    def look_at_the_second_image(self) -> None:
        """By its picture below; most of it is right."""
        self.page.click(".lane:nth-child(2)")
        self.page.wait_for_selector(".lane:nth-child(2)[aria-selected=true]")
        self.settled()

    def name_the_classifier(self) -> None:
        """Its field is open."""
        self.page.fill("[aria-label='Name of the kept classifier']", "first")
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("[role=option] .name:has-text('first')")

    def wait_for_the_export(self) -> None:
        """Both are done."""
        for name in ("nuclei_1", "nuclei_2"):
            self.page.wait_for_selector(f"td:has-text('{name}_segmentation.tif') + td:has-text('done')")
        self.page.wait_for_selector(".preview.result[aria-busy=false] img")

    def name_the_folder(self) -> None:
        """Typed, as it stands there."""
        self.page.fill("[aria-label='Folder, file or pattern']", "~/Underbrush/sample/unseen")
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("text=nuclei_4")

    def wait_for_the_batch(self) -> None:
        """All are done."""
        self.page.wait_for_selector("text=2 of 2 files done")


def _near(mask: Mask, by: int) -> Mask:
    """What is within ``by`` pixels of a mask, along rows and columns."""
    return np.asarray(scipy.ndimage.binary_dilation(mask, iterations=by))


def _thick(mask: Mask) -> Mask:
    """Pixels that have their neighbours above and below in the mask, too: a stroke is 3 pixels wide."""
    inner = np.zeros_like(mask)
    inner[2:-2] = mask[2:-2] & mask[1:-3] & mask[3:-1] & mask[:-4] & mask[4:]
    return np.asarray(inner)
