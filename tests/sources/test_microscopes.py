"""What files of microscopes say of themselves, and what damaged ones cost: a sentence.

`microscope_files` makes them from the descriptions of the formats; none is of a microscope. Those in
`samples` were written by libCZI, the library of Zeiss (pylibCZIrw 6.1.0), from values that the test names.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from sources import microscope_files as files
from sources.microscope_files import needs_exr, needs_lif, needs_nd2
from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import open_image

SAMPLES = Path(__file__).parent / "samples"


def refused(address):
    with pytest.raises(ImageError) as caught, open_image(address) as image:
        image.read()
    said = str(caught.value)
    assert said.count("\n") == 0
    assert said.endswith(".")
    return said


# ---------------------------------------------------------------- CZI


@pytest.fixture
def scenes(tmp_path):
    """Two scenes of two channels."""
    arrays = files.distinct((2, 2, 20, 30))
    tiles = [
        {"pixels": arrays[s, c], "at": {"S": s, "C": c, "X": 5000 * s, "Y": -70}}
        for s in range(2) for c in range(2)
    ]  # fmt: skip
    sizes = {"X": "6.5E-07", "Y": "6.5e-7", "Z": "nonsense"}
    xml = files.czi_xml(sizes, ["DAPI", "Cy5 <far>"], ["liver", "kidney & more"])
    (tmp_path / "a.czi").write_bytes(files.czi_bytes(tiles, xml))
    return tmp_path / "a.czi", arrays


def test_a_czi_says_its_scenes_channels_and_sizes(scenes):
    path, arrays = scenes
    with open_image(path) as image:
        assert image.info.channels == ("DAPI", "Cy5 <far>")
        assert dict(image.pixel_size) == {"x": (0.65, "µm"), "y": (0.65, "µm")}
        assert image.axes == "cyx"
        assert image.info.axes_known
        assert image.info.problems == (
            "The file holds 2 images (liver, kidney & more); this is the first, #series=1 is the next.",
        )
        np.testing.assert_array_equal(image.read()[0, :, 0], arrays[0])
    for address in (f"{path}#series=1", f"{path}#scene=kidney & more"):
        with open_image(address) as image:
            assert image.info.problems == ()
            np.testing.assert_array_equal(image.read()[0, :, 0], arrays[1])


def test_what_the_library_of_zeiss_writes_is_read():
    y, x = np.mgrid[:20, :30]
    for s in range(2):
        with open_image(f"{SAMPLES}/libczi_gray.czi#series={s}") as image:
            assert (image.axes, image.dtype, image.info.problems) == ("cyx", np.uint16, ())
            assert image.info.channels == ("DAPI", "GFP")
            assert dict(image.pixel_size) == {"x": (0.5, "µm"), "y": (0.5, "µm")}
            expected = np.stack([y * 600 + x * 3 + c * 100 + s for c in range(2)])
            np.testing.assert_array_equal(image.read()[0, :, 0], expected)
    with open_image(SAMPLES / "libczi_colour.czi") as image:
        assert (image.axes, image.shape) == ("yxc", (20, 55, 3))
        red, green, blue = image.read()[0, :, 0]
    # The second tile lies upon the first; its number is in the red.
    np.testing.assert_array_equal(red[0], [0] * 25 + [1] * 30)
    np.testing.assert_array_equal(green[:, 30], np.arange(20) * 4)
    np.testing.assert_array_equal(blue[0, 25:], np.arange(30) * 4)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("#series=2", "there is no series 2; the file holds 2 images; use #series=0 to 1"),
        ("#scene=lung", "there is no scene 'lung'; the file holds liver, kidney & more"),
        ("#series=0,scene=kidney & more", "series 0 is 'liver', not 'kidney & more'"),
        ("#level=1", "there is no level 1; the image has 1"),
        ("#scale=s1", "levels of CZI files have no names"),
        ("/inner", "there is no dataset 'inner'"),
    ],
)
def test_what_a_czi_has_not_is_said(scenes, option, says):
    assert says in refused(f"{scenes[0]}{option}")


def test_planes_and_tiles_of_a_czi_that_are_not_there_read_as_nothing_and_are_said(tmp_path):
    array = files.distinct((20, 30))
    tiles = [
        {"pixels": array, "at": {"Z": 0, "T": 0}},
        {"pixels": array[:10].copy(), "at": {"Z": 1, "T": 0}},
        {"pixels": array, "at": {"Z": 1, "T": 1}},
    ]
    (tmp_path / "a.czi").write_bytes(files.czi_bytes(tiles, files.czi_xml(step="2.5")))
    with open_image(tmp_path / "a.czi") as image:
        assert image.pixel_size["t"] == (2.5, "s")
        whole = image.read()[:, 0]
        stopped, holes = image.info.problems
    assert "1 of 4 planes are not in the file" in stopped
    assert "do not cover the whole image" in holes
    np.testing.assert_array_equal(whole[0, 0], array)
    np.testing.assert_array_equal(whole[0, 1, :10], array[:10])
    assert not whole[0, 1, 10:].any()
    assert not whole[1, 0].any()


def test_a_smaller_copy_counts_where_it_is_whole_and_not_where_much_of_it_is_missing(tmp_path):
    array = files.distinct((64, 96))
    corner = (
        {"pixels": array[:48], "at": {"X": 0, "M": 0}},
        {"pixels": array[48:, :48], "at": {"Y": 48, "M": 1}},
    )
    whole = {"pixels": array[::2, ::2].copy(), "at": {}, "size": (64, 96)}
    part = {"pixels": array[:16:4, ::4].copy(), "at": {}, "size": (16, 96)}
    (tmp_path / "a.czi").write_bytes(files.czi_bytes([*corner, whole, part]))
    with open_image(tmp_path / "a.czi") as image:
        assert image.levels == ((64, 96), (32, 48))
        np.testing.assert_array_equal(image.read(level=1)[0, 0, 0], array[::2, ::2])
    with open_image(f"{tmp_path}/a.czi#level=1") as image:
        assert image.shape == (32, 48)


def test_of_tiles_that_overlap_the_higher_number_lies_on_top(tmp_path):
    tiles = [
        {"pixels": np.full((10, 10), value, "uint8"), "at": {"X": x, "M": m}}
        for value, x, m in [(3, 0, 2), (1, 5, 0), (2, 10, 1)]
    ]
    (tmp_path / "a.czi").write_bytes(files.czi_bytes(tiles))
    with open_image(tmp_path / "a.czi") as image:
        assert image.read()[0, 0, 0, 4].tolist() == [3] * 10 + [2] * 10


@pytest.mark.parametrize("way", ["jpeg", "jpegxr", "zstd", "zstd1", "zstd1 low high", "lzw"])
def test_every_packing_of_a_czi_that_is_known(tmp_path, way):
    y, x = np.mgrid[:32, :48]
    array = (y * 5 + x).astype("uint8" if way == "jpeg" else "uint16")
    plain = array.tobytes()
    halves = np.frombuffer(plain, np.uint8).reshape(-1, 2).T.tobytes() if array.itemsize == 2 else b""
    packed = {
        "jpeg": lambda: (1, imagecodecs.jpeg8_encode(array, level=98)),
        "jpegxr": lambda: (4, imagecodecs.jpegxr_encode(array, level=1.0)),
        "zstd": lambda: (5, imagecodecs.zstd_encode(plain)),
        "zstd1": lambda: (6, b"\1" + imagecodecs.zstd_encode(plain)),
        "zstd1 low high": lambda: (6, b"\3\1\1" + imagecodecs.zstd_encode(halves)),
        "lzw": lambda: (2, imagecodecs.lzw_encode(plain)),
    }[way]()
    tile = {"pixels": array, "at": {"C": 0}, "packed": packed}
    (tmp_path / "a.czi").write_bytes(files.czi_bytes([tile]))
    with open_image(tmp_path / "a.czi") as image:
        got = image.read()[0, 0, 0]
    assert np.abs(got.astype(int) - array).max() <= (4 if way == "jpeg" else 0)


def test_channels_of_different_types_become_the_wider_one(tmp_path):
    tiles = [
        {"pixels": files.distinct((8, 9), "uint8"), "at": {"C": 0}},
        {"pixels": files.distinct((8, 9), "uint16"), "at": {"C": 1}},
    ]
    (tmp_path / "a.czi").write_bytes(files.czi_bytes(tiles))
    with open_image(tmp_path / "a.czi") as image:
        assert image.dtype == np.uint16
        np.testing.assert_array_equal(image.read()[0, 0, 0], tiles[0]["pixels"])


def czi(**changes):
    tile = {"pixels": files.distinct((20, 30)), "at": {"C": 0}, **changes}
    return files.czi_bytes([tile])


def claiming(**places):
    """A CZI whose tile claims another size."""
    data = czi()
    for letter, size in places.items():
        # Once in the block and once in the directory: letter, start, size.
        own = {"X": 30, "Y": 20}[letter]
        old = struct.pack("<4sii", letter.encode(), 0, own)
        data = data.replace(old, struct.pack("<4sii", letter.encode(), 0, size))
        data = data.replace(struct.pack("<fi", 0.0, own), struct.pack("<fi", 0.0, size))
    return data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (lambda: czi()[:700], "is cut off"),
        (lambda: files.czi_bytes([], directory=False), "was never finished"),
        (lambda: files.czi_bytes([{"pixels": np.zeros((4, 4), "u1"), "at": {}}], part=2), "several files"),
        (lambda: czi().replace(b"ZISRAWDIRECTORY", b"ZISRAWDIRECTORX"), "no ZISRAWDIRECTORY"),
        (lambda: czi().replace(b"ZISRAWSUBBLOCK", b"DELETED\0\0\0\0\0\0\0"), "no ZISRAWSUBBLOCK"),
        (lambda: claiming(X=1 << 20, Y=1 << 20), "claims 2 TiB of pixels"),
        (lambda: claiming(Y=21), "holds 1200 bytes"),
        (lambda: czi(packed=(5, imagecodecs.zstd_encode(b"\0" * (1 << 26)))), "damaged"),
        (lambda: czi(packed=(5, imagecodecs.zstd_encode(b"\0" * 100))), "unpacks to 100 bytes, not 1200"),
        (lambda: czi(packed=(6, b"\7" + imagecodecs.zstd_encode(b"\0" * 1200))), "not known"),
        (lambda: czi(packed=(4, b"no JPEG XR")), "damaged"),
        (lambda: czi(packed=(1, b"no JPEG")), "holds no JPEG image"),
        (lambda: czi(packed=(1000, b"raw")), "packed in way 1000"),
        (lambda: czi(type=10), "type 10 of CZI"),
        (lambda: b"ZISRAWFILE\0\0", "is cut off"),
    ],
)
def test_a_czi_that_cannot_be_read_costs_one_sentence(tmp_path, data, says):
    (tmp_path / "a.czi").write_bytes(data())
    assert says in refused(tmp_path / "a.czi")


def test_a_directory_that_claims_too_much_is_refused(tmp_path):
    data = bytearray(czi())
    at = data.index(b"ZISRAWDIRECTORY") + 32
    data[at : at + 4] = struct.pack("<i", 1 << 30)
    (tmp_path / "a.czi").write_bytes(data)
    assert "claims 1073741824 images" in refused(tmp_path / "a.czi")


def test_an_uncompressed_czi_is_read_by_rows(tmp_path, monkeypatch):
    array = files.distinct((2000, 1000))
    (tmp_path / "a.czi").write_bytes(files.czi_bytes([{"pixels": array, "at": {"C": 0}}]))
    read = []
    from underbrush.sources.bytesfile import BytesFile

    whole = BytesFile.read_into
    monkeypatch.setattr(
        BytesFile, "read_into", lambda self, at, into: (read.append(len(into)), whole(self, at, into))[1]
    )
    with open_image(tmp_path / "a.czi") as image:
        read.clear()
        got = image.read(Box((0, 0, 0, 100, 10), (1, 1, 1, 120, 30)))
    np.testing.assert_array_equal(got[0, 0, 0], array[100:120, 10:30])
    assert sum(read) < 20 * 2000 + 1000


# ---------------------------------------------------------------- LIF


@needs_lif
def test_a_lif_says_its_images_channels_and_sizes(tmp_path):
    first = files.distinct((2, 3, 20, 30))
    second = files.distinct((4, 10, 12), "uint8")
    sizes = {"x": (2e-7, "m"), "y": (2e-7, "m"), "z": (1e-6, "m")}
    images = [
        files.lif_image("stack", first, list("czyx"), sizes, names=["Green", "Red"]),
        files.lif_image("movie", second, list("tyx"), {"t": (1.5, "s")}),
    ]
    (tmp_path / "a.lif").write_bytes(files.lif_bytes(images))
    with open_image(tmp_path / "a.lif") as image:
        assert image.info.channels == ("Green", "Red")
        assert dict(image.pixel_size) == {"x": (0.2, "µm"), "y": (0.2, "µm"), "z": (1.0, "µm")}
        assert "2 images (stack, movie)" in image.info.problems[0]
        np.testing.assert_array_equal(image.read()[0], first)
    with open_image(f"{tmp_path}/a.lif#scene=movie") as image:
        assert image.axes == "tyx"
        assert dict(image.pixel_size) == {"t": (1.5, "s")}
        np.testing.assert_array_equal(image.read()[:, 0, 0], second)
    assert "no scene 'film'" in refused(f"{tmp_path}/a.lif#scene=film")


@needs_lif
def test_our_reading_of_a_lif_is_that_of_the_library(tmp_path):
    import liffile

    array = files.distinct((3, 2, 8, 10))
    (tmp_path / "a.lif").write_bytes(files.lif_bytes([files.lif_image("a", array, list("zcyx"))]))
    with liffile.LifFile(tmp_path / "a.lif") as lif:
        theirs, axes = lif.images[0].asarray(), lif.images[0].dims
    assert axes == ("Z", "C", "Y", "X")
    with open_image(tmp_path / "a.lif") as image:
        np.testing.assert_array_equal(image.read()[0], np.moveaxis(theirs, 1, 0))


@needs_lif
def test_tiles_and_wavelengths_of_a_lif_are_images_of_their_own(tmp_path):
    array = files.distinct((3, 8, 10))
    image = files.lif_image("region", array, ["tile", "y", "x"])
    (tmp_path / "a.lif").write_bytes(files.lif_bytes([image]))
    for i in range(3):
        with open_image(f"{tmp_path}/a.lif#series={i}") as image:
            assert image.axes == "yx"
            np.testing.assert_array_equal(image.read()[0, 0, 0], array[i])
    with open_image(f"{tmp_path}/a.lif#scene=region tile 2") as image:
        np.testing.assert_array_equal(image.read()[0, 0, 0], array[2])


@needs_lif
def test_rows_of_a_scan_of_lines_are_what_was_scanned(tmp_path):
    array = files.distinct((6, 10))
    (tmp_path / "a.lif").write_bytes(files.lif_bytes([files.lif_image("a", array, list("zx"))]))
    with open_image(tmp_path / "a.lif") as image:
        assert image.axes == "yx"
        assert image.info.problems == ("It is a scan of lines: its rows are slices.",)
        np.testing.assert_array_equal(image.read()[0, 0, 0], array)


@needs_lif
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:-10], "is cut off"),
        (lambda data: data[:40], "cannot be understood"),
        (lambda data: data.replace(b'2\x000\x00"', b'9\x009\x00"'), "needs"),
        (lambda data: data[: data.index(b"\x70\0\0\0", 4)], "cannot be understood"),
    ],
)
def test_a_lif_that_cannot_be_read_costs_one_sentence(tmp_path, change, says):
    image = files.lif_image("a", files.distinct((20, 30)), list("yx"))
    (tmp_path / "a.lif").write_bytes(change(files.lif_bytes([image])))
    assert says in refused(tmp_path / "a.lif")


# ---------------------------------------------------------------- ND2


@needs_nd2
def test_an_nd2_says_its_positions_channels_and_sizes(tmp_path):
    array = files.distinct((2, 2, 3, 20, 30, 2))  # position, time, slice, y, x, channel
    loop = files.nd2_loop("P", 2, files.nd2_loop("T", 2, files.nd2_loop("Z", 3)), names=["A1", "B2"])
    frames = list(array.reshape(-1, 20, 30, 2))
    (tmp_path / "a.nd2").write_bytes(files.nd2_bytes(frames, loop, ("DAPI", "GFP")))
    with open_image(tmp_path / "a.nd2") as image:
        assert image.axes == "tzcyx"
        assert image.info.channels == ("DAPI", "GFP")
        assert dict(image.pixel_size) == {
            "x": (0.325, "µm"), "y": (0.325, "µm"), "z": (2.0, "µm"), "t": (2.5, "s"),
        }  # fmt: skip
        assert "2 images (A1, B2)" in image.info.problems[0]
    with open_image(f"{tmp_path}/a.nd2#scene=B2") as image:
        expected = np.moveaxis(array[1], -1, 1)
        np.testing.assert_array_equal(image.read(), expected)


@needs_nd2
def test_planes_of_an_nd2_that_were_never_taken_are_counted(tmp_path):
    frames = [files.distinct((20, 30, 1), seed=i) for i in range(4)]
    frames[2] = None
    (tmp_path / "a.nd2").write_bytes(files.nd2_bytes(frames, files.nd2_loop("T", 4)))
    with open_image(tmp_path / "a.nd2") as image:
        assert image.notices == ()
        whole = image.read()
        assert "1 plane is not in the file" in image.notices[0]
    assert not whole[2].any()
    np.testing.assert_array_equal(whole[3, 0, 0], frames[3][..., 0])


@needs_nd2
def test_without_calibration_an_nd2_has_no_pixel_size(tmp_path):
    data = files.nd2_bytes([files.distinct((20, 30, 1))], calibration=-1.0)
    (tmp_path / "a.nd2").write_bytes(data)
    with open_image(tmp_path / "a.nd2") as image:
        assert dict(image.pixel_size) == {}


@needs_nd2
def test_an_nd2_with_metadata_that_nobody_understands_still_has_its_pixels(tmp_path):
    array = files.distinct((20, 30, 1))
    data = files.nd2_bytes([array]).replace(b"pFluorescentProbe", b"pFluorescentXXXXX")
    (tmp_path / "a.nd2").write_bytes(data)
    with open_image(tmp_path / "a.nd2") as image:
        assert "cannot be understood" in image.info.problems[0]
        np.testing.assert_array_equal(image.read()[0, 0, 0], array[..., 0])


def moved(data):
    """Its only plane is said to lie near the end of the file."""
    name = b"ImageDataSeq|0!"
    at = data.rindex(name) + len(name)
    return data[:at] + struct.pack("<Q", len(data) - 4200) + data[at + 8 :]


@needs_nd2
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[: len(data) // 2], "damaged or cannot be understood"),
        (lambda data: data[:3000], "damaged or cannot be understood"),
        (moved, "is cut off: plane 1"),
        (lambda data: data.replace(b'"uiComp"', b'"uiXomp"').replace(b"<uiComp ", b"<uiXomp "), "damaged"),
    ],
)
def test_an_nd2_that_cannot_be_read_costs_one_sentence(tmp_path, change, says):
    data = files.nd2_bytes([files.distinct((60, 80, 1))])
    (tmp_path / "a.nd2").write_bytes(change(data))
    assert says in refused(tmp_path / "a.nd2")


# ---------------------------------------------------------------- OpenEXR


@needs_exr
def test_parts_and_channels_of_an_exr(tmp_path):
    import OpenEXR

    values = files.distinct((20, 30), "float32") / 7
    one = {"R": values, "depth": values.astype("float16"), "A": values, "G": values, "B": values}
    ids = files.distinct((20, 30), "uint32")
    head = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.PIZ_COMPRESSION}
    parts = [OpenEXR.Part(dict(head), one, name="colour"), OpenEXR.Part(dict(head), {"id": ids}, name="ids")]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    with open_image(tmp_path / "a.exr") as image:
        assert image.axes == "yxc"
        assert image.dtype == np.float32
        assert image.info.channels == ("R", "G", "B", "A", "depth")
        assert "2 images (colour, ids)" in image.info.problems[0]
        got = image.read()[0, :, 0]
    np.testing.assert_array_equal(got[0], values)
    np.testing.assert_array_equal(got[4], values.astype("float16").astype("float32"))
    with open_image(f"{tmp_path}/a.exr#scene=ids") as image:
        assert image.dtype == np.uint32
        np.testing.assert_array_equal(image.read()[0, 0, 0], ids)


@needs_exr
def test_a_damaged_exr_costs_one_sentence(tmp_path, capfd):
    import OpenEXR

    head = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    OpenEXR.File(head, {"Y": files.distinct((200, 300), "float32")}).write(str(tmp_path / "a.exr"))
    data = (tmp_path / "a.exr").read_bytes()
    (tmp_path / "half.exr").write_bytes(data[: len(data) // 2])
    (tmp_path / "head.exr").write_bytes(data[:100])
    (tmp_path / "large.exr").write_bytes(
        data.replace(struct.pack("<4i", 0, 0, 299, 199), struct.pack("<4i", 0, 0, 1 << 15, 1 << 15))
    )
    assert "damaged or cut off" in refused(tmp_path / "half.exr")
    assert "header of the OpenEXR file is damaged" in refused(tmp_path / "head.exr")
    assert "at most 2 GiB can be decoded" in refused(tmp_path / "large.exr")
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------- libraries that are not there


@pytest.mark.parametrize(
    ("library", "data", "says"),
    [
        (
            "liffile",
            files.lif_bytes([]),
            'a Leica LIF file; reading it needs the library liffile; run pip install "underbrush[lif]"',
        ),
        (
            "nd2",
            b"\xda\xce\xbe\x0a" + b"\0" * 60,
            'a Nikon ND2 file; reading it needs the library nd2; run pip install "underbrush[nd2]"',
        ),
        ("OpenEXR", b"v/1\x01" + b"\0" * 60, 'run pip install "underbrush[exr]"'),
    ],
)
def test_without_its_library_a_file_says_what_to_install(tmp_path, monkeypatch, library, data, says):
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / "a.dat").write_bytes(data)
    assert says in refused(tmp_path / "a.dat")


def test_the_suffixes_are_known_to_folders_and_dialogs():
    from underbrush.sources.kinds import IMAGE_SUFFIXES

    assert {".czi", ".lif", ".nd2", ".exr"} <= IMAGE_SUFFIXES


def test_a_file_that_claims_more_images_than_anybody_took_is_refused():
    from underbrush.sources.selection import check_count

    check_count(100_000, "a.lif")
    with pytest.raises(ImageError, match="claims to hold 1000000000 images"):
        check_count(10**9, "a.lif")


@needs_lif
def test_a_lif_of_very_many_tiles_is_refused_at_once(tmp_path, monkeypatch):
    from underbrush.sources import selection

    monkeypatch.setattr(selection, "_MOST", 2)
    image = files.lif_image("a", files.distinct((3, 8, 9)), ["tile", "y", "x"])
    (tmp_path / "a.lif").write_bytes(files.lif_bytes([image]))
    assert "claims to hold 3 images" in refused(tmp_path / "a.lif")
