"""What the panels say, and what they do for a person, without a browser."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.label_map import LabelMap
from underbrush.core.runs import Runs
from underbrush.errors import UnderbrushError, UsageError
from underbrush.project.values_json import selection_from_json, selection_to_json
from underbrush.web.browse import Roots
from underbrush.web.hub import Preparing
from underbrush.web.panels.feature_cost import told_cost
from underbrush.web.panels.opening import MOST, expanded
from underbrush.web.panels.preparing import preparing_data
from underbrush.web.panels.project_reader import MOST_MARKS, ProjectReader
from underbrush.web.panels.readings import (
    balance_sentence,
    classifier_rows,
    feature_data,
    feature_images,
    feature_table,
    importance_rows,
    same_features,
    short_day,
)
from web.fakes import FakeHub, FakeSession, nuclei_document, nuclei_lesson

FLAT = (1, 1, 1, 520, 696)
VOLUME = (1, 1, 60, 128, 256)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        ([], ""),
        ([("A", 5)], ""),
        ([("A", 5), ("B", 0)], ""),
        ([("A", 280), ("B", 100)], "A has 2.8 times the pixels of B."),
        ([("A", 10), ("B", 400), ("C", 20)], "B has 40 times the pixels of A."),
        ([("A", 100), ("B", 120)], "The classes have about as many painted pixels as each other."),
    ],
)
def test_balance_names_the_classes_that_are_furthest_apart(pixels: list[tuple[str, int]], said: str) -> None:
    assert balance_sentence(pixels) == said


@pytest.mark.parametrize("shape", [FLAT, VOLUME, (1, 7, 1, 300, 300), (1, 1, 1, 9, 9)])
def test_presets_are_commands_as_they_are_and_the_chosen_one_is_found(shape: Any) -> None:
    chosen = FeatureSelection.recommended(shape)
    presets, table = feature_data(chosen, [shape], shape[1])
    assert presets["chosen"] == "Recommended"
    assert presets["count"] == chosen.count(shape[1], shape[2] > 1)
    assert table["chosen"]["scales"] == sorted(chosen.scales)
    for row in presets["presets"]:
        read = None if row["selection"] is None else selection_from_json(row["selection"])
        assert (0 if read is None else read.count(shape[1], shape[2] > 1)) == row["count"]


def test_own_choice_is_no_preset_and_none_is_one() -> None:
    own = FeatureSelection(("GaussianSmoothing",), (1.0, 2.0), ((True, False),))
    assert feature_data(own, [FLAT], 1)[0]["chosen"] == ""
    assert feature_data(None, [FLAT], 1)[0]["chosen"] == "None"


def test_feature_images_have_the_names_that_the_engine_knows() -> None:
    own = FeatureSelection(("StructureTensorEigenvalues",), (1.0, 2.0), ((True, True),), (True, False))
    rows = feature_images(own, (0, 3), volume=True)
    assert [row["name"] for row in rows] == list(own.names(2, True))
    assert [(row["scale"], row["flat"], row["channel"], row["part"]) for row in rows] == [
        (scale, flat, channel, part)
        for scale, flat, parts in ((1.0, True, 2), (2.0, False, 3))
        for channel in (0, 3)
        for part in range(parts)
    ]
    assert feature_images(None, (0,), volume=False) == []


@pytest.mark.parametrize("volume", [False, True])
def test_a_choice_of_features_is_measured(volume: bool) -> None:
    selection = FeatureSelection.all((1.0,))
    said = told_cost({"key": "k", "selection": selection_to_json(selection)}, 3, volume)
    assert said is not None and said["key"] == "k" and 0.1 < said["ms"] < 1e6
    assert told_cost({"key": "k", "selection": None}, 1, volume) is None
    assert told_cost({"key": "k", "selection": {"filters": "all"}}, 1, volume) is None


def test_the_same_features_written_otherwise_are_the_same() -> None:
    a = FeatureSelection.recommended(FLAT)
    assert same_features(a, a.with_in_2d(True), volume=False)
    assert not same_features(a, a.with_in_2d(True), volume=True)
    assert not same_features(a, None, volume=False)


def test_table_has_every_filter_in_the_order_of_scales() -> None:
    own = FeatureSelection(("HessianOfGaussianEigenvalues",), (1.6, 0.3), ((True, False),), (True, False))
    table = feature_table(own, [VOLUME, (1, 1, 20, 400, 90)], 2)
    assert len(table["filters"]) == 6 and len({row["group"] for row in table["filters"]}) == 3
    assert table["chosen"]["scales"] == [0.3, 1.6] and table["chosen"]["flat"] == [False, True]
    assert table["chosen"]["cells"]["HessianOfGaussianEigenvalues"] == [False, True]
    assert table["chosen"]["cells"]["GaussianSmoothing"] == [False, False]
    assert table["sizes"] == {"z": 20, "y": 128, "x": 90} and table["volume"] is True
    assert feature_table(None, [], 1)["chosen"]["cells"]["GaussianSmoothing"] == [False] * 7


def test_importance_adds_up_channels_and_eigenvalues_largest_first() -> None:
    selection = FeatureSelection.all((1.0, 3.5))
    names = selection.names(2, volume=True)
    shares = np.arange(1, len(names) + 1) / sum(range(1, len(names) + 1))
    rows = importance_rows(names, shares)
    assert len(rows) == 12
    assert sum(share for _, share in rows) == pytest.approx(1)
    assert rows == sorted(rows, key=lambda row: -row[1])
    assert "3.5 Hessian of Gaussian eigenvalues" in dict(rows)


def test_kept_classifiers_are_newest_first_with_their_day() -> None:
    kept = {
        name: SimpleNamespace(name=name, created=created, note="")
        for name, created in (("a", "2025-01-02T10:00:00Z"), ("b", "2026-11-12T10:00:00Z"), ("c", ""))
    }
    now = datetime(2026, 11, 23, tzinfo=UTC)
    rows = classifier_rows(kept, now)
    assert [(row["name"], row["date"]) for row in rows] == [("b", "12 Nov"), ("a", "2 Jan 2025"), ("c", "")]
    assert short_day("yesterday", now) == ""


def test_preparing_is_said_while_it_runs_only() -> None:
    assert preparing_data(Preparing("Preparing fast code", 2, 5)) == {
        "preparing": "Preparing fast code",
        "prepared": 40,
    }
    assert preparing_data(Preparing("", 0, 0)) == {"preparing": "", "prepared": None}
    assert preparing_data(Preparing("Preparing fast code", 5, 5))["preparing"] == ""


class TestOpening:
    @pytest.fixture
    def roots(self, tmp_path: Path) -> Roots:
        for n in (10, 2, 1):
            (tmp_path / f"img{n}.tif").write_bytes(b"x")
        (tmp_path / "notes.txt").write_bytes(b"x")
        (tmp_path / "odd[1].tif").write_bytes(b"x")
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "deep.tif").write_bytes(b"x")
        return Roots([tmp_path])

    def test_a_pattern_becomes_the_images_it_finds(self, roots: Roots, tmp_path: Path) -> None:
        found = expanded([str(tmp_path / "img*.tif")], roots)
        assert [Path(path).name for path in found] == ["img1.tif", "img2.tif", "img10.tif"]
        assert [Path(p).name for p in expanded([f"{tmp_path}/s*/d*.tif"], roots)] == ["deep.tif"]
        assert [Path(p).name for p in expanded([str(tmp_path / "*")], roots) if p.endswith("txt")] == []

    def test_a_file_whose_name_looks_like_a_pattern_is_itself(self, roots: Roots, tmp_path: Path) -> None:
        assert expanded([str(tmp_path / "odd[1].tif")], roots) == [str(tmp_path / "odd[1].tif")]

    def test_a_name_without_folder_is_below_the_first_root_and_quotes_are_dropped(
        self, roots: Roots, tmp_path: Path
    ) -> None:
        assert expanded(['"img1.tif"', " img1.tif "], roots) == [str(tmp_path / "img1.tif")]

    @pytest.mark.parametrize(
        "text", ["no*.tif", "nothing.tif", "/etc/*", "/etc/hosts", "../*", "*/../../*", "ftp://x/a.zarr", ""]
    )
    def test_what_is_not_there_or_not_allowed_is_a_sentence(self, roots: Roots, text: str) -> None:
        with pytest.raises(UnderbrushError) as error:
            expanded([text], roots)
        assert str(error.value).endswith(".") and "\n" not in str(error.value)

    def test_links_out_of_the_roots_are_not_followed(self, roots: Roots, tmp_path: Path) -> None:
        (tmp_path / "link.tif").symlink_to("/etc/hosts")
        with pytest.raises(UnderbrushError):
            expanded([str(tmp_path / "l*.tif")], roots)

    def test_too_many_are_refused(self, tmp_path: Path) -> None:
        for n in range(MOST + 1):
            (tmp_path / f"{n}.tif").touch()
        with pytest.raises(UsageError):
            expanded([str(tmp_path / "*.tif")], Roots([tmp_path]))


class TestReader:
    def test_reads_what_the_parts_show(self, tmp_path: Path) -> None:
        session = FakeSession(tmp_path / "nuclei.ilp", nuclei_document())
        said = ProjectReader(session).read()  # type: ignore[arg-type]
        assert said["Presets"]["chosen"] == "Recommended" and said["Presets"]["count"] == 49
        assert said["Steps"] == {"counts": {"features": 49}}
        images = said["FeatureImages"]["images"]
        assert len(images) == 49 and images[0] == {
            "name": "Gaussian Smoothing (σ=0.3) in 2D",
            "id": "GaussianSmoothing",
            "scale": 0.3,
            "flat": True,
            "channel": 0,
            "part": 0,
        }
        assert said["Quality"]["trained"] is False and said["Quality"]["balance"] == ""
        assert said["Quality"]["importance"] == [] and said["Quality"]["oob"] is None

    def test_what_training_learned_is_told(self, tmp_path: Path) -> None:
        session = FakeSession(tmp_path / "nuclei.ilp", nuclei_document(), lesson=nuclei_lesson())
        quality = ProjectReader(session).read()["Quality"]  # type: ignore[arg-type]
        assert quality["oob"] == 0.012 and quality["trained"] is True
        assert len(quality["importance"]) == 37 and quality["importance"][0][0] == "0.3 Gaussian smoothing"

    def test_marks_strokes_of_a_volume_by_slice_and_class(self, tmp_path: Path) -> None:
        from dataclasses import replace

        document = nuclei_document()
        lane = document.lane_order[0]
        runs = Runs.from_array(np.array([[0, 5, 1, 1, 3], [0, 7, 2, 2, 2], [0, 7, 9, 9, 4]], np.int32))
        labels, _ = LabelMap.empty(volume=True).painted(runs, np.array([1, 1, 2], np.uint8))
        session = FakeSession(tmp_path / "v.ilp", replace(document, labels={lane: labels}), shape=VOLUME)
        said = ProjectReader(session).read()  # type: ignore[arg-type]
        assert said["Dims"]["marks"][lane] == {
            "z": [(5, 1), (7, 1), (7, 2)],
            "y": [(1, 1), (2, 1), (9, 2)],
            "x": [(1, 1), (2, 1), (3, 1), (9, 2), (10, 2), (11, 2), (12, 2)],
        }
        assert said["Quality"]["balance"].startswith("The classes")

    def test_very_many_strokes_are_marked_evenly(self, tmp_path: Path) -> None:
        from dataclasses import replace

        document = nuclei_document()
        lane = document.lane_order[0]
        runs = Runs.from_array(np.array([[0, 5, 1, 0, 690]], np.int32))
        labels, _ = LabelMap.empty(volume=True).painted(runs, np.array([1], np.uint8))
        session = FakeSession(
            tmp_path / "v.ilp", replace(document, labels={lane: labels}), shape=(1, 1, 9, 520, 696)
        )
        marks = ProjectReader(session).read()["Dims"]["marks"][lane]["x"]  # type: ignore[arg-type]
        assert len(marks) == MOST_MARKS and marks[0] == (0, 1) and marks[-1] == (689, 1)

    def test_missing_images_are_as_the_project_knows_them(self, tmp_path: Path) -> None:
        session = FakeSession(tmp_path / "nuclei.ilp", nuclei_document())

        def gone(lane: str) -> Any:
            raise UsageError("it is gone", where=lane)

        session.image = gone  # type: ignore[method-assign]
        assert ProjectReader(session).read()["Presets"]["count"] == 49  # type: ignore[arg-type]


def test_events_come_from_any_thread_and_listening_ends(tmp_path: Path) -> None:
    session = FakeSession(tmp_path / "nuclei.ilp", nuclei_document())
    heard: list[object] = []
    stop = session.listen(heard.append)
    session.tell("one")
    stop()
    session.tell("two")
    assert heard == ["one"] and session.listeners == []


def test_fake_hub_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    hub = FakeHub(FakeSession(tmp_path / "nuclei.ilp", nuclei_document()), tmp_path)
    with pytest.raises(UnderbrushError):
        asyncio.run(hub.ready("zzzzzzzz"))
