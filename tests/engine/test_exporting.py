"""Exports of a session: the bytes of the command line, nothing half-written, nothing overwritten unasked."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

import underbrush
from session_scenes import LIMITS, blobs, both_classes, new_project, wait_for
from underbrush import files
from underbrush.core.geometry import Box
from underbrush.engine import export_run
from underbrush.engine.export_wish import Wish, settings_of, wish_from_json, wish_of
from underbrush.engine.exporting import Exporter, paired
from underbrush.engine.own import TRAINED
from underbrush.engine.session import Session
from underbrush.errors import CommandError, UsageError
from underbrush.project.commands import FreezeClassifier, SetExport
from underbrush.project.read import read_project
from underbrush.project.schema import ExportSettings
from underbrush.project.write import write_project


@pytest.fixture
def session(tmp_path):
    with Session.open(new_project(tmp_path, images=2), threads=2) as session:
        session.set_live(True)
        both_classes(session)
        wait_for(lambda: session.training.state == "done")
        yield session


def run(exporter, wish, lanes=("a1", "a2")):
    exporter.export(wish, lanes)
    assert exporter.wait(240)
    return exporter.state()["export"]


def shell(command):
    """Run it as a person would who pastes it, with this environment's programs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_export_is_that_of_the_copied_command_and_python(session, exporter, tmp_path):
    job = run(exporter, Wish())
    assert job["state"] == "done", job
    folder = tmp_path / "p_results"
    files = [folder / f"image{n}_segmentation.tif" for n in range(2)]
    assert [row["output"] for row in job["rows"]] == [str(f) for f in files]
    assert [row["state"] for row in job["rows"]] == ["done", "done"]
    assert set(np.unique(tifffile.imread(files[0]))) == {1, 2}
    before = [f.read_bytes() for f in files]
    texts = exporter.texts(Wish(), "export", ["a1", "a2"])
    for f in files:
        f.unlink()
    shell(texts["command"])
    assert [f.read_bytes() for f in files] == before
    for f in files:
        f.unlink()
    exec(texts["python"], {})
    assert [f.read_bytes() for f in files] == before
    said = texts["methods"]
    assert "2 strokes" in said and "100 trees" in said and "seed 0" in said and underbrush.__version__ in said


def recorded(folder):
    return json.loads((folder / "run.json").read_text())["runs"]


def test_run_json_says_what_it_was_made_with(session, exporter, tmp_path):
    run(exporter, Wish(), ["a1"])
    (first,) = recorded(tmp_path / "p_results")
    assert first["strokes"] == {"strokes": 2, "pixels": 52, "images": 1}
    assert first["seed"] == 0 and first["trees"] == 100 and first["features"]["scales"] == [0.7, 1.6]
    assert first["recipe"] == session.lesson.recipe.key
    assert list(first["results"]) == ["image0_segmentation.tif"]
    run(exporter, Wish(result="probabilities", dtype="uint8"), ["a1"])
    run(exporter, Wish(existing="replace"), ["a1", "a2"])
    runs = {r["wish"]["result"]: r for r in recorded(tmp_path / "p_results")}
    assert set(runs["segmentation"]["results"]) == {"image0_segmentation.tif", "image1_segmentation.tif"}
    assert set(runs["probabilities"]["results"]) == {"image0_probabilities.tif"}


def test_a_run_json_of_another_program_is_left_alone(exporter, tmp_path):
    folder = tmp_path / "p_results"
    folder.mkdir()
    (folder / "run.json").write_text('{"mine": 1}')
    assert run(exporter, Wish(), ["a1"])["state"] == "done"
    assert (folder / "run.json").read_text() == '{"mine": 1}'
    assert json.loads((folder / "underbrush-run.json").read_text())["runs"][0]["results"]


@pytest.mark.parametrize("result", ["probabilities", "uncertainty", "features", "objects", "labels"])
def test_every_result_in_every_way(session, exporter, tmp_path, result):
    wish = Wish(result=result, format="npy", region={"y": (8, 40), "x": (None, 50)})
    job = run(exporter, wish, ["a1"])
    assert job["state"] == "done", job
    values = np.load(tmp_path / "p_results" / f"image0_{result}.npy")
    assert values.shape[:2] == (32, 50)
    if result == "labels":
        want = session.labels("a1").read(Box.whole((1, 1, 1, 96, 120)))
        assert np.array_equal(values, want[0, 0, 0, 8:40, :50])
        texts = exporter.texts(wish, "export", ["a1"])
        before = (tmp_path / "p_results" / "image0_labels.npy").read_bytes()
        session.save()
        shell(texts["command"])
        assert (tmp_path / "p_results" / "image0_labels.npy").read_bytes() == before
        assert texts["python"] == ""
    if result == "objects":
        run(exporter, replace(wish, result="segmentation"), ["a1"])
        classes = np.load(tmp_path / "p_results" / "image0_segmentation.npy")
        assert values.dtype == np.uint32
        assert np.array_equal(values > 0, classes == 2)
    if result == "probabilities":
        run(exporter, replace(wish, axes="cyx", format="hdf5"), ["a1"])
        texts = exporter.texts(replace(wish, axes="cyx", format="hdf5"), "export", ["a1"])
        assert "--output-axes cyx" in texts["command"] and "output_axes='cyx'" in texts["python"]
        file = tmp_path / "p_results" / "image0_probabilities.h5"
        before = file.read_bytes()
        shell(texts["command"])
        assert file.read_bytes() == before


def test_folders_and_sequences_are_exported_recorded_and_kept(session, exporter, tmp_path):
    folder = tmp_path / "p_results"
    wish = Wish(result="probabilities", format="ome-zarr")
    seen = exporter.look(wish, "a1")
    assert (seen["refusal"], seen["exists"]) == ("", False)
    job = run(exporter, wish, ["a1"])
    assert job["state"] == "done", job
    (row,) = job["rows"]
    place = folder / "image0_probabilities.ome.zarr"
    assert row["output"] == str(place)
    assert row["bytes"] == sum(p.stat().st_size for p in place.rglob("*") if p.is_file())
    before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
    assert exporter.look(wish, "a1")["path"] == str(folder / "image0_probabilities_2.ome.zarr")
    shell(exporter.texts(wish, "export", ["a1"])["command"])
    assert {p: p.read_bytes() for p in place.rglob("*") if p.is_file()} == before
    assert run(exporter, replace(wish, existing="replace"), ["a1"])["state"] == "done"
    assert {p: p.read_bytes() for p in place.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in folder.iterdir()) == ["image0_probabilities.ome.zarr", "run.json"]
    assert list(recorded(folder)[0]["results"]) == [place.name]
    refused = exporter.look(wish, "a1")["formats"]
    assert "needs slices of two axes" in refused["png sequence"]
    assert refused["ome-zarr-0.5"] == refused["n5"] == refused["compressed n5"] == ""
    pages = Wish(format="tiff sequence", existing="cancel")
    assert "needs slices of two axes" in exporter.look(pages, "a1")["refusal"]


def test_whole_numbers_fill_their_type(exporter, tmp_path):
    run(exporter, Wish(result="probabilities", dtype="uint16"), ["a1"])
    values = tifffile.imread(tmp_path / "p_results" / "image0_probabilities.tif")
    assert values.dtype == np.uint16 and values.max() > 60000


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(format="jpg"), "jpg changes pixel values"),
        (Wish(result="probabilities", format="png"), "png holds uint8 or uint16, the result is float32"),
        (Wish(format="npy", axes="yy"), "yy"),
        (Wish(region={"y": (900, None)}), "the region y=900: is empty"),
        (Wish(pattern="{nickname}_{colour}"), "unknown placeholder {colour} in the path"),
        (Wish(pattern="sub/"), "is a folder"),
        (Wish(pattern="{dataset_dir}/{nickname}", existing="replace"), "would overwrite the input"),
        (Wish(classifier="fig 2"), "there is no classifier 'fig 2'"),
    ],
)
def test_what_cannot_be_is_refused_before_computing(session, exporter, tmp_path, wish, said):
    seen = exporter.look(wish, "a1")
    assert said in seen["refusal"], seen
    assert "--" not in seen["refusal"]
    job = run(exporter, wish, ["a1"])
    assert job["state"] == "failed"
    assert said.lower() in (job["sentence"] + job["rows"][0]["sentence"]).lower()
    assert not (tmp_path / "p_results").exists()


def test_what_is_shown_before_is_what_comes(exporter, tmp_path):
    seen = exporter.look(Wish(result="probabilities"), "a2")
    assert seen["refusal"] == "" and seen["exists"] is False
    assert seen["shape"] == [96, 120, 2] and seen["dtype"] == "float32"
    assert seen["bytes"] == 96 * 120 * 2 * 4
    assert seen["path"] == str(tmp_path / "p_results" / "image1_probabilities.tif")


def test_existing_files_are_replaced_kept_or_stop_it(exporter, tmp_path):
    folder = tmp_path / "p_results"
    folder.mkdir()
    mine = folder / "image0_segmentation.tif"
    mine.write_bytes(b"mine")
    job = run(exporter, Wish(existing="cancel"))
    assert job["state"] == "failed" and "1 file is there already" in job["sentence"]
    assert sorted(f.name for f in folder.iterdir()) == [mine.name]
    job = run(exporter, Wish(existing="keep"))
    assert [Path(r["output"]).name for r in job["rows"]] == [
        "image0_segmentation_2.tif", "image1_segmentation.tif",
    ]  # fmt: skip
    assert mine.read_bytes() == b"mine"
    texts = exporter.texts(Wish(existing="keep"), "export", ["a1", "a2"])
    before = (folder / "image0_segmentation_2.tif").read_bytes()
    (folder / "image0_segmentation_2.tif").unlink()
    shell(texts["command"])
    assert (folder / "image0_segmentation_2.tif").read_bytes() == before and mine.read_bytes() == b"mine"
    run(exporter, Wish(existing="replace"))
    assert mine.read_bytes() == before


def test_cancel_leaves_no_part_of_a_file(exporter, tmp_path, monkeypatch):
    begun = threading.Event()
    real = export_run.predict_image

    def slow(model, request, opened, limits, progress, cancel):
        begun.set()
        assert cancel.wait(240)
        return real(model, request, opened, limits, progress, cancel)

    monkeypatch.setattr(export_run, "predict_image", slow)
    exporter.export(Wish(), ["a1", "a2"])
    assert begun.wait(240)
    with pytest.raises(UsageError, match="already"):
        exporter.export(Wish(), ["a1"])
    exporter.cancel()
    assert exporter.wait(240)
    job = exporter.state()["export"]
    assert job["state"] == "cancelled" and [r["state"] for r in job["rows"]] == ["cancelled"] * 2
    folder = tmp_path / "p_results"
    assert not folder.exists() or list(folder.iterdir()) == []
    monkeypatch.setattr(export_run, "predict_image", real)
    exporter.retry("export")
    assert exporter.wait(240)
    assert exporter.state()["export"]["state"] == "done"
    assert len(list(folder.glob("*.tif"))) == 2


class Disk(files.FileLayer):
    """A disk that can be full."""

    full = False

    def write(self, descriptor, data):
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(descriptor, data)


def test_a_full_disk_leaves_nothing_and_can_be_tried_again(exporter, tmp_path, monkeypatch):
    disk = Disk()
    real = export_run.predict_image

    def filling(*arguments):
        disk.full = True
        return real(*arguments)

    monkeypatch.setattr(export_run, "predict_image", filling)
    with files.using(disk):
        # `inspected` has its own name for it: the disk fills when the first result is computed.
        job = run(exporter, Wish())
        disk.full = False
    assert [row["state"] for row in job["rows"]] == ["failed"] * 2
    assert "No space left" in job["rows"][0]["sentence"] or "full" in job["rows"][0]["sentence"]
    folder = tmp_path / "p_results"
    assert not folder.exists() or list(folder.iterdir()) == []
    monkeypatch.setattr(export_run, "predict_image", real)
    exporter.retry("export", [1])
    assert exporter.wait(240)
    assert [row["state"] for row in exporter.state()["export"]["rows"]] == ["failed", "done"]


def test_strokes_that_are_only_in_the_journal_count(session, exporter):
    assert run(exporter, Wish(), ["a1"])["state"] == "done"
    assert read_project(session.path).lanes[0].label_counts == session.labels("a1").counts


def test_a_kept_classifier_writes_the_same_as_the_command(session, exporter, tmp_path):
    session.apply("tab", 10, FreezeClassifier("fig 2"))
    wish = Wish(classifier="fig 2", result="uncertainty")
    assert run(exporter, wish, ["a2"])["state"] == "done"
    texts = exporter.texts(wish, "export", ["a2"])
    file = tmp_path / "p_results" / "image1_uncertainty.tif"
    before = file.read_bytes()
    shell(texts["command"])
    assert file.read_bytes() == before
    assert "'fig 2'" in texts["methods"]


# -- batch ----------------------------------------------------------------------------------------------


@pytest.fixture
def screen(tmp_path):
    """Files like the training images, and ones that are not."""
    folder = tmp_path / "screen"
    folder.mkdir()
    for n in range(3):
        tifffile.imwrite(folder / f"w{n}.tif", blobs(seed=10 + n))
    tifffile.imwrite(folder / "w3.tif", blobs(seed=3).astype(np.uint16) * 16)
    tifffile.imwrite(folder / "w4.tif", np.stack([blobs()] * 3, -1), photometric="rgb")
    (folder / "w5.tif").write_bytes((folder / "w0.tif").read_bytes()[:700])
    return [str(folder / f"w{n}.tif") for n in range(6)]


def batch(exporter, wish):
    exporter.run_batch(wish)
    assert exporter.wait(240)
    return exporter.state()["batch"]


def test_files_are_held_against_the_training_images_before_anything_is_computed(exporter, screen):
    exporter.choose(screen)
    assert exporter.wait(240)
    job = exporter.state()["batch"]
    assert job["state"] == "ready" and job["compared"] == 6
    said = [[sentence for _, sentence in row["warnings"]] for row in job["rows"]]
    assert said[:3] == [[], [], []]
    assert said[3][0] == "uint16, training uint8" and said[3][1].startswith("intensity range ")
    assert said[4][0] == "3 channels, training 1"
    assert job["rows"][5]["state"] == "failed" and job["rows"][5]["sentence"]
    assert job["differing"] == {"channels": 1, "names": 0, "dtype": 1, "range": 1, "pixel size": 0}


def test_a_batch_goes_on_past_what_fails_resumes_and_tries_again(session, exporter, screen, tmp_path):
    exporter.choose(screen)
    assert exporter.wait(240)
    wish = Wish(pattern="out/{nickname}_{result}")
    job = batch(exporter, wish)
    assert [row["state"] for row in job["rows"]] == ["done"] * 4 + ["failed"] * 2
    assert "3 channels" in job["rows"][4]["sentence"] and job["sentence"] == "2 of 6 failed."
    times = [(tmp_path / "out" / f"w{n}_segmentation.tif").stat().st_mtime_ns for n in range(4)]
    Path(screen[5]).write_bytes(Path(screen[0]).read_bytes())
    exporter.retry("batch")
    assert exporter.wait(240)
    assert exporter.state()["batch"]["rows"][5]["state"] == "done"
    # A new window: what is there, of the same input and classifier, is not made again.
    again = Exporter(session, LIMITS)
    tifffile.imwrite(screen[1], blobs(seed=77))
    again.choose(screen)
    assert again.wait(240)
    job = batch(again, replace(wish, existing="replace"))
    states = [row["state"] for row in job["rows"]]
    assert states == ["skipped", "done", "skipped", "skipped", "failed", "skipped"]
    now = [(tmp_path / "out" / f"w{n}_segmentation.tif").stat().st_mtime_ns for n in range(4)]
    assert [a == b for a, b in zip(times, now, strict=True)] == [True, False, True, True]
    job = batch(again, replace(wish, existing="replace", format="ome-tiff"))
    assert [row["state"] for row in job["rows"]].count("done") == 5


def test_masks_are_paired_by_name(exporter, screen, tmp_path):
    masks = []
    for n in (1, 0):
        mask = np.zeros((96, 120), np.uint8)
        mask[: 30 + n] = 1
        masks.append(str(tmp_path / f"mask_w{n}.tif"))
        tifffile.imwrite(masks[-1], mask)
    exporter.choose(screen[:2], masks)
    assert exporter.wait(240)
    job = batch(exporter, Wish(pattern="out/{nickname}"))
    assert [row["mask"][-6:] for row in job["rows"]] == ["w0.tif", "w1.tif"]
    for n in range(2):
        values = tifffile.imread(tmp_path / "out" / f"w{n}.tif")
        assert (values[30 + n :] == 0).all() and (values[: 30 + n] > 0).all()
    with pytest.raises(UsageError, match="1 mask for 2 files"):
        exporter.choose(screen[:2], masks[:1])


def test_pairs():
    assert paired(["/a/s1.tif", "/a/s10.tif"], ["/m/s10_mask.tif", "/m/s1_mask.tif"]) == [
        ("/a/s1.tif", "/m/s1_mask.tif"), ("/a/s10.tif", "/m/s10_mask.tif"),
    ]  # fmt: skip
    assert paired(["/a/b.tif", "/a/c.tif"], ["/m/1.tif", "/m/2.tif"]) == [
        ("/a/b.tif", "/m/1.tif"), ("/a/c.tif", "/m/2.tif"),
    ]  # fmt: skip


# -- what is kept ---------------------------------------------------------------------------------------


def test_the_settings_of_a_project_come_back(session, tmp_path):
    wish = Wish(
        format="hdf5", dtype="uint8", rescale=((0.0, 1.0), (0.0, 100.0)), axes="cyx", region={"x": (3, None)}
    )
    kept = settings_of(wish, session.document.settings.export, "yx", "p")
    assert kept.filename == "p_results/{nickname}_{result_type}"
    session.apply("tab", 20, SetExport(kept))
    session.save()
    with Session.open(session.path, read_only=True) as again:
        back = wish_of(again.document.settings.export, "yx")
    assert back == replace(wish, pattern="p_results/{nickname}_{result}")
    assert wish_of(ExportSettings(), "yx") == Wish()


@pytest.mark.parametrize(
    "said",
    [
        [], {"result": "colour"}, {"format": "gif"}, {"dtype": "object"}, {"rescale": [[1, 0], [0, 1]]},
        {"region": {"c": [0, 1]}}, {"region": {"x": [0.5, 1]}}, {"pattern": "a\0"}, {"existing": "maybe"},
        {"objects": 3}, {"objects": [256]}, {"objects": [True]}, {"objects": ["Nucleus"]},
    ],
)  # fmt: skip
def test_wishes_are_checked_at_the_door(said):
    with pytest.raises(CommandError):
        wish_from_json(said)


@pytest.mark.parametrize(
    ("pattern", "region", "name"),
    [
        ("r/{nickname}_{result_type}", {}, "image0_segmentation.tif"),
        ("r/{nickname}_{roi}", {}, "image0_whole.tif"),
        ("r/{nickname}_{roi}", {"x": (10, 51), "y": (20, None)}, "image0_y20-_x10-51.tif"),
        ("r/{nickname}_{x_start}_{x_stop}_{y_start}", {"x": (10, 51)}, "image0_10_51_0.tif"),
    ],
)
def test_the_region_is_named_as_ilastik_names_it(exporter, tmp_path, pattern, region, name):
    wish = Wish(pattern=pattern, region=region)
    assert exporter.look(wish, "a1")["path"] == str(tmp_path / "r" / name)
    job = run(exporter, wish, ["a1"])
    assert job["state"] == "done" and [row["output"] for row in job["rows"]] == [str(tmp_path / "r" / name)]
    assert (
        f"r/{name.replace('image0', '{nickname}').replace('_segmentation', '_{result}')}"
        in (exporter.texts(wish, "export", ["a1"])["command"])
    )


def test_an_end_that_no_region_says_is_refused(exporter):
    said = exporter.look(Wish(pattern="{nickname}_{y_stop}", region={"x": (1, 9)}), "a1")["refusal"]
    assert "{y_stop}" in said and "region" in said


def test_a_wish_comes_back_from_json():
    wish = replace(
        Wish("features", "fig 2", "npy", "float32", ((0.0, 2.0), (0.0, 1.0)), "zyxc", {"z": (1, 2)}, "x/y"),
        objects=(1, 3),
    )
    assert wish_from_json(json.loads(json.dumps(wish.to_json()))) == wish


def test_of_a_classifier_that_came_with_the_file_only_what_is_known_is_said(session, exporter, tmp_path):
    session.save()
    project = read_project(session.path)
    assert project.forest is not None and project.own[TRAINED] == project.forest.digest
    came = tmp_path / "came.ilp"
    # As another program leaves it: the forest, and nothing that says how it was trained.
    write_project(replace(project, own={}), came)
    with Session.open(came, threads=1) as other:
        ours = Exporter(other, LIMITS, lambda path: None)
        said = ours.texts(Wish(), "export", ["a1"])["methods"]
        assert "came with the project" in said and "100 trees" in said and "features" in said
        assert "seed" not in said and "trained on" not in said
        run(ours, Wish(pattern="{project_dir}/came/{nickname}"), ["a1"])
        ours.close()
    (first,) = recorded(tmp_path / "came")
    assert first["came_with_project"] and first["seed"] is None and first["strokes"] is None
    assert first["trees"] == 100 and first["features"]["count"] > 0
    # Opened again, a forest of ours is still known.
    with Session.open(session_copy(session, tmp_path), threads=1) as again:
        ours = Exporter(again, LIMITS, lambda path: None)
        assert "seed 0" in ours.texts(Wish(), "export", ["a1"])["methods"]
        ours.close()


def session_copy(session, folder):
    return session.save_copy(folder / "again.ilp")


def test_only_unchanged_results_of_this_project_are_deleted(session, exporter, tmp_path):
    assert run(exporter, Wish())["state"] == "done"
    assert run(exporter, Wish(result="probabilities", format="ome-zarr"), ["a1"])["state"] == "done"
    folder = tmp_path / "p_results"
    foreign = folder / "notes.txt"
    foreign.write_text("mine")
    touched = folder / "image1_segmentation.tif"
    touched.write_bytes(touched.read_bytes() + b"more")
    found = {one.path.name: one for one in exporter.results(Wish())}
    assert {name: one.changed for name, one in found.items()} == {
        "image0_segmentation.tif": False,
        "image1_segmentation.tif": True,
        "image0_probabilities.ome.zarr": False,
    }
    for other in (foreign, tmp_path / "p.ilp", folder / "run.json", folder / ".." / "p.ilp"):
        with pytest.raises(UsageError, match="no result"):
            exporter.delete(Wish(), [folder / "image0_segmentation.tif", other])
    assert (folder / "image0_segmentation.tif").exists(), "nothing is deleted where one is refused"
    gone, left = exporter.delete(Wish(), [one.path for one in found.values()])
    assert {path.name for path in gone} == {"image0_segmentation.tif", "image0_probabilities.ome.zarr"}
    assert left == ["image1_segmentation.tif was changed since it was written and stays."]
    assert sorted(path.name for path in folder.iterdir()) == [touched.name, "notes.txt", "run.json"]
    results = [
        name for one in json.loads((folder / "run.json").read_text())["runs"] for name in one["results"]
    ]
    assert results == [touched.name]


def test_a_file_put_into_a_result_that_is_a_folder_keeps_it(exporter, tmp_path):
    assert run(exporter, Wish(result="probabilities", format="ome-zarr"), ["a1"])["state"] == "done"
    (result,) = exporter.results(Wish())
    inner = next(path for path in result.path.rglob("*") if path.is_file() and path.parent != result.path)
    os.utime(inner, (inner.stat().st_atime, inner.stat().st_mtime + 60))
    assert exporter.results(Wish())[0].changed
    assert exporter.delete(Wish(), [result.path])[0] == [] and result.path.is_dir()


def test_results_of_another_project_and_of_a_batch_are_left_alone(exporter, screen, tmp_path):
    assert run(exporter, Wish(), ["a1"])["state"] == "done"
    record = tmp_path / "p_results" / "run.json"
    said = json.loads(record.read_text())
    said["runs"][0]["results"]["image0_segmentation.tif"]["project"] = str(tmp_path / "other.ilp")
    record.write_text(json.dumps(said))
    assert exporter.results(Wish()) == []
    exporter.choose(screen[:1])
    assert exporter.wait(240)
    exporter.run_batch(Wish(existing="keep"))
    assert exporter.wait(240) and exporter.state()["batch"]["rows"][0]["state"] == "done"
    assert exporter.results(Wish()) == []


def test_a_result_that_cannot_be_deleted_is_told_and_kept_in_the_record(exporter, tmp_path):
    assert run(exporter, Wish())["state"] == "done"
    paths = [one.path for one in exporter.results(Wish())]

    class Stuck(files.FileLayer):
        def remove(self, path):
            if str(path).endswith("image0_segmentation.tif"):
                raise OSError(errno.EACCES, "Permission denied")
            super().remove(path)

    with files.using(Stuck()):
        gone, left = exporter.delete(Wish(), paths)
    assert [path.name for path in gone] == ["image1_segmentation.tif"]
    assert len(left) == 1 and "image0_segmentation.tif" in left[0]
    assert [one.path.name for one in exporter.results(Wish())] == ["image0_segmentation.tif"]
    assert exporter.delete(Wish(), paths[:1])[0] == paths[:1]
    assert not (tmp_path / "p_results").exists(), "nothing else was in the folder"
