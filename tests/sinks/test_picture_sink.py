"""png, jpg and bmp: palettes, depths, and refusals that say what to do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from underbrush.core.geometry import Box
from underbrush.errors import OutputError
from underbrush.sinks import OutputSpec, check_sink, open_sink

COLORS = ((230, 25, 75), (60, 180, 75))


def spec_of(path, shape=(1, 1, 1, 20, 30), dtype="u1", kind="image", **more) -> OutputSpec:
    return OutputSpec(path, shape, "tczyx", np.dtype(dtype), kind, **more)


@pytest.mark.parametrize("format", ["png", "bmp"])
def test_a_segmentation_has_its_colours_and_values(tmp_path, format):
    spec = spec_of(tmp_path / f"a.{format}", kind="segmentation", class_colors=COLORS)
    pixels = np.random.default_rng(0).integers(0, 3, spec.shape, "u1")
    with open_sink(spec, format) as sink:
        sink.write(Box.whole(spec.shape), pixels)
    with Image.open(spec.path) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), pixels[0, 0, 0])
        shown = np.asarray(image.convert("RGB"))
    for value, color in enumerate([(0, 0, 0), *COLORS]):
        assert (shown[pixels[0, 0, 0] == value] == color).all()


def test_a_png_carries_texts_and_pixel_size(tmp_path):
    spec = spec_of(
        tmp_path / "a.png",
        kind="segmentation",
        class_names=("bg", "Zellkörper"),
        pixel_size={"x": (0.5, "um"), "y": (500, "nm"), "z": (1, "furlong")},
        provenance={"project": "böse.ilp", "ключ": "x"},
    )
    with open_sink(spec, "png") as sink:
        sink.write(Box.whole(spec.shape), np.ones(spec.shape, "u1"))
    with Image.open(spec.path) as image:
        image.load()
        assert image.text["Software"] == "Underbrush"
        assert image.text["Classes"] == "bg\nZellkörper"
        assert image.text["project"] == "böse.ilp"
        per_metre = np.array(image.info["dpi"]) / 0.0254
        assert per_metre == pytest.approx(2_000_000, rel=1e-6)


@pytest.mark.parametrize(
    ("format", "spec", "says"),
    [
        (
            "png",
            {"shape": (1, 5, 1, 8, 8)},
            "png holds 1, 3 or 4 channels, the result has 5; write tiff or hdf5",
        ),
        ("png", {"shape": (1, 2, 1, 8, 8)}, "the result has 2"),
        ("png", {"dtype": "f4"}, r"the result is float32; write tiff.*--dtype uint8 --rescale 0:1,0:255"),
        ("png", {"shape": (1, 3, 1, 8, 8), "dtype": "u2"}, "colours of 8 bits"),
        ("png", {"dtype": "u4"}, "uint8 or uint16, the result is uint32"),
        ("png", {"shape": (1, 1, 7, 8, 8)}, "the result has 7 slices"),
        ("png", {"shape": (9, 1, 1, 8, 8)}, "the result has 9 time points"),
        ("jpg", {"dtype": "f4"}, "jpg holds uint8, the result is float32"),
        ("jpg", {"dtype": "u2"}, "the result is uint16"),
        ("jpg", {"kind": "segmentation"}, "makes a wrong segmentation; write png or tiff"),
        ("jpg", {"shape": (1, 1, 1, 2, 70_000)}, "65535 pixels a side"),
        ("bmp", {"shape": (1, 4, 1, 8, 8)}, "1 or 3 channels"),
        ("bmp", {"dtype": "u2"}, "bmp holds uint8"),
        ("png", {"shape": (1, 1, 1, 40_000, 40_000)}, "too large for png"),
    ],
)
def test_impossible_pictures_are_refused_before_anything_is_computed(tmp_path, format, spec, says):
    with pytest.raises(OutputError, match=says) as caught:
        check_sink(spec_of(tmp_path / f"a.{format}", **spec), format)
    assert str(tmp_path) in str(caught.value)


def test_pillow_gets_no_way_round_our_files(tmp_path, faulty_disk):
    """It writes straight to a descriptor where it can have one."""
    from underbrush import files

    spec = spec_of(tmp_path / "a.jpg", (1, 3, 1, 100, 100))
    with (
        files.using(faulty_disk(1, ("write",))),
        pytest.raises(OutputError, match="disk is full"),
        open_sink(spec, "jpg") as sink,
    ):
        sink.write(Box.whole(spec.shape), np.zeros(spec.shape, "u1"))
    assert not spec.path.exists()
