"""What a biologist does first, by a real mouse on the real server: paint, look, correct, close, come back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from browser.running import NEEDS_CHROMIUM, Hand, Server, drop, soon, until
from browser.windows import open_path
from underbrush.project.read import read_project

pytest.importorskip("playwright.sync_api")
pytestmark = NEEDS_CHROMIUM

NAME = "nuclei_fluo_520x696_6b6d4e6f"
Run = tuple[int, int, int]
"""Row, first and last column."""


def runs_of(mask: NDArray[np.bool_], around: int) -> list[Run]:
    """Runs along rows inside ``mask``, longest first, with as many rows above and below in it as well."""
    inner = mask.copy()
    for step in range(1, around + 1):
        inner[step:] &= mask[:-step]
        inner[:-step] &= mask[step:]
    inner[: around + 2] = inner[-around - 2 :] = False
    found: list[Run] = []
    for y, row in enumerate(inner):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        found += [(y, int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return sorted(found, key=lambda run: run[1] - run[2])


def middle(run: Run) -> tuple[tuple[float, float], tuple[float, float]]:
    """The middle half of a run, as ends of a stroke."""
    y, first, last = run
    return (first + (last - first) // 4, y), (last - (last - first) // 4, y)


def yellow(hand: Hand, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where the result on the screen says Foreground: the image is grey, its fill is yellow."""
    hand.drawn()
    colours = hand.at_pixels(hand.seen(), shape).astype(int)
    return np.asarray(colours[..., 0] - colours[..., 2] > 35)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_from_the_start_screen_to_a_result_and_back_again(context: Any, server: Server, data: Path) -> None:
    source = data / "images" / "nuclei_fluo_520x696"
    truth = tifffile.imread(source / f"{NAME}_gt.tif") == 2
    image = server.home / f"{NAME}.tif"
    shutil.copy2(source / f"{NAME}.tif", image)
    hand = Hand(context.new_page())
    page = hand.page
    page.goto(server.address)

    page.wait_for_selector("text=Drop images here")
    drop(page, image)
    page.click("button:text-is('Use it in place')")
    page.wait_for_selector(".cls input.rename")
    hand.close_name()
    hand.ready()
    page.wait_for_selector(".status >> text=Paint a stroke in each class")
    assert page.locator(".predicting").count() == 0
    assert not yellow(hand, truth.shape).any()

    nuclei, nothing = runs_of(truth, 3), runs_of(~truth, 6)
    hand.painted(*middle(nuclei[0]))
    page.wait_for_selector("text=Now a stroke in Background.")
    hand.choose(1)
    since = hand.painted(*middle(nothing[0]))
    hand.wire.result(since)
    page.wait_for_selector(".predicting", state="detached")
    first = yellow(hand, truth.shape)
    assert dice(first, truth) > 0.6, "the result is where the nuclei are"

    wrong = max(
        runs_of(first & ~truth, 1)[:1] + runs_of(truth & ~first, 1)[:1], key=lambda run: run[2] - run[1]
    )
    hand.choose(2 if truth[wrong[0], wrong[1]] else 1)
    (x0, y), (x1, _) = middle(wrong)
    hand.wire.result(hand.painted((x0, y), (x1, y)))
    second = yellow(hand, truth.shape)
    rest = np.zeros_like(truth)
    rest[y, wrong[1] : wrong[2] + 1] = True
    rest &= hand.labels() == 0
    assert (second ^ first).any()
    assert (second[rest] == truth[rest]).mean() > 0.5, "beside the stroke it is right now, too"

    since = len(hand.wire.came)
    page.keyboard.press("Control+z")
    hand.wire.wait(since, lambda said: said["type"] == "ack")
    hand.wire.result(since)
    assert soon(page, lambda: np.array_equal(yellow(hand, truth.shape), first)), "as if it was never painted"
    since = len(hand.wire.came)
    page.keyboard.press("Control+y")
    hand.wire.wait(since, lambda said: said["type"] == "ack")
    hand.wire.result(since)
    page.wait_for_selector(f".topbar >> text=Saved in {NAME}.ilp")
    labels, result = hand.labels(), second
    assert soon(page, lambda: np.array_equal(yellow(hand, truth.shape), result))

    def as_it_was() -> None:
        page.click(f".recent:has-text('{NAME}.ilp')")
        page.wait_for_selector(".cls[data-class='1']")
        hand.ready()
        assert np.array_equal(hand.labels(), labels)
        until(page, "async () => (await import('underbrush-panels')).link.progress?.done > 0")
        page.wait_for_selector(".predicting", state="detached")
        assert soon(page, lambda: np.array_equal(yellow(hand, truth.shape), result))

    page.goto(server.address)
    as_it_was()
    page.goto("about:blank")
    server.stop()
    stored = read_project(server.home / "Underbrush" / f"{NAME}.ilp")
    assert stored.lanes[0].raw.stored.endswith(f"{NAME}.tif")
    server.start()
    page.goto(server.address)
    as_it_was()


def test_a_digit_as_the_very_first_key_picks_the_class(context: Any, server: Server) -> None:
    tifffile.imwrite(server.home / "grey.tif", np.arange(128 * 128, dtype=np.uint16).reshape(128, 128))
    hand = Hand(context.new_page())
    page = hand.page
    open_path(page, server.address, server.home / "grey.tif")
    hand.ready()
    page.keyboard.press("1")
    page.wait_for_selector(".cls[data-class='1'][aria-selected=true]")
    page.wait_for_selector("input.rename", state="detached")
    assert hand.told("state")["classes"][1]["name"] == "Foreground"
    page.dblclick(".cls[data-class='2'] .name")
    page.wait_for_selector("input.rename:focus")
    page.keyboard.type("2nd")  # a name that was asked for may begin with a digit
    page.keyboard.press("Enter")
    page.wait_for_selector(".cls >> text=2nd")
