"""Many small images: one command for all of them beside one command for each, and what resuming costs.

    python benchmarks/many_images.py --data FOLDER [--images 1000] [--alone 10] [--cluster 0]

Images of 512 x 512 (uint8, cut out of a real one), all features, a forest of 100 trees from strokes on 5,000
pixels, segmentations in TIFF. The command for all is timed whole, with its start; single calls are timed over
``--alone`` images. ``--resume`` of a finished run is what is paid for looking whether all is there. With
``--cluster 4`` the same on so many processes. Only ratios within one run mean something on a busy machine;
exit status 1 where a result differs or one command is not at least three times faster.
"""

from __future__ import annotations

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from commands import COMMAND, IMAGE, LABELLED, measured, mirrored, train
from stroke_to_view import strokes

SIDE = 512


def cut(folder, data, count):
    """So many squares of a real image, no two alike."""
    square = mirrored(tifffile.imread(data / f"{IMAGE}.tif"))
    target = folder / "in"
    target.mkdir()
    places = np.random.default_rng(0).integers(0, square.shape[0] - SIDE, (count, 2))
    for n, (y, x) in enumerate(places.tolist()):
        tifffile.imwrite(target / f"im{n:05}.tif", square[y : y + SIDE, x : x + SIDE])
    return target


def line(what, run, images):
    print(
        f"{what}: {images / run.wall:.1f} images a second, {1000 * run.wall / images:.0f} ms each "
        f"({1000 * run.cpu / images:.0f} ms of processors), peak {run.peak / 1e6:.0f} MB",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--alone", type=int, default=10)
    parser.add_argument("--cluster", type=int, default=0, help="processes; 0: none")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "log").mkdir()
        subprocess.run([COMMAND, "warmup"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        plane = tifffile.imread(args.data / f"{IMAGE}.tif")
        labels = strokes(tifffile.imread(args.data / f"{IMAGE}_gt.tif").astype(np.uint8), LABELLED)
        project = train(folder, "plane", plane, labels, "yx")
        images = cut(folder, args.data, args.images)
        command = [COMMAND, "predict", project, "--no-progress", "--output"]
        measured([*command, folder / "warm" / "{nickname}.tif", images / "im00000.tif"], folder)

        def one(n, out):
            return [*command, folder / out / "{nickname}.tif", images / f"im{n:05}.tif"]

        alone = [measured(one(n, "alone"), folder) for n in range(args.alone)]
        wall = sum(run.wall for run in alone) / len(alone)
        print(f"a command for each: {1 / wall:.1f} images a second, {1000 * wall:.0f} ms each", flush=True)
        together = [*command, folder / "all" / "{nickname}.tif", images]
        run = measured(together, folder)
        line("one command for all", run, args.images)
        line("the same with --resume, all there", measured([*together, "--resume"], folder), args.images)
        fine = wall / (run.wall / args.images) >= 3 or args.images < 100
        print(f"one command is {wall / (run.wall / args.images):.1f} times as fast", flush=True)
        names = [path.name for path in (folder / "alone").glob("*.tif")]
        if args.cluster:
            spread = [*command, folder / "cluster" / "{nickname}.tif", images]
            again = measured([*spread, "--cluster", f"local:{args.cluster}", "--memory", "6GB"], folder)
            line(f"on a cluster of {args.cluster} processes", again, args.images)
            every = [path.name for path in (folder / "all").glob("*.tif")]
            fine = fine and same(folder / "cluster", folder / "all", every)
        fine = fine and same(folder / "alone", folder / "all", names)
    sys.exit(0 if fine else 1)


def same(one, other, names):
    """Whether files of two folders are equal in bytes."""
    wrong = [name for name in names if not filecmp.cmp(one / name, other / name, shallow=False)]
    if wrong or not names:
        print(f"{one.name} and {other.name} DIFFER: {wrong[:5]}", flush=True)
    return not wrong and bool(names)


if __name__ == "__main__":
    main()
