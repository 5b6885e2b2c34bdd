"""Kernels compiled by child processes, so that the server answers meanwhile and a second core is used.

A child is this module run as a program. It compiles into the folder that all share, says on its standard
output which kernels are there, and ends when its standard input does: that is when its parent ends, however
it ends. Several go through the kernels in different order; none is compiled twice (`underbrush.jit`).
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import psutil

NICE = 10
"""How far the children of a server step back: behind training and tiles."""
CHILD = 440_000_000
"""Bytes that one takes at its peak, about."""
LEFT = 300_000_000
"""Bytes that must be left beside server and children for them to be started."""
FLAT, VOLUME = "features.compute.flat_features", "features.compute.volume_features"
PREDICTING, TRAINING = "forest.predict.prediction", "forest.train.training"
MANY_BINS = "forest.predict.prediction_in_many_bins"
ALONE = (FLAT, PREDICTING, TRAINING, MANY_BINS, VOLUME)
"""What one child compiles, in this order: most first images are flat."""
TOGETHER = ((FLAT, VOLUME, MANY_BINS, TRAINING, PREDICTING), (PREDICTING, TRAINING, MANY_BINS, VOLUME, FLAT))
"""What each of two does: who is done with its own half goes on with what the other has not begun."""
_MOST_LINE = 10_000
_LOG = logging.getLogger(__name__)
Steps = Callable[[int, int], None]
"""Called with the number of kernels that are there, and that of all."""


class Child:
    """A process that compiles examples, in their order.

    Raises
    ------
    OSError
        It cannot be started.
    """

    def __init__(self, names: Sequence[str], nice: int = NICE) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "underbrush.web.compiling", str(nice), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0) if nice else 0,
        )
        self.process = self._child.pid
        self.ended_by_us = False

    def at_work(self) -> bool:
        """Whether it is still compiling."""
        return self._child.poll() is None

    def told(self) -> Iterator[tuple[str, int]]:
        """The kernels that are there, as they come, each with the number of all; until it has ended."""
        assert self._child.stdout is not None
        while line := self._child.stdout.readline(_MOST_LINE):
            name, total = json.loads(line)
            yield name, total

    def held(self) -> int:
        """Bytes of memory that it has; 0 when it is gone."""
        with suppress(psutil.Error):
            return int(psutil.Process(self.process).memory_info().rss)
        return 0

    def succeeded(self) -> bool:
        """Wait for its end; whether it compiled everything."""
        status = self._child.wait()
        if status and not self.ended_by_us:
            # Ctrl-C and the end of a session reach all processes at once: nothing has failed.
            asked = status in (-signal.SIGINT, -signal.SIGTERM)
            _LOG.log(
                logging.INFO if asked else logging.WARNING,
                "the process that compiles ended with status %s",
                status,
            )
        return status == 0

    def end(self) -> None:
        """End it at once; from any thread, also twice."""
        self.ended_by_us = True
        self._child.kill()

    def close(self) -> None:
        """End it and wait until it is gone."""
        self.end()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()


class Compiling:
    """Children that compile all kernels.

    Parameters
    ----------
    memory
        Bytes that the server and its children may hold together. Where that becomes too little the youngest
        child is ended; what it has compiled stays.
    processes
        How many: 1 or 2.

    Raises
    ------
    OSError
        They cannot be started.
    """

    def __init__(self, memory: int, processes: int = 1) -> None:
        self._memory = memory
        self._children: list[Child] = []
        try:
            for names in TOGETHER[:processes] if processes > 1 else (ALONE,):
                self._children.append(Child(names))
        except OSError:
            self.close()
            raise

    @property
    def processes(self) -> tuple[int, ...]:
        """The ids of the children."""
        return tuple(child.process for child in self._children)

    def at_work(self) -> bool:
        """Whether any is still compiling."""
        return any(child.at_work() for child in self._children)

    def follow(self, steps: Steps) -> bool:
        """Pass on how far they are until all have ended; gives whether everything is compiled."""
        told: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        for child in self._children:
            threading.Thread(target=_pass_on, args=(child, told), daemon=True).start()
        there: set[str] = set()
        reading = len(self._children)
        while reading:
            one = told.get()
            if one is None:
                reading -= 1
                continue
            name, total = one
            if name not in there:
                there.add(name)
                steps(len(there), total)
            self._make_room()
        succeeded = [child.succeeded() for child in self._children]  # of all, so that each says why not
        return any(succeeded)

    def _make_room(self) -> None:
        while working := [child for child in self._children if child.at_work() and not child.ended_by_us]:
            held = int(psutil.Process().memory_info().rss) + sum(child.held() for child in working)
            if held < self._memory:
                return
            _LOG.info("too little memory for %d processes that compile", len(working))
            working[-1].end()

    def end(self) -> None:
        """End all at once; from any thread, also twice."""
        for child in self._children:
            child.end()

    def close(self) -> None:
        """End all and wait until they are gone."""
        for child in self._children:
            child.close()


def _pass_on(child: Child, told: queue.SimpleQueue[tuple[str, int] | None]) -> None:
    try:
        for one in child.told():
            told.put(one)
    except ValueError:  # closed meanwhile
        pass
    finally:
        told.put(None)


def worthwhile(memory: int, threads: int) -> int:
    """How many children the memory and the cores are enough for, 0 to 2, with something left to work with."""
    room = memory - LEFT - int(psutil.Process().memory_info().rss)
    return max(0, min(room // CHILD, threads, 2))


def help_along(memory: int, threads: int, names: Sequence[str] = (PREDICTING, TRAINING)) -> None:
    """For a command that computes: where nothing is compiled, a child does forests while we do features.

    It ends when we do. Where memory (bytes) or cores are not enough for it, or all is there, nothing happens.
    """
    from underbrush import jit  # noqa: PLC0415  (numba)

    # Looked at is what all commands need: who only predicts need not have the rest.
    if not jit.is_kept() or jit.all_compiled(names[0]) or not worthwhile(memory, threads - 1):
        return
    try:
        child = Child(names, nice=0)
    except OSError as error:
        _LOG.info("no process could be started to compile in: %s", error)
        return
    atexit.register(child.close)


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


def main(words: Sequence[str]) -> None:
    """Give way by the first word, compile the examples of the others; says each kernel, and of how many."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    nice, *names = words
    if hasattr(os, "nice"):
        os.nice(int(nice))
    from underbrush import jit  # noqa: PLC0415  (numba: when the parent can already end us)

    def say(name: str, total: int) -> None:
        sys.stdout.write(json.dumps([name, total]) + "\n")
        sys.stdout.flush()

    jit.warmup(steps=say, names=names)


if __name__ == "__main__":
    main(sys.argv[1:])
