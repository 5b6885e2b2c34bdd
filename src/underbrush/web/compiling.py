"""Kernels compiled by a child process of lower priority, so that the server answers meanwhile.

The child is this module run as a program. It compiles into the folder that both share, says on its standard
output how far it is, and ends when its standard input does: that is when the server ends, however it ends.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import psutil

NICE = 10
"""How far it steps back: behind training and tiles."""
CHILD = 440_000_000
"""Bytes that it takes at its peak, about."""
LEFT = 300_000_000
"""Bytes that must be left beside server and child for it to be started."""
_MOST_LINE = 10_000
_LOG = logging.getLogger(__name__)
Steps = Callable[[int, int], None]


class Compiling:
    """A child that compiles all kernels.

    Parameters
    ----------
    memory
        Bytes that the server and its children may hold together. Where that becomes too little the child is
        ended; what it has compiled stays.

    Raises
    ------
    OSError
        It cannot be started.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._ended_by_us = False
        self._child = subprocess.Popen(
            [sys.executable, "-m", "underbrush.web.compiling"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
        )

    @property
    def process(self) -> int:
        """The id of the child."""
        return self._child.pid

    def at_work(self) -> bool:
        """Whether it is still compiling."""
        return self._child.poll() is None

    def follow(self, steps: Steps) -> bool:
        """Pass on how far it is until it has ended; gives whether it compiled everything."""
        assert self._child.stdout is not None
        while line := self._child.stdout.readline(_MOST_LINE):
            done, total = json.loads(line)
            steps(done, total)
            if not self._has_room():
                _LOG.info("too little memory for a process that compiles: the server does it")
                self.end()
        status = self._child.wait()
        if status and not self._ended_by_us:
            _LOG.warning("the process that compiles ended with status %s", status)
        return status == 0

    def end(self) -> None:
        """End it at once; from any thread, also twice."""
        self._ended_by_us = True
        self._child.kill()

    def close(self) -> None:
        """End it and wait until it is gone."""
        self.end()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def _has_room(self) -> bool:
        try:
            held = psutil.Process(self._child.pid).memory_info().rss
        except psutil.Error:
            return True  # it has just ended
        return int(psutil.Process().memory_info().rss) + int(held) < self._memory


def worth_a_process(memory: int) -> bool:
    """Whether the memory is enough for the server and a child, with something left to work with."""
    return memory >= int(psutil.Process().memory_info().rss) + CHILD + LEFT


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


def main() -> None:
    """Compile everything; a line of JSON for each kernel: how many are there, of how many."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICE)
    from underbrush import jit  # noqa: PLC0415  (numba: when the parent can already end us)

    def say(done: int, total: int) -> None:
        sys.stdout.write(json.dumps([done, total]) + "\n")
        sys.stdout.flush()

    jit.warmup(steps=say)


if __name__ == "__main__":
    main()
