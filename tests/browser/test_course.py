"""The exercise of a course in image analysis, by mouse and keys on the real server: images to measures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.ndimage
import tifffile
from numpy.typing import NDArray

from browser.painter import Mask, Painter, dice
from browser.running import NEEDS_CHROMIUM, Server, soon, until
from browser.tutorial import Reader
from browser.windows import browser_context

if not os.environ.get("CI"):
    pytest.importorskip("playwright.sync_api")
    pytestmark = NEEDS_CHROMIUM

LABELLED = ("nuclei_fluo_520x696_6b6d4e6f", "nuclei_fluo_520x696_80559575")
THIRD = "nuclei_fluo_520x696_ecb36c90"
OTHERS = ("nuclei_fluo_512x640_40b00d70", "nuclei_fluo_512x640_80632d6b")
YELLOW = (255, 225, 25)


@pytest.fixture
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """A browser that was never here; what breaks in it fails the test."""
    with browser_context(chromium, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield context.new_page()


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

    def feature_on_screen(self, filter_name: str, scale: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Show one feature image, give its grey values on the screen, and show the image again."""
        page = self.page
        eye = f"[role=group][aria-label='{filter_name}'] .featureimage:has-text('{scale}')"
        page.click(eye)
        page.wait_for_selector(f"{eye}[aria-pressed=true]")
        until(
            page,
            """async () => {
              const { app } = await import("underbrush-panels");
              return app().featureRange();
            }""",
        )
        self.drawn()
        picture = self.at_pixels(self.seen(), shape)
        page.click(eye)
        page.wait_for_selector(f"{eye}[aria-pressed=false]")
        return picture[..., 0]

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


def rows_of(mask: Mask) -> list[tuple[int, int, int]]:
    """Runs of a mask along its rows: row, first and last column."""
    found = []
    for y, row in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        found += [(y, int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return found


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
    edges = person.feature_on_screen("Laplacian of Gaussian", "1.6", shape).astype(float)
    expected = scipy.ndimage.gaussian_laplace(pixels[0].astype(float), 1.6)
    low, high = np.quantile(expected, (0.005, 0.995))
    assert np.corrcoef(edges.ravel(), np.clip(expected, low, high).ravel())[0, 1] > 0.95
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


def exported(person: Painter, server: Server) -> NDArray[np.uint8]:
    """The segmentation of the only image, as exported from the window."""
    page = person.page
    page.click(".step:nth-child(4)")
    page.click("button.primary:has-text('Export 1 image')")
    page.wait_for_selector("td:has-text('_segmentation.tif') + td:has-text('done')")
    (found,) = server.home.rglob(f"{person.lane()['nickname']}_segmentation.tif")
    return np.asarray(tifffile.imread(found))


def test_a_histology_image_in_colours(page: Any, server: Server, data: Path) -> None:
    name = "histology_rgb_purple_40946065"
    (image,) = copied(data, (name,), server.home / "histology")
    truth = read(data, name, "gt") == 2
    person = Course(page)
    person.start(server.address, image)
    assert person.lane()["rgb"] and person.lane()["shape"] == [1, 3, 1, *truth.shape]
    pixels = tifffile.imread(image)
    person.drawn()
    seen = person.at_pixels(person.seen(), truth.shape)
    for channel in range(3):
        assert np.corrcoef(seen[..., channel].ravel(), pixels[..., channel].ravel())[0, 1] > 0.97
    person.copy(read(data, name, "scribble"), 6)
    person.settled()
    person.opaque()
    result = person.coloured(truth.shape, YELLOW)
    assert dice(result, truth) > 0.6
    assert np.array_equal(exported(person, server) == 2, result)


def test_a_volume_is_painted_in_two_planes(page: Any, server: Server, data: Path) -> None:
    name = "cells3d_nuclei_L"
    folder = server.home / "volume"
    folder.mkdir()
    image = Path(shutil.copy2(data / "images" / "volume_fluo_3d" / f"{name}.tif", folder))
    truth = tifffile.imread(data / "images" / "volume_fluo_3d" / f"{name}_gt.tif") == 2
    person, side = Course(page), Course(page, "zy")
    person.start(server.address, image)
    z, _, x = (n // 2 for n in truth.shape)
    assert person.lane()["shape"] == [1, 1, *truth.shape]
    for hand, plane in ((person, truth[z]), (side, truth[:, :, x].T)):
        for number, mask in ((2, plane), (1, ~plane)):
            hand.choose(number)
            runs = sorted(rows_of(inside(mask, 2)), key=lambda run: run[1] - run[2])[:1]
            hand.trace([[(first, y), (last, y)] for y, first, last in runs])
        hand.sent()
    marked = side.labels()
    assert {1, 2} <= set(np.unique(marked)) and {1, 2} <= set(np.unique(person.labels()))
    person.settled()
    side.drawn()
    person.opaque()
    page.click("[role=switch][aria-label=Crosshair]")
    for hand, plane in ((person, truth[z]), (side, truth[:, :, x].T)):
        assert dice(hand.coloured(plane.shape, YELLOW), plane) > 0.6
    whole = exported(person, server)
    page.click(".step:nth-child(3)")
    person.shows(whole[z] == 2)
    side.shows((whole[:, :, x] == 2).T)


def inside(mask: Mask, by: int) -> Mask:
    """What is farther than ``by`` pixels from the edge of a mask."""
    return np.asarray(scipy.ndimage.binary_erosion(mask, iterations=by))


def test_a_movie_is_painted_at_one_time_and_seen_at_another(page: Any, server: Server, data: Path) -> None:
    name, folder = "scratch_assay_L", data / "images" / "time2d_2channel"
    (server.home / "movie").mkdir()
    image = Path(shutil.copy2(folder / f"{name}.tif", server.home / "movie"))
    truth = tifffile.imread(folder / f"{name}_gt.tif") == 2
    person = Course(page)
    person.start(server.address, image)
    assert person.lane()["shape"] == [10, 2, 1, *truth.shape[1:]]
    page.focus("[aria-label=Time]")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert soon(page, lambda: person.told("position")["t"] == 2)
    person.drawn()
    person.copy(tifffile.imread(folder / f"{name}_scribble.tif")[2], 8)
    person.settled()
    assert person.labels().any()
    page.focus("[aria-label=Time]")
    page.keyboard.press("End")
    assert soon(page, lambda: person.told("position")["t"] == 9)
    person.opaque()
    assert not person.labels().any()
    person.settled()
    result = person.coloured(truth.shape[1:], YELLOW)
    assert dice(result, truth[9]) > 0.5
    assert np.array_equal(exported(person, server)[9] == 2, result)


def strokes_of(project: Path, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The strokes of the only image of a project of ilastik, read without Underbrush: y, x."""
    strokes = np.zeros(shape, np.uint8)
    with h5py.File(project) as file:
        for block in file["PixelClassification/LabelSets/labels000"].values():
            place = block.attrs["blockSlice"]
            ends = (place.decode() if isinstance(place, bytes) else place).strip("[]").split(",")
            where = tuple(slice(*map(int, one.split(":"))) for one in ends[:2])
            strokes[where] = np.maximum(strokes[where], block[()].reshape(strokes[where].shape))
    return strokes


@pytest.mark.parametrize(
    ("folder", "project", "result"),
    [
        ("ilp/ilastik_api_2d", "PixelClass.ilp", "res-Data_1channel_pc1xyc.npy"),
        ("golden/gray2d_2c", "gray2d_2c.ilp", "exports/batch_train_Probabilities.npy"),
    ],
)
def test_a_project_of_ilastik_is_as_it_was_there(
    page: Any, server: Server, data: Path, folder: str, project: str, result: str
) -> None:
    path = Path(shutil.copytree(data / folder, server.home / Path(folder).name)) / project
    probabilities = np.load(data / folder / result)
    shape = probabilities.shape[:2]
    strokes = strokes_of(path, shape)
    with h5py.File(path) as file:
        colours = [tuple(int(v) for v in one) for one in file["PixelClassification/LabelColors"][()]]
        names = [one.decode() for one in file["PixelClassification/LabelNames"][()]]
    person = Painter(page)
    page.goto(server.address)
    page.fill("[aria-label^=Path]", str(path))
    page.keyboard.press("Enter")
    page.wait_for_selector(".cls[data-class='2']")
    person.ready()
    # Asked once of who comes from ilastik; it lies over the image until it is answered.
    page.click(".callout:has-text('made with ilastik') >> text=No")
    until(page, "async () => (await import('underbrush-panels')).link.progress?.done > 0")
    page.wait_for_selector(".predicting", state="detached")
    person.drawn()
    assert [one["name"] for one in person.told("state")["classes"]] == names
    for number, (name, colour) in enumerate(zip(names, colours, strict=True), 1):
        row = page.locator(f".cls[data-class='{number}']")
        assert name in row.inner_text()
        assert (
            tuple(
                int(
                    row.locator(".sw").first.evaluate("one => one.style.getPropertyValue('--c')")[
                        at : at + 2
                    ],
                    16,
                )
                for at in (1, 3, 5)
            )
            == colour
        )
        assert np.array_equal(person.coloured(shape, colour) & (strokes > 0), strokes == number)
    assert np.array_equal(person.labels(), strokes)
    person.opaque()
    certain = np.abs(probabilities[..., 1] - 0.5) > 1e-6
    assert np.array_equal(
        person.coloured(shape, colours[1])[certain], (probabilities.argmax(-1) == 1)[certain]
    )
    assert person.told("training") is None or person.told("training")["state"] != "running"
