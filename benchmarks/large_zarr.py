"""Images larger than memory, OME-Zarr in and out: the time for each pixel beside that of a small one.

    python benchmarks/large_zarr.py --data FOLDER [--only plane | volume]

A plane of 20,000 x 20,000 beside 2048 x 2048, and a volume of 512 x 1024 x 1024 beside 64 x 256 x 256,
uint8, all features, probabilities as uint8 in OME-Zarr 0.4 with its smaller levels, under ``--memory 1GB``.
The small one runs before and after the large one. What is compared is the time without the start. Needs
about 3 GB of disk.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import zarr
from commands import COMMAND, IMAGE, LABELLED, THREADS, measured, mirrored, train, volume_case
from stroke_to_view import strokes

SIDES = {"plane": (20_000, 20_000), "volume": (512, 1024, 1024)}


def write(path, block, shape):
    """An image of one level that repeats a block, written chunk row by chunk row."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    chunks = tuple(min(n, 512 if len(shape) == 2 else 128) for n in shape)
    pixels = group.create_array("0", shape=shape, chunks=chunks, dtype=block.dtype)
    first, rest = shape[0], tuple(range(n) for n in shape[1:])
    wide = [np.asarray(axis) % n for axis, n in zip(rest, block.shape[1:], strict=True)]
    for at in range(0, first, chunks[0]):
        rows = np.arange(at, min(first, at + chunks[0])) % block.shape[0]
        pixels[at : at + len(rows)] = block[np.ix_(rows, *wide)]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"[-len(shape) :]]
    scale = [{"type": "scale", "scale": [0.5] * len(shape)}]
    level = {"path": "0", "coordinateTransformations": scale}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
    return path


def run(project, image, folder, n):
    """One command."""
    result = folder / f"{image.name.partition('.')[0]}_{n}_out.ome.zarr"
    command = [COMMAND, "predict", project, image, "--output", result, "--format", "ome-zarr"]
    options = ["--dtype", "uint8", "--memory", "1GB", "--jobs", THREADS, "--no-progress"]
    return measured([*command, *options], folder)


def compare(name, project, block, folder):
    """Small, large, small."""
    small = write(folder / f"{name}_small.ome.zarr", block, block.shape)
    large = write(folder / f"{name}_large.ome.zarr", block, SIDES[name])
    rows = []
    for n, (what, path, pixels) in enumerate(
        (
            ("small", small, block.size),
            ("large", large, int(np.prod(SIDES[name]))),
            ("small", small, block.size),
        )
    ):
        found = run(project, path, folder, n)
        pure = 1e9 * (found.wall - found.starting) / pixels
        work = 1e9 * found.computing_cpu / pixels
        rows.append((what, pure, work))
        print(
            f"{name:7} {what:6} {pixels / 1e6:7.1f} Mpx  {found.wall:7.1f} s  {pure:5.0f} ns a pixel, "
            f"{work:5.0f} ns of processor, peak {found.peak / 1e6:4.0f} MB, "
            f"machine idle {100 * found.idle:.0f} %",
            flush=True,
        )
    for at, unit in ((1, "by the clock"), (2, "of processor")):
        near = np.mean([row[at] for row in rows if row[0] == "small"])
        print(f"{name}: large / small for each pixel {unit}: {rows[1][at] / near:.2f}", flush=True)


def main():
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(SIDES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.only != "volume":
            plane = tifffile.imread(args.data / f"{IMAGE}.tif")
            labels = strokes(tifffile.imread(args.data / f"{IMAGE}_gt.tif").astype(np.uint8), LABELLED)
            compare("plane", train(folder, "plane", plane, labels, "yx"), mirrored(plane), folder)
        if args.only != "plane":
            case = volume_case(folder, args.data)
            compare("volume", case.project, tifffile.imread(case.image), folder)


if __name__ == "__main__":
    main()
