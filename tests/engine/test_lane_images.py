"""Images of lanes: few open at a time, never closed under who reads, replaced at once."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
import tifffile

from engine.live_scenes import wait_until
from underbrush.core.geometry import Box
from underbrush.engine.lane_images import LaneImages, image_key
from underbrush.errors import ImageError
from underbrush.sources.array import ArrayImage
from underbrush.sources.opening import open_image


class Watched(ArrayImage):
    """Counts how often it is open, and may wait while it is read."""

    open_now = 0

    def __init__(self, value, gate=None):
        super().__init__(np.full((40, 50), value, np.uint8), "yx")
        self.gate, self.closed = gate, False
        Watched.open_now += 1

    def _read_own(self, where, level):
        if self.gate is not None:
            assert self.gate.wait(60)
        assert not self.closed, "closed under who reads"
        return super()._read_own(where, level)

    def close(self):
        assert not self.closed
        self.closed = True
        Watched.open_now -= 1


@pytest.fixture(autouse=True)
def none_open():
    Watched.open_now = 0
    yield
    assert Watched.open_now == 0


def test_few_are_open_and_all_can_be_read():
    images = LaneImages(2)
    for k in range(5):
        images.put(f"a{k}", f"key{k}", lambda k=k: Watched(k))
    held = [images.image(f"a{k}") for k in range(5)]
    for _ in range(2):
        for k, image in enumerate(held):
            assert image.read().max() == k and image.shape5 == (1, 1, 1, 40, 50)
            assert Watched.open_now == images.n_open <= 2
    assert images.get("a3").key == images.key("a3") == "key3"
    images.close()


def test_an_image_is_opened_only_when_it_is_asked_for_and_its_errors_are_told_each_time():
    images = LaneImages()
    asked = []

    def opener():
        asked.append(1)
        if len(asked) < 3:
            raise ImageError("not there", where="x.tif", remedy="find it")
        return Watched(1)

    images.put("a", "key", opener)
    assert not asked and images.key("a") == "key"
    for _ in range(2):
        with pytest.raises(ImageError, match="not there"):
            images.get("a")
    assert images.get("a").image.read().max() == 1
    images.close()
    with pytest.raises(ImageError, match="no image 'a'"):
        images.get("a")


def test_a_file_is_not_closed_while_it_is_read():
    images, gate = LaneImages(1), threading.Event()
    images.put("a", "a", lambda: Watched(7, gate))
    image = images.image("a")
    found = []
    reader = threading.Thread(target=lambda: found.append(image.read().max()))
    reader.start()
    wait_until(lambda: Watched.open_now == 1 and image._handle.users == 1)
    images.put("b", "b", lambda: Watched(8))
    assert images.image("b").read().max() == 8
    images.put("a", "a2", lambda: Watched(9))
    assert Watched.open_now == 2
    gate.set()
    reader.join(60)
    assert found == [7] and images.image("a").read().max() == 9
    images.close()
    assert image.read().max() == 7, "who holds an old image can still read it"
    images.close()
    image.rest()


def test_the_same_key_keeps_the_image():
    images = LaneImages()
    images.put("a", "key", lambda: Watched(1))
    image = images.image("a")
    images.put("a", "key", lambda: Watched(2))
    assert images.image("a") is image
    images.drop("a")
    images.drop("a")


def test_an_image_that_changed_its_shape_behind_our_back_is_refused():
    images, size = LaneImages(), [40]
    images.put("a", "key", lambda: ArrayImage(np.zeros((size[0], 50), np.uint8), "yx"))
    image = images.image("a")
    image.rest()
    size[0] = 30
    with pytest.raises(ImageError, match="has changed"):
        image.read(Box.whole((1, 1, 1, 30, 50)))


def test_keys_tell_files_axes_and_later_versions_apart(tmp_path):
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, np.zeros((20, 30), np.uint8))
    first = image_key(path, "yx", (path,))
    assert first == image_key(path, "yx", (path,)) != image_key(path, "xy", (path,))
    os.utime(path, ns=(1, 1))
    assert image_key(path, "yx", (path,)) != first
    assert image_key("gone.tif", None, ("gone.tif",))


def test_many_threads_read_many_real_files(tmp_path):
    images = LaneImages(2)
    for k in range(6):
        path = tmp_path / f"{k}.tif"
        tifffile.imwrite(path, np.full((64, 64), k, np.uint8), compression="zlib", tile=(16, 16))
        images.put(str(k), str(k), lambda path=path: open_image(path))
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(150):
            k = int(rng.integers(6))
            y, x = rng.integers(0, 40, 2)
            got = images.image(str(k)).read(Box((0, 0, 0, y, x), (1, 1, 1, y + 9, x + 7)))
            if not (got == k).all():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and images.n_open <= 2
    images.close()


class Reads(ArrayImage):
    """A volume that says what was read of it."""

    def __init__(self, array, axes):
        super().__init__(array, axes)
        self.pixels = 0

    def _read_own(self, where, level):
        found = super()._read_own(where, level)
        self.pixels += found.size
        return found


@pytest.mark.parametrize(("shape", "axes"), [((50, 300, 310), "zyx"), ((2, 20, 40, 290, 3), "tzyxc")])
def test_pixels_of_volumes_are_read_once(shape, axes):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 60_000, shape).astype(np.uint16)
    source, images = Reads(array, axes), LaneImages(2, 4 * array.nbytes)
    images.put("a", "key", lambda: source)
    image, plain = images.image("a"), ArrayImage(array, axes)
    size = image.shape5
    for _ in range(40):
        start = [int(rng.integers(0, n)) for n in size]
        stop = [int(rng.integers(a + 1, n + 1)) for a, n in zip(start, size, strict=True)]
        start[1], stop[1] = 0, size[1]
        box = Box(tuple(start), tuple(stop))
        got = image.read(box)
        assert np.array_equal(got, plain.read(box)) and got.dtype == np.uint16
        got[...] = 0
    assert 0 < source.pixels <= array.size
    assert images.blocks.bytes <= 4 * array.nbytes
    one = image.read(Box((0, 0, 0, 0, 0), (1, 1, 9, 9, 9)))
    assert np.array_equal(one, plain.read(Box((0, 0, 0, 0, 0), (1, 1, 9, 9, 9))))
    for wrong in (Box((0, 0, 0, 0, 0), (1, 1, 1, 1, 999)), Box((0, 0, 0, 0, 0), (0, 1, 1, 1, 1))):
        with pytest.raises(ImageError, match="leaves the image"):
            image.read(wrong)
    assert np.array_equal(image.read(), plain.read())
    images.close()


def test_pixels_that_are_kept_take_no_more_than_they_may():
    array = np.arange(64 * 300 * 300, dtype=np.uint16).reshape(64, 300, 300)
    source, images = Reads(array, "zyx"), LaneImages(2, 2_000_000)
    images.put("a", "key", lambda: source)
    image, plain = images.image("a"), ArrayImage(array, "zyx")
    for y in range(0, 250, 50):
        box = Box((0, 0, 0, y, 0), (1, 1, 64, y + 3, 300))
        assert np.array_equal(image.read(box), plain.read(box))
        assert images.blocks.bytes <= 2_000_000
    image.read(Box.whole(image.shape5))
    assert images.blocks.bytes <= 2_000_000
    images.close()


def test_damage_beside_a_box_does_not_hurt_it():
    class Damaged(ArrayImage):
        def _read_own(self, where, level):
            if where[2].stop > 60:
                raise ImageError("a strip is damaged", where="x.tif", remedy="copy it again")
            return super()._read_own(where, level)

    array, images = np.ones((20, 90, 90), np.uint8), LaneImages()
    images.put("a", "key", lambda: Damaged(array, "zyx"))
    image = images.image("a")
    assert image.read(Box((0, 0, 0, 10, 10), (1, 1, 20, 30, 50))).all()
    with pytest.raises(ImageError, match="damaged"):
        image.read(Box((0, 0, 0, 10, 10), (1, 1, 20, 30, 70)))
    images.close()
