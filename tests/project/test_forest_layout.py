"""Stored forests: read exactly, written exactly, and never trusted."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.reference import predict_reference
from underbrush.errors import ProjectError
from underbrush.project.forest_layout import read_forest
from underbrush.project.forest_writer import stored_trees, write_forests
from underbrush.project.storage import open_storage

L = 0x40000000
# Two columns, two classes. Root at 2: column 1 < 5 goes to 9, else to 7.
STUMP = ([2, 2, 0, 0, 9, 7, 1, L, 2, L, 5], [1.0, 5.0, 33.0, 0.25, 0.75, 80.0, 1.0, 0.0])


def _change(topology=(), parameters=()):
    t, p = list(STUMP[0]), list(STUMP[1])
    for i, v in topology:
        t[i] = v
    for i, v in parameters:
        p[i] = v
    return t, p


def _read(path: Path, names=("Forest0000",)) -> Forest:
    with open_storage(path) as root:
        group = root.group("PixelClassification")
        assert group is not None
        forests = group.group("ClassifierForests")
        assert forests is not None
        return read_forest(forests, list(names))[0]


def test_a_stump_is_read_as_it_is_stored(build) -> None:
    b = build()
    b.forest([STUMP])
    f = _read(b.done())
    assert f.roots.tolist() == [0]
    assert f.feature.tolist() == [1, LEAF, LEAF]
    assert f.threshold.tolist() == [5.0, 0, 0]
    assert f.votes[f.left[f.left[0]]].tolist() == [1.0, 0.0]
    assert f.votes[f.left[f.right[0]]].tolist() == [0.25, 0.75]
    assert f.weights.tolist() == [33.0, 80.0]
    assert (f.classes.tolist(), f.n_features) == ([1, 2], 2)
    x = np.array([[0, 4.9], [0, 5.0], [9, 5.1]], np.float32)
    assert predict_reference(f, x).tolist() == [[1, 0], [0.25, 0.75], [0.25, 0.75]]


def test_thresholds_keep_their_last_bit(build) -> None:
    threshold = np.nextafter(np.float64(1.0), 2)
    b = build()
    b.forest([_change(parameters=[(1, threshold)])])
    assert _read(b.done()).threshold[0] == threshold


def test_nodes_may_lie_in_any_order(build) -> None:
    # the root, its left child a split whose children lie around it, and a gap that nothing leads to
    topology = [2, 2, 0, 0, 13, 9, 0, L, 2, L, 5, 77, 77, 0, 8, 7, 18, 1, L, 10]
    parameters = [1.0, 0.5, 1, 1, 0, 1, 0, 1, 1.0, 3.0, 1, 0.5, 0.5]
    b = build()
    b.forest([(topology, parameters)])
    f = _read(b.done())
    x = np.array([[0, 2], [0, 3], [1, 0]], np.float32)
    assert predict_reference(f, x).tolist() == [[1, 0], [0.5, 0.5], [0, 1]]


def test_trees_vote_in_stored_order_over_all_forests(build) -> None:
    b = build()
    b.forest([STUMP, _change(parameters=[(1, 6.0)])], "Forest0001")
    b.forest([_change(parameters=[(1, 7.0)])], "Forest0000")
    f = _read(b.done(), ("Forest0000", "Forest0001"))
    assert f.threshold[f.roots].tolist() == [7.0, 5.0, 6.0]


def test_classes_are_the_known_labels_in_rising_order(build) -> None:
    b = build()
    b.forest([STUMP])
    b.file["PixelClassification/ClassifierForests/known_labels"] = np.array([4, 2], np.uint32)
    f = _read(b.done())
    assert f.classes.tolist() == [2, 4]
    assert predict_reference(f, np.array([[0, 0]], np.float32)).tolist() == [[0, 1]]


DAMAGE = {
    "a link to itself": [_change([(4, 2)])],
    "both links to one node": [_change([(4, 7)])],
    "a link before the tree": [_change([(4, -5)])],
    "a link beyond the tree": [_change([(5, 11)])],
    "a link into a node's end": [_change([(5, 10)])],
    "a column that is not there": [_change([(6, 2)])],
    "a negative column": [_change([(6, -1)])],
    "parameters beyond the end": [_change([(10, 6)])],
    "negative parameters": [_change([(8, -1)])],
    "an unknown kind": [_change([(7, 42)])],
    "a threshold that is no number": [_change(parameters=[(1, np.nan)])],
    "votes that are no fractions": [_change(parameters=[(3, 7.0)])],
    "negative votes": [_change(parameters=[(3, -0.25), (4, 1.25)])],
    "trees of different columns": [STUMP, _change([(0, 3)])],
    "too short a tree": [([2, 2, L], [1.0])],
}


@pytest.mark.parametrize("trees", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_tree_is_refused_quickly(build, trees) -> None:
    b = build()
    b.forest(trees)
    path = b.done()
    start = time.perf_counter()
    with pytest.raises(ProjectError, match="the stored classifier is damaged"):
        _read(path)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(("kind", "name"), [(1, "hyperplane"), (2, "hypersphere"), (L + 1, "log-regression")])
def test_other_kinds_of_nodes_are_refused_by_name(build, kind, name) -> None:
    b = build()
    b.forest([_change([(2, kind)])])
    with pytest.raises(ProjectError, match=f"{name} nodes, which cannot be evaluated"):
        _read(b.done())


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("_options/predict_weighted_", 1.0, "weighs its leaves"),
        ("_options/tree_count_", 2.0, "has 1 trees"),
        ("_ext_param/column_count_", 3.0, "column_count_"),
        ("_ext_param/class_count_", 3.0, "class_count_"),
        ("_ext_param/problem_type_", 0.0, "predicts numbers"),
    ],
)
def test_counts_and_settings_are_checked(build, member, value, said) -> None:
    b = build()
    b.forest([STUMP])[member][...] = value
    with pytest.raises(ProjectError, match=said):
        _read(b.done())


def random_forest(seed: int, n_trees: int, n_features: int, n_classes: int, depth: int = 6) -> Forest:
    """A forest of random trees, some of them a single leaf, with thresholds that repeat."""
    rng = np.random.default_rng(seed)
    feature, threshold, left, right, roots, votes, weights = [], [], [], [], [], [], []

    def grow(level: int) -> int:
        at = len(feature)
        for column in (feature, threshold, left, right):
            column.append(0)
        if level == depth or rng.random() < 0.2:
            v = rng.random(n_classes) * (rng.random(n_classes) < 0.7)
            v[rng.integers(n_classes)] += 0.1
            feature[at], left[at], right[at] = LEAF, len(votes), len(votes)
            votes.append(v / v.sum())
            weights.append(float(rng.integers(1, 50)))
        else:
            feature[at] = int(rng.integers(n_features))
            threshold[at] = float(rng.integers(-3, 4)) + 0.5 * float(rng.integers(2))
            left[at] = grow(level + 1)
            right[at] = grow(level + 1)
        return at

    for _ in range(n_trees):
        roots.append(grow(0))
    i32 = np.int32
    return Forest(
        np.array(roots, i32), np.array(feature, i32), np.array(threshold), np.array(left, i32),
        np.array(right, i32), np.array(votes), np.array(weights),
        np.arange(1, n_classes + 1, dtype=np.uint32), n_features,
    )  # fmt: skip


@pytest.mark.parametrize("n_trees", [1, 2, 10, 11, 101])
def test_a_written_forest_reads_back_the_same(tmp_path: Path, n_trees) -> None:
    forest = random_forest(n_trees, n_trees, 7, 3)
    parts = (n_trees,) if n_trees < 3 else (n_trees - 1, 1)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        write_forests(file.create_group("forests"), forest, parts)
        digits = len(str(parts[0] - 1))
        assert f"Tree_{0:0{digits}}" in file["forests/Forest0000"]
    with open_storage(tmp_path / "f.h5") as root:
        group = root.group("forests")
        assert group is not None
        again, counts = read_forest(group, [n for n, _ in group.groups()])
    assert counts == parts
    assert again.digest == forest.digest
    assert again.weights.tolist() == forest.weights.tolist()


def test_a_forest_whose_links_meet_is_not_written() -> None:
    forest = random_forest(0, 1, 2, 2, depth=3)
    inner = np.flatnonzero(forest.feature != LEAF)[0]
    forest.left[inner] = forest.right[inner]
    with pytest.raises(ValueError, match="same node"):
        stored_trees(forest)


def test_a_large_forest_is_read_and_written_fast(tmp_path: Path) -> None:
    forest = random_forest(1, 100, 50, 3, depth=13)
    assert len(forest.feature) > 100_000
    start = time.perf_counter()
    with h5py.File(tmp_path / "f.h5", "w") as file:
        write_forests(file.create_group("forests"), forest, (100,))
    with open_storage(tmp_path / "f.h5") as root:
        group = root.group("forests")
        assert group is not None
        assert read_forest(group, ["Forest0000"])[0].digest == forest.digest
    assert time.perf_counter() - start < 3  # 0.4 s on an idle core


def test_a_missing_part_of_the_classifier_is_noticed(tmp_path, data):
    import shutil

    import h5py

    from underbrush.project.read import read_project

    source = data / "golden" / "gray2d_2c" / "gray2d_2c.ilp"
    for part, has_forest in (("Forest0000", False), ("Forest0001", True)):
        path = tmp_path / f"{part}.ilp"
        shutil.copy(source, path)
        path.chmod(0o644)
        with h5py.File(path, "r+") as f:
            del f["PixelClassification/ClassifierForests"][part]
        project = read_project(path)
        assert (project.forest is not None) == has_forest
        assert len(project.problems) == 1 and (
            "50 are stored" in project.problems[0] or part in project.problems[0]
        )
