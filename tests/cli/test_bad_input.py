"""Every mistake costs one clear sentence, exit 1 or 2, and nothing half-written."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from small_project import make_project

from underbrush.api.files import predict_files
from underbrush.errors import UnderbrushError
from underbrush.files import FileLayer, using
from underbrush.log import start_log


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def check_refused(call, folder, arguments, status, *says):
    before = files(folder)
    got, out, err = call(*arguments)
    assert got == status, err
    assert err.count("\n") == 1, f"one line, not: {err}"
    assert "Traceback" not in err and "defect" not in err
    for words in says:
        assert words in err
    assert files(folder) == before, "nothing is left"
    assert out == ""


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--axes", "zyx"], 1, ("cells.tif", "axes 'zyx'", "the data have 2")),
        (["--axes", "ab"], 1, ("cells.tif", "a, b")),
        (["--result", "colours"], 2, ("no result 'colours'", "segmentation")),
        (["--format", "docx"], 2, ("no format 'docx'", "tiff")),
        (["--dtype", "int3"], 2, ("no dtype 'int3'",)),
        (["--rescale", "1"], 2, ("--rescale '1'",)),
        (["--rescale", "0:1,0:255"], 2, ("needs --dtype",)),
        (["--rescale", "0:1e-320,0:255", "--dtype", "uint8"], 2, ("beyond the numbers of float32",)),
        (["--rescale", "0:1,0:1e308", "--dtype", "float32"], 2, ("beyond the numbers of float32",)),
        (["--result", "features", "--dtype", "uint8"], 2, ("fractions", "--rescale")),
        (["--result", "uncertainty", "--dtype", "uint8"], 2, ("0 or 1", "--rescale")),
        (["--output", "a.npz"], 2, ("'.npz' stands for no format", ".ome.tif", ".npy", "or name the format")),
        (["--output", "o.xyz"], 2, ("o.xyz: the ending '.xyz' stands for no format", ".png")),
        (["--output", "a.npz", "--format", "tiff"], 1, ("'.npz'", "end it with .tif")),
        (["--output", ""], 2, ("--output is empty",)),
        (["--jobs", "x"], 2, ("--jobs takes a whole number. See underbrush predict --help.",)),
        (["--region", "y=1"], 2, ("--region 'y=1'",)),
        (["--region", "c=0:1"], 2, ("cannot cut the axis 'c'",)),
        (["--region", "y=60:80"], 2, ("y=60:80 is empty", "48 pixels in y")),
        (["--memory", "100MB"], 2, ("512MB",)),
        (["--memory", "much"], 2, ("'much' is no amount",)),
        (["--jobs", "0"], 2, ("--jobs: the number of jobs is 0",)),
        (["--output-axes", "tzyxc"], 2, ("--output-axes is not for tiff", "npy")),
        (["--output", "{nick}"], 2, ("{nick}", "{nickname}")),
        (["--mask", "none.tif", "--mask", "none2.tif"], 2, ("2 masks for 1 image",)),
        (["--colour"], 2, ("--colour",)),
    ],
)
def test_wrong_options(call, project, image, tmp_path, options, status, says):
    check_refused(call, tmp_path, ["predict", project, image, *options], status, *says)


def test_other_number_of_channels(call, project, tmp_path, picture):
    tifffile.imwrite(tmp_path / "rgb.tif", np.dstack([picture] * 3), photometric="rgb")
    says = ("rgb.tif", "has 3 channels", "trained on 1")
    check_refused(call, tmp_path, ["predict", project, tmp_path / "rgb.tif"], 1, *says)


def test_a_volume_for_a_project_of_volumes_that_is_too_thin(call, tmp_path, picture):
    project = make_project(tmp_path / "v.ilp", scales=(0.7, 3.5), volume=True)
    tifffile.imwrite(tmp_path / "v.tif", np.stack([picture] * 5), photometric="minisblack")
    says = ("v.tif", "scale 3.5 needs 14 pixels in z", "has 5")
    check_refused(call, tmp_path, ["predict", project, tmp_path / "v.tif", "--axes", "zyx"], 1, *says)


@pytest.mark.parametrize(("shape", "axis"), [((1, 1), "y"), ((1, 60), "y"), ((60, 1), "x"), ((4, 9), "y")])
def test_images_smaller_than_the_filters(call, project, tmp_path, shape, axis):
    np.save(tmp_path / "small.npy", np.zeros(shape, np.uint8))
    says = ("small.npy", "the scale", f"pixels in {axis}")
    check_refused(call, tmp_path, ["predict", project, tmp_path / "small.npy", "--axes", "yx"], 1, *says)


def test_an_empty_image(call, project, tmp_path):
    np.save(tmp_path / "empty.npy", np.zeros((0, 5), np.uint8))
    check_refused(call, tmp_path, ["predict", project, tmp_path / "empty.npy"], 1, "empty.npy")


def test_pixels_that_are_not_finite_are_counted_once_and_zero(call, project, tmp_path, picture):
    pixels = picture.astype(np.float32)
    pixels[5, 5], pixels[40, 50] = np.nan, np.inf
    np.save(tmp_path / "nan.npy", pixels)
    target = tmp_path / "p.npy"
    options = ["--result", "probabilities", "--output", target]
    status, _, err = call("predict", project, tmp_path / "nan.npy", *options)
    assert status == 0
    assert err.count("NaN") == 1 and "2 pixels are NaN, infinite" in err
    assert "unlike the training images: float32, training uint8" in err and err.count("\n") == 2
    values = np.load(target)
    assert not values[5, 5].any() and not values[40, 50].any() and values[25, 25].any()
    status, _, _ = call("predict", project, tmp_path / "nan.npy", "--output", tmp_path / "s.npy")
    assert np.load(tmp_path / "s.npy")[5, 5] == 1


def test_an_output_that_is_also_an_input(call, project, image, tmp_path):
    for target in (image, project):
        arguments = ["predict", project, image, "--output", target]
        if target == project:
            arguments += ["--format", "hdf5"]
        before = target.read_bytes()
        check_refused(call, tmp_path, arguments, 1, str(target))
        assert target.read_bytes() == before
    link = tmp_path / "link.tif"
    os.link(image, link)
    check_refused(call, tmp_path, ["predict", project, image, "--output", link], 1, "link.tif")


def test_two_images_with_one_output(call, project, image, tmp_path):
    other = tmp_path / "sub" / "cells.tif"
    other.parent.mkdir()
    other.write_bytes(image.read_bytes())
    check_refused(call, tmp_path, ["predict", project, image, other], 2, "would both be", "{dataset_dir}")


def test_an_output_that_another_image_or_the_project_needs(call, project, image, tmp_path, picture):
    copies = [tmp_path / "a.tif", tmp_path / "a_s.tif", tmp_path / "other" / "new.tif"]
    copies[2].parent.mkdir()
    for copy in copies:
        tifffile.imwrite(copy, picture)
    options = ["--output", "{dataset_dir}/{nickname}_s.tif"]
    check_refused(call, tmp_path, ["predict", project, *copies[:2], *options], 1, "a_s.tif", "the input")
    before = image.read_bytes()
    assert call("info", project)[0] == 0, "its image is there"
    check_refused(
        call, tmp_path, ["predict", project, copies[2], "--output", image], 1, "overwrite the input"
    )
    assert image.read_bytes() == before


def test_two_names_of_one_output(call, project, image, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").symlink_to("one")
    copies = [tmp_path / "one" / "same.tif", tmp_path / "other" / "same.tif"]
    copies[1].parent.mkdir()
    for copy in copies:
        copy.write_bytes(image.read_bytes())
    (tmp_path / "other" / "one").symlink_to("../one")
    options = ["--output", "{dataset_dir}/../one/{nickname}_x.tif"]
    check_refused(call, tmp_path, ["predict", project, *copies, *options], 2, "would both be")


def test_values_beyond_float32_are_said_once(call, project, tmp_path, picture):
    np.save(tmp_path / "large.npy", picture.astype(np.float64) * 1e300)
    status, _, err = call("predict", project, tmp_path / "large.npy", "--output", tmp_path / "s.npy")
    assert status == 0
    noticed = [line for line in err.splitlines() if "unlike the training images" not in line]
    assert len(noticed) == 1 and "large.npy" in noticed[0]


def test_a_doubt_about_an_image_names_the_image(call, project, tmp_path, picture):
    np.save(tmp_path / "stack.npy", np.stack([picture] * 6))
    status, _, err = call("predict", project, tmp_path / "stack.npy", "--output", tmp_path / "s.npy")
    assert status == 0
    assert f"{tmp_path / 'stack.npy'}: The file does not say" in err


@pytest.mark.parametrize("suffix", ["tif", "ome.tif", "h5", "png", "npy"])
def test_a_file_name_that_is_no_text(project, picture, tmp_path, suffix):
    name = os.fsencode(tmp_path) + b"/bad\xff.npy"
    with open(name, "wb") as file:  # noqa: PTH123
        np.save(file, picture)
    command = [sys.executable, "-m", "underbrush.cli.main", "predict", project, name, "--json"]
    command += ["--output", f"{tmp_path}/{{nickname}}_x.{suffix}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["image"] == os.fsdecode(name)


@pytest.mark.parametrize("name", ["~.npy", "~nobody-of-this-name/a.npy"])
def test_a_tilde_that_is_nobodys_home(call, project, picture, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    check_refused(call, tmp_path, ["predict", project, name], 1, name, "no such file")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    np.save(tmp_path / name, picture)
    status, _, err = call("predict", project, name, "--output", tmp_path / "s.tif")
    assert status == 0, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_starts(image, number):
    code = "import os, sys; from underbrush.cli import main;"
    # Stands for a signal that comes while commands are imported, and again while that is told.
    code += f"main.start_log = lambda level: os.kill(os.getpid(), {int(number)});"
    code += "explain = main._explain;"
    code += f"main._explain = lambda error: os.kill(os.getpid(), {int(number)}) or explain(error);"
    code += "assert not {'typer', 'numpy'} & set(sys.modules); main.main()"
    command = [sys.executable, "-c", code, "info", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 128 + number, done.stderr
    assert done.stderr.count("\n") == 1 and "stopped by" in done.stderr and done.stdout == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_an_answer_that_cannot_be_printed(image):
    command = [sys.executable, "-m", "underbrush.cli.main", "info", image]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=240
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "cannot be printed (No space left" in done.stderr


def test_a_current_folder_that_is_gone(call, project, image, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    check_refused(call, tmp_path, ["predict", project, image, "--output", "x.tif"], 1, "x.tif", "folder")


def test_warnings_come_as_lines_on_stderr(capfd):
    logger = logging.getLogger("underbrush")
    kept, logger.handlers = logger.handlers, []
    try:
        start_log(None)
        logging.getLogger("underbrush.jit").warning("compiled code cannot be kept (%s)", "reason")
        logging.getLogger("underbrush.jit").info("not for people")
    finally:
        for handler in logger.handlers:
            handler.close()
        logger.handlers = kept
    assert capfd.readouterr().err == "underbrush: compiled code cannot be kept (reason).\n"


def test_the_help_names_the_commands_and_the_app(call):
    status, out, err = call("--help")
    assert status == 0 and err == ""
    assert "PROJECT.ilp" in out
    assert "predict" in out and "underbrush: " not in out


class Full(FileLayer):
    """A disk that takes some bytes and no more."""

    def __init__(self, error, room):
        self.error, self.room = error, room

    def write(self, descriptor, data):
        if self.room <= 0:
            raise OSError(self.error, os.strerror(self.error))
        taken = min(self.room, len(data))
        self.room -= taken
        return super().write(descriptor, bytes(data[:taken]))


@pytest.mark.parametrize("suffix", [".tif", ".h5", ".npy", ".png", ".ome.tif"])
@pytest.mark.parametrize("room", [0, 100, 900])
def test_a_full_disk(call, project, image, tmp_path, suffix, room):
    old = tmp_path / f"r{suffix}"
    old.write_bytes(b"what was there before")
    with using(Full(errno.ENOSPC, room)):
        check_refused(call, tmp_path, ["predict", project, image, "--output", old], 1, "the disk is full")
    assert old.read_bytes() == b"what was there before"


class ReadOnly(FileLayer):
    """A folder that nothing can be created in."""

    def open(self, path, flags, mode=0o666):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "denied")
        return super().open(path, flags, mode)

    def make_folders(self, path):
        raise PermissionError(errno.EACCES, "denied")


def test_a_folder_that_cannot_be_written(call, project, image, tmp_path):
    with using(ReadOnly()):
        check_refused(call, tmp_path, ["predict", project, image], 1, "no permission to write")


def test_a_folder_that_is_a_file(call, project, image, tmp_path):
    (tmp_path / "file").write_text("x")
    arguments = ["predict", project, image, "--output", tmp_path / "file" / "out.tif"]
    check_refused(call, tmp_path, arguments, 1, "out.tif")


def test_no_such_project(call, image, tmp_path):
    check_refused(call, tmp_path, ["predict", tmp_path / "none.ilp", image], 1, "none.ilp")


def test_an_image_as_project(call, image, tmp_path):
    check_refused(call, tmp_path, ["predict", image, image], 1, "cells.tif")


def test_a_project_without_classifier_and_strokes(call, data, tmp_path):
    folder = data / "ilp" / "ilastik_api_noclassifier"
    arguments = ["predict", folder / "PixelClassNoClassifier.ilp", folder / "Data_1channel.png"]
    check_refused(call, tmp_path, arguments, 1, "PixelClassNoClassifier.ilp", "paint strokes")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_half_way_leaves_nothing(tmp_path, number, status):
    """A real process, a real signal, an image large enough to be caught in the middle."""
    project = make_project(tmp_path / "p.ilp", scales=(0.7, 1.6, 10.0))
    np.save(tmp_path / "large.npy", np.zeros((8000, 8000), np.uint8))
    log = tmp_path / "underbrush.log"
    target = tmp_path / "out" / "large.tif"
    # A test runner in the background ignores Ctrl-C, and so would what it starts.
    code = "import signal as s; s.signal(s.SIGINT, s.default_int_handler)\n"
    code += "from underbrush.cli.main import main; main()"
    command = [sys.executable, "-c", code, "predict", project, tmp_path / "large.npy", "--output", target]
    process = subprocess.Popen(
        [str(c) for c in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"UNDERBRUSH_LOG_DIR": str(tmp_path)},
    )
    deadline = time.monotonic() + 240
    while not (log.is_file() and "large.npy ->" in log.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == status
    assert "stopped by" in err and "Traceback" not in err
    assert files(target.parent) == []


def test_a_file_that_is_no_image_is_refused_before_the_app_starts(call, tmp_path):
    (tmp_path / "notes.tif").write_text("no image\n")
    check_refused(call, tmp_path, [tmp_path / "notes.tif"], 1, "notes.tif: this is text, not an image")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("JOBS", "x", "UNDERBRUSH_JOBS: the number of jobs is 'x'"),
        ("MEMORY", "1", "UNDERBRUSH_MEMORY 1 is less than 512MB"),
        ("EXPORT_FORMAT", "docx", "UNDERBRUSH_EXPORT_FORMAT: there is no format 'docx'"),
    ],
)
def test_what_the_environment_says_is_not_blamed_on_an_option(
    call, project, image, monkeypatch, name, value, says
):
    monkeypatch.setenv(f"UNDERBRUSH_{name}", value)
    status, _, err = call("predict", project, image)
    assert status == 2 and says in err and "--memory" not in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"memory": "100MB"}, 'memory="100MB" is less than 512MB; allow at least 512MB.'),
        ({"rescale": "0:1,0:255"}, 'rescale needs dtype; say which type to write, as in dtype="uint8".'),
        ({"result": "features", "dtype": "uint8"}, 'add rescale="0:1,0:255"'),
        ({"region": "y=60:80"}, 'region="y=60:80" is empty'),
        ({"output_axes": "yx"}, "output_axes is not for tiff, which has an order of its own"),
        ({"output": "{nick}"}, "unknown placeholder {nick} in output;"),
        ({"output": "o.xyz"}, "the ending '.xyz' stands for no format"),
    ],
)
def test_the_library_names_its_parameters_and_not_options(project, image, options, says):
    with pytest.raises(UnderbrushError) as caught:
        predict_files(project, [image], **options)
    assert says in str(caught.value)
    assert "--" not in str(caught.value)
