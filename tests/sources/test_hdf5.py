"""HDF5: which dataset, what its axes mean, and what a broken or busy file says."""

from __future__ import annotations

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import hdf5, hdf5chunks, open_image

VOLUME = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)


def tags(axes, resolution=0.0):
    return json.dumps({"axes": [{"key": a, "typeFlags": 2, "resolution": resolution} for a in axes]})


def write(folder, attributes=None, data=VOLUME, name="data", **options):
    with h5py.File(folder / "a.h5", "w") as file:
        dataset = file.create_dataset(name, data=data, **options)
        for key, value in (attributes or {}).items():
            dataset.attrs[key] = value
    return folder / "a.h5"


@pytest.mark.parametrize(
    ("attributes", "axes", "known"),
    [
        ({}, "zyx", False),
        ({"axistags": tags("tyx")}, "tyx", True),
        ({"axistags": np.bytes_(tags("xyz"))}, "xyz", True),
        ({"axistags": np.array([tags("cyx")], dtype=object)}, "cyx", True),
        # Java and N5 count the axes from the fastest.
        ({"axes": ["x", "y", "t"]}, "tyx", True),
        ({"axes": np.array([b"x", b"y", b"c"])}, "cyx", True),
        ({"axistags": tags("zyx"), "axes": ["x", "y", "t"]}, "zyx", True),
    ],
)
def test_axes(tmp_path, attributes, axes, known):
    with open_image(write(tmp_path, attributes)) as image:
        assert (image.axes, image.info.axes_known) == (axes, known)
        assert bool(image.info.problems) is not known


def test_labels_of_dimensions_name_axes(tmp_path):
    path = write(tmp_path)
    with h5py.File(path, "a") as file:
        for dim, label in zip(file["data"].dims, "tyx", strict=True):
            dim.label = label
    with open_image(path) as image:
        assert (image.axes, image.info.axes_known) == ("tyx", True)


@pytest.mark.parametrize(
    "value", ["", "no json", "[]", '{"axes": 3}', tags("tzyx"), tags("xx"), tags("yxq"), "[" * 5000, 7]
)
def test_tags_that_do_not_fit_are_not_used(tmp_path, value):
    with open_image(write(tmp_path, {"axistags": value})) as image:
        assert (image.axes, image.info.axes_known) == ("zyx", False)
        assert "is read as zyx" in image.info.problems[0]


def test_sizes_of_pixels(tmp_path):
    attributes = {"axistags": tags("zyx", 0.5), "axis_units": json.dumps({"z": "nm", "y": "um", "x": ""})}
    with open_image(write(tmp_path, attributes)) as image:
        assert dict(image.pixel_size) == {"z": (0.5, "nm"), "y": (0.5, "µm")}
    with open_image(write(tmp_path, {"element_size_um": np.array([2.0, 0.5, 0.25])})) as image:
        assert dict(image.pixel_size) == {"z": (2.0, "µm"), "y": (0.5, "µm"), "x": (0.25, "µm")}
    with open_image(write(tmp_path, {"element_size_um": "x", "axis_units": "["})) as image:
        assert dict(image.pixel_size) == {}


def test_the_one_dataset_that_can_be_an_image_is_taken(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["deep/down/volume"] = VOLUME
        file["table"] = np.zeros(5, [("a", "i4"), ("b", "f4")])
        file["names"] = np.array([[b"a", b"b"]])
        file["complex"] = np.zeros((4, 4), complex)
        file["line"] = np.zeros(7)
        file["number"] = 3
        file["nothing"] = h5py.Empty("f4")
        file["empty"] = np.zeros((0, 4))
        file["six"] = np.zeros((1, 1, 1, 1, 2, 2))
        file["again"] = h5py.SoftLink("/deep/down/volume")
        file["deep/circle"] = file["deep"]
        file.create_dataset("text", (2, 2), dtype=h5py.string_dtype())
    with open_image(path) as image:
        np.testing.assert_array_equal(image.read()[0, 0], VOLUME)
    with open_image(path / "again") as image:
        np.testing.assert_array_equal(image.read()[0, 0], VOLUME)
    for inner in ("table", "names", "complex", "line", "number", "nothing", "empty", "six", "text"):
        with pytest.raises(ImageError, match="is no image"):
            open_image(path / inner)
    with pytest.raises(
        ImageError, match="is a group, not a dataset; those in it that can be read: deep/down/volume"
    ):
        open_image(path / "deep")


def test_no_dataset_at_all(tmp_path):
    h5py.File(tmp_path / "a.h5", "w").close()
    with pytest.raises(ImageError, match="holds no dataset of numbers with 2 to 5 axes"):
        open_image(tmp_path / "a.h5")


def test_truth_values_and_user_blocks(tmp_path):
    array = np.eye(5, dtype=bool)
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1024) as file:
        file["mask"] = array
    with open_image(tmp_path / "a.h5") as image:
        assert image.dtype == np.bool_
        np.testing.assert_array_equal(image.read()[0, 0, 0], array)


def test_what_was_never_written_is_said(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        chunked = file.create_dataset("some", (40, 40), "u1", chunks=(10, 10))
        chunked[:10] = 1
        file.create_dataset("none", (40, 40), "u1")
        file.create_dataset("all", data=np.ones((40, 40)), chunks=(10, 10))
    with open_image(tmp_path / "a.h5" / "some") as image:
        assert image.info.problems == ("12 of 16 chunks were never written; they read as 0.",)
    with open_image(tmp_path / "a.h5" / "none") as image:
        assert image.info.problems == ("Nothing was ever written to the dataset; it reads as 0.",)
    with open_image(tmp_path / "a.h5" / "all") as image:
        assert image.info.problems == ()


def test_a_large_claim_costs_nothing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("huge", (1 << 20, 1 << 21), "u2", chunks=(64, 64))
        file.create_dataset("chunk", (60_000, 60_000), "u1", chunks=(60_000, 60_000), compression="gzip")
    with open_image(tmp_path / "a.h5" / "huge") as image:
        assert image.shape == (1 << 20, 1 << 21)
    with pytest.raises(ImageError, match=r"chunks of 3\.35 GiB are too large"):
        open_image(tmp_path / "a.h5" / "chunk")


def test_a_filter_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path, chunks=(4, 5, 6), compression="gzip")
    data = bytearray(path.read_bytes())
    # The filter's number, 1 for deflate, before its name.
    at = data.index(b"deflate") - 8
    data[at : at + 2] = (32_001).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(ImageError, match="packed with a filter that is not installed"):
        open_image(path)


def test_damage_is_an_error_and_no_black_image(tmp_path):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 255, (64, 64), dtype=np.uint8)
    path = write(tmp_path, data=array, chunks=(32, 32), compression="gzip")
    with h5py.File(path) as file:
        chunk = file["data"].id.get_chunk_info(1)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(data)
    with open_image(path) as image, pytest.raises(ImageError, match="cannot be read") as caught:
        image.read()
    assert str(path) in str(caught.value)


PIPELINES = {
    "none": ({}, True),
    "gzip": ({"compression": "gzip"}, True),
    "shuffle and gzip": ({"compression": "gzip", "shuffle": True}, True),
    "shuffle": ({"shuffle": True}, False),
    "gzip and checksum": ({"compression": "gzip", "fletcher32": True}, False),
    "lzf": ({"compression": "lzf"}, False),
    "scale-offset": ({"scaleoffset": 0}, False),
}


@pytest.mark.parametrize("dtype", ["<u2", ">i4", "u1", "<f8", "?"])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_unpacking_by_us_equals_hdf5(tmp_path, pipeline, dtype, monkeypatch):
    """The short cut leaves out HDF5's lock and nothing else."""
    options, ours = PIPELINES[pipeline]
    if pipeline == "scale-offset" and dtype in {"?", "<f8"}:
        pytest.skip("HDF5 packs integers so")
    array = (np.random.default_rng(1).integers(0, 200, (21, 33, 17)) * 0.6).astype(dtype)
    path = write(tmp_path, data=array, chunks=(8, 8, 8), **options)
    unpacked = []
    original = hdf5chunks.ChunkReader._unpacked
    monkeypatch.setattr(
        hdf5chunks.ChunkReader, "_unpacked", lambda self, at: unpacked.append(at) or original(self, at)
    )
    with open_image(path) as image, h5py.File(path) as file:
        for box in (Box.whole(image.shape5), Box((0, 0, 5, 9, 7), (1, 1, 17, 33, 8))):
            np.testing.assert_array_equal(image.read(box)[0, 0], file["data"][box.slices[2:]])
    # 3 x 5 x 3 chunks, each once.
    assert len(unpacked) == (45 if ours else 0)


@pytest.mark.parametrize("block", [0, 512])
@pytest.mark.parametrize("dtype", ["<u2", ">f4"])
def test_reading_one_piece_by_us_equals_hdf5(tmp_path, block, dtype, monkeypatch):
    array = np.random.default_rng(1).integers(0, 200, (21, 33, 17)).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=block) as file:
        file["data"] = array
    with open_image(tmp_path / "a.h5") as image:
        monkeypatch.setattr(hdf5.Hdf5Image, "_by_hdf5", lambda self, where: pytest.fail("not read past HDF5"))
        np.testing.assert_array_equal(image.read()[0, 0], array)
        box = Box((0, 0, 5, 9, 7), (1, 1, 17, 33, 8))
        np.testing.assert_array_equal(image.read(box)[0, 0], array[box.slices[2:]])


def test_a_compact_dataset_is_left_to_hdf5(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(VOLUME.shape)
        dataset = h5py.h5d.create(file.id, b"data", h5py.h5t.STD_U16LE, space, properties)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, VOLUME)
    with open_image(tmp_path / "a.h5") as image:
        np.testing.assert_array_equal(image.read()[0, 0], VOLUME)
        assert image.info.problems[1:] == ()


def test_chunks_that_are_not_plain_are_left_to_hdf5(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", (16, 8), "u1", chunks=(8, 8), compression="gzip", fillvalue=9)
        # Written with its filter switched off, and one never written.
        dataset.id.write_direct_chunk((0, 0), bytes(range(64)), filter_mask=1)
    with open_image(tmp_path / "a.h5") as image:
        pixels = image.read()[0, 0, 0]
    np.testing.assert_array_equal(pixels[:8], np.arange(64).reshape(8, 8))
    assert (pixels[8:] == 9).all()


@pytest.mark.parametrize("length", [8, 20, 100, 1500, 3000])
def test_cut_files_are_refused(tmp_path, length):
    path = write(tmp_path, data=np.ones((100, 100)))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ImageError, match=r"damaged|cut off"):
        open_image(path)


def test_a_file_that_another_program_writes_is_refused_at_once(tmp_path):
    path = write(tmp_path)
    code = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"open\n"
        try:
            with pytest.raises(
                ImageError, match="another program holds this file open for writing; close it there"
            ):
                open_image(path)
        finally:
            writer.communicate()
    with open_image(path) as image:
        np.testing.assert_array_equal(image.read()[0, 0], VOLUME)


def test_others_may_write_while_an_image_is_open(tmp_path):
    path = write(tmp_path)
    with open_image(path):
        code = "import h5py, sys; h5py.File(sys.argv[1], 'a').close()"
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_a_file_that_this_process_has_open_is_read_and_can_be_opened_again(tmp_path):
    path = write(tmp_path)
    with h5py.File(path), open_image(path) as image, h5py.File(path) as again:
        np.testing.assert_array_equal(image.read()[0, 0], again["data"])


def test_links_to_other_files_are_followed(tmp_path):
    write(tmp_path)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["link"] = h5py.ExternalLink("a.h5", "/data")
        layout = h5py.VirtualLayout(VOLUME.shape, VOLUME.dtype)
        layout[...] = h5py.VirtualSource(str(tmp_path / "a.h5"), "data", VOLUME.shape)
        file.create_virtual_dataset("virtual", layout)
        # A way of the same name in this file, where a wrong turn would end.
        file["data"] = VOLUME + 1
        file["soft"] = h5py.SoftLink("/link")
    for inner in ("link", "virtual", "soft"):
        with open_image(tmp_path / "b.h5" / inner) as image:
            np.testing.assert_array_equal(image.read()[0, 0], VOLUME)
    with h5py.File(tmp_path / "b.h5"), open_image(tmp_path / "b.h5" / "virtual") as image:
        np.testing.assert_array_equal(image.read()[0, 0], VOLUME)


def test_datasets_in_a_project_of_ilastik(data):
    project = data / "ilp" / "ilastik_2d_v122" / "inputdata" / "2d.h5"
    with open_image(project / "data") as image:
        assert (image.axes, image.shape, str(image.dtype)) == ("yx", (1024, 1344), "uint8")
