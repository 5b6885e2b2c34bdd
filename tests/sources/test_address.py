"""The file that exists decides what an address means."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from underbrush.errors import ImageError, UsageError
from underbrush.sources import open_image
from underbrush.sources.address import parse_address


@pytest.mark.parametrize(
    "name",
    [
        "a#b.npy",
        "a#series=1.npy",
        "a+b.npy",
        "a b (1).npy",
        "größe µm.npy",
        "100%.npy",
        "a,b=c.npy",
        "a[1].npy",
    ],
)
def test_odd_names_open(tmp_path, name):
    np.save(tmp_path / name, np.ones((2, 3), np.uint8))
    with open_image(tmp_path / name) as image:
        assert image.shape == (2, 3)


def test_a_name_with_a_number_sign_takes_options_too(tmp_path):
    (tmp_path / "a#b.tif").write_bytes(b"x")
    address = parse_address(
        str(tmp_path / "a#b.tif#series=2,level=1,scene=left, upper".removesuffix(", upper"))
    )
    assert address.path == tmp_path / "a#b.tif"
    assert (address.series, address.level, address.scene) == (2, 1, "left")


@pytest.mark.parametrize("written", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_composed_and_decomposed_umlauts_are_the_same_name(tmp_path, written, asked):
    folder = tmp_path / unicodedata.normalize(written, "Größe")
    folder.mkdir()
    np.save(folder / unicodedata.normalize(written, "Zähler.npy"), np.ones((2, 3), np.uint8))
    # The folder spelled one way, the file the other.
    other = "NFD" if asked == "NFC" else "NFC"
    name = f"{tmp_path}/{unicodedata.normalize(asked, 'Größe')}/{unicodedata.normalize(other, 'Zähler.npy')}"
    with open_image(name) as image:
        assert image.shape == (2, 3)


def test_dataset_and_options(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"x")
    address = parse_address(f"{tmp_path}/a.h5/volume/data#series=1")
    assert (address.path, address.inner, address.series) == (tmp_path / "a.h5", "volume/data", 1)
    address = parse_address(f"{tmp_path}/a.h5/volume#2/data")
    assert (address.path, address.inner, address.series) == (tmp_path / "a.h5", "volume#2/data", None)


def test_home_and_file_urls(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "a b.npy", np.ones((2, 3), np.uint8))
    for name in ("~/a b.npy", (tmp_path / "a b.npy").as_uri()):
        with open_image(name) as image:
            assert image.shape == (2, 3)


@pytest.mark.parametrize(
    "options", ["serie=1", "series=x", "series=", "series=-1", "level=1.5", "1", "series=²"]
)
def test_unknown_options_are_wrong_usage(tmp_path, options):
    (tmp_path / "a.tif").write_bytes(b"x")
    with pytest.raises(UsageError):
        parse_address(f"{tmp_path}/a.tif#{options}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nucleus.tif", "perhaps 'nuclei.tif' is meant"),
        ("nothing/like/it.tif", "there is no such file"),
        ("*.png", "nothing fits this pattern"),
    ],
)
def test_missing_files(tmp_path, name, says):
    (tmp_path / "nuclei.tif").write_bytes(b"x")
    with pytest.raises(ImageError, match="no") as caught:
        open_image(tmp_path / name)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("address", "url", "level"),
    [
        ("http://example.org/a.zarr", "http://example.org/a.zarr", 0),
        ("https://example.org:8443/b/a.zarr/#level=2", "https://example.org:8443/b/a.zarr", 2),
        ("s3://bucket/a.zarr", "s3://bucket/a.zarr", 0),
        ("gs://bucket/a", "gs://bucket/a", 0),
        ("precomputed://https://example.org/em", "https://example.org/em", 0),
    ],
)
def test_addresses_of_the_network_are_taken_apart_without_asking_it(address, url, level, monkeypatch):
    import socket

    def refuse(*args):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    parsed = parse_address(address)
    assert (parsed.location, parsed.url, parsed.level) == (address, url, level)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http:///a.zarr", "no address of a server"),
        ("http://host:port/a.zarr", "no address of a server"),
        ("https://host/a.zarr#size=2", "no option"),
        ("https://host/a.zarr#level=two", "no number"),
        ("ftp://host/a.zarr", "ftp:// is no address that is known"),
    ],
)
def test_wrong_addresses_of_the_network_are_refused(address, says):
    with pytest.raises((ImageError, UsageError), match=says):
        open_image(address)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "run git lfs pull"),
        (b"\n <!DOCTYPE html><html>", "a web page"),
        (b"<html lang=en>", "a web page"),
        (b"a,b\n1,2\n", "text, not an image"),
        (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
        (b"\xd0\xcf\x11\xe0", "Olympus OIB"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08\0", "packed with gzip"),
        (b"\0" * 5000, "zeros only"),
        (b"\x01\x02\x03\x04\x05", "no image format that is known"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, says):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        open_image(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_folders(tmp_path):
    with pytest.raises(ImageError, match="this is a folder"):
        open_image(tmp_path)
    zarr = tmp_path / "a"
    zarr.mkdir()
    (zarr / "zarr.json").write_text("{}")
    with pytest.raises(ImageError, match="a kind of Zarr that is not known"):
        open_image(zarr)
    with pytest.raises(ImageError, match="no such file"):
        open_image(tmp_path / "a" / "inner")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((2, 3)))

    def refuse(self, *args):
        raise PermissionError(13, "Permission denied")

    # Root may read everything, hence not by chmod.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="you may not read this file"):
        open_image(path)


def test_a_pipe_is_no_file(tmp_path):
    import os

    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="no regular file"):
        open_image(tmp_path / "a.tif")


def test_importing_is_cheap():
    code = (
        "import sys, underbrush.sources; "
        "print([m for m in ('tifffile', 'h5py', 'PIL', 'imagecodecs', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_suffix_of_another_format_is_a_remark(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    (tmp_path / "a.npy").rename(tmp_path / "a.tif")
    with open_image(tmp_path / "a.tif") as image:
        assert image.info.problems == ("The name ends in .tif but the content is npy; it is read as npy.",)


def test_axes_given_by_the_user_settle_the_doubt(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 6, 7)))
    with open_image(tmp_path / "a.npy") as image:
        assert not image.info.axes_known
        assert len(image.info.problems) == 1
    for axes in ("zyx", "tyx"):
        with open_image(tmp_path / "a.npy", axes=axes) as image:
            assert image.info.axes_known
            assert image.info.problems == ()
