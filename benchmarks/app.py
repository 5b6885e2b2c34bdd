"""The window as a person meets it: Chromium, a real mouse, the real server.

    python benchmarks/app.py --data FOLDER [--rounds 5]

When the first page is there, when a project is; from the end of a stroke to the first tile that it changed
and to the whole view (about 5,800 labelled pixels, all 49 features, 2 threads); from a pointer's move to the
frame that shows it; tasks of the page that held it for over 50 ms, and what was in them; what the server took
of memory. Chromium draws with the processor here, on the cores that also compute: a graphics card is faster.
What that drawing takes is told apart; so is the load of the machine: all figures by the clock grow with it.
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
sys.path.append(str(Path(__file__).parent.parent))
from benchmarks.page_tasks import Trace, processor_seconds
from browser.running import ARGUMENTS, CHROMIUM, Hand, Server

IMAGE = "images/nuclei_fluo_520x696/nuclei_fluo_520x696_6b6d4e6f.tif"
LONG = 50
WATCH = """
window.heard = { up: 0, frames: [], echo: [] };
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
    again = time.monotonic()
    page.reload()
    page.wait_for_selector("text=Drop images here")
    row("start screen once more", [time.monotonic() - again])
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
    page.evaluate("void (heard.echo = [])")
    before, trace = busy(server), Trace(browser)
    times = [timed_stroke(hand, (450 + 8 * n, 60), (470 + 8 * n, 100)) for n in range(rounds)]
    tasks, after = trace.end(page), busy(server)
    for name, values in zip(
        ("answer", "first changed tile", "whole view"), zip(*times, strict=True), strict=True
    ):
        row(f"stroke end to {name}", values)
    heard = page.evaluate("heard")
    row("pointer to the frame that shows it", heard["echo"], "ms")
    print_tasks(tasks)
    print("processor for one stroke and its result: " + told(before, after, rounds))
    print(f"server's memory: {held(server) / 1e9:.2f} GB of the 2 GB that it was given")
    context.close()


def print_tasks(tasks):
    """How many were long, by the clock and in processor time, and the longest with what was in them."""
    long = [
        sum(took > LONG for took in both)
        for both in zip(*((t.clock, t.processor) for t in tasks), strict=True)
    ]
    print(f"tasks of the page over {LONG} ms while painting: {long[0]} by the clock, {long[1]} of processor")
    for task in tasks[:5]:
        inside = ", ".join(f"{name} {took:.0f}" for name, took in task.sources if took >= 1)
        print(f"    {task.processor:5.0f} ms of processor, {task.clock:5.0f} by the clock: {inside}")


def busy(server):
    """Seconds of processor so far: server, page, Chromium's drawing."""
    times = psutil.Process(server.process.pid).cpu_times()
    return (times.user + times.system, processor_seconds("renderer"), processor_seconds("gpu-process"))


def told(before, after, rounds):
    """The difference of two of `busy`, for one of the rounds."""
    names = ("server", "page", "Chromium's drawing without a graphics card")
    parts = zip(names, before, after, strict=True)
    return ", ".join(f"{name} {1000 * (now - then) / rounds:.0f} ms" for name, then, now in parts)


def held(server):
    """Bytes that the server and its children hold."""
    own = psutil.Process(server.process.pid)
    return own.memory_info().rss + sum(child.memory_info().rss for child in own.children(recursive=True))


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
        print(f"load of the machine before: {psutil.getloadavg()[0]:.1f}")
        try:
            measure(browser, server, image, options.rounds)
        finally:
            browser.close()
            server.stop()
        print(f"load of the machine after: {psutil.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
