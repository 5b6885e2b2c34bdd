"""How fast results are written: each format against a bare copy of the same bytes, in one run.

    python -m benchmarks.sinks [FOLDER]

Blocks of 1024 x 1024 come from two threads, as from tiles; the copy writes and syncs the raw pixels.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from underbrush.core.geometry import Box, Halo, TileGrid
from underbrush.sinks import OutputSpec, open_sink
from underbrush.sinks.places import size_of

CASES = (
    ("segmentation", (1, 1, 1, 12_000, 12_000), "u1"),
    ("probabilities", (1, 2, 1, 6_000, 6_000), "f4"),
    ("segmentation", (1, 1, 128, 1_000, 1_000), "u1"),
)
FORMATS = {
    "tiff": "tif", "ome-tiff": "ome.tif", "compressed hdf5": "h5", "ome-zarr": "ome.zarr",
    "single-scale ome-zarr": "zarr", "ome-zarr-0.5": "ome.zarr", "compressed n5": "n5",
}  # fmt: skip


def pixels(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Smooth regions with ragged edges, and votes of a hundred trees."""
    rng = np.random.default_rng(0)
    y, x = np.ogrid[: shape[3], : shape[4]]
    field = (np.sin(y / 37) + np.cos(x / 51)).astype(np.float32)
    field = field + rng.normal(0, 0.05, field.shape).astype(np.float32)
    share = np.round(np.clip(field / 4 + 0.5, 0, 1), 2).astype(np.float32)
    plane = (1 + (share > 0.5)).astype("u1") if dtype == "u1" else np.stack([share, 1 - share])[:, None]
    return np.broadcast_to(plane, shape)


def copy(path: Path, data: np.ndarray) -> None:
    """The bare pixels, synced."""
    with path.open("wb") as file:
        for part in np.ascontiguousarray(data).reshape(-1, data.shape[3] * data.shape[4]):
            file.write(part.data)
        file.flush()
        os.fsync(file.fileno())


def timed(work) -> tuple[float, float]:
    """Seconds by the clock and of the processors."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def main(folder: Path) -> None:
    """Print a line for each case and format."""
    for kind, shape, dtype in CASES:
        data = pixels(shape, dtype)
        size = data.size * data.itemsize / 1e6
        wall, _ = timed(partial(copy, folder / "copy", data))
        (folder / "copy").unlink()
        print(f"{kind} {shape} {dtype}, {size:.0f} MB: copy {size / wall:.0f} MB/s")
        for format, ending in FORMATS.items():
            spec = OutputSpec(folder / f"a.{ending}", shape, "tczyx", np.dtype(dtype), kind)
            tile = (
                1,
                shape[1],
                64 if shape[2] > 1 else 1,
                1024 if shape[2] == 1 else 128,
                1024 if shape[2] == 1 else 128,
            )
            tiles = TileGrid(Box.whole(shape), tile, Halo(), shape)

            def write(spec=spec, format=format, tiles=tiles, data=data) -> None:
                with open_sink(spec, format) as sink, ThreadPoolExecutor(2) as pool:
                    list(pool.map(lambda t: sink.write(t.valid, data[t.valid.slices]), tiles))

            wall_of, busy_of = timed(write)
            ratio = size / (size_of(spec.path) / 1e6)
            print(
                f"  {format:22} {size / wall_of:6.0f} MB/s, {wall_of / wall:5.1f} times the copy, "
                f"{size / busy_of:6.0f} MB a second of processor, {ratio:5.1f} times smaller"
            )
            shutil.rmtree(spec.path) if spec.path.is_dir() else spec.path.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    main(place)
