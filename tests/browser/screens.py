"""Pictures of every step and state of the window, at two sizes, to be looked at and for the guide.

```
PYTHONPATH=tests .venv/bin/python tests/browser/screens.py FOLDER [scene ...]
```

Run by hand, it is no test. A picture is `FOLDER/SCENE[-STATE].png` (1440 x 900) and `...-1280x580.png`. All
images are drawn by this program, so that the pictures may be published. Scenes: the functions below.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from playwright.sync_api import sync_playwright

from browser.painter import Painter
from browser.running import ARGUMENTS, CHROMIUM, Hand, Server
from underbrush.engine.sample import sample_images

SIZES = ((1440, 900), (1280, 580))
NAMES = ["DAPI", "CD3", "CD4", "CD8", "CD20", "CD45", "CD68", "Ki67", "PanCK", "FOXP3", "PD1"]


@dataclass
class Studio:
    """A server with images, a window before it, and where its pictures go."""

    folder: Path
    server: Server
    page: Any
    taken: list[str] = field(default_factory=list)

    def shot(self, name: str, *, settle: bool = True) -> None:
        """The window as it is now, in both sizes."""
        for size in SIZES:
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            if settle:
                self.calm()
            else:
                self.page.wait_for_timeout(250)
            tail = "" if size == SIZES[0] else f"-{size[0]}x{size[1]}"
            self.page.screenshot(path=self.folder / f"{name}{tail}.png")
        self.page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
        self.taken.append(name)
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()

    def calm(self) -> None:
        """Wait until nothing in the window moves any more, for ten seconds at most."""
        before = b""
        for _ in range(40):
            now = self.page.screenshot()
            if now == before:
                return
            before = now
            self.page.wait_for_timeout(250)

    def start(self) -> Any:
        """The start screen."""
        self.page.goto(self.server.address)
        self.page.wait_for_selector("text=browse this computer")
        return self.page

    def open(self, *files: str | Path) -> Hand:
        """A project of images, or one that is there."""
        address = self.server.address.partition("/?")[0]
        self.page.goto(self.server.address)
        answer = self.page.request.post(
            f"{address}/api/open",
            data={"paths": [str(self.server.home / one) for one in files]},
            headers={"Origin": address},
        )
        assert answer.ok, answer.text()
        hand = Hand(self.page)
        self.page.goto(f"{address}/p/{answer.json()['project']}")
        hand.ready()
        return hand

    def sample(self) -> Hand:
        """The sample, opened again or made."""
        hand = Hand(self.page)
        self.start().click("text=Try the sample")
        self.page.wait_for_selector(".cls")
        hand.ready()
        return hand

    def step(self, number: int) -> None:
        """Go to a step."""
        self.page.click(f".step:nth-child({number})")
        self.page.mouse.move(700, 4)


def images(home: Path) -> None:
    """What there is to open: a stack, a movie, many channels, a folder of files."""
    first = sample_images()[0].pixels
    tifffile.imwrite(home / "cells.tif", first)
    noise = np.random.default_rng(1)
    z, y, x = np.mgrid[:48, :160, :200]
    volume = noise.normal(40, 9, z.shape)
    for cz, cy, cx, r in ((20, 50, 60, 26), (25, 98, 118, 32), (18, 125, 45, 22), (30, 40, 155, 24)):
        inside = ((z - cz) * 2) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < r * r
        volume[inside] += 110 + 20 * np.sin(x[inside] / 3)
    scale = {"resolution": (1 / 0.2, 1 / 0.2), "metadata": {"axes": "ZYX", "spacing": 0.4, "unit": "um"}}
    tifffile.imwrite(home / "spheroid.tif", np.clip(volume, 0, 255).astype(np.uint8), imagej=True, **scale)
    movie = np.stack([np.roll(first[:320, :400], 4 * t, 1) for t in range(24)])
    tifffile.imwrite(home / "movie.tif", movie, imagej=True, metadata={"axes": "TYX", "finterval": 300})
    many = np.stack([np.roll(first, (37 * n, 53 * n), (0, 1)) // (1 + n % 4) for n in range(len(NAMES))])
    tifffile.imwrite(home / "panel.ome.tif", many, metadata={"axes": "CYX", "Channel": {"Name": NAMES}})
    np.save(home / "stack_a.npy", many[:6])
    np.save(home / "stack_b.npy", many[3:9])
    (home / "screen").mkdir()
    for n in range(12):
        tifffile.imwrite(home / "screen" / f"plate1_w{n:02}.tif", np.roll(first, 31 * n, 1))
    tifffile.imwrite(home / "screen" / "plate1_w12.tif", (first // 64).astype(np.uint8))
    tifffile.imwrite(home / "screen" / "plate1_w13.tif", many[:3])
    (home / "screen" / "plate1_w14.tif").write_bytes((home / "screen" / "plate1_w00.tif").read_bytes()[:900])
    labels = np.zeros(first.shape, np.uint8)
    labels[60:120, 80:180], labels[200:240, 300:420], labels[300:330, 20:90] = 1, 2, 7
    tifffile.imwrite(home / "hand_labels.tif", labels)


def start(at: Studio) -> None:
    """The start screen: nothing opened yet, the list of files, what cannot be opened."""
    page = at.start()
    at.shot("start")
    page.click("text=browse this computer")
    page.wait_for_selector(".fileline")
    at.shot("start-browse")
    page.keyboard.press("Escape")
    page.fill("[aria-label^=Path]", str(at.server.home / "nowhere.tif"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast.error")
    at.shot("start-error")


def first(at: Studio) -> None:
    """A new project: the field of the name, the first stroke, waiting for the other class."""
    hand = at.open("cells.tif")
    page = at.page
    at.shot("training-first")
    hand.close_name()
    hand.painted((100, 100), (140, 120))
    page.wait_for_selector("text=Now a stroke in Background.")
    at.shot("training-waiting")


def training(at: Studio) -> None:
    """Painted, trained, looked at: lists, kept classifiers, labels of a file, versions, menus, keys."""
    hand = at.sample()
    page = at.page
    at.step(3)
    hand.choose(1)
    hand.wire.result(hand.painted((205, 120), (225, 150)))
    page.wait_for_selector("text=Out-of-bag error")
    at.shot("training")
    page.keyboard.press("u")
    at.shot("training-uncertainty")
    page.keyboard.press("u")
    page.click("text=List")
    page.wait_for_selector(".strokerow")
    at.shot("training-strokes")
    page.click("button:text-is('Close')")
    page.click("button:text-is('Freeze')")
    page.keyboard.type("fig 2")
    page.keyboard.press("Enter")
    page.click("[role=option]:has-text('fig 2')")
    page.wait_for_selector(".shown")
    at.shot("training-kept")
    page.click("text=Back to current")
    page.keyboard.press("?")
    page.wait_for_selector("[role=dialog]")
    at.shot("keys")
    page.keyboard.press("Escape")
    labels_of_a_file(at)
    page.click("button:text-is('Project')")
    at.shot("menu-project")
    page.click("text=Earlier versions ...")
    page.wait_for_selector(".versions")
    at.shot("versions")
    page.keyboard.press("Escape")
    page.click("button:text-is('Project')")
    page.click("text=Save a copy elsewhere ...")
    page.wait_for_selector("[aria-label='Path of the copy']")
    at.shot("copy")
    page.keyboard.press("Escape")


def labels_of_a_file(at: Studio) -> None:
    """Labels that come as an image, before they are painted."""
    page = at.page
    page.click("[aria-label='Change this class'], .sec:has(.cls) .sec-h .ib")
    page.click("text=Import labels from a file")
    page.fill(".dialog input >> nth=0", str(at.server.home / "hand_labels.tif"))
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Labels of hand_labels.tif")
    at.shot("labels")
    page.click(".dialog .foot >> text=Cancel")


LONG = "2026-11-23_HeLa-H2B-mCherry_siRNA-KIF11_plate-0001_well-{:02}_field-07_40x-water.tif"
"""A name of 80 characters, as microscopes give them."""


def crowd(at: Studio) -> None:
    """Sixty images of long names, twelve classes of long names, in every list that has them."""
    first = sample_images()[0].pixels
    for n in range(60):
        tifffile.imwrite(at.server.home / LONG.format(n), np.roll(first[:160, :200], 7 * n, 1))
    hand = at.open(*(LONG.format(n) for n in range(60)))
    hand.close_name()
    page = at.page
    for n in range(10):
        name = "cells in late prophase or prometaphase, also those that lie in two planes, no. 9"
        page.click("button:has-text('Add class')")
        page.keyboard.type(name if n % 4 == 3 else f"stage {n}")
        page.keyboard.press("Enter")
        page.wait_for_selector(f".cls:nth-of-type({n + 3})")
    hand.painted((60, 60), (90, 70))
    at.shot("crowd-training")
    page.click("text=List")
    page.wait_for_selector(".strokerow")
    at.shot("crowd-strokes")
    at.step(1)
    page.click(".tbl.images tbody tr >> nth=2")
    at.shot("crowd-images")
    page.click("button:text-is('Browse')")
    page.wait_for_selector(".fileline >> nth=20")
    at.shot("crowd-browse")
    page.keyboard.press("Escape")
    at.step(4)
    page.wait_for_selector(".expform [role=alert]")
    at.shot("crowd-export")
    at.step(5)
    page.fill("[aria-label='Folder, file or pattern']", str(at.server.home / LONG.replace("{:02}", "*")))
    page.keyboard.press("Enter")
    page.wait_for_selector("tr.row:visible >> nth=59")
    page.click("tr.row:visible >> nth=2")
    at.shot("crowd-batch")
    page.click("button:text-is('Project')")
    page.click("text=Close, back to the start")
    page.wait_for_selector(".recent")
    at.shot("crowd-recent")


def movies(at: Studio) -> None:
    """A movie of two channels in step 1 and in step 3."""
    first = sample_images()[0].pixels[:320, :400]
    pair = np.stack([np.stack([np.roll(first, 4 * t, 1), np.roll(first, 9 * t, 0)]) for t in range(12)])
    scale = {"axes": "TCYX", "finterval": 300, "Channel": {"Name": ["H2B-mCherry", "GFP-tubulin"]}}
    tifffile.imwrite(at.server.home / "mitosis.ome.tif", pair, metadata=scale)
    hand = at.open("mitosis.ome.tif")
    hand.close_name()
    at.shot("movie-2c")
    at.step(1)
    at.page.click(".tbl.images tbody tr")
    at.page.wait_for_selector(".lookpicture img")
    at.shot("movie-2c-images")


def dropped(at: Studio) -> None:
    """Files over the window, over a row, and one that cannot be read."""
    at.sample()
    page = at.page
    over = """([selector, kind]) => {
      const event = new Event(kind, {cancelable: true, bubbles: true});
      event.dataTransfer = {types: ["Files"], items: [{kind: "file"}], files: []};
      document.querySelector(selector).dispatchEvent(event);
    }"""
    page.evaluate(over, [".viewer", "dragenter"])
    page.evaluate(over, [".viewer", "dragover"])
    at.shot("dropping")
    page.evaluate(over, [".viewer", "dragleave"])
    at.step(1)
    page.evaluate(over, [".tbl.images tbody tr td:nth-child(2)", "dragenter"])
    page.evaluate(over, [".tbl.images tbody tr td:nth-child(2)", "dragover"])
    at.shot("dropping-row")
    (at.server.home / "broken.tif").write_bytes((at.server.home / "cells.tif").read_bytes()[:900])
    page.reload()
    page.wait_for_selector(".tbl.images tbody tr")
    page.fill(".left input", str(at.server.home / "broken.tif"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast.error")
    at.shot("images-unreadable")


def features(at: Studio) -> None:
    """The matrix over the image, and a feature image."""
    at.sample()
    page = at.page
    at.step(2)
    page.wait_for_selector(".mx")
    at.shot("features")
    page.click(".sheet [aria-label=Close]")
    page.click(".featureimage >> nth=8")
    at.shot("features-image")
    page.click(".featureimage[aria-pressed=true]")


def pictures(at: Studio) -> None:
    """Step 1: rows, properties, a question about axes, a missing file, an empty project."""
    hand = at.sample()
    page = at.page
    at.step(1)
    page.click(".tbl.images tbody tr >> nth=0")
    page.wait_for_selector(".lookpicture img")
    at.shot("images")
    hand = at.open("stack_a.npy", "stack_b.npy")
    hand.close_name()
    at.step(1)
    page.wait_for_selector(".callout[role=group]")
    at.shot("images-axes")
    page.click("text=Time points (t)")
    page.wait_for_selector(".callout[role=group]", state="detached")
    for _ in range(2):
        page.click(".tbl.images tbody tr >> nth=0")
        page.keyboard.press("Delete")
        page.wait_for_timeout(500)
    at.shot("images-empty")
    at.step(3)
    at.shot("training-empty")
    hand = at.open("stack_b.npy")
    hand.close_name()
    url = page.url
    at.server.stop()
    (at.server.home / "stack_b.npy").rename(at.server.home / "stack_c.npy")
    at.server.start()
    page.goto(url)
    page.wait_for_selector(".step")
    at.step(1)
    page.wait_for_selector("text=missing")
    at.shot("images-missing")
    at.step(3)
    at.shot("training-missing")


def volumes(at: Studio) -> None:
    """Three views, a movie, many channels."""
    hand = at.open("spheroid.tif")
    hand.close_name()
    page = at.page
    hand.viewer("app => app.setPosition({ z: 24, y: 90, x: 110 })")
    for number, strokes in ((2, ((100, 85), (125, 100))), (1, ((20, 20), (95, 12)))):
        hand.choose(number)
        painter = Painter(page)
        painter.trace([list(strokes)])
        hand.sent()
    page.wait_for_selector("text=Out-of-bag error")
    page.wait_for_selector(".predicting", state="detached")
    at.shot("training-3d")
    page.keyboard.press("x")
    at.shot("training-3d-maximised")
    hand = at.open("movie.tif")
    hand.close_name()
    at.shot("movie")
    hand = at.open("panel.ome.tif")
    hand.close_name()
    at.shot("channels")


def export(at: Studio) -> None:
    """Step 4: before, after, and what cannot be."""
    at.sample()
    page = at.page
    at.step(4)
    page.wait_for_selector(".expform .path:has-text('_segmentation.tif')")
    page.wait_for_selector(".preview.result img")
    at.shot("export")
    page.click("button.primary:has-text('Export 2 images')")
    page.wait_for_selector("td:has-text('done')")
    page.wait_for_selector("text=2 of 2 images done")
    at.shot("export-done")
    page.click("button:has-text('Delete ...')")
    page.wait_for_selector(".filelist.results .fileline")
    at.shot("export-delete")
    page.keyboard.press("Escape")
    page.fill("#export-path", "{nickname}_{colour}")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]:has-text('unknown placeholder')")
    at.shot("export-refused")
    page.click("button:text-is('Reset')")


def batch(at: Studio) -> None:
    """Step 5: empty, compared, running, done with a failure."""
    at.sample()
    page = at.page
    at.step(5)
    page.wait_for_selector("text=No files yet.")
    at.shot("batch-empty")
    page.fill("[aria-label='Folder, file or pattern']", str(at.server.home / "screen"))
    page.keyboard.press("Enter")
    page.wait_for_selector("button.primary:text-is('Start'):enabled")
    at.shot("batch-compared")
    page.click("button.primary:text-is('Start')")
    page.wait_for_selector(".bar .danger:text-is('Cancel')")
    page.screenshot(path=at.folder / "batch-running.png")
    page.wait_for_selector("button.primary:text-is('Start again')")
    page.click("tr.row:has-text('plate1_w14')")
    at.shot("batch")


def settings(at: Studio) -> None:
    """The settings, and a path for results that cannot be."""
    at.sample()
    page = at.page
    page.click("button:text-is('Edit')")
    page.click("text=Settings ...")
    page.wait_for_selector("#usual-path")
    at.shot("settings")
    page.fill("#usual-path", "{nick}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".usual [role=alert]")
    at.shot("settings-refused")


def trouble(at: Studio) -> None:
    """The disk is full, the server is away, found at opening, nothing can be written."""
    hand = at.sample()
    page = at.page
    at.step(3)
    at.server.full.touch()
    hand.stroke((300, 50), (330, 60))
    page.wait_for_selector(".banner:has-text('NOT saved')")
    at.shot("disk-full")
    at.server.full.unlink()
    page.wait_for_selector(".banner", state="detached")
    hand.painted((200, 200), (230, 210))
    at.server.kill()
    page.wait_for_selector(".banner >> text=Connection lost.")
    hand.stroke((300, 150), (330, 160))
    at.shot("reconnecting")
    page.goto("about:blank")
    broken = next(at.server.home.rglob("sample.ilp.journal"))
    broken.write_bytes(broken.read_bytes()[:-9])
    at.server.start()
    project = broken.with_suffix("")
    at.open(project)
    at.shot("recovered")
    page.evaluate(
        """async () => {
          const { link } = await import("underbrush-panels");
          link.state = { ...link.state, read_only: "sample.ilp lies in a folder that cannot be written." };
        }"""
    )
    page.wait_for_selector(".banner >> text=Read only.")
    at.shot("read-only")


SCENES: dict[str, Callable[[Studio], None]] = {
    one.__name__: one
    for one in (
        start,
        first,
        training,
        crowd,
        movies,
        dropped,
        features,
        pictures,
        volumes,
        export,
        batch,
        settings,
        trouble,
    )
}


def main(folder: str, *wanted: str) -> None:
    """Take the pictures of these scenes, or of all; each scene has a home of its own."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for name in wanted or SCENES:
            home = Path(tempfile.mkdtemp(prefix="screens-"))
            images(home)
            server = Server(home)
            server.start()
            page = chromium.new_page()
            page.set_default_timeout(120_000)
            page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
            try:
                SCENES[name](Studio(out, server, page))
            finally:
                page.close()
                if server.running:
                    server.stop()
                shutil.rmtree(home)
        chromium.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
