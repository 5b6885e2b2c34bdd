"""Tiles side by side: bounded, stoppable, the first error wins."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from underbrush.engine import scheduler
from underbrush.engine.scheduler import Cancelled, run_side_by_side


def test_every_item_once():
    assert sorted(run_side_by_side(range(50), lambda i: i * i, 3)) == [i * i for i in range(50)]


def test_no_more_items_are_taken_than_threads_work():
    taken, finished, most = 0, 0, 0

    def items():
        nonlocal taken, most
        for i in range(30):
            taken += 1
            most = max(most, taken - finished)
            yield i

    def work(i):
        time.sleep(0.002)
        return i

    for _ in run_side_by_side(items(), work, 4):
        finished += 1
    assert most <= 5


def test_the_first_error_ends_the_run_and_nothing_else_is_begun():
    begun = []

    def work(i):
        begun.append(i)
        if i == 3:
            raise ValueError("tile 3")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="tile 3"):
        list(run_side_by_side(range(1000), work, 2))
    assert len(begun) < 10


def test_cancel_does_not_wait_for_what_takes_long():
    cancel, begun, release = threading.Event(), threading.Event(), threading.Event()

    def work(i):
        if i == 1:
            begun.set()
            release.wait(60)
        return i

    with pytest.raises(Cancelled):
        for _ in run_side_by_side(range(10), work, 2, cancel):
            assert begun.wait(60)
            cancel.set()
    assert not release.is_set()  # the long one is still at work, and nobody waits for it
    release.set()


def test_cancel():
    cancel = threading.Event()
    done = []
    with pytest.raises(Cancelled):
        for i in run_side_by_side(range(10_000), lambda i: i, 2, cancel):
            done.append(i)
            if len(done) == 5:
                cancel.set()
    assert len(done) < 20


def test_closing_the_results_early_leaves_no_thread():
    before = set(threading.enumerate())
    results = run_side_by_side(range(1000), lambda i: i, 2)
    next(results)
    results.close()
    assert set(threading.enumerate()) <= before


def test_who_loses_interest_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(scheduler, "PATIENCE", 0.01)
    release = threading.Event()

    def work(i):
        if i:
            release.wait()
        return i

    results = run_side_by_side(range(1000), work, 2)
    assert next(results) == 0
    try:
        results.close()
        assert scheduler.left_behind()
    finally:
        release.set()
    deadline = time.monotonic() + 30
    while scheduler.left_behind():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_error_waits_for_what_has_begun():
    finished, begun = [], threading.Event()

    def work(i):
        if i == 0:
            assert begun.wait(60)
            raise ValueError("tile 0")
        begun.set()
        time.sleep(0.2)
        finished.append(i)

    with pytest.raises(ValueError, match="tile 0"):
        list(run_side_by_side(range(2), work, 2))
    assert finished == [1] and not scheduler.left_behind()


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
def test_threads_give_way_where_asked():
    def nice(_):
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = nice(0)
    assert set(run_side_by_side(range(4), nice, 2)) == {here}
    assert set(run_side_by_side(range(4), nice, 2, nice=here + 3)) == {here + 3}
    assert nice(0) == here


def test_a_process_waits_at_its_end_for_what_was_left_behind():
    """A script that loses interest and ends must not take the interpreter down under a tile."""
    code = (
        "import threading, time\n"
        "from underbrush.engine import scheduler\n"
        "told = threading.Event()\n"
        "scheduler.PATIENCE = 0\n"
        "def work(i):\n"
        "    if i:\n"
        "        told.wait()\n"
        "        time.sleep(0.5)\n"
        "        print('tile is done', flush=True)\n"
        "results = scheduler.run_side_by_side(range(2), work, 2)\n"
        "next(results)\n"
        "results.close()\n"
        "print('script is done', flush=True)\n"
        "told.set()\n"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert ran.stdout.splitlines() == ["script is done", "tile is done"]
