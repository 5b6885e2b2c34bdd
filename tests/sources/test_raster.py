"""Pictures: what Pillow would change is kept, what it would believe is checked."""

from __future__ import annotations

import struct
import warnings
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import open_image


def noise(shape, dtype="uint8", top=255):
    return np.random.default_rng(5).integers(0, top + 1, shape).astype(dtype)


def read(path):
    """The pixels in the order of the image's own axes, and what is known of it."""
    with open_image(path) as image:
        return image.info, image._read_own(tuple(slice(0, n) for n in image.shape), 0)


def png(width, height, bits=8, colour=0, data=b""):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp"])
def test_opening_decodes_nothing(tmp_path, suffix, monkeypatch):
    PIL.Image.fromarray(noise((20, 21, 3))).save(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with open_image(tmp_path / f"a.{suffix}") as image:
        assert image.shape == (20, 21, 3)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bits_stay_sixteen(tmp_path, channels):
    array = noise((20, 21, channels), "uint16", 65535)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    info, pixels = read(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels, array)
    assert info.alpha == (None if channels == 3 else channels - 1)


def test_a_palette_becomes_colours(tmp_path):
    picture = PIL.Image.fromarray(noise((20, 21, 3))).quantize(16)
    picture.save(tmp_path / "a.png")
    info, pixels = read(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels, np.asarray(picture.convert("RGB")))
    assert (info.axes, info.alpha) == ("yxc", None)
    picture.save(tmp_path / "b.png", transparency=bytes([0, 128, *[255] * 14]))
    info, pixels = read(tmp_path / "b.png")
    assert (info.shape, info.alpha) == ((20, 21, 4), 3)
    assert set(np.unique(pixels[..., 3])) == {0, 128, 255}


def test_bits_are_truth_values(tmp_path):
    array = noise((20, 21)) > 99
    PIL.Image.fromarray(array).save(tmp_path / "a.png")
    info, pixels = read(tmp_path / "a.png")
    assert info.dtype == np.bool_
    np.testing.assert_array_equal(pixels, array)


def test_a_turned_photo_is_read_as_stored(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(noise((20, 31, 3))).save(tmp_path / "a.jpg", exif=exif)
    info, _ = read(tmp_path / "a.jpg")
    assert info.shape == (20, 31, 3)
    assert info.problems == ("The photo asks to be shown turned (EXIF orientation 6); it is read as stored.",)


def test_a_single_frame_has_no_time(tmp_path):
    frame = PIL.Image.fromarray(noise((20, 21, 3))).quantize(8)
    frame.save(tmp_path / "a.gif")
    assert read(tmp_path / "a.gif")[0].axes == "yxc"


def test_frames_are_read_in_any_order(tmp_path):
    frames = [PIL.Image.new("RGB", (21, 20), (40 * i, 0, 0)).quantize(4) for i in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with open_image(tmp_path / "a.gif") as image:
        assert (image.axes, image.shape) == ("tyxc", (5, 20, 21, 3))
        for t in (3, 0, 4, 4, 1):
            pixels = image.read(Box((t, 0, 0, 7, 7), (t + 1, 1, 1, 9, 8)))
            assert abs(int(pixels.min()) - 40 * t) <= 1


@pytest.mark.parametrize(
    ("head", "largest", "dtype"),
    [
        (b"P5 21 20 100\n", 100, "uint8"),
        (b"P5\n#a\n21 20\n#b\n4095\n", 4095, "uint16"),
        (b"P2 21 20 9\n", 9, "uint8"),
    ],
)
def test_grey_values_are_not_stretched(tmp_path, head, largest, dtype):
    array = noise((20, 21), dtype, largest)
    body = array.astype(array.dtype.newbyteorder(">")).tobytes()
    if head.startswith(b"P2"):
        body = b"\n".join(b" ".join(b"%d" % v for v in row) for row in array)
    (tmp_path / "a.pgm").write_bytes(head + body)
    info, pixels = read(tmp_path / "a.pgm")
    assert info.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels, array)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"P5 21 20 255\n" + b"x" * 419, "cut off"),
        (b"P5 99999999 99999999 255\n", "cut off"),
        (b"P2 21 20 255\n1 2 3", "cut off"),
        (b"P2 2 1 255\n1 x", "no numbers"),
        (b"P2 2 1 255\n1 256", "leave their range"),
        (b"P5 0 20 255\n", "claims 0 x 20"),
        (b"P5 2 2 70000\n" + b"x" * 99, "up to 70000"),
        (b"P5 x\n", "makes no sense"),
        (png(60_000, 60_000), "claims 3.35 GiB of pixels but holds"),
        (png(60_000, 60_000, 16, 6), "claims 26.8 GiB of pixels but holds"),
        (png(2_000_000_000, 2_000_000_000), "claims 3.47 EiB"),
        (png(20, 20, 8, 0, bytes(200)), "damaged or cut off"),
        (png(20, 20, 16, 2, bytes(200)), "damaged or cut off"),
        (png(0, 20), "damaged"),
        (b"GIF89a" + b"\xff\xff\xff\xff\0\0\0", "damaged"),
        (b"BM" + b"\0" * 100, "damaged"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 100, "damaged"),
        (b"RIFF\xff\0\0\0WEBPVP8 ", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_lies_are_refused(tmp_path, content, says):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught, open_image(path) as image:
        image.read()
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "jpg", "webp", "pbm"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_constant_pictures_are_no_lies(tmp_path, suffix, mode):
    """However well they pack."""
    if suffix == "pbm" and mode != "1":
        pytest.skip("bits only")
    if suffix in {"jpg", "webp"} and mode == "P":
        pytest.skip("no palettes")
    options = {"png": {"bits": 1}, "webp": {"lossless": True}}.get(suffix, {})
    PIL.Image.new("L", (2500, 2500)).convert(mode).save(tmp_path / f"a.{suffix}", **options)
    _, pixels = read(tmp_path / f"a.{suffix}")
    assert pixels.shape[:2] == (2500, 2500)
    assert pixels.max() == pixels.min()


def test_our_limit_replaces_that_of_pillow(tmp_path, monkeypatch):
    """More pixels than Pillow warns at open without a warning; Pillow's setting stays."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    PIL.Image.new("L", (100, 100)).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        info, pixels = read(tmp_path / "a.png")
    assert info.shape == (100, 100)
    assert not pixels.any()
    assert PIL.Image.MAX_IMAGE_PIXELS == 1000


def test_pictures_hold_one_image_only(tmp_path):
    PIL.Image.new("L", (10, 10)).save(tmp_path / "a.png")
    for address in ("a.png/data", "a.png#series=1", "a.png#level=1", "a.png#scene=x"):
        with pytest.raises(ImageError, match="png files hold one image"):
            open_image(f"{tmp_path}/{address}")


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "I;16", "LA", "CMYK"])
def test_a_picture_taken_over_in_bands_is_the_same(tmp_path, monkeypatch, mode):
    from underbrush.sources import raster

    values = np.random.default_rng(4).integers(0, 256, (50, 40, 4), np.uint8)
    if mode == "I;16":
        picture = PIL.Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    else:
        colours = PIL.Image.fromarray(values[..., :3])
        picture = colours.quantize(16) if mode == "P" else colours.convert("L" if mode == "LA" else mode)
        picture = picture.convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture.save(path, **({"transparency": 3} if mode == "P" else {}))
    with open_image(path) as image:
        whole = image.read()
    monkeypatch.setattr(raster, "_BAND", 280)
    with open_image(path) as image:
        np.testing.assert_array_equal(image.read(), whole)


def test_what_is_decoded_in_one_large_piece_is_said(tmp_path, monkeypatch):
    from underbrush.sources import claims

    monkeypatch.setattr(claims, "LARGE_PIECE", 4000)
    PIL.Image.new("L", (50, 40)).save(tmp_path / "a.png")
    PIL.Image.new("L", (40, 40)).save(tmp_path / "small.png")
    with open_image(tmp_path / "a.png") as image:
        assert image.info.problems == (
            "It is decoded whole, which takes 3.91 KiB of memory at once, whatever is allowed.",
        )
    with open_image(tmp_path / "small.png") as image:
        assert image.info.problems == ()
