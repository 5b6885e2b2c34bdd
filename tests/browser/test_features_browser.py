"""Step 2 in a real browser with the real engine: choosing features, and looking at them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from browser.running import NEEDS_CHROMIUM, Server, soon
from browser.windows import browser_context, open_path, running
from underbrush.core.features.compute import compute_features
from underbrush.core.features.selection import FeatureTerm

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    image = np.random.default_rng(1).integers(0, 60, (80, 110), np.uint8)
    image[20:50, 60:95] += 150
    tifffile.imwrite(
        home / "cells.tif", image, imagej=True, resolution=(2, 2), metadata={"axes": "YX", "unit": "um"}
    )
    with running(home) as server:
        yield server


@pytest.fixture(scope="module")
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """One page that goes through all tests, in their order."""
    with browser_context(chromium) as context:
        page = context.new_page()
        open_path(page, server.address, server.home / "cells.tif")
        page.keyboard.press("Enter")
        page.click(".step:nth-child(2)")
        page.wait_for_selector(".featureimage")
        yield page


def cell(page: Any, filter_: str, scale: str) -> Any:
    return page.locator(f"[role=checkbox][aria-label='{filter_} {scale} px']")


def shot(page: Any) -> Any:
    """What the window shows, as (rows, columns, RGB)."""
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), np.int32)


def test_the_sheet_tells_counts_and_what_they_cost(page: Any) -> None:
    page.wait_for_selector(".sheet .foot >> text=49 features")
    page.wait_for_selector(".sheet .foot >> text=ms per Mpx")
    page.wait_for_function("document.querySelectorAll('.featureimage').length === 49")
    impossible = cell(page, "Laplacian of Gaussian", "0.3")
    assert impossible.get_attribute("aria-disabled") == "true"
    assert "too small for this filter" in impossible.get_attribute("data-tip")
    page.wait_for_selector(".mx thead >> text=0.50")  # micrometres of 1.0 px


def test_a_feature_image_is_shown_with_its_values_and_its_reach(page: Any, server: Server) -> None:
    before = shot(page)
    page.click(".featureimages [aria-label='Gaussian gradient magnitude'] >> text=1.6 px")
    page.wait_for_selector(".featuretag >> text=Gaussian gradient magnitude, 1.6 px")
    page.wait_for_selector(".featurerange [aria-label=White]")
    surface = page.locator("[data-plane=xy]").bounding_box()
    x, y = surface["x"] + surface["width"] * 0.8, surface["y"] + surface["height"] * 0.55
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.wait_for_selector(".disc >> text=reach 6 px, 3.0 µm")
    page.wait_for_function("/magnitude, 1.6 px [\\d.]+/.test(document.querySelector('.status').innerText)")
    words = page.inner_text(".status").split()
    at = {axis: int(words[words.index(axis) + 1]) for axis in ("x", "y")}
    shown = float(words[words.index("px") + 1])
    image = tifffile.imread(server.home / "cells.tif").astype(np.float32)[None, None]
    everything = (slice(0, 1), slice(0, 80), slice(0, 110))
    term = FeatureTerm("GaussianGradientMagnitude", 1.6, in_2d=True)
    expected = compute_features(image, (term,), everything)[0, 0, at["y"], at["x"]]
    assert shown == pytest.approx(float(expected), rel=1e-3)
    assert soon(page, lambda: float(np.abs(shot(page) - before).max(axis=-1).mean()) > 5)
    page.click(".featureimage[aria-pressed=true]")
    page.wait_for_selector(".featuretag", state="detached")


def test_painting_over_cells_and_heads_is_one_choice(page: Any) -> None:
    start, end = (
        cell(page, "Laplacian of Gaussian", "0.7").bounding_box(),
        cell(page, "Difference of Gaussians", "1.6").bounding_box(),
    )
    page.mouse.move(start["x"] + 10, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(start["x"] + 10, end["y"] + 10, steps=12)
    page.mouse.move(end["x"] + 10, end["y"] + 10, steps=12)
    page.mouse.up()
    page.wait_for_selector(".sheet .foot >> text=44 features")
    page.click(".headcell >> text=Texture")  # all on: off
    page.wait_for_selector(".sheet .foot >> text=20 features")
    page.click("[data-tip='All filters at 10.0 px']")  # some off: on
    page.wait_for_selector(".sheet .foot >> text=24 features")
    page.click(".sheet .foot >> text=Cancel")
    page.wait_for_selector(".sheet .foot >> text=49 features")


def test_scales_are_added_changed_and_removed_in_pixels_and_micrometres(page: Any) -> None:
    page.click(".unitswap")
    page.fill("[aria-label='New scale in micrometres']", "1")  # 2 px
    page.keyboard.press("Enter")
    page.click("[aria-label='Change 2.0 px']")
    page.wait_for_selector(".scalefield:focus")
    page.keyboard.type("2.5")
    page.keyboard.press("Enter")
    page.wait_for_selector("[aria-label='Remove 2.5 px']")
    for scale in ("0.3", "0.7", "5.0", "10.0"):
        page.click(f"[aria-label='Remove {scale} px']")
    cell(page, "Gaussian smoothing", "2.5").click()
    page.wait_for_selector(".sheet .foot >> text=25 features")
    page.click("text=Use these")
    page.wait_for_function("document.querySelectorAll('.featureimage').length === 25")
    page.wait_for_selector(".radio.on >> text=Last used")
    page.click(".radio >> text=Recommended")
    page.wait_for_function("document.querySelectorAll('.featureimage').length === 49")
    page.click(".radio >> text=Last used")
    page.wait_for_function("document.querySelectorAll('.featureimage').length === 25")


def test_the_list_is_filtered_and_a_feature_that_is_gone_is_not_shown(page: Any) -> None:
    page.fill("[aria-label='Filter the feature images']", "hessian")
    page.wait_for_function("document.querySelectorAll('.featureimage').length === 6")
    page.click(".featureimage >> text=1.0 px, 2nd")
    page.wait_for_selector(".featuretag >> text=Hessian of Gaussian eigenvalues, 1.0 px, 2nd")
    page.click(".radio >> text=None")
    page.wait_for_selector(".featuretag", state="detached")
    page.wait_for_selector("text=No features are chosen")
    page.fill("[aria-label='Filter the feature images']", "")
    page.click(".radio >> text=Recommended")


def test_nothing_is_painted_while_features_are_chosen(page: Any) -> None:
    surface = page.locator("[data-plane=xy]").bounding_box()
    x, y = surface["x"] + surface["width"] * 0.8, surface["y"] + surface["height"] * 0.5
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 20, steps=4)
    page.mouse.up()
    page.click(".step:nth-child(3)")
    page.wait_for_selector(".seg button[aria-pressed=true]")
    page.wait_for_selector(".app[data-step='3']")
    assert page.inner_text(".cls[data-class='2'] .st") == "0"
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y + 20, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector(`.cls[data-class='2'] .st`).innerText === '1'")


def test_without_features_nothing_is_trained_and_it_is_said(page: Any) -> None:
    surface = page.locator("[data-plane=xy]").bounding_box()
    x, y = surface["x"] + surface["width"] * 0.8, surface["y"] + surface["height"] * 0.5
    page.keyboard.press("1")
    page.wait_for_selector(".cls:nth-child(1)[aria-selected=true]")
    page.mouse.move(x - 90, y - 60)
    page.mouse.down()
    page.mouse.move(x - 60, y - 60, steps=4)
    page.mouse.up()
    page.wait_for_selector(".right >> text=Out-of-bag error")
    page.click(".step:nth-child(2)")
    page.click(".radio >> text=None")
    page.wait_for_selector("text=No features are chosen")
    page.click(".step:nth-child(3)")
    page.wait_for_selector(".status .hint:has-text('features')")
    page.wait_for_selector(".right >> text=Nothing is trained yet")
    assert page.inner_text(".cls[data-class='2'] .st") == "1"
    page.keyboard.press("Control+z")
    page.wait_for_selector(".right >> text=Out-of-bag error")
    page.wait_for_selector(".status .hint:has-text('features')", state="detached")
