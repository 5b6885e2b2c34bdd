"""A session under load: how soon a stroke is acknowledged while all computes, and how much memory it takes.

    python benchmarks/session.py [--strokes 300] [--seconds 60]

First a project of 2048 x 2048 pixels with strokes on 5,000 of them: strokes come one after the other while
training and a view of 1024 x 1024 are computed; an acknowledgement is a record that is synced to the disk.
Then an image of 100,000 x 100,000 pixels (a sparse file), 1,000 strokes all over it, and panning without a
pause; the peak of the process is what counts, under the memory that the session was given.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import psutil
import tifffile

from underbrush.core.runs import Runs
from underbrush.engine.building import linked_from
from underbrush.engine.new_project import project_from_images
from underbrush.engine.session import Session
from underbrush.engine.views import TileDone, View
from underbrush.project.commands import Paint
from underbrush.project.write import write_project

MEMORY = 1_000_000_000
LARGE = 100_000


def textured(n, seed=0):
    r = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n]
    pattern = 90 + 50 * np.sin(x / 9) * np.sin(y / 11) + r.normal(0, 12, (n, n))
    return np.clip(pattern, 0, 255).astype(np.uint8)


def project(folder, image):
    path = folder / "p.ilp"
    write_project(linked_from(project_from_images([str(image)]), folder), path)
    return path


def stroke(y, x, class_id, length=25, height=3):
    runs = Runs.from_array([(0, 0, y + k, x, length) for k in range(height)])
    return Paint("a1", runs, class_id)


class Busy:
    """Counts what the session publishes."""

    def __init__(self, session):
        self.tiles = 0
        session.listen(self.hear)

    def hear(self, event):
        self.tiles += isinstance(event, TileDone)


def acknowledgements(strokes):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tifffile.imwrite(folder / "image.tif", textured(2048), tile=(256, 256))
        with Session.open(project(folder, folder / "image.tif"), threads=2, memory=4_000_000_000) as session:
            session.set_live(True)
            busy = Busy(session)
            r = np.random.default_rng(1)
            for n in range(70):
                y, x = r.integers(0, 2000, 2).tolist()
                session.apply("tab", n + 1, stroke(y, x, 1 + n % 2))
            session.look(View("tab", "main", "a1", 0, "xy", 0, 0, (500, 500, 1524, 1524)))
            while session.training.state != "done" or busy.tiles < 4:
                time.sleep(0.05)
            times, synced = [], []
            for n in range(strokes):
                y, x = r.integers(0, 2000, 2).tolist()
                begin = time.perf_counter()
                session.apply("tab", 71 + n, stroke(y, x, 1 + n % 2))
                times.append(1e3 * (time.perf_counter() - begin))
                time.sleep(0.1)
                with (folder / "probe").open("ab") as file:
                    begin = time.perf_counter()
                    file.write(b"x" * 600)
                    file.flush()
                    os.fdatasync(file.fileno())
                    synced.append(1e3 * (time.perf_counter() - begin))
            tiles = busy.tiles
    p95 = quantiles(times, n=20)[-1]
    print(
        f"acknowledged while everything computes: median {median(times):.1f} ms, 95 % within {p95:.1f} ms, "
        f"longest {max(times):.0f} ms of {strokes} strokes ({tiles} tiles meanwhile; a synced write of that "
        f"size alone takes {median(synced):.1f} ms, 95 % within {quantiles(synced, n=20)[-1]:.1f} ms)"
    )


def memory(seconds):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tifffile.memmap(folder / "large.tif", shape=(LARGE, LARGE), dtype=np.uint8, bigtiff=True)
        path = project(folder, folder / "large.tif")
        process, peak, stop = psutil.Process(), [0], threading.Event()

        def watch():
            while not stop.wait(0.02):
                peak[0] = max(peak[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        with Session.open(path, threads=2, memory=MEMORY) as session:
            r = np.random.default_rng(2)
            begin = time.perf_counter()
            for n in range(1000):
                y, x = r.integers(0, LARGE - 300, 2).tolist()
                session.apply("tab", n + 1, stroke(y, x, 1 + n % 2, length=200))
            painted = time.perf_counter() - begin
            session.set_live(True)
            busy = Busy(session)
            end = time.monotonic() + seconds
            y = x = 1000
            views = 0
            while time.monotonic() < end:
                x = (x + 400) % (LARGE - 1500)
                y = (y + 300) % (LARGE - 1500)
                session.look(View("tab", "main", "a1", 0, "xy", 0, 0, (x, y, x + 1440, y + 900)))
                views += 1
                time.sleep(0.15)
            said = session.training.sentence
        stop.set()
        watcher.join()
    print(
        f"100,000 x 100,000: 1,000 strokes in {painted:.1f} s, {views} views in {seconds} s, "
        f"{busy.tiles} tiles; peak {peak[0] / 1e6:.0f} MB of {MEMORY / 1e6:.0f} MB ({said})"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=60)
    a = parser.parse_args()
    memory(a.seconds)  # first: what a session of 4 GB leaves to the process would be counted as well
    acknowledgements(a.strokes)


if __name__ == "__main__":
    main()
