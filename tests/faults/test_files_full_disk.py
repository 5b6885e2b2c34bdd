"""Results on a disk that is really full: two megabytes of memory, mounted in a namespace of its own."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, sys
import numpy as np
from pathlib import Path
from underbrush.core.geometry import Box
from underbrush.errors import OutputError
from underbrush.sinks import OutputSpec, format_of, open_sink

folder = Path(sys.argv[1])
report = {}
names = ("a.npy", "a.h5", "a.tif", "a.ome.tif", "a.png")
for name, side in [(name, side) for name in names for side in (100, 500, 700, 2000)]:
    spec = OutputSpec(folder / name, (1, 1, 1, side, side), "yx", np.dtype("u2"))
    spec.path.write_bytes(b"old")
    rng = np.random.default_rng(0)
    try:
        with open_sink(spec, format_of(name)) as sink:
            for y in range(0, side, 100):
                box = Box.whole(spec.shape).replace(y=(y, y + 100))
                sink.write(box, rng.integers(0, 65536, box.shape, "u2"))
        said = "written"
    except OutputError as error:
        said = str(error)
    report[f"{name} {side}"] = [said, os.listdir(folder), spec.path.read_bytes()[:3] == b"old"]
    spec.path.unlink()
    report[f"{name} {side}"].append(os.statvfs(folder).f_bfree == os.statvfs(folder).f_blocks)
print(json.dumps(report))
"""


@pytest.fixture
def report(tmp_path):
    if shutil.which("unshare") is None:
        pytest.skip("no program unshare")
    folder, python = shlex.quote(str(tmp_path)), shlex.quote(sys.executable)
    mount = f"mount -t tmpfs -o size=2m tmpfs {folder} && exec {python} - {folder}"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    done = subprocess.run(command, input=PROGRAM, capture_output=True, text=True, timeout=120, check=False)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_a_really_full_disk_leaves_the_old_file(report):
    for what, (said, names, old, all_free) in report.items():
        name, side = what.split()
        assert names == [name], f"{what}: only the result's own name is there"
        assert old == (said != "written"), f"{what}: {said}"
        assert all_free, f"{what}: something still holds space"
        if said != "written":
            assert "the disk is full; free some space" in said, what
            assert Path(said.split(":")[0]).name == name
        # 20 kB always fit, 8 MB of noise never; 0.5 MB fit even twice.
        assert (said == "written") == {"100": True, "500": True, "2000": False}.get(
            side, said == "written"
        ), what
