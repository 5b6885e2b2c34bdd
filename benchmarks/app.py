"""The window as a person meets it: Chromium, a real mouse, the real server.

    python benchmarks/app.py --data FOLDER [--rounds 5]

When the first page is there, when a project is; from the end of a stroke to the first tile that it changed
and to the whole view (about 5,800 labelled pixels, all 49 features, 2 threads); from a pointer's move to the
frame that shows it; scripts of ours that held the page for over 50 ms; what the server took of memory.
Chromium draws with the processor here, on the cores that also compute: a graphics card is faster.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from browser.running import ARGUMENTS, CHROMIUM, Hand, Server

IMAGE = "images/nuclei_fluo_520x696/nuclei_fluo_520x696_6b6d4e6f.tif"
LONG = 50
WATCH = """
window.heard = { up: 0, frames: [], scripts: [], echo: [] };
window.WebSocket = class extends WebSocket {
  constructor(...all) {
    super(...all);
    if (!String(all[0]).includes("/api/p/")) return;
    this.addEventListener("message", ({ data }) => {
      const now = performance.now();
      if (typeof data !== "string") heard.frames.push([now, "tile", false]);
      else {
        const said = JSON.parse(data);
        if (said.type === "ack") heard.frames.push([now, "ack", false]);
        if (said.type === "training") heard.frames.push([now, "training", said.state === "done"]);
        if (said.type === "progress") heard.frames.push([now, "progress", said.done === said.total]);
      }
    });
  }
};
addEventListener("pointerup", () => (heard.up = performance.now()), true);
addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => heard.echo.push(performance.now() - event.timeStamp);
    port2.postMessage(0);
  });
}, true);
new PerformanceObserver((list) => {
  for (const frame of list.getEntries())
    for (const { duration, sourceURL, sourceFunctionName, invoker } of frame.scripts)
      heard.scripts.push([duration, sourceURL, sourceFunctionName, invoker]);
}).observe({ type: "long-animation-frame", buffered: true });
"""


def after_stroke(page):
    """Seconds from the last pointerup to answer, first new tile, and whole view; None while it waits."""
    heard = page.evaluate("heard")
    since = [frame for frame in heard["frames"] if frame[0] >= heard["up"]]
    ack = next((at for at, kind, _ in since if kind == "ack"), None)
    learned = next((at for at, kind, done in since if kind == "training" and done), None)
    if ack is None or learned is None:
        return None
    first = next((at for at, kind, _ in since if kind == "tile" and at >= learned), None)
    whole = next((at for at, kind, done in since if kind == "progress" and done and at >= learned), None)
    if first is None or whole is None:
        return None
    return tuple((at - heard["up"]) / 1000 for at in (ack, first, whole))


def timed_stroke(hand, *points):
    """Paint, and wait for what it changes."""
    hand.stroke(*points)
    until = time.monotonic() + 120
    while (found := after_stroke(hand.page)) is None:
        if time.monotonic() > until:
            sys.exit("The result of a stroke did not come within two minutes.")
        hand.page.wait_for_timeout(20)
    return found


def row(name, values, unit="s"):
    """One line: median, lowest and highest."""
    print(f"{name:44} {median(values):8.3f} {unit}   ({min(values):.3f} to {max(values):.3f}, {len(values)})")


def measure(browser, server, image, rounds):
    """All figures of one server."""
    begun = time.monotonic()
    address = server.start()
    up = time.monotonic()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH)
    hand = Hand(context.new_page())
    page = hand.page
    page.set_default_timeout(120_000)
    page.goto(address)
    page.wait_for_selector("text=Drop images here")
    row("command to printed address", [up - begun])
    row("address to start screen", [time.monotonic() - up])
    page.fill("[aria-label^=Path]", str(image))
    chosen = time.monotonic()
    page.keyboard.press("Enter")
    page.wait_for_selector(".cls input.rename")
    hand.ready()
    row("image chosen to image seen", [time.monotonic() - chosen])
    hand.close_name()
    hand.viewer("app => void app.setBrushSize(61)")
    hand.painted((110, 435))
    hand.choose(1)
    timed_stroke(hand, (600, 300))
    hand.viewer("app => void app.setBrushSize(3)")
    page.evaluate("void Object.assign(heard, { scripts: [], echo: [] })")
    times = [timed_stroke(hand, (450 + 8 * n, 60), (470 + 8 * n, 100)) for n in range(rounds)]
    for name, values in zip(
        ("answer", "first changed tile", "whole view"), zip(*times, strict=True), strict=True
    ):
        row(f"stroke end to {name}", values)
    heard = page.evaluate("heard")
    row("pointer to the frame that shows it", heard["echo"], "ms")
    ours = [one for one in heard["scripts"] if one[0] > LONG and "/_nicegui/" in one[1]]
    print(f"scripts that held the page over {LONG} ms while painting: {len(ours)}")
    for duration, source, function, invoker in sorted(ours, reverse=True)[:5]:
        print(f"    {duration:6.0f} ms {source.rsplit('/', 1)[-1]} {function} ({invoker})")
    used = psutil.Process(server.process.pid).memory_info().rss
    print(f"server's memory: {used / 1e9:.2f} GB of the 2 GB that it was given")
    context.close()


def main():
    """Print the figures; a sentence where there is no Chromium."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not CHROMIUM.exists():
        print(f"The window was not measured: there is no Chromium at {CHROMIUM}.")
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        image = Path(shutil.copy(options.data / IMAGE, home))
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        server = Server(home, "--memory", "2GB", "--jobs", "2")
        try:
            measure(browser, server, image, options.rounds)
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
