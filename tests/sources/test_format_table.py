"""Every file of the collection of formats: what it must be read as, or why it must be refused.

The expectations are written down from what is known of the files (how they were made, where they come
from), not from what our readers say. All files are read in one child process whose address space is
limited, so a claim that is believed shows as a failure, and a crash or a hang ends the child, not us.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

MICRON = "µm"
SECONDS_EACH = 5.0
ADDRESS_SPACE = 3 << 30
RESIDENT = 500 << 20


@dataclass
class Reads:
    """The image that a file must be."""

    axes: str
    shape: tuple[int, ...]
    dtype: str
    low: float | None = None
    """Smallest and largest value, as recorded by independent readers."""
    high: float | None = None
    known: bool = True
    pixel_size: dict[str, tuple[float, str]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    alpha: int | None = None
    levels: tuple[tuple[int, ...], ...] = ()
    problem: str = ""
    """A piece of a sentence that must be among the problems; without one there must be none."""


@dataclass
class Refused:
    """The piece of the sentence that must be said."""

    says: str


RGB = (256, 320, 3)
PLAIN = (256, 320)
NUCLEI = (256, 256)
VOLUME = (16, 128, 96)
MOVIE = (4, 2, 2, 128, 160)
PAGES = "slices, time points or channels?"
UNSAID = "does not say what its axes mean"
MISSING = "not there (an empty part of the image, or a copy that was interrupted)"
CHANNEL_VOLUME = ((1, 16, 128, 96), (1, 16, 64, 48), (1, 16, 32, 24))
CONFOCAL = {"z": (0.29, MICRON), "y": (0.26, MICRON), "x": (0.26, MICRON)}
FINE = {"y": (4.0, "nm"), "x": (30.0, "nm")}
SMALL = ((10, 10), (5, 5), (2, 2))
WHITE = "0 is white"
TURNED = "asks to be shown turned"

TABLE: dict[str, Reads | Refused] = {
    "tiff_multipage_nometa.tif": Reads("zyx", VOLUME, "uint16", 616, 61552, known=False, problem=PAGES),
    "tiff_imagej_zyx.tif": Reads(
        "zyx", VOLUME, "uint16", 616, 61552,
        pixel_size={"z": (0.29, MICRON), "y": (0.26, MICRON), "x": (0.26, MICRON)},
    ),
    "tiff_imagej_tzcyx_hyperstack.tif": Reads("tzcyx", MOVIE, "uint16", 405, 11401),
    "tiff_ome_tczyx.ome.tif": Reads(
        "tczyx", MOVIE, "uint16", 405, 11401,
        pixel_size={"y": (0.65, MICRON), "x": (0.65, MICRON)}, channels=("H3342", "Oblique"),
    ),
    "tiff_ome_cyx_tiled.ome.tif": Reads("cyx", (2, 128, 160), "uint16", 430, 11401),
    "tiff_pyramid_subifds.ome.tif": Reads(
        "yx", PLAIN, "uint16", 32993, 34489, levels=(PLAIN, (128, 160), (64, 80))
    ),
    "tiff_bigtiff.tif": Reads("yx", PLAIN, "uint16", 32993, 34489),
    "tiff_bigendian_u16.tif": Reads("yx", PLAIN, "uint16", 32993, 34489),
    "tiff_lzw_predictor.tif": Reads("yx", NUCLEI, "uint8", 9, 255),
    "tiff_deflate_tiled.tif": Reads("yx", PLAIN, "uint16", 32993, 34489),
    "tiff_zstd.tif": Reads("yx", PLAIN, "uint16", 32993, 34489),
    "tiff_float32.tif": Reads("yx", PLAIN, "float32", 0.5034409165382385, 0.5262684226036072),
    "tiff_float64_negative.tif": Reads("yx", PLAIN, "float64", -0.48218239569144694, 8.42796388103473),
    "tiff_int16_negative.tif": Reads("yx", PLAIN, "int16", -507, 989),
    "tiff_uint32.tif": Reads("yx", PLAIN, "uint32", 32993000, 34489000),
    "tiff_bool_1bit.tif": Reads("yx", NUCLEI, "bool", 0, 1, problem=WHITE),
    "tiff_12bit_in_16.tif": Reads("yx", NUCLEI, "uint16", 144, 4080),
    "tiff_rgb_planar_separate.tif": Reads("cyx", (3, 256, 320), "uint8", 0, 214),
    "tiff_rgba.tif": Reads("yxc", (256, 320, 4), "uint8", 0, 255, alpha=3),
    "tiff_2channel_contig.tif": Reads("yxc", (256, 256, 2), "uint8", 9, 255),
    "tiff_minswhite.tif": Reads("yx", NUCLEI, "uint8", 0, 246, problem=WHITE),
    # Made as one slice z, but its bytes are those of a plain image: see test_tiff.py.
    "tiff_single_page_zyx1.tif": Reads("yx", (128, 96), "uint16", 1470, 25370),
    "nuclei größe µm (1).tif": Reads("yx", NUCLEI, "uint8", 9, 255),
    "bad_nan_inf.tif": Reads("yx", PLAIN, "float32"),
    "edge_constant.tif": Reads("yx", (64, 64), "uint8", 7, 7),
    "edge_all_zero_u16.tif": Reads("yx", (64, 64), "uint16", 0, 0),
    "edge_1x1.tif": Reads("yx", (1, 1), "uint8", 5, 5),
    "edge_1x300.tif": Reads("yx", (1, 256), "uint8", 10, 85),
    "edge_9x9.tif": Reads("yx", (9, 9), "uint8", 16, 85),
    "png_rgb.png": Reads("yxc", RGB, "uint8", 0, 214),
    "png_rgba.png": Reads("yxc", (256, 320, 4), "uint8", 0, 255, alpha=3),
    "png_gray8.png": Reads("yx", NUCLEI, "uint8", 9, 255),
    "png_gray16.png": Reads("yx", PLAIN, "uint16", 32993, 34489),
    "png_palette.png": Reads("yxc", RGB, "uint8"),
    "png_gray_alpha.png": Reads("yxc", (256, 256, 2), "uint8", 9, 255, alpha=1),
    "png_1bit.png": Reads("yx", NUCLEI, "bool", 0, 1),
    "png_gray_as_rgb.png": Reads("yxc", (256, 256, 3), "uint8", 9, 255),
    "jpg_rgb.jpg": Reads("yxc", RGB, "uint8", 0, 221),
    "jpg_gray.jpg": Reads("yx", NUCLEI, "uint8", 8, 255),
    "jpg_cmyk.jpg": Reads("yxc", RGB, "uint8", problem="converted to RGB"),
    "jpg_exif_rotated.jpg": Reads("yxc", RGB, "uint8", 0, 226, problem=TURNED),
    "bmp_rgb.bmp": Reads("yxc", RGB, "uint8", 0, 214),
    "gif_palette.gif": Reads("yxc", RGB, "uint8"),
    "npy_c_u16.npy": Reads("zyx", VOLUME, "uint16", 616, 61552, known=False, problem=UNSAID),
    "npy_fortran.npy": Reads("zyx", VOLUME, "uint16", 616, 61552, known=False, problem=UNSAID),
    "npy_bigendian.npy": Reads("zyx", VOLUME, "uint16", 616, 61552, known=False, problem=UNSAID),
    "npy_float16.npy": Reads("yx", PLAIN, "float16"),
    "npz_two_arrays.npz": Refused("several arrays (raw, other)"),
    "npz_two_arrays.npz/raw": Reads("yx", NUCLEI, "uint8", 9, 255),
    "npz_two_arrays.npz/other": Reads("yx", PLAIN, "uint16", 32993, 34489),
    "npy_object_pickle.npy": Refused("pickled Python objects, which are never loaded"),
    "h5_axistags_tzyxc.h5": Reads("tzyxc", (4, 2, 128, 160, 2), "uint16", 405, 11401),
    "h5_axistags_xyc.h5": Reads("xyc", (320, 256, 3), "uint8", 0, 214),
    "h5_two_datasets_no_tags.h5": Refused("several datasets (label, raw, sub/third)"),
    "h5_two_datasets_no_tags.h5/sub/third": Reads("yx", PLAIN, "uint16", 32993, 34489),
    "omezarr_v04.zarr": Reads(
        "czyx", (1, *VOLUME), "uint16", 616, 61552,
        pixel_size=CONFOCAL, channels=("DAPI",), levels=CHANNEL_VOLUME,
    ),
    "omezarr_v05.zarr": Reads(
        "czyx", (1, *VOLUME), "uint16", 616, 61552, pixel_size=CONFOCAL, levels=CHANNEL_VOLUME
    ),
    "omezarr_v04.zarr/1": Reads(
        "czyx", (1, 16, 64, 48), "uint16", None, None,
        pixel_size={**CONFOCAL, "y": (0.52, MICRON), "x": (0.52, MICRON)},
        channels=("DAPI",), levels=CHANNEL_VOLUME[1:],
    ),
    "omezarr_v05.zarr/7": Refused("there is no '7' in it; what can be read: 0, 1, 2; name one of them"),
    "zarr_plain_array.zarr": Reads("zyx", VOLUME, "uint16", 616, 61552, known=False, problem=UNSAID),
    "bad_omezarr_missing_chunks.zarr": Reads(
        "czyx", (1, *VOLUME), "uint16", 0, 61552,
        pixel_size=CONFOCAL, channels=("DAPI",), levels=CHANNEL_VOLUME,
        problem=f"4 chunks of 8 of level 0 are {MISSING}",
    ),
    "n5_volume.n5": Reads("zyx", VOLUME, "uint16", 616, 61552),
    "n5_volume.n5/volumes/raw": Reads("zyx", VOLUME, "uint16", 616, 61552),
    "bad_truncated_deflate.tif": Refused("cut off"),
    "bad_truncated_imagej.tif": Refused("cut off"),
    "bad_truncated.png": Refused("cut off"),
    "bad_truncated.jpg": Refused("cut off"),
    "bad_truncated.h5": Refused("cut off"),
    "bad_truncated.npy": Refused("cut off"),
    "bad_zero_bytes.tif": Refused("empty (0 bytes)"),
    "bad_text.tif": Refused("a pointer of Git LFS, not the image itself; run git lfs pull"),
    "bad_png_named.tif": Reads("yxc", RGB, "uint8", 0, 214, problem="ends in .tif but the content is PNG"),
    "bad_tif_named.png": Reads(
        "yx", PLAIN, "float32", 0.5034409165382385, 0.5262684226036072,
        problem="ends in .png but the content is TIFF",
    ),
    "bad_ifd_offset.tif": Refused("cut off or damaged"),
    "bad_bitflips_zstd.tif": Refused("page 1, strip 1 cannot be decoded"),
    "bad_truncated.ilp": Refused("cut off"),
    "third_party/pillow_hopper_lzw.tif": Reads("yxc", (128, 128, 3), "uint8", 0, 255),
    "third_party/pillow_12bit.cropped.tif": Reads("yx", (100, 100), "uint16", 0, 30),
    "third_party/pillow_16bit.MM.cropped.tif": Reads("yx", (64, 64), "uint16", 291, 694),
    "third_party/pillow_16bit.s.tif": Reads("yx", (10, 10), "int16", 0, 32767),
    # Two pages of 10 x 10 and a third of 20 x 20.
    "third_party/pillow_multipage.tiff": Reads("zyx", (2, 10, 10), "bool", known=False, problem="2 series"),
    "third_party/pillow_tiff_16bit_RGB.tiff": Reads("yxc", (40, 100, 3), "uint16", 0, 39661),
    "third_party/pillow_tiff_strip_planar_lzw.tiff": Reads("cyx", (3, 374, 278), "uint8", 0, 255),
    "third_party/pillow_old-style-jpeg-compression.tif": Reads("yxc", (870, 4160, 3), "uint8", 0, 255),
    "third_party/pillow_multipage_multiple_frame_loop.tiff": Refused("runs in a circle"),
    "third_party/pillow_crash-0e16d3bfb83be87356d026d66919deaefca44dac.tif": Refused("cut off"),
    "third_party/pillow_oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif": Refused("cut off or damaged"),
    "third_party/pillow_broken_data_stream.png": Refused("damaged or cut off"),
    "third_party/pillow_tiff_gray_2_4_bpp_hopper4.tif": Reads("yx", (128, 128), "uint8", 0, 15),
    "third_party/ome_single-channel.ome.tiff": Reads("yx", (167, 439), "int8", -1, 96),
    "third_party/ome_multi-channel-z-series.ome.tif": Reads("czyx", (3, 5, 167, 439), "int8", -1, 96),
    "third_party/neuroglancer_ome_zarr_simple_0.4.zarr": Reads(
        "yx", (10, 10), "uint16", 0, 99, pixel_size=FINE, levels=SMALL
    ),
    "third_party/neuroglancer_ome_zarr_simple_0.5.zarr": Reads(
        "yx", (10, 10), "uint16", 0, 99, pixel_size=FINE, levels=SMALL
    ),
    # Its chunks are not part of the collection.
    "third_party/neuroglancer_n5_multiscale.n5": Reads(
        "yx", (20, 10), "uint16", 0, 0,
        pixel_size={"x": (10.0, "nm"), "y": (20.0, "s")}, levels=((20, 10), (10, 5), (5, 3)), problem=MISSING,
    ),
    "third_party/n5_backward_3.1.3.n5": Reads("yx", (5, 7), "uint8"),
    # 500000/1000000 pixels a cm; y has a unit of its own, nm.
    "third_party/ilastik_pix_res_2d.tif": Reads(
        "yx", (16, 16), "uint8", 0, 67, pixel_size={"x": (2.0, "cm"), "y": (7.000007000007, "nm")}
    ),
    "third_party/ilastik_pix_res_3d_t.tif": Reads(
        "tzyx", (5, 5, 16, 16), "uint8", 0, 99,
        pixel_size={"t": (3.0, "s"), "z": (7.0, "mm"), "y": (5.0, "mm"), "x": (3.000003000003, "mm")},
    ),
    "third_party/ilastik_pix_res_2d_zero_division.tif": Reads("yx", (16, 16), "uint8", problem="a zero in"),
    "third_party/ilastik_compressed_lzw.tiff": Reads("yxc", (10, 20, 3), "uint8", 0, 255),
    "third_party/ilastik_smallVideo.h5": Reads("tyxc", (7, 408, 408, 1), "float32"),
    "third_party/ilastik_5t2d_simple.h5": Reads("tyx", (5, 20, 30), "float32"),
    "third_party/ilastik_create-strange-stack.py": Refused("this is text, not an image"),
    "third_party/ilastik4ij_test_tzyxc.h5": Reads(
        "tzyxc", (7, 6, 5, 4, 3), "uint16", known=False, problem=UNSAID
    ),
    "third_party/ndev_neuron-4Ch.tiff": Reads(
        "cyx", (4, 623, 502), "uint16", 86, 16383,
        pixel_size={"y": (0.1241, MICRON), "x": (0.1241, MICRON)},
        channels=("AF647", "AF568", "AF488", "DAPI"),
    ),
    "third_party/openorganelle_tomo_float32_zyx.tif": Reads(
        "zyx", (40, 135, 135), "float32", -0.2071213722229004, 0.37544476985931396, known=False, problem=PAGES
    ),
}  # fmt: skip

CHILD = f"""
import json, pathlib, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE}, {ADDRESS_SPACE}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from underbrush.errors import ImageError
from underbrush.sources import open_image
folder = sys.argv[1]
for name in json.load(sys.stdin):
    start = time.monotonic()
    try:
        with open_image(f"{{folder}}/{{name}}") as image:
            info, pixels = image.info, image.read()
        said = dict(axes=info.axes, shape=info.shape, dtype=str(info.dtype), known=info.axes_known,
            sizes=dict(info.pixel_size), levels=info.levels, channels=info.channels, alpha=info.alpha,
            problems=info.problems, read=pixels.shape, low=float(pixels.min()), high=float(pixels.max()))
    except ImageError as error:
        said = dict(error=str(error))
    said["seconds"] = time.monotonic() - start
    # The peak of this program; getrusage would count that of the process that started it.
    status = pathlib.Path("/proc/self/status").read_text()
    said["resident"] = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps([name, said]), flush=True)
"""


@pytest.fixture(scope="module")
def said(data):
    """What our readers say of every file."""
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, str(data / "formats")],
        input=json.dumps(list(TABLE)), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    answers = dict(json.loads(line) for line in child.stdout.splitlines())
    assert child.returncode == 0, f"after {list(answers)[-1:]}: {child.stderr[-2000:]}"
    assert child.stderr == ""
    return answers


def test_every_file_of_the_collection_is_in_the_table(data):
    manifest = json.loads((data / "MANIFEST.json").read_text())
    listed = {entry["item"].removeprefix("formats/") for entry in manifest["formats"]}
    assert listed - set(TABLE) == set()


@pytest.mark.parametrize("name", [n for n, e in TABLE.items() if isinstance(e, Reads)])
def test_reads_as_expected(said, name):
    expected, got = TABLE[name], said[name]
    assert isinstance(expected, Reads)
    assert "error" not in got, got
    assert (got["axes"], tuple(got["shape"]), got["dtype"]) == (expected.axes, expected.shape, expected.dtype)
    assert got["known"] is expected.known
    sizes = {axis: (pytest.approx(value), unit) for axis, (value, unit) in expected.pixel_size.items()}
    assert {axis: tuple(size) for axis, size in got["sizes"].items()} == sizes
    assert tuple(got["channels"]) == expected.channels
    assert got["alpha"] == expected.alpha
    assert tuple(map(tuple, got["levels"])) == (expected.levels or (expected.shape,))
    if expected.low is not None:
        assert (got["low"], got["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    problems = " ".join(got["problems"])
    assert expected.problem in problems if expected.problem else problems == ""


@pytest.mark.parametrize("name", [n for n, e in TABLE.items() if isinstance(e, Refused)])
def test_is_refused_in_one_sentence(said, name, data):
    expected, got = TABLE[name], said[name]
    assert isinstance(expected, Refused)
    assert "error" in got, got
    assert expected.says in got["error"]
    place = str(data / "formats" / name)
    assert got["error"].startswith(f"{place}: ")
    told = got["error"].removeprefix(f"{place}: ")
    assert told.endswith(".")
    assert ". " not in told.replace(place, "")
    assert "\n" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("name", TABLE)
def test_takes_little_time_and_memory(said, name):
    assert said[name]["seconds"] < SECONDS_EACH
    assert said[name]["resident"] < RESIDENT
