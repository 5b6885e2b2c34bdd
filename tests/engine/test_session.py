"""A session: commands are safe before they count, clients agree, the result is that of the command line."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest

from session_scenes import Heard, both_classes, new_project, stroke, wait_for
from underbrush import files
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.geometry import Box
from underbrush.engine.arrays import predict_array
from underbrush.engine.building import stored_options, trained
from underbrush.engine.current import read_current
from underbrush.engine.events import DocumentChanged, LabelsChanged, Notice, SaveChanged
from underbrush.engine.model import model_of
from underbrush.engine.session import Session
from underbrush.engine.views import TileDone, View
from underbrush.errors import CommandError, OutputError, ProjectError
from underbrush.project.commands import (
    AddClass,
    DeleteClass,
    EditClass,
    FreezeClassifier,
    Redo,
    SetFeatures,
    SetTraining,
    Undo,
)
from underbrush.project.lock import Held
from underbrush.project.read import read_project
from underbrush.project.write import write_project


@pytest.fixture
def file(tmp_path):
    return new_project(tmp_path)


def painted(session, lane="a1"):
    shape = session.image(lane).shape5
    return session.labels(lane).read(Box.whole((shape[0], 1, *shape[2:])))


def test_a_command_is_on_the_disk_when_it_is_acknowledged(file):
    with Session.open(file, idle=1000) as session:
        both_classes(session)
        copy = file.with_name("copy")
        copy.mkdir()
        # What a power cut would leave: the files as they are now.
        for one in (file, file.with_name(file.name + ".journal"), file.with_name("image0.tif")):
            shutil.copy(one, copy / one.name)
        with Session.open(copy / file.name) as again:
            assert np.array_equal(painted(again), painted(session))
            assert any("brought back" in said for said in again.notices)
        assert read_project(copy / file.name).lanes[0].labels


def test_it_is_folded_after_a_while_and_at_the_end(file):
    with Session.open(file, idle=0.05) as session:
        heard = Heard(session)
        both_classes(session)
        wait_for(lambda: session.save_state.state == "saved")
        assert read_project(file).lanes[0].label_counts == session.labels("a1").counts
        states = [e.state for e in heard.of(SaveChanged)]
        assert states[0] == "safe"
        assert states[-1] == "saved"
        assert session.save_state.sentence.startswith("Saved in p.ilp ")
    assert not file.with_name("p.ilp.journal").exists()
    assert not file.with_name("p.ilp.lock").exists()


def test_a_number_is_applied_once(file):
    with Session.open(file) as session:
        first = session.apply("tab", 1, stroke(5, 5))
        heard = Heard(session)
        again = session.apply("tab", 1, stroke(50, 50))
        assert again.again
        assert again.sequence == first.sequence
        assert again.title == first.title
        assert session.revision == first.revision
        assert not heard.events
    with Session.open(file) as session:
        # Also after it was closed and opened: the answer was lost on the way, the stroke comes again.
        assert session.last_number("tab") == 1
        assert session.apply("tab", 1, stroke(50, 50)).again
        assert session.labels("a1").size == 40


def test_undo_is_as_if_it_had_never_been_painted(file):
    with Session.open(file) as session:
        n = both_classes(session)
        before = session.document
        session.apply("tab", n, stroke(60, 10, class_id=2))
        session.apply("tab", n + 1, AddClass("third"))
        session.apply("tab", n + 2, stroke(60, 10, class_id=3))
        for k in range(3):
            session.apply("tab", n + 3 + k, Undo())
        assert session.document == before
        assert session.document.training_key == before.training_key
        session.apply("tab", n + 6, Redo())
        assert session.labels("a1").counts[2] == before.map_of("a1").counts[2] + 40


def test_undo_survives_save_and_reopening(file):
    with Session.open(file) as session:
        n = both_classes(session)
        title = session.undo_title("tab")
    with Session.open(file) as session:
        assert session.undo_title("tab") == title == "Stroke in Background"
        assert session.undo_title("other") is None
        session.apply("tab", n, Undo())
        session.apply("tab", n + 1, Undo())
        assert session.labels("a1").size == 0
        with pytest.raises(CommandError, match="nothing to undo"):
            session.apply("tab", n + 2, Undo())


def test_two_clients_undo_only_their_own(file):
    with Session.open(file) as session:
        session.apply("a", 1, stroke(10, 10, class_id=1))
        session.apply("b", 1, stroke(10, 20, class_id=2))
        session.apply("a", 2, Undo())
        assert session.labels("a1").counts == {2: 40}
        session.apply("b", 2, Undo())
        # Where b had painted over a, a's own undo has nothing left to take back, so it comes back empty.
        assert session.labels("a1").counts.get(2) is None


def test_clients_on_threads_agree_and_nothing_is_done_twice(file):
    numbers = {}

    def work(session, client, class_id):
        r = np.random.default_rng(class_id)
        n = 0
        for _ in range(60):
            n += 1
            what = r.integers(0, 6)
            command = (
                Undo()
                if what == 0
                else Redo()
                if what == 1
                else stroke(int(r.integers(0, 90)), int(r.integers(0, 90)), class_id=class_id)
            )
            for _ in range(int(r.integers(1, 3))):  # an answer that was lost: the command comes again
                try:
                    session.apply(client, n, command)
                except CommandError:
                    break
        numbers[client] = n

    with Session.open(file, idle=0.02) as session:
        dense = np.zeros((96, 120), np.uint8)
        lock = threading.Lock()

        def follow(event):
            if isinstance(event, LabelsChanged):
                with lock:
                    for (_, _, y, x, length), before, after in zip(
                        event.change.runs.tolist(), event.change.before, event.change.after, strict=True
                    ):
                        assert (dense[y, x : x + length] == before).all()
                        dense[y, x : x + length] = after

        session.listen(follow)
        threads = [threading.Thread(target=work, args=(session, f"c{k}", k)) for k in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Whoever follows the events has the same pixels as the session.
        assert np.array_equal(painted(session)[0, 0, 0], dense)
        kept = painted(session)
    with Session.open(file) as session:
        assert np.array_equal(painted(session), kept)


def test_a_second_writer_is_told_who_holds_it_and_may_look(file):
    with Session.open(file) as session:
        session.apply("tab", 1, stroke(5, 5))
        with pytest.raises(Held, match="open for writing"):
            Session.open(file)
        with Session.open(file, read_only=True) as looking:
            assert looking.labels("a1").size == 40
            with pytest.raises(ProjectError, match="reading only"):
                looking.apply("tab", 2, stroke(5, 5))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_says_so(file):
    file.parent.chmod(0o555)
    try:
        with Session.open(file) as session:
            assert "write-protected" in (session.read_only or "")
            assert session.save_state.state == "read-only"
    finally:
        file.parent.chmod(0o755)


def test_a_full_disk_is_told_before_a_stroke_is_lost(file, faulty_disk):
    with Session.open(file, idle=1000) as session:
        session.apply("tab", 1, stroke(5, 5))
        with files.using(faulty_disk(1)), pytest.raises(OutputError):
            session.apply("tab", 2, stroke(50, 5))
        assert session.save_state.state == "failing"
        assert session.labels("a1").size == 40
        assert session.last_number("tab") == 1
        # The window keeps it and sends it again when there is room.
        session.apply("tab", 2, stroke(50, 5))
        assert session.save_state.state == "safe"
        assert session.labels("a1").size == 80
    assert read_project(file).lanes[0].label_counts == {1: 80}


def test_where_nothing_can_be_made_safe_it_can_still_be_looked_at(file, faulty_disk):
    with Session.open(file, idle=1000) as session:
        session.apply("tab", 1, stroke(5, 5))
        crashed = file.with_name("crashed")
        crashed.mkdir()
        for one in (file, file.with_name(file.name + ".journal"), file.with_name("image0.tif")):
            shutil.copy(one, crashed / one.name)
    with files.using(faulty_disk(1, ("write", "fsync"))):
        session = Session.open(crashed / file.name)
    with session:
        assert "full" in (session.read_only or "") or "space" in (session.read_only or "")
        assert session.labels("a1").size == 40
    with Session.open(crashed / file.name) as session:
        assert session.read_only is None
        assert session.labels("a1").size == 40


def test_what_a_save_found_is_said(file):
    with Session.open(file, idle=1000) as session:
        heard = []
        session.listen(heard.append)
        both_classes(session)
        session.save()
        assert not [one for one in heard if isinstance(one, Notice)]
        other = file.with_name("other.ilp")
        write_project(read_project(file), other)
        other.replace(file)
        session.apply("late", 1, stroke(2, 5, 5))
        session.save()
        (said,) = [one for one in heard if isinstance(one, Notice)]
        assert "changed by another program while it was open here" in said.sentence
        assert said.sentence.rpartition("/")[2].rstrip(".") in [one.path.name for one in session.versions]


def test_a_save_that_fails_keeps_all_and_is_tried_again(file, faulty_disk):
    with Session.open(file, idle=1000) as session:
        session.apply("tab", 1, stroke(5, 5))
        with files.using(faulty_disk(1)), pytest.raises(OutputError):
            session.save()
        assert session.save_state.state == "failing"
        session.save()
        assert session.save_state.state == "saved"


def test_edited_elsewhere_nothing_is_replayed_and_nothing_is_lost(file):
    with Session.open(file, idle=1000) as session:
        both_classes(session)
        crashed = file.with_name("crashed")
        crashed.mkdir()
        for one in (file, file.with_name(file.name + ".journal"), file.with_name("image0.tif")):
            shutil.copy(one, crashed / one.name)
    with h5py.File(crashed / file.name, "r+") as other:
        other["PixelClassification/LabelNames"][0] = b"renamed elsewhere"
    with Session.open(crashed / file.name) as session:
        assert session.labels("a1").size == 0
        assert session.document.classes[1].info.name == "renamed elsewhere"
        assert any("changed by another program" in said for said in session.notices)
    assert list(crashed.glob("p.recovered-*.journal"))


def test_refused_commands_change_nothing(file):
    with Session.open(file) as session:
        before = session.document
        with pytest.raises(CommandError, match="no class 9"):
            session.apply("tab", 1, stroke(5, 5, class_id=9))
        with pytest.raises(CommandError):
            session.apply("tab", 1, stroke(5, 5, lane="zz"))
        assert session.document == before
        assert session.revision == 0
        assert session.apply("tab", 1, stroke(5, 5)).sequence == 1


# -- the result --------------------------------------------------------------------------------------


def trained_session(file, **options):
    session = Session.open(file, **options)
    session.set_live(True)
    n = both_classes(session)
    wait_for(lambda: session.training.state == "done")
    return session, n


def test_live_the_forest_is_that_of_the_command_line(file):
    session, _ = trained_session(file, threads=2, idle=1000)
    with session:
        lesson = session.lesson
        assert lesson is not None
        project = read_current(file)  # as `predict` reads it: .ilp and recovery file
        assert project.forest is None
        assert model_of(project).recipe.forest.digest == lesson.recipe.forest.digest
        saved = session.project()
        assert saved.forest is not None
    assert read_project(file).forest.digest == lesson.recipe.forest.digest


def test_tiles_are_the_bytes_of_the_whole_image(file):
    session, _ = trained_session(file, threads=2)
    with session:
        heard = Heard(session)
        session.look(
            View("tab", "main", "a1", 0, "xy", 0, 0, (0, 0, 120, 96), ("segmentation", "probability:2"))
        )
        recipe = session.lesson.recipe
        whole, _ = predict_array(session.image("a1"), recipe, 1)
        wait_for(lambda: sum(t.array.size for t in heard.of(TileDone)) == 2 * 96 * 120)
        for tile in heard.of(TileDone):
            p = tile.place
            here = whole[0, :, 0, p.y : p.y + p.height, p.x : p.x + p.width]
            wanted = here[1] if tile.layer == "probability:2" else here.argmax(0) + 1
            assert tile.key == recipe.key
            assert np.array_equal(tile.array, wanted)
        assert session.class_ids(recipe.key)[:3].tolist() == [0, 1, 2]


def test_undo_finds_the_earlier_forest_again(file):
    session, n = trained_session(file, threads=1)
    with session:
        first = session.lesson.recipe.key
        session.apply("tab", n, stroke(60, 80, class_id=1))
        wait_for(lambda: session.lesson.recipe.key != first)
        session.apply("tab", n + 1, Undo())
        assert session.lesson.recipe.key == first
        session.apply("tab", n + 2, Undo())
        session.apply("tab", n + 3, Undo())
        wait_for(lambda: session.training.state == "waiting")
        assert session.lesson is None  # as if nothing had ever been painted


def test_it_says_what_to_paint_next(file):
    with Session.open(file) as session:
        session.set_live(True)
        assert session.training.sentence == "Paint a stroke in each class to see the result."
        session.apply("tab", 1, stroke(5, 5, class_id=1))
        assert session.training.sentence == "Now a stroke in Foreground."


def test_a_stored_forest_is_shown_as_it_was_and_kept_under_its_date(file):
    built, _, _ = _stored(file)
    with Session.open(file) as session:
        session.set_live(True)
        assert session.training.state == "done"
        assert session.lesson.recipe.forest.digest == built.forest.digest
        session.apply("tab", 1, stroke(60, 80, class_id=1))
        names = list(session.document.frozen)
        assert len(names) == 1
        assert names[0].startswith("as opened, of 20")
        wait_for(lambda: session.lesson.recipe.forest.digest != built.forest.digest)
        session.apply("tab", 2, Undo())
        # Undo back to what was opened brings the stored forest back.
        assert session.lesson.recipe.forest.digest == built.forest.digest
    again = read_project(file)
    assert again.forest.digest == built.forest.digest
    assert [f.digest for f in again.frozen.values()] == [built.forest.digest]


def _stored(file):
    """The project with two strokes and a forest trained on them, as another program would leave it."""
    with Session.open(file) as session:
        both_classes(session)
    project = read_project(file)
    result = trained(project, project.selection, replace(stored_options(project), n_trees=10))
    write_project(replace(result[0], own={}), file)
    return result


def test_settings_train_anew(file):
    session, n = trained_session(file)
    with session:
        first = session.lesson.recipe
        session.apply("tab", n, SetTraining(n_trees=20, seed=3, balance=True))
        wait_for(lambda: session.lesson.recipe.key != first.key)
        assert session.lesson.recipe.forest.n_trees == 20
        selection = FeatureSelection.all((1.0,)).with_in_2d(True)
        session.apply("tab", n + 1, SetFeatures(selection))
        wait_for(lambda: session.lesson.recipe.selection == selection)
        session.apply("tab", n + 2, FreezeClassifier("fig 2"))
        assert session.document.frozen["fig 2"].forest.digest == session.lesson.recipe.forest.digest


def test_what_fails_while_training_is_a_sentence(file):
    with Session.open(file) as session:
        both_classes(session)
    (file.parent / "image0.tif").unlink()
    with Session.open(file) as session:
        session.set_live(True)
        wait_for(lambda: session.training.state == "failed")
        assert "missing" in session.training.sentence


def test_classes_that_change_while_live(file):
    session, n = trained_session(file)
    with session:
        heard = Heard(session)
        session.apply("tab", n, AddClass("Third"))
        session.apply("tab", n + 1, EditClass(3, name="Nucleolus"))
        assert session.document.classes[3].info.name == "Nucleolus"
        session.apply("tab", n + 2, stroke(70, 70, class_id=3))
        wait_for(lambda: session.lesson is not None and session.lesson.recipe.n_classes == 3)
        session.apply("tab", n + 3, DeleteClass(1))
        wait_for(lambda: session.lesson.classes == (2, 3))
        assert heard.of(DocumentChanged)
        assert session.class_ids(session.lesson.recipe.key)[:3].tolist() == [0, 2, 3]
