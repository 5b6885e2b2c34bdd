"""CZI, LIF, ND2 and OpenEXR keep what every source keeps; `sources.microscope_files` makes the files."""

from __future__ import annotations

import imagecodecs
import numpy as np

from conformance.test_source_conformance import Case, SourceChecks, pixels
from sources import microscope_files as files
from sources.microscope_files import needs_exr, needs_lif, needs_nd2


class TestCziPlanes(SourceChecks):
    def write(self, folder):
        array = pixels((2, 3, 4, 31, 37))
        tiles = [
            {"pixels": array[t, c, z], "at": {"C": c, "Z": z, "T": t}}
            for t in range(2) for c in range(3) for z in range(4)
        ]  # fmt: skip
        (folder / "a.czi").write_bytes(files.czi_bytes(tiles))
        return Case(str(folder / "a.czi"), array, "tczyx")


class TestCziMosaic(SourceChecks):
    """Tiles that overlap, packed with zstd of both kinds, and a smaller copy."""

    def write(self, folder):
        array = pixels((60, 70))
        small = array[::2, ::2].copy()
        tiles = []
        for i, (y, x) in enumerate([(0, 0), (0, 33), (27, 0), (27, 33)]):
            piece = np.ascontiguousarray(array[y : y + 33, x : x + 37])
            low_high = np.ascontiguousarray(piece.view(np.uint8).reshape(-1, 2).T).tobytes()
            packed = (5, imagecodecs.zstd_encode(piece.tobytes()))
            if i % 2:
                packed = (6, b"\x03\x01\x01" + imagecodecs.zstd_encode(low_high))
            tiles.append(
                {"pixels": piece, "at": {"X": x - 500, "Y": y - 300, "C": 0, "M": i}, "packed": packed}
            )
        tiles.append({"pixels": small, "at": {"X": -500, "Y": -300, "C": 0}, "size": (60, 70)})
        (folder / "a.czi").write_bytes(files.czi_bytes(tiles))
        return Case(str(folder / "a.czi"), array, "yx", (small,))


class TestCziColour(SourceChecks):
    def write(self, folder):
        array = pixels((2, 31, 37, 3), "uint8")
        jpegxr = imagecodecs.jpegxr_encode(array[1], level=1.0)
        tiles = [
            {"pixels": array[0], "at": {"Z": 0}},
            {"pixels": array[1], "at": {"Z": 1}, "packed": (4, jpegxr)},
        ]
        (folder / "a.czi").write_bytes(files.czi_bytes(tiles))
        return Case(str(folder / "a.czi"), array, "zyxc")


@needs_lif
class TestLif(SourceChecks):
    def write(self, folder):
        array = pixels((2, 3, 4, 31, 37))
        (folder / "a.lif").write_bytes(files.lif_bytes([files.lif_image("one", array, list("tczyx"))]))
        return Case(str(folder / "a.lif"), array, "tczyx")


@needs_lif
class TestLifColour(SourceChecks):
    """Blue first, and rows that are filled up."""

    def write(self, folder):
        array = pixels((31, 37, 3), "uint8")
        image = files.lif_image("one", array[..., ::-1], list("yxc"), tags=[3, 2, 1], padding=1)
        (folder / "a.lif").write_bytes(files.lif_bytes([image]))
        return Case(str(folder / "a.lif"), array, "yxc")


@needs_nd2
class TestNd2(SourceChecks):
    def write(self, folder):
        array = pixels((2, 3, 2, 31, 37))
        frames = [np.moveaxis(array[t, z], 0, -1) for t in range(2) for z in range(3)]
        loop = files.nd2_loop("T", 2, files.nd2_loop("Z", 3))
        (folder / "a.nd2").write_bytes(files.nd2_bytes(frames, loop, ("A", "B"), padding=2))
        return Case(str(folder / "a.nd2"), array, "tzcyx")


@needs_nd2
class TestNd2Colour(SourceChecks):
    def write(self, folder):
        array = pixels((31, 37, 3), "uint8")
        (folder / "a.nd2").write_bytes(files.nd2_bytes([array], components=3, lossless=True))
        return Case(str(folder / "a.nd2"), array, "yxc")


@needs_exr
class TestExr(SourceChecks):
    def write(self, folder):
        import OpenEXR

        array = pixels((31, 37, 3), "float32")
        held = {name: np.ascontiguousarray(array[..., i]) for i, name in enumerate("RGB")}
        head = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(head, held).write(str(folder / "a.exr"))
        return Case(str(folder / "a.exr"), array, "yxc")
