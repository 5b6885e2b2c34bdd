"""Names and suffixes of formats, ours and ilastik's, and what is refused for all of them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from underbrush.core.geometry import Box
from underbrush.errors import AxesError, OutputError
from underbrush.sinks import OutputSpec, check_sink, find_format, format_of, open_sink, places, suffix_of


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("a.tif", "tiff"),
        ("A.TIFF", "tiff"),
        ("x/a.ome.tif", "ome-tiff"),
        ("a.OME.TIFF", "ome-tiff"),
        ("a.h5", "compressed hdf5"),
        ("a.hdf5", "compressed hdf5"),
        ("a.png", "png"),
        ("a.jpeg", "jpg"),
        ("a.bmp", "bmp"),
        ("a.b.npy", "npy"),
        ("a.ome.zarr", "ome-zarr"),
        ("a.zarr", "ome-zarr"),
        ("a.n5", "compressed n5"),
    ],
)
def test_the_suffix_names_the_format(path, format):
    assert format_of(path) == format
    assert find_format(format).name == format


@pytest.mark.parametrize("path", ["a", "a.docx", "tif", "a.ilp"])
def test_an_unknown_suffix_is_refused_with_a_list(path):
    with pytest.raises(OutputError, match=r"\.ome\.tif, \.tif, \.h5, \.png"):
        format_of(path)


@pytest.mark.parametrize(
    ("theirs", "ours", "suffix"),
    [
        ("compressed hdf5", "compressed hdf5", ".h5"),
        ("hdf5", "hdf5", ".h5"),
        ("numpy", "npy", ".npy"),
        ("multipage tiff", "ome-tiff", ".tiff"),
        ("tif", "tiff", ".tif"),
        ("tiff", "tiff", ".tif"),
        ("jpeg", "jpg", ".jpg"),
        ("PNG", "png", ".png"),
        ("bmp", "bmp", ".bmp"),
        ("single-scale OME-Zarr", "single-scale ome-zarr", ".ome.zarr"),
        ("multi-scale OME-Zarr", "ome-zarr", ".ome.zarr"),
        ("n5", "n5", ".n5"),
        ("compressed n5", "compressed n5", ".n5"),
        ("png sequence", "png sequence", "_{slice_index}.png"),
        ("jpeg sequence", "jpg sequence", "_{slice_index}.jpg"),
        ("multipage tiff sequence", "multipage tiff sequence", "_{slice_index}.tiff"),
    ],
)
def test_the_names_of_ilastik_are_known(theirs, ours, suffix):
    assert find_format(theirs).name == ours
    assert suffix_of(theirs) == suffix


def test_an_unknown_format_is_refused_with_a_list(tmp_path):
    spec = OutputSpec(tmp_path / "a.gif", (1, 1, 1, 2, 2), "yx", np.dtype("u1"))
    with pytest.raises(OutputError, match=r"as 'gif'; use one of ome-tiff, tiff, compressed hdf5, hdf5, png"):
        open_sink(spec, "gif")


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.tif", "png sequence"),
        ("a.h5", "ome-zarr"),
        ("a.zarr", "n5"),
        ("a.tif", "png"),
        ("a.png", "jpg"),
        ("a.h5", "tiff"),
        ("a.npy", "hdf5"),
    ],
)
def test_a_name_that_belies_the_format_is_refused(tmp_path, name, format):
    spec = OutputSpec(tmp_path / name, (1, 1, 1, 2, 2), "yx", np.dtype("u1"))
    with pytest.raises(OutputError, match=r"the name ends with .* but the format is"):
        check_sink(spec, format)


def test_a_name_without_a_known_suffix_is_the_users_choice(tmp_path):
    spec = OutputSpec(tmp_path / "result", (1, 1, 1, 2, 2), "yx", np.dtype("u1"))
    with open_sink(spec, "png") as sink:
        sink.write(Box.whole(spec.shape), np.zeros(spec.shape, "u1"))
    assert spec.path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("format", ["tiff", "ome-tiff", "hdf5", "npy", "png"])
def test_no_axis_is_lost_silently(tmp_path, format):
    spec = OutputSpec(tmp_path / "result", (1, 1, 7, 2, 2), "yx", np.dtype("u1"))
    with pytest.raises(AxesError, match=r"would lose z \(7\); add them"):
        check_sink(spec, format)
    with pytest.raises(AxesError, match="lack y or x"):
        check_sink(OutputSpec(tmp_path / "result", (1, 1, 1, 2, 2), "zx", np.dtype("u1")), format)


@pytest.mark.parametrize("dtype", ["bool", "complex64", "U4", "O", "longdouble"])
def test_values_that_are_no_numbers_are_refused(tmp_path, dtype):
    with pytest.raises(OutputError, match="cannot be stored"):
        check_sink(OutputSpec(tmp_path / "a.npy", (1, 1, 1, 2, 2), "yx", np.dtype(dtype)), "npy")


def test_an_empty_result_is_refused(tmp_path):
    with pytest.raises(OutputError, match="is empty"):
        check_sink(OutputSpec(tmp_path / "a.npy", (1, 1, 0, 2, 2), "zyx", np.dtype("u1")), "npy")


@pytest.mark.parametrize("axes", ["tczyx", "yxc", "xyczt", "cyx", "zyxtc"])
def test_npy_is_what_numpy_saves(tmp_path, axes):
    sizes = {"t": 2, "c": 3, "z": 4, "y": 5, "x": 6}
    own = np.arange(np.prod([sizes[a] for a in axes]), dtype="f4").reshape([sizes[a] for a in axes])
    shape = tuple(sizes[a] if a in axes else 1 for a in "tczyx")
    spec = OutputSpec(tmp_path / "a.npy", shape, axes, np.dtype("f4"))
    internal = np.einsum(own, [ord(a) - 97 for a in axes], [ord(a) - 97 for a in "tczyx" if a in axes])
    with open_sink(spec, "numpy") as sink:
        for y in range(5):
            box = Box.whole(shape).replace(y=(y, y + 1))
            sink.write(box, internal.reshape(shape)[box.slices])
    expected = io.BytesIO()
    np.save(expected, own)
    assert spec.path.read_bytes() == expected.getvalue()


SEQUENCES = {
    "png sequence": "png", "bmp sequence": "bmp", "tiff sequence": "tif", "multipage tiff sequence": "tiff",
}  # fmt: skip


@pytest.mark.parametrize("format", SEQUENCES)
def test_a_sequence_has_a_file_for_each_slice_with_the_colours(tmp_path, format):
    shape = (1, 1, 11, 40, 50) if "multipage" not in format else (3, 1, 4, 40, 50)
    spec = OutputSpec(
        tmp_path / f"a_{{slice_index}}.{SEQUENCES[format]}", shape, "tzyx", np.dtype("u1"), "segmentation",
        class_colors=((230, 25, 75), (60, 180, 75)), pixel_size={"x": (0.5, "µm"), "y": (0.5, "µm")},
    )  # fmt: skip
    pixels = np.random.default_rng(0).integers(0, 3, shape, np.uint8)
    with open_sink(spec, format) as sink:
        for y in range(0, 40, 16):
            box = Box.whole(shape).replace(y=(y, min(40, y + 16)))
            sink.write(box, pixels[box.slices])
        assert places.files_of(spec.path) == []
    found = places.files_of(spec.path)
    assert len(found) == max(shape[0], 11 if shape[0] == 1 else 0)
    assert found[-1].name == f"a_{'10' if shape[0] == 1 else '2'}.{SEQUENCES[format]}"
    for number, path in enumerate(found):
        expected = pixels[0, 0, number] if shape[0] == 1 else pixels[number, 0]
        if "tiff" not in format:
            with Image.open(path) as picture:
                assert np.array_equal(np.asarray(picture), expected)
                assert picture.getpalette()[3:6] == [230, 25, 75]
        else:
            with tifffile.TiffFile(path) as file:
                assert np.array_equal(file.asarray(), expected)
                assert file.pages[0].colormap[:, 1].tolist() == [230 * 257, 25 * 257, 75 * 257]
                assert file.is_ome == ("multipage" in format)
    assert places.size_of(spec.path) == sum(p.stat().st_size for p in found)
    assert places.stamp_of(spec.path) is not None


@pytest.mark.parametrize(
    ("format", "shape", "dtype", "reason"),
    [
        ("png sequence", (1, 1, 4, 9, 9), "f4", "png holds uint8 or uint16"),
        ("png sequence", (1, 5, 4, 9, 9), "u1", "png holds 1, 3 or 4 channels"),
        ("jpg sequence", (1, 1, 4, 9, 9), "u1", "a wrong segmentation"),
        ("png sequence", (1, 1, 1, 9, 9), "u1", "needs slices of two axes"),
        ("png sequence", (2, 1, 4, 9, 9), "u1", "needs slices of two axes"),
        ("png sequence", (2, 1, 4, 9, 1), "u1", "would have z down and y across"),
        ("multipage tiff sequence", (1, 1, 1, 9, 9), "u1", "steps along t or z"),
    ],
)
def test_what_is_no_sequence_is_refused(tmp_path, format, shape, dtype, reason):
    ending = {"p": "png", "j": "jpg", "m": "tiff"}[format[0]]
    spec = OutputSpec(tmp_path / f"{{slice_index}}.{ending}", shape, "tzyxc", np.dtype(dtype), "segmentation")
    with pytest.raises(OutputError, match=reason):
        check_sink(spec, format)
    with pytest.raises(OutputError, match=r"lacks \{slice_index\}"):
        check_sink(replace(spec, path=tmp_path / f"a.{ending}"), format)
