"""A disk that breaks at a random call of the drop-in: what was there stays, or the new file is whole."""

from __future__ import annotations

import errno
import random

import h5py
import numpy as np
import pytest
import tifffile

from underbrush.cli.ilastik import run
from underbrush.files import using

CALLS = {"compressed hdf5": 45, "tiff": 14, "jpg": 5, "png sequence": 45}
"""Formats, and about how many calls of the file layer writing one takes."""
CODES = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)


@pytest.mark.parametrize("format", CALLS)
def test_a_disk_that_breaks(small, cells, clean, faulty_disk, format, capfd):
    draw = random.Random(format)
    source = "Simple Segmentation" if "png" in format else "Uncertainty"
    name = "r_{slice_index}.x" if "sequence" in format else "r.x"
    image = cells
    if "sequence" in format:
        image = clean.parent / "stack.tif"
        tifffile.imwrite(image, np.stack([tifffile.imread(cells)] * 3), metadata={"axes": "TYX"}, imagej=True)
    command = [
        "--headless", f"--project={small}", f"--output_format={format}", f"--export_source={source}",
        "--ignore_training_axistags", f"--output_filename_format={name}", str(image),
    ]  # fmt: skip
    assert run(command) == 0
    want = {p.name: p.read_bytes() for p in clean.iterdir()}
    old = b"what was there"
    if format == "compressed hdf5":
        with h5py.File("r.h5", "w") as file:
            file["mine"] = np.arange(9)
        old = (clean / "r.h5").read_bytes()
    failed = 0
    for _ in range(20):
        for path in clean.iterdir():
            path.unlink()
        if "sequence" not in format:
            for file_name in want:
                (clean / file_name).write_bytes(old)
        with using(
            faulty_disk(draw.randint(1, CALLS[format]), code=draw.choice(CODES), once=draw.random() < 0.3)
        ):
            status = run(command)
        err = capfd.readouterr().err
        found = {p.name: p.read_bytes() for p in clean.iterdir()}
        if status == 0:
            if format == "compressed hdf5":
                with h5py.File("r.h5") as file:
                    assert set(file) == {"mine", "exported_data"}
            else:
                assert found == want
        else:
            failed += 1
            assert status == 1 and err.count("\n") == 1 and "defect" not in err
            if "sequence" in format:
                assert set(found) <= set(want) and all(found[n] == want[n] for n in found)
            elif format == "compressed hdf5" and found["r.h5"] != old:
                with h5py.File("r.h5") as file:  # complete, but the folder could not be synced
                    assert set(file) == {"mine", "exported_data"}
            else:
                assert list(found) == list(want) and all(v in (old, want[n]) for n, v in found.items())
    assert failed > 5
