"""Labels from a file: what it holds is told first; axes, offset and classes are as was said."""

from __future__ import annotations

import numpy as np
import pytest

from session_scenes import new_project
from underbrush.engine import label_files
from underbrush.engine.label_files import Placing, import_commands, look_at_labels
from underbrush.engine.session import Session
from underbrush.errors import ImageError, MismatchError, UnderbrushError, UsageError
from underbrush.project.commands import command_from_json
from underbrush.web.panels.label_acts import LabelActs


@pytest.fixture
def session(tmp_path):
    with Session.open(new_project(tmp_path), idle=1e9) as opened:
        yield opened


def write(tmp_path, values):
    np.save(tmp_path / "labels.npy", values)
    return str(tmp_path / "labels.npy")


def test_values_are_counted_and_become_the_classes_that_were_said(session, tmp_path):
    values = np.zeros((96, 120), np.uint16)
    values[3:5, 10:20] = 7
    values[60, 40:50] = 300
    path, image = write(tmp_path, values), session.image("a1")
    found = look_at_labels(path, image)
    assert (found.axes, found.values, found.outside) == ("yx", ((7, 20), (300, 10)), 0)
    for n, command in enumerate(import_commands(path, "a1", image, {7: 2, 300: 0}, Placing()), 1):
        session.apply("tab", n, command_from_json(command.to_json()))
    assert session.labels("a1").counts == {2: 20}
    assert session.labels("a1").at(0, 0, 4, 19) == 2 and session.labels("a1").at(0, 0, 60, 45) == 0


@pytest.mark.parametrize("offset", [(0, 0, 90, 100), (0, 0, -3, -15), (0, 0, 5, 0), (0, 0, 500, 0)])
def test_an_offset_moves_and_what_leaves_the_image_is_counted(session, tmp_path, offset):
    r = np.random.default_rng(0)
    values = (r.random((40, 30)) < 0.2).astype(np.uint8)
    path, image = write(tmp_path, values), session.image("a1")
    wanted = np.zeros((96, 120), np.uint8)
    for y, x in np.argwhere(values):
        there = y + offset[2], x + offset[3]
        if 0 <= there[0] < 96 and 0 <= there[1] < 120:
            wanted[there] = 1
    found = look_at_labels(path, image, "", offset)
    inside = int(wanted.sum())
    assert found.outside == values.sum() - inside
    assert found.values == (((1, inside),) if inside else ())
    for n, command in enumerate(import_commands(path, "a1", image, {1: 1}, Placing("", offset)), 1):
        session.apply("tab", n, command)
    box = label_files.Box((0, 0, 0, 0, 0), (1, 1, 1, 96, 120))
    assert np.array_equal(session.labels("a1").read(box)[0, 0, 0], wanted)


def test_axes_as_said_turn_the_file(session, tmp_path):
    values = np.zeros((120, 96), np.uint8)
    values[100, 7] = 1
    path, image = write(tmp_path, values), session.image("a1")
    assert look_at_labels(path, image, "xy").values == ((1, 1),)
    (command,) = import_commands(path, "a1", image, {1: 1}, Placing("xy"))
    session.apply("tab", 1, command)
    assert session.labels("a1").at(0, 0, 7, 100) == 1


def test_what_are_no_labels_is_refused(session, tmp_path):
    image = session.image("a1")
    for values, error in (
        (np.full((96, 120), 0.5, np.float32), ImageError),
        (np.full((96, 120), -1, np.int16), ImageError),
        (np.arange(96 * 120).reshape(96, 120), ImageError),
        (np.full((96, 120), np.nan, np.float32), ImageError),
    ):
        with pytest.raises(error):
            look_at_labels(write(tmp_path, values), image)
    with pytest.raises(MismatchError, match="channels"):
        look_at_labels(write(tmp_path, np.zeros((96, 120, 3), np.uint8)), image, "yxc")


def test_a_large_import_is_several_commands_that_each_can_be_undone(session, tmp_path, monkeypatch):
    monkeypatch.setattr(label_files, "MOST_PIXELS", 500)
    monkeypatch.setattr(label_files, "LABEL_TILE", 32)
    path, image = write(tmp_path, np.ones((96, 120), np.uint8)), session.image("a1")
    commands = import_commands(path, "a1", image, {1: 1}, Placing())
    assert len(commands) == 12
    for n, command in enumerate(commands, 1):
        session.apply("tab", n, command)
    assert session.labels("a1").counts == {1: 96 * 120}


def test_the_window_looks_then_imports(session, tmp_path):
    values = np.zeros((96, 120), np.uint8)
    values[:2] = 1
    values[5] = 9
    path = write(tmp_path, values)
    acts = LabelActs(session)
    assert acts.act({"name": "labels", "lane": "a1"}, [path]) == []
    assert acts.data["file"]["values"] == [[1, 240, 1], [9, 120, 0]]
    acts.act({"name": "labelsLook", "axes": "yx", "offset": [0, 0, 95, 0]}, [])
    assert acts.data["file"]["values"] == [[1, 120, 1]] and acts.data["file"]["outside"] == 240
    with pytest.raises(UsageError, match="no value has a class"):
        acts.act({"name": "labelsImport", "mapping": {"1": 77}}, [])
    ((part, method, (commands, said)),) = acts.act({"name": "labelsImport", "mapping": {"1": 2, "9": 0}}, [])
    assert (part, method, acts.data["file"]) == ("ViewerFrame", "commands", None)
    assert said == "Labels of labels.npy imported."
    session.apply("tab", 1, command_from_json(commands[0]))
    assert session.labels("a1").counts == {2: 240}
    with pytest.raises(UnderbrushError):
        acts.act({"name": "labels", "lane": "a1"}, [])
