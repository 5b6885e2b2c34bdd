"""The exercise of a course in image analysis, by mouse and keys on the real server: images to measures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import tifffile
from numpy.typing import NDArray

from browser.course import YELLOW, Course, copied, read
from browser.painter import dice
from browser.running import NEEDS_CHROMIUM, Server
from browser.tutorial import Reader
from browser.windows import browser_context

if not os.environ.get("CI"):
    pytest.importorskip("playwright.sync_api")
    pytestmark = NEEDS_CHROMIUM

LABELLED = ("nuclei_fluo_520x696_6b6d4e6f", "nuclei_fluo_520x696_80559575")
THIRD = "nuclei_fluo_520x696_ecb36c90"
OTHERS = ("nuclei_fluo_512x640_40b00d70", "nuclei_fluo_512x640_80632d6b")


@pytest.fixture
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """A browser that was never here; what breaks in it fails the test."""
    with browser_context(chromium, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield context.new_page()


def clipboard(page: Any, button: str) -> str:
    page.click(f"aside.right >> button:has-text('{button}')")
    page.wait_for_selector(f"text={button.removeprefix('Copy ').capitalize()} copied.")
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def outside(command: str | list[str]) -> None:
    """Run what was copied in a shell of its own."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=isinstance(command, str), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_exercise_of_the_course(page: Any, server: Server, data: Path) -> None:
    images = copied(data, LABELLED, server.home / "course" / "train")
    pixels = [tifffile.imread(image) for image in images]
    truths = [read(data, name, "gt") == 2 for name in LABELLED]
    shape = truths[0].shape
    person = Course(page)
    person.new_project(server.address, images)
    page.keyboard.press("Escape")
    person.drawn()
    bare = person.at_pixels(person.seen(), shape)

    person.choose_features()
    expected = scipy.ndimage.gaussian_laplace(pixels[0].astype(float), 1.6)
    low, high = np.quantile(expected, (0.005, 0.995))
    person.feature_is_seen("Laplacian of Gaussian", "1.6", np.clip(expected, low, high))
    person.name_classes("background", "nuclei")

    person.live(False)
    for number, name in enumerate(LABELLED, 1):
        person.image(number)
        hand_made = read(data, name, "scribble")
        person.copy(hand_made, 7)
        painted = person.labels()
        assert set(np.unique(painted)) == {0, 1, 2}
        assert (painted == hand_made)[painted > 0].mean() > 0.85, "a stroke is where the mouse was"
        assert not ((painted > 0) & (painted + hand_made == 3) & (hand_made > 0)).any()
    person.image(1)
    page.keyboard.press("0")
    person.looks(bare)

    since = len(person.wire.came)
    person.live(True)
    person.wire.result(since)
    overlays_on_and_off(person, bare)
    person.opaque()
    for number, truth in enumerate(truths, 1):
        person.image(number)
        person.settled()
        result = person.coloured(shape, YELLOW)
        assert dice(result, truth) > 0.85
        person.correct(result, truth)
        assert (person.coloured(shape, YELLOW) ^ result).any()
    export_and_batch(person, server, data)


def overlays_on_and_off(person: Course, bare: NDArray[np.uint8]) -> None:
    """Each overlay changes what is seen, and without it the image is as it was."""
    page, shape = person.page, bare.shape[:2]

    def now() -> NDArray[np.uint8]:
        person.drawn()
        return person.at_pixels(person.seen(), shape)

    segmentation = now()
    assert not np.array_equal(segmentation, bare)
    page.keyboard.down("r")
    assert np.array_equal(person.at_pixels(person.look(), shape), bare), "raw only, while the key is held"
    page.keyboard.up("r")
    page.keyboard.press("s")
    person.looks(bare)
    for key, name in (("Shift+P", "probability"), ("u", "uncertainty")):
        page.keyboard.press(key)
        person.settled()
        assert not np.array_equal(now(), bare)
        page.click(f"[aria-label='Hide {name}']")
        person.looks(bare)
    page.keyboard.press("s")
    person.settled()
    person.looks(segmentation)
    page.keyboard.press("0")
    assert (now() != segmentation).any(), "strokes lie over the result again"


def export_and_batch(person: Course, server: Server, data: Path) -> None:
    """Segmentations of both images, then of files that were never seen, in the window and outside of it."""
    page = person.page
    page.click(".step:nth-child(4)")
    page.click("[role=radio]:has-text('All 2 images')")
    page.click("button.primary:has-text('Export 2 images')")
    for name in LABELLED:
        page.wait_for_selector(f"td:has-text('{name}_segmentation.tif') + td:has-text('done')")
    results = next(server.home.rglob(f"{LABELLED[0]}_segmentation.tif")).parent
    exported = tifffile.imread(results / f"{LABELLED[1]}_segmentation.tif")
    page.click(".step:nth-child(3)")
    person.shows(exported == 2)

    files = copied(data, (THIRD, *OTHERS), server.home / "course" / "screen")
    page.click(".step:nth-child(5)")
    page.fill("[aria-label='Folder, file or pattern']", str(files[0].parent))
    page.keyboard.press("Enter")
    page.click("button.primary:text-is('Start'):enabled")
    page.wait_for_selector("text=3 of 3 files done")
    written = [results / f"{file.stem}_segmentation.tif" for file in files]
    values = [tifffile.imread(file) for file in written]
    assert all(np.array_equal(np.unique(one), [1, 2]) and one.dtype == np.uint8 for one in values)
    assert dice(values[0] == 2, read(data, THIRD, "gt") == 2) >= 0.85

    first = [file.read_bytes() for file in written]
    ways = clipboard(page, "Copy command"), [sys.executable, "-c", clipboard(page, "Copy Python")]
    for way in ways:
        for file in written:
            file.unlink()
        outside(way)
        assert [file.read_bytes() for file in written] == first


def test_the_tutorial_is_followed_as_it_is_written(page: Any, server: Server) -> None:
    """Every control that it names is there and does it; what comes of it is as good as it says."""
    page.goto(server.address)
    reader = Reader(page, server.home)
    reader.follow()
    assert len(reader.pressed) > 10
    for name in ("nuclei_3", "nuclei_4"):
        truth = tifffile.imread(next(server.home.rglob(f"truth/{name}_truth.tif"))) == 2
        result = tifffile.imread(next(server.home.rglob(f"nuclei_1_results/{name}_segmentation.tif"))) == 2
        assert dice(result, truth) > 0.85
    assert reader.told("state")["name"] == "nuclei_1.ilp"
    assert [one["name"] for one in reader.told("state")["classifiers"] if one["name"]] == ["first"]
