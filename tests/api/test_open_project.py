"""Projects for scripts: read as the window sees them, changed with its commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import underbrush as ub
from session_scenes import both_classes, new_project
from underbrush.engine.session import Session
from underbrush.errors import ArgumentError, CommandError, MismatchError, ProjectError
from underbrush.project.lock import Held
from underbrush.project.read import read_project

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def file(tmp_path):
    return new_project(tmp_path)


def some_labels():
    labels = np.zeros((96, 120), np.uint8)
    labels[2:5, 60:90] = 1
    labels[40:44, 30:50] = 2
    return labels


def test_looking_locks_nothing_and_sees_what_the_window_sees(file):
    with Session.open(file, idle=1000) as session:
        both_classes(session)
        project = ub.open_project(file)
        assert (project.labels("image0") == session.labels("a1").read(full(session))[0, 0, 0]).all()
        assert project.lanes[0].label_counts == session.labels("a1").counts
        with pytest.raises(Held):
            project.add_class("mine")
    assert not file.with_name("p.ilp.lock").exists()


def full(session):
    from underbrush.core.geometry import Box

    return Box.whole(session.image("a1").shape5)


def test_labels_in_and_out(file):
    labels = some_labels()
    with ub.open_project(file) as project:
        project.set_labels(0, labels)
        assert np.array_equal(project.labels("image0"), labels)
        other = np.zeros_like(labels)
        other[41:60, 35:40] = 1
        project.add_labels(0, other)
        assert np.array_equal(project.labels(0), np.where(other, other, labels))
        project.set_labels(0, other.astype(float))
        assert np.array_equal(project.labels(0), other)
        assert project.undo() == "Undo: Labels replaced"
        assert project.undo() == "Undo: Labels imported"
        assert np.array_equal(project.labels(0), labels)
        assert project.redo() == "Labels imported"
        project.undo()
    assert read_project(file).lanes[0].label_counts == {1: 90, 2: 80}
    with ub.open_project(file) as project:
        project.undo()  # also what an earlier run of a script did
        assert not project.labels(0).any()
        with pytest.raises(CommandError, match="nothing to undo"):
            project.undo()


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (np.zeros((5, 5), np.uint8), MismatchError, "one value for each pixel"),
        (np.full((96, 120), 3), ArgumentError, "hold 3 and there are 2 classes"),
        (np.full((96, 120), 0.5), ub.UnderbrushError, "fractions"),
    ],
)
def test_labels_that_do_not_fit_are_refused(file, labels, error, words):
    with ub.open_project(file) as project:
        with pytest.raises(error, match=words):
            project.set_labels(0, labels)
        assert not project.labels(0).any()


def test_training_is_that_of_the_library_and_is_kept(file):
    labels = some_labels()
    with ub.open_project(file) as project:
        assert project.classifier is None
        project.set_labels(0, labels)
        trained = project.train(n_jobs=2)
        with project.image(0) as image:
            pixels = image.read()[0, 0, 0]
        plain = ub.PixelClassifier(project.features).fit(pixels, labels, axes="yx")
        assert trained.forest_.digest == plain.forest_.digest
        assert project.classifier.forest_.digest == plain.forest_.digest
        project.freeze("fig 2")
        assert list(project.classifiers) == ["fig 2"]
        kept = project.kept("fig 2")
        project.set_labels(0, np.roll(labels, 5, axis=0))
        assert project.classifier is None  # it belonged to other strokes
        project.undo()
        assert project.classifier.forest_.digest == plain.forest_.digest
        known = plain.predict(pixels)
        scores = project.evaluate([pixels], [known])
        assert scores["classes"]["1"] == {"dice": 1.0, "iou": 1.0}
    assert read_project(file).forest.digest == plain.forest_.digest
    assert np.array_equal(kept.predict(pixels), known)
    with ub.open_project(file) as project:
        # Other features and classes later: what was kept is as it was then.
        project.set_features(ub.FeatureSelection.all((3.5,)))
        project.add_class("later")
        project.edit_class(1, name="renamed")
        kept = project.kept("fig 2")
        assert kept.class_names_ == ("Background", "Foreground")
        assert np.array_equal(kept.predict(pixels), known)
        with pytest.raises(ProjectError, match="its classifiers are: 'fig 2'"):
            project.kept("fig 3")


def test_classes_images_and_features(file, tmp_path):
    np.save(tmp_path / "more.npy", np.zeros((50, 60), np.uint8))
    with ub.open_project(file) as project:
        assert project.add_class("Nucleolus") == 3
        project.edit_class(3, name="Spot", colour=(1, 2, 3))
        project.set_labels(0, some_labels())
        project.move_class(3, 1)
        assert [c.name for c in project.classes] == ["Spot", "Background", "Foreground"]
        assert set(np.unique(project.labels(0))) == {0, 2, 3}
        project.merge_class(3, 2)
        assert set(np.unique(project.labels(0))) == {0, 2}
        project.delete_class(1)
        assert [c.name for c in project.classes] == ["Background"]
        assert project.add_image(tmp_path / "more.npy", axes="yx") == "more"
        assert [lane.nickname for lane in project.lanes] == ["image0", "more"]
        project.set_features(ub.FeatureSelection.all((1.0,)), channels=[0])
        assert project.channels == (0,)
        project.remove_image("more")
        with pytest.raises(ProjectError, match="the lanes are: image0"):
            project.labels("more")
        for _ in range(10):
            project.undo()
        assert [c.name for c in project.classes] == ["Background", "Foreground"]
        with pytest.raises(ArgumentError, match="the classes are 1 to 2"):
            project.delete_class(3)


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """Its code cells are run one after the other, as a person would press through them."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "project_from_python.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    for cell in code:
        exec(compile(cell, "notebook", "exec"), names)
    assert len(code) >= 5
    assert names["scores"]["classes"]["2"]["dice"] > 0.85
    learnt = names["classifier"]
    assert 0.9 < learnt.oob_score_ <= 1 and learnt.feature_importances_.sum() == pytest.approx(1)
