"""How busy this program is: processor and memory, measured once for all windows."""

from __future__ import annotations

import os
import time

import psutil

LEAST_SECONDS = 1.5


def _cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


class Gauges:
    """Texts for the bar; measures at most every 1.5 s, whoever asks."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process = psutil.Process()
        self._process.cpu_percent(None)
        self._next = time.monotonic() + LEAST_SECONDS
        self._texts = {"cpu": "0 %", "mem": self._used()}

    def texts(self) -> dict[str, str]:
        """``cpu`` as a share of all cores, ``mem`` as used of allowed."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LEAST_SECONDS
            share = self._process.cpu_percent(None) / _cores()
            self._texts = {"cpu": f"{min(100, round(share))} %", "mem": self._used()}
        return dict(self._texts)

    def _used(self) -> str:
        used = self._process.memory_info().rss
        return f"{used / 1e9:.1f} of {self._memory / 1e9:.1f}".removesuffix(".0") + " GB"
