"""`underbrush predict` of many images: what is named, in which order, what is said of them, in parts."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from underbrush.api.files import predict_files
from underbrush.engine import batch
from underbrush.engine.batch import Limits, Request
from underbrush.engine.lanes import linked_image
from underbrush.engine.many import Task, run_many
from underbrush.engine.model import model_of
from underbrush.errors import ImageError, UnderbrushError
from underbrush.files import FileLayer, using
from underbrush.project.read import read_project
from underbrush.project.schema import Lane
from underbrush.project.write import write_project
from underbrush.sources.opening import open_image


@pytest.fixture
def many(tmp_path, picture):
    """A folder of ten images, (y, x) uint8, one of them damaged and one large."""
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(9):
        tifffile.imwrite(folder / f"im{n}.tif", np.roll(picture, n))
    tifffile.imwrite(folder / "im9.tif", np.tile(picture, (30, 30)))
    (folder / "im4.tif").write_bytes(b"II*\0\xff\xff\xff\x7f")
    return folder


def results(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".tif", ".h5")}


def test_many_side_by_side_are_the_bytes_of_each_alone_and_in_order(call, project, many, tmp_path):
    together = tmp_path / "together"
    status, out, err = call("predict", project, many, "--output", f"{together}/{{nickname}}.tif", "--jobs", 4)
    assert status == 1
    assert [line.rpartition("/")[2] for line in out.split()] == [f"im{n}.tif" for n in range(10) if n != 4]
    assert err.count("\n") == 1 and "im4.tif" in err and "damaged" in err
    for n in (0, 8, 9):
        alone = tmp_path / "alone" / f"im{n}.tif"
        assert call("predict", project, many / f"im{n}.tif", "--output", alone, "--jobs", 1)[0] == 0
        # The name of the image is part of the file; here both are named alike.
        assert alone.read_bytes() == (together / f"im{n}.tif").read_bytes()


def test_a_list_on_stdin_and_a_table(call, project, many, tmp_path, monkeypatch, picture):
    lines = f"{many / 'im1.tif'}\n{many / 'im0.tif'}\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    status, out, _ = call("predict", project, "-", "--output", f"{tmp_path}/list/{{nickname}}.tif")
    assert status == 0 and [line[-7:-4] for line in out.split()] == ["im1", "im0"]
    mask = np.zeros_like(picture)
    mask[:20] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    table = tmp_path / "files.csv"
    table.write_text("image;mask;output\nin/im0.tif;mask.tif;table/first.npy\nin/im1.tif;;\n")
    options = ["--output", f"{tmp_path}/table/{{nickname}}.npy"]
    status, out, _ = call("predict", project, "--manifest", table, *options)
    assert status == 0 and out.split() == [f"{tmp_path}/table/first.npy", f"{tmp_path}/table/im1.npy"]
    first = np.load(tmp_path / "table" / "first.npy")
    assert not first[20:].any() and first[:20].all()
    assert np.load(tmp_path / "table" / "im1.npy").all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no image was named"),
        (["in", "--part", "0/3"], "there is no part 0 of 3; give 1/3 to 3/3"),
        (["in", "--part", "4/3"], "there is no part 4 of 3; give 1/3 to 3/3"),
        (["in", "--part", "0/0"], "there is no part 0 of 0; write it as in 3/40"),
        (["in", "--part", "a third"], "--part 'a third' is not understood"),
        (["in", "--part", "1/3", "--cluster", "local:2"], "--part and --cluster do not go together"),
        (["in", "--manifest", "no.csv"], "no.csv: there is no such file; check the name."),
        (["--manifest", "in"], "in: this is a folder, not a file; name a file."),
        (["in", "--mask", "a", "--manifest", "no.csv"], "name masks in the table"),
        (["in", "--cluster", "local:x"], "write it as in local:4"),
        (["in", "--cluster", "local:0"], "no number of processes"),
        (["in", "--cluster", "local:64", "--memory", "1GB"], "64 processes need"),
        (["in", "--cluster", "tcp://192.0.2.7:8786"], "it has no TLS"),
        (["in", "--cluster", "192.0.2.7:8786"], "it has no TLS"),
        (["in", "--cluster", "http://192.0.2.7:8786"], "use tls:// or tcp://"),
        (["in", "--cluster", "none.json"], "neither an address nor a scheduler file"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(call, project, many, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    status, out, err = call("predict", project, *arguments)
    assert status == 2 and out == ""
    assert err.count("\n") == 1 and says in err
    assert not (tmp_path / "p_results").exists()


def test_what_is_unlike_the_training_images_is_counted(call, call_json, project, many, tmp_path, picture):
    """Once for each kind, not once for each image."""
    for n in range(5):
        tifffile.imwrite(many / f"im{n}.tif", picture.astype(np.uint16) * 300)
    status, report, err = call_json("predict", project, many, "--output", f"{tmp_path}/o/{{nickname}}.tif")
    assert status == 0
    assert "5 of 10 images differ from the training images in dtype, as" in err
    assert "5 of 10 images differ from the training images in range" in err and err.count("\n") == 2
    kinds = [[kind for kind, _ in result["differs"]] for result in report["results"]]
    assert kinds == [["dtype", "range"]] * 5 + [[]] * 5
    size = {"resolution": (1e4, 1e4), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "one.tif", picture.astype(np.float32) / 200, **size)
    _, _, err = call("predict", project, tmp_path / "one.tif", "--output", tmp_path / "o" / "one.tif")
    assert "one.tif: unlike the training images: float32, training uint8; intensity range 0.1 to 1, " in err


def test_a_record_lets_the_next_run_go_on(call, call_json, project, many, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = ["predict", project, many, "--output", f"{out}/{{nickname}}.tif"]
    assert call(*arguments)[0] == 1
    before = results(out)
    assert sorted(p.name for p in out.iterdir()) == sorted([*before, "run.json"])
    (out / "im2.tif").unlink()
    (out / "im3.tif").write_bytes(before["im3.tif"] + b" ")
    tifffile.imwrite(many / "im4.tif", tifffile.imread(many / "im0.tif"))
    tifffile.imwrite(many / "im5.tif", tifffile.imread(many / "im0.tif"))
    status, report, _ = call_json(*arguments, "--resume")
    assert status == 0 and report["failed"] == []
    again = [r["image"][-7:-4] for r in report["results"] if not r.get("before")]
    assert again == ["im2", "im3", "im4", "im5"]
    assert results(out)["im2.tif"] == before["im2.tif"] and results(out)["im3.tif"] == before["im3.tif"]
    assert "10 of 10 images are there (6 from before)" in (out / "run-report.txt").read_text()
    # Another way of writing is another result.
    other = ["--dtype", "uint16"]
    _, report, _ = call_json(*arguments, *other, "--resume")
    assert not [r for r in report["results"] if r.get("before")]


def test_another_pixel_size_in_the_project_makes_another_result(call, call_json, project, many, tmp_path):
    """Of the image that it is said of, and of no other."""

    def said(size):
        lanes = []
        for n in (0, 1):
            with open_image(str(many / f"im{n}.tif")) as image:
                source = linked_image(str(many / f"im{n}.tif"), image)
            sizes = {"x": (size, "µm"), "y": (size, "µm")} if n else {}
            lanes.append(Lane(f"im{n}", replace(source, pixel_size=sizes)))
        write_project(replace(read_project(project), lanes=tuple(lanes)), project)

    said(0.5)
    arguments = ["predict", project, many, "--output", f"{tmp_path}/out/{{nickname}}.tif"]
    assert call(*arguments)[0] == 1
    said(0.65)
    _, report, _ = call_json(*arguments, "--resume")
    assert [r["image"][-7:-4] for r in report["results"] if not r.get("before")] == ["im1"]


def test_a_record_that_cannot_be_kept_is_told_and_the_results_are_there(call, project, many, tmp_path):
    class NoRecords(FileLayer):
        def open(self, path, flags, mode=0o666):
            if "run-" in str(path):
                raise OSError(28, os.strerror(28))
            return super().open(path, flags, mode)

    out = tmp_path / "out"
    with using(NoRecords()):
        status, printed, err = call("predict", project, many, "--output", f"{out}/{{nickname}}.tif")
    assert status == 1 and len(printed.split()) == 9 and len(results(out)) == 9
    assert "the disk is full" in err and "Without a record --resume computes these results again" in err


def test_a_record_of_another_program_is_left_alone(call, call_json, project, many, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text('{"mine": 1}')
    arguments = ["predict", project, many, "--output", f"{out}/{{nickname}}.tif"]
    assert call(*arguments)[0] == 1
    assert (out / "run.json").read_text() == '{"mine": 1}'
    _, report, _ = call_json(*arguments, "--resume")
    assert len([r for r in report["results"] if r.get("before")]) == 9


def test_parts_deal_out_files_and_the_last_one_puts_them_together(call, call_json, project, many, tmp_path):
    out = tmp_path / "out"
    arguments = ["predict", project, many, "--output", f"{out}/{{nickname}}.tif"]
    whole = call(*[*arguments[:-1], f"{tmp_path}/whole/{{nickname}}.tif"])
    assert whole[0] == 1
    done = []
    for part in ("2/3", "3/3"):
        status, report, _ = call_json(*arguments, "--part", part)
        done.append([r["image"][-7:-4] for r in report["results"]])
        assert report["part"] == part and not (out / "run-report.json").exists()
    assert done == [["im1", "im7"], ["im2", "im5", "im8"]]
    status, printed, _ = call(*arguments, "--part", "1/3")
    assert status == 1 and len(printed.split()) == 4, "the damaged image is told again by the last one"
    assert results(out) == results(tmp_path / "whole")
    report = json.loads((out / "run-report.json").read_text())
    assert [r["image"][-5] for r in report["results"]] == list("012356789")
    assert report["parts"] == 3 and [f["image"][-7:-4] for f in report["failed"]] == ["im4"]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [*results(out), "run-report.json", "run-report.txt", "run.json"]
    )
    _, report, _ = call_json(*arguments, "--part", "2/3", "--resume")
    assert [bool(r.get("before")) for r in report["results"]] == [True, True]


def test_more_parts_than_files(call, project, image, tmp_path):
    arguments = ["predict", project, image, "--output", tmp_path / "o" / "r.tif"]
    status, out, err = call(*arguments, "--part", "2/2")
    assert (status, out) == (0, "") and "part 2/2 has nothing to do: there is only 1 image" in err
    assert call(*arguments, "--part", "1/2")[0] == 0
    assert "1 of 1 images are there, in 2 parts" in (tmp_path / "o" / "run-report.txt").read_text()
    arguments[-1] = tmp_path / "z" / "r.n5"
    status, out, err = call(*arguments, "--part", "1/2")
    assert (status, out) == (0, "") and "part 1/2 of 1 result is done; the last part gives names" in err
    assert call(*arguments, "--part", "2/2")[1] == f"{arguments[-1]}\n"


def test_no_result_replaces_a_file_of_a_stack_of_the_project(call, project, many, tmp_path, picture):
    for n in range(3):
        tifffile.imwrite(tmp_path / f"s{n}.tif", picture)
    pattern = f"{tmp_path}/s*.tif#stack=t"
    with open_image(pattern) as stack:
        lane = Lane("stack", linked_image(pattern, stack))
    write_project(replace(read_project(project), lanes=(lane,)), project)
    for target in (tmp_path / "s1.tif", many / "im1.tif"):
        before = target.read_bytes()
        status, out, err = call("predict", project, many / "im1.tif", "--output", target)
        assert status == 1 and out == "" and "would overwrite the input" in err
        with pytest.raises(UnderbrushError, match="would overwrite the input"):
            predict_files(project, [many / "im1.tif"], str(target))
        assert target.read_bytes() == before


def test_a_crash_of_ours_at_one_image_does_not_stop_the_others(call, project, many, tmp_path, monkeypatch):
    real = batch.predict_tile

    def sometimes(block, *rest):
        if block.shape[-1] > 100:  # of the large image
            raise ZeroDivisionError("a defect")
        return real(block, *rest)

    monkeypatch.setattr(batch, "predict_tile", sometimes)
    status, out, err = call("predict", project, many, "--output", f"{tmp_path}/o/{{nickname}}.tif")
    assert status == 1 and len(out.split()) == 8
    assert "im9.tif: a defect in Underbrush (ZeroDivisionError: a defect)" in err


def test_large_images_wait_for_small_ones_and_the_other_way_round(project, many):
    """A large image has all threads; small ones share them; never both."""
    model, lock, now, seen = model_of(read_project(project)), threading.Lock(), [], []
    real = batch.Prepared.carry_out

    def watched(self, grid, sink, limits, *rest):
        with lock:
            now.append(limits.images)
            seen.append(sorted(now))
        try:
            return real(self, grid, sink, limits, *rest)
        finally:
            with lock:
                now.remove(limits.images)

    names = ["im0", "im9", "im1", "im9", "im2", "im3"]
    out = many.parent / "o"
    tasks = [Task(Request(str(many / f"{n}.tif"), out / f"{k}.tif", "tiff")) for k, n in enumerate(names)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch.Prepared, "carry_out", watched)
        outcomes = list(run_many(model, tasks, Limits(3, 10**9)))
    assert sorted(o.number for o in outcomes) == list(range(6)) and {o.state for o in outcomes} == {"done"}
    assert all(1 not in group or group == [1] for group in seen), seen
    assert seen.count([1]) == 2


def test_the_library_computes_side_by_side_the_same_bytes_and_raises_the_first_error(project, many, tmp_path):
    names, results = [f"im{n}" for n in (0, 1, 9, 2, 3)], {}
    for threads in (1, 4):
        out = tmp_path / "out" / "{nickname}.tif"
        written = predict_files(project, [many / f"{n}.tif" for n in names], str(out), n_jobs=threads)
        assert [path.stem for path in written] == names
        results[threads] = {path.name: path.read_bytes() for path in written}
    assert results[1] == results[4]
    together = threading.Barrier(2, timeout=240)
    real = batch.predict_tile

    def meeting(*rest):
        together.wait()  # only two at a time get through
        return real(*rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "predict_tile", meeting)
        predict_files(project, [many / "im0.tif", many / "im1.tif"], str(out), n_jobs=2)
    broken = [many / f"im{n}.tif" for n in (5, 4, 6)]
    with pytest.raises(UnderbrushError, match=r"im4\.tif.*damaged") as raised:
        predict_files(project, broken, str(out), n_jobs=3)
    assert raised.type is ImageError
    assert (tmp_path / "out" / "im5.tif").exists() and not (tmp_path / "out" / "im4.tif").exists()


STOPPED = """
import os, signal, sys
import underbrush.engine.batch as batch
real = batch.predict_tile
count = 0
def some(*rest):
    global count
    count += 1
    if count == 5:
        os.kill(os.getpid(), signal.SIGTERM)
    if count >= 5:
        import time
        time.sleep(600)
    return real(*rest)
batch.predict_tile = some
from underbrush.cli.main import main
main()
"""


def test_many_stopped_in_the_middle_leave_what_is_finished(call_json, project, many, tmp_path):
    out = tmp_path / "out"
    arguments = [project, many, "--output", f"{out}/{{nickname}}.tif", "--jobs", "2"]
    process = subprocess.run(
        [sys.executable, "-c", STOPPED, "predict", *map(str, arguments)],
        env=os.environ | {"UNDERBRUSH_LOG_DIR": str(tmp_path / "log")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 128 + signal.SIGTERM
    assert process.stderr.count("nothing half-written") == 1
    finished = results(out)
    assert 2 <= len(finished) <= 4
    assert not [p for p in out.iterdir() if p.name.startswith(".")]
    _, report, _ = call_json("predict", *arguments, "--resume")
    # One more may have got its name in the moment of the signal, before it was noted: it is made again.
    assert sum(bool(r.get("before")) for r in report["results"]) in (len(finished), len(finished) - 1)
    assert len(results(out)) == 9 and not list(out.glob("run-*.jsonl"))
