"""Step 1 in a real browser with the real app: questions, properties, moved folders, by mouse and by keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from browser.running import NEEDS_CHROMIUM, Server, soon
from browser.windows import browser_context, open_images, settled_audit

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM

ROW = ".tbl.images tbody tr"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    noise = np.random.default_rng(1).integers(0, 200, (6, 120, 160), np.uint8)
    (home / "data").mkdir()
    for name in ("stack_a", "stack_b"):
        np.save(home / "data" / f"{name}.npy", noise)
    np.save(home / "mask.npy", (noise > 60).astype(np.uint8))
    for n in range(3):
        tifffile.imwrite(home / f"cell_{n}.tif", noise[n])
    return home


@pytest.fixture(scope="module")
def page(chromium: Any, server: Server, home: Path) -> Iterator[Any]:
    """One page that goes through all tests, in their order."""
    with browser_context(chromium) as context:
        page = context.new_page()
        open_images(page, server.address, *(home / "data" / f"stack_{k}.npy" for k in "ab"))
        yield page


def cells(page: Any, column: int) -> list[str]:
    texts: list[str] = page.locator(f"{ROW} td:nth-child({column})").all_inner_texts()
    return texts


def test_one_answer_settles_the_axes_of_all_files_of_a_kind(page: Any) -> None:
    page.click("text=Time points (t)")
    page.wait_for_selector("text=6 planes", state="detached")
    page.wait_for_function(
        f"[...document.querySelectorAll('{ROW} td:nth-child(3)')].every(e => e.innerText == 't y x')"
    )
    assert cells(page, 3) == ["t y x", "t y x"]
    page.wait_for_selector(".callout[role=group]", state="detached")


def test_several_rows_are_changed_at_once_and_a_wrong_answer_is_refused(page: Any) -> None:
    page.click(f"{ROW}:nth-child(1)")
    page.click(f"{ROW}:nth-child(2)", modifiers=["Shift"])
    page.wait_for_selector("text=Properties, 2 rows")
    page.fill("#p-axes", "zzx")
    page.wait_for_selector("text=Name each axis once.")
    page.fill("#p-axes", "z y x")
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"[...document.querySelectorAll('{ROW} td:nth-child(3)')].every(e => e.innerText == 'z y x')"
    )


def test_the_chosen_image_is_seen_below_the_table_as_its_axes_are(page: Any) -> None:
    page.click(f"{ROW}:nth-child(1)")
    page.wait_for_selector(".lookhead >> text=stack_a")
    first = look(page)
    assert (first > 0).any(), "noise is drawn"
    page.focus(".lookaxis [role=slider]")
    page.keyboard.press("End")
    page.wait_for_selector(".lookaxis >> text=5 / 5")
    assert (look(page, first) != first).any()
    page.fill("#p-axes", "t y x")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lookaxis >> text=Time")
    page.wait_for_selector(".lookaxis >> text=0 / 5")
    page.focus(ROW)
    page.keyboard.press("Control+z")
    page.wait_for_selector(".lookaxis >> text=Slice")
    page.click("[aria-label='Fold the picture']")
    page.wait_for_selector(".lookpicture", state="detached")
    page.click("[aria-label='Show the picture']")
    page.wait_for_selector(".lookpicture img")


def look(page: Any, unlike: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """The picture below the table once it is there, and is not ``unlike``."""
    page.wait_for_function("document.querySelector('.lookpicture img')?.complete")
    return still(page, page.locator(".lookpicture img"), unlike)


def test_values_and_datasets_are_columns_where_there_is_room(page: Any, home: Path) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.wait_for_selector(f"{ROW}:nth-child(1) td.values:text-is('0 to 199')")
    page.set_viewport_size({"width": 1280, "height": 580})
    page.wait_for_selector(f"{ROW}:nth-child(1) td.values", state="hidden")
    page.wait_for_selector(".props >> text=uint8, 0 to 199")
    page.click(f"{ROW}:nth-child(2)", modifiers=["Shift"])


@pytest.mark.parametrize("size", [(1440, 900), (1280, 580)])
def test_table_and_properties_are_legible_in_every_window(page: Any, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_selector("text=Properties, 2 rows")
    assert settled_audit(page) == []


def test_by_keys_alone_a_row_is_chosen_renamed_and_moved(page: Any) -> None:
    page.focus(f"{ROW}:nth-child(2)")
    page.keyboard.press("Escape")
    page.keyboard.press(" ")
    page.keyboard.press("Alt+ArrowUp")
    page.wait_for_function(f"document.querySelector('{ROW} td:nth-child(2)').innerText == 'stack_b'")
    page.focus("#p-name")
    page.keyboard.press("Control+a")
    page.keyboard.type("renamed")
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelector('{ROW} td:nth-child(2)').innerText == 'renamed'")


def test_a_mask_is_set_and_named(page: Any, home: Path) -> None:
    page.click("text=Add a mask")
    page.fill(".dialog input >> nth=0", str(home / "mask.npy"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".right p.fg:has-text('mask')")
    page.wait_for_selector(".right >> text=Replace")


def test_what_lies_outside_of_a_mask_is_veiled_until_its_eye_is_closed(page: Any) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.click(".step:nth-child(3)")
    page.click(".lane:has-text('renamed')")
    page.wait_for_selector(".layer:has-text('Mask')")
    page.mouse.move(5, 5)
    page.evaluate("async () => { await (await import('underbrush-panels')).app().viewer.settled(); }")
    viewer = page.locator(".viewer").first
    veiled = still(page, viewer)
    page.click("[aria-label='Hide mask']")
    bare = still(page, viewer, veiled)
    page.click("[aria-label='Show mask']")
    again = still(page, viewer, bare)
    # A third of the pixels is outside; what else moves (a tooltip, a line) is little.
    assert 5 * np.abs(again - veiled).mean() < np.abs(bare - veiled).mean()
    page.click(".step:nth-child(1)")


def still(page: Any, element: Any, unlike: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """What is seen of an element when it does not change any more, and is not ``unlike``."""
    before = seen(element)
    while True:
        page.wait_for_timeout(150)
        now = seen(element)
        if np.array_equal(now, before) and (unlike is None or np.abs(now - unlike).mean() > 1):
            return now
        before = now


def seen(element: Any) -> NDArray[np.int16]:
    """The pixels of an element, rows x columns x colours."""
    return np.asarray(imagecodecs.png_decode(element.screenshot()), np.int16)


def test_who_types_a_path_keeps_the_field_though_the_folder_is_listed_late(page: Any, home: Path) -> None:
    page.route("**/api/browse*", lambda route: (page.wait_for_timeout(300), route.continue_()))
    page.click(".left .btn:has-text('Browse')")
    page.fill(".dialog input >> nth=0", str(home / "cell_"))
    page.wait_for_selector(".dialog [role=option]")
    page.keyboard.type("0.tif")
    assert page.input_value(".dialog input >> nth=0") == str(home / "cell_0.tif")
    page.keyboard.press("Escape")
    page.unroute("**/api/browse*")


def test_files_of_a_sequence_become_one_image(page: Any, home: Path) -> None:
    page.fill(".left input", str(home / "cell_*.tif"))
    page.click("text=Sequence")
    page.click("text=Slices, along z")
    page.wait_for_selector(f"{ROW}:nth-child(3) >> text=cell")
    page.wait_for_selector(f"{ROW}:nth-child(3) td:nth-child(4):has-text('3 × 120 × 160')")


def test_a_moved_folder_is_mended_by_naming_one_of_its_files(page: Any, server: Server, home: Path) -> None:
    # A file that is open is still read after it was moved; the next opening misses it.
    url = page.url
    page.goto("about:blank")  # the window that was open would come back by itself
    server.stop()
    (home / "data").rename(home / "moved")
    server.start()
    page.goto(url)
    page.click(".step:nth-child(1)")
    page.wait_for_selector("text=missing")
    page.click(f"{ROW}:nth-child(1) >> text=Repair")
    page.fill(".dialog input >> nth=0", str(home / "moved" / "stack_b.npy"))
    page.keyboard.press("Enter")
    page.wait_for_selector("text=2 found again.")
    page.wait_for_selector("text=missing", state="detached")


def test_a_file_of_several_images_is_asked_about_and_those_chosen_are_added(page: Any, home: Path) -> None:
    with h5py.File(home / "two.h5", "w") as file:
        file["raw"] = np.zeros((6, 120, 160), np.uint8)
        file["more/again"] = np.ones((6, 120, 160), np.uint8)
    before = page.locator(ROW).count()
    page.fill('input[aria-label^="Path, URL or pattern"]', str(home / "two.h5"))
    page.click(".left .btn:has-text('Add')")
    options = page.locator('[role=listbox][aria-label="Images of the file"] [role=option]')
    options.nth(1).wait_for()
    assert [" ".join(text.split()) for text in options.all_inner_texts()] == [
        "more/again z y x 6 × 120 × 160, uint8",
        "raw z y x 6 × 120 × 160, uint8",
    ]
    page.wait_for_selector("button:has-text('Take it'):disabled")
    options.nth(0).click()
    options.nth(1).click(modifiers=["Control"])
    page.click("text=Take 2 images")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {before + 2}")
    page.wait_for_selector('[aria-label="Images of the file"]', state="hidden")
    page.fill('input[aria-label^="Path, URL or pattern"]', f"{home}/two.h5/raw")
    page.click(".left .btn:has-text('Add')")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {before + 3}")
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.wait_for_selector(f"{ROW} td.inner:text-is('more/again')")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_selector(f"{ROW} td.inner >> nth=0", state="hidden")


def test_a_folder_of_zarr_is_an_image_in_the_list_of_files(page: Any, home: Path) -> None:
    zarr.save_array(home / "volume.zarr", np.zeros((6, 120, 160), np.uint8))
    before = page.locator(ROW).count()
    page.click(".left .btn:has-text('Browse')")
    page.click(f'.fileline[data-path="{home}/volume.zarr"]')
    page.click(".foot .btn.primary:visible")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {before + 1}")


def test_a_folder_of_zarr_that_is_dropped_is_found_and_another_folder_refused(page: Any, home: Path) -> None:
    zarr.save_array(home / "data" / "dropped.zarr", np.zeros((6, 120, 160), np.uint8))
    before = page.locator(ROW).count()
    drop = """name => {
        const item = {kind: "file", getAsFile: () => new File([], name)};
        item.webkitGetAsEntry = () => ({isDirectory: true});
        const event = new Event("drop", {cancelable: true});
        event.dataTransfer = {types: ["Files"], items: [item], files: []};
        window.dispatchEvent(event);
    }"""
    page.evaluate(drop, "dropped.zarr")
    page.click("text=Use it in place")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {before + 1}")
    page.evaluate(drop, "plain")
    page.wait_for_selector(".toast >> text=plain is a folder")
    page.evaluate(drop, "nowhere.zarr")
    page.wait_for_selector(".toast >> text=nowhere.zarr is a folder that was not found")


def test_a_file_dropped_onto_a_row_replaces_its_image_once_that_was_told(page: Any, home: Path) -> None:
    count = page.locator(ROW).count()
    first = cells(page, 2)[0]
    np.save(home / "other.npy", np.full((6, 120, 160), 7, np.uint8))
    drop_on = """([name, size, modified, kind]) => {
        const file = new File([], name, {lastModified: modified});
        Object.defineProperty(file, "size", {value: size});
        const event = new Event(kind, {cancelable: true, bubbles: true});
        const item = {kind: "file", getAsFile: () => file};
        event.dataTransfer = {types: ["Files"], items: [item], files: [file]};
        document.querySelector(".tbl.images tbody tr:nth-child(1) td:nth-child(2)").dispatchEvent(event);
    }"""
    seen = (home / "other.npy").stat()
    about = ["other.npy", seen.st_size, int(seen.st_mtime * 1000)]
    page.evaluate(drop_on, [*about, "dragover"])
    page.wait_for_selector(f"text=Drop to replace {first}, beside the rows to add")
    page.evaluate(drop_on, [*about, "drop"])
    page.wait_for_selector(f".dialog h2:text-is('Replace {first} by other.npy?')")
    page.wait_for_selector(f".dialog >> text=/{first} is .*stack_.\\.npy now/")
    page.click(".dialog .btn:text-is('Cancel')")
    page.wait_for_selector(".dialog", state="detached")
    assert "other.npy" not in page.inner_text(f"{ROW}:nth-child(1)")
    page.evaluate(drop_on, [*about, "drop"])
    page.click(".dialog .btn:text-is('Replace')")
    page.click(".dialog .btn:text-is('Use it in place')")
    page.wait_for_selector(f"{ROW}:nth-child(1):has-text('other.npy')")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {count}")
    page.wait_for_selector(f"{ROW}:nth-child(1) td:nth-child(2):has-text('{first}')")


def test_a_level_is_chosen_in_the_properties(page: Any, home: Path) -> None:
    with tifffile.TiffWriter(home / "levels.tif") as out:
        out.write(np.zeros((256, 512), np.uint8), subifds=1, tile=(64, 64), photometric="minisblack")
        out.write(np.zeros((128, 256), np.uint8), subfiletype=1, tile=(64, 64), photometric="minisblack")
    open_images(page, page.url, home / "levels.tif")
    page.click(ROW)
    page.click(".props button:has-text('full of 2')")
    page.click("text=1: 128 × 256")
    page.wait_for_selector(f"{ROW} >> text=128 × 256")
    page.wait_for_selector(f"{ROW} >> text=1 of 0 to 1")


def test_the_size_of_a_pixel_is_typed_changed_and_undone(page: Any) -> None:
    page.fill("#p-flat", "0,5")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{ROW} >> text=0.5 µm")
    page.click(".props button:has-text('µm')")
    page.click("[role^=menuitem]:has-text('nm')")
    page.wait_for_selector(f"{ROW} >> text=0.5 nm")
    # Two fields, the second typed while the first is on its way: both count.
    page.fill("#p-flat", "0.7")
    page.keyboard.press("Tab")
    page.fill("#p-name", "typed")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{ROW} >> text=0.7 nm")
    page.wait_for_selector(f"{ROW} >> text=typed")
    page.fill("#p-flat", "-3")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=A pixel size is a number above 0")
    page.wait_for_function("document.querySelector('#p-flat').value === '0.7'")
    page.focus(ROW)
    for _ in range(3):
        page.keyboard.press("Control+z")
    page.wait_for_selector(f"{ROW} >> text=0.5 µm")


def test_an_image_goes_into_the_project_and_out_again(page: Any, home: Path) -> None:
    page.click(".props button:has-text('Link, ')")
    page.click("text=Embedded, a copy in the project")
    page.wait_for_selector(f"{ROW} >> text=embedded")
    page.click(".props button:has-text('Embedded')")
    page.click("text=Written out, as a file beside it")
    page.wait_for_selector(f"{ROW} >> text=levels.h5/data")
    page.wait_for_selector(f"{ROW} >> text=0.5 µm")


def test_several_files_take_the_place_of_an_image(page: Any, home: Path) -> None:
    page.click(".bar .btn:has-text('Replace')")
    page.fill(".dialog input >> nth=0", str(home / "cell_*.tif"))
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{ROW} >> text=3 × 120 × 160")


def test_a_project_goes_on_under_another_name_and_is_packed(page: Any, home: Path) -> None:
    (home / "study").mkdir()
    page.click(".menu >> text=Project")
    page.click("text=Save as ...")
    page.click(".crumbs >> text=home")
    page.click(".dialog .fileline:has-text('study')")
    page.wait_for_selector("text=No folders in here")
    page.fill("[aria-label='Name of the file']", "second")
    page.keyboard.press("Enter")
    page.wait_for_selector(".topbar >> text=second.ilp")
    assert soon(page, (home / "study" / "second.ilp").is_file)
    page.click(".menu >> text=Project")
    page.click("text=Pack with images ...")
    page.wait_for_selector("text=The images are")
    page.wait_for_selector(".crumbs >> text=study")
    page.wait_for_function("document.activeElement.ariaLabel === 'Name of the file'")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast >> text=Packed as")
    assert (home / "study" / "second.ilp.zip").is_file()


def test_a_new_project_without_images_says_what_to_do_and_takes_some(page: Any, home: Path) -> None:
    page.click(".menu >> text=Project")
    page.click("text=New empty project ...")
    page.wait_for_selector(".dialog .fileline:has-text('study')")
    page.fill("[aria-label='Name of the file']", "third")
    page.keyboard.press("Enter")
    page.wait_for_selector(".topbar >> text=third.ilp")
    page.click(".step:nth-child(1)")
    page.wait_for_selector(".page >> text=No images yet.")
    page.fill('input[aria-label^="Path, URL or pattern"]', str(home / "cell_0.tif"))
    page.click(".left .btn:has-text('Add')")
    page.wait_for_selector(f"{ROW} >> text=cell_0")
    page.wait_for_function("document.querySelector('.step:nth-child(2)').innerText.includes('49')")


def test_another_project_is_looked_at_and_imported(page: Any, home: Path) -> None:
    before = page.locator(ROW).count()
    page.click(".menu >> text=Project")
    page.click("text=Import from a project ...")
    page.fill(".dialog input >> nth=0", str(home / "study" / "second.ilp"))
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Import from second.ilp")
    page.wait_for_selector(".importlists .fileline:has-text('Background')")
    assert settled_audit(page) == []
    page.click(".dialog .primary:has-text('Import')")
    page.wait_for_selector(".toast:has-text('from second.ilp. 1 image added')")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {before + 1}")
    page.keyboard.press("Control+z")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {before}")
    page.wait_for_selector(".toast", state="detached")  # its Undo would take back something else
    page.keyboard.press("Control+Shift+z")
    page.wait_for_function(f"document.querySelectorAll('{ROW}').length === {before + 1}")
