"""TIFF: what its metadata mean, what of it is read, and which claims are refused."""

from __future__ import annotations

import logging
import math
import os
import struct
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile

from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import bytesfile, childdecoder, open_image, tiffaxes, tiffpages

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def noise(shape, dtype="uint16", seed=3):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def read(path, **options):
    with open_image(path, **options) as image:
        return image.info, image.read()


def tiff_bytes(tags: dict[int, tuple[int, int, int]], data: bytes = b"", order: str = "<") -> bytes:
    """A TIFF file of one page, each tag with its type, count and value; ``data`` lie behind the page."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    entries = b"".join(
        struct.pack(order + "HHI", code, kind, count)
        + (struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value))
        for code, (kind, count, value) in sorted(tags.items())
    )
    return head + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", 0) + data


def page(width, length, **other):
    """Tags of a page of 8 bits in one uncompressed strip behind it."""
    tags = {
        256: (4, 1, width), 257: (4, 1, length), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 146), 277: (3, 1, 1), 278: (4, 1, length), 279: (4, 1, width * length % 2**32),
    }  # fmt: skip
    return tags | {int(code): value for code, value in other.items()}


# What the metadata mean


@pytest.mark.parametrize(
    ("codes", "shape", "letters", "known"),
    [
        ("YX", (9, 9), "yx", True),
        ("IYX", (4, 9, 3), "zyx", False),
        ("QYX", (40, 9, 9), "zyx", False),
        ("QQYX", (4, 5, 9, 9), "tzyx", False),
        ("QQQYX", (2, 4, 5, 9, 9), "ctzyx", False),
        ("IYXS", (4, 9, 9, 3), "zyxs", False),
        ("IZYX", (4, 5, 9, 9), "tzyx", False),
        ("TZCYXS", (1, 5, 1, 9, 9, 1), "tzcyx-", True),
        ("QYX", (1, 9, 9), "-yx", True),
        ("CSYX", (1, 3, 9, 9), "csyx", True),
    ],
)
def test_letters_of_axes(codes, shape, letters, known):
    reading = tiffaxes.read_axes(codes, shape, "a.tif")
    assert (reading.letters, reading.known) == (letters, known)
    assert bool(reading.problems) is not known


def test_too_many_axes_are_refused():
    with pytest.raises(ImageError, match="more than t, c, z, y, x can name"):
        tiffaxes.read_axes("RTZCYX", (2, 2, 2, 2, 9, 9), "a.tif")


def test_an_imagej_file_of_one_slice_is_the_same_as_a_plain_image(tmp_path):
    """Why one slice z cannot be told from none: ImageJ's description holds nothing of it."""
    array = noise((20, 21))
    tifffile.imwrite(tmp_path / "plain.tif", array, imagej=True)
    tifffile.imwrite(tmp_path / "slice.tif", array[None], imagej=True, metadata={"axes": "ZYX"})
    assert (tmp_path / "plain.tif").read_bytes() == (tmp_path / "slice.tif").read_bytes()
    assert read(tmp_path / "slice.tif")[0].axes == "yx"


def test_axes_of_length_one_that_the_file_names_are_kept(tmp_path):
    array = noise((1, 20, 21))
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": "ZYX"}, photometric="minisblack")
    info, pixels = read(tmp_path / "a.tif")
    assert (info.axes, info.shape) == ("zyx", (1, 20, 21))
    np.testing.assert_array_equal(pixels[0, 0], array)


def test_few_pages_are_slices_and_said_to_be_doubtful(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for plane in noise((4, 20, 3)):
            tif.write(plane, metadata=None, contiguous=False)
    info, _ = read(tmp_path / "a.tif")
    assert (info.axes, info.shape, info.axes_known) == ("zyx", (4, 20, 3), False)
    assert info.problems == (
        "4 pages: slices, time points or channels? Read as z (slices); give --axes to choose.",
    )
    info, _ = read(tmp_path / "a.tif", axes="cyx")
    assert (info.axes, info.axes_known, info.problems) == ("cyx", True, ())


def test_sizes_of_pixels_in_ome(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        noise((2, 3, 20, 21)),
        metadata={
            "axes": "TZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25,
            "PhysicalSizeZ": 0, "TimeIncrement": 2.5, "TimeIncrementUnit": "min",
        },
    )  # fmt: skip
    info, _ = read(tmp_path / "a.ome.tif")
    assert dict(info.pixel_size) == {"x": (0.5, "nm"), "y": (0.25, "µm"), "t": (2.5, "min")}


def test_sizes_of_pixels_in_imagej(tmp_path):
    metadata = {"axes": "TZYX", "spacing": 2.5, "unit": "micron", "finterval": 30.0}
    tifffile.imwrite(
        tmp_path / "a.tif", noise((2, 3, 20, 21)), imagej=True, resolution=(4, 2), metadata=metadata
    )
    info, _ = read(tmp_path / "a.tif")
    assert dict(info.pixel_size) == {"x": (0.25, "µm"), "y": (0.5, "µm"), "z": (2.5, "µm"), "t": (30.0, "s")}


@pytest.mark.parametrize("unit", ["pixel", "", None])
def test_no_unit_no_size(tmp_path, unit):
    metadata = {"axes": "ZYX", "spacing": 2.5} | ({} if unit is None else {"unit": unit})
    tifffile.imwrite(
        tmp_path / "a.tif", noise((3, 20, 21)), imagej=True, resolution=(4, 2), metadata=metadata
    )
    assert dict(read(tmp_path / "a.tif")[0].pixel_size) == {}


def test_dots_per_inch_are_no_calibration(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", noise((20, 21)), resolution=(72, 72), resolutionunit="INCH", metadata=None
    )
    assert dict(read(tmp_path / "a.tif")[0].pixel_size) == {}


def test_a_level_as_image_has_larger_pixels(tmp_path):
    array = noise((80, 96))
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(
            array, subifds=2, tile=(16, 16), metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 1}
        )
        tif.write(array[::2, ::2], subfiletype=1, tile=(16, 16))
        tif.write(array[::4, ::4], subfiletype=1, tile=(16, 16))
    info, pixels = read(f"{tmp_path}/a.ome.tif#level=1")
    assert info.levels == ((40, 48), (20, 24))
    assert dict(info.pixel_size) == {"x": (1.0, "µm"), "y": (2.0, "µm")}
    np.testing.assert_array_equal(pixels[0, 0, 0], array[::2, ::2])
    with pytest.raises(ImageError, match="no level 3; the image has 3"):
        open_image(f"{tmp_path}/a.ome.tif#level=3")
    tifffile.imwrite(tmp_path / "one.tif", array)
    with pytest.raises(ImageError, match="no level 1; the image has 1; leave #level out"):
        open_image(f"{tmp_path}/one.tif#level=1")


def test_reduced_pages_are_levels_and_not_slices(tmp_path):
    array = noise((64, 64), "uint8")
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for step in (1, 2, 4):
            tif.write(array[::step, ::step], subfiletype=int(step > 1), tile=(16, 16), metadata=None)
    info, _ = read(tmp_path / "a.tif")
    assert (info.axes, info.levels) == ("yx", ((64, 64), (32, 32), (16, 16)))


def test_one_of_several_series(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(noise((20, 21)), metadata=None)
        tif.write(noise((30, 31), "uint8"), metadata=None)
    info, _ = read(tmp_path / "a.tif")
    assert info.shape == (20, 21)
    assert info.problems == ("The file holds 2 series; this is the first, #series=1 is the next.",)
    info, pixels = read(f"{tmp_path}/a.tif#series=1")
    assert (info.shape, info.problems) == ((30, 31), ())
    np.testing.assert_array_equal(pixels[0, 0, 0], noise((30, 31), "uint8"))
    with pytest.raises(ImageError, match="no series 2; the file holds 2"):
        open_image(f"{tmp_path}/a.tif#series=2")


def test_a_table_of_colours_leaves_the_values_alone(tmp_path):
    """A segmentation with colours for its classes keeps its numbers; in ours nothing is odd about it."""
    array = noise((20, 21), "uint8") % 4
    for name, program in (("a.tif", "some.py"), ("ours.tif", "Underbrush")):
        tifffile.imwrite(
            tmp_path / name,
            array,
            photometric="palette",
            colormap=np.zeros((3, 256), np.uint16),
            metadata=None,
            software=program,
        )
        info, pixels = read(tmp_path / name)
        np.testing.assert_array_equal(pixels[0, 0, 0], array)
        assert [p for p in info.problems if "indexes" in p] == list(info.problems)[: name == "a.tif"]


# What of it is read


def test_only_the_tiles_touched_are_decoded_and_each_once(tmp_path, monkeypatch):
    array = noise((3, 256, 256))
    tifffile.imwrite(
        tmp_path / "a.tif",
        array,
        tile=(32, 32),
        compression="zlib",
        metadata={"axes": "ZYX"},
        photometric="minisblack",
    )
    decoded = []
    original = tiffpages.PagedLevel._decoded

    def counting(self, frame, number, index):
        decoded.append((number, index))
        return original(self, frame, number, index)

    monkeypatch.setattr(tiffpages.PagedLevel, "_decoded", counting)
    with open_image(tmp_path / "a.tif") as image:
        box = Box((0, 0, 1, 40, 70), (1, 1, 2, 90, 100))
        for _ in range(3):
            np.testing.assert_array_equal(image.read(box), array[None, None][box.slices])
    assert sorted(decoded) == [(1, 8 * row + column) for row in (1, 2) for column in (2, 3)]


def test_a_large_strip_is_decoded_once_for_all_its_rows(tmp_path, monkeypatch):
    array = noise((400, 300))
    tifffile.imwrite(tmp_path / "a.tif", array, rowsperstrip=400, compression="zlib")
    decoded = []
    original = tiffpages.PagedLevel._decoded
    monkeypatch.setattr(
        tiffpages.PagedLevel,
        "_decoded",
        lambda self, *args: decoded.append(args[1:]) or original(self, *args),
    )
    with open_image(tmp_path / "a.tif") as image:
        # Smaller than the strip: it stays all the same.
        image._levels[0]._cache.limit = 1000
        for row in range(0, 400, 50):
            box = Box((0, 0, 0, row, 0), (1, 1, 1, row + 50, 300))
            np.testing.assert_array_equal(image.read(box), array[None, None, None][box.slices])
    assert decoded == [(0, 0)]


def test_of_plain_strips_only_the_rows_wanted_are_read(tmp_path, monkeypatch):
    array = noise((2, 1000, 500), "uint8")
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for plane in array:
            tif.write(plane, metadata=None, contiguous=False, rowsperstrip=1000)
    count = []
    original = bytesfile.BytesFile.read_into
    with open_image(tmp_path / "a.tif") as image:
        monkeypatch.setattr(
            bytesfile.BytesFile,
            "read_into",
            lambda self, at, to: count.append(len(to)) or original(self, at, to),
        )
        box = Box((0, 0, 1, 600, 3), (1, 1, 2, 602, 4))
        np.testing.assert_array_equal(image.read(box), array[None, None][box.slices])
    assert sum(count) == 2 * 500


def test_tiles_left_out_read_as_said_and_are_counted(tmp_path):
    array = noise((64, 64), "uint8")
    array[32:, 32:] = 0
    tiles = [array[r : r + 32, c : c + 32] if r + c < 64 else None for r in (0, 32) for c in (0, 32)]
    tifffile.imwrite(
        tmp_path / "a.tif",
        iter(tiles),
        shape=(64, 64),
        dtype="uint8",
        tile=(32, 32),
        compression="zlib",
        metadata=None,
    )
    info, pixels = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels[0, 0, 0], array)
    assert info.problems == ("1 tiles of the first page are left out in the file; they read as 0.",)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
@pytest.mark.parametrize("photometric", ["ycbcr", "rgb", "minisblack"])
def test_jpeg_is_decoded_as_tifffile_does(tmp_path, photometric, subsampling):
    array = noise((70, 90) if photometric == "minisblack" else (70, 90, 3), "uint8")
    options = {"subsampling": subsampling} if photometric == "ycbcr" else {}
    tifffile.imwrite(
        tmp_path / "a.tif",
        array,
        compression="jpeg",
        photometric=photometric,
        tile=(32, 48),
        metadata=None,
        **options,
    )
    expected = tifffile.imread(tmp_path / "a.tif")
    info, pixels = read(tmp_path / "a.tif")
    assert info.shape == array.shape
    np.testing.assert_array_equal(np.squeeze(np.moveaxis(pixels, 1, -1)), expected)


def test_old_style_jpeg_is_decoded_in_boxes(data):
    path = data / "formats" / "third_party" / "pillow_old-style-jpeg-compression.tif"
    expected = tifffile.imread(path)
    with open_image(path) as image:
        box = Box((0, 1, 0, 300, 1000), (1, 3, 1, 310, 1100))
        np.testing.assert_array_equal(
            np.moveaxis(image.read(box)[0, :, 0], 0, -1), expected[300:310, 1000:1100, 1:]
        )


# Which claims are refused


def refused(path) -> str:
    with pytest.raises(ImageError) as caught, open_image(path) as image:
        image.read()
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def test_a_small_file_written_by_hand_is_read(tmp_path):
    """So that the next tests are refused for their lies and not for how they are written."""
    for order in "<>":
        data = tiff_bytes(page(5, 4), order=order)
        (tmp_path / "a.tif").write_bytes(data.ljust(146, b"\0") + bytes(range(20)))
        _, pixels = read(tmp_path / "a.tif")
        np.testing.assert_array_equal(pixels[0, 0, 0], np.arange(20).reshape(4, 5))


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        # 3.5 TiB in a file of 200 bytes.
        (page(1_961_000, 1_961_000), "cut off"),
        (page(4_000_000_000, 4_000_000_000), "cut off"),
        # The same packed in one strip of 20 bytes.
        (page(60_000, 60_000) | {259: (3, 1, 8), 279: (4, 1, 20)}, "claims 3.35 GiB"),
        (page(60_000, 60_000) | {259: (3, 1, 50000), 279: (4, 1, 20)}, "claims 3.35 GiB"),
        # Tiles of 16 x 16, of which it lists one.
        (
            page(60_000, 60_000) | {322: (4, 1, 16), 323: (4, 1, 16), 324: (4, 1, 146), 325: (4, 1, 20)},
            "needs 14062500",
        ),
        (page(5, 0), "5 x 0 pixels"),
        (page(5, 4) | {273: (4, 1, 5000)}, "cut off"),
        (page(5, 4) | {273: (4, 1_000_000, 146)}, "cut off or damaged"),
        (page(5, 4) | {259: (3, 1, 77)}, "cannot be"),
        (page(5, 4) | {258: (3, 1, 0)}, ""),
        (page(5, 4) | {258: (3, 1, 64), 339: (3, 1, 6)}, ""),
        ({256: (4, 1, 5), 257: (4, 1, 5)}, "does not say where its pixels are"),
    ],
)  # fmt: skip
def test_lies_about_sizes_are_refused(tmp_path, tags, says):
    (tmp_path / "a.tif").write_bytes(tiff_bytes(tags).ljust(146, b"\0") + bytes(range(20)))
    assert says in refused(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("offset", "says"), [(0, "names no page"), (4, "cut off or damaged"), (10_000, "cut off or damaged")]
)
def test_lies_about_the_first_page_are_refused(tmp_path, offset, says):
    data = tiff_bytes(page(5, 4)).ljust(166, b"\0")
    (tmp_path / "a.tif").write_bytes(data[:4] + struct.pack("<I", offset) + data[8:])
    assert says in refused(tmp_path / "a.tif")


@pytest.mark.parametrize("length", [4, 7, 8, 9, 20, 60, 130])
@pytest.mark.parametrize("big", [False, True])
def test_heads_of_files_are_refused(tmp_path, length, big):
    tifffile.imwrite(tmp_path / "a.tif", noise((20, 21)), bigtiff=big, metadata=None)
    os.truncate(tmp_path / "a.tif", length)
    assert "cut off" in refused(tmp_path / "a.tif")


def test_a_cut_imagej_stack_is_refused_however_it_is_cut(tmp_path):
    array = noise((10, 40, 41))
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True)
    whole = (tmp_path / "a.tif").read_bytes()
    for share in (0.2, 0.5, 0.9):
        (tmp_path / "b.tif").write_bytes(whole[: int(share * len(whole))])
        assert "cut off" in refused(tmp_path / "b.tif")
        # As ImageJ writes beyond 4 GiB: one list of tags only, so nothing points behind the end.
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            first = tif.pages.first
            link = first.offset + 2 + 12 * len(first.tags)
        (tmp_path / "b.tif").write_bytes(whole[:link] + bytes(4) + whole[link + 4 : int(share * len(whole))])
        assert "cut off" in refused(tmp_path / "b.tif")


def test_pages_in_a_circle_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for plane in noise((3, 20, 21)):
            tif.write(plane, metadata=None, contiguous=False)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        offsets = [p.offset for p in tif.pages]
        last = offsets[-1] + 2 + 12 * len(tif.pages[-1].tags)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[last : last + 4] = struct.pack("<I", offsets[1])
    (tmp_path / "a.tif").write_bytes(data)
    assert "runs in a circle after page 3" in refused(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "lzma", "jpeg", "packbits"])
def test_damaged_pieces_name_the_page(tmp_path, compression):
    array = noise((3, 64, 64), "uint8")
    tifffile.imwrite(
        tmp_path / "a.tif", array, compression=compression, tile=(32, 32), metadata={"axes": "ZYX"},
        photometric="minisblack",
    )  # fmt: skip
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        start, count = tif.pages[1].dataoffsets[2], tif.pages[1].databytecounts[2]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[start : start + count] = b"\x00" * count
    (tmp_path / "a.tif").write_bytes(data)
    with open_image(tmp_path / "a.tif") as image:
        for z in (0, 2):
            # The other pages are fine.
            image.read(Box((0, 0, z, 0, 0), (1, 1, z + 1, 64, 64)))
        with pytest.raises(ImageError, match="page 2, tile 3 "):
            image.read()
        # A failure is not remembered as data, and is the same the next time.
        with pytest.raises(ImageError, match="page 2, tile 3 "):
            image.read()


def test_a_strip_without_data_is_no_black_image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise((20, 21)), compression="zlib", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        at = tif.pages.first.tags[279].offset + 8
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[at : at + 4] = bytes(4)
    (tmp_path / "a.tif").write_bytes(data)
    assert "no data in strip 1" in refused(tmp_path / "a.tif")


def test_a_jpeg_that_claims_more_than_its_tile_never_meets_a_decoder(tmp_path, monkeypatch):
    tifffile.imwrite(
        tmp_path / "a.tif", noise((32, 32), "uint8"), compression="jpeg", tile=(32, 32), metadata=None
    )
    data = bytearray((tmp_path / "a.tif").read_bytes())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    (tmp_path / "a.tif").write_bytes(data)
    monkeypatch.setattr(imagecodecs, "jpeg_decode", lambda *a, **k: pytest.fail("decoded"))
    assert "claims 65500 x 65500 pixels" in refused(tmp_path / "a.tif")


def test_planes_missing_from_a_set_are_said_and_never_black(tmp_path):
    array = noise((20, 21))
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(2)
    )
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" UUID="urn:uuid:0"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="21" SizeY="20" SizeZ="2" SizeC="1"'
        f' SizeT="1">{planes}</Pixels></Image></OME>'
    )
    tifffile.imwrite(tmp_path / "0.ome.tif", array, description=xml, metadata=None, ome=False)
    with open_image(tmp_path / "0.ome.tif") as image:
        assert image.shape == (2, 20, 21)
        assert "1 of 2 planes are not there" in image.info.problems[-1]
        np.testing.assert_array_equal(image.read(Box((0, 0, 0, 0, 0), (1, 1, 1, 20, 21)))[0, 0, 0], array)
        with pytest.raises(ImageError, match="page 2, is missing"):
            image.read()


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "lzma", "packbits", "jpeg", "jpeg2000", None])
@pytest.mark.parametrize("dtype", ["bool", "uint8"])
def test_constant_images_are_no_lies(tmp_path, compression, dtype):
    """However well they pack."""
    if dtype == "bool" and compression in {"jpeg", "jpeg2000"}:
        pytest.skip("no such files")
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((2000, 2000), dtype), compression=compression, rowsperstrip=2000
    )
    _, pixels = read(tmp_path / "a.tif")
    assert pixels.shape == (1, 1, 1, 2000, 2000)
    assert not pixels.any()


def test_nothing_is_printed(tmp_path, data):
    """tifffile's remarks stay out of the terminal of who did not ask for them."""
    code = (
        "import sys\nfrom underbrush.sources import open_image\nfrom underbrush.errors import ImageError\n"
        "for name in sys.argv[1:]:\n    try: open_image(name).read()\n    except ImageError: pass\n"
    )
    names = ["bad_truncated_imagej.tif", "third_party/pillow_multipage.tiff", "bad_truncated_deflate.tif"]
    (tmp_path / "a.tif").write_bytes(tiff_bytes(page(5, 4) | {700: (7, 4000, 9000)}).ljust(170, b"\0"))
    files = [str(data / "formats" / name) for name in names] + [str(tmp_path / "a.tif")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert logging.getLogger("tifffile").handlers


# The child process


@pytest.fixture
def wavelet(tmp_path):
    array = noise((64, 64), "uint8")
    tifffile.imwrite(
        tmp_path / "a.tif", array, compression="jpeg2000", tile=(32, 32), compressionargs={"reversible": True}
    )
    return tmp_path / "a.tif", array


def test_the_child_is_started_when_needed_and_ends_with_the_image(wavelet):
    path, array = wavelet
    with open_image(path) as image:
        decoder = next(item for item in image._opened if isinstance(item, childdecoder.ChildDecoder))
        assert decoder._child is None
        np.testing.assert_array_equal(image.read()[0, 0, 0], array)
        child = decoder._child
        assert child.poll() is None
    assert child.poll() is not None


def test_a_crash_of_the_child_is_an_error_and_the_next_piece_is_read(wavelet):
    path, array = wavelet
    with open_image(path) as image:
        decoder = next(item for item in image._opened if isinstance(item, childdecoder.ChildDecoder))
        image.read(Box((0, 0, 0, 0, 0), (1, 1, 1, 8, 8)))
        decoder._child.kill()
        with pytest.raises(ImageError, match="the decoder crashed, signal 9"):
            image.read()
        np.testing.assert_array_equal(image.read()[0, 0, 0], array)


def test_a_child_that_hangs_is_ended(wavelet, monkeypatch):
    path, _ = wavelet
    monkeypatch.setattr(childdecoder, "START_SECONDS", 0.0)
    monkeypatch.setattr(childdecoder, "PIECE_SECONDS", 0.01)
    with open_image(path) as image, pytest.raises(ImageError, match="the decoder crashed, signal 9"):
        image.read()


def test_the_memory_of_the_child_is_bounded(wavelet, monkeypatch):
    path, _ = wavelet
    monkeypatch.setattr(childdecoder, "SPARE_BYTES", 1 << 20)
    with open_image(path) as image, pytest.raises(ImageError, match="cannot be decoded"):
        image.read()


def test_many_pages_open_quickly(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for i in range(1000):
            tif.write(np.full((4, 5), i, np.uint16), metadata=None, contiguous=False)
    with open_image(tmp_path / "a.tif") as image:
        assert image.shape == (1000, 4, 5)
        np.testing.assert_array_equal(image.read()[0, 0, :, 0, 0], np.arange(1000))
        assert math.prod(image.shape) == 20_000
