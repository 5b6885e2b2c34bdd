"""Many calls of `underbrush-ilastik` in a row: how long each takes, and that none leaves anything behind.

    python -m benchmarks.drop_in PROJECT.ilp IMAGE [--calls 100]

Each call is a process of its own, as programs make them. Looked at before and after: the folders of
temporary files and of compiled code, the result's folder, the project's, and the processes of this user.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from underbrush.jit import cache_folder

START = "import underbrush"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--calls", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drop_in_") as name:
        folder = Path(name)
        for place in ("tmp", "log", "out"):
            (folder / place).mkdir()
        walls, busy = run_calls(given.project.resolve(), given.image.resolve(), folder, given.calls)
    print(f"import underbrush     {1000 * start_seconds():6.0f} ms (beyond Python's own start)")
    print(f"first call            {walls[0]:6.2f} s, {busy[0]:.2f} s of processors")
    rest, worked = walls[1:] or walls, busy[1:] or busy
    print(
        f"each of {len(rest):4} more     {statistics.median(rest):6.2f} s, {statistics.median(worked):.2f} s"
    )
    print(f"slowest, fastest      {max(rest):6.2f} s, {min(rest):.2f} s")
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        print(f"(others computed as well: load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores)")


def run_calls(project: Path, image: Path, folder: Path, calls: int) -> tuple[list[float], list[float]]:
    """Seconds and processor seconds of each call.

    Raises
    ------
    SystemExit
        A call failed, or something was left behind.
    """
    kernels = cache_folder()
    environment = os.environ | {
        "TMPDIR": str(folder / "tmp"),
        "UNDERBRUSH_LOG_DIR": str(folder / "log"),
        "UNDERBRUSH_CACHE_DIR": str(kernels.parent),
    }
    command = [
        str(Path(sys.executable).with_name("underbrush-ilastik")),
        "--headless",
        f"--project={project}",
        f"--output_filename_format={folder / 'out' / '{nickname}_{result_type}.h5'}",
        str(image),
    ]
    walls, busy = [], []
    before: set[str] = set()
    for _ in range(calls):
        wall, used = time.perf_counter(), used_by_children()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        walls.append(time.perf_counter() - wall)
        busy.append(used_by_children() - used)
        if done.returncode:
            sys.exit(f"a call failed: {done.stderr}")
        before = before or seen(folder, project.parent, kernels)  # the first may have compiled
    left = seen(folder, project.parent, kernels) ^ before
    if left:
        sys.exit(f"something was left behind or taken away: {sorted(left)[:5]}")
    print(f"after {calls} calls nothing is left: {len(before)} files and processes before and after")
    return walls, busy


def seen(*folders: Path) -> set[str]:
    """All files of folders, and our processes."""
    files = {str(path) for folder in folders for path in folder.rglob("*")}
    ours = {f"process {p.pid}" for p in psutil.Process().children(recursive=True)}
    return files | ours


def used_by_children() -> float:
    """Processor seconds of all processes that ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def start_seconds(tries: int = 5) -> float:
    """Least time of importing the package, without that of starting Python."""
    found = []
    for code in (START, "pass"):
        times = []
        for _ in range(tries):
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - begun)
        found.append(min(times))
    return found[0] - found[1]


if __name__ == "__main__":
    main()
