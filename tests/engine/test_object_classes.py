"""Which classes objects are made of: the choice of the window is that of the copied command, and no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import tifffile

from session_scenes import blobs, both_classes, new_project, stroke, wait_for
from underbrush.engine.export_wish import Wish, settings_of, wish_of
from underbrush.engine.object_classes import words_for
from underbrush.engine.objects import chosen_classes
from underbrush.engine.session import Session
from underbrush.errors import UsageError
from underbrush.project.commands import AddClass, DeleteClass, EditClass, FreezeClassifier, SetExport, Undo
from underbrush.project.document import document_of
from underbrush.project.own import LABELS, OBJECTS
from underbrush.project.read import read_project

OBJECTS_OF = Wish(result="objects", format="npy", existing="replace")


@pytest.fixture
def session(tmp_path):
    """Three classes; the third is called so that a command cannot take its name."""
    with Session.open(new_project(tmp_path), threads=2) as session:
        session.set_live(True)
        session.apply("tab", 1, AddClass("Rim, outer"))
        number = both_classes(session, number=2)
        y, x = np.argwhere(blobs() > 150)[0].tolist()
        session.apply("tab", number, stroke(y, x, 4, 1, class_id=3))
        wait_for(lambda: session.training.state == "done" and session.lesson.recipe.n_classes == 3)
        yield session


def run(exporter, wish):
    exporter.export(wish, ["a1"])
    assert exporter.wait(240)
    return exporter.state()["export"]


def test_window_command_and_python_write_the_same_objects_of_the_chosen_classes(exporter, tmp_path):
    folder = tmp_path / "p_results"
    assert run(exporter, replace(OBJECTS_OF, result="segmentation"))["state"] == "done"
    classes = np.load(folder / "image0_segmentation.npy")
    assert set(np.unique(classes)) == {1, 2, 3}
    file = folder / "image0_objects.npy"
    for ids, words in (((), ""), ((2, 3), ""), ((2,), "Foreground"), ((1, 3), "Background,3")):
        wish = replace(OBJECTS_OF, objects=ids)
        job = run(exporter, wish)
        assert job["state"] == "done", job
        assert np.array_equal(np.load(file) > 0, np.isin(classes, ids or (2, 3)))
        texts = exporter.texts(wish, "export", ["a1"])
        assert ("--classes " in texts["command"]) == ("classes=" in texts["python"]) == bool(words)
        assert words in texts["command"]
    before = file.read_bytes()
    assert "into objects of Background and Rim, outer that hang together" in texts["methods"]
    runs = json.loads((folder / "run.json").read_text())["runs"]
    assert [r.get("objects_of") for r in runs] == [None, ["Background", "Rim, outer"]]
    file.unlink()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(texts["command"], shell=True, env={**os.environ, "PATH": path}, check=True)
    assert file.read_bytes() == before
    file.unlink()
    exec(texts["python"], {})
    assert file.read_bytes() == before


def test_resume_makes_anew_what_is_of_other_classes(exporter, tmp_path):
    tifffile.imwrite(tmp_path / "w0.tif", blobs(seed=10))

    def state(ids, **more):
        exporter.run_batch(replace(OBJECTS_OF, objects=ids, **more))
        assert exporter.wait(240)
        return exporter.state()["batch"]["rows"][0]["state"]

    exporter.choose([str(tmp_path / "w0.tif")])
    assert exporter.wait(240)
    assert [state(ids) for ids in ((), (2, 3), (2,), (2,), (2, 3))] == [
        "done", "skipped", "done", "skipped", "done",
    ]  # fmt: skip
    plain = {"result": "segmentation"}
    assert [state(ids, **plain) for ids in ((), (2,))] == ["done", "skipped"], "of others it changes nothing"


def test_a_class_that_is_gone_is_refused_and_one_that_was_renamed_is_the_same(session, exporter, tmp_path):
    wish = replace(OBJECTS_OF, objects=(2, 3))
    only = replace(OBJECTS_OF, objects=(2,))
    assert run(exporter, only)["state"] == "done"
    session.apply("tab", 20, EditClass(2, name="Nucleus"))
    assert "--classes Nucleus" in exporter.texts(only, "export", ["a1"])["command"], "not as it was then"
    session.apply("tab", 21, DeleteClass(3))
    wait_for(lambda: session.training.state == "done" and session.lesson.recipe.n_classes == 2)
    for other in (wish, replace(OBJECTS_OF, objects=(0,))):
        assert "no longer in the project" in exporter.look(other, "a1")["refusal"]
        job = run(exporter, other)
        assert job["state"] == "failed" and "choose their classes again" in job["sentence"]
        with pytest.raises(UsageError, match="no longer"):
            exporter.texts(other, "export", ["a1"])
    assert exporter.look(only, "a1")["refusal"] == ""
    session.apply("tab", 22, Undo())
    wait_for(lambda: session.training.state == "done" and session.lesson.recipe.n_classes == 3)
    assert exporter.look(wish, "a1")["refusal"] == "", "it is the class that it was"


def test_a_kept_classifier_has_the_classes_of_the_same_name(session, exporter, tmp_path):
    session.apply("tab", 20, FreezeClassifier("fig 2"))
    wish = replace(OBJECTS_OF, classifier="fig 2", objects=(3,))
    session.apply("tab", 21, AddClass("Fourth"))
    seen = exporter.look(wish, "a1")
    assert seen["refusal"] == ""
    assert [one["id"] for one in seen["classes"]] == [1, 2, 3]
    assert "no class 'Fourth'" in exporter.look(replace(wish, objects=(4,)), "a1")["refusal"]
    session.apply("tab", 22, EditClass(3, name="Rim"))
    seen = exporter.look(wish, "a1")
    assert "'fig 2' has no class 'Rim'" in seen["refusal"]
    assert [(one["id"], one["name"]) for one in seen["classes"]][2] == (0, "Rim, outer")
    assert run(exporter, wish)["state"] == "failed"
    assert run(exporter, replace(wish, objects=(2,)))["state"] == "done"
    said = exporter.texts(replace(wish, objects=()), "export", ["a1"])["methods"]
    assert "objects of Foreground and Rim, outer that" in said and "Foreground and Rim, outer)" in said


def test_the_choice_is_kept_by_id_and_after_another_program_by_name(session):
    kept = settings_of(replace(OBJECTS_OF, objects=(1, 3)), session.document.settings.export, "yx", "p")
    session.apply("tab", 20, SetExport(kept))
    session.save()
    project = read_project(session.path)
    assert project.export.objects == ()
    assert json.loads(project.own[OBJECTS]) == [[1, "Background"], [3, "Rim, outer"]]

    def back(**own):
        return document_of(replace(project, own=MappingProxyType({**project.own, **own})))

    assert wish_of(back().settings.export, "yx").objects == (1, 3)
    first, second, third = project.classes
    moved = replace(
        project,
        classes=(third, second, replace(first, name="Ground")),
        own=MappingProxyType({**project.own, LABELS: "others"}),
    )
    assert document_of(moved).settings.export.objects == (0, 1), "one is gone, which is told, and one moved"
    damaged = back(**{OBJECTS: "[[1e999, 3]]"})
    assert damaged.settings.export.objects == (0,) and "classes for objects" in damaged.notices[0]
    session.apply("tab", 21, SetExport(replace(kept, objects=())))
    session.save()
    assert OBJECTS not in read_project(session.path).own


@pytest.mark.parametrize(
    ("names", "values", "words"),
    [
        (("back", "cell", "nucleus"), (2, 3), ("cell", "nucleus")),
        (("cell", "Cell", "x"), (1, 2), ("cell", "2")),
        (("2", "1", "3"), (1, 2), ("2", "1")),
        ((" a", "b, c", ""), (1, 2, 3), ("1", "2", "3")),
    ],
)
def test_words_say_their_classes_and_no_others(names, values, words):
    assert words_for(names, values) == words
    assert chosen_classes(names, tuple(",".join(words).split(","))) == values


def test_a_class_that_neither_name_nor_number_tells_is_refused():
    with pytest.raises(UsageError, match="'a,b' cannot be told"):
        words_for(("a,b", "1"), (1,))
