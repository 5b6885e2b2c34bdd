"""Zarr and its relatives: what metadata say, collections to choose from, and metadata that lie."""

from __future__ import annotations

import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr
from ome_zarr_models.v04.image import ImageAttrs as AttrsFour
from ome_zarr_models.v05.image import ImageAttrs as AttrsFive

from underbrush.api.pixel_classifier import PixelClassifier
from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import ngff, open_image, zarrimage

SPACE = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
ALL = [{"name": "t", "type": "time", "unit": "second"}, {"name": "c", "type": "channel"}, *SPACE]


def dataset(path, *scale, **more):
    return {"path": path, "coordinateTransformations": [{"type": "scale", "scale": list(scale)}], **more}


def entry(axes, *datasets, **more):
    return {"axes": axes, "datasets": list(datasets), "name": "image", **more}


def omero(*channels):
    return {"channels": [
        {"label": name, "color": "FFFFFF", "window": {"min": 0, "max": 255, "start": low, "end": high}}
        for name, low, high in channels
    ]}  # fmt: skip


class TestMetadata:
    """Against ome-zarr-models, which checks that what is tried is right by the specification."""

    def test_four(self):
        attributes = {
            "multiscales": [
                entry(
                    ALL, dataset("0", 1, 1, 2, 0.5, 0.25), dataset("s/1", 1, 1, 2, 1, 0.5), version="0.4",
                    coordinateTransformations=[{"type": "scale", "scale": [3, 1, 1, 1, 2]}],
                )
            ],
            "omero": omero(("DAPI", 10, 200.5), ("GFP", 0, 90)),
        }  # fmt: skip
        model = AttrsFour.model_validate(attributes)
        found = ngff.read_multiscale(attributes)
        assert found.axes == "".join(axis.name for axis in model.multiscales[0].axes)
        assert [level.path for level in found.levels] == [d.path for d in model.multiscales[0].datasets]
        assert found.levels[0].pixel_size == {
            "t": (3, "s"), "z": (2, "µm"), "y": (0.5, "µm"), "x": (0.5, "µm"),
        }  # fmt: skip
        assert found.levels[1].pixel_size["x"] == (1, "µm")
        assert found.channels == tuple(c.label for c in model.omero.channels)
        windows = [c.window for c in model.omero.channels]
        assert found.display == tuple((w.start, w.end) for w in windows)
        assert found.problems == ()

    def test_five(self):
        translated = dataset("a", 1, 1)
        translated["coordinateTransformations"].append({"type": "translation", "translation": [5, 6]})
        ome = {"version": "0.5", "multiscales": [entry(SPACE[1:], translated)]}
        AttrsFive.model_validate(ome)
        found = ngff.read_multiscale({"ome": ome, "other": {"multiscales": "not this"}})
        assert (found.axes, found.levels[0].pixel_size) == ("yx", {"y": (1, "µm"), "x": (1, "µm")})

    @pytest.mark.parametrize(
        ("axes", "letters"),
        [
            (None, "tczyx"),
            (["c", "y", "x"], "cyx"),
            ([{"name": "Z", "type": "space"}, {"name": "Y"}, {"name": "X"}], "zyx"),
            ([{"name": "depth", "type": "space"}, {"name": "row", "type": "space"},
              {"name": "col", "type": "space"}], "zyx"),
            ([{"name": "angle", "type": "channel"}, {"name": "y"}, {"name": "x"}], "cyx"),
            ([{"name": "frame", "type": "time"}, {"name": "x"}, {"name": "y"}], "txy"),
        ],
    )  # fmt: skip
    def test_axes_of_other_versions_and_writers(self, axes, letters):
        found = ngff.read_multiscale({"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]})
        assert (found.axes, found.problems) == (letters, ())

    @pytest.mark.parametrize(
        "axes",
        [["x"], "zyx", ["a", "b"], [{"name": "x"}, {"name": "x"}], [3, 4, 5], ["t", "c", "z", "y", "x", "l"]],
    )
    def test_axes_that_are_none_are_not_used(self, axes):
        found = ngff.read_multiscale({"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]})
        assert found.axes == ""
        assert "not used" in found.problems[0]

    @pytest.mark.parametrize("path", ["", "/", "..", "a/../../b", "a//b", "./a", "a\\b", "a\0", 7, None])
    def test_paths_lead_nowhere_else(self, path):
        with pytest.raises(ngff.NotNgffError):
            ngff.read_multiscale({"multiscales": [entry(SPACE, {"path": path})]})

    @pytest.mark.parametrize(
        "scale", [[1, 2], ["a", 1, 1], [0, -1, float("nan")], [10**400, True, None], "x", None]
    )
    def test_scales_that_are_none_give_no_size(self, scale):
        said = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}, 5, None]}
        sizes = ngff.read_multiscale({"multiscales": [entry(SPACE, said)]}).levels[0].pixel_size
        assert set(sizes) <= {"y", "x"}
        assert all(0 < size < 1e300 for size, _ in sizes.values())

    @pytest.mark.parametrize(
        "window",
        [None, {}, {"start": 5, "end": 5}, {"start": "0", "end": 9}, {"start": float("nan"), "end": 1}],
    )
    def test_windows_that_are_none(self, window):
        said = {"channels": [{"label": "a", "window": window}]}
        found = ngff.read_multiscale({"multiscales": [entry(SPACE, {"path": "0"})], "omero": said})
        assert (found.channels, found.display) == (("a",), ())


def image_group(root, path, shape=(2, 20, 30), **more):
    """A small OME-Zarr 0.4 image below ``root``; its values are their numbers."""
    group = (
        zarr.open_group(root, mode="a", zarr_format=2).require_group(path)
        if path
        else zarr.group(root, zarr_format=2)
    )
    array = np.arange(np.prod(shape), dtype="uint16").reshape(shape)
    group.create_array("0", data=array, chunks=(1, 16, 16))
    group.attrs["multiscales"] = [entry(SPACE, dataset("0", 1, 1, 1))]
    for key, value in more.items():
        group.attrs[key] = value
    return array


def refused(address):
    with pytest.raises(ImageError) as caught:
        open_image(address)
    return str(caught.value).removeprefix(f"{address}: ")


class TestCollections:
    def test_a_plate(self, tmp_path):
        root = tmp_path / "plate.zarr"
        wells = [{"path": f"{r}/{c}", "rowIndex": 0, "columnIndex": 0} for r in "AB" for c in (1, 2)]
        zarr.group(root, zarr_format=2).attrs["plate"] = {"wells": wells}
        for well in wells:
            image_group(root, f"{well['path']}/0")
            image_group(root, f"{well['path']}/1")
            zarr.open_group(root / well["path"], zarr_format=2).attrs["well"] = {
                "images": [{"path": "0"}, {"path": "1"}]
            }
        assert refused(str(root)) == (
            f"this is a plate of 4 wells (A/1/0, A/2/0, B/1/0, B/2/0); name one, as in {root}/A/1/0."
        )
        assert refused(f"{root}/A/1") == f"this is a well of 2 images (0, 1); name one, as in {root}/A/1/0."
        for address in (f"{root}/A/1/0", f"{root}/A/1/1/0", f"{root}#series=3", f"{root}/B/2#series=1"):
            with open_image(address) as image:
                assert image.shape == (2, 20, 30)
        assert "there is no series 4: this is a plate of 4 wells; use #series=0 to 3" in refused(
            f"{root}#series=4"
        )

    def test_labels_lie_beside_their_image(self, tmp_path):
        root = tmp_path / "a.zarr"
        image_group(root, "")
        for name in ("cells", "nuclei"):
            image_group(root, f"labels/{name}")
        zarr.open_group(root / "labels", zarr_format=2).attrs["labels"] = ["cells", "nuclei"]
        assert "a list of 2 label images (cells, nuclei); name one" in refused(f"{root}/labels")
        with open_image(f"{root}/labels/nuclei") as image:
            assert image.axes == "zyx"
        with open_image(root) as image:
            assert image.axes == "zyx"

    @pytest.mark.parametrize("told", [True, False])
    def test_bioformats2raw(self, tmp_path, told):
        root = tmp_path / "a.zarr"
        group = zarr.group(root, zarr_format=2)
        group.attrs["bioformats2raw.layout"] = 3
        for i in range(3):
            image_group(root, str(i))
        if told:
            group.create_group("OME").attrs["series"] = ["0", "2"]
        names = "0, 2" if told else "0, 1, 2"
        assert f"this is a file of {3 - told} images ({names}); name one, as in {root}/0" in refused(
            str(root)
        )
        with open_image(f"{root}#series=1") as image:
            assert image.shape == (2, 20, 30)

    def test_only_one_is_taken(self, tmp_path):
        root = tmp_path / "a.zarr"
        zarr.group(root, zarr_format=2).attrs["bioformats2raw.layout"] = 3
        array = image_group(root, "0")
        with open_image(root) as image:
            np.testing.assert_array_equal(image.read()[0, 0], array)

    def test_a_plain_group(self, tmp_path):
        for version in (2, 3):
            root = tmp_path / f"{version}.zarr"
            group = zarr.group(root, zarr_format=version)
            group.create_array("deep/er/one", data=np.zeros((4, 5), "uint8"))
            with open_image(root) as image:
                assert (image.axes, image.shape) == ("yx", (4, 5))
            group.create_array("two", data=np.zeros((4, 6), "uint8"))
            assert "a group of 2 images or arrays (deep/er/one, two); name one" in refused(str(root))
            assert "there is no 'three' in it; what can be read: deep/er/one, two" in refused(f"{root}/three")
        zarr.group(tmp_path / "empty.zarr")
        assert "a group of 0 images or arrays: nothing to read" in refused(str(tmp_path / "empty.zarr"))

    def test_several_images_in_one_group(self, tmp_path):
        root = tmp_path / "a.zarr"
        image_group(root, "")
        group = zarr.open_group(root, zarr_format=2)
        group.create_array("other", data=np.ones((4, 5), "uint8"))
        group.attrs["multiscales"] = [*group.attrs["multiscales"], entry(SPACE[1:], dataset("other", 1, 1))]
        with open_image(root) as image:
            assert (image.shape, image.info.problems[0][:24]) == ((2, 20, 30), "The group holds 2 images")
        for address in (f"{root}#series=1", f"{root}/other"):
            with open_image(address) as image:
                assert (image.shape, image.info.problems) == ((4, 5), ())

    def test_zip_files(self, tmp_path):
        image_group(tmp_path / "a.zarr", "")
        for top in ("", "a.zarr/"):
            with zipfile.ZipFile(tmp_path / f"{len(top)}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
                for file in (tmp_path / "a.zarr").rglob("*"):
                    packed.write(file, top + file.relative_to(tmp_path / "a.zarr").as_posix())
            for inner in ("", "/0"):
                with open_image(f"{tmp_path}/{len(top)}.zip{inner}") as image:
                    assert (image.axes, int(image.read()[0, 0, 1, 19, 29])) == ("zyx", 2 * 20 * 30 - 1)
        with zipfile.ZipFile(tmp_path / "large.zarr.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(tmp_path / "a.zarr" / ".zattrs", ".zattrs")
            packed.filelist[0].file_size = 3 << 30  # the list of members is written at the end
        assert "a file of 3 GiB, which is too large to unpack" in refused(f"{tmp_path}/large.zarr.zip")
        data = (tmp_path / "0.zip").read_bytes()
        (tmp_path / "cut.zarr.zip").write_bytes(data[: len(data) // 2])
        assert "the zip file is cut off or damaged" in refused(f"{tmp_path}/cut.zarr.zip")


def test_the_file_of_metadata_stands_for_its_folder(tmp_path):
    image_group(tmp_path / "a.zarr", "")
    for name in (".zattrs", ".zgroup", "0/.zarray"):
        with open_image(tmp_path / "a.zarr" / name) as image:
            assert (image.axes, image.shape) == ("zyx", (2, 20, 30))


class TestLies:
    """Metadata that claim what cannot be, or are broken."""

    @pytest.fixture
    def root(self, tmp_path):
        image_group(tmp_path / "a.zarr", "")
        return tmp_path / "a.zarr"

    def change(self, file, **values):
        said = json.loads(file.read_text())
        file.write_text(json.dumps({**said, **values}))

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ({"shape": [2**40, 2**40, 30]}, "larger than any image"),
            ({"shape": [2**62, 20, 30]}, "larger than any image"),
            ({"shape": [0, 20, 30]}, "empty or larger"),
            ({"shape": [-1, 20, 30]}, "cannot be read"),
            ({"shape": [600], "chunks": [16]}, "with 1 axes"),
            ({"shape": [1, 1, 1, 1, 20, 30], "chunks": [1] * 6}, "with 6 axes"),
            ({"shape": [2**20, 2**20, 30], "chunks": [2**20, 2**20, 30]}, "too large to decode"),
            ({"chunks": [0, 16, 16]}, "cannot be read"),
            ({"chunks": "all"}, "cannot be read"),
            ({"dtype": "<c8"}, "cannot be read"),
            ({"dtype": "|O"}, "cannot be read"),
            ({"dtype": [["a", "<u2"]]}, "cannot be read"),
            ({"compressor": {"id": "lzma"}}, "write it with a usual compression"),
            ({"filters": [{"id": "pickle"}]}, "cannot be read"),
            ({"zarr_format": 9}, "cannot be read"),
            ({"order": "K"}, "cannot be read"),
        ],
    )
    def test_arrays(self, root, values, says):
        self.change(root / "0" / ".zarray", **values)
        told = refused(str(root))
        assert says in told
        assert told.count(". ") == 0
        assert len(told) < 500

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ({"multiscales": [{"datasets": []}]}, "list of datasets is missing, empty or too long"),
            ({"multiscales": [{"datasets": [{"path": "../../0"}]}]}, "names no array in it"),
            ({"multiscales": [7]}, "holds no object"),
            ({"multiscales": [{"datasets": [{"path": "nope"}]}]}, "there is no array 'nope' in it"),
        ],
    )
    def test_groups(self, root, values, says):
        self.change(root / ".zattrs", **values)
        assert says in refused(str(root))

    @pytest.mark.parametrize("text", ["", "[]", "{", "\xff", "[" * 100_000, "null"])
    def test_files_that_are_no_json(self, root, text):
        (root / ".zattrs").write_text(text, encoding="latin-1")
        assert "its file .zattrs is damaged: it holds no JSON object" in refused(str(root))

    def test_a_level_that_fits_nothing_is_left_out(self, root):
        group = zarr.open_group(root, zarr_format=2)
        group.create_array("big", data=np.ones((2, 40, 60), "uint16"))
        group.create_array("half", data=np.ones((2, 10, 15), "uint16"))
        group.create_array("odd", data=np.ones((2, 5, 7), "uint8"))
        paths = ("0", "big", "half", "gone", "odd")
        group.attrs["multiscales"] = [entry(SPACE, *(dataset(p, 1, 1, 1) for p in paths))]
        with open_image(root) as image:
            assert (image.info.level_names, len(image.info.problems)) == (("0", "half"), 3)

    def test_axes_that_do_not_fit_the_array(self, root):
        self.change(root / ".zattrs", multiscales=[entry(ALL, {"path": "0"})])
        with open_image(root) as image:
            assert (image.axes, image.info.axes_known) == ("zyx", False)
            assert any("do not fit an array of shape (2, 20, 30)" in p for p in image.info.problems)

    @pytest.mark.parametrize("damage", [b"", b"no chunk", b"\x02\x01\x21\x02" + b"\xff" * 60])
    def test_a_chunk_that_is_damaged(self, root, damage):
        (root / "0" / "1.0.0").write_bytes(damage)
        with open_image(root) as image:
            image.read(Box((0, 0, 0, 0, 0), (1, 1, 1, 20, 30)))
            with pytest.raises(ImageError, match="its data are damaged"):
                image.read()


def test_holes_are_counted_once_by_many_threads(tmp_path):
    """Also where the image is too large for its chunks to be counted when it is opened."""
    group = zarr.group(tmp_path / "a.zarr", zarr_format=2)
    made = group.create_array("0", shape=(5000, 5000), chunks=(16, 16), dtype="uint8", fill_value=7)
    made[:16, :16] = 1
    group.attrs["multiscales"] = [entry(SPACE[1:], dataset("0", 1, 1))]
    boxes = [Box((0, 0, 0, y, 0), (1, 1, 1, y + 40, 64)) for y in range(0, 160, 8)]
    with open_image(tmp_path / "a.zarr") as image, ThreadPoolExecutor(4) as pool:
        assert (image.info.problems, image.notices) == ((), ())
        barrier = threading.Barrier(4)
        list(pool.map(lambda _: barrier.wait(), range(4)))
        blocks = list(pool.map(image.read, boxes))
        assert image.notices[0].startswith(f"{12 * 4 - 1} chunks that were read are not there")
    assert {int(v) for v in np.unique(blocks[0])} == {1, 7}
    assert np.unique(blocks[-1]).tolist() == [7]


def test_the_library_warns_of_holes_once(tmp_path, monkeypatch):
    """Of an image whose chunks nobody counted when it was opened."""
    monkeypatch.setattr(zarrimage, "_MOST_COUNTED", 0)
    array = np.random.default_rng(0).integers(1, 200, (60, 100)).astype("uint8")
    zarr.create_array(tmp_path / "a.zarr", data=array, chunks=(16, 16), zarr_format=2)
    (tmp_path / "a.zarr" / "2.3").unlink()
    labels = np.zeros((60, 100), np.uint8)
    labels[5:9, 5:9], labels[30:34, 30:34] = 1, 2
    classifier = PixelClassifier(n_trees=2).fit([array], [labels], axes="yx")
    with open_image(tmp_path / "a.zarr") as image:
        with pytest.warns(UserWarning, match="1 chunk that was read is not there") as caught:
            classifier.predict(image)
        assert len(caught) == 1
