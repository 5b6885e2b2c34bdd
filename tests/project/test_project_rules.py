"""The rules of all versions, on files made for each of them."""

from __future__ import annotations

import builtins
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from underbrush.core.labels import paint
from underbrush.errors import ProjectError
from underbrush.project.axistags import label_axes
from underbrush.project.read import read_project
from underbrush.project.versions import parse_version

ONE = np.array([[1, 2, 0], [0, 1, 0]], np.uint8)  # y x


def _where(lane) -> dict[tuple[int, ...], int]:
    """(t, z, y, x) -> class of every labelled pixel."""
    return {
        (t + b.box.start[0], z + b.box.start[2], y + b.box.start[3], x + b.box.start[4]): int(v)
        for b in lane.labels
        for (t, _, z, y, x), v in np.ndenumerate(b.values)
        if v
    }


def _expected(t=0, z=0, y=0, x=0) -> dict[tuple[int, ...], int]:
    return {(t, z, y, x): 1, (t, z, y, x + 1): 2, (t, z, y + 1, x + 1): 1}


# version, axes and shape of the image (shape None: not stored), block position, stored axes of the block,
# where the pixel (0, 0) of ONE lies
ORDERS = [
    ("1.2.0", "zyx", None, "[3:4,5:7,1:4,0:1]", "zyxc", {"z": 3, "y": 5, "x": 1}),
    ("1.2.0rc10", "txyzc", None, "[3:4,5:8,1:3,0:1,0:1]", "txyzc", {"t": 3, "x": 5, "y": 1}),
    ("1.2.2", "tzyxc", (4, 3, 9, 9, 2), "[3:4,2:3,5:7,1:4,0:1]", "tzyxc", {"t": 3, "z": 2, "y": 5, "x": 1}),
    ("1.2.2", "zcyx", None, "[3:4,0:1,5:7,1:4]", "zcyx", {"z": 3, "y": 5, "x": 1}),
    ("1.2.2", "xyc", (9, 30, 3), "[4:7,20:22,0:1]", "xyc", {"x": 4, "y": 20}),
    ("1.3.2", "zcyx", (5, 2, 9, 9), "[3:4,5:7,1:4,0:1]", "zyxc", {"z": 3, "y": 5, "x": 1}),
    ("1.3.2", "cyx", (2, 9, 9), "[5:7,1:4,0:1]", "yxc", {"y": 5, "x": 1}),
    ("1.3.3", "cyx", (2, 9, 9), "[5:7,1:4,0:1]", "yxc", {"y": 5, "x": 1}),
    ("1.3.3post2", "cyx", (2, 9, 9), "[0:1,5:7,1:4]", "cyx", {"y": 5, "x": 1}),
    ("1.3.3post2", "zcyx", (5, 2, 9, 9), "[3:4,0:1,5:7,1:4]", "zcyx", {"z": 3, "y": 5, "x": 1}),
    ("1.3.3post3", "xyz", (9, 8, 7), "[5:8,3:5,6:7,0:1]", "xyzc", {"z": 6, "y": 3, "x": 5}),
    ("1.4.0b7", "zyxc", (5, 9, 9, 1), "[3:4,5:7,1:4,0:1]", "zyxc", {"z": 3, "y": 5, "x": 1}),
    ("1.4.0b8", "xyz", (9, 8, 7), "[6:7,3:5,5:8,0:1]", "zyxc", {"z": 6, "y": 3, "x": 5}),
    ("1.4.0", "tzyxc", (1, 1, 9, 9, 2), "[5:7,1:4,0:1]", "yxc", {"y": 5, "x": 1}),
    ("1.4.0", "tzyx", (4, 1, 9, 9), "[3:4,5:7,1:4,0:1]", "tyxc", {"t": 3, "y": 5, "x": 1}),
    ("1.4.2", "cyx", (2, 9, 9), "[5:7,1:4,0:1]", "yxc", {"y": 5, "x": 1}),
]


@pytest.mark.parametrize(("version", "axes", "shape", "where", "stored", "at"), ORDERS)
def test_labels_are_placed_by_the_rule_of_their_version(
    build, version, axes, shape, where, stored, at
) -> None:
    b = build(version)
    b.lane(axisorder=axes, shape=shape)
    kept = [a for a in stored if a in "yx"]
    plane = ONE if kept == ["y", "x"] else ONE.T
    b.labels((where, plane[tuple(slice(None) if a in "yx" else None for a in stored)]))
    p = read_project(b.done())
    assert p.problems == ()
    assert _where(p.lanes[0]) == _expected(**at)


@pytest.mark.parametrize("version", ["1.2.0", "1.3.3post2", "1.4.2"])
def test_axes_of_the_block_itself_count_most(build, version) -> None:
    b = build(version)
    b.lane(axisorder="zyx", shape=(9, 9, 9))
    b.labels(("[1:4,5:7,3:4,0:1]", ONE.T[:, :, None, None]), axes="xyzc")
    assert _where(read_project(b.done()).lanes[0]) == _expected(z=3, y=5, x=1)


def test_axistags_win_over_axisorder(build, tmp_path: Path) -> None:
    from_tags = '{"axes": [{"key": "x"}, {"key": "y"}]}'
    b = build("1.2.0")
    b.lane(axisorder="yx", axistags=from_tags, shape=np.array([9, 8], np.int32))
    lane = read_project(b.done()).lanes[0]
    assert (lane.raw.axes, lane.raw.shape, lane.raw.shape5) == ("xy", (9, 8), (1, 1, 1, 8, 9))


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((1, 3, 1, 9, 9), "yxc"), ((1, 1, 4, 9, 9), "zyxc"), ((5, 1, 1, 9, 9), "tyxc"),
        ((5, 1, 4, 9, 9), "tzyxc"), ((1, 1, 4, 1, 9), "tzxc"), ((1, 1, 1, 1, 1), "yxc"),
    ],
)  # fmt: skip
def test_the_order_ilastik_works_in(shape, order) -> None:
    assert label_axes(shape) == order


def test_versions_are_ordered_as_pep_440_says() -> None:
    rising = ["0.6", "1.2.0rc10", "1.2.2rc4", "1.3.0", "1.3.3", "1.3.3post1", "1.3.3post2", "1.4.0a1.dev1",
              "1.4.0b7.dev3", "1.4.0b7", "1.4.0b8", "1.4.0b28.dev14+gb5bb2750d", "1.4.0rc1", "1.4.0",
              "1.4.1b15", "1.4.1rc4.dev0+gb096d52a8.d20250616", "1.4.2b1.dev0", "1.4.2"]  # fmt: skip
    keys = [parse_version(v) for v in rising]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("version", "opens"), [("0.6", 1), ("1.5.9", 1), ("2.0.0", 0), ("0.7", 0), ("x", 0)])
def test_only_known_layouts_open(build, version, opens) -> None:
    path = build(version).done()
    if opens:
        assert read_project(path).version == version
    else:
        with pytest.raises(ProjectError, match="its version"):
            read_project(path)


def test_later_labels_win_where_blocks_overlap(build) -> None:
    b = build()
    b.lane(axisorder="yx", shape=(4, 4))
    b.labels(
        ("[0:2,0:3,0:1]", np.full((2, 3, 1), 1)), ("[1:3,1:3,0:1]", np.array([[2, 0], [2, 2]])[..., None])
    )
    lane = read_project(b.done()).lanes[0]
    expected = [[1, 1, 1, 0], [1, 2, 1, 0], [0, 2, 2, 0], [0, 0, 0, 0]]
    assert paint(lane.labels, (1, 1, 1, 4, 4))[0, 0, 0].tolist() == expected
    assert lane.label_counts == {1: 5, 2: 3}


def test_labels_outside_the_image_are_left_out_and_counted(build) -> None:
    b = build()
    b.lane(axisorder="yx", shape=(4, 4))
    b.labels(("[3:5,2:5,0:1]", np.full((2, 3, 1), 2)), ("[50:51,0:1,0:1]", np.ones((1, 1, 1))))
    p = read_project(b.done())
    assert p.lanes[0].label_counts == {2: 2}
    assert p.problems == ("Image 'image': 5 labelled pixels lie outside the image; they are left out.",)


@pytest.mark.parametrize("where", ["", "[0:1]", "[0:9,0:9,0:1]", "nonsense", "[99999999999999999:1,0:3,0:1]"])
def test_a_block_whose_place_makes_no_sense_is_said(build, where) -> None:
    b = build()
    b.lane(axisorder="yx", shape=(9, 9))
    b.labels((where, ONE[..., None]), ("[5:7,1:4,0:1]", ONE[..., None]))
    p = read_project(b.done())
    assert _where(p.lanes[0]) == _expected(y=5, x=1)
    assert len(p.problems) == 1
    assert "block0000" in p.problems[0]


def test_labels_of_classes_that_do_not_exist_are_said(build) -> None:
    b = build()
    b.lane(axisorder="yx", shape=(9, 9))
    b.labels(("[5:7,1:4,0:1]", (ONE + 1)[..., None]))
    p = read_project(b.done())
    assert p.lanes[0].label_counts == {1: 3, 2: 2}
    assert "1 pixels carry the class 3 but the project has 2" in p.problems[0]


def test_classes_are_made_up_where_their_list_is_missing(build) -> None:
    b = build()
    del b.file["PixelClassification/LabelNames"]
    b.lane(axisorder="yx", shape=(9, 9))
    b.labels(("[5:7,1:4,0:1]", (ONE * 2)[..., None]))
    assert [c.name for c in read_project(b.done()).classes] == ["Label 1", "Label 2", "Label 3", "Label 4"]


def test_lists_marked_as_empty_are_empty_whatever_they_hold(build) -> None:
    b = build()
    for name in ("LabelNames", "LabelColors", "PmapColors"):
        del b.file[f"PixelClassification/{name}"]
        b.file[f"PixelClassification/{name}"] = np.array([6.9e-310])
        b.file[f"PixelClassification/{name}"].attrs["isEmpty"] = True
    p = read_project(b.done())
    assert (p.classes, p.problems) == ((), ())


@pytest.mark.parametrize(
    "stored",
    [
        np.array([b"\xcf\x83 1", b"two"]),  # fixed length
        np.array([b"\xcf\x83 1", b"two"], dtype=h5py.string_dtype("ascii")),  # UTF-8 bytes that say ASCII
        np.array(["σ 1", "two"], dtype=h5py.string_dtype("utf-8")),
        np.array([b"\xcf\x83 1".ljust(30, b"\0"), b"two"], dtype="S30"),
    ],
    ids=["fixed", "bytes", "text", "padded"],
)
def test_texts_of_every_make_are_read(build, stored) -> None:
    b = build()
    del b.file["PixelClassification/LabelNames"]
    b.file["PixelClassification/LabelNames"] = stored
    b.file["PixelClassification/LabelNames"].attrs["isEmpty"] = False
    assert [c.name for c in read_project(b.done()).classes] == ["σ 1", "two"]


def test_the_oldest_layout_has_no_roles(build) -> None:
    b = build("0.6")
    del b.file["Input Data/Role Names"]
    lane = b.file["Input Data/infos"].create_group("lane0000")
    lane["filePath"], lane["nickname"], lane["axisorder"] = "a.h5/volume/data", "a", "zyx"
    raw = read_project(b.done()).lanes[0].raw
    assert (raw.name, raw.axes, raw.files, raw.inner) == ("a", "zyx", ("a.h5",), "volume/data")


def test_members_that_may_be_missing(build) -> None:
    b = build(workflow=None)
    b.lane("sub/my image.tif", nickname=None, allowLabels=None, location=None, **{"__class__": None})
    del b.file["FeatureSelections"]
    p = read_project(b.done())
    lane = p.lanes[0]
    assert (lane.nickname, lane.mask, lane.labels, lane.raw.axes) == ("my image", None, (), None)
    assert (p.selection, p.forest, p.export.internal_path) == (None, None, "exported_data")
    assert p.problems == ("The project does not name its workflow; it is taken as Pixel Classification.",)


def test_mask_display_and_level(build) -> None:
    b = build()
    tags = '{"axes": [{"key": "y", "resolution": 0.5}, {"key": "x", "resolution": 2}, {"key": "c"}]}'
    raw = b.lane(axistags=tags, axis_units='{"y": "nm"}', drange=np.array([3, 90], np.int32),
                 display_mode="grayscale", normalizeDisplay=True, working_scale=np.int32(2),
                 scale_locked=True)  # fmt: skip
    mask = raw.parent["Prediction Mask"]
    mask["filePath"], mask["nickname"], mask["allowLabels"] = "m.png", "m", True
    lane = read_project(b.done()).lanes[0]
    assert lane.mask is not None
    assert (lane.mask.name, lane.mask.files) == ("m", ("m.png",))
    raw = lane.raw
    assert (raw.display_range, raw.display_mode, raw.normalize_display) == ((3.0, 90.0), "grayscale", True)
    assert (raw.level, raw.level_locked) == ("2", True)
    assert dict(raw.pixel_size) == {"y": (0.5, "nm"), "x": (2.0, "")}


def test_embedded_images_are_found(build) -> None:
    b = build()
    local = b.file["Input Data"].create_group("local_data")
    local["new"] = np.zeros((7, 8), np.uint8)
    local["old-77"] = np.zeros((5, 6, 2), np.uint8)
    b.lane("/Input Data/local_data/new", inner_path="/Input Data/local_data/new", axisorder="yx",
           **{"__class__": "ProjectInternalDatasetInfo"})  # fmt: skip
    b.lane("whatever", location="ProjectInternal", datasetId="77", axisorder="yxc", **{"__class__": None})
    p = read_project(b.done())
    assert [lane.raw.kind for lane in p.lanes] == ["embedded"] * 2
    assert [lane.raw.inner for lane in p.lanes] == [
        "Input Data/local_data/new",
        "Input Data/local_data/old-77",
    ]
    assert [lane.raw.shape for lane in p.lanes] == [(7, 8), (5, 6, 2)]


@pytest.mark.parametrize("name", ["AutocontextTwoStage", "Object Classification (from pixel classification)"])
def test_other_workflows_are_refused_by_name(build, name) -> None:
    with pytest.raises(ProjectError, match="workflow"):
        read_project(build(workflow=name).done())


def test_blank_projects_may_name_the_class_of_the_workflow(build) -> None:
    assert read_project(build(workflow="PixelClassificationWorkflow").done()).lanes == ()


def test_pickles_are_never_loaded(build, monkeypatch, tmp_path: Path) -> None:
    mark = tmp_path / "loaded"
    evil = b"cposix\nsystem\n(S'touch %s'\ntR." % str(mark).encode()
    b = build()
    training = b.file["PixelClassification"]
    training["ClassifierFactory"] = evil
    stored = training.create_group("ClassifierForests")
    stored["pickled_classifier"] = stored["pickled_type"] = np.void(evil)
    training["Bookmarks/0000"] = np.void(evil)
    path = b.done()
    for name in ("loads", "load", "Unpickler"):
        monkeypatch.setattr(pickle, name, lambda *_: pytest.fail("a pickle was loaded"))
    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, lambda *_: pytest.fail("text was run"))
    p = read_project(path)
    monkeypatch.undo()
    assert not mark.exists()
    assert (p.forest, p.classifier.kind) == (None, "other")
    assert p.problems == (
        "The stored classifier is not a random forest and is not loaded;"
        " it will be trained anew from the strokes.",
    )


@pytest.mark.parametrize(
    ("text", "trees"),
    [("sV_num_trees\np7\nI37\nsV", 37), ("S'_num_trees'\np7\nI12\ns", 12),
     ("c...Sklearn\nV_args\np1\n(I55\nt", 55),
     ("nothing", 100), ("sV_num_trees\np7\nI0\ns", 100)],
)  # fmt: skip
def test_the_number_of_trees_is_told_by_pattern(build, text, trees) -> None:
    b = build()
    b.file["PixelClassification/ClassifierFactory"] = text
    assert read_project(b.done()).classifier.n_trees == trees


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "there is no such file"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: p.write_bytes(b""), "the file is empty"),
        (lambda p: p.write_text("text"), "no ilastik project"),
        (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"), "Git LFS"),
        (lambda p: h5py.File(p, "w").close(), "it has no ilastikVersion"),
    ],
    ids=["missing", "folder", "empty", "text", "lfs", "other hdf5"],
)
def test_what_is_no_project_is_said_in_one_sentence(tmp_path: Path, make, said) -> None:
    path = tmp_path / "p.ilp"
    make(path)
    with pytest.raises(ProjectError, match=said) as caught:
        read_project(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_project_that_is_being_written_is_said_to_be(build) -> None:
    path = build().done()
    hold = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold, str(path)], **pipes) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(ProjectError, match="another program is writing it; close the project there"):
            read_project(path)
        other.communicate(b"")
    assert read_project(path).lanes == ()


def test_a_project_of_a_newer_underbrush_is_refused(build) -> None:
    b = build()
    b.file["Underbrush/StorageVersion"] = 99
    with pytest.raises(ProjectError, match="newer Underbrush"):
        read_project(b.done())


def test_a_forest_of_more_classes_than_the_project_has_is_not_used(build) -> None:
    leaf = 0x40000000
    b = build()
    b.classes(["only"])
    b.forest([([2, 2, leaf, 0], [5.0, 0.5, 0.5])])
    p = read_project(b.done())
    assert (p.forest, p.classifier.parts) == (None, ())
    assert "knows class 2 but the project has 1; it will be trained anew" in p.problems[0]


def test_a_damaged_forest_does_not_keep_a_project_from_opening(build) -> None:
    b = build()
    b.lane(axisorder="yx", shape=(9, 9))
    b.labels(("[5:7,1:4,0:1]", ONE[..., None]))
    b.forest([([2, 2, 0, 0, 2, 2, 0], [1.0, 0.5])])  # a node that is its own child
    p = read_project(b.done())
    assert p.forest is None
    assert p.lanes[0].label_counts == {1: 2, 2: 1}
    assert "two links lead to the same node" in p.problems[0]


def test_links_to_other_files_are_not_followed(build, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["names"] = [b"secret"]
        file["version"] = "1.4.0"
    b = build()
    del b.file["PixelClassification/LabelNames"]
    b.file["PixelClassification/LabelNames"] = h5py.ExternalLink("secret.h5", "/names")
    assert "secret" not in [c.name for c in read_project(b.done()).classes]


def test_a_dataset_that_claims_more_than_the_file_holds_is_not_believed(build) -> None:
    b = build()
    b.lane(axisorder="yx", shape=(9, 9))
    group = b.labels(("[5:7,1:4,0:1]", ONE[..., None]))
    group.create_dataset("block0001", (1 << 20, 1 << 20, 1), np.uint8, chunks=(1024, 1024, 1))
    group["block0001"].attrs["blockSlice"] = "[0:1048576,0:1048576,0:1]"
    p = read_project(b.done())
    assert p.lanes[0].label_counts == {1: 2, 2: 1}
    assert "more than the file can hold" in p.problems[0]
