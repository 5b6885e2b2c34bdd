"""What is to be predicted: folders, tables, lists, and masks that go with images."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from underbrush.engine.manifest import Entry, listed, named_entries, paired_by_name, read_table
from underbrush.errors import UsageError


@pytest.fixture
def folder(tmp_path):
    """Images of several kinds, others beside them, one deeper."""
    home = tmp_path / "plates"
    (home / "day 2").mkdir(parents=True)
    for name in ("im10.tif", "im2.tif", "im1.png", ".hidden.tif", "notes.txt", "day 2/im3.npy", "p.ilp"):
        (home / name).write_bytes(b"")
    zarr.save_array(home / "vol.zarr", np.zeros((4, 4), np.uint8))
    return home


def names(entries, folder):
    return [entry.image.removeprefix(f"{folder}/") for entry in entries]


def test_a_folder_gives_its_images_in_the_order_of_their_numbers(folder):
    flat = named_entries([str(folder)], [], [], deep=False)
    assert names(flat, folder) == ["im1.png", "im2.tif", "im10.tif", "vol.zarr"]
    deep = named_entries([str(folder)], [], [], deep=True)
    assert names(deep, folder) == ["im1.png", "im2.tif", "im10.tif", "vol.zarr", "day 2/im3.npy"]


def test_a_folder_that_is_an_image_stays_one_and_patterns_stay_one_stack(folder):
    given = [str(folder / "vol.zarr"), str(folder / "im*.tif"), "https://host/a.zarr", str(folder / "no.tif")]
    assert [entry.image for entry in named_entries(given, [], [], deep=False)] == given


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match=r"no image in this folder.*--recursive"):
        named_entries([str(tmp_path)], [], [], deep=False)


def test_a_link_round_in_a_circle_ends(folder):
    (folder / "day 2" / "back").symlink_to(folder)
    assert len(named_entries([str(folder)], [], [], deep=True)) == 5


def test_a_list_stands_where_it_is_named():
    lines = listed("a b.tif\r\n\nc.h5/data\n")
    found = named_entries(["x.tif", "-", "y.tif"], [], lines, deep=False)
    assert [e.image for e in found] == ["x.tif", "a b.tif", "c.h5/data", "y.tif"]
    assert listed("one\ntwo.tif\0three.tif\0") == ["one\ntwo.tif", "three.tif"]


def test_masks_by_number_by_pattern_and_by_folder(folder, tmp_path):
    images = [str(folder / "im1.png"), str(folder / "im10.tif")]
    assert [e.mask for e in named_entries(images, ["m", "n"], [], deep=False)] == ["m", "n"]
    by_pattern = named_entries(images, ["{dataset_dir}/masks/{nickname}_m.png"], [], deep=False)
    assert [e.mask for e in by_pattern] == [str(folder / f"masks/{n}_m.png") for n in ("im1", "im10")]
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("im10_mask.png", "im1_mask.png", "im5_mask.png"):
        (masks / name).write_bytes(b"")
    by_folder = named_entries(images, [str(masks)], [], deep=False)
    assert [e.mask for e in by_folder] == [str(masks / "im1_mask.png"), str(masks / "im10_mask.png")]
    (masks / "im1_mask.png").unlink()
    with pytest.raises(UsageError, match=r"no mask for .*im1\.png"):
        named_entries(images, [str(masks)], [], deep=False)
    with pytest.raises(UsageError, match="3 masks for 2 images"):
        named_entries(images, ["a", "b", "c"], [], deep=False)
    with pytest.raises(UsageError, match="is not understood"):
        named_entries(images, ["{name}.png"], [], deep=False)


def test_names_pair_whatever_stands_before_or_behind():
    images = ["a/x1.tif", "a/x12.tif", "a/Y.tif"]
    masks = ["m/x12.png", "m/mask_x1.png", "m/roi_y_final.png"]
    assert paired_by_name(images, masks, "m") == ["m/mask_x1.png", "m/x12.png", "m/roi_y_final.png"]


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_counts_from_its_own_folder(tmp_path, between):
    rows = [
        ("Image", "well", "mask", "axes", "output"),
        ("a.tif", "B2", "", "", ""),
        ("/far/b.h5/data", "", "m/b.png", "zyx", "out/{nickname}.h5"),
        ("https://host/c.zarr", "", "", "", ""),
    ]
    path = tmp_path / "files.csv"
    path.write_text("\ufeff" + "\n".join(between.join(row) for row in rows) + "\n\n", encoding="utf-8")
    entries, said = read_table(path)
    assert entries == [
        Entry(f"{tmp_path}/a.tif"),
        Entry("/far/b.h5/data", f"{tmp_path}/m/b.png", "zyx", f"{tmp_path}/out/{{nickname}}.h5"),
        Entry("https://host/c.zarr"),
    ]
    assert said == (f"{path}: not used: well.",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,mask\na,b\n", "no column named image; its first line names file, mask"),
        ("image,masks\na,b\n", "a column named masks; name it mask"),
        ("image,image\na,b\n", "image is there twice"),
        ("image,mask\n,b\n", "line 2 names no image"),
        ("image\na.tif\nb,c\n", "line 3 has 2 values"),
        ("image\n\n", "no images"),
        ("", "no column named image"),
        ('image\n"a"b\n', "line 2 cannot be understood"),
    ],
)
def test_a_table_that_cannot_be_understood_says_where(tmp_path, text, says):
    path = tmp_path / "files.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_table(path)
    assert says in str(error.value) and str(path) in str(error.value)


def test_a_table_that_is_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(UsageError, match="there is no such file; check the name"):
        read_table(tmp_path / "none.csv")
