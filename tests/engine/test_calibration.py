"""The size of a pixel that a person says is that of the picture, of results, and of the command line."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import tifffile

from session_scenes import both_classes, new_project, wait_for
from underbrush.cli.main import run
from underbrush.engine.batch import Limits
from underbrush.engine.calibration import LaneSizes
from underbrush.engine.export_wish import Wish
from underbrush.engine.exporting import Exporter
from underbrush.engine.session import Session
from underbrush.project.commands import EditLane, SetAxes, Undo, command_from_json
from underbrush.project.read import read_project
from underbrush.sources.opening import open_image
from underbrush.web.state import state_of

SAID = {"x": (0.5, "µm"), "y": (0.5, "µm")}


def said_size(address):
    with open_image(str(address)) as image:
        return {a: (round(s, 6), unit) for a, (s, unit) in image.pixel_size.items()}


def test_a_size_is_kept_undone_and_replayed_from_the_journal(tmp_path):
    file = new_project(tmp_path)
    sizes = {a: [0.5, "µm"] for a in "xy"}
    command = command_from_json({"type": "edit_lane", "id": "a1", "pixel_size": sizes})
    with Session.open(file, idle=1e9) as session:
        key = session.document.training_key
        assert dict(session.image("a1").pixel_size) == {}
        session.apply("tab", 1, command)
        image = session.image("a1")
        assert dict(image.pixel_size) == SAID
        assert session.document.training_key == key
        assert state_of("p", session, "tab")["lanes"][0]["pixel_size"] == sizes
        # Who has no lock reads the recovery file: the program that is killed now loses nothing.
        with Session.open(file, read_only=True) as other:
            assert dict(other.image("a1").pixel_size) == SAID
        session.apply("tab", 2, Undo())
        assert dict(session.image("a1").pixel_size) == {}
        session.apply("tab", 3, EditLane("a1", pixel_size={"x": (250.0, "nm"), "y": (0.5, "µm")}))
    lane = read_project(file).lanes[0]
    assert dict(lane.raw.pixel_size) == {"x": (250.0, "nm"), "y": (0.5, "µm")}
    with Session.open(file, idle=1e9) as session:
        # Turned round, the sizes go with the stored axes.
        session.apply("tab", session.last_number("tab") + 1, SetAxes("a1", "xy"))
        assert dict(session.image("a1").pixel_size) == {"y": (250.0, "nm"), "x": (0.5, "µm")}
        session.apply("tab", session.last_number("tab") + 1, EditLane("a1", pixel_size={}))
        assert dict(session.image("a1").pixel_size) == {}


def test_what_is_exported_and_what_the_command_line_writes_have_the_size(tmp_path, capsys):
    file = new_project(tmp_path, images=2)
    with Session.open(file, threads=2, idle=1e9) as session:
        session.set_live(True)
        number = both_classes(session)
        wait_for(lambda: session.training.state == "done" and session.project().forest is not None)
        session.apply("tab", number, EditLane("a1", pixel_size=SAID))
        exporter = Exporter(session, Limits(2, 2_000_000_000))
        wish = Wish(result="segmentation", format="tiff")
        assert exporter.look(wish, "a1")["pixel_size"] == {"x": [0.5, "µm"], "y": [0.5, "µm"]}
        exporter.export(wish, ["a1", "a2"])
        assert exporter.wait(120)
        rows = exporter.state()["export"]["rows"]
        written = [row["output"] for row in rows]
        exporter.close()
    assert [said_size(one) for one in written] == [SAID, {}]
    out = tmp_path / "by_command.tif"
    options = ["--format", "tiff", "--output", str(out), "--no-progress"]
    assert run(["predict", str(file), str(tmp_path / "image0.tif"), *options]) == 0
    assert said_size(out) == SAID
    assert np.array_equal(tifffile.imread(out), tifffile.imread(written[0]))
    capsys.readouterr()
    assert run(["info", str(file), "--json"]) == 0
    lanes = json.loads(capsys.readouterr().out)["lanes"]
    assert [lane["pixel_size"] for lane in lanes] == [{"x": [0.5, "µm"], "y": [0.5, "µm"]}, {}]


def test_only_the_image_itself_has_the_size_also_where_its_name_is_found_elsewhere(tmp_path):
    file = new_project(tmp_path)
    project = read_project(file)
    lane = project.lanes[0]
    sized = replace(project, lanes=(replace(lane, raw=replace(lane.raw, pixel_size=SAID)),))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "image0.tif").write_bytes((tmp_path / "image0.tif").read_bytes())
    (tmp_path / "link.tif").symlink_to(tmp_path / "image0.tif")
    found = {}
    for sizes in (LaneSizes(sized), pickle.loads(pickle.dumps(LaneSizes(sized)))):
        for name in ("image0.tif", "other/image0.tif", "other/../image0.tif"):
            with open_image(str(tmp_path / name)) as image:
                found[name] = dict(sizes.of(image))
            with open_image(str(tmp_path / name), "xy") as image:
                assert dict(sizes.of(image)) == {}
        assert found == {"image0.tif": SAID, "other/image0.tif": {}, "other/../image0.tif": SAID}
