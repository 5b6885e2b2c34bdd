"""Every real project file says what its table says."""

from __future__ import annotations

import json
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from underbrush.core.geometry import to_internal
from underbrush.core.labels import paint
from underbrush.errors import ProjectError
from underbrush.project.read import read_project
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Project

TWO = ("Label 1", "Label 2")
IMC = ("Nuclei", "Cytoplasm", "Background")
STRIPES = ("Nucleus", "Cytoplasm", "Background")
S7, S6 = (0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0), (0.7, 1.0, 1.6, 3.5, 5.0, 10.0)

# file: version, classes, label pixels over all lanes, sub-forests / trees / columns,
#       number of lanes, axes and shape of the first, images found beside the project
TABLE = {
    "ilp/ilastik_api_2d/PixelClass.ilp":
        ("1.4.1b15", TWO, {1: 79, 2: 78}, (8, 100, 25), 1, "yxc", (128, 128, 1), True),
    "ilp/ilastik_api_3d/PixelClass3D.ilp":
        ("1.4.1b15", TWO, {1: 38, 2: 22}, (10, 100, 11), 1, "zyxc", (64, 64, 64, 1), True),
    "ilp/ilastik_api_noclassifier/PixelClassNoClassifier.ilp":
        ("1.4.1b15", TWO, {}, None, 1, "yxc", (128, 128, 1), True),
    "ilp/ilastik_2d_v122/PixelClassification2d.ilp":
        ("1.2.2rc4", TWO, {1: 234, 2: 232}, (8, 100, 28), 1, "yx", None, True),
    "ilp/ilastik_5t2d2c_v122/PixelClassification5t2d2c.ilp":
        ("1.2.2rc4", TWO, {1: 25, 2: 42}, (8, 100, 46), 1, "tyxc", None, True),
    "ilp/mitocheck_v120/mitocheckPixelClassification.ilp":
        ("1.2.0rc10", TWO, {1: 74, 2: 39}, (40, 100, 49), 1, "txyzc", None, True),
    "ilp/webilastik_rgb_v140/webilastik_TrainedPixelClassification.ilp":
        ("1.4.0b28.dev14+gb5bb2750d", TWO, {1: 3, 2: 3}, (8, 100, 24), 1, "yxc", (520, 697, 3), True),
    "ilp/bodenmiller_hubmap_11ch_v132/bodenmiller_imcseg_HubMAP_20191211.ilp":
        ("1.3.2post1", IMC, {1: 1021, 2: 1308, 3: 645}, (8, 100, 539), 11, "yxc", (500, 500, 11), False),
    "ilp/steinbock_template_v133/steinbock_pixel_classifier_a.ilp":
        ("1.3.3post3", STRIPES, {}, None, 0, None, None, True),
    "ilp/pyilastik_multiim_v132/ilastik-multiim-1.3.2.ilp":
        ("1.3.2post1", TWO, {1: 160, 2: 43}, None, 3, "zcyx", (3, 2, 23, 20), True),
    "ilp/pyilastik_z2c4_v133/x15_y10_z2_c4_classes2_ilastik1.3.3.ilp":
        ("1.3.3post2", TWO, {1: 5, 2: 4}, None, 1, "zcyx", (2, 4, 10, 15), True),
    "ilp/pyilastik_502x251x5_v130/x502_y251_z5_c1_classes2.ilp":
        ("1.3.0", TWO, {1: 41, 2: 13}, None, 1, "zyx", None, True),
    "golden/gray2d_2c/gray2d_2c.ilp":
        ("1.4.2b1.dev0", ("background", "nucleus"), {1: 637, 2: 408}, (2, 100, 49), 1, "yx",
         (260, 300), True),
    "golden/rgb2d_3c/rgb2d_3c.ilp":
        ("1.4.2b1.dev0", ("stroma", "nuclei", "DAB"), {1: 174, 2: 146, 3: 165}, (2, 100, 147), 1, "yxc",
         (240, 280, 3), True),
    "golden/gray3d_2c/gray3d_2c.ilp":
        ("1.4.2b1.dev0", ("background", "nucleus"), {1: 164, 2: 156}, (2, 100, 59), 1, "zyx",
         (31, 61, 57), True),
    "golden/tyx_2c/tyx_2c.ilp":
        ("1.4.2b1.dev0", ("background", "cell"), {1: 280, 2: 179}, (2, 100, 49), 1, "tyx",
         (9, 105, 99), True),
}  # fmt: skip

SELECTED = {
    "ilp/ilastik_api_2d/PixelClass.ilp": "1010101 0101010 0101010 0101010 0010101 0010101",
    "ilp/ilastik_api_3d/PixelClass3D.ilp": "1000010 0001000 0001000 0001000 0000100 0000100",
    "ilp/ilastik_api_noclassifier/PixelClassNoClassifier.ilp":
        "1111000 0111000 0111000 0111000 0111000 0111000",
    "ilp/ilastik_2d_v122/PixelClassification2d.ilp": "1111111 0010101 0010101 0010101 0101010 0101010",
    "ilp/ilastik_5t2d2c_v122/PixelClassification5t2d2c.ilp":
        "1111110 0101010 0101010 0101010 0010100 0010100",
    "ilp/webilastik_rgb_v140/webilastik_TrainedPixelClassification.ilp":
        "1000000 0100000 0010000 0001000 0000100 0000010",
    "ilp/pyilastik_multiim_v132/ilastik-multiim-1.3.2.ilp":
        "1000000 0000000 0000000 0000000 0000000 0000000",
    "golden/gray3d_2c/gray3d_2c.ilp": "1111111 0111111 0111111 0111111 0111111 0111111",
}  # fmt: skip


@pytest.fixture(scope="module")
def projects(data: Path) -> dict[str, Project]:
    return {name: read_project(data / name) for name in TABLE}


def test_the_table_holds_every_file(data: Path) -> None:
    found = {str(p.relative_to(data)) for p in (*data.glob("ilp/*/*.ilp"), *data.glob("golden/*/*.ilp"))}
    assert found - set(TABLE) == {"ilp/pyilastik_v05/ilastik-0.5.ilp"}


@pytest.mark.parametrize("name", TABLE)
def test_a_real_project_says_what_its_table_says(projects: dict[str, Project], name: str) -> None:
    version, classes, pixels, forest, n_lanes, axes, shape, found = TABLE[name]
    p = projects[name]
    assert p.problems == ()
    assert (p.version, p.workflow) == (version, "Pixel Classification")
    assert tuple(c.name for c in p.classes) == classes
    total: dict[int, int] = {}
    for lane in p.lanes:
        for k, n in lane.label_counts.items():
            total[k] = total.get(k, 0) + n
    assert total == pixels
    if forest is None:
        assert p.forest is None
    else:
        assert p.forest is not None
        assert (len(p.classifier.parts), p.forest.n_trees, p.forest.n_features) == forest
        assert p.forest.classes.tolist() == list(range(1, len(classes) + 1))
        assert len(p.classifier.feature_names) == p.forest.n_features
    assert len(p.lanes) == n_lanes
    if n_lanes:
        assert (p.lanes[0].raw.axes, p.lanes[0].raw.shape) == (axes, shape)
    for lane in p.lanes:
        where = resolve_source(lane.raw, p)
        assert (where.address is not None) == found == (not where.problem), where


@pytest.mark.parametrize("name", SELECTED)
def test_the_chosen_features(projects: dict[str, Project], name: str) -> None:
    selection = projects[name].selection
    assert selection is not None
    assert selection.scales == S7
    rows = ["".join("01"[v] for v in row) for row in selection.matrix]
    assert " ".join(rows) == SELECTED[name]


def test_2d_switches(projects: dict[str, Project]) -> None:
    def flat(name: str) -> object:
        selection = projects[name].selection
        return None if selection is None else selection.in_2d

    assert flat("golden/gray3d_2c/gray3d_2c.ilp") == (False,) * 6 + (True,)
    assert flat("golden/tyx_2c/tyx_2c.ilp") == (True,) * 7
    assert flat("ilp/pyilastik_multiim_v132/ilastik-multiim-1.3.2.ilp") == (True,) + (False,) * 6
    assert flat("ilp/ilastik_2d_v122/PixelClassification2d.ilp") is None


@pytest.mark.parametrize("name", [n for n in TABLE if TABLE[n][3] is not None])
def test_feature_names_are_those_of_the_selection(projects: dict[str, Project], name: str) -> None:
    p = projects[name]
    assert p.selection is not None
    raw = p.lanes[0].raw
    axes = raw.axes or ""
    channels = {"tyxc": 2, "txyzc": 1}.get(axes) or (raw.shape5 or (1,) * 5)[1]
    volume = axes.startswith("z")
    names = p.selection.names(channels, volume)
    if p.version.startswith("1.2"):
        names = tuple(n.replace(" in 2D", "") for n in names)  # the suffix came with 1.3.2
    assert p.classifier.feature_names == names


@pytest.mark.parametrize("case", ["gray2d_2c", "rgb2d_3c", "gray3d_2c", "tyx_2c"])
def test_strokes_lie_where_ilastik_exports_them(data: Path, projects: dict[str, Project], case: str) -> None:
    with h5py.File(data / "golden" / case / "exports" / "train_Labels.h5") as file:
        exported = file["exported_data"]
        axes = "".join(e["key"] for e in json.loads(exported.attrs["axistags"])["axes"])
        truth = to_internal(exported[()], axes)
    lane = projects[f"golden/{case}/{case}.ilp"].lanes[0]
    assert np.array_equal(paint(lane.labels, truth.shape), truth)


def test_known_strokes_of_a_tiny_project(projects: dict[str, Project]) -> None:
    lane = projects["ilp/pyilastik_z2c4_v133/x15_y10_z2_c4_classes2_ilastik1.3.3.ilp"].lanes[0]
    whole = paint(lane.labels, (1, 1, 2, 10, 15))
    zxy = {k: [(z, x, y) for _, _, z, y, x in np.argwhere(whole == k).tolist()] for k in (1, 2)}
    assert sorted(zxy[1]) == [(0, 2, 1), (0, 3, 1), (0, 8, 6), (0, 9, 6), (1, 4, 3)]
    assert sorted(zxy[2]) == [(0, 2, 2), (0, 3, 2), (0, 8, 7), (0, 9, 7)]


def test_known_strokes_across_blocks(projects: dict[str, Project]) -> None:
    lane = projects["ilp/pyilastik_502x251x5_v130/x502_y251_z5_c1_classes2.ilp"].lanes[0]
    expected = np.zeros((1, 1, 5, 251, 502), np.uint8)
    expected[0, 0, 0:2, 4:8, 2:5] = 1
    expected[0, 0, 0, 94:96, 159:163] = 1
    expected[0, 0, 0, 242:245, 481:484] = 1
    expected[0, 0, 0, 96:100, 159:161] = 2
    expected[0, 0, 0, 243, 485:488] = expected[0, 0, 0, 242:245, 486] = 2
    assert np.array_equal(paint(lane.labels, expected.shape), expected)


def test_strokes_of_a_file_in_txyzc_order(projects: dict[str, Project]) -> None:
    lane = projects["ilp/mitocheck_v120/mitocheckPixelClassification.ilp"].lanes[0]
    boxes = {(b.box.start, b.box.stop) for b in lane.labels}
    assert ((2, 0, 0, 50, 42), (3, 1, 1, 63, 49)) in boxes  # stored as [2:3,42:49,50:63,0:1,0:1]


def test_strokes_stay_with_their_lane(projects: dict[str, Project]) -> None:
    lanes = projects["ilp/pyilastik_multiim_v132/ilastik-multiim-1.3.2.ilp"].lanes
    assert [lane.label_counts for lane in lanes] == [{1: 50, 2: 43}, {1: 110}, {}]
    assert lanes[1].labels[0].box.start == (0, 0, 1, 3, 2)  # stored in zyxc, the image is zcyx


def test_colours_and_export_settings(projects: dict[str, Project]) -> None:
    p = projects["ilp/pyilastik_multiim_v132/ilastik-multiim-1.3.2.ilp"]
    assert [c.colour for c in p.classes] == [(239, 4, 4), (9, 248, 13)]
    assert [c.probability_colour for c in p.classes] == [(241, 2, 2), (12, 249, 11)]
    e = projects["ilp/steinbock_template_v133/steinbock_pixel_classifier_a.ilp"].export
    assert (e.format, e.axes, e.dtype, e.filename) == (
        "tiff", "yxc", "uint16", "ilastik_probabilities/{nickname}.tiff",
    )  # fmt: skip
    assert (e.input_range, e.export_range) == ((0.0, 1.0), (0.0, 65535.0))


def test_ilastik_05_is_refused_with_a_way_out(data: Path) -> None:
    with pytest.raises(ProjectError, match=r"ilastik 0\.5.*open it with ilastik 1"):
        read_project(data / "ilp" / "pyilastik_v05" / "ilastik-0.5.ilp")


def test_a_copy_cut_short_is_said_to_be(data: Path) -> None:
    with pytest.raises(ProjectError, match="cut short"):
        read_project(data / "formats" / "bad_truncated.ilp")


def test_the_largest_forest_opens_within_a_second(data: Path) -> None:
    start = time.perf_counter()
    p = read_project(data / "ilp/bodenmiller_hubmap_11ch_v132/bodenmiller_imcseg_HubMAP_20191211.ilp")
    assert p.forest is not None
    assert time.perf_counter() - start < 2  # 0.2 s on an idle core
