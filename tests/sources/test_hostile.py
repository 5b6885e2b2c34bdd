"""Small files that claim or unpack to much more than they hold: a sentence, and memory that stays small."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest
import tifffile

MOST_MB = 400
"""What reading one may take beside the program; the smallest of the lies is of 1 GB."""
GIGABYTE = 1 << 30
READ = """
import sys
from underbrush.core.geometry import Box
from underbrush.errors import UnderbrushError
from underbrush.sources import open_image

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1000

def read(path):
    try:
        with open_image(path) as image:
            image.read(Box((0,) * 5, tuple(min(n, 64) for n in image.shape5)))
    except UnderbrushError as error:
        return str(error)
    return "was read"

read(sys.argv[1])
before = peak()
for path in sys.argv[2:]:
    said = read(path)
    print(peak() - before, said, flush=True)
"""
SAYS = {
    "zstd.zarr": "its data are damaged",
    "blosc.zarr": "its data are damaged",
    "gzip.zarr": "its data are damaged",
    "sizes.n5": "exceeds blockSize",
    "axes.n5": "its data are damaged",
    "gzip.n5": "its data are damaged",
    "lz4.n5": "its data are damaged: block 0/0 claims 2147483647 of the",
    "strip.tif": "strip 1 cannot be decoded",
    "tile.tif": "it claims 64 GiB of pixels but holds",
    "claim.png": "it claims 4 EiB of pixels but holds",
    "large.png": "at most 2 GiB can be decoded",
    "text.png": "the picture is damaged",
    "shape.h5": "is larger than any image",
    "chunks.h5": "its chunks of 3.35 GiB are too large to decode",
    "deflate.h5": "a chunk unpacks to more than it can hold",
    "shuffle.h5": "a chunk unpacks to more than it can hold",
    "masked.h5": "a chunk unpacks to more than it can hold",
}


def packed_zeros():
    """A megabyte that unpacks to a gigabyte, as zlib has it and as gzip."""
    packer, part = zlib.compressobj(), bytes(1 << 24)
    plain = b"".join(packer.compress(part) for _ in range(GIGABYTE >> 24)) + packer.flush()
    return plain, b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + plain[2:-4] + bytes(8)


def zarr(folder, name, codec, chunk):
    """An array of one chunk of 64 x 64 bytes, whatever that holds."""
    (folder / name).mkdir()
    about = {"zarr_format": 2, "shape": [64, 64], "chunks": [64, 64], "dtype": "|u1", "order": "C",
             "compressor": codec, "fill_value": 0, "filters": None}  # fmt: skip
    (folder / name / ".zarray").write_text(json.dumps(about))
    (folder / name / "0.0").write_bytes(chunk)


def n5(folder, name, codec, block):
    (folder / name / "0").mkdir(parents=True)
    about = {"dimensions": [64, 64], "blockSize": [64, 64], "dataType": "uint8", "compression": codec}
    (folder / name / "attributes.json").write_text(json.dumps(about))
    (folder / name / "0" / "0").write_bytes(block)


def png(path, width, height, *chunks):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def hdf5(path, chunk, mask=0, **options):
    with h5py.File(path, "w") as file:
        made = file.create_dataset("d", (64, 64), "u2", chunks=(64, 64), compression="gzip", **options)
        made.id.write_direct_chunk((0, 0), chunk, mask)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Of each file how many megabytes more than before reading it took, and the sentence."""
    folder = tmp_path_factory.mktemp("hostile")
    plain, gzipped = packed_zeros()
    zstd = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 100 * 10**9) + b"\x03\0\0A"
    zarr(folder, "zstd.zarr", {"id": "zstd", "level": 3}, zstd)
    blosc = struct.pack("<4BIII", 2, 1, 0x21, 1, 0x7FFFFF00, 4096, 60) + bytes(44)
    zarr(folder, "blosc.zarr", {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}, blosc)
    zarr(folder, "gzip.zarr", {"id": "gzip", "level": 5}, gzipped)
    n5(folder, "sizes.n5", {"type": "raw"}, struct.pack(">HHII", 0, 2, 2**32 - 1, 2**32 - 1) + b"abc")
    n5(folder, "axes.n5", {"type": "raw"}, struct.pack(">HH", 0, 65535) + b"abc")
    n5(folder, "gzip.n5", {"type": "gzip", "level": 5}, struct.pack(">HHII", 0, 2, 64, 64) + gzipped)
    lz4 = struct.pack("<8sBIII", b"LZ4Block", 0x26, 50, 0x7FFFFFFF, 0) + bytes(50)
    n5(folder, "lz4.n5", {"type": "lz4"}, struct.pack(">HHII", 0, 2, 64, 64) + lz4)
    tags = [(256, 64), (257, 64), (258, 8), (259, 8), (262, 1), (273, 122), (277, 1), (278, 64),
            (279, len(plain))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    (folder / "strip.tif").write_bytes(head + plain)
    tifffile.imwrite(folder / "tile.tif", np.zeros((256, 256), "u1"), tile=(64, 64))
    with tifffile.TiffFile(folder / "tile.tif", mode="r+b") as file:
        for tag in ("TileWidth", "TileLength"):
            file.pages[0].tags[tag].overwrite(1 << 18)
    png(folder / "claim.png", 2**31 - 1, 2**31 - 1, (b"IDAT", zlib.compress(bytes(100))))
    png(folder / "large.png", 60_000, 60_000, (b"IDAT", plain))
    png(folder / "text.png", 4, 4, (b"zTXt", b"k\0\0" + plain), (b"IDAT", zlib.compress(bytes(20))))
    with h5py.File(folder / "shape.h5", "w") as file:
        file.create_dataset("d", (2**40, 2**20), "u1", chunks=(1024, 1024), compression="gzip")
    with h5py.File(folder / "chunks.h5", "w") as file:
        file.create_dataset("d", (60_000, 60_000), "u1", chunks=(60_000, 60_000), compression="gzip")
    hdf5(folder / "deflate.h5", plain)
    hdf5(folder / "shuffle.h5", plain, shuffle=True)
    hdf5(folder / "masked.h5", plain, 1, shuffle=True)
    zarr(folder, "good.zarr", None, bytes(4096))
    paths = [str(folder / name) for name in ("good.zarr", *SAYS)]
    command = [sys.executable, "-c", READ, *paths]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    lines = [line.partition(" ") for line in ran.stdout.splitlines()]
    return {name: (int(line[0]), line[2]) for name, line in zip(SAYS, lines, strict=True)}


@pytest.mark.parametrize("name", SAYS)
def test_a_lie_costs_a_sentence_and_no_memory(said, name):
    megabytes, sentence = said[name]
    assert f"{name}: " in sentence and SAYS[name] in sentence and sentence.endswith(".")
    assert sentence.count("\n") == 0 and megabytes < MOST_MB, sentence
