"""Whether ``--memory`` is kept: peak memory of `underbrush predict` for images that need much of it.

    python benchmarks/memory_caps.py --data FOLDER [--caps 512MB 1GB] [--only NAME ...] [--large]

Many channels, colours, float64, a volume, a volume of channels, and features as the result, each with all
features and a forest from strokes on 2,000 pixels. Peak memory as in `commands.py`, of the whole process
tree. Exit status 1 where a cap is exceeded.

``--large``, instead: 20,000 x 20,000 uint8 and a volume of 512 x 1024 x 1024, OME-Zarr in and OME-Zarr out,
under 1 GB. They take long and are run by hand.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import zarr
from commands import COMMAND, IMAGE, VOLUME, measured, mirrored
from stroke_to_view import strokes

UNITS = {"MB": 10**6, "GB": 10**9}


def images(data):
    """Name -> (pixels, axes, labels' axes, result, format), one after the other, of real pixels."""
    plane = mirrored(tifffile.imread(data / f"{IMAGE}.tif"))
    volume = tifffile.imread(data / f"{VOLUME}.tif")
    volume = np.concatenate([volume, volume[::-1], volume], 0)
    eleven = np.stack([np.roll(plane, 97 * k, axis=k % 2) for k in range(11)])
    yield "11 channels, 2048 x 2048 uint16", eleven.astype(np.uint16) * 200, "cyx", "probabilities", "h5"
    yield "RGB, 4096 x 4096", np.tile(np.moveaxis(eleven[:3], 0, -1), (2, 2, 1)), "yxc", "probabilities", "h5"
    yield "float64, 4096 x 4096", np.tile(plane / 255.0, (2, 2)), "yx", "probabilities", "tiff"
    yield (
        "volume, 120 x 250 x 500",
        np.concatenate([volume, volume[..., ::-1]], 2),
        "zyx",
        "probabilities",
        "h5",
    )
    both = np.stack([volume[:80], volume[40:]], 1)
    yield "volume of 2 channels, 80 x 250 x 250", both, "zcyx", "probabilities", "h5"
    yield "features of 2048 x 2048", plane, "yx", "features", "h5"
    yield "features of 2048 x 2048, npy", plane, "yx", "features", "npy"
    yield "features of a volume, 80 x 250 x 250", volume[:80], "zyx", "features", "h5"


def large_images(data):
    """Name -> (a function that gives a part of the pixels, shape, axes, chunks), too large to be held."""
    plane = mirrored(tifffile.imread(data / f"{IMAGE}.tif"))
    volume = tifffile.imread(data / f"{VOLUME}.tif")
    block = np.concatenate([volume, volume[::-1]], 0)
    block = np.concatenate([block, block[:, ::-1]], 1)
    block = np.concatenate([block, block[..., ::-1]], 2)

    def repeated(source, start, stop):
        at = [np.arange(a, b) % n for a, b, n in zip(start, stop, source.shape, strict=True)]
        return source[np.ix_(*at)]

    yield (
        "20,000 x 20,000",
        lambda a, b: repeated(plane, a, b),
        (20_000, 20_000),
        "yx",
        (1024, 1024),
        plane.shape,
    )
    yield (
        "512 x 1024 x 1024",
        lambda a, b: repeated(block, a, b),
        (512, 1024, 1024),
        "zyx",
        (64, 128, 128),
        volume.shape,
    )


def large(folder, data, truth, only):
    """Whether the cap is kept for what is larger than it."""
    kept = True
    for what, part, shape, axes, chunks, trained in large_images(data):
        if only and not any(name in what for name in only):
            continue
        image = folder / "image.ome.zarr"
        array = zarr.create_array(image / "0", shape=shape, chunks=chunks, dtype="uint8", zarr_format=2)
        for start in np.ndindex(*(-(-n // c) for n, c in zip(shape, chunks, strict=True))):
            a = [s * c for s, c in zip(start, chunks, strict=True)]
            b = [min(x + c, n) for x, c, n in zip(a, chunks, shape, strict=True)]
            array[tuple(map(slice, a, b))] = part(a, b)
        scale = [{"type": "scale", "scale": [1.0] * len(axes)}]
        multiscales = {
            "version": "0.4",
            "axes": [{"name": name, "type": "space"} for name in axes],
            "datasets": [{"path": "0", "coordinateTransformations": scale}],
        }
        (image / ".zgroup").write_text('{"zarr_format": 2}')
        (image / ".zattrs").write_text(json.dumps({"multiscales": [multiscales]}))
        small, labels, project = (folder / f for f in ("small.tif", "labels.tif", "p.ilp"))
        tifffile.imwrite(small, part([0] * len(axes), trained), metadata={"axes": axes.upper()})
        tifffile.imwrite(labels, labels_of(trained, axes, truth["z" in axes]), photometric="minisblack")
        command = [COMMAND, "train", "--out", project, "--image", small, "--labels", labels]
        subprocess.run([*command, "--features", "all", "--axes", axes], check=True, stdout=subprocess.DEVNULL)
        target = folder / "result.ome.zarr"
        command = [COMMAND, "predict", project, image, "--result", "probabilities", "--memory", "1GB"]
        run = measured([*command, "--dtype", "uint8", "--rescale", "0:1,0:255", "--output", target], folder)
        kept = kept and run.peak <= UNITS["GB"]
        verdict = "" if run.peak <= UNITS["GB"] else "  ABOVE THE CAP"
        pixels = int(np.prod(shape))
        print(
            f"{what}, OME-Zarr in and out, --memory 1GB: {run.peak / 1e6:.0f} MB, {run.wall:.0f} s, "
            f"{run.cpu:.0f} s of processors, {1e9 * run.cpu / pixels:.0f} ns of them a pixel{verdict}",
            flush=True,
        )
        shutil.rmtree(target)
        shutil.rmtree(image)
    return kept


def labels_of(shape, axes, truth):
    """Strokes of both classes in the first corner; all axes but c."""
    there = [n for n, a in zip(shape, axes, strict=True) if a != "c"]
    labels = np.zeros(there, np.uint8)
    plane = strokes(truth[: there[-2], : there[-1]], 2000)
    labels[(*[n // 2 for n in there[:-2]], *(slice(0, n) for n in plane.shape))] = plane
    return labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--caps", nargs="*", default=["512MB", "1GB"])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--large", action="store_true", help="the largest, in and out of OME-Zarr")
    args = parser.parse_args()
    truth = {
        False: tifffile.imread(args.data / f"{IMAGE}_gt.tif").astype(np.uint8),
        True: tifffile.imread(args.data / f"{VOLUME}_gt.tif").astype(np.uint8)[20],
    }
    kept = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "log").mkdir()
        if args.large:
            sys.exit(0 if large(folder, args.data, truth, args.only) else 1)
        for what, pixels, axes, result, kind in images(args.data):
            if args.only and not any(part in what for part in args.only):
                continue
            image, labels, project = (folder / f for f in ("image.tif", "labels.tif", "p.ilp"))
            shown = axes.upper().replace("YXC", "YXS")
            grey = {} if "S" in shown else {"photometric": "minisblack"}
            tifffile.imwrite(image, pixels, metadata={"axes": shown}, **grey)
            strokes_on = labels_of(pixels.shape, axes, truth["z" in axes])
            tifffile.imwrite(labels, strokes_on, photometric="minisblack")
            command = [COMMAND, "train", "--out", project, "--image", image, "--labels", labels]
            subprocess.run([*command, "--features", "all"], check=True, stdout=subprocess.DEVNULL)
            for cap in args.caps:
                target = folder / f"result.{kind}"
                command = [COMMAND, "predict", project, image, "--result", result, "--memory", cap]
                run = measured([*command, "--output", target, "--no-progress"], folder)
                most = int(cap[:-2]) * UNITS[cap[-2:]]
                kept = kept and run.peak <= most
                verdict = "" if run.peak <= most else "  ABOVE THE CAP"
                print(
                    f"{what}, --memory {cap}: {run.peak / 1e6:.0f} MB, {run.wall:.1f} s{verdict}", flush=True
                )
                target.unlink()
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
