"""Make the pictures of the documents: ``python docs/make_pictures.py``. Needs Chromium and the extra test.

Those of the tutorial come from following it, those of how-tos from doing what they say, those of features
from the sample.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "tests"))


def tutorial() -> None:
    """Follow the tutorial in a browser and keep what is seen."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    from browser.running import ARGUMENTS, CHROMIUM, Server  # noqa: PLC0415
    from browser.tutorial import Reader  # noqa: PLC0415

    home = Path("/tmp/ana")  # paths are in the pictures
    home.mkdir()
    pictures: dict[str, bytes] = {}
    try:
        with sync_playwright() as play:
            server = Server(home)
            server.start()
            chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
            try:
                page = chromium.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(180_000)
                page.goto(server.address)
                reader = Reader(page, home, pictures)
                reader.follow()
                page.goto(server.address)
                page.fill("[aria-label^=Path]", str(home / "Underbrush/sample/tissue.ilp"))
                page.keyboard.press("Enter")
                page.wait_for_selector(".cls[data-class='3']")
                reader.wait_for_a_result()
                reader.picture("tissue")
                for name, project in (("membranes", "membranes.ilp"), ("channels", "two.ilp")):
                    follow_commands(name, home)
                    page.goto(server.address)
                    page.fill("[aria-label^=Path]", str(home / project))
                    page.keyboard.press("Enter")
                    reader.wait_for_a_result()
                    reader.picture(name)
            finally:
                chromium.close()
                server.stop()
    finally:
        shutil.rmtree(home)
    folder = PICTURES / "tutorial"
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        Image.open(io.BytesIO(picture)).convert("RGB").save(folder / f"{name}.webp", quality=92, method=6)
    for name in ("tissue", "membranes", "channels"):
        (folder / f"{name}.webp").replace(PICTURES / f"{name}.webp")
    Image.open(io.BytesIO(pictures["sample"])).convert("RGB").save(PICTURES / "app.png", optimize=True)


def follow_commands(page: str, folder: Path) -> None:
    """What a how-to has to be typed, typed in ``folder``."""
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text("utf-8")
    for language, block in re.findall(r"<!-- runs -->\n```(\w+)\n(.*?)\n```", text, re.DOTALL):
        if language == "python":
            subprocess.run([sys.executable, "-c", block], cwd=folder, check=True)
            continue
        for line in block.replace("\\\n", " ").splitlines():
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            words = shlex.split(line.removeprefix("$ "))
            subprocess.run(words, cwd=folder, check=True, env={**os.environ, "PATH": path})


def features() -> None:
    """Each filter on a part of the sample, at the scale where it says most."""
    import numpy as np  # noqa: PLC0415

    import underbrush as ub  # noqa: PLC0415
    from underbrush.core.features.catalog import FILTERS  # noqa: PLC0415
    from underbrush.engine.picture import grey_picture, side_by_side  # noqa: PLC0415
    from underbrush.engine.sample import sample_images  # noqa: PLC0415

    pixels = sample_images()[0].pixels
    part = np.s_[170:290, 60:220]
    for scale in (1.6, 5.0):
        selection = ub.FeatureSelection.all((scale,))
        values = ub.compute_features(pixels, axes="yx", selection=selection)
        panels, captions, at = [grey_picture(pixels[part])], ["image"], 0
        for one in FILTERS:
            many = one.channels(2)
            for k in range(many):
                panels.append(grey_picture(values[..., at + k][part]))
                short = one.name.replace(" of Gaussian Eigenvalues", "").replace(" Eigenvalues", "")
                captions.append(f"{short} {k + 1}" if many > 1 else short)
            at += many
        sheets = [side_by_side(panels[n : n + 3], captions[n : n + 3], 2) for n in (0, 3, 6)]
        sheet = np.concatenate(sheets)
        path = PICTURES / f"features_{scale}.png"
        Image.fromarray(sheet).quantize(256).save(path, optimize=True)  # it is grey


if __name__ == "__main__":
    features()
    tutorial()
