"""A file appears under its name complete, or not at all; errors are sentences; inputs are safe."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbrush import files
from underbrush.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def write_old(path: Path) -> None:
    path.write_bytes(b"old")


def only_old(path: Path) -> bool:
    return path.read_bytes() == b"old" and names(path.parent) == [path.name]


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "new folder" / "a.bin"
    with files.Replacing(target) as file:
        file.write(b"hello")
        assert not target.exists()
        (hidden,) = names(target.parent)
        assert hidden.startswith(".")
    assert target.read_bytes() == b"hello"
    assert names(target.parent) == ["a.bin"]


def test_a_result_has_the_permissions_of_any_new_file(tmp_path):
    old = os.umask(0o027)
    try:
        with files.Replacing(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_an_old_file_is_replaced_in_one_step(tmp_path):
    target = tmp_path / "a"
    write_old(target)
    with files.Replacing(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "a")
    with files.Replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt], ids=["error", "ctrl-c"])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "a"
    write_old(target)
    with pytest.raises(error), files.Replacing(target) as file:
        file.write(b"new")
        raise error
    assert only_old(target)


@pytest.mark.parametrize("operation", ["write", "fsync", "close", "replace"])
def test_each_failing_call_leaves_the_old_file(tmp_path, faulty_disk, operation):
    target = tmp_path / "a"
    write_old(target)
    with (
        files.using(faulty_disk(1, (operation,))),
        pytest.raises(OutputError, match="disk is full"),
        files.Replacing(target) as file,
    ):
        file.write(b"new")
    assert only_old(target)


def test_a_failing_folder_sync_is_reported_and_the_file_is_complete(tmp_path, faulty_disk):
    target = tmp_path / "a"
    with (
        files.using(faulty_disk(1, ("sync_folder",), errno.EIO)),
        pytest.raises(OutputError, match=r"file is complete.*folder could not be synced"),
        files.Replacing(target) as file,
    ):
        file.write(b"new")
    assert target.read_bytes() == b"new"


def test_after_a_failed_sync_a_file_is_not_trusted_again(tmp_path, faulty_disk):
    file = files.OutputFile.create(tmp_path / "a")
    with files.using(faulty_disk(1, ("fsync",), errno.EIO, once=True)):
        with pytest.raises(OutputError, match="disk reported an error"):
            file.fsync()
        for call in (file.fsync, lambda: file.write(b"x"), lambda: file.seek(0)):
            with pytest.raises(OutputError, match="cannot be trusted"):
                call()
    file.close()


def test_short_writes_are_continued(tmp_path):
    class Short(files.FileLayer):
        def write(self, descriptor, data):
            return super().write(descriptor, bytes(data)[:3])

        def read(self, descriptor, size):
            return super().read(descriptor, min(size, 2))

    with files.using(Short()), files.Replacing(tmp_path / "a") as file:
        assert file.write(b"0123456789") == 10
        file.seek(0)
        assert file.read(10) == b"0123456789"
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_disk_that_takes_nothing_is_an_error_not_a_loop(tmp_path):
    class Nothing(files.FileLayer):
        def write(self, descriptor, data):
            return 0

    with files.using(Nothing()), pytest.raises(OutputError), files.Replacing(tmp_path / "a") as file:
        file.write(b"x")


def test_a_real_limit_on_file_size_is_a_sentence(tmp_path):
    code = f"""
import resource, sys
from pathlib import Path
from underbrush import files
from underbrush.errors import OutputError
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    with files.Replacing({str(tmp_path / "a")!r}) as file:
        file.write(bytes(50000))
except OutputError as error:
    print(error)
try:
    with files.replacing_hdf5({str(tmp_path / "b.h5")!r}) as file:
        file["x"] = np.zeros(100000)
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("larger than this disk or your limits allow" in line for line in lines)
    assert names(tmp_path) == []


def test_a_full_device_is_a_sentence():
    file = files.OutputFile("/dev/full", os.O_RDWR)
    with pytest.raises(OutputError, match=r"^/dev/full: the disk is full; free some space"):
        file.write(b"x")
    file.close()


def test_a_scratch_file_has_no_name_left(tmp_path):
    file = files.scratch_file(tmp_path / "deep" / "a.tif")
    file.write(b"abc")
    assert names(tmp_path / "deep") == []
    file.seek(0)
    assert file.read(3) == b"abc"
    file.close()


def small_hdf5(path: Path) -> None:
    with files.replacing_hdf5(path) as file:
        data = file.create_dataset("a/b", (300, 300), "f4", chunks=(100, 100), compression="gzip")
        data.attrs["axistags"] = "é" * 100
        data[:] = np.random.default_rng(0).random((300, 300))


def test_hdf5_is_the_same_file_as_without_our_layer(tmp_path):
    small_hdf5(tmp_path / "a.h5")
    small_hdf5(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["a/b"][:], np.random.default_rng(0).random((300, 300)).astype("f4"))


@pytest.mark.parametrize("once", [False, True], ids=["stays full", "full once"])
def test_hdf5_on_a_full_disk_at_every_call(tmp_path, faulty_disk, once):
    target = tmp_path / "a.h5"
    write_old(target)
    count = faulty_disk(10**9)
    with files.using(count):
        small_hdf5(tmp_path / "count.h5")
    (tmp_path / "count.h5").unlink()
    assert count.calls > 10
    for nth in range(1, count.calls + 1):
        with files.using(faulty_disk(nth, once=once)), pytest.raises(OutputError, match="disk is full"):
            small_hdf5(target)
        assert only_old(target), f"call {nth}"


def test_after_a_failure_a_library_only_sees_a_pretence(tmp_path, faulty_disk):
    with files.OutputFile.create(tmp_path / "a") as file:
        between = files.LibraryFile(file)
        between.write(b"abc")
        with files.using(faulty_disk(1, ("write",), once=True)):
            assert between.write(b"def") == 3
        assert between.write(b"ghi") == 3
        assert between.tell() == 9
        between.seek(0)
        assert between.read(9) == bytes(9)
        with pytest.raises(OutputError, match="disk is full"):
            between.check()
    assert (tmp_path / "a").read_bytes() == b"abc"


def test_hdf5_errors_of_the_caller_pass_and_leave_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), files.replacing_hdf5(tmp_path / "a.h5") as file:
        file["x"] = [1]
        raise ZeroDivisionError
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: ((p / "f").touch()) or p / "f" / "a.tif", "is a file, not a folder"),
        (lambda p: (p / "d").mkdir() or p / "d", "folder of this name is in the way"),
        (lambda p: p / ("ä" * 200), "name is too long"),
        (lambda p: os.mkfifo(p / "pipe") or p / "pipe", "device or pipe"),
        (lambda p: (p / "ring").symlink_to(p / "ring") or p / "ring", "ring|loop"),
        (lambda p: p / "a\0b", "cannot be used"),
    ],
    ids=["file as folder", "folder", "long name", "pipe", "ring of links", "nul"],
)
def test_a_place_that_cannot_be_written_is_refused_before(tmp_path, make, says):
    path = make(tmp_path)
    before = names(tmp_path)
    with pytest.raises(OutputError, match=says):
        files.check_output(path)
    with pytest.raises(OutputError, match=says):
        files.Replacing(path)
    assert names(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_write_protected_folder_is_refused(tmp_path):
    (tmp_path / "d").mkdir(mode=0o555)
    with pytest.raises(OutputError, match="no permission"):
        files.check_output(tmp_path / "d" / "a")


def test_a_folder_without_permission_is_a_sentence(tmp_path, faulty_disk):
    for code, says in [(errno.EACCES, "no permission"), (errno.EROFS, "read-only"), (errno.EDQUOT, "quota")]:
        with files.using(faulty_disk(1, ("open",), code)), pytest.raises(OutputError, match=says) as caught:
            files.Replacing(tmp_path / "a")
        assert str(tmp_path / "a") in str(caught.value), "the message names the file that the user knows"


def test_a_missing_folder_is_no_obstacle(tmp_path):
    files.check_output(tmp_path / "x" / "y" / "a.tif")
    assert names(tmp_path) == [], "checking creates nothing"


def overlapping(folder: Path) -> list[tuple[str, str]]:
    (folder / "a.h5").write_bytes(b"x")
    (folder / "soft.h5").symlink_to("a.h5")
    os.link(folder / "a.h5", folder / "hard.h5")
    (folder / "z.zarr" / "0").mkdir(parents=True)
    (folder / "odd#name.tif").write_bytes(b"x")
    (folder / "plain").mkdir()
    (folder / "plain" / "b.tif").write_bytes(b"x")
    return [
        ("a.h5", "a.h5"),
        ("a.h5", "a.h5/volumes/raw"),
        ("soft.h5", "a.h5"),
        ("a.h5", "soft.h5/data"),
        ("hard.h5", "a.h5"),
        ("./sub/../a.h5", "a.h5#series=2"),
        ("odd#name.tif", "odd#name.tif#series=1"),
        ("z.zarr/result.tif", "z.zarr/0"),
        ("z.zarr", "z.zarr/0"),
        ("plain", "plain/b.tif"),
    ]


def test_a_result_never_overwrites_an_input(tmp_path):
    for output, source in overlapping(tmp_path):
        with pytest.raises(OutputError, match="would overwrite the input"):
            files.check_output(tmp_path / output, ["http://x/a.h5", tmp_path / source], folder=True)
    with pytest.raises(OutputError, match="would overwrite"):
        files.check_output(tmp_path / "a.h5", [f"file://{tmp_path / 'a.h5'}"])


def test_a_result_beside_its_input_is_welcome(tmp_path):
    overlapping(tmp_path)
    for output in ("b.h5", "a.tif", "sub/a.h5", "z.zarr.tif"):
        inputs = [tmp_path / "a.h5", tmp_path / "z.zarr" / "0", tmp_path / "missing.tif", "s3://b/a.h5"]
        files.check_output(tmp_path / output, inputs)


@given(st.text(min_size=0, max_size=400))
def test_safe_names_are_safe(name):
    safe = files.safe_name(name)
    assert 0 < len(safe.encode("utf-8", "surrogatepass")) <= 255
    assert not set('<>:"/\\|?*') & set(safe)
    assert not any(ord(c) < 32 for c in safe)
    assert safe[-1] not in ". "
    assert safe not in {".", ".."}
    assert files.safe_name(safe) == safe


def test_safe_names_keep_what_they_can():
    assert files.safe_name("Zellkörper 細胞 {1}.ome.tif") == "Zellkörper 細胞 {1}.ome.tif"
    assert files.safe_name(unicodedata.normalize("NFD", "ä.tif")) == unicodedata.normalize("NFD", "ä.tif")
    assert files.safe_name("t: 1/2?.tif") == "t_ 1_2_.tif"
    assert files.safe_name("CON.tif") == "_CON.tif"
    assert files.safe_name("a" * 300 + ".tif") == "a" * 251 + ".tif"


def test_the_layer_is_the_same_in_all_threads(tmp_path, faulty_disk):
    caught = []

    def write():
        try:
            files.Replacing(tmp_path / "a")
        except OutputError as error:
            caught.append(error)

    with files.using(faulty_disk(1, ("open",))):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_no_descriptor_leaks(tmp_path, faulty_disk):
    def opened():
        found = [os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()]
        return [name for name in found if name.startswith(str(tmp_path))]

    for nth in range(1, 12):
        with files.using(faulty_disk(nth)), pytest.raises(OutputError):
            small_hdf5(tmp_path / "a.h5")
        assert opened() == []
