"""A classifier as a project and back: the same bytes, ilastik's projects, what is stored and what is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

import underbrush as ub
from underbrush.api import classifier_files
from underbrush.api.classifier_files import RECORD
from underbrush.core.features.selection import FeatureSelection
from underbrush.engine.arrays import predict_array
from underbrush.engine.model import model_of
from underbrush.engine.sample import sample_images
from underbrush.errors import ArgumentError, ProjectError, UnderbrushError
from underbrush.project.read import read_project
from underbrush.sources.array import ArrayImage

PARITY = {"gray2d_2c": "yx", "rgb2d_3c": "yxc", "gray3d_2c": "zyx", "tyx_2c": "tyx"}


@pytest.fixture(scope="module")
def sample():
    first, second = sample_images()
    crop = (slice(0, 200), slice(0, 260))
    return [first.pixels[crop], second.pixels], [first.strokes[crop], second.strokes]


@pytest.fixture(scope="module")
def model(sample):
    return ub.PixelClassifier(n_trees=12, seed=4, balance=True, scales=(0.7, 1.6, 3.5)).fit(
        *sample, axes="yx"
    )


def same(loaded, model, image):
    assert loaded.predict_proba(image).tobytes() == model.predict_proba(image).tobytes()
    assert loaded.forest_.digest == model.forest_.digest
    assert loaded.selection_ == model.selection_
    assert loaded.feature_names_ == model.feature_names_
    assert np.array_equal(loaded.feature_importances_, model.feature_importances_)
    assert loaded.oob_score_ == model.oob_score_
    assert loaded.classes_.tolist() == model.classes_.tolist()


def test_saved_and_loaded_predicts_the_same_bytes(tmp_path, sample, model):
    model.save(tmp_path / "p.ilp")
    loaded = ub.PixelClassifier.load(tmp_path / "p.ilp", n_jobs=2)
    same(loaded, model, sample[0][0])
    assert (loaded.n_trees, loaded.seed, loaded.balance, loaded.n_jobs) == (12, 4, True, 2)
    project = ub.open_project(tmp_path / "p.ilp")
    assert project.lanes == () and project.features == model.selection_ and project.problems == ()
    assert [c.name for c in project.classes] == ["Class 1", "Class 2"]
    # Trained again from the same, with the parameters that came back: the same forest.
    again = loaded.fit(*sample, axes="yx")
    same(again, model, sample[0][0])


@pytest.mark.parametrize(
    ("shape", "axes"), [((12, 40, 50), "zyx"), ((40, 50, 3), "yxc"), ((3, 2, 40, 50), "tcyx")]
)
def test_every_kind_of_image_is_stored_and_found_again(tmp_path, shape, axes):
    rng = np.random.default_rng(1)
    image = (rng.random(shape) * 1000).astype("u2")
    sizes = [n for n, a in zip(shape, axes, strict=True) if a != "c"]
    labels = rng.integers(0, 300, sizes) % 4
    labels[labels == 2] = 0
    model = ub.PixelClassifier(n_trees=3, scales=(1.0,)).fit(image, labels, axes=axes)
    model.save(tmp_path / "p.ilp", image, labels, axes=axes, class_names=["a", "nothing", "ç"])
    loaded = ub.PixelClassifier.load(tmp_path / "p.ilp")
    assert loaded.class_names_ == ("a", "nothing", "ç") and len(loaded.classes_) == 3
    assert loaded.predict_proba(image, axes).tobytes() == model.predict_proba(image, axes).tobytes()
    project = ub.open_project(tmp_path / "p.ilp")
    assert np.array_equal(project.labels(0), labels)
    with project.image(0) as stored:
        assert stored.axes == axes and stored.dtype == image.dtype
        assert np.array_equal(stored.read(), ArrayImage(image, axes).read())
        trained = ub.PixelClassifier(n_trees=3, scales=(1.0,)).fit(stored, project.labels(0))
    assert trained.forest_.digest == model.forest_.digest


@pytest.mark.parametrize("dtype", ["bool", "float16", ">u2", "int8"])
def test_types_that_hdf5_readers_stumble_over_are_stored_as_others(tmp_path, dtype):
    rng = np.random.default_rng(1)
    image = (rng.random((30, 40)) * 3).astype(dtype)
    if dtype == "int8":
        image -= 2
    labels = rng.integers(0, 30, (30, 40)) % 3
    model = ub.PixelClassifier(n_trees=2, scales=(1.0,)).fit(image, labels)
    model.save(tmp_path / "p.ilp", [image], [labels])
    with ub.open_project(tmp_path / "p.ilp").image(0) as stored:
        assert stored.dtype.kind in "uif" and stored.dtype != np.float16
        assert np.array_equal(stored.read()[0, 0, 0], image)


def test_the_command_line_gives_the_same_bytes(tmp_path, sample, model):
    model.save(tmp_path / "p.ilp", *sample)
    np.save(tmp_path / "image.npy", sample[0][0])
    out = tmp_path / "out.npy"
    words = ["predict", "p.ilp", "image.npy", "--result", "probabilities", "--output", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", "from underbrush.cli.main import main; main()", *words, "--no-progress"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(out), model.predict_proba(sample[0][0]))


def test_a_project_trained_anew_from_the_stored_strokes_is_the_same_forest(tmp_path, sample):
    model = ub.PixelClassifier(n_trees=12, scales=(1.6,)).fit(*sample, axes="yx")
    model.save(tmp_path / "p.ilp", *sample, axes="yx")
    with h5py.File(tmp_path / "p.ilp", "r+") as file:
        del file["PixelClassification/ClassifierForests"]
    with pytest.warns(UserWarning, match=r"no usable classifier is stored; one was trained from its strokes"):
        loaded = ub.PixelClassifier.load(tmp_path / "p.ilp")
    assert loaded.forest_.digest == model.forest_.digest
    loaded.save(tmp_path / "q.ilp")
    assert ub.PixelClassifier.load(tmp_path / "q.ilp").forest_.digest == model.forest_.digest


def test_a_loaded_project_keeps_what_it_had(tmp_path, sample, model):
    images, labels = sample
    model.save(tmp_path / "p.ilp", images[:1], labels[:1], class_names=["ground", "nucleus"])
    with h5py.File(tmp_path / "p.ilp", "r+") as file:
        file["Somebody's/notes"] = "keep me"
        file["PixelClassification/LabelColors"][1] = (1, 2, 3)
    loaded = ub.PixelClassifier.load(tmp_path / "p.ilp")
    (tmp_path / "sub").mkdir()
    loaded.save(tmp_path / "sub" / "q.ilp", images[1:], labels[1:])
    project = ub.open_project(tmp_path / "sub" / "q.ilp")
    assert [c.name for c in project.classes] == ["ground", "nucleus"]
    assert project.classes[1].colour == (1, 2, 3)
    assert len(project.lanes) == 2
    for k in (0, 1):
        assert np.array_equal(project.labels(k), labels[k])
        with project.image(k) as image:
            assert np.array_equal(image.read()[0, 0, 0], images[k])
    with h5py.File(tmp_path / "sub" / "q.ilp") as file:
        assert file["Somebody's/notes"][()] == b"keep me"
    same(ub.PixelClassifier.load(tmp_path / "sub" / "q.ilp"), model, images[0])


def test_what_training_learned_is_not_told_of_another_forest(tmp_path, sample, model):
    model.save(tmp_path / "p.ilp")
    with h5py.File(tmp_path / "p.ilp", "r+") as file:
        texts = file["Underbrush/Texts"]
        said = json.loads(texts[RECORD][()])
        assert said["oob_score"] == model.oob_score_
        del texts[RECORD]
        texts[RECORD] = json.dumps({**said, "forest": "another"})
    loaded = ub.PixelClassifier.load(tmp_path / "p.ilp")
    assert np.isnan(loaded.oob_score_) and np.isnan(loaded.feature_importances_).all()
    assert loaded.feature_names_ == model.feature_names_
    for damaged in (
        "[damaged",
        "[" * 100_000,
        "[1]",
        json.dumps({"forest": model.forest_.digest, "oob_score": "high"}),
    ):
        with h5py.File(tmp_path / "p.ilp", "r+") as file:
            del file["Underbrush/Texts"][RECORD]
            file["Underbrush/Texts"][RECORD] = damaged
        assert np.isnan(ub.PixelClassifier.load(tmp_path / "p.ilp").oob_score_)


def test_what_save_refuses_leaves_the_old_file(tmp_path, sample, model, monkeypatch):
    images, labels = sample
    path = tmp_path / "p.ilp"
    path.write_bytes(b"mine")
    with pytest.raises(ArgumentError, match=r"there are 3 names and 2 classes; name every class\."):
        model.save(path, class_names=["a", "b", "c"])
    with pytest.raises(TypeError, match="class_names is 'ab'; give a list of names"):
        model.save(path, class_names="ab")
    with pytest.raises(ArgumentError, match="labels 1: there is a label 3 and the classifier has 2 classes"):
        model.save(path, images[0], labels[0] + 1)
    monkeypatch.setattr(classifier_files, "EMBED_LIMIT", 100_000)
    with pytest.raises(UnderbrushError, match=r"the images are 0\.\d GB and .* can be stored in a project"):
        model.save(path, images, labels)
    assert path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(UnderbrushError, match=r"p\.ilp"):
        model.save(path / "in_a_file.ilp")


def test_what_load_refuses(tmp_path):
    (tmp_path / "text.ilp").write_text("no project")
    for name in ("text.ilp", "missing.ilp"):
        with pytest.raises(ProjectError, match=name):
            ub.PixelClassifier.load(tmp_path / name)


@pytest.mark.parametrize("name", PARITY)
def test_ilastik_s_projects_give_what_ilastik_recorded(name, data, tmp_path):
    folder, axes = data / "golden" / name, PARITY[name]
    model = ub.PixelClassifier.load(folder / f"{name}.ilp", n_jobs=2)
    with h5py.File(folder / "train.h5") as f:
        pixels = f["data"][...]
    with h5py.File(folder / "exports" / "batch_train_Probabilities.h5") as f:
        recorded = f["exported_data"][...]
    got = model.predict_proba(pixels, axes=axes)
    assert got.shape == recorded.shape
    # The tolerances of the parity tests: ilastik's features differ from ours in the last bits.
    assert (got.argmax(-1) == recorded.argmax(-1)).mean() >= 0.9999
    assert np.abs(got - recorded).mean() < 1e-4
    # The same bytes as the project itself, also once saved elsewhere.
    recipe = model_of(read_project(folder / f"{name}.ilp")).recipe
    want, _ = predict_array(ArrayImage(pixels, axes), recipe)
    order = ["tczyx".index(a) for a in axes.replace("c", "") + "c"]
    assert np.array_equal(got, want.transpose(*order, *set(range(5)) - set(order)).reshape(got.shape))
    copy = tmp_path / "copy.ilp"
    shutil.copy(folder / f"{name}.ilp", copy)
    ub.PixelClassifier.load(copy).save(tmp_path / "again.ilp")
    assert (
        ub.PixelClassifier.load(tmp_path / "again.ilp").predict_proba(pixels, axes=axes).tobytes()
        == got.tobytes()
    )
    names = json.loads((folder / "feature_names.json").read_text())
    assert model.feature_names_ == tuple(names if isinstance(names, list) else next(iter(names.values())))


def test_features_of_projects_before_1_3_survive_a_save(data, tmp_path):
    """Their structure tensor is another one; a forest must see what it was trained on."""
    folder = data / "ilp" / "ilastik_2d_v122"
    model = ub.PixelClassifier.load(folder / "PixelClassification2d.ilp")
    assert model.selection_.vigra_structure
    with h5py.File(folder / "2d_Probabilities.h5") as f:
        recorded = f["exported_data"][...]
    with ub.open_project(folder / "PixelClassification2d.ilp").image(0) as image:
        pixels = image.read()[0, 0, 0]
    model.save(tmp_path / "p.ilp")
    got = ub.PixelClassifier.load(tmp_path / "p.ilp").predict_proba(pixels, axes="yx")
    assert np.abs(got - recorded.reshape(got.shape)).mean() < 1e-4
    fresh = ub.PixelClassifier(FeatureSelection.all((1.0,)), n_trees=2)
    fresh.set_params(features=model.selection_)
    labels = np.zeros(pixels.shape, int)
    labels[10:20, 10:20], labels[30:40, 30:40] = 1, 2
    assert not fresh.fit(pixels, labels, axes="yx").selection_.vigra_structure
