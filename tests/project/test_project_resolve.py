"""The image of a project is found, also after both have moved to another computer."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from underbrush.project.paths import linked, name_of, split_files, split_inner
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Project, Source


def _find(folder: Path, stored: str):
    kind, files, inner = linked(stored)
    source = Source(kind, stored, name="image", files=files, inner=inner)
    return resolve_source(source, Project(path=folder / "p.ilp"))


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize(
    ("stored", "lies", "address"),
    [
        ("a.tif", "a.tif", "a.tif"),
        ("./sub/a.h5/vol/data", "sub/a.h5", "sub/a.h5/vol/data"),
        ("sub\\a.tif", "sub/a.tif", "sub/a.tif"),
        ("C:\\Users\\me\\data\\a.h5\\vol\\data", "a.h5", "a.h5/vol/data"),
        ("C:/Users/me/data/a.tif", "data/a.tif", "data/a.tif"),
        ("\\\\server\\share\\run 1\\a.tif", "run 1/a.tif", "run 1/a.tif"),
        ("/home/me/project/images/a.tif", "images/a.tif", "images/a.tif"),
        ("/home/me/IMAGES/A.TIF", "images/a.tif", "images/a.tif"),
        ("../images/a.tif", "images/a.tif", "images/a.tif"),
        ("mitocheck_2d+t/small_2D+t.h5/exported_data", "mitocheck_2d+t/small_2D+t.h5",
         "mitocheck_2d+t/small_2D+t.h5/exported_data"),
        ("a.n5/s0", "a.n5", "a.n5/s0"),
        ("/home/me/a.zarr.zip/0", "a.zarr.zip", "a.zarr.zip/0"),
        ("/home/me/a.tif#series=2", "a.tif", "a.tif#series=2"),
        ("a.h5/raw#level=1", "a.h5", "a.h5/raw#level=1"),
        ("b#series=1.tif", "b#series=1.tif", "b#series=1.tif"),
        ("old.h5.bak/a.h5//x//y", "old.h5.bak/a.h5", "old.h5.bak/a.h5/x/y"),
        ("file:///home/me/my%20images/a.tif", "my images/a.tif", "my images/a.tif"),
        ("file:///C:/x/a.h5/d", "a.h5", "a.h5/d"),
    ],
)  # fmt: skip
def test_an_image_that_came_along_is_found(tmp_path: Path, stored, lies, address) -> None:
    _touch(tmp_path / lies)
    found = _find(tmp_path, stored)
    assert found.problem == ""
    assert found.address == str(tmp_path / address)


def test_the_longest_matching_end_wins(tmp_path: Path) -> None:
    for place in ("a.tif", "2020/a.tif", "x/2020/a.tif"):
        _touch(tmp_path / place)
    assert _find(tmp_path, "/old/x/2020/a.tif").address == str(tmp_path / "x/2020/a.tif")
    assert _find(tmp_path, "/old/y/2020/a.tif").address == str(tmp_path / "2020/a.tif")
    assert _find(tmp_path, "/old/y/2021/a.tif").address == str(tmp_path / "a.tif")


def test_the_stored_path_counts_before_a_look_alike(tmp_path: Path) -> None:
    real = _touch(tmp_path / "elsewhere/a.tif")
    _touch(tmp_path / "project/a.tif")
    assert _find(tmp_path / "project", str(real)).address == str(real)
    assert _find(tmp_path / "project", "../elsewhere/a.tif").files[0].samefile(real)


@pytest.mark.parametrize(("stored", "lies"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_both_unicode_forms_of_a_name_are_one(tmp_path: Path, stored, lies) -> None:
    path = _touch(tmp_path / unicodedata.normalize(lies, "Zähne/été.tif"))
    assert _find(tmp_path, unicodedata.normalize(stored, "Zähne/été.tif")).address == str(path)


def test_a_missing_image_is_one_sentence(tmp_path: Path) -> None:
    found = _find(tmp_path, "sub/a.tif")
    assert (found.address, found.files) == (None, ())
    assert "sub/a.tif" in found.problem
    assert "beside the project" in found.problem


@pytest.mark.parametrize("stored", ["a\0b.tif", "x" * 5000, "", "/", "..", "*", "C:", "\\", "a.h5/" * 50])
def test_odd_paths_are_missing_or_found_but_never_crash(tmp_path: Path, stored) -> None:
    found = _find(tmp_path, stored)
    assert (found.address is None) == bool(found.problem)


def test_addresses_on_the_net_stay_as_they_are(tmp_path: Path) -> None:
    for stored in ("https://host:8080/a.zarr", "precomputed://https://host/x", "s3://bucket/a.zarr/0"):
        assert _find(tmp_path, stored).address == stored


def test_stacks_keep_their_order(tmp_path: Path) -> None:
    for name in ("z1.tif", "z2.tif", "z10.tif"):
        _touch(tmp_path / name)
    found = _find(tmp_path, "C:\\x\\z2.tif;C:\\x\\z10.tif;C:\\x\\z1.tif")
    assert [f.name for f in found.files] == ["z2.tif", "z10.tif", "z1.tif"]
    assert [f.name for f in _find(tmp_path, "z*.tif").files] == ["z1.tif", "z10.tif", "z2.tif"]
    assert _find(tmp_path, "z1.tif;gone.tif").address is None


@pytest.mark.parametrize(
    ("stored", "files"),
    [
        ("/a/1.tif:/a/2.tif", ["/a/1.tif", "/a/2.tif"]),
        ("C:\\a\\1.tif:C:\\a\\2.tif", ["C:\\a\\1.tif", "C:\\a\\2.tif"]),
        ("a.h5/x;b.h5/x", ["a.h5/x", "b.h5/x"]),
        ("C:/a/1.tif", ["C:/a/1.tif"]),
        ("time_12:30.tif", ["time_12:30.tif"]),
        ("one; two.tif", ["one; two.tif"]),
    ],
)
def test_stored_stacks_are_parted(stored, files) -> None:
    assert split_files(stored) == files


def test_names_and_inner_paths() -> None:
    assert split_inner("d/a.H5/v/w") == ("d/a.H5", "v/w")
    assert split_inner("a.h5x/b.tif") == ("a.h5x/b.tif", "")
    assert name_of("C:\\d\\my.cells.tif") == "my.cells"
    assert name_of("d/a.h5/v") == "a"
