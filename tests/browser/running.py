"""The real server in a process of its own, a real mouse, and what is really seen: no part is replaced."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import platformdirs
import pytest
from numpy.typing import NDArray

CHROMIUM = Path("/usr/bin/chromium")
NEEDS_CHROMIUM = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"),
    reason="the app is tried in Chromium, and there is none: apt-get install chromium (make test does)",
)
"""Without a browser these tests say so; where a submission is judged they fail."""
ARGUMENTS = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox",
    "--disable-gpu-compositing",
]  # fmt: skip
"""WebGL in software, as the image is drawn; the page around it costs half without (Chromium does the same
by itself on a machine without a graphics card)."""

PATIENCE = 120
"""Seconds that anything may take; who waits for what comes loses none of them."""

# The disk of this server is full while the file that is named first is there.
PROGRAM = """
import errno, os, sys
from underbrush import files
from underbrush.cli.main import main

full = sys.argv.pop(1)

class Disk(files.FileLayer):
    def write(self, descriptor, data):
        if os.path.exists(full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(descriptor, data)

with files.using(Disk()):
    status = main()
sys.exit(status)
"""


class Server:
    """`underbrush` in a process of its own, with a home of its own."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.arguments = arguments
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.address = ""
        self.full = home / ".disk-is-full"

    def start(self) -> str:
        """Run it and give the printed address; again on the same port."""
        # Compiled code is shared with all tests: it is not what is tried here, and takes its time.
        compiled = os.environ.get("UNDERBRUSH_CACHE_DIR") or platformdirs.user_cache_dir("underbrush")
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "UNDERBRUSH_CACHE_DIR": compiled,
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "UNDERBRUSH_STATE_DIR", "UNDERBRUSH_CONFIG"):
            environment.pop(name, None)
        arguments = ["--no-browser", "--port", str(self.port), "--root", str(self.home), *self.arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.full), *arguments],
            env=environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/\S+", line)
            if found:
                self.port = int(found[1])
                self.address = found[0]
                return self.address
        raise AssertionError("the server printed no address")

    @property
    def running(self) -> bool:
        """Whether it was started and did not end."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        self._close()

    def stop(self) -> None:
        """As Ctrl-C does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._close()

    def _close(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


def soon(page: Any, holds: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether it holds within some seconds; the page goes on meanwhile."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        page.wait_for_timeout(100)
    return True


def until(page: Any, holds: str, arg: Any = None, seconds: float = PATIENCE) -> None:
    """Wait until an ``async () => ...`` of the page gives what is true, also across a reload.

    Playwright's `wait_for_function` takes the promise itself for true, and so waits for nothing.
    """
    end = time.monotonic() + seconds
    while True:
        failure: Exception | None = None
        try:
            if page.evaluate(holds, arg):
                return
        except Exception as error:  # noqa: BLE001  (the page is being loaded, or is broken: told in the end)
            failure = error
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {holds}") from failure
        page.wait_for_timeout(50)


def wait_for_strokes(page: Any, ident: int, count: int) -> None:
    """Wait until the panel counts so many strokes of a class."""
    page.wait_for_function(
        "([id, n]) => document.querySelector(`.cls[data-class='${id}'] .st`)?.innerText === String(n)",
        arg=[ident, count],
    )


class Wire:
    """What goes over the websocket of a page, as it came: texts as JSON, of tiles the head."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.came: list[dict[str, Any]] = []
        page.on("websocket", self._opened)

    def _opened(self, socket: Any) -> None:
        if "/api/p/" in socket.url:
            socket.on("framereceived", self._heard)

    def _heard(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self.came.append(json.loads(data))
        else:
            end = 4 + int.from_bytes(data[:4], "little")
            self.came.append(json.loads(data[4:end]))

    def wait(self, since: int, fits: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE) -> int:
        """Wait for a message at or after ``since``; gives the place behind it."""
        until = time.monotonic() + seconds
        at = since
        while True:
            while at < len(self.came):
                at += 1
                if fits(self.came[at - 1]):
                    return at
            assert time.monotonic() < until, f"not heard; heard {self.came[since:]}"
            self.page.wait_for_timeout(30)

    def result(self, since: int) -> None:
        """Wait until what was done at ``since`` was learned and all in view was computed anew."""
        learned = self.wait(since, lambda said: said["type"] == "training" and said["state"] == "done")
        self.wait(learned, lambda said: said["type"] == "progress" and said["done"] == said["total"] > 0)


class Hand:
    """A person at one tab: moves the mouse to pixels of the image, and looks at the screen."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.wire = Wire(page)

    def ready(self) -> None:
        """Wait until the image is there and the server is heard."""
        until(
            self.page,
            """async () => {
              const { link } = await import("underbrush-panels");
              return link.connection.state === "online" && link.state?.lanes.length;
            }""",
        )
        self.page.wait_for_selector(".histo svg")

    def drawn(self) -> None:
        """Wait until all pixels and labels in view are there."""
        self.viewer("app => app.viewer.settled()")

    def told(self, what: str) -> Any:
        """What the panels of this tab know, by its name in ``link``."""
        return self.page.evaluate("async (k) => (await import('underbrush-panels')).link[k]", what)

    def viewer(self, call: str) -> Any:
        """The outcome of ``app => ...`` on the viewer of this tab."""
        return self.page.evaluate(f"async () => ({call})((await import('underbrush-panels')).app())")

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the middle of an image pixel is in the window."""
        at = self.viewer(f"app => app.viewer.imageToScreen({x + 0.5}, {y + 0.5})")
        corner = self.corner()
        return corner["x"] + at["px"], corner["y"] + at["py"]

    def corner(self) -> dict[str, float]:
        """The box of the viewer."""
        box: dict[str, float] = self.page.locator(".viewer .fill").first.bounding_box()
        return box

    def still(self) -> None:
        """Wait until the image does not move any more: views glide, and banners make room."""
        calm, before = 0, None
        while calm < 3:
            ends = self.viewer("app => [0, 100].map((at) => app.viewer.imageToScreen(at, at))")
            now = (ends, self.corner())
            calm = calm + 1 if now == before else 0
            before = now
            self.page.wait_for_timeout(60)

    def close_name(self) -> None:
        """The name field of a new project is closed, as Enter does."""
        if self.page.locator("input.rename").count():
            self.page.keyboard.press("Enter")

    def stroke(self, *points: tuple[float, float], steps: int = 6) -> int:
        """Paint along image pixels; gives the place on the wire before it."""
        places: list[tuple[float, float]] = []
        while places != [self.place(*point) for point in points]:
            self.still()
            places = [self.place(*point) for point in points]
            self.page.mouse.move(*places[0])
        since = len(self.wire.came)
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=steps)
        self.page.mouse.up()
        return since

    def painted(self, *points: tuple[float, float], steps: int = 6) -> int:
        """A stroke that the server has; gives the place on the wire before it."""
        since = self.stroke(*points, steps=steps)
        self.wire.wait(since, lambda said: said["type"] == "ack")
        return since

    def sent(self) -> None:
        """Wait until nothing is kept in this tab any more."""
        until(
            self.page,
            """async () => {
              const { link } = await import("underbrush-panels");
              return link.connection.state === "online" && !link.unsent.count;
            }""",
        )

    def kept(self) -> None:
        """Wait until the browser holds on its disk what the server does not have."""
        self.page.evaluate("async () => { await (await import('underbrush-panels')).app().outbox.writing; }")

    def choose(self, number: int) -> None:
        """Take a class by its key."""
        self.page.keyboard.press(str(number))
        self.page.wait_for_selector(f".cls:nth-child({number})[aria-selected=true]")

    def strokes(self, ident: int, count: int) -> None:
        """Wait until the panel counts so many strokes of a class."""
        wait_for_strokes(self.page, ident, count)

    def labels(self) -> NDArray[np.uint8]:
        """The labels of the image in view as the server has them: y, x."""
        project, state = self.told("project"), self.told("state")
        lane = state["lanes"][0]
        _, _, _, height, width = lane["shape"]
        where = f"level=0&t=0&slice=0&plane=xy&x=0&y=0&w={width}&h={height}&v={lane['v']}"
        origin = self.page.evaluate("location.origin")
        answer = self.page.request.get(f"{origin}/api/p/{project}/lanes/{lane['id']}/labels?{where}")
        assert answer.ok, answer.text()
        return np.frombuffer(answer.body(), np.uint8).reshape(height, width)

    def seen(self, pause: int = 250) -> NDArray[np.uint8]:
        """The viewer on the screen, without the pointer, when it does not change any more: y, x, RGB.

        ``pause``: milliseconds between two looks that have to be the same.
        """
        box = self.corner()
        self.page.mouse.move(box["x"] + 60, 5, steps=4)
        self.page.evaluate("() => new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
        before = self.look()
        while True:
            self.page.wait_for_timeout(pause)
            now = self.look()
            if np.array_equal(now, before):
                return now
            before = now

    def look(self) -> NDArray[np.uint8]:
        """The viewer as it is on the screen now: y, x, RGB."""
        picture = self.page.screenshot(clip=self.corner())
        return np.asarray(imagecodecs.png_decode(picture))[..., :3]

    def at_pixels(self, picture: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
        """The colour on the screen in the middle of each pixel of the image: y, x, RGB."""
        a = self.viewer("app => app.viewer.imageToScreen(0.5, 0.5)")
        b = self.viewer("app => app.viewer.imageToScreen(1.5, 1.5)")
        rows = a["py"] + np.arange(shape[0]) * (b["py"] - a["py"])
        columns = a["px"] + np.arange(shape[1]) * (b["px"] - a["px"])
        ys = np.clip(rows.astype(int), 0, picture.shape[0] - 1)
        xs = np.clip(columns.astype(int), 0, picture.shape[1] - 1)
        return picture[ys[:, None], xs[None, :]]


def drop(page: Any, *paths: Path) -> None:
    """Drop files of this computer on the window, as the desktop does."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    talk = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        talk.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 300, "data": data})
    talk.detach()
