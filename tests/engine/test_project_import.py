"""What another project brings: images, classes, strokes and features, of whatever workflow it is."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
import tifffile

from session_scenes import both_classes, new_project
from underbrush.engine.project_import import first_commands, look_at_project, stroke_commands
from underbrush.engine.session import Session
from underbrush.errors import CommandError, ProjectError
from underbrush.project.commands import AddClass, EditClass, SetAxes, Undo


@pytest.fixture
def other(tmp_path):
    """A project with strokes in one of its two images, saved."""
    folder = tmp_path / "other"
    folder.mkdir()
    with Session.open(new_project(folder, images=2), threads=1) as session:
        session.apply("someone", 1, EditClass(2, name="Nucleus", colour=(1, 2, 3)))
        session.apply("someone", 2, AddClass("Dirt"))
        both_classes(session)
        session.save()
    return folder / "p.ilp"


@pytest.fixture
def session(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    with Session.open(new_project(folder, images=1, scales=(0.7,), name="mine.ilp"), threads=1) as session:
        yield session


def carried_out(session, found, features=True):
    before = session.document
    numbered = 0
    for command in first_commands(found, before, features):
        numbered += 1
        assert session.apply("window", numbered, command)
    strokes = stroke_commands(found, before, session.document)
    assert strokes is not None
    for command in strokes:
        numbered += 1
        assert session.apply("window", numbered, command)
    return numbered


def look(session, path, check=lambda source: None):
    return look_at_project(path, session.document, session.path.parent, check)


def painted(document, nickname):
    """Pixels by name of class of the image with this nickname."""
    (lane,) = (k for k, e in document.lanes.items() if e.nickname == nickname)
    counts = document.map_of(lane).counts
    return {document.classes[k].info.name: n for k, n in counts.items()}


def test_images_classes_strokes_and_features_come_and_go_again(session, other):
    before = session.document
    with Session.open(other, threads=1) as theirs:
        there = theirs.document
        wanted = painted(there, "image0")
    assert set(wanted) == {"Background", "Nucleus"}
    found = look(session, other)
    told = found.to_json()
    assert [one["name"] for one in told["images"]] == ["image0", "image1"]
    assert [(one["name"], one["new"]) for one in told["classes"]] == [
        ("Background", False),
        ("Nucleus", False),
        ("Dirt", True),
    ]
    number = carried_out(session, found)
    now = session.document
    assert [now.classes[k].info.name for k in now.class_order] == ["Background", "Nucleus", "Dirt"]
    assert now.classes[now.class_order[1]].info.colour == (1, 2, 3)
    assert len(now.lanes) == 3 and now.settings.selection == there.settings.selection
    added = [k for k in now.lanes if k not in before.lanes and now.map_of(k)]
    (lane,) = added
    counts = {now.classes[k].info.name: n for k, n in now.map_of(lane).counts.items()}
    assert counts == wanted
    assert np.array_equal(
        session.image(lane).read(), tifffile.imread(other.parent / "image0.tif")[None, None, None]
    )
    for k in range(number):
        session.apply("window", number + k + 1, Undo())
    assert session.document.labels_digest == before.labels_digest
    assert session.document.lanes == before.lanes and session.document.classes == before.classes


def test_strokes_go_into_the_same_image_where_it_is_here_already(other, tmp_path):
    copy = other.with_name("copy.ilp")
    shutil.copy(other, copy)
    with Session.open(copy, threads=1) as session:
        found = look(session, other)
        assert [(bool(one.here), one.is_taken) for one in found.images] == [(True, True), (True, False)]
        assert "no strokes" in found.images[1].problem
        carried_out(session, found, features=False)
        assert len(session.document.lanes) == 2
        with Session.open(other, threads=1) as theirs:
            assert session.document.labels_digest == theirs.document.labels_digest


def test_classes_that_were_painted_with_keep_their_names(session, other):
    both_classes(session)
    found = look(session, other)
    assert [found.classes[k] for k in (1, 2, 3)] == [1, None, None]
    carried_out(session, found)
    names = [session.document.classes[k].info.name for k in session.document.class_order]
    assert names == ["Background", "Foreground", "Nucleus", "Dirt"]


@pytest.mark.parametrize(
    "workflow", ["Object Classification (from pixel classification)", "Autocontext (2-stage)"]
)
def test_other_workflows_bring_their_pixel_classification(session, other, workflow):
    with h5py.File(other, "r+") as file:
        del file["workflowName"]
        file["workflowName"] = np.bytes_(workflow)
        file.create_group("ObjectClassification")
    with pytest.raises(ProjectError, match="workflow"):
        Session.open(other)
    found = look(session, other)
    assert found.to_json()["workflow"] == workflow
    carried_out(session, found)
    assert sum(bool(session.document.map_of(k)) for k in session.document.lanes) == 1


def test_what_has_no_pixels_classified_is_refused(session, other):
    with h5py.File(other, "r+") as file:
        del file["workflowName"], file["PixelClassification"]
        file["workflowName"] = np.bytes_("Tracking")
    with pytest.raises(ProjectError, match="no pixel classification"):
        look(session, other)


def test_missing_images_and_those_out_of_bounds_are_told_and_left_out(session, other):
    (other.parent / "image0.tif").unlink()

    def check(source):
        if "image1" in source.stored:
            raise CommandError("not among the folders", where=source.stored)

    found = look(session, other, check)
    assert "missing" in found.images[0].problem and "not among" in found.images[1].problem
    assert carried_out(session, found) == 3, "two classes and the features"
    assert len(session.document.lanes) == 1


def test_nothing_is_painted_before_images_and_classes_are_there(session, other):
    found = look(session, other)
    assert all(one.source is not None and not one.here for one in found.images)
    assert stroke_commands(found, session.document, session.document) is None
    session.apply("window", 1, AddClass("Dirt"))
    assert stroke_commands(found, session.document, session.document) is None


def test_an_image_that_is_read_otherwise_here_keeps_its_strokes_alone(other):
    copy = other.with_name("copy.ilp")
    shutil.copy(other, copy)
    with Session.open(copy, threads=1) as session:
        session.apply("window", 1, SetAxes("a1", "xy"))
        digest = session.document.labels_digest
        found = look(session, other)
        assert "other axes" in found.images[0].problem
        assert stroke_commands(found, session.document, session.document) == []
        assert session.document.labels_digest == digest
