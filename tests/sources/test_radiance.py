"""Radiance HDR pictures against files put together here by the format's description."""

import numpy as np
import pytest

from underbrush.core.geometry import Box
from underbrush.errors import ImageError
from underbrush.sources import open_image

HEADER = b"#?RADIANCE\n# made by hand\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=1\n\n"


def flat(values):
    """Pixels as bytes red, green, blue, exponent: value = byte / 256 * 2**(exponent - 128)."""
    rgbe = np.zeros((*values.shape[:2], 4), np.uint8)
    largest = values.max(-1)
    mantissa, exponent = np.frexp(largest)
    scale = np.where(largest > 1e-32, mantissa * 256 / np.where(largest > 1e-32, largest, 1), 0)
    rgbe[..., :3] = values * scale[..., None]
    rgbe[..., 3] = np.where(largest > 1e-32, exponent + 128, 0)
    return rgbe


def packed(rgbe):
    """Each row as four planes of runs (over 128) and of single bytes."""
    rows = []
    for row in rgbe:
        planes = bytearray([2, 2, len(row) >> 8, len(row) & 255])
        for plane in row.T:
            if (plane == plane[0]).all() and len(plane) < 128:
                planes += bytes([128 + len(plane), plane[0]])
            else:
                for at in range(0, len(plane), 128):
                    piece = plane[at : at + 128]
                    planes += bytes([len(piece)]) + piece.tobytes()
        rows.append(bytes(planes))
    return b"".join(rows)


@pytest.mark.parametrize("width", [5, 60, 300])
def test_values_are_those_that_were_stored(tmp_path, width):
    values = np.random.default_rng(width).random((7, width, 3)).astype(np.float32) * 9
    values[3] = 0.5
    rgbe = flat(values)
    body = rgbe.tobytes() if width < 8 else packed(rgbe)
    (tmp_path / "a.hdr").write_bytes(HEADER + f"-Y 7 +X {width}\n".encode() + body)
    exact = rgbe[..., :3] * np.exp2(rgbe[..., 3:].astype(np.float32) - 136)
    with open_image(tmp_path / "a.hdr") as image:
        assert (image.axes, image.shape, image.dtype) == ("yxc", (7, width, 3), np.float32)
        whole = image.read()
        part = image.read(Box((0, 0, 0, 2, 1), (1, 3, 1, 5, 4)))
    np.testing.assert_array_equal(whole[0, :, 0].transpose(1, 2, 0), exact)
    np.testing.assert_array_equal(part, whole[..., 2:5, 1:4])
    assert np.abs(whole[0, :, 0].transpose(1, 2, 0) - values).max() < 9 / 128


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HEADER + b"-Y 9 +X 9\n", "damaged or cut off"),
        (HEADER + b"-Y 9 +X 9\n" + b"\x02\x02\x00\x09" + bytes(60), "damaged or cut off"),
        (HEADER + b"+X 9 -Y 9\n" + bytes(400), "turned or mirrored"),
        (HEADER + b"-Y 0 +X 9\n", "no pixels"),
        (HEADER + b"-Y 999999999 +X 999999999\n", "claims"),
        (HEADER[:-1], "header is damaged"),
        (HEADER.replace(b"rgbe", b"xyze") + b"-Y 2 +X 2\n" + bytes(16), "XYZ"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path, content, says):
    (tmp_path / "a.hdr").write_bytes(content)
    with pytest.raises(ImageError, match=says) as caught, open_image(tmp_path / "a.hdr") as image:
        image.read()
    assert str(tmp_path / "a.hdr") in str(caught.value)
