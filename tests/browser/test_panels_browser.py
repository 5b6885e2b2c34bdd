"""The pages in a real browser, with a stand-in viewer: what a person sees, by mouse and by keys alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.running import NEEDS_CHROMIUM, PATIENCE, soon
from browser.windows import AUDIT, SIZES, settled_audit

pytest.importorskip("playwright.sync_api")
TESTS = Path(__file__).parent.parent
pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("home")
    for n in range(3):
        (folder / f"img{n}.tif").write_bytes(b"x" * 2000)
    (folder / "data").mkdir()
    (folder / "nuclei.ilp").write_bytes(b"x")
    command = [sys.executable, str(TESTS / "web" / "fakes.py"), str(folder), "0"]
    path = {**os.environ, "PYTHONPATH": str(TESTS)}
    server = subprocess.Popen(command, env=path, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    # The socket listens already: who connects waits until the pages are there.
    said = next((line for line in server.stdout if line.startswith("http://")), "")
    assert said, "the pages do not come up"
    yield said.strip()
    server.terminate()
    server.wait(PATIENCE)
    server.stdout.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": SIZES[0][0], "height": SIZES[0][1]})
    page.set_default_timeout(1000 * PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def project(page: Any, address: str) -> Any:
    page.goto(f"{address}/p/abcdefgh")
    page.wait_for_selector(".cls[aria-selected=true]")
    page.wait_for_selector("text=Out-of-bag error")
    page.wait_for_selector(".histo svg")
    return page


def sent(page: Any) -> list[dict[str, Any]]:
    """The commands that the viewer was given."""
    found: list[dict[str, Any]] = page.evaluate("fakeViewer.log")
    return found


def comes(page: Any, read: Callable[[], Any], expected: Any) -> None:
    """What is read is soon what is expected."""
    soon(page, lambda: read() == expected, 30)
    assert read() == expected


def focused(page: Any, what: str = "innerText") -> Callable[[], Any]:
    """Reads what the element with the focus says."""
    return lambda: page.evaluate(f"document.activeElement.{what}")


@pytest.mark.parametrize("size", [(1440, 900), (1280, 580), (3840, 2160)])
def test_every_screen_is_legible_named_and_inside_the_window(
    page: Any, address: str, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(address)
    page.wait_for_selector("text=browse this computer")
    assert settled_audit(page) == []
    page.goto(f"{address}/p/abcdefgh")
    page.wait_for_selector(".cls")
    for step in range(1, 6):
        page.click(f".step:nth-child({step})")
        page.wait_for_selector(f".app[data-step='{step}']")
        assert settled_audit(page) == [], f"step {step}"


def test_small_windows_fold_the_right_panel_and_the_rail_opens_it(project: Any) -> None:
    project.set_viewport_size({"width": 1280, "height": 580})
    project.wait_for_selector(".rail", state="visible")
    layer = "[aria-label='Segmentation as']"
    project.wait_for_selector(layer, state="hidden")
    project.click("[aria-label='Show layers and quality']")
    project.wait_for_selector(layer)
    assert settled_audit(project) == []


def test_tab_hides_both_panels_and_brings_them_back(project: Any) -> None:
    project.evaluate("document.activeElement.blur()")
    project.keyboard.press("Tab")
    project.wait_for_selector(".app.bare")
    for panel in ("Classes", "Layers"):
        project.wait_for_selector(f"text={panel}", state="hidden")
    project.keyboard.press("Tab")
    project.wait_for_selector("text=Classes", state="visible")


def test_menus_work_by_keys_alone(project: Any) -> None:
    project.focus("nav.menu button")
    project.keyboard.press("ArrowRight")
    project.keyboard.press("ArrowDown")
    project.wait_for_selector("[role=menu]")
    comes(project, lambda: focused(project)().startswith("Undo: Stroke in Foreground"), True)
    project.keyboard.press("ArrowRight")
    project.wait_for_selector("[role=menu][aria-label=View]")
    project.keyboard.press("Escape")
    comes(project, focused(project), "View")
    project.keyboard.press("ArrowLeft")
    project.keyboard.press("Enter")
    project.keyboard.press("Enter")
    comes(project, lambda: sent(project), [{"type": "do", "action": "undo"}])


def test_classes_by_keys_alone(project: Any) -> None:
    project.click("text=Add class")
    project.keyboard.type("Debris")
    project.keyboard.press("Enter")
    project.wait_for_function("document.activeElement.dataset.class === '3'")
    comes(project, lambda: sent(project), [{"type": "add_class", "name": "Debris"}])
    project.keyboard.press("Alt+ArrowUp")
    project.wait_for_function("fakeViewer.log.length === 2")
    comes(project, lambda: sent(project)[1], {"type": "move_class", "id": 3, "place": 1})
    project.wait_for_function("document.activeElement.dataset.class === '3'")
    project.keyboard.press("F2")
    project.keyboard.type("nothing")
    project.keyboard.press("Escape")
    assert len(sent(project)) == 2
    project.wait_for_function("document.activeElement.dataset.class === '3'")
    project.keyboard.press("Delete")
    project.wait_for_selector("text=Class Debris deleted.")
    project.click(".toast >> text=Undo")
    comes(project, lambda: [one["type"] for one in sent(project)[2:]], ["delete_class", "undo"])


def test_a_class_is_recoloured_locked_merged_cleared_and_dragged(project: Any) -> None:
    project.click(".cls:nth-child(1) .sw")
    project.keyboard.press("Escape")
    project.wait_for_selector(".swatches", state="detached")
    project.click(".cls:nth-child(1) .sw")
    project.click("h3:text-is('Layers')")  # a press anywhere else closes the colours, too
    project.wait_for_selector(".swatches", state="detached")
    project.click(".cls:nth-child(1) .sw")
    project.click(".swatches [aria-label='#46f0f0']")
    project.hover(".cls:nth-child(2)")
    project.click("[aria-label^='Lock Foreground']")
    for text in ("Clear its strokes in this image", "Background"):
        project.click("[aria-label='Class options']")
        project.click(f"[role=menuitem] >> text={text}")
    project.wait_for_function("fakeViewer.log.length === 4")
    comes(
        project,
        lambda: sent(project),
        [
            {"type": "edit_class", "id": 1, "colour": [70, 240, 240]},
            {"type": "edit_class", "id": 2, "locked": True},
            {"type": "clear_class", "id": 2, "lane": "a1"},
            {"type": "merge_class", "id": 2, "into": 1},
        ],
    )


def test_dragging_a_class_row_moves_it(project: Any) -> None:
    first = project.locator(".cls[data-class='1']").bounding_box()
    second = project.locator(".cls[data-class='2']").bounding_box()
    project.mouse.move(first["x"] + 80, first["y"] + 10)
    project.mouse.down()
    project.mouse.move(second["x"] + 80, second["y"] + 20, steps=5)
    project.mouse.up()
    project.wait_for_function("fakeViewer.log.length === 1")
    comes(project, lambda: sent(project), [{"type": "move_class", "id": 1, "place": 1}])


def test_a_refused_command_is_said_and_stays_until_closed(project: Any) -> None:
    project.dblclick(".cls[data-class='2'] .name")
    project.keyboard.type("refused")
    project.keyboard.press("Enter")
    project.wait_for_selector("text=There is a class of this name already; choose another.")
    project.click(".toast [aria-label=Close]")
    project.wait_for_selector(".toast", state="detached")


def test_a_name_is_text_and_never_markup(project: Any) -> None:
    project.dblclick(".cls[data-class='2'] .name")
    project.keyboard.insert_text("<img src=x onerror=window.hurt=1>")
    project.keyboard.press("Enter")
    project.wait_for_selector("text=<img src=x")
    assert project.evaluate("window.hurt") is None


def test_contrast_by_handle_by_key_and_by_typing(project: Any) -> None:
    def channel() -> dict[str, Any]:
        found: dict[str, Any] = project.evaluate("fakeViewer.layers().raw.channels[0]")
        return found

    box = project.locator(".histo").bounding_box()
    project.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20)
    project.mouse.down()
    project.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    project.mouse.up()
    comes(project, channel, {"low": 11, "high": 100})
    # Both count, also where the first of them lies beyond the other.
    project.fill("input[aria-label=Black]", "150")
    project.keyboard.press("Tab")
    comes(project, channel, {"low": 150, "high": 151})
    project.keyboard.type("180")
    project.keyboard.press("Enter")
    comes(project, channel, {"low": 150, "high": 180})
    project.focus(".histo .handle[aria-label=White]")
    project.keyboard.press("ArrowRight")
    comes(project, channel, {"low": 150, "high": 181})
    project.fill("input[aria-label=White]", "nonsense")
    project.keyboard.press("Enter")
    comes(project, lambda: project.input_value("input[aria-label=White]"), "181")
    comes(project, channel, {"low": 150, "high": 181})


def test_layers_follow_their_controls(project: Any) -> None:
    project.click("[aria-label='Hide labels']")
    project.click("[aria-label='Show probability']")
    project.focus("[aria-label='Opacity of segmentation']")
    project.keyboard.press("ArrowLeft")
    layers = project.evaluate("fakeViewer.layers()")
    assert layers["labels"]["visible"] is False
    for style, opacity in (("outline", 1), ("fill", 0.34)):  # a line at the strength of a fill is hardly seen
        project.click(f"text={style.capitalize()}")
        layers = project.evaluate("fakeViewer.layers()")
        assert layers["segmentation"] | {"style": style, "opacity": opacity} == layers["segmentation"]
    for mode in ("random", None):
        project.click("[aria-label='Layer options']")
        project.click("[role=menu] >> text=Random colours for numbered objects")
        assert project.evaluate("fakeViewer.layers().raw.mode") == mode
    raw = "(({mode, channels}) => [mode, channels[0]?.colour ?? null])(fakeViewer.layers().raw)"
    for chosen, look in (
        ("Tinted in a colour", ["single", [0, 222, 222]]),
        ("As a mask", ["mask", [0, 222, 222]]),
        ("Grey", ["single", None]),
    ):
        project.click("[aria-label='Layer options']")
        project.click(f"[role=menu] >> text={chosen}")
        assert project.evaluate(raw) == look
        assert project.is_visible("[aria-label='Colour of the raw image']") == (look[1] is not None)
    assert layers["probability:2"]["visible"] is True
    project.click("[aria-label='Fill Background in the result']")
    assert project.evaluate("fakeViewer.layers().segmentation.eyes") == {"1": True}


def test_a_view_has_a_window_of_its_own_that_goes_with_this_one(project: Any) -> None:
    project.click("[role=menubar] >> text=View")
    with project.expect_popup() as opening:
        project.click("[role=menu] >> text=This view in a window of its own")
    window = opening.value
    window.wait_for_function("window.fakeViewer && document.querySelector('.app.alone')")
    window.wait_for_selector(".status .inhand")
    assert not any(window.is_visible(part) for part in (".topbar", ".left", ".right", ".lanes"))
    assert window.evaluate(AUDIT) == []
    project.click("[aria-label='Background, value 1']")
    window.wait_for_selector(".inhand:has-text('Background')")
    window.evaluate("fakeViewer.setLayer('labels', {visible: false})")
    project.wait_for_selector("[aria-label='Show labels']")
    project.click("[aria-label='Show labels']")
    window.wait_for_function("fakeViewer.layers().labels.visible")
    project.click("[role=menubar] >> text=View")
    project.click("[role=menu] >> text=This view in a window of its own")
    assert len(project.context.pages) == 2, "the same view is the same window"
    window.close()


def test_tools_show_what_the_viewer_holds(project: Any) -> None:
    project.evaluate("document.activeElement.blur()")
    project.keyboard.press("e")
    project.wait_for_selector("[aria-label=Eraser][aria-pressed=true]")
    project.click("[aria-label='11 px']")
    project.wait_for_selector("[aria-label='11 px'][aria-checked=true]")
    project.click("[aria-label='Background, value 1']")
    project.wait_for_selector("[aria-label=Brush][aria-pressed=true]")
    project.click("text=More")
    project.click("[role=menuitemcheckbox] >> text=Fill")
    project.click("text=Similar value")
    assert project.evaluate("fakeViewer.snapshot().tool.fill.by") == "value"


def test_all_keys_open_and_close_and_give_the_focus_back(project: Any) -> None:
    project.focus("[aria-label='Layer options']")
    project.keyboard.press("?")
    project.wait_for_selector("[role=dialog]")
    project.wait_for_function("document.activeElement.tagName === 'INPUT'")
    assert project.input_value("[role=dialog] input") == ""
    project.keyboard.type("eras")
    comes(project, project.locator("[role=dialog] .keys section div").count, 1)
    for _ in range(6):
        project.keyboard.press("Tab")
    assert project.evaluate("!!document.activeElement.closest('[role=dialog]')")
    project.keyboard.press("Escape")
    project.wait_for_selector("[role=dialog]", state="detached")
    comes(project, focused(project, "getAttribute('aria-label')"), "Layer options")


def test_banners_say_what_is_safe(project: Any) -> None:
    emit = "([name, payload]) => fakeViewer.emit(name, payload)"
    menus = project.locator("[role=menubar]").bounding_box()
    project.evaluate(emit, ["unsent", {"count": 3, "oldest": 2}])
    project.evaluate(
        emit, ["connection", {"state": "reconnecting", "banner": True, "sentence": "", "unsent": 3}]
    )
    project.wait_for_selector(
        "text=Connection lost. Reconnecting. You can go on painting. 3 strokes are kept"
    )
    assert settled_audit(project) == []
    comes(project, project.locator("[role=menubar]").bounding_box, menus)  # no words move what is clicked
    project.click(".banner >> text=Try now")
    assert project.evaluate("fakeViewer.log.at(-1)") == {"type": "do", "action": "reconnect"}
    project.evaluate(emit, ["connection", {"state": "online", "banner": False, "sentence": "", "unsent": 0}])
    project.evaluate(emit, ["save", {"state": "failing", "sentence": "nuclei.ilp: the disk is full."}])
    project.wait_for_selector("[role=alert] >> text=the disk is full")
    project.click("text=Try again")
    project.wait_for_selector("text=Saved.")
    project.evaluate(
        "() => { fakeViewer.state.read_only = 'ann has it open on lab-3.'; fakeViewer.state.undo = 'Stroke';"
        " fakeViewer.emit('save', {state: 'saved', sentence: ''});"
        " fakeViewer.emit('state', fakeViewer.state); }"
    )
    project.wait_for_selector("text=Read only. ann has it open on lab-3.")
    project.wait_for_selector("[aria-label='Nothing to undo']:disabled")
    project.wait_for_selector("text=Add class", state="hidden")


def test_slices_times_channels_and_missing_images(project: Any) -> None:
    project.evaluate(
        "() => { const s = fakeViewer.state; s.lanes[0].channels = ['DAPI', 'GFP'];"
        " s.lanes[0].shape = [30, 3, 60, 128, 256];"
        " s.lanes[1].missing = 'data/nuclei_02.tif is not there.'; fakeViewer.emit('state', s); }"
    )
    project.focus("[aria-label=Slice]")
    project.keyboard.press("PageUp")
    project.wait_for_selector("text=10 / 59")
    project.wait_for_selector("text=0 / 29")
    project.wait_for_selector(".chan >> text=Channel 2")
    project.click("[aria-label='Hide GFP']")
    assert project.evaluate("fakeViewer.layers().raw.channels[1]") == {"visible": False}
    project.wait_for_selector(".lane >> text=missing")
    assert settled_audit(project) == []


def test_no_images_says_what_to_do(project: Any) -> None:
    project.evaluate(
        "() => { fakeViewer.state.lanes.splice(0); fakeViewer.emit('state', fakeViewer.state); }"
    )
    project.wait_for_selector(".viewer >> text=No images yet.")
    project.click(".step:nth-child(1)")
    project.wait_for_selector(".page >> text=No images yet.")


def test_a_preset_is_one_command(project: Any) -> None:
    project.click(".step:nth-child(2)")
    project.click("[role=radio] >> text=None")
    project.wait_for_function("fakeViewer.log.length === 1")
    comes(project, lambda: sent(project), [{"type": "set_features", "selection": None}])


def test_files_are_chosen_by_keys_alone(page: Any, address: str) -> None:
    page.goto(address)
    page.focus("text=browse this computer")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=dialog] >> text=img0.tif")
    page.wait_for_function("document.activeElement.classList.contains('fileline')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/p/abcdefgh")


def test_what_cannot_be_opened_is_a_sentence(page: Any, address: str) -> None:
    page.goto(address)
    page.fill("[aria-label^=Path]", "/etc/hosts")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast.error:has-text('/etc/hosts: this is not among the folders')")
    page.goto(f"{address}/p/zzzzzzzz")
    page.wait_for_selector("text=This project cannot be opened")
    page.click("text=Back to the start")
    page.wait_for_selector("text=Recent")


def test_recent_projects_open_and_missing_ones_say_so(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("text=missing")
    assert page.is_disabled(".recent:has-text('old-scans')")
    page.click(".recent:has-text('nuclei.ilp')")
    page.wait_for_url("**/p/abcdefgh")


def test_tooltips_say_the_name_and_the_key(project: Any) -> None:
    project.hover("[aria-label=Eraser]")
    project.wait_for_selector(".tip:not([hidden]) >> text=Eraser")
    comes(project, lambda: project.inner_text(".tip kbd"), "E")
