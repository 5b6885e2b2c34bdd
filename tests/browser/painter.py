"""A person who paints where somebody else painted before, and reads results off the screen."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from browser.running import Hand, until
from browser.windows import open_path

Point = tuple[int, int]
"""Column and row."""
Mask = NDArray[np.bool_]


NOTHING_OVER = """async () => {
  document.querySelector(".toast [aria-label=Close]")?.click();
  return !document.querySelector(".toast, .tip:not([hidden])");
}"""
"""Closes what is said over the picture; whether nothing is any more."""


def dice(a: Mask, b: Mask) -> float:
    """How much two masks are the same, 0 to 1."""
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def rows_of(mask: Mask) -> list[tuple[int, int, int]]:
    """Runs of a mask along its rows: row, first and last column."""
    found = []
    for y, row in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        found += [(y, int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return found


def _ways(mask: Mask) -> list[list[Point]]:
    """The longest of the shortest ways through each connected piece of a mask, pixel by pixel."""
    left = {(int(x), int(y)) for y, x in np.argwhere(mask)}
    ways = []
    while left:
        piece, _ = _reached(next(iter(left)), left)
        _, start = _reached(next(iter(piece)), left)
        before, end = _reached(start, left)
        way: list[Point] = [end]
        while way[-1] != start:
            way.append(before[way[-1]])
        ways.append(way)
        left -= piece.keys()
    return ways


def _reached(start: Point, inside: set[Point]) -> tuple[dict[Point, Point], Point]:
    """All pixels that hang together with one, each with the one before it, and the one farthest away."""
    before, waiting, last = {start: start}, deque([start]), start
    while waiting:
        last = x, y = waiting.popleft()
        for near in ((x + i, y + j) for j in (-1, 0, 1) for i in (-1, 0, 1)):
            if near in inside and near not in before:
                before[near] = last
                waiting.append(near)
    return before, last


def _corners(way: list[Point], least: float) -> list[Point]:
    """A way with fewer points, nowhere farther than ``least`` from it."""
    (x0, y0), (x1, y1) = way[0], way[-1]
    length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-9)
    far = [abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length for x, y in way]
    if way[0] == way[-1]:
        far = [float(np.hypot(x - x0, y - y0)) for x, y in way]
    at = int(np.argmax(far))
    if far[at] <= least:
        return [way[0], way[-1]]
    return _corners(way[: at + 1], least)[:-1] + _corners(way[at:], least)


def length(stroke: list[Point]) -> float:
    """Of a stroke, in pixels."""
    return float(np.hypot(*np.diff(np.array(stroke), axis=0).T).sum())


def traces(mask: Mask, least: float = 0.8) -> list[list[Point]]:
    """Along the middle of each stroke that a mask of strokes of 3 px holds, as corners of a line."""
    inner = np.pad(mask, 1)
    inner = inner[1:-1, 1:-1] & inner[2:, 1:-1] & inner[:-2, 1:-1] & inner[1:-1, 2:] & inner[1:-1, :-2]
    return [_corners(way, least) for way in _ways(inner)]


class Painter(Hand):
    """A person at one tab, before a plane of an image."""

    def __init__(self, page: Any, plane: str = "xy") -> None:
        super().__init__(page)
        self.plane = plane

    def view(self, call: str) -> Any:
        """The outcome of ``viewer => ...`` on the view of the plane."""
        return self.viewer(f"app => ({call})(app.viewer.pane('{self.plane}'))")

    def corner(self) -> dict[str, float]:
        """The box of the view of the plane."""
        box: dict[str, float] = self.page.locator(f"[data-plane='{self.plane}']").bounding_box()
        return box

    def lane(self) -> dict[str, Any]:
        """The image in view, as the state has it."""
        position, state = self.told("position"), self.told("state")
        return next(lane for lane in state["lanes"] if lane["id"] == position["lane"])

    def ruler(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where pixel 0 has its middle in the view, and how far the next one is: x, y in screen pixels."""
        a, b = (self.view(f"view => view.imageToScreen({at}, {at})") for at in (0.5, 1.5))
        first = np.array([a["px"], a["py"]])
        return first, np.array([b["px"], b["py"]]) - first

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the middle of an image pixel is in the window."""
        first, step = self.ruler()
        corner = self.corner()
        at = first + step * (x, y) + (corner["x"], corner["y"])
        return float(at[0]), float(at[1])

    def trace(self, strokes: list[list[Point]]) -> None:
        """Paint lines with the mouse, without a look at what comes of them."""
        first, step = self.ruler()
        corner = self.corner()
        for stroke in strokes:
            places = first + step * np.array(stroke, float) + (corner["x"], corner["y"])
            self.page.mouse.move(*places[0])
            self.page.mouse.down()
            for place in places[1:]:
                self.page.mouse.move(*place)
            self.page.mouse.up()

    def copy(self, strokes: NDArray[np.uint8], most: int) -> None:
        """Paint the longest strokes of each class of a picture; wait until the server has them."""
        for number in range(1, int(strokes.max()) + 1):
            self.choose(number)
            self.trace(sorted(traces(strokes == number), key=length)[-most:])
        self.sent()

    def get(self, what: str, **where: int | str) -> NDArray[np.uint8]:
        """Labels of the plane in view as the server has them: rows, columns."""
        project, lane = self.told("project"), self.lane()
        _t, z, y, x = (lane["shape"][k] for k in (0, 2, 3, 4))
        rows, columns = {"xy": (y, x), "xz": (z, x), "zy": (y, z)}[self.plane]
        position = self.told("position")
        across = {"xy": "z", "xz": "y", "zy": "x"}[self.plane]
        box = {"level": 0, "t": position["t"], "slice": position[across], "plane": self.plane}
        box |= {"x": 0, "y": 0, "w": columns, "h": rows, "v": lane["v"], **where}
        asked = "&".join(f"{name}={value}" for name, value in box.items())
        origin = self.page.evaluate("location.origin")
        answer = self.page.request.get(f"{origin}/api/p/{project}/lanes/{lane['id']}/{what}?{asked}")
        assert answer.ok, answer.text()
        return np.frombuffer(answer.body(), np.uint8).reshape(rows, columns)

    def labels(self) -> NDArray[np.uint8]:
        """The labels of the plane in view as the server has them: rows, columns."""
        return self.get("labels")

    def at_pixels(self, picture: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
        """The colour on the screen in the middle of each pixel of the plane: rows, columns, RGB."""
        first, step = self.ruler()
        xs = (first[0] + step[0] * np.arange(shape[1])).astype(int)
        ys = (first[1] + step[1] * np.arange(shape[0])).astype(int)
        assert xs[0] >= 0 and xs[-1] < picture.shape[1] and ys[0] >= 0 and ys[-1] < picture.shape[0]
        return picture[ys[:, None], xs[None, :]]

    def seen(self, pause: int = 80) -> NDArray[np.uint8]:
        """The view as it is on the screen, without the pointer and without what is said over it."""
        self.page.mouse.move(self.corner()["x"] + 60, 5)
        until(self.page, NOTHING_OVER)
        for viewer in ("view.settled()", "view.renderNow()"):
            self.view(f"view => {viewer}")
        return super().seen(pause)

    def coloured(self, shape: tuple[int, int], colour: tuple[int, int, int]) -> Mask:
        """Which pixels of the plane have exactly a colour on the screen."""
        return np.asarray((self.at_pixels(self.seen(), shape) == colour).all(-1))

    def opaque(self) -> None:
        """The result covers the image, and nothing lies over it: its colours are read off exactly."""
        self.page.add_style_tag(content=".scalebar { visibility: hidden; }")
        self.page.focus("[aria-label='Opacity of segmentation']")
        self.page.keyboard.press("End")
        self.page.click("[aria-label='Hide labels']")

    def settled(self) -> None:
        """Wait until what is in view is trained, computed and drawn."""
        try:
            until(
                self.page,
                """async () => {
                  const { link } = await import("underbrush-panels");
                  const over = () =>
                    link.training?.state === "done" && link.progress?.done === link.progress?.total;
                  if (!over() || link.progress?.total > 0) return over() && !!link.progress;
                  // Of nothing: all was there already, or nobody began yet.
                  await new Promise((resolve) => setTimeout(resolve, 1500));
                  return over();
                }""",
            )
        except AssertionError as failure:
            raise AssertionError(f"{self.told('training')}, {self.told('progress')}") from failure
        self.drawn()

    def drawn(self) -> None:
        """Wait until all pixels and labels of the plane are there."""
        self.view("view => view.settled()")

    def start(self, address: str, image: Path) -> None:
        """A new project of one image, by its path; the field for a name is closed."""
        open_path(self.page, address, image)
        self.close_name()
        self.ready()
