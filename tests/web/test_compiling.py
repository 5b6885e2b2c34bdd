"""Kernels are compiled by a child that gives way, says how far it is, and never outlives the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from underbrush import jit
from underbrush.engine.scheduler import Cancelled
from underbrush.web import compiling as compiling_module
from underbrush.web import preparing
from underbrush.web.browse import Roots
from underbrush.web.compiling import CHILD, LEFT, NICE, Compiling, worth_a_process
from underbrush.web.hub import Hub, Settings
from underbrush.web.server import Server

WAIT = 120


def until(met, seconds=WAIT):
    """Wait for what must come."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A computer on which nothing is compiled; what a child begins there is not waited for."""
    monkeypatch.setenv("UNDERBRUSH_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiling(fresh):
    one = Compiling(4 << 30)
    yield one
    one.close()


def test_the_child_gives_way_and_tells_how_far_it_is(compiling):
    told = threading.Event()
    heard = []

    def progress(done, total):
        heard.append((done, total))
        told.set()

    following = threading.Thread(target=compiling.follow, args=(progress,))
    following.start()
    assert told.wait(WAIT)
    assert compiling.at_work()
    if hasattr(os, "nice"):
        assert psutil.Process(compiling.process).nice() == min(19, os.nice(0) + NICE)
    done, total = heard[0]
    assert done == 1 and total > 10
    compiling.end()
    following.join(WAIT)
    assert not following.is_alive() and not compiling.at_work()


def test_it_ends_where_the_memory_becomes_too_little(fresh):
    one = Compiling(1)
    try:
        assert one.follow(lambda *_: None) is False
        assert not one.at_work()
    finally:
        one.close()
    assert not worth_a_process(LEFT + CHILD)
    assert worth_a_process(LEFT + CHILD + psutil.Process().memory_info().rss + (100 << 20))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_is_left_when_the_server_is_killed(fresh, number):
    code = (
        "import time\nfrom underbrush.web.compiling import Compiling\n"
        "one = Compiling(4 << 30)\n"
        "one.follow(lambda *_: print(one.process, flush=True))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(number)
        parent.wait(WAIT)
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


class Pretended:
    """A child that says what it is told to, and ends when it is let."""

    def __init__(self, memory):
        self.ended = threading.Event()
        Pretended.last = self

    def at_work(self):
        return not self.ended.is_set()

    def follow(self, steps):
        for done in (100, 101, 500, 1000):
            steps(done, 1000)
        self.ended.wait(WAIT)
        return True

    def close(self):
        self.ended.set()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on a computer where nothing is compiled, as far as it knows; loading takes no time."""
    monkeypatch.setattr(compiling_module, "Compiling", Pretended)
    monkeypatch.setattr(jit, "all_compiled", lambda: False)
    monkeypatch.setattr(jit, "warmup", lambda steps: steps(2, 2))
    hub = Hub(Settings(1, 8 << 30, Roots((tmp_path,)), state=tmp_path))
    yield hub
    hub.close_all()


def test_the_windows_are_told_while_the_child_is_at_work_and_when_all_is_there(hub):
    said = []
    hub.listen(said.append)
    seen = threading.Event()
    preparing.prepare(hub, seen)
    assert not said
    seen.set()
    until(lambda: len(said) >= 3)
    assert [(one.sentence, one.done, one.total) for one in said] == [
        (preparing.PREPARING, 100, 1000),
        (preparing.PREPARING, 500, 1000),
        (preparing.PREPARING, 999, 1000),
    ]
    assert hub.preparing.running
    Pretended.last.ended.set()
    until(lambda: len(said) >= 5)
    assert said[-1].sentence == "" and not hub.preparing.running


def test_who_waits_for_a_kernel_waits_no_more_when_the_server_ends(hub):
    preparing.prepare(hub, threading.Event())
    until(lambda: hub.preparing.running)
    assert jit._elsewhere is not None and jit._elsewhere()
    # Asked to end, which comes before projects are closed: the server waits for its threads in between.
    Server(None, (None, None), lambda: None, hub.end).stop()
    with pytest.raises(Cancelled):
        jit._elsewhere()
    Pretended.last.ended.set()
    until(lambda: jit._elsewhere is None)


def test_without_room_for_a_child_the_server_compiles(hub, monkeypatch):
    monkeypatch.setattr(compiling_module, "worth_a_process", lambda memory: False)
    Pretended.last = None
    heard = threading.Event()
    monkeypatch.setattr(jit, "warmup", lambda steps: heard.set())
    seen = threading.Event()
    seen.set()
    preparing.prepare(hub, seen)
    assert heard.wait(WAIT)
    assert Pretended.last is None
