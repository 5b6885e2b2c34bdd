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

from browser.running import NEEDS_CHROMIUM, Server, soon, until
from browser.windows import audited, browser_context

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """The sample project, its classifier as it came; all tests go on where the last one ended."""
    with browser_context(chromium, permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        page.goto(server.address)
        page.click("text=Try the sample")
        page.wait_for_selector(".cls")
        yield page


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
    expected = ["nuclei_1_segmentation.tif", "nuclei_2_segmentation.tif", "run.json"]
    assert soon(page, lambda: results(server) == expected), "what was done is told once all are done"
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
    page.wait_for_function("document.activeElement.innerText.trim() === 'NumPy (.npy)'")
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
    page.wait_for_selector("button.primary:has-text('Export 1 image'):disabled")
    assert audited(page) == []
    page.click("button:text-is('Reset')")
    page.wait_for_selector(".expform .path:has-text('segmentation')")
    page.wait_for_selector("button.primary:has-text('Export 1 image'):enabled")


def test_a_path_that_is_typed_stays_while_an_answer_of_the_server_comes(page: Any) -> None:
    late: list[Any] = []

    def hold(route: Any) -> None:
        """The first answer comes late, others at once."""
        if late:
            route.continue_()
        else:
            late.append(route)

    page.route("**/exports/look", hold)
    page.click("button:text-is('Reset')")
    assert soon(page, lambda: bool(late))
    page.fill("#export-path", "{nickname}_mine")
    with page.expect_response("**/exports/texts"):
        late[0].continue_()
    page.unroute("**/exports/look")
    page.wait_for_timeout(100)
    assert page.input_value("#export-path") == "{nickname}_mine"
    page.press("#export-path", "Enter")
    page.wait_for_selector(".expform .path:has-text('nuclei_1_mine.tif')")
    page.click("button:text-is('Reset')")
    page.wait_for_selector(".expform .path:has-text('nuclei_1_segmentation')")


def test_a_choice_is_there_again_after_a_reload_that_came_at_once(page: Any) -> None:
    page.click("button[aria-label^='Format: '], button:has-text('TIFF, compressed')")
    page.wait_for_selector("[role=menuitemcheckbox]:has-text('HDF5')")
    # The page ends before anything could be sent.
    page.evaluate(
        """() => {
          const found = [...document.querySelectorAll("[role=menuitemcheckbox]")];
          found.find((one) => one.innerText.trim() === "HDF5").click();
          location.reload();
        }"""
    )
    page.wait_for_selector(".expform .path:has-text('nuclei_1_segmentation.h5')")
    stored = "fetch(`/api${location.pathname}/exports`).then((answer) => answer.json())"
    until(page, f"async () => (await {stored}).stored.format === 'hdf5'")
    page.click("button:text-is('Reset')")
    page.wait_for_selector(r".expform .path >> text=/nuclei_1_segmentation\S*\.tif/")


def test_a_choice_is_there_though_the_window_was_closed_at_once(page: Any, server: Server) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    other.click(".step:nth-child(4)")
    other.wait_for_selector(".expform .path")
    other.fill("#export-path", "closed/{nickname}_{roi}")
    other.keyboard.press("Enter")
    other.close(run_before_unload=True)
    page.wait_for_function("document.querySelector('#export-path').value === 'closed/{nickname}_{roi}'")
    page.wait_for_selector(".expform .path:has-text('nuclei_1_whole.tif')")
    page.click("button:text-is('Reset')")
    page.wait_for_selector(".expform .path:has-text('nuclei_1_segmentation')")


def test_the_small_picture_is_that_of_the_region(page: Any) -> None:
    picture = (
        "[...document.querySelectorAll('.preview.result img')].map(e => [e.naturalWidth, e.naturalHeight])[0]"
    )
    page.wait_for_function(f"String({picture}) === '240,180'")
    page.click("[aria-label^='Region: ']")
    page.click("text=A part, in pixels")
    page.fill("[aria-label^='x from']", "20")
    page.fill("[aria-label^='x to']", "70")
    page.keyboard.press("Enter")
    page.fill("[aria-label^='y to']", "40")
    page.keyboard.press("Enter")
    page.wait_for_function(f"String({picture}) === '50,40'")
    page.wait_for_selector("text=The region alone.")
    page.click("button:text-is('Reset')")
    page.wait_for_function(f"String({picture}) === '240,180'")


def test_results_are_listed_and_deleted(page: Any, server: Server) -> None:
    before = results(server)
    assert {"nuclei_1_probabilities.npy", "nuclei_1_segmentation.tif"} <= set(before)
    page.click("button:has-text('Delete ...')")
    page.wait_for_selector(".filelist.results .fileline:has-text('nuclei_1_probabilities.npy')")
    assert audited(page) == []
    page.click(".dialog .foot >> text=Cancel")
    assert results(server) == before
    page.click("button:has-text('Delete ...')")
    page.click(".dialog .danger:has-text('Delete 1 result')")
    page.wait_for_selector(".dialog", state="detached")
    assert soon(page, lambda: "nuclei_1_probabilities.npy" not in results(server))
    assert "nuclei_1_segmentation.tif" in results(server), "the command wrote it, not the window"


def test_objects_are_of_the_classes_that_are_chosen(page: Any, server: Server) -> None:
    rows = "[aria-label='Classes that objects are made of'] [role=checkbox]"

    def command(**json: Any) -> None:
        page.evaluate("async (json) => (await import('underbrush-panels')).app().command(json)", json)

    page.click("[role=radio]:has-text('Objects')")
    page.wait_for_selector(f"{rows}[aria-checked=true][aria-disabled=true]:has-text('nucleus')")
    page.click(f"{rows}:has-text('background')")
    page.click(f"{rows}:has-text('nucleus')")
    page.click(f"{rows}:has-text('background')", force=True)
    page.wait_for_selector(f"{rows}[aria-checked=true][aria-disabled=true]:has-text('background')")
    assert audited(page) == []
    page.click("button.primary:has-text('Export 1 image')")
    page.wait_for_selector("td:has-text('nuclei_1_objects.tif') + td:has-text('done')")
    objects, classes = (
        tifffile.imread(folder_of(server) / "sample_results" / f"nuclei_1_{result}.tif")
        for result in ("objects", "segmentation")
    )
    assert np.array_equal(objects > 0, classes == 1)
    page.click("text=Copy command")
    copied = "navigator.clipboard.readText()"
    until(page, f"async () => (await {copied}).includes('--result objects')")
    assert "--classes background" in page.evaluate(copied)
    command(type="add_class", name="Rim")
    page.click(f"{rows}:has-text('Rim')")
    page.click(".step:nth-child(5)")
    page.wait_for_selector(".kv:visible >> text=background, Rim")
    page.click(".step:nth-child(4)")
    command(type="delete_class", id=3)
    page.wait_for_selector("[role=alert]:has-text('is no longer in the project')")
    page.wait_for_selector("button.primary:has-text('Export 1 image'):disabled")
    page.click(f"{rows}:has-text('background')")
    page.wait_for_selector("button.primary:has-text('Export 1 image'):enabled")
    page.wait_for_selector(f"{rows}[aria-disabled=true]:has-text('background')")
    page.click("button:text-is('Reset')")
    page.wait_for_selector(".expform .path:has-text('segmentation')")


def test_the_export_of_new_projects_is_set_once(page: Any, server: Server) -> None:
    page.click(".menu >> text=Edit")
    page.click("text=Settings ...")
    page.wait_for_selector("#usual-path")
    page.fill("#usual-path", "{nick}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".usual [role=alert]:has-text('Unknown placeholder {nick} in the path;')")
    page.fill("#usual-path", "out/{nickname}_{result}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".usual [role=alert]", state="detached")
    config = next(server.home.rglob("config.toml"))
    assert config.read_text("utf-8") == 'export_name = "out/{nickname}_{result}"\n'
    assert audited(page) == []
    page.click("button:text-is('Usual settings')")
    page.wait_for_function("document.querySelector('#usual-path').value.startsWith('{project}_results/')")
    assert config.read_text("utf-8") == ""
    page.keyboard.press("Escape")


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
    page.click("[aria-label='Open w1.tif']")
    page.wait_for_selector(".lane[aria-current=true]:has-text('w1')")
    page.click(".step:nth-child(5)")
    page.click("[aria-label='Open w1.tif']")
    page.wait_for_selector(".step:nth-child(3)[aria-current=step]")
    assert page.locator(".lane:has-text('w1')").count() == 1, "it is not added twice"
    page.focus(".viewer >> nth=0")
    page.keyboard.press("Control+z")
    page.wait_for_selector(".lane:has-text('w1')", state="detached")
    page.click(".step:nth-child(5)")


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
    page.wait_for_selector("[role=dialog]", state="detached")
    named = "document.querySelector(\"[aria-label='Folder, file or pattern']\").value"
    page.wait_for_function(f"([path]) => {named} === path", arg=[str(server.home / "screen")])
    page.wait_for_selector("tr:has-text('w4.tif')")


def test_files_unlike_the_training_images_are_told_before_anything_is_computed(
    page: Any, server: Server
) -> None:
    pixels = tifffile.imread(folder_of(server) / "nuclei_1.tif")
    unlike = server.home / "unlike"
    unlike.mkdir()

    def write(name: str, values: Any, micrometres: float = 0.65, axes: str = "YX") -> None:
        per = (1 / micrometres, 1 / micrometres)
        tifffile.imwrite(
            unlike / name, values, imagej=True, resolution=per, metadata={"axes": axes, "unit": "um"}
        )

    write("like.tif", pixels[::-1])
    write("channels.tif", np.stack([pixels] * 3), axes="CYX")
    write("type.tif", (pixels // 64).astype(np.uint8))
    write("range.tif", np.minimum(pixels.astype(np.uint32) * 9, 65535).astype(np.uint16))
    write("size.tif", pixels, 0.2)
    before = results(server)
    page.click(".step:nth-child(5)")
    page.fill("[aria-label='Folder, file or pattern']", str(unlike))
    page.keyboard.press("Enter")
    page.wait_for_selector(".right h3:text-is('5 files against the training images')")
    page.wait_for_selector("button.primary:text-is('Start'):enabled")
    for name in ("channels", "type", "range", "size"):  # each row is told as soon as its file was read
        page.wait_for_selector(f"tr.row:has-text('{name}.tif') .said .trunc:not(:empty)")
    told = {
        name: page.inner_text(f"tr.row:has-text('{name}.tif') .said")
        for name in ("like", "channels", "type", "range", "size")
    }
    assert told["like"] == ""
    assert "3 channels, training 1" in told["channels"]
    assert "uint8, training uint16" in told["type"]
    assert "intensity range" in told["range"] and "training" in told["range"]
    assert "0.2 µm" in told["size"] and "0.65 µm" in told["size"]
    for kind in ("Pixel size", "Channel count"):
        page.wait_for_selector(f".right .kv span:text-is('{kind}') + span:has-text('1 file differs')")
    page.click("text=Show only these")
    page.wait_for_selector("tr.row:has-text('like.tif')", state="detached")
    page.wait_for_function(
        "[...document.querySelectorAll('tr.row')].filter((row) => row.checkVisibility()).length === 4"
    )
    page.click("tr.row:has-text('size.tif')")
    page.wait_for_selector(".right .kv:has-text('0.2 µm')")
    assert audited(page) == []
    page.click("text=Show only these")
    assert results(server) == before


def test_a_batch_is_cancelled_and_resumed(page: Any, server: Server) -> None:
    pixels = tifffile.imread(folder_of(server) / "nuclei_1.tif")
    many = server.home / "many"
    many.mkdir()
    for n in range(8):
        tifffile.imwrite(many / f"m{n}.tif", np.tile(np.roll(pixels, 17 * n, 0), (4, 4)))
    page.click(".step:nth-child(5)")
    page.fill("[aria-label='Folder, file or pattern']", str(many))
    page.keyboard.press("Enter")
    page.wait_for_selector(".right h3:text-is('8 files against the training images')")
    page.click("button.primary:text-is('Start'):enabled")
    # Pressed in the page, as soon as the first is done: from here it might be too late.
    until(
        page,
        """async () => {
          const first = [...document.querySelectorAll("tr.row")].find((r) => r.innerText.includes("m0.tif"));
          const cancel = [...document.querySelectorAll("button.danger")].find((one) => one.checkVisibility());
          if (!first?.innerText.includes("done") || !cancel) return false;
          cancel.click();
          return true;
        }""",
    )
    page.wait_for_selector("tr.row:has-text('m7.tif'):has-text('cancelled')")
    page.click("button.primary:text-is('Resume'):enabled")
    page.wait_for_selector(".jobline:visible:has-text('8 of 8 files done'):has-text('of them before')")
    written = [folder_of(server) / "sample_results" / f"m{n}_segmentation.tif" for n in range(8)]
    assert all(tifffile.imread(file).shape == (1440, 1920) for file in written)
    assert soon(page, lambda: not [*written[0].parent.glob(".*"), *written[0].parent.glob("*.part")])
