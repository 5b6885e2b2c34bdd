"""Projects of two stages: the second sees the image and the first one's probabilities.

The projects are made here in ilastik's layout; what is expected is reckoned stage by stage from whole arrays.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import underbrush
from dropin.conftest import dataset
from underbrush.cli.main import run
from underbrush.compat.ilastik import AutocontextPipeline, PixelClassificationPipeline
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.engine.arrays import predict_array
from underbrush.engine.building import stored_options, trained
from underbrush.engine.model import model_of
from underbrush.engine.stages import PIECE, as_pixels
from underbrush.project.paths import linked_source
from underbrush.project.read import read_project
from underbrush.project.schema import ClassifierInfo, ClassInfo, Lane, Project
from underbrush.project.write import write_project
from underbrush.sources.array import ArrayImage

SELECTIONS = FeatureSelection.all((0.7, 3.5)), FeatureSelection.all((1.0, 1.6))


def noisy(shape, dtype):
    draw = np.random.default_rng(3)
    y, x = np.indices(shape)
    bright = ((y // 20 + x // 23) % 2).astype(np.float64)
    values = 60 + 90 * bright + draw.normal(0, 25, shape)
    return np.clip(values, 0, 255).astype(dtype)


def strokes(shape):
    """Rows of both classes, where the image is dark and bright."""
    labels = np.zeros((1, 1, 1, *shape), np.uint8)
    y, x = np.indices(shape)
    where = (y % 20 == 9) & (x % 23 > 4) & (x % 23 < 18)
    labels[0, 0, 0][where] = 1 + ((y // 20 + x // 23) % 2)[where]
    return labels


def stage(path, image, axes, labels, selection):
    """A trained project of one stage on an image that is stored beside it."""
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["data"] = image
    source = linked_source(f"{path.stem}.h5/data", axes, image.shape)
    block = make_block(Box.whole(labels.shape), labels)
    classes = tuple(ClassInfo(n, (k, 9, 9), (k, 9, 9)) for k, n in enumerate(("dark", "bright")))
    project = Project(
        lanes=(Lane("image", source, labels=(block,)),),
        classes=classes,
        classifier=ClassifierInfo("none", 10),
        path=path,
    )
    built, _, _ = trained(project, selection, stored_options(project))
    write_project(built, path)
    return read_project(path)


def two_stages(folder, dtype=np.uint8, shape=(130, 150)):
    """The path of a project of two stages, its image, and the probabilities of both as whole arrays."""
    image = noisy(shape, dtype)
    first = stage(folder / "auto.ilp", image, "yx", strokes(shape), SELECTIONS[0])
    one, _ = predict_array(ArrayImage(image, "yx"), model_of(first).recipe)
    seen = np.concatenate([image[np.newaxis], as_pixels(one[0, :, 0], image.dtype)])
    second = stage(folder / "second.ilp", seen, "cyx", strokes(shape), SELECTIONS[1])
    two, _ = predict_array(ArrayImage(seen, "cyx"), model_of(second).recipe)
    with h5py.File(folder / "auto.ilp", "r+") as project, h5py.File(folder / "second.ilp") as other:
        for name in ("FeatureSelections", "PixelClassification"):
            other.copy(name, project, f"{name}01")
        del project["workflowName"]
        project["workflowName"] = b"AutocontextTwoStage"
    return folder / "auto.ilp", image, [np.moveaxis(p[0, :, 0], 0, -1) for p in (one, two)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_probabilities_of_both_stages(tmp_path, done, dtype):
    project, _, expected = two_stages(tmp_path, dtype)
    for options, name, values in (
        ([], "Probabilities Stage 2", expected[1]),
        (["--export_source=probabilities stage 1"], "Probabilities Stage 1", expected[0]),
    ):
        [path] = done(
            project, *options, "--output_filename_format={nickname}_{result_type}", tmp_path / "auto.h5"
        )
        assert path == Path.cwd() / f"auto_{name}.h5"
        assert np.array_equal(dataset(path).values, values)


def test_other_sources(tmp_path, done):
    project, image, expected = two_stages(tmp_path)
    found = {}
    for name in ("Simple Segmentation", "Uncertainty", "Features", "Labels"):
        [path] = done(
            project, f"--export_source={name} Stage 2", "--output_filename_format=o.h5", tmp_path / "auto.h5"
        )
        found[name] = dataset(path).values
    assert np.array_equal(found["Simple Segmentation"][..., 0], 1 + expected[1].argmax(-1))
    top = np.sort(expected[1], axis=-1)
    assert np.allclose(found["Uncertainty"][..., 0], 1 - (top[..., 1] - top[..., 0]))
    assert found["Features"].shape == (*image.shape, SELECTIONS[1].count(3, volume=False))
    assert found["Labels"].shape == (*image.shape, 1) and not found["Labels"].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_stages_see_and_all_probabilities(tmp_path, done, dtype):
    """`Input Stage k` has the image's type, `Probabilities All Stages` the first stage's channels first."""
    project, image, expected = two_stages(tmp_path, dtype)
    joined = np.concatenate(expected, axis=-1)
    stacked = np.concatenate([image[..., np.newaxis], as_pixels(expected[0], image.dtype)], axis=-1)
    for name, values in (
        ("Input Stage 1", image[..., np.newaxis]),
        ("Input Stage 2", stacked),
        ("probabilities ALL stages", joined),
    ):
        [path] = done(
            project, f"--export_source={name}", "--output_filename_format={result_type}", tmp_path / "auto.h5"
        )
        assert path.stem.lower() == name.lower() and path.stem[0].isupper()
        found = dataset(path)
        assert found.axes == "yxc" and found.values.dtype == values.dtype
        assert np.array_equal(found.values, values)
        options = "--cutout_subregion=[(8,10,1),(40,None,None)]", "--output_axis_order=cyx"
        if values.shape[-1] > 1:
            [path] = done(
                project,
                f"--export_source={name}",
                *options,
                "--output_filename_format=c",
                tmp_path / "auto.h5",
            )
            assert np.array_equal(dataset(path).values, np.moveaxis(values[8:40, 10:, 1:], -1, 0))


def test_options_that_stages_do_not_have(tmp_path, call):
    """ilastik calls them unused there, and so they are."""
    project, _, expected = two_stages(tmp_path)
    name = "--output_filename_format=o.h5"
    status, _, err = call("--headless", f"--project={project}", "--tree-count=3", name, tmp_path / "auto.h5")
    assert status == 0 and "--tree-count" in err and err.count("\n") == 1
    assert np.array_equal(dataset("o.h5").values, expected[1])


def test_masks_and_ranges(tmp_path, done):
    """Outside of a mask all probabilities are 0; ilastik takes masks here and does nothing with them."""
    project, image, expected = two_stages(tmp_path)
    mask = np.zeros(image.shape, np.uint8)
    mask[30:90, 20:100] = 1
    with h5py.File("mask.h5", "w") as file:
        file["data"] = mask
    [path] = done(
        project, "--export_source=Probabilities All Stages", "--output_filename_format=m",
        "--export_dtype=uint8", "--pipeline_result_drange=(0.0,1.0)", "--export_drange=(0,255)",
        "--raw_data", tmp_path / "auto.h5", "--prediction_mask", "mask.h5",
    )  # fmt: skip
    found = dataset(path)
    values = np.rint(np.concatenate(expected, axis=-1) * np.float32(255)) * mask[..., np.newaxis]
    assert np.array_equal(found.values, values) and found.values.dtype == np.uint8
    assert found.attributes["drange"].tolist() == [0, 255]


def test_our_own_commands(tmp_path, capfd):
    """`predict` and the library give the last stage, `info` tells of both; training says what it cannot."""
    project, _, expected = two_stages(tmp_path)
    image, out = str(tmp_path / "auto.h5"), str(tmp_path / "o.npy")
    predict = ["predict", str(project), image, "--output", out, "--no-progress"]
    assert run([*predict, "--result", "probabilities"]) == 0
    assert np.array_equal(np.load(out), expected[1])
    assert run(predict) == 0
    assert np.array_equal(np.load(out), 1 + expected[1].argmax(-1))
    underbrush.predict_files(project, [image], out, result="probabilities")
    assert np.array_equal(np.load(out), expected[1])
    capfd.readouterr()
    truth = str(tmp_path / "truth.npy")
    np.save(truth, (1 + expected[1].argmax(-1)).astype(np.uint8))
    assert run(["evaluate", str(project), "--image", image, "--truth", truth, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["classes"]["2"] == {"dice": 1.0, "iou": 1.0}
    assert run(["info", str(project), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert [stage["classifier"]["features"] for stage in told["stages"]] == [
        SELECTIONS[k].count((1, 3)[k], volume=False) for k in (0, 1)
    ]
    assert told["classes"] == told["stages"][1]["classes"] and told["problems"] == []
    assert run(["info", str(project)]) == 0
    assert "stage 2 of 2" in capfd.readouterr().out
    assert run(["train", str(project)]) == 1
    assert "underbrush predict" in capfd.readouterr().err
    assert run([*predict, "--classifier", "other"]) == 1
    assert "2 stages" in capfd.readouterr().err


def test_pieces_do_not_show(tmp_path, done):
    """An image of several pieces in both directions, cut out as well."""
    shape = (PIECE[3] + 60, PIECE[4] + 70)
    project, _, expected = two_stages(tmp_path, shape=shape)
    [path] = done(project, "--output_filename_format=w.h5", tmp_path / "auto.h5")
    assert np.array_equal(dataset(path).values, expected[1])
    region = "--cutout_subregion=[(200,210,1),(300,None,2)]"
    [path] = done(project, region, "--output_filename_format=c.h5", tmp_path / "auto.h5")
    assert np.array_equal(dataset(path).values, expected[1][200:300, 210:, 1:])


def test_a_stage_without_a_classifier_is_trained(tmp_path, done):
    project, _, expected = two_stages(tmp_path)
    with h5py.File(project, "r+") as file:
        del file["PixelClassification01/ClassifierForests"]
    [path] = done(project, "--output_filename_format=t.h5", tmp_path / "auto.h5")
    assert np.array_equal(dataset(path).values, expected[1]), "the same strokes give the same forest"


def test_cellprofiler(tmp_path, done):
    """Bytes in, an untagged dataset, lower-case source, the result file there with 0 bytes."""
    project, image, expected = two_stages(tmp_path)
    with h5py.File("in.h5", "w") as file:
        file.create_dataset("data", data=image)
    Path("out.h5").touch()
    done(
        project, "--output_format", "hdf5", "--export_source", "probabilities stage 2",
        "--output_filename_format", "out.h5", "in.h5",
    )  # fmt: skip
    assert np.array_equal(dataset("out.h5").values, expected[1])


def test_fiji(tmp_path, done):
    """ilastik4ij's Autocontext: 5D in and out, both of its results."""
    project, image, expected = two_stages(tmp_path)
    with h5py.File("raw_data.h5", "w") as file:
        file["data"] = image[np.newaxis, np.newaxis, ..., np.newaxis]
    labels = 1 + expected[1].argmax(-1)[..., np.newaxis]
    for source, values in (("Probabilities", expected[1]), ("Simple Segmentation", labels)):
        done(
            project, "--output_format=hdf5", "--output_axis_order=tzyxc", "--input_axes=tzyxc",
            "--readonly=1", "--output_internal_path=exported_data", f"--export_source={source} Stage 2",
            "--raw_data=raw_data.h5", "--output_filename_format=predictions.h5",
        )  # fmt: skip
        assert np.array_equal(dataset("predictions.h5").values[0, 0], values)


def test_refused(tmp_path, call):
    project, _, _ = two_stages(tmp_path)
    status, _, err = call("--headless", f"--project={project}", "--export_source=Probabilities", "x.h5")
    assert status == 1 and "Probabilities Stage 2" in err
    before = project.read_bytes()
    status, _, err = call("--headless", f"--project={project}", "--retrain")
    assert status == 1 and "--readonly=0" in err and project.read_bytes() == before


def test_retrain(tmp_path, call, done):
    """Both classifiers are trained again and saved, each on what the one before gives; all else stays."""
    project, _, expected = two_stages(tmp_path)
    with h5py.File(project, "r+") as file:
        stored = file["PixelClassification/ClassifierForests"].attrs
        stored["mark"] = "old"
        del file["PixelClassification01/ClassifierForests"]
        file["others"] = np.arange(4)
    status, _, err = call("--headless", f"--project={project}", "--readonly=0", "--retrain")
    assert (status, err) == (0, "")
    with h5py.File(project) as file:
        assert "mark" not in file["PixelClassification/ClassifierForests"].attrs
        assert file["others"][...].tolist() == [0, 1, 2, 3]
        assert file["workflowName"][()] == b"AutocontextTwoStage"
        for name, seen in (("PixelClassification", 1), ("PixelClassification01", 3)):
            names = file[name]["ClassifierForests/feature_names"]
            stage = SELECTIONS[0 if seen == 1 else 1]
            assert len(names) == stage.count(seen, volume=False)
    [path] = done(project, "--output_filename_format=r.h5", tmp_path / "auto.h5")
    assert np.array_equal(dataset(path).values, expected[1]), "the same strokes give the same forests"
    before = project.read_bytes()
    with h5py.File(project, "r+") as file:
        del file["PixelClassification01/LabelSets"]
    before = project.read_bytes()
    status, _, err = call("--headless", f"--project={project}", "--readonly=0", "--retrain")
    assert status == 1 and "two classes" in err and project.read_bytes() == before


def test_pipeline(tmp_path, small):
    project, image, expected = two_stages(tmp_path)
    pipeline = AutocontextPipeline.from_ilp_file(project)
    tagged = xarray.DataArray(image, dims=("y", "x"))
    for get, values in zip(
        (pipeline.get_probabilities_stage_1, pipeline.get_probabilities_stage_2), expected, strict=True
    ):
        found = get(tagged)
        assert found.dims == ("y", "x", "c") and np.array_equal(found.values, values)
        assert np.array_equal(get(image, "yx"), values)
    with pytest.raises(Exception, match="no Autocontext project"):
        AutocontextPipeline.from_ilp_file(small)
    with pytest.raises(Exception, match="workflow"):
        PixelClassificationPipeline.from_ilp_file(project)


def test_probabilities_as_pixels():
    """Whole range of integers, cut off; floats as they are."""
    p = np.array([0, 0.5, 0.999, 1], np.float32)
    assert as_pixels(p, np.dtype(np.uint8)).tolist() == [0, 127, 254, 255]
    assert as_pixels(p, np.dtype(np.uint16)).tolist() == [0, 32767, 65469, 65535]
    assert np.array_equal(as_pixels(p, np.dtype(np.float32)), p)
