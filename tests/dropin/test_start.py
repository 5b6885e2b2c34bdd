"""What a call loads and what it leaves: the drop-in is started thousands of times in a row."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import tifffile

UNNEEDED = (
    "nicegui", "fastapi", "uvicorn", "asyncio", "tensorstore", "rich", "typer", "tifffile", "PIL",
    "scipy", "cffi", "xarray", "sklearn", "dask", "ssl", "multiprocessing",
)  # fmt: skip
CODE = f"""
import sys
from underbrush.cli.ilastik import run
status = run(sys.argv[1:])
assert "numba" in sys.modules
print("loaded:", *(name for name in {UNNEEDED} if name in sys.modules))
import scipy.linalg, cffi  # who wants them later still gets them
sys.exit(status)
"""


def test_a_call_loads_what_it_needs_and_leaves_its_result_alone(small, cells, clean, tmp_path):
    """As a process of its own; every folder that it might write to is looked at."""
    own = tmp_path / "own"
    own.mkdir()
    image = cells.with_suffix(".h5")
    with h5py.File(image, "w") as file:
        file["data"] = tifffile.imread(cells)
    places = {name: str(own) for name in ("TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")}
    arguments = ("--headless", f"--project={small}", "--output_filename_format={nickname}.h5", str(image))
    before = sorted([*small.parent.rglob("*"), *own.rglob("*")])
    call = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        env=os.environ | places, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (call.returncode, call.stderr) == (0, "")
    assert call.stdout.splitlines() == [str(clean / "cells.h5"), "loaded:"]
    assert sorted([*small.parent.rglob("*"), *own.rglob("*")]) == before
    assert [p.name for p in clean.iterdir()] == ["cells.h5"]
