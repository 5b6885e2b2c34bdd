"""npy and npz: what cannot be an image is refused before a byte of it is read."""

from __future__ import annotations

import io
import os
import struct
import zipfile

import numpy as np
import pytest

from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import bytesfile, open_image


def header(text: str, version: int = 1) -> bytes:
    body = text.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(body)) + body


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (4, 4)}") + b"x" * 99, "pickled"),
        (header("{'descr': '<c8', 'fortran_order': False, 'shape': (4, 4)}") + b"x" * 999, "no pixels"),
        (header("{'descr': [('a', '<i4')], 'fortran_order': True, 'shape': (4, 4)}"), "no pixels"),
        (header("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (4, 4)}") + b"x" * 999, "no pixels"),
        (header("{'descr': '<u1', 'fortran_order': False, 'shape': (4,)}") + b"x" * 9, "1 axes"),
        (header("{'descr': '<u1', 'fortran_order': False, 'shape': (1,1,1,1,1,4)}") + b"x" * 9, "6 axes"),
        (header("{'descr': '<u1', 'fortran_order': False, 'shape': (0, 4)}"), "no pixels"),
        (header("{'descr': '<u1', 'fortran_order': False, 'shape': (-4, 4)}"), "damaged"),
        (header("{'descr': '<u2', 'fortran_order': False, 'shape': (4000000, 4000000)}"), "cut off"),
        (header("__import__('os').system('true')"), "damaged"),
        (header("{" * 3000), "damaged"),
        (header("{'descr': '<u1', 'fortran_order': 1, 'shape': (4, 4)}") + b"x" * 99, "damaged"),
        (b"\x93NUMPY\x09\x00\x10\x00\x00\x00", "damaged"),
        (b"\x93NUMPY\x01\x00\xff\xff{}", "cut off"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "damaged"),
        (b"\x93NUMPY", "cut off"),
    ],
)  # fmt: skip
def test_bad_headers_are_refused(tmp_path, content, says):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        open_image(path)
    assert says in str(caught.value)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_all_versions_of_the_header(tmp_path, version):
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    with (tmp_path / "a.npy").open("wb") as file:
        file.write(header("{'descr': '<u2', 'fortran_order': False, 'shape': (3, 4)}", version))
        file.write(array.tobytes())
    with open_image(tmp_path / "a.npy") as image:
        np.testing.assert_array_equal(image.read()[0, 0, 0], array)


def test_only_the_rows_wanted_are_read(tmp_path, monkeypatch):
    array = np.arange(40 * 1000 * 1000, dtype=np.uint8).reshape(40, 1000, 1000)
    np.save(tmp_path / "a.npy", array)
    count = 0
    read_into = bytesfile.BytesFile.read_into

    def counting(self, offset, target):
        nonlocal count
        count += len(target)
        read_into(self, offset, target)

    with open_image(tmp_path / "a.npy") as image:
        monkeypatch.setattr(bytesfile.BytesFile, "read_into", counting)
        box = Box((0, 0, 20, 500, 100), (1, 1, 22, 510, 900))
        np.testing.assert_array_equal(image.read(box), array[None, None][box.slices])
        assert count <= 2 * 10 * 1000
        count = 0
        box = Box((0, 0, 0, 0, 7), (1, 1, 40, 1000, 8))
        np.testing.assert_array_equal(image.read(box), array[None, None][box.slices])
        assert count <= 40 * 1000


def test_a_file_that_shrinks_while_open_is_an_error(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((100, 100)))
    with open_image(tmp_path / "a.npy") as image:
        os.truncate(tmp_path / "a.npy", 1000)
        with pytest.raises(ImageError, match="cut off"):
            image.read()


def test_an_npz_names_its_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.ones((2, 3)), two=np.ones((4, 5)))
    with pytest.raises(ImageError, match=r"several arrays \(one, two\); name one, as in .*a\.npz/one"):
        open_image(tmp_path / "a.npz")
    with pytest.raises(ImageError, match=r"no array 'three'; there are one, two"):
        open_image(tmp_path / "a.npz" / "three")
    np.savez(tmp_path / "b.npz", only=np.ones((2, 3)))
    with open_image(tmp_path / "b.npz") as image:
        assert image.shape == (2, 3)


def test_an_npz_with_a_pickle_or_without_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(ImageError, match="pickled"):
        open_image(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(ImageError, match="without npy arrays"):
        open_image(tmp_path / "b.npz")


def test_a_damaged_npz_is_an_error_and_no_black_image(tmp_path):
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "a.npz", one=rng.integers(0, 255, (999, 999), dtype=np.uint8))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[-5000] ^= 255
    (tmp_path / "a.npz").write_bytes(content)
    with open_image(tmp_path / "a.npz") as image, pytest.raises(ImageError, match="damaged"):
        image.read()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="damaged"):
        open_image(tmp_path / "a.npz")


def test_a_zip_bomb_is_refused_by_its_claim(tmp_path):
    claim = 1 << 40
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "a.npy", header("{'descr': '<u1', 'fortran_order': False, 'shape': (1048576, 1048576)}")
        )
    content = body.getvalue()
    # The central directory says the size; a claim above 4 GiB cannot be written in 32 bits, so take the most.
    at = content.rindex(b"PK\x01\x02")
    content = content[: at + 24] + struct.pack("<I", min(claim, 0xFFFFFFFE)) + content[at + 28 :]
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ImageError, match="claims 4 GiB"):
        open_image(tmp_path / "a.npz")
