"""Step 1: axes in doubt are asked once for a kind, links mended for a folder, masks and sequences added."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from sources.image_server import ImageServer
from underbrush.core.runs import Runs
from underbrush.engine.new_project import write_new_project
from underbrush.engine.session import Session
from underbrush.errors import MismatchError, SeveralImagesError, UnderbrushError, UsageError
from underbrush.project.commands import Paint, RemoveLane, SetAxes, Undo, command_from_json
from underbrush.project.paths import linked_source
from underbrush.web.panels.image_acts import acted, adding, masking, moved, replacing, sequencing
from underbrush.web.panels.image_choices import image_choices, level_choices
from underbrush.web.panels.image_facts import ImageFacts
from underbrush.web.state import state_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    for name in ("stack_a", "stack_b"):
        np.save(data / f"{name}.npy", rng.integers(0, 255, (16, 24, 32), np.uint8))
    return tmp_path


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    project = folder / "p.ilp"
    write_new_project(project, [str(folder / "data" / f"stack_{k}.npy") for k in "ab"])
    with Session.open(project, idle=1e9) as opened:
        yield opened


def send(session: Session, commands: list[dict]) -> None:
    for said in commands:
        session.apply("tab", session.last_number("tab") + 1, command_from_json(said))


def test_files_of_a_kind_that_do_not_say_their_axes_are_asked_about_once(session: Session) -> None:
    (question,) = ImageFacts(session).read()["ImageTable"]["questions"]
    assert question["title"] == "16 planes: slices, time points or channels?"
    assert question["lanes"] == list(session.document.lane_order)
    assert "stack_a.npy" in question["detail"] and "stack_b.npy" in question["detail"]
    assert [way["axes"] for way in question["options"]] == ["zyx", "tyx", "cyx"]
    assert question["options"][0]["text"] == "Slices (z)"


def test_who_answered_or_painted_is_not_asked_again(session: Session) -> None:
    facts = ImageFacts(session)
    first, second = session.document.lane_order
    session.apply("tab", 1, SetAxes(first, "tyx"))
    (question,) = facts.read()["ImageTable"]["questions"]
    assert question["lanes"] == [second] and "stack_a" not in question["detail"]
    session.apply("tab", 2, Paint(second, Runs.from_array([0, 2, 5, 4, 6]), 1))
    assert facts.read()["ImageTable"]["questions"] == []


def test_axes_changed_and_changed_back_bring_the_strokes_back_and_say_so(session: Session) -> None:
    lane = session.document.lane_order[0]
    session.apply("tab", 1, Paint(lane, Runs.from_array([0, 15, 5, 4, 6]), 1))
    before = session.labels(lane).counts
    there = session.apply("tab", 2, SetAxes(lane, "cyx"))
    facts = ImageFacts(session).read()["ImageTable"]["facts"][lane]
    waiting = 6 - sum(session.labels(lane).counts.values())
    assert facts["parked"] == waiting and bool(there.notices) == bool(waiting)
    session.apply("tab", 3, SetAxes(lane, "zyx"))
    assert session.labels(lane).counts == before
    assert ImageFacts(session).read()["ImageTable"]["facts"][lane]["parked"] == 0


def test_images_unlike_the_others_are_warned_of(session: Session, folder: Path) -> None:
    tifffile.imwrite(folder / "flat.tif", np.zeros((20, 30, 3), np.uint8), photometric="rgb")
    send(session, adding([str(folder / "flat.tif")], folder))
    added = session.document.lane_order[-1]
    shown = ImageFacts(session).read()["ImageTable"]["facts"][added]
    assert [w[0] for w in shown["warnings"]][:2] == ["3 channels", "flat"]
    assert shown["storage"] == "relative" and shown["size"] > 1000 and shown["level"] == "full"


def test_a_folder_that_moved_is_mended_for_all_its_images(session: Session, folder: Path) -> None:
    first, second = session.document.lane_order
    send(session, acted(session, {"name": "link", "lanes": [first, second], "relative": False}, [])[0])
    (folder / "away").mkdir()
    (folder / "data").rename(folder / "away" / "images")
    commands, said = acted(
        session, {"name": "repair", "lanes": [second]}, [str(folder / "away" / "images" / "stack_b.npy")]
    )
    send(session, commands)
    assert said == "2 found again."
    assert session.image(first).shape5 == (1, 1, 16, 24, 32) == session.image(second).shape5
    assert session.document.lanes[first].raw.stored == "away/images/stack_a.npy"


def test_another_image_is_not_taken_for_the_missing_one(session: Session, folder: Path) -> None:
    first = session.document.lane_order[0]
    for name in ("stack_a", "stack_b"):
        (folder / "data" / f"{name}.npy").unlink()
    np.save(folder / "stack_a.npz.npy", np.zeros((2, 5, 6), np.uint8))
    with pytest.raises(MismatchError, match="shape"):
        acted(session, {"name": "repair", "lanes": [first]}, [str(folder / "stack_a.npz.npy")])
    with pytest.raises(UsageError, match="not missing"):
        np.save(folder / "data" / "stack_a.npy", np.zeros((16, 24, 32), np.uint8))
        acted(session, {"name": "repair", "lanes": [first]}, [str(folder / "data" / "stack_a.npy")])


@pytest.mark.parametrize(
    ("old", "now", "other", "there"),
    [
        ("/a/b/1.tif", "/x/b/1.tif", "/a/b/c/2.tif", "/x/b/c/2.tif"),
        ("/a/b/1.tif", "/x/1.tif", "/a/b/2.tif", "/x/2.tif"),
        ("/a/b/1.tif", "/x/y/1.tif", "/q/b/2.tif", None),
        ("/a/b/1.tif", "/x/new.tif", "/a/b/2.tif", "/x/2.tif"),
        ("C:\\d\\b\\1.tif", "/mnt/b/1.tif", "C:\\d\\c\\2.tif", "/mnt/c/2.tif"),
        ("/a/b/1.tif#series=1", "/x/b/1.tif", "/a/b/2.tif#series=3", "/x/b/2.tif"),
    ],
)
def test_where_an_image_went_follows_from_where_its_neighbour_went(
    old: str, now: str, other: str, there: str | None
) -> None:
    assert moved(linked_source(old), now, linked_source(other)) == there


def test_links_become_absolute_and_relative_and_the_strokes_stay(session: Session, folder: Path) -> None:
    lane = session.document.lane_order[0]
    session.apply("tab", 1, Paint(lane, Runs.from_array([0, 15, 5, 4, 6]), 1))
    for relative, stored in ((False, str(folder / "data" / "stack_a.npy")), (True, "data/stack_a.npy")):
        commands, _ = acted(session, {"name": "link", "lanes": [lane], "relative": relative}, [])
        send(session, commands)
        assert session.document.lanes[lane].raw.stored == stored
        assert session.labels(lane).counts == {1: 6}
    assert (
        acted(session, {"name": "link", "lanes": [lane], "relative": True}, [])[1]
        == "The links are so already."
    )


def test_files_become_slices_times_or_channels_of_one_image(session: Session, folder: Path) -> None:
    files = [str(folder / f"cell_{n:02}.tif") for n in range(3)]
    for n, file in enumerate(files):
        tifffile.imwrite(file, np.full((20, 30), n, np.uint8))
    for axis, shape in (("z", (1, 1, 3, 20, 30)), ("t", (3, 1, 1, 20, 30)), ("c", (1, 3, 1, 20, 30))):
        send(session, sequencing(files, axis))
        lane = session.document.lane_order[-1]
        image = session.image(lane)
        assert image.shape5 == shape and np.unique(image.read()).tolist() == [0, 1, 2]
        assert session.document.lanes[lane].nickname.startswith("cell")
        assert state_of("abcdefgh", session, "tab")["lanes"][-1]["missing"] is None
        session.apply("tab", session.last_number("tab") + 1, RemoveLane(lane))
    with pytest.raises(UsageError, match="several"):
        sequencing(files[:1], "z")
    with pytest.raises(UsageError, match="already"):
        sequencing([str(folder / "data" / f"stack_{k}.npy") for k in "ab"], "z")


def test_masks_are_paired_in_order_and_of_the_size_of_their_image(session: Session, folder: Path) -> None:
    lanes = list(session.document.lane_order)
    masks = [str(folder / f"m{n}.npy") for n in range(2)]
    for mask in masks:
        np.save(mask, np.ones((16, 24, 32), np.uint8))
    send(session, masking(session, lanes, masks))
    facts = ImageFacts(session).read()["ImageProperties"]["facts"]
    assert [facts[lane]["mask"] for lane in lanes] == ["m0", "m1"]
    with pytest.raises(UsageError, match="2 masks were chosen for 1 images"):
        masking(session, lanes[:1], masks)
    np.save(masks[0], np.ones((3, 4), np.uint8))
    with pytest.raises(UnderbrushError, match="mask"):
        send(session, masking(session, lanes[:1], masks[:1]))


def test_replacing_keeps_strokes_that_fit(session: Session, folder: Path) -> None:
    lane = session.document.lane_order[0]
    session.apply("tab", 1, Paint(lane, Runs.from_array([0, 2, 5, 4, 6, 0, 15, 5, 4, 6]), 1))
    np.save(folder / "small.npy", np.zeros((8, 24, 32), np.uint8))
    send(session, replacing(session, lane, str(folder / "small.npy")))
    assert session.labels(lane).counts == {1: 6}
    send(session, replacing(session, lane, str(folder / "data" / "stack_a.npy")))
    assert session.labels(lane).counts == {1: 12}


def test_a_file_of_an_answered_kind_is_added_with_the_same_axes(session: Session, folder: Path) -> None:
    first, _ = session.document.lane_order
    session.apply("tab", 1, SetAxes(first, "tyx"))
    np.save(folder / "data" / "stack_c.npy", np.zeros((16, 24, 32), np.uint8))
    np.save(folder / "data" / "other.npy", np.zeros((5, 24, 32), np.uint8))
    facts = ImageFacts(session)
    facts.read()
    paths = [str(folder / "data" / name) for name in ("stack_c.npy", "other.npy")]
    send(session, adding(paths, folder, facts.answers()))
    *_, same, other = session.document.lane_order
    assert session.document.lanes[same].raw.axes == "tyx" and session.image(same).shape5 == (16, 1, 1, 24, 32)
    assert session.document.lanes[other].raw.axes == "zyx", "another number of planes is another question"
    asked = [lane for question in facts.read()["ImageTable"]["questions"] for lane in question["lanes"]]
    assert same not in asked and other in asked


def test_a_level_of_a_pyramid_is_chosen_and_refused_where_strokes_would_lie_elsewhere(folder: Path) -> None:
    with tifffile.TiffWriter(folder / "levels.tif") as out:
        out.write(np.zeros((256, 512), np.uint8), subifds=1, tile=(64, 64), photometric="minisblack")
        out.write(np.zeros((128, 256), np.uint8), subfiletype=1, tile=(64, 64), photometric="minisblack")
    write_new_project(folder / "q.ilp", [str(folder / "levels.tif")])
    with Session.open(folder / "q.ilp", idle=1e9) as session:
        (lane,) = session.document.lane_order
        facts = ImageFacts(session)
        said = facts.read()["ImageTable"]["facts"][lane]
        assert said["level"] == "full of 2"
        assert [(row["text"], row["on"]) for row in said["levels"]] == [
            ("0: 256 × 512", True), ("1: 128 × 256", False),
        ]  # fmt: skip
        for level, shape, words in ((1, (128, 256), "1 of 0 to 1"), (0, (256, 512), "full of 2")):
            commands, _ = acted(session, {"name": "level", "lanes": [lane], "level": level}, [])
            send(session, commands)
            assert session.image(lane).shape5[3:] == shape
            said = facts.read()["ImageTable"]["facts"][lane]
            assert said["level"] == words and [row["on"] for row in said["levels"]].index(True) == level
        with pytest.raises(UnderbrushError, match="level 2"):
            acted(session, {"name": "level", "lanes": [lane], "level": 2}, [])
        session.apply("tab", session.last_number("tab") + 1, Paint(lane, Runs.from_array([0, 0, 5, 4, 6]), 1))
        with pytest.raises(UsageError, match="has strokes, which would lie elsewhere"):
            acted(session, {"name": "level", "lanes": [lane], "level": 1}, [])


def test_levels_of_zarr_have_names_and_are_chosen_by_number(folder: Path) -> None:
    group = zarr.open_group(folder / "p.zarr", mode="w", zarr_format=2)
    sets = []
    for at, side in enumerate((64, 32, 16)):
        group.create_array(f"s{at}", data=np.zeros((side, side), np.uint8))
        scale = [{"type": "scale", "scale": [2.0**at, 2.0**at]}]
        sets.append({"path": f"s{at}", "coordinateTransformations": scale})
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": sets}]
    write_new_project(folder / "q.ilp", [str(folder / "p.zarr")])
    with Session.open(folder / "q.ilp", idle=1e9) as session:
        (lane,) = session.document.lane_order
        commands, _ = acted(session, {"name": "level", "lanes": [lane], "level": 2}, [])
        send(session, commands)
        raw = session.document.lanes[lane].raw
        assert raw.level == "s2" and session.image(lane).shape5[3:] == (16, 16)
        assert raw.pixel_size["x"][0] == 4.0
        said = ImageFacts(session).read()["ImageTable"]["facts"][lane]
        assert said["level"] == "2 of 0 to 2" and [row["on"] for row in said["levels"]] == [
            False,
            False,
            True,
        ]


def test_levels_of_a_pyramid_on_the_net_are_shown_before_it_is_added(folder: Path) -> None:
    group = zarr.open_group(folder / "levels.zarr", mode="w", zarr_format=2)
    sets = []
    for at, side in enumerate((128, 64, 32)):
        group.create_array(f"s{at}", data=np.zeros((side, side), np.uint16))
        scale = [{"type": "scale", "scale": [2.0**at, 2.0**at]}]
        sets.append({"path": f"s{at}", "coordinateTransformations": scale})
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": sets}]
    zarr.save_array(folder / "plain.zarr", np.zeros((8, 8), np.uint8))
    with ImageServer(folder) as server:
        address = f"{server.url}/levels.zarr"
        said = level_choices(address, {"name": "add", "paths": [address]})
        assert said is not None and said["title"] == "Which resolution of levels.zarr?"
        assert [(row["shape"], row["bytes"], row["dtype"]) for row in said["rows"]] == [
            ([128, 128], 32768, "uint16"),
            ([64, 64], 8192, "uint16"),
            ([32, 32], 2048, "uint16"),
        ]
        assert said["first"] == address and said["wanted"]["levelled"] is True
        for row in said["rows"]:
            (command,) = adding([row["address"]], folder)
            assert command["source"]["shape"] == row["shape"]
        assert level_choices(f"{address}#level=1", {}) is None, "who names a level is not asked"
        assert level_choices(f"{server.url}/plain.zarr", {}) is None
        assert level_choices(f"{server.url}/none.zarr", {}) is None


def test_a_dataset_of_a_file_is_named_with_its_file_to_choose_another(folder: Path) -> None:
    with h5py.File(folder / "two.h5", "w") as file:
        file["raw"], file["more"] = np.zeros((20, 30), np.uint8), np.ones((20, 30), np.uint8)
    write_new_project(folder / "q.ilp", [str(folder / "two.h5") + "/raw"])
    with Session.open(folder / "q.ilp", idle=1e9) as session:
        (lane,) = session.document.lane_order
        said = ImageFacts(session).read()["ImageTable"]["facts"][lane]
        assert (said["inner"], said["container"]) == ("raw", str(folder / "two.h5"))
        with pytest.raises(SeveralImagesError):
            acted(session, {"name": "replace", "lanes": [lane]}, [said["container"]])
        commands, _ = acted(session, {"name": "replace", "lanes": [lane]}, [f"{said['container']}/more"])
        send(session, commands)
        assert session.image(lane).read().max() == 1


def two_series(path: Path) -> str:
    with tifffile.TiffWriter(path) as file:
        for name in ("liver", "kidney"):
            values = np.full((16, 20), len(name), np.uint16)
            file.write(values, photometric="minisblack", metadata={"axes": "YX", "Name": name})
        file.write(np.zeros((4, 5), np.uint16), photometric="minisblack", metadata={"axes": "YX"})
    return str(path)


def test_of_several_images_in_a_file_the_window_asks_which(folder: Path) -> None:
    file = two_series(folder / "two.ome.tif")
    write_new_project(folder / "first.ilp", [file])
    with pytest.raises(SeveralImagesError) as several:
        write_new_project(folder / "q.ilp", [file], ask=True)
    with pytest.raises(SeveralImagesError):
        adding([file], folder)
    data = image_choices(several.value, {"name": "open", "paths": [file]})
    assert [row["name"] for row in data["rows"]][:2] == ["liver", "kidney"]
    assert data["rows"][1]["address"] == f"{file}#series=1" and data["rows"][1]["shape"] == [16, 20]
    (command,) = adding([data["rows"][1]["address"]], folder)
    assert command["source"]["stored"] == "two.ome.tif#series=1"


def test_a_missing_image_is_found_again_as_the_one_of_its_file_that_it_was(folder: Path) -> None:
    files = [two_series(folder / "data" / f"{k}.ome.tif") for k in "ab"]
    write_new_project(folder / "q.ilp", [f"{file}#series=1" for file in files])
    (folder / "away").mkdir()
    for k in "ab":
        (folder / "data" / f"{k}.ome.tif").rename(folder / "away" / f"{k}.ome.tif")
    with Session.open(folder / "q.ilp", idle=1e9) as session:
        lanes = session.document.lane_order
        commands, said = acted(
            session, {"name": "repair", "lanes": [lanes[0]]}, [str(folder / "away" / "a.ome.tif")]
        )
        assert said == "2 found again."
        send(session, commands)
        assert [session.image(lane).read().max() for lane in lanes] == [len("kidney")] * 2


def test_a_thumbnail_beside_an_image_is_not_asked_about(folder: Path) -> None:
    with tifffile.TiffWriter(folder / "slide.tif") as file:
        for size in ((160, 200), (16, 20), (30, 10)):
            file.write(np.zeros(size, np.uint8), photometric="minisblack")
    (command,) = adding([str(folder / "slide.tif")], folder)
    assert command["source"]["stored"] == "slide.tif"


def test_where_slices_lie_far_apart_it_is_asked_whether_features_are_2d(session: Session) -> None:
    facts = ImageFacts(session)

    def asked() -> list[dict]:
        return [one for one in facts.read()["ImageTable"]["questions"] if one.get("flat")]

    assert asked() == []
    for lane in session.document.lane_order:
        sizes = {"x": (500.0, "nm"), "y": (500.0, "nm"), "z": (3.0, "µm")}
        send(session, [{"type": "edit_lane", "id": lane, "pixel_size": sizes}])
    (question,) = asked()
    assert question["title"] == "Slices lie 6 times farther apart than pixels: features in 2D?"
    send(session, [question["options"][0]["command"]])
    selection = session.document.settings.selection
    assert selection is not None and selection.in_2d is not None and all(selection.in_2d)
    assert asked() == []
    session.apply("tab", session.last_number("tab") + 1, Undo())
    assert len(asked()) == 1
    # Who has painted has decided.
    stroke = Paint(session.document.lane_order[0], Runs.from_array([(0, 0, 2, 3, 4)]), 1)
    session.apply("tab", session.last_number("tab") + 1, stroke)
    assert asked() == []


def test_several_files_take_the_place_of_an_image_along_the_axis_that_it_has(
    session: Session, folder: Path
) -> None:
    first = session.document.lane_order[0]
    paths = []
    for n in range(3):
        paths.append(str(folder / f"frame_{n}.tif"))
        tifffile.imwrite(paths[-1], np.full((24, 32), n, np.uint8), metadata={"axes": "YX"})
    send(session, [{"type": "set_axes", "id": first, "axes": "tyx"}])
    commands, said = acted(session, {"name": "replace", "lanes": [first]}, paths)
    send(session, commands)
    assert said == "3 files are the image now."
    image = session.image(first)
    assert (image.axes, image.shape) == ("tyx", (3, 24, 32))
    assert [int(image.read()[t].max()) for t in range(3)] == [0, 1, 2]
