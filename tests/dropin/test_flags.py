"""ilastik's options, one row each: what is called, how it ends, what it writes.

The project is a small one of our own (2D, grey, two classes, stored with the axes yx), the image is 48 x 57.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from dropin.conftest import dataset
from underbrush.cli.ilastik_options import DTYPES, parse
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.project.read import read_project
from underbrush.project.write import write_project

OUT = "--output_filename_format={nickname}_{result_type}"
SHAPE = (48, 57, 2)
P = "cells_Probabilities.h5"
USUAL = (P, SHAPE, "yxc", "float32")
HEAD = ("--headless", "PROJECT")

# Options behind --headless and --project, exit status, file that is written (in the current folder), and
# shape, axes and type of its dataset.
WRITTEN = {
    "no option but the name": ([], *USUAL),
    "--readonly alone before an option": (["--readonly", OUT], *USUAL),
    "--readonly=1": (["--readonly=1"], *USUAL),
    "--readonly no": (["--readonly", "no"], *USUAL),
    "--export_source, any case": (
        ["--export_source=simple SEGMENTATION"], "cells_Simple Segmentation.h5", (48, 57, 1), "yxc", "uint8",
    ),
    "an abbreviation": (["--export_s=Uncertainty"], "cells_Uncertainty.h5", (48, 57, 1), "yxc", "float32"),
    "--export_source Labels": (["--export_source=Labels"], "cells_Labels.h5", (48, 57, 1), "yxc", "uint8"),
    "--export_source Features": (
        ["--export_source=Features"], "cells_Features.h5", (48, 57, 16), "yxc", "float32",
    ),
    "--output_format hdf5": (["--output_format=hdf5"], *USUAL),
    "--output_axis_order": (["--output_axis_order=tzyxc"], P, (1, 1, *SHAPE), "tzyxc", "float32"),
    "--output_axis_order, capitals": (["--output_axis_order=CYX"], P, (2, 48, 57), "cyx", "float32"),
    "--export_dtype": (["--export_dtype=uint16"], P, SHAPE, "yxc", "uint16"),
    "--export_dtype float64": (["--export_dtype=float64"], P, SHAPE, "yxc", "float64"),
    "--pipeline_result_drange alone": (
        ["--pipeline_result_drange=(0.0,1.0)"], *USUAL,
    ),
    "both ranges": (
        ["--pipeline_result_drange", "(0.0,1.0)", "--export_drange", "(0,255)", "--export_dtype", "uint8"],
        P, SHAPE, "yxc", "uint8",
    ),
    "--cutout_subregion": (
        ["--cutout_subregion=[(8,10,1),(40,None,2)]"], P, (32, 47, 1), "yxc", "float32",
    ),
    "--cutout_subregion, clipped": (
        ["--cutout_subregion=[(8,10,0),(400,500,9)]"], P, (40, 47, 2), "yxc", "float32",
    ),
    "--input_axes": (["--input_axes=yx"], *USUAL),
    "--input-axes, one for each role": (["--input-axes", "xy,yx"], P, SHAPE, "xyc", "float32"),
    "--input_axes None": (["--input_axes=None,yx"], *USUAL),
    "--ignore_training_axistags": (["--ignore-training-axistags"], *USUAL),
    "--logfile": (["--logfile=log.txt"], *USUAL),
    "--process_name and --debug": (
        ["--process_name=me", "--debug"], *USUAL,
    ),
    "an option that nobody knows": (["--no_such_option"], *USUAL),
    "--preconvert_stacks": (["--preconvert_stacks"], *USUAL),
    "--preconvert-stacks": (["--preconvert-stacks"], *USUAL),
    "--distributed, one image": (["--distributed", "--distributed_block_roi", "100"], *USUAL),
    "--table_only": (["--table_only"], *USUAL),
    "--print-labels-by-slice": (["--print-labels-by-slice", "--label-search-value=1"], *USUAL),
    "--variable-importance-path": (["--variable-importance-path=v"], *USUAL),
    "--nn_device": (["--nn_device=cuda", "--tiktorch_executable=t", "--clean_paths"], *USUAL),
}  # fmt: skip


@pytest.mark.parametrize("row", WRITTEN)
def test_written(row, small, cells, call):
    options, name, shape, axes, dtype = WRITTEN[row]
    where = [] if OUT in options else [OUT]
    status, out, err = call("--headless", f"--project={small}", *options, *where, "--raw_data", cells)
    assert (status, out) == (0, f"{Path.cwd() / name}\n"), err
    found = dataset(name)
    assert (found.values.shape, found.axes, found.values.dtype) == (shape, axes, dtype)


# Options, exit status, a part of what stderr says.
REFUSED = {
    "no project": (["--headless"], 1, "--project"),
    "a project that is not there": (["--headless", "--project=none.ilp", "IMAGE"], 1, "none.ilp"),
    "a project on a server": (["--headless", "--project=http://host/p.ilp", "IMAGE"], 1, "DVID"),
    "--stack_along, unknown": ([*HEAD, "--stack_along=q", "IMA*"], 1, "IMA*"),
    "--generate-random-labels": ([*HEAD, "--generate-random-labels"], 1, "--generate-random-labels"),
    "an image that is not there": ([*HEAD, "none.tif"], 1, "none.tif"),
    "--readonly takes a file": ([*HEAD, "--readonly", "IMAGE"], 2, "--readonly"),
    "an ambiguous abbreviation": (["--headless", "--pro=x"], 2, "ambiguous"),
    "--export_source, unknown": ([*HEAD, "--export_source=Nuclei", "IMAGE"], 1, "Uncertainty"),
    "--output_format, unknown": ([*HEAD, "--output_format=docx", "IMAGE"], 2, "output_format"),
    "--output-format is none": ([*HEAD, "--output-format", "png", "IMAGE"], 1, "png"),
    "--output_format, not written": ([*HEAD, "--output_format=hdr", "IMAGE"], 1, "'hdr'"),
    "--export_dtype, unknown": ([*HEAD, "--export_dtype=uint64", "IMAGE"], 2, "export_dtype"),
    "--export_drange alone": ([*HEAD, "--export_drange=(0,255)", "IMAGE"], 1, "pipeline_result"),
    "a range that is none": ([*HEAD, "--pipeline_result_drange=9", "IMAGE"], 1, "(0.0,1.0)"),
    "--cutout_subregion in 5D": (
        [*HEAD, "--cutout_subregion=[(0,0,0,0,0),(1,1,1,9,9)]", "IMAGE"], 1, "yxc",
    ),
    "--cutout_subregion, empty": (
        [*HEAD, "--cutout_subregion=[(9,9,0),(9,9,1)]", "IMAGE"], 1, "empty",
    ),
    "--cutout_subregion is code": (
        [*HEAD, "--cutout_subregion=__import__('os').getcwd()", "IMAGE"], 1, "not understood",
    ),
    "--output_axis_order loses an axis": ([*HEAD, "--output_axis_order=cy", "IMAGE"], 1, "x (57)"),
    "--output_axis_order, unknown": ([*HEAD, "--output_axis_order=abc", "IMAGE"], 1, "t, z, y"),
    "--input_axes of another rank": ([*HEAD, "--input_axes=txy", "IMAGE"], 1, "3 axes"),
    "--input_axes, too many": ([*HEAD, "--input_axes=yx,yx,yx", "IMAGE"], 2, "input_axes"),
    "more masks than images": (
        [*HEAD, "--raw_data", "IMAGE", "--prediction_mask", "a.tif", "b.tif"], 1, "2 masks",
    ),
    "files beside a role": ([*HEAD, "IMAGE", "--raw_data", "IMAGE"], 1, "--raw_data"),
    "--retrain, read-only": ([*HEAD, "--retrain"], 1, "--readonly=0"),
    "--tree-count 0": ([*HEAD, "--tree-count=0", "IMAGE"], 1, "--tree-count"),
    "--label-proportion 2": ([*HEAD, "--label-proportion=2", "IMAGE"], 1, "--label-proportion"),
    "--hbp": (["--hbp"], 255, "--hbp"),
    "--exit_on_failure": ([*HEAD, "--exit_on_failure"], 1, "--headless"),
    "--new_project without --workflow": (["--headless", "--new_project=n.ilp"], 1, "--workflow"),
    "--workflow, another": (
        ["--headless", "--new_project=n.ilp", "--workflow=Object Classification"], 1, "Pixel Classification",
    ),
    "--configfile that is not there": ([*HEAD, "--configfile=no.ini", "IMAGE"], 1, "no.ini"),
    "--logfile in no folder": ([*HEAD, "--logfile=none/log.txt", "IMAGE"], 1, "none/log.txt"),
    "two results of one name": ([*HEAD, "IMAGE", "IMAGE"], 1, "into --output_filename_format"),
}  # fmt: skip


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row, small, cells, call, clean):
    options, status, part = REFUSED[row]
    words = {"PROJECT": f"--project={small}", "IMAGE": str(cells)}
    found, out, err = call(*(words.get(word, word) for word in options))
    assert (found, out) == (status, "")
    said = [line for line in err.splitlines() if "Unused command-line args" not in line]
    assert len(said) == 1 and part in said[0]
    assert not list(clean.iterdir()), "nothing is left"


def test_nothing_to_do_is_done(small, call, clean):
    assert call("--headless", f"--project={small}") == (0, "", "")
    assert not list(clean.iterdir())


def test_version_and_help(call):
    status, out, _ = call("--version")
    assert status == 0 and "ilastik 1.4.2" in out
    status, out, _ = call("--help")
    assert status == 0
    for option in ("--headless", "--retrain", "--export_source", "--raw_data"):
        assert option in out
    told = " ".join(out.split())
    assert "known and refused: hdr, ras, hdr sequence, ras sequence, dvid, blockwise hdf5" in told


def test_unused_arguments_are_named(small, cells, call):
    status, _, err = call("--headless", f"--project={small}", "--no_such", OUT, cells)
    assert status == 0 and "Unused command-line args: ['--no_such']" in err


def test_a_value_that_is_taken_as_a_file(small, cells, call):
    """ilastik's own trap: the value of an unknown option is one of its images."""
    status, _, err = call("--headless", f"--project={small}", "--outputformat", "png", OUT, cells)
    assert status == 1 and "png" in err


def test_the_log(small, cells, call):
    """--logfile gets what is logged, with --debug at least as much, and the sentence of what went wrong."""
    status, _, _ = call("--headless", f"--project={small}", "--logfile=log.txt", "--debug", OUT, cells)
    assert status == 0 and "cells.tif" in Path("log.txt").read_text()
    status, _, err = call("--headless", f"--project={small}", "--logfile=bad.txt", OUT, "none.tif")
    assert status == 1 and "none.tif" in err
    status, _, err = call("--headless", f"--project={small}", "--logfile=no/log.txt", OUT, cells)
    assert status == 1 and "no/log.txt" in err


def test_redirected_output(small, cells, call):
    status, out, err = call("--headless", f"--project={small}", "--redirect_output=said.txt", OUT, cells)
    assert (status, out, err) == (0, "", "")
    assert Path("said.txt").read_text() == f"{Path.cwd() / 'cells_Probabilities.h5'}\n"


@pytest.mark.parametrize(
    "name", ["Pixel Classification", "pixel classification", "PixelClassificationWorkflow"]
)
def test_new_project(name, call):
    status, _, err = call("--headless", "--new_project=n.ilp", f"--workflow={name}")
    assert status == 0, err
    assert read_project(Path("n.ilp")).lanes == ()


def test_new_project_replaces_none(small, call):
    """Strokes are not lost to a name that was used already; a file of 0 bytes is filled."""
    before = small.read_bytes()
    status, _, err = call("--headless", f"--new_project={small}", "--workflow=Pixel Classification")
    assert status == 1 and str(small) in err and "already" in err
    assert small.read_bytes() == before
    Path("empty.ilp").touch()
    assert call("--headless", "--new_project=empty.ilp", "--workflow=Pixel Classification")[0] == 0
    assert read_project(Path("empty.ilp")).lanes == ()


def test_both_spellings():
    """With blanks joined by - and by _, as `=value` and as a word of its own."""
    spelt = {
        "inputs": ("raw_data a b", "prediction_mask m", "input_axes yx", "stack_along t", "preconvert_stacks",
                   "ignore_training_axistags", "distributed_block_roi 9"),
        "app": ("project p.ilp", "configfile c", "logfile l", "redirect_output o", "process_name n"),
        "export": ("output_format hdf5", "export_source Labels", "output_axis_order yx", "export_dtype uint8",
                   "output_filename_format f", "output_internal_path d"),
    }  # fmt: skip
    for parser, options in spelt.items():
        for option in options:
            name, *values = option.split()
            usual = parse([f"--{name}", *values])
            assert getattr(getattr(usual, parser), name), option
            others = [[f"--{name.replace('_', '-')}", *values]] if parser == "inputs" else []
            others += [[f"--{name}={values[0]}"]] if len(values) == 1 else []
            assert all(parse(other) == usual for other in others), option


def test_every_type(small, cells, done):
    """Ranges are mapped with rounding; 64-bit whole numbers are not among ilastik's types."""
    whole = done(small, "--output_filename_format=float.h5", cells)
    expected = np.rint(dataset(whole[0]).values.astype(np.float64) * 100)
    for dtype in DTYPES:
        ranges = "--pipeline_result_drange=(0.0,1.0)", "--export_drange=(0,100)"
        [path] = done(small, f"--export_dtype={dtype}", *ranges, f"--output_filename_format={dtype}", cells)
        values = dataset(path).values
        assert values.dtype == dtype and np.abs(values - expected).max() <= 0.51


def test_one_of_many_processes_computes(small, cells, call, done, clean, monkeypatch):
    """Started by MPI with --distributed, the first process computes all, and the others say so."""
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "2")
    status, out, err = call("--headless", f"--project={small}", "--distributed", OUT, cells)
    assert (status, out) == (0, "") and err.count("\n") == 1 and not list(clean.iterdir())
    assert [p.name for p in done(small, OUT, cells)] == [P], "without --distributed each has its own work"


def test_names(small, cells, done):
    """Placeholders; the last dot of the name goes with what follows it, even where it is the nickname's."""
    target = cells.with_name("cells.v2.ome.tif")
    cells.rename(target)
    name = "{dataset_dir}/r/{nickname}_{x_start}-{x_stop}_{roi}_{other}"
    assert done(small, f"--output_filename_format={name}", target) == [small.parent / "r" / "cells.v2.h5"]
    plain = target.with_name("plain.tif")
    target.rename(plain)
    [path] = done(small, f"--output_filename_format={name}.x", plain)
    assert path.name == "plain_0-57_[(0, 0, 0), (48, 57, 2)]_{other}.h5"
    assert done(small, plain) == [small.parent / "plain_Probabilities.h5"]


def test_names_inside_files(small, cells, done):
    with h5py.File("im.h5", "w") as file:
        file["data"] = tifffile.imread(cells)
        file["volume/other"] = tifffile.imread(cells)
    paths = done(small, OUT, "--output_internal_path=a/{nickname}", "im.h5/data", "im.h5/volume/other")
    assert [p.name for p in paths] == ["im-data_Probabilities.h5", "im-volume-other_Probabilities.h5"]
    assert dataset(paths[0], "a/im-data").values.shape == SHAPE


def test_a_sequence_does_not_replace_what_it_reads(small, cells, call, clean):
    for k in range(2):
        tifffile.imwrite(f"st_{k}.tif", tifffile.imread(cells))
    before = {p.name: p.read_bytes() for p in clean.iterdir()}
    status, _, err = call(
        "--headless", f"--project={small}", "--output_format=tif sequence", "--ignore_training_axistags",
        "--export_source=Simple Segmentation", "--output_filename_format=st_{slice_index}.tif", "st_*.tif",
    )  # fmt: skip
    assert status == 1 and "overwrite the input" in err
    assert {p.name: p.read_bytes() for p in clean.iterdir()} == before


def test_two_results_of_one_name_are_refused(small, cells, call, clean):
    """ilastik writes the second over the first."""
    status, _, err = call(
        "--headless", f"--project={small}", "--output_filename_format=same.h5", cells, cells
    )
    assert status == 1 and "same.h5" in err and not list(clean.iterdir())


def test_other_datasets_stay(small, cells, done):
    with h5py.File("r.h5", "w") as file:
        file["mine"] = np.arange(5)
        file["mine"].attrs["note"] = "keep"
        file["group/old"] = np.arange(3)
        file["alias"] = h5py.SoftLink("/mine")
        file.attrs["origin"] = "elsewhere"
        file["group/exported_data"] = np.arange(7)
    for _ in range(2):
        done(small, "--output_filename_format=r.h5", "--output_internal_path=group/exported_data", cells)
    with h5py.File("r.h5") as file:
        assert file["mine"][...].tolist() == [0, 1, 2, 3, 4] and file["mine"].attrs["note"] == "keep"
        assert file["group/old"].shape == (3,) and file["group/exported_data"].shape == SHAPE
        assert isinstance(file.get("alias", getlink=True), h5py.SoftLink)
        assert file.attrs["origin"] == "elsewhere"
    size = Path("r.h5").stat().st_size
    done(small, "--output_filename_format=r.h5", "--output_internal_path=group/exported_data", cells)
    assert Path("r.h5").stat().st_size == size, "it does not grow with each run"


def test_what_is_there_already(small, cells, done, call):
    Path("empty.h5").touch()
    done(small, "--output_filename_format=empty.h5", cells)
    assert dataset("empty.h5").values.shape == SHAPE
    Path("text.h5").write_text("notes")
    status, _, err = call("--headless", f"--project={small}", "--output_filename_format=text.h5", cells)
    assert status == 1 and "text.h5" in err and Path("text.h5").read_text() == "notes"


def test_mask(small, cells, done):
    """Outside, probabilities are 0, the segmentation is 1 and the uncertainty 1; fewer masks will do."""
    mask = np.zeros((48, 57), np.uint8)
    mask[20:40, 20:50] = 7
    tifffile.imwrite("mask.tif", mask)
    tifffile.imwrite("second.tif", tifffile.imread(cells))
    found = {}
    for source in ("Probabilities", "Simple Segmentation", "Uncertainty"):
        masked, _ = done(
            small,
            f"--export_source={source}",
            OUT,
            "--raw_data",
            cells,
            "second.tif",
            "--prediction-mask",
            "mask.tif",
        )
        found[source] = dataset(masked).values, dataset(f"second_{source}.h5").values
    for source, outside in (("Probabilities", 0), ("Simple Segmentation", 1), ("Uncertainty", 1)):
        values, free = found[source]
        assert (values[mask == 0] == outside).all()
        assert np.array_equal(values[mask > 0], free[mask > 0])
    assert (found["Probabilities"][1].sum(-1) == 1).all()


def test_stacks(small, cells, done, call):
    """A quoted pattern is one image, a list as in PATH too; several names are several images."""
    for k in range(3):
        tifffile.imwrite(f"st_{k}.tif", np.roll(tifffile.imread(cells), 5 * k, 1))
    options = ("--export_source=Simple Segmentation", "--ignore_training_axistags", OUT)
    [path] = done(small, *options, "--stack_along=t", "st_*.tif")
    assert path.name == "st__Simple Segmentation.h5"
    stacked = dataset(path)
    assert (stacked.values.shape, stacked.axes) == ((3, 48, 57, 1), "tyxc")
    single = done(small, *options, "st_0.tif", "st_1.tif", "st_2.tif")
    assert np.array_equal(stacked.values, np.stack([dataset(p).values for p in single]))
    [path] = done(small, *options, "--stack-along", "t", "st_0.tif:st_1.tif")
    assert dataset(path).values.shape == (2, 48, 57, 1)
    # In the order of the names as text, as in ilastik: st_10 comes before st_2.
    tifffile.imwrite("st_10.tif", tifffile.imread("st_0.tif"))
    [path] = done(small, *options, "--stack_along=t", "st_*.tif")
    order = (0, 1, 0, 2)
    assert np.array_equal(dataset(path).values, np.stack([dataset(single[k]).values for k in order]))
    status, _, err = call("--headless", f"--project={small}", *options, "--stack_along=c", "st_*.tif")
    assert status == 1 and "4 channels" in err
    [path] = done(small, *options, "--stack_along=c", "st_0*.tif")
    assert np.array_equal(dataset(path).values, dataset(single[0]).values)
    status, _, err = call("--headless", f"--project={small}", *options, "--stack_along=q", "st_*.tif")
    assert status == 1 and "t, z or c" in err
    status, _, err = call("--headless", f"--project={small}", *options, "no_*.tif")
    assert status == 1 and "no_*.tif" in err
    status, _, err = call("--headless", f"--project={small}", *options, "--input_axes=tyx", "st_*.tif")
    assert status == 0, err


def test_stored_settings_of_the_project(small, cells, done, call):
    """Names that are stored start from the project's folder, names that are given from the current one."""
    from dataclasses import replace

    project = read_project(small)
    export = replace(
        project.export, format="tiff", filename="masks/{nickname}.tiff", dtype="uint16", axes="yxc",
        input_range=(0.0, 1.0), export_range=(0.0, 65535.0),
        region_start=(None, 7, None), region_stop=(40, None, None),
    )  # fmt: skip
    write_project(replace(project, export=export), small)
    assert done(small, cells) == [small.parent / "masks" / "cells.tiff"]
    values = tifffile.imread(small.parent / "masks" / "cells.tiff")
    assert (values.shape, values.dtype, values.max()) == ((40, 50, 2), np.uint16, 65535)
    [path] = done(
        small, "--output_format=numpy", "--output_filename_format=r", "--export_dtype=float32", cells
    )
    assert path == Path.cwd() / "r.npy" and np.load(path).dtype == np.float32


def test_axes_come_from_the_last_image(small, cells, done):
    """A file that says otherwise is read as the project's last image, unless it is not to be."""
    from dataclasses import replace

    project = read_project(small)
    lane = project.lanes[0]
    turned = replace(lane, raw=replace(lane.raw, axes="xy"))
    write_project(replace(project, lanes=(turned,)), small)
    [path] = done(small, OUT, cells)
    assert dataset(path).axes == "xyc"
    [path] = done(small, OUT, "--ignore_training_axistags", cells)
    assert dataset(path).axes == "yxc"


def test_one_channel_more_or_less_in_the_order(small, done, cells):
    """A grey picture is yxc for ilastik and yx for us: both orders name it."""
    from PIL import Image

    Image.fromarray(tifffile.imread(cells)).save("grey.png")
    with h5py.File("one.h5", "w") as file:
        file["data"] = tifffile.imread(cells)[..., np.newaxis]
    for image in ("grey.png", "one.h5"):
        for axes in ("yx", "yxc"):
            [path] = done(small, OUT, f"--input_axes={axes}", image)
            assert dataset(path).values.shape == SHAPE


def test_axes_of_one_pixel_that_only_the_project_or_the_file_names(small, done, cells, call):
    tags = {k: json.dumps({"axes": [{"key": a, "typeFlags": 2} for a in k]}) for k in ("tzyx", "yx")}
    with h5py.File("four.h5", "w") as file:
        file["data"] = tifffile.imread(cells)[np.newaxis, np.newaxis]
        file["data"].attrs["axistags"] = tags["tzyx"]
    [path] = done(small, OUT, "four.h5")
    assert dataset(path).axes == "tzyxc" and dataset(path).values.shape == (1, 1, *SHAPE)
    with h5py.File("two.h5", "w") as file:
        file["data"] = tifffile.imread(cells)
        file["data"].attrs["axistags"] = tags["yx"]
    [path] = done(small, OUT, "--input_axes=tzyxc", "two.h5")
    assert dataset(path).axes == "tzyxc" and dataset(path).values.shape == (1, 1, *SHAPE)
    status, _, err = call("--headless", f"--project={small}", OUT, "--input_axes=tzxyc", "two.h5")
    assert status == 1 and "5 axes" in err


def labelled(project):
    """The project with strokes of both classes and without a classifier."""
    from dataclasses import replace

    from underbrush.project.schema import ClassifierInfo

    opened = read_project(project)
    values = np.zeros((1, 1, 1, 48, 57), np.uint8)
    values[..., 2:8, 2:50] = 1
    values[..., 15:25, 20:30] = 2
    block = make_block(Box.whole(values.shape), values)
    lane = replace(opened.lanes[0], labels=(block,))
    info = ClassifierInfo("none", 10)
    write_project(replace(opened, lanes=(lane,), forest=None, classifier=info), project)
    return project


def test_training_without_a_classifier(small, cells, done):
    """It is trained, and not kept."""
    before = labelled(small).read_bytes()
    [path] = done(small, "--export_source=Simple Segmentation", OUT, cells)
    assert (dataset(path).values[12:28, 18:38] == 2).all()
    for options in (["--tree-count", "3"], ["--label-proportion=0.5"]):
        [path] = done(small, *options, OUT, cells)
        steps = dataset(path).values * 3
        assert (options[0] != "--tree-count") or np.allclose(steps, np.rint(steps), atol=1e-5)
    assert small.read_bytes() == before


def test_features_need_no_classifier(data, done):
    project = data / "ilp" / "ilastik_api_noclassifier" / "PixelClassNoClassifier.ilp"
    [path] = done(project, "--export_source=Features", OUT, project.parent / "Data_1channel.png")
    assert dataset(path).values.shape[:2] == (128, 128) and dataset(path).values.shape[2] > 20


def test_a_class_that_vanishes(small, cells, call):
    labelled(small)
    status, _, err = call("--headless", f"--project={small}", "--label-proportion=0.00001", cells)
    assert status == 1 and "no pixel of the class" in err


def test_retrain(small, call, done, cells):
    """The project is saved with the new classifier, and used."""
    labelled(small)
    status, _, err = call("--headless", f"--project={small}", "--readonly=0", "--retrain", "--tree-count=5")
    assert status == 0, err
    kept = read_project(small)
    assert kept.forest is not None and kept.forest.n_trees == 5 and kept.classifier.n_trees == 5
    [path] = done(small, "--export_source=Simple Segmentation", OUT, cells)
    assert (dataset(path).values[12:28, 18:38] == 2).all()


def test_a_project_that_is_open_is_seen_as_it_is(small, cells, done):
    """Changes that are not in the .ilp yet count; who has it open is not disturbed."""
    from underbrush.engine.session import Session
    from underbrush.project.commands import SetTraining

    labelled(small)
    before = small.read_bytes()
    with Session.open(small, idle=1000) as session:
        session.apply("window", session.last_number("window") + 1, SetTraining(7, 0, False))
        [path] = done(small, OUT, cells)
        assert small.read_bytes() == before
        steps = dataset(path).values * 7
        assert np.allclose(steps, np.rint(steps), atol=1e-5) and session.read_only is None


@pytest.mark.parametrize(
    ("variables", "status"),
    [
        ({"LAZYFLOW_THREADS": "0"}, 0),
        ({"LAZYFLOW_THREADS": "-1", "LAZYFLOW_TOTAL_RAM_MB": "0"}, 0),
        ({"LAZYFLOW_THREADS": "3", "LAZYFLOW_TOTAL_RAM_MB": "900"}, 0),
        (
            {
                "LAZYFLOW_STATUS_MONITOR_SECONDS": "5",
                "LAZYFLOW_MULTIPROCESS_HDF5": "1",
                "LAZYFLOW_NO_DVID_EXTENTS": "1",
                "AWS_ACCESS_KEY_ID": "me",
                "FSSPEC_S3_KEY": "me",
                "SSL_CERT_FILE": "cert.pem",
            },
            0,
        ),
        ({"LAZYFLOW_THREADS": "many"}, 1),
        ({"LAZYFLOW_TOTAL_RAM_MB": "400"}, 1),
    ],
)
def test_environment(small, cells, call, monkeypatch, variables, status):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found, _, err = call("--headless", f"--project={small}", OUT, cells)
    assert found == status and all(name in err for name in variables if status)


def test_ini(small, cells, done, call):
    """The user's file, a file that is named, and the environment before both."""
    from underbrush.compat.settings import load

    text = (
        "[ilastik]\noutput_format: numpy\noutput_filename_format: x_{nickname}\n"
        "[lazyflow]\nthreads: 3\ntotal_ram_mb: 700\n"
    )
    Path("other.ini").write_text(text)
    settings = load("other.ini")
    assert (settings.threads, settings.memory) == (3, 700 << 20)
    # What the project stores goes before the file, as in ilastik.
    assert done(small, "--configfile=other.ini", cells) == [small.parent / P]
    with h5py.File(small, "r+") as file:
        for name in ("OutputFormat", "OutputFilenameFormat"):
            file["Prediction Export"].pop(name, None)
    assert done(small, "--configfile=other.ini", cells) == [small.parent / "x_cells.npy"]
    home = Path.home() / ".config" / "ilastik"
    home.mkdir(parents=True)
    (home / "ilastik.ini").write_text(text)
    assert done(small, cells) == [small.parent / "x_cells.npy"]
    (home / "ilastik.ini").rename(Path.home() / ".ilastikrc")
    assert done(small, cells) == [small.parent / "x_cells.npy"]
    (home / "ilastik.ini").write_text("no section\n")
    status, _, err = call("--headless", f"--project={small}", cells)
    assert status == 1 and "ilastik.ini" in err


def test_without_headless_the_window_opens(small, monkeypatch):
    from underbrush.cli import ilastik, main

    seen = []
    monkeypatch.setattr(main, "run", lambda arguments: seen.append(arguments) or 0)
    assert ilastik.run([f"--project={small}"]) == 0
    assert seen == [[str(small)]]


def test_calls_in_a_row_leave_nothing(small, cells, done, clean):
    before = sorted(p.name for p in small.parent.iterdir())
    for _ in range(5):
        done(small, OUT, cells)
    assert sorted(p.name for p in small.parent.iterdir()) == before
    assert [p.name for p in clean.iterdir()] == [P]


def test_attributes_are_those_of_ilastik(small, cells, done):
    [path] = done(small, OUT, cells)
    attributes = dataset(path).attributes
    entries = json.loads(attributes["axistags"])["axes"]
    assert [set(e) for e in entries] == [{"key", "typeFlags", "resolution", "description"}] * 3
    assert attributes["display_mode"] == "grayscale" and attributes["drange"].tolist() == [0.0, 1.0]
