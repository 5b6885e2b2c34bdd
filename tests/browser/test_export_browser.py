"""Steps 4 and 5 in a real browser on a real server: by mouse and by keys, from the wish to the files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from test_app_browser import ARGUMENTS, CHROMIUM, Server

from browser.running import NEEDS_CHROMIUM

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = NEEDS_CHROMIUM

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8").partition("\n")[2]
SIZES = [(1440, 900), (1280, 580)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("home"))
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    """The sample project, its classifier as it came; all tests go on where the last one ended."""
    address = server.start()
    errors: list[str] = []
    with playwright.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        context = chromium.new_context(
            viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
        )
        page = context.new_page()
        page.set_default_timeout(45_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.click("text=Try the sample")
        page.wait_for_selector(".cls")
        yield page
        chromium.close()
    assert errors == []


def audited(page: Any) -> list[str]:
    """What is wrong with the page at both sizes."""
    found: list[str] = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        found += page.evaluate(AUDIT)
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    return found


def folder_of(server: Server) -> Path:
    return next(server.home.rglob("sample.ilp")).parent


def results(server: Server) -> list[str]:
    return sorted(f.name for f in (folder_of(server) / "sample_results").glob("*"))


def test_all_images_are_exported_with_one_press(page: Any, server: Server) -> None:
    page.click(".step:nth-child(4)")
    page.wait_for_selector(".expform .path:has-text('nuclei_1_segmentation.tif')")
    assert not (folder_of(server) / "sample_results").exists()
    assert audited(page) == []
    page.click("button.primary:has-text('Export 2 images')")
    page.wait_for_selector("td:has-text('nuclei_2_segmentation.tif') + td:has-text('done')")
    assert results(server) == ["nuclei_1_segmentation.tif", "nuclei_2_segmentation.tif", "run.json"]
    with tifffile.TiffFile(folder_of(server) / "sample_results" / "nuclei_1_segmentation.tif") as file:
        values = file.asarray()
    assert values.dtype == np.uint8 and set(np.unique(values)) == {1, 2}
    assert audited(page) == []


def test_the_copied_command_writes_the_same_bytes(page: Any, server: Server) -> None:
    page.click("text=Copy command")
    page.wait_for_selector("text=Command copied.")
    command = page.evaluate("navigator.clipboard.readText()")
    files = [folder_of(server) / "sample_results" / f"nuclei_{n}_segmentation.tif" for n in (1, 2)]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [file.read_bytes() for file in files] == before
    page.click("text=Copy methods text")
    page.wait_for_selector("text=Methods text copied.")
    assert "100 trees" in page.evaluate("navigator.clipboard.readText()")


def test_the_wish_is_chosen_by_keys_alone_and_kept_in_the_project(page: Any, server: Server) -> None:
    page.focus("[role=radio][aria-checked=true]:has-text('Segmentation')")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("[role=radio][aria-checked=true]:has-text('Probabilities')")
    page.wait_for_selector(".expform .path:has-text('nuclei_1_probabilities.tif')")
    page.focus("[aria-label^='Format: '], button:has-text('TIFF, compressed')")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=menuitemcheckbox]:has-text('PNG: not for this')[aria-disabled=true]")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.innerText").strip() == "NumPy (.npy)"
    page.keyboard.press("Enter")
    page.wait_for_selector(".expform .path:has-text('nuclei_1_probabilities.npy')")
    page.wait_for_selector("button:has-text('y x c, as the image')")
    page.reload()
    page.wait_for_selector(".expform .path:has-text('nuclei_1_probabilities.npy')")
    page.click("text=nuclei_1, in view")
    page.click("button.primary:has-text('Export 1 image')")
    page.wait_for_selector("td:has-text('nuclei_1_probabilities.npy') + td:has-text('done')")
    values = np.load(folder_of(server) / "sample_results" / "nuclei_1_probabilities.npy")
    assert values.shape == (360, 480, 2) and np.allclose(values.sum(-1), 1, atol=1e-5)


def test_what_cannot_be_says_why_and_cannot_be_pressed(page: Any) -> None:
    page.fill("#export-path", "{nickname}_{colour}")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]:has-text('unknown placeholder {colour}')")
    assert page.is_disabled("button.primary:has-text('Export 1 image')")
    assert audited(page) == []
    page.click("button:text-is('Reset')")
    page.wait_for_selector(".expform .path:has-text('segmentation')")
    assert page.is_enabled("button.primary:has-text('Export 1 image')")


def test_files_are_compared_computed_and_tried_again(page: Any, server: Server) -> None:
    screen = server.home / "screen"
    screen.mkdir()
    pixels = tifffile.imread(folder_of(server) / "nuclei_1.tif")
    for n in range(3):
        tifffile.imwrite(screen / f"w{n}.tif", np.roll(pixels, 31 * n, 0))
    tifffile.imwrite(screen / "w3.tif", (pixels // 32).astype(np.uint8))
    (screen / "w4.tif").write_bytes((screen / "w0.tif").read_bytes()[:900])
    page.click(".step:nth-child(5)")
    assert audited(page) == []
    page.fill("[aria-label='Folder, file or pattern']", str(screen))
    page.keyboard.press("Enter")
    page.wait_for_selector("tr:has-text('w3.tif'):has-text('uint8, training uint16')")
    page.wait_for_selector("button.primary:text-is('Start'):enabled")
    page.click("button.primary:text-is('Start')")
    page.wait_for_selector("text=4 of 5 files done, 1 failed")
    assert audited(page) == []
    assert [f"w{n}_segmentation.tif" in results(server) for n in range(5)] == [True] * 4 + [False]
    (screen / "w4.tif").write_bytes((screen / "w0.tif").read_bytes())
    page.click("[aria-label='Retry w4.tif']")
    page.wait_for_selector("text=5 of 5 files done")
    assert "w4_segmentation.tif" in results(server)
    page.click("text=Start again")
    page.wait_for_selector("text=5 of 5 files done, 5 of them before")


def test_rows_and_the_whole_folder_by_keys(page: Any, server: Server) -> None:
    page.focus("tr.row:has-text('w0.tif')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".right h3:has-text('w1.tif')")
    page.click("[data-for='5'] button:has-text('Browse')")
    page.wait_for_selector("[role=dialog] .fileline:has-text('screen')")
    page.dblclick("[role=dialog] .fileline:has-text('screen')")
    page.wait_for_selector("[role=dialog] .fileline:has-text('w2.tif')")
    page.click("text=The whole folder")
    page.wait_for_selector("tr:has-text('w4.tif')")
    assert page.input_value("[aria-label='Folder, file or pattern']") == str(server.home / "screen")
