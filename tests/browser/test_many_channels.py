"""A project of users of ilastik with eleven channels in eleven images: opened, seen, painted and exported."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from browser.painter import Painter
from browser.running import NEEDS_CHROMIUM, Server, soon
from browser.windows import browser_context, running

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM

PROJECT = "ilp/bodenmiller_hubmap_11ch_v132/bodenmiller_imcseg_HubMAP_20191211.ilp"
COLOURS = {1: (255, 225, 25), 2: (0, 130, 200), 3: (230, 25, 75)}


def made_up(shape: tuple[int, int, int], seed: int) -> NDArray[np.uint16]:
    """Cells in eleven channels as an imaging mass cytometer sees them: dark, few counts, bright spots."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = rng.poisson(1.5, shape).astype(np.uint16)
    for _ in range(60):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        inside = (rows - y) ** 2 + (columns - x) ** 2 < rng.integers(6, 14) ** 2
        stain = np.zeros(shape[2], np.uint16)
        stain[rng.choice(shape[2], 3, replace=False)] = rng.integers(20, 90)
        image[inside] += stain
    return image


@pytest.fixture(scope="module")
def server(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "ilastik").mkdir()
    shutil.copyfile(data / PROJECT, home / "hubmap.ilp")
    with h5py.File(home / "hubmap.ilp") as file:
        for seed, lane in enumerate(file["Input Data/infos"].values()):
            stored = lane["Raw Data/filePath"][()].decode()
            path, _, inner = stored.rpartition("/")
            with h5py.File(home / path, "w") as image:
                image[inner] = made_up(tuple(lane["Raw Data/shape"][()]), seed)
    with running(home) as server:
        yield server


@pytest.fixture(scope="module")
def hand(chromium: Any, server: Server) -> Iterator[Painter]:
    with browser_context(chromium) as context:
        page = context.new_page()
        hand = Painter(page)
        page.goto(server.address)
        page.fill("[aria-label^=Path]", str(server.home / "hubmap.ilp"))
        page.keyboard.press("Enter")
        page.wait_for_selector(".cls[data-class='3']")
        hand.ready()
        yield hand


def strokes_of(project: Path, lane: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The strokes of an image of a project of ilastik, read without Underbrush: y, x."""
    strokes = np.zeros(shape, np.uint8)
    with h5py.File(project) as file:
        for block in file[f"PixelClassification/LabelSets/labels{lane:03}"].values():
            place = block.attrs["blockSlice"]
            ends = re.findall(r"(\d+):(\d+)", place.decode() if isinstance(place, bytes) else place)
            where = tuple(slice(int(a), int(b)) for a, b in ends[:2])
            strokes[where] = np.maximum(strokes[where], block[()].reshape(strokes[where].shape))
    return strokes


def counts(hand: Painter) -> dict[str, tuple[int, int]]:
    """Strokes and pixels of each class, as the panel says."""
    rows = hand.page.locator(".cls[data-class]")
    return {
        rows.nth(n).locator(".name .trunc").inner_text(): tuple(  # type: ignore[misc]
            int(rows.nth(n).locator(one).inner_text().replace(",", "")) for one in (".st", ".px")
        )
        for n in range(rows.count())
    }


def test_it_opens_as_it_was_left(hand: Painter, server: Server) -> None:
    page = hand.page
    lanes = hand.told("state")["lanes"]
    assert [lane["shape"] for lane in lanes] == [[1, 11, 1, 500, 500]] * 10 + [[1, 11, 1, 476, 500]]
    assert not any(lane["missing"] or lane["problems"] for lane in lanes)
    page.wait_for_selector(".status >> text=Opened as it was; training starts when you paint.")
    page.click("text=Do you want ilastik's keys >> .. >> button:text-is('No')")
    strokes = [strokes_of(server.home / "hubmap.ilp", n, (500, 500)) for n in range(11)]
    pixels = {
        name: sum(int((one == value).sum()) for one in strokes) for value, name in enumerate(counts(hand), 1)
    }
    assert list(pixels) == ["Nuclei", "Cytoplasm", "Background"]
    assert soon(page, lambda: {name: found[1] for name, found in counts(hand).items()} == pixels)
    assert np.array_equal(hand.labels(), strokes[0])
    hand.drawn()
    for value, colour in COLOURS.items():
        assert hand.coloured((500, 500), colour)[:470][strokes[0][:470] == value].all()
    page.click(".step:nth-child(2)")
    page.wait_for_selector(".sheet .foot >> text=539 features")
    page.wait_for_selector(".featureimages >> text=Gaussian smoothing")
    page.click(".step:nth-child(3)")


def test_channels_are_filtered_shown_alone_and_leafed_through(hand: Painter, server: Server) -> None:
    page = hand.page
    page.wait_for_function("document.querySelectorAll('.chan').length === 11")
    page.fill("[aria-label='Filter the channels']", "channel 1")
    page.wait_for_function("document.querySelectorAll('.chan').length === 2")  # 1, 10
    page.click(".chan >> text=Channel 10")
    page.wait_for_selector(".chan[aria-selected=true] >> text=alone")
    page.fill("[aria-label='Filter the channels']", "")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("0")
    page.keyboard.press("s")
    with h5py.File(next((server.home / "ilastik").glob("*Thymus_s0_p8_r4*"))) as file:
        image = file["stacked_channels"][()]
    for key, channel in (("", 10), ("g", 0), ("g", 1), ("Shift+G", 0)):
        if key:
            page.keyboard.press(key)
        page.wait_for_selector(f".chan[aria-selected=true]:has-text('Channel {channel}')")
        hand.drawn()
        seen = hand.at_pixels(hand.seen(), (500, 500))[..., 0].ravel()
        alike = [np.corrcoef(seen, image[..., k].ravel())[0, 1] for k in range(11)]
        assert int(np.argmax(alike)) == channel and alike[channel] > 0.9, "this channel is what is seen"
    page.click(".chan[aria-selected=true]")
    page.wait_for_selector("[aria-label='Hide Channel 0']")
    page.keyboard.press("0")
    page.keyboard.press("s")


def exported(hand: Painter, server: Server, classifier: str) -> NDArray[np.uint8]:
    """The segmentation of the image in view with the current or a kept classifier, from the window."""
    page = hand.page
    page.click(".step:nth-child(4)")
    page.click("[aria-label^='Classifier: ']")
    page.click(f".popup [role^=menuitem]:has-text('{classifier}')")
    page.wait_for_selector(f"[aria-label^='Classifier: {classifier}']")
    page.click("button.primary:has-text('Export 1 image'):enabled")
    # Results appear complete under their names, and each is taken away once it is read.
    while not (found := list(server.home.rglob("*_segmentation*.tif"))):
        page.wait_for_timeout(100)
    (written,) = found
    values = np.asarray(tifffile.imread(written))
    page.wait_for_selector(".results tbody tr:only-child td:has-text('done')")
    written.unlink()
    page.click(".step:nth-child(3)")
    return values


def test_the_stored_result_is_seen_and_a_stroke_trains_anew(hand: Painter, server: Server) -> None:
    page = hand.page
    page.click(".step:nth-child(4)")
    page.click("[role=radio]:has-text('in view')")
    page.wait_for_selector(".callout:has-text('is of another computer: V:/server_homes/')")
    page.wait_for_selector(".expform .path:has-text('hubmap_results')")
    page.click("button:text-is('Reset')")
    page.wait_for_selector("[aria-label='Type: uint8']")
    stored = exported(hand, server, "Current")
    assert stored.shape == (500, 500) and set(np.unique(stored)) <= {1, 2, 3}
    page.wait_for_selector(".predicting", state="detached")
    hand.drawn()
    hand.opaque()
    for value in (2, 3):  # the first class is not filled, and the scale bar lies over the last rows
        assert np.array_equal(hand.coloured((500, 500), COLOURS[value])[:470], stored[:470] == value)
    page.keyboard.press("0")

    before = counts(hand)
    hand.choose(3)
    hand.painted((20, 20), (60, 40))
    page.wait_for_selector(".right >> text=Out-of-bag error")
    hand.settled()
    assert soon(page, lambda: counts(hand)["Background"][0] == before["Background"][0] + 1)
    anew = exported(hand, server, "Current")
    assert (anew != stored).any() and anew[20, 20] == 3
    assert np.array_equal(exported(hand, server, "as opened"), stored), "what came with the project is kept"
    last = hand.page.locator(".lane").last
    last.click()
    hand.settled()
    assert exported(hand, server, "Current").shape == (476, 500)


def test_a_composite_begins_with_the_channels_that_feed_the_features(hand: Painter) -> None:
    page = hand.page
    eyes = "document.querySelectorAll(\".chan [aria-label^='Hide ']\").length"

    def seen() -> list[int]:
        hand.drawn()
        return [one["channel"] for one in hand.viewer("app => app.viewer.channels")]

    assert soon(page, lambda: seen() == [0, 1, 2])
    hand.viewer("app => app.command({ type: 'set_channels', channels: [4, 9] })")
    assert soon(page, lambda: seen() == [4, 9])
    page.wait_for_function(f"{eyes} === 2")
    page.click("[aria-label='Hide Channel 4']")
    assert soon(page, lambda: seen() == [9])
    page.click("[aria-label='Show Channel 4']")
    page.keyboard.press("Control+z")
    assert soon(page, lambda: seen() == [0, 1, 2, 4]), "what somebody chose stays"
