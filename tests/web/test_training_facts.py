"""Step 3 beyond the state: strokes as rows, what they changed, kept classifiers, uncertain places."""

from __future__ import annotations

import numpy as np
import pytest

from session_scenes import both_classes, new_project, stroke, wait_for
from underbrush.engine.change_meter import Changed
from underbrush.engine.new_project import write_new_project
from underbrush.engine.session import Session
from underbrush.engine.stroke_table import stroke_rows
from underbrush.engine.uncertain import Spot
from underbrush.errors import ProjectError
from underbrush.project.commands import DeleteStroke, FreezeClassifier, RelabelStroke, SetAxes
from underbrush.web.panels.training_facts import TrainingFacts, changed_sentence


@pytest.mark.parametrize(
    ("changed", "images", "said"),
    [
        (None, 2, ""),
        (Changed(1, 0.25), 2, "The last stroke changed 25.0 % of the pixels in view."),
        (Changed(5, 0.003), 2, "The last 5 strokes changed 0.3 % of the pixels in view: try another image."),
        (Changed(5, 0.0), 1, "The last 5 strokes changed no pixels in view: try another place."),
        (Changed(2, 0.0004), 2, "The last 2 strokes changed under 0.1 % of the pixels in view."),
    ],
)
def test_what_the_last_strokes_changed_is_a_sentence(changed, images, said):
    assert changed_sentence(changed, images) == said


def test_strokes_are_rows_with_a_pixel_of_theirs_to_go_to(tmp_path):
    with Session.open(new_project(tmp_path, images=2), idle=1e9) as session:
        session.apply("tab", 1, stroke(10, 20, 21, 2, class_id=2))
        session.apply("tab", 2, stroke(30, 5, 4, 1, class_id=1))
        session.apply("tab", 3, stroke(3, 7, 9, 3, lane="a2", class_id=1))
        rows, total = stroke_rows(session.document)
        assert total == 3
        assert [(r.lane, r.class_id, r.pixels) for r in rows] == [("a1", 2, 42), ("a1", 1, 4), ("a2", 1, 27)]
        for row in rows:
            assert session.labels(row.lane).at(row.t, row.z, row.y, row.x) == row.class_id
        assert [len(stroke_rows(session.document, 1)[0]), stroke_rows(session.document, 1)[1]] == [1, 3]
        facts = TrainingFacts(session)
        assert facts.read()["Strokes"] == {"rows": [], "total": 0}
        facts.act({"name": "strokes", "open": True})
        first, second, _ = facts.read()["Strokes"]["rows"]
        session.apply("tab", 4, RelabelStroke(first[0], *first[2:6], 1))
        session.apply("tab", 5, DeleteStroke(second[0], *second[2:6]))
        assert [row[1:2] + row[6:] for row in facts.read()["Strokes"]["rows"]] == [[1, 42], [1, 27]]


def test_a_place_is_gone_to_and_named_and_a_kept_classifier_shown(tmp_path):
    with Session.open(new_project(tmp_path, images=2), idle=1e9) as session:
        facts = TrainingFacts(session)
        ((part, method, (sentence, _)),) = facts.act({"name": "next"})
        assert (part, method) == ("Toast", "say") and "Nothing is trained yet" in sentence
        session.set_live(True)
        n = both_classes(session)
        wait_for(lambda: session.training.state == "done" and session.lesson is not None)
        ((part, method, (lane, *_)),) = facts.act({"name": "next"})
        assert (part, method) == ("ViewerFrame", "goTo")
        nickname = session.document.lanes[lane].nickname
        assert facts.read()["Quality"]["where"] == f"Now in {nickname}"
        session.apply("tab", n, FreezeClassifier("fig 2"))
        facts.act({"name": "show", "classifier": "fig 2"})
        assert facts.read()["ShownClassifier"] == {"name": "fig 2"}
        facts.act({"name": "show", "classifier": ""})
        assert facts.read()["Classifiers"] == {"shown": ""}
        with pytest.raises(ProjectError):
            facts.act({"name": "show", "classifier": "none such"})


def test_slices_and_times_of_a_place_are_counted_as_everywhere(tmp_path):
    np.save(tmp_path / "deep.npy", np.zeros((3, 4, 32, 40), np.uint8))
    write_new_project(tmp_path / "p.ilp", [str(tmp_path / "deep.npy")])
    with Session.open(tmp_path / "p.ilp", idle=1e9) as session:
        lane = session.document.lane_order[0]
        session.apply("tab", 1, SetAxes(lane, "tzyx"))
        place = TrainingFacts(session)._place(Spot(lane, 0, 3, 5, 6, 1.0))
        assert place == "deep, z 3, t 0", "as the sliders, the line below and the strokes say it: from 0"
