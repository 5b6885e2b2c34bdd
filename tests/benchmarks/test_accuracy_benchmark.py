"""The accuracy benchmark judges on pixels that were not trained on, and says when a criterion is missed."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from underbrush.core.features.selection import FeatureSelection

SOURCE = Path(__file__).parents[2] / "benchmarks" / "accuracy.py"


@pytest.fixture(scope="module")
def accuracy():
    spec = importlib.util.spec_from_file_location("accuracy_benchmark", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def disks(seed, noise=3, shape=(48, 60)):
    """An image of bright disks with noise, strokes on both classes, and the truth, whose rim is unknown."""
    r = np.random.default_rng(seed)
    y, x = np.indices(shape)
    truth = np.ones(shape, np.uint8)
    for cy, cx in ((12, 12), (34, 18), (12, 45), (34, 45)):
        truth[np.hypot(y - cy, x - cx) < 7] = 2
    image = np.rint(40 * truth + r.normal(0, noise, shape)).astype(np.uint8)
    strokes = np.zeros(shape, np.uint8)
    strokes[11:13], strokes[33:35, ::2] = truth[11:13], truth[33:35, ::2]
    truth[:2] = 0
    return image, strokes, truth


def save(folder, stem, image, strokes, truth):
    folder.mkdir(parents=True, exist_ok=True)
    for end, array in (("", image), ("_scribble", strokes), ("_gt", truth)):
        tifffile.imwrite(folder / f"{stem}{end}.tif", array, metadata={"axes": "ZYX"[-array.ndim :]})


def picture(accuracy, seed=0, noise=3):
    return accuracy.Picture(*(a[None, None, None] for a in disks(seed, noise)))


def test_kinds_are_folders_truths_and_sources(accuracy, tmp_path):
    for folder, stem in (("a", "x_1"), ("a", "x_2"), ("b", "p_1"), ("b", "q_1")):
        save(tmp_path / folder, stem, *disks(0))
    save(tmp_path / "c", "m_gt3", *disks(0))
    kinds = accuracy.find_kinds(tmp_path)
    stems = {kind: [f.image.stem for f in files] for kind, files in kinds.items()}
    assert stems == {
        "a": ["x_1", "x_2"],
        "b": ["p_1", "q_1"],
        "b, p alone": ["p_1"],
        "b, q alone": ["q_1"],
        "c, 3 classes": ["m"],
    }
    assert kinds["c, 3 classes"][0].truth.name == "m_gt3.tif"
    assert kinds["a"][0].truth.name == "x_1_gt.tif"


def test_halves_share_no_pixel_and_lose_none(accuracy):
    whole = picture(accuracy)
    low, high = whole.halves()
    assert low.shape == high.shape == (1, 1, 1, 48, 30)
    for name in ("pixels", "strokes", "truth"):
        both = np.concatenate([getattr(low, name), getattr(high, name)], axis=4)
        assert np.array_equal(both, getattr(whole, name))


def test_a_forest_never_sees_the_strokes_it_is_judged_beside(accuracy):
    selection = FeatureSelection.all((1.0,))
    pictures = [picture(accuracy, seed) for seed in range(3)]
    parts = [accuracy.prepared(p, selection, 1) for p in pictures]
    for i, (rows, test) in enumerate(accuracy.folds(parts)):
        assert test is parts[i]
        assert len(rows.y) == sum(len(p.rows.y) for k, p in enumerate(parts) if k != i)
        own = {c.tobytes() for c in test.rows.x.T}
        assert own.isdisjoint(c.tobytes() for c in rows.x.T)


def test_rows_are_columns_of_the_features_that_are_judged(accuracy):
    part = accuracy.prepared(picture(accuracy), FeatureSelection.all((0.7, 3.5)), 2)
    under = part.features[0][:, part.picture.strokes[0, 0] > 0]
    assert np.array_equal(under, part.rows.x)


@pytest.mark.parametrize("name", ["ours", "sklearns"])
def test_segmentations_have_the_shape_of_the_image_and_find_its_disks(accuracy, name):
    selection, noisy = FeatureSelection.all((1.0, 1.6)), picture(accuracy, noise=14)
    parts = [accuracy.prepared(p, selection, 1) for p in noisy.halves()]
    options = accuracy.Options(seeds=2, n_trees=10, jobs=2)
    rows, test = next(accuracy.folds(parts))
    found = list(getattr(accuracy, name)(rows, test.features, options))
    assert [f.shape for f in found] == [test.picture.truth.shape] * 2
    assert not np.array_equal(*found)
    assert all(accuracy.dices(test.picture.truth, f)[0] > 0.8 for f in found)


def test_dice_leaves_out_what_is_unknown_and_the_first_class(accuracy):
    truth = np.array([0, 0, 1, 1, 2, 2, 3, 3], np.uint8)
    found = np.array([2, 3, 1, 1, 2, 2, 3, 1], np.uint8)
    foreground, overall = accuracy.dices(truth, found)
    assert foreground == pytest.approx((1 + 2 / 3) / 2)
    assert overall == pytest.approx((4 / 5 + 1 + 2 / 3) / 3)


def test_selections_fit_the_smallest_image_of_a_kind(accuracy):
    wanted = accuracy.selections([(1, 1, 31, 61, 57), (1, 1, 60, 256, 128)])
    assert wanted["all"].scales == (0.3, 0.7, 1.0, 1.6, 3.5, 5.0)
    assert wanted["recommended"].scales == (0.3, 1.0, 1.6, 3.5)
    flat = accuracy.selections([(1, 3, 1, 61, 57)])
    assert flat["all"].terms(False) == flat["recommended"].terms(False)


def record(name, ours, theirs, recommended, volume=False):
    scores = {"all": ours, "recommended": recommended, "scikit-learn": theirs}
    return {
        "kind": name,
        "volume": volume,
        "scores": {k: {"foreground": [v], "overall": [v]} for k, v in scores.items()},
    }


@pytest.mark.parametrize(
    ("records", "holds"),
    [
        ([("a", 0.8, 0.804, 0.8), ("b", 0.8, 0.7, 0.8, True)], [True, True, True]),
        ([("a", 0.8, 0.806, 0.8), ("b", 0.8, 0.7, 0.8, True)], [False, True, True]),
        ([("a", 0.8, 0.8, 0.8), ("b", 0.8, 0.8, 0.792, True)], [True, True, False]),
        ([("a", 0.8, 0.8, 0.78)], [True, False]),
    ],
    ids=["all hold", "one kind below", "volumes below", "no volumes"],
)
def test_each_criterion_can_be_missed(accuracy, records, holds):
    assert [h for h, _ in accuracy.verdicts([record(*r) for r in records])] == holds


def test_a_run_writes_each_kind_and_resumes(accuracy, tmp_path, monkeypatch, capsys):
    save(tmp_path / "images" / "disks", "d_1", *disks(1))
    results = tmp_path / "out" / "r.jsonl"
    arguments = ["--data", str(tmp_path), "--results", str(results), "--seeds", "2", "--trees", "10"]
    monkeypatch.setattr(sys, "argv", ["accuracy.py", *arguments])
    with pytest.raises(SystemExit) as end:
        accuracy.main()
    (line,) = map(json.loads, results.read_text().splitlines())
    assert end.value.code == (0 if accuracy.difference(line, "all", "scikit-learn") >= -0.005 else 1)
    assert (line["kind"], line["halves"], line["features"]["all"]) == ("disks", True, 41)
    assert len(line["scores"]["scikit-learn"]["foreground"]) == 2
    line["seconds"] = 12345
    results.write_text(json.dumps(line) + "\n")
    monkeypatch.setattr(sys, "argv", ["accuracy.py", *arguments, "--resume"])
    with pytest.raises(SystemExit):
        accuracy.main()
    assert "(12345 s)" in capsys.readouterr().out


def test_a_folder_without_images_is_said(accuracy, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["accuracy.py", "--data", str(tmp_path)])
    with pytest.raises(SystemExit, match="No images with strokes and truth"):
        accuracy.main()
