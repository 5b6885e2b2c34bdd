"""Colours, volumes, movies and projects of ilastik, by mouse on the real server: what is seen is exported."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.ndimage
import tifffile
from numpy.typing import NDArray

from browser.course import YELLOW, Course, copied, read
from browser.painter import Mask, Painter, dice, rows_of
from browser.running import NEEDS_CHROMIUM, Server, soon, until
from browser.windows import browser_context

if not os.environ.get("CI"):
    pytest.importorskip("playwright.sync_api")
    pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """A browser that was never here; what breaks in it fails the test."""
    with browser_context(chromium, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield context.new_page()


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
