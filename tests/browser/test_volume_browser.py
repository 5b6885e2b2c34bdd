"""Volumes, movies and many channels in a real browser: seen, painted and predicted by a real mouse."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from browser.running import NEEDS_CHROMIUM, Server, soon, wait_for_strokes
from browser.windows import browser_context, open_path, running, settled_audit

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM
CHANNELS = ["DAPI", "CD3", "CD4", "CD8", "CD20", "CD45", "CD68", "Ki67", "PanCK", "FOXP3", "PD1"]
Open = Callable[[str], Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    noise = np.random.default_rng(1)
    volume = noise.integers(0, 50, (20, 40, 60), np.uint8)
    volume[5:15, 10:30, 20:45] += 150
    scale = {"resolution": (1 / 0.2, 1 / 0.2), "metadata": {"axes": "ZYX", "spacing": 0.4, "unit": "um"}}
    tifffile.imwrite(home / "volume.tif", volume, imagej=True, **scale)
    movie = noise.integers(0, 50, (6, 50, 60), np.uint8)
    for t in range(6):
        movie[t, 10:30, 5 + 5 * t : 20 + 5 * t] += 150
    tifffile.imwrite(home / "movie.tif", movie, imagej=True, metadata={"axes": "TYX"})
    many = noise.integers(0, 4000, (11, 40, 60), np.uint16)
    meta = {"axes": "CYX", "Channel": {"Name": CHANNELS}}
    tifffile.imwrite(home / "many.ome.tif", many, metadata=meta)
    with running(home) as server:
        yield server


@pytest.fixture
def opened(chromium: Any, server: Server) -> Iterator[Open]:
    with browser_context(chromium) as context:
        page = context.new_page()

        def open_(name: str) -> Any:
            open_path(page, server.address, server.home / name)
            page.keyboard.press("Enter")
            page.wait_for_selector(".histo svg")
            return page

        yield open_


def place(page: Any, plane: str, across: float, down: float) -> tuple[float, float]:
    """A part of a view, from 0 to 1, as a position in the window."""
    box = page.locator(f"[data-plane={plane}]").bounding_box()
    return box["x"] + box["width"] * across, box["y"] + box["height"] * down


def drag(page: Any, plane: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*place(page, plane, *start))
    page.mouse.down()
    page.mouse.move(*place(page, plane, *end), steps=6)
    page.mouse.up()


def says(page: Any, plane: str, text: str) -> None:
    page.wait_for_selector(f"[data-plane={plane}] .vtag >> text={text}")


def yellow(page: Any, plane: str) -> float:
    """The part of a view that has the colour of the second class, filled or over grey."""
    picture = io.BytesIO(page.locator(f"[data-plane={plane}]").screenshot())
    pixels = np.asarray(Image.open(picture).convert("RGB"), np.int32)
    more = pixels[..., :2] - pixels[..., 2:]
    return float(((more[..., 0] > 30) & (more[..., 1] > 20)).mean())


def choose(page: Any, number: int) -> None:
    """Take a class by its key."""
    page.keyboard.press(str(number))
    page.wait_for_selector(f".cls:nth-child({number})[aria-selected=true]")


def until(page: Any, check: Callable[[], bool]) -> None:
    assert soon(page, check), "what was waited for did not come"


def test_a_volume_is_painted_in_two_planes_and_predicted_in_three(opened: Open, server: Server) -> None:
    page = opened("volume.tif")
    says(page, "xy", "z 10")
    says(page, "xz", "y 20")
    says(page, "zy", "x 30")
    page.wait_for_selector("text=Position of the slices")
    drag(page, "xy", (0.45, 0.45), (0.55, 0.5))
    wait_for_strokes(page, 2, 1)
    choose(page, 1)
    drag(page, "zy", (0.12, 0.2), (0.12, 0.8))  # z of about 2, outside of the object
    wait_for_strokes(page, 1, 1)
    for plane in ("xy", "xz", "zy"):
        # Far more than the stroke itself.
        until(page, lambda plane=plane: yellow(page, plane) > 0.04)  # type: ignore[misc]
    page.keyboard.press("Control+s")
    page.wait_for_selector(".saved >> text=Saved in volume.ilp")
    with h5py.File(next(server.home.rglob("volume.ilp"))) as file:
        blocks = [np.asarray(one) for one in file["PixelClassification/LabelSets/labels000"].values()]
    assert sorted({int(v) for block in blocks for v in np.unique(block)} - {0}) == [1, 2]


def test_the_crosshair_links_the_views_and_the_wheel_leafs_through_the_one_below_it(opened: Open) -> None:
    page = opened("volume.tif")
    page.keyboard.press("n")
    page.mouse.click(*place(page, "xy", 0.25, 0.3))
    page.wait_for_function("document.querySelector('[data-plane=zy] .vtag').innerText !== 'YZ x 30'")
    page.wait_for_function("document.querySelector('[data-plane=xz] .vtag').innerText !== 'XZ y 20'")
    before = [page.inner_text(f"[data-plane={plane}] .vtag") for plane in ("xz", "zy")]
    assert "z 10" in page.inner_text("[data-plane=xy] .vtag")
    page.mouse.move(*place(page, "zy", 0.5, 0.5))
    page.mouse.wheel(0, 120)
    x = int(before[1].split()[-1])
    says(page, "zy", f"x {x + 1}")
    assert page.inner_text("[data-plane=xz] .vtag") == before[0]
    page.mouse.click(*place(page, "xz", 0.5, 0.2))
    page.wait_for_selector(".dims .ax >> text=y")
    page.wait_for_function("document.querySelector('[data-plane=xy] .vtag').innerText !== 'XY z 10'")


def test_a_view_is_maximised_by_key_and_by_button_and_comes_back(opened: Open) -> None:
    page = opened("volume.tif")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("x")
    page.wait_for_selector("[data-plane=xy]", state="hidden")
    page.wait_for_selector("[data-plane=zy]", state="visible")
    page.wait_for_selector("text=Position of the slices", state="hidden")
    page.keyboard.press("x")
    page.wait_for_selector("[data-plane=xy]", state="visible")
    page.click("[data-plane=xz] .vmax")
    page.wait_for_selector("[data-plane=zy]", state="hidden")
    page.reload()  # the window comes back as it was
    page.wait_for_selector("[data-plane=xz] .vtag >> text=XZ")
    page.wait_for_selector("[data-plane=xy]", state="hidden")
    page.click("[data-plane=xz] [aria-label='All views']")
    page.wait_for_selector("[data-plane=zy]", state="visible")
    page.click("[role=switch][aria-label=Crosshair]")
    page.wait_for_selector("[role=switch][aria-label=Crosshair][aria-checked=false]")


def test_a_movie_has_a_slider_with_ticks_and_plays(opened: Open) -> None:
    page = opened("movie.tif")
    page.wait_for_selector(".dims >> text=0 / 5")
    drag(page, "xy", (0.3, 0.4), (0.35, 0.45))
    wait_for_strokes(page, 2, 1)
    page.focus("[aria-label=Time]")
    page.keyboard.press("End")
    page.wait_for_selector(".dims >> text=5 / 5")
    page.mouse.click(*place(page, "xy", 0.5, 0.9), button="middle")
    choose(page, 1)
    drag(page, "xy", (0.1, 0.8), (0.2, 0.8))
    wait_for_strokes(page, 1, 1)
    page.wait_for_function("document.querySelectorAll('.dims .tick').length === 2")
    ticks = page.evaluate(
        "[...document.querySelectorAll('.dims .tick')]"
        ".map((tick) => [tick.style.left, tick.style.getPropertyValue('--c')])"
    )
    assert [left for left, _ in ticks] == ["0%", "100%"] and len({colour for _, colour in ticks}) == 2
    page.click("[aria-label=Play]")
    for _ in range(2):  # round the end, twice: what was seen before plays on, too
        page.wait_for_selector(".dims >> text=1 / 5")
        page.wait_for_selector(".dims >> text=4 / 5")
    page.click("[aria-label=Pause]")


def test_many_channels_are_filtered_and_shown_alone(opened: Open) -> None:
    page = opened("many.ome.tif")
    page.wait_for_function("document.querySelectorAll('.chan').length === 11")
    page.fill("[aria-label='Filter the channels']", "cd")
    page.wait_for_function("document.querySelectorAll('.chan').length === 6")
    page.click(".chan >> text=CD68")
    page.wait_for_selector(".chan[aria-selected=true] >> text=alone")
    page.fill("[aria-label='Filter the channels']", "")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("g")
    page.wait_for_selector(".chan[aria-selected=true] >> text=Ki67")
    page.keyboard.press("Shift+G")
    page.keyboard.press("Shift+G")
    page.wait_for_selector(".chan[aria-selected=true] >> text=CD45")
    page.click(".chan >> text=CD45")  # again: all of them
    page.wait_for_selector("[aria-label='Hide DAPI']")


def test_no_view_is_larger_than_its_place_in_a_small_window(opened: Open) -> None:
    page = opened("volume.tif")
    page.set_viewport_size({"width": 1280, "height": 580})
    page.wait_for_selector(".rail", state="visible")
    assert settled_audit(page) == []
    main = page.locator(".viewer-area").bounding_box()
    for plane in ("xy", "xz", "zy"):
        box = page.locator(f"[data-plane={plane}]").bounding_box()
        assert box["width"] > 150 and box["height"] > 100
        assert box["x"] + box["width"] <= main["x"] + main["width"] + 1
        assert box["y"] + box["height"] <= main["y"] + main["height"] + 1
