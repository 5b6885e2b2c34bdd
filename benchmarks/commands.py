"""Whole commands at real sizes: `underbrush predict` as its user calls it, beside vigra driven as by ilastik.

    python benchmarks/commands.py --data FOLDER [--rounds 5] [--large] [--vigra PYTHON]

A forest of 100 trees on all features, from strokes on 5,000 pixels of two classes, makes probabilities in
compressed HDF5 of 2048 x 2048 and 4096 x 4096 (uint8, a real image mirrored) and of a volume, 64 x 256 x 256.
`vigra_command.py` does the same with the same forest. All take turns; figures are medians.

``--large`` adds a tiled BigTIFF of 16384 x 16384 under ``--memory 1GB`` and compares its time for each pixel
with that of 2048 x 2048, and its bytes with those of 4096 x 4096, which it repeats.

Peak memory is that of the whole process tree: the larger of the sum of resident memory over its processes,
looked at every 20 ms, and what the system noted as the high-water mark of the command itself. Start-up is
what is neither computing nor writing; loading kernels counts as computing. Exit status 1 where memory is
above its limit or a result is wrong; times depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import h5py
import numpy as np
import tifffile
from stroke_to_view import strokes

IMAGE = "images/cytology_brightfield_1024/cytology_brightfield_1024_76a372bf"
VOLUME = "images/volume_em_3d/fibsem_medulla_z000-040"
LABELLED = 5000
THREADS = 2
LOOK = 0.02
"""Seconds between two looks at the memory."""
COMMAND = Path(sys.executable).with_name("underbrush")
DRIVER = Path(__file__).with_name("vigra_command.py")
PHASE = re.compile(r"(computed|written) in ([\d.]+) s, ([\d.]+) s of processors")
LARGE = 16384


@dataclass(frozen=True)
class Case:
    """An image, its project and what the command may take."""

    name: str
    project: Path
    image: Path
    pixels: int
    seconds: float
    megabytes: float
    memory: str | None = None

    @property
    def result(self):
        return self.image.with_suffix(".h5")


@dataclass(frozen=True)
class Measured:
    """One run of a command; seconds and bytes."""

    wall: float
    cpu: float
    """Of the whole process tree; on a machine that others use too it says more than the wall."""
    peak: int
    computing: float = 0.0
    computing_cpu: float = 0.0
    writing: float = 0.0
    idle: float = 0.0
    """Share of the machine's time that no process used, over the whole command."""

    @property
    def starting(self):
        return self.wall - self.computing - self.writing


def measured(command, folder):
    """Run a command to its end and look at it meanwhile."""
    log = folder / "log"
    for old in log.glob("*"):
        old.unlink()
    environment = os.environ | {"UNDERBRUSH_LOG_DIR": str(log)}
    idle, whole = machine_time()
    spent = tree_time()
    begin = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], env=environment, stdout=subprocess.DEVNULL)
    peak = 0
    while True:
        peak = max(peak, tree_memory(process.pid))
        try:
            process.wait(LOOK)
            break
        except subprocess.TimeoutExpired:
            continue
    wall = time.perf_counter() - begin
    if process.returncode:
        sys.exit(f"{command[0]} ended with status {process.returncode}")
    after_idle, after_whole = machine_time()
    run = Measured(wall, tree_time() - spent, peak, idle=(after_idle - idle) / max(1, after_whole - whole))
    for path in log.glob("*.log"):
        found = {what: (float(w), float(c)) for what, w, c in PHASE.findall(path.read_text())}
        computing, writing = found["computed"], found["written"]
        run = replace(run, computing=computing[0], computing_cpu=computing[1], writing=writing[0])
    return run


def tree_time():
    """Processor time of all commands that have ended, and of what they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine_time():
    """Idle and whole processor time of the machine until now, in ticks."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def tree_memory(pid):
    """Bytes that a process and all below it hold; at least the high-water mark of the process itself."""
    total, waiting, mark = 0, [pid], 0
    while waiting:
        here = Path("/proc") / str(waiting.pop())
        try:
            status = (here / "status").read_text()
            children = [p.read_text() for p in here.glob("task/*/children")]
        except OSError:
            continue  # it has just ended
        sizes = {name: int(kb) << 10 for name, kb in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.M)}
        total += sizes.get("VmRSS", 0)
        if here.name == str(pid):
            mark = sizes.get("VmHWM", 0)
        waiting += [child for line in children for child in line.split()]
    return max(total, mark)


def ours(case, folder):
    command = [COMMAND, "predict", case.project, case.image, "--result", "probabilities"]
    command += ["--format", "compressed hdf5", "--output", case.result, "--no-progress"]
    return measured([*command, *(["--memory", case.memory] if case.memory else [])], folder)


def vigra(case, folder, python):
    target = case.image.with_suffix(".vigra.h5")
    return measured([python, DRIVER, case.project, case.image, target, THREADS], folder)


def train(folder, name, image, labels, axes):
    tifffile.imwrite(folder / f"{name}.tif", image, photometric="minisblack", metadata={"axes": axes.upper()})
    target = folder / f"{name}_labels.tif"
    tifffile.imwrite(target, labels, photometric="minisblack", metadata={"axes": axes.upper()})
    project = folder / f"{name}.ilp"
    command = [COMMAND, "train", "--out", project, "--image", folder / f"{name}.tif", "--labels", target]
    subprocess.run([*command, "--features", "all", "--axes", axes], check=True, stdout=subprocess.DEVNULL)
    return project


def mirrored(image):
    """Twice as high and wide; repeated, it has no seams."""
    return np.block([[image, image[:, ::-1]], [image[::-1], image[::-1, ::-1]]])


def make_cases(folder, data, large):
    """Write images and projects; gives the cases."""
    plane = tifffile.imread(data / f"{IMAGE}.tif")
    labels = strokes(tifffile.imread(data / f"{IMAGE}_gt.tif").astype(np.uint8), LABELLED)
    project = train(folder, "plane", plane, labels, "yx")
    square = mirrored(plane)
    cases = []
    for edge, seconds, megabytes in ((2048, 2.5, 500), (4096, 6.5, 700)):
        path = folder / f"{edge}.tif"
        tifffile.imwrite(path, np.tile(square, (edge // 2048,) * 2))
        cases.append(Case(f"{edge} x {edge}", project, path, edge**2, seconds, megabytes))
    cases.append(volume_case(folder, data))
    if large:
        path = folder / f"{LARGE}.tif"
        whole = np.tile(square, (LARGE // 2048,) * 2)
        tifffile.imwrite(path, whole, bigtiff=True, tile=(256, 256), compression="zlib")
        budget = 1.3 * LARGE**2 / 2048**2 * 2.5
        cases.append(Case(f"{LARGE} x {LARGE}", project, path, LARGE**2, budget, 1000, "1GB"))
    return cases


def volume_case(folder, data):
    volume = tifffile.imread(data / f"{VOLUME}.tif")
    truth = tifffile.imread(data / f"{VOLUME}_gt.tif").astype(np.uint8)
    labels = np.zeros_like(volume)
    for z in (8, 16, 24, 32):
        labels[z] = strokes(truth[z], LABELLED // 4)
    missing = [(0, n - m) for n, m in zip((64, 256, 256), volume.shape, strict=True)]
    volume, labels = np.pad(volume, missing, mode="symmetric"), np.pad(labels, missing)
    project = train(folder, "volume", volume, labels, "zyx")
    return Case("64 x 256 x 256", project, folder / "volume.tif", volume.size, 5, 1000)


def agreement(case):
    """Share of the pixels to which vigra's probabilities give the same class."""
    with h5py.File(case.result) as mine, h5py.File(case.image.with_suffix(".vigra.h5")) as theirs:
        a, b = (np.asarray(f["exported_data"]).argmax(-1) for f in (mine, theirs))
    return float((a == b).mean())


def repeats(large, small):
    """Whether the large result holds the middle of the small one, in bytes, at places all over."""
    with h5py.File(large.result) as file, h5py.File(small.result) as other:
        a, b = file["exported_data"], other["exported_data"]
        middle = b[1024:3072, 1024:3072]
        corners = [(y, x) for y in range(1024, LARGE - 2048, 4096) for x in range(1024, LARGE - 2048, 4096)]
        return all(np.array_equal(a[y : y + 2048, x : x + 2048], middle) for y, x in corners)


def middle(runs):
    """The median of each figure."""
    return Measured(*(median(getattr(r, n) for r in runs) for n in Measured.__dataclass_fields__))


def show(case, runs, others):
    m, peak = middle(runs), max(r.peak for r in runs)
    running = m.wall - m.starting
    line = (
        f"{case.name}: {m.wall:.2f} s (start {m.starting:.2f}, computing {m.computing:.2f}, writing "
        f"{m.writing:.2f}; at most {case.seconds:.1f}), {m.cpu:.2f} s of processors, peak "
        f"{peak / 1e6:.0f} MB (at most {case.megabytes:.0f}); {1e9 * running / case.pixels:.0f} ns a pixel, "
        f"{1e9 * m.wall / case.pixels:.0f} with the start; computing has "
        f"{m.computing_cpu / m.computing / THREADS:.0%} of {THREADS} cores, machine idle {m.idle:.0%}"
    )
    if others:
        o, most = middle(others), max(r.peak for r in others)
        line += (
            f"; vigra {o.wall:.2f} s, {o.cpu:.2f} s of processors, {most / 1e6:.0f} MB: "
            f"{o.wall / m.wall:.1f}x, of processors {o.cpu / m.cpu:.1f}x, same class on {agreement(case):.1%}"
        )
    print(line, flush=True)
    return peak <= 1e6 * case.megabytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="16384 x 16384 too")
    parser.add_argument(
        "--vigra", default="/usr/bin/python3", help="a Python with vigra and h5py; '' for none"
    )
    args = parser.parse_args()
    if args.vigra and subprocess.run([args.vigra, "-c", "import vigra, h5py"], check=False).returncode:
        sys.exit(
            f"{args.vigra} lacks vigra or h5py: install python3-vigra and python3-h5py, or give --vigra ''"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "log").mkdir()
        subprocess.run([COMMAND, "warmup"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cases = make_cases(folder, args.data, args.large)
        for case in cases[:3]:
            ours(case, folder)
        runs, others = {c.name: [] for c in cases}, {c.name: [] for c in cases}
        for _ in range(args.rounds):
            for case in cases:
                runs[case.name].append(ours(case, folder))
                if args.vigra and case.pixels < LARGE**2:
                    others[case.name].append(vigra(case, folder, args.vigra))
        fine = [show(case, runs[case.name], others[case.name]) for case in cases]
        if args.large:
            fine.append(compare(cases, runs))
    sys.exit(0 if all(fine) else 1)


def compare(cases, runs):
    """The large image beside the small ones it repeats."""
    small, medium, large = cases[0], cases[1], cases[-1]
    each = [middle(runs[c.name]) for c in (small, large)]
    pure = [(m.wall - m.starting) / c.pixels for m, c in zip(each, (small, large), strict=True)]
    whole = [m.wall / c.pixels for m, c in zip(each, (small, large), strict=True)]
    work = [m.computing_cpu / c.pixels for m, c in zip(each, (small, large), strict=True)]
    same = repeats(large, medium)
    print(
        f"time of a pixel, {large.name} to {small.name}: {pure[1] / pure[0]:.2f} without the start, "
        f"{whole[1] / whole[0]:.2f} with it (at most 1.3), {work[1] / work[0]:.2f} of processors; "
        f"{'the same' if same else 'NOT THE SAME'} bytes as {medium.name}"
    )
    return same


if __name__ == "__main__":
    main()
