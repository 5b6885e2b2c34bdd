"""All export sources of ilastik's command line against the files that a real ilastik wrote."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from dropin.conftest import AXES, dataset
from underbrush.sources.opening import open_image

SOURCES = ("Probabilities", "Simple Segmentation", "Uncertainty")


def agrees(ours, theirs, mean=1e-4, same=0.9999):
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    if ours.dtype.kind == "f":
        assert np.abs(ours - theirs).mean() < 2 * mean
    else:
        assert (ours == theirs).mean() >= same


@pytest.mark.parametrize("source", SOURCES)
def test_hdf5(recorded, done, clean, source):
    """Name, dataset, axes, dtype, packing, chunks, attributes and values."""
    [path] = done(
        recorded.project,
        f"--export_source={source}",
        f"--output_filename_format={clean}/{{nickname}}_{{result_type}}",
        recorded.image,
    )
    assert path == clean / f"train_{source}.h5"
    with h5py.File(path) as file:
        assert list(file) == ["exported_data"]
    ours = dataset(path)
    theirs = dataset(recorded.export(f"batch_train_{source.replace(' ', '_')}.h5"))
    agrees(ours.values, theirs.values)
    assert (ours.axes, ours.labels, ours.packed, ours.chunks) == (
        theirs.axes, theirs.labels, theirs.packed, theirs.chunks,
    )  # fmt: skip
    for name, value in theirs.attributes.items():
        if name == "DIMENSION_LABELS":
            continue
        mine = ours.attributes[name]
        assert np.array_equal(mine, value) and getattr(mine, "dtype", None) == getattr(value, "dtype", None)


def test_features(recorded, done):
    [path] = done(
        recorded.project, "--export_source", "features", "--output_filename_format=f.h5", recorded.image
    )
    ours = dataset(path)
    with np.load(recorded.export("train_Features_sampled.npz")) as sampled:
        coords, values = sampled["coords"], sampled["values"]
        assert ours.axes == str(sampled["axes"]).replace("c", "") + "c"
    mine = ours.values[tuple(coords.T)] if coords.shape[1] == len(ours.axes) - 1 else None
    assert mine is not None and mine.dtype == np.float32 and mine.shape == values.shape
    spread = np.ptp(values, axis=0)
    near = np.abs(mine - values) <= 1e-3 * spread + np.where(recorded.name == "tyx_2c", 0.02, 1e-3)
    assert near.mean() >= 0.99


def test_labels_of_a_batch_are_zeros(recorded, done):
    [path] = done(recorded.project, "--export_source=Labels", "--output_filename_format=l.h5", recorded.image)
    ours, theirs = dataset(path), dataset(recorded.export("train_Labels.h5"))
    assert not ours.values.any()
    assert (ours.values.shape, ours.values.dtype, ours.axes) == (
        theirs.values.shape, theirs.values.dtype, theirs.axes,
    )  # fmt: skip
    for name in ("display_mode", "drange"):
        assert np.array_equal(ours.attributes[name], theirs.attributes[name])


def test_a_tiff_gives_what_its_hdf5_gives(recorded, done):
    [path] = done(
        recorded.project,
        "--export_source=Simple Segmentation",
        "--output_filename_format=s.h5",
        recorded.folder / "train.tif",
    )
    theirs = recorded.export("batch_traintif_Simple_Segmentation.h5")
    theirs = dataset(theirs if theirs.exists() else recorded.export("batch_train_Simple_Segmentation.h5"))
    agrees(dataset(path).values, theirs.values)
    assert dataset(path).axes == theirs.axes


def test_axis_order_and_format(gray, done):
    [path] = done(
        gray.project,
        "--output_axis_order=cyx",
        "--output_format=hdf5",
        "--output_filename_format=a.h5",
        gray.image,
    )
    ours, theirs = dataset(path), dataset(gray.export("batch_train_Probabilities_cyx.h5"))
    agrees(ours.values, theirs.values)
    assert (ours.axes, ours.labels, ours.packed) == (theirs.axes, theirs.labels, theirs.packed)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--export_drange=(0,255)"], "batch_train_Probabilities_uint8.h5"),
        ([], "batch_train_Probabilities_uint8_norange.h5"),
    ],
)
def test_dtype(gray, done, options, name):
    """With both ranges rounded, with one of them cut off."""
    [path] = done(
        gray.project,
        "--export_dtype=uint8",
        "--pipeline_result_drange=(0.0,1.0)",
        *options,
        "--output_format=hdf5",
        "--output_filename_format=d.h5",
        gray.image,
    )
    ours, theirs = dataset(path), dataset(gray.export(name))
    agrees(ours.values, theirs.values, same=0.9998)
    assert np.array_equal(ours.attributes["drange"], theirs.attributes["drange"])
    assert ours.attributes["drange"].dtype == theirs.attributes["drange"].dtype


# Case and recorded file -> export source and format that give it.
PLANES = ("gray2d_2c", "rgb2d_3c")
TIFFS = {
    (case, f"batch_train_{source.replace(' ', '_')}.tiff"): (
        source, "tiff" if case in PLANES else "multipage tiff",
    )
    for case in AXES for source in SOURCES
} | {
    (case, "train_Labels.tiff"): ("Labels", "tiff" if case in PLANES else "multipage tiff") for case in AXES
} | {
    (case, "batch_train_Probabilities_multipage.tiff"): ("Probabilities", "multipage tiff") for case in PLANES
}  # fmt: skip


@pytest.mark.parametrize(("case", "name"), TIFFS)
def test_tiff(case, name, data, done):
    """Pages, type, packing, colours and OME sizes; the labels of an image of the command line are zeros."""
    source, format = TIFFS[case, name]
    folder = data / "golden" / case
    [path] = done(
        folder / f"{case}.ilp",
        f"--export_source={source}",
        f"--output_format={format}",
        "--output_filename_format=t.anything",
        folder / "train.h5",
    )
    assert path.name == "t.tiff"
    with tifffile.TiffFile(path) as ours, tifffile.TiffFile(folder / "exports" / name) as theirs:
        found, expected = ours.asarray(), theirs.asarray()
        agrees(found, np.zeros_like(expected) if source == "Labels" else expected)
        assert (len(ours.pages), ours.series[0].axes) == (len(theirs.pages), theirs.series[0].axes)
        mine, their = ours.pages[0], theirs.pages[0]
        if format == "tiff":
            for part in ("compression", "photometric", "planarconfig", "extrasamples", "samplesperpixel"):
                assert getattr(mine, part) == getattr(their, part), part
        else:
            pixels = [ElementTree.fromstring(t.ome_metadata).find(".//{*}Pixels") for t in (ours, theirs)]
            for part in ("DimensionOrder", "Type", *(f"Size{a}" for a in "TCZYX")):
                assert pixels[0].get(part) == pixels[1].get(part), part


def test_numpy(gray, done):
    [path] = done(gray.project, "--output_format=numpy", "--output_filename_format=n", gray.image)
    agrees(np.load(path), np.load(gray.export("batch_train_Probabilities.npy")))


@pytest.mark.parametrize("source", ["Probabilities", "Simple Segmentation"])
def test_png(gray, done, source):
    """Probabilities of two classes become grey and alpha, stretched to 0..255."""
    [path] = done(
        gray.project,
        f"--export_source={source}",
        "--output_format=png",
        "--output_filename_format=p",
        gray.image,
    )
    with (
        Image.open(path) as ours,
        Image.open(gray.export(f"batch_train_{source.replace(' ', '_')}.png")) as theirs,
    ):
        assert ours.mode == theirs.mode
        agrees(np.asarray(ours), np.asarray(theirs), same=0.999)


def test_ome_zarr(gray, done):
    """Arrays, chunks, axes, scales and what the array says of itself; we pack with zstd instead of lz4."""
    [path] = done(
        gray.project, "--output_format=single-scale OME-Zarr", "--output_filename_format=z", gray.image
    )
    theirs = gray.export("batch_train_Probabilities.zarr")
    arrays = [json.loads((p / "s0" / ".zarray").read_text()) for p in (path, theirs)]
    for part in ("zarr_format", "shape", "chunks", "dtype", "order", "dimension_separator", "filters"):
        assert arrays[0][part] == arrays[1][part], part
    groups = [json.loads((p / ".zattrs").read_text())["multiscales"][0] for p in (path, theirs)]
    for part in ("axes", "datasets", "version"):
        assert groups[0][part] == groups[1][part], part
    told = [json.loads((p / "s0" / ".zattrs").read_text()) for p in (path, theirs)]
    tags = [json.loads(t.pop("axistags")) for t in told]
    assert tags[0] == tags[1]
    assert told[0] == told[1]
    values = []
    for folder in (path, theirs):
        with open_image(str(folder)) as image:
            values.append(image.read())
    agrees(*values)


def test_nothing_that_was_recorded_is_left_out(recorded):
    """Each file that ilastik wrote is compared above; the strokes themselves where projects are read."""
    compared = {name for case, name in TIFFS if case == recorded.name}
    compared |= {f"batch_train_{source.replace(' ', '_')}.h5" for source in SOURCES}
    compared |= {"train_Labels.h5", "train_Features_sampled.npz", "batch_traintif_Simple_Segmentation.h5"}
    if recorded.name == "gray2d_2c":
        compared |= {f"batch_train_Probabilities{end}" for end in (".npy", ".png", ".zarr", "_cyx.h5")}
        compared |= {f"batch_train_Probabilities_uint8{end}.h5" for end in ("", "_norange")}
        compared |= {"batch_train_Simple_Segmentation.png"}
    assert {p.name for p in recorded.export("").iterdir()} <= compared


# Projects of other people, with the probabilities that their ilastik computed.
STORED = {
    "ilastik_api_2d/PixelClass.ilp": ("Data_1channel.png", "res-Data_1channel_pc1xyc.npy", "yxc"),
    "ilastik_api_3d/PixelClass3D.ilp": ("Data_3D.npy", "res-Data_3D_pc3d.npy", "zyxc"),
    "ilastik_2d_v122/PixelClassification2d.ilp": ("inputdata/2d.h5", "2d_Probabilities.h5", "yxc"),
    "ilastik_5t2d2c_v122/PixelClassification5t2d2c.ilp": (
        "inputdata/5t2d2c.h5", "5t2d2c_Probabilities.h5", "tyxc",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_projects_of_others(name, data, done):
    project = data / "ilp" / name
    image, result, axes = STORED[name]
    [path] = done(project, "--output_filename_format=o.h5", project.parent / image)
    ours = dataset(path)
    theirs = (
        np.load(project.parent / result)
        if result.endswith(".npy")
        else dataset(project.parent / result).values
    )
    assert ours.axes == axes
    agrees(ours.values, theirs)
    assert (ours.values.argmax(-1) == theirs.argmax(-1)).mean() >= 0.9999


def test_axes_that_are_stored_in_another_order(data, done):
    """txyzc, of version 1.2.0: the last image's order is taken, and given back."""
    project = data / "ilp" / "mitocheck_v120" / "mitocheckPixelClassification.ilp"
    [image] = (project.parent / "mitocheck_2d+t").glob("*.h5")
    [path] = done(project, "--export_source=Simple Segmentation", "--output_filename_format=m.h5", image)
    with h5py.File(image) as file:
        assert dataset(path).values.shape[:-1] == file["exported_data"].shape[:-1]
    assert dataset(path).axes == "txyzc"


@pytest.mark.parametrize("format", ["png sequence", "tif sequence"])
def test_sequences(data, done, clean, format):
    """One file for each time point, numbered with as many digits as the last needs."""
    recorded = data / "golden" / "tyx_2c"
    name = "--output_filename_format=s/{nickname}_{slice_index}.x"
    options = (f"--output_format={format}", "--export_source=Simple Segmentation", name)
    done(recorded / "tyx_2c.ilp", *options, recorded / "train.h5")
    theirs = dataset(recorded / "exports" / "batch_train_Simple_Segmentation.h5").values
    ending = format.split()[0]
    files = sorted((clean / "s").iterdir())
    assert [f.name for f in files] == [f"train_{k}.{ending}" for k in range(9)]
    for file, frame in zip(files, theirs, strict=True):
        read = tifffile.imread(file) if ending == "tif" else np.asarray(Image.open(file))
        agrees(read, frame[..., 0])
    region = "--cutout_subregion=[(7,None,None,None),(None,None,None,None)]"
    done(
        recorded / "tyx_2c.ilp",
        *options,
        region,
        "--output_filename_format=c_{slice_index}",
        recorded / "train.h5",
    )
    assert sorted(p.name for p in clean.glob("c_*")) == [f"c_7.{ending}", f"c_8.{ending}"]
