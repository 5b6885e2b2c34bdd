"""TIFF results: colours, names, pixel sizes and order of pages, as other programs read them."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image

from underbrush.core.geometry import Box
from underbrush.errors import OutputError
from underbrush.sinks import OutputSpec, open_sink, tiff
from underbrush.sinks.tifftags import inverse
from underbrush.sources import open_image

COLORS = ((230, 25, 75), (60, 180, 75), (0, 130, 200))
SIZES = {"x": (0.65, "um"), "y": (0.325, "micron"), "z": (2000.0, "nm"), "t": (2.0, "min")}
OME = {"o": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}


def spec_of(path: Path, shape=(2, 1, 3, 40, 50), dtype="u1", kind="segmentation", **more) -> OutputSpec:
    values = {"class_colors": COLORS, "pixel_size": SIZES, **more}
    return OutputSpec(path, shape, "tczyx", np.dtype(dtype), kind, **values)


def write(spec: OutputSpec, format: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 4, spec.shape) if spec.dtype.kind != "f" else rng.random(spec.shape)
    pixels = whole.astype(spec.dtype)
    with open_sink(spec, format) as sink:
        sink.write(Box.whole(spec.shape), pixels)
    return pixels


def probabilities(path: Path, **more) -> OutputSpec:
    return spec_of(
        path, (1, 3, 4, 40, 50), "f4", "probabilities",
        channel_names=("Hintergrund", "Zellkörper", "DAB"), value_range=(0, 1), **more,
    )  # fmt: skip


@pytest.mark.parametrize(("format", "name"), [("tiff", "a.tif"), ("ome-tiff", "a.ome.tif")])
def test_a_segmentation_shows_its_colours_and_keeps_its_values(tmp_path, format, name):
    spec = spec_of(tmp_path / name)
    pixels = write(spec, format)
    with tifffile.TiffFile(spec.path) as file:
        assert np.array_equal(file.asarray(), pixels[:, 0])
        for page in [p.aspage() for p in file.pages]:
            assert page.photometric == tifffile.PHOTOMETRIC.PALETTE
            table = page.colormap
            assert table[:, 0].tolist() == [0, 0, 0]
            assert (table[:, 1:4].T // 257).tolist() == [list(c) for c in COLORS]
    with Image.open(spec.path) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), pixels[0, 0, 0])
        shown = np.asarray(picture.convert("RGB"))
        where = pixels[0, 0, 0] == 2
        assert where.any()
        assert (shown[where] == COLORS[1]).all()


def test_a_segmentation_without_known_colours_is_not_black(tmp_path):
    spec = spec_of(tmp_path / "a.tif", class_colors=())
    write(spec, "tiff")
    with tifffile.TiffFile(spec.path) as file:
        table = file.pages[0].colormap.astype(int)
    assert (table[:, 1:].max(axis=0) > 30000).all()
    assert len({tuple(c) for c in table[:, 1:13].T.tolist()}) == 12


def test_imagej_reads_order_sizes_and_unit(tmp_path):
    spec = spec_of(tmp_path / "a.tif", (2, 1, 3, 40, 50), class_names=("bg", "Zellkörper"))
    write(spec, "tiff")
    with tifffile.TiffFile(spec.path) as file:
        assert file.is_imagej
        assert file.series[0].axes == "TZYX"
        meta = file.imagej_metadata
        assert (meta["images"], meta["slices"], meta["frames"], meta["hyperstack"]) == (6, 3, 2, True)
        assert meta["unit"] == r"\u00B5m"
        assert meta["spacing"] == pytest.approx(2.0), "nm in the unit of x"
        assert meta["finterval"] == 120.0
        assert "class 2 = Zellkörper" in meta["Info"]
        tags = file.pages[0].tags
        assert (tags["XResolution"].value, tags["YResolution"].value) == ((20, 13), (40, 13))
        assert "min" not in meta, "a display range would hide the palette"


def test_imagej_opens_every_page_itself(tmp_path):
    """ImageJ refuses tiles and BigTIFF, and knows no predictor for floats."""
    for spec in (spec_of(tmp_path / "a.tif"), probabilities(tmp_path / "b.tif")):
        write(spec, "tiff")
        with tifffile.TiffFile(spec.path) as file:
            assert not file.is_bigtiff
            for page in [p.aspage() for p in file.pages]:
                assert not page.is_tiled
                assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
                assert page.predictor == 1


def test_probabilities_in_imagej_are_a_composite_in_class_colours(tmp_path):
    spec = probabilities(tmp_path / "a.tif")
    pixels = write(spec, "tiff")
    with tifffile.TiffFile(spec.path) as file:
        assert np.array_equal(file.asarray(), pixels[0].transpose(1, 0, 2, 3))
        assert file.series[0].axes == "ZCYX"
        meta = file.imagej_metadata
        assert meta["mode"] == "composite"
        assert meta["Labels"] == list(spec.channel_names) * 4
        assert meta["Ranges"] == (0, 1) * 3
        assert (meta["min"], meta["max"]) == (0, 1)
        assert [lut[:, 255].tolist() for lut in meta["LUTs"]] == [list(c) for c in COLORS]


def test_every_page_has_its_name(tmp_path):
    spec = spec_of(tmp_path / "a.tif", (2, 3, 2, 8, 9), "f4", "features", channel_names=("a", "b", "µ"))
    write(spec, "tiff")
    with tifffile.TiffFile(spec.path) as file:
        assert file.imagej_metadata["Labels"] == ["a", "b", "µ"] * 4
        assert file.imagej_metadata["mode"] == "grayscale"


def ome(path: Path) -> ElementTree.Element:
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        description = file.pages[0].tags["ImageDescription"].value
        assert description.isascii()
    return ElementTree.fromstring(description)


def test_ome_tiff_says_everything(tmp_path):
    spec = probabilities(tmp_path / "a.ome.tif", provenance={"project": "böse <\x00> & name.ilp"})
    pixels = write(spec, "ome-tiff")
    with tifffile.TiffFile(spec.path) as file:
        assert file.series[0].kind == "ome"
        assert file.series[0].axes == "ZCYX"
        assert np.array_equal(file.asarray(), pixels[0].transpose(1, 0, 2, 3))
        assert not any(page.aspage().is_tiled for page in file.pages), "ImageJ opens no tiles itself"
    root = ome(spec.path)
    (found,) = root.findall("o:Image/o:Pixels", OME)
    assert (found.get("SizeX"), found.get("SizeC"), found.get("Type")) == ("50", "3", "float")
    assert (found.get("PhysicalSizeX"), found.get("PhysicalSizeXUnit")) == ("0.65", "µm")
    assert (found.get("PhysicalSizeZ"), found.get("PhysicalSizeZUnit")) == ("2000.0", "nm")
    assert (found.get("TimeIncrement"), found.get("TimeIncrementUnit")) == ("2.0", "min")
    channels = found.findall("o:Channel", OME)
    assert [c.get("Name") for c in channels] == list(spec.channel_names)
    # OME: red, green, blue and alpha as one signed 32-bit number
    assert int(channels[0].get("Color")).to_bytes(4, "big", signed=True) == bytes((*COLORS[0], 255))
    texts = {m.get("K"): m.text for m in root.iterfind(".//o:M", OME)}
    assert texts["project"] == "böse <\ufffd> & name.ilp"


def test_ome_references_and_annotations_belong_together(tmp_path):
    spec = spec_of(tmp_path / "a.ome.tif", class_names=("bg", "cell"), provenance={"a": "b"})
    write(spec, "ome-tiff")
    root = ome(spec.path)
    references = [r.get("ID") for r in root.findall("o:Image/o:AnnotationRef", OME)]
    annotations = root.findall("o:StructuredAnnotations/o:MapAnnotation", OME)
    assert references == [a.get("ID") for a in annotations]
    assert len(set(references)) == 3
    names = {m.get("K"): m.text for m in annotations[0].iterfind("o:Value/o:M", OME)}
    assert names == {"1": "bg", "2": "cell"}


def test_ome_sizes_and_types_fit_what_ilastik_writes(data, tmp_path):
    """The same volume, written by ilastik as multipage tiff and by us, reads the same."""
    theirs = data / "golden/gray3d_2c/exports/batch_train_Probabilities.tiff"
    with tifffile.TiffFile(theirs) as file:
        pixels, axes = file.asarray(), file.series[0].axes
        root = ElementTree.fromstring(file.pages[0].tags["ImageDescription"].value)
    spec = OutputSpec(tmp_path / "a.tiff", (1, 2, 31, 61, 57), "zyxc", pixels.dtype, "probabilities")
    with open_sink(spec, "multipage tiff") as sink:
        sink.write(Box.whole(spec.shape), pixels.transpose(1, 0, 2, 3)[None])
    with tifffile.TiffFile(spec.path) as file:
        assert file.series[0].axes == axes
        assert np.array_equal(file.asarray(), pixels)
    ours, theirs_pixels = (r.find("o:Image/o:Pixels", OME) for r in (ome(spec.path), root))
    for name in ("DimensionOrder", "Type", "SizeX", "SizeY", "SizeZ", "SizeC", "SizeT"):
        assert ours.get(name) == theirs_pixels.get(name), name


def test_types_that_imagej_cannot_hold_are_described_as_ome(tmp_path):
    spec = spec_of(tmp_path / "a.tif", (1, 1, 3, 40, 50), "u4", "objects")
    pixels = write(spec, "tiff")
    with tifffile.TiffFile(spec.path) as file:
        assert file.series[0].axes == "ZYX"
        assert np.array_equal(file.asarray(), pixels[0, 0])
    assert ome(spec.path).find("o:Image/o:Pixels", OME).get("PhysicalSizeX") == "0.65"


def test_a_large_file_becomes_a_bigtiff(tmp_path, monkeypatch):
    spec = spec_of(tmp_path / "a.tif")
    write(spec, "tiff")
    assert struct.unpack("<2sH", spec.path.read_bytes()[:4]) == (b"II", 42)
    monkeypatch.setattr(tiff, "BIG_BYTES", spec.path.stat().st_size)
    pixels = write(spec, "tiff")
    assert struct.unpack("<2sH", spec.path.read_bytes()[:4]) == (b"II", 43)
    assert np.array_equal(tifffile.imread(spec.path), pixels[:, 0])


def test_the_estimate_of_the_size_is_never_too_small(tmp_path, monkeypatch):
    seen = []
    real = tifffile.TiffWriter
    monkeypatch.setattr(
        tifffile, "TiffWriter", lambda file, bigtiff, **o: seen.append(bigtiff) or real(file, **o)
    )
    for shape in [(60, 1, 1, 16, 16), (1, 1, 1, 3000, 20), (1, 30, 1, 9, 9)]:
        spec = spec_of(tmp_path / "a.ome.tif", shape, class_names=("a" * 50,))
        write(spec, "ome-tiff")
        monkeypatch.setattr(tiff, "BIG_BYTES", spec.path.stat().st_size - 1)
        write(spec, "ome-tiff")
        assert seen[-1], shape


def test_a_very_large_plane_is_tiled(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff, "STRIPED_PIXELS", 999)
    spec = spec_of(tmp_path / "a.tif", (1, 1, 1, 600, 700))
    pixels = write(spec, "tiff")
    with tifffile.TiffFile(spec.path) as file:
        assert file.pages[0].tile == (512, 512)
        assert np.array_equal(file.asarray(), pixels[0, 0, 0])


def test_no_time_or_name_is_in_the_file(tmp_path):
    first, second = spec_of(tmp_path / "a.ome.tif"), spec_of(tmp_path / "other.ome.tif")
    write(first, "ome-tiff")
    write(second, "ome-tiff")
    assert first.path.read_bytes() == second.path.read_bytes()
    with tifffile.TiffFile(first.path) as file:
        assert "DateTime" not in file.pages[0].tags
        assert file.pages[0].software == "Underbrush"


@pytest.mark.parametrize("dtype", ["i8", "u8", "f2"])
def test_types_that_readers_do_not_know_are_refused(tmp_path, dtype):
    with pytest.raises(OutputError, match=rf"{np.dtype(dtype)}; convert it"):
        open_sink(spec_of(tmp_path / "a.tif", dtype=dtype, kind="image"), "tiff")


@pytest.mark.parametrize("size", [0.65, 1 / 3, 1.0, 2.5, 1e-7, 123456.789, 1e9, 0.1234567891234, np.pi])
def test_resolutions_are_precise(size):
    top, bottom = inverse(size)
    assert 0 < top < 1 << 32
    assert 0 < bottom < 1 << 32
    assert bottom / top == pytest.approx(size, rel=1e-8)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_resolutions_that_do_not_fit_are_left_out(size):
    assert inverse(size) is None


@pytest.mark.parametrize("kind", ["segmentation", "probabilities"])
def test_a_large_ome_tiff_has_smaller_copies(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(tiff, "PLAIN_SIDE", 200)
    monkeypatch.setattr(tiff, "SMALLEST_SIDE", 60)
    monkeypatch.setattr(tiff, "TILE", 64)
    names = kind == "segmentation"
    shape = (2, 1, 3, 231, 190) if names else (1, 2, 1, 231, 190)
    spec = spec_of(tmp_path / "a.ome.tif", shape, "u1" if names else "f4", kind)
    rng = np.random.default_rng(0)
    pixels = (rng.random(shape) * 4).astype(spec.dtype)
    with open_sink(spec, "ome-tiff") as sink:
        for y in range(0, 231, 50):
            box = Box.whole(shape).replace(y=(y, min(y + 50, 231)))
            sink.write(box, pixels[box.slices])
    expected = pixels
    with tifffile.TiffFile(spec.path) as file:
        levels = file.series[0].levels
        assert [level.shape[-2:] for level in levels] == [(231, 190), (116, 95), (58, 48)]
        assert len(file.pages) == 6 if names else 2
        for level in levels:
            t, c, z, _, _ = shape
            found = level.asarray().reshape(t, z, c, *level.shape[-2:]).transpose(0, 2, 1, 3, 4)
            assert np.allclose(found, expected, atol=1e-6)
            page = level.pages[0].aspage()
            assert page.photometric == (
                tifffile.PHOTOMETRIC.PALETTE if names else tifffile.PHOTOMETRIC.MINISBLACK
            )
            # Halved as in the pyramid: every second pixel of classes, the mean of two by two else.
            if names:
                expected = expected[..., ::2, ::2]
            else:
                padded = np.pad(expected, [(0, 0)] * 3 + [(0, n % 2) for n in expected.shape[3:]], "edge")
                expected = padded.reshape(*padded.shape[:3], padded.shape[3] // 2, 2, -1, 2).mean((4, 6))
    with open_image(spec.path) as image:
        assert len(image.info.levels) == 3
        assert np.array_equal(image.read(), pixels)
