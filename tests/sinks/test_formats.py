"""Names and suffixes of formats, ours and ilastik's, and what is refused for all of them."""

from __future__ import annotations

import io

import numpy as np
import pytest

from underbrush.core.geometry import Box
from underbrush.errors import AxesError, OutputError
from underbrush.sinks import OutputSpec, check_sink, find_format, format_of, open_sink, suffix_of


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
    ("name", "format"), [("a.tif", "png"), ("a.png", "jpg"), ("a.h5", "tiff"), ("a.npy", "hdf5")]
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
