"""Pixels of planes at levels, from files of every kind, against the whole array thinned out by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from underbrush.core.geometry import to_internal
from underbrush.core.label_map import LabelMap
from underbrush.core.looking import PLANES, Place, first_pixel
from underbrush.errors import UsageError
from underbrush.sources.array import ArrayImage
from underbrush.sources.opening import open_image
from underbrush.web import planes
from underbrush.web.glances import histogram, is_rgb, large_picture, pixel, sample_boxes, thumbnail
from underbrush.web.planes import CancelledError, clipped, levels_of, read_labels, read_plane, wanted_pixels

RNG = np.random.default_rng(0)


def by_hand(array, place: Place, channels):
    """(c, rows, columns) from the whole array t c z y x."""
    still = PLANES[place.plane][2]
    step = 1 << place.level
    frame = array[place.t][list(channels)]
    frame = np.take(frame, [place.slice], axis="czyx".index(still))
    for name in "yx":
        if name != still:
            axis = "czyx".index(name)
            first = first_pixel(frame.shape[axis], step)
            frame = np.take(frame, np.arange(first, frame.shape[axis], step), axis=axis)
    shown = {"xy": frame[:, 0], "xz": frame[:, :, 0], "zy": frame[..., 0].transpose(0, 2, 1)}[place.plane]
    return shown[:, place.y : place.y + place.height, place.x : place.x + place.width]


KINDS = {
    "2D uint8": ((517, 300), "yx", np.uint8),
    "RGB": ((64, 41, 3), "yxc", np.uint8),
    "uint16": ((300, 299), "yx", np.uint16),
    "int16": ((30, 29), "yx", np.int16),
    "uint32": ((30, 29), "yx", np.uint32),
    "float32": ((70, 40), "yx", np.float32),
    "float64": ((70, 40), "yx", np.float64),
    "volume": ((9, 70, 61), "zyx", np.uint16),
    "volume of channels": ((5, 9, 33, 40), "czyx", np.uint8),
    "movie": ((4, 2, 3, 40, 50), "tczyx", np.uint8),
    "one pixel": ((1, 1), "yx", np.uint8),
    "one row": ((1, 700), "yx", np.uint8),
    "one column": ((700, 1), "yx", np.uint8),
}


def made(kind):
    shape, axes, dtype = KINDS[kind]
    if np.dtype(dtype).kind == "f":
        values = RNG.normal(0, 1e3, shape).astype(dtype)
        values.reshape(-1)[::7] = np.nan
        values.reshape(-1)[3::11] = np.inf
    else:
        info = np.iinfo(dtype)
        values = RNG.integers(info.min, info.max, shape, dtype, endpoint=True)
    return values, axes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plane", PLANES)
def test_a_box_of_a_plane_holds_the_pixels_of_the_level(tmp_path, kind, plane):
    values, axes = made(kind)
    path = tmp_path / "a.npy"
    np.save(path, values)
    whole = to_internal(values, axes)
    still = whole.shape["tczyx".index(PLANES[plane][2])]
    with open_image(path, axes) as image:
        for level in range(levels_of(image.shape5)):
            for t, index, x, y in (
                (0, 0, 0, 0),
                (whole.shape[0] - 1, still - 1, 3, 5),
                (0, still // 2, 31, 2),
            ):
                place = Place(t, plane, index, level, x, y, 37, 41)
                try:
                    place = clipped(place, image.shape5)
                except UsageError:
                    continue
                channels = tuple(range(whole.shape[1]))[::-1]
                got = read_plane(image, place, channels)
                wanted = by_hand(whole, place, channels)
                assert got.shape == wanted.shape
                assert got.dtype == {1: "<u1", 2: "<u2"}.get(
                    values.dtype.itemsize if values.dtype.kind == "u" else 0, "<f4"
                )
                np.testing.assert_array_equal(got, wanted.astype(got.dtype))


def test_rows_that_are_read_one_by_one_are_those_of_a_band(monkeypatch):
    values = RNG.integers(0, 255, (2000, 1500), np.uint8)
    image = ArrayImage(values, "yx")
    place = Place(0, "xy", 0, 3, 2, 1, 100, 200)
    thin = read_plane(image, place, (0,))
    monkeypatch.setattr(planes, "DENSE", 64)
    monkeypatch.setattr(planes, "BAND_BYTES", 40_000)
    np.testing.assert_array_equal(read_plane(image, place, (0,)), thin)
    monkeypatch.setattr(planes, "BAND_BYTES", 1 << 30)
    np.testing.assert_array_equal(read_plane(image, place, (0,)), thin)


def test_what_is_outside_is_cut_off_and_what_is_wholly_outside_is_refused():
    image = ArrayImage(np.zeros((100, 70), np.uint8), "yx")
    place = clipped(Place(0, "xy", 0, 0, 60, 90, 256, 256), image.shape5)
    assert (place.width, place.height) == (10, 10)
    for bad in (
        Place(0, "xy", 0, 0, 70, 0, 8, 8), Place(1, "xy", 0, 0, 0, 0, 8, 8), Place(0, "xy", 1, 0, 0, 0, 8, 8),
        Place(0, "xy", 0, 21, 0, 0, 8, 8), Place(0, "xz", 100, 0, 0, 0, 8, 8),
        Place(0, "xy", 0, 0, 0, 0, 0, 8),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            clipped(bad, image.shape5)
    with pytest.raises(UsageError):
        read_plane(image, place, (1,))
    with pytest.raises(UsageError):
        read_plane(image, place, ())


def pyramid(path, whole, factors, z_factors=None):
    """An OME-TIFF with smaller images whose values are 1000 * level + true ones, so that one can tell."""
    with tifffile.TiffWriter(path, ome=True) as tif:
        options = {"tile": (64, 64), "metadata": {"axes": "ZYX" if whole.ndim == 3 else "YX"}}
        tif.write(whole, subifds=len(factors), **options)
        for factor in factors:
            small = whole[..., ::factor, ::factor] % 1000 + 1000 * int(np.log2(factor))
            tif.write(small, subfiletype=1, tile=(64, 64))


def test_the_smaller_images_of_a_file_are_taken_as_far_as_they_go(tmp_path):
    whole = RNG.integers(0, 1000, (1030, 777), np.uint16)
    path = tmp_path / "p.ome.tif"
    pyramid(path, whole, (2, 8))
    with open_image(path) as image:
        assert len(image.levels) == 3
        taken = []
        for level in range(levels_of(image.shape5)):
            place = clipped(Place(0, "xy", 0, level, 0, 0, 2000, 2000), image.shape5)
            got = read_plane(image, place, (0,))
            assert got.shape[1:] == (-(-1030 // 2**level), -(-777 // 2**level))
            taken.append({int(v) // 1000 for v in np.unique(got)})
        assert taken == [{0}, {1}, {1}, {3}]  # level 2 from that halved once: an eighth is too coarse


def test_a_smaller_image_that_lacks_the_last_row_is_no_reason_to_fail():
    class Halved(ArrayImage):
        def __init__(self):
            super().__init__(np.zeros((1001, 601), np.uint8), "yx")
            object.__setattr__(self.info, "levels", ((1001, 601), (500, 300)))

        def _read_own(self, where, level):
            size = self.info.levels[level]
            assert all(s.stop <= n for s, n in zip(where, size, strict=True))
            return np.full([s.stop - s.start for s in where], level, np.uint8)

    image = Halved()
    place = clipped(Place(0, "xy", 0, 1, 0, 0, 1000, 1000), image.shape5)
    got = read_plane(image, place, (0,))
    assert got.shape == (1, 501, 301)
    assert (got == 1).all()


def test_only_as_much_is_read_as_is_shown_of_an_image_without_smaller_ones():
    class Huge(ArrayImage):
        """100,000 x 100,000 that counts what is read of it."""

        def __init__(self):
            super().__init__(np.zeros((1, 1), np.uint8), "yx")
            size = (100_000, 100_000)
            object.__setattr__(self.info, "shape", size)
            object.__setattr__(self.info, "levels", (size,))
            self.largest = self.total = 0

        def _read_own(self, where, level):
            sizes = [s.stop - s.start for s in where]
            self.largest = max(self.largest, sizes[0] * sizes[1])
            self.total += sizes[0] * sizes[1]
            return np.broadcast_to(np.uint8(1), sizes)

    image = Huge()
    assert levels_of(image.shape5) == 10
    for level in range(10):
        image.largest = image.total = 0
        place = clipped(Place(0, "xy", 0, level, 0, 0, 256, 256), image.shape5)
        read_plane(image, place, (0,))
        assert image.largest <= planes.BAND_BYTES
        assert image.total <= max(100_000 * 256, (256 << level) ** 2)
    image.total = image.largest = 0
    histogram(image, 0)
    assert image.total < 1 << 20
    image.total = image.largest = 0
    thumbnail(image)
    assert image.largest <= planes.BAND_BYTES
    assert image.total <= 4096 * 4096


def test_a_request_that_nobody_waits_for_ends_between_bands():
    image = ArrayImage(np.zeros((4096, 4096), np.uint8), "yx")
    asked = []

    def cancelled():
        asked.append(0)
        return len(asked) > 3

    with pytest.raises(CancelledError):
        read_plane(image, Place(0, "xy", 0, 4, 0, 0, 256, 256), (0,), cancelled)
    assert len(asked) == 4


# -- labels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("level", [0, 1, 3])
def test_labels_stay_in_sight_however_far_one_is_away(plane, level):
    shape = (2, 1, 20, 70, 61)
    dense = np.zeros(shape, np.uint8)
    at = RNG.integers(0, shape, (400, 5))
    dense[tuple(at.T)] = RNG.integers(1, 5, 400)
    dense[1, 0, 3, 5:9, 4:50] = 7
    runs, ids = [], []
    for t, _, z, y, x in np.argwhere(dense):
        runs.append((t, z, y, x, 1))
        ids.append(dense[t, 0, z, y, x])
    labels, _ = LabelMap.empty(True).painted(np.array(runs, np.int32), np.array(ids, np.uint8))
    for t, still in ((0, 3), (1, 3), (1, 19)):
        place = Place(t, plane, still, level, 1, 2, 11, 9)
        step = 1 << level
        got = read_labels(labels, clipped(place, shape), shape)
        columns, rows, axis = PLANES[plane]
        frame = np.take(dense[t, 0], still, axis="zyx".index(axis))  # the two others, in the order z y x
        if plane == "zy":
            frame = frame.T
        across, down = (1 if columns == "z" else step), (1 if rows == "z" else step)
        padded = np.pad(frame, ((0, -frame.shape[0] % down), (0, -frame.shape[1] % across)))
        groups = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across)
        wanted = groups.max(axis=(1, 3))[place.y :, place.x :][: place.height, : place.width]
        np.testing.assert_array_equal(got, wanted)


# -- glances ------------------------------------------------------------------------------------------


def test_the_automatic_contrast_is_that_of_the_percentiles():
    values = RNG.normal(1000, 50, (600, 700)).astype(np.float32)
    values[0, 0], values[0, 1], values[5, 5] = np.nan, np.inf, 1e9
    found = histogram(ArrayImage(values, "yx"), 0)
    finite = values[np.isfinite(values)].astype(float)
    np.testing.assert_allclose(found.auto, np.percentile(finite, (0.1, 99.9)))
    assert found.counts.sum() == finite.size
    assert len(found.edges) == len(found.counts) + 1


def test_whole_numbers_have_bins_of_their_own():
    values = np.repeat(np.arange(10, 20, dtype=np.uint8), 50).reshape(20, 25)
    found = histogram(ArrayImage(values, "yx"), 0)
    assert found.edges.tolist() == list(range(10, 21))
    assert found.counts.tolist() == [50] * 10


@pytest.mark.parametrize(
    "values", [np.zeros((5, 5), np.uint16), np.full((5, 5), np.nan), np.full((3, 3), 7.5)]
)
def test_flat_and_empty_images_have_a_contrast(values):
    found = histogram(ArrayImage(values, "yx"), 0)
    assert found.auto[0] < found.auto[1]
    found.to_json()


def test_a_sample_of_a_large_volume_is_small_and_lies_inside():
    shape = (5, 2, 300, 9000, 8000)
    boxes = list(sample_boxes(shape, 1))
    assert sum(b.size for b in boxes) < 3_000_000
    assert all(b.clipped(shape) == b and b.size for b in boxes)


def test_a_pixel_has_a_value_for_each_channel_and_nothing_where_it_is_not_finite():
    values = np.array([[[1.5, np.nan, -np.inf]]], np.float32)
    assert pixel(ArrayImage(values, "yxc"), (0, 0, 0, 0)) == [1.5, None, None]
    assert pixel(ArrayImage(np.full((2, 2), 2**31, np.uint32), "yx"), (0, 0, 1, 1)) == [2**31]
    with pytest.raises(UsageError):
        pixel(ArrayImage(values, "yxc"), (0, 0, 1, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_thumbnail_of_every_kind_fits(kind):
    values, axes = made(kind)
    image = ArrayImage(values, axes)
    picture = Pictures.open(io.BytesIO(thumbnail(image)))
    assert picture.size[0] <= 128
    assert picture.size[1] <= 96
    assert picture.mode == ("RGB" if kind == "RGB" else "L")


def test_a_thumbnail_shows_the_picture():
    values = np.zeros((400, 600), np.uint16)
    values[:, 300:] = 5000
    picture = np.asarray(Pictures.open(io.BytesIO(thumbnail(ArrayImage(values, "yx")))))
    assert (picture[:, :40] == 0).all()
    assert (picture[:, -40:] == 255).all()


def test_a_picture_is_that_of_the_slice_time_and_channel_that_was_asked_for():
    values = np.zeros((2, 3, 4, 40, 60), np.uint16)
    for t, c, z in np.ndindex(2, 3, 4):
        values[t, c, z, :, : 10 * t + 5 * c + z + 1] = 900
    image = ArrayImage(values, "tczyx")
    for t, c, z in ((0, 0, 0), (1, 2, 3), (0, 1, 2)):
        picture = np.asarray(Pictures.open(io.BytesIO(large_picture(image, (t, z, c)))))
        assert picture.shape == (40, 60)
        assert np.array_equal(picture == 255, values[t, c, z] == 900)
    with pytest.raises(UsageError, match="z 4"):
        large_picture(image, (0, 4, 0))
    read = np.asarray(image.with_axes("tzcyx").shape5)
    assert tuple(read) == (2, 4, 3, 40, 60)
    assert large_picture(image.with_axes("tzcyx"), (1, 2, 3)) == large_picture(image, (1, 3, 2)), (
        "follows axes"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_every_kind_fits(kind):
    values, axes = made(kind)
    image = ArrayImage(values, axes)
    picture = Pictures.open(io.BytesIO(large_picture(image, (0, image.shape5[2] // 2, 0))))
    assert picture.size[0] <= 960 and picture.size[1] <= 640
    assert picture.mode == ("RGB" if kind == "RGB" else "L")


def test_colours_are_told_from_channels():
    assert is_rgb(ArrayImage(np.zeros((4, 4, 3), np.uint8), "yxc"))
    assert not is_rgb(ArrayImage(np.zeros((4, 4, 3), np.uint16), "yxc"))
    assert not is_rgb(ArrayImage(np.zeros((4, 4, 2), np.uint8), "yxc"))


def test_z_that_was_halved_is_counted_along_in_xy_and_left_alone_in_other_planes():
    class Halved(ArrayImage):
        def __init__(self):
            super().__init__(np.zeros((40, 64, 64), np.uint8), "zyx")
            object.__setattr__(self.info, "levels", ((40, 64, 64), (20, 32, 32)))

    level, wanted = wanted_pixels(Halved(), Place(0, "xy", 13, 1, 0, 0, 4, 4))
    assert level == 1
    assert wanted[2].tolist() == [6]
    assert wanted_pixels(Halved(), Place(0, "xz", 13, 1, 0, 0, 4, 4))[0] == 0
