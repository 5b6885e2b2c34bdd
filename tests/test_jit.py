"""Compiled code is kept in a private folder, found again, checked, and never in the way."""

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from underbrush import jit

KERNELS = """
    import sys
    from underbrush.jit import kernel

    @kernel()
    def twice(x):
        return x + x

    @kernel()
    def thrice(x):
        return twice(x) + x

    if __name__ == "__main__":
        assert thrice(14) == 42
        print("hits", sum(thrice.stats.cache_hits.values()))
"""


def python(*args, **environment):
    """What a new process prints to both outputs; it must succeed."""
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "some_kernels.py"
    path.write_text(textwrap.dedent(KERNELS))
    return path


def folders(base):
    return [p for p in Path(base).glob("kernels-*") if p.is_dir()]


@pytest.mark.parametrize(
    "module", ["underbrush", "underbrush.core.geometry", "underbrush.core.features.selection"]
)
def test_numba_is_imported_by_kernels_only(module):
    out, _ = python("-c", f"import sys, {module}; print('numba' in sys.modules)")
    assert out.strip() == "False"


def test_compiled_code_is_found_again_in_a_folder_of_the_users_own(script, tmp_path):
    cache = tmp_path / "cache"
    assert python(script, UNDERBRUSH_CACHE_DIR=str(cache))[0] == "hits 0\n"
    assert python(script, UNDERBRUSH_CACHE_DIR=str(cache))[0] == "hits 1\n"
    (folder,) = folders(cache)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(tmp_path.rglob("__pycache__/*.nbi"))
    script.write_text(script.read_text().replace("return x + x", "return 2 * x"))
    assert python(script, UNDERBRUSH_CACHE_DIR=str(cache))[0] == "hits 0\n"


@pytest.mark.parametrize(
    ("suffix", "harm"),
    [(".nbi", "cut"), (".nbi", "empty"), (".nbc", "cut"), (".nbc", "flip"), (".sum", "empty")],
)
def test_damaged_code_is_compiled_again_and_mended(script, tmp_path, suffix, harm):
    cache = tmp_path / "cache"
    python(script, UNDERBRUSH_CACHE_DIR=str(cache))
    files = [p for p in cache.rglob(f"*thrice*{suffix}") if p.is_file()]
    assert files
    for path in files:
        good = path.read_bytes()
        middle = len(good) // 2
        flipped = good[:middle] + bytes([good[middle] ^ 4]) + good[middle + 1 :]
        path.write_bytes({"cut": good[:middle], "flip": flipped, "empty": b""}[harm])
    assert python(script, UNDERBRUSH_CACHE_DIR=str(cache)) == ("hits 0\n", "")
    assert python(script, UNDERBRUSH_CACHE_DIR=str(cache))[0] == "hits 1\n"


def test_without_a_folder_that_can_be_written_a_temporary_one_serves_and_this_is_said_once(script, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    out, err = python(script, UNDERBRUSH_CACHE_DIR=str(blocked / "cache"), TMPDIR=str(temporary))
    assert out == "hits 0\n"
    assert err.count("compiled code cannot be kept") == 1 and "UNDERBRUSH_CACHE_DIR" in err
    assert not list(temporary.iterdir())


def test_a_disk_that_has_filled_up_is_no_obstacle(tmp_path, monkeypatch, caplog):
    (tmp_path / "full").write_text("")
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path / "full")
    found = {jit._source_folder.__wrapped__(tmp_path / name) for name in ("features", "forest")}
    assert len(found) == 1 and next(iter(found)).is_dir()
    assert caplog.text.count("compiled code cannot be kept") == 1


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other means")
def test_a_folder_that_others_can_write_to_is_closed_and_one_of_others_is_refused(tmp_path, monkeypatch):
    tmp_path.chmod(0o777)
    jit._check_private(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError):
        jit._check_private(tmp_path)


def test_old_folders_go_and_the_last_used_stay(tmp_path):
    for k in range(jit.KEPT + 3):
        (tmp_path / f"kernels-{k}").mkdir()
        os.utime(tmp_path / f"kernels-{k}", (1000 + k, 1000 + k))
    (tmp_path / "something else").mkdir()
    jit._forget_old(tmp_path, "kernels-")
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {f"kernels-{k}" for k in range(3, jit.KEPT + 3)} | {"something else"}


COMPILING = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import some_kernels

    def slowly(*args, really=some_kernels.twice._compiler.compile):
        with Path(sys.argv[2]).open("a") as file:
            file.write("compiled\\n")
        time.sleep(0.3)
        return really(*args)

    some_kernels.twice._compiler.compile = slowly
    while not Path(sys.argv[3]).exists():
        time.sleep(0.01)
    assert some_kernels.thrice(14) == 42
"""


def test_no_kernel_is_compiled_by_two_processes(script, tmp_path):
    record, go = tmp_path / "record", tmp_path / "go"
    command = [sys.executable, "-c", textwrap.dedent(COMPILING), script.parent, record, go]
    environment = {**os.environ, "UNDERBRUSH_CACHE_DIR": str(tmp_path / "cache")}
    running = [subprocess.Popen(command, env=environment) for _ in range(3)]
    go.touch()
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert record.read_text() == "compiled\n"
    assert python(script, UNDERBRUSH_CACHE_DIR=str(tmp_path / "cache"))[0] == "hits 1\n"


HOLDING = """
    import sys
    sys.path.insert(0, sys.argv[1])
    import some_kernels
    assert some_kernels.thrice._cache._hold()
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_kernel_whose_process_was_killed_is_compiled_by_who_waits(script, tmp_path):
    cache = {"UNDERBRUSH_CACHE_DIR": str(tmp_path / "cache")}
    holding = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDING), script.parent],
        env={**os.environ, **cache},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holding:
        assert holding.stdout.readline() == "held\n"
        waiting = subprocess.Popen(
            [sys.executable, script], env={**os.environ, **cache}, stdout=subprocess.PIPE, text=True
        )
        with waiting:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(0.5)
            holding.kill()
            assert waiting.communicate(timeout=120)[0] == "hits 0\n"


def test_what_cannot_be_compiled_is_not_waited_for(script, tmp_path):
    code = (
        "import sys, numba; sys.path.insert(0, sys.argv[1]); import some_kernels\n"
        "try:\n    some_kernels.thrice('a', 1)\nexcept TypeError:\n    pass\n"
        "try:\n    some_kernels.thrice(object())\nexcept numba.TypingError:\n    pass\n"
        "print(some_kernels.thrice._cache._held)\n"
    )
    out, _ = python("-c", code, script.parent, UNDERBRUSH_CACHE_DIR=str(tmp_path / "cache"))
    assert out == "None\n"


def test_warming_up_runs_every_example_and_tells_how_far_it_is(monkeypatch):
    ran, told = [], []
    monkeypatch.setattr(jit, "_EXAMPLES", {})
    monkeypatch.setattr(jit.pkgutil, "walk_packages", lambda *_: [])
    for name in ("one", "two"):

        def run(name=name):
            ran.append(name)

        run.__name__ = f"_{name}"
        jit.example(run)
    jit.warmup(lambda *a: told.append(a))
    assert ran == ["one", "two"]
    names = [f"{__name__}.one", f"{__name__}.two", ""]
    assert told == [(k, 2, name) for k, name in enumerate(names)]


def test_the_examples_cover_the_features_whatever_the_image():
    code = (
        "import numpy as np\n"
        "from underbrush import jit\n"
        "from underbrush.core.features import compute, kernels_flat, kernels_volume\n"
        "jit.warmup()\n"
        "found = [len(k.signatures) for k in (kernels_flat.flat_scale, kernels_volume.volume_scale)]\n"
        "for volume in (False, True):\n"
        "    terms = compute.FeatureSelection.all((0.7, 3.5)).terms(volume)\n"
        "    compute.compute_features(np.ones((2, 4, 9, 40), '>u2'), terms, (slice(None),) * 3, (1, 2, 4))\n"
        "print(found, [len(k.signatures) for k in (kernels_flat.flat_scale, kernels_volume.volume_scale)])\n"
    )
    assert python("-c", code)[0] == "[1, 1] [1, 1]\n"


WAITING = """
    import subprocess, sys, time
    from pathlib import Path
    from underbrush import jit
    sys.path.insert(0, sys.argv[1])

    def at_work():
        now = other.poll() is None
        asked.append(now)
        return now

    asked = []
    other = subprocess.Popen([sys.executable, "-c", sys.argv[2]])
    import some_kernels
    with jit.compiled_elsewhere(at_work):
        assert some_kernels.thrice(14) == 42
    assert asked[0]
    print("hits", sum(some_kernels.thrice.stats.cache_hits.values()))
"""


@pytest.mark.parametrize(
    ("other", "hits"),
    [
        (
            "import sys, time; sys.path.insert(0, {0!r}); import some_kernels; some_kernels.thrice(1);"
            "time.sleep(600)",
            1,
        ),
        ("import time; time.sleep(0.5)", 0),
    ],
)
def test_what_another_process_compiles_is_waited_for_and_else_compiled_here(script, tmp_path, other, hits):
    folder = str(script.parent)
    waiting = textwrap.dedent(WAITING) + "other.kill()\n"
    code = other.format(folder)
    out, _ = python("-c", waiting, folder, code, UNDERBRUSH_CACHE_DIR=str(tmp_path / "cache"))
    assert out == f"hits {hits}\n"


def test_all_is_compiled_only_after_a_warmup_and_while_the_folders_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(jit, "_used_folders", {tmp_path / "forest-1"})
    monkeypatch.setattr(jit, "_EXAMPLES", {"a": lambda: None, "volume": lambda: None})
    monkeypatch.setattr(jit.pkgutil, "walk_packages", lambda *_: [])
    (tmp_path / "forest-1").mkdir()
    assert not jit.all_compiled()
    jit.warmup(names=["a"])
    assert jit.all_compiled("a") and not jit.all_compiled("volume") and not jit.all_compiled()
    named = []
    jit.warmup(lambda done, total, name: named.append(name))
    assert named == ["a", "volume", ""]
    assert jit.all_compiled() and jit.all_compiled("a", "volume") and not jit.all_compiled("b")
    (tmp_path / "forest-1").rmdir()
    assert not jit.all_compiled()
