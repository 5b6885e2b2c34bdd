"""Threads that give way: what computes must never make painting, saving or answering wait."""

from __future__ import annotations

import os
import sys
import threading

TRAINING, TILES = 2, 4
"""How far training and tiles step back (nice values); training goes first, for it makes tiles outdated."""


def give_way(nice: int) -> None:
    """Lower the priority of the calling thread; threads that it starts have it too. Linux only."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        except OSError:
            return  # a sandbox that forbids it: slower answers, nothing else
