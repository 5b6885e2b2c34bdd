"""Forests that other programs grew: those of real ilastik projects, and vigra's answers to ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from underbrush.core.forest.nodes import LEAF, Forest
from underbrush.core.forest.packing import compile_forest
from underbrush.core.forest.predict import predict_block, predict_rows
from underbrush.core.forest.reference import predict_reference
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.project.forest_writer import write_forests
from underbrush.project.read import read_project

VIGRA_PYTHON = "/usr/bin/python3"
ANSWER = """
import sys, numpy, vigra
rows = numpy.load(sys.argv[2])
forest = vigra.learning.RandomForest(sys.argv[1], "forests/Forest0000")
numpy.save(sys.argv[3], forest.predictProbabilities(rows))
"""


def _stored(data: Path) -> list[Path]:
    return [p for p in sorted(data.glob("ilp/*/*.ilp")) if "ilastik-0.5" not in p.name]


def _near_thresholds(forest: Forest, height: int, width: int) -> np.ndarray:
    """(n_features, height, width) float32: values taken from the thresholds of each column, some moved."""
    r = np.random.default_rng(0)
    x = np.zeros((forest.n_features, height, width), np.float32)
    inner = forest.feature != LEAF
    for c in np.unique(forest.feature[inner]):
        own = forest.threshold[inner & (forest.feature == c)].astype(np.float32)
        x[c] = r.choice(own, (height, width)) + np.float32(own.std()) * r.normal(size=(height, width))
        exact = r.random((height, width)) < 0.3
        x[c][exact] = r.choice(own, int(exact.sum()))
    x[0, 0, 0] = np.nan
    return x


def test_forests_of_real_projects_predict_as_the_twin(data):
    """Every stored forest, on pixels beside and on its own thresholds: the same bytes."""
    found = []
    for path in _stored(data):
        forest = read_project(path).forest
        if forest is None:
            continue
        x = _near_thresholds(forest, 19, 61)
        out = np.empty((forest.n_classes, 19, 61), np.float32)
        packed = compile_forest(forest)
        predict_block(packed, x, out)
        expected = predict_reference(forest, np.ascontiguousarray(x.reshape(len(x), -1).T))
        assert np.ascontiguousarray(out.reshape(len(out), -1).T).tobytes() == expected.tobytes(), path.name
        found.append(packed.quantizer.dtype.itemsize)
    assert len(found) >= 6


@pytest.mark.parametrize("n_classes", [2, 4])
def test_vigra_reads_our_forest_and_answers_alike(tmp_path, n_classes):
    """To 1e-6 on the same features; in fact to the bit, for the rules are the same."""
    if subprocess.run([VIGRA_PYTHON, "-c", "import vigra"], capture_output=True, check=False).returncode:
        pytest.skip("no vigra")
    r = np.random.default_rng(n_classes)
    x = np.round(r.normal(size=(9, 1500))).astype(np.float32)
    labels = (1 + np.clip(np.abs(x[0] + x[1] + r.normal(size=1500)), 0, n_classes - 1)).astype(np.uint8)
    forest = train_forest(x, labels, TrainingOptions(40)).forest
    assert (forest.votes.max(axis=1) < 1).any(), "rounded values make impure leaves too"
    rows = np.round(r.normal(size=(3000, 9)), 1).astype(np.float32)
    rows[5, 3] = np.nan
    np.save(tmp_path / "rows.npy", rows)
    with h5py.File(tmp_path / "forest.h5", "w") as file:
        write_forests(file.create_group("forests"), forest, (40,))
    arguments = [str(tmp_path / name) for name in ("forest.h5", "rows.npy", "answer.npy")]
    subprocess.run([VIGRA_PYTHON, "-c", ANSWER, *arguments], check=True, capture_output=True, timeout=120)
    answer = np.load(tmp_path / "answer.npy")
    ours = predict_rows(compile_forest(forest), rows)
    assert ours[5].tolist() == [0.0] * n_classes
    assert np.abs(ours - answer).max() < 1e-6
