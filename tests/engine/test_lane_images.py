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
