"""What another project brings: images, classes, strokes and features, of whatever workflow it is."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
import tifffile

from session_scenes import both_classes, new_project
from underbrush.core.runs import Runs
from underbrush.engine.project_import import look_at_project
from underbrush.engine.session import Session
from underbrush.errors import CommandError, ProjectError
from underbrush.project.commands import (
    AddClass,
    ClearClass,
    EditClass,
    ImportProject,
    Paint,
    Redo,
    RemoveLane,
    SetAxes,
    SetFeatures,
    Undo,
    command_from_json,
)


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
    """Import as the window does, through JSON; gives the answer."""
    images = tuple(at for at, one in enumerate(found.images) if one.is_taken)
    command = command_from_json(ImportProject(str(found.path), images, features).to_json())
    return session.apply("window", session.last_number("window") + 1, command)


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
    answer = carried_out(session, found)
    assert answer.title == "Import from p.ilp"
    assert answer.notices == ("2 images added, strokes in 1 image.",)
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
    digest = now.labels_digest
    session.apply("window", 2, Undo())
    assert session.document == before
    session.apply("window", 3, Redo())
    assert session.document.labels_digest == digest and session.document == now


def test_strokes_go_into_the_same_image_where_it_is_here_already(other, tmp_path):
    copy = other.with_name("copy.ilp")
    shutil.copy(other, copy)
    with Session.open(copy, threads=1) as session:
        session.apply("window", 1, ClearClass(2))
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
    assert carried_out(session, found).notices == (), "classes and features alone"
    assert len(session.document.lanes) == 1
    assert [session.document.classes[k].info.name for k in session.document.class_order][1:] == [
        "Nucleus",
        "Dirt",
    ]


def test_strokes_that_are_only_in_the_recovery_file_come_too(session, other):
    with Session.open(other, threads=1, idle=1e6) as theirs:
        runs = Runs.from_array([[0, 0, 3, 2, 9]])
        theirs.apply("someone", theirs.last_number("someone") + 1, Paint("a2", runs, 2))
        found = look(session, other)
        assert found.to_json()["images"][1]["pixels"] == 9
        carried_out(session, found)
    assert painted(session.document, "image1") == {"Nucleus": 9}


def test_classes_of_two_projects_are_never_taken_for_one(session, other):
    """Unpainted classes here take the names of those there, in their order, whatever stood where."""
    with Session.open(other, threads=1) as theirs:
        theirs.apply("someone", 9, EditClass(1, name="Nucleus x"))
        theirs.apply("someone", 10, EditClass(2, name="Background"))
        theirs.apply("someone", 11, EditClass(1, name="background"))
        theirs.save()
        wanted = painted(theirs.document, "image0")
    assert len(wanted) == 2
    carried_out(session, look(session, other))
    now = session.document
    assert [now.classes[k].info.name for k in now.class_order] == ["background", "Background", "Dirt"]
    (lane,) = now.labels
    assert {now.classes[k].info.name: n for k, n in now.map_of(lane).counts.items()} == wanted


def test_what_cannot_be_read_any_more_is_left_out_and_told(session, other):
    found = look(session, other)
    (other.parent / "image1.tif").write_bytes(b"no image")
    with h5py.File(other, "r+") as file:
        del file["Input Data/infos/lane0001/Raw Data/shape"]
    answer = carried_out(session, found)
    assert answer.notices[0] == "1 image added, strokes in 1 image."
    assert "image1 was left out" in answer.notices[1] and len(answer.notices) == 2
    assert len(session.document.lanes) == 2


def test_an_empty_project_gets_features_with_its_first_images(tmp_path, other):
    folder = tmp_path / "empty"
    folder.mkdir()
    with Session.open(new_project(folder), threads=1) as session:
        session.apply("window", 1, RemoveLane("a1"))
        session.apply("window", 2, SetFeatures(None))
        carried_out(session, look(session, other), features=False)
        assert session.document.settings.selection is not None


def test_what_is_here_already_is_nothing_to_import(other, tmp_path):
    copy = other.with_name("copy.ilp")
    shutil.copy(other, copy)
    with Session.open(copy, threads=1) as session:
        with pytest.raises(CommandError, match="nothing that is not here"):
            carried_out(session, look(session, other))
        with pytest.raises(CommandError, match="the project that is open"):
            session.apply("window", 1, ImportProject(str(copy), (0,)))


def test_an_image_that_is_read_otherwise_here_keeps_its_strokes_alone(other):
    copy = other.with_name("copy.ilp")
    shutil.copy(other, copy)
    with Session.open(copy, threads=1) as session:
        session.apply("window", 1, SetAxes("a1", "xy"))
        digest = session.document.labels_digest
        found = look(session, other)
        assert "other axes" in found.images[0].problem
        with pytest.raises(CommandError, match="nothing that is not here"):
            carried_out(session, found)
        assert session.document.labels_digest == digest
