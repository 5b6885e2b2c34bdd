"""Saving: nothing is lost, ilastik finds what it needs, the old file is safe."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block, paint
from underbrush.errors import OutputError, ProjectError
from underbrush.files import FileLayer, using
from underbrush.project.normal_form import normal_form
from underbrush.project.paths import embedded_source, linked_source
from underbrush.project.read import read_project
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import ClassifierInfo, ClassInfo, ExportSettings, Lane, Project
from underbrush.project.shapes import with_known_shapes
from underbrush.project.write import write_project
from underbrush.sources.opening import open_image

CLASSES = (ClassInfo("background", (1, 2, 3), (4, 5, 6)), ClassInfo("σ ñucleus", (255, 0, 9), (0, 255, 8)))


def _block(start, values):
    values = np.asarray(values, np.uint8)
    return make_block(Box(start, tuple(a + n for a, n in zip(start, values.shape, strict=True))), values)


def _lane(shape=(30, 40), axes="yx", stored="images/a.tif", blocks=()):
    source = linked_source(stored, axes, shape)
    return Lane(source.name, source, None, tuple(blocks))


def test_a_real_project_survives_saving(data: Path, tmp_path: Path) -> None:
    names = ("ilp/mitocheck_v120/mitocheckPixelClassification.ilp", "golden/gray3d_2c/gray3d_2c.ilp",
             "ilp/bodenmiller_hubmap_11ch_v132/bodenmiller_imcseg_HubMAP_20191211.ilp")  # fmt: skip
    for name in names:
        p = read_project(data / name)
        saved = write_project(p, tmp_path / "p.ilp")
        again = read_project(tmp_path / "p.ilp")
        assert again == saved == normal_form(with_known_shapes(p), tmp_path / "p.ilp")
        assert again.problems == saved.problems == ()
        assert [lane.label_counts for lane in again.lanes] == [lane.label_counts for lane in p.lanes]
        assert again.classifier.feature_names == p.classifier.feature_names
        assert (again.forest and again.forest.digest) == (p.forest and p.forest.digest)
        for old, new in zip(p.lanes, again.lanes, strict=True):  # links lead to the same place from elsewhere
            assert resolve_source(new.raw, again).address == resolve_source(old.raw, p).address


def test_labels_of_an_old_project_are_saved_in_the_order_of_today(data: Path, tmp_path: Path) -> None:
    # stored without shape, in txyzc; ilastik works in tyxc on this image of one slice
    write_project(
        read_project(data / "ilp/mitocheck_v120/mitocheckPixelClassification.ilp"), tmp_path / "p.ilp"
    )
    with h5py.File(tmp_path / "p.ilp") as f:
        block = f["PixelClassification/LabelSets/labels000/block0000"]
        assert block.attrs["blockSlice"] == "[2:3,50:63,42:49,0:1]"
        assert block.shape == (1, 13, 7, 1)
        assert len(f["Input Data/infos/lane0000/Raw Data/shape"]) == 5


def test_saving_in_place_twice_changes_nothing(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.ilp"
    path.write_bytes((data / "golden/gray2d_2c/gray2d_2c.ilp").read_bytes())
    first = write_project(read_project(path), path)
    second = write_project(first, path)
    assert first == second == read_project(path)
    assert first.lanes[0].raw.stored == "train.tif"


def test_members_that_ilastik_needs(tmp_path: Path) -> None:
    blocks = [_block((0, 0, 0, 2, 3), [[[[[1, 2]]]]])]
    lanes = (_lane(blocks=blocks), _lane((3, 30, 40), "zyx", "b.h5/vol/data"))
    p = Project(lanes, CLASSES, FeatureSelection.all((0.3, 1.0), (True, True)))
    write_project(p, tmp_path / "p.ilp")
    with h5py.File(tmp_path / "p.ilp") as f:
        assert len(f.attrs) == 0
        assert f["ilastikVersion"].asstr()[()] == "1.4.2"
        assert f["workflowName"].asstr()[()] == "Pixel Classification"
        assert list(f["Input Data/Role Names"].asstr()) == ["Raw Data", "Prediction Mask"]
        raw = f["Input Data/infos/lane0000/Raw Data"]
        assert {"__class__", "filePath", "nickname", "allowLabels", "axistags", "shape"} <= set(raw)
        assert raw["__class__"].asstr()[()] == "RelativeFilesystemDatasetInfo"
        tags = json.loads(raw["axistags"].asstr()[()])["axes"]
        assert [(t["key"], t["typeFlags"]) for t in tags] == [("y", 2), ("x", 2)]
        assert all(isinstance(t["resolution"], int) for t in tags)
        assert list(f["Input Data/infos/lane0000/Prediction Mask"]) == []
        assert f["Input Data/infos/lane0001/Raw Data/filePath"].asstr()[()] == "b.h5/vol/data"
        training = f["PixelClassification"]
        assert training["StorageVersion"].asstr()[()] == "0.1"
        for name in ("LabelNames", "LabelColors", "PmapColors"):
            assert training[name].attrs["isEmpty"].dtype == bool
            assert not training[name].attrs["isEmpty"]
        assert training["LabelColors"][()].tolist() == [[1, 2, 3], [255, 0, 9]]
        assert sorted(training["LabelSets"]) == ["labels000", "labels001"]
        block = training["LabelSets/labels000/block0000"]
        assert block.attrs["blockSlice"] in ("[2:3,3:5,0:1]", b"[2:3,3:5,0:1]")
        assert block.shape == (1, 2, 1)
        assert block.dtype == np.uint8
        assert f["FeatureSelections/SelectionMatrix"].dtype == bool
        assert f["FeatureSelections/ComputeIn2d"][()].tolist() == [True, True]
        assert "I100\n" in training["ClassifierFactory"].asstr()[()]
        assert "ClassifierForests" not in training
        for name in ("Role Names", "infos/lane0000/Raw Data/nickname"):
            assert h5py.check_string_dtype(f[f"Input Data/{name}"].dtype).length is None


def test_members_we_do_not_know_are_kept(build) -> None:
    b = build()
    b.lane(axisorder="yx", shape=(9, 9))
    b.file["ProjectMetadata/author"] = "me"
    b.file["currentApplet"] = 2
    b.file["PixelClassification/Bookmarks/0000"] = np.void(b"(lp0\n.")
    b.file["PixelClassification/Something"] = np.arange(3)
    path = b.done()
    write_project(read_project(path), path)
    with h5py.File(path) as f:
        assert f["ProjectMetadata/author"].asstr()[()] == "me"
        assert f["currentApplet"][()] == 2
        assert f["PixelClassification/Bookmarks/0000"][()].tobytes() == b"(lp0\n."
        assert f["PixelClassification/Something"][()].tolist() == [0, 1, 2]


def test_a_foreign_classifier_is_kept_until_it_is_replaced(build) -> None:
    b = build()
    stored = b.file["PixelClassification"].create_group("ClassifierForests")
    stored["pickled_classifier"] = np.void(b"cnumpy\nx.")
    path = b.done()
    p = write_project(read_project(path), path)
    assert p.classifier.kind == "other"
    with h5py.File(path) as f:
        assert "pickled_classifier" in f["PixelClassification/ClassifierForests"]
    p = Project(p.lanes, p.classes, classifier=ClassifierInfo(n_trees=50), path=path)
    write_project(p, path)
    with h5py.File(path) as f:
        assert "ClassifierForests" not in f["PixelClassification"]


def test_an_image_is_embedded_and_stays_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60000, (20, 30, 2), np.uint16)
    source = embedded_source("inside", "yxc", pixels.shape)
    p = Project((Lane("inside", source),), CLASSES)
    p = write_project(p, tmp_path / "p.ilp", embed={source.inner: pixels})
    assert p.problems == ()
    p = write_project(p, tmp_path / "p.ilp")
    p = write_project(p, tmp_path / "elsewhere.ilp")
    found = resolve_source(p.lanes[0].raw, p)
    assert found.files == (tmp_path / "elsewhere.ilp",)
    with h5py.File(found.files[0]) as f:
        data = f[found.inner]
        assert np.array_equal(data[()], pixels)
    with open_image(resolve_source(p.lanes[0].raw, p).address) as image:
        assert image.axes == "yxc"
        assert np.array_equal(image.read()[0, :, 0].transpose(1, 2, 0), pixels)
    with h5py.File(found.files[0]) as f:
        data = f[found.inner]
        assert data.chunks is not None
        assert [e["key"] for e in json.loads(data.attrs["axistags"])["axes"]] == ["y", "x", "c"]
        assert [d.label for d in data.dims] == ["y", "x", "c"]
        info = f["Input Data/infos/lane0000/Raw Data"]
        assert info["__class__"].asstr()[()] == "ProjectInternalDatasetInfo"
        assert info["inner_path"].asstr()[()] == info["filePath"].asstr()[()] == found.inner
    without = Project((), CLASSES, path=p.path)
    write_project(without, tmp_path / "elsewhere.ilp")
    with h5py.File(tmp_path / "elsewhere.ilp") as f:
        assert list(f["Input Data/local_data"]) == []


def test_a_link_from_another_folder_leads_to_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "old/sub/images").mkdir(parents=True)
    (tmp_path / "old/sub/images/a.tif").write_text("x")
    p = write_project(Project((_lane(),), CLASSES), tmp_path / "old/sub/p.ilp")
    up = write_project(p, tmp_path / "old/up.ilp")
    away = write_project(p, tmp_path / "away.ilp")
    aside = write_project(p, tmp_path / "new/p.ilp")
    assert up.lanes[0].raw.stored == "sub/images/a.tif"
    assert away.lanes[0].raw.stored == "old/sub/images/a.tif"
    assert aside.lanes[0].raw.stored == str(tmp_path / "old/sub/images/a.tif")
    for q in (p, up, away, aside):
        found = resolve_source(q.lanes[0].raw, q).address
        assert found is not None
        assert Path(found).samefile(tmp_path / "old/sub/images/a.tif")


def _stump(threshold: float, classes: tuple[int, ...]) -> Forest:
    k = len(classes)
    return Forest(
        np.array([0], np.int32), np.array([1, -1, -1], np.int32), np.array([threshold, 0, 0]),
        np.array([1, 0, 1], np.int32), np.array([2, 0, 1], np.int32), np.eye(2, k), np.array([3.0, 4.0]),
        np.array(classes, np.uint32), 2,
    )  # fmt: skip


def test_forests_of_some_classes_and_kept_ones_are_saved(tmp_path: Path) -> None:
    classes = (*CLASSES, ClassInfo("third", (0, 0, 0), (0, 0, 0)))
    p = Project((_lane(),), classes, forest=_stump(0.5, (1, 3)), own={"log": "[1]", "seed": "7"},
                frozen={"before": _stump(9.25, (1, 2)), "Zähne": _stump(-1e-300, (2, 3))})  # fmt: skip
    write_project(p, tmp_path / "p.ilp")
    again = read_project(tmp_path / "p.ilp")
    assert again.forest is not None
    assert again.forest.digest == p.forest.digest
    assert again.forest.classes.tolist() == [1, 3]
    assert again.classifier.parts == (1,)
    assert {k: f.digest for k, f in again.frozen.items()} == {k: f.digest for k, f in p.frozen.items()}
    assert dict(again.own) == {"log": "[1]", "seed": "7"}


def test_2d_is_said_where_all_images_agree(tmp_path: Path) -> None:
    flat, deep = _lane(), _lane((3, 30, 40), "zyx", "b.tif")
    for lanes, said in (((flat,), (True,)), ((deep,), (False,)), ((flat, deep), None)):
        p = Project(lanes, CLASSES, FeatureSelection.all((1.0,)))
        saved = write_project(p, tmp_path / "p.ilp").selection
        assert saved is not None
        assert saved.in_2d == said


def test_a_full_disk_leaves_the_old_project(tmp_path: Path) -> None:
    class Full(FileLayer):
        left = 3000

        def write(self, descriptor, data):
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(descriptor, data)

    path = tmp_path / "p.ilp"
    before = write_project(Project((_lane(),), CLASSES), path)
    bytes_before = path.read_bytes()
    with using(Full()), pytest.raises(OutputError, match=r"disk|space|full"):
        write_project(Project((_lane(),) * 50, CLASSES), path)
    assert path.read_bytes() == bytes_before
    assert read_project(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_would_not_read_back_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "p.ilp"
    before = write_project(Project((_lane(),), CLASSES), path)
    lost = Project((_lane(blocks=[_block((0, 0, 0, 2, 3), [[[[[3]]]]])]),), CLASSES)  # there is no class 3
    with pytest.raises(ProjectError, match="does not read back"):
        write_project(lost, path)
    assert read_project(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_project_that_is_open_in_ilastik_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "p.ilp"
    before = write_project(Project((_lane(),), CLASSES), path)
    hold = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold, str(path)], **pipes) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(ProjectError, match="another program is writing it"):
            write_project(before, path)
        other.communicate(b"")
    assert read_project(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_taken_over_from_a_damaged_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "p.ilp"
    source = embedded_source("inside", "yx", (4, 5))
    p = write_project(
        Project((Lane("inside", source),), CLASSES), path, embed={source.inner: np.ones((4, 5))}
    )
    path.write_bytes(path.read_bytes()[:3000])
    saved = write_project(p, path)
    assert len(saved.problems) == 2
    assert "cut short" in saved.problems[-2] + saved.problems[-1]
    assert "'inside' could not be kept" in saved.problems[-2] + saved.problems[-1]


names = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)
finite = st.floats(-1e9, 1e9)
SHAPES = {"yx": (9, 8), "zyx": (4, 9, 8), "xyc": (8, 9, 3), "tyxc": (3, 9, 8, 2), "tzyxc": (2, 3, 5, 4, 1),
          "tzyx": (1, 1, 6, 5), "cyx": (2, 7, 7)}  # fmt: skip


@st.composite
def lanes(draw):
    axes = draw(st.sampled_from(sorted(SHAPES)))
    stored = draw(st.sampled_from(["a.tif", "s/b.h5/x", "/abs/c.png", "https://h/d.zarr"]))
    source = linked_source(stored, axes, SHAPES[axes])
    t, _, z, y, x = source.shape5
    blocks = []
    for _ in range(draw(st.integers(0, 3))):
        start = [draw(st.integers(0, n - 1)) for n in (t, z, y, x)]
        size = [draw(st.integers(1, n - a)) for n, a in zip((t, z, y, x), start, strict=True)]
        seed = draw(st.integers(0, 1000))
        values = np.random.default_rng(seed).integers(0, 3, (size[0], 1, *size[1:]), np.uint8)
        blocks.append(_block((start[0], 0, *start[1:]), values))
    return Lane(draw(names), source, draw(st.none() | st.just(linked_source("m.png"))), tuple(blocks))


colours = st.tuples(*[st.integers(0, 255)] * 3)
exports = st.builds(
    ExportSettings, format=names, filename=names, axes=st.none() | st.just("yxc"),
    dtype=st.none() | st.just("uint8"), region_start=st.just((None, 3, 0)), region_stop=st.just((None, 9, 1)),
    input_range=st.none() | st.tuples(finite, finite), export_range=st.none() | st.tuples(finite, finite),
)  # fmt: skip
selections = st.none() | st.builds(
    FeatureSelection.all, st.lists(st.floats(0.1, 20), min_size=1, max_size=4, unique=True), st.none()
)
projects = st.builds(
    Project,
    st.lists(lanes(), max_size=3).map(tuple),
    st.tuples(st.builds(ClassInfo, names, colours, colours), st.builds(ClassInfo, names, colours, colours)),
    selections,
    export=exports,
    own=st.dictionaries(st.sampled_from(["log", "seed"]), st.text(max_size=50)),
    classifier=st.builds(ClassifierInfo, n_trees=st.integers(1, 500)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(projects)
def test_what_is_written_is_read(tmp_path: Path, project: Project) -> None:
    path = tmp_path / "p.ilp"
    saved = write_project(project, path)
    again = read_project(path)
    assert again == saved == normal_form(project, path)
    assert again.problems == ()
    assert write_project(again, path) == again
    for before, after in zip(project.lanes, again.lanes, strict=True):
        shape = before.raw.shape5
        assert np.array_equal(paint(before.labels, shape), paint(after.labels, shape))
    assert [c.colour for c in again.classes] == [c.colour for c in project.classes]
    assert dict(again.own).keys() == dict(project.own).keys()
