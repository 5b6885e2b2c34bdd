"""The calls of programs that use ilastik, as they make them: with their temporary files, as processes.

Each test does what the program does before and after the call; the command is the installed one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from dropin.conftest import AXES, dataset
from underbrush.project.read import read_project
from underbrush.project.write import write_project

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


def test_older_fiji_and_trackmate(gray, executable, clean):
    """`--readonly` alone, the axes twice, names with blanks, and a result that must not be there before."""
    folder = clean / "temp of a user"
    folder.mkdir()
    with h5py.File(gray.image) as file, h5py.File(folder / "ij_in_raw.h5", "w") as given:
        pixels = file["data"][...]
        data = given.create_dataset("data", data=pixels[None, None, ..., None], chunks=(1, 1, 128, 128, 1))
        data.attrs["axistags"] = TZYXC
    in_process([
        executable, "--headless", f"--project={gray.project}", "--output_format=hdf5",
        "--output_axis_order=tzyxc", "--input_axes=tzyxc", "--readonly",
        "--output_internal_path=exported_data", "--input_axes=tzyxc", "--export_source=Probabilities",
        f"--raw_data={folder / 'ij_in_raw.h5'}",
        f"--output_filename_format={folder / 'ij_out.h5'}",
    ])  # fmt: skip
    theirs = dataset(gray.export("batch_train_Probabilities.h5")).values
    found = dataset(folder / "ij_out.h5")
    assert found.axes == "tzyxc" and np.abs(found.values[0, 0] - theirs).mean() < 1e-4
    assert sorted(p.name for p in folder.iterdir()) == ["ij_in_raw.h5", "ij_out.h5"]


@pytest.mark.parametrize("extra", [(), (1,)])
def test_cellprofiler(gray, executable, clean, extra):
    """`predict` and `runilastik`: 0 to 1 times 255 without a word on axes, 0 bytes for the result."""
    with h5py.File(gray.image) as file:
        pixels = file["data"][...]
    scaled = (pixels / np.float32(255)) * np.float64(255)
    assert scaled.dtype == np.float64
    folder = clean / ".cellprofiler_temp"
    folder.mkdir()
    with (
        tempfile.NamedTemporaryFile(suffix=".h5", dir=folder, delete=False) as given,
        tempfile.NamedTemporaryFile(suffix=".h5", dir=folder, delete=False) as result,
    ):
        pass
    with h5py.File(given.name, "w") as file:
        file.create_dataset("data", pixels.shape + extra, data=scaled)
    assert Path(result.name).stat().st_size == 0
    in_process([
        executable, "--headless", "--project", gray.project, "--output_format", "hdf5",
        "--export_source", "Probabilities", "--output_filename_format", result.name, given.name,
    ])  # fmt: skip
    with h5py.File(result.name) as file:
        found = file["exported_data"][()]
    theirs = dataset(gray.export("batch_train_Probabilities.h5")).values
    assert found.shape == theirs.shape and np.abs(found - theirs).mean() < 1e-3
    assert len(list(folder.iterdir())) == 2


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


def test_steinbock_with_a_project_of_imaging_mass_cytometry(data, executable, clean):
    """Float images of 11 channels with its attributes, and a project that another laboratory trained."""
    project = data / "ilp" / "bodenmiller_hubmap_11ch_v132" / "bodenmiller_imcseg_HubMAP_20191211.ilp"
    Path("ilastik_img").mkdir()
    pixels = np.random.default_rng(0).gamma(0.7, 3, (11, 70, 90)).astype(np.float32)
    tags = {"axes": [{"key": a, "typeFlags": 1 if a == "c" else 2} for a in "cyx"]}
    with h5py.File("ilastik_img/20191211_a.b.h5", "w", libver="earliest") as file:
        image = file.create_dataset("img", data=pixels)
        image.attrs["display_mode"] = b"grayscale"
        image.attrs["axistags"] = json.dumps(tags).encode("ascii")
        image.attrs["steinbock"] = True
    in_process([
        executable, "--headless", f"--project={project}", "--readonly", "--input_axes=cyx",
        "--export_source=Probabilities", "--output_format=tiff",
        "--output_filename_format=ilastik_probabilities/{nickname}.tiff", "--export_dtype=uint16",
        "--output_axis_order=yxc", "--pipeline_result_drange=(0.0,1.0)", "--export_drange=(0,65535)",
        "ilastik_img/20191211_a.b.h5/img",
    ])  # fmt: skip
    [path] = Path("ilastik_probabilities").rglob("[!.]*-img.tiff")
    assert path.name == "20191211_a.b-img.tiff"
    found = tifffile.imread(path)
    assert found.shape == (70, 90, 3) and found.dtype == np.uint16
    assert np.abs(found.sum(-1, dtype=np.int64) - 65535).max() <= 3 and found.std() > 1000


def test_mcmicro(own_copy, gray, executable, clean):
    """zyxc with one slice, a dataset named as its file, project and images alone; packed HDF5 beside."""
    path = own_copy(gray.project)
    project = read_project(path)
    lanes = tuple(replace(lane, raw=replace(lane.raw, axes="zyxc")) for lane in project.lanes)
    write_project(replace(project, lanes=lanes), path)
    with h5py.File(gray.image) as file:
        pixels = file["data"][...][np.newaxis, ..., np.newaxis]
    for name in ("a-1", "a-2"):
        with h5py.File(f"{name}.hdf5", "w") as file:
            file.create_dataset(name, data=pixels, chunks=True, maxshape=(1, None, None, None))
    in_process([executable, "--headless", "--project", path, "a-1.hdf5", "a-2.hdf5"])
    assert sorted(p.name for p in clean.iterdir()) == [
        "a-1.hdf5", "a-1_Probabilities.h5", "a-2.hdf5", "a-2_Probabilities.h5",
    ]  # fmt: skip
    found = dataset("a-2_Probabilities.h5")
    theirs = dataset(gray.export("batch_train_Probabilities.h5")).values
    assert found.packed == ("gzip", 1) and found.axes == "zyxc"
    assert found.values.shape == (1, *theirs.shape) and np.abs(found.values[0] - theirs).mean() < 1e-4


def test_a_call_that_fails_says_so(gray, executable):
    """`check_call` needs the exit status, and people one line."""
    done = subprocess.run(
        [executable, "--headless", "--project", gray.project, "none.h5"],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "none.h5" in done.stderr


def test_the_python_of_the_page(gray, executable, clean, monkeypatch):
    """What docs/callers.md shows is typed as it stands, beside a project cells.ilp and an image a.tif."""
    page = Path(__file__).parents[2] / "docs" / "callers.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    shutil.copy(gray.project, "cells.ilp")
    with h5py.File(gray.image) as file:
        array = file["data"][...]
    tifffile.imwrite("a.tif", array)
    monkeypatch.setenv("PATH", f"{Path(executable).parent}{os.pathsep}{os.environ['PATH']}")
    image = pytest.importorskip("xarray").DataArray(array, dims=("y", "x"))
    names = {"image": image, "array": array}
    for block in blocks:
        exec(compile(block, page.name, "exec"), names)
    assert np.array_equal(dataset("a_Probabilities.h5").values, names["probabilities"])
