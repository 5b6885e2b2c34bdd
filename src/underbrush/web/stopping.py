"""Signals: the first asks for a tidy end, the second ends the process at once. Neither loses anything."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Stopping:
    """The first signal asks the server to end, the second ends the process at once."""

    SIGNALS = tuple(
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
    )

    def __init__(self, stop: Callable[[], None], say: Callable[[str], None]) -> None:
        self._stop = stop
        self._say = say
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopping:
        for number in self.SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, or in the background
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *error: object) -> None:
        """The handlers stay: closing the projects is still to come, and may be cut short as well."""

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            # All that was acknowledged is synced in the recovery files: there is nothing to lose.
            os._exit(128 + number)
        self._asked = True
        self._stop()
        self._say("Saving what is open. Ctrl-C again leaves at once; nothing is lost by that.")
