"""What a killed writer leaves beside its result, and what the next one makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from underbrush import files
from underbrush.files import leftovers, names

WRITER = """
import sys, time
import numpy as np
from underbrush.core.geometry import Box
from underbrush.sinks import OutputSpec, open_sink
from underbrush.files import Replacing
from pathlib import Path

path, format = Path(sys.argv[1]), sys.argv[2]
real = Replacing.commit
def commit(self):
    self.file.write(b"x")
    print("there", flush=True)
    time.sleep(600)
Replacing.commit = commit
spec = OutputSpec(path, (1, 1, 1, 64, 64), "yx", np.dtype("u1"), "segmentation")
with open_sink(spec, format) as sink:
    sink.write(Box.whole(spec.shape), np.ones(spec.shape, "u1"))
"""
FORMATS = {"tiff": "a.tif", "hdf5": "a.h5", "npy": "a.npy", "png": "a.png"}


def hidden(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith("."))


def write(path, content=b"new"):
    leftovers._listings.clear()  # as in a new process
    with files.Replacing(path) as file:
        file.write(content)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with a writer of each format that has begun its file, all alive; ended by the first test."""
    folder = tmp_path_factory.mktemp("killed")
    writers = {
        name: subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder / name), format], stdout=subprocess.PIPE, text=True
        )
        for format, name in FORMATS.items()
    }
    for writer in writers.values():
        assert writer.stdout.readline() == "there\n"
    yield folder, writers
    for writer in writers.values():
        writer.kill()
        writer.communicate()


def test_what_a_killed_writer_left_is_removed_by_the_next_and_never_of_a_living_one(scene):
    folder, writers = scene
    begun = hidden(folder)
    assert len(begun) == len(FORMATS)
    for name in FORMATS.values():
        write(folder / name)
    assert hidden(folder) == begun
    for writer in writers.values():
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    for left, name in enumerate(FORMATS.values(), 1):
        write(folder / name)
        assert len(hidden(folder)) == len(FORMATS) - left
        assert (folder / name).read_bytes() == b"new"


def leave(path, age=0.0):
    """An unfinished file that nobody holds."""
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_only_what_we_named_of_this_very_file_is_removed(tmp_path):
    target = tmp_path / "a.tif"
    ours = leave(names.hidden_name(target))
    kept = [
        leave(names.hidden_name(tmp_path / "b.tif")),
        leave(names.hidden_name(tmp_path / "aa.tif")),
        leave(tmp_path / ".a.tif.part"),
        leave(tmp_path / ".a.tif.0123.part"),
        leave(tmp_path / f"{ours.name[1:]}"),
        leave(tmp_path / f"{ours.name}.zip"),
    ]
    folder = names.hidden_name(target)
    folder.mkdir()
    write(target)
    assert not ours.exists() and folder.is_dir() and all(path.exists() for path in kept)


def test_files_of_another_machine_have_to_be_a_day_old(tmp_path, monkeypatch):
    target = tmp_path / "a.tif"
    monkeypatch.setattr(names, "_machine", lambda: "0000")
    new, old = leave(names.hidden_name(target)), leave(names.hidden_name(target), leftovers.ELSEWHERE_S + 60)
    monkeypatch.setattr(names, "_machine", lambda: "ffff")
    write(target)
    assert new.exists() and not old.exists()


def test_without_locks_nothing_is_removed_and_all_is_written(tmp_path):
    class NoLocks(files.FileLayer):
        def lock(self, descriptor):
            raise OSError(37, "no locks available")

    left = leave(names.hidden_name(tmp_path / "a"))
    with files.using(NoLocks()):
        write(tmp_path / "a")
    assert left.exists() and (tmp_path / "a").read_bytes() == b"new"


def test_a_file_that_is_taken_for_a_leftover_before_it_is_locked_is_begun_anew(tmp_path):
    class Eager(files.FileLayer):
        """Somebody else tidies between the making and the locking of the first file."""

        taken = 0

        def lock(self, descriptor):
            if not self.taken:
                self.taken += 1
                for path in tmp_path.iterdir():
                    path.unlink()
            super().lock(descriptor)

    with files.using(Eager()) as eager:
        write(tmp_path / "a")
    assert eager.taken == 1 and hidden(tmp_path) == [] and (tmp_path / "a").read_bytes() == b"new"


def test_the_lock_lasts_until_the_file_has_its_name(tmp_path):
    seen = []

    class Looking(files.FileLayer):
        def replace(self, source, target):
            leftovers._listings.clear()
            leftovers.remove_leftovers(target)
            seen.append(source.exists())
            super().replace(source, target)

    with files.using(Looking()):
        write(tmp_path / "a")
    assert seen == [True]


def test_a_folder_of_thousands_is_listed_once(tmp_path, monkeypatch):
    listed = []
    monkeypatch.setattr(leftovers, "_SHARE", 10**6)
    monkeypatch.setattr(leftovers.os, "listdir", lambda folder: listed.append(folder) or [])
    leftovers._listings.clear()
    for number in range(20):
        files.Replacing(tmp_path / f"{number}.npy").abort()
    assert len(listed) == 1


def test_a_scratch_file_may_be_taken_for_a_leftover(tmp_path):
    class Eager(files.FileLayer):
        def remove(self, path):
            super().remove(path)
            super().remove(path)

    with files.using(Eager()):
        file = files.scratch_file(tmp_path / "a")
    file.write(b"x")
    file.close()
    assert np.array_equal(hidden(tmp_path), [])
