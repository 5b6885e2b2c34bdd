"""vigra, which ilastik trusts, gives the same probabilities for every stored and re-written forest."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from underbrush.core.forest.nodes import Forest
from underbrush.core.forest.reference import predict_reference
from underbrush.project.read import read_project
from underbrush.project.write import write_project

SYSTEM_PYTHON = Path("/usr/bin/python3")
TOLERANCE = 1e-6

_VIGRA = """
import sys, numpy, vigra
jobs = numpy.load(sys.argv[1], allow_pickle=False)
out = {}
for k in range(int(jobs["count"])):
    total = 0
    for part in range(int(jobs[f"parts{k}"])):
        name = f"PixelClassification/ClassifierForests/Forest{part:04}"
        forest = vigra.learning.RandomForest(str(jobs[f"file{k}"]), name)
        total = total + forest.predictProbabilities(jobs[f"x{k}"]) * numpy.float32(forest.treeCount())
    out[f"p{k}"] = total / numpy.float32(jobs[f"trees{k}"])
numpy.savez(sys.argv[2], **out)
"""


@pytest.fixture(scope="module")
def vigra_python() -> Path:
    works = (
        SYSTEM_PYTHON.exists()
        and not subprocess.run(
            [SYSTEM_PYTHON, "-c", "import vigra.learning"], capture_output=True, check=False
        ).returncode
    )
    if not works:
        pytest.skip(f"{SYSTEM_PYTHON} has no vigra (package python3-vigra)")
    return SYSTEM_PYTHON


def _samples(forest: Forest, seed: int) -> np.ndarray:
    """Random values, values that tie with thresholds, infinities left out, and rows with NaN."""
    rng = np.random.default_rng(seed)
    inner = forest.feature >= 0
    spread = np.abs(forest.threshold[inner]).max(initial=1.0)
    x = rng.normal(0, 1, (400, forest.n_features)) * spread * 10 ** rng.uniform(-3, 0.3, (400, 1))
    for row in range(100, 300):  # exactly at thresholds of their own columns
        nodes = rng.choice(np.flatnonzero(inner), 12) if inner.any() else []
        x[row, forest.feature[nodes]] = forest.threshold[nodes]
    x = x.astype(np.float32)
    x[300:302, 0] = np.nan
    x[302, -1] = np.nan
    return x


def test_vigra_agrees_on_every_forest_as_found_and_as_rewritten(
    data: Path, tmp_path: Path, vigra_python: Path
) -> None:
    jobs: dict[str, object] = {}
    expected = []
    for path in sorted((*data.glob("ilp/*/*.ilp"), *data.glob("golden/*/*.ilp"))):
        if "v05" in path.parent.name or (project := read_project(path)).forest is None:
            continue
        copy = tmp_path / path.name
        write_project(project, copy)
        x = _samples(project.forest, len(expected))
        for file in (path, copy):
            k = len(expected)
            jobs |= {f"file{k}": str(file), f"parts{k}": len(project.classifier.parts), f"x{k}": x,
                     f"trees{k}": project.forest.n_trees}  # fmt: skip
            expected.append((file, predict_reference(project.forest, x)))
    assert len(expected) == 2 * 11
    np.savez(tmp_path / "jobs.npz", count=len(expected), **jobs)
    command = [vigra_python, "-c", _VIGRA, tmp_path / "jobs.npz", tmp_path / "out.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as out:
        for k, (file, mine) in enumerate(expected):
            theirs = out[f"p{k}"]
            assert theirs.shape == mine.shape, file
            assert float(np.abs(theirs - mine).max()) <= TOLERANCE, file
            assert (theirs[300:303] == 0).all()
            assert (mine[:300].sum(axis=1) > 0.999).all()
