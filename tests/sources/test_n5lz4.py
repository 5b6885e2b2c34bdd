"""N5 packed with lz4, in frames as Java and as Rust write them, put together here byte by byte."""

from __future__ import annotations

import itertools
import json
import struct

import imagecodecs
import numpy as np
import pytest

from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import open_image


def java(data, size=1 << 12):
    """Frames of LZ4BlockOutputStream: a name, a method, two lengths, a checksum; an empty one at the end."""
    out = b""
    for at in range(0, len(data), size):
        part = data[at : at + size]
        packed = imagecodecs.lz4_encode(part, header=False)
        method, body = (0x26, packed) if len(packed) < len(part) else (0x16, part)
        out += struct.pack("<8sBIII", b"LZ4Block", method, len(body), len(part), 0) + body
    return out + struct.pack("<8sBIII", b"LZ4Block", 0x16, 0, 0, 0)


def write_lz4(folder, array, chunk, frames=java, about=None):
    """An array with its axes as numpy has them; N5 has them the other way round."""
    folder.mkdir(parents=True, exist_ok=True)
    packing = about or {"compression": {"type": "lz4", "blockSize": 4096}}
    sizes = {"dimensions": array.shape[::-1], "blockSize": chunk[::-1], "dataType": array.dtype.name}
    (folder / "attributes.json").write_text(json.dumps({**sizes, **packing}))
    for cell in itertools.product(*(range(-(-n // m)) for n, m in zip(array.shape, chunk, strict=True))):
        part = array[tuple(slice(i * m, (i + 1) * m) for i, m in zip(cell, chunk, strict=True))]
        head = struct.pack(f">HH{part.ndim}I", 0, part.ndim, *part.shape[::-1])
        path = folder.joinpath(*map(str, cell[::-1]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + frames(part.astype(part.dtype.newbyteorder(">")).tobytes()))


@pytest.mark.parametrize("frames", [java, imagecodecs.lz4f_encode])
@pytest.mark.parametrize("about", [None, {"compressionType": "lz4"}])
def test_both_kinds_of_frames_are_read(tmp_path, frames, about):
    rng = np.random.default_rng(1)
    array = rng.integers(0, 1 << 16, (5, 40, 60)).astype("uint16")  # some parts cannot be packed
    array[2:] = np.arange(60) // 9
    write_lz4(tmp_path / "a.n5" / "raw", array, (2, 32, 37), frames, about)
    with open_image(tmp_path / "a.n5" / "raw") as image:
        assert (image.axes, image.dtype) == ("zyx", np.uint16)
        np.testing.assert_array_equal(image.read()[0, 0], array)


def test_blocks_that_are_not_there_are_counted_and_read_as_0(tmp_path):
    array = np.ones((4, 40, 60), "float32")
    write_lz4(tmp_path / "a.n5", array, (4, 20, 30))
    (tmp_path / "a.n5" / "1" / "0" / "0").unlink()
    with open_image(tmp_path / "a.n5") as image:
        assert "1 chunk of 4 is not there" in image.info.problems[-1]
        whole = image.read()[0, 0]
    assert not whole[:, :20, 30:].any()
    assert whole[:, 20:].all() and whole[:, :, :30].all()


HEAD = struct.pack(">HHII", 0, 2, 64, 64)
GIGABYTE = 1 << 30


def frame(method, stored, plain, body=b""):
    return HEAD + struct.pack("<8sBIII", b"LZ4Block", method, stored, plain, 0) + body


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (b"\0\0", "is cut off"),
        (HEAD + b"LZ4Blo", "is cut off"),
        (frame(0x26, 100, 4096, b"x" * 50), "is cut off"),
        (frame(0x26, 10, GIGABYTE, b"x" * 10), "claims 1073741824 of the 4096 bytes"),
        (frame(0x26, 10, 0, b"x" * 10), "claims 0 of the 4096 bytes"),
        (frame(0x26, 10, 4096, b"\xff" * 10), "cannot be unpacked"),
        (frame(0x16, 4096, 4000, b"x" * 4096), "not packed with lz4 as N5 does it"),
        (HEAD + b"something else entirely", "not packed with lz4 as N5 does it"),
        (HEAD + imagecodecs.lz4f_encode(bytes(1 << 26)), "unpacks to more than 4096"),
        (HEAD + imagecodecs.lz4f_encode(bytes(100)), "unpacks to 100 bytes, not 4096"),
        (struct.pack(">HHII", 0, 2, 2**31, 64) + b"x", "claims 2 axes, sizes"),
        (struct.pack(">HHIII", 0, 3, 64, 64, 1) + b"x", "claims 3 axes, sizes"),
    ],
)
def test_a_damaged_block_costs_one_sentence(tmp_path, block, says):
    write_lz4(tmp_path / "a.n5", np.zeros((64, 64), "uint8"), (64, 64))
    (tmp_path / "a.n5" / "0" / "0").write_bytes(block)
    with open_image(tmp_path / "a.n5") as image, pytest.raises(ImageError) as caught:
        image.read(Box((0,) * 5, (1, 1, 1, 8, 8)))
    said = str(caught.value)
    assert says in said and "block 0/0" in said and "\n" not in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dataType": "string"}, "name no size, blocks or type"),
        ({"dimensions": [64, -1]}, "name no size, blocks or type"),
        ({"blockSize": [64]}, "name no size, blocks or type"),
        ({"blockSize": [1 << 20, 1 << 20], "dimensions": [1 << 20, 1 << 20]}, "too large to decode"),
    ],
)
def test_attributes_that_cannot_be_are_refused(tmp_path, change, says):
    write_lz4(tmp_path / "a.n5", np.zeros((64, 64), "uint8"), (64, 64))
    path = tmp_path / "a.n5" / "attributes.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ImageError, match=says):
        open_image(tmp_path / "a.n5")
