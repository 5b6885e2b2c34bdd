"""What may be typed as an address of an image, and that nothing outside of the roots is reached by it."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from session_scenes import new_project
from underbrush.cli.app import _may_be_opened
from underbrush.errors import CommandError, SeveralImagesError, UnderbrushError, UsageError
from underbrush.project.commands import ImportProject
from underbrush.project.paths import linked_source
from underbrush.project.schema import Lane, Project
from underbrush.project.write import write_project
from underbrush.sources.opening import open_image
from underbrush.web.addresses import is_on_the_net, seen_address
from underbrush.web.browse import AccessError, Roots, Wanted
from underbrush.web.confinement import check_command, check_source
from underbrush.web.exports import images_in
from underbrush.web.panels.image_acts import adding
from underbrush.web.panels.image_choices import image_choices
from underbrush.web.panels.opening import expanded

PIXELS = np.arange(4 * 24 * 32, dtype=np.uint16).reshape(4, 24, 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """root/ with files of several images and folders that are images; outside/ with a secret."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    for folder, name in ((root, "two.h5"), (root, "more.h5"), (outside, "secret.h5")):
        with h5py.File(folder / name, "w") as file:
            file["raw"] = PIXELS
            file["group/labels"] = PIXELS[0].astype(np.uint8)
    np.savez(root / "two.npz", a=PIXELS, b=PIXELS[0])
    for folder in (root, outside):
        zarr.save_array(folder / "one.zarr", PIXELS)
    (root / "one.zarr" / "out").symlink_to(outside / "one.zarr")
    (root / "link.h5").symlink_to(outside / "secret.h5")
    (root / "plain").mkdir()
    return root


def test_a_dataset_in_a_file_and_options_are_taken(root: Path) -> None:
    roots = Roots([root])
    for inner in ("/raw", "/group/labels", "/raw#level=0"):
        assert expanded([f"{root}/two.h5{inner}"], roots) == [f"{root}/two.h5{inner}"]
    assert expanded(["two.npz/b"], roots) == [f"{root}/two.npz/b"]
    assert expanded([f"{root}/*o*.h5/raw"], roots) == [f"{root}/more.h5/raw", f"{root}/two.h5/raw"]
    (command,) = adding(expanded(["two.h5/group/labels"], roots), root)
    assert command["source"]["shape"] == [24, 32]
    with pytest.raises(UnderbrushError, match="there is no dataset 'none'"):
        adding(expanded(["two.h5/none"], roots), root)


def test_a_name_that_looks_like_an_address_is_itself(root: Path) -> None:
    (root / "a#level=1").write_bytes(b"x")
    assert seen_address(str(root / "a#level=1"), Roots([root])) == str(root / "a#level=1")


@pytest.mark.parametrize(
    "text",
    [
        "{out}/secret.h5/raw",
        "{out}/secret.h5/raw#series=0",
        "{root}/../outside/secret.h5/raw",
        "{root}/link.h5/raw",
        "{root}/one.zarr/out",
        "{root}/one.zarr/out/0",
        "{root}/one.zarr/../../outside/secret.h5",
        "{root}/one.zarr/none/../../../outside/secret.h5",
        "{root}/two.h5\0/raw",
    ],
)
def test_no_address_leads_out_of_the_roots_nor_tells_what_is_there(root: Path, text: str) -> None:
    named = text.format(root=root, out=root.parent / "outside")
    with pytest.raises(AccessError) as error:
        seen_address(named, Roots([root]))
    assert error.value.problem == "this is not among the folders that may be opened here"
    assert error.value.where == named.partition("#")[0] or error.value.where == named


def test_addresses_on_the_net_are_taken_unless_only_some_folders_may_be_seen(root: Path) -> None:
    for text in ("https://host/a.zarr", "S3://bucket/a.n5", "precomputed://gs://b/p", "zarr://https://h/a"):
        assert is_on_the_net(text) and expanded([text], Roots([root])) == [text]
        with pytest.raises(UsageError, match="started with --root"):
            expanded([text], Roots([root]), confined=True)
    source = linked_source("https://host/a.zarr", "yx", (8, 9))
    check_source(source, Roots([root]), root / "p.ilp")
    with pytest.raises(UsageError, match="--root"):
        check_source(source, Roots([root]), root / "p.ilp", confined=True)
    with pytest.raises(CommandError):
        check_source(linked_source(str(root.parent / "outside" / "secret.h5")), Roots([root]), root / "p.ilp")


def test_another_project_is_imported_from_below_the_roots_only(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        new_project(folder)
    roots, mine = Roots([inside]), inside / "mine.ilp"
    check_command(ImportProject(str(inside / "p.ilp"), (0,)), roots, mine)
    for path in (outside / "p.ilp", inside / ".." / "outside" / "p.ilp", Path("p.ilp"), inside / "none.ilp"):
        with pytest.raises(AccessError):
            check_command(ImportProject(str(path), ()), roots, mine)
    far = linked_source(str(outside / "image0.tif"), "yx", (96, 120))
    write_project(Project(lanes=(Lane("far", far),)), inside / "far.ilp")
    check_command(ImportProject(str(inside / "far.ilp"), ()), roots, mine)
    for place in (0, 1):
        with pytest.raises(CommandError):
            check_command(ImportProject(str(inside / "far.ilp"), (place,)), roots, mine)


def test_a_file_of_several_images_says_which_with_sizes_and_axes(root: Path) -> None:
    for name, found in (("two.h5", ["group/labels", "raw"]), ("two.npz", ["a", "b"])):
        with pytest.raises(SeveralImagesError) as error:
            open_image(root / name)
        same = pickle.loads(pickle.dumps(error.value))
        assert same.choices == error.value.choices and str(same) == str(error.value)
        wanted = {"name": "add", "paths": [str(root / "x.tif"), str(root / name)]}
        data = image_choices(error.value, wanted)
        assert [row["name"] for row in data["rows"]] == found
        assert {tuple(row["shape"]) for row in data["rows"]} == {(24, 32), (4, 24, 32)}
        assert all(len(row["axes"]) == len(row["shape"]) and row["dtype"] for row in data["rows"])
        assert data["where"] in data["wanted"]["paths"] and not data["single"]
        for row in data["rows"]:
            assert adding([row["address"]], root)
    assert image_choices(error.value, {"name": "replace", "paths": []})["single"]
    assert image_choices(error.value, {"name": "mask", "lanes": ["a1"], "paths": []})["single"]


def test_a_zarr_group_of_arrays_says_which(root: Path) -> None:
    group = zarr.open_group(root / "several.zarr", mode="w")
    for name in ("a", "b"):
        group.create_array(name, data=PIXELS)
    with pytest.raises(SeveralImagesError) as error:
        open_image(root / "several.zarr")
    rows = image_choices(error.value, {"name": "add", "paths": [str(root / "several.zarr")]})["rows"]
    assert [(row["name"], row["shape"]) for row in rows] == [("a", [4, 24, 32]), ("b", [4, 24, 32])]
    assert expanded([rows[1]["address"]], Roots([root])) == [rows[1]["address"]]


def test_folders_that_are_images_are_listed_found_and_opened_as_images(root: Path) -> None:
    (root / "packed.zarr.zip").write_bytes(b"PK")
    (root / "deep").mkdir()
    zarr.save_array(root / "deep" / "far.zarr", PIXELS)
    roots = Roots([root])
    entries = {entry.name: entry for entry in roots.listing("").entries}
    assert entries["one.zarr"].kind == "image" and entries["one.zarr"].folder
    assert entries["packed.zarr.zip"].kind == "image" and not entries["packed.zarr.zip"].folder
    assert entries["plain"].kind == "folder"
    found = roots.locate(
        [
            Wanted("far.zarr", 4096, 0.0, folder=True),
            Wanted("far.zarr", 4096, 0.0),
            Wanted("plain", 0, 0.0, True),
        ]
    )
    assert found == [root / "deep" / "far.zarr", None, None]
    assert expanded([f"{root}/*.zarr"], roots) == [f"{root}/one.zarr"]
    assert images_in([f"{root}/one.zarr"], roots) == [f"{root}/one.zarr"]


def test_the_command_takes_folders_that_are_images_and_datasets_in_files(root: Path) -> None:
    for name in ("one.zarr", "two.h5", "two.h5/raw", "two.h5/raw#level=0"):
        assert _may_be_opened(root / name), name
    for name in ("plain", "none.tif", "none.h5/raw", "plain/raw"):
        assert not _may_be_opened(root / name), name


def test_a_sentence_in_the_window_begins_with_a_capital_letter_or_the_name_of_the_file() -> None:
    assert UsageError("no image is selected", remedy="select one").sentence.startswith("No image")
    assert UsageError("it is empty", where="cells.tif", remedy="x").sentence.startswith("cells.tif: it")


def test_pixels_that_an_hdf5_file_takes_from_elsewhere_lie_below_the_roots_too(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "secret.bin").write_bytes(bytes(4096))
        with h5py.File(folder / "far.h5", "w") as file:
            file["y"] = np.zeros((64, 64), np.uint8)
    roots = Roots([inside])
    for folder in (inside, outside):
        made = [inside / f"{folder.name}_{kind}.h5" for kind in ("raw", "virtual", "link")]
        with h5py.File(made[0], "w") as file:
            file.create_dataset("x", (64, 64), "u1", external=[(str(folder / "secret.bin"), 0, 4096)])
        layout = h5py.VirtualLayout((64, 64), "u1")
        layout[:] = h5py.VirtualSource(str(folder / "far.h5"), "y", (64, 64))
        with h5py.File(made[1], "w", userblock_size=512) as file:
            file.create_virtual_dataset("deep/x", layout)
        with h5py.File(made[2], "w") as file:
            file["x"] = h5py.ExternalLink(str(folder / "far.h5"), "y")
        for path in made:
            for text in (str(path), f"{path}/x"):
                if folder == inside:
                    assert seen_address(text, roots) == text
                else:
                    with pytest.raises(AccessError, match="from another one"):
                        seen_address(text, roots)


def test_what_cannot_be_looked_through_for_links_is_refused(tmp_path):
    with h5py.File(tmp_path / "torn.h5", "w", libver="earliest") as file:
        file["bad/x"] = np.zeros((64, 64), np.uint8)
        file["z"] = h5py.ExternalLink("/etc/hostname", "y")
        at = h5py.h5o.get_info(file["bad"].id).addr
    with (tmp_path / "torn.h5").open("r+b") as raw:
        raw.seek(at)
        raw.write(b"\xff\xff" + bytes(6))  # the header of a group that is met before the link
    with pytest.raises(AccessError, match=r"damaged|from another one"):
        seen_address(str(tmp_path / "torn.h5"), Roots([tmp_path]))
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert seen_address(str(tmp_path / "cut.h5"), Roots([tmp_path])) == str(tmp_path / "cut.h5")
