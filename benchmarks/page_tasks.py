"""What the page of the window was busy with, from Chromium's own trace: by the clock and in processor time.

A machine that does other work stretches every task by the clock; processor time says what is ours. What
Chromium draws with the processor because there is no graphics card runs in a process of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import psutil

CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "v8"]
DRAWING = frozenset({"UpdateLayoutTree", "Layout", "PrePaint", "Paint", "Layerize", "Commit"})
COLLECTING = frozenset({"MinorGC", "MajorGC"})
ARRIVING = frozenset({"Receive mojo message", "SimpleWatcher::OnHandleReady"})
CAUSES = {"FireAnimationFrame": "a frame", "TimerFire": "a timer"}


@dataclass(frozen=True)
class Task:
    """One task of a page's main thread."""

    clock: float
    """Milliseconds from its begin to its end."""
    processor: float
    """Milliseconds in which it really ran."""
    sources: tuple[tuple[str, float], ...]
    """What took most of it, and how many milliseconds of processor."""


class Trace:
    """Chromium's trace of all pages."""

    def __init__(self, browser):
        self._talk = browser.new_browser_cdp_session()
        self._events = []
        self._complete = False
        self._talk.on("Tracing.dataCollected", lambda told: self._events.extend(told["value"]))
        self._talk.on("Tracing.tracingComplete", lambda _: setattr(self, "_complete", True))
        config = {"includedCategories": CATEGORIES}
        self._talk.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})

    def end(self, page):
        """The tasks of all pages since it was begun, those that took most of the processor first."""
        self._talk.send("Tracing.end")
        while not self._complete:
            page.wait_for_timeout(50)
        self._talk.detach()
        return sorted(_tasks(self._events), key=lambda task: -task.processor)


def _tasks(events):
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    lines = defaultdict(list)
    for event in events:
        if event.get("ph") == "X" and (event["pid"], event["tid"]) in threads:
            lines[event["pid"], event["tid"]].append(event)
    for line in lines.values():
        line.sort(key=lambda event: (event["ts"], -event["dur"]))
        inside, task = [], None
        for event in line:
            if event["name"] == "RunTask" and (task is None or event["ts"] >= task["ts"] + task["dur"]):
                if task is not None:
                    yield _task(task, inside)
                inside, task = [], event
            else:
                inside.append(event)
        if task is not None:
            yield _task(task, inside)


def _task(event, inside):
    found = Counter()
    for one in inside:
        data = one.get("args", {}).get("data") or {}
        took = one.get("tdur", 0) / 1000
        if one["name"] == "FunctionCall":
            name = f"{data.get('url', '').rsplit('/', 1)[-1]} {data.get('functionName', '')}".strip()
            found[name] = max(found[name], took)  # calls lie within calls
        elif one["name"] in DRAWING:
            found["layout and paint"] += took
        elif one["name"] in COLLECTING:
            found["collecting garbage"] += took
        elif one["name"] == "EventDispatch":
            found[data.get("type", "an event")] += took
        elif one["name"] in CAUSES:
            found[CAUSES[one["name"]]] += took
        elif one["name"] in ARRIVING and "websocket" in str(one.get("args")).lower():
            found["a message on a websocket"] = max(found["a message on a websocket"], took)
    return Task(event["dur"] / 1000, event.get("tdur", 0) / 1000, tuple(found.most_common(4)))


def processor_seconds(kind):
    """Seconds of processor that Chromium's processes of a kind have taken, such as ``gpu-process``."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if f"--type={kind}" in " ".join(process.cmdline()):
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.Error:
            continue  # it has just ended
    return total
