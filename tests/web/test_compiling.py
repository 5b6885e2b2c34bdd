"""Kernels are compiled by a child that gives way, says how far it is, and never outlives the server."""

from __future__ import annotations

import importlib
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
from underbrush.web.compiling import CHILD, LEFT, NICE, TOGETHER, Compiling, help_along, worthwhile
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
    one = Compiling(4 << 30, 2)
    yield one
    one.close()


def test_the_children_give_way_and_tell_how_far_they_are(compiling):
    told = threading.Event()
    heard = []

    def progress(done, total):
        heard.append((done, total))
        if len(heard) > 3:
            told.set()

    following = threading.Thread(target=compiling.follow, args=(progress,))
    following.start()
    assert told.wait(WAIT)
    assert compiling.at_work()
    assert len(compiling.processes) == 2
    if hasattr(os, "nice"):
        for process in compiling.processes:
            assert psutil.Process(process).nice() == min(19, os.nice(0) + NICE)
    done = [done for done, _ in heard]
    assert done == list(range(1, len(done) + 1)), "a kernel that both have counts once"
    assert heard[0][1] > 10
    compiling.end()
    following.join(WAIT)
    assert not following.is_alive() and not compiling.at_work()


def test_it_ends_where_the_memory_becomes_too_little(fresh):
    one = Compiling(1, 2)
    try:
        assert one.follow(lambda *_: None) is False
        assert not one.at_work()
    finally:
        one.close()
    rss = psutil.Process().memory_info().rss + (100 << 20)
    assert not worthwhile(LEFT + CHILD, 8)
    assert worthwhile(LEFT + CHILD + rss, 8) == 1
    assert worthwhile(LEFT + 2 * CHILD + rss, 8) == worthwhile(1 << 40, 8) == 2
    assert worthwhile(1 << 40, 1) == 1


def test_two_children_do_all_that_there_is():
    for name in ("features.compute", "forest.predict", "forest.train"):
        importlib.import_module(f"underbrush.core.{name}")
    assert all(sorted(names) == sorted(jit._EXAMPLES) for names in (*TOGETHER, compiling_module.ALONE))


class Started:
    """A child that was asked for."""

    names: tuple[str, ...] = ()

    def __init__(self, names, nice):
        Started.names = tuple(names)
        assert nice == 0

    def close(self):
        pass


def test_a_command_is_helped_only_where_nothing_is_compiled_and_there_is_room(monkeypatch):
    monkeypatch.setattr(compiling_module, "Child", Started)
    monkeypatch.setattr(jit, "is_kept", lambda: True)
    for there, memory, threads in ((True, 1 << 40, 8), (False, LEFT + CHILD, 8), (False, 1 << 40, 1)):
        monkeypatch.setattr(jit, "all_compiled", lambda name, there=there: there)
        help_along(memory, threads)
        assert not Started.names
    help_along(1 << 40, 2, TOGETHER[1])
    assert Started.names == TOGETHER[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_is_left_when_the_server_is_killed(fresh, number):
    code = (
        "import time\nfrom underbrush.web.compiling import Compiling\n"
        "one = Compiling(4 << 30)\n"
        "one.follow(lambda *_: print(*one.processes, flush=True))\n"
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

    def __init__(self, memory, processes):
        assert processes == 2
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
    monkeypatch.setattr(jit, "warmup", lambda steps: steps("a", 2))
    hub = Hub(Settings(2, 8 << 30, Roots((tmp_path,)), state=tmp_path))
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
    monkeypatch.setattr(compiling_module, "worthwhile", lambda memory, threads: 0)
    Pretended.last = None
    heard = threading.Event()
    monkeypatch.setattr(jit, "warmup", lambda steps: heard.set())
    seen = threading.Event()
    seen.set()
    preparing.prepare(hub, seen)
    assert heard.wait(WAIT)
    assert Pretended.last is None
