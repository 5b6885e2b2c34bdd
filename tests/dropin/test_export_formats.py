"""Every format that ilastik has a name for: written and read back, or refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from dropin.conftest import dataset
from underbrush.compat.formats import ENDINGS
from underbrush.sources.opening import open_image

REFUSED = ("hdr", "ras", "hdr sequence", "ras sequence", "dvid", "blockwise hdf5")
SEQUENCES = tuple(name for name in ENDINGS if name.endswith(" sequence") and name not in REFUSED)
SINGLE = tuple(name for name in ENDINGS if name not in (*REFUSED, *SEQUENCES))


@pytest.fixture
def expected(small, cells, done):
    """The segmentation as 48 x 57 pixels of 1 and 2, through HDF5."""
    [path] = done(small, "--export_source=Simple Segmentation", "--output_filename_format=expected.h5", cells)
    values = dataset(path).values[..., 0]
    assert set(np.unique(values)) == {1, 2}
    return values


def pixels(path):
    """What our own sources read: t c z y x without sizes of 1; of a colour picture the first channel."""
    inner = "/exported_data" if path.suffix == ".n5" else ""
    with open_image(f"{path}{inner}") as image:
        return np.squeeze(image.read()[:, :1])


def agree(name, found, expected):
    if name.startswith("pbm"):  # has two values
        return len(np.unique(found)) == 2
    if name.startswith(("jpg", "jpeg")):
        return np.abs(found.astype(int) - expected).mean() < 2
    return np.array_equal(found, expected)


def test_one_image(small, cells, done, call, clean, expected):
    wrong = []
    for name in SINGLE:
        options = f"--output_format={name}", "--export_source=Simple Segmentation"
        if name == "ppm":
            status, _, err = call("--headless", f"--project={small}", *options, cells)
            assert status == 1 and "ppm holds 3 channels" in err
            continue
        [path] = done(small, *options, f"--output_filename_format={name}/{{nickname}}.end", cells)
        assert path == clean / name / f"cells.{ENDINGS[name]}"
        wrong += [] if agree(name, pixels(path), expected) else [name]
    assert not wrong


def test_a_sequence(small, cells, done, clean, expected):
    """Three slices, each in a file (or of `multipage tiff sequence` an OME-TIFF) of its own."""
    stack = np.stack([tifffile.imread(cells)] * 3)
    tifffile.imwrite("stack.tif", stack, metadata={"axes": "TYX"}, imagej=True)
    wrong = []
    for name in SEQUENCES:
        if name == "ppm sequence":
            continue
        done(
            small, f"--output_format={name}", "--export_source=Simple Segmentation",
            "--ignore_training_axistags", f"--output_filename_format={name}/{{nickname}}_{{slice_index}}.end",
            "stack.tif",
        )  # fmt: skip
        files = sorted((clean / name).iterdir())
        assert [p.name for p in files] == [f"stack_{k}.{ENDINGS[name]}" for k in range(3)]
        wrong += [] if all(agree(name, pixels(p), expected) for p in files) else [name]
    assert not wrong


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, small, cells, call, clean):
    status, out, err = call("--headless", f"--project={small}", f"--output_format={name}", cells)
    assert (status, out) == (1, "") and f"{name!r}" in err and err.count("\n") == 1
    assert not list(clean.iterdir())


def test_probabilities_as_slices(small, cells, done):
    """A movie of probabilities as `tif sequence`: a file for each time, its classes side by side."""
    stack = np.stack([tifffile.imread(cells)] * 2)
    tifffile.imwrite("stack.tif", stack, metadata={"axes": "TYX"}, imagej=True)
    done(
        small, "--output_format=tif sequence", "--stack_along=t", "--ignore_training_axistags",
        "--output_filename_format=p_{slice_index}.tif", "stack.tif",
    )  # fmt: skip
    [path] = done(small, "--output_filename_format=whole.h5", cells)
    for k in range(2):
        assert np.array_equal(tifffile.imread(f"p_{k}.tif"), dataset(path).values)
