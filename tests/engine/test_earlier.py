"""Earlier versions and recovery files kept aside, in an open project: brought back, nothing lost."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from session_scenes import Heard, both_classes, new_project, stroke
from underbrush import files
from underbrush.api.projects import open_project
from underbrush.core.geometry import Box
from underbrush.core.runs import Runs
from underbrush.engine.events import Closed, DocumentChanged, LabelsChanged
from underbrush.engine.session import Session
from underbrush.errors import CommandError, OutputError, ProjectError
from underbrush.project.commands import AddClass, ApplyRecovered, EditClass, Paint, Undo
from underbrush.project.differences import label_difference
from underbrush.project.edits import forward
from underbrush.project.read import read_project
from underbrush.project.write import write_project


@pytest.fixture
def file(tmp_path):
    return new_project(tmp_path)


def painted(session, lane="a1"):
    shape = session.image(lane).shape5
    return session.labels(lane).read(Box.whole((shape[0], 1, *shape[2:])))


@pytest.fixture
def opened_twice(file):
    """A session whose earlier version has one stroke; two strokes and a class came since."""
    with Session.open(file, idle=1000) as session:
        session.apply("tab", 1, stroke(10, 10))
    with Session.open(file, idle=1000) as session:
        session.apply("tab", 2, stroke(30, 10))
        session.save()
        session.apply("tab", 3, AddClass("Third"))
        session.apply("tab", 4, stroke(40, 10, class_id=3))
        yield session


def test_an_earlier_version_is_restored_for_all_and_what_was_there_is_kept(opened_twice):
    session = opened_twice
    before, revision = painted(session), session.revision
    heard = Heard(session)
    version = session.versions[0]
    session.restore(version)
    assert np.count_nonzero(painted(session)) == 40 and painted(session)[0, 0, 0, 10, 10] == 1
    assert session.document.class_order == (1, 2)
    assert session.undo_title("tab") is None and session.last_number("tab") == 4
    assert session.revision > revision
    assert heard.of(DocumentChanged) and [e.lane for e in heard.of(LabelsChanged)] == ["a1"]
    # Commands go on, and what was there can be brought back in turn, with what had not been saved.
    session.apply("tab", 5, stroke(50, 10))
    session.restore(session.versions[0] if len(session.versions) == 1 else newest(session, 3))
    assert np.array_equal(painted(session), before) and len(session.document.class_order) == 3


def newest(session, n_classes):
    return next(v for v in session.versions if len(read_project(v.path).classes) == n_classes)


def test_after_a_restore_it_is_on_the_disk(opened_twice, file):
    opened_twice.restore(opened_twice.versions[0])
    opened_twice.apply("tab", 5, stroke(60, 10))
    now = painted(opened_twice)
    copy = file.with_name("copy")
    copy.mkdir()
    for one in file.parent.iterdir():  # what a power cut would leave
        if one.is_file() and not one.name.endswith(".lock"):
            shutil.copy(one, copy / one.name)
    with Session.open(copy / file.name) as again:
        assert np.array_equal(painted(again), now)


def test_a_version_that_cannot_be_read_changes_nothing(opened_twice):
    session = opened_twice
    version = session.versions[0]
    version.path.unlink()
    version.path.write_bytes(b"no project")
    before = painted(session)
    with pytest.raises(ProjectError):
        session.restore(version)
    assert np.array_equal(painted(session), before) and session.undo_title("tab") == "Stroke in Third"
    session.apply("tab", 5, stroke(60, 10))
    assert session.save_state.state == "safe"


def test_a_full_disk_refuses_to_restore_and_nothing_is_lost(opened_twice, file):
    session = opened_twice
    before = painted(session)

    class Full(files.FileLayer):
        def write(self, descriptor, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with files.using(Full()), pytest.raises(OutputError):
        session.restore(session.versions[0])
    assert np.array_equal(painted(session), before)
    session.apply("tab", 5, stroke(60, 10))
    now = painted(session)
    session.close()
    with Session.open(file) as again:
        assert np.array_equal(painted(again), now)


def test_versions_and_restore_in_a_script(file):
    with open_project(file) as project:
        project.add_class("Third")
    with open_project(file) as project:
        first = project.versions[0]
        project.add_class("Fourth")
        project.restore(first)
        assert len(project.classes) == 2
    assert len(read_project(file).classes) == 2


def set_aside(file):
    """Two strokes and a class in a recovery file, beside a project that another program changed."""
    session = Session.open(file, idle=1000)
    session.apply("tab", 1, stroke(10, 10))
    session.apply("tab", 2, AddClass("Third"))
    session.apply("tab", 3, stroke(30, 10, class_id=3))
    journal = file.with_name(file.name + ".journal")
    left = journal.read_bytes()
    session.close()
    project = read_project(next(file.parent.glob("*.versions/*.ilp")))
    file.unlink()
    write_project(
        replace(project, classes=(replace(project.classes[0], name="Cell"), *project.classes[1:])), file
    )
    journal.write_bytes(left)


def test_strokes_of_a_recovery_file_kept_aside_are_brought_back_and_taken_back(file):
    set_aside(file)
    with Session.open(file, idle=1000) as session:
        assert any("not applied" in said or "kept as" in said for said in session.notices)
        assert session.labels("a1").size == 0
        (kept,) = session.kept_aside()
        assert (kept.edits, kept.fit, kept.lacking, kept.problem) == (3, 3, True, "")
        ack = session.apply("tab", 9, ApplyRecovered(kept.path.name))
        assert painted(session)[0, 0, 0, 10, 10] == 1 and painted(session)[0, 0, 0, 30, 10] == 3
        assert session.document.classes[3].info.name == "Third"
        assert "3 changes brought back" in ack.notices[0]
        assert not session.kept_aside()[0].lacking
        with pytest.raises(CommandError, match="nothing of"):
            session.apply("tab", 10, ApplyRecovered(kept.path.name))
        session.apply("tab", 11, Undo())
        assert session.labels("a1").size == 0 and session.document.class_order == (1, 2)
        with pytest.raises(CommandError, match="there is no recovery file"):
            session.apply("tab", 12, ApplyRecovered("../" + kept.path.name))


def test_what_fits_no_more_is_left_and_counted(file):
    set_aside(file)
    with Session.open(file, idle=1000) as session:
        session.apply("tab", 8, AddClass("Another third"))
        (kept,) = session.kept_aside()
        assert (kept.edits, kept.fit, kept.lacking) == (3, 1, True)
        ack = session.apply("tab", 9, ApplyRecovered(kept.path.name))
        assert painted(session)[0, 0, 0, 10, 10] == 1 and painted(session)[0, 0, 0, 30, 10] == 0
        assert "2 changes did not fit" in ack.notices[1]


def test_a_damaged_file_kept_aside_is_listed_with_its_reason(file):
    file.with_name("p.recovered-20260101T000000Z.journal").write_bytes(b"nothing")
    with Session.open(file, idle=1000) as session:
        (kept,) = session.kept_aside()
        assert kept.problem and not kept.lacking and kept.edits == 0


def test_the_difference_of_labels_makes_one_of_the_other(file):
    with Session.open(file, idle=1000) as session:
        both_classes(session)
        one = session.document
        session.apply("tab", 5, Paint("a1", Runs.from_array([(0, 0, 2, 55, 30)]), 2))
        session.apply("tab", 6, Paint("a1", Runs.from_array([(0, 0, 3, 60, 4)]), 0))
        two = session.document
    for before, after in ((one, two), (two, one)):
        change = label_difference("a1", before.map_of("a1"), after.map_of("a1"))
        made = forward(before, [change])
        assert made.map_of("a1") == after.map_of("a1")
        assert forward(made, [replace(change, before=change.after, after=change.before)]).map_of(
            "a1"
        ) == before.map_of("a1")
    assert label_difference("a1", one.map_of("a1"), one.map_of("a1")) is None


def test_a_copy_elsewhere_is_whole_and_replaces_nothing(file, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    with Session.open(file, idle=1000) as session:
        both_classes(session)
        session.apply("tab", 5, EditClass(1, name="Cell"))
        path = session.save_copy(other / "copy")
        with pytest.raises(OutputError, match="there is a file"):
            session.save_copy(path)
        with pytest.raises(OutputError, match="no such folder"):
            session.save_copy(tmp_path / "nowhere" / "copy.ilp")
        now = painted(session)
    assert path == other / "copy.ilp"
    with Session.open(path) as again:
        assert again.document.classes[1].info.name == "Cell"
        assert np.array_equal(painted(again), now)


def test_who_has_it_open_too_is_told_of_the_end(file):
    session = Session.open(file)
    heard = Heard(session)
    session.close(told="The project was closed.")
    assert [e.sentence for e in heard.of(Closed)] == ["The project was closed."]
