"""`underbrush train` and `underbrush evaluate` as an analyst runs them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from small_project import SIZE

from underbrush.project.read import read_project


@pytest.fixture
def pair(tmp_path, picture):
    """A noisy image, labels on parts of it, and its truth; as paths."""
    rng = np.random.default_rng(0)
    truth = np.where(picture > 100, 2, 1).astype(np.uint8)
    labels = np.where(rng.random(SIZE) < 0.15, truth, 0).astype(np.uint8)
    noisy = np.clip(picture + rng.normal(0, 25, SIZE), 0, 255).astype(np.uint8)
    for name, values in (("im", noisy), ("labels", labels), ("truth", truth)):
        tifffile.imwrite(tmp_path / f"{name}.tif", values)
    return tmp_path / "im.tif", tmp_path / "labels.tif", tmp_path / "truth.tif"


def new_project(pair, out, *more):
    image, labels, _ = pair
    options = ["--scales", "0.7,1.6", "--trees", 20, "--classes", "dark,bright", *more]
    return ["train", "--out", out, "--image", image, "--labels", labels, *options]


def test_train_predict_and_evaluate(call, call_json, pair, tmp_path):
    image, labels, truth = pair
    status, said, err = call_json(*new_project(pair, tmp_path / "t.ilp"))
    assert (status, err) == (0, "")
    wanted = tifffile.imread(labels)
    assert said["labelled"] == {"1": int((wanted == 1).sum()), "2": int((wanted == 2).sum())}
    assert said["trees"] == 20 and said["features"] == 16 and said["oob_score"] > 0.9
    project = read_project(tmp_path / "t.ilp")
    assert [c.name for c in project.classes] == ["dark", "bright"]
    assert project.lanes[0].raw.stored == "im.tif", "a link relative to the project"
    status, said, _ = call_json("evaluate", tmp_path / "t.ilp", "--image", image, "--truth", truth)
    assert status == 0
    assert said["classes"]["2"]["dice"] > 0.95
    assert said["images"][0]["classes"] == said["classes"]
    status, _, _ = call("predict", tmp_path / "t.ilp", image, "--output", tmp_path / "s.npy")
    predicted = np.load(tmp_path / "s.npy")
    known = tifffile.imread(truth)
    both, sizes = ((predicted == 2) & (known == 2)).sum(), (predicted == 2).sum() + (known == 2).sum()
    assert said["classes"]["2"]["dice"] == pytest.approx(2 * both / sizes)


def test_the_same_labels_and_seed_give_the_same_forest(call_json, pair, tmp_path):
    said = [
        call_json(*new_project(pair, tmp_path / f"{i}.ilp", "--seed", seed, "--jobs", jobs))[1]
        for i, (seed, jobs) in enumerate([(0, 1), (0, 3), (1, 1)])
    ]
    assert said[0]["classifier"] == said[1]["classifier"] != said[2]["classifier"]


def test_a_project_is_trained_again_from_its_strokes(call_json, pair, tmp_path):
    path = tmp_path / "t.ilp"
    first = call_json(*new_project(pair, path))[1]
    again = call_json("train", path, "--trees", 20)[1]
    assert again["classifier"] == first["classifier"]
    other = call_json("train", path, "--trees", 20, "--scales", "1.0")[1]
    assert other["features"] == 8
    assert read_project(path).selection.scales == (1.0,)


def test_chosen_channels_are_remembered(call, call_json, pair, tmp_path):
    image, labels, _ = pair
    pixels = tifffile.imread(image)
    noise = np.random.default_rng(1).integers(0, 255, SIZE, dtype=np.uint8)
    tifffile.imwrite(tmp_path / "two.tif", np.stack([noise, pixels]), metadata={"axes": "CYX"}, ome=True)
    options = ["--scales", "0.7", "--channels", "1", "--trees", 5]
    arguments = ["train", "--out", tmp_path / "c.ilp", "--image", tmp_path / "two.tif", "--labels", labels]
    status, said, _ = call_json(*arguments, *options)
    assert status == 0 and said["features"] == 8
    assert call("predict", tmp_path / "c.ilp", tmp_path / "two.tif", "--output", tmp_path / "c.npy")[0] == 0
    only = ["train", "--out", tmp_path / "o.ilp", "--image", image, "--labels", labels]
    assert call(*only, "--scales", "0.7", "--trees", 5)[0] == 0
    assert call("predict", tmp_path / "o.ilp", image, "--output", tmp_path / "o.npy")[0] == 0
    assert np.array_equal(np.load(tmp_path / "c.npy"), np.load(tmp_path / "o.npy"))


def test_features_from_a_file(call_json, pair, tmp_path):
    image, labels, _ = pair
    chosen = {"filters": {"GaussianSmoothing": [0.3, 1.0], "HessianOfGaussianEigenvalues": [1.0]}}
    (tmp_path / "f.json").write_text(json.dumps(chosen))
    arguments = ["train", "--out", tmp_path / "f.ilp", "--image", image, "--labels", labels, "--trees", 3]
    status, said, _ = call_json(*arguments, "--features", tmp_path / "f.json")
    assert status == 0 and said["features"] == 4
    printed = call_json("info", tmp_path / "f.ilp")[1]["features"]
    (tmp_path / "g.json").write_text(json.dumps(printed))
    status, again, _ = call_json(*arguments, "--features", tmp_path / "g.json")
    assert again["classifier"] == said["classifier"]


def test_truth_of_zero_is_ignored_and_empty_classes_are_null(call_json, pair, tmp_path):
    image, _, _ = pair
    assert call_json(*new_project(pair, tmp_path / "t.ilp"))[0] == 0
    truth = np.zeros(SIZE, np.uint8)
    tifffile.imwrite(tmp_path / "none.tif", truth)
    arguments = ["evaluate", tmp_path / "t.ilp", "--image", image, "--truth", tmp_path / "none.tif"]
    status, said, _ = call_json(*arguments)
    assert status == 0
    assert said["classes"] == {"1": {"dice": None, "iou": None}, "2": {"dice": None, "iou": None}}


def test_features_from_no_file(call, pair, tmp_path):
    image, labels, _ = pair
    arguments = ["train", "--out", tmp_path / "t.ilp", "--image", image, "--labels", labels]
    status, out, err = call(*arguments, "--features", tmp_path / "none.json")
    assert status == 1 and out == "" and "none.json: there is no such file; check the name." in err


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ("size", 1, ("labels.tif", "(20, 20)", "(48, 57)")),
        ("large", 1, ("labels.tif", "from 0 to 300")),
        ("one class", 1, ("fewer than two classes",)),
        ("names", 1, ("labels up to 2 and the number of class names is 1",)),
        ("count", 2, ("1 image and 0 label images",)),
        ("nothing", 2, ("nothing to train on",)),
        ("both", 2, ("brings its own images",)),
        ("channel", 1, ("channel 4", "has 1")),
        ("features", 1, ("f.json", '{"filters"')),
        ("deep features", 1, ("f.json", '{"filters"')),
        ("suffix", 2, ("t.tif", "end it with .ilp")),
        ("half label", 1, ("labels.tif", "from 0.0 to 0.5, with fractions")),
        ("nan label", 1, ("labels.tif", "NaN")),
        ("nan image", 1, ("fewer than two classes", "NaN or infinite", "give labels 1, 2")),
        ("scales", 2, ("--scales 'x'",)),
    ],
)
def test_mistakes(call, pair, tmp_path, change, status, says):
    image, labels, _ = pair
    arguments = [
        "train",
        "--out",
        tmp_path / "t.ilp",
        "--image",
        image,
        "--labels",
        labels,
        "--scales",
        "0.7",
    ]
    if change == "size":
        tifffile.imwrite(labels, np.ones((20, 20), np.uint8))
    elif change == "large":
        tifffile.imwrite(labels, np.where(tifffile.imread(labels) == 1, 300, 0).astype(np.uint16))
    elif change == "one class":
        tifffile.imwrite(labels, (tifffile.imread(labels) == 1).astype(np.uint8))
    elif change == "half label":
        tifffile.imwrite(labels, np.where(tifffile.imread(labels) == 1, 0.5, 0).astype(np.float32))
    elif change == "nan label":
        tifffile.imwrite(labels, np.where(tifffile.imread(labels) == 1, np.nan, 0).astype(np.float32))
    elif change == "nan image":
        tifffile.imwrite(image, np.full(tifffile.imread(image).shape, np.nan, np.float32))
    elif change == "suffix":
        arguments[2] = tmp_path / "t.tif"
    elif change == "deep features":
        (tmp_path / "f.json").write_text("[" * 100_000)
        arguments[-2:] = ["--features", tmp_path / "f.json"]
    elif change == "names":
        arguments += ["--classes", "dark"]
    elif change == "count":
        arguments = arguments[:5]
    elif change == "nothing":
        arguments = ["train"]
    elif change == "both":
        arguments = ["train", tmp_path / "t.ilp", "--image", image, "--labels", labels]
    elif change == "channel":
        arguments += ["--channels", "0,4"]
    elif change == "features":
        (tmp_path / "f.json").write_text("[1, 2")
        arguments = [*arguments[:7], "--features", tmp_path / "f.json"]
    elif change == "scales":
        arguments[-1] = "x"
    got, out, err = call(*arguments)
    assert got == status, err
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err
    for words in says:
        assert words in err
    assert not (tmp_path / "t.ilp").exists()


def test_a_segmentation_as_png_is_labels_again(call, call_json, pair, tmp_path):
    image, _, _ = pair
    assert call_json(*new_project(pair, tmp_path / "t.ilp"))[0] == 0
    assert call("predict", tmp_path / "t.ilp", image, "--output", tmp_path / "s.png")[0] == 0
    said = call_json("evaluate", tmp_path / "t.ilp", "--image", image, "--truth", tmp_path / "s.png")[1]
    assert said["classes"] == {"1": {"dice": 1.0, "iou": 1.0}, "2": {"dice": 1.0, "iou": 1.0}}


def test_a_truth_of_unknown_classes_is_refused(call, pair, tmp_path):
    image, labels, _ = pair
    assert call(*new_project(pair, tmp_path / "t.ilp"))[0] == 0
    mask = np.where(tifffile.imread(labels) == 1, 255, 0).astype(np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    arguments = ["evaluate", tmp_path / "t.ilp", "--image", image, "--truth", tmp_path / "mask.tif"]
    status, out, err = call(*arguments)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1 and "mask.tif: the truth holds class 255, the project has 2" in err


def test_labels_of_frames_are_read_as_their_image(call, call_json, pair, tmp_path):
    image, labels, truth = (tifffile.imread(path) for path in pair)
    for name, values in (("t", image), ("l", labels), ("k", truth)):
        np.save(tmp_path / f"{name}.npy", np.stack([values] * 6))
    command = ["train", "--out", tmp_path / "t.ilp", "--image", tmp_path / "t.npy", "--axes", "tyx"]
    status, _, err = call(*command, "--labels", tmp_path / "l.npy", "--scales", "0.7", "--trees", 10)
    assert status == 0, err
    options = ["--image", tmp_path / "t.npy", "--truth", tmp_path / "k.npy", "--axes", "tyx"]
    status, said, err = call_json("evaluate", tmp_path / "t.ilp", *options)
    assert status == 0 and said["classes"]["2"]["dice"] > 0.9, err
    np.save(tmp_path / "m.npy", np.stack([truth == 2] * 6))
    options = ["--mask", tmp_path / "m.npy", "--axes", "tyx", "--output", tmp_path / "s.npy"]
    status, _, err = call("predict", tmp_path / "t.ilp", tmp_path / "t.npy", *options)
    assert status == 0, err
    result = np.load(tmp_path / "s.npy")
    assert result.shape == (6, *truth.shape)
    np.testing.assert_array_equal(result > 0, np.stack([truth == 2] * 6))


def test_evaluate_says_what_it_noticed(call_json, pair, tmp_path):
    image, _, truth = pair
    assert call_json(*new_project(pair, tmp_path / "t.ilp"))[0] == 0
    pixels = tifffile.imread(image).astype(np.float32)
    pixels[4, 4] = np.nan
    np.save(tmp_path / "nan.npy", pixels)
    arguments = ["evaluate", tmp_path / "t.ilp", "--image", tmp_path / "nan.npy", "--truth", truth]
    status, _, err = call_json(*arguments)
    assert status == 0
    assert err.count("\n") == 1 and "1 pixel is NaN" in err


def test_training_again_keeps_trees_seed_and_balance(call_json, pair, tmp_path):
    first = call_json(*new_project(pair, tmp_path / "t.ilp", "--seed", 3, "--balance"))[1]
    again = call_json("train", tmp_path / "t.ilp")[1]
    assert again["trees"] == 20 and again["classifier"] == first["classifier"]
    other = call_json("train", tmp_path / "t.ilp", "--no-balance")[1]
    assert other["classifier"] != first["classifier"]
