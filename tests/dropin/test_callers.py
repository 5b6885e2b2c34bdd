"""The calls of programs that use ilastik, as they make them: with their temporary files, as processes.

Each test does what the program does before and after the call; the command is the installed one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from dropin.conftest import AXES, dataset

TZYXC = json.dumps(
    {"axes": [{"key": a, "typeFlags": 8 if a == "t" else 1 if a == "c" else 2} for a in "tzyxc"]}
)


@pytest.fixture(scope="session")
def executable():
    path = Path(sys.executable).with_name("underbrush-ilastik")
    if not path.is_file():
        pytest.skip("underbrush-ilastik is not installed beside this Python")
    return str(path)


def in_process(command):
    """A call without the second that a process takes to start; the command line is the same."""
    from underbrush.cli.ilastik import run

    assert run([str(part) for part in command[1:]]) == 0


def test_fiji(recorded, executable, clean):
    """ilastik4ij: a folder with inputs and outputs, 5D in and out, read without looking at attributes."""
    with h5py.File(recorded.image) as file:
        pixels = file["data"][...]
    sizes = dict(zip(AXES[recorded.name], pixels.shape, strict=True))
    five = pixels.reshape([sizes.get(a, 1) for a in "tzyxc"])
    folder = Path(tempfile.mkdtemp(prefix="ilastik4ij_", dir=clean))
    (folder / "inputs").mkdir()
    (folder / "outputs").mkdir()
    with h5py.File(folder / "inputs" / "raw_data.h5", "w") as file:
        data = file.create_dataset("data", data=five, chunks=True, compression="gzip", compression_opts=1)
        data.attrs["axistags"] = TZYXC
    for source in ("Probabilities", "Simple Segmentation"):
        in_process([
            executable, "--headless", f"--project={recorded.project}", "--output_format=hdf5",
            "--output_axis_order=tzyxc", "--input_axes=tzyxc", "--readonly=1",
            "--output_internal_path=exported_data", f"--export_source={source}",
            f"--raw_data={folder / 'inputs' / 'raw_data.h5'}",
            f"--output_filename_format={folder / 'outputs' / 'predictions.h5'}",
        ])  # fmt: skip
        with h5py.File(folder / "outputs" / "predictions.h5") as file:
            found = file["exported_data"][...]
        theirs = dataset(recorded.export(f"batch_train_{source.replace(' ', '_')}.h5")).values
        assert found.ndim == 5 and found.shape[:4] == five.shape[:4] and found.dtype == theirs.dtype
        assert np.abs(found.reshape(theirs.shape).astype(np.float64) - theirs).mean() < 1e-3


def test_fiji_as_a_process(gray, executable, clean):
    """With the environment that ilastik4ij sets; its newer versions read the axes of the file."""
    with h5py.File(gray.image) as file:
        five = file["data"][...][np.newaxis, np.newaxis, ..., np.newaxis]
    with h5py.File("raw_data.h5", "w") as file:
        file.create_dataset("data", data=five).attrs["axistags"] = TZYXC
    environment = os.environ | {
        "LAZYFLOW_THREADS": "1", "LAZYFLOW_TOTAL_RAM_MB": "4096",
        "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8", "LC_CTYPE": "en_US.UTF-8",
    }  # fmt: skip
    command = [
        executable, "--headless", f"--project={gray.project}", "--output_format=hdf5",
        "--output_axis_order=tzyxc", "--ignore_training_axistags", "--readonly=1",
        "--output_internal_path=exported_data", "--export_source=Probabilities",
        f"--raw_data={clean / 'raw_data.h5'}", f"--output_filename_format={clean / 'predictions.h5'}",
    ]  # fmt: skip
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=200)
    assert dataset(clean / "predictions.h5").values.shape == (1, 1, 260, 300, 2)


@pytest.mark.parametrize("extra", [(), (1,)])
def test_cellprofiler(gray, executable, clean, extra):
    """`predict` and `runilastik`: an untagged dataset, and a result file that is there with 0 bytes."""
    with h5py.File(gray.image) as file:
        pixels = file["data"][...]
    with (
        tempfile.NamedTemporaryFile(suffix=".h5", dir=clean, delete=False) as given,
        tempfile.NamedTemporaryFile(suffix=".h5", dir=clean, delete=False) as result,
    ):
        pass
    with h5py.File(given.name, "w") as file:
        file.create_dataset("data", data=pixels.reshape(pixels.shape + extra))
    assert Path(result.name).stat().st_size == 0
    in_process([
        executable, "--headless", "--project", gray.project, "--output_format", "hdf5",
        "--export_source", "Probabilities", "--output_filename_format", result.name, given.name,
    ])  # fmt: skip
    with h5py.File(result.name) as file:
        found = file["exported_data"][()]
    theirs = dataset(gray.export("batch_train_Probabilities.h5")).values
    assert found.shape == theirs.shape and np.abs(found - theirs).mean() < 1e-4


def test_cellprofiler_with_a_mask(gray, executable, clean):
    with h5py.File(gray.image) as file:
        pixels = file["data"][...]
    mask = np.zeros(pixels.shape, bool)
    mask[50:200, 60:250] = True
    for name, values in (("in.h5", pixels), ("mask.h5", mask)):
        with h5py.File(name, "w") as file:
            file.create_dataset("data", values.shape, data=values)
    in_process([
        executable, "--headless", "--project", gray.project, "--output_format", "hdf5", "--readonly",
        "--export_source", "Probabilities", "--raw_data", "in.h5", "--prediction_mask", "mask.h5",
        "--output_filename_format", clean / "out.h5",
    ])  # fmt: skip
    found = dataset("out.h5").values
    assert not found[~mask].any() and np.allclose(found[mask].sum(-1), 1, atol=1e-5)


def test_steinbock(gray, executable, clean):
    """Channels first in, pixels with their channels out, 16 bits; `--readonly` before another option."""
    with h5py.File(gray.image) as file:
        pixels = file["data"][...]
    Path("img").mkdir()
    names = []
    for k in range(2):
        path = clean / "img" / f"sample_{k}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("img", data=np.roll(pixels, 9 * k, 1)[np.newaxis])
        names.append(f"{path}/img")
    in_process([
        executable, "--headless", f"--project={gray.project}", "--readonly", "--input_axes=cyx",
        "--export_source=Probabilities", "--output_format=tiff",
        f"--output_filename_format={clean}/probabilities/{{nickname}}.tiff", "--export_dtype=uint16",
        "--output_axis_order=yxc", "--pipeline_result_drange=(0.0,1.0)", "--export_drange=(0,65535)", *names,
    ])  # fmt: skip
    files = sorted(p.name for p in Path("probabilities").iterdir())
    assert files == ["sample_0-img.tiff", "sample_1-img.tiff"]
    found = tifffile.imread("probabilities/sample_0-img.tiff")
    assert found.shape == (*pixels.shape, 2) and found.dtype == np.uint16
    theirs = dataset(gray.export("batch_train_Probabilities.h5")).values
    assert np.abs(found / 65535 - theirs).mean() < 1e-4


def test_mcmicro(gray, executable, clean):
    """Nothing but project and images; the result lies beside the image, packed HDF5."""
    with h5py.File(gray.image) as file:
        pixels = file["data"][...]
    for name in ("a-1.hdf5", "a-2.hdf5"):
        with h5py.File(name, "w") as file:
            file.create_dataset("data", data=pixels)
    in_process([executable, "--headless", "--project", gray.project, "a-1.hdf5", "a-2.hdf5"])
    assert sorted(p.name for p in clean.iterdir()) == [
        "a-1.hdf5", "a-1_Probabilities.h5", "a-2.hdf5", "a-2_Probabilities.h5",
    ]  # fmt: skip
    assert dataset("a-2_Probabilities.h5").packed == ("gzip", 1)


def test_a_call_that_fails_says_so(gray, executable):
    """`check_call` needs the exit status, and people one line."""
    done = subprocess.run(
        [executable, "--headless", "--project", gray.project, "none.h5"],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "none.h5" in done.stderr
