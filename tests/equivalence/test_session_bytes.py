"""The same strokes give the same bytes: in the window's session, from the command line, from Python."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import underbrush as ub
from session_scenes import Heard, blobs, new_project, stroke, wait_for
from underbrush.cli.main import run
from underbrush.engine.session import Session
from underbrush.engine.views import TileDone, View
from underbrush.project.commands import FreezeClassifier, Undo


@pytest.fixture(autouse=True)
def quiet_home(tmp_path_factory, monkeypatch):
    """No test reads the user's settings or writes the user's log."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(folder / "none.toml"))
    monkeypatch.setenv("UNDERBRUSH_LOG_DIR", str(folder))


def predicted(file, *words):
    """Probabilities of the first image as `predict` writes them, (y, x, classes)."""
    out = file.with_name("out.npy")
    image = str(file.with_name("image0.tif"))
    arguments = [
        "predict",
        str(file),
        image,
        "--result",
        "probabilities",
        "--output",
        str(out),
        "--no-progress",
    ]
    assert run([*arguments, *words]) == 0
    return np.load(out)


def shown(session, heard, shape):
    """Probabilities as the tiles of a view, (y, x, classes)."""
    found = np.zeros((*shape, 2), np.float32)
    for tile in heard.of(TileDone):
        if tile.key == session.lesson.recipe.key:
            p, k = tile.place, int(tile.layer[-1]) - 1
            found[p.y : p.y + p.height, p.x : p.x + p.width, k] = tile.array
    return found


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_window_command_line_and_library(tmp_path, dtype):
    image = (blobs((150, 200)) * (1 if dtype == "uint8" else 100)).astype(dtype)
    file = new_project(tmp_path, array=image, scales=(0.7, 1.6))
    strokes = np.zeros(image.shape, np.uint8)
    with Session.open(file, threads=2, idle=1000) as session:
        heard = Heard(session)
        session.set_live(True)
        session.look(
            View("tab", "main", "a1", 0, "xy", 0, 0, (0, 0, 200, 150), ("probability:1", "probability:2"))
        )
        for n, (y, x, k) in enumerate([(10, 20, 1), (60, 90, 2), (100, 30, 1), (130, 150, 2)], 1):
            session.apply("tab", n, stroke(y, x, class_id=k))
            strokes[y : y + 2, x : x + 20] = k
        wait_for(lambda: session.training.state == "done" and session.project().forest is not None)
        wait_for(lambda: shown(session, heard, image.shape).sum(-1).min() > 0.99)
        window = shown(session, heard, image.shape)
        # Not saved yet: the command line reads the recovery file, and trains what the window has trained.
        assert np.array_equal(predicted(file), window)
        session.apply("tab", 5, stroke(20, 150, class_id=1))
        session.apply("tab", 6, Undo())
        assert np.array_equal(predicted(file), window)
        session.apply("tab", 7, FreezeClassifier("then"))
        session.apply("tab", 8, stroke(40, 150, class_id=1))
    assert np.array_equal(predicted(file, "--classifier", "then"), window)
    assert not np.array_equal(predicted(file), window)
    with ub.open_project(file) as project:
        project.set_labels(0, strokes)
        assert np.array_equal(project.train(2).predict_proba(image, axes="yx"), window)
        selection = project.features
    assert np.array_equal(predicted(file), window)  # saved, opened again
    plain = ub.PixelClassifier(selection).fit(image, strokes, axes="yx")
    assert np.array_equal(plain.predict_proba(image, axes="yx"), window)


def test_a_project_that_is_open_is_not_trained_behind_its_back(tmp_path, capsys):
    file = new_project(tmp_path)
    with Session.open(file) as session:
        session.apply("tab", 1, stroke(5, 5))
        assert run(["train", str(file)]) == 1
        said = capsys.readouterr().err
        assert "has it open for writing" in said
        assert "close it there" in said


def test_training_in_place_keeps_the_version_before(tmp_path):
    file = new_project(tmp_path)
    with Session.open(file) as session:
        session.apply("tab", 1, stroke(2, 60, class_id=1))
        session.apply("tab", 2, stroke(50, 60, class_id=2))
    before = file.read_bytes()
    assert run(["train", str(file), "--trees", "7"]) == 0
    kept = list(file.with_name("p.versions").iterdir())
    assert before in [one.read_bytes() for one in kept]
    with ub.open_project(file) as project:
        assert project.classifier.n_trees == 7
        assert tifffile.imread(file.with_name("image0.tif")).shape == project.labels(0).shape
