"""What every source keeps, whatever its format: each class here writes a file and inherits the checks.

The files are written by independent programs (tifffile, h5py, numpy, Pillow, imagecodecs), so that a
misunderstanding cannot hide in a writer of our own.
"""

# ruff: noqa: RUF012
from __future__ import annotations

import hashlib
import math
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from underbrush.core.geometry import Box, shape_to_internal, to_internal
from underbrush.errors import AxesError, ImageError
from underbrush.sources import open_image


@dataclass
class Case:
    """A file, and what it must give."""

    address: str
    array: np.ndarray
    axes: str
    levels: tuple[np.ndarray, ...] = ()
    """Further levels."""


def pixels(shape, dtype="uint16", seed=7):
    """Smooth values with noise: no two neighbours equal, and every compression has something to do."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.4
    ramp = np.arange(math.prod(shape), dtype=np.float64).reshape(shape) % 251
    values = ramp + rng.integers(0, 4, shape)
    if dtype.kind == "f":
        return (values / 7 - 3).astype(dtype)
    if dtype.kind == "i":
        return (values - 120).astype(dtype)
    return values.astype(dtype) if dtype.itemsize == 1 else (values * 257).astype(dtype)


def random_boxes(shape, count=25):
    rng = np.random.default_rng(math.prod(shape))
    for i in range(count):
        start = [int(rng.integers(0, n)) for n in shape]
        # Every third is a single pixel, the others have any size.
        stop = [
            a + 1 if i % 3 == 0 else int(rng.integers(a + 1, n + 1))
            for a, n in zip(start, shape, strict=True)
        ]
        yield Box(tuple(start), tuple(stop))


class SourceChecks:
    """The checks. A subclass writes a file."""

    __test__ = False

    def __init_subclass__(cls) -> None:
        cls.__test__ = True

    def write(self, folder: Path) -> Case:
        raise NotImplementedError

    @pytest.fixture
    def case(self, tmp_path) -> Case:
        return self.write(tmp_path)

    def test_says_what_it_is(self, case):
        with open_image(case.address) as image:
            assert image.axes == case.axes
            assert image.shape == case.array.shape
            assert image.dtype == case.array.dtype
            assert image.dtype.isnative
            assert image.info.location == case.address

    def test_whole_is_the_reference(self, case):
        with open_image(case.address) as image:
            got = image.read()
        assert got.dtype == case.array.dtype
        assert got.dtype.isnative
        np.testing.assert_array_equal(got, to_internal(case.array, case.axes))

    def test_any_box_is_a_cut_of_the_reference(self, case):
        whole = to_internal(case.array, case.axes)
        with open_image(case.address) as image:
            for box in random_boxes(whole.shape):
                got = image.read(box)
                assert got.shape == box.shape
                np.testing.assert_array_equal(got, whole[box.slices])

    def test_what_is_read_belongs_to_the_reader(self, case):
        with open_image(case.address) as image:
            first = image.read()
            first[...] = 0
            np.testing.assert_array_equal(image.read(), to_internal(case.array, case.axes))

    def test_levels_are_the_references(self, case):
        with open_image(case.address) as image:
            assert image.levels == (case.array.shape, *(level.shape for level in case.levels))
            for number, level in enumerate((case.array, *case.levels)):
                whole = to_internal(level, case.axes)
                np.testing.assert_array_equal(image.read(level=number), whole)
                for box in random_boxes(whole.shape, 5):
                    np.testing.assert_array_equal(image.read(box, level=number), whole[box.slices])
            with pytest.raises(ImageError, match="no level"):
                image.read(level=len(image.levels))

    def test_four_threads_read_the_same(self, case):
        whole = to_internal(case.array, case.axes)
        boxes = list(random_boxes(whole.shape, 40))
        with open_image(case.address) as image, ThreadPoolExecutor(4) as pool:
            for box, got in zip(boxes, pool.map(image.read, boxes), strict=True):
                np.testing.assert_array_equal(got, whole[box.slices])

    def test_outside_is_refused(self, case):
        with open_image(case.address) as image:
            t, c, z, y, x = image.shape5
            for box in (
                Box((0, 0, 0, 0, 0), (t, c, z, y, x + 1)),
                Box((0, 0, 0, -1, 0), (t, c, z, y, x)),
                Box((0, 0, 0, 0, 0), (t, c, z, 0, x)),
            ):
                with pytest.raises(ImageError, match="region"):
                    image.read(box)

    def test_closed_is_refused(self, case):
        image = open_image(case.address)
        image.close()
        image.close()
        with pytest.raises(ImageError, match="closed"):
            image.read()

    def test_other_axes(self, case):
        # The same array with its axes named backwards.
        other = case.axes[::-1]
        with open_image(case.address, axes=other) as image:
            assert image.axes == other
            assert image.info.axes_known
            assert image.shape5 == shape_to_internal(case.array.shape, other)
            np.testing.assert_array_equal(image.read(), to_internal(case.array, other))
        with pytest.raises(AxesError, match=r"axes"):
            open_image(case.address, axes="tczyx"[5 - len(case.axes) - 1 :] if len(case.axes) < 5 else "yx")

    def test_info_cannot_be_changed(self, case):
        with open_image(case.address) as image:
            with pytest.raises(FrozenInstanceError):
                image.info.axes = "yx"
            with pytest.raises(TypeError):
                image.info.pixel_size["x"] = (1.0, "µm")
            again = pickle.loads(pickle.dumps(image.info))
            assert again == image.info

    def test_nothing_stays_open_and_nothing_changes(self, case, tmp_path):
        def state():
            return {
                p: (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest())
                for p in tmp_path.rglob("*")
                if p.is_file()
            }

        def opened():
            names = {os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()}
            return {name for name in names if name.startswith(str(tmp_path))}

        def closed():  # threads of tensorstore close a file a moment after they handed over what it holds
            end = time.monotonic() + 120
            while opened() and time.monotonic() < end:
                time.sleep(0.01)
            return not opened()

        before = state()
        with open_image(case.address) as image:
            image.read()
        assert closed(), opened()
        assert state() == before
        with pytest.raises(AxesError):
            open_image(case.address, axes="xx")
        assert closed(), opened()


class TestNpy(SourceChecks):
    def write(self, folder):
        array = pixels((5, 33, 41))
        np.save(folder / "a.npy", array)
        return Case(str(folder / "a.npy"), array, "zyx")


class TestNpyFortran(SourceChecks):
    def write(self, folder):
        array = pixels((3, 4, 17, 19, 2), "float64")
        np.save(folder / "a.npy", np.asfortranarray(array))
        return Case(str(folder / "a.npy"), array, "tzyxc")


class TestNpyBigEndian(SourceChecks):
    def write(self, folder):
        array = pixels((20, 21, 3), "int32")
        np.save(folder / "a.npy", array.astype(">i4"))
        return Case(str(folder / "a.npy"), array, "yxc")


class TestNpzMember(SourceChecks):
    def write(self, folder):
        array = pixels((31, 29), "float16")
        np.savez_compressed(folder / "a.npz", one=np.zeros(3), two=array)
        return Case(str(folder / "a.npz" / "two"), array, "yx")


AXISTAGS = '{"axes": [%s]}'


def axistags(axes):
    return AXISTAGS % ", ".join(f'{{"key": "{a}", "typeFlags": 2, "resolution": 0}}' for a in axes)


class TestHdf5Chunked(SourceChecks):
    def write(self, folder):
        array = pixels((2, 7, 40, 37, 3))
        with h5py.File(folder / "a.h5", "w") as file:
            data = file.create_dataset(
                "volume/data", data=array, chunks=(1, 3, 16, 16, 1), compression="gzip"
            )
            data.attrs["axistags"] = axistags("tzyxc")
        return Case(str(folder / "a.h5"), array, "tzyxc")


class TestHdf5Backwards(SourceChecks):
    """Axes as vigra once stored them, x first, in a big-endian dataset without chunks."""

    def write(self, folder):
        array = pixels((40, 37, 5), "int16")
        with h5py.File(folder / "a.h5", "w") as file:
            file.create_dataset("other", data=array)
            data = file.create_dataset("sub/data", data=array.astype(">i2"))
            data.attrs["axistags"] = np.bytes_(axistags("xyz"))
        return Case(str(folder / "a.h5" / "sub" / "data"), array, "xyz")


class TestPng(SourceChecks):
    def write(self, folder):
        array = pixels((33, 21), "uint8")
        PIL.Image.fromarray(array).save(folder / "a.png")
        return Case(str(folder / "a.png"), array, "yx")


class TestPngSixteenBitColour(SourceChecks):
    def write(self, folder):
        array = pixels((33, 21, 3), "uint16")
        (folder / "a.png").write_bytes(imagecodecs.png_encode(array))
        return Case(str(folder / "a.png"), array, "yxc")


class TestGifAnimation(SourceChecks):
    def write(self, folder):
        frames = [PIL.Image.fromarray(pixels((24, 30), "uint8", seed) // 60 * 60) for seed in range(4)]
        frames = [frame.convert("RGB").quantize(16) for frame in frames]
        frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:], disposal=2)
        array = np.stack([np.asarray(frame.convert("RGB")) for frame in frames])
        return Case(str(folder / "a.gif"), array, "tyxc")


class TestPgm(SourceChecks):
    def write(self, folder):
        array = pixels((33, 21)) // 17
        (folder / "a.pgm").write_bytes(b"P5 # made by hand\n21 33\n4095\n" + array.astype(">u2").tobytes())
        return Case(str(folder / "a.pgm"), array, "yx")


class TiffChecks(SourceChecks):
    """A TIFF file that tifffile writes."""

    __test__ = False
    shape: tuple[int, ...] = (50, 61)
    dtype = "uint16"
    axes = "yx"
    options: dict = {}

    def __init_subclass__(cls) -> None:
        cls.__test__ = True

    def write(self, folder):
        array = pixels(self.shape, self.dtype)
        tifffile.imwrite(folder / "a.tif", array, **{"photometric": "minisblack", **self.options})
        return Case(str(folder / "a.tif"), array, self.axes)


class TestTiffPlain(TiffChecks):
    options = {"rowsperstrip": 7}


class TestTiffPagesApart(TiffChecks):
    """Pages that do not lie behind each other, uncompressed: rows are read singly."""

    shape, axes = (6, 50, 61), "zyx"

    def write(self, folder):
        array = pixels(self.shape)
        with tifffile.TiffWriter(folder / "a.tif") as tif:
            for page in array:
                tif.write(page, rowsperstrip=7, contiguous=False, metadata=None)
        return Case(str(folder / "a.tif"), array, "zyx")


class TestTiffDeflateTiles(TiffChecks):
    shape, axes = (3, 50, 61), "zyx"
    options = {"tile": (16, 32), "compression": "zlib", "metadata": {"axes": "ZYX"}}


class TestTiffLzwPredictor(TiffChecks):
    options = {"compression": "lzw", "predictor": True, "rowsperstrip": 9}


class TestTiffZstdFloatPredictor(TiffChecks):
    dtype = "float32"
    options = {"compression": "zstd", "predictor": 3}


class TestTiffBigEndianImageJ(TiffChecks):
    shape, axes, dtype = (2, 3, 2, 20, 30), "tzcyx", "uint16"
    options = {"imagej": True, "byteorder": ">", "metadata": {"axes": "TZCYX"}}


class TestTiffOme(TiffChecks):
    shape, axes = (2, 2, 3, 40, 41), "tczyx"
    options = {
        "metadata": {"axes": "TCZYX"}, "compression": "zlib", "rowsperstrip": 11, "photometric": "minisblack",
    }  # fmt: skip

    def write(self, folder):
        array = pixels(self.shape, "int8")
        tifffile.imwrite(folder / "a.ome.tif", array, **self.options)
        return Case(str(folder / "a.ome.tif"), array, "tczyx")


class TestTiffColour(TiffChecks):
    shape, axes, dtype = (50, 61, 3), "yxc", "uint8"
    options = {"photometric": "rgb", "tile": (32, 32), "compression": "zlib"}


class TestTiffColourPages(TiffChecks):
    shape, axes, dtype = (4, 50, 61, 3), "zyxc", "uint8"
    options = {"photometric": "rgb", "compression": "lzw", "rowsperstrip": 20, "metadata": {"axes": "ZYXS"}}


class TestTiffPlanar(TiffChecks):
    shape, axes, dtype = (3, 50, 61), "cyx", "uint8"
    options = {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib", "rowsperstrip": 8}


class TestTiffPlanarTiles(TiffChecks):
    shape, axes, dtype = (2, 3, 50, 61), "tcyx", "float64"
    options = {
        "photometric": "rgb", "planarconfig": "separate", "tile": (16, 16), "metadata": {"axes": "TSYX"},
    }  # fmt: skip


class TestTiffChannelsOfColour(TiffChecks):
    """Channels that each have samples become one axis of channels."""

    def write(self, folder):
        array = pixels((2, 40, 41, 3), "uint8")
        tifffile.imwrite(
            folder / "a.ome.tif", array, photometric="rgb", metadata={"axes": "CYXS"}, compression="zlib"
        )
        merged = np.moveaxis(array, 0, 2).reshape(40, 41, 6)
        return Case(str(folder / "a.ome.tif"), merged, "yxc")


class TestTiffVolumeTiles(TiffChecks):
    """Tiles that reach over several slices of a page that is itself a volume."""

    shape, axes = (20, 50, 61), "zyx"
    options = {"volumetric": True, "tile": (16, 16, 32), "compression": "zlib", "metadata": {"axes": "ZYX"}}


class TestTiffBits(TiffChecks):
    dtype = "bool"


class TestTiffBigTiff(TiffChecks):
    shape, axes, dtype = (50, 61, 2), "yxc", "uint32"
    options = {"bigtiff": True, "planarconfig": "contig", "photometric": "minisblack"}


class TestTiffJpegTwoThousand(TiffChecks):
    """Decoded in a child process."""

    options = {"compression": "jpeg2000", "tile": (32, 32), "compressionargs": {"reversible": True}}


class TestTiffPyramid(SourceChecks):
    def write(self, folder):
        array = pixels((3, 80, 96))
        small = array[:, ::2, ::2]
        options = {"tile": (32, 32), "compression": "zlib", "photometric": "minisblack"}
        with tifffile.TiffWriter(folder / "a.ome.tif") as tif:
            tif.write(array, subifds=1, metadata={"axes": "ZYX"}, **options)
            tif.write(small, subfiletype=1, **options)
        return Case(str(folder / "a.ome.tif"), array, "zyx", (small,))


class TestTiffLevelAsImage(SourceChecks):
    def write(self, folder):
        case = TestTiffPyramid().write(folder)
        return Case(case.address + "#level=1", case.levels[0], "zyx")


class TestTiffSetOfFiles(SourceChecks):
    """OME-TIFF over two files that name each other."""

    def write(self, folder):
        array = pixels((2, 30, 31))
        uuids = ["urn:uuid:00000000-0000-0000-0000-00000000000" + n for n in "12"]
        planes = "".join(
            f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
            f'<UUID FileName="{z}.ome.tif">{uuids[z]}</UUID></TiffData>'
            for z in range(2)
        )
        for z in range(2):
            xml = (
                '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
                f' UUID="{uuids[z]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT"'
                f' Type="uint16" SizeX="31" SizeY="30" SizeZ="2" SizeC="1" SizeT="1">{planes}'
                "</Pixels></Image></OME>"
            )
            tifffile.imwrite(
                folder / f"{z}.ome.tif",
                array[z],
                description=xml,
                metadata=None,
                compression="zlib",
                ome=False,
            )
        return Case(str(folder / "0.ome.tif"), array, "zyx")
