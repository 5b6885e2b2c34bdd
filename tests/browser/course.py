"""The person who does the exercise of a course, and the images of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from browser.painter import Mask, Painter, rows_of
from browser.running import soon

YELLOW = (255, 225, 25)


def folder_of(data: Path, name: str) -> Path:
    """Where an image lies."""
    return data / "images" / name.rpartition("_")[0]


def copied(data: Path, names: tuple[str, ...], folder: Path) -> list[Path]:
    """Images on the computer of the person."""
    folder.mkdir(parents=True)
    return [Path(shutil.copy2(folder_of(data, name) / f"{name}.tif", folder)) for name in names]


def read(data: Path, name: str, what: str) -> np.ndarray[Any, Any]:
    """The truth ("gt") or the strokes of another person ("scribble") of an image."""
    return np.asarray(tifffile.imread(folder_of(data, name) / f"{name}_{what}.tif"))


class Course(Painter):
    """The exercise, in its parts."""

    def new_project(self, address: str, images: list[Path]) -> None:
        """From the start screen, by the list of files of this computer."""
        page = self.page
        page.goto(address)
        page.click("button:has-text('New project')")
        for folder in images[0].parent.parts[-2:]:
            page.dblclick(f".fileline:has-text('{folder}')")
            page.wait_for_selector(f".crumbs >> text={folder}")
        for image in images:
            page.click(f".fileline:has-text('{image.name}')", modifiers=["Control"])
        page.click(f"button:has-text('Start a project: {len(images)} images')")
        page.wait_for_selector(".cls input.rename")
        self.ready()

    def choose_features(self) -> None:
        """Fewer than recommended, in the matrix: columns by their heads, cells by dragging."""
        page = self.page
        page.click(".step:nth-child(2)")
        for scale in ("5.0", "10.0"):
            page.click(f".mx thead .headcell:text-is('{scale}')")
        first, last = (page.locator(f".mx [data-cell='{row} 5']").bounding_box() for row in (0, 3))
        page.mouse.move(first["x"] + 8, first["y"] + 8)
        page.mouse.down()
        page.mouse.move(last["x"] + 8, last["y"] + 8, steps=20)
        page.mouse.up()
        page.click("text=Use these")
        page.wait_for_selector("text=Last used: 37 features")
        page.click(".sheet [aria-label=Close]")

    def feature_is_seen(self, filter_name: str, scale: str, expected: NDArray[np.float64]) -> None:
        """Show one feature image, whose grey values go with those expected, and show the image again."""
        page = self.page
        eye = f"[role=group][aria-label='{filter_name}'] .featureimage:has-text('{scale}')"
        page.click(eye)
        page.wait_for_selector(f"{eye}[aria-pressed=true]")

        def alike() -> bool:
            height, width = expected.shape
            grey = self.at_pixels(self.seen(), (height, width))[..., 0].astype(float)
            return bool(grey.std() > 0 and np.corrcoef(grey.ravel(), expected.ravel())[0, 1] > 0.95)

        assert soon(page, alike), "tile after tile it takes the place of the image"
        page.click(eye)
        page.wait_for_selector(f"{eye}[aria-pressed=false]")

    def name_classes(self, *names: str) -> None:
        page = self.page
        page.click(".step:nth-child(3)")
        for ident, name in enumerate(names, 1):
            page.dblclick(f".cls[data-class='{ident}'] .name")
            page.wait_for_selector("input.rename:focus")
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            page.wait_for_selector(f".cls[data-class='{ident}'] .name:has-text('{name}')")

    def live(self, on: bool) -> None:
        self.page.click("[role=switch][aria-label=Live]")
        self.page.wait_for_selector(f"[role=switch][aria-label=Live][aria-checked={str(on).lower()}]")

    def image(self, number: int) -> None:
        """Go to an image by its thumbnail."""
        self.page.click(f".lane:nth-child({number})")
        self.page.wait_for_selector(f".lane:nth-child({number})[aria-selected=true]")
        self.drawn()

    def looks(self, expected: NDArray[np.uint8]) -> None:
        """What is seen is soon, pixel by pixel, what was seen before."""

        def other() -> Mask:
            return np.asarray((self.at_pixels(self.seen(), expected.shape[:2]) != expected).any(-1))

        if not soon(self.page, lambda: not other().any()):
            raise AssertionError(f"something else is seen than before: {self.told_of(other())}")

    def shows(self, expected: Mask) -> None:
        """The second class on the screen is soon what is expected, pixel by pixel."""

        def wrong() -> Mask:
            return self.coloured(expected.shape, YELLOW) ^ expected

        if not soon(self.page, lambda: not wrong().any()):
            raise AssertionError(f"not seen as exported: {self.told_of(wrong())}")

    def told_of(self, wrong: Mask) -> str:
        """Where pixels are wrong, and how the view lies."""
        places = ", ".join(f"({x}, {y})" for y, x in np.argwhere(wrong)[:20])
        first, step = self.ruler()
        return f"{int(wrong.sum())} pixels, {places}; pixel 0 at {first}, step {step}, view {self.corner()}"

    def correct(self, result: Mask, truth: Mask) -> None:
        """A stroke through the longest row of pixels that the result has wrong."""
        wrong = (result != truth) & (self.labels() == 0)
        runs = [run for mask in (wrong & truth, wrong & ~truth) for run in rows_of(mask)]
        y, first, last = max(runs, key=lambda run: run[2] - run[1])
        self.choose(2 if truth[y, first] else 1)
        self.wire.result(self.painted((first, y), (last, y)))
        assert (self.labels()[y, first : last + 1] == 1 + truth[y, first]).all()
