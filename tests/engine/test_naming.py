"""Names of results."""

from __future__ import annotations

from pathlib import Path

import pytest

from underbrush.engine.naming import DEFAULT_PATTERN, Naming, nickname_of, output_path
from underbrush.errors import OutputError, UsageError


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/a/cells.ome.tif", "cells"),
        ("cells.h5/raw/data", "cells-raw-data"),
        ("/a/b.c/im.v2.tiff", "im.v2"),
        ("nuclei größe µm (1).tif", "nuclei größe µm (1)"),
        ("im.h5", "im"),
        ("slide.tif#series=2", "slide-series2"),
        ("slide.tif#series=2,level=1", "slide-series2-level1"),
        ("slide.tif#", "slide"),
        ("odd#name.tif", "odd#name"),
        ("a.ome.zarr", "a"),
        ("https://host/folder/a.zarr", "a"),
        ("plate.zarr/A/1/0#level=1", "plate-A-1-0-level1"),
        ("a.ome.zarr.zip", "a"),
        ("/b/im1.tif:/b/im2.tif#stack=t", "im1"),
        ("frames/f_*.tif#stack=t", "f_*"),
        (r"C:\images\cells.tif", "cells"),
    ],
)
def test_nicknames(address, name):
    assert nickname_of(address) == name


def test_the_default_is_a_folder_beside_the_project(tmp_path):
    naming = Naming(tmp_path / "my.ilp", "segmentation")
    path = output_path(DEFAULT_PATTERN, "/data/cells.tif", naming, ".tif")
    assert path == tmp_path / "my_results" / "cells_segmentation.tif"


def test_placeholders_and_suffixes(tmp_path):
    naming = Naming(tmp_path / "my.ilp", "probabilities")
    path = output_path("{dataset_dir}/{nickname}_{result}.h5", f"{tmp_path}/im.h5/raw", naming, ".tif")
    assert path == tmp_path / "im-raw_probabilities.h5"
    assert output_path("/x/{nickname}.v1", "a.tif", naming, ".tif") == Path("/x/a.v1.tif")


def test_an_unknown_placeholder_is_named_with_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"\{name\}.*\{nickname\}"):
        output_path("{name}", "a.tif", Naming(tmp_path / "p.ilp", "labels"), ".tif")


@pytest.mark.parametrize(
    ("pattern", "says"), [("", "is empty"), ("{project_dir}", "a folder"), ("new/", "a folder")]
)
def test_a_folder_or_nothing_is_no_name_of_a_result(tmp_path, pattern, says):
    with pytest.raises(UsageError, match=says) as caught:
        output_path(pattern, "a.tif", Naming(tmp_path / "p.ilp", "segmentation"), ".tif")
    assert "{nickname}_{result}" in str(caught.value)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.precomputed", "other.ilp", "a.npz", "a.GIF"])
def test_a_result_is_not_called_what_it_is_not(tmp_path, name):
    with pytest.raises(OutputError, match="no format of results"):
        output_path(str(tmp_path / name), "a.tif", Naming(tmp_path / "p.ilp", "segmentation"), ".tif")


def test_names_of_sequences_and_folders(tmp_path):
    naming = Naming(tmp_path / "p.ilp", "segmentation")
    numbered = "_{slice_index}.png"
    assert output_path("{nickname}", "a.tif", naming, numbered).name == "a_{slice_index}.png"
    assert output_path("s{slice_index}_{nickname}", "a.tif", naming, numbered).name == "s{slice_index}_a.png"
    assert output_path("x{slice_index}.png", "a.tif", naming, numbered).name == "x{slice_index}.png"
    (tmp_path / "there.zarr").mkdir()
    path = output_path(str(tmp_path / "there.zarr"), "a.tif", naming, ".ome.zarr")
    assert path == tmp_path / "there.zarr", "a folder that is a result may be replaced"
