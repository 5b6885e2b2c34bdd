"""One writer a project; the second is told who has it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from small_project import make_project

from underbrush.errors import OutputError
from underbrush.files import using
from underbrush.project.lock import Held, lock_project

HOLD = """
import sys, time
from underbrush.project.lock import lock_project
lock = lock_project(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def ilp(tmp_path):
    return make_project(tmp_path / "p.ilp")


@pytest.fixture
def holder(ilp):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(ilp)], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_is_told_who_has_it(ilp, holder):
    with pytest.raises(Held) as caught:
        lock_project(ilp)
    text = str(caught.value)
    assert f"has it open for writing on {socket.gethostname()} (process {holder.pid}, since 20" in text
    assert text.endswith("; close it there, or open it for reading only.")


def test_the_lock_of_a_killed_process_holds_nobody_up(ilp, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock_file = ilp.with_name("p.ilp.lock")
    assert f"pid {holder.pid}" in lock_file.read_text()
    with lock_project(ilp) as lock:
        assert lock.writable
        assert lock.notices == ()
        assert f"pid {os.getpid()}\n" in lock_file.read_text()
    assert not lock_file.exists()


def test_a_lock_is_removed_when_it_is_given_back(ilp):
    lock = lock_project(ilp)
    link = ilp.with_name("link.ilp")
    link.symlink_to(ilp)
    for path in (ilp, link):
        with pytest.raises(Held):
            lock_project(path)
    lock.release()
    lock.release()
    assert not ilp.with_name("p.ilp.lock").exists()
    lock_project(link).release()


def test_a_lock_file_that_is_removed_between_opening_and_locking(ilp):
    from underbrush.files import FileLayer

    class Late(FileLayer):
        calls = 0

        def lock(self, descriptor):
            self.calls += 1
            if self.calls == 1:  # another window closes just now
                ilp.with_name("p.ilp.lock").unlink()
            super().lock(descriptor)

    with using(Late()) as late, lock_project(ilp) as lock:
        assert late.calls == 2
        assert lock.writable
        with pytest.raises(Held):
            lock_project(ilp)


def test_a_disk_without_locks_is_told(ilp, faulty_disk):
    with using(faulty_disk(1, ("lock",), errno.ENOLCK)):
        with lock_project(ilp) as lock:
            assert lock.writable
            assert "has no locks" in lock.notices[0]
            with pytest.raises(Held):
                lock_project(ilp)
        ilp.with_name("p.ilp.lock").write_text(f"host {socket.gethostname()}\npid 999999999\n")
        with lock_project(ilp) as lock:
            assert lock.writable


def test_a_broken_disk_is_a_sentence(ilp, faulty_disk):
    with using(faulty_disk(1, ("lock",), errno.EIO)), pytest.raises(OutputError, match="the disk reported"):
        lock_project(ilp)
    with (
        using(faulty_disk(1, ("open",))),
        pytest.raises(OutputError, match=r"p\.ilp\.lock: the disk is full"),
    ):
        lock_project(ilp)


def test_a_full_disk_locks_all_the_same(ilp, faulty_disk):
    with using(faulty_disk(1, ("write", "truncate"))), lock_project(ilp) as lock:
        assert lock.writable
        with pytest.raises(Held, match="another window or program has it open for writing; close"):
            lock_project(ilp)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_read_only_folder_is_for_reading(ilp, faulty_disk, code):
    with using(faulty_disk(1, ("open",), code)), lock_project(ilp) as lock:
        assert lock.read_only == "the folder of p.ilp is write-protected"
        assert not lock.writable


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_write_protected_project_is_for_reading(ilp):
    ilp.chmod(0o444)
    with lock_project(ilp) as lock:
        assert lock.read_only == "p.ilp is write-protected"


def test_rubbish_in_the_lock_file_is_no_obstacle(ilp):
    ilp.with_name("p.ilp.lock").write_bytes(bytes(range(256)) * 100)
    with lock_project(ilp):
        pass


def test_many_want_it_and_one_gets_it(ilp):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(ilp)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for _ in range(4)
    ]
    deadline = time.monotonic() + 60
    while sum(p.poll() is not None for p in processes) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    alive = [p for p in processes if p.poll() is None]
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
    assert len(alive) == 1
